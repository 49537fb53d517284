/* SPDX-License-Identifier: MIT
 * What libraries that read pictures say on standard error about damaged files, in words of their
 * own and with no way to ask them not to (libjxl, dav1d). Ours are all that is to be seen. */
#ifndef COMMON_REMARKS_H
#define COMMON_REMARKS_H

/* What this thread writes to the C library's stderr between the two is left out; what others write
 * is not, nor what goes to the descriptor itself. */
void remarks_mute(void);
void remarks_unmute(void);

#endif

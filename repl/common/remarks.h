/* SPDX-License-Identifier: MIT
 * What libraries that read pictures say on standard error about damaged files, in words of their
 * own and with no way to ask them not to (libjxl, dav1d). Ours are all that is to be seen. */
#ifndef COMMON_REMARKS_H
#define COMMON_REMARKS_H

/* From here on the C library's stderr is a stream that asks which thread writes. Before any other
 * thread begins, because stderr is a variable; without it the two below do nothing. */
void remarks_begin(void);

/* What this thread writes to stderr between the two is left out; what others write is not, nor what
 * goes to the descriptor itself. */
void remarks_mute(void);
void remarks_unmute(void);

#endif

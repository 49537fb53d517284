/* SPDX-License-Identifier: MIT
 * Suppresses what image libraries print on standard error about damaged files, which some cannot be
 * told not to do (libjxl, dav1d). Only our own messages should be seen. */
#ifndef COMMON_REMARKS_H
#define COMMON_REMARKS_H

/* Makes the C library's stderr a stream that checks which thread writes. Call it before any other
 * thread starts, because stderr is a variable; without it the two below do nothing. */
void remarks_begin(void);

/* Text that this thread writes to stderr between the two calls is dropped; other threads' text and
 * direct writes to the descriptor are not. */
void remarks_mute(void);
void remarks_unmute(void);

#endif

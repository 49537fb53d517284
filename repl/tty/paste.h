/* SPDX-License-Identifier: GPL-3.0-or-later
 * What is pasted, as it goes into the line. */
#ifndef TTY_PASTE_H
#define TTY_PASTE_H

#include <stddef.h>

/* As any text from outside (source_normalise), but zero bytes go. Where the text begins with a prompt
 * of ours ("In [3] @1: "), that one, those of further cells and the "...: " of further lines are
 * taken off the beginnings of the lines. Fits line_host.pasted; the caller frees. */
char *paste_read(void *user, const char *bytes, size_t n);

#endif

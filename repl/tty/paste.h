/* SPDX-License-Identifier: GPL-3.0-or-later
 * Turns pasted bytes into text for the line. */
#ifndef TTY_PASTE_H
#define TTY_PASTE_H

#include <stddef.h>

/* Normalises it like any text from outside (source_normalise), but drops zero bytes. When the text
 * begins with a prompt of ours ("In [3] @1: "), all prompts and the "...: " of continuation lines
 * are removed. Fits line_host.pasted; the caller frees. */
char *paste_read(void *user, const char *bytes, size_t n);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later
 * The desktop's clipboard, read with the desktop's helper program or else through the terminal. */
#ifndef TTY_CLIPBOARD_H
#define TTY_CLIPBOARD_H

#include <stdbool.h>
#include <stddef.h>

#include "phi3v.h"
#include "term/term.h"

/* Returns a picture's bytes or, when there is no picture, text; the caller frees *ret_bytes.
 * `stopped` is called while it waits. Errors: IO (empty, or a helper is missing: says how to get
 * it), CANCELLED. */
int clipboard_read(struct term *t, bool (*stopped)(void *user), void *user, char **ret_bytes,
                   size_t *ret_n, struct phi3v_error *err);

#endif

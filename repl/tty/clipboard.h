/* SPDX-License-Identifier: GPL-3.0-or-later
 * The desktop's clipboard, through the helper that it takes here or else the terminal itself. */
#ifndef TTY_CLIPBOARD_H
#define TTY_CLIPBOARD_H

#include <stdbool.h>
#include <stddef.h>

#include "phi3v.h"
#include "term/term.h"

/* A picture's bytes or, where it holds none, text; *ret_bytes is to be freed. stopped is asked
 * meanwhile. Errors: IO (empty; which helper is missing and how to get it), CANCELLED. */
int clipboard_read(struct term *t, bool (*stopped)(void *user), void *user, char **ret_bytes,
                   size_t *ret_n, struct phi3v_error *err);

#endif

/* SPDX-License-Identifier: MIT
 * Error reporting: a code and one bounded sentence in the caller's struct phi3v_error. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "phi3v.h"

/* Fills *err (may be NULL) and returns code, so that `return err_set(err, PHI3V_E_IO, "…");` works.
 */
int err_set(struct phi3v_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "not enough memory for WHAT: N MiB needed, M MiB free". Returns PHI3V_E_MEMORY. */
int err_memory(struct phi3v_error *err, const char *what, size_t needed_bytes);

#endif

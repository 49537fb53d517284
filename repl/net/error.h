/* SPDX-License-Identifier: MIT
 * Errors of this folder: one sentence in the library's struct. */
#ifndef NET_ERROR_H
#define NET_ERROR_H

#include "phi3v.h"

/* Fills *err (may be NULL) and returns code. */
int net_fail(struct phi3v_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "not enough memory to fetch SOURCE" */
int net_fail_memory(struct phi3v_error *err, const char *source);
/* New string (free); NULL without memory. */
char *net_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

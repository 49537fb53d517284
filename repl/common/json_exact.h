/* SPDX-License-Identifier: MIT
 * JSON that passes through unchanged. Python and others write what strict readers refuse or round:
 * NaN, numbers beyond 64 bits, 1.00, unpaired surrogates, \u0000. Here such pieces are kept in
 * ordinary strings, after a mark from the private use area, and written back as they were. */
#ifndef COMMON_JSON_EXACT_H
#define COMMON_JSON_EXACT_H

#include "common/json.h"

/* As json_parse, but keeps what that would refuse or change; of duplicate keys the last counts.
 * stop may be NULL. Errors: IO, CANCELLED, MEMORY. */
json_t *json_exact_parse(const char *text, size_t n, const char *what, const struct stop *stop,
                         struct phi3v_error *err);
/* The reverse; otherwise as json_pretty. */
char *json_exact_pretty(const json_t *value, const struct stop *stop);
/* A string of such a value for people and models, with U+FFFD in place of kept pieces. NULL without
 * memory. */
char *json_exact_plain(const char *s);

#endif

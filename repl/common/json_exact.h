/* SPDX-License-Identifier: MIT
 * JSON that passes through unchanged. Python and others write what strict readers refuse or round:
 * NaN, numbers beyond 64 bits, 1.00, lone halves of surrogates, \u0000. Here such pieces travel
 * inside ordinary strings, behind a mark from the private use area, and are written as they were.
 */
#ifndef COMMON_JSON_EXACT_H
#define COMMON_JSON_EXACT_H

#include "common/json.h"

/* As json_parse, but what it would refuse or change is carried along; of double keys the last one
 * counts. stop may be NULL. Errors: IO, CANCELLED, MEMORY. */
json_t *json_exact_parse(const char *text, size_t n, const char *what, const struct stop *stop,
                         struct phi3v_error *err);
/* The other way: as json_pretty. */
char *json_exact_pretty(const json_t *value, const struct stop *stop);
/* A string of such a value for people and models: U+FFFD where something was carried. NULL without
 * memory. */
char *json_exact_plain(const char *s);

#endif

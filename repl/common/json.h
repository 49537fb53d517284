/* SPDX-License-Identifier: MIT
 * JSON as this program prints it: one object per line, UTF-8, every control character and
 * U+2028/2029 escaped. */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <jansson.h>

#include <stdint.h>

#include "common/stop.h"
#include "common/text.h"

/* From now on failed allocations in jansson count in memory_failures(). */
void json_count_failures(void);
/* The text as a JSON string; bytes that are not UTF-8 become U+FFFD. */
json_t *json_text(const char *s);
json_t *json_textn(const char *s, size_t n);
json_t *json_ids(const int32_t *ids, size_t n);
/* Compact, without line breaks; the caller frees. */
char *json_line(const json_t *value);
/* {"error": {"code", "message"}} */
json_t *json_error(const struct phi3v_error *err);
/* "model", "image", … for an enum phi3v_code. */
const char *error_name(int code);
/* As in Python's notebooks: indented by one, shortest form of numbers, a line break at the end. The
 * caller frees. NULL without memory, or when stopped; stop may be NULL. */
char *json_pretty(const json_t *value, const struct stop *stop);
/* Skips a byte order mark. Errors: IO (UTF-16, or nothing at all). */
int json_begins(const char **text, size_t *n, const char *what, struct phi3v_error *err);
/* Parses text. Returns NULL on failure; err then says where `what` (the thing's name) is wrong. */
json_t *json_parse(const char *text, size_t n, const char *what, struct phi3v_error *err);

#endif

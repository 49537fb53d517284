/* SPDX-License-Identifier: MIT
 * Reads JSON files from outside: values are checked, and messages name file, key, value and what is
 * allowed. The first error stays, and later reads return harmless values, so a series of reads
 * needs one check at its end. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct json_reader {
    const char *file;        // path, for messages
    struct phi3v_error *err; // may be NULL
    int code;                // 0, or the first error
};

enum { JSON_FILE_MAX_BYTES = 64 << 20 };

/* Parses text, refusing duplicate keys. Returns 0, PHI3V_E_MEMORY, or PHI3V_E_MODEL with the place
 * and reason in *why. */
int json_text_load(const char *text, size_t n, json_t **ret_root, json_error_t *why);
/* Parses `path` (at most JSON_FILE_MAX_BYTES, no key twice) whose top level must be an object. The
 * caller json_decrefs *ret_root. Errors: IO, MODEL (line and reason), MEMORY. */
int json_file_load(const char *path, json_t **ret_root, struct phi3v_error *err);

/* Records an error about `section`.`key`: its value and `expected` ("an integer from 1 to 10").
 * section is "" at the top. */
void json_refuse(struct json_reader *r, int code, const char *section, const char *key,
                 const json_t *value, const char *expected);

/* These read obj[key]. A missing key or null gives fallback; JSON_REQUIRED makes that an error. */
#define JSON_REQUIRED INT64_MIN
int64_t json_read_int(struct json_reader *r, const char *section, const json_t *obj,
                      const char *key, int64_t fallback, int64_t min, int64_t max);
double json_read_number(struct json_reader *r, const char *section, const json_t *obj,
                        const char *key, double fallback, double min, double max);
bool json_read_bool(struct json_reader *r, const char *section, const json_t *obj, const char *key,
                    bool fallback);
/* Borrowed from obj; NULL when missing (or refused). */
const char *json_read_string(struct json_reader *r, const char *section, const json_t *obj,
                             const char *key);
/* A list of exactly n numbers from min to 1e6; false when the key is missing or null (nothing is
 * written then). */
bool json_read_floats(struct json_reader *r, const char *section, const json_t *obj,
                      const char *key, double min, float *ret, int n);
/* An object, or NULL when missing or null. */
const json_t *json_read_object(struct json_reader *r, const char *section, const json_t *obj,
                               const char *key);

#endif

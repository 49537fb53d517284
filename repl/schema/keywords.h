/* SPDX-License-Identifier: MIT
 * The keywords of JSON Schema: what they are about, and reading their values. */
#ifndef SCHEMA_KEYWORDS_H
#define SCHEMA_KEYWORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

enum keyword_kind {   // bits
    KEYWORD_NOTE = 1, /* says nothing about the value: title, description, … */
    KEYWORD_DEFS = 2, /* holds schemas for others to refer to */
    KEYWORD_TYPE = 4,
    KEYWORD_VALUES = 8, /* enum, const */
    KEYWORD_OTHER = 16, /* $ref, anyOf, oneOf, allOf: the value is that of another schema */
    KEYWORD_STRING = 32,
    KEYWORD_NUMBER = 64,
    KEYWORD_ARRAY = 128,
    KEYWORD_OBJECT = 256
};

enum type { // bits
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
    TYPE_ANY = 128 - 1 - TYPE_INTEGER
};

/* Reads one schema, which is an object; the first error stays. */
struct reader {
    struct text path; // of the place, "#/properties/a"
    struct phi3v_error *err;
    int rc;
};

/* Records an error and its place, unless there was one before. Returns the code of the first. */
int reader_refuse(struct reader *r, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Enters a part, and goes back to where the path had `n` bytes. */
size_t reader_enter(struct reader *r, const char *word);
void reader_leave(struct reader *r, size_t n);

/* The kinds of a schema's keywords. Refuses unknown and unsupported ones. */
int read_keywords(struct reader *r, const json_t *schema);
/* Refuses other keywords next to `keyword`, except those of `kinds`. */
void read_alone(struct reader *r, const json_t *schema, const char *keyword, int kinds);
/* The types named by "type", or those that the keywords are about; else TYPE_ANY. */
int read_types(struct reader *r, const json_t *schema, int kinds);
int type_of_value(const json_t *value); /* INTEGER for 1.0, too */
/* Reads a count; fallback when it is missing. */
int32_t read_count(struct reader *r, const json_t *schema, const char *keyword, int32_t fallback);

#endif

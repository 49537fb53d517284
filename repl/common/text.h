/* SPDX-License-Identifier: MIT
 * Text that grows, and lists of strings. Where memory is missing nothing is added, the text or list
 * stays usable, and memory_failures() tells. */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/memory.h"

/* -- Strings; NULL without memory ------------------------------------------------------------- */

char *text_copy(const char *s); /* NULL stays NULL */
char *text_copyn(const char *s, size_t n);
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* n bytes as hexadecimal digits in small letters; ret: [2 n + 1]. */
void hex_text(const unsigned char *bytes, size_t n, char *ret);

/* The value of a hexadecimal digit in either case; -1: it is none. */
int hex_digit(char c);

/* "1.5 GB", "12 kB": decimal units, three digits. Returns buf. */
const char *human_bytes(double bytes, char *buf, size_t n);

/* -- Growing text: s is NUL-terminated once something was added. Zero-initialise. -------------- */

struct text {
    char *s;
    size_t n, cap;
    bool failed; // something could not be added
};
void text_add(struct text *t, const char *s);
void text_addn(struct text *t, const char *s, size_t n);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The string ("" when nothing was added), now the caller's; NULL when anything is missing from it.
 */
char *text_take(struct text *t);
void text_free(struct text *t);

/* -- Lists of owned strings. Zero-initialise. -------------------------------------------------- */

struct strings {
    char **v;
    size_t n;
};
bool strings_add(struct strings *list, const char *s);
/* Takes s, also where it cannot be added (and is freed); NULL cannot. */
bool strings_take(struct strings *list, char *s);
void strings_free(struct strings *list);
bool strings_copy(struct strings *to, const struct strings *from); /* to is empty */

/* -- Errors ------------------------------------------------------------------------------------ */

/* As the library's errors: fills *err (which may be NULL) and returns code. */
int refuse(struct phi3v_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

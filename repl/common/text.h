/* SPDX-License-Identifier: MIT
 * Growing text, and lists of strings. Without memory nothing is added, the text or list stays
 * usable, and memory_failures() counts it. */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/memory.h"

/* -- Strings; NULL without memory ------------------------------------------------------------- */

char *text_copy(const char *s); /* NULL stays NULL */
char *text_copyn(const char *s, size_t n);
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* n bytes as lower-case hexadecimal digits; ret: [2 n + 1]. */
void hex_text(const unsigned char *bytes, size_t n, char *ret);

/* The value of a hexadecimal digit in either case; -1: not a digit. */
int hex_digit(char c);

/* Whether text from outside is UTF-16, by its byte order mark; the bytes of that of UTF-8, 0: none. */
bool is_utf16(const char *bytes, size_t n);
size_t utf8_mark(const char *bytes, size_t n);

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
/* The string ("" when nothing was added), now the caller's; NULL when any of it is missing. */
char *text_take(struct text *t);
void text_free(struct text *t);

/* -- Lists of owned strings. Zero-initialise. -------------------------------------------------- */

struct strings {
    char **v;
    size_t n;
};
bool strings_add(struct strings *list, const char *s);
/* Takes ownership of s, even if it cannot be added (it is then freed); s NULL counts as failure. */
bool strings_take(struct strings *list, char *s);
void strings_free(struct strings *list);
bool strings_copy(struct strings *to, const struct strings *from); /* to is empty */

/* -- Errors ------------------------------------------------------------------------------------ */

/* Fills *err (which may be NULL) as the library does and returns code. */
int refuse(struct phi3v_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

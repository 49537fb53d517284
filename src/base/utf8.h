/* SPDX-License-Identifier: MIT
 * UTF-8, one character at a time. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xFFFDu

/* The number of bytes of the character at s; n > 0. For bytes that are not UTF-8, *ret_cp is
 * UTF8_REPLACEMENT and the length that of the longest valid prefix of a character, at least 1, as
 * most decoders do. */
size_t utf8_next(const char *s, size_t n, uint32_t *ret_cp);
bool utf8_is_valid(const char *s, size_t n);

#endif

/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

/* The length that a first byte announces, and the range of the second (the others are 80 … BF). */
static size_t first_byte(unsigned char c, unsigned char *ret_min, unsigned char *ret_max)
{
    *ret_min = 0x80;
    *ret_max = 0xBF;
    if (c < 0x80) return 1;
    if (c < 0xC2 || c > 0xF4) return 0;
    if (c < 0xE0) return 2;
    if (c == 0xE0) *ret_min = 0xA0; // no overlong forms
    if (c == 0xED) *ret_max = 0x9F; // no surrogates
    if (c == 0xF0) *ret_min = 0x90;
    if (c == 0xF4) *ret_max = 0x8F; // at most U+10FFFF
    return c < 0xF0 ? 3 : 4;
}

size_t utf8_next(const char *s, size_t n, uint32_t *ret_cp)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char min, max;
    size_t len = first_byte(p[0], &min, &max);
    *ret_cp = UTF8_REPLACEMENT;
    if (len == 0) return 1;
    uint32_t cp = len == 1 ? p[0] : p[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (i == n || p[i] < min || p[i] > max) return i;
        min = 0x80;
        max = 0xBF;
        cp = cp << 6 | (p[i] & 0x3F);
    }
    *ret_cp = cp;
    return len;
}

bool utf8_is_valid(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t len = utf8_next(s + i, n - i, &cp);
        if (cp == UTF8_REPLACEMENT && (len != 3 || (unsigned char)s[i] != 0xEF)) return false;
        i += len;
    }
    return true;
}

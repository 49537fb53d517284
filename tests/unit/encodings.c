/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "encodings.h"

#include <stdlib.h>
#include <string.h>

struct out {
    uint8_t *bytes;
    size_t n;
    uint32_t held; /* bits not yet a byte, the first lowest */
    int n_held;
};

static void put(struct out *o, const void *bytes, size_t n)
{
    memcpy(o->bytes + o->n, bytes, n);
    o->n += n;
}

static void put_bits(struct out *o, uint32_t value, int n)
{
    o->held |= value << o->n_held;
    for (o->n_held += n; o->n_held >= 8; o->n_held -= 8, o->held >>= 8)
        o->bytes[o->n++] = (uint8_t)o->held;
}

static void put_word(struct out *o, uint32_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++) o->bytes[o->n++] = (uint8_t)(value >> 8 * i);
}

static uint32_t crc32_of(const uint8_t *s, size_t n)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= s[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static uint32_t adler32_of(const uint8_t *s, size_t n)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + s[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static void put_deflate(struct out *o, const uint8_t *bytes, size_t n)
{
    for (size_t at = 0; at < n || at == 0;) {
        size_t part = n - at < 65535 ? n - at : 65535;
        o->bytes[o->n++] = at + part == n;
        put_word(o, (uint32_t)part | ~(uint32_t)part << 16, 4);
        put(o, bytes + at, part);
        at += part;
        if (n == 0) break;
    }
}

/* A window of 64 kB, uncompressed pieces, an empty last one. */
static void put_brotli(struct out *o, const uint8_t *bytes, size_t n)
{
    put_bits(o, 0, 1);
    for (size_t at = 0; at < n;) {
        size_t part = n - at < 65536 ? n - at : 65536;
        put_bits(o, 0, 3);
        put_bits(o, (uint32_t)part - 1, 16);
        put_bits(o, 1, 1);
        put_bits(o, 0, (8 - o->n_held) % 8);
        put(o, bytes + at, part);
        at += part;
    }
    put_bits(o, 3, 2);
    put_bits(o, 0, (8 - o->n_held) % 8);
}

static const uint8_t gzip_head[10] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3};

uint8_t *encode_stored(enum encoding e, const uint8_t *bytes, size_t n, size_t *ret_n)
{
    struct out o = {.bytes = malloc(n + n / 1000 + 64)};
    if (!o.bytes) abort();
    if (e == ENCODE_GZIP) put(&o, gzip_head, sizeof gzip_head);
    if (e == ENCODE_ZLIB) put(&o, "\x78\x01", 2);
    if (e == ENCODE_NOT)
        put(&o, bytes, n);
    else if (e == ENCODE_BROTLI)
        put_brotli(&o, bytes, n);
    else
        put_deflate(&o, bytes, n);
    if (e == ENCODE_GZIP) {
        put_word(&o, crc32_of(bytes, n), 4);
        put_word(&o, (uint32_t)n, 4);
    }
    if (e == ENCODE_ZLIB) put_word(&o, __builtin_bswap32(adler32_of(bytes, n)), 4);
    *ret_n = o.n;
    return o.bytes;
}

/* Below 144: its value and 0x30, the highest bit first. */
static void put_literal(struct out *o, uint8_t value)
{
    for (int i = 7; i >= 0; i--) put_bits(o, (uint32_t)(value + 0x30) >> i & 1, 1);
}

uint8_t *encode_bomb(size_t n_bytes, size_t *ret_n)
{
    size_t n_copies = (n_bytes + 257) / 258;
    struct out o = {.bytes = malloc(n_copies * 13 / 8 + 64)};
    if (!o.bytes) abort();
    put(&o, gzip_head, sizeof gzip_head);
    put_bits(&o, 3, 3); /* the last block, fixed codes */
    for (const char *c = "GIF89a"; *c; c++) put_literal(&o, (uint8_t)*c);
    for (size_t i = 0; i < n_copies; i++) {
        put_bits(&o, 0xA3, 8); /* a copy of 258 bytes … */
        put_bits(&o, 0, 5);    /* … from one byte before */
    }
    put_bits(&o, 0, 7);
    put_bits(&o, 0, (8 - o.n_held) % 8);
    put_word(&o, 0, 4); /* nobody comes as far as the check sum */
    put_word(&o, 0, 4);
    *ret_n = o.n;
    return o.bytes;
}

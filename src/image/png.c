/* SPDX-License-Identifier: MIT
 * The chunk structure of PNG, which stb_image reads too trustingly: no checksums, and a file that
 * ends early is noticed late or not at all. */
#include "image/decoders.h"

#include <string.h>

/* A chunk: length, type, data, checksum of type and data. */
struct chunk {
    const uint8_t *type, *data;
    size_t n;
};

/* Reads the chunk at *at and steps over it; 0 when the data ends first. */
static int next_chunk(const uint8_t *bytes, size_t n, size_t *at, struct chunk *ret)
{
    if (n < 12 || *at > n - 12) return 0;
    size_t length = be32(bytes + *at);
    if (length > n - 12 - *at) return 0;
    *ret = (struct chunk){.type = bytes + *at + 4, .data = bytes + *at + 8, .n = length};
    *at += length + 12;
    return 1;
}

#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
static void make_crc_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
}

static int crc_matches(const struct chunk *c, const uint32_t table[256])
{
    uint32_t crc = 0xffffffffu;
    for (const uint8_t *p = c->type; p < c->data + c->n; p++)
        crc = table[(crc ^ *p) & 255] ^ crc >> 8;
    return (crc ^ 0xffffffffu) == be32(c->data + c->n);
}
#endif

int png_check(const uint8_t *bytes, size_t n, int *ret_animated, struct phi3v_error *err)
{
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION // a fuzzer cannot guess checksums
    uint32_t table[256];
    make_crc_table(table);
#endif
    if (n >= 33) { // signature, header chunk: so that too large is said before damaged
        int code = size_allowed("PNG", be32(bytes + 16), be32(bytes + 20), 8, err);
        if (code < 0) return code;
    }
    int animated = 0;
    struct chunk c;
    for (size_t at = 8; next_chunk(bytes, n, &at, &c);) {
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
        int critical = !(c.type[0] & 0x20);
        if (critical && !crc_matches(&c, table))
            return err_set(err, PHI3V_E_IMAGE,
                           "the PNG picture is damaged: wrong checksum in its %.4s chunk",
                           (const char *)c.type);
#endif
        if (memcmp(c.type, "acTL", 4) == 0) animated = 1;
        if (memcmp(c.type, "IEND", 4) == 0) {
            *ret_animated = animated;
            return 0;
        }
    }
    return err_set(err, PHI3V_E_IMAGE,
                   "the PNG picture is truncated: it ends after %zu bytes, before its end mark", n);
}

const uint8_t *png_chunk(const uint8_t *bytes, size_t n, const char type[4], size_t *ret_n)
{
    struct chunk c;
    for (size_t at = 8; next_chunk(bytes, n, &at, &c);) {
        if (memcmp(c.type, type, 4) != 0) continue;
        *ret_n = c.n;
        return c.data;
    }
    return NULL;
}

/* SPDX-License-Identifier: MIT
 * Binary PNM: P4 (bitmap), P5 (grey), P6 (colour), samples of one or two bytes. */
#include "image/decoders.h"

#include <string.h>

#include "base/mem.h"

struct pnm {
    int kind; // 4, 5, 6
    int64_t width, height, max;
    const uint8_t *samples;
    size_t n; // bytes from samples to the end
};

/* A decimal number behind white space and comments; -1 when there is none of a sensible size. */
static int64_t header_number(const uint8_t *bytes, size_t n, size_t *at)
{
    while (*at < n && memchr(" \t\r\n\v\f#", bytes[*at], 7)) {
        if (bytes[*at] == '#')
            while (*at < n && bytes[*at] != '\n') ++*at;
        else
            ++*at;
    }
    int64_t value = 0;
    size_t start = *at;
    for (; *at < n && bytes[*at] >= '0' && bytes[*at] <= '9' && *at - start < 10; ++*at)
        value = value * 10 + (bytes[*at] - '0');
    return *at > start ? value : -1;
}

static int read_header(const uint8_t *bytes, size_t n, struct pnm *ret, struct phi3v_error *err)
{
    struct pnm p = {.kind = bytes[1] - '0', .max = 1};
    if (p.kind < 4)
        return err_set(
            err, PHI3V_E_UNSUPPORTED,
            "the PNM picture is of the plain-text kind (P%d); only P4, P5 and P6 are read", p.kind);
    size_t at = 2;
    p.width = header_number(bytes, n, &at);
    p.height = header_number(bytes, n, &at);
    if (p.kind > 4) p.max = header_number(bytes, n, &at);
    if (p.width < 1 || p.height < 1 || p.max < 1 || p.max > 65535 || at >= n)
        return err_set(err, PHI3V_E_IMAGE, "the PNM picture is damaged: its header makes no sense");
    p.samples = bytes + at + 1; // one white-space byte
    p.n = n - at - 1;
    *ret = p;
    return 0;
}

static size_t row_bytes(const struct pnm *p)
{
    if (p->kind == 4) return ((size_t)p->width + 7) / 8;
    return (size_t)p->width * (p->kind == 6 ? 3 : 1) * (p->max > 255 ? 2 : 1);
}

/* Sample i of a row, scaled to 0…255. */
static uint8_t sample(const struct pnm *p, const uint8_t *row, size_t i)
{
    if (p->kind == 4) return row[i / 8] >> (7 - i % 8) & 1 ? 0 : 255;
    int64_t v = p->max > 255 ? (int64_t)be16(row + 2 * i) : row[i];
    if (v >= p->max) return 255;
    return (uint8_t)((v * 255 * 2 + p->max) / (2 * p->max));
}

int pnm_decode(const uint8_t *bytes, size_t n, struct pixels *ret, struct phi3v_error *err)
{
    struct pnm p = {0};
    int code = read_header(bytes, n, &p, err);
    if (code < 0 || (code = size_allowed("PNM", p.width, p.height, 3, err)) < 0) return code;
    size_t stride = row_bytes(&p), w = (size_t)p.width, h = (size_t)p.height;
    if (p.n / stride < h)
        return err_set(err, PHI3V_E_IMAGE,
                       "the PNM picture is truncated: %zu of %zu rows are there", p.n / stride, h);
    struct pixels out;
    if ((code = pixels_init(&out, (int)w, (int)h, 0, err)) < 0) return code;
    for (size_t y = 0; y < h; y++) {
        const uint8_t *row = p.samples + y * stride;
        uint8_t *to = out.rgb + y * w * 3;
        for (size_t i = 0; i < w * 3; i++) to[i] = sample(&p, row, p.kind == 6 ? i : i / 3);
    }
    *ret = out;
    return 0;
}

/* SPDX-License-Identifier: MIT
 * PNM, P1 to P6: bitmap, grey and colour, in text and binary form, with samples of one or two
 * bytes. */
#include "image/decoders.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum {
    MAX_TOKEN = 10,         // digits, as in the reference
    BELIEVED_PER_BYTE = 256 // pixels, for files that may be cut
};

struct pnm {
    int kind; // 1 … 6
    int64_t width, height, max;
    const uint8_t *samples;
    size_t n; // bytes from samples to the end
};

static int is_blank(uint8_t c) { return memchr(" \t\n\v\f\r", c, 6) != NULL; }
static int is_line_end(uint8_t c) { return c == '\n' || c == '\r'; }

/* Skips from a # to the end of its line, or to the last byte. */
static void skip_comment(const uint8_t *bytes, size_t n, size_t *at)
{
    while (*at + 1 < n && !is_line_end(bytes[*at])) ++*at;
}

/* Reads a decimal number after white space and comments, and the byte after it; -1 when there is no
 * number of a sensible size. */
static int64_t next_number(const uint8_t *bytes, size_t n, size_t *at)
{
    int64_t value = 0;
    int n_digits = 0;
    for (; *at < n; ++*at) {
        uint8_t c = bytes[*at];
        if (c == '#') {
            skip_comment(bytes, n, at);
        } else if (is_blank(c)) {
            if (n_digits == 0) continue;
            ++*at;
            break;
        } else if (c < '0' || c > '9' || ++n_digits > MAX_TOKEN) {
            return -1;
        } else {
            value = value * 10 + (c - '0');
        }
    }
    return n_digits ? value : -1;
}

static int read_header(const struct source *s, struct pnm *ret, struct phi3v_error *err)
{
    struct pnm p = {.kind = s->bytes[1] - '0', .max = 1};
    size_t at = 2;
    p.width = next_number(s->bytes, s->n, &at);
    p.height = next_number(s->bytes, s->n, &at);
    if (p.kind % 3 != 1) p.max = next_number(s->bytes, s->n, &at);
    if (p.width < 1 || p.height < 1 || p.max < 1 || p.max > 65535)
        return err_set(err, PHI3V_E_IMAGE, "the PNM picture is damaged: its header makes no sense");
    p.samples = s->bytes + at;
    p.n = s->n - at;
    *ret = p;
    return 0;
}

static size_t samples_per_row(const struct pnm *p)
{
    return (size_t)p->width * (p->kind % 3 == 0 ? 3 : 1);
}

static void put_sample(uint8_t *rgb, const struct pnm *p, size_t i, uint8_t value)
{
    if (p->kind % 3 == 0)
        rgb[i] = value;
    else
        memset(rgb + 3 * i, value, 3);
}

/* -- Binary ------------------------------------------------------------------------------------ */

static size_t row_bytes(const struct pnm *p)
{
    if (p->kind == 4) return ((size_t)p->width + 7) / 8;
    return samples_per_row(p) * (p->max > 255 ? 2 : 1);
}

static size_t read_binary(const struct source *s, const struct pnm *p, const uint8_t *scaled,
                          size_t n_rows, uint8_t *rgb)
{
    size_t stride = row_bytes(p), n = samples_per_row(p);
    for (size_t y = 0; y < n_rows && !source_stopped(s); y++, rgb += (size_t)p->width * 3) {
        const uint8_t *row = p->samples + y * stride;
        for (size_t i = 0; i < n; i++) {
            uint32_t v = p->kind == 4   ? !(row[i / 8] >> (7 - i % 8) & 1)
                         : p->max > 255 ? be16(row + 2 * i)
                                        : row[i];
            put_sample(rgb, p, i, scaled[v < p->max ? v : p->max]);
        }
    }
    return n_rows * n;
}

/* -- Plain text -------------------------------------------------------------------------------- */

/* Reads the next 0 or 1; a bitmap needs no blanks between them. */
static int64_t next_bit(const struct pnm *p, size_t *at)
{
    for (; *at < p->n; ++*at) {
        uint8_t c = p->samples[*at];
        if (c == '#')
            skip_comment(p->samples, p->n, at);
        else if (!is_blank(c))
            return p->samples[(*at)++] == '0' ? 1 : c == '1' ? 0 : -1;
    }
    return -1;
}

/* Returns how many samples there are; stops at the first that is invalid. */
static size_t read_plain(const struct source *s, const struct pnm *p, const uint8_t *scaled,
                         uint8_t *rgb)
{
    size_t at = 0, row = samples_per_row(p), n = row * (size_t)p->height;
    for (size_t i = 0; i < n; i++) {
        if (i % row == 0 && source_stopped(s)) return i;
        int64_t v = p->kind == 1 ? next_bit(p, &at) : next_number(p->samples, p->n, &at);
        if (v < 0 || v > p->max) return i;
        put_sample(rgb, p, i, scaled[v]);
    }
    return n;
}

/* -- Decoding ---------------------------------------------------------------------------------- */

/* Maps every value to 0 … 255 with the reference's arithmetic, in which halves round to even. */
static uint8_t *make_scale(const struct pnm *p, struct phi3v_error *err)
{
    uint8_t *scaled = mem_alloc((size_t)p->max + 1);
    if (!scaled) err_memory(err, "the picture", (size_t)p->max + 1);
    for (int64_t v = 0; scaled && v <= p->max; v++)
        scaled[v] = (uint8_t)rint((double)v / (double)p->max * 255);
    return scaled;
}

int pnm_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    struct pnm p = {0};
    int code = read_header(s, &p, err);
    if (code < 0) return code;
    code = size_allowed(s, p.width, p.height, 3, s->lenient ? BELIEVED_PER_BYTE : 0, err);
    if (code < 0) return code;
    size_t w = (size_t)p.width, h = (size_t)p.height, n = samples_per_row(&p) * h;
    size_t n_rows = p.kind <= 3 ? h : p.n / row_bytes(&p);
    if (n_rows > h) n_rows = h;
    int holds = p.kind > 3 ? n_rows == h : p.kind == 1 ? p.n >= n : p.n >= 2 * n - 1;
    if (!holds && !s->lenient) return truncated(s, err);

    CLEANUP(mem_free_ptr) uint8_t *scaled = make_scale(&p, err);
    if (!scaled) return PHI3V_E_MEMORY;
    struct pixels out;
    if ((code = pixels_init(&out, (int)w, (int)h, 0, err)) < 0) return code;
    if (!holds || p.kind <= 3) memset(out.rgb, 0, w * h * 3);
    size_t n_read = p.kind <= 3 ? read_plain(s, &p, scaled, out.rgb)
                                : read_binary(s, &p, scaled, n_rows, out.rgb);
    if (n_read < n && !s->lenient) {
        pixels_fini(&out);
        return err_set(err, PHI3V_E_IMAGE,
                       "the PNM picture is damaged: sample %zu of %zu is missing or none; with "
                       "lenient on, what is there is read",
                       n_read + 1, n);
    }
    ret->pixels = out;
    ret->incomplete = n_read < n;
    return 0;
}

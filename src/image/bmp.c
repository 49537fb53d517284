/* SPDX-License-Identifier: MIT
 * BMP: every header from OS/2 1 to Windows 5, 1 to 32 bits per pixel, colour masks, run-length
 * encoding. No library in Debian reads all of these with the reference's values. */
#include "image/decoders.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BELIEVED_PER_BYTE = 4096 }; // pixels, when rows may be left out

enum { PLAIN, RLE8, RLE4, MASKS };

struct dib {
    int64_t width, height;
    int top_down;
    size_t bits; // of a pixel
    uint32_t compression;
    size_t colours_at, n_colours, colour_bytes;
    size_t pixels_at, stride;
    uint32_t masks[4]; // red, green, blue, alpha
    uint8_t palette[256][3];
};

/* -- Header ------------------------------------------------------------------------------------ */

static int damaged(const struct source *s, const char *what, struct phi3v_error *err)
{
    return err_set(err, PHI3V_E_IMAGE, "the %s picture is damaged: %s", s->name, what);
}

static int not_read(const struct source *s, const char *what, struct phi3v_error *err)
{
    return err_set(err, PHI3V_E_UNSUPPORTED,
                   "the %s picture %s, which is not read here: save it as PNG", s->name, what);
}

/* The fields of the headers that are longer than the first one. */
static void read_fields(const uint8_t *h, struct dib *d)
{
    int32_t height = (int32_t)le32(h + 8);
    d->width = (int32_t)le32(h + 4);
    d->height = llabs((long long)height);
    d->top_down = height < 0;
    d->bits = le16(h + 14);
    d->compression = le32(h + 16);
    d->n_colours = le32(h + 32);
    d->colour_bytes = 4;
}

/* Finds the masks and the palette; `header` is the header's length. */
static void find_masks(const struct source *s, size_t at, size_t header, struct dib *d)
{
    static const uint32_t usual[2][4] = {{0x7c00, 0x3e0, 0x1f, 0},
                                         {0xff0000, 0xff00, 0xff, 0xff000000}};
    memcpy(d->masks, usual[d->bits > 16], sizeof d->masks);
    d->colours_at = at + header;
    if (d->compression != MASKS) return;
    size_t n_masks = header >= 56 ? 4 : 3; // after a short header they follow it
    if (header == 40) d->colours_at += 12;
    if (at + 40 + 4 * n_masks > s->n) return;
    d->masks[3] = 0;
    uint32_t any = 0;
    for (size_t i = 0; i < n_masks; i++) any |= d->masks[i] = le32(s->bytes + at + 40 + 4 * i);
    if (!any && d->bits == 32) memcpy(d->masks, usual[1], sizeof d->masks);
}

static int read_header(const struct source *s, size_t at, struct dib *ret, struct phi3v_error *err)
{
    static const uint8_t headers[] = {12, 40, 52, 56, 64, 108, 124};
    if (s->n < at + 12) return truncated(s, err);
    const uint8_t *h = s->bytes + at;
    size_t header = le32(h);
    if (header > 124 || !memchr(headers, (int)header, sizeof headers))
        return not_read(s, "has a header of an unknown kind", err);
    if (s->n < at + header) return truncated(s, err);
    struct dib d = {0};
    if (header == 12)
        d = (struct dib){
            .width = le16(h + 4), .height = le16(h + 6), .bits = le16(h + 10), .colour_bytes = 3};
    else
        read_fields(h, &d);
    if (d.compression == 4 || d.compression == 5)
        return not_read(s, "holds a JPEG or PNG picture", err);
    int runs = d.compression == RLE8 || d.compression == RLE4;
    if (d.compression > MASKS || (header == 64 && d.compression == MASKS))
        return not_read(s, "is compressed in an unusual way", err);
    if (!d.bits || d.bits > 32 || (d.bits & (d.bits - 1) && d.bits != 24) ||
        (runs && d.bits != (d.compression == RLE8 ? 8 : 4)))
        return damaged(s, "its header makes no sense", err);
    if (d.n_colours == 0 && d.bits <= 8) d.n_colours = (size_t)1 << d.bits;
    find_masks(s, at, header, &d);
    *ret = d;
    return 0;
}

/* A missing colour becomes the grey of its index, as in the reference. */
static void read_palette(const struct source *s, struct dib *d)
{
    size_t n = d->n_colours < 256 ? d->n_colours : 256;
    for (size_t i = 0; i < 256; i++) {
        memset(d->palette[i], (int)i, 3);
        size_t at = d->colours_at + i * d->colour_bytes;
        if (i >= n || at + 3 > s->n) continue;
        for (size_t c = 0; c < 3; c++) d->palette[i][c] = s->bytes[at + 2 - c];
    }
}

/* -- Run lengths ------------------------------------------------------------------------------- */

/* State of unpacking: out is [height][width], rows in the order of the file. */
struct runs {
    const uint8_t *in, *end;
    uint8_t *out;
    size_t at, n, width;
    size_t x; // the position in the row, as the reference counts it
};

static void put(struct runs *r, uint8_t colour)
{
    if (r->at < r->n) r->out[r->at++] = colour;
}

/* Copies literal pixels, padded to words. 0 when the data ends. */
static int literal(struct runs *r, size_t n, int rle4)
{
    if (n > r->n - r->at) n = r->n - r->at;
    size_t n_bytes = rle4 ? (n + 1) / 2 : n;
    if ((size_t)(r->end - r->in) < n_bytes) return 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t b = r->in[rle4 ? i / 2 : i];
        put(r, !rle4 ? b : i % 2 ? b & 15 : b >> 4);
    }
    n_bytes += n_bytes & 1;
    r->in += n_bytes < (size_t)(r->end - r->in) ? n_bytes : (size_t)(r->end - r->in);
    r->x += n;
    return 1;
}

static void run_of(struct runs *r, size_t n, uint8_t b, int rle4)
{
    size_t room = r->x < r->width ? r->width - r->x : 0;
    if (n > room) n = room; // more than the row holds
    for (size_t i = 0; i < n; i++) put(r, !rle4 ? b : i % 2 ? b & 15 : b >> 4);
    r->x += n;
}

/* Returns 0 when the data ends before the picture does. Skipped pixels have colour 0. */
static int unpack(const struct source *s, struct runs *r, int rle4)
{
    for (size_t i = 0; r->at < r->n; i++) {
        if (r->end - r->in < 2 || (i % 4096 == 0 && source_stopped(s))) return 0;
        size_t n = *r->in++;
        uint8_t b = *r->in++;
        if (n) {
            run_of(r, n, b, rle4);
        } else if (b == 0) { // end of the row
            r->at += (r->width - r->at % r->width) % r->width;
            r->x = 0;
        } else if (b == 1) { // end of the picture
            return 1;
        } else if (b == 2) { // a jump
            if (r->end - r->in < 2) return 0;
            size_t jump = r->in[0] + r->in[1] * r->width;
            r->at += jump < r->n - r->at ? jump : r->n - r->at;
            r->in += 2;
            r->x = r->at % r->width;
        } else if (!literal(r, b, rle4)) {
            return 0;
        }
    }
    return 1;
}

/* -- Pixels ------------------------------------------------------------------------------------ */

/* The part of v under the mask, as 0 … 255. */
static uint8_t masked(uint32_t v, uint32_t mask)
{
    if (!mask) return 0;
    uint32_t shift = (uint32_t)__builtin_ctz(mask), most = mask >> shift;
    return (uint8_t)((uint64_t)((v & mask) >> shift) * 255 / most);
}

static void put_colours(const struct dib *d, const uint8_t *row, size_t n, uint8_t *rgb,
                        uint8_t *alpha)
{
    size_t bytes = d->bits / 8;
    for (size_t x = 0; x < n; x++, row += bytes, rgb += 3) {
        if (bytes == 3) {
            rgb[0] = row[2], rgb[1] = row[1], rgb[2] = row[0];
            continue;
        }
        uint32_t v = bytes == 2 ? le16(row) : le32(row);
        for (int c = 0; c < 3; c++) rgb[c] = masked(v, d->masks[c]);
        if (alpha) alpha[x] = masked(v, d->masks[3]);
    }
}

static void put_numbers(const struct dib *d, size_t bits, const uint8_t *row, size_t n,
                        uint8_t *rgb)
{
    size_t per_byte = 8 / bits, mask = ((size_t)1 << bits) - 1;
    for (size_t x = 0; x < n; x++) {
        size_t shift = (per_byte - 1 - x % per_byte) * bits;
        memcpy(rgb + 3 * x, d->palette[row[x / per_byte] >> shift & mask], 3);
    }
}

/* Takes n rows in the file's order; the others stay black. */
static void put_rows(const struct source *s, const struct dib *d, size_t bits, const uint8_t *rows,
                     size_t stride, size_t n, struct pixels *p)
{
    size_t w = (size_t)d->width, h = (size_t)d->height;
    for (size_t i = 0; i < n && !source_stopped(s); i++) {
        size_t y = d->top_down ? i : h - 1 - i;
        uint8_t *rgb = p->rgb + y * w * 3, *alpha = p->alpha ? p->alpha + y * w : NULL;
        if (bits <= 8)
            put_numbers(d, bits, rows + i * stride, w, rgb);
        else
            put_colours(d, rows + i * stride, w, rgb, alpha);
    }
}

static int decode_runs(const struct source *s, const struct dib *d, struct decoded *ret,
                       struct phi3v_error *err)
{
    size_t w = (size_t)d->width, n = w * (size_t)d->height;
    CLEANUP(mem_free_ptr) uint8_t *numbers = mem_zalloc(n);
    if (!numbers) return err_memory(err, "the picture", n);
    size_t at = d->pixels_at < s->n ? d->pixels_at : s->n;
    struct runs r = {
        .in = s->bytes + at, .end = s->bytes + s->n, .out = numbers, .n = n, .width = w};
    int complete = unpack(s, &r, d->compression == RLE4);
    if (!complete && !s->lenient) return truncated(s, err);
    int code = pixels_init(&ret->pixels, (int)d->width, (int)d->height, 0, err);
    if (code < 0) return code;
    put_rows(s, d, 8, numbers, w, (size_t)d->height, &ret->pixels);
    ret->incomplete = !complete;
    return 0;
}

/* Bits above the colours of a file without masks are alpha only if they are not all zero. */
static void forget_empty_alpha(struct pixels *p)
{
    size_t n = (size_t)p->width * (size_t)p->height;
    for (size_t i = 0; p->alpha && i < n; i++)
        if (p->alpha[i]) return;
    mem_free(p->alpha);
    p->alpha = NULL;
}

static int decode_plain(const struct source *s, const struct dib *d, struct decoded *ret,
                        struct phi3v_error *err)
{
    size_t row = ((size_t)d->width * d->bits + 7) / 8, stride = (row + 3) / 4 * 4;
    size_t left = d->pixels_at < s->n ? s->n - d->pixels_at : 0, h = (size_t)d->height;
    size_t n_rows = left < row ? 0 : (left - row) / stride + 1; // the last needs no padding
    if (n_rows > h) n_rows = h;
    if (n_rows < h && (!s->lenient || n_rows == 0)) return truncated(s, err);
    int with_alpha = d->bits == 32 && d->masks[3];
    int code = pixels_init(&ret->pixels, (int)d->width, (int)d->height, with_alpha, err);
    if (code < 0) return code;
    if (n_rows < h) {
        memset(ret->pixels.rgb, 0, (size_t)d->width * h * 3);
        if (with_alpha) memset(ret->pixels.alpha, 255, (size_t)d->width * h);
    }
    put_rows(s, d, d->bits, s->bytes + d->pixels_at, stride, n_rows, &ret->pixels);
    if (d->compression == PLAIN) forget_empty_alpha(&ret->pixels);
    ret->incomplete = n_rows < h;
    return 0;
}

static int decode(const struct source *s, struct dib *d, struct decoded *ret,
                  struct phi3v_error *err)
{
    int runs = d->compression == RLE8 || d->compression == RLE4;
    int code =
        size_allowed(s, d->width, d->height, 5, runs || s->lenient ? BELIEVED_PER_BYTE : 0, err);
    if (code < 0) return code;
    read_palette(s, d);
    return runs ? decode_runs(s, d, ret, err) : decode_plain(s, d, ret, err);
}

static size_t behind_palette(const struct dib *d)
{
    return d->colours_at + (d->bits <= 8 ? d->n_colours * d->colour_bytes : 0);
}

int dib_decode(const struct source *s, size_t header_at, int in_icon, struct decoded *ret,
               struct phi3v_error *err)
{
    struct dib d;
    int code = read_header(s, header_at, &d, err);
    if (code < 0) return code;
    d.pixels_at = behind_palette(&d);
    if (in_icon) d.height /= 2;
    return decode(s, &d, ret, err);
}

int bmp_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    struct dib d;
    if (s->bytes[0] != 'B') return dib_decode(s, 0, 0, ret, err); // from a clipboard
    int code = read_header(s, 14, &d, err);
    if (code < 0) return code;
    d.pixels_at = le32(s->bytes + 10);
    /* Some files give the end of their header, or 0, as the place of their pixels. */
    if (d.pixels_at == 0 || (d.bits <= 8 && d.pixels_at == d.colours_at))
        d.pixels_at = behind_palette(&d);
    return decode(s, &d, ret, err);
}

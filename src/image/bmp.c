/* SPDX-License-Identifier: MIT
 * What stb_image trusts in a BMP: that its rows are there, and that they use colours of the palette
 * (it would take others from uninitialised memory). */
#include "image/decoders.h"

#include <stdlib.h>

struct bmp {
    int64_t width, height; // as stored: the height is negative with the top row first
    size_t bits;           // of a pixel
    int packed;            // run-length, JPEG or PNG inside
    size_t pixels_at, stride;
    int64_t n_colours; // palette entries that stb_image reads
};

/* Reads the header; 0 when it is not all there or sizes make no sense. */
static int read_header(const uint8_t *bytes, size_t n, struct bmp *ret)
{
    size_t header = n < 18 ? 0 : le32(bytes + 14);
    if (header < 12 || n < 14 + header || n < 26) return 0;
    int old = header == 12; // its fields are 16-bit
    struct bmp b = {.pixels_at = le32(bytes + 10)};
    b.width = old ? (int64_t)le16(bytes + 18) : (int32_t)le32(bytes + 18);
    b.height = old ? (int64_t)le16(bytes + 20) : (int32_t)le32(bytes + 22);
    b.bits = old ? le16(bytes + 24) : le16(bytes + 28);
    uint32_t compression = old || n < 34 ? 0 : le32(bytes + 30);
    b.packed = compression != 0 && compression != 3; // 3: plain pixels with colour masks
    b.stride = (size_t)(((uint64_t)llabs(b.width) * b.bits + 31) / 32 * 4);
    b.n_colours =
        old ? ((int64_t)b.pixels_at - 38) / 3 : ((int64_t)b.pixels_at - 14 - (int64_t)header) / 4;
    *ret = b;
    return 1;
}

static int uses_unknown_colour(const uint8_t *row, const struct bmp *b)
{
    size_t per_byte = 8 / b->bits, mask = ((size_t)1 << b->bits) - 1;
    for (size_t x = 0; x < (size_t)b->width; x++) {
        size_t shift = (per_byte - 1 - x % per_byte) * b->bits;
        if ((int64_t)(row[x / per_byte] >> shift & mask) >= b->n_colours) return 1;
    }
    return 0;
}

int bmp_check(const uint8_t *bytes, size_t n, struct phi3v_error *err)
{
    struct bmp b;
    int known = read_header(bytes, n, &b);
    if (known) {
        int code = size_allowed("BMP", b.width, llabs(b.height), 8, err);
        if (code < 0) return code;
        if (b.packed)
            return err_set(err, PHI3V_E_UNSUPPORTED,
                           "the BMP picture is compressed, which is not read here: save it as PNG");
    }
    size_t rows = known ? (size_t)llabs(b.height) : 0;
    if (!known || b.pixels_at > n || (n - b.pixels_at) / (b.stride ? b.stride : 1) < rows)
        return err_set(err, PHI3V_E_IMAGE, "the BMP picture is truncated: it ends after %zu bytes",
                       n);
    if (b.bits != 1 && b.bits != 4 && b.bits != 8) return 0;
    if (b.n_colours >= (int64_t)1 << b.bits) return 0;
    for (size_t y = 0; y < rows; y++)
        if (uses_unknown_colour(bytes + b.pixels_at + y * b.stride, &b))
            return err_set(
                err, PHI3V_E_IMAGE,
                "the BMP picture is damaged: it uses colours that its palette does not have");
    return 0;
}

/* SPDX-License-Identifier: MIT
 * EXIF orientation: finding the value in JPEG, PNG and WebP files, and turning pictures by it. */
#include "image/decoders.h"

#include <string.h>

#include "base/mem.h"

/* -- Where the EXIF block lies ---------------------------------------------------------------- */

struct span {
    const uint8_t *bytes; // NULL: nothing found
    size_t n;
};

static struct span strip_exif_mark(struct span s)
{
    if (s.bytes && s.n >= 6 && memcmp(s.bytes, "Exif\0\0", 6) == 0) s.bytes += 6, s.n -= 6;
    return s;
}

/* The first APP1 segment that starts with the EXIF mark, before the picture data. */
static struct span find_in_jpeg(const uint8_t *bytes, size_t n)
{
    size_t at = 2;
    while (at + 4 <= n && bytes[at] == 0xff) {
        int marker = bytes[at + 1];
        if (marker == 0xff) { // filling
            at++;
            continue;
        }
        if (marker == 0xda || marker == 0xd9) break;
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) { // stand alone
            at += 2;
            continue;
        }
        size_t length = be16(bytes + at + 2);
        if (length < 2 || length > n - at - 2) break;
        struct span body = {bytes + at + 4, length - 2};
        if (marker == 0xe1 && body.n >= 6 && memcmp(body.bytes, "Exif\0\0", 6) == 0)
            return strip_exif_mark(body);
        at += 2 + length;
    }
    return (struct span){0};
}

static struct span find_in_webp(const uint8_t *bytes, size_t n)
{
    for (size_t at = 12; n >= 8 && at <= n - 8;) {
        size_t length = le32(bytes + at + 4), left = n - at - 8;
        if (length > left) break;
        if (memcmp(bytes + at, "EXIF", 4) == 0)
            return strip_exif_mark((struct span){bytes + at + 8, length});
        at += 8 + length + (length & 1);
    }
    return (struct span){0};
}

static struct span find_in_png(const uint8_t *bytes, size_t n)
{
    struct span s = {0};
    s.bytes = png_chunk(bytes, n, "eXIf", &s.n);
    return strip_exif_mark(s);
}

/* -- The value -------------------------------------------------------------------------------- */

/* Tag 0x0112 of the first directory of a TIFF structure; 1 when absent or senseless. */
static int read_orientation(struct span s)
{
    if (!s.bytes || s.n < 14) return 1;
    int little = memcmp(s.bytes, "II*\0", 4) == 0;
    if (!little && memcmp(s.bytes, "MM\0*", 4) != 0) return 1;
    uint32_t (*get16)(const uint8_t *) = little ? le16 : be16;
    uint32_t (*get32)(const uint8_t *) = little ? le32 : be32;
    size_t at = get32(s.bytes + 4);
    if (at > s.n - 2) return 1;
    size_t entries = get16(s.bytes + at), room = (s.n - at - 2) / 12;
    if (entries > room) entries = room;
    for (size_t i = 0; i < entries; i++) {
        const uint8_t *entry = s.bytes + at + 2 + 12 * i; // tag, type, count, value
        if (get16(entry) != 0x0112) continue;
        uint32_t type = get16(entry + 2);
        uint32_t value = type == 3 ? get16(entry + 8) : type == 4 ? get32(entry + 8) : 1;
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int exif_orientation(const uint8_t *bytes, size_t n, enum image_format format)
{
    switch (format) {
    case IMAGE_JPEG:
        return read_orientation(find_in_jpeg(bytes, n));
    case IMAGE_PNG:
        return read_orientation(find_in_png(bytes, n));
    case IMAGE_WEBP:
        return read_orientation(find_in_webp(bytes, n));
    default:
        return 1;
    }
}

/* -- Turning ---------------------------------------------------------------------------------- */

/* Each orientation is a subset of: exchange x and y, then read the source from the right, from
 * below. */
struct turn {
    uint8_t swap, from_right, from_below;
};

static const struct turn turns[9] = {
    [1] = {0, 0, 0}, [2] = {0, 1, 0}, [3] = {0, 1, 1}, [4] = {0, 0, 1},
    [5] = {1, 0, 0}, [6] = {1, 0, 1}, [7] = {1, 1, 1}, [8] = {1, 1, 0},
};

/* dst: [swap ? width : height][swap ? height : width][channels] */
static void turn_plane(const uint8_t *src, int width, int height, int channels, struct turn t,
                       uint8_t *dst)
{
    int out_w = t.swap ? height : width, out_h = t.swap ? width : height;
    for (int y = 0; y < out_h; y++) {
        for (int x = 0; x < out_w; x++) {
            int sx = t.swap ? y : x, sy = t.swap ? x : y;
            if (t.from_right) sx = width - 1 - sx;
            if (t.from_below) sy = height - 1 - sy;
            const uint8_t *from =
                src + ((size_t)sy * (size_t)width + (size_t)sx) * (size_t)channels;
            for (int c = 0; c < channels; c++) *dst++ = from[c];
        }
    }
}

int pixels_orient(struct pixels *p, int orientation, struct phi3v_error *err)
{
    if (orientation < 1 || orientation > 8)
        return err_set(err, PHI3V_E_ARGUMENT, "orientation %d is not one of 1 to 8", orientation);
    if (orientation == 1) return 0;
    struct turn t = turns[orientation];
    struct pixels out;
    int code = pixels_init(&out, t.swap ? p->height : p->width, t.swap ? p->width : p->height,
                           p->alpha != NULL, err);
    if (code < 0) return code;
    turn_plane(p->rgb, p->width, p->height, 3, t, out.rgb);
    if (p->alpha) turn_plane(p->alpha, p->width, p->height, 1, t, out.alpha);
    pixels_fini(p);
    *p = out;
    return 0;
}

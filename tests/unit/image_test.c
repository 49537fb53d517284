/* SPDX-License-Identifier: MIT
 * src/image on hand-made pictures: what bytes are, orientation, damage, limits, thin pictures. The
 * small files of every format are the fuzzers' seeds: 13 x 9, red above, blue below, a green box at
 * (3, 2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "image/image.h"

/* -- Helpers ---------------------------------------------------------------------------------- */

struct file {
    char *bytes; // mem_free
    size_t n;
};

static struct file seed(const char *name)
{
    struct file f;
    struct phi3v_error err;
    char *path = path_join(SEEDS, name);
    if (!path || file_read(path, 1 << 20, &f.bytes, &f.n, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    mem_free(path);
    return f;
}

static int decode(const void *bytes, size_t n, int exif, struct decoded *ret,
                  struct phi3v_error *err)
{
    *err = (struct phi3v_error){0};
    struct decode_options how = {.exif = exif};
    return image_decode(bytes, n, &how, ret, err);
}

/* Decoding fails, with this code and this in its sentence. */
static void refused(const void *bytes, size_t n, int code, const char *part)
{
    struct decoded d;
    struct phi3v_error err;
    assert_int_equal(decode(bytes, n, 0, &d, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, part)) fail_msg("\"%s\" is not in: %s", part, err.text);
}

static int near(const uint8_t *p, int r, int g, int b, int tolerance)
{
    return abs(p[0] - r) <= tolerance && abs(p[1] - g) <= tolerance && abs(p[2] - b) <= tolerance;
}

/* -- Sniffing --------------------------------------------------------------------------------- */

static void sniffs(const char *bytes, size_t n, enum image_format format, const char *name)
{
    struct sniffed got = image_sniff((const uint8_t *)bytes, n);
    assert_int_equal(got.format, format);
    assert_string_equal(got.name, name);
}

#define SNIFFS(s, format, name) sniffs(s, sizeof(s) - 1, format, name)

static void test_sniff(void **state)
{
    (void)state;
    SNIFFS("\x89PNG\r\n\x1a\n", IMAGE_PNG, "PNG");
    SNIFFS("\xff\xd8\xff\xe0", IMAGE_JPEG, "JPEG");
    SNIFFS("RIFF\x10\0\0\0WEBPVP8 ", IMAGE_WEBP, "WebP");
    SNIFFS("RIFF\x10\0\0\0WAVEfmt ", IMAGE_OTHER, "a sound file");
    SNIFFS("GIF89a", IMAGE_GIF, "GIF");
    SNIFFS("BM\x9e\1\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", IMAGE_BMP, "BMP");
    SNIFFS("BMW is a maker of cars", IMAGE_OTHER, "text");
    SNIFFS("P6\n2 2\n255\n", IMAGE_PNM, "PNM");
    SNIFFS("P7\n2 2\n255\n", IMAGE_UNREAD, "a PAM picture");
    SNIFFS("", IMAGE_OTHER, "empty");
    SNIFFS("%PDF-1.7\n", IMAGE_OTHER, "a PDF document");
    SNIFFS("<!doctype HTML><title>x", IMAGE_OTHER, "a web page");
    SNIFFS("\xef\xbb\xbf\r\n <html>", IMAGE_OTHER, "a web page");
    SNIFFS("<?xml version='1.0'?><html>", IMAGE_OTHER, "a web page");
    SNIFFS("<?xml version='1.0'?><svg>", IMAGE_UNREAD, "an SVG drawing");
    SNIFFS("<svg xmlns=''>", IMAGE_UNREAD, "an SVG drawing");
    SNIFFS("<?xml version='1.0'?><feed>", IMAGE_OTHER, "an XML document");
    SNIFFS("{\"error\": \"not found\"}", IMAGE_OTHER, "JSON text");
    SNIFFS("h\xc3\xa9llo", IMAGE_OTHER, "text");
    SNIFFS("PK\3\4", IMAGE_OTHER, "a ZIP archive or an Office document");
    SNIFFS("\0\0\0\x1c"
           "ftypavif",
           IMAGE_AVIF, "AVIF");
    SNIFFS("\0\0\0\x1c"
           "ftypisom",
           IMAGE_OTHER, "an MP4 or QuickTime film");
    SNIFFS("\1\2\3\4", IMAGE_OTHER, "data of an unknown kind");
}

static void test_not_a_picture(void **state)
{
    (void)state;
    refused("", 0, PHI3V_E_IMAGE, "the file is empty");
    refused("%PDF-1.7\n", 9, PHI3V_E_IMAGE, "not a picture but a PDF document");
    refused("<html></html>", 13, PHI3V_E_IMAGE, "not a picture but a web page");
    refused("hello", 5, PHI3V_E_IMAGE, "not a picture but text");
}

/* -- Every format ----------------------------------------------------------------------------- */

struct expected {
    const char *file, *format;
    int colour, tolerance; // colour: red, green, blue can be told apart
    int animated, alpha;
};

static const struct expected pictures[] = {
    {"rgb.png", "PNG", 1, 0, 0, 0},
    {"rgba.png", "PNG", 1, 0, 0, 1},
    {"palette_trns.png", "PNG", 0, 0, 0, 1},
    {"rgb16.png", "PNG", 1, 0, 0, 0},
    {"interlaced.png", "PNG", 1, 0, 0, 0},
    {"gray16.png", "PNG", 0, 0, 0, 0},
    {"gray_alpha.png", "PNG", 0, 0, 0, 1},
    {"bilevel.png", "PNG", 0, 0, 0, 0},
    {"baseline420.jpg", "JPEG", 1, 100, 0, 0},
    {"progressive.jpg", "JPEG", 1, 100, 0, 0},
    {"gray.jpg", "JPEG", 0, 0, 0, 0},
    {"cmyk.jpg", "JPEG", 1, 100, 0, 0},
    {"lossy.webp", "WebP", 1, 90, 0, 0},
    {"lossless.webp", "WebP", 1, 0, 0, 0},
    {"alpha_lossy.webp", "WebP", 1, 90, 0, 1},
    {"alpha_lossless.webp", "WebP", 1, 0, 0, 1},
    {"anim.webp", "WebP", 1, 90, 1, 0},
    {"still.gif", "GIF", 1, 0, 0, 0},
    {"interlaced.gif", "GIF", 1, 0, 0, 0},
    {"anim.gif", "GIF", 1, 0, 1, 0},
    {"rgb24.bmp", "BMP", 1, 0, 0, 0},
    {"pal.bmp", "BMP", 1, 80, 0, 0},
    {"mono.bmp", "BMP", 0, 0, 0, 0},
    {"old.bmp", "BMP", 1, 0, 0, 0},
    {"rgba.bmp", "BMP", 1, 0, 0, 1},
    {"rgb.ppm", "PNM", 1, 0, 0, 0},
    {"gray.pgm", "PNM", 0, 0, 0, 0},
    {"mono.pbm", "PNM", 0, 0, 0, 0},
};

enum { N_PICTURES = sizeof pictures / sizeof *pictures };

static void check_picture(const struct expected *e)
{
    struct file f = seed(e->file);
    struct decoded d;
    struct phi3v_error err;
    if (decode(f.bytes, f.n, 0, &d, &err) < 0) fail_msg("%s: %s", e->file, err.text);
    mem_free(f.bytes);
    const struct pixels *p = &d.pixels;
    int ok = p->width == 13 && p->height == 9 && !strcmp(d.format, e->format) &&
             d.animated == e->animated && (p->alpha != NULL) == e->alpha &&
             (d.transparent_share > 0) == e->alpha && d.orientation == 1;
    if (!ok)
        fail_msg("%s: %s %d x %d, animated %d, transparent %g", e->file, d.format, p->width,
                 p->height, d.animated, d.transparent_share);
    if (e->colour) {
        const uint8_t *box = p->rgb + (5 * 13 + 4) * 3, *below = p->rgb + (8 * 13 + 2) * 3;
        if (!near(box, 0, 128, 0, e->tolerance))
            fail_msg("%s: the box is %d %d %d", e->file, box[0], box[1], box[2]);
        if (!near(below, 0, 0, 255, e->tolerance + 10))
            fail_msg("%s: below is %d %d %d", e->file, below[0], below[1], below[2]);
    }
    pixels_fini(&d.pixels);
}

static void test_formats(void **state)
{
    (void)state;
    for (int i = 0; i < N_PICTURES; i++) check_picture(&pictures[i]);
    assert_int_equal(mem_in_use_bytes(), 0);
}

static void test_pnm_scaling(void **state)
{
    (void)state;
    struct decoded d;
    struct phi3v_error err;
    static const char ppm[] = "P6 # c\n1 1 1023\n\x03\xff\x00\x00\x02\x00";
    assert_int_equal(decode(ppm, sizeof ppm - 1, 0, &d, &err), 0);
    assert_true(near(d.pixels.rgb, 255, 0, 128, 0)); // 512 / 1023 * 255 = 127.6
    pixels_fini(&d.pixels);
    refused("P6\n9 9 255\n123", 14, PHI3V_E_IMAGE, "truncated");
    refused("P6\n9 9 0\n123", 12, PHI3V_E_IMAGE, "header makes no sense");
    refused("P5\n99999 2 255\n1", 16, PHI3V_E_IMAGE, "too large");
}

/* -- Truncation and damage -------------------------------------------------------------------- */

/* Every beginning of the file is refused; only when no more than may_miss bytes are missing may it
 * decode. */
static void cut_everywhere(const char *name, size_t may_miss)
{
    struct file f = seed(name);
    for (size_t n = 0; n < f.n; n++) {
        uint8_t *copy = malloc(n ? n : 1); // exactly n bytes, so that a sanitizer sees the next one
        assert_non_null(copy);
        memcpy(copy, f.bytes, n);
        struct decoded d;
        struct phi3v_error err;
        int code = decode(copy, n, 1, &d, &err);
        free(copy);
        if (code == 0) pixels_fini(&d.pixels);
        if (code == 0 && n + may_miss < f.n) fail_msg("%s: %zu of %zu bytes decode", name, n, f.n);
        if (code < 0 && !err.text[0]) fail_msg("%s: %zu bytes: no reason given", name, n);
    }
    mem_free(f.bytes);
}

static void test_truncations(void **state)
{
    (void)state;
    for (int i = 0; i < N_PICTURES; i++) {
        /* What follows the first frame is not needed; nor are end marks, and the checksums before
         * them. */
        const char *format = pictures[i].format;
        size_t may_miss = !strcmp(format, "GIF")    ? 3
                          : !strcmp(format, "JPEG") ? 2
                          : !strcmp(format, "PNG")  ? 24
                          : !strcmp(format, "BMP")  ? 3 // the filling of the last row
                                                    : 0;
        if (pictures[i].animated) may_miss = 330; // later frames
        cut_everywhere(pictures[i].file, may_miss);
    }
    assert_int_equal(mem_in_use_bytes(), 0);
}

static void test_truncated_says_so(void **state)
{
    (void)state;
    static const char *const files[] = {
        "rgb-cut.png",   "baseline420-cut.jpg", "progressive-cut.jpg", "lossy-cut.webp",
        "still-cut.gif", "rgb24-cut.bmp",       "rgb-cut.ppm"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct file f = seed(files[i]);
        refused(f.bytes, f.n, PHI3V_E_IMAGE, "truncated");
        mem_free(f.bytes);
    }
}

static void test_damage(void **state)
{
    (void)state;
    struct file f = seed("rgb.png");
    f.bytes[f.n - 20] ^= 1; // in the picture data
    refused(f.bytes, f.n, PHI3V_E_IMAGE, "checksum");
    mem_free(f.bytes);
    f = seed("baseline420.jpg");
    memset(f.bytes + f.n - 40, 0xff, 20); // a series of broken markers
    struct decoded d;
    struct phi3v_error err;
    assert_int_equal(decode(f.bytes, f.n, 0, &d, &err), PHI3V_E_IMAGE);
    mem_free(f.bytes);
}

/* Each byte of each file replaced: no crash, no leak, and an error has a text. */
static void test_mutations(void **state)
{
    (void)state;
    for (int i = 0; i < N_PICTURES; i++) {
        struct file f = seed(pictures[i].file);
        for (size_t at = 0; at < f.n && at < 120; at++) {
            char kept = f.bytes[at];
            f.bytes[at] = (char)~kept;
            struct decoded d;
            struct phi3v_error err;
            size_t sides = 0;
            int code = decode(f.bytes, f.n, 1, &d, &err);
            if (code == 0)
                sides = (size_t)d.pixels.width * (size_t)d.pixels.height, pixels_fini(&d.pixels);
            assert_true(code == 0 ? sides > 0 : err.text[0] != 0);
            f.bytes[at] = kept;
        }
        mem_free(f.bytes);
    }
    assert_int_equal(mem_in_use_bytes(), 0);
}

/* -- Limits ----------------------------------------------------------------------------------- */

static void put_be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void png_of_size(uint32_t width, uint32_t height, const char *part)
{
    struct file f = seed("rgb.png");
    put_be32((uint8_t *)f.bytes + 16, width);
    put_be32((uint8_t *)f.bytes + 20, height);
    refused(f.bytes, f.n, PHI3V_E_IMAGE, part);
    mem_free(f.bytes);
}

static void test_limits(void **state)
{
    (void)state;
    png_of_size(65501, 1, "too large: 65501 x 1");
    png_of_size(1, 65501, "too large");
    png_of_size(20000, 20000, "too large: 20000 x 20000");
    png_of_size(0xffffffff, 0xffffffff, "too large");
    png_of_size(0, 9, "size is 0 x 9");
    png_of_size(13, 10, "checksum");
    struct file f = seed("baseline420.jpg");
    for (size_t i = 2; i + 9 < f.n;
         i++) { // the frame header: FF C0, length, precision, height, width
        if ((uint8_t)f.bytes[i] != 0xff || (uint8_t)f.bytes[i + 1] != 0xc0) continue;
        memcpy(f.bytes + i + 5, "\x7f\xff\x7f\xff", 4);
        break;
    }
    refused(f.bytes, f.n, PHI3V_E_IMAGE, "too large: 32767 x 32767");
    mem_free(f.bytes);
    f = seed("rgb24.bmp");
    memcpy(f.bytes + 18, "\0\0\0\x01\1\0\0\0", 8); // width 2^24
    refused(f.bytes, f.n, PHI3V_E_IMAGE, "too large");
    mem_free(f.bytes);
    char *big = mem_zalloc(((size_t)256 << 20) + 1);
    assert_non_null(big);
    refused(big, ((size_t)256 << 20) + 1, PHI3V_E_IMAGE, "at most 256");
    mem_free(big);
}

/* -- Orientation ------------------------------------------------------------------------------ */

/* 3 x 2 with the numbers 0 to 5, and what each orientation makes of it. */
static const struct {
    int width;
    uint8_t order[6];
} turned[9] = {
    [1] = {3, {0, 1, 2, 3, 4, 5}}, [2] = {3, {2, 1, 0, 5, 4, 3}}, [3] = {3, {5, 4, 3, 2, 1, 0}},
    [4] = {3, {3, 4, 5, 0, 1, 2}}, [5] = {2, {0, 3, 1, 4, 2, 5}}, [6] = {2, {3, 0, 4, 1, 5, 2}},
    [7] = {2, {5, 2, 4, 1, 3, 0}}, [8] = {2, {2, 5, 1, 4, 0, 3}},
};

static void test_orient(void **state)
{
    (void)state;
    for (int o = 1; o <= 8; o++) {
        struct pixels p = {.width = 3, .height = 2, .rgb = mem_alloc(18), .alpha = mem_alloc(6)};
        for (int i = 0; i < 6; i++) {
            memset(p.rgb + 3 * i, i, 3);
            p.rgb[3 * i + 2] += 100;
            p.alpha[i] = (uint8_t)(i + 50);
        }
        assert_int_equal(pixels_orient(&p, o, NULL, NULL), 0);
        assert_int_equal(p.width, turned[o].width);
        assert_int_equal(p.height, 6 / turned[o].width);
        for (int i = 0; i < 6; i++) {
            assert_int_equal(p.rgb[3 * i], turned[o].order[i]);
            assert_int_equal(p.rgb[3 * i + 2], turned[o].order[i] + 100);
            assert_int_equal(p.alpha[i], turned[o].order[i] + 50);
        }
        pixels_fini(&p);
    }
    struct pixels p = {.width = 1, .height = 1};
    assert_int_equal(pixels_orient(&p, 9, NULL, NULL), PHI3V_E_ARGUMENT);
    assert_int_equal(pixels_orient(&p, 0, NULL, NULL), PHI3V_E_ARGUMENT);
}

static const uint8_t tiff_little[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                                      0,   1,   0,  0, 0, 6, 0, 0, 0, 0, 0,    0, 0};
static const uint8_t tiff_big[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0,
                                   3,   0,   0, 0,  1, 0, 6, 0, 0, 0, 0, 0,    0};
enum { TIFF_N = sizeof tiff_little };

/* f with the n bytes of part put in at at. */
static struct file insert(struct file f, size_t at, const void *part, size_t n)
{
    struct file out = {.bytes = mem_alloc(f.n + n), .n = f.n + n};
    assert_non_null(out.bytes);
    memcpy(out.bytes, f.bytes, at);
    memcpy(out.bytes + at, part, n);
    memcpy(out.bytes + at + n, f.bytes + at, f.n - at);
    mem_free(f.bytes);
    return out;
}

static struct file jpeg_with_exif(const uint8_t *tiff)
{
    uint8_t app1[10 + TIFF_N] = {0xff, 0xe1, 0, 8 + TIFF_N, 'E', 'x', 'i', 'f', 0, 0};
    memcpy(app1 + 10, tiff, TIFF_N);
    return insert(seed("baseline420.jpg"), 2, app1, sizeof app1);
}

static struct file png_with_exif(const uint8_t *tiff)
{
    uint8_t chunk[12 + TIFF_N] = {0,   0,   0,   TIFF_N,
                                  'e', 'X', 'I', 'f'}; // ancillary: no checksum asked
    memcpy(chunk + 8, tiff, TIFF_N);
    return insert(seed("rgb.png"), 33, chunk, sizeof chunk);
}

static struct file webp_with_exif(const uint8_t *tiff)
{
    struct file f = seed("lossless.webp"); // a simple file; the extended layout needs a VP8X chunk
    if (memcmp(f.bytes + 12, "VP8X", 4) != 0) {
        uint8_t vp8x[18] = {'V', 'P', '8', 'X', 10, 0, 0, 0, 0x08, 0, 0, 0, 12, 0, 0, 8, 0, 0};
        f = insert(f, 12, vp8x, sizeof vp8x);
    }
    uint8_t chunk[8 + TIFF_N] = {'E', 'X', 'I', 'F', TIFF_N};
    memcpy(chunk + 8, tiff, TIFF_N);
    f = insert(f, f.n, chunk, sizeof chunk);
    uint32_t riff = (uint32_t)f.n - 8;
    for (int i = 0; i < 4; i++) f.bytes[4 + i] = (char)(riff >> (8 * i));
    return f;
}

static void orientation_is(struct file f, int want)
{
    struct decoded d;
    struct phi3v_error err;
    if (decode(f.bytes, f.n, 0, &d, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(d.orientation, want);
    assert_int_equal(d.pixels.width, 13); // as stored
    pixels_fini(&d.pixels);
    assert_int_equal(decode(f.bytes, f.n, 1, &d, &err), 0);
    assert_int_equal(d.pixels.width, want >= 5 ? 9 : 13);
    pixels_fini(&d.pixels);
    mem_free(f.bytes);
}

static void test_exif(void **state)
{
    (void)state;
    struct file (*const with_exif[])(const uint8_t *) = {jpeg_with_exif, png_with_exif,
                                                         webp_with_exif};
    for (int i = 0; i < 3; i++) {
        for (int o = 1; o <= 8; o++) {
            uint8_t little[TIFF_N], big[TIFF_N];
            memcpy(little, tiff_little, TIFF_N);
            memcpy(big, tiff_big, TIFF_N);
            little[18] = big[19] = (uint8_t)o;
            orientation_is(with_exif[i](little), o);
            orientation_is(with_exif[i](big), o);
        }
    }
}

/* Blocks that make no sense mean "as stored", whatever is cut off or changed. */
static void test_exif_damaged(void **state)
{
    (void)state;
    for (size_t at = 0; at < TIFF_N; at++) {
        for (int value = 0; value < 256; value += 51) {
            uint8_t tiff[TIFF_N];
            memcpy(tiff, tiff_little, TIFF_N);
            tiff[at] = (uint8_t)value;
            struct file f = jpeg_with_exif(tiff);
            int o = image_orientation((uint8_t *)f.bytes, f.n, IMAGE_JPEG);
            assert_in_range(o, 1, 8);
            mem_free(f.bytes);
        }
    }
    struct file f = jpeg_with_exif(tiff_little);
    assert_int_equal(image_orientation((uint8_t *)f.bytes, f.n, IMAGE_JPEG), 6);
    for (size_t n = 0; n < f.n; n++) {
        uint8_t *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        memcpy(copy, f.bytes, n);
        for (int format = IMAGE_PNG; format <= IMAGE_OTHER; format++)
            assert_in_range(image_orientation(copy, n, format), 1, 8);
        free(copy);
    }
    mem_free(f.bytes);
}

/* -- Resizing and crops ----------------------------------------------------------------------- */

/* The whole picture in one band. */
static int resize_whole(const uint8_t *src, int src_w, int src_h, uint8_t *dst, int dst_w,
                        int dst_h, int height_first, struct phi3v_error *err)
{
    struct resizer *r = NULL;
    int code = resizer_new(src, src_w, src_h, dst_w, dst_h, height_first, &r, err);
    if (code) return code;
    code = resizer_rows(r, 0, dst_h, dst, err);
    resizer_free(r);
    return code;
}

static void test_resize(void **state)
{
    (void)state;
    static const uint8_t two[6] = {0, 0, 0, 200, 100, 40};
    uint8_t four[12], back[6];
    assert_int_equal(resize_whole(two, 2, 1, four, 4, 1, 0, NULL), 0);
    static const uint8_t want[12] = {0, 0, 0, 50, 25, 10, 150, 75, 30, 200, 100, 40};
    assert_memory_equal(four, want, 12);
    assert_int_equal(resize_whole(two, 1, 2, four, 1, 4, 1, NULL), 0);
    assert_memory_equal(four, want, 12);
    assert_int_equal(resize_whole(two, 2, 1, back, 2, 1, 0, NULL), 0);
    assert_memory_equal(back, two, 6);
    uint8_t one[3], many[5 * 7 * 3];
    memset(many, 77, sizeof many);
    assert_int_equal(resize_whole(many, 5, 7, one, 1, 1, 1, NULL), 0);
    assert_true(near(one, 77, 77, 77, 0));
}

/* Height first is what width first gives on the transposed picture. */
static void test_resize_transposed(void **state)
{
    (void)state;
    enum { W = 7, H = 11, DW = 20, DH = 5 };
    uint8_t a[W * H * 3], t[W * H * 3], ra[DW * DH * 3], rt[DW * DH * 3];
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 3; c++)
                a[(y * W + x) * 3 + c] = t[(x * H + y) * 3 + c] =
                    (uint8_t)(x * 37 + y * 91 + c * 53);
    assert_int_equal(resize_whole(a, W, H, ra, DW, DH, 1, NULL), 0);
    assert_int_equal(resize_whole(t, H, W, rt, DH, DW, 0, NULL), 0);
    for (int y = 0; y < DH; y++)
        for (int x = 0; x < DW; x++)
            assert_memory_equal(ra + (y * DW + x) * 3, rt + (x * DH + y) * 3, 3);
}

static void test_plan(void **state)
{
    (void)state;
    struct crop_plan p;
    struct phi3v_error err;
    assert_int_equal(crops_plan(100, 200, 6, 28, &p, &err), 0);
    assert_true(p.transposed && p.rows == 3 && p.cols == 2 && p.hd_w == 56 && p.hd_h == 84);
    assert_true(p.scaled_w == 42 && p.scaled_h == 84 && p.pad_left == 7 && p.pad_top == 0);
    assert_int_equal(crops_plan(6000, 1, 16, 336, &p, &err), PHI3V_E_IMAGE);
    assert_non_null(strstr(err.text, "6000:1"));
    assert_non_null(strstr(err.text, "5376:1"));
    assert_int_equal(crops_plan(1, 400, 1, 336, &p, &err), PHI3V_E_IMAGE);
    assert_int_equal(crops_plan(336, 1, 1, 336, &p, &err), 0);
    assert_int_equal(crops_plan(9, 9, 0, 336, &p, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(crops_plan(9, 9, -3, 336, &p, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(crops_plan(9, 9, 1 << 30, 336, &p, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(crops_plan(0, 9, 1, 336, &p, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(crops_plan(9, 9, 1, 0, &p, &err), PHI3V_E_ARGUMENT);
}

/* A black picture of the grid's own size: tiles and view are black; a wide one is padded with
 * white. */
static void test_crops(void **state)
{
    (void)state;
    static const float mean[3] = {0.5f, 0.25f, 0}, std[3] = {0.5f, 0.25f, 1};
    static const float black[3] = {-1, -1, 0}, white[3] = {1, 3, 1};
    struct pixels p = {.width = 56, .height = 28, .rgb = mem_zalloc(56 * 28 * 3)};
    struct crop_plan plan;
    struct crops crops;
    assert_int_equal(crops_plan(56, 28, 4, 28, &plan, NULL), 0);
    assert_int_equal(plan.rows, 1);
    assert_int_equal(plan.cols, 2);
    assert_int_equal(crops_make(&p, &plan, mean, std, &crops, NULL), 0);
    assert_int_equal(crops.n, 3);
    for (int i = 0; i < 3 * 3 * 28 * 28; i++)
        assert_float_equal(crops.data[i], black[i / (28 * 28) % 3], 1e-6);
    mem_free(crops.data);
    assert_int_equal(crops_plan(56, 28, 1, 28, &plan, NULL),
                     0); // 28 x 14, seven white rows on each side
    assert_int_equal(crops_make(&p, &plan, mean, std, &crops, NULL), 0);
    for (int c = 0; c < 3; c++) {
        const float *tile = crops.data + (3 + c) * 28 * 28;
        assert_float_equal(tile[6 * 28], white[c], 1e-6);
        assert_float_equal(tile[7 * 28], black[c], 1e-6);
        assert_float_equal(tile[20 * 28], black[c], 1e-6);
        assert_float_equal(tile[21 * 28], white[c], 1e-6);
    }
    mem_free(crops.data);
    pixels_fini(&p);
    assert_int_equal(mem_in_use_bytes(), 0);
}

static uint8_t *noise(int width, int height)
{
    uint8_t *rgb = mem_array((size_t)width * (size_t)height, 3);
    uint32_t x = 7;
    for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++) {
        x = x * 1664525u + 1013904223u;
        rgb[i] = (uint8_t)(x >> 24);
    }
    return rgb;
}

/* Bands of any height are the rows of the whole. */
static void test_resize_in_bands(void **state)
{
    (void)state;
    static const int sizes[][4] = {
        {31, 47, 20, 33}, {31, 47, 50, 90}, {31, 47, 31, 20}, {31, 47, 9, 47}, {31, 47, 31, 47}};
    uint8_t *from = noise(31, 47);
    for (int i = 0; i < 10; i++) {
        const int *s = sizes[i / 2];
        size_t row = (size_t)s[2] * 3;
        uint8_t *whole = mem_array((size_t)s[3], row), *bands = mem_array((size_t)s[3], row);
        struct resizer *r;
        assert_int_equal(resize_whole(from, s[0], s[1], whole, s[2], s[3], i % 2, NULL), 0);
        assert_int_equal(resizer_new(from, s[0], s[1], s[2], s[3], i % 2, &r, NULL), 0);
        for (int y = 0, n; y < s[3]; y += n) {
            n = 1 + y % 5 < s[3] - y ? 1 + y % 5 : s[3] - y;
            assert_int_equal(resizer_rows(r, y, n, bands + (size_t)y * row, NULL), 0);
        }
        assert_memory_equal(bands, whole, (size_t)s[3] * row);
        resizer_free(r);
        mem_free(whole);
        mem_free(bands);
    }
    mem_free(from);
    assert_int_equal(mem_in_use_bytes(), 0);
}

/* Whatever order crops are asked for in, they are what crops_make makes; wide, tall and padded. */
static void test_crops_when_asked_for(void **state)
{
    (void)state;
    static const float mean[3] = {0.5f, 0.25f, 0}, std[3] = {0.5f, 0.25f, 1};
    static const int sizes[][2] = {{90, 61}, {61, 90}, {40, 41}};
    for (int i = 0; i < 3; i++) {
        struct pixels p = {.width = sizes[i][0], .height = sizes[i][1]};
        struct crop_plan plan;
        struct crops all;
        struct crop_source one;
        size_t n = 3 * 28 * 28;
        p.rgb = noise(p.width, p.height);
        float *crop = mem_array(2 * n, sizeof *crop);
        assert_int_equal(crops_plan(p.width, p.height, 12, 28, &plan, NULL), 0);
        assert_int_equal(crops_make(&p, &plan, mean, std, &all, NULL), 0);
        assert_int_equal(crops_begin(&p, &plan, mean, std, &one, NULL), 0);
        assert_true(one.n == all.n && one.n > 8);
        for (int k = 0; k < 5; k++) { // some of the lower rows before some of the upper ones
            int at = (1 + k * 3) % (one.n - 1);
            assert_int_equal(one.make(one.user, at, 2, crop, NULL), 0);
            assert_memory_equal(crop, all.data + (size_t)at * n, 2 * n * sizeof *crop);
        }
        crops_end(&one);
        mem_free(crop);
        mem_free(all.data);
        pixels_fini(&p);
    }
    assert_int_equal(mem_in_use_bytes(), 0);
}

struct asked {
    int n, stop_at; // 0: never
};

static int count_asked(void *user)
{
    struct asked *a = user;
    return ++a->n == a->stop_at;
}

/* Stopped whenever it asks, a decoder gives up, also one that takes what is there. */
static void stop_everywhere(const char *bytes, size_t n, int lenient, int least)
{
    struct asked a = {0};
    struct stop stop = {.fn = count_asked, .user = &a};
    struct decode_options how = {.exif = 1, .lenient = lenient, .stop = &stop};
    struct decoded d;
    struct phi3v_error err;
    if (image_decode((const uint8_t *)bytes, n, &how, &d, &err)) fail_msg("%s", err.text);
    pixels_fini(&d.pixels);
    assert_in_range(a.n, least, 1000);
    for (int at = a.n; at > 0; at--) {
        a = (struct asked){.stop_at = at};
        stop.seen = 0;
        int code = image_decode((const uint8_t *)bytes, n, &how, &d, &err);
        assert_int_equal(code, PHI3V_E_CANCELLED);
        assert_int_equal(a.n, at); // and does not ask again
        assert_non_null(strstr(err.text, "cancelled"));
    }
}

static void test_decoding_stops(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int least;      // times that are asked: rows, or pieces of the file
        bool cut_short; // read, too, when the last eighth is missing
    } cases[] = {{"baseline420.jpg", 3, true},
                 {"progressive.jpg", 3, true},
                 {"cmyk.jpg", 3, true},
                 {"rgb.png", 4, true},
                 {"interlaced.png", 4, false},
                 {"rgb16.png", 4, true},
                 {"palette_trns.png", 4, true},
                 {"lossy.webp", 3, false},
                 {"alpha_lossless.webp", 3, false},
                 {"anim.webp", 3, false},
                 {"anim.gif", 4, false},
                 {"interlaced.gif", 4, false},
                 {"pal.bmp", 4, false},
                 {"rle.bmp", 4, false},
                 {"rgba.bmp", 4, false},
                 {"mono.pbm", 4, false},
                 {"plain.ppm", 4, false},
                 {"rgb16.ppm", 4, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file f = seed(cases[i].name);
        for (int lenient = 0; lenient < 2; lenient++)
            stop_everywhere(f.bytes, f.n, lenient, cases[i].least);
        if (cases[i].cut_short) stop_everywhere(f.bytes, f.n - f.n / 8, 1, 2);
        mem_free(f.bytes);
    }
    assert_int_equal(mem_in_use_bytes(), 0);
}

/* A large picture is resized in many parts, between which others may have their turn; what comes of
 * it is the whole. */
static void test_prepared_in_bands(void **state)
{
    (void)state;
    static const float mean[3] = {0}, std[3] = {1, 1, 1};
    for (int tall = 0; tall < 2; tall++) {
        struct pixels p = {.width = tall ? 3001 : 4000, .height = tall ? 4000 : 3001};
        struct crop_plan plan;
        struct crop_source s;
        struct crops all;
        int n = 1, more;
        p.rgb = noise(p.width, p.height);
        assert_int_equal(crops_plan(p.width, p.height, 4, 336, &plan, NULL), 0);
        assert_int_equal(crops_begin(&p, &plan, mean, std, &s, NULL), 0);
        while ((more = s.prepare(s.user, 0, 1, NULL)) == 1) n++;
        assert_int_equal(more, 0);
        assert_in_range(n, 3, s.n_prepare);
        size_t floats = 3 * 336 * 336;
        float *global = mem_array(floats, sizeof *global);
        assert_int_equal(s.make(s.user, 0, 1, global, NULL), 0);
        assert_int_equal(crops_make(&p, &plan, mean, std, &all, NULL), 0);
        assert_memory_equal(global, all.data, floats * sizeof *global);

        size_t row = (size_t)plan.scaled_w * 3;
        uint8_t *hd, *whole = mem_array((size_t)plan.scaled_h, row);
        assert_int_equal(crops_hd_picture(&p, &plan, &hd, NULL), 0);
        assert_int_equal(resize_whole(p.rgb, p.width, p.height, whole, plan.scaled_w, plan.scaled_h,
                                      plan.transposed, NULL),
                         0);
        for (int y = 0; y < plan.scaled_h; y++)
            assert_memory_equal(
                hd + ((size_t)(plan.pad_top + y) * (size_t)plan.hd_w + (size_t)plan.pad_left) * 3,
                whole + (size_t)y * row, row);
        crops_end(&s);
        mem_free(all.data);
        mem_free(global);
        mem_free(hd);
        mem_free(whole);
        pixels_fini(&p);
    }
    assert_int_equal(mem_in_use_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sniff),
        cmocka_unit_test(test_not_a_picture),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_pnm_scaling),
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_truncated_says_so),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_orient),
        cmocka_unit_test(test_exif),
        cmocka_unit_test(test_exif_damaged),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_resize_transposed),
        cmocka_unit_test(test_resize_in_bands),
        cmocka_unit_test(test_crops_when_asked_for),
        cmocka_unit_test(test_prepared_in_bands),
        cmocka_unit_test(test_decoding_stops),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_crops),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}

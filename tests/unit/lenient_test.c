/* SPDX-License-Identifier: MIT
 * Truncated pictures of each format, read leniently: what is there is the picture's, and it is said
 * that something is missing. */
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

struct file {
    char *bytes; // mem_free
    size_t n;
};

static struct file read_file(const char *name)
{
    struct file f;
    struct phi3v_error err;
    char *path = path_join(PICTURES, name);
    if (!path || file_read(path, 1 << 20, &f.bytes, &f.n, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    mem_free(path);
    return f;
}

/* The first n bytes, in a block of that length, so that a sanitizer sees the next one. */
static int decode_start(struct file f, size_t n, int lenient, struct decoded *ret)
{
    struct decode_options how = {.lenient = lenient};
    struct phi3v_error err = {0};
    uint8_t *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, f.bytes, n);
    int code = image_decode(copy, n, &how, ret, &err);
    free(copy);
    if (code < 0) assert_true(err.text[0] != 0);
    if (code < 0 && lenient) assert_null(strstr(err.text, "with lenient on"));
    return code;
}

static int is_left_out(struct file f)
{
    struct decode_options how = {0};
    struct decoded d;
    struct phi3v_error err = {0};
    int code = image_decode((uint8_t *)f.bytes, f.n, &how, &d, &err);
    if (code == 0) pixels_fini(&d.pixels);
    return code == PHI3V_E_UNSUPPORTED;
}

static double share_equal(const struct pixels *a, const struct pixels *b)
{
    size_t n = (size_t)a->width * (size_t)a->height, n_equal = 0;
    for (size_t i = 0; i < n; i++) n_equal += !memcmp(a->rgb + 3 * i, b->rgb + 3 * i, 3);
    return (double)n_equal / (double)n;
}

/* Every beginning: what is read strictly is the same leniently, the rest is incomplete or refused.
 */
static int check_starts(const char *name, struct file f, const struct pixels *whole)
{
    int n_rescued = 0;
    for (size_t n = 0; n < f.n; n++) {
        struct decoded strict, lenient;
        int refused = decode_start(f, n, 0, &strict) < 0;
        if (decode_start(f, n, 1, &lenient) < 0) {
            if (!refused) fail_msg("%s: %zu bytes are refused leniently only", name, n);
            continue;
        }
        int same_size =
            lenient.pixels.width == whole->width && lenient.pixels.height == whole->height;
        if (!same_size || lenient.incomplete != refused)
            fail_msg("%s: %zu bytes: %d x %d, incomplete %d, refused strictly %d", name, n,
                     lenient.pixels.width, lenient.pixels.height, lenient.incomplete, refused);
        n_rescued += refused;
        pixels_fini(&lenient.pixels);
        if (!refused) pixels_fini(&strict.pixels);
    }
    return n_rescued;
}

static void test_cut(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double share; // of the pixels that must be right when a tenth of the file is missing
    } files[] = {
        {"png-2-8.png", 0.5},      {"png-6-8i.png", 0},       {"png-3-4.png", 0.5},
        {"jpeg-444.jpg", 0.4},     {"jpeg-420p.jpg", 0},      {"jpeg-grey.jpg", 0},
        {"gif-256.gif", 0.5},      {"gif-interlaced.gif", 0}, {"bmp-24.bmp", 0.7},
        {"bmp-24-top.bmp", 0.7},   {"bmp-rle8.bmp", 0.7},     {"pnm-6.ppm", 0.7},
        {"pnm-3.ppm", 0.7},        {"pnm-4.pbm", 0.7},        {"ico-24.ico", 0},
        {"tiff-rgb-raw.tif", 0},   {"jxl-lossless.jxl", 0},   {"webp-animated.webp", 0},
        {"webp-lossless.webp", 0},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct file f = read_file(files[i].name);
        if (is_left_out(f)) {
            mem_free(f.bytes);
            continue;
        }
        struct decoded whole, cut;
        assert_int_equal(decode_start(f, f.n, 1, &whole), 0);
        assert_int_equal(whole.incomplete, 0);
        int n_rescued = check_starts(files[i].name, f, &whole.pixels);
        if (files[i].share > 0) {
            assert_true(n_rescued > 0);
            assert_int_equal(decode_start(f, f.n * 9 / 10, 1, &cut), 0);
            double share = share_equal(&whole.pixels, &cut.pixels);
            if (share < files[i].share) fail_msg("%s: %.2f of the pixels", files[i].name, share);
            pixels_fini(&cut.pixels);
        }
        pixels_fini(&whole.pixels);
        mem_free(f.bytes);
    }
    assert_int_equal(mem_in_use_bytes(), 0);
}

/* A larger WebP gives the rows above the cut. */
static void test_webp_rows(void **state)
{
    (void)state;
    struct file f = read_file("webp-cut.webp");
    struct decoded d;
    assert_int_equal(decode_start(f, f.n, 0, &d), PHI3V_E_IMAGE);
    assert_int_equal(decode_start(f, f.n, 1, &d), 0);
    assert_int_equal(d.incomplete, 1);
    assert_int_equal(d.pixels.width, 120);
    int n_set = 0;
    for (int x = 0; x < 3 * 120; x++) n_set += d.pixels.rgb[x] > 0;
    assert_true(n_set > 200);
    pixels_fini(&d.pixels);
    mem_free(f.bytes);
    assert_int_equal(mem_in_use_bytes(), 0);
}

/* A damaged end of a JPEG: refused, or read as far as it makes sense. */
static void test_damaged_jpeg(void **state)
{
    (void)state;
    struct file f = read_file("jpeg-444.jpg");
    memset(f.bytes + f.n * 3 / 4, 0xff, f.n / 4);
    struct decoded d;
    assert_int_equal(decode_start(f, f.n, 0, &d), PHI3V_E_IMAGE);
    assert_int_equal(decode_start(f, f.n, 1, &d), 0);
    assert_int_equal(d.incomplete, 1);
    pixels_fini(&d.pixels);
    mem_free(f.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_webp_rows),
        cmocka_unit_test(test_damaged_jpeg),
    };
    return cmocka_run_group_tests_name("lenient", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Sniffing, decoding, turning, and the crops of whatever comes out. */
#include <stdlib.h>

#include "base/mem.h"
#include "fuzz.h"
#include "image/image.h"

enum { CROP_SIDE = 28, MAX_CROPS = 8 };

static const float mean[3] = {0.5f, 0.5f, 0.5f}, std[3] = {0.25f, 0.25f, 0.25f};

/* Reads every byte, so that a sanitizer sees one that was never written. */
static void touch(const uint8_t *p, size_t n)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; p && i < n; i++) sum = (uint8_t)(sum + p[i]);
}

static void make_crops(const struct pixels *p, int num_crops)
{
    struct crop_plan plan;
    struct crops crops;
    struct phi3v_error err;
    if (crops_plan(p->width, p->height, num_crops, CROP_SIDE, &plan, &err) < 0) return;
    if (plan.rows < 1 || plan.cols < 1 || plan.rows * plan.cols > num_crops) abort();
    if (crops_make(p, &plan, mean, std, &crops, &err) < 0) return;
    mem_free(crops.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct decode_options how = {.exif = 1, .lenient = n % 2 == 1};
    struct decoded d;
    struct phi3v_error err = {0};
    int code = image_decode(bytes, n, &how, &d, &err);
    if (code < 0) {
        if (err.code != code || !err.text[0]) abort(); // an error says what is wrong
        return 0;
    }
    size_t n_pixels = (size_t)d.pixels.width * (size_t)d.pixels.height;
    touch(d.pixels.rgb, n_pixels * 3);
    touch(d.pixels.alpha, n_pixels);
    make_crops(&d.pixels, 1 + bytes[n - 1] % MAX_CROPS);
    pixels_fini(&d.pixels);
    return 0;
}

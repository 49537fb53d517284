/* SPDX-License-Identifier: MIT
 * From a file's bytes to pixels: limits, the decoder for the format, orientation. */
#include "image/decoders.h"

#include <string.h>

#include "base/mem.h"

enum {
    MAX_FILE_BYTES = 256 << 20,
    MAX_SIDE = 65500,
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    MAX_PIXELS = 1 << 20, // so that a fuzzer does not spend its time on empty gigapixels
#else
    MAX_PIXELS = 178956970, // the reference refuses more
#endif
    LOOK_AT_MEMORY_BYTES = 64 << 20 // asking the system for less is not worth reading /proc
};

/* -- Shared by the decoders ------------------------------------------------------------------- */

int size_allowed(const char *format, int64_t width, int64_t height, size_t work_bytes_per_pixel,
                 struct phi3v_error *err)
{
    if (width < 1 || height < 1)
        return err_set(err, PHI3V_E_IMAGE, "the %s picture is damaged: its size is %lld x %lld",
                       format, (long long)width, (long long)height);
    if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
        return err_set(err, PHI3V_E_IMAGE,
                       "the %s picture is too large: %lld x %lld pixels; at most %d a side and %d "
                       "million pixels are read",
                       format, (long long)width, (long long)height, MAX_SIDE, MAX_PIXELS / 1000000);
    size_t needed = (size_t)(width * height) * work_bytes_per_pixel;
    if (needed > LOOK_AT_MEMORY_BYTES && needed > mem_available_bytes())
        return err_memory(err, "the picture", needed);
    return 0;
}

int pixels_init(struct pixels *p, int width, int height, int with_alpha, struct phi3v_error *err)
{
    size_t n = (size_t)width * (size_t)height;
    struct pixels out = {.width = width, .height = height, .rgb = mem_array(n, 3)};
    if (with_alpha) out.alpha = mem_array(n, 1);
    if (!out.rgb || (with_alpha && !out.alpha)) {
        pixels_fini(&out);
        return err_memory(err, "the picture", n * (with_alpha ? 4 : 3));
    }
    *p = out;
    return 0;
}

void pixels_fini(struct pixels *p)
{
    mem_free(p->rgb);
    mem_free(p->alpha);
    *p = (struct pixels){0};
}

int pixels_from_samples(const uint8_t *samples, int channels, int width, int height,
                        struct pixels *ret, struct phi3v_error *err)
{
    int grey = channels <= 2, with_alpha = channels % 2 == 0;
    struct pixels out;
    int code = pixels_init(&out, width, height, with_alpha, err);
    if (code < 0) return code;
    size_t n = (size_t)width * (size_t)height;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *s = samples + i * (size_t)channels;
        out.rgb[3 * i] = s[0];
        out.rgb[3 * i + 1] = s[grey ? 0 : 1];
        out.rgb[3 * i + 2] = s[grey ? 0 : 2];
        if (with_alpha) out.alpha[i] = s[channels - 1];
    }
    *ret = out;
    return 0;
}

/* -- One picture ------------------------------------------------------------------------------ */

static int decode_as(enum image_format format, const char *name, const uint8_t *bytes, size_t n,
                     struct decoded *d, struct phi3v_error *err)
{
    int code;
    switch (format) {
    case IMAGE_PNG:
        code = png_check(bytes, n, &d->animated, err);
        return code < 0 ? code : stb_decode(bytes, n, format, &d->pixels, err);
    case IMAGE_GIF:
        code = gif_check(bytes, n, &d->animated, err);
        return code < 0 ? code : stb_decode(bytes, n, format, &d->pixels, err);
    case IMAGE_BMP:
        code = bmp_check(bytes, n, err);
        return code < 0 ? code : stb_decode(bytes, n, format, &d->pixels, err);
    case IMAGE_JPEG:
        return jpeg_decode(bytes, n, &d->pixels, err);
    case IMAGE_WEBP:
        return webp_decode(bytes, n, &d->pixels, &d->animated, err);
    case IMAGE_PNM:
        return pnm_decode(bytes, n, &d->pixels, err);
    case IMAGE_OTHER:
        break;
    }
    return err_set(err, PHI3V_E_IMAGE,
                   n == 0 ? "not a picture: the file is %s"
                          : "not a picture but %s; PNG, JPEG, WebP, GIF, BMP and PNM are read",
                   name);
}

/* Counts what is not opaque, and forgets an alpha channel that says nothing. */
static double weigh_alpha(struct pixels *p)
{
    if (!p->alpha) return 0;
    size_t n = (size_t)p->width * (size_t)p->height, transparent = 0;
    for (size_t i = 0; i < n; i++) transparent += p->alpha[i] < 255;
    if (!transparent) {
        mem_free(p->alpha);
        p->alpha = NULL;
    }
    return (double)transparent / (double)n;
}

int image_decode(const uint8_t *bytes, size_t n, int exif, struct decoded *ret,
                 struct phi3v_error *err)
{
    struct decoded d = {0};
    if (n > MAX_FILE_BYTES)
        return err_set(err, PHI3V_E_IMAGE,
                       "the picture file is too large: %zu MiB, at most %d are read", n >> 20,
                       MAX_FILE_BYTES >> 20);
    enum image_format format = image_sniff(bytes, n, &d.format);
    int code = decode_as(format, d.format, bytes, n, &d, err);
    if (code < 0) return code;
    d.transparent_share = weigh_alpha(&d.pixels);
    d.exif_orientation = exif_orientation(bytes, n, format);
    if (exif && (code = pixels_orient(&d.pixels, d.exif_orientation, err)) < 0) {
        pixels_fini(&d.pixels);
        return code;
    }
    *ret = d;
    return 0;
}

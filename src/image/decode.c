/* SPDX-License-Identifier: MIT
 * From a file's bytes to pixels: limits, the decoder for the format, orientation. */
#include "image/decoders.h"

#include <stdio.h>

#include "base/mem.h"

enum {
    MAX_FILE_BYTES = 256 << 20,
    MAX_SIDE = 65500,
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    MAX_PIXELS = 1 << 20, // so that a fuzzer wastes no time on empty gigapixels
#else
    MAX_PIXELS = 178956970, // the reference refuses more
#endif
    BELIEVED_PIXELS = 4 << 20,      // for even the smallest file
    LOOK_AT_MEMORY_BYTES = 64 << 20 // for less it is not worth reading /proc
};

/* -- Shared by the decoders ------------------------------------------------------------------- */

int size_allowed(const struct source *s, int64_t width, int64_t height, size_t work_bytes_per_pixel,
                 size_t pixels_per_byte, struct phi3v_error *err)
{
    if (width < 1 || height < 1)
        return err_set(err, PHI3V_E_IMAGE, "the %s picture is damaged: its size is %lld x %lld",
                       s->name, (long long)width, (long long)height);
    if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
        return err_set(err, PHI3V_E_IMAGE,
                       "the %s picture is too large: %lld x %lld pixels; at most %d a side and %d "
                       "million pixels are read",
                       s->name, (long long)width, (long long)height, MAX_SIDE,
                       MAX_PIXELS / 1000000);
    size_t n_pixels = (size_t)(width * height), needed = n_pixels * work_bytes_per_pixel;
    if (pixels_per_byte && n_pixels > BELIEVED_PIXELS + s->n * pixels_per_byte)
        return err_set(
            err, PHI3V_E_IMAGE,
            "the %s picture is damaged or made to waste memory: %zu bytes are too few for "
            "%lld x %lld pixels",
            s->name, s->n, (long long)width, (long long)height);
    if (needed > LOOK_AT_MEMORY_BYTES && needed > mem_available_bytes())
        return err_memory(err, "the picture", needed);
    return 0;
}

int truncated(const struct source *s, struct phi3v_error *err)
{
    return err_set(err, PHI3V_E_IMAGE, "the %s picture is truncated: it ends after %zu bytes%s",
                   s->name, s->n, s->lenient ? "" : "; with lenient on, what is there is read");
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

static void put_samples(const uint8_t *samples, int channels, size_t begin, size_t end,
                        struct pixels *to)
{
    int grey = channels <= 2;
    for (size_t i = begin; i < end; i++) {
        const uint8_t *s = samples + i * (size_t)channels;
        to->rgb[3 * i] = s[0];
        to->rgb[3 * i + 1] = s[grey ? 0 : 1];
        to->rgb[3 * i + 2] = s[grey ? 0 : 2];
        if (to->alpha) to->alpha[i] = s[channels - 1];
    }
}

int pixels_from_samples(const struct source *s, uint8_t *samples, int channels, int width,
                        int height, struct pixels *ret, struct phi3v_error *err)
{
    if (channels == 3) {
        *ret = (struct pixels){.width = width, .height = height, .rgb = samples};
        return 0;
    }
    struct pixels out;
    int code = pixels_init(&out, width, height, channels % 2 == 0, err);
    if (code < 0) {
        mem_free(samples);
        return code;
    }
    size_t row = (size_t)width;
    for (size_t y = 0; y < (size_t)height && !source_stopped(s); y++)
        put_samples(samples, channels, y * row, (y + 1) * row, &out);
    mem_free(samples);
    *ret = out;
    return 0;
}

void cmyk_to_rgb(const uint8_t *cmyk, size_t n, uint8_t *rgb)
{
    for (size_t i = 0; i < n; i++) {
        int light = 255 - cmyk[4 * i + 3];
        for (size_t c = 0; c < 3; c++) {
            int v = light - (cmyk[4 * i + c] * light * 2 + 255) / 510; // rounded ink * light / 255
            rgb[3 * i + c] = (uint8_t)(v > 0 ? v : 0);
        }
    }
}

/* -- One picture ------------------------------------------------------------------------------ */

static const struct {
    decode_fn *decode; // NULL if not in this build
    const char *name;
    const char *library; // the one that reads it, if it may be missing
} decoders[] = {
    [IMAGE_PNG] = {png_decode, "PNG", NULL},
    [IMAGE_JPEG] = {jpeg_decode, "JPEG", NULL},
    [IMAGE_WEBP] = {webp_decode, "WebP", NULL},
    [IMAGE_GIF] = {gif_decode, "GIF", NULL},
    [IMAGE_BMP] = {bmp_decode, "BMP", NULL},
    [IMAGE_PNM] = {pnm_decode, "PNM", NULL},
    [IMAGE_ICO] = {ico_decode, "ICO", NULL},
    [IMAGE_TIFF] = {tiff_decode, "TIFF", "libtiff"},
    [IMAGE_AVIF] = {avif_decode, "AVIF", "libavif"},
    [IMAGE_HEIF] = {heif_decode, "HEIC", "libheif"},
    [IMAGE_JXL] = {jxl_decode, "JPEG XL", "libjxl"},
};

enum { N_DECODERS = sizeof decoders / sizeof *decoders };

/* Lists the formats that this build reads: "PNG, JPEG, …". */
static void list_formats(char *to, size_t n)
{
    size_t at = 0;
    for (int i = 0; i < N_DECODERS; i++)
        if (decoders[i].decode && at < n)
            at += (size_t)snprintf(to + at, n - at, "%s%s", i ? ", " : "", decoders[i].name);
}

/* Says what the bytes are instead of a supported picture. */
static int refuse(struct sniffed what, size_t n, struct phi3v_error *err)
{
    if (n == 0) return err_set(err, PHI3V_E_IMAGE, "not a picture: the file is empty");
    if (what.format == IMAGE_UNREAD)
        return err_set(err, PHI3V_E_UNSUPPORTED, "%s is not read here: %s", what.name, what.remedy);
    if (what.remedy)
        return err_set(err, PHI3V_E_IMAGE, "not a picture but %s: %s", what.name, what.remedy);
    char formats[120];
    list_formats(formats, sizeof formats);
    return err_set(err, PHI3V_E_IMAGE, "not a picture but %s; %s are read", what.name, formats);
}

static int decode_as(struct sniffed what, const struct source *s, struct decoded *d,
                     struct phi3v_error *err)
{
    if (what.format >= IMAGE_UNREAD) return refuse(what, s->n, err);
    if (decoders[what.format].decode) return decoders[what.format].decode(s, d, err);
    return err_set(err, PHI3V_E_UNSUPPORTED,
                   "a %s picture is not read by this build, which was made without %s: save it as "
                   "PNG, or install the library's development package and build again",
                   what.name, decoders[what.format].library);
}

/* Returns the share of pixels that are not opaque, and drops an alpha channel that is all
 * opaque. */
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

static int cancelled(struct phi3v_error *err)
{
    return err_set(err, PHI3V_E_CANCELLED, "reading the picture was cancelled");
}

int image_decode(const uint8_t *bytes, size_t n, const struct decode_options *opt,
                 struct decoded *ret, struct phi3v_error *err)
{
    if (n > MAX_FILE_BYTES)
        return err_set(err, PHI3V_E_IMAGE,
                       "the picture file is too large: %zu MiB, at most %d are read", n >> 20,
                       MAX_FILE_BYTES >> 20);
    struct sniffed what = image_sniff(bytes, n);
    struct source source = {
        .bytes = bytes, .n = n, .name = what.name, .lenient = opt->lenient, .stop = opt->stop};
    if (source_stopped(&source)) return cancelled(err);
    struct decoded d = {.format = what.name, .orientation = 1};
    int code = decode_as(what, &source, &d, err);
    if (source_stopped(&source)) {
        if (code == 0) pixels_fini(&d.pixels);
        return cancelled(err);
    }
    if (code < 0) return code;
    d.transparent_share = weigh_alpha(&d.pixels);
    if (d.orientation == 1) d.orientation = image_orientation(bytes, n, what.format);
    if (opt->exif && (code = pixels_orient(&d.pixels, d.orientation, opt->stop, err)) < 0) {
        pixels_fini(&d.pixels);
        return code;
    }
    *ret = d;
    return 0;
}

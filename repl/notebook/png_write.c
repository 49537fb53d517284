/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

#include "notebook/png_write.h"
#include "common/text.h"

struct raster {
    int width, height;
    uint8_t *rgb; // [height][width][3]
};

/* Averages the source pixels of each pixel. */
static void shrink(const uint8_t *from, int width, int height, struct raster *to)
{
    for (int y = 0; y < to->height; y++) {
        int y0 = (int)((int64_t)y * height / to->height);
        int y1 = (int)((int64_t)(y + 1) * height / to->height);
        for (int x = 0; x < to->width; x++) {
            int x0 = (int)((int64_t)x * width / to->width);
            int x1 = (int)((int64_t)(x + 1) * width / to->width);
            uint64_t sum[3] = {0}, n = (uint64_t)(y1 - y0) * (uint64_t)(x1 - x0);
            for (int v = y0; v < y1; v++)
                for (int u = x0; u < x1; u++)
                    for (int c = 0; c < 3; c++)
                        sum[c] += from[((size_t)v * (size_t)width + (size_t)u) * 3 + (size_t)c];
            uint8_t *pixel = to->rgb + ((size_t)y * (size_t)to->width + (size_t)x) * 3;
            for (int c = 0; c < 3; c++) pixel[c] = (uint8_t)((sum[c] + n / 2) / n);
        }
    }
}

static int scaled(int side, int longest, int max_side)
{
    int s = longest > max_side ? (int)((int64_t)side * max_side / longest) : side;
    return s > 0 ? s : 1;
}

static void collect(void *user, void *bytes, int n) { text_addn(user, bytes, (size_t)n); }

char *base64_text(const void *bytes, size_t n)
{
    char *out = n > INT_MAX / 2 ? NULL : memory_new(4 * (n / 3 + 1) + 1);
    if (out) EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
    return out;
}

static char *encode(const uint8_t *rgb, int width, int height)
{
    struct text png = {0};
    char *encoded = NULL;
    if (stbi_write_png_to_func(collect, &png, width, height, 3, rgb, width * 3) && png.n &&
        !png.failed)
        encoded = base64_text(png.s, png.n);
    text_free(&png);
    return encoded;
}

char *png_preview(const phi3v_image *image, int max_side, int *ret_width, int *ret_height)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    int longest = info->width > info->height ? info->width : info->height;
    struct raster small = {scaled(info->width, longest, max_side),
                           scaled(info->height, longest, max_side), NULL};
    small.rgb = memory_new((size_t)small.width * (size_t)small.height * 3);
    if (!small.rgb) return NULL;
    shrink(phi3v_image_rgb(image), info->width, info->height, &small);
    char *encoded = encode(small.rgb, small.width, small.height);
    free(small.rgb);
    *ret_width = small.width;
    *ret_height = small.height;
    return encoded;
}

char *png_whole(const phi3v_image *image)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    if (info->width > INT_MAX / 4 / info->height) return NULL; /* stb counts in int */
    return encode(phi3v_image_rgb(image), info->width, info->height);
}

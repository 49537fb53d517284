/* SPDX-License-Identifier: MIT
 * The one place that holds stb_image: PNG, BMP and the first frame of GIF. Its multi-frame,
 * flipping and floating-point parts have a history of memory errors and are left out or not called.
 */
#include "image/decoders.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* stb_image lets the data decide how much it allocates (a few bytes of a PNG can unpack to 4 GB),
 * and forgets blocks when it runs out of memory. So no block may be larger than the picture in the
 * header can need, and those that live are on a list. Both hold for one decode of one thread. */
enum { MAX_BLOCKS = 16 };

static _Thread_local struct {
    size_t largest; // bytes
    void *blocks[MAX_BLOCKS];
} heap;

static void **find_block(const void *p)
{
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (heap.blocks[i] == p) return &heap.blocks[i];
    return NULL;
}

static void *stb_malloc(size_t n)
{
    void **slot = find_block(NULL);
    if (!slot || n > heap.largest) return NULL;
    return *slot = mem_zalloc(n); // stb_image can leave parts of a damaged picture unwritten
}

static void *stb_realloc(void *p, size_t n)
{
    void **slot = find_block(p);
    if (!slot || n > heap.largest) return NULL;
    void *q = mem_resize(p, n, 1);
    if (q) *slot = q;
    return q;
}

static void stb_free(void *p)
{
    void **slot = p ? find_block(p) : NULL;
    if (slot) *slot = NULL;
    mem_free(p);
}

/* Frees every block but the one that is handed on. */
static void free_blocks_except(const void *kept)
{
    for (int i = 0; i < MAX_BLOCKS; i++) {
        if (heap.blocks[i] != kept) mem_free(heap.blocks[i]);
        heap.blocks[i] = NULL;
    }
}

#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 65500
#define STBI_MALLOC(n) stb_malloc(n)
#define STBI_REALLOC(p, n) stb_realloc(p, n)
#define STBI_FREE(p) stb_free(p)
#define STBI_ASSERT(x) ((void)(x))
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#pragma GCC diagnostic ignored "-Wunused-function" // found at the end of the file: no pop
#include <stb_image.h>

/* -- Decoding ---------------------------------------------------------------------------------- */

static const char *name_of(enum image_format format)
{
    return format == IMAGE_PNG ? "PNG" : format == IMAGE_GIF ? "GIF" : "BMP";
}

static int refuse(const char *name, struct phi3v_error *err)
{
    const char *reason = stbi_failure_reason();
    return err_set(err, PHI3V_E_IMAGE, "the %s picture is damaged or of a kind not read here (%s)",
                   name, reason ? reason : "no reason known");
}

/* Size from the header, within the limits. */
static int read_size(const uint8_t *bytes, size_t n, enum image_format format, int *ret_w,
                     int *ret_h, struct phi3v_error *err)
{
    int channels;
    heap.largest = 1 << 20;
    int known = stbi_info_from_memory(bytes, (int)n, ret_w, ret_h, &channels);
    free_blocks_except(NULL);
    if (!known) return refuse(name_of(format), err);
    if (*ret_h < -INT_MAX) return refuse(name_of(format), err);
    *ret_h = abs(*ret_h); // a BMP may be stored top row first
    return size_allowed(name_of(format), *ret_w, *ret_h, format == IMAGE_GIF ? 12 : 8, err);
}

int stb_decode(const uint8_t *bytes, size_t n, enum image_format format, struct pixels *ret,
               struct phi3v_error *err)
{
    int width, height, channels;
    int code = read_size(bytes, n, format, &width, &height, err);
    if (code < 0) return code;

    /* Twice 16-bit RGBA: unpacking doubles its block when the first guess was too small. */
    heap.largest = 2 * (8 * (size_t)width * (size_t)height + 16 * (size_t)height + n) + (1 << 16);
    uint8_t *samples = stbi_load_from_memory(bytes, (int)n, &width, &height, &channels, 0);
    free_blocks_except(samples);
    if (!samples) {
        const char *reason = stbi_failure_reason();
        if (reason && strcmp(reason, "outofmem") == 0)
            return err_memory(err, "the picture", 8 * (size_t)width * (size_t)height);
        return refuse(name_of(format), err);
    }
    if (channels == 3) {
        *ret = (struct pixels){.width = width, .height = height, .rgb = samples};
        return 0;
    }
    code = pixels_from_samples(samples, channels, width, height, ret, err);
    mem_free(samples);
    return code;
}

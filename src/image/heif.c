/* SPDX-License-Identifier: MIT
 * HEIC and related formats through libheif: the file's primary picture, rotated as the file
 * says. */
#include "image/decoders.h"

#include <string.h>

#include <libheif/heif.h>

#include "base/mem.h"

enum { BELIEVED_PER_BYTE = 16384 }; // pixels; a plain surface takes almost no bytes

static int refuse(struct heif_error why, const struct source *s, struct phi3v_error *err)
{
    int length = (int)strcspn(why.message, "\n"); // some messages end in a line end
    if (why.code == heif_error_Memory_allocation_error)
        return err_set(err, PHI3V_E_MEMORY, "not enough memory for the %s picture", s->name);
    if (why.subcode == heif_suberror_End_of_data)
        return err_set(err, PHI3V_E_IMAGE, "the %s picture is truncated: it ends after %zu bytes",
                       s->name, s->n);
    if (why.code == heif_error_Unsupported_filetype || why.code == heif_error_Unsupported_feature ||
        why.code == heif_error_Plugin_loading_error)
        return err_set(
            err, PHI3V_E_UNSUPPORTED,
            "the %s picture is of a kind that libheif does not read here (%.*s): save it as "
            "PNG",
            s->name, length, why.message);
    return err_set(err, PHI3V_E_IMAGE, "the %s picture is damaged: %.*s", s->name, length,
                   why.message);
}

/* Copies rows of interleaved samples into pixels. */
static int take_rows(const struct source *s, const struct heif_image *image, int channels,
                     struct pixels *ret, struct phi3v_error *err)
{
    int stride, width = heif_image_get_width(image, heif_channel_interleaved);
    int height = heif_image_get_height(image, heif_channel_interleaved);
    const uint8_t *rows = heif_image_get_plane_readonly(image, heif_channel_interleaved, &stride);
    if (!rows || width < 1 || height < 1)
        return err_set(err, PHI3V_E_IMAGE, "the HEIC picture is damaged: it has no pixels");
    size_t n = (size_t)width * (size_t)channels;
    uint8_t *samples = mem_array(n, (size_t)height);
    if (!samples) return err_memory(err, "the picture", n * (size_t)height);
    for (size_t y = 0; y < (size_t)height; y++)
        memcpy(samples + y * n, rows + y * (size_t)stride, n);
    return pixels_from_samples(s, samples, channels, width, height, ret, err);
}

static int decode(struct heif_image_handle *handle, const struct source *s, struct decoded *ret,
                  struct phi3v_error *err)
{
    int width = heif_image_handle_get_width(handle), height = heif_image_handle_get_height(handle);
    int code = size_allowed(s, width, height, 18, BELIEVED_PER_BYTE, err);
    if (code < 0) return code;
    int channels = heif_image_handle_has_alpha_channel(handle) ? 4 : 3;
    struct heif_image *image = NULL;
    struct heif_error why = heif_decode_image(
        handle, &image, heif_colorspace_RGB,
        channels == 4 ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, NULL);
    if (why.code != heif_error_Ok) return refuse(why, s, err);
    code = take_rows(s, image, channels, &ret->pixels, err);
    heif_image_release(image);
    return code;
}

int heif_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    struct heif_context *context = heif_context_alloc();
    if (!context)
        return err_set(err, PHI3V_E_MEMORY, "not enough memory for the %s picture", s->name);
    struct heif_image_handle *handle = NULL;
    struct heif_error why =
        heif_context_read_from_memory_without_copy(context, s->bytes, s->n, NULL);
    if (why.code == heif_error_Ok) why = heif_context_get_primary_image_handle(context, &handle);
    int code = why.code == heif_error_Ok ? decode(handle, s, ret, err) : refuse(why, s, err);
    if (code == 0) ret->animated = heif_context_get_number_of_top_level_images(context) > 1;
    heif_image_handle_release(handle);
    heif_context_free(context);
    return code;
}

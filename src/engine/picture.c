/* SPDX-License-Identifier: MIT */
#include "engine/picture.h"

#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "image/image.h"

enum { MAX_NUM_CROPS = 1024 }; /* keeps token counts within an int; models were trained with 16 */

static int digest_pixels(const struct pixels *p, struct stop *stop, char ret_hex[65],
                         struct phi3v_error *err)
{
    uint32_t size[2] = {(uint32_t)p->width, (uint32_t)p->height};
    struct sha256_part parts[] = {{size, sizeof size},
                                  {p->rgb, (size_t)p->width * (size_t)p->height * 3}};
    return sha256_hex(parts, 2, stop, ret_hex, err);
}

/* Digests the file, and the raster decoded from it. */
static int digest_picture(struct phi3v_image *image, const void *file, size_t n_bytes,
                          struct stop *stop, struct phi3v_error *err)
{
    struct sha256_part part = {file, n_bytes};
    int rc = sha256_hex(&part, 1, stop, image->info.file_sha256, err);
    if (!rc) rc = digest_pixels(&image->pixels, stop, image->info.content_sha256, err);
    if (rc != PHI3V_E_CANCELLED) return rc;
    return err_set(err, PHI3V_E_CANCELLED, "reading the picture was cancelled");
}

int picture_from_bytes(const void *bytes, size_t n_bytes, const struct phi3v_image_options *opt,
                       struct phi3v_image **ret, struct phi3v_error *err)
{
    struct decoded decoded;
    struct stop stop = {.fn = opt->stopped, .user = opt->user};
    struct decode_options how = {.exif = opt->exif, .lenient = opt->lenient, .stop = &stop};
    int rc = image_decode(bytes, n_bytes, &how, &decoded, err);
    if (rc) return rc;
    struct phi3v_image *image = mem_zalloc(sizeof *image);
    if (!image) {
        pixels_fini(&decoded.pixels);
        return err_memory(err, "a picture", sizeof *image);
    }
    atomic_init(&image->n_owners, 1);
    image->pixels = decoded.pixels;
    image->info = (struct phi3v_image_info){.width = decoded.pixels.width,
                                            .height = decoded.pixels.height,
                                            .format = decoded.format,
                                            .exif_orientation = decoded.orientation,
                                            .transparent_share = decoded.transparent_share,
                                            .animated = decoded.animated,
                                            .incomplete = decoded.incomplete};
    rc = digest_picture(image, bytes, n_bytes, &stop, err);
    if (rc)
        picture_unref(image);
    else
        *ret = image;
    return rc;
}

int picture_from_rgb(const uint8_t *rgb, int width, int height, struct phi3v_image **ret,
                     struct phi3v_error *err)
{
    if (width < 1 || height < 1)
        return err_set(err, PHI3V_E_IMAGE, "a picture of %d x %d pixels has nothing to show", width,
                       height);
    size_t n_bytes;
    if (!size_mul((size_t)width, (size_t)height, &n_bytes) || !size_mul(n_bytes, 3, &n_bytes))
        return err_set(err, PHI3V_E_IMAGE, "a picture of %d x %d pixels is too large", width,
                       height);
    struct phi3v_image *image = mem_zalloc(sizeof *image);
    uint8_t *copy = mem_alloc(n_bytes);
    if (!image || !copy) {
        mem_free(image);
        mem_free(copy);
        return err_memory(err, "a picture", n_bytes);
    }
    memcpy(copy, rgb, n_bytes);
    atomic_init(&image->n_owners, 1);
    image->pixels = (struct pixels){.width = width, .height = height, .rgb = copy};
    image->info = (struct phi3v_image_info){
        .width = width, .height = height, .format = "RGB", .exif_orientation = 1};
    int rc = digest_picture(image, copy, n_bytes, NULL, err);
    if (rc)
        picture_unref(image);
    else
        *ret = image;
    return rc;
}

struct phi3v_image *picture_ref(struct phi3v_image *image)
{
    atomic_fetch_add_explicit(&image->n_owners, 1, memory_order_relaxed);
    return image;
}

void picture_unref(struct phi3v_image *image)
{
    if (!image) return;
    if (atomic_fetch_sub_explicit(&image->n_owners, 1, memory_order_acq_rel) != 1) return;
    pixels_fini(&image->pixels);
    mem_free(image);
}

int slot_plan(const struct config *config, struct phi3v_image *image, int num_crops,
              struct slot *ret_slot, struct phi3v_error *err)
{
    if (num_crops == 0) num_crops = config->num_crops;
    if (num_crops < 1 || num_crops > MAX_NUM_CROPS)
        return err_set(err, PHI3V_E_ARGUMENT, "num_crops is %d; allowed is 1 to %d", num_crops,
                       MAX_NUM_CROPS);
    struct slot slot = {.image = image, .num_crops = num_crops};
    int rc = crops_plan(image->info.width, image->info.height, num_crops, config->vision.image_size,
                        &slot.plan, err);
    if (rc) return rc;
    slot.n_tokens = config_image_tokens(config, slot.plan.rows, slot.plan.cols);
    *ret_slot = slot;
    return 0;
}

bool slot_same(const struct slot *a, const struct slot *b)
{
    if (a->num_crops != b->num_crops) return false;
    return a->image == b->image ||
           !strcmp(a->image->info.content_sha256, b->image->info.content_sha256);
}

struct phi3v_image_plan slot_public_plan(const struct slot *slot)
{
    const struct crop_plan *p = &slot->plan;
    return (struct phi3v_image_plan){.crop_rows = p->rows,
                                     .crop_cols = p->cols,
                                     .hd_width = p->hd_w,
                                     .hd_height = p->hd_h,
                                     .content_x = p->pad_left,
                                     .content_y = p->pad_top,
                                     .content_width = p->scaled_w,
                                     .content_height = p->scaled_h,
                                     .n_tokens = slot->n_tokens};
}

int slot_crops_begin(const struct config *config, const struct slot *slot,
                     struct crop_source *ret_crops, struct phi3v_error *err)
{
    return crops_begin(&slot->image->pixels, &slot->plan, config->image_mean, config->image_std,
                       ret_crops, err);
}

int slot_crops(const struct config *config, const struct slot *slot, struct crops *ret_crops,
               struct phi3v_error *err)
{
    return crops_make(&slot->image->pixels, &slot->plan, config->image_mean, config->image_std,
                      ret_crops, err);
}

/* SPDX-License-Identifier: MIT
 * Pictures of the public API: decoded once, immutable, reference counted, identified by the digest
 * of their raster. */
#ifndef ENGINE_PICTURE_H
#define ENGINE_PICTURE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "flow.h"
#include "base/err.h"
#include "weights/config.h"

struct phi3v_image {
    atomic_int n_owners;
    struct pixels pixels;
    struct phi3v_image_info info;
};

int picture_from_bytes(const void *bytes, size_t n_bytes, const struct phi3v_image_options *opt,
                       struct phi3v_image **ret, struct phi3v_error *err);
int picture_from_rgb(const uint8_t *rgb, int width, int height, struct phi3v_image **ret,
                     struct phi3v_error *err);
struct phi3v_image *picture_ref(struct phi3v_image *image);
void picture_unref(struct phi3v_image *image);

/* A picture's place in a prompt. Picture and num_crops (0: the model's default) decide the feature
 * rows. */
struct slot {
    struct phi3v_image *image; // one reference
    int num_crops;
    struct crop_plan plan;
    int n_tokens;
};

/* Errors: ARGUMENT (num_crops), IMAGE (too thin). Borrows image as long as the slot is used. */
int slot_plan(const struct config *config, struct phi3v_image *image, int num_crops,
              struct slot *ret_slot, struct phi3v_error *err);
bool slot_same(const struct slot *a, const struct slot *b);
struct phi3v_image_plan slot_public_plan(const struct slot *slot);
/* Begins to make the slot's normalised crops, each when it is needed; end with crops_end. */
int slot_crops_begin(const struct config *config, const struct slot *slot,
                     struct crop_source *ret_crops, struct phi3v_error *err);
/* Makes all crops at once; mem_free(ret_crops->data). */
int slot_crops(const struct config *config, const struct slot *slot, struct crops *ret_crops,
               struct phi3v_error *err);

#endif

/* SPDX-License-Identifier: MIT */
#include "cases.h"

#include <stdio.h>
#include <string.h>

struct count {
    struct work *work;
    int vision_layers; // that run: the stored ones less the last
};

static int count_tensor(const char *name, const char *dtype, int n_dims, const int64_t *shape,
                        void *user)
{
    struct count *c = user;
    (void)dtype;
    struct work *w = c->work;
    double n = 1;
    for (int i = 0; i < n_dims; i++) n *= (double)shape[i];
    const char *layer = strstr(name, "vision_model.encoder.layers.");
    int index;
    if (n_dims == 2 && strncmp(name, "model.layers.", 13) == 0) {
        w->layers += n;
    } else if (strcmp(name, "lm_head.weight") == 0) {
        w->head = n;
    } else if (n_dims == 2 && layer &&
               sscanf(layer, "vision_model.encoder.layers.%d.", &index) == 1) {
        if (index < c->vision_layers) w->vision_weights += n;
    } else if (n_dims == 4 && strstr(name, "patch_embedding")) {
        w->patch_weights = n;
        w->crop_patches = (int)shape[3]; /* the patch's side, until the caller divides */
    } else if (n_dims == 2 && strstr(name, "img_projection.")) {
        w->projector += n;
    }
    return 0;
}

/* Sizes of Phi-3-vision-128k-instruct, for weights that exist in no file. */
static void count_published(struct work *w)
{
    const double hidden = 3072, mlp = 8192, vision = 1024;
    w->layers = 32 * (4 * hidden * hidden + 3 * hidden * mlp);
    w->head = 32064 * hidden;
    w->vision_weights = 23 * (4 * vision * vision + 2 * vision * 4 * vision);
    w->patch_weights = vision * 3 * 14 * 14;
    w->projector = 4 * vision * hidden + hidden * hidden;
    w->crop_patches = 14;
}

int work_count(const phi3v_model *model, bool synthetic, struct work *ret_work,
               struct phi3v_error *err)
{
    const struct phi3v_model_info *info = phi3v_model_info(model);
    struct work w = {0};
    struct count count = {.work = &w, .vision_layers = info->vision_layers - 1};
    if (synthetic)
        count_published(&w);
    else
        phi3v_model_tensors(model, count_tensor, &count);
    if (w.layers == 0 || w.head == 0 || w.crop_patches <= 0) {
        if (err)
            *err = (struct phi3v_error){PHI3V_E_MODEL,
                                        "the model has not the tensors that bench counts"};
        return PHI3V_E_MODEL;
    }
    int side = info->crop_side / w.crop_patches;
    w.crop_patches = side * side;
    w.score_width = (double)info->n_layers * info->n_heads * info->head_dim;
    w.vision_width = (double)count.vision_layers * info->vision_width;
    *ret_work = w;
    return 0;
}

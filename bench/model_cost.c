/* SPDX-License-Identifier: MIT */
#include "cases.h"

void model_cost_count(const phi3v_model *model, struct model_cost *w)
{
    const struct phi3v_model_info *info = phi3v_model_info(model);
    double hidden = info->hidden, vision = info->vision_width, head_dim = info->head_dim;
    double q_rows = info->n_heads * head_dim, kv_rows = info->n_kv_heads * head_dim;
    int vision_layers = info->vision_run_layers;
    int side = info->crop_side / info->patch_side;
    *w = (struct model_cost){
        .layers = info->n_layers * hidden * (2 * q_rows + 2 * kv_rows + 3.0 * info->mlp_width),
        .head = info->n_vocab * hidden,
        .score_width = info->n_layers * q_rows,
        .vision_weights = vision_layers * vision * (4 * vision + 2.0 * info->vision_mlp_width),
        .vision_width = vision_layers * vision,
        .patch_weights = vision * 3 * info->patch_side * info->patch_side,
        .projector = 4 * vision * hidden + hidden * hidden,
        .crop_patches = side * side,
    };
}

/* SPDX-License-Identifier: MIT
 * Reads config.json, preprocessor_config.json (or processor_config.json) and generation_config.json
 * of a model folder (docs/model.md, Files of a model folder). It checks that every dimension is
 * positive, bounded and consistent, and that no unread key asks for another computation. */
#ifndef WEIGHTS_CONFIG_H
#define WEIGHTS_CONFIG_H

#include <math.h>
#include <stdint.h>

#include "base/err.h"

enum { CONFIG_MAX_EOS = 16, CONFIG_MAX_ROPE = 512 };

enum rope_kind { ROPE_PLAIN, ROPE_SU, ROPE_YARN }; /* "longrope" is ROPE_SU */

struct vision_config {
    int hidden, intermediate, n_layers, n_heads, head_dim;
    int image_size, patch_size; // crop side, patch side in pixels
    float layer_norm_eps;
    int n_run_layers; // at least 1: n_layers + 1 + layer_idx; layer_idx -2: all but the last
};

struct config {
    int hidden, intermediate, n_layers, n_heads, n_kv_heads, head_dim, n_vocab;
    float rms_norm_eps;
    float rope_theta;
    enum rope_kind rope;
    float rope_short[CONFIG_MAX_ROPE], rope_long[CONFIG_MAX_ROPE]; // [head_dim/2]
    int64_t max_positions, original_max_positions;
    int tie_embeddings;
    struct vision_config vision;
    int num_crops; // preprocessor_config.json
    float image_mean[3], image_std[3];
    int32_t eos_ids[CONFIG_MAX_EOS]; // config.json and generation_config.json together
    int n_eos_ids;
    int32_t bos_id;
    char description[400]; // "phiscope_description", "" when absent
};

/* Reads the folder's JSON files. Errors: MODEL with file, key, value and what is allowed;
 * UNSUPPORTED for an understood but different architecture. */
int config_load(const char *dir, struct config *ret_config, struct phi3v_error *err);
/* The published dimensions and rope factors of the first release, for synthetic weights. */
void config_phi3v(struct config *ret_config);

/* The factor for cos and sin (docs/model.md, Rotary positions). */
static inline double config_rope_magnitude(const struct config *c)
{
    double ratio = (double)c->max_positions / (double)c->original_max_positions;
    if (c->rope == ROPE_PLAIN || ratio <= 1) return 1;
    if (c->rope == ROPE_YARN) return 0.1 * log(ratio) + 1;
    return sqrt(1 + log(ratio) / log((double)c->original_max_positions));
}

static inline int config_grid(const struct config *c) // merged cells per crop side (12)
{
    return c->vision.image_size / c->vision.patch_size / 2;
}
static inline int config_crop_tokens(const struct config *c) // image tokens of one crop (144)
{
    return config_grid(c) * config_grid(c);
}
/* (rows*cols + 1)*g*g + 1 + (rows + 1)*g (docs/model.md, Projection) */
static inline int config_image_tokens(const struct config *c, int rows, int cols)
{
    return (rows * cols + 1) * config_crop_tokens(c) + 1 + (rows + 1) * config_grid(c);
}

#endif

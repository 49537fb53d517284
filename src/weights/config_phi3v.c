/* SPDX-License-Identifier: MIT
 * The dimensions and rope factors of the first release, for synthetic weights. */
#include <string.h>

#include "weights/config_parts.h"

static const float phi3v_short[48] = {
    1.05f, 1.05f, 1.05f, 1.1f, 1.1f, 1.1f,  1.25f, 1.25f, 1.4f,  1.45f, 1.55f, 1.85f,
    1.9f,  2.0f,  2.0f,  2.0f, 2.0f, 2.0f,  2.0f,  2.0f,  2.0f,  2.0f,  2.0f,  2.0f,
    2.0f,  2.0f,  2.0f,  2.0f, 2.0f, 2.0f,  2.0f,  2.0f,  2.1f,  2.1f,  2.2f,  2.35f,
    2.35f, 2.35f, 2.35f, 2.4f, 2.4f, 2.65f, 2.7f,  2.9f,  2.95f, 3.05f, 3.05f, 3.05f};

static const float phi3v_long[48] = {
    1.03f,      1.05f,      1.05f,      1.0799999f,  1.2299999f, 1.2299999f, 1.3f,       1.4499999f,
    1.5999999f, 1.6499999f, 1.8999999f, 2.86f,       3.6899998f, 5.4199996f, 5.49f,      5.49f,
    9.09f,      11.58f,     15.66f,     15.7699995f, 15.79f,     18.36f,     21.99f,     23.08f,
    30.009998f, 32.350002f, 32.590004f, 35.560005f,  39.950005f, 53.840004f, 56.200005f, 57.950005f,
    59.290005f, 59.770004f, 59.920006f, 61.190006f,  61.960007f, 62.500008f, 63.370007f, 63.480007f,
    63.480007f, 63.660007f, 63.850006f, 64.08001f,   64.76001f,  64.80001f,  64.81001f,  64.81001f};

void config_phi3v(struct config *ret_config)
{
    struct config c = {
        .hidden = 3072,
        .intermediate = 8192,
        .n_layers = 32,
        .n_heads = 32,
        .n_kv_heads = 32,
        .head_dim = 96,
        .n_vocab = 32064,
        .rms_norm_eps = 1e-5f,
        .rope_theta = 10000,
        .rope = ROPE_SU,
        .max_positions = 131072,
        .original_max_positions = 4096,
        .vision = {.hidden = 1024,
                   .intermediate = 4096,
                   .n_layers = 24,
                   .n_heads = 16,
                   .head_dim = 64,
                   .image_size = 336,
                   .patch_size = 14,
                   .layer_norm_eps = 1e-5f,
                   .n_run_layers = 23},
        .num_crops = 16,
        .eos_ids = {2},
        .n_eos_ids = 1,
        .bos_id = 1,
    };
    memcpy(c.rope_short, phi3v_short, sizeof phi3v_short);
    memcpy(c.rope_long, phi3v_long, sizeof phi3v_long);
    memcpy(c.image_mean, config_clip_mean, sizeof config_clip_mean);
    memcpy(c.image_std, config_clip_std, sizeof config_clip_std);
    *ret_config = c;
}

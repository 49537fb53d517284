/* SPDX-License-Identifier: MIT
 * A weights file, plain or packed, for a model of few numbers; where its tensors are all there, it
 * computes a picture and a token with them. */
#include <stdlib.h>

#include "base/mem.h"
#include "folder.h"
#include "fuzz.h"
#include "one_pass.h"
#include "weights/safetensors.h"

static const struct config small = {
    .hidden = 8,
    .intermediate = 12,
    .n_layers = 1,
    .n_heads = 2,
    .n_kv_heads = 1,
    .head_dim = 4,
    .n_vocab = 6,
    .rms_norm_eps = 1e-5f,
    .rope_theta = 10000,
    .rope = ROPE_PLAIN,
    .max_positions = 256,
    .original_max_positions = 256,
    .tie_embeddings = 1,
    .num_crops = 2,
    .image_std = {1, 1, 1},
    .vision = {.hidden = 4,
               .intermediate = 6,
               .n_layers = 1,
               .n_heads = 1,
               .head_dim = 4,
               .image_size = 4,
               .patch_size = 2,
               .layer_norm_eps = 1e-5f,
               .n_run_layers = 1},
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct folder folder;
    struct weights *w;
    struct model_weights mw;
    struct phi3v_error err = {0};
    folder_make(&folder);
    folder_write(&folder, "model.safetensors", bytes, n);
    int code = weights_open_dir(folder.path, &w, &err);
    folder_remove(&folder);
    if (!code) {
        code = model_weights_bind(w, &small, &mw, &err);
        if (!code) {
            one_pass(&small, &mw, mw.form == FORM_F32 ? KV_F32 : KV_F16);
            model_weights_fini(&mw);
        }
        weights_close(w);
    }
    if (code < 0 && (err.code != code || !err.text[0])) abort(); // an error says what is wrong
    return 0;
}

/* SPDX-License-Identifier: MIT
 * The JSON files of a model folder: the first byte says which one the rest is, and with which form
 * of weights a config that is accepted goes on to one picture and one token. */
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "folder.h"
#include "fuzz.h"
#include "one_pass.h"
#include "weights/config.h"

static const char *const names[] = {"config.json", "preprocessor_config.json",
                                    "generation_config.json", "processor_config.json"};
static const char *const sound[] = {
    "{\"model_type\": \"phi3_v\", \"vocab_size\": 64, \"hidden_size\": 48,"
    " \"intermediate_size\": 72, \"num_hidden_layers\": 2, \"num_attention_heads\": 4,"
    " \"img_processor\": {\"num_img_tokens\": 4}, \"vision_config\": {\"hidden_size\": 24,"
    " \"intermediate_size\": 40, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
    " \"image_size\": 12, \"patch_size\": 3}}",
    "{\"num_crops\": 4}", "{\"eos_token_id\": [3, 2]}", "{}"};
enum { N_NAMES = sizeof names / sizeof *names };

/* What everything behind relies on. */
static void check(const struct config *c)
{
    const struct vision_config *v = &c->vision;
    int64_t side = v->image_size / v->patch_size;
    bool ok = c->hidden > 0 && c->n_heads > 0 && c->hidden == c->n_heads * c->head_dim &&
              c->n_heads % c->n_kv_heads == 0 && c->head_dim / 2 <= CONFIG_MAX_ROPE &&
              v->hidden == v->n_heads * v->head_dim && config_grid(c) > 0 && v->n_run_layers > 0 &&
              v->n_run_layers <= v->n_layers && (side * side + 1) * v->hidden <= INT32_MAX &&
              c->num_crops > 0 && config_image_tokens(c, c->num_crops, 1) > 0 &&
              config_image_tokens(c, 1, c->num_crops) > 0 && c->rms_norm_eps > 0 &&
              v->layer_norm_eps > 0 && c->rope_theta > 0 && c->original_max_positions > 1;
    for (int i = 0; i < c->n_eos_ids; i++)
        ok = ok && c->eos_ids[i] >= 0 && c->eos_ids[i] < c->n_vocab;
    for (int i = 0; i < c->head_dim / 2; i++)
        ok = ok && c->rope_short[i] > 0 && c->rope_long[i] > 0;
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const struct {
        enum weights_form form;
        enum kv_type kv;
    } ways[] = {{FORM_F32, KV_F32}, {FORM_Q8, KV_F16}, {FORM_Q4, KV_Q8}, {FORM_BF16, KV_BF16}};
    if (n == 0) return 0;
    struct folder folder;
    struct config c;
    struct phi3v_error err = {0};
    folder_make(&folder);
    for (int i = 0; i < N_NAMES; i++) {
        if (bytes[0] % N_NAMES == i)
            folder_write(&folder, names[i], bytes + 1, n - 1);
        else
            folder_puts(&folder, names[i], sound[i]);
    }
    int code = config_load(folder.path, &c, &err);
    folder_remove(&folder);
    if (code < 0 && (err.code != code || !err.text[0])) abort(); // an error says what is wrong
    if (code) return 0;
    check(&c);
    int way = bytes[0] / N_NAMES % 4;
    if (one_pass_is_small(&c)) one_pass_synthetic(&c, ways[way].form, ways[way].kv);
    return 0;
}

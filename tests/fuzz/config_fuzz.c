/* SPDX-License-Identifier: MIT
 * The JSON files of a model folder: the first byte says which one the rest is, the others are
 * sound. */
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "folder.h"
#include "fuzz.h"
#include "weights/config.h"

static const char *const names[] = {"config.json", "preprocessor_config.json",
                                    "generation_config.json"};
static const char *const sound[] = {"{\"model_type\": \"phi3_v\", \"vocab_size\": 64, "
                                    "\"hidden_size\": 64, \"intermediate_size\": 160,"
                                    " \"num_hidden_layers\": 3, \"num_attention_heads\": 4}",
                                    "{\"num_crops\": 4}", "{\"eos_token_id\": [3, 2]}"};

/* What everything behind relies on. */
static void check(const struct config *c)
{
    bool ok = c->hidden > 0 && c->n_heads > 0 && c->hidden == c->n_heads * c->head_dim &&
              c->n_heads % c->n_kv_heads == 0 && c->head_dim / 2 <= CONFIG_MAX_ROPE &&
              c->vision.hidden == c->vision.n_heads * c->vision.head_dim && config_grid(c) > 0 &&
              c->vision.n_run_layers >= 0 && c->vision.n_run_layers <= c->vision.n_layers &&
              c->num_crops > 0 && config_image_tokens(c, c->num_crops, 1) > 0;
    for (int i = 0; i < c->n_eos_ids; i++)
        ok = ok && c->eos_ids[i] >= 0 && c->eos_ids[i] < c->n_vocab;
    for (int i = 0; i < c->head_dim / 2; i++)
        ok = ok && c->rope_short[i] > 0 && c->rope_long[i] > 0;
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0) return 0;
    struct folder folder;
    struct config c;
    struct phi3v_error err = {0};
    folder_make(&folder);
    for (int i = 0; i < 3; i++) {
        if (bytes[0] % 3 == i)
            folder_write(&folder, names[i], bytes + 1, n - 1);
        else
            folder_puts(&folder, names[i], sound[i]);
    }
    int code = config_load(folder.path, &c, &err);
    folder_remove(&folder);
    if (code < 0 && (err.code != code || !err.text[0])) abort(); // an error says what is wrong
    if (code == 0) check(&c);
    return 0;
}

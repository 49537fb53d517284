/* SPDX-License-Identifier: MIT */
#include "weights/config.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

/* Bounds far above any model of this family: products of two stay inside int64_t, one fits an int.
 */
enum {
    MAX_WIDTH = 1 << 17,
    MAX_LAYERS = 1024,
    MAX_HEADS = 1024,
    MAX_VOCAB = 1 << 22,
    MAX_POSITIONS = 1 << 30,
    MAX_CROP_SIDE = 2048,
    MAX_CROPS = 1024
};

static const float clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
static const float clip_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

/* -- Small helpers ---------------------------------------------------------------------------- */

/* Refuses a string other than `only`; missing means `only`. */
static void expect_string(struct json_reader *r, const char *section, const json_t *obj,
                          const char *key, const char *only)
{
    const char *s = json_read_string(r, section, obj, key);
    if (s && strcmp(s, only) != 0) {
        char expected[80];
        snprintf(expected, sizeof expected, "\"%s\" (nothing else is supported)", only);
        json_refuse(r, PHI3V_E_UNSUPPORTED, section, key, json_object_get(obj, key), expected);
    }
}

static void expect_true(struct json_reader *r, const char *section, const json_t *obj,
                        const char *key)
{
    if (!json_read_bool(r, section, obj, key, true))
        json_refuse(r, PHI3V_E_UNSUPPORTED, section, key, json_object_get(obj, key),
                    "true (nothing else is supported)");
}

/* A relation between keys that does not hold. */
static void inconsistent(struct json_reader *r, const char *format, int64_t a, int64_t b)
{
    if (r->code) return;
    char text[200];
    snprintf(text, sizeof text, format, (long long)a, (long long)b);
    r->code = err_set(r->err, PHI3V_E_MODEL, "%s: %s", r->file, text);
}

static void add_eos(struct json_reader *r, struct config *c, int64_t id)
{
    for (int i = 0; i < c->n_eos_ids; i++)
        if (c->eos_ids[i] == id) return;
    if (c->n_eos_ids < CONFIG_MAX_EOS)
        c->eos_ids[c->n_eos_ids++] = (int32_t)id;
    else
        inconsistent(r, "more than %lld different eos_token_id values", CONFIG_MAX_EOS, 0);
}

/* eos_token_id: a number, a list of numbers, or absent. */
static void read_eos(struct json_reader *r, const json_t *root, struct config *c)
{
    const json_t *value = json_object_get(root, "eos_token_id");
    if (!value || json_is_null(value)) return;
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < n && !r->code; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        int64_t id = json_integer_value(item);
        if (json_is_integer(item) && id >= 0 && id < c->n_vocab)
            add_eos(r, c, id);
        else
            json_refuse(r, PHI3V_E_MODEL, "", "eos_token_id", value,
                        "a token id below vocab_size, or a list of them");
    }
}

/* -- config.json ------------------------------------------------------------------------------ */

static void read_architecture(struct json_reader *r, const json_t *root)
{
    const json_t *embd = json_read_object(r, "", root, "embd_layer");
    const json_t *quant = json_object_get(root, "quantization_config");
    if (!json_object_get(root, "model_type"))
        json_refuse(r, PHI3V_E_MODEL, "", "model_type", NULL, "\"phi3_v\"");
    expect_string(r, "", root, "model_type", "phi3_v");
    expect_string(r, "", root, "hidden_act", "silu");
    if (quant && !json_is_null(quant))
        json_refuse(r, PHI3V_E_UNSUPPORTED, "", "quantization_config", quant,
                    "none (take the unquantised release)");
    expect_string(r, "embd_layer", embd, "embedding_cls", "image");
    expect_string(r, "embd_layer", embd, "hd_transform_order", "sub_glb");
    expect_string(r, "embd_layer", embd, "projection_cls", "mlp");
    expect_true(r, "embd_layer", embd, "use_hd_transform");
    expect_true(r, "embd_layer", embd, "with_learnable_separator");
}

static void read_decoder(struct json_reader *r, const json_t *root, struct config *c)
{
    const int64_t need = JSON_REQUIRED;
    c->n_vocab = (int)json_read_int(r, "", root, "vocab_size", need, 1, MAX_VOCAB);
    c->hidden = (int)json_read_int(r, "", root, "hidden_size", need, 2, MAX_WIDTH);
    c->intermediate = (int)json_read_int(r, "", root, "intermediate_size", need, 1, MAX_WIDTH);
    c->n_layers = (int)json_read_int(r, "", root, "num_hidden_layers", need, 1, MAX_LAYERS);
    c->n_heads = (int)json_read_int(r, "", root, "num_attention_heads", need, 1, MAX_HEADS);
    c->n_kv_heads =
        (int)json_read_int(r, "", root, "num_key_value_heads", c->n_heads, 1, MAX_HEADS);
    c->rms_norm_eps = (float)json_read_positive(r, "", root, "rms_norm_eps", 1e-5, 1);
    c->tie_embeddings = json_read_bool(r, "", root, "tie_word_embeddings", false);
    c->bos_id = (int32_t)json_read_int(r, "", root, "bos_token_id", 1, 0, c->n_vocab - 1);
    if (c->hidden % c->n_heads)
        inconsistent(r, "hidden_size %lld is not a multiple of num_attention_heads %lld", c->hidden,
                     c->n_heads);
    if (c->n_heads % c->n_kv_heads)
        inconsistent(r, "num_attention_heads %lld is not a multiple of num_key_value_heads %lld",
                     c->n_heads, c->n_kv_heads);
    c->head_dim = c->hidden / c->n_heads;
    if (c->head_dim % 2 || c->head_dim / 2 > CONFIG_MAX_ROPE)
        inconsistent(
            r, "hidden_size / num_attention_heads is %lld, expected an even number up to %lld",
            c->head_dim, 2 * CONFIG_MAX_ROPE);
    read_eos(r, root, c);
}

static void read_positions(struct json_reader *r, const json_t *root, struct config *c)
{
    c->rope_theta = (float)json_read_positive(r, "", root, "rope_theta", 10000, 1e12);
    c->max_positions =
        json_read_int(r, "", root, "max_position_embeddings", 4096, 1, MAX_POSITIONS);
    c->original_max_positions =
        json_read_int(r, "", root, "original_max_position_embeddings", 4096, 2, MAX_POSITIONS);
    int64_t window = json_read_int(r, "", root, "sliding_window", INT64_MAX, 1, INT64_MAX);
    if (window < c->max_positions) {
        char expected[120];
        snprintf(
            expected, sizeof expected,
            "null or at least max_position_embeddings (%lld): sliding windows are not supported",
            (long long)c->max_positions);
        json_refuse(r, PHI3V_E_UNSUPPORTED, "", "sliding_window",
                    json_object_get(root, "sliding_window"), expected);
    }
}

/* rope_scaling.type, or rope_type as newer tools write it. */
static enum rope_kind read_rope_kind(struct json_reader *r, const json_t *scaling)
{
    const char *key = json_object_get(scaling, "type") ? "type" : "rope_type";
    const char *type = json_read_string(r, "rope_scaling", scaling, key);
    if (type && (strcmp(type, "su") == 0 || strcmp(type, "longrope") == 0)) return ROPE_SU;
    if (type && strcmp(type, "yarn") == 0) return ROPE_YARN;
    json_refuse(r, type ? PHI3V_E_UNSUPPORTED : PHI3V_E_MODEL, "rope_scaling", key,
                json_object_get(scaling, key), "\"su\", \"longrope\" or \"yarn\"");
    return ROPE_PLAIN;
}

static void read_rope(struct json_reader *r, const json_t *root, struct config *c)
{
    const json_t *scaling = json_read_object(r, "", root, "rope_scaling");
    int n = c->head_dim / 2;
    for (int i = 0; i < n && i < CONFIG_MAX_ROPE; i++) c->rope_short[i] = c->rope_long[i] = 1;
    if (r->code || !scaling) return; // ROPE_PLAIN
    c->rope = read_rope_kind(r, scaling);
    if (!json_read_floats(r, "rope_scaling", scaling, "short_factor", 1e-6, c->rope_short, n))
        json_refuse(r, PHI3V_E_MODEL, "rope_scaling", "short_factor", NULL, "a list of numbers");
    if (!json_read_floats(r, "rope_scaling", scaling, "long_factor", 1e-6, c->rope_long, n))
        json_refuse(r, PHI3V_E_MODEL, "rope_scaling", "long_factor", NULL, "a list of numbers");
}

/* -- The vision tower (config.json: vision_config and img_processor) -------------------------- */

static void read_tower(struct json_reader *r, const json_t *v, struct vision_config *vc)
{
    const char *s = "vision_config";
    expect_string(r, s, v, "hidden_act", "quick_gelu");
    vc->hidden = (int)json_read_int(r, s, v, "hidden_size", 1024, 1, MAX_WIDTH / 4);
    vc->intermediate = (int)json_read_int(r, s, v, "intermediate_size", 4096, 1, MAX_WIDTH);
    vc->n_layers = (int)json_read_int(r, s, v, "num_hidden_layers", 24, 1, MAX_LAYERS);
    vc->n_heads = (int)json_read_int(r, s, v, "num_attention_heads", 16, 1, MAX_HEADS);
    vc->image_size = (int)json_read_int(r, s, v, "image_size", 336, 2, MAX_CROP_SIDE);
    vc->patch_size = (int)json_read_int(r, s, v, "patch_size", 14, 1, MAX_CROP_SIDE);
    vc->layer_norm_eps = (float)json_read_positive(r, s, v, "layer_norm_eps", 1e-5, 1);
    if (vc->hidden % vc->n_heads)
        inconsistent(r,
                     "vision_config.hidden_size %lld is not a multiple of num_attention_heads %lld",
                     vc->hidden, vc->n_heads);
    if (vc->image_size % (2 * vc->patch_size))
        inconsistent(r, "vision_config.image_size %lld is not an even multiple of patch_size %lld",
                     vc->image_size, vc->patch_size);
    vc->head_dim = vc->hidden / vc->n_heads;
}

/* layer_idx counts in the list [embeddings, layer 0, … layer n-1]; -2 is the output of the last but
 * one layer. */
static void read_layer_idx(struct json_reader *r, const json_t *proc, struct vision_config *vc)
{
    int n = vc->n_layers;
    int64_t idx = json_read_int(r, "img_processor", proc, "layer_idx", -2, -n - 1, n);
    vc->n_run_layers = (int)(idx < 0 ? n + 1 + idx : idx);
}

static void read_vision(struct json_reader *r, const json_t *root, struct config *c)
{
    const char *s = "img_processor";
    const json_t *proc = json_read_object(r, "", root, s);
    read_tower(r, json_read_object(r, "", root, "vision_config"), &c->vision);
    if (r->code) return;
    expect_string(r, s, proc, "name", "clip_vision_model");
    expect_string(r, s, proc, "type_feature", "patch");
    read_layer_idx(r, proc, &c->vision);
    int64_t width = json_read_int(r, s, proc, "image_dim_out", c->vision.hidden, 1, MAX_WIDTH);
    if (width != c->vision.hidden)
        inconsistent(r,
                     "img_processor.image_dim_out %lld differs from vision_config.hidden_size %lld",
                     width, c->vision.hidden);
    int64_t n = json_read_int(r, s, proc, "num_img_tokens", config_crop_tokens(c), 1, INT32_MAX);
    if (n != config_crop_tokens(c))
        inconsistent(r, "img_processor.num_img_tokens is %lld, but a crop has %lld", n,
                     config_crop_tokens(c));
}

/* -- The other two files ---------------------------------------------------------------------- */

static void read_preprocessor(struct json_reader *r, const json_t *root, struct config *c)
{
    c->num_crops = (int)json_read_int(r, "", root, "num_crops", JSON_REQUIRED, 1, MAX_CROPS);
    memcpy(c->image_mean, clip_mean, sizeof clip_mean);
    memcpy(c->image_std, clip_std, sizeof clip_std);
    json_read_floats(r, "", root, "image_mean", -1e6, c->image_mean, 3);
    json_read_floats(r, "", root, "image_std", 1e-6, c->image_std, 3);
}

static void read_generation(struct json_reader *r, const json_t *root, struct config *c)
{
    read_eos(r, root, c);
}

static void read_config(struct json_reader *r, const json_t *root, struct config *c)
{
    read_architecture(r, root);
    if (!r->code) read_decoder(r, root, c);
    if (!r->code) read_positions(r, root, c);
    if (!r->code) read_rope(r, root, c);
    if (!r->code) read_vision(r, root, c);
    const char *text = json_read_string(r, "", root, "phiscope_description");
    if (text) snprintf(c->description, sizeof c->description, "%s", text);
}

typedef void (*read_fn)(struct json_reader *r, const json_t *root, struct config *c);

static int load_file(const char *dir, const char *name, bool required, read_fn read,
                     struct config *c, struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
    if (!path) return err_memory(err, name, strlen(dir) + strlen(name));
    if (!required && !file_exists(path)) return 0;
    json_t *root = NULL;
    int code = json_file_load(path, &root, err);
    if (code) return code;
    struct json_reader r = {.file = path, .err = err};
    read(&r, root, c);
    json_decref(root);
    return r.code;
}

int config_load(const char *dir, struct config *ret_config, struct phi3v_error *err)
{
    struct config c = {0};
    int code = load_file(dir, "config.json", true, read_config, &c, err);
    if (!code) code = load_file(dir, "preprocessor_config.json", true, read_preprocessor, &c, err);
    if (!code) code = load_file(dir, "generation_config.json", false, read_generation, &c, err);
    if (!code) *ret_config = c;
    return code;
}

/* -- The first release ------------------------------------------------------------------------ */

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
    memcpy(c.image_mean, clip_mean, sizeof clip_mean);
    memcpy(c.image_std, clip_std, sizeof clip_std);
    *ret_config = c;
}

/* SPDX-License-Identifier: MIT */
#include "weights/config.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "weights/config_parts.h"

/* Bounds far above any model of this family, so that each fits an int and products of two an
 * int64_t. */
enum {
    MAX_WIDTH = 1 << 17,
    MAX_LAYERS = 1024,
    MAX_HEADS = 1024,
    MAX_VOCAB = 1 << 22,
    MAX_CROP_SIDE = 2048,
    MAX_CROPS = 1024,
    MAX_CROP_PATCHES = 1 << 16,
    MAX_VECTOR = 1 << 30,        // numbers of the tower's position embedding
    MAX_PICTURE_PIXELS = 1 << 25 // of a picture that is cut into num_crops
};

const float config_clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
const float config_clip_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

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

/* Reports that two keys do not fit together; format takes a and b as %lld. */
static void inconsistent(struct json_reader *r, const char *format, int64_t a, int64_t b)
{
    if (r->code) return;
    char text[200];
    snprintf(text, sizeof text, format, (long long)a, (long long)b);
    r->code = err_set(r->err, PHI3V_E_MODEL, "%s: %s", r->file, text);
}

/* Checks a product that sizes memory or an index, whose factors are valid by themselves. */
static void at_most(struct json_reader *r, const char *what, int64_t a, int64_t b, int64_t most)
{
    int64_t product;
    if (r->code || (!__builtin_mul_overflow(a, b, &product) && product <= most)) return;
    r->code =
        err_set(r->err, PHI3V_E_MODEL, "%s: %s is %lld times %lld; at most %lld are supported",
                r->file, what, (long long)a, (long long)b, (long long)most);
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

/* Models that people mistake for this one. */
static const struct {
    const char *type, *name;
} relatives[] = {
    {"phi3", "a Phi-3 or Phi-4 for text alone"},
    {"phi3small", "Phi-3-small, for text alone"},
    {"phimoe", "Phi-3.5-MoE, for text alone"},
    {"phi4mm", "Phi-4-multimodal"},
    {"phi4_multimodal", "Phi-4-multimodal"},
    {"clip", "CLIP, of which this family uses the vision tower alone"},
    {"clip_vision_model", "CLIP's vision tower alone"},
};

static void read_model_type(struct json_reader *r, const json_t *root)
{
    const json_t *value = json_object_get(root, "model_type");
    const char *type = json_string_value(value);
    char expected[160] = "\"phi3_v\"";
    for (size_t i = 0; type && i < sizeof relatives / sizeof *relatives; i++)
        if (strcmp(type, relatives[i].type) == 0)
            snprintf(expected, sizeof expected,
                     "\"phi3_v\" (this is %s; open Phi-3-vision or Phi-3.5-vision)",
                     relatives[i].name);
    if (!type || strcmp(type, "phi3_v") != 0)
        json_refuse(r, type ? PHI3V_E_UNSUPPORTED : PHI3V_E_MODEL, "", "model_type", value,
                    expected);
}

/* Refuses classes with another head, which have other weights and another purpose. */
static void read_architectures(struct json_reader *r, const json_t *root)
{
    const json_t *list = json_object_get(root, "architectures");
    size_t i, n = 0;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *s = json_string_value(item);
        if (s && strcmp(s, "Phi3VForCausalLM") == 0) n++;
    }
    if (list && !json_is_null(list) && n == 0)
        json_refuse(r, PHI3V_E_UNSUPPORTED, "", "architectures", list, "[\"Phi3VForCausalLM\"]");
}

static void read_quantization(struct json_reader *r, const json_t *root)
{
    const json_t *quant = json_object_get(root, "quantization_config");
    const char *method = json_string_value(json_object_get(quant, "quant_method"));
    char name[40];
    if (!quant || json_is_null(quant) || r->code) return;
    snprintf(name, sizeof name, "%.30s", method ? method : "an unnamed method");
    r->code = err_set(r->err, PHI3V_E_UNSUPPORTED,
                      "%s: quantization_config says that the weights are quantised with %s, which "
                      "is not read; take the unquantised release (phiscope quantize makes q8 or q4 "
                      "of it)",
                      r->file, name);
}

static void read_embd_layer(struct json_reader *r, const json_t *root)
{
    static const char *const read[] = {"embedding_cls",
                                       "hd_transform_order",
                                       "projection_cls",
                                       "use_hd_transform",
                                       "with_learnable_separator",
                                       "freeze_img_processor",
                                       "enable_gradient_checkpointing",
                                       NULL};
    const char *s = "embd_layer";
    const json_t *embd = json_read_object(r, "", root, s);
    expect_string(r, s, embd, "embedding_cls", "image");
    expect_string(r, s, embd, "hd_transform_order", "sub_glb");
    expect_string(r, s, embd, "projection_cls", "mlp");
    expect_true(r, s, embd, "use_hd_transform");
    expect_true(r, s, embd, "with_learnable_separator");
    config_refuse_all_unread(r, s, embd, read);
}

static void read_architecture(struct json_reader *r, const json_t *root)
{
    read_model_type(r, root);
    read_architectures(r, root);
    read_quantization(r, root);
    expect_string(r, "", root, "hidden_act", "silu");
    read_embd_layer(r, root);
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
    c->rms_norm_eps = (float)json_read_number(r, "", root, "rms_norm_eps", 1e-5, 1e-30, 1);
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
    int64_t head_dim = json_read_int(r, "", root, "head_dim", c->head_dim, 1, MAX_WIDTH);
    if (head_dim != c->head_dim)
        inconsistent(
            r, "head_dim is %lld; only hidden_size / num_attention_heads, here %lld, is supported",
            head_dim, c->head_dim);
    read_eos(r, root, c);
}

static void read_window(struct json_reader *r, const json_t *root, const struct config *c)
{
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

/* Refuses other keys than those read from the top of config.json, here or by the sections'
 * readers. */
static void refuse_other_keys(struct json_reader *r, const json_t *root, const struct config *c)
{
    static const char *const read[] = {"hidden_act",
                                       "head_dim",
                                       "rms_norm_eps",
                                       "rope_scaling",
                                       "rope_theta",
                                       "rope_parameters",
                                       "sliding_window",
                                       "tie_word_embeddings",
                                       "max_position_embeddings",
                                       "original_max_position_embeddings",
                                       NULL};
    config_refuse_unread(r, "", root, read, c->head_dim);
}

/* -- The vision tower (config.json: vision_config and img_processor) -------------------------- */

static void read_tower(struct json_reader *r, const json_t *v, struct vision_config *vc)
{
    static const char *const read[] = {"hidden_act", "layer_norm_eps", NULL};
    const char *s = "vision_config";
    expect_string(r, s, v, "hidden_act", "quick_gelu");
    vc->hidden = (int)json_read_int(r, s, v, "hidden_size", 1024, 1, MAX_WIDTH / 4);
    vc->intermediate = (int)json_read_int(r, s, v, "intermediate_size", 4096, 1, MAX_WIDTH);
    vc->n_layers = (int)json_read_int(r, s, v, "num_hidden_layers", 24, 1, MAX_LAYERS);
    vc->n_heads = (int)json_read_int(r, s, v, "num_attention_heads", 16, 1, MAX_HEADS);
    vc->image_size = (int)json_read_int(r, s, v, "image_size", 336, 2, MAX_CROP_SIDE);
    vc->patch_size = (int)json_read_int(r, s, v, "patch_size", 14, 1, MAX_CROP_SIDE);
    vc->layer_norm_eps = (float)json_read_number(r, s, v, "layer_norm_eps", 1e-5, 1e-30, 1);
    json_read_int(r, s, v, "num_channels", 3, 3, 3);
    if (r->code) return;
    int side = vc->image_size / vc->patch_size;
    if (vc->hidden % vc->n_heads)
        inconsistent(r,
                     "vision_config.hidden_size %lld is not a multiple of num_attention_heads %lld",
                     vc->hidden, vc->n_heads);
    if (vc->image_size % (2 * vc->patch_size))
        inconsistent(r, "vision_config.image_size %lld is not an even multiple of patch_size %lld",
                     vc->image_size, vc->patch_size);
    at_most(r, "the number of patches of a crop (vision_config.image_size / patch_size, squared)",
            side, side, MAX_CROP_PATCHES);
    at_most(r, "the size of the tower's position embedding (patches, hidden_size)",
            (int64_t)side * side + 1, vc->hidden, MAX_VECTOR);
    vc->head_dim = vc->hidden / vc->n_heads;
    config_refuse_unread(r, s, v, read, vc->head_dim);
}

/* layer_idx is an index into [embeddings, layer 0, … layer n-1]; -2 is the output of the last layer
 * but one. The bare embeddings are not supported. */
static void read_layer_idx(struct json_reader *r, const json_t *proc, struct vision_config *vc)
{
    int n = vc->n_layers;
    int64_t idx = json_read_int(r, "img_processor", proc, "layer_idx", -2, -n - 1, n);
    vc->n_run_layers = (int)(idx < 0 ? n + 1 + idx : idx);
    if (vc->n_run_layers == 0)
        inconsistent(r,
                     "img_processor.layer_idx %lld of a tower with num_hidden_layers %lld "
                     "runs none of its layers; at least one is expected to run",
                     idx, n);
}

static void read_vision(struct json_reader *r, const json_t *root, struct config *c)
{
    static const char *const read[] = {
        "name",          "model_name",     "type_feature", "layer_idx",
        "image_dim_out", "num_img_tokens", "freeze",       NULL};
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
    config_refuse_all_unread(r, s, proc, read);
}

static void read_config(struct json_reader *r, const json_t *root, struct config *c)
{
    read_architecture(r, root);
    if (!r->code) read_decoder(r, root, c);
    if (!r->code) config_read_rope(r, root, c);
    if (!r->code) read_window(r, root, c);
    if (!r->code) read_vision(r, root, c);
    if (!r->code) refuse_other_keys(r, root, c);
    const char *text = json_read_string(r, "", root, "phiscope_description");
    if (text) snprintf(c->description, sizeof c->description, "%s", text);
}

/* -- The other files -------------------------------------------------------------------------- */

static void read_preprocessor(struct json_reader *r, const json_t *root, struct config *c)
{
    static const char *const steps[] = {"do_convert_rgb", "do_normalize", "do_rescale",
                                        "do_resize"};
    expect_string(r, "", root, "image_processor_type", "Phi3VImageProcessor");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) expect_true(r, "", root, steps[i]);
    c->num_crops = (int)json_read_int(r, "", root, "num_crops", JSON_REQUIRED, 1, MAX_CROPS);
    memcpy(c->image_mean, config_clip_mean, sizeof config_clip_mean);
    memcpy(c->image_std, config_clip_std, sizeof config_clip_std);
    json_read_floats(r, "", root, "image_mean", -1e6, c->image_mean, 3);
    json_read_floats(r, "", root, "image_std", 1e-6, c->image_std, 3);
    int64_t n = json_read_int(r, "", root, "num_img_tokens", config_crop_tokens(c), 1, INT32_MAX);
    if (n != config_crop_tokens(c))
        inconsistent(r, "num_img_tokens is %lld, but a crop has %lld", n, config_crop_tokens(c));
    int64_t side = c->vision.image_size;
    at_most(r, "the number of pixels of a picture (num_crops, image_size squared)", c->num_crops,
            side * side, MAX_PICTURE_PIXELS);
}

/* Newer tools put the settings for pictures into the processor's own file. */
static void read_processor(struct json_reader *r, const json_t *root, struct config *c)
{
    const json_t *inner = json_read_object(r, "", root, "image_processor");
    read_preprocessor(r, inner ? inner : root, c);
}

/* The same file next to the older one, whose values are in *c. Older tools write nothing about
 * pictures into it. */
static void check_processor(struct json_reader *r, const json_t *root, struct config *c)
{
    if (!json_read_object(r, "", root, "image_processor")) return;
    struct config other = *c;
    read_processor(r, root, &other);
    bool same = other.num_crops == c->num_crops &&
                memcmp(other.image_mean, c->image_mean, sizeof c->image_mean) == 0 &&
                memcmp(other.image_std, c->image_std, sizeof c->image_std) == 0;
    if (!same)
        json_refuse(r, PHI3V_E_MODEL, "", "image_processor",
                    json_object_get(root, "image_processor"),
                    "what preprocessor_config.json says, or nothing");
}

static void read_generation(struct json_reader *r, const json_t *root, struct config *c)
{
    read_eos(r, root, c);
}

typedef void (*read_fn)(struct json_reader *r, const json_t *root, struct config *c);

static int load_file(const char *dir, const char *name, read_fn read, struct config *c,
                     struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
    if (!path) return err_memory(err, name, strlen(dir) + strlen(name));
    json_t *root = NULL;
    int code = json_file_load(path, &root, err);
    if (code) return code;
    struct json_reader r = {.file = path, .err = err};
    read(&r, root, c);
    json_decref(root);
    return r.code;
}

/* *ret says whether the file exists; false without memory. */
static bool look_for(const char *dir, const char *name, bool *ret)
{
    CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
    if (path) *ret = file_exists(path);
    return path != NULL;
}

/* One of the two files is enough; if both exist they must agree. */
static int load_preprocessor(const char *dir, struct config *c, struct phi3v_error *err)
{
    static const char older[] = "preprocessor_config.json", newer[] = "processor_config.json";
    bool has_older = false, has_newer = false;
    if (!look_for(dir, older, &has_older) || !look_for(dir, newer, &has_newer))
        return err_memory(err, older, strlen(dir));
    if (!has_older && !has_newer)
        return err_set(err, PHI3V_E_MODEL,
                       "%s has neither %s nor %s, which say how pictures are cut: download one of "
                       "them",
                       dir, older, newer);
    int code = has_older ? load_file(dir, older, read_preprocessor, c, err) : 0;
    if (!code && has_newer)
        code = load_file(dir, newer, has_older ? check_processor : read_processor, c, err);
    return code;
}

int config_load(const char *dir, struct config *ret_config, struct phi3v_error *err)
{
    struct config c = {0};
    bool has_generation = false;
    int code = load_file(dir, "config.json", read_config, &c, err);
    if (!code) code = load_preprocessor(dir, &c, err);
    if (!code && !look_for(dir, "generation_config.json", &has_generation))
        code = err_memory(err, "a path", strlen(dir));
    if (!code && has_generation)
        code = load_file(dir, "generation_config.json", read_generation, &c, err);
    if (!code) *ret_config = c;
    return code;
}

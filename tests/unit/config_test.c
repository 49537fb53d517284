/* SPDX-License-Identifier: MIT
 * config.json and its companions: defaults, every check, every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "folder.h"
#include "weights/config.h"

static const char config_text[] =
    "{\"model_type\": \"phi3_v\", \"vocab_size\": 100, \"hidden_size\": 64, \"intermediate_size\": "
    "160,"
    " \"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"hidden_act\": \"silu\","
    " \"max_position_embeddings\": 8192, \"sliding_window\": 8192, \"eos_token_id\": 2,"
    " \"rope_scaling\": {\"type\": \"su\", \"short_factor\": [1, 1, 1.5, 1, 1, 1, 1, 2.5],"
    "  \"long_factor\": [1, 1, 1, 1, 1, 1, 1, 64]},"
    " \"embd_layer\": {\"embedding_cls\": \"image\", \"hd_transform_order\": \"sub_glb\"},"
    " \"img_processor\": {\"image_dim_out\": 64, \"num_img_tokens\": 144},"
    " \"vision_config\": {\"hidden_size\": 64, \"num_attention_heads\": 4, \"num_hidden_layers\": "
    "4}}";
static const char preprocessor_text[] = "{\"num_crops\": 16}";

struct set_up {
    struct folder folder;
    json_t *config, *preprocessor;
    struct config c;
    struct phi3v_error err;
};

static int set_up(void **state)
{
    struct set_up *s = calloc(1, sizeof *s);
    folder_make(&s->folder);
    s->config = json_loads(config_text, 0, NULL);
    s->preprocessor = json_loads(preprocessor_text, 0, NULL);
    *state = s;
    return s->config && s->preprocessor ? 0 : -1;
}

static int tear_down(void **state)
{
    struct set_up *s = *state;
    folder_remove(&s->folder);
    json_decref(s->config);
    json_decref(s->preprocessor);
    free(s);
    return 0;
}

static int load(struct set_up *s)
{
    json_dump_file(s->config, folder_file(&s->folder, "config.json"), 0);
    json_dump_file(s->preprocessor, folder_file(&s->folder, "preprocessor_config.json"), 0);
    size_t before = mem_in_use_bytes();
    s->err = (struct phi3v_error){0};
    int code = config_load(s->folder.path, &s->c, &s->err);
    assert_int_equal(mem_in_use_bytes(), before);
    return code;
}

/* Sets "section.key" or "key" to a JSON text; NULL removes it. */
static void set_value(json_t *root, const char *path, const char *value)
{
    const char *dot = strchr(path, '.');
    char section[64] = "";
    if (dot) {
        memcpy(section, path, (size_t)(dot - path));
        root = json_object_get(root, section);
        path = dot + 1;
    }
    if (value)
        json_object_set_new(root, path, json_loads(value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(root, path);
}

static void assert_says(const struct phi3v_error *err, const char *part)
{
    if (!strstr(err->text, part)) fail_msg("\"%s\" lacks \"%s\"", err->text, part);
}

/* -- What is read -------------------------------------------------------------------------- */

static void reads_values_and_defaults(void **state)
{
    struct set_up *s = *state;
    assert_int_equal(load(s), 0);
    const struct config *c = &s->c;
    assert_int_equal(c->hidden, 64);
    assert_int_equal(c->n_kv_heads, 4); // absent: as many as heads
    assert_int_equal(c->head_dim, 16);
    assert_true(c->rms_norm_eps == 1e-5f && c->rope_theta == 10000.0f);
    assert_int_equal(c->rope, ROPE_SU);
    assert_true(c->rope_short[7] == 2.5f && c->rope_long[7] == 64.0f);
    assert_int_equal(c->original_max_positions, 4096);
    assert_false(c->tie_embeddings);
    assert_int_equal(c->vision.intermediate, 4096);
    assert_int_equal(c->vision.n_run_layers, 3); // layer_idx -2
    assert_int_equal(config_crop_tokens(c), 144);
    assert_int_equal(config_image_tokens(c, 3, 4), 1921);
    assert_int_equal(c->num_crops, 16);
    assert_true(c->image_mean[0] == 0.48145466f && c->image_std[2] == 0.27577711f);
    assert_int_equal(c->n_eos_ids, 1);
    assert_int_equal(c->eos_ids[0], 2);
    assert_int_equal(c->bos_id, 1);
    assert_string_equal(c->description, "");
}

static void absent_vision_config_is_clip_large(void **state)
{
    struct set_up *s = *state;
    set_value(s->config, "vision_config", NULL);
    set_value(s->config, "img_processor.image_dim_out", "1024");
    assert_int_equal(load(s), 0);
    assert_int_equal(s->c.vision.hidden, 1024);
    assert_int_equal(s->c.vision.n_layers, 24);
    assert_int_equal(s->c.vision.n_run_layers, 23);
    assert_int_equal(s->c.vision.head_dim, 64);
    assert_int_equal(s->c.vision.image_size, 336);
}

static void smaller_crops_have_fewer_tokens(void **state)
{
    struct set_up *s = *state;
    set_value(s->config, "vision_config.image_size", "112");
    set_value(s->config, "img_processor.num_img_tokens", "16");
    assert_int_equal(load(s), 0);
    assert_int_equal(config_image_tokens(&s->c, 2, 2), 5 * 16 + 1 + 3 * 4);
}

static void rope_kinds(void **state)
{
    struct set_up *s = *state;
    set_value(s->config, "rope_scaling.type", "\"longrope\"");
    assert_int_equal(load(s), 0);
    assert_int_equal(s->c.rope, ROPE_SU);
    set_value(s->config, "rope_scaling.type", NULL);
    set_value(s->config, "rope_scaling.rope_type", "\"yarn\"");
    assert_int_equal(load(s), 0);
    assert_int_equal(s->c.rope, ROPE_YARN);
    set_value(s->config, "rope_scaling", "null");
    assert_int_equal(load(s), 0);
    assert_int_equal(s->c.rope, ROPE_PLAIN);
    assert_true(s->c.rope_short[7] == 1.0f && s->c.rope_long[0] == 1.0f);
}

static void eos_ids_of_both_files_are_merged(void **state)
{
    struct set_up *s = *state;
    set_value(s->config, "eos_token_id", "[2, 7, 2]");
    folder_puts(&s->folder, "generation_config.json", "{\"eos_token_id\": [7, 32, 2]}");
    assert_int_equal(load(s), 0);
    assert_int_equal(s->c.n_eos_ids, 3);
    assert_int_equal(s->c.eos_ids[2], 32);
    set_value(s->config, "eos_token_id", "null");
    folder_puts(&s->folder, "generation_config.json", "{}");
    assert_int_equal(load(s), 0);
    assert_int_equal(s->c.n_eos_ids, 0);
}

static void optional_keys(void **state)
{
    struct set_up *s = *state;
    set_value(s->config, "phiscope_description", "\"reads charts\"");
    set_value(s->config, "tie_word_embeddings", "true");
    set_value(s->config, "num_key_value_heads", "2");
    set_value(s->config, "sliding_window", "null");
    set_value(s->config, "img_processor.layer_idx", "-1");
    set_value(s->preprocessor, "image_mean", "[0, 0.5, 0.5]");
    set_value(s->preprocessor, "image_std", "[1, 0.5, 0.5]");
    assert_int_equal(load(s), 0);
    assert_string_equal(s->c.description, "reads charts");
    assert_true(s->c.tie_embeddings);
    assert_int_equal(s->c.n_kv_heads, 2);
    assert_int_equal(s->c.vision.n_run_layers, 4);
    assert_true(s->c.image_mean[0] == 0 && s->c.image_std[0] == 1);
}

static void first_release_is_built_in(void **state)
{
    (void)state;
    struct config c;
    config_phi3v(&c);
    assert_int_equal(c.hidden, 3072);
    assert_true(c.rope_short[35] == 2.3499999999999996f && c.rope_long[0] == 1.0299999713897705f);
    assert_true(c.rope_long[47] == 64.81001281738281f && c.rope_short[47] == 3.049999999999997f);
    assert_int_equal(config_image_tokens(&c, 4, 4), 2509);
}

/* -- Other spellings of the same model --------------------------------------------------------- */

#define SHORT "\"short_factor\": [1, 1, 1.5, 1, 1, 1, 1, 2.5]"
#define LONG "\"long_factor\": [1, 1, 1, 1, 1, 1, 1, 64]"
#define ORIGINAL "\"original_max_position_embeddings\": 4096"

struct spelling {
    const char *name;
    const char *edits[9]; // key, value, key, value …; a value NULL removes
};

static const struct spelling spellings[] = {
    {"newer tools: all in rope_parameters",
     {"rope_scaling", NULL, "rope_parameters",
      "{\"rope_type\": \"longrope\", \"rope_theta\": 10000.0, \"partial_rotary_factor\": "
      "1.0, " ORIGINAL ", " SHORT ", " LONG "}"}},
    {"rope_parameters by kind of layer",
     {"rope_scaling", "null", "rope_parameters",
      "{\"full_attention\": {\"rope_type\": \"longrope\", " SHORT ", " LONG "}}"}},
    {"both spellings, which agree",
     {"rope_parameters", "{\"type\": \"su\", \"rope_type\": \"longrope\", " SHORT ", " LONG "}"}},
    {"the boundary inside rope_scaling",
     {"rope_scaling", "{\"rope_type\": \"longrope\", " ORIGINAL ", " SHORT ", " LONG "}"}},
    {"numbers that follow from others",
     {"rope_scaling",
      "{\"type\": \"su\", \"factor\": 2.0, \"attention_factor\": 1.0408328325, " SHORT ", " LONG
      "}"}},
    {"the boundary at both places",
     {"rope_scaling.original_max_position_embeddings", "4096", "original_max_position_embeddings",
      "4096"}},
    {"theta at the top", {"rope_theta", "10000"}},
    {"an empty section of the newer spelling", {"rope_parameters", "{}"}},
    {"dtype", {"dtype", "\"bfloat16\""}},
    {"torch_dtype", {"torch_dtype", "\"bfloat16\"", "transformers_version", "\"4.38.1\""}},
    {"head_dim that follows", {"head_dim", "16", "rotary_dim", "16"}},
    {"no biases", {"attention_bias", "false", "mlp_bias", "false", "lm_head_bias", "null"}},
    {"caps that are off", {"final_logit_softcapping", "null", "attn_logit_softcapping", "0.0"}},
    {"factors of one",
     {"partial_rotary_factor", "1.0", "embedding_multiplier", "1", "logits_scaling", "1.0"}},
    {"layers of one kind",
     {"layer_types", "[\"full_attention\", \"full_attention\", \"full_attention\"]"}},
    {"empty lists", {"pruned_heads", "{}", "lora_layers", "[]", "no_rope_layers", "[0, 0, 0]"}},
    {"training and private keys",
     {"_attn_implementation", "\"flash_attention_2\"", "attention_dropout", "0.1",
      "initializer_range", "0.02", "my_trainer_version", "\"2026.1\""}},
    {"sampling defaults", {"temperature", "0.7", "top_p", "0.9", "max_grad_norm", "1.5"}},
    {"heads not given", {"num_key_value_heads", "null", "sliding_window", "null"}},
    {"a window no sequence reaches", {"use_sliding_window", "true", "sliding_window", "8192"}},
    {"the class", {"architectures", "[\"Phi3VForCausalLM\"]"}},
    {"CLIP's own keys",
     {"vision_config.projection_dim", "768", "vision_config.initializer_factor", "0.5",
      "vision_config.num_channels", "3", "vision_config.model_type", "\"clip_vision_model\""}},
    {"what is computed anyway",
     {"is_causal", "true", "use_rope", "true", "position_embedding_type", "\"rope\"", "rotary_pct",
      "1.0"}},
    {"freezing", {"embd_layer.freeze_img_processor", "true", "img_processor.freeze", "true"}},
};

static void edit(json_t *root, const char *const *edits)
{
    for (; *edits; edits += 2) set_value(root, edits[0], edits[1]);
}

static void other_spellings_read_the_same(void **state)
{
    struct set_up *s = *state;
    assert_int_equal(load(s), 0);
    const struct config base = s->c;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        json_t *good = json_deep_copy(s->config);
        edit(s->config, spellings[i].edits);
        memset(&s->c, 0xff, sizeof s->c);
        if (load(s)) fail_msg("%s: %s", spellings[i].name, s->err.text);
        if (memcmp(&s->c, &base, sizeof base) != 0) fail_msg("%s: differs", spellings[i].name);
        json_decref(s->config);
        s->config = good;
    }
}

/* The picture's part from processor_config.json, whatever else is there. */
static void processor_config_is_enough(void **state)
{
    static const char inner[] = "{\"processor_class\": \"Phi3VProcessor\", \"image_processor\": "
                                "{\"image_processor_type\": \"Phi3VImageProcessor\", "
                                "\"num_crops\": 16, \"num_img_tokens\": 144}}";
    struct set_up *s = *state;
    assert_int_equal(load(s), 0);
    const struct config base = s->c;
    folder_puts(&s->folder, "processor_config.json", "{\"processor_class\": \"Phi3VProcessor\"}");
    assert_int_equal(load(s), 0); // older tools: nothing about pictures in it
    folder_puts(&s->folder, "processor_config.json", inner);
    assert_int_equal(load(s), 0); // both, which agree
    unlink(folder_file(&s->folder, "preprocessor_config.json"));
    assert_int_equal(config_load(s->folder.path, &s->c, &s->err), 0);
    assert_memory_equal(&s->c, &base, sizeof base);
    folder_puts(&s->folder, "processor_config.json", "{\"num_crops\": 16}");
    assert_int_equal(config_load(s->folder.path, &s->c, &s->err), 0);
    assert_memory_equal(&s->c, &base, sizeof base);
    folder_puts(&s->folder, "processor_config.json", "{\"image_processor\": {\"num_crops\": 4}}");
    assert_int_equal(load(s), PHI3V_E_MODEL);
    assert_says(&s->err, "processor_config.json: image_processor is {\"num_crops\":4}, expected "
                         "what preprocessor_config.json says, or nothing");
    unlink(folder_file(&s->folder, "processor_config.json"));
    unlink(folder_file(&s->folder, "preprocessor_config.json"));
    assert_int_equal(config_load(s->folder.path, &s->c, &s->err), PHI3V_E_MODEL);
    assert_says(&s->err, "neither preprocessor_config.json nor processor_config.json");
}

/* -- What is refused ------------------------------------------------------------------------- */

struct refusal {
    const char *key, *value; // of config.json; "crops:KEY" of preprocessor_config.json
    int code;
    const char *says;
};

static const struct refusal refusals[] = {
    {"model_type", "\"llama\"", PHI3V_E_UNSUPPORTED,
     "config.json: model_type is \"llama\", expected \"phi3_v\""},
    {"model_type", NULL, PHI3V_E_MODEL, "model_type is missing"},
    {"hidden_act", "\"gelu\"", PHI3V_E_UNSUPPORTED, "hidden_act is \"gelu\", expected \"silu\""},
    {"hidden_act", "7", PHI3V_E_MODEL, "hidden_act is 7, expected a string"},
    {"hidden_size", NULL, PHI3V_E_MODEL, "hidden_size is missing, expected an integer from"},
    {"hidden_size", "\"big\"", PHI3V_E_MODEL, "hidden_size is \"big\""},
    {"hidden_size", "-64", PHI3V_E_MODEL, "hidden_size is -64"},
    {"hidden_size", "4.5", PHI3V_E_MODEL, "hidden_size is 4.5"},
    {"hidden_size", "100000000000", PHI3V_E_MODEL, "hidden_size is 100000000000"},
    {"hidden_size", "66", PHI3V_E_MODEL,
     "hidden_size 66 is not a multiple of num_attention_heads 4"},
    {"hidden_size", "68", PHI3V_E_MODEL, "hidden_size / num_attention_heads is 17"},
    {"hidden_size", "8192", PHI3V_E_MODEL, "hidden_size / num_attention_heads is 2048"},
    {"num_hidden_layers", "0", PHI3V_E_MODEL, "num_hidden_layers is 0"},
    {"num_key_value_heads", "3", PHI3V_E_MODEL, "not a multiple of num_key_value_heads 3"},
    {"rms_norm_eps", "0", PHI3V_E_MODEL, "rms_norm_eps is 0, expected a number from 1e-30 to 1"},
    {"rms_norm_eps", "\"1e-5\"", PHI3V_E_MODEL, "rms_norm_eps"},
    {"tie_word_embeddings", "1", PHI3V_E_MODEL, "tie_word_embeddings is 1, expected true or false"},
    {"bos_token_id", "100", PHI3V_E_MODEL, "bos_token_id is 100"},
    {"eos_token_id", "100", PHI3V_E_MODEL, "eos_token_id is 100"},
    {"eos_token_id", "[2, \"x\"]", PHI3V_E_MODEL, "eos_token_id is [2,\"x\"]"},
    {"eos_token_id", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", PHI3V_E_MODEL, "more than 16"},
    {"rope_theta", "-1", PHI3V_E_MODEL, "rope_theta is -1"},
    {"max_position_embeddings", "0", PHI3V_E_MODEL, "max_position_embeddings is 0"},
    {"original_max_position_embeddings", "1", PHI3V_E_MODEL,
     "original_max_position_embeddings is 1"},
    {"sliding_window", "8191", PHI3V_E_UNSUPPORTED, "sliding_window is 8191"},
    {"rope_scaling", "[]", PHI3V_E_MODEL, "rope_scaling is [], expected an object"},
    {"rope_scaling.type", "\"linear\"", PHI3V_E_UNSUPPORTED, "rope_scaling.type is \"linear\""},
    {"rope_scaling.type", NULL, PHI3V_E_MODEL, "rope_scaling.rope_type is missing"},
    {"rope_scaling.short_factor", "[1, 2]", PHI3V_E_MODEL,
     "short_factor is [1,2], expected a list of 8 numbers"},
    {"rope_scaling.short_factor", NULL, PHI3V_E_MODEL, "rope_scaling.short_factor is missing"},
    {"rope_scaling.long_factor", "[1,1,1,1,1,1,1,0]", PHI3V_E_MODEL, "long_factor"},
    {"rope_scaling.long_factor", "[1,1,1,1,1,1,1,null]", PHI3V_E_MODEL, "long_factor"},
    {"rope_scaling.long_factor", "null", PHI3V_E_MODEL, "rope_scaling.long_factor is missing"},
    {"quantization_config", "{\"bits\": 4}", PHI3V_E_UNSUPPORTED, "quantization_config"},
    {"embd_layer.embedding_cls", "\"audio\"", PHI3V_E_UNSUPPORTED, "embd_layer.embedding_cls"},
    {"embd_layer.hd_transform_order", "\"glb_sub\"", PHI3V_E_UNSUPPORTED,
     "hd_transform_order is \"glb_sub\""},
    {"embd_layer.projection_cls", "\"linear\"", PHI3V_E_UNSUPPORTED, "projection_cls"},
    {"embd_layer.use_hd_transform", "false", PHI3V_E_UNSUPPORTED, "use_hd_transform is false"},
    {"embd_layer.with_learnable_separator", "false", PHI3V_E_UNSUPPORTED,
     "with_learnable_separator"},
    {"img_processor.name", "\"siglip\"", PHI3V_E_UNSUPPORTED, "img_processor.name"},
    {"img_processor.type_feature", "\"cls_patch\"", PHI3V_E_UNSUPPORTED, "type_feature"},
    {"img_processor.image_dim_out", "32", PHI3V_E_MODEL,
     "image_dim_out 32 differs from vision_config.hidden_size 64"},
    {"img_processor.num_img_tokens", "256", PHI3V_E_MODEL,
     "num_img_tokens is 256, but a crop has 144"},
    {"img_processor.layer_idx", "-6", PHI3V_E_MODEL, "layer_idx is -6"},
    {"vision_config", "3", PHI3V_E_MODEL, "vision_config is 3, expected an object"},
    {"vision_config.hidden_act", "\"gelu\"", PHI3V_E_UNSUPPORTED, "vision_config.hidden_act"},
    {"vision_config.num_attention_heads", "3", PHI3V_E_MODEL,
     "hidden_size 64 is not a multiple of"},
    {"vision_config.patch_size", "16", PHI3V_E_MODEL,
     "image_size 336 is not an even multiple of patch_size 16"},
    {"vision_config.patch_size", "337", PHI3V_E_MODEL, "patch_size 337"},
    {"model_type", "\"phi4mm\"", PHI3V_E_UNSUPPORTED,
     "model_type is \"phi4mm\", expected \"phi3_v\" (this is Phi-4-multimodal; open Phi-3-vision"},
    {"architectures", "[\"Phi3VForSequenceClassification\"]", PHI3V_E_UNSUPPORTED,
     "architectures is [\"Phi3VForSequenceClassification\"], expected [\"Phi3VForCausalLM\"]"},
    {"quantization_config", "{\"quant_method\": \"awq\", \"bits\": 4}", PHI3V_E_UNSUPPORTED,
     "quantised with awq, which is not read; take the unquantised release"},
    {"head_dim", "32", PHI3V_E_MODEL,
     "head_dim is 32; only hidden_size / num_attention_heads, here 16, is supported"},
    {"rope_parameters", "{\"rope_type\": \"llama3\", \"factor\": 8.0}", PHI3V_E_UNSUPPORTED,
     "rope_parameters.rope_type is \"llama3\""},
    {"rope_parameters", "{\"rope_type\": \"longrope\"}", PHI3V_E_MODEL,
     "rope_parameters.short_factor is missing"},
    {"rope_parameters", "{\"rope_theta\": 10000.0}", PHI3V_E_MODEL,
     "expected what rope_parameters says, or nothing"},
    {"rope_parameters", "{\"partial_rotary_factor\": 0.75}", PHI3V_E_UNSUPPORTED,
     "rope_parameters.partial_rotary_factor is 0.75, expected no such key"},
    {"rope_parameters", "{\"sliding_attention\": {\"rope_type\": \"default\", \"rope_theta\": 1}}",
     PHI3V_E_UNSUPPORTED, "rope_parameters.sliding_attention"},
    {"rope_scaling.rope_type", "\"yarn\"", PHI3V_E_MODEL,
     "rope_scaling.rope_type is \"yarn\", expected the same as type"},
    {"rope_scaling.factor", "4.0", PHI3V_E_UNSUPPORTED, "rope_scaling.factor is 4.0, expected 2"},
    {"rope_scaling.attention_factor", "1.5", PHI3V_E_UNSUPPORTED,
     "rope_scaling.attention_factor is 1.5, expected 1.040833, which follows"},
    {"rope_scaling.short_mscale", "1.24", PHI3V_E_UNSUPPORTED, "rope_scaling.short_mscale is 1.24"},
    {"rope_scaling.beta_fast", "32", PHI3V_E_UNSUPPORTED, "rope_scaling.beta_fast is 32"},
    {"partial_rotary_factor", "0.75", PHI3V_E_UNSUPPORTED,
     "config.json: partial_rotary_factor is 0.75, expected no such key: it changes what a model "
     "computes, and this program does not know it"},
    {"rotary_dim", "8", PHI3V_E_UNSUPPORTED, "rotary_dim is 8"},
    {"attention_bias", "true", PHI3V_E_UNSUPPORTED, "attention_bias is true"},
    {"mlp_bias", "true", PHI3V_E_UNSUPPORTED, "mlp_bias is true"},
    {"final_logit_softcapping", "30.0", PHI3V_E_UNSUPPORTED, "final_logit_softcapping is 30.0"},
    {"logits_soft_cap", "30", PHI3V_E_UNSUPPORTED, "logits_soft_cap is 30"},
    {"use_qk_norm", "true", PHI3V_E_UNSUPPORTED, "use_qk_norm is true"},
    {"norm_type", "\"layer_norm\"", PHI3V_E_UNSUPPORTED, "norm_type is \"layer_norm\""},
    {"hidden_activation", "\"gelu_pytorch_tanh\"", PHI3V_E_UNSUPPORTED, "hidden_activation"},
    {"embedding_multiplier", "12.0", PHI3V_E_UNSUPPORTED, "embedding_multiplier is 12.0"},
    {"residual_multiplier", "0", PHI3V_E_UNSUPPORTED, "residual_multiplier is 0"},
    {"query_pre_attn_scalar", "224", PHI3V_E_UNSUPPORTED, "query_pre_attn_scalar is 224"},
    {"num_local_experts", "16", PHI3V_E_UNSUPPORTED, "num_local_experts is 16"},
    {"vision_lora", "{\"r\": 256}", PHI3V_E_UNSUPPORTED, "vision_lora is {\"r\":256}"},
    {"audio_processor", "{\"name\": \"cascades\"}", PHI3V_E_UNSUPPORTED, "audio_processor"},
    {"layer_types", "[\"full_attention\", \"sliding_attention\"]", PHI3V_E_UNSUPPORTED,
     "layer_types is [\"full_attention\",\"sliding_attention\"]"},
    {"use_rope", "false", PHI3V_E_UNSUPPORTED, "use_rope is false"},
    {"is_causal", "false", PHI3V_E_UNSUPPORTED, "is_causal is false"},
    {"rotary_pct", "0.25", PHI3V_E_UNSUPPORTED, "rotary_pct is 0.25"},
    {"attention_chunk_size", "8192", PHI3V_E_UNSUPPORTED, "attention_chunk_size is 8192"},
    {"gegelu_limit", "20.0", PHI3V_E_UNSUPPORTED, "gegelu_limit is 20.0"},
    {"dense_attention_every_n_layers", "2", PHI3V_E_UNSUPPORTED, "dense_attention_every_n_layers"},
    {"position_embedding_type", "\"alibi\"", PHI3V_E_UNSUPPORTED, "position_embedding_type"},
    {"no_rope_layers", "[1, 1, 0]", PHI3V_E_UNSUPPORTED, "no_rope_layers is [1,1,0]"},
    {"embd_layer.image_embd_layer", "{\"crop_size\": 448}", PHI3V_E_UNSUPPORTED,
     "embd_layer.image_embd_layer is {\"crop_size\":448}"},
    {"embd_layer.image_token_compression_cls", "\"avg_pool_2d\"", PHI3V_E_UNSUPPORTED,
     "embd_layer.image_token_compression_cls"},
    {"img_processor.num_img_tokens", "0", PHI3V_E_MODEL, "num_img_tokens is 0"},
    {"img_processor.use_cls_token", "true", PHI3V_E_UNSUPPORTED, "img_processor.use_cls_token"},
    {"img_processor.layer_idx", "0", PHI3V_E_MODEL,
     "img_processor.layer_idx 0 of a tower with num_hidden_layers 4 runs none of its layers"},
    {"img_processor.layer_idx", "-5", PHI3V_E_MODEL, "layer_idx -5 of a tower"},
    {"vision_config.num_hidden_layers", "1", PHI3V_E_MODEL,
     "layer_idx -2 of a tower with num_hidden_layers 1 runs none"},
    {"vision_config.num_channels", "4", PHI3V_E_MODEL, "vision_config.num_channels is 4"},
    {"vision_config.qk_norm", "true", PHI3V_E_UNSUPPORTED, "vision_config.qk_norm is true"},
    {"vision_config", "{\"image_size\": 2048, \"patch_size\": 1}", PHI3V_E_MODEL,
     "is 2048 times 2048; at most 65536 are supported"},
    {"vision_config",
     "{\"hidden_size\": 32768, \"num_attention_heads\": 1, \"image_size\": 512, \"patch_size\": 2}",
     PHI3V_E_MODEL, "is 65537 times 32768; at most 1073741824 are supported"},
    {"max_position_embeddings", "16777217", PHI3V_E_MODEL, "max_position_embeddings is 16777217"},
    {"crops:image_processor_type", "\"CLIPImageProcessor\"", PHI3V_E_UNSUPPORTED,
     "image_processor_type is \"CLIPImageProcessor\", expected \"Phi3VImageProcessor\""},
    {"crops:do_normalize", "false", PHI3V_E_UNSUPPORTED, "do_normalize is false, expected true"},
    {"crops:num_img_tokens", "256", PHI3V_E_MODEL,
     "preprocessor_config.json: num_img_tokens is 256, but a crop has 144"},
    {"crops:num_crops", "298", PHI3V_E_MODEL,
     "is 298 times 112896; at most 33554432 are supported"},
    {"crops:num_crops", NULL, PHI3V_E_MODEL, "preprocessor_config.json: num_crops is missing"},
    {"crops:num_crops", "0", PHI3V_E_MODEL, "num_crops is 0"},
    {"crops:image_std", "[1, 1, 0]", PHI3V_E_MODEL, "image_std"},
    {"crops:image_mean", "[1, 1]", PHI3V_E_MODEL, "image_mean is [1,1], expected a list of 3"},
};

static void refuses_bad_values(void **state)
{
    struct set_up *s = *state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        bool crops = strncmp(r->key, "crops:", 6) == 0;
        json_t **root = crops ? &s->preprocessor : &s->config, *good = json_deep_copy(*root);
        set_value(*root, crops ? r->key + 6 : r->key, r->value);
        int code = load(s);
        if (code != r->code) fail_msg("%s = %s: code %d: %s", r->key, r->value, code, s->err.text);
        assert_says(&s->err, r->says);
        json_decref(*root);
        *root = good;
    }
    assert_int_equal(load(s), 0);
}

static void two_places_must_agree(void **state)
{
    static const struct {
        const char *key, *top, *inside;
    } pairs[] = {
        {"rope_theta", "10000", "500000"},
        {"original_max_position_embeddings", "4096", "2048"},
    };
    struct set_up *s = *state;
    for (size_t i = 0; i < 2; i++) {
        char inside[64];
        snprintf(inside, sizeof inside, "rope_scaling.%s", pairs[i].key);
        set_value(s->config, pairs[i].key, pairs[i].top);
        set_value(s->config, inside, pairs[i].inside);
        assert_int_equal(load(s), PHI3V_E_MODEL);
        assert_says(&s->err, "expected the same value as at the top of the file");
        set_value(s->config, inside, pairs[i].top);
        assert_int_equal(load(s), 0);
    }
}

static void refuses_bad_files(void **state)
{
    struct set_up *s = *state;
    assert_int_equal(config_load(s->folder.path, &s->c, &s->err), PHI3V_E_IO);
    assert_says(&s->err, "config.json");
    assert_int_equal(load(s), 0);
    folder_puts(&s->folder, "generation_config.json", "{\"eos_token_id\": ");
    assert_int_equal(load(s), PHI3V_E_MODEL);
    assert_says(&s->err, "generation_config.json is not valid JSON (line 1");
    folder_puts(&s->folder, "generation_config.json", "[1]");
    assert_int_equal(load(s), PHI3V_E_MODEL);
    assert_says(&s->err, "does not hold a JSON object");
    folder_puts(&s->folder, "generation_config.json", "{\"a\": 1, \"a\": 2}");
    assert_int_equal(load(s), PHI3V_E_MODEL);
    assert_says(&s->err, "duplicate");
}

static void every_allocation_may_fail(void **state)
{
    struct set_up *s = *state;
    assert_int_equal(load(s), 0);
    size_t before = mem_in_use_bytes();
    for (long k = 1;; k++) {
        mem_fail_at(k);
        int code = config_load(s->folder.path, &s->c, &s->err);
        bool done = mem_fail_pending();
        mem_fail_at(0);
        assert_int_equal(mem_in_use_bytes(), before);
        if (done) break;
        assert_int_equal(code, PHI3V_E_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_values_and_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(absent_vision_config_is_clip_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(smaller_crops_have_fewer_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rope_kinds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(eos_ids_of_both_files_are_merged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(optional_keys, set_up, tear_down),
        cmocka_unit_test(first_release_is_built_in),
        cmocka_unit_test_setup_teardown(other_spellings_read_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(processor_config_is_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_places_must_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

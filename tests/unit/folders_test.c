/* SPDX-License-Identifier: MIT
 * Folders of one and the same model, made from the tiny one of the goldens: as other programs save
 * it they give the same ids and logits bit for bit, and what is another model, or in another form,
 * is refused with one sentence. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine_fixture.h"
#include "folder.h"
#include "weights/safetensors.h"

enum { MAX_EDITS = 8, MAX_TENSORS = 128 };

/* The new name of a tensor; false: it is left out. */
typedef bool (*rename_fn)(const char *name, char *out, size_t cap);

struct variant {
    const char *name;
    const char *edits[2 * MAX_EDITS + 1]; // of config.json: key, JSON text (NULL removes), …
    const char *extra;                    // a tensor more
    rename_fn rename;                     // NULL: names stay
    const char *files[9];                 // name, text (NULL removes, "=OTHER" renames), …
    bool tied;                            // of the model whose head is its embedding
    const char *format;                   // of the weights' metadata
    const char *says;                     // refused with exactly this sentence, {} being the folder
};

/* -- Names of tensors -------------------------------------------------------------------------- */

static bool with(const char *prefix, const char *name, char *out, size_t cap)
{
    snprintf(out, cap, "%s%s", prefix, name);
    return true;
}

static bool ddp(const char *name, char *out, size_t cap) { return with("module.", name, out, cap); }

static bool compiled(const char *name, char *out, size_t cap)
{
    return with("module._orig_mod.", name, out, cap);
}

static bool peft(const char *name, char *out, size_t cap)
{
    return with("base_model.model.", name, out, cap);
}

static bool lightning(const char *name, char *out, size_t cap)
{
    return with("policy.net.", name, out, cap);
}

/* Wrappers between the parts of a name. */
static bool sharded(const char *name, char *out, size_t cap)
{
    const char *layer = strstr(name, "self_attn.");
    snprintf(out, cap, "%.*s%s%s", (int)(layer ? layer - name : 0), name,
             layer ? "_checkpoint_wrapped_module._fsdp_wrapped_module." : "", layer ? layer : name);
    return true;
}

static bool is_embedding(const char *name) { return !strcmp(name, "model.embed_tokens.weight"); }

static bool is_head(const char *name) { return !strcmp(name, "lm_head.weight"); }

static bool without_head(const char *name, char *out, size_t cap)
{
    return !is_head(name) && with("", name, out, cap);
}

static bool embedding_as_wte(const char *name, char *out, size_t cap)
{
    return with("", is_embedding(name) ? "model.vision_embed_tokens.wte.weight" : name, out, cap);
}

static bool tied_as_wte(const char *name, char *out, size_t cap)
{
    return !is_head(name) && embedding_as_wte(name, out, cap);
}

static bool tied_as_head(const char *name, char *out, size_t cap)
{
    return !is_head(name) && with("", is_embedding(name) ? "lm_head.weight" : name, out, cap);
}

/* The same names but one, which nothing needs: the tower's unused norm takes another's. */
static bool instead(const char *from, const char *to, const char *name, char *out, size_t cap)
{
    return with("", strcmp(name, from) == 0 ? to : name, out, cap);
}

static bool lora(const char *name, char *out, size_t cap)
{
    return instead("model.layers.1.self_attn.qkv_proj.weight",
                   "model.layers.1.self_attn.qkv_proj.base_layer.weight", name, out, cap);
}

static bool gptq(const char *name, char *out, size_t cap)
{
    return instead("model.layers.1.self_attn.qkv_proj.weight",
                   "model.layers.1.self_attn.qkv_proj.qweight", name, out, cap);
}

static bool split(const char *name, char *out, size_t cap)
{
    return instead("model.layers.0.self_attn.qkv_proj.weight",
                   "model.layers.0.self_attn.q_proj.weight", name, out, cap);
}

static bool nameless(const char *name, char *out, size_t cap)
{
    return instead("model.norm.weight", "model.final_layernorm.weight", name, out, cap);
}

/* -- What is written --------------------------------------------------------------------------- */

#define FACTORS                                                                                    \
    "\"short_factor\": [1.0, 1.02, 1.05, 1.1, 1.3, 1.7, 2.1, 2.6], "                               \
    "\"long_factor\": [1.1, 1.4, 2.5, 6.0, 14.0, 30.0, 50.0, 64.0]"
#define PROCESSOR                                                                                  \
    "{\"processor_class\": \"Phi3VProcessor\", \"image_processor\": {\"num_crops\": 4, "           \
    "\"image_mean\": [0.48145466, 0.4578275, 0.40821073], "                                        \
    "\"image_std\": [0.26862954, 0.26130258, 0.27577711]}}"
#define POINTER                                                                                    \
    "version https://git-lfs.github.com/spec/v1\noid sha256:"                                      \
    "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\nsize 8293242880\n"

static const struct variant same[] = {
    {.name = "as it is"},
    {.name = "newer tools",
     .edits = {"rope_scaling", NULL, "rope_theta", NULL, "original_max_position_embeddings", NULL,
               "torch_dtype", NULL, "dtype", "\"bfloat16\"", "transformers_version", "\"5.2.0\"",
               "rope_parameters",
               "{\"rope_type\": \"longrope\", \"rope_theta\": 10000.0, \"partial_rotary_factor\": "
               "1.0, \"original_max_position_embeddings\": 256, " FACTORS "}"},
     .files = {"processor_config.json", PROCESSOR, "preprocessor_config.json", NULL,
               "chat_template.jinja", "{% for message in messages %}…{% endfor %}",
               "special_tokens_map.json", NULL}},
    {.name = "the boundary inside rope_scaling",
     .edits = {"original_max_position_embeddings", NULL, "rope_scaling",
               "{\"rope_type\": \"longrope\", \"original_max_position_embeddings\": 256, " FACTORS
               "}"}},
    {.name = "no file that is not needed",
     .files = {"tokenizer_config.json", NULL, "special_tokens_map.json", NULL, "added_tokens.json",
               NULL}},
    {.name = "a byte order mark",
     .files = {"preprocessor_config.json", "\xef\xbb\xbf{\"num_crops\": 4}"}},
    {.name = "what training leaves",
     .files = {"training_args.bin", "x", "optimizer.pt", "x", "README.md", "x", "model.gguf", "x"}},
    {.name = "a buffer of older programs", .extra = "model.layers.0.self_attn.rotary_emb.inv_freq"},
    {.name = "another such",
     .extra = "model.vision_embed_tokens.img_processor.vision_model.embeddings.position_ids"},
    {.name = "saved by PyTorch", .format = "pt"},
    {.name = "data parallel", .rename = ddp},
    {.name = "compiled", .rename = compiled},
    {.name = "merged by PEFT, saved with its wrapper", .rename = peft},
    {.name = "under a prefix nobody knows", .rename = lightning},
    {.name = "sharded over devices", .rename = sharded},
    {.name = "the embedding as the vision part calls it", .rename = embedding_as_wte},
    {.name = "tied", .tied = true, .rename = without_head},
    {.name = "tied, as the vision part calls it", .tied = true, .rename = tied_as_wte},
    {.name = "tied, as the head is called", .tied = true, .rename = tied_as_head},
};

static const struct variant refused[] = {
    {.name = "weights are an LFS pointer",
     .files = {"model.safetensors", POINTER},
     .says =
         "{}/model.safetensors is not a safetensors file but a Git LFS pointer, which stands for "
         "the file; run git lfs pull in its folder, or download the file itself"},
    {.name = "the tokenizer is an LFS pointer",
     .files = {"tokenizer.json", NULL, "tokenizer.json", POINTER},
     .says = "{}/tokenizer.json is not JSON but a Git LFS pointer, which stands for the file; run "
             "git lfs pull in its folder, or download the file itself"},
    {.name = "config.json is a web page",
     .files = {"config.json", "\n<!DOCTYPE html><html><body>Sign in</body></html>"},
     .says = "{}/config.json is not JSON but a web page, as a server sends it in place of a file; "
             "download it again"},
    {.name = "weights are the server's answer",
     .files = {"model.safetensors", "Entry not found\n"},
     .says = "{}/model.safetensors is not a safetensors file but text that begins with \"Entry not "
             "found\"; download it again"},
    {.name = "weights are a GGUF file",
     .files = {"model.safetensors", "GGUF\3 and so on"},
     .says = "{}/model.safetensors is not a safetensors file but a GGUF file (llama.cpp); take the "
             "safetensors release"},
    {.name = "weights are a PyTorch file",
     .files = {"model.safetensors", "PK\3\4\n and so on"},
     .says = "{}/model.safetensors is not a safetensors file but a zip archive, as PyTorch writes "
             ".bin and .pt files; load it in Python and save it as safetensors, or take the "
             "safetensors release"},
    {.name = "weights without config.json",
     .files = {"config.json", NULL},
     .says = "{} has weights, but no config.json: download that file too"},
    {.name = "an empty config.json",
     .files = {"config.json", ""},
     .says = "{}/config.json is empty, as a download that failed leaves it; download it again"},
    {.name = "GGUF",
     .files = {"model.safetensors", "=phi-3.5-vision-q4.gguf", "config.json", NULL},
     .says = "{} has phi-3.5-vision-q4.gguf, but no config.json: it holds a model in GGUF form "
             "(llama.cpp); open the folder of the safetensors release"},
    {.name = "pickles",
     .files = {"model.safetensors", "=pytorch_model.bin"},
     .says = "{} has pytorch_model.bin, but no model.safetensors: it holds a model as PyTorch "
             "pickles (.bin); load it in Python and save it as safetensors (save_pretrained), or "
             "open the folder of the safetensors release"},
    {.name = "ONNX",
     .files = {"model.safetensors", "=phi-3-v-128k-instruct-text.onnx", "config.json", NULL,
               "genai_config.json", "{}"},
     .says = "{} has phi-3-v-128k-instruct-text.onnx, but no config.json: it holds a model in ONNX "
             "form; open the folder of the safetensors release"},
    {.name = "shards without their index",
     .files = {"model.safetensors", "=model-00001-of-00002.safetensors"},
     .says =
         "{} has model-00001-of-00002.safetensors, but no model.safetensors: it holds shards of "
         "weights without model.safetensors.index.json; download that file too"},
    {.name = "a download under way",
     .files = {"model.safetensors", "=model.safetensors.incomplete"},
     .says = "{} has model.safetensors.incomplete, but no model.safetensors: it holds a download "
             "that did not finish; let it finish, or begin again"},
    {.name = "an adapter",
     .files = {"model.safetensors", "=adapter_model.safetensors", "adapter_config.json",
               "{\"base_model_name_or_path\": \"microsoft/Phi-3.5-vision-instruct\"}",
               "config.json", NULL},
     .says =
         "{} holds an adapter (LoRA) to microsoft/Phi-3.5-vision-instruct, which is not applied "
         "here; merge it in Python (merge_and_unload, then save_pretrained) and open that "
         "folder, or take adapter_config.json away if it is merged already"},
    {.name = "AWQ",
     .edits = {"quantization_config", "{\"quant_method\": \"awq\", \"bits\": 4}"},
     .says = "{}/config.json: quantization_config says that the weights are quantised with awq, "
             "which is not read; take the unquantised release (phiscope quantize makes q8 or q4 of "
             "it)"},
    {.name = "GPTQ that does not say so",
     .rename = gptq,
     .says =
         "model.safetensors: tensor model.layers.1.self_attn.qkv_proj.qweight is of quantised "
         "weights, which are not read; take the unquantised release (phiscope quantize makes q8 "
         "or q4 of it)"},
    {.name = "an adapter in the weights",
     .rename = lora,
     .says =
         "model.safetensors: tensor model.layers.1.self_attn.qkv_proj.base_layer.weight is of an "
         "adapter (LoRA) that was not merged; merge it in Python (merge_and_unload, then "
         "save_pretrained)"},
    {.name = "a bias",
     .extra = "model.layers.0.self_attn.qkv_proj.bias",
     .says = "model.safetensors: tensor model.layers.0.self_attn.qkv_proj.bias is none of "
             "Phi-3-vision's and would change what it computes"},
    {.name = "norms of queries",
     .extra = "model.layers.1.self_attn.q_norm.weight",
     .says = "model.safetensors: tensor model.layers.1.self_attn.q_norm.weight is none of "
             "Phi-3-vision's and would change what it computes"},
    {.name = "wrapped and not",
     .extra = "module.model.norm.weight",
     .says = "tensor model.norm.weight is there twice, in model.safetensors and in "
             "model.safetensors"},
    {.name = "two models",
     .rename = lightning,
     .extra = "reward.net.model.norm.weight",
     .says = "model.safetensors has two models, whose tensors begin with policy.net. and "
             "reward.net.; save one of them alone"},
    {.name = "MLX",
     .format = "mlx",
     .says =
         "the weights say that they are laid out for \"mlx\"; those of PyTorch (pt) are read: open "
         "the folder of the release"},
    {.name = "projections apart",
     .rename = split,
     .says = "the model files lack tensor model.layers.0.self_attn.qkv_proj.weight, which "
             "config.json asks for: query, key and value are apart in this folder; the release has "
             "them in one"},
    {.name = "no head and not tied",
     .rename = without_head,
     .says = "the model files lack tensor lm_head.weight, which config.json asks for (where it is "
             "the embedding, config.json says so: tie_word_embeddings)"},
    {.name = "another name of the norm",
     .rename = nameless,
     .says = "the model files lack tensor model.norm.weight, which config.json asks for"},
    {.name = "part of each head turns",
     .edits = {"partial_rotary_factor", "0.75"},
     .says =
         "{}/config.json: partial_rotary_factor is 0.75, expected no such key: it changes what a "
         "model computes, and this program does not know it"},
    {.name = "a boundary that is said twice",
     .edits = {"rope_scaling",
               "{\"type\": \"su\", \"original_max_position_embeddings\": 512, " FACTORS "}"},
     .says = "{}/config.json: rope_scaling.original_max_position_embeddings is 512, expected the "
             "same value as at the top of the file"},
    {.name = "no word about pictures",
     .files = {"preprocessor_config.json", NULL},
     .says = "{} has neither preprocessor_config.json nor processor_config.json, which say how "
             "pictures are cut: download one of them"},
};

/* -- Folders ----------------------------------------------------------------------------------- */

struct base {
    char *path;
    struct weights *weights;
    json_t *config;
};

static void base_init(struct base *b)
{
    struct phi3v_error err;
    char config[600];
    b->path = test_model_path("tiny-long-bf16");
    if (weights_open_dir(b->path, &b->weights, &err)) fail_msg("%s", err.text);
    snprintf(config, sizeof config, "%s/config.json", b->path);
    b->config = json_load_file(config, 0, NULL);
    assert_non_null(b->config);
}

static void base_fini(struct base *b)
{
    weights_close(b->weights);
    json_decref(b->config);
    free(b->path);
}

static void write_weights(const struct base *b, const struct variant *v, const char *path)
{
    static char names[MAX_TENSORS][200];
    struct tensor tensors[MAX_TENSORS];
    size_t n = 0;
    for (size_t i = 0; i < weights_count(b->weights); i++) {
        tensors[n] = *weights_at(b->weights, i);
        if (v->rename && !v->rename(tensors[n].name, names[n], sizeof names[n])) continue;
        if (v->rename) tensors[n].name = names[n];
        n++;
    }
    static const float one = 1;
    if (v->extra)
        tensors[n++] = (struct tensor){.name = v->extra,
                                       .dtype = DTYPE_F32,
                                       .n_dims = 1,
                                       .shape = {1},
                                       .data = &one,
                                       .n_bytes = sizeof one};
    struct phi3v_error err;
    const char *metadata[] = {"format", v->format, NULL};
    if (safetensors_write(path, tensors, n, v->format ? metadata : NULL, &err))
        fail_msg("%s", err.text);
}

static void write_config(const struct base *b, const struct variant *v, const char *path)
{
    json_t *config = json_deep_copy(b->config);
    if (v->tied) json_object_set_new(config, "tie_word_embeddings", json_true());
    for (const char *const *e = v->edits; *e; e += 2) {
        json_object_del(config, e[0]);
        if (e[1]) json_object_set_new(config, e[0], json_loads(e[1], JSON_DECODE_ANY, NULL));
    }
    assert_int_equal(json_dump_file(config, path, 0), 0);
    json_decref(config);
}

static void make(const struct base *b, const struct variant *v, const struct folder *folder)
{
    static const char *const linked[] = {"tokenizer.json",          "tokenizer_config.json",
                                         "special_tokens_map.json", "added_tokens.json",
                                         "generation_config.json",  "preprocessor_config.json"};
    for (size_t i = 0; i < sizeof linked / sizeof *linked; i++) {
        char from[600];
        snprintf(from, sizeof from, "%s/%s", b->path, linked[i]);
        assert_int_equal(symlink(from, folder_file(folder, linked[i])), 0);
    }
    write_weights(b, v, folder_file(folder, "model.safetensors"));
    write_config(b, v, folder_file(folder, "config.json"));
    for (const char *const *f = v->files; *f; f += 2) {
        const char *path = folder_file(folder, f[0]);
        if (f[1] && *f[1] == '=') assert_int_equal(rename(path, folder_file(folder, f[1] + 1)), 0);
        if (!f[1] || *f[1] != '=') unlink(path);
        if (f[1] && *f[1] != '=') folder_puts(folder, f[0], f[1]);
    }
}

static int open_folder(const struct folder *folder, phi3v_model **ret, struct phi3v_error *err)
{
    struct phi3v_model_options opt;
    phi3v_model_options_default(&opt);
    opt.device = "cpu";
    opt.dtype = "f32";
    opt.n_threads = 1;
    return phi3v_model_open(folder->path, &opt, ret, err);
}

/* What a model makes of a prompt with a picture, beyond the boundary of its factors. */
struct outcome {
    int32_t *ids;
    size_t n_ids;
    float *logits;
    int n_logits;
};

static void outcome_of(phi3v_model *model, struct outcome *ret)
{
    struct phi3v_error err;
    phi3v_session *session = test_session(model);
    phi3v_image *image = test_image(7, 40);
    phi3v_prompt *prompt = test_prompt(model, "<|image_1|>\nWhat is this?", &image, 1);
    size_t rows;
    const int32_t *ids = phi3v_prompt_ids(prompt, &ret->n_ids);
    assert_true(ret->n_ids > 256);
    ret->ids = malloc(ret->n_ids * sizeof *ids);
    memcpy(ret->ids, ids, ret->n_ids * sizeof *ids);
    ret->n_logits = phi3v_model_info(model)->n_vocab;
    if (phi3v_logits(session, prompt, 0, NULL, NULL, &ret->logits, &rows, &err))
        fail_msg("%s", err.text);
    phi3v_prompt_free(prompt);
    phi3v_image_free(image);
    phi3v_session_free(session);
}

static void outcome_fini(struct outcome *o)
{
    free(o->ids);
    phi3v_floats_free(o->logits);
}

static bool equal(const struct outcome *a, const struct outcome *b)
{
    return a->n_ids == b->n_ids && a->n_logits == b->n_logits &&
           !memcmp(a->ids, b->ids, a->n_ids * sizeof *a->ids) &&
           !memcmp(a->logits, b->logits, (size_t)a->n_logits * sizeof *a->logits);
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void other_forms_of_the_model_are_the_model(void **state)
{
    (void)state;
    struct base b;
    struct outcome expected[2] = {0};
    base_init(&b);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const struct variant *v = &same[i];
        struct folder folder;
        struct phi3v_error err;
        struct outcome o;
        phi3v_model *model;
        folder_make(&folder);
        make(&b, v, &folder);
        if (open_folder(&folder, &model, &err)) fail_msg("%s: %s", v->name, err.text);
        outcome_of(model, &o);
        phi3v_model_close(model);
        folder_remove(&folder);
        struct outcome *e = &expected[v->tied];
        if (!e->ids) {
            *e = o;
            continue;
        }
        if (!equal(&o, e)) fail_msg("%s: differs", v->name);
        outcome_fini(&o);
    }
    assert_false(equal(&expected[0], &expected[1])); // the comparison can fail
    outcome_fini(&expected[0]);
    outcome_fini(&expected[1]);
    base_fini(&b);
}

/* {} in `says` is the folder. */
static bool same_sentence(const char *text, const char *says, const char *folder)
{
    for (; *says; says++) {
        if (says[0] == '{' && says[1] == '}') {
            if (strncmp(text, folder, strlen(folder)) != 0) return false;
            text += strlen(folder);
            says++;
        } else if (*text++ != *says) {
            return false;
        }
    }
    return !*text;
}

static void what_is_not_the_model_is_refused(void **state)
{
    (void)state;
    struct base b;
    base_init(&b);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const struct variant *v = &refused[i];
        struct folder folder;
        struct phi3v_error err;
        phi3v_model *model;
        folder_make(&folder);
        make(&b, v, &folder);
        if (open_folder(&folder, &model, &err) == 0) fail_msg("%s: opens", v->name);
        if (!same_sentence(err.text, v->says, folder.path))
            fail_msg("%s: \"%s\", expected \"%s\"", v->name, err.text, v->says);
        folder_remove(&folder);
    }
    base_fini(&b);
}

/* A packed copy has the tensors under the release's names, whatever those of the source are. */
static void renamed_models_can_be_packed(void **state)
{
    (void)state;
    struct base b;
    struct folder folder;
    struct phi3v_error err;
    phi3v_model *model;
    struct outcome packed, copy;
    base_init(&b);
    folder_make(&folder);
    make(&b, &(struct variant){.tied = true, .rename = tied_as_head}, &folder);
    struct phi3v_model_options opt;
    phi3v_model_options_default(&opt);
    opt.device = "cpu";
    opt.dtype = "q8";
    if (phi3v_model_open(folder.path, &opt, &model, &err)) fail_msg("%s", err.text);
    if (phi3v_model_write(model, folder_file(&folder, "packed"), &err)) fail_msg("%s", err.text);
    outcome_of(model, &packed);
    phi3v_model_close(model);
    if (phi3v_model_open(folder_file(&folder, "packed"), &opt, &model, &err))
        fail_msg("%s", err.text);
    outcome_of(model, &copy);
    phi3v_model_close(model);
    assert_true(equal(&packed, &copy));
    outcome_fini(&packed);
    outcome_fini(&copy);
    folder_remove(&folder);
    base_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_forms_of_the_model_are_the_model),
        cmocka_unit_test(what_is_not_the_model_is_refused),
        cmocka_unit_test(renamed_models_can_be_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

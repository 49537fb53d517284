/* SPDX-License-Identifier: MIT
 * Every recorded tokenizer, decoding, template and picture-prompt case, with each model's
 * tokenizer.json. */
#include <stdio.h>
#include <string.h>

#include "golden.h"
#include "text/chat_template.h"

static const char *const models[] = {"tiny-a-f32", "tiny-a-bf16", "tiny-gqa-bf16",
                                     "tiny-long-bf16"};
enum { MAX_IMAGES = 8 };

/* -- Comparing -------------------------------------------------------------------------------- */

static bool equals_ids(const struct ids *got, const json_t *want)
{
    if (got->n != json_array_size(want)) return false;
    for (size_t i = 0; i < got->n; i++)
        if (got->data[i] != json_integer_value(json_array_get(want, i))) return false;
    return true;
}

/* want: plain numbers and runs [-n, count]. */
static bool equals_rle(const struct ids *got, const json_t *want)
{
    size_t at = 0, i;
    json_t *item;
    json_array_foreach(want, i, item)
    {
        bool run = json_is_array(item);
        json_int_t id = json_integer_value(run ? json_array_get(item, 0) : item);
        json_int_t n = run ? json_integer_value(json_array_get(item, 1)) : 1;
        for (; n > 0; n--, at++)
            if (at >= got->n || got->data[at] != id) return false;
    }
    return at == got->n;
}

static bool encodes_to(const struct tokenizer *t, const json_t *text, bool bos, const json_t *want)
{
    struct ids ids = {0};
    struct text_span span = {
        .text = json_string_value(text), .n_bytes = json_string_length(text), .special = true};
    int code = tokenizer_encode(t, &span, 1, bos, NULL, &ids, NULL);
    bool ok = !code && json_is_array(want) && equals_ids(&ids, want);
    ids_fini(&ids);
    return ok;
}

static int32_t *ids_of(const json_t *list, size_t *ret_n)
{
    *ret_n = json_array_size(list);
    int32_t *ids = mem_array(*ret_n, sizeof *ids);
    for (size_t i = 0; ids && i < *ret_n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return ids;
}

/* By tokenizer_decode and by feeding a detok. */
static bool decodes_to(const struct tokenizer *t, const json_t *list, bool keep, const json_t *want)
{
    size_t n, n_text = 0, n_part, n_stream = 0;
    int32_t *ids = ids_of(list, &n);
    char *text = NULL;
    const char *part, *expected = json_string_value(want);
    struct detok *d = NULL;
    bool ok = expected && !tokenizer_decode(t, ids, n, keep, &text, &n_text, NULL) &&
              n_text == json_string_length(want) && memcmp(text, expected, n_text) == 0 &&
              !detok_new(t, keep, &d, NULL);
    for (size_t i = 0; i <= n && ok; i++) {
        int code = i < n ? detok_push(d, ids[i], &part, &n_part, NULL)
                         : detok_finish(d, &part, &n_part, NULL);
        ok = !code && n_stream + n_part <= n_text && memcmp(expected + n_stream, part, n_part) == 0;
        n_stream += n_part;
    }
    ok = ok && n_stream == n_text;
    detok_free(d);
    mem_free(text);
    mem_free(ids);
    return ok;
}

/* -- Texts ------------------------------------------------------------------------------------ */

static void check_texts(const struct tokenizer *t, const char *model, const json_t *root)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(root, "text_cases"), i, c)
    {
        const json_t *text = json_object_get(c, "text"), *ids = json_object_get(c, "ids");
        tap_ok(encodes_to(t, text, true, ids), "%s: text %zu", model, i);
        tap_ok(encodes_to(t, text, false, json_object_get(c, "ids_no_bos")), "%s: text %zu, no BOS",
               model, i);
        tap_ok(decodes_to(t, ids, false, json_object_get(c, "decode_skip_special")) &&
                   decodes_to(t, ids, true, json_object_get(c, "decode_keep_special")),
               "%s: text %zu decoded", model, i);
    }
    json_array_foreach(json_object_get(root, "decode_cases"), i, c)
    {
        const json_t *ids = json_object_get(c, "ids");
        tap_ok(decodes_to(t, ids, false, json_object_get(c, "skip_special")) &&
                   decodes_to(t, ids, true, json_object_get(c, "keep_special")),
               "%s: decoding %zu", model, i);
    }
}

/* -- Template --------------------------------------------------------------------------------- */

/* chat_template_turns always asks for an answer, so only cases with add_generation_prompt compare. */
static bool turns_to(const struct tokenizer *t, const json_t *messages, const json_t *want)
{
    struct chat_turn turns[16] = {0};
    size_t n = json_array_size(messages);
    for (size_t i = 0; i < n && i < 16; i++) {
        const json_t *m = json_array_get(messages, i);
        turns[i].role = json_string_value(json_object_get(m, "role"));
        turns[i].text = json_string_value(json_object_get(m, "content"));
    }
    struct ids ids = {0};
    bool ok = n <= 16 && !chat_template_turns(t, turns, (int)n, NULL, NULL, &ids, NULL) &&
              equals_ids(&ids, want);
    ids_fini(&ids);
    return ok;
}

static void check_templates(const struct tokenizer *t, const char *model, const json_t *root)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(root, "chat_template_cases"), i, c)
    {
        const json_t *ids = json_object_get(c, "ids");
        tap_ok(encodes_to(t, json_object_get(c, "prompt"), true, ids), "%s: template text %zu",
               model, i);
        if (json_is_true(json_object_get(c, "add_generation_prompt")))
            tap_ok(turns_to(t, json_object_get(c, "messages"), ids), "%s: template turns %zu",
                   model, i);
    }
}

/* -- Prompts with pictures -------------------------------------------------------------------- */

/* Image tokens of a picture, by preprocess.json; 0 when it is not listed. */
static int tokens_of(const json_t *preprocess, const char *file, json_int_t num_crops)
{
    size_t i, k;
    json_t *image, *c;
    json_array_foreach(json_object_get(preprocess, "images"), i, image)
    {
        if (strcmp(json_string_value(json_object_get(image, "file")), file) != 0) continue;
        json_array_foreach(json_object_get(image, "cases"), k, c)
        {
            if (json_integer_value(json_object_get(c, "num_crops")) == num_crops)
                return (int)json_integer_value(json_object_get(c, "num_img_tokens"));
        }
    }
    return 0;
}

static void check_prompt(const struct tokenizer *t, const char *model, size_t index,
                         const json_t *c, const json_t *preprocess)
{
    const json_t *images = json_object_get(c, "images"), *prompt = json_object_get(c, "prompt");
    int tokens[MAX_IMAGES], n = (int)json_array_size(images);
    for (int i = 0; i < n && i < MAX_IMAGES; i++) {
        const char *file = json_string_value(json_array_get(images, (size_t)i));
        tokens[i] =
            tokens_of(preprocess, file, json_integer_value(json_object_get(c, "num_crops")));
        if (tokens[i] == 0) {
            tap_skip(file, "%s: picture prompt %zu", model, index);
            return;
        }
    }
    struct ids ids = {0};
    struct phi3v_error err;
    int code = chat_template_raw(t, json_string_value(prompt), json_string_length(prompt), tokens,
                                 n, NULL, &ids, &err);
    bool refused = json_object_get(c, "error") != NULL;
    tap_ok(refused ? code == PHI3V_E_PROMPT
                   : code == 0 && equals_rle(&ids, json_object_get(c, "ids_rle")),
           "%s: picture prompt %zu%s", model, index, refused ? " is refused" : "");
    ids_fini(&ids);
}

static void check_prompts(const struct tokenizer *t, const char *model, const json_t *root,
                          const json_t *preprocess)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(root, "image_prompt_cases"), i, c)
    {
        check_prompt(t, model, i, c, preprocess);
    }
}

/* ----------------------------------------------------------------------------------------------------
 */

static struct tokenizer *load(const char *model)
{
    char relative[128];
    snprintf(relative, sizeof relative, "models/%s/tokenizer.json", model);
    if (!golden_exists(relative)) {
        tap_skip(relative, "%s: tokenizer", model);
        return NULL;
    }
    snprintf(relative, sizeof relative, "models/%s", model);
    char *dir = golden_path(relative);
    struct tokenizer *t = NULL;
    struct phi3v_error err = {0};
    bool ok = tokenizer_load(dir, &t, &err) == 0;
    tap_ok(ok, "%s: tokenizer loads", model);
    if (!ok) tap_note("%s", err.text);
    mem_free(dir);
    return ok ? t : NULL;
}

int main(int argc, char **argv)
{
    golden_init(argc, argv);
    json_t *texts = golden_json("tokenizer/cases.json");
    json_t *prompts = golden_json("tokenizer/prompt_cases.json");
    json_t *preprocess = golden_json("preprocess/preprocess.json");
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct tokenizer *t = load(models[i]);
        if (t && texts) check_texts(t, models[i], texts);
        if (t && prompts) check_templates(t, models[i], prompts);
        if (t && prompts && preprocess) check_prompts(t, models[i], prompts, preprocess);
        tokenizer_free(t);
    }
    json_decref(texts);
    json_decref(prompts);
    json_decref(preprocess);
    return tap_done();
}

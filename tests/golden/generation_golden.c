/* SPDX-License-Identifier: MIT
 * Greedy continuations against the reference, through the public API: prompt ids, every new id up
 * to the first choice too close to call, and the text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "phi3v.h"

/* tests/golden/data/README.md: f32; bf16 arithmetic, for a device named by PHI3V_TEST_DEVICE */
static const double CLOSE_CALL = 1e-3, CLOSE_CALL_BF16 = 0.3;

static const char *test_device(void)
{
    const char *device = getenv("PHI3V_TEST_DEVICE");
    return device ? device : "cpu";
}

static double close_call(void)
{
    return strcmp(test_device(), "cpu") ? CLOSE_CALL_BF16 : CLOSE_CALL;
}

enum { MAX_IMAGES = 8 };

struct open_model { // of the last case; the cases of a model follow each other
    char name[80];
    phi3v_model *model;
    phi3v_session *session;
};

static void close_model(struct open_model *m)
{
    phi3v_session_free(m->session);
    phi3v_model_close(m->model);
    *m = (struct open_model){0};
}

/* False when the folder is not there (skipped) or does not open (failed). */
static bool use_model(struct open_model *m, const char *name)
{
    if (m->model && !strcmp(m->name, name)) return true;
    close_model(m);
    char relative[120];
    snprintf(relative, sizeof relative, "models/%s", name);
    if (!golden_exists(relative)) {
        tap_skip("no such model folder", "%s", name);
        return false;
    }
    struct phi3v_error err = {0};
    CLEANUP(mem_free_ptr) char *path = golden_path(relative);
    struct phi3v_model_options opt;
    phi3v_model_options_default(&opt);
    opt.device = test_device();
    int rc = phi3v_model_open(path, &opt, &m->model, &err);
    if (!rc) rc = phi3v_session_new(m->model, &m->session, &err);
    if (rc) tap_ok(false, "%s opens: %s", name, err.text);
    snprintf(m->name, sizeof m->name, "%s", name);
    return rc == 0;
}

/* The case's pictures; -1 when one is absent (skipped) or does not decode (failed). */
static int load_images(const json_t *item, phi3v_image *images[MAX_IMAGES])
{
    size_t i;
    json_t *e;
    int n = 0;
    json_array_foreach(json_object_get(item, "images"), i, e)
    {
        char relative[200];
        size_t n_bytes;
        struct phi3v_error err = {0};
        snprintf(relative, sizeof relative, "images/%s", json_string_value(e));
        CLEANUP(mem_free_ptr) char *bytes = golden_bytes(relative, &n_bytes);
        if (!bytes || n == MAX_IMAGES) return -1;
        if (phi3v_image_from_bytes(bytes, n_bytes, NULL, &images[n], &err)) {
            tap_ok(false, "%s: %s", relative, err.text);
            return -1;
        }
        n++;
    }
    return n;
}

/* ids_rle, expanded and compared with the prompt's ids. */
static bool ids_equal(const json_t *rle, const int32_t *ids, size_t n)
{
    size_t i, at = 0;
    json_t *e;
    json_array_foreach(rle, i, e)
    {
        json_int_t id =
            json_is_array(e) ? json_integer_value(json_array_get(e, 0)) : json_integer_value(e);
        json_int_t count = json_is_array(e) ? json_integer_value(json_array_get(e, 1)) : 1;
        for (; count > 0; count--)
            if (at == n || ids[at++] != id) return false;
    }
    return at == n;
}

/* Whether `got` may stand at a step: the recorded id, or one of the two candidates of a close call,
 * which also ends the comparison. */
static bool step_fits(const json_t *item, size_t step, int32_t got, bool *ret_end)
{
    const json_t *record = json_array_get(json_object_get(item, "steps"), step);
    *ret_end = json_number_value(json_object_get(record, "gap")) < close_call();
    if (got == json_integer_value(json_array_get(json_object_get(item, "new_ids"), step)))
        return true;
    json_t *top = json_object_get(record, "top");
    for (size_t i = 0; *ret_end && i < 2; i++)
        if (got == json_integer_value(json_array_get(json_array_get(top, i), 0))) return true;
    return false;
}

static void check_answer(const json_t *item, const char *name, const struct phi3v_result *result)
{
    size_t n = json_array_size(json_object_get(item, "new_ids")), i = 0;
    bool end = false, fits = result->n_ids == n;
    for (; i < n && i < result->n_ids && fits && !end; i++)
        fits = step_fits(item, i, result->ids[i], &end);
    if (!tap_ok(fits, "%s: new ids", name))
        tap_note("%zu ids for %zu, the first difference at %zu", result->n_ids, n, i - 1);
    if (!end && fits)
        tap_ok(!strcmp(result->text, json_string_value(json_object_get(item, "text_skip_special"))),
               "%s: text", name);
}

/* PHI3V_TEST_ONLY: how the names of the cases to run begin. */
static bool is_wanted(const char *name)
{
    const char *only = getenv("PHI3V_TEST_ONLY");
    return !only || !strncmp(name, only, strlen(only));
}

static void check_case(struct open_model *m, const json_t *item)
{
    const char *model = json_string_value(json_object_get(item, "model"));
    char name[160];
    snprintf(name, sizeof name, "%s %s", model, json_string_value(json_object_get(item, "case")));
    if (!is_wanted(name)) return;
    phi3v_image *images[MAX_IMAGES] = {0};
    phi3v_prompt *prompt = NULL;
    struct phi3v_error err = {0};
    int n_images = use_model(m, model) ? load_images(item, images) : -1;
    if (n_images >= 0) {
        int rc = phi3v_prompt_raw(
            m->model, json_string_value(json_object_get(item, "prompt")), images, n_images,
            (int)json_integer_value(json_object_get(item, "num_crops")), &prompt, &err);
        size_t n = 0;
        const int32_t *ids = rc ? NULL : phi3v_prompt_ids(prompt, &n);
        tap_ok(!rc && ids_equal(json_object_get(item, "prompt_ids_rle"), ids, n), "%s: prompt ids",
               name);
        struct phi3v_params params;
        phi3v_params_default(&params);
        params.max_new_tokens = (int)json_integer_value(json_object_get(item, "max_new_tokens"));
        struct phi3v_result result = {.size = sizeof result};
        if (!rc) rc = phi3v_generate(m->session, prompt, &params, NULL, NULL, &result, &err);
        if (rc)
            tap_ok(false, "%s: %s", name, err.text);
        else
            check_answer(item, name, &result);
        phi3v_result_fini(&result);
    }
    phi3v_prompt_free(prompt);
    for (int i = 0; i < MAX_IMAGES; i++) phi3v_image_free(images[i]);
}

int main(int argc, char **argv)
{
    golden_init(argc, argv);
    json_t *file = golden_json("generation/generation.json");
    struct open_model m = {0};
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "generation"), i, item) check_case(&m, item);
    close_model(&m);
    json_decref(file);
    return tap_done();
}

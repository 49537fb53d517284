/* SPDX-License-Identifier: MIT
 * Conversion while loading and packed folders: what is written opens to the same bits, says what it
 * is, and is refused when its bytes are not what they claim. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "folder.h"

struct made {
    struct folder folder;
    char path[600]; // folder/packed
};

static int open_apart(const char *path, const char *dtype, const char *vision_dtype,
                      phi3v_model **ret, struct phi3v_error *err)
{
    struct phi3v_model_options opt;
    phi3v_model_options_default(&opt);
    opt.device = "cpu";
    opt.dtype = dtype;
    opt.vision_dtype = vision_dtype;
    opt.n_threads = 2;
    return phi3v_model_open(path, &opt, ret, err);
}

static int open_as(const char *path, const char *dtype, phi3v_model **ret, struct phi3v_error *err)
{
    return open_apart(path, dtype, "auto", ret, err);
}

static phi3v_model *must_open(const char *path, const char *dtype)
{
    struct phi3v_error err;
    phi3v_model *model = NULL;
    if (open_as(path, dtype, &model, &err)) fail_msg("%s", err.text);
    return model;
}

static phi3v_model *open_tiny(const char *name, const char *dtype)
{
    char *path = test_model_path(name);
    phi3v_model *model = must_open(path, dtype);
    free(path);
    return model;
}

static void made_fini(struct made *m) { folder_remove(&m->folder); }

/* The logits behind a prompt with a picture; phi3v_floats_free. */
static float *logits_of(phi3v_model *model)
{
    phi3v_image *image = test_image(3, 40);
    phi3v_session *session = test_session(model);
    phi3v_prompt *prompt = test_prompt(model, "<|image_1|>\nWhich?", &image, 1);
    float *logits;
    assert_int_equal(phi3v_logits(session, prompt, 0, NULL, NULL, &logits, NULL, NULL), 0);
    phi3v_prompt_free(prompt);
    phi3v_session_free(session);
    phi3v_image_free(image);
    return logits;
}

/* A model packed into a new folder; returns the model it was made from. */
static phi3v_model *make(struct made *m, const char *name, const char *dtype)
{
    struct phi3v_error err;
    phi3v_model *model = open_tiny(name, dtype);
    folder_make(&m->folder);
    snprintf(m->path, sizeof m->path, "%s/packed", m->folder.path);
    if (phi3v_model_write(model, m->path, &err)) fail_msg("%s", err.text);
    return model;
}

static void same_bits(void **state)
{
    (void)state;
    static const char *const names[] = {"tiny-gqa-bf16", "tiny-long-bf16"};
    static const char *const dtypes[] = {"q8", "q4"};
    for (int i = 0; i < 4; i++) {
        struct made m;
        phi3v_model *model = make(&m, names[i / 2], dtypes[i % 2]), *again;
        again = must_open(m.path, "auto");
        assert_string_equal(phi3v_model_info(again)->dtype, dtypes[i % 2]);
        assert_int_equal(phi3v_model_info(again)->n_params, phi3v_model_info(model)->n_params);
        assert_int_equal(phi3v_model_info(again)->weights_bytes,
                         phi3v_model_info(model)->weights_bytes);
        float *a = logits_of(model), *b = logits_of(again);
        assert_memory_equal(a, b, sizeof *a * (size_t)phi3v_model_info(model)->n_vocab);
        phi3v_floats_free(a);
        phi3v_floats_free(b);
        phi3v_model_close(model);
        phi3v_model_close(again);
        made_fini(&m);
    }
}

/* Each dtype is what it says, and none is another in disguise. */
static void conversion(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"f32", "bf16", "q8", "q4"};
    float first = 0;
    for (int i = 0; i < 4; i++) {
        phi3v_model *model = open_tiny("tiny-gqa-bf16", dtypes[i]);
        assert_string_equal(phi3v_model_info(model)->dtype, dtypes[i]);
        float *logits = logits_of(model);
        if (i == 0) first = logits[100];
        assert_true(i == 0 || logits[100] != first);
        phi3v_floats_free(logits);
        phi3v_model_close(model);
    }
}

/* The vision part in a form of its own: the one asked for, and none that files have no place for.
 */
static void vision_apart(void **state)
{
    (void)state;
    static const char *const dtypes[][2] = {
        {"f32", "f32"}, {"f32", "q8"}, {"f32", "bf16"}, {"q8", "q8"}, {"q8", "bf16"}};
    enum { N = sizeof dtypes / sizeof *dtypes };
    char *path = test_model_path("tiny-gqa-bf16");
    struct phi3v_error err;
    phi3v_model *model, *other;
    float *whole, *logits[N];
    struct folder empty;
    folder_make(&empty);
    for (int i = 0; i < N; i++) {
        assert_int_equal(open_apart(path, dtypes[i][0], dtypes[i][1], &model, &err), 0);
        assert_string_equal(phi3v_model_info(model)->dtype, dtypes[i][0]);
        logits[i] = logits_of(model);
        for (int j = 0; j < i; j++) assert_true(logits[i][100] != logits[j][100]);
        if (i == N - 1) {
            assert_int_equal(phi3v_model_write(model, empty.path, &err), PHI3V_E_ARGUMENT);
            assert_non_null(strstr(err.text, "leave it auto"));
        }
        phi3v_model_close(model);
    }
    assert_int_equal(open_apart(path, "q8", "q4", &model, &err), PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "auto, f32, bf16 or q8"));
    free(path);
    struct made m;
    model = make(&m, "tiny-gqa-bf16", "q8");
    whole = logits_of(model);
    assert_memory_equal(whole, logits[3], sizeof *whole * 100);
    assert_int_equal(open_apart(m.path, "auto", "bf16", &other, &err), PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "their vision part as q8"));
    assert_int_equal(open_apart(m.path, "auto", "q8", &other, &err), 0);
    phi3v_model_close(other);
    phi3v_model_close(model);
    made_fini(&m);
    folder_remove(&empty);
    phi3v_floats_free(whole);
    for (int i = 0; i < N; i++) phi3v_floats_free(logits[i]);
}

static int stop_at_once(const struct phi3v_event *event, void *user)
{
    int *seen = user;
    return event->done > 0 && ++*seen == 2;
}

static void cancelled(void **state)
{
    (void)state;
    struct phi3v_model_options opt;
    struct phi3v_error err;
    phi3v_model *model;
    int seen = 0;
    phi3v_model_options_default(&opt);
    opt.device = "cpu";
    opt.dtype = "q4";
    opt.on_event = stop_at_once;
    opt.user = &seen;
    char *path = test_model_path("tiny-gqa-bf16");
    assert_int_equal(phi3v_model_open(path, &opt, &model, &err), PHI3V_E_CANCELLED);
    assert_int_equal(seen, 2);
    free(path);
}

static void refusals(void **state)
{
    (void)state;
    struct made m;
    struct phi3v_error err;
    phi3v_model *model = make(&m, "tiny-gqa-bf16", "q4"), *other;
    char elsewhere[700];
    snprintf(elsewhere, sizeof elsewhere, "%s/other", m.folder.path);
    assert_int_equal(phi3v_model_write(model, m.path, &err), PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "holds a model already"));
    assert_int_equal(phi3v_model_write(model, "/nowhere/at/all", &err), PHI3V_E_IO);
    phi3v_model_close(model);
    assert_int_equal(open_as(m.path, "f32", &other, &err), PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "packed as q4"));
    model = must_open(m.path, "q4");
    assert_int_equal(phi3v_model_write(model, elsewhere, &err), PHI3V_E_ARGUMENT);
    phi3v_model_close(model);
    model = open_tiny("tiny-gqa-bf16", "f32");
    assert_int_equal(phi3v_model_write(model, elsewhere, &err), PHI3V_E_ARGUMENT);
    phi3v_model_close(model);
    made_fini(&m);
}

/* Replaces the first `from` in the weights file by `to`, of the same length. */
static void patch(const struct made *m, const char *from, const char *to)
{
    char path[700];
    snprintf(path, sizeof path, "%s/model.safetensors", m->path);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    static char header[1 << 20];
    size_t n = fread(header, 1, sizeof header, f);
    char *at = memmem(header, n, from, strlen(from));
    if (!at) fail_msg("no %s in the header", from);
    assert_int_equal(strlen(from), strlen(to));
    fseek(f, at - header, SEEK_SET);
    fwrite(to, 1, strlen(to), f);
    fclose(f);
}

static void damaged(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"phiscope_packed\":\"2\"", "\"phiscope_packed\":\"7\"", "layout \"7\""},
        {"\"phiscope_form\":\"q4\"", "\"phiscope_form\":\"q8\"", "expected"},
        {"\"phiscope_form\":\"q4\"", "\"phiscope_form\":\"q3\"", "q8 and q4 exist"},
        {"\"phiscope_packed\"", "\"phiscope_pecked\"", "has type U8"},
        {"\"dtype\":\"U8\"", "\"dtype\":\"I8\"", "has type I8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made m;
        struct phi3v_error err;
        phi3v_model *other;
        phi3v_model_close(make(&m, "tiny-gqa-bf16", "q4"));
        patch(&m, cases[i].from, cases[i].to);
        assert_true(open_as(m.path, "auto", &other, &err) < 0);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: %s", cases[i].to, err.text);
        made_fini(&m);
    }
}

/* Who waits long for packing is told how to avoid it; a callback that sleeps makes it long. */
static int sleep_once(const struct phi3v_event *event, void *user)
{
    int *calls = user;
    if (event->done > 0 && event->done < event->total && ++*calls == 1) sleep(11);
    return 0;
}

static void long_packing_is_mentioned(void **state)
{
    (void)state;
    struct phi3v_model_options opt;
    struct phi3v_error err;
    phi3v_model *model = NULL;
    char *path = test_model_path("tiny-gqa-bf16");
    int calls = 0;
    phi3v_model_options_default(&opt);
    opt.device = "cpu";
    opt.dtype = "q8";
    opt.on_event = sleep_once;
    opt.user = &calls;
    if (phi3v_model_open(path, &opt, &model, &err)) fail_msg("%s", err.text);
    assert_true(calls > 0);
    const char *note = phi3v_model_info(model)->note;
    if (!note || !strstr(note, "; phiscope quantize stores them packed"))
        fail_msg("%s", note ? note : "no note");
    phi3v_model_close(model);
    model = open_tiny("tiny-gqa-bf16", "q8"); // in no time
    note = phi3v_model_info(model)->note;
    assert_true(!note || !strstr(note, "quantize"));
    phi3v_model_close(model);
    free(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest slow[] = {cmocka_unit_test(long_packing_is_mentioned)};
    if (argc > 1 && strcmp(argv[1], "slow") == 0)
        return cmocka_run_group_tests_name("slow", slow, NULL, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits), cmocka_unit_test(conversion), cmocka_unit_test(cancelled),
        cmocka_unit_test(refusals),  cmocka_unit_test(damaged),    cmocka_unit_test(vision_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

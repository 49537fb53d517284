/* SPDX-License-Identifier: MIT
 * Features that outlive a process: the same numbers, found by what decides them, and nothing else is
 * ever taken for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine_fixture.h"

enum { HEAD_BYTES = 156, N_VOCAB = 32064 };

static phi3v_model *model; // which has encoded `image` and stored it as bytes[n]
static phi3v_image *image;
static char *bytes;
static size_t n;

static int set_up(void **state)
{
    (void)state;
    void *stored;
    model = test_model("tiny-gqa-bf16", 2, 0);
    image = test_image(1, 30);
    phi3v_session *s = test_session(model);
    phi3v_prompt *prompt = test_prompt(model, "<|image_1|>\nWhat?", &image, 1);
    assert_int_equal(phi3v_features_store(model, image, 1, &stored, &n, NULL), 0);
    assert_null(stored); // nothing is encoded yet
    assert_int_equal(n, 0);
    assert_int_equal(phi3v_prefill(s, prompt, NULL, NULL, NULL, NULL), 0);
    assert_int_equal(phi3v_features_store(model, image, 1, &stored, &n, NULL), 0);
    assert_non_null(stored);
    bytes = stored;
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    phi3v_bytes_free(bytes);
    phi3v_image_free(image);
    phi3v_model_close(model);
    return 0;
}

static void found_in_another_process(void **state)
{
    (void)state;
    phi3v_model *other = test_model("tiny-gqa-bf16", 1, 0);
    phi3v_session *s = test_session(other), *fresh = test_fresh_session(model);
    phi3v_image *same = test_image(1, 30); // by content
    phi3v_prompt *prompt = test_prompt(other, "<|image_1|>\nWhat?", &same, 1);
    phi3v_prompt *reference = test_prompt(model, "<|image_1|>\nWhat?", &image, 1);
    struct phi3v_timing timing;
    float *x, *y;
    for (int i = 0; i < 2; i++) // once more is no harm
        assert_int_equal(phi3v_features_restore(other, same, 1, bytes, n, NULL), 0);
    assert_int_equal(phi3v_prefill(s, prompt, NULL, NULL, &timing, NULL), 0);
    assert_int_equal(timing.vision_crops, 0);
    assert_int_equal(phi3v_logits(s, prompt, 0, NULL, NULL, &x, NULL, NULL), 0);
    assert_int_equal(phi3v_logits(fresh, reference, 0, NULL, NULL, &y, NULL, NULL), 0);
    assert_memory_equal(x, y, N_VOCAB * sizeof *x);
    phi3v_floats_free(x);
    phi3v_floats_free(y);
    phi3v_prompt_free(prompt);
    phi3v_prompt_free(reference);
    phi3v_image_free(same);
    phi3v_session_free(s);
    phi3v_session_free(fresh);
    phi3v_model_close(other);
}

static void assert_foreign(phi3v_model *m, const phi3v_image *picture, int num_crops)
{
    struct phi3v_error err;
    char ours[65], theirs[65];
    assert_int_equal(phi3v_features_name(model, image, 1, NULL, NULL, ours, NULL), 0);
    assert_int_equal(phi3v_features_name(m, picture, num_crops, NULL, NULL, theirs, NULL), 0);
    assert_string_not_equal(ours, theirs);
    assert_int_equal(phi3v_features_restore(m, picture, num_crops, bytes, n, &err),
                     PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "another picture, model or processor"));
}

/* The digest of the weights can be stopped, and is made all the same the next time. */
static void naming_stops(void **state)
{
    (void)state;
    int n_asked = 0;
    char name[65];
    phi3v_model *fresh = test_model("tiny-gqa-bf16", 1, 0);
    assert_int_equal(phi3v_features_name(fresh, image, 1, test_stops, &n_asked, name, NULL),
                     PHI3V_E_CANCELLED);
    assert_int_equal(n_asked, 1);
    assert_int_equal(phi3v_features_name(fresh, image, 1, NULL, NULL, name, NULL), 0);
    assert_int_equal(strlen(name), 64);
    phi3v_model_close(fresh);
}

static phi3v_model *with_dtypes(const char *dtype, const char *vision_dtype)
{
    struct phi3v_model_options opt;
    phi3v_model *m = NULL;
    char *path = test_model_path("tiny-gqa-bf16");
    phi3v_model_options_default(&opt);
    opt.device = "cpu";
    opt.dtype = dtype;
    opt.vision_dtype = vision_dtype;
    assert_int_equal(phi3v_model_open(path, &opt, &m, NULL), 0);
    free(path);
    return m;
}

static void nothing_else_is_taken_for_them(void **state)
{
    (void)state;
    phi3v_image *other = test_image(2, 30);
    assert_foreign(model, other, 1);
    assert_foreign(model, image, 4);
    phi3v_image_free(other);
    phi3v_model *m = test_model("tiny-long-bf16", 1, 0);
    assert_foreign(m, image, 1);
    phi3v_model_close(m);
    m = with_dtypes("f32", "q8");
    assert_foreign(m, image, 1);
    phi3v_model_close(m);
    m = with_dtypes("q8", "f32"); // the decoder's numbers do not matter
    assert_int_equal(phi3v_features_restore(m, image, 1, bytes, n, NULL), 0);
    phi3v_model_close(m);
}

static void damage_is_noticed(void **state)
{
    (void)state;
    phi3v_model *m = test_model("tiny-gqa-bf16", 1, 0);
    struct phi3v_error err;
    for (size_t i = 0; i < n; i += i < HEAD_BYTES ? 1 : 997) {
        char was = bytes[i];
        bytes[i] = (char)(was ^ 0x10);
        int rc = phi3v_features_restore(m, image, 1, bytes, n, &err);
        if (rc != PHI3V_E_IO && rc != PHI3V_E_ARGUMENT) fail_msg("byte %zu is changed: %d", i, rc);
        bytes[i] = was;
    }
    for (size_t less = 1; less <= n; less += less < HEAD_BYTES ? 1 : 997) {
        char *part = malloc(n - less + 1); // so that a sanitizer sees what is read behind it
        memcpy(part, bytes, n - less);
        assert_int_equal(phi3v_features_restore(m, image, 1, part, n - less, &err), PHI3V_E_IO);
        free(part);
    }
    assert_int_equal(phi3v_features_restore(m, image, 1, NULL, 0, &err), PHI3V_E_IO);
    void *stored;
    size_t n_stored;
    assert_int_equal(phi3v_features_store(m, image, 1, &stored, &n_stored, NULL), 0);
    assert_null(stored); // nothing of it got in
    phi3v_model_close(m);
}

static void running_out_of_memory(void **state)
{
    (void)state;
    phi3v_model *m = test_model("tiny-gqa-bf16", 1, 0);
    struct phi3v_error err;
    int rc = PHI3V_E_MEMORY;
    size_t before = mem_in_use_bytes();
    for (long at = 1; rc; at++) {
        mem_fail_at(at);
        rc = phi3v_features_restore(m, image, 1, bytes, n, &err);
        mem_fail_at(0);
        if (!rc) break;
        assert_int_equal(rc, PHI3V_E_MEMORY);
        assert_int_equal(mem_in_use_bytes(), before);
    }
    phi3v_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_in_another_process),       cmocka_unit_test(naming_stops),
        cmocka_unit_test(nothing_else_is_taken_for_them), cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

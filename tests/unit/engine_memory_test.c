/* SPDX-License-Identifier: MIT
 * Memory: every allocation of opening, prompting and answering fails once, with a clean error,
 * nothing leaked and nothing lost; and answering takes none once it has begun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine_fixture.h"

/* What a walk tries again and again, undoing it itself: 0 or an error. */
typedef int (*attempt_fn)(void *arg, struct phi3v_error *err);

/* Reading a model's files takes seconds under a sanitizer, so there only some of their allocations
 * fail. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { OPENING_STRIDE = 11 };
#else
enum { OPENING_STRIDE = 1 };
#endif

/* Lets the allocations `first`, first + stride, … of an attempt fail until one comes through.
 * Returns how many there are, give or take the stride. */
static long walk(attempt_fn attempt, void *arg, long first, long stride)
{
    size_t before = mem_in_use_bytes();
    for (long n = first;; n += stride) {
        struct phi3v_error err = {0};
        mem_fail_at(n);
        int rc = attempt(arg, &err);
        bool came_through = mem_fail_pending();
        mem_fail_at(0);
        if (mem_in_use_bytes() != before)
            fail_msg("allocation %ld: %zu bytes in use, %zu before", n, mem_in_use_bytes(), before);
        if (came_through) {
            assert_int_equal(rc, 0);
            return n - 1;
        }
        if (rc != PHI3V_E_MEMORY || !strstr(err.text, "memory"))
            fail_msg("allocation %ld: code %d, \"%s\"", n, rc, err.text);
    }
}

static long n_opening; // allocations of opening the model, known once `opening` has run

static int try_open(void *arg, struct phi3v_error *err)
{
    phi3v_model *model = NULL;
    int rc = phi3v_model_open(arg, NULL, &model, err);
    phi3v_model_close(model);
    return rc;
}

static void opening(void **state)
{
    (void)state;
    char *path = test_model_path("tiny-gqa-bf16");
    n_opening = walk(try_open, path, 1, OPENING_STRIDE);
    assert_true(n_opening > 50);
    free(path);
}

static int try_session(void *arg, struct phi3v_error *err)
{
    phi3v_session *session = NULL;
    int rc = phi3v_session_new(arg, &session, err);
    phi3v_session_free(session);
    return rc;
}

static int try_prompt(void *arg, struct phi3v_error *err)
{
    phi3v_image *image = NULL;
    phi3v_prompt *prompt = NULL;
    static const uint8_t rgb[3 * 4 * 4];
    int rc = phi3v_image_from_rgb(rgb, 4, 4, &image, err);
    struct phi3v_turn turns[] = {
        {.role = "user", .text = "<|image_1|>\nWhat?", .images = &image, .n_images = 1},
        {.role = "assistant", .text = "Nothing"},
        {.role = "user", .text = "Nothing?"}};
    if (!rc) rc = phi3v_prompt_chat(arg, turns, 3, &test_one_crop, &prompt, err);
    phi3v_prompt_free(prompt);
    phi3v_image_free(image);
    return rc;
}

static void sessions_and_prompts(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 1, 0);
    assert_true(walk(try_session, model, 1, 1) > 5);
    assert_true(walk(try_prompt, model, 1, 1) > 10);
    phi3v_model_close(model);
}

struct asking {
    phi3v_model *model;
    phi3v_session *session;
    phi3v_prompt *prompt, *held;
};

static int try_answer(void *arg, struct phi3v_error *err)
{
    struct asking *a = arg;
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 3;
    params.logprobs = 2;
    struct phi3v_result r = {.size = sizeof r};
    int rc = phi3v_generate(a->session, a->prompt, &params, NULL, NULL, &r, err);
    phi3v_result_fini(&r);
    phi3v_session_clear(a->session);
    return rc;
}

static void answering_text(void **state)
{
    (void)state;
    struct asking a = {.model = test_model("tiny-gqa-bf16", 1, 0)};
    a.session = test_fresh_session(a.model); // what is given to others may fail unseen
    a.prompt = test_prompt(a.model, "What is this?", NULL, 0);
    assert_int_equal(try_answer(&a, NULL), 0); // what stays taken from now on is taken
    assert_true(walk(try_answer, &a, 1, 1) > 5);
    phi3v_prompt_free(a.prompt);
    phi3v_session_free(a.session);
    phi3v_model_close(a.model);
}

/* Two answers side by side whose prompts share a block. Each has its own code; what is only worth
 * time, as taking over the block, may fail unseen. */
static void answer_both(phi3v_model *model, const phi3v_prompt *prompt)
{
    struct phi3v_params params;
    struct phi3v_result results[2];
    struct phi3v_job jobs[2];
    for (int i = 0; i < 2; i++) jobs[i] = test_job(NULL, prompt, &results[i]);
    phi3v_params_default(&params);
    params.max_new_tokens = 4;
    int rc = 0;
    for (int i = 0; i < 2 && !rc; i++) rc = phi3v_session_new(model, &jobs[i].session, NULL);
    if (!rc) rc = phi3v_generate_many(jobs, 2, &params, NULL, NULL, NULL);
    assert_true(rc == 0 || rc == PHI3V_E_MEMORY);
    for (int i = 0; i < 2; i++) {
        assert_true(jobs[i].code == 0 || jobs[i].code == PHI3V_E_MEMORY);
        if (!rc && !jobs[i].code) assert_int_equal(results[i].n_ids, 4);
        phi3v_result_fini(&results[i]);
        phi3v_session_free(jobs[i].session);
    }
}

static void answering_side_by_side(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 1, 0);
    phi3v_prompt *prompt = test_prompt(model,
                                       "Which of all these is which, and why is it that one "
                                       "and not another of the many there are, as it seems "
                                       "to be, if it is one at all, and so on and so on, "
                                       "until the block is full and there is a second one "
                                       "that has to be computed by each of the two?",
                                       NULL, 0);
    answer_both(model, prompt); // what is known of blocks stays
    size_t before = mem_in_use_bytes();
    bool came_through = false;
    long n = 0;
    while (!came_through) {
        mem_fail_at(++n);
        answer_both(model, prompt);
        came_through = mem_fail_pending();
        mem_fail_at(0);
        assert_int_equal(mem_in_use_bytes(), before);
    }
    assert_true(n > 20);
    phi3v_prompt_free(prompt);
    phi3v_model_close(model);
}

/* The picture's features stay in the cache, so the walk begins with a new model each time. */
static int try_picture(void *arg, struct phi3v_error *err)
{
    (void)arg;
    phi3v_model *model = NULL;
    phi3v_session *session = NULL;
    phi3v_image *image = NULL;
    phi3v_prompt *prompt = NULL;
    static const uint8_t rgb[3 * 4 * 4];
    char *path = test_model_path("tiny-gqa-bf16");
    int rc = phi3v_model_open(path, NULL, &model, err);
    free(path);
    if (!rc) rc = phi3v_session_new(model, &session, err);
    if (!rc) phi3v_session_alone(session);
    if (!rc) rc = phi3v_image_from_rgb(rgb, 4, 4, &image, err);
    struct phi3v_turn turn = {
        .role = "user", .text = "<|image_1|>\nWhat?", .images = &image, .n_images = 1};
    if (!rc) rc = phi3v_prompt_chat(model, &turn, 1, &test_one_crop, &prompt, err);
    if (!rc) rc = phi3v_prefill(session, prompt, NULL, NULL, NULL, err);
    phi3v_prompt_free(prompt);
    phi3v_image_free(image);
    phi3v_session_free(session);
    phi3v_model_close(model);
    return rc;
}

static void answering_pictures(void **state)
{
    (void)state;
    walk(try_picture, NULL, n_opening - OPENING_STRIDE, OPENING_STRIDE / 4 + 1);
}

/* Running out of memory loses nothing: the prompt before is still held. */
static void failing_keeps_what_is_held(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 1, 0);
    phi3v_session *session = test_session(model), *fresh = test_fresh_session(model);
    phi3v_prompt *prompt = test_prompt(model, "One, two, three?", NULL, 0);
    struct phi3v_result r = test_answer(session, prompt, 2);
    phi3v_result_fini(&r);
    for (long n = 1; n < 40; n++) {
        mem_fail_at(n);
        struct phi3v_params params;
        phi3v_params_default(&params);
        params.max_new_tokens = 2;
        int rc = phi3v_generate(session, prompt, &params, NULL, NULL, NULL, NULL);
        mem_fail_at(0);
        assert_true(rc == 0 || rc == PHI3V_E_MEMORY);
    }
    assert_true(phi3v_session_common(session, prompt) > 0);
    assert_true(test_same_logits(session, fresh, prompt));
    phi3v_prompt_free(prompt);
    phi3v_session_free(session);
    phi3v_session_free(fresh);
    phi3v_model_close(model);
}

/* From the first text on, any allocation of the library would fail. */
static int forbid_allocations(const struct phi3v_event *event, void *user)
{
    (void)user;
    if (event->type == PHI3V_EVENT_TEXT) mem_fail_at(1);
    return 0;
}

static void the_decode_loop_takes_no_memory(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 2, 0);
    phi3v_session *session = test_fresh_session(model);
    phi3v_prompt *prompt = test_prompt(model, "Tell me a long story.", NULL, 0);
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 400;
    params.temperature = 1;
    static const char *const stops[] = {"a string that never comes", NULL};
    params.stop = stops;
    struct phi3v_result r = {.size = sizeof r};
    struct phi3v_error err;
    int rc = phi3v_generate(session, prompt, &params, forbid_allocations, NULL, &r, &err);
    bool untouched = mem_fail_pending();
    mem_fail_at(0);
    if (rc) fail_msg("%s", err.text);
    assert_true(untouched);
    assert_true(r.n_ids > 100);
    phi3v_result_fini(&r);
    phi3v_prompt_free(prompt);
    phi3v_session_free(session);
    phi3v_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decode_loop_takes_no_memory),
        cmocka_unit_test(sessions_and_prompts),
        cmocka_unit_test(answering_text),
        cmocka_unit_test(answering_side_by_side),
        cmocka_unit_test(opening),
        cmocka_unit_test(answering_pictures),
        cmocka_unit_test(failing_keeps_what_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * What is computed once is found again: by sessions that go back, by others, by forks, within a
 * budget. That it is the same is equality_test.c's to say; here it is how much. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine_fixture.h"

enum { BLOCK = 64, MOST = 1000 };

static struct phi3v_timing prefill(phi3v_session *s, const phi3v_prompt *prompt)
{
    struct phi3v_timing timing;
    assert_int_equal(phi3v_prefill(s, prompt, NULL, NULL, &timing, NULL), 0);
    return timing;
}

/* n tokens that are no other seed's. */
static phi3v_prompt *tokens(const phi3v_model *model, int seed, size_t n)
{
    int32_t ids[MOST];
    phi3v_prompt *prompt = NULL;
    for (size_t i = 0; i < n; i++) ids[i] = 1000 * seed + (int32_t)i;
    assert_int_equal(phi3v_prompt_ids_new(model, ids, n, NULL, 0, 0, &prompt, NULL), 0);
    return prompt;
}

static void back_and_forth_with_pictures(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 2, 0);
    phi3v_session *s = test_session(model), *other = test_session(model),
                  *fresh = test_fresh_session(model);
    phi3v_image *images[] = {test_image(1, 30), test_image(2, 30)};
    phi3v_prompt *a = test_prompt(model, "<|image_1|>\nWhat is this?", &images[0], 1);
    phi3v_prompt *b = test_prompt(model, "<|image_1|>\nWhat is that?", &images[1], 1);
    assert_int_equal(prefill(s, a).vision_crops, 2);
    assert_int_equal(prefill(s, b).vision_crops, 2);
    for (int i = 0; i < 3; i++) {
        struct phi3v_timing t = prefill(i == 1 ? other : s, i == 1 ? b : a);
        assert_int_equal(t.vision_crops, 0);
        assert_in_range(t.prefill_tokens, 1, BLOCK);
    }
    phi3v_session_clear(s);
    assert_in_range(prefill(s, b).prefill_tokens, 1, BLOCK);
    assert_true(test_same_logits(s, fresh, b));
    assert_true(test_same_logits(s, fresh, a));
    phi3v_session_free(s); // what it has computed stays
    assert_true(phi3v_session_common(other, a) > 313 - BLOCK);
    phi3v_prompt_free(a);
    phi3v_prompt_free(b);
    phi3v_image_free(images[0]);
    phi3v_image_free(images[1]);
    phi3v_session_free(other);
    phi3v_session_free(fresh);
    phi3v_model_close(model);
}

static phi3v_prompt *question(const phi3v_model *model, phi3v_image *image, int num_crops)
{
    struct phi3v_turn turn = {.role = "user",
                              .text = "<|image_1|>\nWhat is this?",
                              .images = &image,
                              .n_images = 1,
                              .num_crops = num_crops};
    phi3v_prompt *prompt = NULL;
    assert_int_equal(phi3v_prompt_chat(model, &turn, 1, &test_one_crop, &prompt, NULL), 0);
    return prompt;
}

/* The same picture in other crops has other rows from its first one on, though their numbers are the
 * same. */
static void other_crops_are_another_picture(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 2, 0);
    phi3v_session *s = test_session(model), *other = test_session(model),
                  *fresh = test_fresh_session(model);
    phi3v_image *image = test_image(1, 30);
    phi3v_prompt *one = question(model, image, 1), *four = question(model, image, 4);
    prefill(s, one);
    assert_in_range(phi3v_session_common(s, four), 1, BLOCK - 1); // what stands before it
    assert_in_range(phi3v_session_common(other, four), 0, BLOCK - 1);
    assert_true(test_same_logits(other, fresh, four));
    assert_true(test_same_logits(s, fresh, four));
    assert_in_range(phi3v_session_common(other, one), 313 - BLOCK, 400); // both are known now
    phi3v_prompt_free(one);
    phi3v_prompt_free(four);
    phi3v_image_free(image);
    phi3v_session_free(s);
    phi3v_session_free(other);
    phi3v_session_free(fresh);
    phi3v_model_close(model);
}

/* A model that keeps so many blocks of the tiny one. */
static phi3v_model *keeping(int n_blocks)
{
    phi3v_model *model = test_model("tiny-gqa-bf16", 1, 0);
    int64_t block = BLOCK * phi3v_model_info(model)->kv_bytes_per_token;
    phi3v_model_close(model);
    return test_model_reusing("tiny-gqa-bf16", 1, 0, n_blocks ? n_blocks * block : -1);
}

static void least_recently_used_goes_first(void **state)
{
    (void)state;
    phi3v_model *model = keeping(4);
    phi3v_session *s = test_session(model);
    phi3v_prompt *p[3];
    for (int i = 0; i < 3; i++) p[i] = tokens(model, i + 1, 3 * BLOCK + 10);
    prefill(s, p[0]); // held while it is in use, whatever the budget
    prefill(s, p[1]);
    phi3v_session_clear(s); // three blocks each are idle now, four may stay
    assert_int_equal(phi3v_session_common(s, p[1]), 3 * BLOCK);
    assert_int_equal(phi3v_session_common(s, p[0]), BLOCK); // its end went first
    prefill(s, p[0]);                                       // is younger now,
    prefill(s, p[2]);
    phi3v_session_clear(s);
    assert_int_equal(phi3v_session_common(s, p[2]), 3 * BLOCK);
    assert_int_equal(phi3v_session_common(s, p[0]), BLOCK);
    assert_int_equal(phi3v_session_common(s, p[1]), 0); // than this one
    for (int i = 0; i < 3; i++) phi3v_prompt_free(p[i]);
    phi3v_session_free(s);
    phi3v_model_close(model);
}

static void what_a_session_holds_is_found_however_old(void **state)
{
    (void)state;
    phi3v_model *model = keeping(2);
    phi3v_session *s = test_session(model), *other = test_session(model);
    phi3v_prompt *held = tokens(model, 1, 3 * BLOCK + 10), *p;
    prefill(s, held);
    for (int seed = 2; seed < 5; seed++) { // each time blocks beyond the budget become idle
        p = tokens(model, seed, 3 * BLOCK + 10);
        prefill(other, p);
        phi3v_prompt_free(p);
    }
    phi3v_session_clear(other);
    assert_int_equal(phi3v_session_common(other, held), 3 * BLOCK);
    phi3v_prompt_free(held);
    phi3v_session_free(s);
    phi3v_session_free(other);
    phi3v_model_close(model);
}

static void nothing_is_kept_where_nothing_may_be(void **state)
{
    (void)state;
    phi3v_model *model = keeping(0);
    phi3v_session *s = test_session(model), *other = test_session(model);
    phi3v_prompt *p = tokens(model, 1, 3 * BLOCK);
    prefill(s, p);
    assert_int_equal(phi3v_session_common(other, p), 3 * BLOCK - 1); // s holds it
    phi3v_session_clear(s);
    assert_int_equal(phi3v_session_common(s, p), 0);
    phi3v_prompt_free(p);
    phi3v_session_free(s);
    phi3v_session_free(other);
    phi3v_model_close(model);
}

static void forks_go_their_own_ways(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 2, 0);
    phi3v_session *s = test_session(model), *fresh = test_fresh_session(model), *fork, *second;
    phi3v_prompt *start = tokens(model, 1, BLOCK + 30);
    const int32_t left[] = {7, 8, 9}, right[] = {10, 11};
    prefill(s, start);
    assert_int_equal(phi3v_session_fork(s, &fork, NULL), 0);
    assert_int_equal(phi3v_session_tokens(fork), BLOCK + 30); // the block that is not full, too
    phi3v_prompt *a = test_extended(model, start, left, 3),
                 *b = test_extended(model, start, right, 2);
    assert_int_equal(prefill(fork, a).prefill_tokens, 3);
    assert_int_equal(prefill(s, b).prefill_tokens, 2);
    assert_true(test_same_logits(fork, fresh, a));
    assert_true(test_same_logits(s, fresh, b));
    phi3v_session_free(s); // before its fork, and before a fork of that
    assert_int_equal(phi3v_session_fork(fork, &second, NULL), 0);
    struct phi3v_result x = test_answer(second, a, 5), y = test_answer(fork, a, 5);
    assert_memory_equal(x.ids, y.ids, 5 * sizeof *x.ids);
    phi3v_result_fini(&x);
    phi3v_result_fini(&y);
    phi3v_session_free(fork);
    assert_true(test_same_logits(second, fresh, b));
    phi3v_session_clear(second);
    assert_int_equal(phi3v_session_fork(second, &fork, NULL), 0); // of nothing
    assert_int_equal(phi3v_session_tokens(fork), 0);
    phi3v_session_free(fork);
    phi3v_session_free(second);
    phi3v_session_free(fresh);
    phi3v_prompt_free(start);
    phi3v_prompt_free(a);
    phi3v_prompt_free(b);
    phi3v_model_close(model);
}

/* -- Memory ------------------------------------------------------------------------------------ */

static int use_and_fork(phi3v_model *model, phi3v_prompt *const *p, struct phi3v_error *err)
{
    phi3v_session *s = NULL, *fork = NULL;
    int rc = phi3v_session_new(model, &s, err);
    for (int i = 0; i < 4 && !rc; i++) rc = phi3v_prefill(s, p[i % 3], NULL, NULL, NULL, err);
    if (!rc) rc = phi3v_session_fork(s, &fork, err);
    if (!rc) rc = phi3v_prefill(fork, p[1], NULL, NULL, NULL, err);
    phi3v_session_free(s);
    phi3v_session_free(fork);
    return rc;
}

/* Each allocation fails once: an error of memory, or less is kept, and nothing leaks. */
static void running_out_of_memory(void **state)
{
    (void)state;
    phi3v_model *model = keeping(0);
    phi3v_prompt *p[3];
    struct phi3v_error err;
    for (int i = 0; i < 2; i++) p[i] = tokens(model, i + 1, 2 * BLOCK + 20);
    p[2] = tokens(model, 1, BLOCK + 40);               // begins as the first does
    assert_int_equal(use_and_fork(model, p, &err), 0); // what is known of blocks stays
    size_t before = mem_in_use_bytes();
    bool came_through = false;
    long n = 0;
    while (!came_through) {
        mem_fail_at(++n);
        int rc = use_and_fork(model, p, &err);
        came_through = mem_fail_pending();
        mem_fail_at(0);
        assert_true(rc == 0 || (rc == PHI3V_E_MEMORY && strstr(err.text, "memory")));
        assert_int_equal(mem_in_use_bytes(), before);
    }
    assert_true(n > 40);
    for (int i = 0; i < 3; i++) phi3v_prompt_free(p[i]);
    phi3v_model_close(model);
}

/* -- Threads ----------------------------------------------------------------------------------- */

enum { N_THREADS = 3, N_ROUNDS = 8, N_PROMPTS = 4 };

struct thread {
    phi3v_model *model;
    phi3v_prompt *const *prompts;
    phi3v_session *fresh;
    int first;
};

static void *go_round(void *arg)
{
    struct thread *t = arg;
    phi3v_session *s = test_session(t->model), *fork;
    for (int i = 0; i < N_ROUNDS; i++) {
        const phi3v_prompt *p = t->prompts[(t->first + i) % N_PROMPTS];
        prefill(s, p);
        assert_int_equal(phi3v_session_fork(s, &fork, NULL), 0);
        assert_true(test_same_logits(fork, t->fresh, p));
        phi3v_session_free(s);
        s = fork;
    }
    phi3v_session_free(s);
    return NULL;
}

/* Sessions on several threads that publish, take, evict and free the same. */
static void on_several_threads(void **state)
{
    (void)state;
    phi3v_model *model = keeping(3);
    phi3v_prompt *prompts[N_PROMPTS];
    for (int i = 0; i < N_PROMPTS; i++)
        prompts[i] = tokens(model, 1 + i / 2, (size_t)(BLOCK + 20 + 30 * i));
    pthread_t threads[N_THREADS];
    struct thread t[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        t[i] = (struct thread){model, prompts, test_fresh_session(model), i};
        assert_int_equal(pthread_create(&threads[i], NULL, go_round, &t[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
        phi3v_session_free(t[i].fresh);
    }
    for (int i = 0; i < N_PROMPTS; i++) phi3v_prompt_free(prompts[i]);
    phi3v_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_and_forth_with_pictures),
        cmocka_unit_test(other_crops_are_another_picture),
        cmocka_unit_test(least_recently_used_goes_first),
        cmocka_unit_test(what_a_session_holds_is_found_however_old),
        cmocka_unit_test(nothing_is_kept_where_nothing_may_be),
        cmocka_unit_test(forks_go_their_own_ways),
        cmocka_unit_test(running_out_of_memory),
        cmocka_unit_test(on_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

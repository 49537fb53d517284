/* SPDX-License-Identifier: MIT
 * Sessions on the GPU: answers whose steps run ahead of the host equal answers taken step by step,
 * also when a stop or a cancel throws away what ran ahead; nothing leaks, whichever allocation
 * fails. The GPU is the one of PHI3V_BACKEND_DIR; what only an emulated one can count is left out
 * on another. */
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/model.h"
#include "engine_fixture.h"

enum { N_NEW = 12, MOST_ALLOCATIONS = 400 };

static phi3v_model *model;           // shared by the tests
static size_t (*bytes_in_use)(void); // NULL: not emulated
static void (*fail_at)(long n);

static phi3v_model *open_model(void)
{
    struct phi3v_error err;
    struct phi3v_model_options opt;
    phi3v_model_options_default(&opt);
    opt.device = "cuda";
    opt.dtype = getenv("PHI3V_TEST_DTYPE") ? getenv("PHI3V_TEST_DTYPE") : "auto";
    opt.kv = getenv("PHI3V_TEST_KV") ? getenv("PHI3V_TEST_KV") : "auto";
    phi3v_model *m = NULL;
    char *path = test_model_path("tiny-long-bf16");
    if (phi3v_model_open(path, &opt, &m, &err) != 0) m = NULL;
    free(path);
    return m;
}

/* The loaded module's own counters, where it has them. */
static void find_counters(void)
{
    char path[4096];
    const char *dir = getenv("PHI3V_BACKEND_DIR");
    snprintf(path, sizeof path, "%s/phi3v-cuda.so", dir ? dir : "");
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) return;
    *(void **)&bytes_in_use = dlsym(module, "emulated_bytes_in_use");
    *(void **)&fail_at = dlsym(module, "emulated_fail_at");
}

static int open_shared(void **state)
{
    (void)state;
    find_counters();
    model = open_model();
    return model ? 0 : -1;
}

static int close_shared(void **state)
{
    (void)state;
    phi3v_model_close(model);
    return 0;
}

/* -- Running ahead ----------------------------------------------------------------------------- */

static const struct backend_table *whole_table; // of the backend
static int most_steps;

/* The backend's own steps, but not many at a time. */
static int few_steps(struct backend_state *s, const struct decode_seq *seqs, int n, int n_steps,
                     backend_id_fn on_id, void *user, struct phi3v_error *err)
{
    if (n_steps > most_steps) n_steps = most_steps;
    return whole_table->decode(s, seqs, n, n_steps, on_id, user, err);
}

/* At most `most` steps without the host; 0: the engine chooses from each step's logits. */
static struct phi3v_result answer_with(phi3v_session *s, const phi3v_prompt *prompt, int most,
                                       const struct phi3v_params *params, phi3v_event_fn on_event,
                                       void *user)
{
    whole_table = model->backend->table;
    most_steps = most;
    struct backend_table limited = *whole_table;
    struct phi3v_result r = {.size = sizeof r};
    assert_non_null(whole_table->decode);
    limited.decode = most ? few_steps : NULL;
    model->backend->table = &limited;
    int rc = phi3v_generate(s, prompt, params, on_event, user, &r, NULL);
    model->backend->table = whole_table;
    assert_int_equal(rc, 0);
    return r;
}

static struct phi3v_result answer(phi3v_session *s, const phi3v_prompt *prompt, bool by_host,
                                  const char *const *stop, phi3v_event_fn on_event, void *user)
{
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = N_NEW;
    params.stop = stop;
    return answer_with(s, prompt, by_host ? 0 : N_NEW, &params, on_event, user);
}

/* A session that holds the prompt: every answer to it then begins with the same step. */
static phi3v_session *session_with(const phi3v_prompt *prompt)
{
    phi3v_session *s = test_session(model);
    assert_int_equal(phi3v_prefill(s, prompt, NULL, NULL, NULL, NULL), 0);
    return s;
}

static void assert_begins(const struct phi3v_result *part, const struct phi3v_result *whole)
{
    assert_true(part->n_ids <= whole->n_ids);
    assert_memory_equal(part->ids, whole->ids, part->n_ids * sizeof *part->ids);
}

static float *logits_of(phi3v_session *s, const phi3v_prompt *prompt)
{
    float *logits = NULL;
    assert_int_equal(phi3v_logits(s, prompt, 0, NULL, NULL, &logits, NULL, NULL), 0);
    return logits;
}

/* What the session holds behind the answer is worth what a new session computes: within what two
 * orders of bf16 roundings differ by (activations_golden.c), for rows of a prompt and steps go
 * different ways on a GPU. Keys of another token would change the logits by their spread, 2.1. */
static void assert_holds_truth(phi3v_session *s, const phi3v_prompt *prompt,
                               const struct phi3v_result *r)
{
    phi3v_session *fresh = test_fresh_session(model);
    phi3v_prompt *grown = test_extended(model, prompt, r->ids, r->n_ids);
    float *held = logits_of(s, grown), *anew = logits_of(fresh, grown);
    int n = phi3v_model_info(model)->n_vocab;
    double squares = 0;
    for (int i = 0; i < n; i++) squares += pow((double)held[i] - (double)anew[i], 2);
    double rms = sqrt(squares / n);
    if (!(rms < 0.3)) fail_msg("the logits differ by %.3f (rms)", rms);
    phi3v_floats_free(held);
    phi3v_floats_free(anew);
    phi3v_prompt_free(grown);
    phi3v_session_free(fresh);
}

static void steps_ahead_choose_the_same(void **state)
{
    (void)state;
    phi3v_prompt *prompt = test_prompt(model, "A long way to go?", NULL, 0);
    phi3v_session *s = session_with(prompt);
    struct phi3v_result ahead = answer(s, prompt, false, NULL, NULL, NULL),
                        stepped = answer(s, prompt, true, NULL, NULL, NULL);
    assert_int_equal(ahead.n_ids, N_NEW);
    assert_int_equal(stepped.n_ids, N_NEW);
    assert_begins(&ahead, &stepped);
    assert_int_equal(ahead.finish, PHI3V_FINISH_LENGTH);
    assert_holds_truth(s, prompt, &ahead);
    phi3v_result_fini(&ahead);
    phi3v_result_fini(&stepped);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

/* The same seed: the same tokens, wherever they are drawn. The penalty counts the prompt's and
 * each that was drawn, and the stream goes on behind steps that were taken a few at a time. */
static void steps_ahead_draw_the_same(void **state)
{
    (void)state;
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = N_NEW;
    params.temperature = 1.5f;
    params.top_k = 200;
    params.top_p = 0.95f;
    params.min_p = 0.001f;
    params.repetition_penalty = 1.3f;
    phi3v_prompt *prompt = test_prompt(model, "Any way you like?", NULL, 0);
    phi3v_session *s = session_with(prompt);
    int32_t first[3];
    for (int seed = 0; seed < 3; seed++) {
        params.seed = (uint64_t)seed;
        struct phi3v_result ahead = answer_with(s, prompt, N_NEW, &params, NULL, NULL),
                            parts = answer_with(s, prompt, 4, &params, NULL, NULL),
                            stepped = answer_with(s, prompt, 0, &params, NULL, NULL);
        assert_int_equal(ahead.n_ids, stepped.n_ids);
        assert_int_equal(parts.n_ids, stepped.n_ids);
        assert_begins(&ahead, &stepped);
        assert_begins(&parts, &stepped);
        assert_holds_truth(s, prompt, &ahead);
        first[seed] = ahead.ids[1];
        phi3v_result_fini(&ahead);
        phi3v_result_fini(&parts);
        phi3v_result_fini(&stepped);
    }
    assert_false(first[0] == first[1] && first[1] == first[2]); // they are drawn
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

/* The device hands out no logits with what it draws: the engine then takes every step itself. */
static void logprobs_come_with_the_same_tokens(void **state)
{
    (void)state;
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = N_NEW;
    phi3v_prompt *prompt = test_prompt(model, "A long way to go?", NULL, 0);
    phi3v_session *s = session_with(prompt);
    struct phi3v_result without = answer_with(s, prompt, N_NEW, &params, NULL, NULL);
    params.logprobs = 2;
    struct phi3v_result with = answer_with(s, prompt, N_NEW, &params, NULL, NULL);
    assert_null(without.top);
    assert_int_equal(with.n_ids, without.n_ids);
    assert_begins(&with, &without);
    for (size_t i = 0; i < with.n_ids; i++) { // greedy
        assert_int_equal(with.top[2 * i].id, with.ids[i]);
        assert_true(with.top[2 * i].logprob == with.logprobs[i]);
        assert_true(with.top[2 * i + 1].logprob <= with.logprobs[i]);
    }
    phi3v_result_fini(&without);
    phi3v_result_fini(&with);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

struct until { // stops with the n-th piece of text
    int n, seen;
    char text[64]; // of that piece
};

static int count_text(const struct phi3v_event *event, void *user)
{
    struct until *u = user;
    if (event->type != PHI3V_EVENT_TEXT) return 0;
    if (++u->seen == u->n)
        snprintf(u->text, sizeof u->text, "%.*s", (int)event->n_text_bytes, event->text);
    return u->n > 0 && u->seen >= u->n;
}

static void a_cancel_takes_one_step(void **state)
{
    (void)state;
    phi3v_prompt *prompt = test_prompt(model, "For ever?", NULL, 0);
    phi3v_session *s = session_with(prompt);
    struct phi3v_result whole = answer(s, prompt, true, NULL, NULL, NULL);
    struct until third = {.n = 3};
    struct phi3v_result cut = answer(s, prompt, false, NULL, count_text, &third);
    assert_int_equal(cut.finish, PHI3V_FINISH_INTERRUPTED);
    assert_int_equal(third.seen, 3); // the steps that ran ahead show nothing
    assert_true(cut.n_ids < N_NEW);
    assert_begins(&cut, &whole);
    assert_holds_truth(s, prompt, &cut);
    phi3v_result_fini(&cut);
    phi3v_result_fini(&whole);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

static void a_stop_throws_away_what_ran_ahead(void **state)
{
    (void)state;
    phi3v_prompt *prompt = test_prompt(model, "And then?", NULL, 0);
    phi3v_session *s = session_with(prompt);
    struct until fourth = {.n = 4};
    struct phi3v_result begun = answer(s, prompt, true, NULL, count_text, &fourth);
    const char *stop[] = {fourth.text, NULL};
    struct phi3v_result ahead = answer(s, prompt, false, stop, NULL, NULL),
                        stepped = answer(s, prompt, true, stop, NULL, NULL);
    assert_int_equal(ahead.finish, PHI3V_FINISH_STOP);
    assert_true(ahead.n_ids < N_NEW);
    assert_int_equal(ahead.n_ids, stepped.n_ids);
    assert_begins(&ahead, &stepped);
    assert_string_equal(ahead.text, stepped.text);
    assert_holds_truth(s, prompt, &ahead);
    phi3v_result_fini(&begun);
    phi3v_result_fini(&ahead);
    phi3v_result_fini(&stepped);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

/* -- Several answers --------------------------------------------------------------------------- */

/* Each answer is the one that its session gives alone, step by step and ahead of the host, whoever
 * ends before it. */
static void assert_side_by_side(int n, const struct phi3v_params *params)
{
    enum { MOST = 8 };
    static const char *const texts[MOST] = {"Which way?", "A long way to go from here, is it?",
                                            "Yes.",       "And then?",
                                            "For ever?",  "Any way you like?",
                                            "Stop.",      "Is this one the last of all?"};
    struct phi3v_job jobs[MOST] = {0};
    struct phi3v_result results[MOST];
    phi3v_prompt *prompts[MOST];
    for (int i = 0; i < n; i++) {
        prompts[i] = test_prompt(model, texts[i], NULL, 0);
        jobs[i] = test_job(test_session(model), prompts[i], &results[i]);
    }
    assert_int_equal(phi3v_generate_many(jobs, n, params, NULL, NULL, NULL), 0);
    for (int i = 0; i < n; i++) {
        struct phi3v_result *r = &results[i];
        phi3v_session *s = test_fresh_session(model);
        struct phi3v_result alone = answer_with(s, prompts[i], N_NEW, params, NULL, NULL);
        assert_int_equal(jobs[i].code, 0);
        assert_int_equal(r->n_ids, alone.n_ids);
        assert_memory_equal(r->ids, alone.ids, alone.n_ids * sizeof *alone.ids);
        assert_string_equal(r->text, alone.text);
        assert_int_equal(r->finish, alone.finish);
        if (i == 0) assert_holds_truth(jobs[i].session, jobs[i].prompt, r);
        phi3v_result_fini(&alone);
        phi3v_result_fini(r);
        phi3v_session_free(s);
        phi3v_session_free(jobs[i].session);
        phi3v_prompt_free(prompts[i]);
    }
}

static void side_by_side_are_as_alone(void **state)
{
    (void)state;
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = N_NEW;
    assert_side_by_side(3, &params);
    params.temperature = 1.5f;
    params.top_p = 0.95f;
    params.repetition_penalty = 1.3f;
    params.seed = 5;
    assert_side_by_side(2, &params);
    params.logprobs = 1; // drawn by the host from the same logits
    assert_side_by_side(2, &params);
}

/* One of eight is stopped in the middle by what it says. */
static void one_of_many_ends_early(void **state)
{
    (void)state;
    struct phi3v_params params;
    phi3v_prompt *prompt = test_prompt(model, "And then?", NULL, 0);
    phi3v_session *s = session_with(prompt);
    struct until fourth = {.n = 4};
    struct phi3v_result begun = answer(s, prompt, true, NULL, count_text, &fourth);
    const char *stop[] = {fourth.text, NULL};
    phi3v_params_default(&params);
    params.max_new_tokens = N_NEW;
    params.stop = stop;
    assert_side_by_side(8, &params);
    phi3v_result_fini(&begun);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

enum { N_GROUPED = 11, FAILS_AT = 3 };

static int n_small_groups; // asked for so far

/* The backend's own, until a group that is not full asks for the n-th time. */
static int failing(struct backend_state *s, const struct decode_seq *seqs, int n, int n_steps,
                   backend_id_fn on_id, void *user, struct phi3v_error *err)
{
    if (n < BACKEND_STEP_SEQS && ++n_small_groups == FAILS_AT) {
        *err = (struct phi3v_error){PHI3V_E_DEVICE, "this group fails"};
        return err->code;
    }
    return whole_table->decode(s, seqs, n, n_steps, on_id, user, err);
}

/* More answers than a step holds: those of the group that fails end with its error, those of the
 * other one are complete. */
static void a_group_fails_alone(void **state)
{
    (void)state;
    struct phi3v_job jobs[N_GROUPED] = {0};
    struct phi3v_result results[N_GROUPED];
    struct phi3v_params params;
    struct backend_table table = *(whole_table = model->backend->table);
    phi3v_prompt *prompt = test_prompt(model, "And then?", NULL, 0);
    phi3v_params_default(&params);
    params.max_new_tokens = N_NEW;
    phi3v_session *s = test_session(model);
    struct phi3v_result alone = answer_with(s, prompt, N_NEW, &params, NULL, NULL);
    for (int i = 0; i < N_GROUPED; i++)
        jobs[i] = test_job(test_session(model), prompt, &results[i]);
    table.decode = failing;
    n_small_groups = 0;
    model->backend->table = &table;
    int rc = phi3v_generate_many(jobs, N_GROUPED, &params, NULL, NULL, NULL);
    model->backend->table = whole_table;
    assert_int_equal(rc, 0);
    for (int i = 0; i < N_GROUPED; i++) {
        bool fails = i >= BACKEND_STEP_SEQS;
        assert_int_equal(jobs[i].code, fails ? PHI3V_E_DEVICE : 0);
        if (fails) assert_string_equal(jobs[i].error.text, "this group fails");
        assert_int_equal(results[i].n_ids, fails ? 0 : N_NEW);
        if (!fails) assert_begins(&results[i], &alone);
        phi3v_result_fini(&results[i]);
        phi3v_session_free(jobs[i].session);
    }
    phi3v_result_fini(&alone);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

/* -- Memory ------------------------------------------------------------------------------------ */

static int cancel_at_once(const struct phi3v_event *event, void *user)
{
    return event->type == PHI3V_EVENT_TEXT || *(bool *)user;
}

/* What is left of the GPU's memory, what the library has of the host's, and what the process has
 * of it. */
struct memory {
    size_t gpu_free, in_use, resident;
};

static struct memory memory_now(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    struct memory m = {.gpu_free = model->backend->table->kv_budget(model->backend),
                       .in_use = mem_in_use_bytes()};
    if (f && fscanf(f, "%*d %ld", &pages) == 1)
        m.resident = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
    if (f) fclose(f);
    return m;
}

/* A session that is cancelled in the prompt, and then in the answer. */
static void cancel_twice(const phi3v_prompt *prompt)
{
    phi3v_session *s = test_session(model);
    for (int i = 0; i < 2; i++) {
        bool early = i == 0;
        struct phi3v_result r = {.size = sizeof r};
        int rc = phi3v_generate(s, prompt, NULL, cancel_at_once, &early, &r, NULL);
        assert_true(rc == 0 || rc == PHI3V_E_CANCELLED);
        phi3v_result_fini(&r);
    }
    phi3v_session_free(s);
}

/* PHI3V_TEST_CYCLES of them, in tenths that are compared with the first. By then there is what is
 * kept: the pool's slab, the driver's and the allocator's own. The GPU has as much free at the end
 * of each as before, the library has as much of the host, and the process about as much, which an
 * emulated GPU's memory is a part of. */
static void cycles_leak_nothing(void **state)
{
    (void)state;
    const size_t mood_bytes = (size_t)(bytes_in_use ? 128 : 16) << 20;
    const char *text = getenv("PHI3V_TEST_CYCLES");
    int n = text ? atoi(text) : 20, part = n < 20 ? 1 : n / 20; // sessions: two cycles each
    struct memory before = {0}, now;
    size_t in_use = 0;
    phi3v_prompt *prompt = test_prompt(model, "Stop.", NULL, 0);
    for (int i = 1; i <= n / 2; i++) {
        cancel_twice(prompt);
        if (i % part) continue;
        now = memory_now();
        print_message("# %d cycles: free on the GPU %zu bytes, resident %zu KiB\n", 2 * i,
                      now.gpu_free, now.resident / 1024);
        if (i == part) before = now;
        if (i == part && bytes_in_use) in_use = bytes_in_use();
        assert_true(now.gpu_free > 0);
        assert_int_equal(now.gpu_free, before.gpu_free);
        assert_int_equal(now.in_use, before.in_use);
        assert_true(now.resident < before.resident + mood_bytes);
        if (bytes_in_use) assert_int_equal(bytes_in_use(), in_use);
    }
    phi3v_prompt_free(prompt);
}

/* Everything that a person does, until the GPU has no memory: an error with a sentence, never a
 * crash, and all memory given back. */
static int use_once(struct phi3v_error *err)
{
    phi3v_model *m = NULL;
    phi3v_session *s = NULL;
    struct phi3v_model_options opt;
    phi3v_model_options_default(&opt);
    opt.device = "cuda";
    char *path = test_model_path("tiny-long-bf16");
    int rc = phi3v_model_open(path, &opt, &m, err);
    free(path);
    if (!rc) rc = phi3v_session_new(m, &s, err);
    if (!rc) {
        struct phi3v_params params;
        struct phi3v_result r = {.size = sizeof r};
        phi3v_params_default(&params);
        params.max_new_tokens = 2;
        phi3v_prompt *prompt = test_prompt(m, "Room?", NULL, 0);
        rc = phi3v_generate(s, prompt, &params, NULL, NULL, &r, err);
        phi3v_result_fini(&r);
        phi3v_prompt_free(prompt);
    }
    phi3v_session_free(s);
    phi3v_model_close(m);
    return rc;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    if (!fail_at) skip();
    size_t before = bytes_in_use();
    int n = 1;
    for (; n < MOST_ALLOCATIONS; n++) {
        struct phi3v_error err = {0};
        fail_at(n);
        int rc = use_once(&err);
        fail_at(0);
        assert_int_equal(bytes_in_use(), before);
        if (rc == 0) break; // there were fewer
        assert_int_equal(rc, PHI3V_E_MEMORY);
        assert_non_null(strstr(err.text, "memory"));
    }
    assert_in_range(n, 5, MOST_ALLOCATIONS - 1);
}

/* session_test [NAME]: all tests, or the one named. */
int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_ahead_choose_the_same),
        cmocka_unit_test(steps_ahead_draw_the_same),
        cmocka_unit_test(logprobs_come_with_the_same_tokens),
        cmocka_unit_test(a_cancel_takes_one_step),
        cmocka_unit_test(a_stop_throws_away_what_ran_ahead),
        cmocka_unit_test(side_by_side_are_as_alone),
        cmocka_unit_test(one_of_many_ends_early),
        cmocka_unit_test(a_group_fails_alone),
        cmocka_unit_test(cycles_leak_nothing),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}

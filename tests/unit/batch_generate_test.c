/* SPDX-License-Identifier: MIT
 * Several answers at once are, on the CPU bit for bit, those that each session gives alone: of
 * prompts of any length, with pictures, across the switch of rope factors, greedy and drawn; and
 * what fails or stops one does not touch the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_fixture.h"

enum { N = 4, N_NEW = 24 };

struct group {
    phi3v_model *model;
    struct phi3v_job jobs[N];
    struct phi3v_result results[N];
    phi3v_prompt *prompts[N];
    phi3v_session *sessions[N], *alone;
    struct phi3v_params params;
    char heard[N][4096]; // text of the events
    int n_texts[N], n_ends[N];
    int stop_job, stop_after; // the callback refuses this job's n-th text
};

static void set_up(struct group *g, const char *model, const char *const *texts, int64_t ctx)
{
    *g = (struct group){.model = test_model(model, 2, ctx), .stop_job = -1};
    phi3v_params_default(&g->params);
    g->params.max_new_tokens = N_NEW;
    g->alone = test_fresh_session(g->model);
    for (int i = 0; i < N; i++) {
        g->sessions[i] = test_session(g->model);
        g->prompts[i] = test_prompt(g->model, texts[i], NULL, 0);
        g->jobs[i] = test_job(g->sessions[i], g->prompts[i], &g->results[i]);
    }
}

static void tear_down(struct group *g)
{
    for (int i = 0; i < N; i++) {
        phi3v_session_free(g->sessions[i]);
        phi3v_prompt_free(g->prompts[i]);
    }
    phi3v_session_free(g->alone);
    phi3v_model_close(g->model);
}

static int hear(const struct phi3v_event *event, int job, void *user)
{
    struct group *g = user;
    assert_in_range(job, 0, N - 1);
    assert_int_equal(g->n_ends[job], 0); // nothing behind the end
    if (event->type == PHI3V_EVENT_END) g->n_ends[job]++;
    if (event->type != PHI3V_EVENT_TEXT) return 0;
    strncat(g->heard[job], event->text, event->n_text_bytes);
    return ++g->n_texts[job] == g->stop_after && job == g->stop_job;
}

static void run(struct group *g)
{
    struct phi3v_error err;
    if (phi3v_generate_many(g->jobs, N, &g->params, hear, g, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < N; i++) assert_int_equal(g->n_ends[i], 1);
}

/* The job's answer, or as much of it as there is, is the one of a session by itself. */
static void assert_as_alone(struct group *g, int i)
{
    struct phi3v_result r = {.size = sizeof r}, *got = &g->results[i];
    assert_int_equal(g->jobs[i].code, 0);
    assert_int_equal(phi3v_generate(g->alone, g->prompts[i], &g->params, NULL, NULL, &r, NULL), 0);
    assert_true(got->n_ids <= r.n_ids);
    assert_memory_equal(got->ids, r.ids, got->n_ids * sizeof *r.ids);
    if (got->finish != PHI3V_FINISH_INTERRUPTED) {
        assert_int_equal(got->n_ids, r.n_ids);
        assert_int_equal(got->n_answer_ids, r.n_answer_ids);
        assert_int_equal(got->finish, r.finish);
        assert_string_equal(got->text, r.text);
        assert_string_equal(g->heard[i], r.text);
        phi3v_prompt *grown = test_extended(g->model, g->prompts[i], r.ids, r.n_ids);
        assert_true(test_same_logits(g->sessions[i], g->alone, grown));
        phi3v_prompt_free(grown);
    }
    phi3v_result_fini(&r);
    phi3v_result_fini(got);
}

static const char *const some_texts[N] = {"One.", "A long way to go from here?", "And then?",
                                          "Which of these is the copper river, and why?"};

static void each_is_as_alone(void **state)
{
    (void)state;
    struct group g;
    set_up(&g, "tiny-gqa-bf16", some_texts, 0);
    phi3v_image *image = test_image(5, 60);
    phi3v_prompt_free(g.prompts[1]);
    g.jobs[1].prompt = g.prompts[1] = test_prompt(g.model, "<|image_1|>\nThis?", &image, 1);
    run(&g);
    for (int i = 0; i < N; i++) assert_as_alone(&g, i);
    phi3v_image_free(image);
    tear_down(&g);
}

static void drawn_ones_too(void **state)
{
    (void)state;
    struct group g;
    set_up(&g, "tiny-gqa-bf16", some_texts, 0);
    g.params.temperature = 1.2f;
    g.params.top_p = 0.9f;
    g.params.repetition_penalty = 1.2f;
    g.params.seed = 7;
    run(&g);
    for (int i = 0; i < N; i++) assert_as_alone(&g, i);
    tear_down(&g);
}

/* One of them crosses into the long factors while the others go on. */
static void across_the_switch(void **state)
{
    (void)state;
    struct group g;
    set_up(&g, "tiny-long-bf16", some_texts, 0);
    size_t n;
    const int32_t *ids = phi3v_prompt_ids(g.prompts[2], &n);
    int32_t filling[256];
    assert_true(n < 240);
    for (size_t i = 0; i < 256; i++) filling[i] = ids[i % n] < 0 ? 1 : ids[i % n];
    phi3v_prompt *longer = test_extended(g.model, g.prompts[2], filling, 250 - n);
    phi3v_prompt_free(g.prompts[2]);
    g.jobs[2].prompt = g.prompts[2] = longer;
    run(&g);
    assert_true(g.results[2].timing.prefill_tokens > 256); // the sequence once more
    for (int i = 0; i < N; i++) assert_as_alone(&g, i);
    tear_down(&g);
}

/* -- A shared beginning ------------------------------------------------------------------------ */

enum { N_WORDS = 100 };

/* n times the same word, and an end of its own. */
static char *long_text(int n, const char *end)
{
    char *text = calloc(1, 20 * N_WORDS);
    assert_true(n <= N_WORDS);
    for (int i = 0; i < n; i++) strcat(text, "river ");
    return strcat(text, end);
}

static void set_up_shared(struct group *g, const char *model)
{
    char *texts[N];
    for (int i = 0; i < N; i++) texts[i] = long_text(N_WORDS, some_texts[i]);
    set_up(g, model, (const char *const *)texts, 0);
    for (int i = 0; i < N; i++) free(texts[i]);
}

static void computed_once(void **state)
{
    (void)state;
    struct group g;
    set_up_shared(&g, "tiny-gqa-bf16");
    run(&g);
    assert_int_equal(g.results[0].timing.cached_tokens, 0);
    for (int i = 1; i < N; i++) assert_int_equal(g.results[i].timing.cached_tokens, 64);
    /* One goes another way in the middle of what is shared; the others do not notice. */
    char *text = long_text(N_WORDS / 4, "then the sea.");
    phi3v_prompt *other = test_prompt(g.model, text, NULL, 0);
    free(text);
    assert_in_range(phi3v_session_common(g.sessions[1], other), N_WORDS / 4, 63);
    assert_true(test_same_logits(g.sessions[1], g.alone, other));
    assert_true(test_same_logits(g.sessions[0], g.alone, other));
    phi3v_prompt_free(other);
    phi3v_session_free(g.sessions[2]);
    g.sessions[2] = test_session(g.model);
    for (int i = 0; i < N; i++) assert_as_alone(&g, i);
    tear_down(&g);
}

/* All cross, and compute by themselves what they had shared. */
static void until_the_switch(void **state)
{
    (void)state;
    struct group g;
    set_up_shared(&g, "tiny-long-bf16");
    g.params.max_new_tokens = 170;
    run(&g);
    for (int i = 0; i < N; i++) {
        if (i > 0) assert_true(g.results[i].timing.cached_tokens > 0);
        assert_true(g.results[i].timing.prefill_tokens > 256);
        assert_as_alone(&g, i);
    }
    tear_down(&g);
}

/* -- Alone among others ------------------------------------------------------------------------ */

static void one_that_fails_stands_alone(void **state)
{
    (void)state;
    struct group g;
    set_up(&g, "tiny-gqa-bf16", some_texts, 128);
    int32_t filling[200] = {0};
    phi3v_prompt *longer = test_extended(g.model, g.prompts[0], filling, 200);
    phi3v_prompt_free(g.prompts[0]);
    g.jobs[0].prompt = g.prompts[0] = longer;
    run(&g);
    assert_int_equal(g.jobs[0].code, PHI3V_E_TOO_LONG);
    assert_non_null(strstr(g.jobs[0].error.text, "more than fit the context"));
    for (int i = 1; i < N; i++) assert_as_alone(&g, i);
    tear_down(&g);
}

static void one_that_is_stopped_too(void **state)
{
    (void)state;
    struct group g;
    set_up(&g, "tiny-gqa-bf16", some_texts, 0);
    g.stop_job = 1;
    g.stop_after = 3;
    run(&g);
    assert_int_equal(g.results[1].finish, PHI3V_FINISH_INTERRUPTED);
    assert_true(g.results[1].n_ids < N_NEW);
    for (int i = 0; i < N; i++) assert_as_alone(&g, i);
    tear_down(&g);
}

static void wrong_arguments(void **state)
{
    (void)state;
    struct group g;
    struct phi3v_error err;
    set_up(&g, "tiny-gqa-bf16", some_texts, 0);
    assert_int_equal(phi3v_generate_many(g.jobs, 0, NULL, NULL, NULL, &err), PHI3V_E_ARGUMENT);
    g.jobs[3].session = g.jobs[1].session;
    assert_int_equal(phi3v_generate_many(g.jobs, N, NULL, NULL, NULL, &err), PHI3V_E_ARGUMENT);
    assert_string_equal(err.text, "jobs 1 and 3 share a session");
    g.jobs[3].session = NULL;
    assert_int_equal(phi3v_generate_many(g.jobs, N, NULL, NULL, NULL, &err), PHI3V_E_ARGUMENT);
    g.jobs[3].session = g.sessions[3];
    g.results[2].size = 0;
    assert_int_equal(phi3v_generate_many(g.jobs, N, NULL, NULL, NULL, &err), PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "size"));
    g.results[2].size = sizeof *g.results;
    g.jobs[1].size = 0;
    assert_int_equal(phi3v_generate_many(g.jobs, N, NULL, NULL, NULL, &err), PHI3V_E_ARGUMENT);
    assert_string_equal(err.text, "job 1: size is not that of the struct");
    tear_down(&g);
}

/* Jobs and results of a caller whose structs have grown, and one who wants no result. */
static void structs_may_grow(void **state)
{
    (void)state;
    struct group g;
    set_up(&g, "tiny-gqa-bf16", some_texts, 0);
    struct grown_result {
        struct phi3v_result known;
        size_t more;
    } results[2] = {{.known.size = sizeof *results, .more = 7}};
    struct grown_job {
        struct phi3v_job known;
        size_t more;
    } jobs[2];
    for (int i = 0; i < 2; i++)
        jobs[i] = (struct grown_job){.known = {.size = sizeof *jobs,
                                               .session = g.sessions[i],
                                               .prompt = g.prompts[i],
                                               .result = i == 0 ? &results[0].known : NULL},
                                     .more = 9};
    assert_int_equal(phi3v_generate_many(&jobs[0].known, 2, &g.params, hear, &g, NULL), 0);
    assert_int_equal(jobs[0].more, 9);    // input that is not known here is not touched,
    assert_int_equal(results[0].more, 0); // output is empty
    assert_int_equal(results[0].known.size, sizeof *results);
    assert_int_equal(jobs[1].known.code, 0);
    g.results[0] = results[0].known;
    assert_as_alone(&g, 0);
    tear_down(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_as_alone),        cmocka_unit_test(drawn_ones_too),
        cmocka_unit_test(across_the_switch),       cmocka_unit_test(computed_once),
        cmocka_unit_test(until_the_switch),        cmocka_unit_test(one_that_fails_stands_alone),
        cmocka_unit_test(one_that_is_stopped_too), cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(structs_may_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

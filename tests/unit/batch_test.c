/* SPDX-License-Identifier: MIT
 * Jobs that join a batch and leave it at any time: each answers as its session would alone, with its
 * own params, whoever comes, goes, waits or is stopped beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_fixture.h"

enum { N_JOBS = 12, N_SLOTS = 3, PIECE = 256 };

struct visit {
    struct phi3v_job job;
    struct phi3v_result result;
    struct phi3v_params params;
    phi3v_session *session;
    phi3v_prompt *prompt;
    int n_texts, n_ends, n_progress;
    int stop_after; // texts; 0: never
};

struct visits {
    phi3v_model *model;
    phi3v_session *alone;
    phi3v_batch *batch;
    phi3v_image *image;
    struct visit v[N_JOBS];
};

static int hear(const struct phi3v_event *event, void *user)
{
    struct visit *v = user;
    assert_int_equal(v->n_ends, 0); // nothing behind the end
    if (event->type == PHI3V_EVENT_END) v->n_ends++;
    if (event->type == PHI3V_EVENT_PROGRESS && event->stage == PHI3V_STAGE_PREFILL) v->n_progress++;
    if (event->type != PHI3V_EVENT_TEXT) return 0;
    return ++v->n_texts == v->stop_after;
}

/* A question as long as its number says, every third with the picture. */
static phi3v_prompt *prompt_of(struct visits *g, int i, int n_words)
{
    char *text = calloc(1, (size_t)n_words * 8 + 64);
    if (i % 3 == 0) strcat(text, "<|image_1|>\n");
    for (int k = 0; k < n_words; k++) strcat(text, k % 7 == i % 7 ? "sea " : "river ");
    phi3v_prompt *prompt = test_prompt(g->model, text, &g->image, i % 3 == 0);
    free(text);
    return prompt;
}

static void set_up(struct visits *g, int n_words)
{
    *g = (struct visits){.model = test_model("tiny-gqa-bf16", 2, 0)};
    g->alone = test_fresh_session(g->model);
    g->image = test_image(5, 60);
    assert_int_equal(phi3v_batch_new(g->model, N_SLOTS, &g->batch, NULL), 0);
    for (int i = 0; i < N_JOBS; i++) {
        struct visit *v = &g->v[i];
        v->session = test_session(g->model);
        v->prompt = prompt_of(g, i, 3 + n_words * (i % 4));
        v->job = test_job(v->session, v->prompt, &v->result);
        phi3v_params_default(&v->params);
        v->params.max_new_tokens = 4 + 5 * i;
        v->params.temperature = i % 2 ? 0.9f : 0;
        v->params.seed = (uint64_t)i;
        v->params.logprobs = i % 5 == 0 ? 3 : 0;
    }
}

static void tear_down(struct visits *g)
{
    phi3v_batch_free(g->batch);
    for (int i = 0; i < N_JOBS; i++) {
        phi3v_result_fini(&g->v[i].result);
        phi3v_session_free(g->v[i].session);
        phi3v_prompt_free(g->v[i].prompt);
    }
    phi3v_session_free(g->alone);
    phi3v_image_free(g->image);
    phi3v_model_close(g->model);
}

static void join(struct visits *g, int i)
{
    struct visit *v = &g->v[i];
    struct phi3v_error err;
    if (phi3v_batch_join(g->batch, &v->job, &v->params, hear, v, &err)) fail_msg("%s", err.text);
}

static void assert_as_alone(struct visits *g, int i)
{
    struct visit *v = &g->v[i];
    struct phi3v_result r = {.size = sizeof r};
    assert_int_equal(v->n_ends, 1);
    assert_int_equal(v->job.code, 0);
    assert_int_equal(phi3v_generate(g->alone, v->prompt, &v->params, NULL, NULL, &r, NULL), 0);
    assert_true(v->result.n_ids <= r.n_ids);
    assert_memory_equal(v->result.ids, r.ids, v->result.n_ids * sizeof *r.ids);
    if (v->params.logprobs)
        assert_memory_equal(v->result.logprobs, r.logprobs, v->result.n_ids * sizeof(float));
    if (v->result.finish != PHI3V_FINISH_INTERRUPTED) {
        assert_string_equal(v->result.text, r.text);
        assert_int_equal(v->result.finish, r.finish);
    }
    phi3v_result_fini(&r);
}

/* A new one whenever there is a place, or a while later. */
static void they_come_and_go(void **state)
{
    (void)state;
    struct visits g;
    set_up(&g, 5);
    int next = 0, left = 0;
    for (int round = 0; next < N_JOBS || left > 0; round++) {
        if (next < N_JOBS && left < N_SLOTS && round % 3 != 1) join(&g, next++);
        left = phi3v_batch_step(g.batch, 1);
        assert_in_range(left, 0, N_SLOTS);
    }
    for (int i = 0; i < N_JOBS; i++) assert_as_alone(&g, i);
    tear_down(&g);
}

/* A long prompt is read a piece a round, and meanwhile the others get their tokens. */
static void nobody_waits_for_a_long_prompt(void **state)
{
    (void)state;
    struct visits g;
    set_up(&g, 400);
    struct visit *first = &g.v[4], *late = &g.v[7];
    join(&g, 4);
    while (first->n_texts == 0) phi3v_batch_step(g.batch, 1);
    size_t n;
    phi3v_prompt_ids(late->prompt, &n);
    assert_true(n > 3 * PIECE);
    join(&g, 7);
    int before = first->n_texts, rounds = 0;
    for (; late->n_texts == 0; rounds++) phi3v_batch_step(g.batch, 1);
    assert_true(rounds > 3);
    assert_true(first->n_texts > before + 1);
    while (phi3v_batch_step(g.batch, 1) > 0) continue;
    assert_as_alone(&g, 4);
    assert_as_alone(&g, 7);
    tear_down(&g);
}

/* Stopped by its own callback, from outside while it waits, and while its prompt is read. */
static void stopped_ones_do_not_matter(void **state)
{
    (void)state;
    struct visits g;
    set_up(&g, 400);
    g.v[8].stop_after = 12;
    join(&g, 8);
    while (g.v[8].n_texts == 0) phi3v_batch_step(g.batch, 1);
    join(&g, 7);
    join(&g, 11);
    while (g.v[7].n_progress < 3) phi3v_batch_step(g.batch, 1);
    phi3v_session_cancel(g.v[7].session);
    phi3v_session_cancel(g.v[11].session);
    while (phi3v_batch_step(g.batch, 1) > 0) continue;
    assert_int_equal(g.v[7].job.code, PHI3V_E_CANCELLED);
    assert_int_equal(g.v[11].job.code, PHI3V_E_CANCELLED);
    assert_int_equal(g.v[8].result.finish, PHI3V_FINISH_INTERRUPTED);
    assert_as_alone(&g, 8);
    g.v[7].n_ends = 0; // what it has computed is of use when it comes again
    join(&g, 7);
    while (phi3v_batch_step(g.batch, 1) > 0) continue;
    assert_true(g.v[7].result.timing.cached_tokens >= PIECE);
    assert_as_alone(&g, 7);
    tear_down(&g);
}

static void freed_with_jobs_in_it(void **state)
{
    (void)state;
    struct visits g;
    set_up(&g, 400);
    join(&g, 8);
    while (g.v[8].n_texts < 2) phi3v_batch_step(g.batch, 1);
    join(&g, 7);
    phi3v_batch_step(g.batch, 1); // begun
    join(&g, 3);                  // not begun
    phi3v_batch_free(g.batch);
    g.batch = NULL;
    assert_int_equal(g.v[8].result.finish, PHI3V_FINISH_INTERRUPTED);
    assert_as_alone(&g, 8);
    assert_int_equal(g.v[7].n_ends, 1);
    assert_int_equal(g.v[7].job.code, PHI3V_E_CANCELLED);
    assert_int_equal(g.v[3].job.code, PHI3V_E_CANCELLED);
    tear_down(&g);
}

static void wrong_arguments(void **state)
{
    (void)state;
    struct visits g;
    struct phi3v_error err;
    phi3v_batch *none;
    set_up(&g, 1);
    assert_int_equal(phi3v_batch_new(g.model, 0, &none, &err), PHI3V_E_ARGUMENT);
    for (int i = 0; i < N_SLOTS; i++) join(&g, i);
    struct visit *more = &g.v[N_SLOTS];
    assert_int_equal(phi3v_batch_join(g.batch, &more->job, NULL, NULL, NULL, &err),
                     PHI3V_E_ARGUMENT);
    assert_string_equal(err.text, "the batch has no free slot for another job");
    assert_int_equal(phi3v_batch_join(g.batch, &g.v[0].job, NULL, NULL, NULL, &err),
                     PHI3V_E_ARGUMENT);
    more->params.top_p = 7;
    assert_int_equal(phi3v_batch_join(g.batch, &more->job, &more->params, NULL, NULL, &err),
                     PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "top_p"));
    tear_down(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_come_and_go),
        cmocka_unit_test(nobody_waits_for_a_long_prompt),
        cmocka_unit_test(stopped_ones_do_not_matter),
        cmocka_unit_test(freed_with_jobs_in_it),
        cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

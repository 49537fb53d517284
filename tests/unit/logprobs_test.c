/* SPDX-License-Identifier: MIT
 * Log-probabilities of an answer's tokens are those of the logits behind the tokens before,
 * whatever chose the token; they come alike in events and in the result, alone and side by side. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/logprob.h"
#include "engine_fixture.h"

enum { N_VOCAB = 32064, N_NEW = 12, N_TOP = 5 };

/* -- From logits ------------------------------------------------------------------------------- */

static void equals_in_order_of_their_ids(void **state)
{
    (void)state;
    const float logits[] = {1, 3, -INFINITY, 3, 2, 3};
    struct phi3v_logprob top[6];
    double sum = exp(1) + 3 * exp(3) + exp(2), total = 0;
    assert_float_equal(logprob_of(logits, 6, NULL, 4, 6, top), 2 - log(sum), 1e-6);
    const int32_t order[] = {1, 3, 5, 4, 0, 2};
    for (int i = 0; i < 6; i++) assert_int_equal(top[i].id, order[i]);
    for (int i = 0; i < 6; i++) total += exp((double)top[i].logprob);
    assert_float_equal(total, 1, 1e-6);
    assert_true(isinf(top[5].logprob));
    assert_float_equal(logprob_of(logits, 6, NULL, 0, 1, top), 1 - log(sum), 1e-6);
    assert_int_equal(top[0].id, 1);
}

/* -- From answers ------------------------------------------------------------------------------ */

struct heard {
    int n;
    int32_t ids[N_NEW];
    float logprobs[N_NEW];
    struct phi3v_logprob top[N_NEW][N_TOP];
    size_t text_at[N_NEW]; // bytes of text heard before the token
    size_t n_text_bytes;
};

static int hear(const struct phi3v_event *event, void *user)
{
    struct heard *h = user;
    if (event->type == PHI3V_EVENT_TEXT) h->n_text_bytes += event->n_text_bytes;
    if (event->type != PHI3V_EVENT_TOKEN) return 0;
    assert_true(h->n < N_NEW);
    assert_int_equal(event->n_top, N_TOP);
    h->ids[h->n] = event->id;
    h->logprobs[h->n] = event->logprob;
    h->text_at[h->n] = h->n_text_bytes;
    memcpy(h->top[h->n++], event->top, sizeof h->top[0]);
    return 0;
}

static struct phi3v_params params_with(int logprobs)
{
    struct phi3v_params p;
    phi3v_params_default(&p);
    p.max_new_tokens = N_NEW;
    p.logprobs = logprobs;
    return p;
}

/* Computed here in another way, from the logits of a session of its own. */
static double expected(const float *logits, int32_t id)
{
    long double sum = 0;
    for (int i = 0; i < N_VOCAB; i++) sum += expl((long double)logits[i]);
    return (double)((long double)logits[id] - logl(sum));
}

static void check_position(const float *logits, const struct phi3v_result *r, size_t i)
{
    const struct phi3v_logprob *top = r->top + i * N_TOP;
    assert_float_equal(r->logprobs[i], expected(logits, r->ids[i]), 2e-6);
    for (int k = 0; k < N_TOP; k++)
        assert_float_equal(top[k].logprob, expected(logits, top[k].id), 2e-6);
    for (int k = 1; k < N_TOP; k++) assert_true(top[k - 1].logprob >= top[k].logprob);
    int n_above = 0;
    for (int id = 0; id < N_VOCAB; id++) n_above += logits[id] > logits[top[N_TOP - 1].id];
    assert_true(n_above < N_TOP);
}

static void check_answer(phi3v_model *model, const phi3v_prompt *prompt,
                         const struct phi3v_result *r)
{
    phi3v_session *fresh = test_fresh_session(model);
    assert_int_equal(r->n_top, N_TOP);
    for (size_t i = 0; i < r->n_ids; i++) {
        phi3v_prompt *grown = test_extended(model, prompt, r->ids, i);
        float *logits;
        assert_int_equal(phi3v_logits(fresh, grown, 0, NULL, NULL, &logits, NULL, NULL), 0);
        check_position(logits, r, i);
        phi3v_floats_free(logits);
        phi3v_prompt_free(grown);
    }
    phi3v_session_free(fresh);
}

static void check_events(const struct heard *h, const struct phi3v_result *r)
{
    assert_int_equal(h->n, r->n_ids);
    assert_memory_equal(h->ids, r->ids, r->n_ids * sizeof *r->ids);
    assert_memory_equal(h->logprobs, r->logprobs, r->n_ids * sizeof *r->logprobs);
    assert_memory_equal(h->top, r->top, r->n_ids * N_TOP * sizeof *r->top);
    assert_int_equal(r->text_ends[r->n_ids - 1], r->n_text_bytes);
    for (size_t i = 1; i < r->n_ids; i++) assert_true(h->text_at[i] <= r->text_ends[i - 1]);
}

static void ask(const char *name, const char *text, const struct phi3v_params *params)
{
    phi3v_model *model = test_model(name, 2, 0);
    phi3v_session *s = test_session(model);
    phi3v_prompt *prompt = test_prompt(model, text, NULL, 0);
    struct phi3v_result r = {.size = sizeof r};
    struct heard h = {0};
    assert_int_equal(phi3v_generate(s, prompt, params, hear, &h, &r, NULL), 0);
    check_answer(model, prompt, &r);
    check_events(&h, &r);
    phi3v_result_fini(&r);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
    phi3v_model_close(model);
}

static void greedy(void **state)
{
    (void)state;
    struct phi3v_params params = params_with(N_TOP);
    ask("tiny-gqa-bf16", "Tell me.", &params);
}

static void whatever_the_sampler_does(void **state)
{
    (void)state;
    struct phi3v_params params = params_with(N_TOP);
    params.temperature = 1.5f;
    params.repetition_penalty = 1.4f;
    params.top_k = 1000;
    params.top_p = 0.9f;
    params.min_p = 1e-6f;
    params.seed = 5;
    ask("tiny-gqa-bf16", "Tell me.", &params);
}

/* The 257th token has the whole sequence computed again. */
static void across_the_switch(void **state)
{
    (void)state;
    char text[2000] = "";
    for (int i = 0; i < 240; i++) strcat(text, "river ");
    phi3v_model *model = test_model("tiny-long-bf16", 1, 0);
    phi3v_prompt *prompt = test_prompt(model, text, NULL, 0);
    size_t n;
    phi3v_prompt_ids(prompt, &n);
    assert_in_range(n, 257 - N_NEW, 256);
    phi3v_prompt_free(prompt);
    phi3v_model_close(model);
    struct phi3v_params params = params_with(N_TOP);
    ask("tiny-long-bf16", text, &params);
}

static void only_when_asked_for(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 2, 0);
    phi3v_session *s = test_session(model);
    phi3v_prompt *prompt = test_prompt(model, "Tell me.", NULL, 0);
    struct phi3v_params params = params_with(0);
    struct phi3v_result r = {.size = sizeof r};
    struct heard h = {0};
    assert_int_equal(phi3v_generate(s, prompt, &params, hear, &h, &r, NULL), 0);
    assert_int_equal(h.n, 0);
    assert_null(r.logprobs);
    assert_null(r.top);
    assert_int_equal(r.n_top, 0);
    phi3v_result_fini(&r);
    struct phi3v_error err;
    for (int bad = -1; bad <= 101; bad += 102) {
        params = params_with(bad);
        assert_int_equal(phi3v_generate(s, prompt, &params, NULL, NULL, NULL, &err),
                         PHI3V_E_ARGUMENT);
        assert_non_null(strstr(err.text, "logprobs is "));
    }
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
    phi3v_model_close(model);
}

static void side_by_side(void **state)
{
    (void)state;
    static const char *const texts[] = {"One.", "A long way to go?", "And then?"};
    enum { N = 3 };
    phi3v_model *model = test_model("tiny-gqa-bf16", 2, 0);
    struct phi3v_job jobs[N];
    struct phi3v_result results[N];
    struct phi3v_params params = params_with(N_TOP);
    params.temperature = 0.8f;
    for (int i = 0; i < N; i++)
        jobs[i] = test_job(test_session(model), test_prompt(model, texts[i], NULL, 0), &results[i]);
    assert_int_equal(phi3v_generate_many(jobs, N, &params, NULL, NULL, NULL), 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(jobs[i].code, 0);
        check_answer(model, jobs[i].prompt, &results[i]);
        phi3v_result_fini(&results[i]);
        phi3v_prompt_free((phi3v_prompt *)jobs[i].prompt);
        phi3v_session_free(jobs[i].session);
    }
    phi3v_model_close(model);
}

/* A stop string cuts the text; the ends of the ids behind it lie at the cut. */
static void ends_lie_within_the_text(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 2, 0);
    phi3v_session *s = test_session(model);
    phi3v_prompt *prompt = test_prompt(model, "Tell me more.", NULL, 0);
    struct phi3v_result whole = test_answer(s, prompt, N_NEW);
    for (size_t at = 1; at + 4 < whole.n_text_bytes; at += 3) {
        while (((unsigned char)whole.text[at] & 0xc0) == 0x80) at++;
        char stop[5] = {0};
        memcpy(stop, whole.text + at, 4);
        const char *stops[] = {stop, NULL};
        struct phi3v_params params = params_with(0);
        params.stop = stops;
        struct phi3v_result r = {.size = sizeof r};
        assert_int_equal(phi3v_generate(s, prompt, &params, NULL, NULL, &r, NULL), 0);
        for (size_t i = 0; i < r.n_ids; i++) {
            assert_true(r.text_ends[i] <= r.n_text_bytes);
            if (i < r.n_answer_ids) assert_int_equal(r.text_ends[i], whole.text_ends[i]);
        }
        assert_int_equal(r.text_ends[r.n_ids - 1], r.n_text_bytes);
        phi3v_result_fini(&r);
    }
    phi3v_result_fini(&whole);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
    phi3v_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_in_order_of_their_ids), cmocka_unit_test(greedy),
        cmocka_unit_test(whatever_the_sampler_does),    cmocka_unit_test(across_the_switch),
        cmocka_unit_test(only_when_asked_for),          cmocka_unit_test(side_by_side),
        cmocka_unit_test(ends_lie_within_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

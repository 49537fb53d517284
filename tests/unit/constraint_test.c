/* SPDX-License-Identifier: MIT
 * Answers under a constraint: only what it allows is chosen, as the model ranks it; the numbers told
 * with it are those of the allowed tokens; one that allows everything changes nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_fixture.h"

enum { N_VOCAB = 32064, N_WORDS = N_VOCAB / 32, N_NEW = 16, N_TOP = 4, N = 3 };

/* Ids first, first + step, …; the answer may end behind end_after tokens. */
struct comb {
    int32_t first, step;
    int end_after, n_chosen;
    int32_t chosen[N_NEW];
};

static int allow(uint32_t *allowed, int n_vocab, void *user)
{
    const struct comb *c = user;
    assert_int_equal(n_vocab, N_VOCAB);
    for (int i = 0; i < N_WORDS; i++) assert_int_equal(allowed[i], 0);
    for (int32_t id = c->first; id < n_vocab && c->step > 0; id += c->step)
        allowed[id / 32] |= UINT32_C(1) << (id % 32);
    return c->n_chosen >= c->end_after;
}

static void chosen(int32_t id, void *user)
{
    struct comb *c = user;
    assert_true(c->n_chosen < N_NEW);
    c->chosen[c->n_chosen++] = id;
}

static struct phi3v_constraint constraint_of(struct comb *c)
{
    return (struct phi3v_constraint){
        .size = sizeof(struct phi3v_constraint), .allow = allow, .chosen = chosen, .user = c};
}

static struct phi3v_params params_with(float temperature)
{
    struct phi3v_params p;
    phi3v_params_default(&p);
    p.max_new_tokens = N_NEW;
    p.logprobs = N_TOP;
    p.temperature = temperature;
    p.seed = 11;
    return p;
}

struct asked {
    phi3v_model *model;
    phi3v_session *session;
    phi3v_prompt *prompt;
};

static struct asked begin(void)
{
    struct asked a = {.model = test_model("tiny-gqa-bf16", 2, 0)};
    a.session = test_session(a.model);
    a.prompt = test_prompt(a.model, "Tell me of the river.", NULL, 0);
    return a;
}

static void end(struct asked *a)
{
    phi3v_prompt_free(a->prompt);
    phi3v_session_free(a->session);
    phi3v_model_close(a->model);
}

static struct phi3v_result answer(struct asked *a, struct phi3v_params p, struct comb *c)
{
    struct phi3v_result r = {.size = sizeof r};
    struct phi3v_constraint constraint = constraint_of(c ? c : &(struct comb){0});
    struct phi3v_error err;
    p.constraint = c ? &constraint : NULL;
    if (phi3v_generate(a->session, a->prompt, &p, NULL, NULL, &r, &err)) fail_msg("%s", err.text);
    return r;
}

static void assert_same(const struct phi3v_result *a, const struct phi3v_result *b)
{
    assert_int_equal(a->n_ids, b->n_ids);
    assert_int_equal(a->finish, b->finish);
    assert_memory_equal(a->ids, b->ids, a->n_ids * sizeof *a->ids);
    assert_memory_equal(a->logprobs, b->logprobs, a->n_ids * sizeof *a->logprobs);
    assert_memory_equal(a->top, b->top, a->n_ids * N_TOP * sizeof *a->top);
}

/* Bit for bit: ids, how the answer ends, log-probabilities. */
static void all_allowed_changes_nothing(void **state)
{
    (void)state;
    struct asked a = begin();
    for (int t = 0; t < 2; t++) {
        struct phi3v_params p = params_with(t ? 1.1f : 0);
        if (t) p.top_k = 300, p.top_p = 0.95f, p.min_p = 1e-5f, p.repetition_penalty = 1.2f;
        struct comb every = {.step = 1};
        struct phi3v_result free_one = answer(&a, p, NULL), bound = answer(&a, p, &every);
        assert_same(&free_one, &bound);
        assert_int_equal(every.n_chosen, bound.n_ids);
        assert_memory_equal(every.chosen, bound.ids, bound.n_ids * sizeof *bound.ids);
        phi3v_result_fini(&free_one);
        phi3v_result_fini(&bound);
    }
    end(&a);
}

/* Greedy: the likeliest of the allowed ids, with its share among them. */
static void the_likeliest_of_what_is_allowed(void **state)
{
    (void)state;
    struct asked a = begin();
    struct comb c = {.first = 500, .step = 1501, .end_after = N_NEW};
    struct phi3v_result r = answer(&a, params_with(0), &c);
    assert_int_equal(r.n_ids, N_NEW);
    assert_int_equal(r.finish, PHI3V_FINISH_LENGTH);
    for (size_t i = 0; i < r.n_ids; i++) {
        phi3v_prompt *grown = test_extended(a.model, a.prompt, r.ids, i);
        float *logits;
        assert_int_equal(phi3v_logits(a.session, grown, 0, NULL, NULL, &logits, NULL, NULL), 0);
        int32_t best = c.first;
        long double sum = 0;
        for (int32_t id = c.first; id < N_VOCAB; id += c.step) {
            if (logits[id] > logits[best]) best = id;
            sum += expl((long double)logits[id]);
        }
        assert_int_equal(r.ids[i], best);
        assert_float_equal(r.logprobs[i], (double)((long double)logits[best] - logl(sum)), 2e-6);
        for (int k = 0; k < N_TOP; k++)
            assert_int_equal((r.top[i * N_TOP + (size_t)k].id - c.first) % c.step, 0);
        phi3v_floats_free(logits);
        phi3v_prompt_free(grown);
    }
    phi3v_result_fini(&r);
    end(&a);
}

/* Drawn from a handful, also where top_k and top_p would keep more than there are. */
static void drawn_ones_are_allowed(void **state)
{
    (void)state;
    struct asked a = begin();
    for (int top_k = 0; top_k <= 50; top_k += 25) {
        struct phi3v_params p = params_with(50);
        p.top_k = top_k;
        p.top_p = 0.99f;
        struct comb c = {.first = 1000, .step = 15000, .end_after = N_NEW};
        struct phi3v_result r = answer(&a, p, &c);
        assert_int_equal(r.n_ids, N_NEW);
        for (size_t i = 0; i < r.n_ids; i++) {
            assert_int_equal((r.ids[i] - c.first) % c.step, 0);
            const struct phi3v_logprob *top = r.top + i * N_TOP; // of three
            double total = 0;
            for (int k = 0; k < 3; k++) total += exp((double)top[k].logprob);
            assert_float_equal(total, 1, 1e-5);
            assert_int_equal(top[3].id, -1);
            assert_true(isinf(top[3].logprob));
        }
        phi3v_result_fini(&r);
    }
    end(&a);
}

/* Only stop tokens are left, or none at all. */
static void ends_when_it_may(void **state)
{
    (void)state;
    struct asked a = begin();
    struct comb c = {.step = 0, .end_after = 0};
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct phi3v_params drawn =
            params_with(50); // of all stop tokens but </s>, which has a text
        drawn.seed = seed;
        c.n_chosen = 0;
        struct phi3v_result r = answer(&a, drawn, &c);
        assert_int_equal(r.finish, PHI3V_FINISH_STOP);
        assert_int_equal(r.n_ids, 1);
        assert_int_equal(r.n_answer_ids, 0);
        assert_int_equal(r.n_text_bytes, 0);
        phi3v_result_fini(&r);
    }
    c = (struct comb){.step = 0, .end_after = 1};
    struct phi3v_constraint constraint = constraint_of(&c);
    struct phi3v_params p = params_with(0);
    struct phi3v_error err;
    p.constraint = &constraint;
    assert_int_equal(phi3v_generate(a.session, a.prompt, &p, NULL, NULL, NULL, &err),
                     PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "allows no token"));
    end(&a);
}

/* Each job has its own, or none, and its answer is the one it gives alone. */
static void side_by_side(void **state)
{
    (void)state;
    static const char *const texts[N] = {"One.", "A long way to go?", "And then?"};
    struct asked a = begin();
    struct phi3v_params p = params_with(0.9f);
    struct comb combs[N] = {{.first = 7, .step = 11, .end_after = 5}, {0}, {.step = 97}};
    struct phi3v_constraint constraints[N];
    struct phi3v_result results[N];
    struct phi3v_job jobs[N];
    for (int i = 0; i < N; i++) {
        constraints[i] = constraint_of(&combs[i]);
        jobs[i] =
            test_job(test_session(a.model), test_prompt(a.model, texts[i], NULL, 0), &results[i]);
        jobs[i].constraint = i == 1 ? NULL : &constraints[i];
    }
    assert_int_equal(phi3v_generate_many(jobs, N, &p, NULL, NULL, NULL), 0);
    for (int i = 0; i < N; i++) {
        struct asked alone = {a.model, a.session, (phi3v_prompt *)jobs[i].prompt};
        struct comb again = combs[i];
        again.n_chosen = 0;
        assert_int_equal(jobs[i].code, 0);
        struct phi3v_result r = answer(&alone, p, i == 1 ? NULL : &again);
        assert_same(&r, &results[i]);
        phi3v_result_fini(&r);
        phi3v_result_fini(&results[i]);
        phi3v_prompt_free(alone.prompt);
        phi3v_session_free(jobs[i].session);
    }
    end(&a);
}

static void wrong_arguments(void **state)
{
    (void)state;
    struct asked a = begin();
    struct comb c = {.step = 1};
    struct phi3v_constraint constraint = constraint_of(&c);
    struct phi3v_params p = params_with(0);
    struct phi3v_error err;
    struct phi3v_result r;
    struct phi3v_job job = test_job(a.session, a.prompt, &r);
    p.constraint = &constraint;
    assert_int_equal(phi3v_generate_many(&job, 1, &p, NULL, NULL, &err), PHI3V_E_ARGUMENT);
    assert_string_equal(err.text, "put a job's constraint in the job, not in params");
    constraint.allow = NULL;
    assert_int_equal(phi3v_generate(a.session, a.prompt, &p, NULL, NULL, NULL, &err),
                     PHI3V_E_ARGUMENT);
    constraint.size = 0;
    assert_int_equal(phi3v_generate(a.session, a.prompt, &p, NULL, NULL, NULL, &err),
                     PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "size"));
    job.constraint = &constraint;
    p.constraint = NULL;
    assert_int_equal(phi3v_generate_many(&job, 1, &p, NULL, NULL, &err), PHI3V_E_ARGUMENT);
    end(&a);
}

/* What each token adds is what the detokeniser makes of all of them, but for a leading space. */
static void tokens_bytes(void **state)
{
    (void)state;
    static const char text[] = "The river\nis \xe6\xb2\xb3, \xf0\x9f\x8c\x8a{\"a\": [1,  2]}";
    struct asked a = begin();
    int32_t *ids;
    size_t n, at = 0;
    char all[200];
    assert_int_equal(phi3v_tokenize(a.model, text, strlen(text), 1, 0, &ids, &n, NULL), 0);
    assert_int_equal(phi3v_token_bytes(a.model, ids[0], all, sizeof all), 0); // <s>
    for (size_t i = 0; i < n; i++) at += phi3v_token_bytes(a.model, ids[i], all + at, 20);
    all[at] = 0;
    assert_int_equal(all[0], ' ');
    assert_string_equal(all + 1, text);
    assert_true(phi3v_token_bytes(a.model, ids[1], all, 1) > 1); // not written, but counted
    assert_int_equal(phi3v_token_bytes(a.model, -1, all, 20), 0);
    assert_int_equal(phi3v_token_bytes(a.model, 1 << 30, all, 20), 0);
    phi3v_ids_free(ids);
    end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_allowed_changes_nothing),
        cmocka_unit_test(the_likeliest_of_what_is_allowed),
        cmocka_unit_test(drawn_ones_are_allowed),
        cmocka_unit_test(ends_when_it_may),
        cmocka_unit_test(side_by_side),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(tokens_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

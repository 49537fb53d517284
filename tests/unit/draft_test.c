/* SPDX-License-Identifier: MIT
 * A draft changes nothing but the time: with any draft, right, wrong, shifted or senseless, an answer has the ids, the
 * text, the log-probabilities and the reason to end that it has without, and leaves the same session behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "level.h"

enum { N_NEW = 60, N_DRAFT = 2 * N_NEW };

struct draft_ids {
    int32_t ids[N_DRAFT];
    size_t n;
};

static unsigned seed;
static unsigned next_random(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static struct phi3v_result answer(phi3v_session *session, const phi3v_prompt *prompt,
                                  struct phi3v_params params, const struct draft_ids *draft)
{
    struct phi3v_result result = {.size = sizeof result};
    struct phi3v_error err;
    params.draft = draft ? draft->ids : NULL;
    params.n_draft = draft ? draft->n : 0;
    if (phi3v_generate(session, prompt, &params, NULL, NULL, &result, &err))
        fail_msg("%s", err.text);
    return result;
}

static void assert_same(const struct phi3v_result *a, const struct phi3v_result *b)
{
    assert_int_equal(a->finish, b->finish);
    assert_int_equal(a->n_ids, b->n_ids);
    assert_memory_equal(a->ids, b->ids, a->n_ids * sizeof *a->ids);
    assert_string_equal(a->text, b->text);
    assert_int_equal(a->n_top, b->n_top);
    if (a->n_top) assert_memory_equal(a->logprobs, b->logprobs, a->n_ids * sizeof *a->logprobs);
    if (a->n_top) assert_memory_equal(a->top, b->top, a->n_ids * (size_t)a->n_top * sizeof *a->top);
    assert_int_equal(a->timing.decode_tokens, b->timing.decode_tokens);
}

/* What a draft may be, from the answer itself to nothing of it. */
enum { N_KINDS = 9 };
static struct draft_ids draft_of(const struct phi3v_result *right, int kind)
{
    struct draft_ids d = {.n = right->n_ids};
    size_t at = right->n_ids ? next_random((unsigned)right->n_ids) : 0;
    memcpy(d.ids, right->ids, d.n * sizeof *d.ids);
    if (kind == 1) d.n = at;                                                /* its beginning */
    if (kind == 2) d.ids[at] = (int32_t)next_random(32064);                 /* another word in it */
    if (kind == 3) memmove(d.ids, d.ids + at, (d.n -= at) * sizeof *d.ids); /* its end */
    if (kind == 4) memmove(d.ids + 3, d.ids, d.n * sizeof *d.ids), d.n += 3; /* words before it */
    if (kind == 5) d.ids[at] = at % 2 ? -7 : 32064;                          /* no token at all */
    if (kind == 6) d.n = 1 + next_random(N_DRAFT - 1);                       /* anything */
    for (size_t i = 0; kind == 6 && i < d.n; i++) d.ids[i] = (int32_t)next_random(32064);
    if (kind == 7) d.n = 0;
    if (kind == 8) memcpy(d.ids + d.n, right->ids, d.n * sizeof *d.ids), d.n *= 2; /* twice */
    return d;
}

static void check_drafts(phi3v_model *model, const phi3v_prompt *prompt,
                         const struct phi3v_params *params)
{
    phi3v_session *plain = test_fresh_session(model);
    struct phi3v_result right = answer(plain, prompt, *params, NULL);
    int64_t n_held = phi3v_session_tokens(plain);
    assert_true(right.n_ids <= N_NEW);
    for (int kind = 0; kind < N_KINDS; kind++) {
        struct draft_ids draft = draft_of(&right, kind);
        phi3v_session *drafted = test_fresh_session(model);
        struct phi3v_result got = answer(drafted, prompt, *params, &draft);
        assert_same(&right, &got);
        assert_int_equal(phi3v_session_tokens(drafted), n_held);
        phi3v_prompt *longer = test_extended(model, prompt, got.ids, got.n_answer_ids);
        assert_true(test_same_logits(plain, drafted, longer));
        phi3v_prompt_free(longer);
        phi3v_result_fini(&got);
        phi3v_session_free(drafted);
    }
    phi3v_result_fini(&right);
    phi3v_session_free(plain);
}

static void any_draft_gives_the_answer(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 2, 0);
    phi3v_image *image = test_image(3, 40);
    phi3v_prompt *prompts[] = {test_prompt(model, "copper north river", NULL, 0),
                               test_prompt(model, "<|image_1|>\nglass", &image, 1)};
    struct phi3v_params params;
    for (int i = 0; i < 8; i++) {
        phi3v_params_default(&params);
        params.max_new_tokens = 9 + 7 * i;
        params.stop_reference = i % 2;
        if (i & 1) params.temperature = 0.9f, params.seed = (uint64_t)i, params.top_p = 0.95f;
        if (i & 2) params.repetition_penalty = 1.3f;
        if (i & 4) params.logprobs = 3;
        check_drafts(model, prompts[i % 2], &params);
    }
    for (int i = 0; i < 2; i++) phi3v_prompt_free(prompts[i]);
    phi3v_image_free(image);
    phi3v_model_close(model);
}

/* A stop string made of the answer's own text. */
static void a_draft_does_not_pass_the_end(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 1, 0);
    phi3v_prompt *prompt = test_prompt(model, "seven glass", NULL, 0);
    phi3v_session *session = test_session(model);
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = N_NEW;
    struct phi3v_result right = answer(session, prompt, params, NULL);
    assert_true(right.n_ids > 20);
    char stop[100];
    size_t from = right.text_ends[14], n = right.text_ends[16] - from;
    assert_true(n > 0 && n < sizeof stop);
    memcpy(stop, right.text + from, n), stop[n] = 0;
    params.stop = (const char *const[]){stop, NULL};
    check_drafts(model, prompt, &params);
    phi3v_result_fini(&right);
    phi3v_session_free(session);
    phi3v_prompt_free(prompt);
    phi3v_model_close(model);
}

/* Guesses end where the rope factors change, and the answer goes on behind. */
static void drafts_cross_the_rope_switch(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-long-bf16", 1, 0);
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = N_NEW;
    params.stop_reference = 1;
    for (int before = 1; before < 40; before += 5) {
        int32_t ids[300];
        size_t n = (size_t)(phi3v_model_info(model)->rope_switch - before);
        phi3v_prompt *prompt = NULL;
        for (size_t i = 0; i < n; i++) ids[i] = i ? (int32_t)(i * 31 % 30000 + 300) : 1;
        assert_int_equal(phi3v_prompt_ids_new(model, ids, n, NULL, 0, 0, &prompt, NULL), 0);
        check_drafts(model, prompt, &params);
        phi3v_prompt_free(prompt);
    }
    phi3v_model_close(model);
}

static int count_rows(const struct phi3v_event *event, void *user)
{
    if (event->type == PHI3V_EVENT_TEXT) ++*(int *)user;
    return *(int *)user == 3; /* stop in the middle of what was guessed */
}

static void a_stopped_answer_is_the_same(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 1, 0);
    phi3v_prompt *prompt = test_prompt(model, "quickly a chart", NULL, 0);
    phi3v_session *plain = test_fresh_session(model), *drafted = test_fresh_session(model);
    struct phi3v_params params;
    struct phi3v_result right = {.size = sizeof right}, got = {.size = sizeof got};
    phi3v_params_default(&params);
    params.max_new_tokens = N_NEW;
    int n = 0;
    assert_int_equal(phi3v_generate(plain, prompt, &params, count_rows, &n, &right, NULL), 0);
    assert_int_equal(right.finish, PHI3V_FINISH_INTERRUPTED);
    struct phi3v_result all = answer(plain, prompt, params, NULL);
    params.draft = all.ids, params.n_draft = all.n_ids;
    n = 0;
    assert_int_equal(phi3v_generate(drafted, prompt, &params, count_rows, &n, &got, NULL), 0);
    assert_same(&right, &got);
    phi3v_result_fini(&right), phi3v_result_fini(&got), phi3v_result_fini(&all);
    phi3v_session_free(plain), phi3v_session_free(drafted);
    phi3v_prompt_free(prompt);
    phi3v_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_draft_gives_the_answer),
        cmocka_unit_test(a_draft_does_not_pass_the_end),
        cmocka_unit_test(drafts_cross_the_rope_switch),
        cmocka_unit_test(a_stopped_answer_is_the_same),
    };
    level_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later
 * The queue of phiscope serve, without HTTP: who is answered next, who is refused, and what becomes
 * of those who leave. An answer that does not end holds the place while the others line up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "serve/scheduler.h"

enum { PATIENCE_MS = 60000 };

static phi3v_model *model;
static struct scheduler *scheduler;

static int open_model(void **state)
{
    (void)state;
    struct phi3v_model_options how;
    phi3v_model_options_default(&how);
    how.ctx = 4096;
    return phi3v_model_open(TEST_MODELS "/tiny-gqa-bf16", &how, &model, NULL);
}

static int close_model(void **state)
{
    (void)state;
    phi3v_model_close(model);
    return 0;
}

static void start(int parallel, int max_waiting)
{
    assert_int_equal(scheduler_new(model, parallel, max_waiting, &scheduler, NULL), 0);
}

static struct generation *ask(uint64_t client, int n_tokens)
{
    const struct phi3v_turn turn = {.role = "user", .text = "Go on and on"};
    struct phi3v_prompt_options how;
    struct phi3v_params params;
    phi3v_prompt *prompt;
    phi3v_prompt_options_default(&how);
    assert_int_equal(phi3v_prompt_chat(model, &turn, 1, &how, &prompt, NULL), 0);
    phi3v_params_default(&params);
    params.max_new_tokens = n_tokens;
    params.temperature = n_tokens > 100;
    return generation_new(scheduler, prompt, &params, NULL, client);
}

/* One that is being answered, and will be for long. */
static struct generation *ask_long(uint64_t client)
{
    struct generation *g = ask(client, 100000);
    struct generation_news news;
    assert_non_null(g);
    assert_true(generation_wait(g, PATIENCE_MS, &news));
    assert_false(news.done);
    generation_news_fini(&news);
    return g;
}

/* Waits for its end, and returns when its first token came, in seconds from the request. */
static double first_token_of(struct generation *g)
{
    bool done = false;
    while (!done) {
        struct generation_news news;
        assert_true(generation_wait(g, PATIENCE_MS, &news));
        done = news.done;
        generation_news_fini(&news);
    }
    assert_int_equal(generation_end(g)->code, 0);
    return generation_end(g)->first_token_s;
}

static void first_come_first_served(void **state)
{
    (void)state;
    start(1, 10);
    struct generation *holds = ask_long(1), *g[4];
    for (int i = 0; i < 4; i++) g[i] = ask(i == 2 ? 2 : 1, 2);
    generation_free(holds);
    double last = 0;
    for (int i = 0; i < 4; i++) {
        double now = first_token_of(g[i]);
        assert_true(now > last);
        last = now;
        generation_free(g[i]);
    }
    scheduler_free(scheduler);
}

/* Whoever has nothing running goes before another request of someone who has. */
static void fair_among_clients(void **state)
{
    (void)state;
    start(2, 10);
    struct generation *one = ask_long(1), *two = ask_long(1);
    struct generation *again = ask(1, 2), *other = ask(2, 2);
    generation_free(two);
    double first = first_token_of(other), second = first_token_of(again);
    assert_true(first < second);
    generation_free(one);
    generation_free(again);
    generation_free(other);
    scheduler_free(scheduler);
}

static void as_many_wait_as_may(void **state)
{
    (void)state;
    struct scheduler_counts counts;
    start(1, 1);
    struct generation *holds = ask_long(1), *waits = ask(1, 2);
    assert_non_null(waits);
    assert_null(ask(2, 2));
    scheduler_counts(scheduler, &counts);
    assert_int_equal(counts.n_refused, 1);
    assert_int_equal(counts.n_waiting, 1);
    assert_int_equal(counts.n_running, 1);
    generation_free(holds);
    first_token_of(waits);
    generation_free(waits);
    scheduler_free(scheduler);
    start(1, 0); /* nobody may wait, but this one need not */
    struct generation *alone = ask(1, 2);
    assert_non_null(alone);
    first_token_of(alone);
    generation_free(alone);
    scheduler_free(scheduler);
}

/* From anywhere in the queue; those behind are answered all the same. */
static void who_leaves_holds_up_nobody(void **state)
{
    (void)state;
    struct scheduler_counts counts;
    for (int leaves = 0; leaves < 3; leaves++) {
        start(1, 10);
        struct generation *holds = ask_long(1), *g[3];
        for (int i = 0; i < 3; i++) g[i] = ask(1, 2);
        generation_free(g[leaves]);
        g[leaves] = ask(1, 2);
        scheduler_counts(scheduler, &counts);
        assert_int_equal(counts.n_waiting, 3);
        generation_free(holds);
        for (int i = 0; i < 3; i++) {
            first_token_of(g[i]);
            generation_free(g[i]);
        }
        scheduler_free(scheduler);
    }
}

/* The end of the server: for whoever is answered, waits, or comes now. */
static void all_are_cancelled(void **state)
{
    (void)state;
    start(1, 10);
    struct generation *g[3] = {ask_long(1), ask(1, 2)};
    scheduler_cancel_all(scheduler);
    g[2] = ask(2, 2);
    for (int i = 0; i < 3; i++) {
        bool done = false;
        while (!done) {
            struct generation_news news;
            assert_true(generation_wait(g[i], PATIENCE_MS, &news));
            done = news.done;
            generation_news_fini(&news);
        }
        const struct generation_end *end = generation_end(g[i]);
        assert_true(i ? end->code == PHI3V_E_CANCELLED : end->finish == PHI3V_FINISH_INTERRUPTED);
        generation_free(g[i]);
    }
    scheduler_free(scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_first_served), cmocka_unit_test(fair_among_clients),
        cmocka_unit_test(as_many_wait_as_may),     cmocka_unit_test(who_leaves_holds_up_nobody),
        cmocka_unit_test(all_are_cancelled),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

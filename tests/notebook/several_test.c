/* SPDX-License-Identifier: GPL-3.0-or-later
 * Questions answered side by side: the first one speaks before another is asked for, each gets the
 * answer that it gets alone, each ends once, also when all are stopped. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder.h"

enum { N = 7, TOO_LONG = 3 };

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r};

struct asked {
    struct query query; // first: on_event gets it
    struct question question;
    struct text said;
    int n_ends;
};

struct questions {
    struct asked v[N];
    int n_given, n_waiting; // waiting: given and not ended
    int most_waiting;
    int n_given_before_a_word; // -1: no word yet
    int n_events, stop_after;  // stop_after 0: never
};

static int setup(void **state)
{
    recorder_set_up(state);
    assert_int_equal(settings_set(&r.settings, "ctx", "1024", ~0, NULL), 0);
    recorder_restart(&r, false);
    return 0;
}

/* -- Asking ----------------------------------------------------------------------------------- */

static void make(struct questions *q, int longest)
{
    struct engine *e = &r.nb->engine;
    *q = (struct questions){.n_given_before_a_word = -1};
    engine_begin(e);
    for (int i = 0; i < N; i++) {
        struct text t = {0};
        int n_words = i == longest ? 400 : 3 + 11 * i;
        for (int k = 0; k < n_words; k++) text_addf(&t, "river %d ", i);
        struct phi3v_turn turn = {.role = "user", .text = t.s};
        struct phi3v_prompt_options how = engine_prompt_options(e, 1);
        q->v[i].query.question = &q->v[i].question;
        assert_int_equal(engine_ask(e, &turn, 1, NULL, &how, &q->v[i].question, NULL), 0);
        text_free(&t);
    }
}

static void finish(struct questions *q)
{
    for (int i = 0; i < N; i++) {
        struct asked *a = &q->v[i];
        if (a->n_ends && !a->query.code) engine_result_fini(&r.nb->engine, &a->query.result);
        question_fini(&a->question);
        text_free(&a->said);
    }
}

static struct query *next(void *user)
{
    struct questions *q = user;
    if (q->n_given == N) return NULL;
    if (++q->n_waiting > q->most_waiting) q->most_waiting = q->n_waiting;
    return &q->v[q->n_given++].query;
}

static int on_event(const struct phi3v_event *event, struct query *query, void *user)
{
    struct questions *q = user;
    struct asked *a = (struct asked *)query;
    assert_int_equal(a->n_ends, 0);
    if (event->type == PHI3V_EVENT_TEXT) {
        text_addn(&a->said, event->text, event->n_text_bytes);
        if (q->n_given_before_a_word < 0) q->n_given_before_a_word = q->n_given;
    }
    if (event->type == PHI3V_EVENT_END) {
        a->n_ends++;
        q->n_waiting--;
    }
    if (q->stop_after && ++q->n_events >= q->stop_after) engine_cancel(&r.nb->engine);
    return engine_stopped(&r.nb->engine);
}

static void ask_all(struct questions *q)
{
    const struct queries queries = {.next = next, .on_event = on_event, .user = q};
    engine_begin(&r.nb->engine);
    assert_int_equal(engine_answer_all(&r.nb->engine, &queries, &r.nb->now, NULL), 0);
}

static int ignore(const struct phi3v_event *event, void *user)
{
    return (void)event, (void)user, 0;
}

static void is_as_alone(const struct asked *a)
{
    struct phi3v_result alone = {.size = sizeof alone};
    const struct phi3v_result *many = &a->query.result;
    struct engine *e = &r.nb->engine;
    assert_int_equal(engine_answer(e, &a->question, &r.nb->now, ignore, NULL, &alone, NULL), 0);
    assert_int_equal(many->n_ids, alone.n_ids);
    assert_memory_equal(many->ids, alone.ids, alone.n_ids * sizeof *alone.ids);
    assert_string_equal(many->text, alone.text);
    assert_string_equal(a->said.s ? a->said.s : "", alone.text);
    engine_result_fini(e, &alone);
}

/* -- What holds ------------------------------------------------------------------------------- */

static void the_first_speaks_before_another_is_asked_for(void **state)
{
    (void)state;
    struct questions q;
    works(&r, ":set max_new_tokens 12");
    make(&q, -1);
    ask_all(&q);
    assert_int_equal(q.n_given_before_a_word, 1);
    assert_int_equal(q.n_given, N);
    assert_int_equal(q.most_waiting, engine_at_once(&r.nb->engine, &r.nb->now));
    for (int i = 0; i < N; i++) {
        assert_int_equal(q.v[i].n_ends, 1);
        assert_int_equal(q.v[i].query.code, 0);
        is_as_alone(&q.v[i]);
    }
    finish(&q);
}

/* One that cannot be answered, the first one also, holds up no other. */
static void a_failure_is_its_own(void **state)
{
    (void)state;
    for (int longest = 0; longest <= TOO_LONG; longest += TOO_LONG) {
        struct questions q;
        make(&q, longest);
        ask_all(&q);
        for (int i = 0; i < N; i++) {
            assert_int_equal(q.v[i].n_ends, 1);
            assert_int_equal(q.v[i].query.code, i == longest ? PHI3V_E_TOO_LONG : 0);
            if (i != longest) is_as_alone(&q.v[i]);
        }
        assert_non_null(strstr(q.v[longest].query.error.text, "more than fit the context"));
        finish(&q);
    }
}

/* Stopped anywhere, each that was begun ends once, and what was said of it is kept. */
static void all_can_be_stopped(void **state)
{
    (void)state;
    int n_parts = 0;
    works(&r, ":set max_new_tokens 12");
    for (int stop = 1; stop < 120; stop += 7) {
        struct questions q;
        make(&q, -1);
        q.stop_after = stop;
        ask_all(&q);
        for (int i = 0; i < N; i++) {
            struct asked *a = &q.v[i];
            assert_int_equal(a->n_ends, i < q.n_given);
            if (!a->n_ends) continue;
            assert_true(a->query.code == 0 || a->query.code == PHI3V_E_CANCELLED);
            n_parts += !a->query.code && a->query.result.finish == PHI3V_FINISH_INTERRUPTED;
            if (!a->query.code && a->said.s)
                assert_int_equal(strncmp(a->query.result.text, a->said.s, strlen(a->said.s)), 0);
        }
        finish(&q);
    }
    assert_true(n_parts > 0);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_prestate_setup_teardown(name, setup, recorder_tear_down, &fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(the_first_speaks_before_another_is_asked_for),
                                       TEST(a_failure_is_its_own), TEST(all_can_be_stopped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

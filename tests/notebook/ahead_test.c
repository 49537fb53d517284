/* SPDX-License-Identifier: GPL-3.0-or-later
 * What is not computed again: pictures and the conversation were read while the person typed, an
 * earlier text is gone back to, a conversation begins anew, another run has the features on disk. That
 * the answers are the same is fresh_test.c's to say; here it is how much is computed. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "recorder.h"

enum { FEW = 64 }; /* prompt tokens: less than a block */

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r, .n_pictures = 2};

static const struct phi3v_timing *timing(int number) { return &r.nb->book.v[number - 1].timing; }

#define assert_little(number)                                                                      \
    do {                                                                                           \
        assert_int_equal(timing(number)->vision_crops, 0);                                         \
        assert_in_range(timing(number)->prefill_tokens, 0, FEW - 1);                               \
    } while (0)

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* The person begins to type; waits until all that can be read has been. */
static void type_slowly(void)
{
    nb_typing(r.nb, "");
    for (int i = 0; i < 20000 && !nb_is_ready(r.nb); i++) wait_ms(1);
    assert_true(nb_is_ready(r.nb));
}

/* -- While typing ----------------------------------------------------------------------------- */

static void what_was_read_is_not_read_again(void **state)
{
    (void)state;
    works(&r, ":load a.ppm");
    type_slowly();
    works(&r, "What is this?");
    assert_little(1);
    type_slowly();
    works(&r, ":load b.ppm");
    type_slowly();
    works(&r, "And what is that?");
    assert_little(2);
}

/* Enter in the middle of it: what is under way comes to its end, and nothing is lost. */
static void what_is_being_read_is_waited_for(void **state)
{
    (void)state;
    static const long after_ms[] = {0, 1, 3, 10};
    for (size_t i = 0; i < sizeof after_ms / sizeof *after_ms; i++) {
        char name[20], line[40];
        snprintf(name, sizeof name, "p%zu.ppm", i);
        recorder_picture(&r, name, 10 + (unsigned)i);
        snprintf(line, sizeof line, ":reset\n:load %s", name);
        works(&r, line);
        nb_typing(r.nb, "");
        wait_ms(after_ms[i]);
        works(&r, "What is this?");
        assert_little(1);
    }
}

/* A question about another picture waits for nothing. */
static void other_work_is_given_up(void **state)
{
    (void)state;
    works(&r, ":load a.ppm b.ppm\n:unstage\n:load a.ppm");
    nb_typing(r.nb, "");
    works(&r, "@2 What is this?");
    assert_true(timing(1)->prefill_tokens > FEW);
    works(&r, ":edit 1 @1 What is this?"); /* what was done of it by then may be there */
    works(&r, ":edit 1 @2 What is this?");
    assert_little(1);
}

/* Ctrl-C while it is waited for: everything is as it was, and the text comes back. */
static void waiting_can_be_stopped(void **state)
{
    (void)state;
    int n_stopped = 0;
    for (unsigned i = 0; i < 8; i++) {
        char name[20], line[40];
        snprintf(name, sizeof name, "q%u.ppm", i);
        recorder_picture(&r, name, 50 + i);
        snprintf(line, sizeof line, ":reset\n:load %s", name);
        works(&r, line);
        nb_typing(r.nb, "");
        r.stop_after = 0;
        int rc = recorder_eval(&r, "What is this?", NB_TYPED);
        r.stop_after = -1;
        if (rc == PHI3V_E_CANCELLED) {
            n_stopped++;
            assert_int_equal(r.nb->book.n, 0);
            assert_saw(&r, "next 0: What is this?");
            works(&r, "What is this?");
        }
        assert_int_equal(r.nb->book.n, 1);
    }
    assert_true(n_stopped > 0);
}

static void nothing_is_read_ahead_where_there_is_nothing_to_read(void **state)
{
    (void)state;
    nb_typing(r.nb, "");
    assert_true(nb_is_ready(r.nb));
    works(&r, ":set ahead off\n:load a.ppm");
    nb_typing(r.nb, "");
    works(&r, "What is this?");
    assert_int_equal(timing(1)->vision_crops, 2);
}

/* -- Going back ------------------------------------------------------------------------------- */

static void an_earlier_text_is_found_again(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\nWhat is in the middle of this picture?");
    works(&r, ":edit 1 Which colour is most of it, and which is least?");
    assert_little(1);
    works(&r, ":edit 1 What is in the middle of this picture?");
    assert_little(1);
    works(&r, "And at its right?");
    works(&r, ":edit 1 Which colour is most of it, and which is least?");
    assert_little(1);
    works(&r, ":run 2");
    assert_little(2);
}

static void a_conversation_that_begins_anew_finds_it(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\nWhat is in the middle of this picture?");
    works(&r, ":reset\n:load a.ppm\nWhat is in the middle of this picture?");
    assert_little(1);
    works(&r, ":reset\n:load b.ppm\nWhat is in the middle of this picture?");
    assert_int_equal(timing(1)->vision_crops, 2);
    works(&r, ":reset\n:load a.ppm\nWhat is in the middle of this picture?");
    assert_little(1);
    works(&r, ":mode cell\n:load a.ppm\nWhat is in the middle of this picture?");
    assert_little(2);
}

static void branches_compute_what_is_new(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\nWhat is in the middle of this picture?");
    works(&r, "And at its right?");
    works(&r, ":fork 1@2");
    assert_little(3);
    works(&r, ":fork 1@1=Nothing");
    assert_little(4);
    works(&r, ":fork 1\nWhat is at its left?");
    assert_little(5);
}

/* -- Another run ------------------------------------------------------------------------------ */

static void another_run_encodes_nothing(void **state)
{
    (void)state;
    r.cache = true;
    recorder_restart(&r, false);
    works(&r, ":load a.ppm b.ppm\nWhat is this?");
    assert_int_equal(timing(1)->vision_crops, 4);
    recorder_restart(&r, false);
    works(&r, ":load a.ppm b.ppm\nWhat is this?");
    assert_int_equal(timing(1)->vision_crops, 0);
    assert_true(timing(1)->prefill_tokens > FEW); /* keys and values are not kept */
    recorder_restart(&r, false);
    works(&r, ":load a.ppm b.ppm");
    type_slowly();
    works(&r, "What is this?");
    assert_little(1);
    works(&r, ":cache clear");
    recorder_restart(&r, false);
    works(&r, ":load a.ppm\nWhat is this?");
    assert_int_equal(timing(1)->vision_crops, 2);
}

/* -- What it costs ---------------------------------------------------------------------------- */

/* From the first picture on, and less where its features are there. */
static void the_price_is_told(void **state)
{
    (void)state;
    r.cache = true;
    for (int tries = 0; tries < 50; tries++) { /* on a machine that is too busy a trial gives up */
        recorder_restart(&r, false);
        works(&r, ":load a.ppm");
        if (r.nb->engine.price.s_per_crop > 0 && r.nb->engine.price.s_per_row > 0) break;
    }
    assert_saw(&r, ", about ");
    assert_true(r.nb->engine.price.s_per_crop > 0 && r.nb->engine.price.s_per_row > 0);
    works(&r, "What is this?");
    recorder_restart(&r, false); /* what was learnt is there again */
    assert_true(r.nb->engine.price.s_per_crop > 0 && r.nb->engine.price.s_per_row > 0);
    r.nb->engine.price.s_per_crop = 100;
    r.nb->engine.price.s_per_row = 1e-6;
    works(&r, ":load b.ppm");
    assert_saw(&r, ", about 3:20\n");
    works(&r, ":load a.ppm");
    assert_saw(&r, ", about 0.001 s\n");
}

#define TEST(name) RECORDER_TEST(name, &fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_read_is_not_read_again),
        TEST(what_is_being_read_is_waited_for),
        TEST(other_work_is_given_up),
        TEST(waiting_can_be_stopped),
        TEST(nothing_is_read_ahead_where_there_is_nothing_to_read),
        TEST(an_earlier_text_is_found_again),
        TEST(a_conversation_that_begins_anew_finds_it),
        TEST(branches_compute_what_is_new),
        TEST(another_run_encodes_nothing),
        TEST(the_price_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later
 * :alt, :fork and :say before a front end that writes down: pieces of answers, branches, answers
 * whose beginning is given, what :undo and :edit make of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder.h"

static const struct cell *cell(const struct recorder *r, int number)
{
    return &r->nb->book.v[number - 1];
}

static void pieces_are_the_answer(void **state)
{
    struct recorder *r = *state;
    works(r, "One.");
    const struct cell *c = cell(r, 1);
    assert_int_equal(c->certainty.n, c->n_ids);
    for (size_t i = 0; i < c->n_ids; i++) {
        assert_true(c->certainty.v[i].logprob <= 0);
        assert_int_equal(c->certainty.v[i].top[0].id, c->ids[i]); /* greedy */
    }
    works(r, ":alt");
    /* With the marks taken out, the pieces are the answer. */
    char *all = text_copy(strstr(r->seen.s, "certainty 1: "));
    size_t n = 0;
    for (const char *p = all + 13; p < strchr(all, '\n'); p++)
        if (!strchr("[]%", *p) && !(*p == ' ' && p[1] == '[')) all[n++] = *p;
    all[n] = 0;
    assert_non_null(strstr(c->answer, all));
    assert_saw(r, "report: @");
    assert_saw(r, "note: (:fork 1@TOKEN=TEXT");
    free(all);
}

/* Without it answers are the same, and nothing claims to know. */
static void it_can_be_left_out(void **state)
{
    struct recorder *r = *state;
    works(r, "One.");
    char *answer = text_copy(cell(r, 1)->answer);
    works(r, ":set certainty off");
    works(r, ":run 1");
    assert_string_equal(cell(r, 1)->answer, answer);
    fails(r, ":alt", "is not known: :set certainty on, then :run 1");
    works(r, ":fork 1@2");
    assert_string_equal(cell(r, 2)->answer, answer);
    works(r, ":fork 1@2=x");
    works(r, ":save u.ipynb");
    char *file = recorder_read("u.ipynb", NULL);
    assert_null(strstr(file, "logprobs"));
    free(file);
    /* Half of it: what is not known is left out. */
    works(r, ":set certainty on\n:set max_new_tokens 6");
    works(r, ":more 2");
    works(r, ":alt 2");
    assert_saw(r, "report: @4");
    assert_not_saw(r, "report: @1 ");
    works(r, ":save! u.ipynb\n:open u.ipynb\n:alt 2");
    assert_saw(r, "report: @4");
    free(answer);
}

static void more_adds_up(void **state)
{
    struct recorder *r = *state;
    works(r, ":set max_new_tokens 4\nOne.");
    works(r, ":more 1");
    const struct cell *c = cell(r, 1);
    assert_int_equal(c->certainty.n, c->n_ids);
    assert_true(c->n_ids > 4);
    float once = c->certainty.v[c->n_ids - 1].logprob;
    works(r, ":undo");
    assert_int_equal(cell(r, 1)->certainty.n, 4);
    works(r, ":more 1");
    assert_float_equal(cell(r, 1)->certainty.v[cell(r, 1)->n_ids - 1].logprob, once, 0);
}

/* What a cell goes on from follows from the :fork lines alone. */
static void branches_are_undone(void **state)
{
    struct recorder *r = *state;
    recorder_picture(r, "a.ppm", 1);
    works(r, ":set max_new_tokens 9\nOne.");
    works(r, ":load a.ppm\nTwo?");
    works(r, "Three.");
    works(r, ":fork 2@2=zebra");
    assert_int_equal(r->nb->book.n, 4);
    assert_int_equal(book_parent(&r->nb->book, 3), 0);
    assert_true(book_is_above(&r->nb->book, 0, 3));
    assert_false(book_is_above(&r->nb->book, 1, 3));
    assert_false(book_is_above(&r->nb->book, 2, 3));
    assert_non_null(strstr(cell(r, 4)->answer, "zebra"));
    assert_int_equal(cell(r, 4)->ids[0], cell(r, 2)->ids[0]);
    assert_int_equal(cell(r, 4)->images.v[0], cell(r, 2)->images.v[0]);
    works(r, "Five.");
    assert_int_equal(book_parent(&r->nb->book, 4), 3);
    works(r, ":cells");
    assert_not_saw(r, "stale");
    /* Another second question: what stands in its place begins with another answer now. */
    works(r, ":edit 2 Deux?");
    works(r, ":cells");
    assert_saw(r, "In [1] ok");
    assert_saw(r, "In [3] stale");
    assert_saw(r, "In [4] stale");
    works(r, ":undo");
    works(r, ":cells");
    assert_not_saw(r, "stale");
    works(r, ":undo");
    works(r, ":undo");
    assert_int_equal(r->nb->book.n, 3);
    /* Of a cell that :fork has made nothing is left for the next prompt. */
    assert_int_equal(r->nb->book.pending.n, 0);
    works(r, "Four.");
    assert_int_equal(book_parent(&r->nb->book, 3), 2);
}

static void the_next_prompt_stands_there(void **state)
{
    struct recorder *r = *state;
    recorder_picture(r, "a.ppm", 1);
    works(r, "One.");
    works(r, ":load a.ppm\nTwo?");
    works(r, ":fork 2");
    assert_saw(r, "note: (the next prompt stands in the place of cell 2)");
    char *staged = nb_staged(r->nb, 0);
    assert_string_equal(staged, "@1");
    free(staged);
    fails(r, ":fork 1", "stands in the place of cell 2 already");
    works(r, "Zwei?");
    assert_int_equal(book_parent(&r->nb->book, 2), 0);
    assert_int_equal(cell(r, 3)->images.n, 1);
    /* An edited cell keeps the line, or gets one. */
    works(r, ":edit 3 Deux?");
    assert_int_equal(book_parent(&r->nb->book, 2), 0);
    works(r, "Last.");
    nb_edit(r->nb, 4, ":fork 1@1\nFirst.", NB_TYPED, &r->result, &r->err);
    assert_int_equal(r->nb->book.n, 4);
    assert_int_equal(book_parent(&r->nb->book, 3), -1);
    assert_int_equal(cell(r, 4)->ids[0], cell(r, 1)->ids[0]);
    works(r, ":undo");
    assert_int_equal(book_parent(&r->nb->book, 3), 2);
}

/* Two answers word by word, and what an edit has changed of a short one. */
static void answers_are_compared(void **state)
{
    struct recorder *r = *state;
    works(r, ":set max_new_tokens 12\nOne.");
    works(r, ":fork 1@9=zebra");
    works(r, ":ab 1 2");
    assert_saw(r, "diff 1 2: ");
    assert_saw(r, "[-");
    assert_saw(r, "{+");
    works(r, ":ab 1 1");
    char *same = text_format("diff 1 1: %s\n", cell(r, 1)->answer);
    assert_saw(r, same);
    free(same);
    fails(r, ":ab 1", ":ab needs two cells");
    fails(r, ":ab 1 9", "there is no cell 9");
    works(r, ":edit 1 One.");
    assert_saw(r, "note: (the same answer)");
    /* The note of an edited cell is there when some words stay, and not when none does. */
    works(r, ":edit 2 Something else altogether?");
    works(r, ":undo");
}

/* A source with a prompt is one cell, as a notebook has it, whoever sends it. */
static void a_source_is_one_cell(void **state)
{
    struct recorder *r = *state;
    works(r, "One.");
    assert_int_equal(recorder_eval(r, ":fork 1@2\nOne.", NB_REQUEST), 0);
    assert_int_equal(r->nb->book.n, 2);
    assert_string_equal(cell(r, 1)->answer, cell(r, 2)->answer);
    fails(r, ":fork 9@1\nOne.", "there is no cell 9 above");
    assert_int_equal(r->nb->book.n, 2);
    assert_int_equal(r->nb->book.pending.n, 0);
}

/* -- :say ------------------------------------------------------------------------------------- */

static void assert_begins(const struct recorder *r, int number, const char *beginning)
{
    const char *answer = cell(r, number)->answer;
    if (strncmp(answer, beginning, strlen(beginning)) != 0)
        fail_msg("cell %d: \"%s\" does not begin with \"%s\"", number, answer, beginning);
}

static void the_answer_begins_as_told(void **state)
{
    struct recorder *r = *state;
    works(r, ":set max_new_tokens 9");
    works(r, ":say zebra\nOne.");
    assert_begins(r, 1, "zebra");
    const struct cell *c = cell(r, 1);
    assert_int_equal(c->certainty.n, c->n_ids);
    assert_int_equal(c->n_ids, 9);
    /* The model goes on as behind the same beginning in another cell's place. */
    works(r, ":reset");
    works(r, "One.");
    assert_null(strstr(cell(r, 1)->answer, "zebra"));
    works(r, ":fork 1@1=zebra");
    works(r, ":fork 2");
    works(r, ":say zebra\nOne.");
    assert_string_equal(cell(r, 3)->answer, cell(r, 2)->answer);
}

static void the_last_beginning_counts(void **state)
{
    struct recorder *r = *state;
    works(r, ":set max_new_tokens 9");
    works(r, ":mode cell");
    works(r, "One.");
    works(r, ":say zebra\n:say\nOne.");
    assert_string_equal(cell(r, 2)->answer, cell(r, 1)->answer);
    works(r, ":say zebra\n:say two words \nOne.");
    assert_begins(r, 3, "two words");
    works(r, ":say \"  two\"\nOne.");
    assert_begins(r, 4, "  two");
    works(r, ":fork 1@2\n:say zebra\nOne.");
    assert_memory_equal(cell(r, 5)->ids, cell(r, 1)->ids, 2 * sizeof(int32_t));
    works(r, ":say zebra");
    works(r, ":say horse\n:unstage");
    works(r, "One.");
    assert_begins(r, 6, "horse");
}

static void a_beginning_stays_with_its_cell(void **state)
{
    struct recorder *r = *state;
    works(r, ":set max_new_tokens 9");
    works(r, ":say zebra\nOne.");
    char *answer = text_copy(cell(r, 1)->answer);
    works(r, ":run 1");
    assert_string_equal(cell(r, 1)->answer, answer);
    works(r, ":save u.ipynb");
    works(r, ":reset all");
    works(r, ":open u.ipynb");
    works(r, ":cells");
    assert_saw(r, "In [1] ok");
    works(r, ":run 1");
    assert_string_equal(cell(r, 1)->answer, answer);
    works(r, ":edit 1 Two.");
    assert_begins(r, 1, "zebra");
    nb_edit(r->nb, 1, ":say horse\nOne.", NB_TYPED, &r->result, &r->err);
    assert_begins(r, 1, "horse");
    works(r, ":undo");
    works(r, ":undo");
    assert_string_equal(cell(r, 1)->answer, answer);
    free(answer);
}

static int setup(void **state)
{
    static struct recorder r;
    recorder_open(&r, false);
    *state = &r;
    return 0;
}

static int teardown(void **state)
{
    recorder_close(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_are_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(it_can_be_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(more_adds_up, setup, teardown),
        cmocka_unit_test_setup_teardown(branches_are_undone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_next_prompt_stands_there, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_are_compared, setup, teardown),
        cmocka_unit_test_setup_teardown(a_source_is_one_cell, setup, teardown),
        cmocka_unit_test_setup_teardown(the_answer_begins_as_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_beginning_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_beginning_stays_with_its_cell, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

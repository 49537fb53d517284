/* SPDX-License-Identifier: GPL-3.0-or-later
 * Sequences of commands and edits made by chance: what is saved, opened and saved is the same to
 * the byte; the opened notebook has the same prompts, ids and states, also out of the journal that
 * a crash would have left; and every answer is what a fresh session gives.
 *
 *     notebook_random_test [SEQUENCES [FIRST]] */
#define _GNU_SOURCE
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder.h"

static struct recorder r;
static int n_sequences = 30, first_sequence;
static int n_compared, n_rerun;

/* -- Steps ------------------------------------------------------------------------------------ */

/* %d becomes the number of a cell, %p one of a picture, %s one of the settings' values. */
static const char *const steps[] = {
    "What?",
    "Why %d?",
    "描述 @%p？",
    "@%p和@1有什么不同",
    "Compare @1-2",
    "See a.ppm and @b.ppm",
    "Say {Out[%d]} again",
    "And {_}",
    "::begins with a colon",
    "\"\"\"\n:not a command\n\n two \\\n\"\"\"",
    "Ends in \\\\",
    "line one\nline two\n\nline four  ",
    "\"quoted\" \"\"\" inside",
    "\t indented \342\200\250 separators \177 and controls \001",
    ":load a.ppm",
    ":load b.ppm c.ppm",
    ":l a.ppm as cover",
    ":load \"two words.ppm\"",
    ":load a.ppm \\\n b.ppm",
    ":load a.ppm\n:system Short.\n:set num_crops 2\nWhat of it?",
    ":unstage",
    ":drop @%p",
    ":set temperature 0.8\n:set seed 5",
    ":set temperature 0",
    ":set num_crops %d",
    ":set max_new_tokens %d",
    ":set stop the",
    ":set stop \"\"",
    ":set repetition_penalty 1.3",
    ":system Answer in German.",
    ":system \"\"\"Two\nlines.\"\"\"",
    ":sys off",
    ":mode cell",
    ":mode chat",
    ":edit %d Another?",
    ":edit %d @%p again?",
    ":edit %d Say {Out[1]}",
    ":run %d",
    ":run %d-",
    ":run %d temperature=1.5 seed=%d",
    ":run %d num_crops=3",
    ":retry %d",
    ":more %d",
    ":undo",
    ":undo",
    ":redo",
    ":fork %d",
    ":fork %d@1",
    ":fork %d@1=x",
    ":say x y",
    ":say",
    ":reset",
    ":save! mid.ipynb",
    ":open mid.ipynb",
};

static void step(void)
{
    const char *p = steps[below(sizeof steps / sizeof *steps)];
    struct text source = {0};
    for (; *p; p++) {
        if (*p == '%' && (p[1] == 'd' || p[1] == 'p'))
            text_addf(&source, "%u", 1 + below(*++p == 'd' ? 5 : 4));
        else
            text_addn(&source, p, 1);
    }
    recorder_try(&r, source.s);
    text_free(&source);
}

/* -- What a notebook is ----------------------------------------------------------------------- */

static char *described(void)
{
    struct text t = {0};
    text_add(&t, "");
    for (int i = 1; i <= r.nb->book.n; i++) {
        const struct cell *c = &r.nb->book.v[i - 1];
        char *ids = recorder_ids(&r, i);
        text_addf(&t, "%d %s %s\n%s\n%s\n%s\n", i, c->id,
                  state_name(book_state(&r.nb->book, i - 1)), c->prompt, c->answer ? c->answer : "",
                  ids);
        for (int k = 0; k < c->lines.n; k++) text_addf(&t, "%s\n", c->lines.v[k].text);
        free(ids);
    }
    return text_take(&t);
}

static void same_text(const char *a, const char *b, const char *what, int number)
{
    if (!strcmp(a, b)) return;
    size_t n = 0;
    while (a[n] == b[n]) n++;
    size_t from = n > 200 ? n - 200 : 0;
    fail_msg("sequence %d, %s: at byte %zu\n%.300s\n---- instead of\n%.300s", number, what, n,
             b + from, a + from);
}

/* A copy of the journal, when the present notebook has the only one. */
static bool copy_journal(void)
{
    char *name = NULL;
    if (recorder_files("state", ".jsonl") != 1 || !r.nb->book.changed) return false;
    DIR *d = opendir("state");
    for (struct dirent *e; (e = readdir(d));)
        if (!name && strstr(e->d_name, ".jsonl")) name = text_format("state/%s", e->d_name);
    closedir(d);
    char *text = name ? recorder_read(name, NULL) : NULL;
    bool there = text != NULL;
    if (there) recorder_write("journal.jsonl", text);
    free(text);
    free(name);
    return there;
}

static bool can_be_compared(int i)
{
    const struct cell *c = &r.nb->book.v[i];
    struct inherited s;
    assert_int_equal(book_inherited(&r.nb->book, i, &s, NULL), 0);
    assert_int_equal(inherited_apply(&s, &c->lines, NULL), 0);
    bool whole = c->n_ids <= (size_t)s.settings.max_new_tokens; /* else :more was used */
    inherited_free(&s);
    return whole && !c->overrides.n && book_state(&r.nb->book, i) == CELL_OK;
}

/* Every answer once more, in a session that knows nothing. */
static void answers_are_fresh(int number)
{
    for (int i = 0; i < r.nb->book.n; i++) {
        if (!can_be_compared(i)) continue;
        size_t n = r.nb->book.v[i].n_ids;
        int32_t *before = memory_copy(r.nb->book.v[i].ids, n * sizeof *before);
        char line[40];
        snprintf(line, sizeof line, ":run %d", i + 1);
        works(&r, line);
        n_rerun++;
        const struct cell *c = &r.nb->book.v[i];
        if (c->n_ids != n || (n && memcmp(c->ids, before, n * sizeof *before) != 0))
            fail_msg("sequence %d: cell %d answers otherwise in a fresh session", number, i + 1);
        free(before);
    }
}

static void check(int number)
{
    bool journal = copy_journal();
    works(&r, ":save! x.ipynb");
    char *before = described(), *x = recorder_read("x.ipynb", NULL);
    if (journal) {
        works(&r, ":open journal.jsonl");
        char *crashed = described();
        same_text(before, crashed, "the journal", number);
        free(crashed);
    }
    recorder_restart(&r, true);
    works(&r, ":open x.ipynb");
    char *opened = described();
    same_text(before, opened, "the opened notebook", number);
    works(&r, ":save! y.ipynb");
    char *y = recorder_read("y.ipynb", NULL);
    same_text(x, y, "the file saved again", number);
    n_compared++;
    answers_are_fresh(number);
    free(before);
    free(opened);
    free(x);
    free(y);
}

static void sequences(void **state)
{
    (void)state;
    for (int k = first_sequence; k < first_sequence + n_sequences; k++) {
        recorder_open(&r, true);
        recorder_picture(&r, "a.ppm", 1);
        recorder_picture(&r, "b.ppm", 2);
        recorder_picture(&r, "c.ppm", 3);
        recorder_picture(&r, "two words.ppm", 4);
        recorder_chance((uint64_t)k);
        int n = 6 + (int)below(14);
        for (int i = 0; i < n; i++) step();
        if (r.nb->book.n) check(k);
        recorder_close(&r);
    }
    printf("# %d of %d compared, %d answers once more\n", n_compared, n_sequences, n_rerun);
    assert_true(n_compared > n_sequences / 2);
    assert_true(n_rerun > n_sequences / 2);
}

int main(int argc, char **argv)
{
    if (argc > 1) n_sequences = atoi(argv[1]);
    if (argc > 2) first_sequence = atoi(argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(sequences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

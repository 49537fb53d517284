/* SPDX-License-Identifier: GPL-3.0-or-later
 * A session in which every request for memory fails once: what is evaluated then says so in the one
 * sentence for it, and everything is as it was before.
 *
 *     notebook_memory_test [all] */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notebook/ipynb.h"
#include "recorder.h"

static struct recorder r;
static bool every_one; // else a choice of them that grows thin
#ifdef __SANITIZE_ADDRESS__
enum { THIN = 2, FEWEST = 200 }; // each one takes six times as long
#else
enum { THIN = 6, FEWEST = 500 };
#endif
static int n_failed, n_unnoticed;

static long behind(long n) { return every_one ? n + 1 : n + 1 + n / THIN; }

/* -- What must not change --------------------------------------------------------------------- */

static void describe_lines(struct text *t, const struct lines *l)
{
    for (int k = 0; k < l->n; k++) text_addf(t, "  %s %d\n", l->v[k].text, l->v[k].images.n);
}

static char *described(void)
{
    struct text t = {0};
    const struct book *b = &r.nb->book;
    struct inherited s;
    text_addf(&t, "%d cells %d pictures %s\n", b->n, b->images.n, b->path ? b->path : "-");
    for (int i = 0; i < b->n; i++) {
        const struct cell *c = &b->v[i];
        text_addf(&t, "%s %s: %s = %s (%s)\n", c->id, state_name(book_state(b, i)), c->prompt,
                  c->answer ? c->answer : "-", c->text ? c->text : "-");
        describe_lines(&t, &c->lines);
    }
    for (int k = 0; k < b->images.n; k++)
        text_addf(&t, "@%d %s %d\n", k + 1, b->images.v[k].what, b->images.v[k].dropped);
    text_add(&t, "pending\n");
    describe_lines(&t, &b->pending);
    assert_int_equal(book_inherited(b, b->n, &s, NULL), 0);
    text_addf(&t, "staged %d, crops %d, system %s\n", s.staged.n, r.nb->now.num_crops,
              r.nb->now.system);
    inherited_free(&s);
    return text_take(&t);
}

static void same(const char *before, const char *source, long n)
{
    char *now = described();
    if (strcmp(before, now) != 0)
        fail_msg("\"%s\" without request %ld (\"%s\") has changed\n%s---- into\n%s", source, n,
                 r.err.text, before, now);
    free(now);
}

/* A file that is written is the old one or the new one. */
static void files_are_whole(void)
{
    size_t n;
    char *text = recorder_read("x.ipynb", &n);
    if (!text) return;
    struct book b;
    struct phi3v_error err;
    assert_int_equal(book_init(&b, &r.settings, &err), 0);
    if (ipynb_parse(text, n, "x.ipynb", &b, &err)) fail_msg("%s", err.text);
    book_free(&b);
    free(text);
    assert_int_equal(recorder_files(".", ".part"), 0);
}

/* -- A session -------------------------------------------------------------------------------- */

static void sweep(const char *source)
{
    for (long n = 1;; n = behind(n)) {
        char *before = described();
        memory_fail_at(n);
        int rc = recorder_eval(&r, source, NB_TYPED);
        bool came = !memory_fail_pending();
        memory_fail_at(0);
        files_are_whole();
        if (came && rc == 0) n_unnoticed++;
        if (came && rc < 0) {
            n_failed++;
            bool said = strstr(r.err.text, "out of memory") || saw(&r, "out of memory");
            if (rc != PHI3V_E_MEMORY || r.err.code != rc || !said)
                fail_msg("\"%s\" without request %ld said (%d) %s", source, n, rc, r.err.text);
            same(before, source, n);
        }
        free(before);
        if (!came && rc) fail_msg("\"%s\" said: %s", source, r.err.text);
        /* What works once works no second time: a name is taken, a picture is gone. */
        bool once = strstr(source, " as ") || strstr(source, ":drop");
        if (!came || (once && !rc)) return;
        bool prompt = *source != ':' && *source != '!' && *source != '?';
        if (prompt && !rc) works(&r, ":undo");
    }
}

static void session(void **state)
{
    (void)state;
    static const char *const sources[] = {
        ":load a.ppm",
        ":load b.ppm as cover",
        ":images",
        ":show @1",
        ":show @1 model",
        "What?",
        ":set num_crops 2",
        ":set stop the",
        ":system \"\"\"Two\nlines.\"\"\"",
        ":mode chat",
        "See a.ppm and @b.ppm, {_}",
        ":load c.ppm",
        ":set temperature 0.5",
        "And this?",
        ":cells",
        ":context",
        ":prompt 1",
        ":prompt 2 ids",
        ":stats",
        ":info",
        ":history",
        ":help",
        "?load",
        ":set",
        ":set layout above",
        ":edit 2 Another @1?",
        ":edit 1",
        ":run 1 temperature=0.3 seed=4",
        ":run 1-2",
        ":retry 1",
        ":more 1",
        ":alt 1",
        ":fork 1@1",
        ":fork 1@1=x",
        ":say x",
        ":ab 1 2",
        ":crop @1 0,0,50%,5",
        ":turn @1 90",
        ":source s.phi",
        ":save! x.ipynb",
        ":save! x.md",
        ":save! x.json",
        ":foreach a.ppm b.ppm \"What?\" to out.csv",
        ":foreach @1 \"What?\" to out.jsonl",
        ":paste as shot",
        ":watch state",
        ":copy",
        ":unstage",
        ":open x.ipynb",
        ":run all",
        ":reset",
        ":load c.ppm as gone",
        ":drop @gone",
        "!echo",
    };
    recorder_open(&r, true);
    recorder_picture(&r, "a.ppm", 1);
    recorder_picture(&r, "b.ppm", 2);
    recorder_picture(&r, "c.ppm", 3);
    recorder_write("s.phi", "#!/bin/phiscope\n:images\n");
    char *clipboard = recorder_read("c.ppm", &r.n_clipboard);
    r.clipboard = clipboard;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) sweep(sources[i]);
    recorder_close(&r);
    free(clipboard);
    printf("# %d evaluations said so, %d did not need it\n", n_failed, n_unnoticed);
    assert_true(n_failed > FEWEST);
    assert_true(n_unnoticed < n_failed);
}

/* -- The rest of the face --------------------------------------------------------------------- */

static void typing(void **state)
{
    (void)state;
    static const char *const sources[] = {":lo",    ":set la", ":set layout ", ":run 1 temp", "@",
                                          ":help ", "?",       ":load \"a",    "!ls a"};
    recorder_open(&r, false);
    recorder_picture(&r, "a.ppm", 1);
    works(&r, ":load a.ppm\nWhat?");
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        for (long n = 1, came = 1; came; n++) {
            struct nb_candidates found = {0};
            memory_fail_at(n);
            int rc = nb_candidates(r.nb, sources[i], strlen(sources[i]), &found, &r.err);
            came = !memory_fail_pending();
            if (rc) assert_int_equal(rc, PHI3V_E_MEMORY);
            if (!rc) strings_free(&found.words);
            free(nb_inspect(r.nb, sources[i], strlen(sources[i])));
            free(nb_staged(r.nb, 0));
            free(nb_for_keeping(sources[i]));
            memory_fail_at(0);
        }
    recorder_close(&r);
}

static void beginnings(void **state)
{
    (void)state;
    recorder_open(&r, true);
    works(&r, "One");
    for (long n = 1, came = 1; came; n++) {
        struct nb_options how = {.settings = &r.settings, .state_dir = "state"};
        struct nb_front front = r.nb->front;
        struct notebook *nb = NULL;
        memory_fail_at(n);
        int rc = nb_new(&how, &front, &nb, &r.err);
        came = !memory_fail_pending();
        if (rc) assert_int_equal(rc, PHI3V_E_MEMORY);
        if (!rc) {
            nb_tell_left_behind(nb);
            free(nb_latest_left_behind(nb));
            nb_free(nb);
        }
        memory_fail_at(0);
    }
    recorder_close(&r);
}

int main(int argc, char **argv)
{
    every_one = argc > 1 && !strcmp(argv[1], "all");
    const struct CMUnitTest tests[] = {cmocka_unit_test(session), cmocka_unit_test(typing),
                                       cmocka_unit_test(beginnings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

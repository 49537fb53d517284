/* SPDX-License-Identifier: GPL-3.0-or-later
 * Files whose names hold line breaks, control characters, quotes: such a name is written into one
 * line of a cell's source and read back exactly, also by :save, :open and a reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "notebook/words.h"
#include "recorder.h"

static const char *const names[] = {
    "a\nb",
    "\n",
    "a\n",
    "a\n:quit\n!touch gone\nb",
    "tab\there",
    "a\rb",
    "a\r\nb",
    "esc\x1b[2Jb",
    "bell\x07",
    "del\x7f",
    "a'b",
    "a\"b",
    "a\\b",
    "a\\nb",
    "$'a'",
    "two  blanks",
    "*?[x]",
    "-dash",
    "@1",
    "\xC2\x9B"
    "31m",
    "\xE2\x80\xAE"
    "over",
    "a\\\nb",
    "\"\"\"",
    "a\n\"\"\"\nb",
    ":load x",
    "caf\xE9",
    "\xFF\xC3(",
    "$'caf\xE9'",
};
enum { N_NAMES = sizeof names / sizeof *names };

static struct recorder r;

static int set_up(void **state)
{
    (void)state;
    recorder_open(&r, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    recorder_close(&r);
    return 0;
}

static void is_there(const char *path)
{
    if (access(path, F_OK)) fail_msg("\"%s\" is not there", path);
}

/* The cell's only picture has this name, and its source says so in one line. */
static void names_it(const char *path)
{
    const struct book *b = &r.nb->book;
    const struct cell *c = &b->v[b->n - 1];
    assert_int_equal(c->images.n, 1);
    assert_string_equal(b->images.v[c->images.v[0]].what, path);
    if (c->lines.n == 0) return;
    assert_int_equal(c->lines.n, 1);
    assert_null(strchr(c->lines.v[0].text, '\n'));
}

static void save_and_open(const char *name)
{
    char *path = text_format("%s.ipynb", name), *word = word_quote(path);
    char *save = text_format(":save %s", word), *open = text_format(":open %s", word);
    works(&r, save);
    is_there(path);
    char *bytes = recorder_read(path, NULL);
    works(&r, open);
    works(&r, save);
    char *again = recorder_read(path, NULL);
    assert_string_equal(bytes, again);
    free(again);
    free(bytes);
    free(open);
    free(save);
    free(word);
    free(path);
}

static void try_name(const char *name, bool staged, const char *form)
{
    char *path = text_format("%s.ppm", name), *word = word_quote(path);
    char *source = text_format(form, word);
    recorder_picture(&r, path, 1);
    if (staged) assert_int_equal(nb_stage(r.nb, path, &r.err), 0);
    works(&r, source);
    names_it(path);
    save_and_open(name);
    names_it(path);
    works(&r, ":run all");
    names_it(path);
    is_there("state");
    assert_int_equal(access("gone", F_OK), -1);
    works(&r, ":reset");
    free(source);
    free(word);
    free(path);
}

static void loaded(void **state)
{
    (void)state;
    for (int k = 0; k < N_NAMES; k++) try_name(names[k], false, ":load %s\nWhat?");
}

static void staged(void **state)
{
    (void)state;
    for (int k = 0; k < N_NAMES; k++) try_name(names[k], true, "What?");
}

static void referred_to(void **state)
{
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        /* "@" takes these letters by another rule: a file's own name may be a handle's. */
        if (strpbrk(names[k], "*?[@")) continue;
        try_name(names[k], false, "What is on @%s here?");
    }
}

/* Dropped onto the line: a path and nothing else. */
static void dropped(void **state)
{
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        /* With its folder, as terminals give it; else ":load x" would be a command. */
        char *path = text_format("./%s.ppm", names[k]), *word = word_quote(path);
        recorder_picture(&r, path, 1);
        works(&r, word);
        works(&r, "What?");
        names_it(path);
        works(&r, ":reset");
        free(word);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loaded), cmocka_unit_test(staged),
                                       cmocka_unit_test(referred_to), cmocka_unit_test(dropped)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

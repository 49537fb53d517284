/* SPDX-License-Identifier: GPL-3.0-or-later
 * The commands of the notebook before a front end that writes down what it is shown. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "notebook/commands.h"
#include "recorder.h"

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r, .state = true, .n_pictures = 3};

static const struct cell *cell(int number) { return &r.nb->book.v[number - 1]; }

static void state_is(int number, enum cell_state state)
{
    assert_string_equal(state_name(book_state(&r.nb->book, number - 1)), state_name(state));
}

/* -- Pictures --------------------------------------------------------------------------------- */

static void load_stages_and_shows(void **state)
{
    (void)state;
    works(&r, ":load a.ppm");
    assert_saw(&r, "image @1: @1 a.ppm: PNM 30x20, 1x1+1 crops");
    staged_is(&r, "@1");
    works(&r, ":l b.ppm as cover");
    assert_saw(&r, "image @cover: @2 @cover b.ppm");
    staged_is(&r, "@1 @cover");
    works(&r, "What?");
    assert_saw(&r, "begin 1 @1 @cover\n");
    assert_saw(&r, "end 1 ok\n");
    assert_int_equal(r.result.cell, 1);
    staged_is(&r, "");
    /* Abbreviations stand in the cell by their whole names. */
    assert_string_equal(cell(1)->lines.v[1].text, ":load b.ppm as cover");
    assert_string_equal(cell(1)->text, "<|image_1|>\n<|image_2|>\nWhat?");
    works(&r, ":images");
    assert_saw(&r, "report: @1 a.ppm: PNM 30x20\nreport: @2 @cover b.ppm: PNM 30x20\n");
}

static void load_refuses(void **state)
{
    (void)state;
    fails(&r, ":load", ":load needs a file, URL or pattern");
    fails(&r, ":load no.ppm", "no.ppm");
    fails(&r, ":load no*.ppm", "no file matches no*.ppm");
    fails(&r, ":load a.ppm no.ppm", "no.ppm");
    assert_int_equal(r.nb->book.images.n, 0);
    fails(&r, ":load *.ppm as name", "one name cannot stand for 3 pictures");
    fails(&r, ":load a.ppm as 1st", "is no name for a picture");
    works(&r, ":load a.ppm as x");
    fails(&r, ":load b.ppm as x", "another picture is called @x already");
    fails(&r, ":load -", "standard input");
    fails(&r, ":load! a.ppm", ":load has no form with !");
    recorder_write("text.png", "no picture at all");
    fails(&r, ":load text.png", "text.png");
    assert_int_equal(r.nb->book.images.n, 1);
    staged_is(&r, "@x");
}

static void patterns_and_brackets(void **state)
{
    (void)state;
    recorder_picture(&r, "photo[1].ppm", 4);
    recorder_picture(&r, "photo1.ppm", 5);
    recorder_picture(&r, "two words.ppm", 6);
    static const char *const spelled[] = {"photo[1].ppm", "\"photo[1].ppm\"", "'photo[1].ppm'",
                                          "photo\\[1].ppm", "./photo[1].ppm"};
    for (size_t i = 0; i < sizeof spelled / sizeof *spelled; i++) {
        char line[80];
        snprintf(line, sizeof line, ":load %s", spelled[i]);
        works(&r, line);
        assert_saw(&r, "photo[1].ppm: PNM");
    }
    works(&r, ":load photo?.ppm");
    assert_saw(&r, "photo1.ppm: PNM");
    works(&r, ":load two\\ words.ppm");
    assert_saw(&r, "two words.ppm: PNM");
    works(&r, ":load [ab].ppm");
    assert_saw(&r, "a.ppm: PNM");
    assert_saw(&r, "b.ppm: PNM");
    fails(&r, ":load photo[2].ppm", "photo[2].ppm");
}

/* A name that exists needs no quotes, whatever is in it. */
static void names_as_they_are(void **state)
{
    (void)state;
    static const char *const names[] = {"My Photo (1).ppm", "it's here.ppm", "two  blanks.ppm",
                                        "back\\slash.ppm", "a \"b\".ppm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char line[80], want[80];
        recorder_picture(&r, names[i], (int)i);
        snprintf(line, sizeof line, ":load %s", names[i]);
        snprintf(want, sizeof want, "%s: PNM", names[i]);
        works(&r, line);
        assert_saw(&r, want);
        snprintf(line, sizeof line, ":load a.ppm %s as name%zu", names[i], i);
        fails(&r, line, "cannot stand for 2 pictures");
        snprintf(line, sizeof line, ":load %s as name%zu", names[i], i);
        works(&r, line);
    }
    mkdir("My Dir", 0700);
    recorder_picture(&r, "My Dir/c.ppm", 9);
    works(&r, ":load 'My Dir'/?.ppm");
    assert_saw(&r, "My Dir/c.ppm: PNM");
    fails(&r, ":load My Dir", "My Dir is a folder");
    fails(&r, ":load 'My Photo'*'.ppm' none.ppm", "none.ppm");
    fails(&r, ":load \"\"", "name is empty");
}

/* {} is the tests' folder, {%} the same in an address, {\\} with Windows' separators. */
static char *with_folder(const char *s)
{
    struct text t = {0};
    for (; *s; s++) {
        bool address = !strncmp(s, "{%}", 3), windows = !strncmp(s, "{\\}", 3);
        if (!address && !windows && strncmp(s, "{}", 2) != 0) {
            text_addn(&t, s, 1);
            continue;
        }
        for (const char *p = r.folder.path; *p; p++)
            text_addn(&t, windows && *p == '/' ? "\\" : p, 1);
        s += address || windows ? 2 : 1;
    }
    return text_take(&t);
}

static void dropped_paths(void **state)
{
    (void)state;
    char url[300];
    recorder_picture(&r, "My Photo 1.ppm", 7);
    snprintf(url, sizeof url, "file://%s/My%%20Photo%%201.ppm", r.folder.path);
    works(&r, url);
    assert_saw(&r, "My Photo 1.ppm: PNM");
    assert_int_equal(r.nb->book.n, 0);
    staged_is(&r, "@1");
    snprintf(url, sizeof url, "file://localhost%s/My%%20Photo%%201.ppm", r.folder.path);
    works(&r, url);
    works(&r, "My\\ Photo\\ 1.ppm");
    works(&r, "'My Photo 1.ppm' a.ppm");
    staged_is(&r, "@1 @2 @3 @4 @5");
    works(&r, "What is in My\\ Photo\\ 1.ppm?");
    assert_saw(&r, "is sent as the picture @6");
    assert_string_equal(cell(1)->text, "What is in <|image_1|>?");
    /* A prompt that names its pictures takes those only. */
    staged_is(&r, "@1 @2 @3 @4 @5");
}

/* What terminals make of dropped files, as their documentation or source has it. */
static void drops(void **state)
{
    (void)state;
    static const struct {
        const char *terminal, *line;
        int n; // pictures
    } table[] = {
        {"xterm: the text of the selection", "{}/a.ppm", 1},
        {"xterm: blanks are no more than blanks", "{}/My Photo 1.ppm", 1},
        {"xterm: a file manager's address", "file://{%}/My%20Photo%201.ppm\n", 1},
        {"kitty: quoted as by Python's shlex", "'{}/My Photo 1.ppm'", 1},
        {"kitty: an apostrophe", "'{}/it'\"'\"'s.ppm'", 1},
        {"kitty: several", "{}/a.ppm '{}/My Photo 1.ppm' {}/b.ppm", 3},
        {"kitty, before 0.24: as it is, a line each", "{}/My Photo 1.ppm\n{}/a.ppm\n", 2},
        {"foot: quoted, a blank behind", "'{}/a.ppm' '{}/My Photo 1.ppm' ", 2},
        {"foot: an apostrophe", "'{}/it'\\''s.ppm' ", 1},
        {"VTE: quoted as by GLib", "'{}/My Photo 1.ppm' ", 1},
        {"VTE: an apostrophe", "'{}/it'\\''s.ppm' ", 1},
        {"VTE: other letters", "'{}/Gr\303\274\303\237e \345\233\276.ppm' ", 1},
        {"Konsole, Ghostty, mlterm: backslashes", "{}/My\\ Photo\\ 1.ppm", 1},
        {"Ghostty: all that a shell reads", "{}/\\(x\\)\\ \\&\\ \\$y.ppm", 1},
        {"Windows Terminal, in WSL", "'{}/My Photo 1.ppm'", 1},
        {"Windows Terminal: \\\\wsl.localhost", "\"\\\\wsl.localhost\\Debian{\\}\\My Photo 1.ppm\"",
         1},
        {"Windows Terminal: \\\\wsl$", "\\\\wsl$\\Ubuntu-24.04{\\}\\a.ppm", 1},
        {"a prompt", "What is in {}/a.ppm", 0},
        {"a path that is no picture's", "/etc/passwd", 0},
        {"words about one", "notes about /etc/passwd", 0},
        {"words about one that is not there", "notes about {}/none.ppm", 0},
    };
    static const char *const missing[] = {"{}/none.ppm", "file://{%}/none.ppm",
                                          "{}/a.ppm {}/none.ppm", "C:\\none.ppm",
                                          "\\\\wsl$\\Debian{\\}\\none.ppm"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        char *line = with_folder(missing[i]);
        fails(&r, line, "none.ppm: no such picture");
        free(line);
    }
    recorder_picture(&r, "My Photo 1.ppm", 7);
    recorder_picture(&r, "it's.ppm", 8);
    recorder_picture(&r, "(x) & $y.ppm", 9);
    recorder_picture(&r, "Gr\303\274\303\237e \345\233\276.ppm", 10);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *line = with_folder(table[i].line);
        works(&r, ":reset all");
        works(&r, line);
        int n = 0;
        char *staged = nb_staged(r.nb, 0);
        for (const char *p = staged; (p = strchr(p, '@')); p++) n++;
        if (n != table[i].n || (n > 0) != (r.nb->book.n == 0))
            fail_msg("%s: %s stages \"%s\"", table[i].terminal, line, staged);
        free(staged);
        free(line);
    }
}

/* The paths of Windows' drives are where WSL has them. */
static void drives(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"C:\\Users\\me\\a.png", "/mnt/c/Users/me/a.png"},
        {"d:\\Gr\303\274\303\237e\\a b.png", "/mnt/d/Gr\303\274\303\237e/a b.png"},
        {"C:\\\\Users\\\\a.png", "/mnt/c/Users/a.png"},
        {"\\\\WSL.LOCALHOST\\x\\srv\\a.png", "/srv/a.png"},
        {"\\\\server\\share\\a.png", "\\\\server\\share\\a.png"},
        {"C:", "C:"},
        {"C:/a.png", "C:/a.png"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *path = load_path(table[i][0]);
        assert_string_equal(path, table[i][1]);
        free(path);
        /* It goes through a line and back as one word. */
        struct words words;
        char *quoted = word_quote(table[i][0]);
        assert_int_equal(words_split(quoted, &words, NULL), 0);
        assert_int_equal(words.n, 1);
        path = load_path(words.v[0].text);
        assert_string_equal(path, table[i][1]);
        free(path);
        free(quoted);
        words_free(&words);
    }
}

static void handles(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\n:load b.ppm\n:load c.ppm as cover");
    static const struct {
        const char *prompt, *text;
        int images[3];
    } table[] = {
        {"比较@1和@2", "比较<|image_1|>和<|image_2|>", {1, 2}},
        {"描述 @1？", "描述 <|image_1|>？", {1}},
        {"@1和@2有什么不同", "<|image_1|>\n和<|image_2|>有什么不同", {1, 2}},
        {"@1-3 differ?", "<|image_1|>\n<|image_2|>\n<|image_3|>\ndiffer?", {1, 2, 3}},
        {"See @2-3.", "See <|image_1|> <|image_2|>.", {2, 3}},
        {"(@cover)", "(<|image_1|>)", {3}},
        {"@cover's title, @1-like", "<|image_1|>\n's title, <|image_2|>-like", {3, 1}},
        {"Is @2, then @2, and @1?", "Is <|image_1|>, then <|image_1|>, and <|image_2|>?", {2, 1}},
        {"me@1.org and @people",
         "<|image_1|>\n<|image_2|>\n<|image_3|>\nme@1.org and @people",
         {1, 2, 3}},
        {"What is in a.ppm?", "What is in <|image_1|>?", {1}},
        {"::colon @1", ":colon <|image_1|>", {1}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        works(&r, table[i].prompt);
        assert_string_equal(cell(1)->text, table[i].text);
        for (int k = 0; k < cell(1)->images.n && strcmp(table[i].prompt, "What is in a.ppm?"); k++)
            assert_int_equal(cell(1)->images.v[k] + 1, table[i].images[k]);
        works(&r, ":undo");
    }
    fails(&r, "What is @7?", "there is no picture @7");
    assert_saw(&r, "next 0: What is @7?\n");
    fails(&r, "What is @nothing.png?", "@nothing.png: no such picture");
    assert_saw(&r, "next 0: What is @nothing.png?\n");
    assert_int_equal(r.nb->book.n, 0);
}

static void drop_and_unstage(void **state)
{
    (void)state;
    fails(&r, ":drop", ":drop needs a picture");
    fails(&r, ":drop @1", "there is no picture @1");
    works(&r, ":load a.ppm b.ppm c.ppm");
    works(&r, ":drop @2");
    staged_is(&r, "@1 @3");
    fails(&r, ":drop 2", "there is no picture");
    works(&r, ":unstage");
    staged_is(&r, "");
    works(&r, "What of @1?");
    fails(&r, ":drop @1", "cell 1 uses @1, so it stays");
    fails(&r, "And @2?", "there is no picture @2");
    fails(&r, "@1-3 differ?", "there are no pictures @1-3");
    works(&r, ":undo");
    staged_is(&r, "");
    works(&r, ":show @1");
    assert_saw(&r, "image @1: ");
    works(&r, ":show @3 model");
    assert_saw(&r, "image the crops the whole: the whole at");
    works(&r, ":show");
    assert_saw(&r, "image @3: ");
    fails(&r, ":show @2", "there is no picture");
    fails(&r, ":show @1 @3", ":show [@n] [model]");
}

/* -- Cells ------------------------------------------------------------------------------------ */

static void undo_restages(void **state)
{
    (void)state;
    fails(&r, ":undo", "nothing to take back");
    works(&r, ":load a.ppm\n:system Be brief.\nOne?");
    staged_is(&r, "");
    works(&r, ":undo");
    assert_saw(&r, "report: cell 1 is gone\n");
    staged_is(&r, "@1");
    assert_string_equal(nb_settings(r.nb)->system, "Be brief.");
    works(&r, "Two?");
    assert_int_equal(cell(1)->images.n, 1);
    works(&r, ":edit 1 Three?");
    assert_string_equal(cell(1)->prompt, "Three?");
    works(&r, ":undo");
    assert_saw(&r, "report: cell 1 is as it was\n");
    assert_string_equal(cell(1)->prompt, "Two?");
    state_is(1, CELL_OK);
    works(&r, ":undo");
    staged_is(&r, "@1");
    fails(&r, ":undo", "nothing to take back");
}

static void edit_leads_to_stale(void **state)
{
    (void)state;
    works(&r, "One");
    works(&r, "Two");
    works(&r, "Three");
    works(&r, ":edit 2 Zwei");
    assert_saw(&r, "note: (cell 3 is stale now; :run 3)\n");
    works(&r, ":cells");
    assert_saw(&r, "report: In [2] ok: Zwei\n");
    assert_saw(&r, "report: In [3] stale: Three\n");
    works(&r, ":edit 1 Eins");
    assert_saw(&r, "note: (cells 2-3 are stale now; :run 2-3)\n");
    works(&r, ":run 2-");
    state_is(3, CELL_OK);
    works(&r, ":edit 2");
    assert_saw(&r, "next 2: Zwei\n");
    works(&r, ":edit");
    assert_saw(&r, "next 3: Three\n");
    fails(&r, ":edit 4", "there is no cell 4");
    fails(&r, ":edit x y", "is not a range of cells");
    fails(&r, ":edit 2 @9", "there is no picture @9");
    assert_saw(&r, "next 2: @9\n");
    assert_string_equal(cell(2)->prompt, "Zwei");
    state_is(2, CELL_OK);
    assert_int_equal(nb_edit(r.nb, 2, "Deux", NB_TYPED, &r.result, &r.err), 0);
    assert_int_equal(r.result.cell, 2);
    assert_int_equal(nb_edit(r.nb, 9, "Deux", NB_TYPED, &r.result, &r.err), PHI3V_E_ARGUMENT);
}

/* A prompt may hold the words of an edit; an edit may not hold another. */
static void edit_does_not_nest(void **state)
{
    (void)state;
    works(&r, "One");
    fails(&r, ":edit 1 :edit 1 Two", "edit");
    assert_string_equal(cell(1)->prompt, "One");
    struct text deep = {0};
    for (int i = 0; i < 100000; i++) text_add(&deep, ":edit 1 ");
    text_add(&deep, "Two");
    fails(&r, deep.s, "edit");
    text_free(&deep);
    works(&r, ":edit 1 ::edit");
    assert_string_equal(cell(1)->prompt, ":edit");
    assert_int_equal(nb_edit(r.nb, 1, ":load a.ppm\nWhat?", NB_TYPED, &r.result, &r.err), 0);
    assert_string_equal(cell(1)->lines.v[0].text, ":load a.ppm");
    assert_string_equal(cell(1)->text, "<|image_1|>\nWhat?");
    static const char *const others[] = {":cells\nWhat?", "!touch x\nWhat?", "?load\nWhat?"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(nb_edit(r.nb, 1, others[i], NB_TYPED, &r.result, &r.err),
                         PHI3V_E_ARGUMENT);
        assert_non_null(strstr(r.err.text, "does not belong into a cell"));
        assert_saw(&r, others[i]);
    }
    assert_int_equal(r.n_shell, 0);
    assert_string_equal(cell(1)->prompt, "What?");
}

static void run_retry_more(void **state)
{
    (void)state;
    fails(&r, ":run 1", "there are no cells yet");
    fails(&r, ":retry", "there are no cells yet");
    fails(&r, ":more", "there are no cells yet");
    works(&r, "One");
    fails(&r, ":run", ":run needs cells");
    fails(&r, ":run 2", "there is no cell 2");
    fails(&r, ":run 1 seed", "key=value, not \"seed\"");
    fails(&r, ":run 1 seed=x", "seed must be");
    fails(&r, ":run 1 tempreature=1", "did you mean temperature?");
    fails(&r, ":run 1 system=x", "system cannot be set for one run only");
    char *first = text_copy(cell(1)->answer);
    works(&r, ":retry");
    assert_saw(&r, "(at temperature 0.7, seed 1)");
    assert_int_equal(cell(1)->overrides.n, 2);
    works(&r, ":run 1");
    assert_string_equal(cell(1)->answer, first);
    assert_int_equal(cell(1)->overrides.n, 0);
    assert_int_equal(cell(1)->finish, PHI3V_FINISH_LENGTH);
    works(&r, ":more");
    assert_int_equal(cell(1)->n_ids, 6);
    assert_memory_equal(cell(1)->answer, first, strlen(first));
    works(&r, ":undo");
    assert_int_equal(cell(1)->n_ids, 3);
    free(first);
}

/* :more goes on as the run went that it goes on from. */
static void more_keeps_the_run_s_settings(void **state)
{
    (void)state;
    works(&r, "One");
    works(&r, ":run 1 temperature=2 seed=7 max_new_tokens=8");
    int32_t whole[8];
    assert_true(cell(1)->n_ids > 4);
    memcpy(whole, cell(1)->ids, sizeof whole);
    works(&r, ":run 1 temperature=2 seed=7 max_new_tokens=4");
    works(&r, ":more");
    assert_true(cell(1)->n_ids > 4);
    assert_memory_equal(cell(1)->ids, whole, 4 * sizeof *whole);
    assert_int_equal(cell(1)->overrides.n, 3);
    state_is(1, CELL_OK);
}

static void interrupted_keeps_its_part(void **state)
{
    (void)state;
    int n_cancelled = 0, n_parts = 0, rc = -1;
    works(&r, ":set max_new_tokens 8");
    for (long after = 0; rc != 0 || r.nb->book.n == 0; after++) {
        r.stop_after = after;
        rc = recorder_eval(&r, "Two", NB_TYPED);
        r.stop_after = -1;
        bool part = rc == 0 && r.result.interrupted;
        if (part) {
            n_parts++;
            state_is(1, CELL_INTERRUPTED);
            size_t n = cell(1)->n_ids;
            works(&r, ":more");
            assert_true(cell(1)->n_ids > n);
            works(&r, ":undo");
            works(&r, ":undo");
        } else if (rc < 0) {
            n_cancelled++;
            assert_int_equal(rc, PHI3V_E_CANCELLED);
            assert_saw(&r, "next 0: Two\n");
        }
        assert_int_equal(r.nb->book.n, rc == 0 && !part);
    }
    assert_true(n_cancelled > 0 && n_parts > 0);
}

static void answers_are_pasted(void **state)
{
    (void)state;
    fails(&r, "And {_}?", "there is no answer");
    fails(&r, "And {Out[1]}?", "there is no answer 1 above");
    works(&r, "One");
    works(&r, "Say {Out[1]} again, {_}");
    char *text = text_format("Say %s again, %s", cell(1)->answer, cell(1)->answer);
    assert_string_equal(cell(2)->text, text);
    free(text);
    /* Only what stands above can be pasted, so that a cell follows from those above it. */
    fails(&r, ":edit 1 {Out[2]}", "there is no answer 2 above");
    fails(&r, ":edit 1 {Out[1]}", "there is no answer 1 above");
    /* Also where cells stand by themselves, what was pasted is a part of the prompt. */
    works(&r, ":mode cell\nOnly {Out[1]}");
    works(&r, "By itself");
    works(&r, ":edit 1 Eins");
    state_is(3, CELL_STALE);
    state_is(4, CELL_OK);
}

static void settings_are_bound_to_cells(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\nWhat?");
    char *before = recorder_ids(&r, 1);
    works(&r, "Two");
    works(&r, ":set num_crops 4\nThree");
    works(&r, ":load a.ppm\nFour");
    char *after = recorder_ids(&r, 1);
    assert_string_equal(after, before);
    state_is(1, CELL_OK);
    state_is(2, CELL_OK);
    assert_int_equal(cell(1)->num_crops, 1);
    assert_int_equal(cell(4)->num_crops, 4);
    works(&r, ":set temperature 0.5");
    works(&r, ":system Other.");
    works(&r, ":mode cell");
    for (int i = 1; i <= 4; i++) state_is(i, CELL_OK);
    works(&r, ":run all");
    for (int i = 1; i <= 4; i++) state_is(i, CELL_OK);
    free(before);
    free(after);
}

static void reset_and_undo(void **state)
{
    (void)state;
    works(&r, ":load a.ppm b.ppm\nOf @1?");
    fails(&r, ":reset everything", ":reset or :reset all");
    works(&r, ":reset");
    assert_saw(&r, "note: (:undo brings the cells back)\n");
    assert_int_equal(r.nb->book.n, 0);
    staged_is(&r, "@2");
    works(&r, "What of @1?");
    works(&r, ":undo");
    works(&r, ":undo");
    assert_saw(&r, "report: the notebook from before is back: 1 cell\n");
    assert_string_equal(cell(1)->prompt, "Of @1?");
    state_is(1, CELL_OK);
    works(&r, ":set layout above");
    assert_saw(&r, "settings: layout above\n");
    works(&r, ":reset all");
    staged_is(&r, "");
    assert_string_equal(nb_settings(r.nb)->layout, "auto");
    fails(&r, "What of @1?", "there is no picture @1");
    works(&r, ":undo");
    assert_string_equal(nb_settings(r.nb)->layout, "above");
    works(&r, ":retry");
}

/* -- Settings --------------------------------------------------------------------------------- */

static void settings_show_and_set(void **state)
{
    (void)state;
    works(&r, ":set");
    assert_saw(&r, "* max_new_tokens");
    assert_saw(&r, "  temperature");
    works(&r, ":set temperature");
    assert_saw(&r, "report:   temperature         0 ");
    works(&r, ":set temperature=0.5");
    works(&r, ":set temperature");
    assert_saw(&r, "* temperature         0.5   (default 0)");
    fails(&r, ":set temperature warm", "temperature must be a number from 0 to 100");
    fails(&r, ":set tempreature 1", "did you mean temperature?");
    fails(&r, ":set dtype q8", "dtype is fixed once the model is loaded");
    fails(&r, ":set offline on", "there is no setting offline");
    fails(&r, ":set --save", "settings are saved from a notebook in a terminal");
    fails_as(&r, ":set --save\nWhat?", NB_FILE, "a cell from a file does not save settings");
    fails(&r, ":mode sideways", "mode must be chat|cell");
    works(&r, ":mode cell\n:mode");
    assert_saw(&r, "report: cell\n");
    works(&r, ":system");
    assert_saw(&r, "report: no system turn\n");
    works(&r, ":system \"\"\"Answer in German,\nin one sentence.\"\"\"\n:system");
    assert_saw(&r, "report: Answer in German,\nin one sentence.\n");
    works(&r, ":sys off\n:system");
    assert_saw(&r, "report: no system turn\n");
    works(&r, "One");
    assert_int_equal(cell(1)->lines.n, 4);
    assert_string_equal(cell(1)->lines.v[2].text,
                        ":system \"\"\"Answer in German,\nin one sentence.\"\"\"");
    assert_string_equal(cell(1)->lines.v[3].text, ":system off");
}

static void multi_line_commands(void **state)
{
    (void)state;
    works(&r, ":load a.ppm \\\n  b.ppm\n:system Answer \\\nbriefly.\nWhat?");
    assert_int_equal(cell(1)->lines.n, 2);
    assert_int_equal(cell(1)->images.n, 2);
    works(&r, ":system");
    assert_saw(&r, "report: Answer \nbriefly.\n");
    works(&r, ":save x.ipynb");
    char *ids = recorder_ids(&r, 1);
    works(&r, ":open x.ipynb");
    assert_int_equal(cell(1)->lines.n, 2);
    assert_int_equal(cell(1)->lines.v[0].images.n, 2);
    assert_string_equal(cell(1)->prompt, "What?");
    state_is(1, CELL_OK);
    char *again = recorder_ids(&r, 1);
    assert_string_equal(ids, again);
    free(ids);
    free(again);
}

/* -- Looking ---------------------------------------------------------------------------------- */

/* What could not be told from the prompt behind it in a file is no command yet. */
static void unfinished_commands(void **state)
{
    (void)state;
    fails(&r, ":system \"\"\"Answer in", "goes on");
    fails(&r, ":load a.ppm \\", "goes on");
    works(&r, "What?");
    assert_int_equal(cell(1)->lines.n, 0);
}

static void looking(void **state)
{
    (void)state;
    works(&r, ":cells");
    assert_saw(&r, "report: no cells yet\n");
    works(&r, ":images");
    assert_saw(&r, "report: no pictures yet");
    works(&r, ":context");
    assert_saw(&r, "report: 0 of ");
    fails(&r, ":prompt", "there are no cells yet");
    works(&r, ":load a.ppm\nWhat?");
    works(&r, ":info");
    assert_saw(&r, "model    tiny-gqa-bf16");
    assert_saw(&r, "shown    in a test\n");
    works(&r, ":stats");
    assert_saw(&r, "1 answer\n");
    works(&r, ":context");
    assert_saw(&r, "report: cell 1 ");
    works(&r, ":prompt");
    assert_saw(&r, "<|image_1|>×313");
    works(&r, ":prompt 1 ids");
    assert_saw(&r, " tokens\n");
    fails(&r, ":prompt 1 2", ":prompt [n] [ids]");
    works(&r, ":history");
    assert_saw(&r, "report: line 1\nreport: line 2\nreport: line 3\n");
    works(&r, ":history -g 2");
    assert_not_saw(&r, "line 1");
    assert_saw(&r, "report: line 2\n");
    fails(&r, ":history x", ":history [-g PATTERN]");
    works(&r, ":help");
    assert_saw(&r, ":load WHAT... [as NAME]");
    works(&r, "?load");
    assert_saw(&r, "e.g. :load chart.png");
    fails(&r, ":help frobnicate", "unknown command :frobnicate");
    fails(&r, "?s", ":s can mean");
    works(&r, ":model");
    assert_saw(&r, "model    tiny-gqa-bf16");
    works(&r, "!echo a");
    assert_saw(&r, "shell: echo a\n");
    fails(&r, "! ", "! needs a command");
    fails(&r, ":frobnicate", "unknown command :frobnicate");
    fails(&r, ":s", ":s can mean");
}

/* Another program's command is refused, and ours stands in the line instead, to be sent. */
static void habits_are_translated(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"/image a.ppm", "that is :load FILE here; nothing was sent", ":load a.ppm"},
        {"/image a.ppm\nWhat?", "that is :load FILE here", ":load a.ppm\nWhat?"},
        {"/clear", "that is :reset here", ":reset"},
        {"%edit 3", "that is :edit n here", ":edit 3"},
        {"help", "that is :help here", ":help"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char next[80];
        snprintf(next, sizeof next, "next 0: %s\n", cases[i][2]);
        fails(&r, cases[i][0], cases[i][1]);
        assert_saw(&r, next);
    }
    assert_int_equal(r.nb->book.n, 0);
}

/* What has no name of a command, or words that a command does not take, is refused. */
static void no_words_are_ignored(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\nWhat?");
    for (int i = 0; i < n_commands; i++) {
        if (*command_table[i].args) continue;
        char line[80], why[80];
        snprintf(line, sizeof line, ":%s 2", command_table[i].name);
        snprintf(why, sizeof why, ":%s takes no words, not \"2\"", command_table[i].name);
        fails(&r, line, why);
    }
    assert_false(r.result.quit);
    assert_int_equal(r.nb->book.n, 1);
    static const char *const nameless[] = {":", ": load a.ppm", ":)", ":-(", ":1"};
    for (size_t i = 0; i < sizeof nameless / sizeof *nameless; i++)
        fails(&r, nameless[i], "is no command: :help lists them, and ::TEXT is a prompt");
}

static void quit(void **state)
{
    (void)state;
    works(&r, "exit strategies of banks?");
    assert_false(r.result.quit);
    static const char *const words[] = {":quit", ":q", "exit", "quit", "exit()", " quit()\n"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        recorder_restart(&r, true);
        works(&r, words[i]);
        assert_true(r.result.quit);
        assert_int_equal(r.nb->book.n, 0);
    }
    recorder_restart(&r, true);
    works(&r, ":quit\nnever asked");
    assert_int_equal(r.nb->book.n, 0);
    works(&r, "asked by a front end that stayed");
    assert_false(r.result.quit);
    assert_int_equal(r.nb->book.n, 1);
}

/* What had run is not given back; what failed and what stands behind it is. */
static void refused_text_comes_back(void **state)
{
    (void)state;
    fails(&r, ":load a.ppm\n:load no.ppm\n:system x\nWhat?", "no.ppm");
    assert_saw(&r, "next 0: :load no.ppm\n:system x\nWhat?\n");
    staged_is(&r, "@1");
    fails(&r, ":system y\n@4?", "there is no picture @4");
    assert_saw(&r, "next 0: @4?\n");
    assert_string_equal(nb_settings(r.nb)->system, "y");
    fails(&r, ":load no.ppm\n\"\"\"\n:not a command\n\"\"\"", "no.ppm");
    assert_saw(&r, "next 0: :load no.ppm\n::not a command\n");
}

/* -- Files ------------------------------------------------------------------------------------ */

static void save_guards_files(void **state)
{
    (void)state;
    fails(&r, ":save x.ipynb", "there are no cells to save yet");
    works(&r, "One");
    fails(&r, ":save", ":save needs a file name");
    recorder_write("notes.md", "mine");
    fails(&r, ":save notes.md", "notes.md exists already; :save! notes.md writes over it");
    char *still = recorder_read("notes.md", NULL);
    assert_string_equal(still, "mine");
    free(still);
    works(&r, ":save! notes.md");
    works(&r, ":save notes.md");
    works(&r, ":save x");
    assert_saw(&r, "report: saved 1 cell to x.ipynb\n");
    works(&r, "Two");
    works(&r, ":save");
    recorder_write("x.ipynb", "somebody else's");
    fails(&r, ":save", "x.ipynb was changed by another program meanwhile");
    works(&r, ":save! x.ipynb");
    fails(&r, ":save x.pdf", "the name must end in .ipynb, .md, .txt or .json");
    fails(&r, ":save nowhere/x.ipynb", "cannot write nowhere/x.ipynb");
    fails(&r, ":save a b", ":save needs one file");
    assert_int_equal(mkdir("folder.ipynb", 0700), 0);
    fails(&r, ":save folder.ipynb", "folder.ipynb is not a plain file");
    fails(&r, ":save! folder.ipynb", "folder.ipynb is not a plain file");
    fails(&r, ":save a.ppm", "the name must end in .ipynb"); /* which is no advice to force it */
    fails(&r, ":save .", "the name must end in .ipynb");
    works(&r, ":save y.json\n:save y.txt");
    assert_int_equal(recorder_files(".", ".part"), 0);
}

static void links_are_kept(void **state)
{
    (void)state;
    struct stat st;
    works(&r, "One");
    assert_int_equal(mkdir("real", 0700), 0);
    recorder_write("real/x.ipynb", "old");
    assert_int_equal(chmod("real/x.ipynb", 0640), 0);
    assert_int_equal(symlink("real/x.ipynb", "x.ipynb"), 0);
    assert_int_equal(symlink("real/new.ipynb", "dangling.ipynb"), 0);
    assert_int_equal(symlink("dangling.ipynb", "twice.ipynb"), 0);
    assert_int_equal(symlink("loop.ipynb", "loop.ipynb"), 0);
    fails(&r, ":save x.ipynb", "exists already");
    works(&r, ":save! x.ipynb");
    assert_int_equal(lstat("x.ipynb", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat("real/x.ipynb", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    works(&r, ":save twice.ipynb");
    assert_int_equal(lstat("twice.ipynb", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(lstat("dangling.ipynb", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(lstat("real/new.ipynb", &st), 0);
    assert_true(S_ISREG(st.st_mode));
    fails(&r, ":save loop.ipynb", "loop.ipynb");
}

static void open_and_undo(void **state)
{
    (void)state;
    works(&r, ":load a.ppm as cover\nOf @cover?");
    works(&r, ":save x.ipynb");
    works(&r, "Two");
    fails(&r, ":open", ":open needs a notebook");
    fails(&r, ":open no.ipynb", "no.ipynb");
    recorder_write("bad.ipynb", "{");
    fails(&r, ":open bad.ipynb", "bad.ipynb is not JSON");
    assert_int_equal(r.nb->book.n, 2);
    works(&r, ":open x.ipynb");
    assert_saw(&r, "report: 1 cell; nothing was run");
    assert_saw(&r, "note: (:undo brings back the cells from before)\n");
    state_is(1, CELL_OK);
    works(&r, ":images");
    assert_saw(&r, "report: @1 @cover a.ppm: not loaded yet\n");
    works(&r, ":undo");
    assert_saw(&r, "report: the notebook from before is back: 2 cells\n");
    works(&r, ":save y.ipynb");
    works(&r, ":open y.ipynb");
    works(&r, ":run all");
    state_is(2, CELL_OK);
    works(&r, ":save");
    assert_saw(&r, "report: saved 2 cells to y.ipynb\n");
}

static void model_keeps_cells(void **state)
{
    (void)state;
    works(&r, "One");
    fails(&r, ":model " TEST_MODELS "/nothing", "nothing");
    fails(&r, ":model a b", ":model needs one name");
    works(&r, "Two");
    works(&r, ":model " TEST_MODELS "/tiny-gqa-bf16");
    assert_saw(&r, "report: model tiny-gqa-bf16, ");
    assert_int_equal(r.nb->book.n, 2);
    works(&r, ":undo");
    assert_int_equal(r.nb->book.n, 1);
    works(&r, ":run 1");
    state_is(1, CELL_OK);
}

/* The ids of an answer are another model's words when its tokenizer differs: the text counts. */
static void another_model_s_tokens(void **state)
{
    (void)state;
    works(&r, "Hello");
    works(&r, "And then?");
    works(&r, ":prompt 2 ids");
    char *own = text_copy(r.seen.s);
    struct cell *c = &r.nb->book.v[0];
    assert_true(c->n_ids > 1);
    assert_int_not_equal(c->ids[0], c->ids[1]);
    int32_t first = c->ids[0];
    c->ids[0] = c->ids[1];
    works(&r, ":prompt 2 ids");
    char *foreign = text_copy(r.seen.s);
    c->ids[0] = first;
    int32_t *ids = c->ids;
    c->ids = NULL;
    works(&r, ":prompt 2 ids");
    char *text = text_copy(r.seen.s);
    c->ids = ids;
    works(&r, ":prompt 2 ids");
    assert_string_equal(r.seen.s, own);
    assert_string_equal(foreign, text);
    free(own);
    free(foreign);
    free(text);
}

static void foreach_asks_each(void **state)
{
    (void)state;
    fails(&r, ":foreach", ":foreach needs pictures");
    fails(&r, ":foreach a.ppm", "there is no cell to ask yet");
    r.n_waits = 0;
    works(&r, ":foreach a.ppm b.ppm \"What?\"");
    assert_true(r.n_waits > 0);
    assert_saw(&r, "begin 0 a.ppm (1 of 2)\n");
    assert_saw(&r, "note: (2 of 2 pictures answered)\n");
    fails(&r, ":foreach a.ppm no.ppm \"What?\" to out.csv", "1 of 2 pictures gave no answer");
    assert_saw(&r, "error: ");
    char *csv = recorder_read("out.csv", NULL);
    assert_non_null(strstr(csv, "\na.ppm,"));
    assert_non_null(strstr(csv, "\nno.ppm,,,"));
    free(csv);
    works(&r, ":foreach a.ppm \"What?\" to out.csv");
    recorder_write("mine.csv", "mine");
    fails(&r, ":foreach a.ppm \"What?\" to mine.csv", "mine.csv exists already");
    fails(&r, ":foreach a.ppm \"What?\" to mine.txt", "the name must end in .csv or .jsonl");
    fails(&r, ":foreach @1 \"What?\"", "there is no picture @1");
    fails(&r, ":foreach a.ppm \"What of @1?\"", "there is no picture @1");
    works(&r, ":load a.ppm b.ppm\nWhat of @1?");
    works(&r, ":foreach @all 1");
    assert_saw(&r, "(2 of 2)");
    fails(&r, ":foreach @3-4 1", "there are no pictures @3-4");
    fails(&r, ":foreach @1 2", "there is no cell 2");
    assert_int_equal(r.nb->book.n, 1);
}

/* -- The desktop ------------------------------------------------------------------------------ */

static void clipboard_is(const char *text)
{
    r.clipboard = text;
    r.n_clipboard = strlen(text);
}

static void paste_loads(void **state)
{
    (void)state;
    size_t n;
    char *bytes = recorder_read("a.ppm", &n);
    fails(&r, ":paste", "no helper");
    fails(&r, ":paste this", ":paste, or :paste as NAME");
    r.clipboard = bytes;
    r.n_clipboard = n;
    works(&r, ":paste as shot");
    assert_saw(&r, "image @shot: @1 @shot ");
    staged_is(&r, "@shot");
    works(&r, ":paste");
    assert_int_equal(recorder_files("state/pasted", ".pnm"), 1); /* the same bytes */
    works(&r, "What?");
    /* The clipboard is another one by then; the cell is not. */
    assert_non_null(strstr(cell(1)->lines.v[0].text, ":load "));
    assert_non_null(strstr(cell(1)->lines.v[0].text, "/pasted/"));
    free(bytes);
    clipboard_is("a.ppm");
    works(&r, ":paste");
    staged_is(&r, "@3");
    clipboard_is("# files\r\na.ppm\r\nb.ppm\r\n");
    works(&r, ":paste");
    staged_is(&r, "@3 @4 @5");
    static const char *const none[] = {"What is in a.ppm?", "a.ppm\nand b.ppm", "no.ppm",
                                       "/etc/passwd",       ":load a.ppm",      "!touch made"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        clipboard_is(none[i]);
        fails(&r, ":paste", "text, not a picture");
    }
    clipboard_is("  \n");
    fails(&r, ":paste", "the clipboard is empty");
    clipboard_is("\x89PNG\r\n\x1a\n, but no more of it");
    fails(&r, ":paste", "PNG");
    staged_is(&r, "@3 @4 @5");
    fails_as(&r, ":paste", NB_FILE, "may not use :paste");
    fails_as(&r, ":copy", NB_FILE, "may not use :copy");
    fails_as(&r, ":watch .", NB_FILE, "may not use :watch");
}

static void copy_and_watch(void **state)
{
    (void)state;
    fails(&r, ":copy", "no cells yet");
    works(&r, "One");
    works(&r, ":copy");
    char *copied = text_format("copy: %s\n", nb_cell_answer(r.nb, 1));
    assert_saw(&r, copied);
    free(copied);
    fails(&r, ":copy 2", "there is no cell 2");
    works(&r, ":watch");
    assert_saw(&r, "no folder is watched");
    fails(&r, ":watch no-such", "cannot watch it");
    fails(&r, ":watch a b", "one folder");
    works(&r, ":watch state");
    assert_saw(&r, "watch: state\n");
    works(&r, ":watch");
    assert_saw(&r, "new pictures in state are staged");
    works(&r, ":watch off");
    assert_saw(&r, "watch: nothing\n");
}

int main(void)
{
#define TEST(name) RECORDER_TEST(name, &fixture)
    const struct CMUnitTest tests[] = {TEST(load_stages_and_shows),
                                       TEST(load_refuses),
                                       TEST(patterns_and_brackets),
                                       TEST(names_as_they_are),
                                       TEST(dropped_paths),
                                       TEST(drops),
                                       TEST(drives),
                                       TEST(handles),
                                       TEST(paste_loads),
                                       TEST(copy_and_watch),
                                       TEST(drop_and_unstage),
                                       TEST(undo_restages),
                                       TEST(edit_leads_to_stale),
                                       TEST(edit_does_not_nest),
                                       TEST(run_retry_more),
                                       TEST(more_keeps_the_run_s_settings),
                                       TEST(interrupted_keeps_its_part),
                                       TEST(answers_are_pasted),
                                       TEST(settings_are_bound_to_cells),
                                       TEST(reset_and_undo),
                                       TEST(settings_show_and_set),
                                       TEST(multi_line_commands),
                                       TEST(unfinished_commands),
                                       TEST(looking),
                                       TEST(habits_are_translated),
                                       TEST(no_words_are_ignored),
                                       TEST(quit),
                                       TEST(refused_text_comes_back),
                                       TEST(save_guards_files),
                                       TEST(links_are_kept),
                                       TEST(open_and_undo),
                                       TEST(model_keeps_cells),
                                       TEST(another_model_s_tokens),
                                       TEST(foreach_asks_each)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

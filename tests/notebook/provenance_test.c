/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a notebook that somebody sent, or a request, can make the program do: nothing but load
 * public pictures, set what is harmless, and ask. Every command of the table is tried in a cell
 * from a file, alone and behind every other command. */
#define _GNU_SOURCE
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/json.h"
#include "notebook/commands.h"
#include "recorder.h"

static struct recorder r;
static int listener, port;
static struct strings lines; // to be tried

/* -- A private server, which must see nobody -------------------------------------------------- */

static void listen_here(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 64), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    port = ntohs(at.sin_port);
}

static int n_connections(void)
{
    int n = 0;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; n++) close(fd);
    return n;
}

/* -- What is tried ---------------------------------------------------------------------------- */

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...)
{
    char line[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    assert_true(strings_add(&lines, line));
}

/* Every command with nothing, with what it might take, and what would be bad; a command that is new
 * in the table is tried with the words of the others. */
static void make_lines(void)
{
    static const char *const words[] = {"", "1", "all", "made.ipynb"};
    for (int i = 0; i < n_commands; i++)
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            add(":%s %s", command_table[i].name, words[k]);
    add("!touch made");
    add("! touch made");
    add("?load");
    add(":run 2");
    add(":run 1-2 seed=3");
    add(":r 1");
    add(":retry 2");
    add(":edit 2 another");
    add(":edit 2 !touch made");
    add(":more 2");
    add(":save! a.ppm");
    add(":save made.md");
    add(":open theirs.ipynb");
    add(":model " TEST_MODELS "/tiny-gqa-bf16");
    add(":foreach a.ppm \"What?\" to made.csv");
    add(":foreach http://127.0.0.1:%d/x.png \"What?\"", port);
    add(":load a.ppm");
    add(":load a.pdf");
    add(":load a.pdf#1");
    add(":load -");
    add(":load http://127.0.0.1:%d/x.png", port);
    add(":load http://localhost:%d/x.png as x", port);
    add(":load http://0x7f000001:%d/x.png", port);
    add(":load http://[::ffff:127.0.0.1]:%d/x.png", port);
    add(":show @1");
    add(":crop @1 0,0,5,5");
    add(":turn @1 90");
    add(":source s.phi");
    add(":drop @1");
    add(":set allow_private_urls on");
    add(":set offline off");
    add(":set max_new_tokens 999999");
    add(":set num_crops 256");
    add(":set layout above");
    add(":set fetch_timeout 86400");
    add(":set temperature 0.5");
    add(":set --save");
    add(":set system !touch made");
    add(":system :run 2");
    add(":mode cell");
}

static int setup(void **state)
{
    (void)state;
    recorder_open(&r, false);
    recorder_picture(&r, "a.ppm", 1);
    recorder_write("a.pdf", "%PDF-1.4\n");
    recorder_write("s.phi", ":images\n");
    works(&r, "Theirs");
    works(&r, ":save theirs.ipynb");
    recorder_restart(&r, false);
    listen_here();
    make_lines();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(listener);
    strings_free(&lines);
    recorder_close(&r);
    return 0;
}

/* -- What is looked at ------------------------------------------------------------------------ */

static uint64_t print_of_files; // names, sizes, times of the folder

static int add_file(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)kind, (void)ftw;
    uint64_t h = 14695981039346656037u;
    for (const char *p = path; *p; p++) h = (h ^ (unsigned char)*p) * 1099511628211u;
    h = (h ^ (uint64_t)st->st_size) * 1099511628211u;
    h = (h ^ (uint64_t)st->st_mtim.tv_sec) * 1099511628211u;
    h = (h ^ (uint64_t)st->st_mtim.tv_nsec) * 1099511628211u;
    print_of_files += h;
    return 0;
}

static uint64_t files_now(void)
{
    print_of_files = 0;
    assert_int_equal(nftw(r.folder.path, add_file, 16, FTW_PHYS), 0);
    return print_of_files;
}

struct before {
    uint64_t files;
    int n_cells;
    const phi3v_model *model;
    char *path;
};

static struct before look(void)
{
    return (struct before){files_now(), r.nb->book.n, r.nb->engine.model,
                           text_copy(r.nb->book.path)};
}

/* Nothing of this has happened. */
static void unharmed(struct before *b, const char *source)
{
    const char *what = r.n_shell || r.n_drawn                  ? "a process"
                       : files_now() != b->files               ? "a file"
                       : n_connections()                       ? "a private request"
                       : r.nb->quit || r.result.quit           ? "an end"
                       : r.nb->book.n < b->n_cells             ? "a cell that went"
                       : r.nb->book.n > b->n_cells + 1         ? "cells that came"
                       : r.nb->engine.model != b->model        ? "another model"
                       : r.nb->now.allow_private_urls          ? "private addresses"
                       : r.nb->now.max_new_tokens > 16384      ? "long answers"
                       : r.nb->now.num_crops > 64              ? "many crops"
                       : strcmp(r.nb->now.layout, "auto") != 0 ? "a layout"
                       : r.nb->now.fetch_timeout > 1000        ? "a long wait"
                       : saw(&r, "next ")                      ? "a line"
                       : strcmp(b->path ? b->path : "", r.nb->book.path ? r.nb->book.path : "") != 0
                           ? "another file"
                           : NULL;
    if (what) fail_msg("%s, by \"%s\":\n%s", what, source, r.seen.s);
    free(b->path);
}

static void open_with(const char *first)
{
    json_t *file = json_pack(
        "{s:i,s:i,s:{},s:[{s:s,s:s,s:{},s:s,s:[],s:n},{s:s,s:s,s:{},s:s,s:[],s:n}]}", "nbformat", 4,
        "nbformat_minor", 5, "metadata", "cells", "cell_type", "code", "id", "one", "metadata",
        "source", first, "outputs", "execution_count", "cell_type", "code", "id", "two", "metadata",
        "source", "Two", "outputs", "execution_count");
    assert_int_equal(json_dump_file(file, "sent.ipynb", 0), 0);
    json_decref(file);
    works(&r, ":open sent.ipynb");
    assert_int_equal(r.nb->book.n, 2);
}

/* A person runs it, in every way. */
static void run_sent(const char *source)
{
    static const char *const ways[] = {":run 1", ":run all", ":retry 1", ":edit 1 harmless",
                                       ":more 1"};
    open_with(source);
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        struct before b = look();
        recorder_eval(&r, ways[k], NB_TYPED);
        if (!strcmp(ways[k], ":edit 1 harmless") && saw(&r, "next 1: harmless")) {
            free(b.path); /* the edit was refused, and is the person's own text */
            b = look();
            text_free(&r.seen);
            text_add(&r.seen, "");
        }
        unharmed(&b, source);
        assert_int_equal(r.nb->book.n, 2);
    }
}

static bool may_stand_in_file(const char *line)
{
    static const char *const fine[] = {":load", ":set", ":system",  ":mode", ":drop",
                                       ":fork", ":say", ":unstage", ":crop", ":turn"};
    size_t n = strcspn(line, " ");
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        if (strlen(fine[i]) == n && !strncmp(line, fine[i], n)) return true;
    return false;
}

static void classes_are_what_they_are(void **state)
{
    (void)state;
    for (int i = 0; i < n_commands; i++) {
        char line[80];
        snprintf(line, sizeof line, ":%s", command_table[i].name);
        assert_int_equal(command_table[i].class == BY_ANYONE, may_stand_in_file(line));
        /* What anyone may use is a line of a cell and nothing more. */
        if (command_table[i].class == BY_ANYONE) assert_true(command_table[i].use & COMMAND_RECORD);
    }
}

static void alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < lines.n; i++) {
        char *source = text_format("%s\nAnd now?", lines.v[i]);
        run_sent(source);
        if (!may_stand_in_file(lines.v[i])) {
            fails(&r, ":run 1", "");
            if (!strstr(r.err.text, "from a file may not use") && !strstr(r.err.text, "can mean") &&
                !strstr(r.err.text, "has no form"))
                fail_msg("\"%s\" said: %s", lines.v[i], r.err.text);
        }
        free(source);
    }
}

/* A page of a document is drawn by another program: in a prompt from a file it is not, and a
 * request gets the words for what is no picture; the same line from a person draws it. */
static void pages_of_documents(void **state)
{
    (void)state;
    static const char *const prompts[] = {"What is on @a.pdf#1?", "a.pdf#1 What?", "@a.pdf"};
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) run_sent(prompts[i]);
    open_with(prompts[0]);
    fails(&r, ":run 1", "which a cell from a file may not start");
    recorder_eval(&r, ":load a.pdf#1", NB_REQUEST);
    assert_int_equal(r.n_drawn, 0);
    works(&r, ":load a.pdf#3");
    assert_saw(&r, "page 3\n");
    works(&r, "What is on @a.pdf#2?");
    assert_saw(&r, "page 2\n");
    r.n_drawn = 0;
}

/* Behind a command that is allowed, and one that is not, at the end and in the middle. */
static void behind_every_other(void **state)
{
    (void)state;
    size_t step = getenv("PHISCOPE_TEST_ALL") ? 1 : 23;
    for (size_t i = 0; i < lines.n; i++)
        for (size_t k = i % step; k < lines.n; k += step) {
            char *source = text_format("%s\n%s\nAnd now?", lines.v[i], lines.v[k]);
            open_with(source);
            struct before b = look();
            recorder_eval(&r, ":run all", NB_TYPED);
            unharmed(&b, source);
            assert_int_equal(r.nb->book.n, 2);
            free(source);
        }
}

/* The same evaluated as coming from a file, or from somebody else. */
static void evaluated(enum nb_origin origin)
{
    works(&r, ":open theirs.ipynb");
    for (size_t i = 0; i < lines.n; i++)
        for (size_t k = i % 19; k < lines.n; k += 19) {
            char *source = text_format("%s\n%s\nAnd now?", lines.v[i], lines.v[k]);
            struct before b = look();
            int n_images = r.nb->book.images.n;
            recorder_eval(&r, source, origin);
            unharmed(&b, source);
            if (origin == NB_REQUEST) assert_int_equal(r.nb->book.images.n, n_images);
            free(source);
            if (r.nb->book.n > 3) works(&r, ":open theirs.ipynb");
        }
}

static void evaluated_as_a_file(void **state)
{
    (void)state;
    evaluated(NB_FILE);
}

static void evaluated_as_a_request(void **state)
{
    (void)state;
    evaluated(NB_REQUEST);
}

/* Prompts are no commands, and load no more than :load may. */
static void prompts(void **state)
{
    (void)state;
    char here[100], too[100];
    snprintf(here, sizeof here, "@http://127.0.0.1:%d/x.png and?", port);
    snprintf(too, sizeof too, "See @http://localhost:%d/x.png", port);
    const char *const table[] = {
        "exit",     "quit", "quit()", here,     too,      "@-",
        "{Out[2]}", "{_}",  "/quit",  "%run 1", "::quit", "\"\"\"\n:quit\n!touch made\n\"\"\""};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        run_sent(table[i]);
        for (int origin = NB_FILE; origin <= NB_REQUEST; origin++) {
            struct before b = look();
            recorder_eval(&r, table[i], (enum nb_origin)origin);
            unharmed(&b, table[i]);
        }
    }
}

/* A request learns nothing of which files are there. */
static void requests_see_no_files(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {":load a.ppm\nWhat?", ":load n.ppm\nWhat?"},
        {":load *.ppm\nWhat?", ":load *.xxx\nWhat?"},
        {":load a.pp?\nWhat?", ":load n.pp?\nWhat?"},
        {":load file:///etc/passwd\nWhat?", ":load file:///etc/passwx\nWhat?"},
        {"@a.ppm", "@n.ppm"},
        {"@/etc/passwd", "@/etc/passwx"},
        {"@a.ppm, and this?", "@n.ppm, and this?"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        fails_as(&r, pairs[i][0], NB_REQUEST, "");
        char *said = text_copy(r.err.text);
        fails_as(&r, pairs[i][1], NB_REQUEST, "");
        assert_int_equal(strlen(said), strlen(r.err.text));
        free(said);
    }
    assert_int_equal(recorder_eval(&r, "What is in a.ppm?", NB_REQUEST), 0);
    assert_int_equal(r.nb->book.images.n, 0);
    assert_string_equal(r.nb->book.v[r.nb->book.n - 1].text, "What is in a.ppm?");
}

/* A file's cell that a person edits stays the file's in what the file wrote, and the person's in
 * what the person wrote. */
static void lines_keep_their_origin(void **state)
{
    (void)state;
    open_with(":set num_crops 2\nOne");
    assert_int_equal(
        nb_edit(r.nb, 1, ":set num_crops 100\nx {Out[9]}", NB_TYPED, &r.result, &r.err),
        PHI3V_E_PROMPT);
    assert_int_equal(nb_edit(r.nb, 1, ":set num_crops 100\nEins", NB_TYPED, &r.result, &r.err), 0);
    const struct cell *c = &r.nb->book.v[0];
    assert_int_equal(c->lines.v[0].origin, NB_FILE);
    assert_int_equal(c->lines.v[1].origin, NB_TYPED);
    assert_int_equal(r.nb->now.num_crops, 100);
    assert_int_equal(nb_edit(r.nb, 2, ":set num_crops 100\nZwei", NB_FILE, &r.result, &r.err),
                     PHI3V_E_ARGUMENT);
    /* And what goes back to the pending lines keeps it, too. */
    fails_as(&r, ":load http://127.0.0.1:1/x.png", NB_FILE, "");
    assert_int_equal(recorder_eval(&r, ":set num_crops 3\nThree", NB_FILE), 0);
    works(&r, ":undo");
    assert_int_equal(r.nb->book.pending.v[0].origin, NB_FILE);
}

/* -- Notebooks that were sent ----------------------------------------------------------------- */

static void open_case(const char *name)
{
    char *line = text_format(":open \"" CASES "/%s\"", name);
    works(&r, line);
    free(line);
}

static void runs_nothing(void **state)
{
    (void)state;
    open_case("rce-nested-run.ipynb");
    struct before b = look();
    fails(&r, ":run all", "a cell from a file may not use :run");
    unharmed(&b, "rce-nested-run");
    open_case("recursion.ipynb");
    b = look();
    fails(&r, ":run 1", "a cell from a file may not use :run");
    fails(&r, ":retry 1", "a cell from a file may not use :run");
    unharmed(&b, "recursion");
}

static void names_are_names(void **state)
{
    (void)state;
    open_case("osc52-picture-name.ipynb");
    assert_int_equal(r.nb->book.images.n, 1);
    assert_null(r.nb->book.images.v[0].name);
    works(&r, ":images");
    assert_not_saw(&r, "\033");
}

static void the_source_is_the_truth(void **state)
{
    (void)state;
    open_case("edited_source.ipynb");
    works(&r, ":cells 1");
    assert_saw(&r, "In [1] stale: ");
    assert_not_saw(&r, "What shapes are there?");
    assert_int_equal(chdir(SOURCE_ROOT), 0);
    works(&r, ":run 1");
    assert_int_equal(chdir(r.folder.path), 0);
    const struct cell *c = &r.nb->book.v[0];
    assert_non_null(strstr(c->text, c->prompt));
    open_case("kernel_switched.ipynb");
    assert_int_equal(r.nb->book.n, 3);
    open_case("nan.ipynb");
    works(&r, ":save made.ipynb");
    char *text = recorder_read("made.ipynb", NULL);
    assert_non_null(strstr(text, "\"duration\": NaN"));
    assert_non_null(strstr(text, "1.0,\n"));
    assert_non_null(strstr(text, "Infinity"));
    assert_non_null(strstr(text, "# Notes"));
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(classes_are_what_they_are),
                                       TEST(alone),
                                       TEST(pages_of_documents),
                                       TEST(behind_every_other),
                                       TEST(evaluated_as_a_file),
                                       TEST(evaluated_as_a_request),
                                       TEST(prompts),
                                       TEST(requests_see_no_files),
                                       TEST(lines_keep_their_origin),
                                       TEST(runs_nothing),
                                       TEST(names_are_names),
                                       TEST(the_source_is_the_truth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

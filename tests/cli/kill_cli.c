/* SPDX-License-Identifier: GPL-3.0-or-later
 * A notebook at a terminal that is killed at random moments, while somebody types, while it answers
 * and while it saves: whoever starts it again has every cell that was answered before.
 * kill_cli PHISCOPE [KILLS]. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "drive.h"
#include "golden.h"

static int n_finished, n_begun; // cells that were answered; those and perhaps one more

/* The number in the last prompt on the screen, once one waits for input; 0: none came. */
static int prompt_number(struct pty *p)
{
    int number = 0;
    for (int tries = 0; tries < 400 && !number; tries++) {
        pty_wait(p, 50);
        const char *screen = pty_screen(p), *at, *last = NULL;
        for (at = screen; (at = strstr(at, "In [")); at++) last = at;
        char end[3] = "";
        if (last && sscanf(last, "In [%d]%2[:\n ]", &number, end) == 2 && end[0] == ':') break;
        number = 0;
    }
    return number;
}

static struct pty *start(const char *what)
{
    static const char *list[] = {"-m", NULL, "--max-new-tokens", "24", NULL, NULL};
    list[1] = drive_golden("models/tiny-gqa-bf16");
    list[4] = what;
    return pty_start(list);
}

/* What was saved is a whole notebook, whatever happened meanwhile. */
static bool file_is_whole(const char *path)
{
    char *text = drive_read(path);
    if (!text) return true;
    json_t *file = json_loads(text, 0, NULL);
    bool whole = json_is_array(json_object_get(file, "cells"));
    json_decref(file);
    free(text);
    return whole;
}

/* The notebook again, with what was not saved or, where all of it was, from the file. */
static struct pty *again(const char *path)
{
    char line[600];
    struct pty *p = start(n_begun ? "-c" : NULL);
    int number = prompt_number(p);
    if (number == 1 && n_finished > 0) {
        snprintf(line, sizeof line, ":open %s\r", path);
        pty_type(p, line);
        pty_expect(p, "nothing was run");
        number = prompt_number(p);
    }
    if (number - 1 < n_finished || number - 1 > n_begun) {
        tap_note("%d cells, %d finished, %d begun\n%s", number - 1, n_finished, n_begun,
                 pty_screen(p));
        tap_ok(false, "the cells are back");
    }
    n_finished = n_begun = number - 1;
    return p;
}

static void ask(struct pty *p)
{
    char line[40];
    snprintf(line, sizeof line, "Cell %d\r", ++n_begun);
    pty_type(p, line);
}

static void one_life(const char *path)
{
    char line[600];
    struct pty *p = again(path);
    for (unsigned n = drive_draw(3); n > 0; n--) {
        ask(p);
        snprintf(line, sizeof line, "In [%d]: ", n_begun + 1);
        if (pty_expect(p, line)) n_finished++;
    }
    switch (drive_draw(3)) {
    case 0:
        pty_type(p, "Cell that nobody has sen");
        break;
    case 1:
        ask(p);
        break;
    case 2:
        snprintf(line, sizeof line, ":save! %s\r", path);
        pty_type(p, line);
    }
    usleep(drive_draw(80000));
    pty_kill(p);
    if (!file_is_whole(path)) tap_ok(false, "the file is whole");
}

static bool all_cells_are_in(const char *path)
{
    char *text = drive_read(path), want[40];
    bool all = text != NULL;
    for (int k = 1; all && k <= n_finished; k++) {
        snprintf(want, sizeof want, "\"Cell %d\"", k);
        all = strstr(text, want) != NULL;
        if (!all) tap_note("%s is missing", want);
    }
    free(text);
    return all;
}

int main(int argc, char **argv)
{
    int n_kills = argc > 2 && atoi(argv[2]) > 0 ? atoi(argv[2]) : 6;
    char line[600], path[500];
    unsigned seed = (unsigned)time(NULL);
    drive_seed(seed);
    drive_init(argc > 2 ? 2 : argc, argv);
    tap_note("seed %u", seed);
    if (!golden_exists("models/tiny-gqa-bf16")) {
        tap_skip("models/tiny-gqa-bf16", "kills");
        return drive_done();
    }
    snprintf(path, sizeof path, "%s", drive_file("x.ipynb"));
    for (int k = 0; k < n_kills; k++) one_life(path);
    struct pty *p = again(path);
    snprintf(line, sizeof line, ":save! %s\r", path);
    pty_type(p, line);
    tap_ok(!n_finished || pty_expect(p, "saved "), "%d kills, %d cells", n_kills, n_finished);
    pty_type(p, ":quit\r");
    tap_ok(pty_end(p) == 0, "and it leaves in order");
    tap_ok(!n_finished || all_cells_are_in(path), "every cell that was answered is there");
    return drive_done();
}

/* SPDX-License-Identifier: GPL-3.0-or-later
 * A front end for tests: a notebook on a tiny model, and all it is shown as text, a line for each
 * output. Nothing here needs a terminal.
 *
 *     report: In [1] ok: Hello
 *     note: (cell 2 is stale now; :run 2)
 *     image @1: @1 a.ppm: PNM 30x20, …
 *     begin 1 @1
 *     text 1: …
 *     end 1 ok
 *     certainty 1: [piece]% [piece]…
 *     diff 1 2: The [-old-] {+new+} word
 *     error: …
 *     next 0: what goes back into the line
 *     shell: echo
 *     copy: text
 *     watch: folder
 *     model, settings
 */
#ifndef NOTEBOOK_RECORDER_H
#define NOTEBOOK_RECORDER_H

#include "folder.h"
#include "notebook/core.h"

struct recorder {
    struct folder folder; // the tests' files; the state directory is below it
    struct settings settings;
    struct notebook *nb;
    struct nb_result result;
    struct phi3v_error err;
    struct text seen;      // since the last evaluation began
    struct text ids;       // of the last prompt that was answered, as ":prompt ids" would say it
    int n_shell;           // commands given to the shell
    int n_drawn;           // pages of documents drawn
    int n_waits;           // times it was told how long it is to the first word
    long stop_after;       // questions "stopped?" that are still answered with no; -1: always no
    const char *clipboard; // what it holds; NULL: nothing can be read of it
    size_t n_clipboard;
    int history_lines; // that the front end has: "line 1", …
    const char *model; // folder of the models for tests that a restart opens
    bool cache;        // a notebook begun from now on keeps pictures' features in cache/
    /* Gets every answer; NULL: nobody does. */
    void (*answered)(const struct nb_answer *answer);
    char *cwd; // to go back to
};

/* In an empty folder, which becomes the working directory. state: keep autosaves in state/. */
void recorder_open(struct recorder *r, bool state);
/* The notebook alone, again, as after a restart. */
void recorder_restart(struct recorder *r, bool state);
void recorder_stop(struct recorder *r); /* the notebook is freed */
void recorder_close(struct recorder *r);

/* The same around each test of a file: RECORDER_TEST(function, &how). */
struct recorder_fixture {
    struct recorder *r;
    bool state;
    int n_pictures; // a.ppm, b.ppm, …, of seeds 1, 2, …
};
int recorder_set_up(void **how);
int recorder_tear_down(void **how);
#define RECORDER_TEST(name, how)                                                                   \
    cmocka_unit_test_prestate_setup_teardown(name, recorder_set_up, recorder_tear_down, how)

/* Evaluates and returns the code. */
int recorder_eval(struct recorder *r, const char *source, enum nb_origin origin);
/* The same, typed, of anything: it may fail, but with a sentence and not for want of memory. */
int recorder_try(struct recorder *r, const char *source);
/* Chance that is the same for the same seed. */
void recorder_chance(uint64_t seed);
unsigned below(unsigned n);
/* The same, typed, which must succeed, or fail with a sentence that holds `why`. */
void works(struct recorder *r, const char *source);
void fails(struct recorder *r, const char *source, const char *why);
void fails_as(struct recorder *r, const char *source, enum nb_origin origin, const char *why);
/* The next prompt takes the pictures of these labels: "@1 @cover". */
void staged_is(struct recorder *r, const char *labels);
bool saw(const struct recorder *r, const char *text);
#define assert_saw(r, text)                                                                        \
    do {                                                                                           \
        if (!saw(r, text)) fail_msg("\"%s\" was not shown, but:\n%s", text, (r)->seen.s);          \
    } while (0)
#define assert_not_saw(r, text)                                                                    \
    do {                                                                                           \
        if (saw(r, text)) fail_msg("\"%s\" was shown:\n%s", text, (r)->seen.s);                    \
    } while (0)

/* A picture of noise as a file; its bytes depend on the seed alone. */
void recorder_picture(struct recorder *r, const char *name, unsigned seed);
char *recorder_read(const char *path, size_t *ret_n); /* free; NULL when there is none */
void recorder_write(const char *path, const char *text);
/* The ids of cell n's prompt as it stands, answer included: free. */
char *recorder_ids(struct recorder *r, int cell);
/* Files of a folder whose names hold a text. */
int recorder_files(const char *dir, const char *text);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook: numbered cells over pictures. The conversation of a cell is every answered cell
 * above it. A cell is stale when that conversation is no longer the one it was answered in; nothing
 * marks it, it follows from the contents. */
#ifndef REPL_CELLS_H
#define REPL_CELLS_H

#include <jansson.h>

#include "notebook/handles.h"

enum cell_state { CELL_NEW, CELL_OK, CELL_STALE, CELL_INTERRUPTED, CELL_ERROR };

struct cell {
    struct strings commands; // lines given since the cell before: first lines of its source
    char *typed;             // the prompt as typed
    char *text;    // as sent, with tags <|image_1|> …; NULL: not expanded yet (opened file)
    int *pictures; // [n_pictures] indices of handles, in the order of the tags
    int n_pictures;
    char *answer; // NULL: none
    int32_t *ids; // [n_ids] of the answer, without the stop token; NULL when only the text is known
    size_t n_ids;
    bool interrupted;
    bool opened;  // came from a file: its commands were not typed here
    bool pending; // opened, and its commands have not been run yet
    char *error;  // why the last run failed; NULL
    enum phi3v_finish finish;
    struct phi3v_timing timing;
    double first_token_s;
    uint64_t seed;
    uint64_t context; // digest of the conversation and prompt it was answered in; 0: never
    char id[65];      // nbformat cell id
    json_t *saved;    // the cell as it stands in the file; NULL when it changed since
    json_t *metadata; // of the cell in the file, with whatever others put there; NULL
    json_t *before;   // array of the file's cells before it that are not ours; NULL
};

struct undo; // an earlier form of a cell

struct book {
    struct cell *v; // cell number k is v[k - 1]
    int n;
    struct handles handles;
    int *staged; // [n_staged] indices of handles
    int n_staged;
    struct strings commands; // typed since the last cell
    struct undo *undo;       // [n_undo], the latest last
    int n_undo;
    char *path;    // of the notebook file, or NULL
    bool changed;  // since saved
    json_t *file;  // the notebook as it was read, without its cells; NULL when new
    json_t *after; // the file's cells behind the last of ours; NULL
};

void book_init(struct book *b);
void book_free(struct book *b);
/* Forgets cells (and, with pictures, the pictures). */
void book_clear(struct book *b, bool pictures);

/* A new cell at the end, empty; valid until the next one is added. */
struct cell *book_append(struct book *b);
void book_remove_last(struct book *b);
void cell_free(struct cell *c);
/* Exact copy with its own memory. */
void cell_copy(struct cell *to, const struct cell *from);

void book_stage(struct book *b, int handle);
void book_unstage(struct book *b);
void book_drop(struct book *b, int handle);

/* Keeps cell i as it is now for book_undo. */
void book_remember(struct book *b, int i);
/* Takes the latest change back; returns the number of the cell, 0 when there is nothing. */
int book_undo(struct book *b);

/* What stands before cell i and in it, as one number (never 0). system: the system turn, "" for
 * none. */
uint64_t book_context(const struct book *b, int i, const char *system);
enum cell_state book_state(const struct book *b, int i, const char *system);
const char *state_name(enum cell_state state);

/* -- Prompts ---------------------------------------------------------------------------------- */

/* Turns a typed prompt into the text that is sent and the pictures it takes: @ references are
 * loaded and replaced, {Out[n]} pasted; without any reference or tag the staged pictures go first,
 * one a line. Only `typed` of the cell is read; on success text and pictures are set. On failure
 * nothing has changed. */
int book_expand(struct book *b, struct cell *c, const struct options *opt, struct phi3v_error *err);
/* The prompt of cell i: system turn, the answered cells above, the cell itself; go_on: with its
 * answer so far, open. Loads pictures that are not there yet. */
int book_prompt(struct book *b, int i, const phi3v_model *model, const struct options *opt,
                bool go_on, phi3v_prompt **ret, struct phi3v_error *err);
/* The handles of that prompt's pictures in order, n of them; the caller frees. */
int *book_prompt_pictures(const struct book *b, int i, int *ret_n);
/* Folder of the notebook file, NULL without one; the caller frees. */
char *book_dir(const struct book *b);

#endif

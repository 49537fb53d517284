/* SPDX-License-Identifier: MIT
 * The cells of a notebook: their source, the question, the answer, and their place in the file. The
 * state before a cell is not stored: it follows from the cells above (inherited.h). */
#ifndef NOTEBOOK_BOOK_H
#define NOTEBOOK_BOOK_H

#include <jansson.h>

#include "common/files.h"
#include "common/stop.h"
#include "notebook/certainty.h"
#include "notebook/images.h"

/* A command line at the head of a cell, and the pictures it added or dropped. */
struct line {
    char *text; // with the command's full name
    enum nb_origin origin;
    struct int_list images;
};
struct lines {
    struct line *v;
    int n;
};
bool lines_add(struct lines *l, const char *text, enum nb_origin origin,
               const struct int_list *images);
void lines_remove_first(struct lines *l);
void lines_remove_last(struct lines *l);
bool lines_copy(struct lines *to, const struct lines *from); /* to is overwritten */
/* Moves all lines of `more` to the front or the end of `l`; `more` is then empty. */
bool lines_join(struct lines *l, struct lines *more, bool in_front);
void lines_free(struct lines *l);

enum { DIGEST_CHARS = 33 }; /* hexadecimal, with the NUL */

struct cell {
    /* The source. */
    struct lines lines;
    char *prompt; // as meant, without quotes
    enum nb_origin prompt_origin;
    /* The question of its last run. */
    char *text;                // with tags <|image_1|> …; NULL: never
    struct int_list images;    // in the order of the tags
    int num_crops;             // of its pictures
    struct strings overrides;  // "key=value": settings of that run that are not in its source
    char digest[DIGEST_CHARS]; // of source, pictures, settings and conversation; "": never run
    /* The answer. */
    char *answer; // NULL: none
    int32_t *ids; // [n_ids] of the answer, without the stop token; NULL: only its text is known
    size_t n_ids;
    struct certainty certainty; // of ids; n = 0: not known
    enum phi3v_finish finish;
    char *error; // why the last run failed; NULL
    uint64_t seed;
    struct phi3v_timing timing;
    double first_token_s;
    /* Its place in the file. */
    char id[65];      // nbformat cell id
    json_t *saved;    // the cell as it is in the file; NULL when it has changed since
    json_t *metadata; // of the cell in the file, including other programs' keys; NULL
    json_t *before;   // array of the foreign cells before it in the file; NULL
};
void cell_free(struct cell *c);
bool cell_copy(struct cell *to, const struct cell *from); /* to is overwritten */

struct undo; // an earlier or later state of a cell, or of the whole book
struct steps {
    struct undo *v; // [n]; the next one to take is last
    int n;
};

struct book {
    struct cell *v; // cell number k is v[k - 1]
    int n;
    struct images images;
    struct lines pending; // typed since the last cell
    struct settings base; // in effect before the first cell
    struct steps undo, redo;
    char *path;              // of the notebook file, or NULL
    char *journal;           // holds its unsaved cells while it is put aside; NULL: none does
    bool changed;            // since it was saved
    json_t *file;            // the notebook as it was read, without its cells; NULL when new
    json_t *after;           // the file's cells after the last of ours; NULL
    unsigned next_id;        // for the ids of new cells
    const struct stop *stop; // asked while a file is read or written; NULL; borrowed
};

/* base: copied. Errors: MEMORY. */
int book_init(struct book *b, const struct settings *base, struct phi3v_error *err);
void book_free(struct book *b);

/* Adds an empty cell at the end; valid until the next one is added. NULL without memory. */
struct cell *book_append(struct book *b);
void book_remove_last(struct book *b);
/* The picture that cell c has used under this name, whatever the name means now; -1: none, or c is
 * NULL. */
int images_of_cell(const struct book *b, const struct cell *c, const char *what);
char *
book_dir(const struct book *b); /* folder of the notebook file, NULL without one; to be freed */

/* Whether work on all cells, now at cell i, is to stop; b->stop is asked only now and then. */
bool book_stopped_at(const struct book *b, size_t i);

/* -- Branches ---------------------------------------------------------------------------------- */

/* Reads the last ":fork n …" line of cell i; false when there is none. i = n: the pending lines. */
struct fork;
bool book_find_fork(const struct book *b, int i, struct fork *ret);
/* The index of the cell that cell i replaces because of such a line; -1: none. */
int book_fork_of(const struct book *b, int i);
/* The cell whose conversation cell i continues: the one above, or the parent of the cell it
 * replaces; -1: it begins a conversation. i = n: a cell at the end. */
int book_parent(const struct book *b, int i);
/* Whether cell k is the parent of cell i, the parent's parent, and so on. */
bool book_is_above(const struct book *b, int k, int i);

#endif

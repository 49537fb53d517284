/* SPDX-License-Identifier: MIT
 * The cells of a notebook: their source, what was asked, what came, and where they stand in the
 * file. What holds before a cell is not stored: it follows from the cells above (inherited.h). */
#ifndef NOTEBOOK_BOOK_H
#define NOTEBOOK_BOOK_H

#include <jansson.h>

#include "common/files.h"
#include "common/stop.h"
#include "notebook/certainty.h"
#include "notebook/images.h"

/* A command line at the head of a cell, and the pictures it brought or dropped. */
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
    /* Its source. */
    struct lines lines;
    char *prompt; // as it is meant, without quotes
    enum nb_origin prompt_origin;
    /* What was asked when it last ran. */
    char *text;                // with tags <|image_1|> …; NULL: never
    struct int_list images;    // in the order of the tags
    int num_crops;             // of its pictures
    struct strings overrides;  // "key=value": settings of that run that its source does not say
    char digest[DIGEST_CHARS]; // of source, pictures, settings, conversation; "": never
    /* What came. */
    char *answer; // NULL: none
    int32_t *ids; // [n_ids] of the answer, without the stop token; NULL: only its text is known
    size_t n_ids;
    struct certainty certainty; // of ids; n = 0: not known
    enum phi3v_finish finish;
    char *error; // why the last run failed; NULL
    uint64_t seed;
    struct phi3v_timing timing;
    double first_token_s;
    /* In the file. */
    char id[65];      // nbformat cell id
    json_t *saved;    // the cell as it stands in the file; NULL when it changed since
    json_t *metadata; // of the cell in the file, with whatever others put there; NULL
    json_t *before;   // array of the file's cells before it that are not ours; NULL
};
void cell_free(struct cell *c);
bool cell_copy(struct cell *to, const struct cell *from); /* to is overwritten */

struct undo; // an earlier or later form of a cell, or of the whole
struct steps {
    struct undo *v; // [n], the next to be taken last
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
    char *journal;           // keeps its unsaved cells while it is put aside; NULL: no journal does
    bool changed;            // since saved
    json_t *file;            // the notebook as it was read, without its cells; NULL when new
    json_t *after;           // the file's cells behind the last of ours; NULL
    unsigned next_id;        // for the ids of new cells
    const struct stop *stop; // asked while it is read from a file or written to one; NULL; borrowed
};

/* base: copied. Errors: MEMORY. */
int book_init(struct book *b, const struct settings *base, struct phi3v_error *err);
void book_free(struct book *b);

/* A new cell at the end, empty; valid until the next one is added. NULL without memory. */
struct cell *book_append(struct book *b);
void book_remove_last(struct book *b);
/* The picture that cell c has used under this name, whatever the name stands for now; -1: none,
 * also where c is NULL. */
int images_of_cell(const struct book *b, const struct cell *c, const char *what);
char *
book_dir(const struct book *b); /* folder of the notebook file, NULL without one; to be freed */

/* Whether work on all cells, which has come to cell i, is to end; b->stop is asked now and then. */
bool book_stopped_at(const struct book *b, size_t i);

/* -- Branches ---------------------------------------------------------------------------------- */

/* What the last ":fork n …" line of cell i says; false: it has none. i = n: the pending lines. */
struct fork;
bool book_find_fork(const struct book *b, int i, struct fork *ret);
/* The index of the cell in whose place cell i stands because of such a line; -1: it has none. */
int book_fork_of(const struct book *b, int i);
/* The cell whose conversation cell i continues: the one above, or the parent of the cell in whose
 * place it stands; -1: it begins a conversation. i = n: a cell at the end. */
int book_parent(const struct book *b, int i);
/* Whether cell k is the parent of cell i, or the parent's parent, and so on. */
bool book_is_above(const struct book *b, int k, int i);

#endif

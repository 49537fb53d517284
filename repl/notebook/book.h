/* SPDX-License-Identifier: MIT
 * The cells of a notebook and what follows from them. Nothing about a cell's standing is stored:
 * the settings and staged pictures before it are what the lines of the cells above have left, and
 * it is stale when what it was asked in is no longer what stands there. So an undo, an edit by
 * another program, or a reopened file need no bookkeeping. */
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
/* Puts all of `more`, which is then empty, in front or behind. */
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
    struct lines pending; // given since the last cell
    struct settings base; // in effect before the first cell
    struct steps undo, redo;
    char *path;              // of the notebook file, or NULL
    char *journal;           // of the unsaved cells, left behind when it was put aside; NULL
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
/* The picture that a cell (NULL: none) has used under this name: it is that picture still. -1:
 * none. */
int images_of_cell(const struct book *b, const struct cell *c, const char *what);
char *
book_dir(const struct book *b); /* folder of the notebook file, NULL without one; to be freed */

/* -- Undo ---------------------------------------------------------------------------------------
 */

/* Keeps cell i as it is now; i = n: the cell that is about to be added. Errors: MEMORY. */
int book_remember(struct book *b, int i, struct phi3v_error *err);
void book_forget_last(struct book *b); /* what book_remember has kept last, for nothing */
/* Replaces all cells and pictures by those of `fresh`, which is then empty; book_undo brings the
 * old ones back. Errors: MEMORY; nothing has changed then. */
int book_replace(struct book *b, struct book *fresh, struct phi3v_error *err);
/* The book that book_replace has put aside and book_undo would bring back; NULL: another change is
 * the latest. */
struct book *book_aside(const struct book *b, bool forward); /* forward: of book_redo */
enum book_undone { BOOK_NOTHING, BOOK_CELL_GONE, BOOK_CELL_THERE, BOOK_CELL_BACK, BOOK_ALL_BACK };
/* Takes the latest change back; *ret_cell: number of the cell. A cell that goes gives its command
 * lines back to the pending ones, so its pictures are staged again. */
enum book_undone book_undo(struct book *b, int *ret_cell);
/* What book_undo took back is there again, until the next change. A cell that comes again takes its
 * lines back; where they are no longer the first of the pending ones it cannot. */
enum book_undone book_redo(struct book *b, int *ret_cell);
/* As book_undo, for good: of a change that failed. */
void book_take_back(struct book *b);

/* -- Branches -----------------------------------------------------------------------------------
 */

/* The cell in whose place cell i stands, because a line of it is ":fork n …", as an index; -1:
 * none. i = n: the pending lines. */
int book_fork_of(const struct book *b, int i);
/* The cell that cell i goes on from: the one above, or, in the place of another, what that one goes
 * on from; -1: it is a first cell. i = n: at the end. */
int book_parent(const struct book *b, int i);
/* Cell k is one of those that cell i goes on from. */
bool book_is_above(const struct book *b, int k, int i);

/* -- What stands before a cell ------------------------------------------------------------------
 */

struct standing {
    struct settings settings;
    struct int_list staged;          // indices of images
    struct int_list above;           // the pictures of the cell above
    char conversation[DIGEST_CHARS]; // of the answered cells
};
/* Before cell i; i = n: at the end, the pending lines included. Errors: MEMORY. */
int book_standing(const struct book *b, int i, struct standing *ret, struct phi3v_error *err);
/* What further lines do to it. Errors: MEMORY. */
int standing_apply(struct standing *s, const struct lines *lines, struct phi3v_error *err);
void standing_take(struct standing *s, const struct cell *c); /* the pictures a cell has used */
/* Those that a cell there takes when it names none: the staged ones, else, where cells do not see
 * those above them, the pictures of the one above. Borrowed. */
const struct int_list *standing_pictures(const struct standing *s);
bool standing_is_chat(const struct standing *s); /* a cell there sees those above it */
void standing_free(struct standing *s);

/* -- State --------------------------------------------------------------------------------------
 */

enum cell_state { CELL_NEW, CELL_OK, CELL_STALE, CELL_INTERRUPTED, CELL_ERROR };
/* What cell i would be asked with now, as a digest. Errors: MEMORY. */
int book_digest(const struct book *b, int i, char ret[DIGEST_CHARS], struct phi3v_error *err);
/* Of all cells, in one pass: ret [n]. Errors: MEMORY. */
int book_states(const struct book *b, enum cell_state *ret, struct phi3v_error *err);
/* Of one; CELL_NEW without memory. */
enum cell_state book_state(const struct book *b, int i);
const char *state_name(enum cell_state state);
const char *finish_name(enum phi3v_finish finish); /* "stop", "length", "interrupted" */

#endif

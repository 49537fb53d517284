/* SPDX-License-Identifier: MIT
 * What stands before a cell, which follows from the lines of the cells above it, and whether the cell
 * was asked in that. */
#ifndef NOTEBOOK_STANDING_H
#define NOTEBOOK_STANDING_H

#include "notebook/book.h"

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

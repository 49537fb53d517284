/* SPDX-License-Identifier: MIT
 * The state before a cell: the settings and staged pictures that result from the lines of the cells
 * above. None of it is stored, so undo, edits by another program and reopened files need no
 * bookkeeping. A cell is stale when that state differs from the one it was answered under. */
#ifndef NOTEBOOK_INHERITED_H
#define NOTEBOOK_INHERITED_H

#include "notebook/book.h"

struct inherited {
    struct settings settings;
    struct int_list staged;          // indices of images
    struct int_list above;           // pictures of the cell above
    char conversation[DIGEST_CHARS]; // digest of the answered cells above
};
/* The state before cell i; i = n: at the end, with the pending lines. Errors: MEMORY. */
int book_inherited(const struct book *b, int i, struct inherited *ret, struct phi3v_error *err);
/* Applies the lines to *s. Errors: MEMORY. */
int inherited_apply(struct inherited *s, const struct lines *lines, struct phi3v_error *err);
/* The pictures that a cell there takes when it names none: the staged ones, or, if there are none
 * and cells do not see the cells above, those of the cell above. Borrowed. */
const struct int_list *inherited_pictures(const struct inherited *s);
bool inherited_is_chat(const struct inherited *s); /* whether a cell there sees the cells above */
void inherited_free(struct inherited *s);

/* -- State ------------------------------------------------------------------------------------- */

enum cell_state { CELL_NEW, CELL_OK, CELL_STALE, CELL_INTERRUPTED, CELL_ERROR };
/* The digest of everything that cell i would be asked with now. Errors: MEMORY. */
int book_digest(const struct book *b, int i, char ret[DIGEST_CHARS], struct phi3v_error *err);
/* The states of all cells, in one pass: ret [n]. Errors: MEMORY. */
int book_states(const struct book *b, enum cell_state *ret, struct phi3v_error *err);
/* The state of one cell; CELL_NEW without memory. */
enum cell_state book_state(const struct book *b, int i);
const char *state_name(enum cell_state state);
const char *finish_name(enum phi3v_finish finish); /* "stop", "length", "interrupted" */

#endif

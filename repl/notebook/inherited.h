/* SPDX-License-Identifier: MIT
 * What holds before a cell: the settings and staged pictures that the lines of the cells above have
 * left. None of it is stored, so undo, another program's edit and a reopened file need no
 * bookkeeping. A cell is stale when it was answered under something else than what holds there. */
#ifndef NOTEBOOK_INHERITED_H
#define NOTEBOOK_INHERITED_H

#include "notebook/book.h"

struct inherited {
    struct settings settings;
    struct int_list staged;          // indices of images
    struct int_list above;           // the pictures of the cell above
    char conversation[DIGEST_CHARS]; // digest of the answered cells above
};
/* Before cell i; i = n: at the end, the pending lines included. Errors: MEMORY. */
int book_inherited(const struct book *b, int i, struct inherited *ret, struct phi3v_error *err);
/* Changes *s as the lines say. Errors: MEMORY. */
int inherited_apply(struct inherited *s, const struct lines *lines, struct phi3v_error *err);
void inherited_take(struct inherited *s,
                    const struct cell *c); /* unstages what the cell has used */
/* The pictures of a cell there that names none: those staged; without any, and where cells do not
 * see the cells above, those of the cell above. Borrowed. */
const struct int_list *inherited_pictures(const struct inherited *s);
bool inherited_is_chat(const struct inherited *s); /* a cell there sees the cells above it */
void inherited_free(struct inherited *s);

/* -- State ------------------------------------------------------------------------------------- */

enum cell_state { CELL_NEW, CELL_OK, CELL_STALE, CELL_INTERRUPTED, CELL_ERROR };
/* The digest of all that cell i would be asked with now. Errors: MEMORY. */
int book_digest(const struct book *b, int i, char ret[DIGEST_CHARS], struct phi3v_error *err);
/* The states of all cells, in one pass: ret [n]. Errors: MEMORY. */
int book_states(const struct book *b, enum cell_state *ret, struct phi3v_error *err);
/* The state of one cell; CELL_NEW without memory. */
enum cell_state book_state(const struct book *b, int i);
const char *state_name(enum cell_state state);
const char *finish_name(enum phi3v_finish finish); /* "stop", "length", "interrupted" */

#endif

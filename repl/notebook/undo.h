/* SPDX-License-Identifier: MIT
 * Steps back and forward again: of one cell, or of the whole book. */
#ifndef NOTEBOOK_UNDO_H
#define NOTEBOOK_UNDO_H

#include "notebook/book.h"

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
void steps_free(struct steps *s);

#endif

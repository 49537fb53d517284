/* SPDX-License-Identifier: MIT
 * Undo and redo: steps that restore one cell or the whole book. */
#ifndef NOTEBOOK_UNDO_H
#define NOTEBOOK_UNDO_H

#include "notebook/book.h"

/* Adds a step that restores cell i as it is now; i = n: one that removes the cell about to be
 * added. Errors: MEMORY. */
int book_remember(struct book *b, int i, struct phi3v_error *err);
void book_forget_last(struct book *b); /* drops the latest step, whose change did not happen */
/* Replaces all cells and pictures by those of `fresh`, which is empty afterwards; book_undo
 * restores the old ones. Errors: MEMORY; then nothing has changed. */
int book_replace(struct book *b, struct book *fresh, struct phi3v_error *err);
/* The book that book_undo would restore; NULL: the latest change was not book_replace's. */
struct book *book_aside(const struct book *b, bool forward); /* forward: of book_redo */
enum book_undone { BOOK_NOTHING, BOOK_CELL_GONE, BOOK_CELL_THERE, BOOK_CELL_BACK, BOOK_ALL_BACK };
/* Undoes the latest change; *ret_cell is the cell's number. The command lines of a removed cell are
 * pending again, so its pictures are staged again. */
enum book_undone book_undo(struct book *b, int *ret_cell);
/* Redoes what book_undo undid, until the next change. A cell takes its lines from the pending ones;
 * if they no longer come first among those, the cell cannot be restored. */
enum book_undone book_redo(struct book *b, int *ret_cell);
/* As book_undo, but cannot be redone: for a change that failed. */
void book_take_back(struct book *b);
void steps_free(struct steps *s);

#endif

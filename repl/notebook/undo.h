/* SPDX-License-Identifier: MIT
 * Undo and redo: steps that bring back one cell or the whole book. */
#ifndef NOTEBOOK_UNDO_H
#define NOTEBOOK_UNDO_H

#include "notebook/book.h"

/* Makes a step that brings cell i back as it is now; i = n: one that removes the cell about to be
 * added. Errors: MEMORY. */
int book_remember(struct book *b, int i, struct phi3v_error *err);
void book_forget_last(struct book *b); /* drops the latest step: the change did not happen */
/* Replaces all cells and pictures by those of `fresh`, which is then empty; book_undo brings the
 * old ones back. Errors: MEMORY; nothing has changed then. */
int book_replace(struct book *b, struct book *fresh, struct phi3v_error *err);
/* The book that book_undo would bring back; NULL: the latest change was not book_replace's. */
struct book *book_aside(const struct book *b, bool forward); /* forward: of book_redo */
enum book_undone { BOOK_NOTHING, BOOK_CELL_GONE, BOOK_CELL_THERE, BOOK_CELL_BACK, BOOK_ALL_BACK };
/* Takes the latest change back; *ret_cell is the cell's number. The command lines of a cell that
 * goes are pending again, and so its pictures are staged again. */
enum book_undone book_undo(struct book *b, int *ret_cell);
/* Brings back what book_undo took, until the next change. A cell takes its lines from the pending
 * ones; where they no longer come first among them it cannot come back. */
enum book_undone book_redo(struct book *b, int *ret_cell);
/* As book_undo, but without a way forward: for a change that failed. */
void book_take_back(struct book *b);
void steps_free(struct steps *s);

#endif

/* SPDX-License-Identifier: MIT
 * Notebooks on disk: nbformat 4.5. What other programs wrote into the file is kept, and unchanged
 * cells are written as they were. */
#ifndef NOTEBOOK_IPYNB_H
#define NOTEBOOK_IPYNB_H

#include "notebook/inherited.h"

/* The notebook as text. model: its name; NULL keeps the one in the file. Returns NULL and an error
 * without memory, or when b->stop said so. */
char *ipynb_text(struct book *b, const char *model, struct phi3v_error *err);
/* Writes it. Errors: IO, CANCELLED, MEMORY. */
int ipynb_write(struct book *b, const char *model, const char *path, struct phi3v_error *err);
/* One cell in the file's form; NULL without memory. state: that of the cell. */
json_t *ipynb_cell(struct book *b, int i, enum cell_state state);
/* Everything but the cells, which are an empty list; NULL without memory. */
json_t *ipynb_frame(const struct book *b, const char *model);

/* Reads a notebook into an empty book, which has the settings of the run; nothing is run or loaded.
 * name: for errors. Errors: IO (one sentence with the cell's place), CANCELLED, MEMORY; the book is
 * then empty. */
int ipynb_parse(const char *text, size_t n, const char *name, struct book *b,
                struct phi3v_error *err);
/* The same for a parsed file, which is borrowed and may be changed. */
int ipynb_read(json_t *file, const char *name, struct book *b, struct phi3v_error *err);

#endif

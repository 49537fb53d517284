/* SPDX-License-Identifier: MIT
 * What survives a crash. While a notebook has unsaved changes, a journal lies in the state
 * directory: first the whole, then a line for every change, so that a change costs what it weighs.
 * Its name is random and it is locked while its program lives; one that is not locked was left
 * behind. A notebook that ends unsaved leaves last-ID.ipynb there instead; the newest few are kept.
 * Nothing here fails: when the state cannot be written, one note says so. */
#ifndef NOTEBOOK_AUTOSAVE_H
#define NOTEBOOK_AUTOSAVE_H

#include <jansson.h>

#include "notebook/core.h"

/* state_dir NULL: nothing is kept, and all of this does nothing. */
int autosave_open(struct notebook *nb, const char *state_dir, struct phi3v_error *err);
/* The notebook is given up: what is unsaved stays behind, with a note. */
void autosave_close(struct notebook *nb);

void autosave_cell(struct notebook *nb, int i); /* cell i is new or has changed */
void autosave_whole(struct notebook *nb);       /* cells have gone or come back */
void autosave_saved(struct notebook *nb);       /* all of it is in a file of the person's now */
/* Other cells from now on. What was there and is unsaved stays behind; aside: the book that it is
 * of, which may come back, or NULL. */
void autosave_apart(struct notebook *nb, struct book *aside);

/* The path of the newest notebook that was left behind, NULL: none. The caller frees. */
char *autosave_latest(struct notebook *nb);
/* Says what was left behind. */
void autosave_tell(struct notebook *nb);
/* Whether a path is one of these, and the journal as the notebook that it stands for: to be freed
 * with json_decref; *ret_path: the file it was of, to be freed, or NULL. Errors: IO, MEMORY. */
bool autosave_is(const struct notebook *nb, const char *path);
int autosave_read(const char *bytes, size_t n, const char *name, json_t **ret_file, char **ret_path,
                  struct phi3v_error *err);
/* The file has been opened here, and its cells are in this notebook's own journal now. */
void autosave_adopted(struct notebook *nb, const char *path);

#endif

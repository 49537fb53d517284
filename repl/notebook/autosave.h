/* SPDX-License-Identifier: MIT
 * What survives a crash. While a notebook has unsaved changes, the state directory holds a journal:
 * the whole notebook first, then one line per change, so that a change costs only its own size. The
 * journal has a random name and is locked while its program lives, so an unlocked one was left
 * behind. A notebook closed with unsaved changes is kept there as last-ID.ipynb; only the newest
 * few are kept. Nothing here fails: if the state cannot be written, a single note says so. */
#ifndef NOTEBOOK_AUTOSAVE_H
#define NOTEBOOK_AUTOSAVE_H

#include <jansson.h>

#include "notebook/core.h"

/* With state_dir NULL nothing is kept, and these functions do nothing, but for autosave_leave. */
int autosave_open(struct notebook *nb, const char *state_dir, struct phi3v_error *err);
/* Leaves unsaved changes behind, with a note. Errors: IO (they cannot be kept). */
int autosave_leave(struct notebook *nb, struct phi3v_error *err);
/* Closes the notebook, after autosave_leave if that was not done. */
void autosave_close(struct notebook *nb);

void autosave_cell(struct notebook *nb, int i); /* cell i is new or has changed */
void autosave_whole(struct notebook *nb);       /* cells were removed or restored */
void autosave_saved(struct notebook *nb);       /* everything is now in a file of the person's */
/* The notebook gets other cells; unsaved ones are left behind. aside is the book that holds them
 * and may come back, or NULL. */
void autosave_apart(struct notebook *nb, struct book *aside);

/* The path of the newest notebook left behind; NULL: none. The caller frees. */
char *autosave_latest(struct notebook *nb);
/* Says in a note what was left behind. */
void autosave_tell(struct notebook *nb);
/* autosave_is: whether a path is such a file. autosave_read turns a journal into the notebook it
 * stands for (free with json_decref); *ret_path is the file that it was saved in, to be freed, or
 * NULL. Errors: IO, MEMORY. */
bool autosave_is(const struct notebook *nb, const char *path);
int autosave_read(const char *bytes, size_t n, const char *name, json_t **ret_file, char **ret_path,
                  struct phi3v_error *err);
/* The file has been opened, and its cells are now in this notebook's own journal. */
void autosave_adopted(struct notebook *nb, const char *path);

#endif

/* SPDX-License-Identifier: MIT
 * Which files this run has written or opened, so that it overwrites no others without being asked. */
#ifndef NOTEBOOK_OWN_FILES_H
#define NOTEBOOK_OWN_FILES_H

#include "notebook/core.h"

/* Whether a file may be overwritten without asking. command: what overwrites it all the same, for
 * the message; NULL: nothing. Errors: IO (somebody else's file, or changed by somebody else
 * since), MEMORY. */
int own_file_check(const struct notebook *nb, const char *path, const char *command,
                   struct phi3v_error *err);
void own_file_keep(struct notebook *nb, const char *path); /* remembers its present state */

#endif

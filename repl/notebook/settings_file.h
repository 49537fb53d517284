/* SPDX-License-Identifier: MIT
 * Settings as JSON: those of a notebook, and those kept for later ones (:set --save). */
#ifndef NOTEBOOK_SETTINGS_FILE_H
#define NOTEBOOK_SETTINGS_FILE_H

#include <jansson.h>

#include "notebook/settings.h"

/* An object with the settings of a class (mask of enum setting_use) that differ from the defaults;
 * NULL without memory. */
json_t *settings_json(const struct settings *s, int use);

/* Writes what :set shows as different; *ret_names lists it, for the caller to free. Errors: IO,
 * MEMORY. */
int settings_file_write(const struct settings *s, const char *path, char **ret_names,
                        struct phi3v_error *err);
/* Sets what the file says; without a file, nothing. What it says wrongly is left out and told in
 * *ret_wrong, one sentence each. Errors: IO (nothing can be read of it), MEMORY. */
int settings_file_read(struct settings *s, const char *path, struct strings *ret_wrong,
                       struct phi3v_error *err);

#endif

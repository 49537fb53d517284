/* SPDX-License-Identifier: MIT
 * Folders that hold a model in a form that is not read, or part of one: what it is, and what to do.
 */
#ifndef WEIGHTS_FOREIGN_H
#define WEIGHTS_FOREIGN_H

#include "base/err.h"

/* Error UNSUPPORTED or MODEL when the folder has an adapter, or when it lacks config.json or
 * safetensors weights and something in it says why; 0 otherwise, also for a folder that cannot be
 * listed. */
int foreign_check(const char *dir, struct phi3v_error *err);
/* Error UNSUPPORTED when a file is, by its name, a model in another form; 0 otherwise. */
int foreign_check_file(const char *path, struct phi3v_error *err);

#endif

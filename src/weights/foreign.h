/* SPDX-License-Identifier: MIT
 * Says what a folder holds that has a model in an unsupported format, or only part of one, and what
 * to do about it. */
#ifndef WEIGHTS_FOREIGN_H
#define WEIGHTS_FOREIGN_H

#include "base/err.h"

/* Error UNSUPPORTED or MODEL when the folder has an adapter, or lacks config.json or safetensors
 * weights and something in it explains that; 0 otherwise, also for a folder that cannot be
 * listed. */
int foreign_check(const char *dir, struct phi3v_error *err);
/* Error UNSUPPORTED when a file's name shows a model in another format; 0 otherwise. */
int foreign_check_file(const char *path, struct phi3v_error *err);

#endif

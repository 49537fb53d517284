/* SPDX-License-Identifier: MIT
 * Resolves what a person wrote after -m to a model folder. Nothing is downloaded. */
#ifndef WEIGHTS_FIND_H
#define WEIGHTS_FIND_H

#include "base/err.h"

/* Tries, in this order: a folder with a config.json, a folder of the Hugging Face cache, a file in
 * a model's folder (the path may be in quotes, begin with ~, or be a file:// address); a short name
 * under one of models_dirs (NULL-terminated list, may be NULL); a model of the hub in the local
 * cache by any name that weights/hub_name.h reads. Case is ignored in names of models. *ret_path is
 * a new string (mem_free). Errors: MODEL (says what was tried, and the nearest name; or which files
 * the cached snapshot lacks), UNSUPPORTED (a folder with a model in another format), MEMORY. */
int model_find(const char *name, const char *const *models_dirs, char **ret_path,
               struct phi3v_error *err);

#endif

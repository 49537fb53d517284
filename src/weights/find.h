/* SPDX-License-Identifier: MIT
 * What a person wrote after -m, to a model folder. Nothing is downloaded. */
#ifndef WEIGHTS_FIND_H
#define WEIGHTS_FIND_H

#include "base/err.h"

/* Tries, in this order: a folder with a config.json; a short name under one of models_dirs
 * (NULL-terminated list, may be NULL); org/name[@rev] in the local Hugging Face cache (rev: a
 * branch, a tag or 40 hex digits; default "main"). *ret_path is a new string (mem_free). Errors:
 * MODEL (what was tried; or which files the cached snapshot lacks), MEMORY. */
int model_find(const char *name, const char *const *models_dirs, char **ret_path,
               struct phi3v_error *err);

#endif

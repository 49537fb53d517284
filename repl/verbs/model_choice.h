/* SPDX-License-Identifier: GPL-3.0-or-later
 * Which model or server the command line asks for, and where models lie. */
#ifndef VERBS_MODEL_CHOICE_H
#define VERBS_MODEL_CHOICE_H

#include "notebook/notebook.h"
#include "verbs/options.h"

/* The chosen model: opt.model, else PHISCOPE_MODEL; NULL means the default. */
const char *model_choice_name(const struct options *opt);
/* The chosen model or server, as nb_open_model takes it; the caller frees. NULL: the default. */
char *model_choice_engine(const struct options *opt);
/* Opens that for the notebook; offers to pull a model that is not here. Errors: as nb_open_model
 * and hub_pull. */
int model_choice_open(const struct options *opt, struct notebook *nb, struct phi3v_error *err);
/* The key for servers, which the caller frees; *ret is NULL when there is none. Errors: IO. */
int model_choice_api_key(const struct options *opt, char **ret, struct phi3v_error *err);

/* The folders of models with short names, NULL-terminated; valid until the program ends. */
const char *const *model_choice_dirs(void);
/* Calls fn for every model that can be opened, in those folders and in the Hugging Face cache. */
typedef void (*model_choice_fn)(const char *name, const char *path, void *user);
void model_choice_each(model_choice_fn fn, void *user);

#endif

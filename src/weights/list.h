/* SPDX-License-Identifier: MIT
 * Lists the models on this machine. */
#ifndef WEIGHTS_LIST_H
#define WEIGHTS_LIST_H

#include "phi3v_tools.h"

/* Implements phi3v_models. */
int models_list(const char *const *models_dirs, phi3v_found_fn fn, void *user);

#endif

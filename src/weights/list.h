/* SPDX-License-Identifier: MIT
 * The models on this machine. */
#ifndef WEIGHTS_LIST_H
#define WEIGHTS_LIST_H

#include "phi3v_tools.h"

/* phi3v_models, which see. */
int models_list(const char *const *models_dirs, phi3v_found_fn fn, void *user);

#endif

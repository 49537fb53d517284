/* SPDX-License-Identifier: GPL-3.0-or-later
 * A Jupyter kernel: the notebook core behind the protocol's sockets. */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "notebook/notebook.h"

/* Serves until it is told to shut down, or its parent has ended. model is as nb_open_model takes
 * it. */
int kernel_run(const char *connection_file, const struct nb_options *how, const char *model,
               struct phi3v_error *err);
/* Writes a kernelspec that starts `program`: under prefix or, when that is NULL, for this user or
 * for all. *ret_path is the folder, which the caller frees. Errors: IO. */
int kernel_install(const char *program, bool user, const char *prefix, char **ret_path,
                   struct phi3v_error *err);

#endif

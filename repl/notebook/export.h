/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook in other formats, by the file's name: .md, .txt, .json. */
#ifndef REPL_EXPORT_H
#define REPL_EXPORT_H

#include "notebook/cells.h"

/* The whole text for a file name, NULL when its ending is none of ours. The caller frees. */
char *export_text(const struct book *b, const char *system, const char *path);

#endif

/* SPDX-License-Identifier: MIT
 * The cells as text for people and other programs. */
#ifndef NOTEBOOK_EXPORT_H
#define NOTEBOOK_EXPORT_H

#include "notebook/inherited.h"

/* Whether cells can be saved under this name. Errors: ARGUMENT (unknown ending), IO (a folder or
 * device). */
int export_check(const char *path, struct phi3v_error *err);
/* Markdown, plain text or JSON by the ending of path, which is one of .md, .txt and .json; the caller
 * frees *ret. Errors: MEMORY, CANCELLED. */
int export_text(const struct book *b, const char *path, char **ret, struct phi3v_error *err);

#endif

/* SPDX-License-Identifier: MIT
 * The cells as text for people and other programs. */
#ifndef NOTEBOOK_EXPORT_H
#define NOTEBOOK_EXPORT_H

#include "notebook/inherited.h"

/* Markdown, plain text or JSON by the ending of path; the caller frees *ret. Errors: ARGUMENT
 * (unknown ending), MEMORY. */
int export_text(const struct book *b, const char *path, char **ret, struct phi3v_error *err);

#endif

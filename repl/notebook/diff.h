/* SPDX-License-Identifier: MIT
 * Two texts word by word: what both have, what is gone, what is new. */
#ifndef NOTEBOOK_DIFF_H
#define NOTEBOOK_DIFF_H

#include "notebook/notebook.h"

struct diff {
    struct nb_change *v; // [n] in order; their texts lie in the two that were compared
    int n;
};

/* A word is what blanks separate, with those behind it, which do not count. Of texts so long and
 * different that comparing them would take a second, only their beginnings and ends are compared.
 * Errors: MEMORY. */
int diff_words(const char *before, const char *after, struct diff *ret, struct phi3v_error *err);
void diff_free(struct diff *d);
/* As text: "The [-old-] {+new+} word"; to be freed, NULL without memory. */
char *diff_text(const struct diff *d);

#endif

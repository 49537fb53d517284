/* SPDX-License-Identifier: MIT
 * Compares two texts word by word: which words both have, which are gone, which are new. */
#ifndef NOTEBOOK_DIFF_H
#define NOTEBOOK_DIFF_H

#include "notebook/notebook.h"

struct diff {
    struct nb_change *v; // [n] in order; their texts point into the two compared texts
    int n;
};

/* A word includes the blanks after it, which are not compared. Of texts so long and different that
 * comparing them would take a second, only the beginnings and ends are compared. Errors: MEMORY. */
int diff_words(const char *before, const char *after, struct diff *ret, struct phi3v_error *err);
void diff_free(struct diff *d);
/* As text: "The [-old-] {+new+} word"; to be freed, NULL without memory. */
char *diff_text(const struct diff *d);

#endif

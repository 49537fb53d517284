/* SPDX-License-Identifier: MIT
 * What a model's folder says about how it is best used, in phiscope.json:
 *
 *     {"mode": "cell", "min_certainty": 0.9, "no_picture": "Load a picture with :load first."}
 *
 * Each key may be missing; others are left alone. */
#ifndef NOTEBOOK_ADVICE_H
#define NOTEBOOK_ADVICE_H

#include "common/text.h"

struct advice {
    char *mode; // of new notebooks: "chat", "cell"; NULL: nothing is said
    double
        min_certainty; // an answer whose mean certainty is below is not reliable; 0: nothing said
    char *no_picture;  // the answer to every prompt without a picture; NULL: the model answers
};

/* dir: of the model; a folder without the file gives no advice. Errors: MODEL (the file is damaged,
 * or a value is not allowed), MEMORY. */
int advice_load(const char *dir, struct advice *ret, struct phi3v_error *err);
void advice_free(struct advice *a);

#endif

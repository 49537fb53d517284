/* SPDX-License-Identifier: MIT
 * What a model's folder recommends for its use, in phiscope.json:
 *
 *     {"mode": "cell", "min_certainty": 0.9, "no_picture": "Load a picture with :load first."}
 *
 * Every key is optional; unknown keys are ignored. */
#ifndef NOTEBOOK_ADVICE_H
#define NOTEBOOK_ADVICE_H

#include "common/text.h"

struct advice {
    char *mode;           // of new notebooks: "chat" or "cell"; NULL: no recommendation
    double min_certainty; // answers with a less probable token are unreliable (guess.h); 0: none
    char *no_picture;     // the answer to every prompt without a picture; NULL: the model answers
};

/* dir is the model's folder; without the file there is no advice. Errors: MODEL (the file is
 * damaged, or a value is not allowed), MEMORY. */
int advice_load(const char *dir, struct advice *ret, struct phi3v_error *err);
void advice_free(struct advice *a);

#endif

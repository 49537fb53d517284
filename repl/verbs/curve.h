/* SPDX-License-Identifier: GPL-3.0-or-later
 * What certainty is worth: of answers whose least certain token has at least some probability, how
 * many there are and how many of them are right. Calibrates min_certainty (notebook/advice.h). */
#ifndef VERBS_CURVE_H
#define VERBS_CURVE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json.h"

struct curve {
    struct curve_answer {
        double least;
        bool right;
    } * v;
    size_t n;
};

/* An answer without certainty (NAN) is left out. */
void curve_add(struct curve *c, double least, bool right);
json_t *curve_json(const struct curve *c); /* [[least, answered, right], …], shares of all */
void curve_print(const struct curve *c);
void curve_free(struct curve *c);

#endif

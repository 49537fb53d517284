/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/must.h"
#include "verbs/curve.h"

static const double levels[] = {0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};
enum { N_LEVELS = sizeof levels / sizeof *levels };

void curve_add(struct curve *c, double least, bool right)
{
    if (isnan(least)) return;
    c->v = xgrow(c->v, c->n + 1, sizeof *c->v);
    c->v[c->n++] = (struct curve_answer){least, right};
}

static void at_level(const struct curve *c, double level, size_t *ret_answered, size_t *ret_right)
{
    *ret_answered = *ret_right = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->v[i].least < level) continue;
        ++*ret_answered;
        *ret_right += c->v[i].right;
    }
}

json_t *curve_json(const struct curve *c)
{
    json_t *all = json_array();
    for (size_t k = 0; k < N_LEVELS && c->n > 0; k++) {
        size_t answered, right;
        at_level(c, levels[k], &answered, &right);
        json_array_append_new(all, json_pack("[f,f,f]", levels[k], (double)answered / (double)c->n,
                                             (double)right / (double)c->n));
    }
    return all;
}

void curve_print(const struct curve *c)
{
    if (c->n == 0) return;
    printf("\nif answers were shown only where every token had at least some probability:\n"
           "%11s %10s %18s %20s\n",
           "probability", "answered", "right of answered", "of all right answers");
    size_t all, all_right;
    at_level(c, 0, &all, &all_right);
    for (size_t k = 0; k < N_LEVELS; k++) {
        size_t answered, right;
        at_level(c, levels[k], &answered, &right);
        if (answered == 0) break;
        printf("%11g %8.1f %% %16.1f %% ", levels[k], 100 * (double)answered / (double)all,
               100 * (double)right / (double)answered);
        if (all_right > 0)
            printf("%18.1f %%\n", 100 * (double)right / (double)all_right);
        else
            printf("%20s\n", "-");
    }
}

void curve_free(struct curve *c)
{
    free(c->v);
    *c = (struct curve){0};
}

/* SPDX-License-Identifier: GPL-3.0-or-later
 * Measures what rounding a model costs, by asking the exact model and its rounded forms the
 * same. */
#ifndef VERBS_ROUNDING_H
#define VERBS_ROUNDING_H

#include "verbs/bare_engine.h"

struct rounding;

/* One question that the exact model has answered. */
struct rounding_turn {
    const struct phi3v_turn *turns; // up to and including the question
    int n_turns;
    const char *truth; // the expected answer; NULL: compare no distributions
    const char *text;  // the exact model's answer
    bool right;        // whether that answer is right
    /* Whether a given answer is right */
    bool (*is_right)(const char *text, void *user);
    void *user;
};

/* Sets the options that open a model in exact arithmetic. */
void rounding_exact(struct settings *s);
/* Opens the forms to compare with `exact`, which was opened with rounding_exact. All are held in
 * memory at once. Errors: those of opening a model. */
int rounding_open(struct bare_engine *exact, struct rounding **ret, struct phi3v_error *err);
/* Asks every form, with the exact model's earlier answers. Errors: those of answering. */
int rounding_ask(struct rounding *r, const struct rounding_turn *turn, struct phi3v_error *err);
/* Prints the table or, with --json, one object per form. */
void rounding_print(const struct rounding *r);
void rounding_close(struct rounding *r);

#endif

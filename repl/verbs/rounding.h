/* SPDX-License-Identifier: GPL-3.0-or-later
 * What rounding a model costs: the same questions for the exact model and for its rounded forms. */
#ifndef REPL_ROUNDING_H
#define REPL_ROUNDING_H

#include "verbs/bare_engine.h"

struct rounding;

/* One question that the exact model has answered. */
struct rounding_turn {
    const struct phi3v_turn *turns; // up to and with the question
    int n_turns;
    const char *truth; // the expected answer, or NULL: no distributions are compared
    const char *text;  // the exact model's answer
    bool right;        // it
    /* Whether another answer is right. */
    bool (*is_right)(const char *text, void *user);
    void *user;
};

/* Makes a model that is opened with these options exact. */
void rounding_exact(struct settings *s);
/* The forms that are compared, over the model of `exact`, opened so. All of them
 * are held in memory at once. Errors: those of opening a model. */
int rounding_open(struct bare_engine *exact, struct rounding **ret, struct phi3v_error *err);
/* Asks every form. The conversation so far is the exact model's. Errors: those of answering. */
int rounding_ask(struct rounding *r, const struct rounding_turn *turn, struct phi3v_error *err);
/* The table, or with --json one object for each form. */
void rounding_print(const struct rounding *r);
void rounding_close(struct rounding *r);

#endif

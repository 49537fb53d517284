/* SPDX-License-Identifier: MIT
 * A recorded case's prompt as decoder rows: ids_rle (a number is one id, [-n, count] a run of
 * picture n) with its pictures decoded, cropped and encoded. Below the engine on purpose: the
 * numbers are held apart from sessions. */
#ifndef GOLDEN_PROMPT_ROWS_H
#define GOLDEN_PROMPT_ROWS_H

#include "fixture.h"
#include "golden.h"

enum { PROMPT_MAX_IMAGES = 4 };

struct prompt_rows {
    struct prompt_row *rows;
    int n;
    struct features *features[PROMPT_MAX_IMAGES];
    int n_features;
};

/* item: ids_rle, images, num_crops. Reports problems in err; fini is needed in any case. */
int prompt_rows_make(const struct fixture *f, struct backend_state *s, const json_t *item,
                     const struct trace *trace, struct prompt_rows *p, struct phi3v_error *err);
/* Plain token ids. */
int prompt_rows_ids(const int32_t *ids, int n, struct prompt_rows *p, struct phi3v_error *err);
void prompt_rows_fini(const struct fixture *f, struct prompt_rows *p);

#endif

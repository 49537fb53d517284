/* SPDX-License-Identifier: MIT
 * Products of many rows with a weight matrix, by cuBLASLt. The way chosen for a shape is
 * remembered. One per session: it owns a workspace that belongs to one stream. */
#ifndef CUDA_PRODUCT_H
#define CUDA_PRODUCT_H

#include "queue.h"

struct products;
struct phi3v_error;

/* y[r][o] = sum_i x[r][i] w[o][i] (+ bias[o]) (+ what stood in y[r][o]) */
struct product {
    const char *name;
    struct dev_mat w;
    const struct bf16 *x; // [n_rows][x_ld], zero behind n_in
    int64_t x_ld;
    int n_rows;
    struct bf16 *y16; // [n_rows][y_ld]: either this …
    float *y32;       // … or this
    int64_t y_ld;
    const void *bias; // [n_out] of y's type, or NULL
    bool add;         // only with y32
};

/* Errors: DEVICE, MEMORY. */
int products_new(struct products **ret, struct phi3v_error *err);
void products_free(struct products *p);
void product_run(struct products *p, struct queue *q, const struct product *a);

#endif

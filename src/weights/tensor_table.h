/* SPDX-License-Identifier: MIT
 * The list of all tensors a config asks for (docs/model.md, Files of a model folder), for both
 * binding and synthetic weights. */
#ifndef WEIGHTS_TENSOR_TABLE_H
#define WEIGHTS_TENSOR_TABLE_H

#include <stdbool.h>

#include "weights/bind.h"

/* How to fill a tensor of synthetic weights. */
enum table_fill { FILL_NORMAL, FILL_ZERO, FILL_ONE };

struct table_entry {
    char name[160];
    int n_dims;
    int64_t shape[4];
    struct mat *mat; // where it goes: a matrix, a widened vector, or neither (checked, never used)
    struct vec *vec;
    enum table_fill fill;
    bool four_bits; // in FORM_Q4; otherwise 8 bits
};

typedef int (*table_entry_fn)(void *arg, const struct table_entry *entry);

/* Allocates the layer arrays of *mw (freed by model_weights_fini). Error MEMORY. */
int tensor_table_prepare(const struct config *c, struct model_weights *mw, struct phi3v_error *err);
/* Calls fn for every tensor; stops at and returns its first non-zero result. */
int tensor_table_walk(const struct config *c, struct model_weights *mw, table_entry_fn fn,
                      void *arg);
/* The output head of tied embeddings, when it is a separate matrix because it is packed. */
void table_entry_head(struct table_entry *ret_entry, struct model_weights *mw);
/* The number of elements of an entry, which cannot overflow within the config's bounds. */
int64_t table_entry_count(const struct table_entry *entry);
/* The type of an entry's matrix in a form; embeddings and unused matrices keep the type
 * `stored`. */
enum weight_type table_entry_type(const struct table_entry *entry, enum weights_form form,
                                  enum weight_type stored);
/* Whether it belongs to the vision tower or the projector. */
bool table_entry_is_vision(const struct table_entry *entry);
/* mem_pages for matrices. Also NULL when the system has too little memory, because it would
 * otherwise kill the process later. */
void *weights_pages(size_t n_bytes);
/* The memory of *mw: widened vectors (mem_alloc), and pages of weights made in memory. Freed by
 * model_weights_fini. */
struct weights_owned {
    float *vectors;
    void *pages;
    size_t pages_bytes;
};

#endif

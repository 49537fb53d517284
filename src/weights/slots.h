/* SPDX-License-Identifier: MIT
 * The list of all tensors a config asks for (phi3v.md 3), in one place for binding and for
 * synthetic weights. */
#ifndef WEIGHTS_SLOTS_H
#define WEIGHTS_SLOTS_H

#include <stdbool.h>

#include "weights/bind.h"

/* What fills a tensor of synthetic weights. */
enum slot_fill { FILL_NORMAL, FILL_ZERO, FILL_ONE };

struct slot {
    char name[160];
    int n_dims;
    int64_t shape[4];
    struct mat *mat; // where it goes: a matrix, a widened vector, or neither (checked, never used)
    struct vec *vec;
    enum slot_fill fill;
    bool four_bits; // FORM_Q4 has it so, and 8 where not
};

typedef int (*slot_fn)(void *arg, const struct slot *slot);

/* Allocates the layer arrays of *mw (freed by model_weights_fini). Error MEMORY. */
int slots_prepare(const struct config *c, struct model_weights *mw, struct phi3v_error *err);
/* Calls fn for every tensor; stops at and returns its first non-zero result. */
int slots_walk(const struct config *c, struct model_weights *mw, slot_fn fn, void *arg);
/* The head of tied embeddings, where it is a matrix of its own because it is packed. */
void slot_head(struct slot *ret_slot, struct model_weights *mw);
/* Elements of a slot; config bounds keep it from overflowing. */
int64_t slot_count(const struct slot *slot);
/* The type of a slot's matrix in a form; embeddings and what is never used stay as they are, which
 * is `stored`. */
enum weight_type slot_type(const struct slot *slot, enum weights_form form,
                           enum weight_type stored);
/* Of the vision tower or the projector behind it. */
bool slot_is_vision(const struct slot *slot);
/* mem_pages for matrices; NULL too when the system has less than that, instead of the process's end
 * when it comes to be used. */
void *weights_pages(size_t n_bytes);
/* The memory behind *mw: widened vectors (mem_alloc), and pages of weights made in memory. Freed by
 * model_weights_fini. */
struct weights_owned {
    float *vectors;
    void *pages;
    size_t pages_bytes;
};

#endif

/* SPDX-License-Identifier: MIT */
#include "weights/bind.h"

#include <stdbool.h>

#include "base/mem.h"
#include "weights/slots.h"

struct binder {
    const struct weights *weights;
    const struct kernels *kernels;
    struct model_weights *mw;
    struct phi3v_error *err;
    size_t n_floats; // room the widened vectors take
    float *next;     // where the next widened vector goes
};

/* Floats a vector of n takes, so that each begins on a cache line. */
static size_t vector_room(int64_t n) { return ((size_t)n + 15) & ~(size_t)15; }

static bool shape_equals(const struct tensor *t, const struct slot *slot)
{
    if (t->n_dims != slot->n_dims) return false;
    for (int i = 0; i < t->n_dims; i++)
        if (t->shape[i] != slot->shape[i]) return false;
    return true;
}

/* Finds and checks a slot's tensor; counts parameters, bytes and the floats to widen. */
static int check_slot(void *arg, const struct slot *slot)
{
    struct binder *b = arg;
    const struct tensor *t = weights_find(b->weights, slot->name);
    if (!t)
        return err_set(b->err, PHI3V_E_MODEL,
                       "the model files lack tensor %s, which config.json asks for", slot->name);
    if (t->dtype > DTYPE_F16)
        return err_set(b->err, PHI3V_E_UNSUPPORTED,
                       "%s: tensor %s has type %s; only F32, BF16 and F16 are supported", t->file,
                       slot->name, dtype_name(t->dtype));
    if (!shape_equals(t, slot)) {
        char is[120], expected[120];
        return err_set(b->err, PHI3V_E_MODEL,
                       "%s: tensor %s is %s, expected %s: not this model's config.json?", t->file,
                       slot->name, shape_text(t->shape, t->n_dims, is, sizeof is),
                       shape_text(slot->shape, slot->n_dims, expected, sizeof expected));
    }
    b->mw->n_params += slot_count(slot);
    b->mw->bytes += t->n_bytes;
    b->mw->mapped_bytes += t->n_bytes;
    if (slot->vec) b->n_floats += vector_room(slot_count(slot));
    return 0;
}

static enum weight_type weight_type(enum dtype dtype)
{
    if (dtype == DTYPE_F32) return WEIGHT_F32;
    return dtype == DTYPE_BF16 ? WEIGHT_BF16 : WEIGHT_F16;
}

/* Second walk: everything was found and fits. */
static int bind_slot(void *arg, const struct slot *slot)
{
    struct binder *b = arg;
    const struct tensor *t = weights_find(b->weights, slot->name);
    int64_t n = slot_count(slot);
    if (slot->mat)
        *slot->mat = (struct mat){.data = t->data,
                                  .type = weight_type(t->dtype),
                                  .n_out = (int)slot->shape[0],
                                  .n_in = (int)(n / slot->shape[0])};
    if (slot->vec) {
        b->kernels->widen(b->next, t->data, weight_type(t->dtype), n);
        *slot->vec = (struct vec){.data = b->next, .n = (int)n};
        b->next += vector_room(n);
    }
    return 0;
}

int model_weights_bind(const struct weights *w, const struct config *c,
                       struct model_weights *ret_weights, struct phi3v_error *err)
{
    struct model_weights mw;
    int code = slots_prepare(c, &mw, err);
    if (code) return code;
    struct binder b = {.weights = w, .kernels = kernels_best(), .mw = &mw, .err = err};
    code = slots_walk(c, &mw, check_slot, &b);
    if (!code) {
        struct weights_owned *owned = mw.owned;
        owned->vectors = b.next = mem_array(b.n_floats, sizeof(float));
        if (!b.next) code = err_memory(err, "widened weights", b.n_floats * sizeof(float));
    }
    if (!code) code = slots_walk(c, &mw, bind_slot, &b);
    if (code) {
        model_weights_fini(&mw);
        return code;
    }
    if (c->tie_embeddings) mw.lm_head = mw.embed;
    *ret_weights = mw;
    return 0;
}

static size_t bytes_of(const struct mat *m) { return mat_bytes(m->type, m->n_out, m->n_in); }

size_t model_weights_step_bytes(const struct model_weights *mw)
{
    size_t bytes = bytes_of(&mw->lm_head);
    for (int i = 0; i < mw->n_layers; i++) {
        const struct decoder_layer_weights *l = &mw->layers[i];
        bytes += bytes_of(&l->qkv) + bytes_of(&l->o) + bytes_of(&l->gate_up) + bytes_of(&l->down);
    }
    return bytes;
}

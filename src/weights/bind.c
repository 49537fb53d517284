/* SPDX-License-Identifier: MIT */
#include "weights/bind.h"

#include <stdbool.h>

#include "base/mem.h"
#include "weights/pack_file.h"
#include "weights/tensor_table.h"

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

static bool shape_equals(const struct tensor *t, const struct table_entry *entry)
{
    if (t->n_dims != entry->n_dims) return false;
    for (int i = 0; i < t->n_dims; i++)
        if (t->shape[i] != entry->shape[i]) return false;
    return true;
}

/* Bytes stand for packed weights in the files that say so. */
static bool is_packed(const struct binder *b, const struct table_entry *entry,
                      const struct tensor *t)
{
    return b->mw->form != FORM_F32 && entry->mat && t->dtype == DTYPE_U8;
}

/* [n_out][…] as it is packed: strips and their bytes. */
static void packed_shape(const struct binder *b, struct table_entry *entry)
{
    int n_out = (int)entry->shape[0], n_in = (int)(table_entry_count(entry) / entry->shape[0]);
    enum weight_type type = table_entry_type(entry, b->mw->form, WEIGHT_F32);
    size_t strip = pack_strip_bytes(type, n_in);
    entry->n_dims = 2;
    entry->shape[0] = strip ? (int64_t)(mat_bytes(type, n_out, n_in) / strip) : 0;
    entry->shape[1] = (int64_t)strip;
}

/* Finds and checks an entry's tensor; counts parameters, bytes and the floats to widen. */
static int check_entry(void *arg, const struct table_entry *entry)
{
    struct binder *b = arg;
    const struct tensor *t = weights_find(b->weights, entry->name);
    if (!t)
        return err_set(b->err, PHI3V_E_MODEL,
                       "the model files lack tensor %s, which config.json asks for", entry->name);
    bool packed = is_packed(b, entry, t);
    if (t->dtype > DTYPE_F16 && !packed)
        return err_set(b->err, PHI3V_E_UNSUPPORTED,
                       "%s: tensor %s has type %s; only F32, BF16 and F16 are supported", t->file,
                       entry->name, dtype_name(t->dtype));
    struct table_entry stored = *entry;
    if (packed) packed_shape(b, &stored);
    if (!shape_equals(t, &stored)) {
        char is[120], expected[120];
        return err_set(b->err, PHI3V_E_MODEL,
                       "%s: tensor %s is %s, expected %s: not this model's config.json?", t->file,
                       entry->name, shape_text(t->shape, t->n_dims, is, sizeof is),
                       shape_text(stored.shape, stored.n_dims, expected, sizeof expected));
    }
    b->mw->n_params += table_entry_count(entry);
    b->mw->bytes += t->n_bytes;
    b->mw->mapped_bytes += t->n_bytes;
    if (entry->vec) b->n_floats += vector_room(table_entry_count(entry));
    return 0;
}

static enum weight_type weight_type(enum dtype dtype)
{
    if (dtype == DTYPE_F32) return WEIGHT_F32;
    return dtype == DTYPE_BF16 ? WEIGHT_BF16 : WEIGHT_F16;
}

/* Second walk: everything was found and fits. */
static int bind_entry(void *arg, const struct table_entry *entry)
{
    struct binder *b = arg;
    const struct tensor *t = weights_find(b->weights, entry->name);
    int64_t n = table_entry_count(entry);
    if (entry->mat)
        *entry->mat = (struct mat){.data = t->data,
                                   .type = is_packed(b, entry, t)
                                               ? table_entry_type(entry, b->mw->form, WEIGHT_F32)
                                               : weight_type(t->dtype),
                                   .n_out = (int)entry->shape[0],
                                   .n_in = (int)(n / entry->shape[0])};
    if (entry->vec) {
        b->kernels->widen(b->next, t->data, weight_type(t->dtype), n);
        *entry->vec = (struct vec){.data = b->next, .n = (int)n};
        b->next += vector_room(n);
    }
    return 0;
}

int model_weights_bind(const struct weights *w, const struct config *c,
                       struct model_weights *ret_weights, struct phi3v_error *err)
{
    struct model_weights mw;
    int code = tensor_table_prepare(c, &mw, err);
    if (code) return code;
    struct binder b = {.weights = w, .kernels = kernels_best(), .mw = &mw, .err = err};
    code = pack_file_form(w, &mw.form, err);
    mw.vision_form = vision_form_for(mw.form);
    bool own_head = c->tie_embeddings && mw.form != FORM_F32; // packed, though tied
    struct table_entry head;
    table_entry_head(&head, &mw);
    head.shape[0] = c->n_vocab;
    head.shape[1] = c->hidden;
    if (!code) code = tensor_table_walk(c, &mw, check_entry, &b);
    if (!code && own_head) code = check_entry(&b, &head);
    if (!code) {
        struct weights_owned *owned = mw.owned;
        owned->vectors = b.next = mem_array(b.n_floats, sizeof(float));
        if (!b.next) code = err_memory(err, "widened weights", b.n_floats * sizeof(float));
    }
    if (!code) code = tensor_table_walk(c, &mw, bind_entry, &b);
    if (!code && own_head) bind_entry(&b, &head);
    if (code) {
        model_weights_fini(&mw);
        return code;
    }
    if (c->tie_embeddings && !own_head) mw.lm_head = mw.embed;
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

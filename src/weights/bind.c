/* SPDX-License-Identifier: MIT */
#include "weights/bind.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "weights/tensor_names.h"
#include "weights/pack_file.h"
#include "weights/tensor_table.h"

#define SPLIT_QUERY "model.layers.0.self_attn.q_proj.weight"

struct binder {
    const struct weights *weights;
    const struct config *config;
    const struct kernels *kernels;
    struct model_weights *mw;
    struct phi3v_error *err;
    bool *used;      // [weights_count]
    size_t n_floats; // for all widened vectors
    float *next;     // the place of the next widened vector
};

/* How many floats a vector of n takes when each begins on a cache line. */
static size_t vector_room(int64_t n) { return ((size_t)n + 15) & ~(size_t)15; }

static bool shape_equals(const struct tensor *t, const struct table_entry *entry)
{
    if (t->n_dims != entry->n_dims) return false;
    for (int i = 0; i < t->n_dims; i++)
        if (t->shape[i] != entry->shape[i]) return false;
    return true;
}

/* In files that say so, bytes are packed weights. */
static bool is_packed(const struct binder *b, const struct table_entry *entry,
                      const struct tensor *t)
{
    return b->mw->form != FORM_F32 && entry->mat && t->dtype == DTYPE_U8;
}

/* Turns [n_out][…] into the packed shape: strips and their bytes. */
static void packed_shape(const struct binder *b, struct table_entry *entry)
{
    int n_out = (int)entry->shape[0], n_in = (int)(table_entry_count(entry) / entry->shape[0]);
    enum weight_type type = table_entry_type(entry, b->mw->form, WEIGHT_F32);
    size_t strip = pack_strip_bytes(type, n_in);
    entry->n_dims = 2;
    entry->shape[0] = strip ? (int64_t)(mat_bytes(type, n_out, n_in) / strip) : 0;
    entry->shape[1] = (int64_t)strip;
}

const struct tensor *model_weights_tensor(const struct weights *w, const struct config *c,
                                          const char *name)
{
    static const char *const embedding[] = {
        "model.embed_tokens.weight", "model.vision_embed_tokens.wte.weight", "lm_head.weight"};
    const struct tensor *t = weights_find(w, name);
    if (strcmp(name, embedding[0]) != 0) return t;
    for (int i = 1; !t && i < (c->tie_embeddings ? 3 : 2); i++) t = weights_find(w, embedding[i]);
    return t;
}

/* Says why a tensor is missing, as far as the others show it. */
static int refuse_missing(const struct binder *b, const char *name)
{
    for (size_t i = 0; i < weights_count(b->weights); i++) {
        const struct tensor *t = weights_at(b->weights, i);
        const char *what = tensor_names_tell(t->name);
        if (what)
            return err_set(b->err, PHI3V_E_UNSUPPORTED, "%s: tensor %.120s %s", t->file, t->name,
                           what);
    }
    const char *hint = "";
    if (strcmp(name, "lm_head.weight") == 0)
        hint = " (where it is the embedding, config.json says so: tie_word_embeddings)";
    else if (strstr(name, ".qkv_proj.") && weights_find(b->weights, SPLIT_QUERY))
        hint = ": query, key and value are apart in this folder; the release has them in one";
    return err_set(b->err, PHI3V_E_MODEL,
                   "the model files lack tensor %s, which config.json asks for%s", name, hint);
}

/* Finds and checks an entry's tensor; counts parameters, bytes and the floats to widen. */
static int check_entry(void *arg, const struct table_entry *entry)
{
    struct binder *b = arg;
    const struct tensor *t = model_weights_tensor(b->weights, b->config, entry->name);
    if (!t) return refuse_missing(b, entry->name);
    b->used[t - weights_at(b->weights, 0)] = true;
    bool packed = is_packed(b, entry, t);
    if (t->dtype > DTYPE_F16 && !packed)
        return err_set(b->err, PHI3V_E_UNSUPPORTED,
                       "%s: tensor %s has type %s; only F32, BF16 and F16 are supported%s", t->file,
                       entry->name, dtype_name(t->dtype),
                       dtype_bytes(t->dtype) == 1 ? ": take the unquantised release" : "");
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

/* Ignores tensors that this model does not have, but refuses those that would change what is
 * computed. */
static int refuse_surplus(const struct binder *b)
{
    static const char *const parts[] = {".bias", "_norm.weight", ".lora_", "adapter"};
    for (size_t i = 0; i < weights_count(b->weights); i++) {
        const struct tensor *t = weights_at(b->weights, i);
        const char *what = tensor_names_tell(t->name);
        bool layer = strncmp(t->name, "model.", 6) == 0 || strncmp(t->name, "lm_head.", 8) == 0;
        for (size_t k = 0; k < sizeof parts / sizeof *parts && !what && layer; k++)
            if (strstr(t->name, parts[k]))
                what = "is none of Phi-3-vision's and would change what it computes";
        if (!b->used[i] && what)
            return err_set(b->err, PHI3V_E_UNSUPPORTED, "%s: tensor %.120s %s", t->file, t->name,
                           what);
    }
    return 0;
}

static enum weight_type weight_type(enum dtype dtype)
{
    if (dtype == DTYPE_F32) return WEIGHT_F32;
    return dtype == DTYPE_BF16 ? WEIGHT_BF16 : WEIGHT_F16;
}

/* Second walk, after everything was found to fit. */
static int bind_entry(void *arg, const struct table_entry *entry)
{
    struct binder *b = arg;
    const struct tensor *t = model_weights_tensor(b->weights, b->config, entry->name);
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

/* Some programs store matrices transposed, and say so. */
static int check_layout(const struct weights *w, struct phi3v_error *err)
{
    const char *format = weights_metadata(w, "format");
    if (!format || strcmp(format, "pt") == 0 || strcmp(format, "np") == 0) return 0;
    return err_set(
        err, PHI3V_E_UNSUPPORTED,
        "the weights say that they are laid out for \"%.30s\"; those of PyTorch (pt) are "
        "read: open the folder of the release",
        format);
}

/* Does both walks. */
static int bind_all(struct binder *b, const struct config *c, struct model_weights *mw)
{
    const bool own_head = c->tie_embeddings && mw->form != FORM_F32; // packed, though tied
    struct table_entry head;
    table_entry_head(&head, mw);
    head.shape[0] = c->n_vocab;
    head.shape[1] = c->hidden;
    b->used = mem_zarray(weights_count(b->weights), sizeof *b->used);
    if (!b->used) return err_memory(b->err, "the table of weights", weights_count(b->weights));
    int code = tensor_table_walk(c, mw, check_entry, b);
    if (!code && own_head) code = check_entry(b, &head);
    if (!code) code = refuse_surplus(b);
    mem_free(b->used);
    if (code) return code;
    struct weights_owned *owned = mw->owned;
    owned->vectors = b->next = mem_array(b->n_floats, sizeof(float));
    if (!b->next) return err_memory(b->err, "widened weights", b->n_floats * sizeof(float));
    tensor_table_walk(c, mw, bind_entry, b);
    if (own_head) bind_entry(b, &head);
    if (c->tie_embeddings && !own_head) mw->lm_head = mw->embed;
    return 0;
}

int model_weights_bind(const struct weights *w, const struct config *c,
                       struct model_weights *ret_weights, struct phi3v_error *err)
{
    struct model_weights mw;
    int code = tensor_table_prepare(c, &mw, err);
    if (code) return code;
    struct binder b = {.weights = w, .config = c, .kernels = kernels_best(), .mw = &mw, .err = err};
    code = check_layout(w, err);
    if (!code) code = pack_file_form(w, &mw.form, err);
    mw.vision_form = vision_form_for(mw.form);
    if (!code) code = bind_all(&b, c, &mw);
    if (code)
        model_weights_fini(&mw);
    else
        *ret_weights = mw;
    return code;
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

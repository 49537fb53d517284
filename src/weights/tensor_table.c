/* SPDX-License-Identifier: MIT */
#include "weights/tensor_table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define TOWER "model.vision_embed_tokens.img_processor.vision_model."

struct walk {
    const struct config *c;
    table_entry_fn fn;
    void *arg;
    int code;
    char prefix[120]; // of the next names
    bool four_bits;   // for the next matrices
};

int64_t table_entry_count(const struct table_entry *entry)
{
    int64_t n = 1;
    for (int i = 0; i < entry->n_dims; i++) n *= entry->shape[i];
    return n;
}

enum weight_type table_entry_type(const struct table_entry *entry, enum weights_form form,
                                  enum weight_type stored)
{
    if (form == FORM_F32 || strcmp(entry->name, "model.embed_tokens.weight") == 0) return stored;
    if (form == FORM_BF16) return WEIGHT_BF16_PAIRS;
    return form == FORM_Q4 && entry->four_bits ? WEIGHT_Q4 : WEIGHT_Q8;
}

bool table_entry_is_vision(const struct table_entry *entry)
{
    return strncmp(entry->name, "model.vision_embed_tokens.", 26) == 0;
}

static void set_prefix(struct walk *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(w->prefix, sizeof w->prefix, format, args);
    va_end(args);
}

static void visit(struct walk *w, struct table_entry *entry, const char *name)
{
    if (w->code) return;
    snprintf(entry->name, sizeof entry->name, "%s%s", w->prefix, name);
    w->code = w->fn(w->arg, entry);
}

static void mat2(struct walk *w, const char *name, struct mat *mat, int64_t n_out, int64_t n_in)
{
    struct table_entry s = {
        .n_dims = 2, .shape = {n_out, n_in}, .mat = mat, .four_bits = w->four_bits};
    visit(w, &s, name);
}

static void vec1(struct walk *w, const char *name, struct vec *vec, int64_t n, enum table_fill fill)
{
    struct table_entry s = {.n_dims = 1, .shape = {n}, .vec = vec, .fill = fill};
    visit(w, &s, name);
}

/* weight and bias of a layer norm */
static void norm(struct walk *w, const char *weight, const char *bias, struct vec *vw,
                 struct vec *vb, int64_t n)
{
    vec1(w, weight, vw, n, FILL_ONE);
    vec1(w, bias, vb, n, FILL_ZERO);
}

/* -- Chapters of the model -------------------------------------------------------------------- */

/* Rounding to 4 bits costs most in the first layers (docs/accuracy.md), so these, and the attention
 * of the next, keep 8 bits. */
static int spared_layers(const struct config *c)
{
    enum { MOST = 3 };
    return c->n_layers / 2 < MOST ? c->n_layers / 2 : MOST;
}

static void walk_decoder_layer(struct walk *w, int i, struct decoder_layer_weights *l)
{
    const struct config *c = w->c;
    int64_t q_rows = (int64_t)c->n_heads * c->head_dim;
    int64_t kv_rows = (int64_t)c->n_kv_heads * c->head_dim;
    set_prefix(w, "model.layers.%d.", i);
    w->four_bits = i > spared_layers(c);
    vec1(w, "input_layernorm.weight", &l->input_norm, c->hidden, FILL_ONE);
    mat2(w, "self_attn.qkv_proj.weight", &l->qkv, q_rows + 2 * kv_rows, c->hidden);
    mat2(w, "self_attn.o_proj.weight", &l->o, c->hidden, q_rows);
    vec1(w, "post_attention_layernorm.weight", &l->post_norm, c->hidden, FILL_ONE);
    w->four_bits = i >= spared_layers(c);
    mat2(w, "mlp.gate_up_proj.weight", &l->gate_up, 2 * (int64_t)c->intermediate, c->hidden);
    mat2(w, "mlp.down_proj.weight", &l->down, c->hidden, c->intermediate);
    w->four_bits = false;
}

static void walk_tower_layer(struct walk *w, int j, struct vision_layer_weights *l)
{
    int64_t n = w->c->vision.hidden, f = w->c->vision.intermediate;
    struct vision_layer_weights unused = {0};
    bool used = l != NULL;
    if (!used) l = &unused;
#define KEEP(field) (used ? &l->field : NULL)
    set_prefix(w, TOWER "encoder.layers.%d.", j);
    norm(w, "layer_norm1.weight", "layer_norm1.bias", KEEP(norm1_w), KEEP(norm1_b), n);
    norm(w, "layer_norm2.weight", "layer_norm2.bias", KEEP(norm2_w), KEEP(norm2_b), n);
    mat2(w, "self_attn.q_proj.weight", KEEP(q), n, n);
    vec1(w, "self_attn.q_proj.bias", KEEP(q_b), n, FILL_ZERO);
    mat2(w, "self_attn.k_proj.weight", KEEP(k), n, n);
    vec1(w, "self_attn.k_proj.bias", KEEP(k_b), n, FILL_ZERO);
    mat2(w, "self_attn.v_proj.weight", KEEP(v), n, n);
    vec1(w, "self_attn.v_proj.bias", KEEP(v_b), n, FILL_ZERO);
    mat2(w, "self_attn.out_proj.weight", KEEP(out), n, n);
    vec1(w, "self_attn.out_proj.bias", KEEP(out_b), n, FILL_ZERO);
    mat2(w, "mlp.fc1.weight", KEEP(fc1), f, n);
    vec1(w, "mlp.fc1.bias", KEEP(fc1_b), f, FILL_ZERO);
    mat2(w, "mlp.fc2.weight", KEEP(fc2), n, f);
    vec1(w, "mlp.fc2.bias", KEEP(fc2_b), n, FILL_ZERO);
#undef KEEP
}

static void walk_tower(struct walk *w, struct model_weights *mw)
{
    const struct vision_config *v = &w->c->vision;
    int64_t n = v->hidden, p = v->patch_size, side = v->image_size / v->patch_size;
    set_prefix(w, TOWER);
    vec1(w, "embeddings.class_embedding", &mw->class_embedding, n, FILL_NORMAL);
    struct table_entry patch = {.n_dims = 4, .shape = {n, 3, p, p}, .mat = &mw->patch_embedding};
    visit(w, &patch, "embeddings.patch_embedding.weight");
    struct table_entry place = {
        .n_dims = 2, .shape = {side * side + 1, n}, .vec = &mw->position_embedding};
    visit(w, &place, "embeddings.position_embedding.weight");
    norm(w, "pre_layrnorm.weight", "pre_layrnorm.bias", &mw->pre_norm_w, &mw->pre_norm_b, n);
    norm(w, "post_layernorm.weight", "post_layernorm.bias", NULL, NULL, n);
    for (int j = 0; j < v->n_layers; j++)
        walk_tower_layer(w, j, j < v->n_run_layers ? &mw->vision_layers[j] : NULL);
}

static void walk_projector(struct walk *w, struct model_weights *mw)
{
    int64_t h = w->c->hidden, n = 4 * (int64_t)w->c->vision.hidden;
    set_prefix(w, "model.vision_embed_tokens.");
    struct table_entry glb = {.n_dims = 3, .shape = {1, 1, n}, .vec = &mw->glb_gn};
    visit(w, &glb, "glb_GN");
    struct table_entry sub = {.n_dims = 4, .shape = {1, 1, 1, n}, .vec = &mw->sub_gn};
    visit(w, &sub, "sub_GN");
    mat2(w, "img_projection.0.weight", &mw->proj0, h, n);
    vec1(w, "img_projection.0.bias", &mw->proj0_b, h, FILL_ZERO);
    mat2(w, "img_projection.2.weight", &mw->proj2, h, h);
    vec1(w, "img_projection.2.bias", &mw->proj2_b, h, FILL_ZERO);
}

int tensor_table_walk(const struct config *c, struct model_weights *mw, table_entry_fn fn,
                      void *arg)
{
    struct walk w = {.c = c, .fn = fn, .arg = arg};
    mat2(&w, "model.embed_tokens.weight", &mw->embed, c->n_vocab, c->hidden);
    if (!c->tie_embeddings) mat2(&w, "lm_head.weight", &mw->lm_head, c->n_vocab, c->hidden);
    vec1(&w, "model.norm.weight", &mw->final_norm, c->hidden, FILL_ONE);
    for (int i = 0; i < c->n_layers; i++) walk_decoder_layer(&w, i, &mw->layers[i]);
    walk_projector(&w, mw);
    walk_tower(&w, mw);
    return w.code;
}

void table_entry_head(struct table_entry *ret_entry, struct model_weights *mw)
{
    *ret_entry = (struct table_entry){.name = "lm_head.weight",
                                      .n_dims = 2,
                                      .shape = {mw->embed.n_out, mw->embed.n_in},
                                      .mat = &mw->lm_head};
}

/* -- Memory ----------------------------------------------------------------------------------- */

int tensor_table_prepare(const struct config *c, struct model_weights *mw, struct phi3v_error *err)
{
    *mw = (struct model_weights){0};
    mw->layers = mem_zarray((size_t)c->n_layers, sizeof *mw->layers);
    mw->vision_layers = mem_zarray((size_t)c->vision.n_run_layers, sizeof *mw->vision_layers);
    mw->owned = mem_zalloc(sizeof(struct weights_owned));
    mw->n_layers = c->n_layers;
    mw->n_vision_layers = c->vision.n_run_layers;
    if (mw->layers && mw->vision_layers && mw->owned) return 0;
    model_weights_fini(mw);
    return err_memory(err, "the table of weights", (size_t)c->n_layers * sizeof *mw->layers);
}

void *weights_pages(size_t n_bytes)
{
    return n_bytes < mem_available_bytes() ? mem_pages(n_bytes) : NULL;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t prepared_for(size_t most, const struct mat *const *mats, size_t n)
{
    for (size_t i = 0; i < n; i++)
        most = larger(most, prepared_bytes(mats[i]->type, mats[i]->n_in));
    return most;
}

size_t model_weights_prepared_bytes(const struct model_weights *mw)
{
    size_t most = 0;
    const struct mat *rest[] = {&mw->lm_head, &mw->proj0, &mw->proj2, &mw->patch_embedding};
    most = prepared_for(most, rest, sizeof rest / sizeof *rest);
    for (int i = 0; i < mw->n_layers; i++) {
        const struct decoder_layer_weights *l = &mw->layers[i];
        most = prepared_for(most, (const struct mat *[]){&l->qkv, &l->o, &l->gate_up, &l->down}, 4);
    }
    for (int i = 0; i < mw->n_vision_layers; i++) {
        const struct vision_layer_weights *l = &mw->vision_layers[i];
        most = prepared_for(
            most, (const struct mat *[]){&l->q, &l->k, &l->v, &l->out, &l->fc1, &l->fc2}, 6);
    }
    return most;
}

void model_weights_fini(struct model_weights *mw)
{
    struct weights_owned *owned = mw->owned;
    if (owned) {
        mem_pages_free(owned->pages, owned->pages_bytes);
        mem_free(owned->vectors);
    }
    mem_free(owned);
    mem_free(mw->layers);
    mem_free(mw->vision_layers);
    *mw = (struct model_weights){0};
}

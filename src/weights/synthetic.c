/* SPDX-License-Identifier: MIT
 * Pseudo-random weights for benchmarks, in any form. They are normal with deviation 1/sqrt(inputs),
 * so that activations keep their size through any number of layers. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "weights/tensor_table.h"

enum {
    LEVELS = 4096,   // values of the random table
    PIECE = 1 << 16, // elements of one piece of work
    STRIPS = 32      // how many strips of a packed matrix differ; the others repeat them
};

struct layout {
    enum weights_form form;
    char *base; // NULL while counting
    size_t used_bytes;
    struct model_weights *mw;
    int most_in; // inputs of the widest matrix
};

/* -- Random numbers ---------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x) /* one well-known finaliser: every bit depends on every bit */
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The sum of twelve uniform numbers is nearly normal. */
static float normal_level(int i)
{
    double sum = -6;
    for (int k = 0; k < 12; k++)
        sum += (double)(mix((uint64_t)(i * 12 + k + 1) * 0x9e3779b97f4a7c15u) >> 11) * 0x1p-53;
    return (float)sum;
}

/* -- Filling ---------------------------------------------------------------------------------- */

struct fill {
    uint16_t *data;
    uint64_t seed;
    uint16_t levels[LEVELS];
};

static void fill_piece(void *arg, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    struct fill *f = arg;
    uint64_t state = mix(f->seed + (uint64_t)begin);
    int64_t i = begin;
    for (; i + 5 <= end; i += 5) {
        state += 0x9e3779b97f4a7c15u;
        uint64_t r = mix(state);
        for (int k = 0; k < 5; k++, r >>= 12) f->data[i + k] = f->levels[r % LEVELS];
    }
    for (; i < end; i++) f->data[i] = f->levels[mix(state + (uint64_t)i) % LEVELS];
}

struct strips {
    const struct mat *m;
    const struct kernels *kernels;
    const float *normal;
    float *rows; // [n_threads][PACK_OUTS][n_in]
    uint64_t seed;
};

static void fill_strips(void *arg, int64_t begin, int64_t end, int thread)
{
    struct strips *s = arg;
    size_t n = (size_t)PACK_OUTS * (size_t)s->m->n_in,
           bytes = pack_strip_bytes(s->m->type, s->m->n_in);
    float *rows = s->rows + (size_t)thread * n, scale = 1 / sqrtf((float)s->m->n_in);
    for (int64_t strip = begin; strip < end; strip++) {
        uint64_t state = mix(s->seed + (uint64_t)strip);
        for (size_t i = 0; i < n; i++) rows[i] = s->normal[mix(state + i) % LEVELS] * scale;
        s->kernels->pack((char *)s->m->data + bytes * (size_t)strip, s->m->type, rows, PACK_OUTS,
                         s->m->n_in);
    }
}

static void repeat_strips(void *arg, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const struct strips *s = arg;
    size_t bytes = pack_strip_bytes(s->m->type, s->m->n_in);
    char *data = (char *)s->m->data;
    for (int64_t i = begin + STRIPS; i < end + STRIPS; i++)
        memcpy(data + bytes * (size_t)i, data + bytes * (size_t)(i % STRIPS), bytes);
}

static void fill_packed(struct pool *pool, struct strips *s)
{
    int64_t n = (s->m->n_out + PACK_OUTS - 1) / PACK_OUTS;
    pool_run(pool, n < STRIPS ? n : STRIPS, 1, fill_strips, s);
    if (n > STRIPS) pool_run(pool, n - STRIPS, 8, repeat_strips, s);
}

static void fill_mat(struct pool *pool, const struct mat *m, uint64_t seed, const float *normal)
{
    struct fill f = {.data = (uint16_t *)m->data, .seed = seed};
    float scale = 1 / sqrtf((float)m->n_in);
    for (int i = 0; i < LEVELS; i++) f.levels[i] = bf16_bits(normal[i] * scale);
    pool_run(pool, (int64_t)m->n_out * m->n_in, PIECE, fill_piece, &f);
}

static void fill_vec(float *data, int64_t n, enum table_fill fill, const float *normal)
{
    for (int64_t i = 0; i < n; i++)
        data[i] = fill == FILL_NORMAL ? 0.02f * normal[i % LEVELS] : fill == FILL_ONE;
}

/* -- Layout ------------------------------------------------------------------------------------ */

/* The first walk adds up sizes, the second assigns places. */
static int place_entry(void *arg, const struct table_entry *entry)
{
    struct layout *l = arg;
    int64_t n = table_entry_count(entry);
    char *at = l->base ? l->base + l->used_bytes : NULL;
    int n_out = (int)entry->shape[0], n_in = (int)(n / entry->shape[0]);
    enum weight_type type = table_entry_type(entry, l->form, WEIGHT_BF16);
    size_t bytes = entry->mat   ? mat_bytes(type, n_out, n_in)
                   : entry->vec ? (size_t)n * sizeof(float)
                                : 0;
    l->used_bytes += (bytes + 63) & ~(size_t)63;
    if (at && entry->mat)
        *entry->mat = (struct mat){.data = at, .type = type, .n_out = n_out, .n_in = n_in};
    if (at && entry->vec) *entry->vec = (struct vec){.data = (float *)(void *)at, .n = (int)n};
    if (at) {
        l->mw->n_params += n;
        l->mw->bytes += entry->mat ? bytes : (size_t)n * 2; // vectors as the release stores them
        if (entry->mat && n_in > l->most_in) l->most_in = n_in;
    }
    return 0;
}

struct filler {
    struct pool *pool;
    uint64_t seed;
    float normal[LEVELS];
    float *rows; // [n_threads][PACK_OUTS][most_in]
};

static int fill_entry(void *arg, const struct table_entry *entry)
{
    struct filler *f = arg;
    f->seed += (uint64_t)1 << 40;
    if (entry->mat && pack_strip_bytes(entry->mat->type, entry->mat->n_in) > 0)
        fill_packed(f->pool,
                    &(struct strips){entry->mat, kernels_best(), f->normal, f->rows, f->seed});
    else if (entry->mat)
        fill_mat(f->pool, entry->mat, f->seed, f->normal);
    if (entry->vec) fill_vec((float *)entry->vec->data, entry->vec->n, entry->fill, f->normal);
    return 0;
}

int model_weights_synthetic(const struct config *c, enum weights_form form, struct pool *pool,
                            struct model_weights *ret_weights, struct phi3v_error *err)
{
    struct model_weights mw;
    int code = tensor_table_prepare(c, &mw, err);
    if (code) return code;
    struct layout l = {.form = form, .mw = &mw};
    tensor_table_walk(c, &mw, place_entry, &l);
    struct weights_owned *owned = mw.owned;
    l.base = owned->pages = weights_pages(l.used_bytes);
    owned->pages_bytes = l.used_bytes;
    if (!owned->pages) {
        model_weights_fini(&mw);
        return err_memory(err, "synthetic weights", l.used_bytes);
    }
    l.used_bytes = 0;
    tensor_table_walk(c, &mw, place_entry, &l);
    size_t n_rows = (size_t)pool_threads(pool) * PACK_OUTS * (size_t)l.most_in;
    struct filler f = {.pool = pool, .rows = mem_array(n_rows, sizeof *f.rows)};
    if (!f.rows) {
        model_weights_fini(&mw);
        return err_memory(err, "synthetic weights", n_rows * sizeof *f.rows);
    }
    for (int i = 0; i < LEVELS; i++) f.normal[i] = normal_level(i);
    tensor_table_walk(c, &mw, fill_entry, &f);
    mem_free(f.rows);
    if (c->tie_embeddings) mw.lm_head = mw.embed;
    mw.form = form;
    mw.vision_form = vision_form_for(form);
    *ret_weights = mw;
    return 0;
}

/* SPDX-License-Identifier: MIT
 * Pseudo-random weights for benchmarks: normal with deviation 1/sqrt(inputs), so that activations
 * keep their size through any number of layers. */
#define _GNU_SOURCE
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/pool.h"
#include "weights/slots.h"

enum {
    LEVELS = 4096,
    PIECE = 1 << 16
}; // values of the random table; elements of one piece of work

struct layout {
    char *base; // NULL while counting
    size_t used_bytes;
    struct model_weights *mw;
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

/* Nearly normal: twelve uniform numbers added. */
static float normal_level(int i)
{
    double sum = -6;
    for (int k = 0; k < 12; k++)
        sum += (double)(mix((uint64_t)(i * 12 + k + 1) * 0x9e3779b97f4a7c15u) >> 11) * 0x1p-53;
    return (float)sum;
}

static uint16_t to_bf16(float x) /* round to nearest, ties to even; x is finite */
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
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

static void fill_mat(struct pool *pool, const struct mat *m, uint64_t seed, const float *normal)
{
    struct fill f = {.data = (uint16_t *)m->data, .seed = seed};
    float scale = 1 / sqrtf((float)m->n_in);
    for (int i = 0; i < LEVELS; i++) f.levels[i] = to_bf16(normal[i] * scale);
    pool_run(pool, (int64_t)m->n_out * m->n_in, PIECE, fill_piece, &f);
}

static void fill_vec(float *data, int64_t n, enum slot_fill fill, const float *normal)
{
    for (int64_t i = 0; i < n; i++)
        data[i] = fill == FILL_NORMAL ? 0.02f * normal[i % LEVELS] : fill == FILL_ONE;
}

/* -- Layout ------------------------------------------------------------------------------------ */

/* First walk: adds up; second walk: places. */
static int place_slot(void *arg, const struct slot *slot)
{
    struct layout *l = arg;
    int64_t n = slot_count(slot);
    char *at = l->base ? l->base + l->used_bytes : NULL;
    size_t bytes = slot->mat ? (size_t)n * 2 : slot->vec ? (size_t)n * sizeof(float) : 0;
    l->used_bytes += (bytes + 63) & ~(size_t)63;
    if (at && slot->mat)
        *slot->mat = (struct mat){.data = at,
                                  .type = WEIGHT_BF16,
                                  .n_out = (int)slot->shape[0],
                                  .n_in = (int)(n / slot->shape[0])};
    if (at && slot->vec) *slot->vec = (struct vec){.data = (float *)(void *)at, .n = (int)n};
    if (at) {
        l->mw->n_params += n;
        l->mw->bytes += (size_t)n * 2; // as the release stores them
    }
    return 0;
}

struct filler {
    struct pool *pool;
    uint64_t seed;
    float normal[LEVELS];
};

static int fill_slot(void *arg, const struct slot *slot)
{
    struct filler *f = arg;
    f->seed += (uint64_t)1 << 40;
    if (slot->mat) fill_mat(f->pool, slot->mat, f->seed, f->normal);
    if (slot->vec) fill_vec((float *)slot->vec->data, slot->vec->n, slot->fill, f->normal);
    return 0;
}

int model_weights_synthetic(const struct config *c, struct pool *pool,
                            struct model_weights *ret_weights, struct phi3v_error *err)
{
    struct model_weights mw;
    int code = slots_prepare(c, &mw, err);
    if (code) return code;
    struct layout l = {.mw = &mw};
    slots_walk(c, &mw, place_slot, &l);
    void *map = MAP_FAILED;
    if (l.used_bytes < mem_available_bytes())
        map = mmap(NULL, l.used_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        model_weights_fini(&mw);
        return err_memory(err, "synthetic weights", l.used_bytes);
    }
    madvise(map, l.used_bytes, MADV_HUGEPAGE); // only a hint
    *(struct weights_owned *)mw.owned =
        (struct weights_owned){.map = map, .map_bytes = l.used_bytes};
    l.base = map;
    l.used_bytes = 0;
    slots_walk(c, &mw, place_slot, &l);
    struct filler f = {.pool = pool};
    for (int i = 0; i < LEVELS; i++) f.normal[i] = normal_level(i);
    slots_walk(c, &mw, fill_slot, &f);
    if (c->tie_embeddings) mw.lm_head = mw.embed;
    *ret_weights = mw;
    return 0;
}

/* SPDX-License-Identifier: MIT
 * Attention over keys and values of bf16 on the tile unit: packed as pairs, they are tiles as they
 * lie. */
#include "amx.h"
#include "amx_tiles.h"

#define SCORE_ROWS 6
#define SCORE_VECS 4
#define VALUE_ROWS 4
#define VALUE_VECS 6
#define PAIRS 1
#define TILES 1
#include "avx512_pairs.h"
#include "body/attend_body.h"

enum {
    TILE = 16,                // query rows, keys or dimensions of a tile
    STEP = TILE_ROW_BYTES / 4 // pairs that a product adds up
};

/* A run of query rows that see keys up to the same step, so that none is multiplied with more keys
 * than when it is alone. */
struct group {
    int row, n_rows; // at most TILE
    int n_keys;      // whole steps, of keys
};

/* Tiles 0 to 3 are sums, 4 and 5 an operand each; 6 and 7 the same for what whole steps of a head
 * leave over. */
static void shape_tiles(int n_rows, int head_dim)
{
    struct tile_config config = {.palette = 1};
    const int rest = (head_dim + 1) / 2 % STEP;
    for (int tile = 0; tile < 5; tile++) tile_shape(&config, tile, n_rows, TILE_ROW_BYTES);
    tile_shape(&config, 5, STEP, TILE_ROW_BYTES);
    if (rest) tile_shape(&config, 6, n_rows, 4 * rest);
    if (rest) tile_shape(&config, 7, rest, TILE_ROW_BYTES);
    tiles_begin(&config);
}

static int steps_seen(const struct attend_args *a, int row, int64_t first)
{
    return (attend_seen(a, row, first, KV_BLOCK) + 2 * STEP - 1) / (2 * STEP);
}

static struct group next_group(const struct attend_args *a, int row, int64_t first)
{
    const int n_steps = steps_seen(a, row, first);
    struct group g = {.row = row, .n_keys = 2 * STEP * n_steps};
    while (g.n_rows < TILE && row + g.n_rows < a->n_q &&
           steps_seen(a, row + g.n_rows, first) == n_steps)
        g.n_rows++;
    return g;
}

/* Scores of the group against the first n_keys keys, and some behind them that nobody reads. */
static void score_group(const struct attend_run *run, const struct group *g, const char *k)
{
    const int n_pairs = (run->a->head_dim + 1) / 2, whole = n_pairs / STEP * STEP;
    const int64_t q_bytes = 4 * run->q_stride, step = 4 * KV_BLOCK;
    const char *q = (const char *)(run->q + g->row * run->q_stride);
    float *scores = run->room.scores + g->row * KV_BLOCK;
    for (int key = 0; key < g->n_keys; key += 2 * TILE, k += 2 * TILE_ROW_BYTES) {
        tile_zero(0);
        tile_zero(1);
        for (int pair = 0; pair < whole; pair += STEP) {
            tile_load(4, q + 4 * pair, q_bytes);
            tile_load(5, k + pair * step, step);
            tile_dot(0, 4, 5);
            tile_load(5, k + pair * step + TILE_ROW_BYTES, step);
            tile_dot(1, 4, 5);
        }
        if (whole < n_pairs) {
            tile_load(6, q + 4 * whole, q_bytes);
            tile_load(7, k + whole * step, step);
            tile_dot(0, 6, 7);
            tile_load(7, k + whole * step + TILE_ROW_BYTES, step);
            tile_dot(1, 6, 7);
        }
        tile_store(0, scores + key, step);
        tile_store(1, scores + key + TILE, step);
    }
    const vec scale = v_set(run->a->scale);
    for (int r = 0; r < g->n_rows; r++, scores += KV_BLOCK)
        for (int key = 0; key < g->n_keys; key += W)
            v_store(scores + key, v_mul(v_load(scores + key), scale));
}

/* Adds weights . values of tiles [0, n) of the head, a constant up to 4, to the states. */
static ALWAYS_INLINE void value_tiles(int n, float *state, int64_t state_bytes, const char *weights,
                                      const char *v, int64_t v_bytes, int n_keys)
{
    tile_load(0, state, state_bytes);
    if (n > 1) tile_load(1, state + TILE, state_bytes);
    if (n > 2) tile_load(2, state + 2 * TILE, state_bytes);
    if (n > 3) tile_load(3, state + 3 * TILE, state_bytes);
    for (int pair = 0; pair < n_keys / 2; pair += STEP) {
        const char *from = v + pair * v_bytes;
        tile_load(4, weights + 4 * pair, 4 * KV_BLOCK);
        tile_load(5, from, v_bytes);
        tile_dot(0, 4, 5);
        if (n > 1) {
            tile_load(5, from + TILE_ROW_BYTES, v_bytes);
            tile_dot(1, 4, 5);
        }
        if (n > 2) {
            tile_load(5, from + 2 * TILE_ROW_BYTES, v_bytes);
            tile_dot(2, 4, 5);
        }
        if (n > 3) {
            tile_load(5, from + 3 * TILE_ROW_BYTES, v_bytes);
            tile_dot(3, 4, 5);
        }
    }
    tile_store(0, state, state_bytes);
    if (n > 1) tile_store(1, state + TILE, state_bytes);
    if (n > 2) tile_store(2, state + 2 * TILE, state_bytes);
    if (n > 3) tile_store(3, state + 3 * TILE, state_bytes);
}

/* state = state * keep + weights . values; every position of the steps is multiplied, with a weight
 * of zero where a row does not see it. */
static void value_group(struct attend_run *run, const struct group *g, const char *v)
{
    const int64_t state_bytes = 4 * run->state_floats, v_bytes = 4 * run->padded;
    const char *weights = (const char *)(run->room.scores + g->row * KV_BLOCK);
    for (int row = g->row; row < g->row + g->n_rows; row++) {
        float *state = state_of(run, run->states, row);
        const vec keep = v_set(run->keep[row]);
        for (int d = 0; d < run->padded; d += W) v_store(state + d, v_mul(v_load(state + d), keep));
    }
    float *state = state_of(run, run->states, g->row);
    int left = run->padded / TILE;
    for (; left >= 4; left -= 4, state += 4 * TILE, v += 4 * TILE_ROW_BYTES)
        value_tiles(4, state, state_bytes, weights, v, v_bytes, g->n_keys);
    if (left == 3) value_tiles(3, state, state_bytes, weights, v, v_bytes, g->n_keys);
    if (left == 2) value_tiles(2, state, state_bytes, weights, v, v_bytes, g->n_keys);
    if (left == 1) value_tiles(1, state, state_bytes, weights, v, v_bytes, g->n_keys);
}

/* -- Positions that a row does not see may hold anything --------------------------------------- */

/* Zero times infinity or NaN is NaN, so none may stand where a weight is zero. */
static bool is_finite_from(const char *v, int padded, int from, int end)
{
    const __m512i exponent = _mm512_set1_epi16(0x7f80);
    for (int at = from; at < end; at++) {
        const __mmask32 mine = at % 2 ? 0xaaaaaaaa : 0x55555555;
        for (int d = 0; d < padded; d += W) {
            __m512i x = _mm512_loadu_si512(v + 4 * (at / 2 * padded + d));
            if (_mm512_mask_cmpeq_epi16_mask(mine, _mm512_and_si512(x, exponent), exponent))
                return false;
        }
    }
    return true;
}

/* A block's values with zeros behind the first n_keys, in the room for widened ones. */
static const char *values_seen(struct attend_run *run, const char *v, int n_keys)
{
    char *to = (char *)run->room.values;
    const size_t pair_bytes = 4 * (size_t)run->padded, n_pairs = (size_t)n_keys / 2;
    memset(to, 0, KV_BLOCK / 2 * pair_bytes);
    memcpy(to, v, n_pairs * pair_bytes);
    for (size_t i = n_pairs * pair_bytes; n_keys % 2 && i < (n_pairs + 1) * pair_bytes; i += 4)
        memcpy(to + i, v + i, 2);
    return to;
}

static void fold_group(struct attend_run *run, const struct attend_block *b, const struct group *g,
                       int64_t first)
{
    const struct attend_args *a = run->a;
    const int fewest = attend_seen(a, g->row, first, KV_BLOCK);
    score_group(run, g, b->k);
    for (int i = 0; i < g->n_rows; i++)
        weigh_row(run, g->row + i, attend_seen(a, g->row + i, first, KV_BLOCK));
    if (fewest == g->n_keys || is_finite_from(b->v, run->padded, fewest, g->n_keys)) {
        value_group(run, g, b->v);
        return;
    }
    for (int i = 0; i < g->n_rows; i++) {
        struct group one = {.row = g->row + i, .n_rows = 1, .n_keys = g->n_keys};
        int n_keys = attend_seen(a, one.row, first, KV_BLOCK);
        shape_tiles(1, a->head_dim);
        value_group(run, &one, values_seen(run, b->v, n_keys));
    }
    shape_tiles(g->n_rows, a->head_dim);
}

static void fold_tiles(struct attend_run *run, const struct attend_block *b, int64_t first)
{
    const struct attend_args *a = run->a;
    int shaped = 0;
    if (a->n_q < FEW_ROWS) { /* then the memory is what is waited for */
        if (b->next_k) prefetch(b->next_k, (int64_t)kv_packed_bytes(KV_BF16, a->head_dim));
        if (b->next_v) prefetch(b->next_v, (int64_t)kv_packed_bytes(KV_BF16, a->head_dim));
    }
    for (int row = 0; row < a->n_q;) {
        struct group g = next_group(a, row, first);
        row += g.n_rows;
        if (g.n_keys == 0) continue;
        if (g.n_rows != shaped) shape_tiles(g.n_rows, a->head_dim);
        shaped = g.n_rows;
        fold_group(run, b, &g, first);
    }
    tiles_end();
}

/* -- The entry -------------------------------------------------------------------------------- */

void AMX_NAME(amx_attend)(const struct attend_args *args)
{
    if (args->kv.type == KV_BF16)
        attend(args);
    else
        avx512_attend(args);
}

/* SPDX-License-Identifier: MIT
 * Attention of heads of 32 dimensions for the training, forward and backward, in bf16 pairs of
 * AVX-512: scores never leave the cache. fused.py compiles and calls it.
 *
 * One thread. Rows are bf16 with their dimensions side by side; `struct rows` says how far apart
 * batches, heads and positions are. A product of pairs takes one operand as pairs side by side in a
 * row of memory (broadcast one by one) and the other as vectors of pairs: `by_dim` holds pairs of
 * dimensions of 16 positions, `by_pos` pairs of positions of 32 dimensions. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    D = 32,        // dimensions of a head
    PAIRS = D / 2, // of dimensions
    W = 16,        // lanes
    ROWS = 50,     // query rows that are computed together
    KEYS = 80 // keys of one block; the tower's 145 positions fill three times ROWS and twice KEYS
};
typedef uint16_t bf16;

struct rows {
    bf16 *at;
    int64_t batch, head, pos; // in elements
};
struct shape {
    int64_t n_batch, n_heads, n_queries, n_keys;
};
/* Which keys a query sees: those of [0, seen), at least one, but not those of [hidden, end). */
struct sight {
    int32_t seen, hidden, end;
};

static inline bf16 *row(const struct rows *r, int64_t b, int64_t h, int64_t t)
{
    return r->at + b * r->batch + h * r->head + t * r->pos;
}

static inline __m512 dot(__m512 acc, __m512i a, __m512i b)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
}

static inline __m512i pair_at(const void *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
}

/* 2^x for x that is not above zero by much; rounding to bf16 is a hundred times coarser. */
static inline __m512 exp2_of(__m512 x)
{
    __m512 whole = _mm512_roundscale_ps(x, 0), f = _mm512_sub_ps(x, whole);
    __m512 y = _mm512_set1_ps(9.67e-3f);
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(5.5824e-2f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(0.240226f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(0.693147f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(y, whole);
}

static inline void store_row(bf16 *to, __m512 low, __m512 high)
{
    _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* W numbers of bf16 as floats */
static inline __m512 wide(const bf16 *p)
{
    __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

/* -- packing ---------------------------------------------------------------------------------- */

/* Positions [0, n) -> [n_blocks of 16][PAIRS][16]; what is behind n is zero. */
static void by_dim(int32_t *to, const struct rows *r, int64_t b, int64_t h, int64_t n,
                   int64_t padded)
{
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i apart = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)r->pos * 2));
    for (int64_t t = 0; t < padded; t += W) {
        const int there = n - t >= W ? W : n > t ? (int)(n - t) : 0;
        const __mmask16 mask = (__mmask16)((1u << there) - 1);
        const char *from = (const char *)row(r, b, h, t);
        for (int d = 0; d < PAIRS; d++, to += W)
            _mm512_storeu_si512(to, _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, apart,
                                                                from + 4 * d, 1));
    }
}

/* Two rows of 32 -> 32 pairs. */
static inline void interleave(int32_t *to, __m512i even, __m512i odd)
{
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
                                         8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    _mm512_storeu_si512(to, _mm512_permutex2var_epi16(even, low, odd));
    _mm512_storeu_si512(to + W, _mm512_permutex2var_epi16(even, high, odd));
}

static inline __m512i row_or_zero(const struct rows *r, int64_t b, int64_t h, int64_t t, int64_t n)
{
    return t < n ? _mm512_loadu_si512(row(r, b, h, t)) : _mm512_setzero_si512();
}

/* Positions [first, first + count) of n -> [count / 2][D] */
static void by_pos(int32_t *to, const struct rows *r, int64_t b, int64_t h, int64_t first,
                   int64_t count, int64_t n)
{
    for (int64_t t = first; t < first + count; t += 2, to += D)
        interleave(to, row_or_zero(r, b, h, t, n), row_or_zero(r, b, h, t + 1, n));
}

static void copy_rows(bf16 *to, const struct rows *r, int64_t b, int64_t h, int64_t first,
                      int64_t n)
{
    for (int64_t t = first; t < first + ROWS; t++, to += D)
        _mm512_storeu_si512(to, row_or_zero(r, b, h, t, n));
}

/* -- products --------------------------------------------------------------------------------- */

/* out[ROWS][out_step] of KEYS columns = rows[ROWS][D] . keys by_dim */
static inline void scores(float *out, int64_t out_step, const bf16 *rows, const int32_t *keys)
{
    enum { R = 5, V = KEYS / W };
    for (int r = 0; r < ROWS; r += R) {
        __m512 acc[R][V];
#pragma GCC unroll 5
        for (int i = 0; i < R; i++)
#pragma GCC unroll 5
            for (int v = 0; v < V; v++) acc[i][v] = _mm512_setzero_ps();
        for (int d = 0; d < PAIRS; d++) {
            __m512i k[V];
#pragma GCC unroll 5
            for (int v = 0; v < V; v++) k[v] = _mm512_loadu_si512(keys + (v * PAIRS + d) * W);
#pragma GCC unroll 5
            for (int i = 0; i < R; i++) {
                __m512i x = pair_at(rows + (r + i) * D + 2 * d);
#pragma GCC unroll 5
                for (int v = 0; v < V; v++) acc[i][v] = dot(acc[i][v], x, k[v]);
            }
        }
#pragma GCC unroll 5
        for (int i = 0; i < R; i++)
#pragma GCC unroll 5
            for (int v = 0; v < V; v++)
                _mm512_storeu_ps(out + (r + i) * out_step + v * W, acc[i][v]);
    }
}

/* sums[n_rows][D] += pairs . vectors: pair s of row i is x[i * row_step + s * pair_step],
 * vectors[n][D]. n_rows: a constant, at most 10. */
static inline __attribute__((always_inline)) void add_products(int n_rows, float *sums,
                                                               const int32_t *x, int64_t row_step,
                                                               int64_t pair_step,
                                                               const int32_t *vectors, int64_t n)
{
    __m512 acc[10][2];
#pragma GCC unroll 10
    for (int i = 0; i < n_rows; i++)
        acc[i][0] = _mm512_loadu_ps(sums + i * D), acc[i][1] = _mm512_loadu_ps(sums + i * D + W);
    for (int64_t s = 0; s < n; s++) {
        __m512i low = _mm512_loadu_si512(vectors + s * D),
                high = _mm512_loadu_si512(vectors + s * D + W);
#pragma GCC unroll 10
        for (int i = 0; i < n_rows; i++) {
            __m512i pair = _mm512_set1_epi32(x[i * row_step + s * pair_step]);
            acc[i][0] = dot(acc[i][0], pair, low);
            acc[i][1] = dot(acc[i][1], pair, high);
        }
    }
#pragma GCC unroll 10
    for (int i = 0; i < n_rows; i++)
        _mm512_storeu_ps(sums + i * D, acc[i][0]), _mm512_storeu_ps(sums + i * D + W, acc[i][1]);
}

/* -- forward ---------------------------------------------------------------------------------- */

static const float LOG2_E = 1.44269504f;

static inline int64_t up_to(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/* sights [n_batch][n_queries], or NULL: all keys are seen */
static inline struct sight sight_of(const struct shape *s, const struct sight *sights, int64_t b,
                                    int64_t t)
{
    return sights ? sights[b * s->n_queries + t] : (struct sight){.seen = (int32_t)s->n_keys};
}

/* Those of the keys j to j + W - 1 that are below n. */
static inline __mmask16 below(int64_t n, int64_t j)
{
    return n - j >= W ? 0xffff : n > j ? (__mmask16)((1u << (n - j)) - 1) : 0;
}

static inline __mmask16 in_sight(struct sight x, int64_t j)
{
    return below(x.seen, j) & (below(x.hidden, j) | (__mmask16)~below(x.end, j));
}

/* The blocks of keys of which one of the rows [t, last) sees something: their first keys. */
static int64_t blocks_in_sight(int64_t *blocks, const struct shape *s, const struct sight *sights,
                               int64_t b, int64_t t, int64_t last)
{
    int64_t n = 0;
    for (int64_t j = 0; j < s->n_keys; j += KEYS) {
        int is_seen = 0;
        for (int64_t r = t; r < last && !is_seen; r++) {
            struct sight x = sight_of(s, sights, b, r);
            is_seen = j < x.seen && !(x.hidden <= j && j + KEYS <= x.end);
        }
        if (is_seen) blocks[n++] = j;
    }
    return n;
}

static void *room(int64_t n)
{
    void *p = aligned_alloc(64, (size_t)up_to(n, 64));
    if (!p) abort();
    return p;
}

/* Scores of one row -> weights in bf16, block by block of those given; returns their sum. high: scaled score. */
static float weigh(bf16 *weights, float *high, const float *s, struct sight x,
                   const int64_t *blocks, int64_t n_blocks, __m512 scale)
{
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    const __m512 none = most;
    for (int64_t i = 0, at = 0; i < n_blocks; i++)
        for (int64_t j = 0; j < KEYS; j += W, at += W)
            most =
                _mm512_max_ps(most, _mm512_mask_loadu_ps(none, in_sight(x, blocks[i] + j), s + at));
    *high = _mm512_reduce_max_ps(_mm512_mul_ps(most, scale));
    const __m512 shift = _mm512_set1_ps(-*high);
    for (int64_t i = 0, at = 0; i < n_blocks; i++)
        for (int64_t j = 0; j < KEYS; j += W, at += W) {
            __m512 p = _mm512_maskz_mov_ps(
                in_sight(x, blocks[i] + j),
                exp2_of(_mm512_fmadd_ps(_mm512_loadu_ps(s + at), scale, shift)));
            sum = _mm512_add_ps(sum, p);
            _mm256_storeu_si256((__m256i *)(void *)(weights + at), (__m256i)_mm512_cvtneps_pbh(p));
        }
    return _mm512_reduce_add_ps(sum);
}

/* What one head needs while its rows are computed. */
struct forward {
    const struct shape *s;
    const struct sight *sights;
    int64_t b, h, padded, *blocks;
    int32_t *keys, *values; // by_dim, by_pos
    bf16 *rows, *weights;   // [ROWS][D], [ROWS][padded]
    float *scores, *sums;   // [ROWS][padded], [ROWS][D]
};

static void forward_rows(const struct forward *f, int64_t t, const struct rows *q,
                         const struct rows *out, float *totals)
{
    const int64_t n = f->s->n_queries, last = t + ROWS < n ? t + ROWS : n, step = f->padded;
    const int64_t *blocks = f->blocks,
                  n_blocks = blocks_in_sight(f->blocks, f->s, f->sights, f->b, t, last);
    const __m512 scale = _mm512_set1_ps(LOG2_E / sqrtf(D));
    float inverse[ROWS];
    copy_rows(f->rows, q, f->b, f->h, t, n);
    for (int64_t i = 0; i < n_blocks; i++)
        scores(f->scores + i * KEYS, step, f->rows, f->keys + blocks[i] * PAIRS);
    for (int64_t r = t, at = 0; r < last; r++, at += step) {
        float high, sum = weigh(f->weights + at, &high, f->scores + at,
                                sight_of(f->s, f->sights, f->b, r), blocks, n_blocks, scale);
        inverse[r - t] = 1 / sum;
        totals[r] = high + log2f(sum);
    }
    memset(f->sums, 0, ROWS * D * 4);
    for (int64_t i = 0, run; i < n_blocks; i += run) { // blocks side by side at once
        for (run = 1; i + run < n_blocks && blocks[i + run] == blocks[i] + run * KEYS;) run++;
        for (int r = 0; r < ROWS; r += 10)
            add_products(10, f->sums + r * D,
                         (const int32_t *)(const void *)(f->weights + r * step + i * KEYS),
                         step / 2, 1, f->values + blocks[i] / 2 * D, run * KEYS / 2);
    }
    for (int64_t r = t; r < last; r++) {
        const float *sum = f->sums + (r - t) * D;
        __m512 by = _mm512_set1_ps(inverse[r - t]);
        store_row(row(out, f->b, f->h, r), _mm512_mul_ps(_mm512_loadu_ps(sum), by),
                  _mm512_mul_ps(_mm512_loadu_ps(sum + W), by));
    }
}

/* total [n_batch][n_heads][n_queries]: log2 of the sum of a row's weights, which the way back needs. */
void attention_forward(const struct shape *s, const struct rows *q, const struct rows *k,
                       const struct rows *v, const struct rows *out, float *total,
                       const struct sight *sights)
{
    const int64_t n = s->n_keys, padded = up_to(n, KEYS);
    struct forward f = {.s = s,
                        .sights = sights,
                        .padded = padded,
                        .blocks = room(padded / KEYS * 8),
                        .keys = room(padded * D * 2),
                        .values = room(padded * D * 2),
                        .rows = room(ROWS * D * 2),
                        .weights = room(padded * ROWS * 2),
                        .scores = room(padded * ROWS * 4),
                        .sums = room(ROWS * D * 4)};
    memset(f.weights, 0, (size_t)padded * ROWS * 2);
    for (f.b = 0; f.b < s->n_batch; f.b++)
        for (f.h = 0; f.h < s->n_heads; f.h++, total += s->n_queries) {
            by_dim(f.keys, k, f.b, f.h, n, padded);
            by_pos(f.values, v, f.b, f.h, 0, padded, n);
            for (int64_t t = 0; t < s->n_queries; t += ROWS) forward_rows(&f, t, q, out, total);
        }
    free(f.blocks), free(f.keys), free(f.values), free(f.rows), free(f.weights), free(f.scores);
    free(f.sums);
}

/* -- backward --------------------------------------------------------------------------------- */

/* What a block of keys and the rows of one pass have between them. */
struct block {
    float scores[ROWS][KEYS], weight_gradients[ROWS][KEYS]; // from products
    int32_t weights[ROWS / 2][KEYS];                        // pairs of rows
    int32_t gradients[ROWS / 2][KEYS];                      // of scores, pairs of rows
    bf16 gradient_rows[ROWS][KEYS];                         // the same, row by row
};

/* Two vectors of 16 -> pairs of them, lane by lane. */
static inline __m512i lanes_paired(__m256i even, __m256i odd)
{
    return _mm512_or_si512(_mm512_cvtepu16_epi32(even),
                           _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
}

/* Weights and gradients of the scores of the keys from `first` on; rows [0, n_rows) are there. */
static void weigh_back(struct block *x, const float *totals, const float *deltas,
                       const struct sight *sights, int n_rows, int64_t first)
{
    const float root = 1 / sqrtf(D);
    const __m512 scale = _mm512_set1_ps(LOG2_E * root), unit = _mm512_set1_ps(root);
    for (int r = 0; r < ROWS; r += 2)
        for (int j = 0; j < KEYS; j += W) {
            __m256i p[2], g[2];
            for (int i = 0; i < 2; i++) {
                __mmask16 there = r + i < n_rows ? in_sight(sights[r + i], first + j) : 0;
                __m512 total = _mm512_set1_ps(-totals[r + i]),
                       delta = _mm512_set1_ps(deltas[r + i]);
                __m512 w = _mm512_maskz_mov_ps(
                    there,
                    exp2_of(_mm512_fmadd_ps(_mm512_loadu_ps(&x->scores[r + i][j]), scale, total)));
                __m512 d = _mm512_sub_ps(_mm512_loadu_ps(&x->weight_gradients[r + i][j]), delta);
                p[i] = (__m256i)_mm512_cvtneps_pbh(w);
                g[i] = (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(_mm512_mul_ps(w, unit), d));
                _mm256_storeu_si256((__m256i *)(void *)&x->gradient_rows[r + i][j], g[i]);
            }
            _mm512_storeu_si512(&x->weights[r / 2][j], lanes_paired(p[0], p[1]));
            _mm512_storeu_si512(&x->gradients[r / 2][j], lanes_paired(g[0], g[1]));
        }
}

static void write_rows(const struct rows *to, int64_t b, int64_t h, int64_t first, int64_t last,
                       const float *sums)
{
    for (int64_t t = first; t < last; t++, sums += D)
        store_row(row(to, b, h, t), _mm512_loadu_ps(sums), _mm512_loadu_ps(sums + W));
}

/* What one head needs while the gradients of its rows, keys and values are computed. */
struct backward {
    const struct shape *s;
    const struct rows *q, *out, *out_gradient;
    const struct sight *given; // of all rows
    int64_t b, h, *blocks;
    int32_t *keys, *values, *key_pairs; // by_dim, by_dim, by_pos
    float *k_sums, *v_sums;             // [padded][D]
    bf16 q_rows[ROWS * D], out_rows[ROWS * D];
    int32_t q_pairs[ROWS * D / 2], out_pairs[ROWS * D / 2]; // by_pos
    float q_sums[ROWS * D], totals[ROWS], deltas[ROWS];
    struct sight sights[ROWS];
    struct block block;
};

/* Rows from t on: `deltas` are the products of the output and its gradient. */
static void enter_rows(struct backward *g, int64_t t, int64_t last, const float *totals)
{
    const int64_t b = g->b, h = g->h, n = g->s->n_queries;
    for (int64_t r = t; r < last; r++) {
        const bf16 *a = row(g->out, b, h, r), *c = row(g->out_gradient, b, h, r);
        __m512 sum = _mm512_mul_ps(wide(a), wide(c));
        g->deltas[r - t] = _mm512_reduce_add_ps(_mm512_fmadd_ps(wide(a + W), wide(c + W), sum));
        g->totals[r - t] = totals[r];
        g->sights[r - t] = sight_of(g->s, g->given, b, r);
    }
    copy_rows(g->q_rows, g->q, b, h, t, n);
    copy_rows(g->out_rows, g->out_gradient, b, h, t, n);
    by_pos(g->q_pairs, g->q, b, h, t, ROWS, n);
    by_pos(g->out_pairs, g->out_gradient, b, h, t, ROWS, n);
    memset(g->q_sums, 0, sizeof g->q_sums);
}

/* Adds what the rows that were entered and the keys from j on have to do with each other. */
static void add_block(struct backward *g, int64_t j, int n_rows)
{
    struct block *x = &g->block;
    scores(x->scores[0], KEYS, g->q_rows, g->keys + j * PAIRS);
    scores(x->weight_gradients[0], KEYS, g->out_rows, g->values + j * PAIRS);
    weigh_back(x, g->totals, g->deltas, g->sights, n_rows, j);
    for (int r = 0; r < ROWS; r += 10)
        add_products(10, g->q_sums + r * D, (const int32_t *)(const void *)x->gradient_rows[r],
                     KEYS / 2, 1, g->key_pairs + j / 2 * D, KEYS / 2);
    for (int i = 0; i < KEYS; i += 8) {
        add_products(8, g->v_sums + (j + i) * D, &x->weights[0][i], 1, KEYS, g->out_pairs,
                     ROWS / 2);
        add_products(8, g->k_sums + (j + i) * D, &x->gradients[0][i], 1, KEYS, g->q_pairs,
                     ROWS / 2);
    }
}

void attention_backward(const struct shape *s, const struct rows *q, const struct rows *k,
                        const struct rows *v, const struct rows *out, const float *total,
                        const struct rows *out_gradient, const struct rows *dq,
                        const struct rows *dk, const struct rows *dv, const struct sight *sights)
{
    const int64_t n = s->n_keys, n_rows = s->n_queries, padded = up_to(n, KEYS);
    struct backward *g = room(sizeof *g);
    *g = (struct backward){.s = s,
                           .q = q,
                           .out = out,
                           .out_gradient = out_gradient,
                           .given = sights,
                           .blocks = room(padded / KEYS * 8),
                           .keys = room(padded * D * 2),
                           .values = room(padded * D * 2),
                           .key_pairs = room(padded * D * 2),
                           .k_sums = room(padded * D * 4),
                           .v_sums = room(padded * D * 4)};
    for (g->b = 0; g->b < s->n_batch; g->b++)
        for (g->h = 0; g->h < s->n_heads; g->h++, total += n_rows) {
            by_dim(g->keys, k, g->b, g->h, n, padded);
            by_dim(g->values, v, g->b, g->h, n, padded);
            by_pos(g->key_pairs, k, g->b, g->h, 0, padded, n);
            memset(g->k_sums, 0, (size_t)padded * D * 4);
            memset(g->v_sums, 0, (size_t)padded * D * 4);
            for (int64_t t = 0; t < n_rows; t += ROWS) {
                const int64_t last = t + ROWS < n_rows ? t + ROWS : n_rows;
                enter_rows(g, t, last, total);
                const int64_t n_blocks = blocks_in_sight(g->blocks, s, sights, g->b, t, last);
                for (int64_t i = 0; i < n_blocks; i++) add_block(g, g->blocks[i], (int)(last - t));
                write_rows(dq, g->b, g->h, t, last, g->q_sums);
            }
            write_rows(dk, g->b, g->h, 0, n, g->k_sums);
            write_rows(dv, g->b, g->h, 0, n, g->v_sums);
        }
    free(g->blocks), free(g->keys), free(g->values), free(g->key_pairs), free(g->k_sums);
    free(g->v_sums), free(g);
}

/* SPDX-License-Identifier: MIT
 * Products of bf16 weights with activations rounded to bf16, two inputs of 16 outputs an
 * instruction.
 *
 * Weights are stored row by row, so they are first packed into pairs: in registers for few rows,
 * which read each weight once, and as a panel for many. An output is one chain of pairs in the order
 * of its inputs, from zero for every CUT_IN of them, so both ways give the same bits. */
#include "avx512_bf16_panel.h"
#include "body/panels.h"
#include "packed.h"

enum {
    MOST_ROWS = 8, // of a tile of sums
    MOST_VECS = 3, // of 16 outputs
    AHEAD = 1024   // bytes of a row of weights that are asked for before their turn
};

struct product {
    float *y;
    int64_t y_stride;
    const uint16_t *x;
    int64_t x_stride;
    int n_rows;
    const struct mat *w;
    int out_begin, out_end;
    char *panel; // [PANEL_OUTS / TILE][CUT_BYTES]
};

static ALWAYS_INLINE __m512bh load_pairs(const char *p) { return (__m512bh)_mm512_load_si512(p); }

/* Two inputs of a row for all lanes. */
static ALWAYS_INLINE __m512bh repeat_pair(const uint16_t *x)
{
    int pair;
    __builtin_memcpy(&pair, x, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

/* Adds sums to n_outs outputs of a row, at most TILE. */
static ALWAYS_INLINE void add_sums(float *y, vec sums, int n_outs)
{
    const vmask outs = v_first(n_outs);
    v_store_some(y, outs, v_add(v_load_some(y, outs), sums));
}

/* -- From a panel ----------------------------------------------------------------------------- */

/* y[rows][n_outs] += x of n_steps * w; rows and vecs are constants, so acc lives in registers. */
static ALWAYS_INLINE void multiply_tile(int rows, int vecs, float *y, int64_t y_stride,
                                        const uint16_t *x, int64_t x_stride, const char *w,
                                        int n_steps, int n_outs)
{
    vec acc[MOST_ROWS][MOST_VECS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vecs; v++) acc[r][v] = v_set(0);
    for (const char *end = w + n_steps * TILE_BYTES; w < end; w += 4 * 64, x += 8)
#pragma GCC unroll 4
        for (int pair = 0; pair < 4; pair++) {
            __m512bh wide[MOST_VECS];
#pragma GCC unroll 3
            for (int v = 0; v < vecs; v++) wide[v] = load_pairs(w + 64 * pair + v * CUT_BYTES);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const __m512bh one = repeat_pair(x + r * x_stride + 2 * pair);
#pragma GCC unroll 3
                for (int v = 0; v < vecs; v++)
                    acc[r][v] = _mm512_dpbf16_ps(acc[r][v], wide[v], one);
            }
        }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vecs; v++)
            add_sums(y + r * y_stride + v * TILE, acc[r][v], n_outs - v * TILE);
}

typedef void tile_fn(float *y, int64_t y_stride, const uint16_t *x, int64_t x_stride, const char *w,
                     int n_steps, int n_outs);

#define TILE_FN(rows, vecs)                                                                        \
    static void tile_##rows##x##vecs(float *y, int64_t y_stride, const uint16_t *x,                \
                                     int64_t x_stride, const char *w, int n_steps, int n_outs)     \
    {                                                                                              \
        multiply_tile(rows, vecs, y, y_stride, x, x_stride, w, n_steps, n_outs);                   \
    }
#define TILE_FNS(rows) TILE_FN(rows, 1) TILE_FN(rows, 2) TILE_FN(rows, 3)
TILE_FNS(1)
TILE_FNS(2)
TILE_FNS(3)
TILE_FNS(4)
TILE_FNS(5)
TILE_FNS(6)
TILE_FNS(7)
TILE_FNS(8)

#define TILE_ROW(rows)                                                                             \
    {                                                                                              \
        tile_##rows##x1, tile_##rows##x2, tile_##rows##x3                                          \
    }
static tile_fn *const tiles[MOST_ROWS][MOST_VECS] = {TILE_ROW(1), TILE_ROW(2), TILE_ROW(3),
                                                     TILE_ROW(4), TILE_ROW(5), TILE_ROW(6),
                                                     TILE_ROW(7), TILE_ROW(8)};

/* Vectors of outputs to take together where n are left: as many as fit, but never one alone behind
 * others, since eight sums are too few to hide how long an instruction takes. */
static int vecs_of(int n) { return n == 4 ? 2 : at_most(n, MOST_VECS); }

/* All rows over one panel, while the next one's weights are fetched. */
static void pass_panel(const struct product *p, struct panel at, struct panel coming)
{
    const int n_tiles = (p->n_rows + MOST_ROWS - 1) / MOST_ROWS;
    for (int r = 0; r < p->n_rows; r += MOST_ROWS) {
        const int rows = at_most(p->n_rows - r, MOST_ROWS);
        prefetch_panel(coming, p->w, r / MOST_ROWS, n_tiles);
        for (int out = 0, vecs; out < at.n_outs; out += vecs * TILE) {
            vecs = vecs_of((at.n_outs - out + TILE - 1) / TILE);
            tiles[rows - 1][vecs - 1](
                p->y + r * p->y_stride + at.out + out, p->y_stride, p->x + r * p->x_stride + at.in,
                p->x_stride, p->panel + out / TILE * CUT_BYTES, whole_steps(at.n), at.n_outs - out);
        }
    }
}

static void many_rows(const struct product *p)
{
    struct panel at = {.out = p->out_begin,
                       .n_outs = at_most(p->out_end - p->out_begin, PANEL_OUTS)};
    for (at.n = at_most(p->w->n_in, CUT_IN); at.n_outs > 0;) {
        const struct panel next = panel_next(at, p->w, p->out_end);
        for (int o = 0; o < at.n_outs; o += TILE)
            pack_rows(p->panel + o / TILE * CUT_BYTES, panel_row(at, p->w, o),
                      2 * (int64_t)p->w->n_in, at_most(at.n_outs - o, TILE), at.n);
        pass_panel(p, at, next);
        at = next;
    }
}

/* -- From where the weights are stored -------------------------------------------------------- */

/* 32 inputs of TILE rows of weights, packed in registers; those of the mask where fewer are left. */
static ALWAYS_INLINE void load_tile(__m512i pairs[TILE], const char *const w[TILE], int64_t at,
                                    __mmask32 mask)
{
#pragma GCC unroll 16
    for (int o = 0; o < TILE; o++)
        pairs[o] = mask == 0xffffffff ? _mm512_loadu_si512(w[o] + at)
                                      : _mm512_maskz_loadu_epi16(mask, w[o] + at);
    transpose(pairs);
}

static ALWAYS_INLINE void add_tile(int rows, vec acc[MOST_ROWS], const __m512i pairs[TILE],
                                   const uint16_t *x, int64_t x_stride)
{
#pragma GCC unroll 16
    for (int pair = 0; pair < TILE; pair++)
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            acc[r] = _mm512_dpbf16_ps(acc[r], (__m512bh)pairs[pair],
                                      repeat_pair(x + r * x_stride + 2 * pair));
}

/* Up to TILE outputs from `out` on, of a cut of n inputs from `in` on. */
static ALWAYS_INLINE void multiply_stored(int rows, const struct product *p, int out, int in, int n)
{
    const char *w[TILE];
    const int64_t w_bytes = 2 * (int64_t)p->w->n_in;
    vec acc[MOST_ROWS];
#pragma GCC unroll 16
    for (int o = 0; o < TILE; o++)
        w[o] = (const char *)p->w->data + at_most(out + o, p->out_end - 1) * w_bytes + 2 * in;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) acc[r] = v_set(0);
    const uint16_t *x = p->x + in;
    __m512i pairs[TILE];
    int i = 0;
    for (; i + STEP <= n; i += STEP) {
        /* what lies behind a row is the next one, which is read beside it: the next tile's is not */
        int64_t ahead = 2 * i + AHEAD;
        if (2 * in + ahead >= w_bytes) ahead += (TILE - 1) * w_bytes;
#pragma GCC unroll 16
        for (int o = 0; o < TILE; o++) _mm_prefetch(w[o] + ahead, _MM_HINT_T0);
        load_tile(pairs, w, 2 * i, 0xffffffff);
        add_tile(rows, acc, pairs, x + i, p->x_stride);
    }
    if (i < n) {
        load_tile(pairs, w, 2 * i, (1u << (n - i)) - 1);
        add_tile(rows, acc, pairs, x + i, p->x_stride);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        add_sums(p->y + r * p->y_stride + out, acc[r], at_most(p->out_end - out, TILE));
}

static ALWAYS_INLINE void few_rows(int rows, const struct product *p)
{
    for (int out = p->out_begin; out < p->out_end; out += TILE)
        for (int in = 0; in < p->w->n_in; in += CUT_IN)
            multiply_stored(rows, p, out, in, at_most(p->w->n_in - in, CUT_IN));
}

/* -- The entries ------------------------------------------------------------------------------ */

typedef uint16_t xval; /* bf16 */

static void matmul(float *y, int64_t y_stride, const xval *x, int64_t x_stride, int n_rows,
                   const struct mat *w, const float *bias, int out_begin, int out_end,
                   void *scratch)
{
    const struct product p = {.y = y,
                              .y_stride = y_stride,
                              .x = x,
                              .x_stride = x_stride,
                              .n_rows = n_rows,
                              .w = w,
                              .out_begin = out_begin,
                              .out_end = out_end,
                              .panel = scratch};
    for (int r = 0; r < n_rows; r++)
        for (int o = out_begin; o < out_end; o++) y[r * y_stride + o] = bias ? bias[o] : 0;
    switch (n_rows) {
    case 1:
        few_rows(1, &p);
        break;
    case 2:
        few_rows(2, &p);
        break;
    case 3:
        few_rows(3, &p);
        break;
    case 4:
        few_rows(4, &p);
        break;
    default:
        many_rows(&p);
        break;
    }
}

#define LOWER_PREPARE avx512vnni_prepare
#define LOWER_MATMUL_PREPARED avx512vnni_matmul_prepared
#include "body/pairs_body.h"

void kernels_fill_avx512bf16(struct kernels *k)
{
    k->kv_put = avx512bf16_kv_put;
    k->kv_put_run = avx512bf16_kv_put_run;
    k->attend = avx512bf16_attend;
    k->kv_fastest = KV_BF16;
    fill_pairs(k);
}

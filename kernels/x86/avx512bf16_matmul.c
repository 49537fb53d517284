/* SPDX-License-Identifier: MIT
 * Products of bf16 weights with activations rounded to bf16, two inputs of 16 outputs an
 * instruction.
 *
 * Weights are stored row by row, so they are first packed into pairs: in registers for few rows,
 * which read each weight once, and as a panel for many. An output is one chain of pairs in the order
 * of its inputs, from zero for every CUT_IN of them, so both ways give the same bits. */
#include "avx512_bf16_panel.h"
#include "packed.h"

enum {
    MOST_ROWS = 8, // of a tile of sums
    MOST_VECS = 4, // of 16 outputs
    LINE = 64,     // bytes that are asked for together
    AHEAD = 1024   // bytes of a row of weights that are asked for before their turn
};

/* Outputs of a panel where n are left. With three or four vectors of them a tile has 24 sums, enough to
 * hide how long an instruction takes. */
static int panel_outs(int n)
{
    int vecs = (n + TILE - 1) / TILE;
    return at_most(n, (vecs == MOST_VECS ? vecs : 3) * TILE);
}

/* Rows of a tile of so many vectors. */
static int tile_rows(int vecs) { return vecs == MOST_VECS ? 6 : MOST_ROWS; }

#include "body/panels.h"

struct product {
    float *y;
    int64_t y_stride;
    const uint16_t *x;
    int64_t x_stride;
    int n_rows;
    const struct mat *w;
    const float *bias; // or NULL
    int out_begin, out_end;
    char *panel; // [MOST_VECS][CUT_BYTES]
};

static ALWAYS_INLINE __m512bh load_pairs(const char *p) { return (__m512bh)_mm512_load_si512(p); }

/* Two inputs of a row for all lanes. */
static ALWAYS_INLINE __m512bh repeat_pair(const uint16_t *x)
{
    int pair;
    __builtin_memcpy(&pair, x, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

/* y = from + sums for n_outs outputs of a row, or the first TILE of them. */
static ALWAYS_INLINE void store_sums(float *y, const float *from, vec sums, int n_outs)
{
    const vmask outs = v_first(n_outs);
    v_store_some(y, outs, v_add(v_load_some(from, outs), sums));
}

/* -- From a panel ----------------------------------------------------------------------------- */

/* The stored weights that are packed next, line by line, and how many lines a step asks for. */
struct coming {
    const char *line;
    int at, n_lines;     // in a row, and of a row
    int64_t to_next_row; // bytes from a row's end to the next one
    int n_rows, per_step;
};

struct tile {
    float *y;
    int64_t y_stride;
    const uint16_t *x;
    int64_t x_stride;
    const char *w;
    int n_steps, n_outs;
    const float *from; // what the sums are added to in each row; NULL: y
    struct coming *coming;
};

static ALWAYS_INLINE void ask(struct coming *c)
{
    for (int i = 0; i < c->per_step && c->n_rows > 0; i++, c->line += LINE) {
        _mm_prefetch(c->line, _MM_HINT_T1);
        if (++c->at < c->n_lines) continue;
        c->line += c->to_next_row;
        c->at = 0;
        c->n_rows--;
    }
}

/* x of n_steps * w for n_outs outputs; rows and vecs are constants, so acc lives in registers. */
static ALWAYS_INLINE void multiply_tile(int rows, int vecs, const struct tile *t)
{
    vec acc[MOST_ROWS][MOST_VECS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) {
            acc[r][v] = v_set(0);
            __builtin_prefetch(t->y + r * t->y_stride + v * TILE, 1);
        }
    const uint16_t *x = t->x;
    const char *w = t->w;
    for (int i = 0; i < t->n_steps * 4; i++, w += 4 * 64, x += 8) {
        if (i % 4 == 0) ask(t->coming);
#pragma GCC unroll 4
        for (int pair = 0; pair < 4; pair++) {
            __m512bh wide[MOST_VECS];
#pragma GCC unroll 4
            for (int v = 0; v < vecs; v++) wide[v] = load_pairs(w + 64 * pair + v * CUT_BYTES);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const __m512bh one = repeat_pair(x + r * t->x_stride + 2 * pair);
#pragma GCC unroll 4
                for (int v = 0; v < vecs; v++)
                    acc[r][v] = _mm512_dpbf16_ps(acc[r][v], wide[v], one);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) {
            float *y = t->y + r * t->y_stride + v * TILE;
            store_sums(y, t->from ? t->from + v * TILE : y, acc[r][v], t->n_outs - v * TILE);
        }
}

#define TILE_FN(rows, vecs)                                                                        \
    static void tile_##rows##x##vecs(const struct tile *t) { multiply_tile(rows, vecs, t); }
#define TILE_FNS(rows) TILE_FN(rows, 1) TILE_FN(rows, 2) TILE_FN(rows, 3)
TILE_FNS(1)
TILE_FNS(2)
TILE_FNS(3)
TILE_FNS(4)
TILE_FNS(5)
TILE_FNS(6)
TILE_FNS(7)
TILE_FNS(8)
TILE_FN(1, 4)
TILE_FN(2, 4)
TILE_FN(3, 4)
TILE_FN(4, 4)
TILE_FN(5, 4)
TILE_FN(6, 4)

#define TILES(vecs)                                                                                \
    tile_1x##vecs, tile_2x##vecs, tile_3x##vecs, tile_4x##vecs, tile_5x##vecs, tile_6x##vecs
static void (*const tiles[MOST_VECS][MOST_ROWS])(const struct tile *t) = {
    {TILES(1), tile_7x1, tile_8x1},
    {TILES(2), tile_7x2, tile_8x2},
    {TILES(3), tile_7x3, tile_8x3},
    {TILES(4)}};

/* What n_steps of a pass ask for; with few rows each asks for several lines. */
static struct coming coming_of(const struct product *p, struct panel next, int64_t n_steps)
{
    struct coming c = {.n_rows = next.n_outs, .n_lines = whole_steps(next.n)};
    if (next.n_outs == 0) return c;
    c.line = panel_row(next, p->w, 0);
    c.to_next_row = 2 * (int64_t)p->w->n_in - c.n_lines * (int64_t)LINE;
    c.per_step = (int)(((int64_t)c.n_rows * c.n_lines + n_steps - 1) / n_steps);
    return c;
}

/* All rows over one panel. The next one's weights are asked for in the last tiles: what comes earlier
 * would be pushed out by the rows again. */
static void pass_panel(const struct product *p, struct panel at, struct panel next)
{
    const int vecs = (at.n_outs + TILE - 1) / TILE, step = tile_rows(vecs);
    const float zeros[MOST_VECS * TILE] = {0}, *bias = p->bias ? p->bias + at.out : zeros;
    struct coming coming = coming_of(p, next,
                                     (int64_t)whole_steps(at.n) * ((p->n_rows + step - 1) / step)),
                  nothing = {0};
    const int64_t lines = (int64_t)coming.n_rows * coming.n_lines;
    struct tile t = {.y_stride = p->y_stride,
                     .x_stride = p->x_stride,
                     .w = p->panel,
                     .n_steps = whole_steps(at.n),
                     .n_outs = at.n_outs,
                     .from = at.in == 0 ? bias : NULL};
    for (int r = 0; r < p->n_rows; r += step) {
        const int64_t left = (int64_t)(p->n_rows - r + step - 1) / step * t.n_steps;
        t.y = p->y + r * p->y_stride + at.out;
        t.x = p->x + r * p->x_stride + at.in;
        t.coming = (left - t.n_steps) * coming.per_step < lines ? &coming : &nothing;
        tiles[vecs - 1][at_most(p->n_rows - r, step) - 1](&t);
    }
}

static void many_rows(const struct product *p)
{
    struct panel at = panel_first(p->w, p->out_begin, p->out_end);
    while (at.n_outs > 0) {
        struct panel next = panel_next(at, p->w, p->out_end);
        for (int o = 0; o < at.n_outs; o += TILE)
            pack_rows(p->panel + o / TILE * CUT_BYTES, panel_row(at, p->w, o),
                      2 * (int64_t)p->w->n_in, at_most(at.n_outs - o, TILE), at.n);
        /* the outputs behind the last are probably this thread's next */
        pass_panel(p, at, next.n_outs > 0 ? next : panel_first(p->w, p->out_end, p->w->n_out));
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
    for (int r = 0; r < rows; r++) {
        float *y = p->y + r * p->y_stride + out;
        store_sums(y, y, acc[r], p->out_end - out);
    }
}

static ALWAYS_INLINE void few_rows(int rows, const struct product *p)
{
    for (int r = 0; r < rows; r++)
        for (int o = p->out_begin; o < p->out_end; o++)
            p->y[r * p->y_stride + o] = p->bias ? p->bias[o] : 0;
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
                              .bias = bias,
                              .out_begin = out_begin,
                              .out_end = out_end,
                              .panel = scratch};
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

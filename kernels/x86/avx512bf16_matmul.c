/* SPDX-License-Identifier: MIT
 * Products of bf16 weights, row-major as they are stored, with activations rounded to bf16: 32
 * inputs of an output an instruction. A tile is 6 rows x 4 outputs. */
#include "avx512.h"
#include "packed.h"

typedef uint16_t xval, wval; /* bf16 */
#define TILE_ROWS 6
#define CUT_IN (2 * PANEL_IN)
#define CUT_STRIDE (2 * PANEL_STRIDE)

#include "avx512_fold.h"

static ALWAYS_INLINE __m512bh load_pairs(const void *p, __mmask32 mask)
{
    return mask == 0xffffffff ? (__m512bh)_mm512_loadu_si512(p)
                              : (__m512bh)_mm512_maskz_loadu_epi16(mask, p);
}

/* All rows of a tile by 32 inputs, or those in the mask. */
static ALWAYS_INLINE void add_step(int rows, __m512 acc[][TILE_OUTS], const struct tile *t, int i,
                                   __mmask32 mask)
{
    __m512bh w[TILE_OUTS];
#pragma GCC unroll 4
    for (int o = 0; o < TILE_OUTS; o++) w[o] = load_pairs(t->w[o] + 2 * (size_t)i, mask);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        __m512bh x = load_pairs(t->x + r * t->x_stride + i, mask);
#pragma GCC unroll 4
        for (int o = 0; o < TILE_OUTS; o++) acc[r][o] = _mm512_dpbf16_ps(acc[r][o], w[o], x);
    }
}

/* rows is a constant where this is inlined, so acc lives in registers. */
static ALWAYS_INLINE void tile(int rows, enum weight_type type, const struct tile *tile)
{
    (void)type;
    const struct tile t = *tile;
    __m512 acc[8][TILE_OUTS];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++)
#pragma GCC unroll 4
        for (int o = 0; o < TILE_OUTS; o++) acc[r][o] = _mm512_setzero_ps();
    int i = 0;
    for (; i + 32 <= t.n; i += 32) {
        if (rows <= 2) /* streaming from memory */
#pragma GCC unroll 4
            for (int o = 0; o < TILE_OUTS; o++)
                _mm_prefetch(t.w[o] + 2 * (size_t)i + 1024, _MM_HINT_T0);
        add_step(rows, acc, &t, i, 0xffffffff);
    }
    if (i < t.n) add_step(rows, acc, &t, i, (1u << (t.n - i)) - 1);
    __mmask8 outs = (__mmask8)((1u << t.n_outs) - 1);
    add_rows(t.y, t.y_stride, rows, fold(acc), outs);
    if (rows > 4) add_rows(t.y + 4 * t.y_stride, t.y_stride, rows - 4, fold(acc + 4), outs);
}

#include "avx512_tile_rows.h"
#include "body/paired_tiles.h"

static void widen_row(wval *y, const char *w, enum weight_type type, int n)
{
    (void)type;
    for (int i = 0; i < n; i += 32)
        _mm512_storeu_si512(
            y + i,
            (__m512i)load_pairs(w + 2 * (size_t)i, n - i >= 32 ? 0xffffffff : (1u << (n - i)) - 1));
}

/* -- The entries ------------------------------------------------------------------------------ */

static void round_row(xval *row, const float *x, int n)
{
    for (int i = 0; i < n; i += W) {
        __m256bh bits = _mm512_cvtneps_pbh(v_load_some(x + i, v_first(n - i)));
        _mm256_storeu_si256((__m256i *)(void *)(row + i), (__m256i)bits);
    }
}

#define LOWER_PREPARE avx512vnni_prepare
#define LOWER_MATMUL_PREPARED avx512vnni_matmul_prepared
#include "body/pairs_body.h"

void kernels_fill_avx512bf16(struct kernels *k)
{
    k->kv_put = avx512bf16_kv_put;
    k->attend = avx512bf16_attend;
    k->kv_fastest = KV_BF16;
    fill_pairs(k);
}

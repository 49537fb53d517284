/* SPDX-License-Identifier: MIT
 * Rows of bf16 as the pairs that one instruction multiplies: of 16 rows, inputs 0 and 1 of each
 * beside another, then 2 and 3. Used by the levels that multiply such pairs, whose rows of
 * activations end in zeros up to a whole step. */
#ifndef KERNELS_X86_AVX512_BF16_PANEL_H
#define KERNELS_X86_AVX512_BF16_PANEL_H

#include "avx512.h"
#include "levels.h"

enum {
    TILE = 16, // rows side by side
    STEP = 32, // inputs that are packed together
    TILE_BYTES = TILE * STEP * 2,
    CUT_IN = 2 * PANEL_IN,        // inputs in a panel
    CUT_BYTES = TILE * CUT_IN * 2 // TILE rows of a panel
};
_Static_assert((size_t)PANEL_OUTS *CUT_IN * 2 <= sizeof(float) * PANEL_OUTS * PANEL_STRIDE,
               "a panel fits the scratch");

static inline int whole_steps(int n_in) { return (n_in + STEP - 1) / STEP; }

static ALWAYS_INLINE void transpose(__m512i r[TILE])
{
    __m512i t[TILE];
#pragma GCC unroll 8
    for (int i = 0; i < TILE; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < TILE; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

/* Up to TILE rows of n bf16 each -> tiles [n / STEP][STEP / 2][TILE][2], zeros where nothing is. */
static inline void pack_rows(char *to, const char *rows, int64_t row_bytes, int n_rows, int n)
{
    for (int i = 0; i < n; i += STEP, to += TILE_BYTES) {
        const __mmask32 mask = n - i >= STEP ? 0xffffffff : (1u << (n - i)) - 1;
        __m512i r[TILE];
        for (int j = 0; j < TILE; j++)
            r[j] = j < n_rows ? _mm512_maskz_loadu_epi16(mask, rows + j * row_bytes + 2 * i)
                              : _mm512_setzero_si512();
        transpose(r);
        for (int j = 0; j < TILE; j++) _mm512_store_si512(to + 64 * j, r[j]);
    }
}

/* n activations as bf16; zeros follow to the end of the last step, so that rows can be read in whole
 * steps. */
static inline void round_row(uint16_t *row, const float *x, int n)
{
    for (int i = 0; i < n; i += STEP) {
        vec low = v_load_some(x + i, v_first(n - i));
        vec high = n - i > W ? v_load_some(x + i + W, v_first(n - i - W)) : v_set(0);
        _mm512_storeu_si512(row + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

#endif

/* SPDX-License-Identifier: MIT
 * Attention with products of bf16 pairs. */
#define SCORE_ROWS 6
#define SCORE_VECS 4
#define VALUE_ROWS 4
#define VALUE_VECS 6

#define PAIRS 1
#include "avx512_bf16_panel.h"
#include "avx512_pairs.h"
#include "body/attend_body.h"

void avx512bf16_attend(const struct attend_args *args) { attend(args); }

/* -- Storing pairs, with the bits of kernels/ref/kv.c ------------------------------------------ */

/* The lowest n of W floats as bf16, each in 32 bits. vcvtneps2bf16 would make zeros of the smallest
 * numbers. */
static ALWAYS_INLINE __m512i rounded(const float *p, int n)
{
    vec x = v_load_some(p, v_first(n));
    __m512i bits = _mm512_castps_si512(x), one = _mm512_set1_epi32(1);
    __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff)));
    vmask nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    up = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_srli_epi32(up, 16);
}

static void put_key(uint32_t *block, int at, const float *k, int head_dim)
{
    uint32_t pairs[W / 2];
    block += at;
    for (int d = 0; d < head_dim; d += W) {
        __m512i wide = rounded(k + d, head_dim - d);
        wide = _mm512_or_si512(wide, _mm512_srli_epi64(wide, 16));
        _mm256_storeu_si256((__m256i *)(void *)pairs, _mm512_cvtepi64_epi32(wide));
        int n = head_dim - d < W ? (head_dim - d + 1) / 2 : W / 2;
        for (int i = 0; i < n; i++) block[(d / 2 + i) * KV_BLOCK] = pairs[i];
    }
}

static void put_value(uint32_t *block, int at, const float *v, int head_dim)
{
    const int padded = kv_padded(head_dim), shift = at % 2 * 16;
    uint32_t *values = block + at / 2 * padded;
    /* a pair's other half may be another thread's, so it is not written */
    const __mmask32 mine = at % 2 ? 0xaaaaaaaa : 0x55555555;
    for (int d = 0; d < padded; d += W) {
        __m512i wide = rounded(v + d, head_dim - d);
        _mm512_mask_storeu_epi16(values + d, mine, _mm512_slli_epi32(wide, (unsigned)shift));
    }
}

void avx512bf16_kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                       const float *v, int head_dim)
{
    if (type != KV_BF16) {
        avx512_kv_put(k_block, v_block, type, at, k, v, head_dim);
        return;
    }
    if (k) put_key(k_block, at, k, head_dim);
    if (v) put_value(v_block, at, v, head_dim);
}

/* -- Storing a run: whole lines of keys, and both halves of the values' pairs ------------------ */

/* 32 floats, the first n of them there, as bf16 in order. */
static ALWAYS_INLINE __m512i rounded_step(const float *p, int n)
{
    __m256i low = _mm512_cvtepi32_epi16(rounded(p, n));
    __m256i high = n > W ? _mm512_cvtepi32_epi16(rounded(p + W, n - W)) : _mm256_setzero_si256();
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

static void put_keys(uint32_t *block, int at, const float *k, int64_t stride, int head_dim)
{
    for (int d = 0; d < head_dim; d += STEP) {
        __m512i r[TILE];
        for (int i = 0; i < TILE; i++) r[i] = rounded_step(k + i * stride + d, head_dim - d);
        transpose(r);
        uint32_t *to = block + (size_t)(d / 2) * KV_BLOCK + at;
        for (int pair = 0; pair < at_most((head_dim - d + 1) / 2, TILE); pair++)
            _mm512_storeu_si512(to + (size_t)pair * KV_BLOCK, r[pair]);
    }
}

static void put_values(uint32_t *block, int at, const float *v, int64_t stride, int head_dim)
{
    const int padded = kv_padded(head_dim);
    for (int i = 0; i < KV_RUN; i += 2, v += 2 * stride)
        for (int d = 0; d < padded; d += W) {
            __m512i even = rounded(v + d, head_dim - d);
            __m512i odd = _mm512_slli_epi32(rounded(v + stride + d, head_dim - d), 16);
            _mm512_storeu_si512(block + (size_t)((at + i) / 2 * padded + d),
                                _mm512_or_si512(even, odd));
        }
}

_Static_assert((int)KV_RUN == (int)TILE, "a run of keys is a tile");

void avx512bf16_kv_put_run(void *k_block, void *v_block, int at, const float *k, const float *v,
                           int64_t stride, int head_dim)
{
    if (k) put_keys(k_block, at, k, stride, head_dim);
    if (v) put_values(v_block, at, v, stride, head_dim);
}

/* SPDX-License-Identifier: MIT
 * A tile is 6 rows x 32 outputs: 12 sums, 12 totals, 3 operands of the 32 registers. Of 8 groups
 * and one scaling a block, the multiplier ports do 8 + 1 instructions for 8 that count. */
#include "avx512.h"

#define TILE_ROWS 6
#define SIGNED 0

typedef __m512i ivec;

static ALWAYS_INLINE vmask v_without(vmask a, vmask b) { return (vmask)(a & ~b); }
static ALWAYS_INLINE ivec i_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
static ALWAYS_INLINE ivec i_spread(int32_t a) { return _mm512_set1_epi32(a); }
static ALWAYS_INLINE ivec i_dot(ivec sum, ivec w, ivec x) { return _mm512_dpbusd_epi32(sum, w, x); }
static ALWAYS_INLINE ivec i_low(ivec a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
static ALWAYS_INLINE ivec i_high(ivec a) { return i_low(_mm512_srli_epi16(a, 4)); }
static ALWAYS_INLINE ivec i_q8(ivec a) { return a; }
static ALWAYS_INLINE vec v_from_half(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
static ALWAYS_INLINE vec v_bits(ivec a) { return _mm512_castsi512_ps(a); }

#include "body/packed_body.h"

void avx512vnni_matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                                const struct mat *w, const float *bias, int out_begin, int out_end,
                                void *scratch)
{
    if (w->type == WEIGHT_BF16_PAIRS)
        multiply_rounded(avx512_matmul, y, y_stride, rows, n_rows, w, bias, out_begin, out_end,
                         scratch);
    else
        multiply_packed(y, y_stride, rows, n_rows, w, bias, out_begin, out_end);
}

/* -- Activations ------------------------------------------------------------------------------ */

/* Two vectors of 16 values to bytes; returns their sum. */
static ALWAYS_INLINE int round_block(int8_t *to, vec a, vec b, vec row_scale)
{
    ivec ia = _mm512_cvtps_epi32(v_mul(a, row_scale)), ib = _mm512_cvtps_epi32(v_mul(b, row_scale));
    ivec most = _mm512_set1_epi32(127), least = _mm512_set1_epi32(-127);
    ia = _mm512_max_epi32(least, _mm512_min_epi32(most, ia));
    ib = _mm512_max_epi32(least, _mm512_min_epi32(most, ib));
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8(ia));
    _mm_storeu_si128((__m128i *)(void *)(to + 16), _mm512_cvtepi32_epi8(ib));
    return _mm512_reduce_add_epi32(_mm512_add_epi32(ia, ib));
}

/* Sizes compare as their bits do, and NaN is above all: nothing is missed. */
static ALWAYS_INLINE ivec size_bits(vec a)
{
    return _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff));
}

enum { AHEAD_FLOATS = 1024 }; /* the work on a block hides the next ones from the processor */

static void prepare_row(char *row, const float *x, int n_in, int offset)
{
    int n_blocks = pack_blocks(n_in);
    int32_t *start = (int32_t *)row_start(row, n_blocks);
    int32_t *base = (int32_t *)(void *)row_base(row, n_blocks);
    float *largest = (float *)(void *)base; /* until the exponents are known */
    ivec above = _mm512_setzero_si512();
    for (int b = 0; b < n_blocks; b++) {
        int i = b * PACK_IN;
        __builtin_prefetch(x + i + AHEAD_FLOATS);
        __builtin_prefetch(x + i + AHEAD_FLOATS + W);
        vec first = v_load_some(x + i, v_first(n_in - i));
        vec second = n_in - i > W ? v_load_some(x + i + W, v_first(n_in - i - W)) : v_set(0);
        ivec sizes = _mm512_max_epi32(size_bits(first), size_bits(second));
        above = _mm512_max_epi32(above, sizes);
        base[b] = _mm512_reduce_max_epi32(sizes);
    }
    bool finite = _mm512_reduce_max_epi32(above) < 0x7f800000;
    int unit = finite ? best_unit(largest, n_blocks) : 0;
    *(float *)row_unit(row, n_blocks) = finite ? unit_size(unit) : __builtin_nanf("");
    for (int b = 0; b < n_blocks; b++) {
        int i = b * PACK_IN, e = block_exponent(largest[b], unit);
        vec power = _mm512_castsi512_ps(_mm512_set1_epi32((127 - e) << 23));
        vec first = v_load_some(x + i, v_first(n_in - i));
        vec second = n_in - i > W ? v_load_some(x + i + W, v_first(n_in - i - W)) : v_set(0);
        vec row_scale = v_mul(power, v_set(unit_inverse(unit)));
        base[b] = base_bits(e);
        start[b] = base[b] - offset * round_block((int8_t *)row + i, first, second, row_scale);
    }
}

void avx512vnni_prepare(void *rows, const float *x, int64_t x_stride, int n_rows,
                        enum weight_type type, int n_in)
{
    prepare_rows(rows, x, x_stride, n_rows, type, n_in, prepare_row);
}

void kernels_fill_avx512vnni(struct kernels *k)
{
    k->prepare = avx512vnni_prepare;
    k->matmul_prepared = avx512vnni_matmul_prepared;
}

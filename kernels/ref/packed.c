/* SPDX-License-Identifier: MIT
 * Products with packed weights, as kernels/packed.h defines them. */
#include "packed.h"

#include <math.h>
#include <string.h>

#include "ref.h"

/* f16 -> f32, exact. */
static float widen_half(const uint16_t *half)
{
    float f;
    ref_widen(&f, half, WEIGHT_F16, 1);
    return f;
}

/* The unsigned weights of one block, [8][16][4]. */
static void block_weights(uint8_t w[Q8_DATA], const void *strip, enum weight_type type, int block)
{
    const uint8_t *data = (const uint8_t *)strip + pack_data_bytes(type) * (size_t)block;
    if (type == WEIGHT_Q8) {
        memcpy(w, data, Q8_DATA);
        return;
    }
    for (int pair = 0; pair < PACK_GROUPS / 2; pair++, data += 64)
        for (int i = 0; i < 64; i++) {
            w[pair * 128 + i] = data[i] & 15;
            w[pair * 128 + 64 + i] = data[i] >> 4;
        }
}

/* -- Activations ------------------------------------------------------------------------------ */

static float largest_size(const float *x, int n)
{
    float largest = 0;
    for (int i = 0; i < n; i++) largest = fmaxf(largest, fabsf(x[i]));
    return largest;
}

/* Rounds n <= PACK_IN values; returns their sum. */
static int round_block(int8_t *to, const float *x, int n, float row_scale)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        float scaled = fminf(127, fmaxf(-127, x[i] * row_scale));
        to[i] = (int8_t)lrintf(scaled);
        sum += to[i];
    }
    return sum;
}

static int block_size(int n_in, int block)
{
    int left = n_in - block * PACK_IN;
    return left < PACK_IN ? left : PACK_IN;
}

static void prepare_row(char *row, const float *x, int n_in, int offset)
{
    int n_blocks = pack_blocks(n_in);
    int8_t *values = (int8_t *)row;
    int32_t *start = (int32_t *)row_start(row, n_blocks);
    float *base = (float *)row_base(row, n_blocks);
    float finite = 0;
    memset(values, 0, (size_t)n_blocks * PACK_IN);
    for (int i = 0; i < n_in; i++) finite += x[i] * 0;
    float *largest = base; /* until the exponents are known */
    for (int b = 0; b < n_blocks; b++) {
        int i = b * PACK_IN;
        largest[b] = largest_size(x + i, block_size(n_in, b));
    }
    int unit = finite == 0 ? best_unit(largest, n_blocks) : 0;
    *(float *)row_unit(row, n_blocks) = finite == 0 ? unit_size(unit) : NAN;
    for (int b = 0; b < n_blocks; b++) {
        int i = b * PACK_IN, e = block_exponent(largest[b], unit);
        float row_scale = ldexpf(unit_inverse(unit), -e);
        int sum = finite == 0 ? round_block(values + i, x + i, block_size(n_in, b), row_scale) : 0;
        const int32_t bits = base_bits(e);
        start[b] = bits - offset * sum;
        memcpy(base + b, &bits, sizeof bits);
    }
}

void ref_prepare(void *rows, const float *x, int64_t x_stride, int n_rows, enum weight_type type,
                 int n_in)
{
    prepare_rows(rows, x, x_stride, n_rows, type, n_in, prepare_row);
}

/* -- Products --------------------------------------------------------------------------------- */

/* Adds one block of a strip to the 16 outputs of one row. */
static void add_block(float y[PACK_OUTS], const uint8_t w[Q8_DATA], const uint16_t *scales,
                      const int8_t *x, int32_t start, float base)
{
    int32_t sum[PACK_OUTS];
    for (int o = 0; o < PACK_OUTS; o++) sum[o] = start;
    for (int j = 0; j < PACK_GROUPS; j++)
        for (int o = 0; o < PACK_OUTS; o++)
            for (int i = 0; i < 4; i++) sum[o] += w[j * 64 + o * 4 + i] * x[j * 4 + i];
    for (int o = 0; o < PACK_OUTS; o++) {
        float value;
        memcpy(&value, &sum[o], sizeof value);
        y[o] = fmaf(value - base, widen_half(scales + o), y[o]);
    }
}

/* One strip against all rows; only outputs [begin, end) of the strip are stored. */
static void multiply_strip(float *y, int64_t y_stride, const char *rows, int n_rows,
                           const struct mat *w, const void *strip, const float *bias, int begin,
                           int end)
{
    int n_blocks = pack_blocks(w->n_in);
    const uint16_t *scales = strip_scales(strip, w->type, n_blocks);
    uint8_t weights[Q8_DATA];
    for (int r = 0; r < n_rows; r++, rows += prepared_bytes(w->type, w->n_in), y += y_stride) {
        float out[PACK_OUTS] = {0}, unit = *row_unit(rows, n_blocks);
        for (int b = 0; b < n_blocks; b++) {
            block_weights(weights, strip, w->type, b);
            add_block(out, weights, scales + b * PACK_OUTS, (const int8_t *)rows + b * PACK_IN,
                      row_start(rows, n_blocks)[b], row_base(rows, n_blocks)[b]);
        }
        for (int o = begin; o < end; o++) y[o] = fmaf(out[o], unit, bias ? bias[o] : 0);
    }
}

void ref_matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                         const struct mat *w, const float *bias, int out_begin, int out_end,
                         void *scratch)
{
    if (w->type == WEIGHT_BF16_PAIRS) {
        multiply_rounded(ref_matmul, y, y_stride, rows, n_rows, w, bias, out_begin, out_end,
                         scratch);
        return;
    }
    size_t strip_bytes = pack_strip_bytes(w->type, w->n_in);
    for (int out = out_begin; out < out_end;) {
        int first = out / PACK_OUTS * PACK_OUTS;
        int end = out_end - first < PACK_OUTS ? out_end - first : PACK_OUTS;
        multiply_strip(y + first, y_stride, rows, n_rows, w,
                       (const char *)w->data + strip_bytes * (size_t)(first / PACK_OUTS),
                       bias ? bias + first : NULL, out - first, end);
        out = first + end;
    }
}

void ref_unpack_row(float *y, const struct mat *w, int out)
{
    int n_blocks = pack_blocks(w->n_in), o = out % PACK_OUTS;
    const char *strip =
        (const char *)w->data + pack_strip_bytes(w->type, w->n_in) * (size_t)(out / PACK_OUTS);
    const uint16_t *scales = strip_scales(strip, w->type, n_blocks);
    uint8_t weights[Q8_DATA];
    for (int b = 0; b < n_blocks; b++) {
        block_weights(weights, strip, w->type, b);
        float scale = widen_half(scales + b * PACK_OUTS + o) / (1 << SCALE_SHIFT);
        for (int i = 0; i < PACK_IN && b * PACK_IN + i < w->n_in; i++)
            y[b * PACK_IN + i] =
                scale * (float)(weights[i / 4 * 64 + o * 4 + i % 4] - pack_offset(w->type));
    }
}

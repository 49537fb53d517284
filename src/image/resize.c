/* SPDX-License-Identifier: MIT
 * Pillow's bilinear resize, bit for bit: two passes with integer weights, 8-bit in between.
 * golden: preprocess/hd_rgb_sha256 */
#include "image/image.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { FRACTION_BITS = 22, ROUND = 1 << (FRACTION_BITS - 1) };

/* Output sample i of a pass is the weighted sum of n[i] input samples from first[i] on. */
struct taps {
    int *first, *n;  // [outputs]
    int32_t *weight; // [outputs][most]
    int most;
};

static void taps_fini(struct taps *t)
{
    mem_free(t->first);
    mem_free(t->n);
    mem_free(t->weight);
}

/* The weights of one output; row has room for t->most. */
static void fill_taps(struct taps *t, int i, int n_in, double step, double *row)
{
    double support = step > 1 ? step : 1, scale = 1 / support;
    double centre = (i + 0.5) * step, sum = 0;
    int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
    if (first < 0) first = 0;
    if (end > n_in) end = n_in;
    for (int k = 0; k < end - first; k++) {
        double distance = fabs((k + first - centre + 0.5) * scale);
        row[k] = distance < 1 ? 1 - distance : 0;
        sum += row[k];
    }
    int32_t *weight = t->weight + (size_t)i * (size_t)t->most;
    for (int k = 0; k < end - first; k++)
        weight[k] = (int32_t)(row[k] / sum * (1 << FRACTION_BITS) + 0.5);
    t->first[i] = first;
    t->n[i] = end - first;
}

/* Fills *ret even on failure (-1: no memory), so that taps_fini is always right. */
static int taps_init(struct taps *ret, int n_in, int n_out)
{
    double step = (double)n_in / n_out;
    int most = (int)ceil(step > 1 ? step : 1) * 2 + 1;
    size_t n = (size_t)n_out, n_weights;
    *ret = (struct taps){.most = most};
    if (!size_mul(n, (size_t)most, &n_weights)) return -1;
    ret->first = mem_array(n, sizeof *ret->first);
    ret->n = mem_array(n, sizeof *ret->n);
    ret->weight = mem_array(n_weights, sizeof *ret->weight);
    CLEANUP(mem_free_ptr) double *row = mem_array((size_t)most, sizeof *row);
    if (!ret->first || !ret->n || !ret->weight || !row) return -1;
    for (int i = 0; i < n_out; i++) fill_taps(ret, i, n_in, step, row);
    return 0;
}

/* The weights are positive and sum to about 1, so the sum stays below 2^31. */
static inline uint8_t round_sample(int32_t sum)
{
    int32_t v = sum >> FRACTION_BITS;
    return (uint8_t)(v > 255 ? 255 : v);
}

/* src: [rows][n_in][3], dst: [rows][n_out][3] */
static void pass_along_rows(const uint8_t *src, int rows, int n_in, const struct taps *t, int n_out,
                            uint8_t *dst)
{
    for (int y = 0; y < rows; y++, src += (size_t)n_in * 3) {
        for (int x = 0; x < n_out; x++, dst += 3) {
            const uint8_t *from = src + (size_t)t->first[x] * 3;
            const int32_t *weight = t->weight + (size_t)x * (size_t)t->most;
            int32_t r = ROUND, g = ROUND, b = ROUND;
            for (int k = 0; k < t->n[x]; k++, from += 3) {
                r += from[0] * weight[k];
                g += from[1] * weight[k];
                b += from[2] * weight[k];
            }
            dst[0] = round_sample(r);
            dst[1] = round_sample(g);
            dst[2] = round_sample(b);
        }
    }
}

/* src: [n_in][row], dst: [n_out][row]; sums: [row] of scratch. */
static void pass_down_columns(const uint8_t *src, size_t row, const struct taps *t, int n_out,
                              int32_t *sums, uint8_t *dst)
{
    for (int y = 0; y < n_out; y++, dst += row) {
        const uint8_t *from = src + (size_t)t->first[y] * row;
        const int32_t *weight = t->weight + (size_t)y * (size_t)t->most;
        for (size_t i = 0; i < row; i++) sums[i] = ROUND;
        for (int k = 0; k < t->n[y]; k++, from += row)
            for (size_t i = 0; i < row; i++) sums[i] += from[i] * weight[k];
        for (size_t i = 0; i < row; i++) dst[i] = round_sample(sums[i]);
    }
}

/* One pass into dst; -1 without memory. Copies when the side does not change. */
static int scale_width(const uint8_t *src, int w, int h, int dst_w, uint8_t *dst)
{
    struct taps t;
    int code = taps_init(&t, w, dst_w);
    if (code == 0) pass_along_rows(src, h, w, &t, dst_w, dst);
    taps_fini(&t);
    return code;
}

static int scale_height(const uint8_t *src, int w, int h, int dst_h, uint8_t *dst)
{
    struct taps t;
    size_t row = (size_t)w * 3;
    CLEANUP(mem_free_ptr) int32_t *sums = mem_array(row, sizeof *sums);
    int code = taps_init(&t, h, dst_h);
    if (!sums) code = -1;
    if (code == 0) pass_down_columns(src, row, &t, dst_h, sums, dst);
    taps_fini(&t);
    return code;
}

int resize_bilinear(const uint8_t *src, int src_w, int src_h, uint8_t *dst, int dst_w, int dst_h,
                    int height_first, struct phi3v_error *err)
{
    if (src_w == dst_w && src_h == dst_h) {
        memcpy(dst, src, (size_t)src_w * (size_t)src_h * 3);
        return 0;
    }
    int code;
    if (src_h == dst_h) {
        code = scale_width(src, src_w, src_h, dst_w, dst);
    } else if (src_w == dst_w) {
        code = scale_height(src, src_w, src_h, dst_h, dst);
    } else {
        int mid_w = height_first ? src_w : dst_w, mid_h = height_first ? dst_h : src_h;
        CLEANUP(mem_free_ptr) uint8_t *mid = mem_array((size_t)mid_w * (size_t)mid_h, 3);
        if (!mid) return err_memory(err, "resizing", (size_t)mid_w * (size_t)mid_h * 3);
        if (height_first)
            code = scale_height(src, src_w, src_h, dst_h, mid) ||
                   scale_width(mid, src_w, dst_h, dst_w, dst);
        else
            code = scale_width(src, src_w, src_h, dst_w, mid) ||
                   scale_height(mid, dst_w, src_h, dst_h, dst);
    }
    return code ? err_memory(err, "resizing", (size_t)dst_w * (size_t)dst_h * 4) : 0;
}

/* SPDX-License-Identifier: MIT
 * Pillow's bilinear resize, bit for bit: two passes with integer weights, 8-bit in between.
 * golden: preprocess/hd_rgb_sha256 */
#include "image/image.h"

#include <math.h>
#include <stdbool.h>
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

/* Computes the weights of one output; row has room for t->most. */
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

/* Fills *ret even on failure (-1: no memory), so that taps_fini is always safe. */
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

/* Computes outputs y … y+n-1 of t. src has the inputs from first_in on, [][row]; dst is [n][row];
 * sums is scratch, [row]. */
static void pass_down_columns(const uint8_t *src, int first_in, size_t row, const struct taps *t,
                              int y, int n, int32_t *sums, uint8_t *dst)
{
    for (int end = y + n; y < end; y++, dst += row) {
        const uint8_t *from = src + (size_t)(t->first[y] - first_in) * row;
        const int32_t *weight = t->weight + (size_t)y * (size_t)t->most;
        for (size_t i = 0; i < row; i++) sums[i] = ROUND;
        for (int k = 0; k < t->n[y]; k++, from += row)
            for (size_t i = 0; i < row; i++) sums[i] += from[i] * weight[k];
        for (size_t i = 0; i < row; i++) dst[i] = round_sample(sums[i]);
    }
}

/* -- Band by band ------------------------------------------------------------------------------ */

struct resizer {
    const uint8_t *src;
    int src_w, src_h, dst_w, dst_h;
    bool height_first;
    struct taps across, down; // empty if that side keeps its size
};

void resizer_free(struct resizer *r)
{
    if (!r) return;
    taps_fini(&r->across);
    taps_fini(&r->down);
    mem_free(r);
}

int resizer_new(const uint8_t *src, int src_w, int src_h, int dst_w, int dst_h, int height_first,
                struct resizer **ret, struct phi3v_error *err)
{
    struct resizer *r = mem_zalloc(sizeof *r);
    int code = r ? 0 : -1;
    if (r)
        *r = (struct resizer){.src = src,
                              .src_w = src_w,
                              .src_h = src_h,
                              .dst_w = dst_w,
                              .dst_h = dst_h,
                              .height_first = height_first != 0};
    if (!code && src_w != dst_w) code = taps_init(&r->across, src_w, dst_w);
    if (!code && src_h != dst_h) code = taps_init(&r->down, src_h, dst_h);
    if (code) {
        resizer_free(r);
        return err_memory(err, "resizing", (size_t)(dst_w + dst_h) * sizeof(int32_t));
    }
    *ret = r;
    return 0;
}

/* When both sides change, the result of the first pass is kept for the rows that the band needs. */
static int both_passes(const struct resizer *r, int y, int n, int32_t *sums, uint8_t *dst)
{
    size_t src_row = (size_t)r->src_w * 3, dst_row = (size_t)r->dst_w * 3;
    int first = r->down.first[y], last = y + n - 1;
    int n_in = r->down.first[last] + r->down.n[last] - first;
    const uint8_t *src = r->src + (size_t)first * src_row;
    CLEANUP(mem_free_ptr)
    uint8_t *mid =
        r->height_first ? mem_array((size_t)n, src_row) : mem_array((size_t)n_in, dst_row);
    if (!mid) return -1;
    if (r->height_first) {
        pass_down_columns(src, first, src_row, &r->down, y, n, sums, mid);
        pass_along_rows(mid, n, r->src_w, &r->across, r->dst_w, dst);
    } else {
        pass_along_rows(src, n_in, r->src_w, &r->across, r->dst_w, mid);
        pass_down_columns(mid, first, dst_row, &r->down, y, n, sums, dst);
    }
    return 0;
}

int resizer_rows(struct resizer *r, int y, int n, uint8_t *dst, struct phi3v_error *err)
{
    size_t src_row = (size_t)r->src_w * 3;
    bool width = r->src_w != r->dst_w, height = r->src_h != r->dst_h;
    CLEANUP(mem_free_ptr)
    int32_t *sums =
        mem_array(src_row > (size_t)r->dst_w * 3 ? src_row : (size_t)r->dst_w * 3, sizeof *sums);
    int code = sums ? 0 : -1;
    if (n < 1) return 0;
    if (!code && width && height)
        code = both_passes(r, y, n, sums, dst);
    else if (!code && height)
        pass_down_columns(r->src, 0, src_row, &r->down, y, n, sums, dst);
    else if (!code && width)
        pass_along_rows(r->src + (size_t)y * src_row, n, r->src_w, &r->across, r->dst_w, dst);
    else if (!code)
        memcpy(dst, r->src + (size_t)y * src_row, (size_t)n * src_row);
    return code ? err_memory(err, "resizing", (size_t)r->dst_w * (size_t)n * 3) : 0;
}

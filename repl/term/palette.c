/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/palette.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int palette_nearest(const struct palette *p, int r, int g, int b)
{
    int best = 0, best_distance = INT32_MAX;
    for (int i = 0; i < p->n; i++) {
        int dr = r - p->rgb[i][0], dg = g - p->rgb[i][1], db = b - p->rgb[i][2];
        int distance = 2 * dr * dr + 4 * dg * dg + 3 * db * db; /* the eye's weights, roughly */
        if (distance < best_distance) best = i, best_distance = distance;
    }
    return best;
}

/* -- Few colours: the picture as it is ------------------------------------------------------ */

#define SLOTS 1024 /* open addressing, at most a quarter full */

struct exact {
    int32_t colour[SLOTS]; /* 0xRRGGBB, -1: free */
    uint8_t index[SLOTS];
};

/* The slot of a colour, or the free slot for it. */
static int find_slot(const struct exact *e, int32_t colour)
{
    uint32_t slot = ((uint32_t)colour * 2654435761u) >> 22;
    while (e->colour[slot] >= 0 && e->colour[slot] != colour) slot = (slot + 1) % SLOTS;
    return (int)slot;
}

static bool make_exact(const uint8_t *rgb, size_t n_pixels, int max_colours, struct palette *p,
                       uint8_t *indices)
{
    struct exact e;
    memset(e.colour, 0xFF, sizeof e.colour);
    p->n = 0;
    for (size_t i = 0; i < n_pixels; i++, rgb += 3) {
        int32_t colour = rgb[0] << 16 | rgb[1] << 8 | rgb[2];
        int slot = find_slot(&e, colour);
        if (e.colour[slot] < 0) {
            if (p->n == max_colours) return false;
            e.colour[slot] = colour;
            e.index[slot] = (uint8_t)p->n;
            memcpy(p->rgb[p->n++], rgb, 3);
        }
        indices[i] = e.index[slot];
    }
    return true;
}

/* -- Many colours: median cut ---------------------------------------------------------------- */

#define BIN_BITS 5
#define N_BINS (1 << 3 * BIN_BITS)

struct bin { /* colours that agree in their leading bits */
    uint64_t count;
    uint64_t sum[3];
    double mean[3];
};

struct box { /* a run of bins that becomes one colour */
    int begin, end;
    int axis;      /* of the largest spread */
    double spread; /* squared deviation along it, summed over pixels */
};

static int bin_of(const uint8_t *rgb)
{
    const int drop = 8 - BIN_BITS;
    return (rgb[0] >> drop) << 2 * BIN_BITS | (rgb[1] >> drop) << BIN_BITS | rgb[2] >> drop;
}

/* Fills bins and moves the used ones to the front; returns how many. */
static int count_bins(const uint8_t *rgb, size_t n_pixels, struct bin *bins)
{
    for (size_t i = 0; i < n_pixels; i++, rgb += 3) {
        struct bin *b = &bins[bin_of(rgb)];
        b->count++;
        for (int c = 0; c < 3; c++) b->sum[c] += rgb[c];
    }
    int n = 0;
    for (int i = 0; i < N_BINS; i++) {
        if (!bins[i].count) continue;
        bins[n] = bins[i];
        for (int c = 0; c < 3; c++)
            bins[n].mean[c] = (double)bins[n].sum[c] / (double)bins[n].count;
        n++;
    }
    return n;
}

static void measure(struct box *box, const struct bin *bins)
{
    box->spread = -1;
    for (int c = 0; c < 3; c++) {
        double n = 0, sum = 0, squares = 0;
        for (int i = box->begin; i < box->end; i++) {
            double w = (double)bins[i].count, x = bins[i].mean[c];
            n += w, sum += w * x, squares += w * x * x;
        }
        double spread = squares - sum * sum / n;
        if (spread > box->spread) box->spread = spread, box->axis = c;
    }
}

static int compare(const void *a, const void *b, int axis)
{
    double x = ((const struct bin *)a)->mean[axis], y = ((const struct bin *)b)->mean[axis];
    return (x > y) - (x < y);
}
static int compare_r(const void *a, const void *b) { return compare(a, b, 0); }
static int compare_g(const void *a, const void *b) { return compare(a, b, 1); }
static int compare_b(const void *a, const void *b) { return compare(a, b, 2); }

/* Cuts the box at the mean along its longest axis; the upper part becomes *upper. */
static void cut(struct box *box, struct box *upper, struct bin *bins)
{
    static int (*const compares[])(const void *, const void *) = {compare_r, compare_g, compare_b};
    struct bin *first = bins + box->begin;
    int n = box->end - box->begin;
    qsort(first, (size_t)n, sizeof *first, compares[box->axis]);
    double count = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        count += (double)first[i].count;
        sum += (double)first[i].count * first[i].mean[box->axis];
    }
    int middle = 1;
    while (middle < n - 1 && first[middle].mean[box->axis] < sum / count) middle++;
    *upper = (struct box){.begin = box->begin + middle, .end = box->end};
    box->end = box->begin + middle;
    measure(box, bins);
    measure(upper, bins);
}

static void average(const struct box *box, const struct bin *bins, uint8_t *ret_rgb)
{
    uint64_t count = 0, sum[3] = {0};
    for (int i = box->begin; i < box->end; i++) {
        count += bins[i].count;
        for (int c = 0; c < 3; c++) sum[c] += bins[i].sum[c];
    }
    for (int c = 0; c < 3; c++) ret_rgb[c] = (uint8_t)((sum[c] + count / 2) / count);
}

static void median_cut(struct bin *bins, int n_bins, int max_colours, struct palette *p)
{
    struct box boxes[PALETTE_MAX];
    boxes[0] = (struct box){.begin = 0, .end = n_bins};
    measure(&boxes[0], bins);
    p->n = 1;
    while (p->n < max_colours) {
        int widest = 0;
        for (int i = 1; i < p->n; i++)
            if (boxes[i].spread > boxes[widest].spread) widest = i;
        if (boxes[widest].end - boxes[widest].begin < 2) break;
        cut(&boxes[widest], &boxes[p->n++], bins);
    }
    for (int i = 0; i < p->n; i++) average(&boxes[i], bins, p->rgb[i]);
}

/* -- Error diffusion (Floyd and Steinberg) ----------------------------------------------------- */

#define KEY_BITS 6

struct nearest_cache {
    uint16_t entry[1 << 3 * KEY_BITS]; /* index + 1; 0: not looked up yet */
};

static int cached_nearest(struct nearest_cache *cache, const struct palette *p, const int *rgb)
{
    const int drop = 8 - KEY_BITS;
    int key = (rgb[0] >> drop) << 2 * KEY_BITS | (rgb[1] >> drop) << KEY_BITS | rgb[2] >> drop;
    if (!cache->entry[key])
        cache->entry[key] = (uint16_t)(palette_nearest(p, rgb[0], rgb[1], rgb[2]) + 1);
    return cache->entry[key] - 1;
}

static int clamp_byte(int x) { return x < 0 ? 0 : x > 255 ? 255 : x; }

/* here, below: errors in sixteenths, [width + 2][3], pixel 0 at [1]. */
static void diffuse_row(const uint8_t *rgb, int width, const struct palette *p,
                        struct nearest_cache *cache, int (*here)[3], int (*below)[3],
                        uint8_t *indices)
{
    for (int x = 0; x < width; x++) {
        int want[3];
        for (int c = 0; c < 3; c++) want[c] = clamp_byte(rgb[3 * x + c] + here[x + 1][c] / 16);
        indices[x] = (uint8_t)cached_nearest(cache, p, want);
        for (int c = 0; c < 3; c++) {
            int error = want[c] - p->rgb[indices[x]][c];
            here[x + 2][c] += 7 * error;
            below[x][c] += 3 * error;
            below[x + 1][c] += 5 * error;
            below[x + 2][c] += error;
        }
    }
}

static int diffuse(const uint8_t *rgb, int width, int height, const struct palette *p,
                   uint8_t *indices)
{
    size_t row_bytes = ((size_t)width + 2) * sizeof(int[3]);
    struct nearest_cache *cache = calloc(1, sizeof *cache);
    int(*rows[2])[3] = {calloc(1, row_bytes), calloc(1, row_bytes)};
    int rc = cache && rows[0] && rows[1] ? 0 : -1;
    for (int y = 0; y < height && rc == 0; y++) {
        size_t at = (size_t)y * (size_t)width;
        diffuse_row(rgb + 3 * at, width, p, cache, rows[y & 1], rows[~y & 1], indices + at);
        memset(rows[y & 1], 0, row_bytes);
    }
    free(rows[0]);
    free(rows[1]);
    free(cache);
    return rc;
}

int palette_make(const uint8_t *rgb, int width, int height, int max_colours,
                 struct palette *ret_palette, uint8_t *ret_indices)
{
    size_t n_pixels = (size_t)width * (size_t)height;
    if (make_exact(rgb, n_pixels, max_colours, ret_palette, ret_indices)) return 0;
    struct bin *bins = calloc(N_BINS, sizeof *bins);
    if (!bins) return -1;
    median_cut(bins, count_bins(rgb, n_pixels, bins), max_colours, ret_palette);
    free(bins);
    return diffuse(rgb, width, height, ret_palette, ret_indices);
}

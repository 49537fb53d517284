/* SPDX-License-Identifier: MIT
 * How the stored weights of a product of many rows are cut into panels, one after the other; included by
 * each level's matmul file behind its CUT_IN, the inputs of a panel. */
#ifndef KERNELS_PANELS_H
#define KERNELS_PANELS_H

#include "levels.h"

/* A panel as it is stored. */
struct panel {
    int out, n_outs, in, n;
};

/* The panel behind p in the order of a product; n_outs is 0 behind the last. */
static struct panel panel_next(struct panel p, const struct mat *w, int out_end)
{
    p.in += p.n;
    if (p.in == w->n_in) {
        p.in = 0;
        p.out += p.n_outs;
    }
    p.n_outs = at_most(out_end - p.out, PANEL_OUTS);
    p.n = at_most(w->n_in - p.in, CUT_IN);
    return p;
}

static const char *panel_row(struct panel p, const struct mat *w, int o)
{
    size_t first = (size_t)(p.out + o) * (size_t)w->n_in + (size_t)p.in;
    return (const char *)w->data + weight_bytes(w->type) * first;
}

/* Asks for share `part` of n_parts of the stored weights that are widened next. */
static void prefetch_panel(struct panel p, const struct mat *w, int part, int n_parts)
{
    int begin = (int)((int64_t)p.n_outs * part / n_parts);
    int end = (int)((int64_t)p.n_outs * (part + 1) / n_parts);
    size_t n_bytes = weight_bytes(w->type) * (size_t)p.n;
    for (int o = begin; o < end; o++)
        for (size_t i = 0; i < n_bytes; i += 64) __builtin_prefetch(panel_row(p, w, o) + i, 0, 2);
}

#endif

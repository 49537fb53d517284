/* SPDX-License-Identifier: MIT
 * How the stored weights of a product of many rows are cut into panels, one after the other; included by
 * each level's matmul file behind its CUT_IN, the inputs of a panel, and panel_outs(n), the outputs of one
 * where n are left. */
#ifndef KERNELS_PANELS_H
#define KERNELS_PANELS_H

#include "levels.h"

/* A panel as it is stored. */
struct panel {
    int out, n_outs, in, n;
};

/* The first panel of these outputs; n_outs is 0 where there are none. */
static struct panel panel_first(const struct mat *w, int out_begin, int out_end)
{
    return (struct panel){
        .out = out_begin, .n_outs = panel_outs(out_end - out_begin), .n = at_most(w->n_in, CUT_IN)};
}

/* The panel behind p in the order of a product; n_outs is 0 behind the last. */
static struct panel panel_next(struct panel p, const struct mat *w, int out_end)
{
    p.in += p.n;
    if (p.in == w->n_in) {
        p.in = 0;
        p.out += p.n_outs;
    }
    p.n_outs = panel_outs(out_end - p.out);
    p.n = at_most(w->n_in - p.in, CUT_IN);
    return p;
}

static const char *panel_row(struct panel p, const struct mat *w, int o)
{
    size_t first = (size_t)(p.out + o) * (size_t)w->n_in + (size_t)p.in;
    return (const char *)w->data + weight_bytes(w->type) * first;
}

#endif

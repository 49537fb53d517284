/* SPDX-License-Identifier: MIT */
#include "packed.h"

#include "device.h"

/* Outputs first … of the product, whose weights have been unpacked to w. */
static struct product part_of(const struct product *p, struct dev_mat w, int first)
{
    struct product part = *p;
    part.w = w;
    if (p->y16) part.y16 += first;
    if (p->y32) part.y32 += first;
    if (p->bias)
        part.bias =
            (const char *)p->bias + (size_t)first * (p->y32 ? sizeof(float) : sizeof(struct bf16));
    return part;
}

void product_any(struct backend_state *s, const struct product *p)
{
    if (p->w.packing == PACKED_NOT) {
        product_run(s->products, &s->q, p);
        return;
    }
    /* Whole strips, and every part begins at a multiple of 16 bytes of the output. */
    int most = (int)(s->unpack_elements / p->w.ld / STRIP_OUTS) * STRIP_OUTS;
    for (int first = 0; first < p->w.n_out; first += most) {
        int n = p->w.n_out - first < most ? p->w.n_out - first : most;
        struct dev_mat w = {.data = s->unpacked, .n_out = n, .n_in = p->w.n_in, .ld = p->w.ld};
        unpack_launch(&s->q, s->unpacked, &p->w, first, n);
        struct product part = part_of(p, w, first);
        product_run(s->products, &s->q, &part);
    }
}

/* SPDX-License-Identifier: MIT
 * Stored weights as f32, at a level that reads a vector's rest by load_some_weights; included by
 * its row file. */
#ifndef KERNELS_WIDEN_BODY_H
#define KERNELS_WIDEN_BODY_H

#ifndef LEVEL_VECTORS
#error "widen_body.h needs the vectors of a level: include its header first"
#endif

static void widen(float *y, const void *x, enum weight_type type, int64_t n)
{
    const char *from = x;
    const size_t item = weight_bytes(type);
    int64_t i = 0;
    for (; i + W <= n; i += W) v_store(y + i, load_weights(from + item * (size_t)i, type));
    if (i < n)
        v_store_some(y + i, v_first(n - i),
                     load_some_weights(from + item * (size_t)i, type, (int)(n - i)));
}

#endif

/* SPDX-License-Identifier: MIT */
#include "avx512.h"

#include "body/row_body.h"

static void widen(float *y, const void *x, enum weight_type type, int64_t n)
{
    const char *from = x;
    const size_t item = weight_bytes(type);
    int64_t i = 0;
    for (; i < n; i += W) {
        vmask m = v_first(n - i);
        v_store_some(y + i, m, load_weights(from + item * (size_t)i, type, m));
    }
}

void kernels_fill_avx512(struct kernels *k)
{
    k->matmul = avx512_matmul;
    k->kv_put = avx512_kv_put;
    k->pack = avx512_pack;
    k->attend = avx512_attend;
    k->attend_merge = avx512_attend_merge;
    fill_rows(k);
    k->widen = widen;
}

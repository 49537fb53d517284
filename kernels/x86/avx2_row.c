/* SPDX-License-Identifier: MIT */
#include "avx2.h"

#include "body/row_body.h"
#include "body/widen_body.h"

void kernels_fill_avx2(struct kernels *k)
{
    k->matmul = avx2_matmul;
    k->kv_put = avx2_kv_put;
    k->pack = avx2_pack;
    k->matmul_prepared = avx2_matmul_prepared;
    k->attend = avx2_attend;
    k->attend_merge = avx2_attend_merge;
    fill_rows(k);
    k->widen = widen;
}

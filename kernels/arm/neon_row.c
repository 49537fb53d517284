/* SPDX-License-Identifier: MIT */
#include "neon.h"

#include "body/row_body.h"
#include "body/widen_body.h"

void kernels_fill_neon(struct kernels *k)
{
    k->matmul = neon_matmul;
    k->kv_put = neon_kv_put;
    k->matmul_prepared = neon_matmul_prepared;
    k->attend = neon_attend;
    k->attend_merge = neon_attend_merge;
    fill_rows(k);
    k->widen = widen;
}

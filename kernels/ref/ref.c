/* SPDX-License-Identifier: MIT */
#include "ref.h"

void kernels_fill_portable(struct kernels *k)
{
    k->matmul = ref_matmul;
    k->kv_fastest = KV_F32;
    k->kv_put = ref_kv_put;
    k->kv_put_run = ref_kv_put_run;
    k->prepare = ref_prepare;
    k->matmul_prepared = ref_matmul_prepared;
    k->pack = ref_pack;
    k->unpack_row = ref_unpack_row;
    k->attend = ref_attend;
    k->attend_merge = ref_attend_merge;
    k->rms_norm = ref_rms_norm;
    k->layer_norm = ref_layer_norm;
    k->rope = ref_rope;
    k->add = ref_add;
    k->silu_mul = ref_silu_mul;
    k->quick_gelu = ref_quick_gelu;
    k->gelu_erf = ref_gelu_erf;
    k->widen = ref_widen;
}

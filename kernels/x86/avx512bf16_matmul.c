/* SPDX-License-Identifier: MIT */
#include "avx512.h"

void kernels_fill_avx512bf16(struct kernels *k)
{
    k->attend = avx512bf16_attend;
    k->kv_fastest = KV_BF16;
}

/* SPDX-License-Identifier: MIT */
#define MATMUL_PREPARED avxvnni_matmul_prepared

#include "avx2_packed.h"

static ALWAYS_INLINE ivec i_dot(ivec sum, ivec w, ivec x)
{
    return _mm256_dpbusd_avx_epi32(sum, w, x);
}

void kernels_fill_avxvnni(struct kernels *k) { k->matmul_prepared = avxvnni_matmul_prepared; }

/* SPDX-License-Identifier: MIT */
#define MATMUL_PREPARED dotprod_matmul_prepared
#define TILE_ROWS 3
#define SIGNED 1

#include "neon_packed.h"

static ALWAYS_INLINE ivec i_dot(ivec sum, ivec w, ivec x)
{
    return i_of(vdotq_s32(sum.a, s8(w.a), s8(x.a)), vdotq_s32(sum.b, s8(w.b), s8(x.b)));
}

void kernels_fill_dotprod(struct kernels *k) { k->matmul_prepared = dotprod_matmul_prepared; }

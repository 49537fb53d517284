/* SPDX-License-Identifier: MIT */
#define MATMUL_PREPARED avx2_matmul_prepared

#include "avx2_packed.h"

/* Pairs of 16-bit products: vpmaddubsw would saturate with q8's unsigned weights up to 255. */
static ALWAYS_INLINE ivec i_dot(ivec sum, ivec w, ivec x)
{
    ivec even = _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(255)),
                                  _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8));
    ivec odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(x, 8));
    return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}

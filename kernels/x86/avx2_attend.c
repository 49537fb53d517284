/* SPDX-License-Identifier: MIT */
#include "avx2.h"

enum { SCORE_ROWS = 2, VALUE_ROWS = 2, VALUE_VECS = 6 };

#include "attend_body.h"

/* 8 keys x 8 dimensions; dimensions outside the mask are not read. */
static ALWAYS_INLINE void transpose_tile(float *to, const float *from, int64_t stride, int n_dims)
{
    const vmask m = v_first(n_dims);
    vec a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = v_load_some(from + i * stride, m);
    for (int i = 0; i < 8; i += 2) { /* pairs of keys */
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8;
         i += 4) { /* fours: a[i + j] holds dimensions 4 * lane + j of keys i … i+3 */
        __m256d p0 = _mm256_castps_pd(b[i]), p1 = _mm256_castps_pd(b[i + 2]);
        __m256d p2 = _mm256_castps_pd(b[i + 1]), p3 = _mm256_castps_pd(b[i + 3]);
        a[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(p0, p1));
        a[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(p0, p1));
        a[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(p2, p3));
        a[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(p2, p3));
    }
    for (int j = 0; j < 4; j++) { /* halves to their places */
        b[j] = _mm256_permute2f128_ps(a[j], a[4 + j], 0x20);
        b[4 + j] = _mm256_permute2f128_ps(a[j], a[4 + j], 0x31);
    }
    for (int d = 0; d < 8; d++)
        if (d < n_dims) v_store(to + d * KV_BLOCK, b[d]);
}

static void transpose_keys(float *keys, const float *k, const float *v, int64_t stride,
                           int head_dim)
{
    for (int key = 0; key < KV_BLOCK; key += W)
        for (int d = 0; d < head_dim; d += W) {
            int64_t at = key * stride + d;
            prefetch_rows(v + at, stride, W, head_dim - d < W ? head_dim - d : W);
            transpose_tile(keys + d * KV_BLOCK + key, k + at, stride, head_dim - d);
        }
}

void avx2_attend(const struct attend_args *args) { attend(args); }

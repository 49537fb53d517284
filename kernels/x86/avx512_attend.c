/* SPDX-License-Identifier: MIT */
#include "avx512.h"

enum { SCORE_ROWS = 6, VALUE_ROWS = 4, VALUE_VECS = 6 };

#include "attend_body.h"

/* 16 keys x 16 dimensions; dimensions outside the mask are not read. */
static ALWAYS_INLINE void transpose_tile(float *to, const float *from, int64_t stride, int n_dims)
{
    const vmask m = v_first(n_dims);
    vec a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) a[i] = v_load_some(from + i * stride, m);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) { /* pairs of keys */
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16;
         i += 4) { /* fours: a[i + j] holds dimensions 4 * lane + j of keys i … i+3 */
        __m512d p0 = _mm512_castps_pd(b[i]), p1 = _mm512_castps_pd(b[i + 2]);
        __m512d p2 = _mm512_castps_pd(b[i + 1]), p3 = _mm512_castps_pd(b[i + 3]);
        a[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(p0, p1));
        a[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p0, p1));
        a[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(p2, p3));
        a[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(p2, p3));
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) { /* quarters to their places */
        vec low02 = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88);
        vec low13 = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xdd);
        vec high02 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
        vec high13 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xdd);
        b[j] = _mm512_shuffle_f32x4(low02, high02, 0x88);
        b[4 + j] = _mm512_shuffle_f32x4(low13, high13, 0x88);
        b[8 + j] = _mm512_shuffle_f32x4(low02, high02, 0xdd);
        b[12 + j] = _mm512_shuffle_f32x4(low13, high13, 0xdd);
    }
#pragma GCC unroll 16
    for (int d = 0; d < 16; d++)
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

void avx512_attend(const struct attend_args *args) { attend(args); }

/* SPDX-License-Identifier: MIT
 * The entries of the ARM levels and their vectors, under the names that the shared bodies use. A
 * vector is two registers of four floats, half a packed strip, as with AVX2. */
#ifndef KERNELS_ARM_NEON_H
#define KERNELS_ARM_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "levels.h"

void neon_matmul(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                 const struct mat *w, const float *bias, int out_begin, int out_end, void *scratch);
void neon_kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                 const float *v, int head_dim);
void neon_matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                          const struct mat *w, const float *bias, int out_begin, int out_end,
                          void *scratch);
void dotprod_matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                             const struct mat *w, const float *bias, int out_begin, int out_end,
                             void *scratch);
void i8mm_matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                          const struct mat *w, const float *bias, int out_begin, int out_end,
                          void *scratch);
void neon_attend(const struct attend_args *args);
void neonbf16_attend(const struct attend_args *args);
void neon_attend_merge(float *out, float *states, int n_spans, int head_dim);

typedef struct {
    float32x4_t a, b;
} vec; /* of W floats */
typedef struct {
    float64x2_t a, b;
} dvec;                 /* of W / 2 doubles */
typedef unsigned vmask; /* a bit for each lane */
#define LEVEL_VECTORS   /* vec, dvec, vmask, W and the v_ and d_ functions are there */
enum { W = 8, ALL_LANES = 0xff };

/* The lowest n lanes; all of them for n >= W. */
static ALWAYS_INLINE vmask v_first(int64_t n) { return n >= W ? ALL_LANES : (1u << n) - 1; }

static ALWAYS_INLINE vec v_of(float32x4_t a, float32x4_t b) { return (vec){a, b}; }
static ALWAYS_INLINE vec v_set(float x) { return v_of(vdupq_n_f32(x), vdupq_n_f32(x)); }
static ALWAYS_INLINE vec v_load(const float *p) { return v_of(vld1q_f32(p), vld1q_f32(p + 4)); }
static ALWAYS_INLINE void v_store(float *p, vec a)
{
    vst1q_f32(p, a.a);
    vst1q_f32(p + 4, a.b);
}
/* Lanes outside the mask are 0 and their memory is not touched. */
static ALWAYS_INLINE vec v_load_some(const float *p, vmask m)
{
    if (m == ALL_LANES) return v_load(p);
    float lanes[W] = {0};
    for (int i = 0; i < W; i++)
        if (m >> i & 1) lanes[i] = p[i];
    return v_load(lanes);
}
static ALWAYS_INLINE void v_store_some(float *p, vmask m, vec a)
{
    if (m == ALL_LANES) {
        v_store(p, a);
        return;
    }
    float lanes[W];
    v_store(lanes, a);
    for (int i = 0; i < W; i++)
        if (m >> i & 1) p[i] = lanes[i];
}
static ALWAYS_INLINE vec v_add(vec a, vec b)
{
    return v_of(vaddq_f32(a.a, b.a), vaddq_f32(a.b, b.b));
}
static ALWAYS_INLINE vec v_sub(vec a, vec b)
{
    return v_of(vsubq_f32(a.a, b.a), vsubq_f32(a.b, b.b));
}
static ALWAYS_INLINE vec v_mul(vec a, vec b)
{
    return v_of(vmulq_f32(a.a, b.a), vmulq_f32(a.b, b.b));
}
static ALWAYS_INLINE vec v_div(vec a, vec b)
{
    return v_of(vdivq_f32(a.a, b.a), vdivq_f32(a.b, b.b));
}
/* b where a is NaN; the instructions of that name would give NaN, or never NaN. */
static ALWAYS_INLINE vec v_min(vec a, vec b)
{
    return v_of(vbslq_f32(vcltq_f32(a.a, b.a), a.a, b.a), vbslq_f32(vcltq_f32(a.b, b.b), a.b, b.b));
}
static ALWAYS_INLINE vec v_max(vec a, vec b)
{
    return v_of(vbslq_f32(vcgtq_f32(a.a, b.a), a.a, b.a), vbslq_f32(vcgtq_f32(a.b, b.b), a.b, b.b));
}
/* ab + c */
static ALWAYS_INLINE vec v_fma(vec a, vec b, vec c)
{
    return v_of(vfmaq_f32(c.a, a.a, b.a), vfmaq_f32(c.b, a.b, b.b));
}
static ALWAYS_INLINE vec v_abs(vec a) { return v_of(vabsq_f32(a.a), vabsq_f32(a.b)); }
/* a where the mask is set, b elsewhere */
static ALWAYS_INLINE vec v_choose(vmask m, vec a, vec b)
{
    static const uint32_t low[4] = {1, 2, 4, 8}, high[4] = {16, 32, 64, 128};
    const uint32x4_t bits = vdupq_n_u32(m);
    return v_of(vbslq_f32(vtstq_u32(bits, vld1q_u32(low)), a.a, b.a),
                vbslq_f32(vtstq_u32(bits, vld1q_u32(high)), a.b, b.b));
}
static ALWAYS_INLINE vmask v_above(vec a, vec b)
{
    static const uint32_t low[4] = {1, 2, 4, 8}, high[4] = {16, 32, 64, 128};
    return vaddvq_u32(vorrq_u32(vandq_u32(vcgtq_f32(a.a, b.a), vld1q_u32(low)),
                                vandq_u32(vcgtq_f32(a.b, b.b), vld1q_u32(high))));
}
static ALWAYS_INLINE float v_sum(vec a) { return vaddvq_f32(vaddq_f32(a.a, a.b)); }
static ALWAYS_INLINE float v_highest(vec a) { return vmaxvq_f32(vmaxq_f32(a.a, a.b)); }
static ALWAYS_INLINE float v_lowest_lane(vec a) { return vgetq_lane_f32(a.a, 0); }
static ALWAYS_INLINE vec v_round(vec a) { return v_of(vrndnq_f32(a.a), vrndnq_f32(a.b)); }

/* a * 2^n for whole n, |n| <= 252: in two steps, since 2^n alone may be outside f32 */
static ALWAYS_INLINE float32x4_t scale4(float32x4_t a, float32x4_t n)
{
    const int32x4_t bias = vdupq_n_s32(127);
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    int32x4_t rest = vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23);
    half = vshlq_n_s32(vaddq_s32(half, bias), 23);
    return vmulq_f32(vmulq_f32(a, vreinterpretq_f32_s32(half)), vreinterpretq_f32_s32(rest));
}
static ALWAYS_INLINE vec v_scale(vec a, vec n) { return v_of(scale4(a.a, n.a), scale4(a.b, n.b)); }

static ALWAYS_INLINE dvec d_set(double x) { return (dvec){vdupq_n_f64(x), vdupq_n_f64(x)}; }
static ALWAYS_INLINE dvec d_zero(void) { return d_set(0); }
static ALWAYS_INLINE dvec d_of(float32x4_t a)
{
    return (dvec){vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a)};
}
static ALWAYS_INLINE dvec d_low(vec a) { return d_of(a.a); }
static ALWAYS_INLINE dvec d_high(vec a) { return d_of(a.b); }
static ALWAYS_INLINE dvec d_add(dvec a, dvec b)
{
    return (dvec){vaddq_f64(a.a, b.a), vaddq_f64(a.b, b.b)};
}
static ALWAYS_INLINE dvec d_fma(dvec a, dvec b, dvec c)
{
    return (dvec){vfmaq_f64(c.a, a.a, b.a), vfmaq_f64(c.b, a.b, b.b)};
}
static ALWAYS_INLINE double d_sum(dvec a) { return vaddvq_f64(vaddq_f64(a.a, a.b)); }

/* W numbers of a 16-bit or 8-bit type, at any address -> f32 */
static ALWAYS_INLINE vec v_load_f16(const void *p)
{
    float16x8_t half = vreinterpretq_f16_u8(vld1q_u8(p));
    return v_of(vcvt_f32_f16(vget_low_f16(half)), vcvt_high_f32_f16(half));
}
static ALWAYS_INLINE vec v_load_bf16(const void *p)
{
    uint16x8_t half = vreinterpretq_u16_u8(vld1q_u8(p));
    return v_of(vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(half), 16)),
                vreinterpretq_f32_u32(vshll_high_n_u16(half, 16)));
}
static ALWAYS_INLINE vec v_load_i8(const void *p)
{
    int16x8_t wide = vmovl_s8(vld1_s8(p));
    return v_of(vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide)));
}
/* The reverse; f16 for |a| <= 65504, int8 for whole |a| <= 127. */
static ALWAYS_INLINE void v_store_f16(void *p, vec a)
{
    vst1q_u8(p, vreinterpretq_u8_f16(vcvt_high_f16_f32(vcvt_f16_f32(a.a), a.b)));
}
static ALWAYS_INLINE void v_store_i8(void *p, vec a)
{
    int16x4_t low = vqmovn_s32(vcvtq_s32_f32(a.a));
    vst1_s8(p, vqmovn_s16(vqmovn_high_s32(low, vcvtq_s32_f32(a.b))));
}

/* A vector of stored weights, at any address: W of them as f32; of bf16 pairs, W pairs as they are.
 */
static ALWAYS_INLINE vec load_weights(const char *w, enum weight_type type)
{
    if (type == WEIGHT_F16) return v_load_f16(w);
    if (type == WEIGHT_BF16) return v_load_bf16(w);
    return v_of(vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)w)),
                vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)w + 16)));
}

/* The first n of those weights, zeros behind; no memory beyond is touched. */
static ALWAYS_INLINE vec load_some_weights(const char *w, enum weight_type type, int n)
{
    char part[W * sizeof(float)] = {0};
    memcpy(part, w, weight_bytes(type) * (size_t)n);
    return load_weights(part, type);
}

#endif

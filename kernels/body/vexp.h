/* SPDX-License-Identifier: MIT
 * exp and erfc on vectors; included by files of one level after its header. */
#ifndef KERNELS_VEXP_H
#define KERNELS_VEXP_H

/* e^a, about 1 ulp; 0 and infinity where f32 ends, NaN for NaN. a = n ln 2 + r, |r| <= ln 2 / 2;
 * the polynomial is a least-maximum fit of (e^r - 1 - r) / r^2 with relative error 3e-9 in e^r. */
static ALWAYS_INLINE vec v_exp(vec a)
{
    a = v_min(v_set(150), v_max(v_set(-150), a));
    vec n = v_round(v_mul(a, v_set(1.44269504f)));
    vec r =
        v_fma(n, v_set(-0.693359375f), a); /* ln 2 in two parts, the first with zeros at its end */
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vec p = v_set(1.381463027e-3f);
    p = v_fma(p, r, v_set(8.368709791e-3f));
    p = v_fma(p, r, v_set(4.166838713e-2f));
    p = v_fma(p, r, v_set(0.1666652069f));
    p = v_fma(p, r, v_set(0.4999999345f));
    p = v_fma(v_mul(r, r), p, r);
    return v_scale(v_add(p, v_set(1)), n);
}

/* 2^a for a <= 0, relative error 8e-5: for what is rounded to 8 bits afterwards. 0 below -150. The
 * polynomial is a least-maximum fit on [-1/2, 1/2]. */
static ALWAYS_INLINE vec v_exp2_short(vec a)
{
    a = v_max(v_set(-200), a);
    vec n = v_round(a), r = v_sub(a, n), p = v_set(0.05517167035f);
    p = v_fma(p, r, v_set(0.2426111431f));
    p = v_fma(p, r, v_set(0.693260987f));
    p = v_fma(p, r, v_set(0.9999280723f));
    return v_scale(p, n);
}

/* erfc(t) for t >= 0, absolute error below 1e-7 and 0 from t = 5 on: exp(t q(t)), q fitted to ln
 * erfc(t) / t. */
static ALWAYS_INLINE vec v_erfc(vec t)
{
    vec q = v_set(3.318461543e-6f);
    q = v_fma(q, t, v_set(-5.735892061e-5f));
    q = v_fma(q, t, v_set(3.885007098e-4f));
    q = v_fma(q, t, v_set(-1.155736806e-3f));
    q = v_fma(q, t, v_set(-4.352454246e-4f));
    q = v_fma(q, t, v_set(1.954070121e-2f));
    q = v_fma(q, t, v_set(-0.1029113796f));
    q = v_fma(q, t, v_set(-0.636598146f));
    q = v_fma(q, t, v_set(-1.128380268f));
    return v_choose(v_above(t, v_set(5)), v_set(0), v_exp(v_mul(t, q)));
}

#endif

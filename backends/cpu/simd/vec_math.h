/* vec_math.h: exp, tanh, log and the activations on vectors, to a few units in the last place.
 *
 * exp and expm1: x = n ln 2 + r, a minimax polynomial of r, scaled by bits. NaN comes out as NaN.
 */
#ifndef AUXO_CPU_VEC_MATH_H
#define AUXO_CPU_VEC_MATH_H

#include "auxo/ops.h"
#include "vec.h"
#include "vec_tanh.h"

/* 2^n for lanes -126 <= n <= 127. */
CPU_INLINE vf vf_pow2(vi n)
{
    return (vf)((n + 127) << 23);
}

/* e^x; below about -87.3 the result is 0, above about 88.7 infinite. */
CPU_INLINE vf vf_exp(vf x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    vf clamped = vf_max(vf_set1(-104.0f), vf_min(vf_set1(104.0f), x));
    vf shifted = clamped * 1.44269504f + magic;
    vf n = shifted - magic;
    vf r = clamped - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    vi exponent = (vi)shifted - 0x4b400000;
    vi low = exponent >> 1; /* in two factors, so that results near the ends of the range come out right */
    return p * vf_pow2(low) * vf_pow2(exponent - low);
}

/* e^2x - 1 for -43 <= x <= 44, to about 2 units in the last place, near 0 too: with 2x = n ln 2 + 2h it is
 * 2^n (e^2h - 1) + (2^n - 1). */
CPU_INLINE vf vf_expm1_double(vf x)
{
    const float magic = 12583039.0f; /* 1.5 * 2^23 + 127: adding it rounds to an integer, n + 127 in the low bits */
    vf shifted = x * 2.88539008f + magic;
    vf h = x - (shifted - magic) * 0.34657359028f;
    vf p = h * 8.8848104877e-2f + 2.6772950826e-1f;
    p = p * h + 6.6667521141e-1f;
    p = p * h + 1.3333234739f;
    p = p * h + 1.9999999260f;
    p = (p * h + 2.0f) * h;
    vf power = (vf)((vi)shifted << 23);
    return p * power + (power - 1.0f);
}

#ifndef VEC_HAS_PICK
/* e / (e + 2) with e = e^2|x| - 1, and the sign of x. */
CPU_INLINE vf vf_tanh(vf x)
{
    vf e = vf_expm1_double(vf_min(vf_set1(9.1f), vf_abs(x))); /* beyond, tanh is 1 in f32 */
    return (vf)((vi)(e / (e + 2.0f)) | ((vi)x & (int32_t)0x80000000));
}
#endif

/* e^x - 1 for x <= 0. */
CPU_INLINE vf vf_expm1_negative(vf x)
{
    return vf_expm1_double(0.5f * vf_max(vf_set1(-86.0f), x));
}

/* f(x) of an activation known at compile time after inlining, or not. */
CPU_INLINE vf vf_activate(auxo_activation activation, float slope, vf x)
{
    switch (activation) {
    case AUXO_ACTIVATION_RELU:
        return vf_max(vf_set1(0), x);
    case AUXO_ACTIVATION_LEAKY_RELU:
        return vf_select(x > 0, x, x * slope);
    case AUXO_ACTIVATION_ELU:
        return vf_select(x > 0, x, vf_expm1_negative(x) * slope);
    case AUXO_ACTIVATION_SELU:
        return vf_select(x > 0, x * 1.0507009873554805f,
                         vf_expm1_negative(x) * (1.0507009873554805f * 1.6732632423543772f));
    case AUXO_ACTIVATION_SIGMOID:
        return 1.0f / (1.0f + vf_exp(-x));
    case AUXO_ACTIVATION_TANH:
        return vf_tanh(x);
    default:
        return x;
    }
}

/* f'(x) from y = f(x). */
CPU_INLINE vf vf_activate_slope(auxo_activation activation, float slope, vf y)
{
    const vf one = vf_set1(1.0f);
    switch (activation) {
    case AUXO_ACTIVATION_RELU:
        return vf_select(y > 0, one, vf_select(y <= 0, vf_set1(0), y)); /* NaN stays */
    case AUXO_ACTIVATION_LEAKY_RELU:
        return vf_select(y > 0, one, vf_select(y <= 0, vf_set1(slope), y));
    case AUXO_ACTIVATION_ELU:
        return vf_select(y > 0, one, y + slope);
    case AUXO_ACTIVATION_SELU:
        return vf_select(y > 0, vf_set1(1.0507009873554805f), y + 1.0507009873554805f * 1.6732632423543772f);
    case AUXO_ACTIVATION_SIGMOID:
        return y * (1.0f - y);
    case AUXO_ACTIVATION_TANH:
        return 1.0f - y * y;
    default:
        return one;
    }
}

#endif

/* vec_double.h: the lanes of a vector in double precision, as two vectors of half as many. */
#ifndef AUXO_CPU_VEC_DOUBLE_H
#define AUXO_CPU_VEC_DOUBLE_H

#include "vec.h"

enum { VD_LANES = VEC_LANES / 2 };

typedef double vd __attribute__((vector_size(VD_LANES * 8)));

/* The first half of the lanes. */
CPU_INLINE vd vd_low(vf v)
{
#if defined(__AVX512F__)
    return (vd)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)v));
#elif defined(__AVX2__)
    return (vd)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)v));
#else
    vd d;
    for (int i = 0; i < VD_LANES; ++i)
        d[i] = (double)v[i];
    return d;
#endif
}

/* The second half. */
CPU_INLINE vd vd_high(vf v)
{
#if defined(__AVX512F__)
    return (vd)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)v, 1));
#elif defined(__AVX2__)
    return (vd)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)v, 1));
#else
    vd d;
    for (int i = 0; i < VD_LANES; ++i)
        d[i] = (double)v[VD_LANES + i];
    return d;
#endif
}

/* Both halves, rounded to f32. */
CPU_INLINE vf vf_join(vd low, vd high)
{
#if defined(__AVX512F__)
    return (vf)_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)low)), _mm512_cvtpd_ps((__m512d)high),
                                  1);
#elif defined(__AVX2__)
    return (vf)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps((__m256d)low)),
                                    _mm256_cvtpd_ps((__m256d)high), 1);
#else
    vf v;
    for (int i = 0; i < VD_LANES; ++i) {
        v[i] = (float)low[i];
        v[VD_LANES + i] = (float)high[i];
    }
    return v;
#endif
}

#endif

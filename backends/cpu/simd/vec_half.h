/* vec_half.h: vectors of f16 and bf16 to and from vectors of f32, by the instructions of the set where it has them. */
#ifndef AUXO_CPU_VEC_HALF_H
#define AUXO_CPU_VEC_HALF_H

#include "cpu_half.h"
#include "vec.h"

typedef uint16_t vh __attribute__((vector_size(VEC_LANES * 2)));

CPU_INLINE vf vf_from_half(const auxo_dtype format, vh bits)
{
    if (format == AUXO_DTYPE_BF16)
        return (vf)(__builtin_convertvector(bits, vu) << 16);
#if defined(__AVX512F__)
    return (vf)_mm512_cvtph_ps((__m256i)bits);
#elif defined(__AVX2__)
    return (vf)_mm256_cvtph_ps((__m128i)bits);
#else
    vf v;
    for (int i = 0; i < VEC_LANES; ++i)
        v[i] = cpu_half_to_f32(bits[i]);
    return v;
#endif
}

CPU_INLINE vh vh_from_vf(const auxo_dtype format, vf v)
{
    if (format == AUXO_DTYPE_BF16) {
        const vu bits = (vu)v;
        const vu rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
        const vu quiet = bits >> 16 | 0x40u;
        const vu is_nan = (vu)((bits & 0x7fffffffu) > 0x7f800000u);
        return __builtin_convertvector((quiet & is_nan) | (rounded & ~is_nan), vh);
    }
#if defined(__AVX512F__)
    return (vh)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
    return (vh)_mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    vh bits;
    for (int i = 0; i < VEC_LANES; ++i)
        bits[i] = cpu_half_from_f32(v[i]);
    return bits;
#endif
}

/* Elements i .. of data of any float type. */
CPU_INLINE vf vf_load_as(const auxo_dtype type, const void *data, int64_t i)
{
    if (type == AUXO_DTYPE_F32)
        return vf_load((const float *)data + i);
    vh bits;
    memcpy(&bits, (const uint16_t *)data + i, sizeof bits);
    return vf_from_half(type, bits);
}

CPU_INLINE void vf_store_as(const auxo_dtype type, void *data, int64_t i, vf v)
{
    if (type == AUXO_DTYPE_F32) {
        vf_store((float *)data + i, v);
        return;
    }
    const vh bits = vh_from_vf(type, v);
    memcpy((uint16_t *)data + i, &bits, sizeof bits);
}

CPU_INLINE void vf_store_partial_as(const auxo_dtype type, void *data, int64_t i, vf v, int64_t count)
{
    if (type == AUXO_DTYPE_F32) {
        vf_store_partial((float *)data + i, v, count);
        return;
    }
    const vh bits = vh_from_vf(type, v);
    memcpy((uint16_t *)data + i, &bits, sizeof(uint16_t) * (size_t)count);
}

/* The first count of them, as vf_load_partial. */
CPU_INLINE vf vf_load_partial_as(const auxo_dtype type, const void *data, int64_t i, int64_t count)
{
    if (type == AUXO_DTYPE_F32)
        return vf_load_partial((const float *)data + i, count);
    vh bits = {0};
    memcpy(&bits, (const uint16_t *)data + i, sizeof(uint16_t) * (size_t)count);
    return vf_from_half(type, bits);
}

#endif

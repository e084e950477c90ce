/* vec.h: one vector type and its primitives for whatever instruction set this file is being compiled for.
 *
 * The files of this folder are compiled once per instruction set (see ../CMakeLists.txt) with CPU_ISA set to its
 * name; CPU_NAME(x) gives the external names of each compilation a suffix of their own. Arithmetic on vf uses the
 * vector extensions of GCC and Clang; intrinsics appear here alone, where no operator exists.
 */
#ifndef AUXO_CPU_VEC_H
#define AUXO_CPU_VEC_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE__)
#include <xmmintrin.h>
#endif

#define CPU_CONCAT_EXPANDED(a, b) a##_##b
#define CPU_CONCAT(a, b) CPU_CONCAT_EXPANDED(a, b)
#define CPU_NAME(name) CPU_CONCAT(name, CPU_ISA)

#define CPU_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
enum { VEC_LANES = 16 };
#elif defined(__AVX2__)
enum { VEC_LANES = 8 };
#else
enum { VEC_LANES = 4 };
#endif

typedef float vf __attribute__((vector_size(VEC_LANES * 4)));
typedef int32_t vi __attribute__((vector_size(VEC_LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(VEC_LANES * 4)));

CPU_INLINE vf vf_set1(float x)
{
    return x - (vf){0};
}

CPU_INLINE vf vf_load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

CPU_INLINE void vf_store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

/* The first count lanes, 0 <= count <= VEC_LANES; the others are 0, and their memory is not touched. */
CPU_INLINE vf vf_load_partial(const float *p, int64_t count)
{
#if defined(__AVX512F__)
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#elif defined(__AVX2__)
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (vf)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lanes));
#else
    vf v = {0};
    for (int64_t i = 0; i < count; ++i)
        v[i] = p[i];
    return v;
#endif
}

#if !defined(__AVX512F__)
/* The first count lanes, 0 <= count < VEC_LANES. AVX2's masked store takes AMD's Zen 1 to 3 more than a dozen cycles.
 */
CPU_INLINE void vf_store_few(float *p, vf v, int64_t count)
{
#if defined(__AVX2__)
    __m128 part = _mm256_castps256_ps128((__m256)v);
    if (count & 4) {
        _mm_storeu_ps(p, part);
        part = _mm256_extractf128_ps((__m256)v, 1);
        p += 4;
    }
    if (count & 2) {
        _mm_storel_pi((__m64 *)p, part);
        part = _mm_movehl_ps(part, part);
        p += 2;
    }
    if (count & 1)
        _mm_store_ss(p, part);
#else
    for (int64_t i = 0; i < count; ++i)
        p[i] = v[i];
#endif
}
#endif

/* The first count lanes, 0 <= count <= VEC_LANES. */
CPU_INLINE void vf_store_partial(float *p, vf v, int64_t count)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
#else
    if (count >= VEC_LANES)
        vf_store(p, v);
    else
        vf_store_few(p, v, count);
#endif
}

/* mask lane all ones: a; all zeros: b. */
CPU_INLINE vf vf_select(vi mask, vf a, vf b)
{
    return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}

/* a < b ? a : b and a > b ? a : b: where either is NaN the result is b. */
CPU_INLINE vf vf_min(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return vf_select(a < b, a, b);
#endif
}

CPU_INLINE vf vf_max(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return vf_select(a > b, a, b);
#endif
}

CPU_INLINE vf vf_abs(vf a)
{
    return (vf)((vi)a & 0x7fffffff);
}

CPU_INLINE vf vf_sqrt(vf a)
{
#if defined(__AVX512F__)
    return (vf)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
    return (vf)_mm256_sqrt_ps((__m256)a);
#else
    for (int i = 0; i < VEC_LANES; ++i)
        a[i] = __builtin_sqrtf(a[i]);
    return a;
#endif
}

#if defined(__AVX512F__)
#define VEC_HAS_PICK
/* Lane i is lane pick[i] of a followed by b. */
CPU_INLINE vf vf_pick(vf a, vf b, vi pick)
{
    return (vf)_mm512_permutex2var_ps((__m512)a, (__m512i)pick, (__m512)b);
}

/* Lane i is lane pick[i] of a. */
CPU_INLINE vf vf_pick_near(vf a, vi pick)
{
    return (vf)_mm512_permutexvar_ps((__m512i)pick, (__m512)a);
}

/* Which lanes i have pick[i] / VEC_LANES = part; these become lane pick[i] % VEC_LANES of b, the others stay a's. */
typedef __mmask16 vec_lanes;
CPU_INLINE vec_lanes vi_lanes_of_part(vi pick, int part)
{
    return _mm512_cmpeq_epi32_mask((__m512i)(pick >> 4), _mm512_set1_epi32(part));
}

CPU_INLINE vf vf_pick_lanes(vf a, vec_lanes lanes, vf b, vi pick)
{
    return (vf)_mm512_mask_permutexvar_ps((__m512)a, lanes, (__m512i)pick, (__m512)b);
}
#endif

/* Lane i is p[place[i]]. */
CPU_INLINE vf vf_gather(const float *p, vi place)
{
#if defined(__AVX512F__)
    return (vf)_mm512_i32gather_ps((__m512i)place, p, 4);
#elif defined(__AVX2__)
    return (vf)_mm256_i32gather_ps(p, (__m256i)place, 4);
#else
    vf v;
    for (int i = 0; i < VEC_LANES; ++i)
        v[i] = p[place[i]];
    return v;
#endif
}

/* Integers of float lanes that hold integers, and back. */
CPU_INLINE vi vi_from_vf(vf a)
{
    return __builtin_convertvector(a, vi);
}

CPU_INLINE vf vf_from_vi(vi a)
{
    return __builtin_convertvector(a, vf);
}

/* To p, which is a multiple of sizeof(vf), past the caches: for what is not read again soon. vec_stream_end comes after
 * the last of them. */
CPU_INLINE void vf_stream(float *p, vf v)
{
#if defined(__AVX512F__)
    _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
    _mm256_stream_ps(p, (__m256)v);
#elif defined(__SSE__)
    _mm_stream_ps(p, (__m128)v);
#else
    vf_store(p, v);
#endif
}

CPU_INLINE void vec_stream_end(void)
{
#if defined(__SSE__)
    _mm_sfence();
#endif
}

/* Doubles, half as many as floats, and floats that become such. */
typedef double vdouble __attribute__((vector_size(VEC_LANES * 4)));
CPU_INLINE vdouble vdouble_load(const float *p)
{
    typedef float half __attribute__((vector_size(VEC_LANES * 2)));
    half v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vdouble);
}

/* Sum of all lanes, in order. */
CPU_INLINE double vdouble_sum(vdouble a)
{
    double sum = 0;
    for (int i = 0; i < VEC_LANES / 2; ++i)
        sum += a[i];
    return sum;
}

/* From here on this thread takes subnormal numbers as 0, as GPUs do: processors compute with them a hundred times more
 * slowly, and gradients that vanish through many layers are made of them. Returns what vec_restore_subnormals needs. */
CPU_INLINE unsigned vec_flush_subnormals(void)
{
#if defined(__SSE__)
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040u); /* flush results, denormals are zero */
    return before;
#else
    return 0;
#endif
}

CPU_INLINE void vec_restore_subnormals(unsigned before)
{
#if defined(__SSE__)
    _mm_setcsr(before);
#else
    (void)before;
#endif
}

/* Sum of all lanes, by halves. */
CPU_INLINE float vf_sum(vf a)
{
    float lanes[VEC_LANES];
    vf_store(lanes, a);
    for (int half = VEC_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

#endif

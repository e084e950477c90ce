/* vec_transpose.h: a square of VEC_LANES x VEC_LANES floats transposed or summed by rows in registers, and pairs taken
 * apart.
 *
 * Interleaving row i with row i + n/2 into rows 2i and 2i + 1, log2 n times, transposes n x n.
 */
#ifndef AUXO_CPU_VEC_TRANSPOSE_H
#define AUXO_CPU_VEC_TRANSPOSE_H

#include "vec.h"

#if defined(__AVX512F__)
#define VEC_INTERLEAVE_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define VEC_INTERLEAVE_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define VEC_EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define VEC_ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
enum { VEC_LANES_LOG2 = 4 };
#elif defined(__AVX2__)
#define VEC_INTERLEAVE_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define VEC_INTERLEAVE_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define VEC_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define VEC_ODD 1, 3, 5, 7, 9, 11, 13, 15
enum { VEC_LANES_LOG2 = 3 };
#else
#define VEC_INTERLEAVE_LOW 0, 4, 1, 5
#define VEC_INTERLEAVE_HIGH 2, 6, 3, 7
#define VEC_EVEN 0, 2, 4, 6
#define VEC_ODD 1, 3, 5, 7
enum { VEC_LANES_LOG2 = 2 };
#endif

CPU_INLINE void vf_transpose(vf rows[VEC_LANES])
{
#pragma GCC unroll 4
    for (int stage = 0; stage < VEC_LANES_LOG2; ++stage) {
        vf mixed[VEC_LANES];
#pragma GCC unroll 8
        for (int i = 0; i < VEC_LANES / 2; ++i) {
            mixed[2 * i] = __builtin_shufflevector(rows[i], rows[i + VEC_LANES / 2], VEC_INTERLEAVE_LOW);
            mixed[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + VEC_LANES / 2], VEC_INTERLEAVE_HIGH);
        }
#pragma GCC unroll 16
        for (int i = 0; i < VEC_LANES; ++i)
            rows[i] = mixed[i];
    }
}

/* Lane i is the sum of the lanes of rows[i]; rows are overwritten. */
CPU_INLINE vf vf_sum_rows(vf rows[VEC_LANES])
{
#pragma GCC unroll 4
    for (int half = VEC_LANES / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; ++i)
            rows[i] = __builtin_shufflevector(rows[i], rows[i + half], VEC_INTERLEAVE_LOW) +
                      __builtin_shufflevector(rows[i], rows[i + half], VEC_INTERLEAVE_HIGH);
    return rows[0];
}

/* The elements at even and at odd places of p[0 .. count - 1], 0 <= count <= 2 VEC_LANES; the lanes beyond are 0. */
CPU_INLINE void vf_load_pairs(const float *p, int64_t count, vf *even, vf *odd)
{
    const int64_t first_count = count < VEC_LANES ? count : VEC_LANES;
    vf first = vf_load_partial(p, first_count);
    vf second = vf_load_partial(p + first_count, count - first_count);
    *even = __builtin_shufflevector(first, second, VEC_EVEN);
    *odd = __builtin_shufflevector(first, second, VEC_ODD);
}

/* The reverse: even and odd in turn to p[0 .. count - 1], 0 <= count <= 2 VEC_LANES. */
CPU_INLINE void vf_store_pairs(float *p, int64_t count, vf even, vf odd)
{
    const int64_t first_count = count < VEC_LANES ? count : VEC_LANES;
    vf_store_partial(p, __builtin_shufflevector(even, odd, VEC_INTERLEAVE_LOW), first_count);
    vf_store_partial(p + first_count, __builtin_shufflevector(even, odd, VEC_INTERLEAVE_HIGH), count - first_count);
}

#endif

/* vec_transpose.h: a square of VEC_LANES x VEC_LANES floats transposed in registers.
 *
 * Interleaving row i with row i + n/2 into rows 2i and 2i + 1, log2 n times, transposes n x n.
 */
#ifndef AUXO_CPU_VEC_TRANSPOSE_H
#define AUXO_CPU_VEC_TRANSPOSE_H

#include "vec.h"

#if defined(__AVX512F__)
#define VEC_INTERLEAVE_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define VEC_INTERLEAVE_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
enum { VEC_LANES_LOG2 = 4 };
#elif defined(__AVX2__)
#define VEC_INTERLEAVE_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define VEC_INTERLEAVE_HIGH 4, 12, 5, 13, 6, 14, 7, 15
enum { VEC_LANES_LOG2 = 3 };
#else
#define VEC_INTERLEAVE_LOW 0, 4, 1, 5
#define VEC_INTERLEAVE_HIGH 2, 6, 3, 7
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

#endif

/* philox.h: Philox4x32-10 (Salmon et al. 2011) on vectors: VEC_LANES consecutive quads of words at once.
 *
 * The same words as Random123's philox4x32, which the reference backend uses; see auxo/ops.h for key and counter.
 */
#ifndef AUXO_CPU_PHILOX_H
#define AUXO_CPU_PHILOX_H

#include "vec.h"

typedef struct philox_stream {
    uint64_t seed;
    uint32_t stream, step;
} philox_stream;

/* words[k][lane]: word k of quad first + lane. */
CPU_INLINE void philox_quads(philox_stream stream, uint64_t first, uint32_t words[4][VEC_LANES])
{
    uint32_t c0[VEC_LANES], c1[VEC_LANES], c2[VEC_LANES], c3[VEC_LANES];
    for (int lane = 0; lane < VEC_LANES; ++lane) {
        c0[lane] = (uint32_t)(first + (uint64_t)lane);
        c1[lane] = (uint32_t)((first + (uint64_t)lane) >> 32);
        c2[lane] = stream.stream;
        c3[lane] = stream.step;
    }
    uint32_t k0 = (uint32_t)stream.seed;
    uint32_t k1 = (uint32_t)(stream.seed >> 32);
    for (int round = 0; round < 10; ++round) {
#pragma omp simd
        for (int lane = 0; lane < VEC_LANES; ++lane) {
            uint64_t left = (uint64_t)c0[lane] * 0xD2511F53u;
            uint64_t right = (uint64_t)c2[lane] * 0xCD9E8D57u;
            c0[lane] = (uint32_t)(right >> 32) ^ c1[lane] ^ k0;
            c2[lane] = (uint32_t)(left >> 32) ^ c3[lane] ^ k1;
            c1[lane] = (uint32_t)right;
            c3[lane] = (uint32_t)left;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(words[0], c0, sizeof c0);
    memcpy(words[1], c1, sizeof c1);
    memcpy(words[2], c2, sizeof c2);
    memcpy(words[3], c3, sizeof c3);
}

enum { PHILOX_CHUNK = 4 * VEC_LANES };

/* The words of elements first .. first + PHILOX_CHUNK - 1, in order; first is a multiple of 4. */
CPU_INLINE void philox_chunk(philox_stream stream, int64_t first, uint32_t words[PHILOX_CHUNK])
{
    uint32_t quads[4][VEC_LANES];
    philox_quads(stream, (uint64_t)first / 4, quads);
    for (int lane = 0; lane < VEC_LANES; ++lane)
        for (int k = 0; k < 4; ++k)
            words[4 * lane + k] = quads[k][lane];
}

#endif

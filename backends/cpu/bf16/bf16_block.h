/* bf16_block.h: the innermost product of all dense bf16 arithmetic: a block of 32 x 32 sums in f32.
 *
 *   c (32, 32) = or += A (32, 32 steps) B (32 steps, 32)
 *
 * The files of this folder are compiled once for processors with matrix tiles (AMX) and once for those with the dot
 * product of pairs (AVX512-BF16). Both multiply pairs of neighbours along the depth, and both read the same layouts:
 *
 *   A, packed:    [step][tile of 16 rows][row][element of the depth, 32]
 *   B, in pairs:  row p of a step holds the pairs (2p, 2p + 1) of the depth of neighbouring columns
 *
 * Rows of B lie b_stride pairs apart, so that they can be rows of a packed panel or planes of an image.
 */
#ifndef AUXO_CPU_BF16_BLOCK_H
#define AUXO_CPU_BF16_BLOCK_H

#include "cpu_kernels.h"
#include "vec_half.h"

enum {
    BF16_TILE = 16,                        /* rows and columns of a tile */
    BF16_BLOCK = 2 * BF16_TILE,            /* of a block */
    BF16_STEP = 32,                        /* elements of the depth that one instruction takes */
    BF16_PAIRS = BF16_STEP / 2,            /* as pairs */
    BF16_A_STEP = BF16_BLOCK * BF16_STEP,  /* elements of one step of packed A */
    BF16_B_STEP = BF16_PAIRS * BF16_BLOCK, /* pairs of one step of a panel of B */
    BF16_SUMS = BF16_BLOCK * BF16_BLOCK,
    BF16_DEPTH_STEPS = 8 /* so many steps of A stay in the nearest cache while B passes by */
};

typedef struct bf16_product {
    int64_t steps;
    const uint16_t *a;
    const uint32_t *b;
    const int32_t *b_offsets;    /* where each step's rows begin; NULL: each follows the one before */
    int64_t b_stride;            /* in pairs */
    int row_tiles, column_tiles; /* 1 or 2 of each; the others' sums are not touched */
    bool first;                  /* put, not added */
    float *c;
} bf16_product;

#define bf16_begin CPU_NAME(cpu_bf16_begin)
#define bf16_end CPU_NAME(cpu_bf16_end)
#define bf16_block_run CPU_NAME(cpu_bf16_block_run)
/* Around the products of one part of a loop, by the thread that runs it. */
void bf16_begin(void);
void bf16_end(void);
void bf16_block_run(const bf16_product *product);

/* The depth in parts of about equal length, at most BF16_DEPTH_STEPS; 0 steps are one empty part. */
CPU_INLINE int64_t bf16_depth_part(int64_t steps)
{
    const int64_t parts = cpu_max(cpu_ceil_div(steps, BF16_DEPTH_STEPS), 1);
    return cpu_max(cpu_ceil_div(steps, parts), 1);
}

/* 16 pairs of the elements of two rows; the first `count` of each are read. */
CPU_INLINE __m512i bf16_interleave(const uint16_t *first, const uint16_t *second, __mmask16 columns)
{
    const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(columns, first));
    if (!second)
        return low;
    const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(columns, second));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* The first 0 <= count <= 16 lanes. */
CPU_INLINE __mmask16 bf16_lanes(int64_t count)
{
    return (__mmask16)(count >= BF16_TILE ? 0xffffu : (1u << (count > 0 ? count : 0)) - 1);
}

/* To nearest, ties to even; subnormal numbers become 0, as they do in the products. */
CPU_INLINE vh bf16_round(vf value)
{
    return (vh)_mm512_cvtneps_pbh((__m512)value);
}

CPU_INLINE void bf16_store(uint16_t *to, vf value, __mmask16 lanes)
{
    _mm256_mask_storeu_epi16(to, lanes, (__m256i)bf16_round(value));
}

#endif

/* gemm_tile.h: the innermost product of all dense linear algebra here, and what happens to its result.
 *
 *   tile (rows, vectors * VEC_LANES) = A (rows, depth) B (depth, vectors * VEC_LANES)
 *
 * A is read element by element and broadcast, so any strides do; B's rows are contiguous. The tile stays in registers.
 */
#ifndef AUXO_CPU_GEMM_TILE_H
#define AUXO_CPU_GEMM_TILE_H

#include "auxo/ops.h"
#include "vec.h"

/* Widest tile in vectors, and the most rows that fit the registers beside so many vectors. */
#if defined(__AVX512F__) || defined(__aarch64__)
enum { TILE_VECTORS = 4, TILE_ROWS_1 = 12, TILE_ROWS_2 = 12, TILE_ROWS_3 = 8, TILE_ROWS_4 = 6 };
#else
enum { TILE_VECTORS = 2, TILE_ROWS_1 = 10, TILE_ROWS_2 = 6, TILE_ROWS_3 = 1, TILE_ROWS_4 = 1 };
#endif
enum { TILE_COLUMNS = TILE_VECTORS * VEC_LANES, TILE_ROWS_MAX = 12, TILE_FROM_VECTORS = 2 };

typedef struct gemm_operand_a {
    const float *data;
    int64_t row_stride, depth_stride; /* in elements */
} gemm_operand_a;

/* C = act(alpha AB + beta C + bias), applied in parts when the depth is. */
typedef struct gemm_epilogue {
    float alpha, beta;
    const float *bias; /* NULL: none */
    bool bias_per_row;
    auxo_activation activation;
    float slope;
} gemm_epilogue;

typedef struct gemm_target {
    float *c;
    int64_t row_stride;
    int64_t row, column; /* of the tile within C, for bias */
    int64_t columns;     /* valid ones, <= vectors * VEC_LANES */
    bool first, last;    /* part of the depth */
    const gemm_epilogue *epilogue;
} gemm_target;

/* The most rows of a tile of 1 <= vectors <= TILE_VECTORS. */
CPU_INLINE int64_t gemm_tile_rows(int64_t vectors)
{
    static const int64_t rows[4] = {TILE_ROWS_1, TILE_ROWS_2, TILE_ROWS_3, TILE_ROWS_4};
    return rows[vectors - 1];
}

#define gemm_tile_run CPU_NAME(cpu_gemm_tile_run)
#define gemm_tile_run_at CPU_NAME(cpu_gemm_tile_run_at)
/* One tile. B has b_row_stride elements from row to row, at least vectors * VEC_LANES of which can be read. */
void gemm_tile_run(int64_t rows, int64_t vectors, int64_t depth, gemm_operand_a a, const float *b, int64_t b_row_stride,
                   const gemm_target *target);
/* The same with row l of B at b + b_offsets[l]. */
void gemm_tile_run_at(int64_t rows, int64_t vectors, int64_t depth, gemm_operand_a a, const float *b,
                      const int32_t *b_offsets, const gemm_target *target);
#define gemm_tile_run_from CPU_NAME(cpu_gemm_tile_run_from)
/* The same with row l of B at b + l * vectors * VEC_LANES and A (i, l) at a[i * a_row_stride + a_offsets[l]], for at
 * most TILE_FROM_VECTORS vectors. */
void gemm_tile_run_from(int64_t rows, int64_t vectors, int64_t depth, const float *a, int64_t a_row_stride,
                        const int32_t *a_offsets, const float *b, const gemm_target *target);

#endif

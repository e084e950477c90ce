/* gemm_shape.h: a matrix product cut into parts, and how one dispatch does its part: shader, constants, and what a
 * workgroup covers.
 */
#ifndef VK_GEMM_SHAPE_H
#define VK_GEMM_SHAPE_H

#include "vk_ops.h"

typedef struct gemm_matrix {
    vk_span span;
    auxo_dtype dtype;
    uint64_t batch_stride, row_stride; /* elements */
} gemm_matrix;

typedef enum gemm_way { GEMM_DIRECT, GEMM_TILED, GEMM_SPLIT, GEMM_COOPERATIVE } gemm_way;

typedef struct gemm_task {
    vk_program *program;
    const auxo_op *op;
    gemm_way way;
    bool partial; /* plain sums: alpha, beta, bias and activation come later */
    const int32_t *parameters;
    gemm_matrix a, b, c;
    uint64_t batches, m, n, k;
} gemm_task;

typedef struct gemm_part {
    uint64_t first_batch, batches, first_row, rows;
} gemm_part;

/* How one dispatch does its part: shader, constants 1.. of gemm.comp, and what a workgroup covers. */
typedef struct gemm_shape {
    vk_shader shader;
    uint32_t constants[18], constant_count;
    uint32_t group_size;
    uint64_t tile_m, tile_n;
} gemm_shape;

/* spans: A, B and C of the part. */
gemm_shape vk_gemm_shape_of(const gemm_task *task, const gemm_part *part, const vk_span spans[3]);

#endif

/* backends/common/views.h: products and convolutions as kernels see them: extents and strides, read off an op once. */
#ifndef COMMON_VIEWS_H
#define COMMON_VIEWS_H

#include "auxo/ops.h"

/* C (batches, m, n) = op(A) (batches, m, k) op(B) (batches, k, n). Strides in elements: X_row steps op(X)'s first
 * index, X_column its second; a batch stride of 0 broadcasts. */
typedef struct common_gemm_view {
    int64_t batches, m, n, k;
    int64_t a_batch, a_row, a_column;
    int64_t b_batch, b_row, b_column;
    int64_t c_batch, c_row;
} common_gemm_view;

common_gemm_view common_gemm_view_of(const auxo_op *op);

/* X (n, c, h, w), W (k, c / groups, r, s), Y (n, k, p, q); of the gradients, Y is DY and X or W the gradient. */
typedef struct common_conv2d_view {
    int64_t n, c, h, w, k, r, s, p, q;
    const auxo_conv2d_params *params;
} common_conv2d_view;

/* Of any of the three ops, by its kind. */
common_conv2d_view common_conv2d_view_of(const auxo_op *op);

/* Whether a stride, a padding or a dilation is so much larger than the images that what spreads them out with their
 * border, or works phase by phase of the stride, would do nearly all of its work on zeros, growing with the stride
 * squared. */
bool common_conv2d_is_scattered(const common_conv2d_view *view);

/* One direction of a convolution with a 3x3 window and step 1: windows in the source, tiles in the target. The gradient
 * by the input is the convolution of DY, padded by 2 - pad, with the weights turned round and their channel axes
 * swapped. */
typedef struct common_direction {
    const auxo_tensor *source, *weights, *target, *bias; /* bias: rank 0 where there is none */
    bool backward;
    int64_t images, source_channels, source_h, source_w, target_channels, target_h, target_w;
    int32_t pad_h, pad_w; /* of the source; may be negative */
    auxo_activation activation;
    float slope;
} common_direction;

/* Of conv2d_forward and conv2d_backward_data. */
common_direction common_direction_of(const auxo_op *op);

/* Whether Winograd's F(4x4, 3x3) or F(2x2, 3x3) (Lavin and Gray 2016) computes the convolution: 3x3, step 1, no groups,
 * and enough source channels that the error of the sum over them, which every kernel has, is the greater part. */
bool common_winograd_suits(const auxo_op *op, const common_direction *direction);

/* The tiles of all images, and how many of them a slice takes, in whole quads. */
typedef struct common_winograd_cut {
    int64_t tile, points; /* outputs and places of a transformed patch */
    int64_t tiles_h, tiles_w, tiles, slice;
} common_winograd_cut;

/* Slices of about the same size whose transformed source and sums take `bytes_max` at most. `tile` is 2 or 4. */
common_winograd_cut common_winograd_cut_of(const common_direction *direction, int32_t tile, uint64_t bytes_max);

/* A sum of `terms` in `count` parts of `length`, a multiple of `step`; the last may be shorter. */
typedef struct common_split {
    uint64_t length, count; /* count is at least 1 */
} common_split;

/* About `wanted` parts, `most` at most. */
common_split common_split_of(uint64_t terms, uint64_t wanted, uint64_t most, uint64_t step);

#endif

/* backends/opencl/conv2d.h: the shape of a convolution, read once for all ops and variants. */
#ifndef OCL_CONV2D_H
#define OCL_CONV2D_H

#include "task.h"

/* X (n, c, h, w), W (k, c / groups, r, s), Y (n, k, p, q). */
typedef struct ocl_conv2d_shape {
    int64_t n, c, h, w, k, r, s, p, q;
    const auxo_conv2d_params *params;
} ocl_conv2d_shape;

ocl_conv2d_shape ocl_conv2d_shape_of(const auxo_conv2d_params *params, const auxo_tensor *x, const auxo_tensor *w,
                                     const auxo_tensor *y);
/* Whether a stride, a padding or a dilation is so much larger than the images that kernels which spread them out, or
 * work phase by phase of the stride, would do nearly all of their work on zeros. */
bool ocl_conv2d_is_scattered(const ocl_conv2d_shape *shape);
/* Binds CONV2D_SHAPE of shaders/opencl/conv2d.clh. */
void ocl_arg_conv2d_shape(ocl_builder *builder, const ocl_conv2d_shape *shape);

/* conv2d_tiled_weights.c: what the variants "tiled" share: taps (offset in an image, row, column, 0) of one group, for
 * (channel, r, s) in order, with room for what is read past them; and whether the shape's offsets fit 32 bits. */
cl_int4 *ocl_conv2d_taps_create(int64_t count);
void ocl_conv2d_forward_taps(const ocl_conv2d_shape *shape, cl_int4 *taps);
cl_mem ocl_conv2d_taps_build(ocl_builder *builder, const cl_int4 *taps, int64_t count);
bool ocl_conv2d_tiled_fits(const ocl_conv2d_shape *shape);

#endif

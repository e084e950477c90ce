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
/* Binds CONV2D_SHAPE of shaders/opencl/conv2d.clh. */
void ocl_arg_conv2d_shape(ocl_builder *builder, const ocl_conv2d_shape *shape);

#endif

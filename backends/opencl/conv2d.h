/* backends/opencl/conv2d.h: what the variants of convolutions share. */
#ifndef OCL_CONV2D_H
#define OCL_CONV2D_H

#include "task.h"
#include "views.h"

/* Binds CONV2D_SHAPE of shaders/opencl/conv2d.clh. */
void ocl_arg_conv2d_shape(ocl_builder *builder, const common_conv2d_view *shape);

/* conv2d_tiled_weights.c: what the variants "tiled" share: taps (offset in an image, row, column, 0) of one group, for
 * (channel, r, s) in order, with room for what is read past them; and whether the shape's offsets fit 32 bits. */
cl_int4 *ocl_conv2d_taps_create(int64_t count);
void ocl_conv2d_forward_taps(const common_conv2d_view *shape, cl_int4 *taps);
cl_mem ocl_conv2d_taps_build(ocl_builder *builder, const cl_int4 *taps, int64_t count);
bool ocl_conv2d_tiled_fits(const common_conv2d_view *shape);

#endif

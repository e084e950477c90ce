/* backends/opencl/gemm.h: one matrix product as its kernels see it: extents and strides, read once for all variants. */
#ifndef OCL_GEMM_H
#define OCL_GEMM_H

#include "task.h"
#include "views.h"

/* A product of matrices that lie in tensors: those of a gemm op, or of another op that is one in disguise. */
typedef struct ocl_gemm_call {
    const auxo_tensor *tensors[AUXO_GEMM_BIAS + 1];
    auxo_gemm_params params;
    common_gemm_view shape;
    bool whole_sums; /* never cut along k, so that an element does not depend on how many others there are */
} ocl_gemm_call;

ocl_gemm_call ocl_gemm_call_of(const auxo_op *op);

/* gemm.c: the launch of the variant "packed", for CPU drivers (ocl_device.vector_cpu); parameters NULL: its initial
 * ones. */
void ocl_build_gemm_packed(ocl_builder *builder, const ocl_gemm_call *call, const int32_t *parameters);

/* gemm_tiled.c: whether the variant "tiled" can take the call, and its launches. */
bool ocl_gemm_tiled_fits(const ocl_device *device, const ocl_gemm_call *call);
void ocl_build_gemm_tiled(ocl_builder *builder, const ocl_gemm_call *call, const int32_t *parameters, bool tail_apart);

/* Binds what the kernels of our own take first, in the order of shaders/opencl/gemm.cl. */
void ocl_arg_gemm(ocl_builder *builder, const ocl_gemm_call *call);
/* The last of these: what becomes of a sum (alpha, beta, bias, activation). */
void ocl_arg_gemm_finish(ocl_builder *builder, const ocl_gemm_call *call);

#endif

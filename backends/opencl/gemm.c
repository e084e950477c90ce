/* backends/opencl/gemm.c: matrix products; the variants and their order of preference. */
#include "gemm.h"
#include "kernels.h"

ocl_gemm_shape ocl_gemm_shape_of(const auxo_op *op)
{
    const auxo_tensor *a = &op->tensors[AUXO_GEMM_A];
    const auxo_tensor *b = &op->tensors[AUXO_GEMM_B];
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    const bool trans_a = op->params.gemm.trans_a;
    const bool trans_b = op->params.gemm.trans_b;
    ocl_gemm_shape s = {.batches = c->rank == 3 ? c->dims[0] : 1};
    s.m = c->dims[c->rank - 2];
    s.n = c->dims[c->rank - 1];
    s.k = a->dims[trans_a ? a->rank - 2 : a->rank - 1];
    s.a_batch = a->rank == 3 ? a->strides[0] : 0;
    s.a_row = a->strides[trans_a ? a->rank - 1 : a->rank - 2];
    s.a_column = a->strides[trans_a ? a->rank - 2 : a->rank - 1];
    s.b_batch = b->rank == 3 ? b->strides[0] : 0;
    s.b_row = b->strides[trans_b ? b->rank - 1 : b->rank - 2];
    s.b_column = b->strides[trans_b ? b->rank - 2 : b->rank - 1];
    s.c_batch = c->rank == 3 ? c->strides[0] : 0;
    s.c_row = c->strides[c->rank - 2];
    return s;
}

static auxo_status prepare_direct(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                  auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const auxo_gemm_params *params = &op->params.gemm;
    const ocl_gemm_shape s = ocl_gemm_shape_of(op);
    (void)parameters;
    ocl_build_kernel(&b, "gemm", "gemm_direct", "-DINPUT_DTYPE=%d -DOUTPUT_DTYPE=%d",
                     (int)op->tensors[AUXO_GEMM_A].dtype, (int)op->tensors[AUXO_GEMM_C].dtype);
    for (int slot = AUXO_GEMM_A; slot <= AUXO_GEMM_BIAS; ++slot)
        ocl_arg_tensor(&b, &op->tensors[slot]);
    const int64_t extents[] = {s.m,        s.n,       s.k,     s.batches,  s.a_batch, s.a_row,
                               s.a_column, s.b_batch, s.b_row, s.b_column, s.c_batch, s.c_row};
    for (size_t i = 0; i < sizeof extents / sizeof extents[0]; ++i)
        ocl_arg_long(&b, extents[i]);
    ocl_arg_float(&b, params->alpha);
    ocl_arg_float(&b, params->beta);
    ocl_arg_int(&b, params->bias_per_row);
    ocl_arg_int(&b, params->activation);
    ocl_arg_float(&b, params->slope);
    ocl_build_items(&b, (uint64_t)(s.batches * s.m) * (uint64_t)s.n);
    return ocl_build_end(&b, state);
}

const auxo_kernel ocl_gemm_kernels[OCL_GEMM_KERNEL_COUNT] = {
    {.variant = "direct", .prepare = prepare_direct, .release = ocl_task_release, .enqueue = ocl_task_enqueue},
};

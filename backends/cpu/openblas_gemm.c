/* openblas_gemm.c: the gemm op by OpenBLAS, where it was found when configuring.
 *
 * OpenBLAS runs its own threads and keeps the setting that the application gave it. sgemm knows neither bias nor
 * activation nor half precision, so this variant is offered for plain products alone.
 */
#include "cpu_kernels.h"

#include <cblas.h>
#include <limits.h>

static bool fits_int(const auxo_tensor *tensor)
{
    for (uint32_t axis = 0; axis < tensor->rank; ++axis)
        if (tensor->dims[axis] > INT_MAX || tensor->strides[axis] > INT_MAX)
            return false;
    return true;
}

bool cpu_gemm_supports_openblas(void *device, const auxo_op *op)
{
    (void)device;
    for (size_t slot = AUXO_GEMM_A; slot <= AUXO_GEMM_C; ++slot)
        if (op->tensors[slot].dtype != AUXO_DTYPE_F32 || !fits_int(&op->tensors[slot]))
            return false;
    return op->params.gemm.activation == AUXO_ACTIVATION_IDENTITY &&
           !auxo_tensor_handle(&op->tensors[AUXO_GEMM_BIAS]) && op->tensors[AUXO_GEMM_BIAS].rank == 0;
}

static const float *batch_data(const auxo_tensor *tensor, int64_t batch)
{
    return (const float *)cpu_data(tensor) + (tensor->rank == 3 ? batch * tensor->strides[0] : 0);
}

/* BLAS wants a leading dimension of at least one row, even where there are no rows. */
static int leading(const auxo_tensor *tensor)
{
    return (int)cpu_max(tensor->strides[tensor->rank - 2], cpu_max(tensor->dims[tensor->rank - 1], 1));
}

auxo_status cpu_gemm_enqueue_openblas(void *queue, const auxo_op *op, void *state, auxo_error *error)
{
    (void)queue;
    (void)state;
    (void)error;
    const auxo_gemm_params *params = &op->params.gemm;
    const auxo_tensor *a = &op->tensors[AUXO_GEMM_A];
    const auxo_tensor *b = &op->tensors[AUXO_GEMM_B];
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    int m = (int)c->dims[c->rank - 2];
    int n = (int)c->dims[c->rank - 1];
    int k = params->alpha != 0 ? (int)a->dims[params->trans_a ? a->rank - 2 : a->rank - 1] : 0;
    int64_t batches = c->rank == 3 ? c->dims[0] : 1;
    for (int64_t batch = 0; batch < batches && m > 0 && n > 0; ++batch)
        cblas_sgemm(CblasRowMajor, params->trans_a ? CblasTrans : CblasNoTrans,
                    params->trans_b ? CblasTrans : CblasNoTrans, m, n, k, params->alpha, batch_data(a, batch),
                    leading(a), batch_data(b, batch), leading(b), params->beta, (float *)batch_data(c, batch),
                    leading(c));
    return AUXO_OK;
}

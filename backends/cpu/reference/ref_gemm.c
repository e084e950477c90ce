/* ref_gemm.c: C = act(alpha op(A) op(B) + beta C + bias), one dot product per element. */
#include "ref.h"

/* Element (batch, i, j) of a matrix of rank 2 or 3. */
static int64_t element_index(const auxo_tensor *tensor, int64_t batch, int64_t i, int64_t j)
{
    uint32_t row_axis = tensor->rank - 2;
    int64_t index = i * tensor->strides[row_axis] + j * tensor->strides[row_axis + 1];
    return tensor->rank == 3 ? index + batch * tensor->strides[0] : index;
}

auxo_status ref_gemm(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_gemm_params *params = &op->params.gemm;
    const auxo_tensor *a = &op->tensors[AUXO_GEMM_A];
    const auxo_tensor *b = &op->tensors[AUXO_GEMM_B];
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    const float *bias = cpu_f32(op, AUXO_GEMM_BIAS);
    int64_t batches = c->rank == 3 ? c->dims[0] : 1;
    int64_t m = c->dims[c->rank - 2];
    int64_t n = c->dims[c->rank - 1];
    int64_t k = a->dims[params->trans_a ? a->rank - 2 : a->rank - 1];
    for (int64_t batch = 0; batch < batches; ++batch)
        for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j) {
                double sum = 0;
                for (int64_t l = 0; l < k && params->alpha != 0; ++l)
                    sum +=
                        ref_load(a, params->trans_a ? element_index(a, batch, l, i) : element_index(a, batch, i, l)) *
                        ref_load(b, params->trans_b ? element_index(b, batch, j, l) : element_index(b, batch, l, j));
                int64_t index = element_index(c, batch, i, j);
                double value = params->alpha * sum;
                if (params->beta != 0)
                    value += params->beta * ref_load(c, index);
                if (bias)
                    value += bias[params->bias_per_row ? i : j];
                ref_store(c, index, ref_activate(params->activation, params->slope, value));
            }
    return AUXO_OK;
}

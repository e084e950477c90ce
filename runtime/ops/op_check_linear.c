/* runtime/ops/op_check_linear.c: rules of gemm and of the elementwise operations with an activation.
 *
 * gemm is the one op whose slots may be strided matrices, so its shapes, leading dimensions and batch strides are
 * checked here rather than by a pattern.
 */
#include "op_internal.h"

/* Rows and columns of a gemm operand as the formula sees it. */
typedef struct matrix_view {
    int64_t rows, columns, batch;
} matrix_view;

static auxo_status check_matrix(const auxo_op *op, uint32_t slot, bool transposed, matrix_view *view, auxo_error *error)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    const char *name = auxo__op_slot_name(op, slot);
    if (tensor->rank != 2 && tensor->rank != 3)
        return auxo__op_fail(op, error, "%s has rank %u, but needs rank 2, or 3 with a batch", name,
                             (unsigned)tensor->rank);
    uint32_t row_axis = tensor->rank - 2, column_axis = tensor->rank - 1;
    int64_t stored_rows = tensor->dims[row_axis], stored_columns = tensor->dims[column_axis];
    int64_t row_stride = tensor->strides[row_axis];
    *view = (matrix_view){transposed ? stored_columns : stored_rows, transposed ? stored_rows : stored_columns,
                          tensor->rank == 3 ? tensor->dims[0] : 1};
    if (auxo_tensor_element_count(tensor) == 0)
        return AUXO_OK;
    if (stored_columns > 1 && tensor->strides[column_axis] != 1)
        return auxo__op_fail(op, error, "%s has innermost stride %lld, but it must be 1", name,
                             (long long)tensor->strides[column_axis]);
    if (stored_rows > 1 && row_stride < stored_columns)
        return auxo__op_fail(op, error, "%s has row stride %lld, but its rows have %lld elements", name,
                             (long long)row_stride, (long long)stored_columns);
    return AUXO_OK;
}

/* C must not overlap itself: successive matrices of a batch lie one after the other. */
static auxo_status check_batch_stride(const auxo_op *op, auxo_error *error)
{
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    if (c->rank != 3 || c->dims[0] <= 1 || auxo_tensor_element_count(c) == 0)
        return AUXO_OK;
    int64_t matrix_elements = (c->dims[1] - 1) * c->strides[1] + c->dims[2];
    if (c->strides[0] >= matrix_elements)
        return AUXO_OK;
    return auxo__op_fail(op, error, "C has batch stride %lld, but one of its matrices spans %lld elements",
                         (long long)c->strides[0], (long long)matrix_elements);
}

static auxo_status check_gemm_dtypes(const auxo_op *op, auxo_error *error)
{
    const auxo_dtype a = op->tensors[AUXO_GEMM_A].dtype, c = op->tensors[AUXO_GEMM_C].dtype;
    if (c != AUXO_DTYPE_F32 && c != a)
        return auxo__op_fail(op, error, "C is %s, but A and B are %s", auxo_dtype_text(c), auxo_dtype_text(a));
    return AUXO_OK;
}

auxo_status auxo__op_check_gemm(const auxo_op *op, auxo_error *error)
{
    const auxo_gemm_params *params = &op->params.gemm;
    const auxo_tensor *bias = &op->tensors[AUXO_GEMM_BIAS];
    matrix_view a = {0}, b = {0}, c = {0};
    auxo_status status = check_matrix(op, AUXO_GEMM_A, params->trans_a, &a, error);
    if (status == AUXO_OK)
        status = check_matrix(op, AUXO_GEMM_B, params->trans_b, &b, error);
    if (status == AUXO_OK)
        status = check_matrix(op, AUXO_GEMM_C, false, &c, error);
    if (status == AUXO_OK)
        status = check_gemm_dtypes(op, error);
    if (status == AUXO_OK)
        status = check_batch_stride(op, error);
    if (status == AUXO_OK)
        status = auxo__op_expect_activation(op, params->activation, params->slope, error);
    if (status != AUXO_OK)
        return status;
    if (b.rows != a.columns)
        return auxo__op_fail(op, error, "op(B) has %lld rows, but op(A) has %lld columns", (long long)b.rows,
                             (long long)a.columns);
    if (c.rows != a.rows)
        return auxo__op_fail(op, error, "C has %lld rows, but op(A) has %lld", (long long)c.rows, (long long)a.rows);
    if (c.columns != b.columns)
        return auxo__op_fail(op, error, "C has %lld columns, but op(B) has %lld", (long long)c.columns,
                             (long long)b.columns);
    for (uint32_t slot = AUXO_GEMM_A; slot <= AUXO_GEMM_B; slot++) {
        const auxo_tensor *operand = &op->tensors[slot];
        if (operand->rank != op->tensors[AUXO_GEMM_C].rank)
            return auxo__op_fail(op, error, "%s has rank %u, but C has rank %u", auxo__op_slot_name(op, slot),
                                 (unsigned)operand->rank, (unsigned)op->tensors[AUXO_GEMM_C].rank);
        if (operand->rank == 3 && operand->dims[0] != c.batch)
            return auxo__op_fail(op, error, "%s has a batch of %lld, but C has %lld", auxo__op_slot_name(op, slot),
                                 (long long)operand->dims[0], (long long)c.batch);
    }
    if (!auxo_tensor_is_present(bias))
        return AUXO_OK;
    if (bias->rank != 1)
        return auxo__op_fail(op, error, "BIAS has rank %u, but needs rank 1", (unsigned)bias->rank);
    return auxo__op_expect_dim(op, AUXO_GEMM_BIAS, 0, params->bias_per_row ? c.rows : c.columns,
                               params->bias_per_row ? "the row count of C" : "the column count of C", error);
}

auxo_status auxo__op_check_activation(const auxo_op *op, auxo_error *error)
{
    return auxo__op_expect_activation(op, op->params.activation.activation, op->params.activation.slope, error);
}

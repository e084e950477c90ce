/* backends/opencl/gemm_matrix.c: the gemm variant "matrix": 16-bit operands on the matrix units of
 * cl_intel_subgroup_matrix_multiply_accumulate (shaders/opencl/gemm_matrix.cl).
 */
#include "gemm.h"
#include "kernels.h"

enum { SUBGROUPS_M = 2, SUBGROUPS_N = 2, BLOCK_ROWS = 8, VECTOR = 8 };
enum { BLOCKS_M, BLOCKS_N };

const auxo_tunable ocl_gemm_matrix_tunables[OCL_GEMM_MATRIX_TUNABLE_COUNT] = {
    [BLOCKS_M] = {.name = "blocks_m", .initial = 4, .value_count = 3, .values = {1, 2, 4}},
    [BLOCKS_N] = {.name = "blocks_n", .initial = 2, .value_count = 3, .values = {1, 2, 4}},
};

bool ocl_gemm_matrix_supports(void *device, const auxo_op *op)
{
    const ocl_device *self = device;
    const common_gemm_view s = common_gemm_view_of(op);
    const int64_t extent_max = INT64_C(1) << 31; /* counted in 32 bits */
    return self->matrix_lanes > 0 && auxo_dtype_is_half(op->tensors[AUXO_GEMM_A].dtype) && s.m < extent_max &&
           s.n < extent_max && s.k < extent_max;
}

/* Whether pieces of VECTOR neighbouring elements begin at multiples of that and do not cross the matrix's edge. */
static bool has_vectors(const auxo_tensor *tensor, int64_t extent, int64_t pitch, int64_t batch_stride)
{
    const uint64_t vector_bytes = VECTOR * auxo_dtype_size_bytes(tensor->dtype);
    return extent % VECTOR == 0 && pitch % VECTOR == 0 && batch_stride % VECTOR == 0 &&
           tensor->offset_bytes % vector_bytes == 0;
}

static void build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const ocl_gemm_call call = ocl_gemm_call_of(op);
    const common_gemm_view *s = &call.shape;
    const bool trans_a = call.params.trans_a, trans_b = call.params.trans_b;
    const uint64_t lanes = b->device->matrix_lanes;
    const uint64_t tile_m = (uint64_t)(SUBGROUPS_M * BLOCK_ROWS * parameters[BLOCKS_M]);
    const uint64_t tile_n = SUBGROUPS_N * lanes * (uint64_t)parameters[BLOCKS_N];
    const uint64_t column_tiles = ocl_divide_up((uint64_t)s->n, tile_n);
    const uint64_t groups[] = {ocl_divide_up((uint64_t)s->m, tile_m) * column_tiles, (uint64_t)s->batches};
    const uint64_t group_size[] = {SUBGROUPS_M * SUBGROUPS_N * lanes, 1};
    const bool a_vectors =
        has_vectors(call.tensors[AUXO_GEMM_A], trans_a ? s->m : s->k, trans_a ? s->a_column : s->a_row, s->a_batch);
    const bool b_vectors =
        has_vectors(call.tensors[AUXO_GEMM_B], trans_b ? s->k : s->n, trans_b ? s->b_column : s->b_row, s->b_batch);
    if (s->m == 0 || s->n == 0 || s->batches == 0)
        return;
    ocl_build_kernel(b, "gemm_matrix", "gemm_matrix",
                     "-DLANES=%d -DEMULATED=%d -DSUBGROUPS_M=%d -DSUBGROUPS_N=%d -DBLOCKS_M=%d -DBLOCKS_N=%d "
                     "-DTRANS_A=%d -DTRANS_B=%d -DA_VEC=%d -DB_VEC=%d -DINPUT_DTYPE=%d -DOUTPUT_DTYPE=%d",
                     (int)lanes, b->device->matrix_emulated, SUBGROUPS_M, SUBGROUPS_N, (int)parameters[BLOCKS_M],
                     (int)parameters[BLOCKS_N], trans_a, trans_b, a_vectors ? VECTOR : 1, b_vectors ? VECTOR : 1,
                     (int)call.tensors[AUXO_GEMM_A]->dtype, (int)call.tensors[AUXO_GEMM_C]->dtype);
    ocl_arg_gemm(b, &call);
    ocl_arg_uint(b, (uint32_t)column_tiles);
    ocl_build_groups(b, 2, groups, group_size);
}

OCL_PREPARE(ocl_gemm_matrix_prepare, build);

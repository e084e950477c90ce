/* backends/opencl/gemm_tiled.c: the gemm variant "tiled": through local memory, for GPUs
 * (shaders/opencl/gemm_tiled.cl).
 *
 * Owns what the host decides: the tile, reads and writes of four elements where the operands' places allow them, and
 * into how many parts a long sum is cut where the result alone has too few tiles for the device.
 */
#include "gemm.h"
#include "kernels.h"
#include "tile.h"

#include <stdio.h>

static bool has_quads(const auxo_tensor *tensor, int64_t extent, int64_t pitch, int64_t batch_stride)
{
    const uint64_t element_size = auxo_dtype_size_bytes(tensor->dtype);
    return extent % 4 == 0 && pitch % 4 == 0 && batch_stride % 4 == 0 && tensor->offset_bytes % (4 * element_size) == 0;
}

static int64_t a_pitch(const ocl_gemm_call *call)
{
    return call->params.trans_a ? call->shape.a_column : call->shape.a_row;
}

static int64_t b_pitch(const ocl_gemm_call *call)
{
    return call->params.trans_b ? call->shape.b_column : call->shape.b_row;
}

bool ocl_gemm_tiled_fits(const ocl_device *device, const ocl_gemm_call *call)
{
    const common_gemm_view *s = &call->shape;
    const int64_t tile_offset_max = INT64_C(1) << 31; /* offsets within a tile are 32 bits wide */
    const int64_t tile_extent_max = 256;
    return ocl_tile_loops_fit(device, s->k) && s->m < tile_offset_max && s->n < tile_offset_max &&
           s->k < tile_offset_max && a_pitch(call) < tile_offset_max / tile_extent_max &&
           b_pitch(call) < tile_offset_max / tile_extent_max;
}

static void build_finish(ocl_builder *b, const ocl_gemm_call *call, const char *options, uint64_t splits,
                         cl_mem partial)
{
    const common_gemm_view *s = &call->shape;
    ocl_build_kernel(b, "gemm_tiled", "gemm_tiled_finish", "%s", options);
    ocl_arg_tensor(b, call->tensors[AUXO_GEMM_C]);
    ocl_arg_tensor(b, call->tensors[AUXO_GEMM_BIAS]);
    const int64_t extents[] = {s->m, s->n, s->batches, s->c_batch, s->c_row};
    for (size_t i = 0; i < sizeof extents / sizeof extents[0]; ++i)
        ocl_arg_long(b, extents[i]);
    ocl_arg_gemm_finish(b, call);
    ocl_arg_uint(b, (uint32_t)splits);
    ocl_arg_memory(b, partial);
    ocl_build_items(b, (uint64_t)(s->batches * s->m) * (uint64_t)s->n);
}

void ocl_build_gemm_tiled(ocl_builder *b, const ocl_gemm_call *call, const int32_t *parameters, bool tail_apart)
{
    enum { TERMS_PER_SPLIT = 512, LARGE_TILE = 64 * 64 };
    const common_gemm_view *s = &call->shape;
    const auxo_tensor *const *tensors = call->tensors;
    const bool trans_a = call->params.trans_a;
    const bool trans_b = call->params.trans_b;
    const ocl_tiled_product product = {(uint64_t)s->m, (uint64_t)s->n, (uint64_t)s->batches, (uint64_t)s->k,
                                       call->whole_sums ? 1 : (uint64_t)s->k / TERMS_PER_SPLIT};
    if (s->m == 0 || s->n == 0 || s->batches == 0)
        return;
    const ocl_tile tile = ocl_tile_of(b->device, parameters, &product);
    const common_split split = ocl_tile_split(b->device, &tile, &product);
    const uint64_t splits = split.count;
    const uint64_t row_tiles = ocl_divide_up(product.rows, (uint64_t)tile.m);
    const uint64_t column_tiles = ocl_divide_up(product.columns, (uint64_t)tile.n);
    const bool a_quads = has_quads(tensors[AUXO_GEMM_A], trans_a ? s->m : s->k, a_pitch(call), s->a_batch);
    const bool b_quads = has_quads(tensors[AUXO_GEMM_B], trans_b ? s->k : s->n, b_pitch(call), s->b_batch);
    const bool c_quads =
        has_quads(tensors[AUXO_GEMM_C], s->n, s->c_row, s->c_batch) && tensors[AUXO_GEMM_C]->dtype == AUXO_DTYPE_F32;
    char options[OCL_OPTIONS_MAX];
    snprintf(options, sizeof options,
             "%s -DTRANS_A=%d -DTRANS_B=%d -DA_VEC=%d -DB_VEC=%d -DC_VEC=%d -DINPUT_DTYPE=%d -DOUTPUT_DTYPE=%d "
             "-DSPLIT=%d -DTAIL_APART=%d",
             tile.options, trans_a, trans_b, a_quads ? 4 : 1, b_quads ? 4 : 1, c_quads ? 4 : 1,
             (int)tensors[AUXO_GEMM_A]->dtype, (int)tensors[AUXO_GEMM_C]->dtype, splits > 1,
             tail_apart && tile.m * tile.n >= LARGE_TILE);
    cl_mem partial =
        splits > 1 ? ocl_build_scratch(b, splits * product.instances * product.rows * product.columns * sizeof(float))
                   : NULL;
    ocl_build_kernel(b, "gemm_tiled", "gemm_tiled", "%s", options);
    ocl_arg_gemm(b, call);
    ocl_arg_uint(b, (uint32_t)row_tiles);
    ocl_arg_uint(b, (uint32_t)column_tiles);
    ocl_arg_uint(b, (uint32_t)(splits > 1 ? split.length : product.terms));
    ocl_arg_memory(b, partial);
    const uint64_t groups[] = {row_tiles * column_tiles, splits, product.instances};
    const uint64_t group_size[] = {(uint64_t)(tile.threads_m * tile.threads_n), 1, 1};
    ocl_build_groups(b, 3, groups, group_size);
    if (splits > 1)
        build_finish(b, call, options, splits, partial);
}

bool ocl_gemm_tiled_supports(void *device, const auxo_op *op)
{
    const ocl_gemm_call call = ocl_gemm_call_of(op);
    return ocl_gemm_tiled_fits(device, &call);
}

static void build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const ocl_gemm_call call = ocl_gemm_call_of(op);
    ocl_build_gemm_tiled(b, &call, parameters, parameters[OCL_GEMM_TAIL_APART] != 0);
}

OCL_PREPARE(ocl_gemm_tiled_prepare, build);

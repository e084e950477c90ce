/* gemm_shape.c: how one dispatch does its part of a product: by the tiled, the direct or the cooperative shader, with
 * tiles that fit the part and the device.
 */
#include "gemm_shape.h"

#include <string.h>

enum {
    PIECE = 4, /* elements of a vector */
    RUN = 8    /* halves of a vector */
};

/* Whether rows of so many elements start and end at multiples of `run` elements. */
static bool has_runs(const gemm_matrix *view, vk_span span, uint64_t columns, uint32_t run)
{
    return span.offset_bytes % ((uint64_t)run * span.element_bytes) == 0 && view->row_stride % run == 0 &&
           view->batch_stride % run == 0 && columns % run == 0;
}

/* Whether each vector of four elements along a stored row lies inside A or B, or outside. */
static bool has_vectors(const gemm_task *task, const gemm_part *part, const vk_span spans[3])
{
    const auxo_gemm_params *params = &task->op->params.gemm;
    return task->k > 0 && has_runs(&task->a, spans[0], params->trans_a ? part->rows : task->k, PIECE) &&
           has_runs(&task->b, spans[1], params->trans_b ? task->k : task->n, PIECE);
}

static void shape_tiled(const gemm_task *task, const gemm_part *part, const vk_span spans[3], gemm_shape *shape)
{
    const vk_tiled_size size = {part->rows, task->n, task->k, part->batches};
    const vk_tiled_tile tile = vk_tiled_tile_of(task->program->device, task->parameters, &size);
    const uint32_t extents[] = {tile.m, tile.n, tile.k, tile.rows, tile.columns};
    memcpy(shape->constants, extents, sizeof extents);
    shape->shader = has_vectors(task, part, spans) ? VK_SHADER_gemm_tiled_vectors : VK_SHADER_gemm_tiled;
    shape->constants[12] = task->k % tile.k != 0;
    shape->constants[13] = has_runs(&task->c, spans[2], task->n, PIECE);
    shape->group_size = tile.lanes;
    shape->tile_m = tile.m;
    shape->tile_n = tile.n;
}

/* Whether the direct product may load four neighbours at once; what is left of K it takes one by one. */
static bool direct_has_vectors(const gemm_task *task, const gemm_part *part, const vk_direct_tile *tile,
                               const vk_span spans[3])
{
    const auxo_gemm_params *params = &task->op->params.gemm;
    return task->a.dtype == AUXO_DTYPE_F32 && task->k >= PIECE && tile->rows % PIECE == 0 &&
           tile->columns % PIECE == 0 && has_runs(&task->a, spans[0], params->trans_a ? part->rows : PIECE, PIECE) &&
           has_runs(&task->b, spans[1], params->trans_b ? PIECE : task->n, PIECE);
}

static void shape_direct(const gemm_task *task, const gemm_part *part, const vk_span spans[3], gemm_shape *shape)
{
    const vk_direct_tile tile = vk_direct_tile_of(task->parameters, task->m, task->n);
    const uint32_t extents[] = {tile.lanes_n, tile.rows, tile.columns};
    memcpy(shape->constants, extents, sizeof extents);
    shape->shader =
        direct_has_vectors(task, part, &tile, spans) ? VK_SHADER_gemm_direct_vectors : VK_SHADER_gemm_direct;
    shape->group_size = tile.lanes;
    shape->tile_m = tile.tile_m;
    shape->tile_n = tile.tile_n;
}

/* Whether gemm_cooperative.comp need check nothing: whole tiles of aligned matrices, and C receives the sums, scaled.
 */
static bool is_whole(const gemm_task *task, const gemm_part *part, const vk_span spans[3],
                     const vk_cooperative_tile *tile, uint32_t group_size)
{
    const auxo_gemm_params *params = &task->op->params.gemm;
    const uint32_t line_a = (params->trans_a ? tile->m : tile->k) / RUN,
                   line_b = (params->trans_b ? tile->k : tile->n) / RUN;
    const bool loads = tile->m * tile->k / RUN % group_size == 0 && tile->n * tile->k / RUN % group_size == 0 &&
                       group_size % line_a == 0 && group_size % line_b == 0;
    const bool plain = params->beta == 0 && params->activation == AUXO_ACTIVATION_IDENTITY &&
                       !auxo_tensor_is_present(&task->op->tensors[AUXO_GEMM_BIAS]);
    return loads && plain && part->rows % tile->m == 0 && task->n % tile->n == 0 && task->k > 0 &&
           task->k % tile->k == 0 && params->alpha != 0 &&
           has_runs(&task->c, spans[2], task->n, auxo_dtype_is_half(task->c.dtype) ? RUN : PIECE);
}

static void shape_cooperative(const gemm_task *task, const gemm_part *part, const vk_span spans[3], gemm_shape *shape)
{
    const vk_device *device = task->program->device;
    const auxo_gemm_params *params = &task->op->params.gemm;
    const vk_cooperative extents = vk_cooperative_of(device, task->a.dtype);
    const vk_cooperative_size size = {.rows = part->rows,
                                      .columns = task->n,
                                      .batches = part->batches,
                                      .a_along_k = !params->trans_a,
                                      .b_along_k = params->trans_b};
    const vk_cooperative_tile tile = vk_cooperative_tile_of(device, &extents, task->parameters, &size);
    const uint32_t values[] = {tile.m, tile.n, tile.k, tile.sub_m, tile.sub_n};
    memcpy(shape->constants, values, sizeof values);
    shape->constants[12] = task->k > 0 && has_runs(&task->a, spans[0], params->trans_a ? part->rows : task->k, RUN) &&
                           has_runs(&task->b, spans[1], params->trans_b ? task->k : task->n, RUN);
    shape->constants[13] = has_runs(&task->c, spans[2], task->n, PIECE);
    memcpy(shape->constants + VK_COOPERATIVE_EXTENTS, &extents, sizeof extents);
    shape->group_size = tile.lanes;
    shape->constants[17] = shape->constants[12] && is_whole(task, part, spans, &tile, shape->group_size);
    shape->constant_count = 18;
    shape->shader = task->a.dtype == AUXO_DTYPE_BF16 ? VK_SHADER_gemm_cooperative_bf16 : VK_SHADER_gemm_cooperative_f16;
    shape->tile_m = tile.m;
    shape->tile_n = tile.n;
}

gemm_shape vk_gemm_shape_of(const gemm_task *task, const gemm_part *part, const vk_span spans[3])
{
    gemm_shape shape = {.constant_count = 14};
    if (task->way == GEMM_COOPERATIVE)
        shape_cooperative(task, part, spans, &shape);
    else if (task->way == GEMM_DIRECT)
        shape_direct(task, part, spans, &shape);
    else
        shape_tiled(task, part, spans, &shape);
    const auxo_gemm_params *params = &task->op->params.gemm;
    const bool bias = auxo_tensor_is_present(&task->op->tensors[AUXO_GEMM_BIAS]);
    const uint32_t rest[] = {params->trans_a,
                             params->trans_b,
                             task->a.dtype,
                             task->c.dtype,
                             !bias || task->partial ? 0
                             : params->bias_per_row ? 2
                                                    : 1,
                             task->partial ? AUXO_ACTIVATION_IDENTITY : params->activation,
                             params->beta != 0 && !task->partial};
    memcpy(shape.constants + 5, rest, sizeof rest);
    return shape;
}

/* op_conv2d.c: convolutions forward, backward_data and backward_weights, tiled and direct (conv2d.comp).
 *
 * All three are matrix products; conv2d.glsl says of what. backward_weights has few results and many terms, so it is
 * split by images into partial results that a reduction adds up in a fixed order. DBIAS is a reduction of DY.
 */
#include "vk_ops.h"

#include <string.h>

enum { INVOCATIONS_WANTED = 16384, SPLITS_MAX = 64 };

const auxo_tunable vk_conv2d_tiled_tunables[VK_TILE_TUNABLES] = {
    {.name = "tile_m", .initial = 128, .value_count = 4, .values = {16, 32, 64, 128}},
    {.name = "tile_n", .initial = 128, .value_count = 3, .values = {32, 64, 128}},
    {.name = "tile_k", .initial = 8, .value_count = 3, .values = {8, 16, 32}},
    {.name = "rows", .initial = 8, .value_count = 2, .values = {4, 8}},
    {.name = "columns", .initial = 8, .value_count = 2, .values = {4, 8}},
    {.name = "fill", .initial = 1, .value_count = 2, .values = {0, 1}},
};
const auxo_tunable vk_conv2d_direct_tunables[VK_CONV2D_DIRECT_TUNABLES] = {
    {.name = "rows", .initial = 8, .value_count = 4, .values = {1, 2, 4, 8}},
    {.name = "columns", .initial = 4, .value_count = 4, .values = {1, 2, 4, 8}},
    {.name = "lanes", .initial = 64, .value_count = 4, .values = {8, 32, 64, 128}},
};

/* Of conv2d.glsl, behind at[]. */
typedef struct conv_push {
    int32_t images, channels, height, width, filters, out_height, out_width, window_h, window_w;
    int32_t group_channels, group_filters, groups;
    int32_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    uint32_t tiles_m, tiles_n, splits;
    int32_t split_images;
    float slope;
} conv_push;

typedef struct conv_task {
    vk_program *program;
    const auxo_op *op;
    vk_shader shader;
    bool tiled;
    const int32_t *parameters;
    uint32_t a_slot, b_slot, result_slot;
    conv_push push;
    uint64_t rows, columns;
    bool has_bias; /* of the forward op */
} conv_task;

static conv_push geometry_of(const auxo_op *op, uint32_t x_slot, uint32_t w_slot, uint32_t y_slot)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *x = op->tensors[x_slot].dims, *w = op->tensors[w_slot].dims, *y = op->tensors[y_slot].dims;
    return (conv_push){.images = (int32_t)x[0],
                       .channels = (int32_t)x[1],
                       .height = (int32_t)x[2],
                       .width = (int32_t)x[3],
                       .filters = (int32_t)w[0],
                       .out_height = (int32_t)y[2],
                       .out_width = (int32_t)y[3],
                       .window_h = (int32_t)w[2],
                       .window_w = (int32_t)w[3],
                       .group_channels = (int32_t)w[1],
                       .group_filters = (int32_t)(w[0] / params->groups),
                       .groups = params->groups,
                       .stride_h = params->stride_h,
                       .stride_w = params->stride_w,
                       .pad_h = params->pad_h,
                       .pad_w = params->pad_w,
                       .dilation_h = params->dilation_h,
                       .dilation_w = params->dilation_w,
                       .splits = 1,
                       .split_images = (int32_t)x[0],
                       .slope = params->slope};
}

/* Constants 1..8 of conv2d.comp, the workgroup size, and the tile of the result that one workgroup covers. */
static uint32_t constants_of(const conv_task *task, uint32_t constants[8], uint64_t *tile_m, uint64_t *tile_n)
{
    const auxo_conv2d_params *params = &task->op->params.conv2d;
    constants[5] = params->activation;
    constants[6] = task->has_bias;
    constants[7] = params->stride_h == 1 && params->stride_w == 1;
    if (task->tiled) {
        const vk_tiled_size size = {task->rows, task->columns, (uint64_t)task->push.groups};
        const vk_tiled_tile tile = vk_tiled_tile_of(task->program->device, task->parameters, &size);
        const uint32_t extents[] = {tile.m, tile.n, tile.k, tile.rows, tile.columns};
        memcpy(constants, extents, sizeof extents);
        *tile_m = tile.m;
        *tile_n = tile.n;
        return tile.lanes;
    }
    const vk_direct_tile tile = vk_direct_tile_of(task->parameters, task->rows, task->columns);
    constants[0] = tile.lanes_n;
    constants[1] = tile.rows;
    constants[2] = tile.columns;
    constants[3] = constants[4] = 0;
    *tile_m = tile.tile_m;
    *tile_n = tile.tile_n;
    return tile.lanes;
}

static void add_product(conv_task *task, vk_span result, const uint32_t constants[8], uint32_t group_size)
{
    vk_program *program = task->program;
    vk_step *step = vk_program_add(program, task->shader, group_size, constants, 8);
    vk_step_bind(program, step, vk_span_of(&task->op->tensors[task->a_slot]), VK_READ);
    vk_step_bind(program, step, vk_span_of(&task->op->tensors[task->b_slot]), VK_READ);
    vk_step_bind(program, step, result, VK_WRITE);
    vk_step_bind(program, step, task->has_bias ? vk_span_of(&task->op->tensors[AUXO_CONV2D_BIAS]) : vk_span_none(),
                 VK_READ);
    vk_step_push(program, step, &task->push, sizeof task->push);
    vk_step_groups(program, step,
                   (uint64_t)task->push.tiles_m * task->push.tiles_n * task->push.splits * (uint64_t)task->push.groups);
}

/* Splits by images until there is enough work for the device. */
static void choose_splits(conv_task *task, uint32_t group_size)
{
    const uint64_t invocations =
        (uint64_t)task->push.tiles_m * task->push.tiles_n * (uint64_t)task->push.groups * group_size;
    uint64_t splits = INVOCATIONS_WANTED / (invocations ? invocations : 1);
    const uint64_t images = (uint64_t)task->push.images;
    splits = splits < 1 ? 1 : splits > SPLITS_MAX ? SPLITS_MAX : splits;
    splits = splits > images && images > 0 ? images : splits;
    task->push.split_images = (int32_t)vk_ceil_div(images, splits);
    if (task->push.split_images > 0)
        task->push.splits = (uint32_t)vk_ceil_div(images, (uint64_t)task->push.split_images);
}

static void add_convolution(conv_task *task, bool may_split)
{
    const vk_span result = vk_span_of(&task->op->tensors[task->result_slot]);
    if (!task->program || task->rows == 0 || task->columns == 0 || result.size_bytes == 0)
        return;
    uint32_t constants[8];
    uint64_t tile_m = 1, tile_n = 1;
    const uint32_t group_size = constants_of(task, constants, &tile_m, &tile_n);
    task->push.tiles_m = (uint32_t)vk_ceil_div(task->rows, tile_m);
    task->push.tiles_n = (uint32_t)vk_ceil_div(task->columns, tile_n);
    if (may_split)
        choose_splits(task, group_size);
    if (task->push.splits == 1) {
        add_product(task, result, constants, group_size);
        return;
    }
    const uint64_t count = result.size_bytes / result.element_bytes;
    const vk_reduction sum = {.kind = AUXO_REDUCE_SUM,
                              .x = vk_program_scratch(task->program, task->push.splits * count, 4),
                              .y = result,
                              .outer = task->push.splits,
                              .channels = count,
                              .inner = 1};
    add_product(task, sum.x, constants, group_size);
    vk_add_reduction(task->program, &sum);
}

static auxo_status prepare_forward(void *device, const auxo_op *op, vk_shader shader, const int32_t *parameters,
                                   void **state, auxo_error *error)
{
    conv_task task = {.program = vk_program_begin(device, error),
                      .op = op,
                      .shader = shader,
                      .tiled = shader == VK_SHADER_conv2d_forward_tiled,
                      .parameters = parameters,
                      .a_slot = AUXO_CONV2D_W,
                      .b_slot = AUXO_CONV2D_X,
                      .result_slot = AUXO_CONV2D_Y,
                      .push = geometry_of(op, AUXO_CONV2D_X, AUXO_CONV2D_W, AUXO_CONV2D_Y),
                      .has_bias = auxo_tensor_is_present(&op->tensors[AUXO_CONV2D_BIAS])};
    const conv_push *push = &task.push;
    task.rows = (uint64_t)push->group_filters;
    task.columns = (uint64_t)push->images * (uint64_t)push->out_height * (uint64_t)push->out_width;
    add_convolution(&task, false);
    return vk_program_finish(task.program, state, error);
}

static auxo_status prepare_backward_data(void *device, const auxo_op *op, vk_shader shader, const int32_t *parameters,
                                         void **state, auxo_error *error)
{
    conv_task task = {.program = vk_program_begin(device, error),
                      .op = op,
                      .shader = shader,
                      .tiled = shader == VK_SHADER_conv2d_backward_data_tiled,
                      .parameters = parameters,
                      .a_slot = AUXO_CONV2D_BD_W,
                      .b_slot = AUXO_CONV2D_BD_DY,
                      .result_slot = AUXO_CONV2D_BD_DX,
                      .push = geometry_of(op, AUXO_CONV2D_BD_DX, AUXO_CONV2D_BD_W, AUXO_CONV2D_BD_DY)};
    const conv_push *push = &task.push;
    task.rows = (uint64_t)push->group_channels;
    task.columns = (uint64_t)push->images * (uint64_t)push->height * (uint64_t)push->width;
    add_convolution(&task, false);
    return vk_program_finish(task.program, state, error);
}

static auxo_status prepare_backward_weights(void *device, const auxo_op *op, vk_shader shader,
                                            const int32_t *parameters, void **state, auxo_error *error)
{
    conv_task task = {.program = vk_program_begin(device, error),
                      .op = op,
                      .shader = shader,
                      .tiled = shader == VK_SHADER_conv2d_backward_weights_tiled,
                      .parameters = parameters,
                      .a_slot = AUXO_CONV2D_BW_DY,
                      .b_slot = AUXO_CONV2D_BW_X,
                      .result_slot = AUXO_CONV2D_BW_DW,
                      .push = geometry_of(op, AUXO_CONV2D_BW_X, AUXO_CONV2D_BW_DW, AUXO_CONV2D_BW_DY)};
    const conv_push *push = &task.push;
    task.rows = (uint64_t)push->group_filters;
    task.columns = (uint64_t)push->group_channels * (uint64_t)push->window_h * (uint64_t)push->window_w;
    add_convolution(&task, true);
    if (auxo_tensor_is_present(&op->tensors[AUXO_CONV2D_BW_DBIAS])) {
        const vk_reduction dbias = {.kind = AUXO_REDUCE_SUM,
                                    .x = vk_span_of(&op->tensors[AUXO_CONV2D_BW_DY]),
                                    .y = vk_span_of(&op->tensors[AUXO_CONV2D_BW_DBIAS]),
                                    .outer = (uint64_t)push->images,
                                    .channels = (uint64_t)push->filters,
                                    .inner = (uint64_t)push->out_height * (uint64_t)push->out_width};
        vk_add_reduction(task.program, &dbias);
    }
    return vk_program_finish(task.program, state, error);
}

VK_PREPARE(conv2d_forward_tiled)
{
    return prepare_forward(device, op, VK_SHADER_conv2d_forward_tiled, parameters, state, error);
}

VK_PREPARE(conv2d_forward_direct)
{
    return prepare_forward(device, op, VK_SHADER_conv2d_forward_direct, parameters, state, error);
}

VK_PREPARE(conv2d_backward_data_tiled)
{
    return prepare_backward_data(device, op, VK_SHADER_conv2d_backward_data_tiled, parameters, state, error);
}

VK_PREPARE(conv2d_backward_data_direct)
{
    return prepare_backward_data(device, op, VK_SHADER_conv2d_backward_data_direct, parameters, state, error);
}

VK_PREPARE(conv2d_backward_weights_tiled)
{
    return prepare_backward_weights(device, op, VK_SHADER_conv2d_backward_weights_tiled, parameters, state, error);
}

VK_PREPARE(conv2d_backward_weights_direct)
{
    return prepare_backward_weights(device, op, VK_SHADER_conv2d_backward_weights_direct, parameters, state, error);
}

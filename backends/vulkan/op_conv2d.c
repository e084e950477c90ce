/* op_conv2d.c: convolutions forward, backward_data and backward_weights, tiled and direct (conv2d.comp), and by
 * cooperative matrices (conv2d_cooperative.comp).
 *
 * All three are matrix products; conv2d.glsl says of what. backward_weights has few results and many terms, so it is
 * split by images into partial results that a reduction adds up in a fixed order. DBIAS is a reduction of DY.
 */
#include "views.h"
#include "vk_ops.h"

#include <string.h>

enum {
    INVOCATIONS_WANTED = 16384, /* direct */
    SPLITS_MAX = 64,            /* direct: of the images */
    SPLIT_TERMS_MIN = 256,      /* tiled; splits are multiples of SPLIT_TERMS */
    SPLIT_TERMS = 32,
    LANES_PER_UNIT = 256, /* that splits are to give each compute unit */
    WINDOW_MAX = 32,      /* elements whose masks fit a word (conv2d_places.glsl) */
    PIECE = 4,            /* elements of a vector */
    RUN = 8,              /* halves of a vector */
    COOPERATIVE_MIN = 4   /* rows and columns, of a group, that are worth a cooperative matrix */
};

const auxo_tunable vk_conv2d_tiled_tunables[VK_TILE_TUNABLES] = {
    {.name = "tile_m", .initial = 128, .value_count = 4, .values = {16, 32, 64, 128}},
    {.name = "tile_n", .initial = 128, .value_count = 3, .values = {32, 64, 128}},
    {.name = "tile_k", .initial = 16, .value_count = 3, .values = {8, 16, 32}},
    {.name = "rows", .initial = 8, .value_count = 2, .values = {4, 8}},
    {.name = "columns", .initial = 8, .value_count = 2, .values = {4, 8}},
    {.name = "fill", .initial = 1, .value_count = 2, .values = {0, 1}},
};
const auxo_tunable vk_conv2d_direct_tunables[VK_CONV2D_DIRECT_TUNABLES] = {
    {.name = "rows", .initial = 8, .value_count = 4, .values = {1, 2, 4, 8}},
    {.name = "columns", .initial = 4, .value_count = 4, .values = {1, 2, 4, 8}},
    {.name = "lanes", .initial = 64, .value_count = 4, .values = {8, 32, 64, 128}},
};
const auxo_tunable vk_conv2d_cooperative_tunables[VK_COOPERATIVE_TUNABLES] = {VK_COOPERATIVE_TUNABLES_OF(128, 128)};

/* Of conv2d.glsl, behind at[]. */
typedef struct conv_push {
    CONV2D_PUSH
} conv_push;

typedef enum conv_way { CONV_DIRECT, CONV_TILED, CONV_COOPERATIVE } conv_way;

/* One of the three ops in its ways; a tiled one may need the shader for wide windows. */
typedef struct conv_shaders {
    vk_shader tiled, wide, direct, cooperative_f16, cooperative_bf16;
} conv_shaders;
#define SHADERS(op)                                                                                                    \
    ((conv_shaders){VK_SHADER_##op##_tiled, VK_SHADER_##op##_wide, VK_SHADER_##op##_direct,                            \
                    VK_SHADER_##op##_cooperative_f16, VK_SHADER_##op##_cooperative_bf16})

typedef struct conv_task {
    vk_program *program;
    const auxo_op *op;
    conv_shaders shaders;
    conv_way way;
    const int32_t *parameters;
    uint32_t a_slot, b_slot, result_slot;
    conv_push push;
    uint64_t rows, columns, terms;
    uint64_t a_run, result_run; /* elements that lie in a row in A and in the result, whatever row and column */
    bool a_along_terms;         /* neighbours in A are terms, not rows */
    bool has_bias;              /* of the forward op */
    bool splits;                /* has few results of many terms */
} conv_task;

static conv_push geometry_of(const auxo_op *op)
{
    const common_conv2d_view v = common_conv2d_view_of(op);
    const auxo_conv2d_params *params = v.params;
    return (conv_push){.images = (int32_t)v.n,
                       .channels = (int32_t)v.c,
                       .height = (int32_t)v.h,
                       .width = (int32_t)v.w,
                       .filters = (int32_t)v.k,
                       .out_height = (int32_t)v.p,
                       .out_width = (int32_t)v.q,
                       .window_h = (int32_t)v.r,
                       .window_w = (int32_t)v.s,
                       .group_channels = (int32_t)(v.c / params->groups),
                       .group_filters = (int32_t)(v.k / params->groups),
                       .groups = params->groups,
                       .stride_h = params->stride_h,
                       .stride_w = params->stride_w,
                       .pad_h = params->pad_h,
                       .pad_w = params->pad_w,
                       .dilation_h = params->dilation_h,
                       .dilation_w = params->dilation_w,
                       .splits = 1,
                       .split_length = (int32_t)v.n,
                       .slope = params->slope};
}

/* How the dispatch is done: shader, constants 1.. of conv2d.comp, and what a workgroup covers. */
typedef struct conv_shape {
    vk_shader shader;
    uint32_t constants[17], constant_count;
    uint32_t group_size;
    uint64_t tile_m, tile_n;
} conv_shape;

/* Taps one by one, not phase by phase of the stride: for large windows, and where the stride is far larger than the
 * images, so that nearly all phases would be empty. */
static bool is_wide(const conv_push *push)
{
    const double phase_times = 16, phase_places = 1 << 16;
    const double places = (double)push->height * (double)push->width;
    const double spread = (double)push->stride_h *
                          (double)vk_ceil_div((uint64_t)push->height, (uint64_t)push->stride_h) *
                          (double)push->stride_w * (double)vk_ceil_div((uint64_t)push->width, (uint64_t)push->stride_w);
    return (int64_t)push->window_h * push->window_w > WINDOW_MAX || spread > phase_places + phase_times * places;
}

/* Whether rows of `run` elements start and end at multiples of `length` elements. */
static bool has_vectors(vk_span span, uint64_t run, uint32_t length)
{
    return span.offset_bytes % ((uint64_t)length * span.element_bytes) == 0 && run > 0 && run % length == 0;
}

/* Products that the device can work on at once. */
static uint64_t products_of(const conv_task *task)
{
    const uint64_t splits = task->splits ? vk_ceil_div(task->terms, SPLIT_TERMS_MIN) : task->push.splits;
    return (uint64_t)task->push.groups * splits;
}

static void shape_tiled(const conv_task *task, vk_span result, conv_shape *shape)
{
    const vk_tiled_size size = {task->rows, task->columns, task->terms, products_of(task)};
    const vk_tiled_tile tile = vk_tiled_tile_of(task->program->device, task->parameters, &size);
    const uint32_t extents[] = {tile.m, tile.n, tile.k, tile.rows, tile.columns};
    memcpy(shape->constants, extents, sizeof extents);
    shape->shader = is_wide(&task->push) ? task->shaders.wide : task->shaders.tiled;
    shape->constants[8] = has_vectors(vk_span_of(&task->op->tensors[task->a_slot]), task->a_run, PIECE);
    shape->constants[9] = has_vectors(result, task->result_run, PIECE);
    shape->constants[10] = task->a_along_terms;
    shape->group_size = tile.lanes;
    shape->tile_m = tile.m;
    shape->tile_n = tile.n;
}

static void shape_cooperative(const conv_task *task, vk_span result, conv_shape *shape)
{
    const vk_device *device = task->program->device;
    const vk_span a = vk_span_of(&task->op->tensors[task->a_slot]);
    const auxo_dtype format = task->op->tensors[task->a_slot].dtype;
    const vk_cooperative extents = vk_cooperative_of(device, format);
    const vk_cooperative_size size = {.rows = task->rows,
                                      .columns = task->columns,
                                      .batches = products_of(task),
                                      .a_along_k = true,
                                      .b_along_k = !task->splits,
                                      .term_bytes = 4 * sizeof(int32_t),
                                      .column_bytes = 2 * sizeof(int32_t),
                                      .other_bytes = task->splits ? 2048 : 0 /* masks of lines */};
    const vk_cooperative_tile tile = vk_cooperative_tile_of(device, &extents, task->parameters, &size);
    const uint32_t values[] = {tile.m, tile.n, tile.k, tile.sub_m, tile.sub_n};
    memcpy(shape->constants, values, sizeof values);
    memcpy(shape->constants + VK_COOPERATIVE_EXTENTS, &extents, sizeof extents);
    shape->constants[8] = has_vectors(a, task->a_run, RUN);
    shape->constants[9] = has_vectors(result, task->result_run, PIECE);
    shape->constant_count = VK_COOPERATIVE_EXTENTS + 3;
    shape->shader = format == AUXO_DTYPE_BF16 ? task->shaders.cooperative_bf16 : task->shaders.cooperative_f16;
    shape->group_size = tile.lanes;
    shape->tile_m = tile.m;
    shape->tile_n = tile.n;
}

static conv_shape shape_of(const conv_task *task, vk_span result)
{
    const auxo_conv2d_params *params = &task->op->params.conv2d;
    conv_shape shape = {.shader = task->shaders.direct, .constant_count = 11};
    if (task->way == CONV_TILED) {
        shape_tiled(task, result, &shape);
    } else if (task->way == CONV_COOPERATIVE) {
        shape_cooperative(task, result, &shape);
    } else {
        const vk_direct_tile tile = vk_direct_tile_of(task->parameters, task->rows, task->columns);
        const uint32_t extents[] = {tile.lanes_n, tile.rows, tile.columns};
        memcpy(shape.constants, extents, sizeof extents);
        shape.group_size = tile.lanes;
        shape.tile_m = tile.tile_m;
        shape.tile_n = tile.tile_n;
    }
    shape.constants[5] = params->activation;
    shape.constants[6] = task->has_bias;
    shape.constants[7] = params->stride_h == 1 && params->stride_w == 1;
    return shape;
}

static void add_product(conv_task *task, vk_span result, const conv_shape *shape)
{
    vk_program *program = task->program;
    vk_step *step = vk_program_add(program, shape->shader, shape->group_size, shape->constants, shape->constant_count);
    vk_step_bind(program, step, vk_span_of(&task->op->tensors[task->a_slot]), VK_READ);
    vk_step_bind(program, step, vk_span_of(&task->op->tensors[task->b_slot]), VK_READ);
    vk_step_bind(program, step, result, VK_WRITE);
    vk_step_bind(program, step, task->has_bias ? vk_span_of(&task->op->tensors[AUXO_CONV2D_BIAS]) : vk_span_none(),
                 VK_READ);
    vk_step_push(program, step, &task->push, sizeof task->push);
    vk_step_groups(program, step,
                   (uint64_t)task->push.tiles_m * task->push.tiles_n * task->push.splits * (uint64_t)task->push.groups);
}

/* Splits the terms until there is enough work for the device: by images, or in tiles by places in them. */
static void choose_splits(conv_task *task, uint32_t group_size)
{
    conv_push *push = &task->push;
    const uint64_t groups = (uint64_t)push->tiles_m * push->tiles_n * (uint64_t)push->groups;
    uint64_t terms = (uint64_t)push->images, splits = INVOCATIONS_WANTED / (groups * group_size), most = SPLITS_MAX;
    if (task->way != CONV_DIRECT) {
        terms = task->terms;
        splits = LANES_PER_UNIT * vk_device_units(task->program->device) / (groups * group_size);
        most = terms / SPLIT_TERMS_MIN;
    } else if (most > terms) {
        most = terms;
    }
    const common_split split = common_split_of(terms, splits, most, task->way == CONV_DIRECT ? 1 : SPLIT_TERMS);
    push->split_length = (int32_t)split.length;
    push->splits = (uint32_t)split.count;
}

static void add_convolution(conv_task *task)
{
    const vk_span result = vk_span_of(&task->op->tensors[task->result_slot]);
    vk_program_set_format(task->program, task->op->tensors[task->a_slot].dtype);
    if (!task->program || task->rows == 0 || task->columns == 0 || result.size_bytes == 0)
        return;
    const conv_shape shape = shape_of(task, result);
    task->push.tiles_m = (uint32_t)vk_ceil_div(task->rows, shape.tile_m);
    task->push.tiles_n = (uint32_t)vk_ceil_div(task->columns, shape.tile_n);
    if (task->splits)
        choose_splits(task, shape.group_size);
    if (!task->splits || task->push.splits == 1) {
        add_product(task, result, &shape);
        return;
    }
    const uint64_t count = result.size_bytes / result.element_bytes;
    const vk_parts_sum sum = {.sums = vk_program_scratch(task->program, task->push.splits * count, 4),
                              .parts = task->push.splits,
                              .c = result,
                              .rows = 1,
                              .columns = count,
                              .row_stride = count,
                              .alpha = 1};
    add_product(task, sum.sums, &shape);
    vk_add_sum_of_parts(task->program, &sum);
}

static auxo_status prepare_forward(void *device, const auxo_op *op, conv_way way, const int32_t *parameters,
                                   void **state, auxo_error *error)
{
    conv_task task = {.program = vk_program_begin(device, error),
                      .op = op,
                      .shaders = SHADERS(conv2d_forward),
                      .way = way,
                      .parameters = parameters,
                      .a_slot = AUXO_CONV2D_W,
                      .b_slot = AUXO_CONV2D_X,
                      .result_slot = AUXO_CONV2D_Y,
                      .push = geometry_of(op),
                      .has_bias = auxo_tensor_is_present(&op->tensors[AUXO_CONV2D_BIAS])};
    const conv_push *push = &task.push;
    task.rows = (uint64_t)push->group_filters;
    task.columns = (uint64_t)push->images * (uint64_t)push->out_height * (uint64_t)push->out_width;
    task.terms = (uint64_t)push->group_channels * (uint64_t)push->window_h * (uint64_t)push->window_w;
    task.a_run = task.terms;
    task.a_along_terms = true;
    task.result_run = (uint64_t)push->out_height * (uint64_t)push->out_width;
    add_convolution(&task);
    return vk_program_finish(task.program, state, error);
}

static auxo_status prepare_backward_data(void *device, const auxo_op *op, conv_way way, const int32_t *parameters,
                                         void **state, auxo_error *error)
{
    conv_task task = {.program = vk_program_begin(device, error),
                      .op = op,
                      .shaders = SHADERS(conv2d_backward_data),
                      .way = way,
                      .parameters = parameters,
                      .a_slot = AUXO_CONV2D_BD_W,
                      .b_slot = AUXO_CONV2D_BD_DY,
                      .result_slot = AUXO_CONV2D_BD_DX,
                      .push = geometry_of(op)};
    conv_push *push = &task.push;
    const uint64_t stride_h = (uint64_t)push->stride_h, stride_w = (uint64_t)push->stride_w;
    task.rows = (uint64_t)push->group_channels;
    task.terms = (uint64_t)push->group_filters * (uint64_t)push->window_h * (uint64_t)push->window_w;
    task.columns = (uint64_t)push->images * (uint64_t)push->height * (uint64_t)push->width;
    if (way != CONV_DIRECT &&
        !is_wide(push)) { /* a product for each phase: places whose distance is a multiple of the stride */
        task.columns = (uint64_t)push->images * vk_ceil_div((uint64_t)push->height, stride_h) *
                       vk_ceil_div((uint64_t)push->width, stride_w);
        push->splits = (uint32_t)(stride_h * stride_w);
    }
    task.a_along_terms =
        push->window_h * push->window_w >= PIECE; /* a filter's window lies in a row, channels do not */
    if (stride_h * stride_w == 1)
        task.result_run = (uint64_t)push->height * (uint64_t)push->width;
    add_convolution(&task);
    return vk_program_finish(task.program, state, error);
}

static auxo_status prepare_backward_weights(void *device, const auxo_op *op, conv_way way, const int32_t *parameters,
                                            void **state, auxo_error *error)
{
    conv_task task = {.program = vk_program_begin(device, error),
                      .op = op,
                      .shaders = SHADERS(conv2d_backward_weights),
                      .way = way,
                      .parameters = parameters,
                      .a_slot = AUXO_CONV2D_BW_DY,
                      .b_slot = AUXO_CONV2D_BW_X,
                      .result_slot = AUXO_CONV2D_BW_DW,
                      .push = geometry_of(op)};
    const conv_push *push = &task.push;
    task.rows = (uint64_t)push->group_filters;
    task.columns = (uint64_t)push->group_channels * (uint64_t)push->window_h * (uint64_t)push->window_w;
    task.a_run = (uint64_t)push->out_height * (uint64_t)push->out_width;
    task.a_along_terms = true;
    task.terms = (uint64_t)push->images * task.a_run;
    task.result_run = task.columns;
    task.splits = true;
    add_convolution(&task);
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
    return prepare_forward(device, op, CONV_TILED, parameters, state, error);
}

VK_PREPARE(conv2d_forward_direct)
{
    return prepare_forward(device, op, CONV_DIRECT, parameters, state, error);
}

VK_PREPARE(conv2d_backward_data_tiled)
{
    return prepare_backward_data(device, op, CONV_TILED, parameters, state, error);
}

VK_PREPARE(conv2d_backward_data_direct)
{
    return prepare_backward_data(device, op, CONV_DIRECT, parameters, state, error);
}

VK_PREPARE(conv2d_backward_weights_tiled)
{
    return prepare_backward_weights(device, op, CONV_TILED, parameters, state, error);
}

VK_PREPARE(conv2d_backward_weights_direct)
{
    return prepare_backward_weights(device, op, CONV_DIRECT, parameters, state, error);
}

VK_PREPARE(conv2d_forward_cooperative)
{
    return prepare_forward(device, op, CONV_COOPERATIVE, parameters, state, error);
}

VK_PREPARE(conv2d_backward_data_cooperative)
{
    return prepare_backward_data(device, op, CONV_COOPERATIVE, parameters, state, error);
}

VK_PREPARE(conv2d_backward_weights_cooperative)
{
    return prepare_backward_weights(device, op, CONV_COOPERATIVE, parameters, state, error);
}

/* Windows whose masks fit a word, and groups that are not mere slices of a matrix. */
bool vk_supports_conv2d_cooperative(void *device, const auxo_op *op)
{
    const uint32_t slot = op->kind == AUXO_OP_CONV2D_BACKWARD_DATA      ? AUXO_CONV2D_BD_DY
                          : op->kind == AUXO_OP_CONV2D_BACKWARD_WEIGHTS ? AUXO_CONV2D_BW_X
                                                                        : AUXO_CONV2D_X;
    if (vk_cooperative_of(device, op->tensors[slot].dtype).m == 0 || !vk_stores_formats(device, op) ||
        !vk_fits_bindings(device, op))
        return false;
    const conv_push push = geometry_of(op);
    const int64_t rows = op->kind == AUXO_OP_CONV2D_BACKWARD_DATA ? push.group_channels : push.group_filters;
    const int64_t terms = op->kind == AUXO_OP_CONV2D_BACKWARD_DATA ? push.group_filters : push.group_channels;
    return !is_wide(&push) && rows >= COOPERATIVE_MIN && terms * push.window_h * push.window_w >= COOPERATIVE_MIN;
}

/* op_gemm.c: matrix products: the tiled and the direct variant of gemm.comp, the tiled one with K cut into parts for
 * small results of long sums (split_k), the one of gemm_cooperative.comp for f16 operands, and their tunables.
 *
 * What exceeds one binding is cut: batch by batch, then rows of C (with the rows of A) as long as B fits.
 */
#include "vk_ops.h"

#include <string.h>

enum {
    PIECE = 4,         /* elements of a vector */
    RUN = 8,           /* halves of a vector */
    ELEMENTS_MIN = 32, /* neighbours that a workgroup sums over all parts */
    PARTS_MAX = 32,
    PART_K = 32,     /* parts of K are multiples of that, so that they stay aligned */
    PART_K_MIN = 128 /* what the tiled variant makes parts of by itself */
};

/* The tunables of each variant, in the order of its `parameters`. */
const auxo_tunable vk_gemm_tiled_tunables[VK_TILE_TUNABLES] = {VK_TILE_TUNABLES_OF(128, 128)};
const auxo_tunable vk_gemm_split_tunables[VK_GEMM_SPLIT_TUNABLES] = {
    VK_TILE_TUNABLES_OF(64, 64),
    {.name = "parts", .initial = 8, .value_count = 5, .values = {2, 4, 8, 16, 32}},
};
const auxo_tunable vk_gemm_cooperative_tunables[VK_GEMM_COOPERATIVE_TUNABLES] = {
    {.name = "tile_m", .initial = 128, .value_count = 3, .values = {64, 128, 256}},
    {.name = "tile_n", .initial = 128, .value_count = 3, .values = {64, 128, 256}},
    {.name = "tile_k", .initial = 32, .value_count = 3, .values = {16, 32, 64}},
    {.name = "sub_m", .initial = 64, .value_count = 2, .values = {32, 64}},
    {.name = "sub_n", .initial = 64, .value_count = 2, .values = {32, 64}},
};
const auxo_tunable vk_gemm_direct_tunables[VK_GEMM_DIRECT_TUNABLES] = {
    {.name = "rows", .initial = 8, .value_count = 4, .values = {1, 2, 4, 8}},
    {.name = "columns", .initial = 4, .value_count = 4, .values = {1, 2, 4, 8}},
    {.name = "lanes", .initial = 64, .value_count = 4, .values = {8, 32, 64, 128}},
};

typedef struct matrix {
    vk_span span;
    auxo_dtype dtype;
    uint64_t batch_stride, row_stride; /* elements */
} matrix;

typedef enum gemm_way { GEMM_DIRECT, GEMM_TILED, GEMM_SPLIT, GEMM_COOPERATIVE } gemm_way;

typedef struct gemm_task {
    vk_program *program;
    const auxo_op *op;
    gemm_way way;
    bool partial; /* plain sums: alpha, beta, bias and activation come later */
    const int32_t *parameters;
    matrix a, b, c;
    uint64_t batches, m, n, k;
} gemm_task;

static matrix matrix_of(const auxo_op *op, uint32_t slot)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    return (matrix){vk_span_of(tensor), tensor->dtype, tensor->rank == 3 ? (uint64_t)tensor->strides[0] : 0,
                    (uint64_t)tensor->strides[tensor->rank - 2]};
}

/* `rows` rows (as stored) of `columns` elements of `batches` matrices. */
static vk_span matrix_span(const matrix *view, uint64_t first_batch, uint64_t batches, uint64_t first_row,
                           uint64_t rows, uint64_t columns)
{
    if (rows == 0 || columns == 0)
        return vk_span_none();
    const uint64_t first = first_batch * view->batch_stride + first_row * view->row_stride;
    const uint64_t count = (batches - 1) * view->batch_stride + (rows - 1) * view->row_stride + columns;
    return vk_span_part(view->span, first, count);
}

typedef struct gemm_part {
    uint64_t first_batch, batches, first_row, rows;
} gemm_part;

static void part_spans(const gemm_task *task, const gemm_part *part, vk_span spans[3])
{
    const auxo_gemm_params *params = &task->op->params.gemm;
    spans[0] = params->trans_a
                   ? matrix_span(&task->a, part->first_batch, part->batches, 0, task->k, task->m)
                   : matrix_span(&task->a, part->first_batch, part->batches, part->first_row, part->rows, task->k);
    spans[1] = params->trans_b ? matrix_span(&task->b, part->first_batch, part->batches, 0, task->n, task->k)
                               : matrix_span(&task->b, part->first_batch, part->batches, 0, task->k, task->n);
    spans[2] = matrix_span(&task->c, part->first_batch, part->batches, part->first_row, part->rows, task->n);
    if (params->trans_a && task->k > 0) { /* rows of C are columns of A: start there */
        spans[0].offset_bytes += part->first_row * spans[0].element_bytes;
        spans[0].size_bytes -= part->first_row * spans[0].element_bytes;
    }
}

/* How one dispatch does its part: shader, constants 1.. of gemm.comp, and what a workgroup covers. */
typedef struct gemm_shape {
    vk_shader shader;
    uint32_t constants[18], constant_count;
    uint32_t group_size;
    uint64_t tile_m, tile_n;
} gemm_shape;

/* Whether rows of so many elements start and end at multiples of `run` elements. */
static bool has_runs(const matrix *view, vk_span span, uint64_t columns, uint32_t run)
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

/* What one workgroup of a cooperative product covers, and each of its subgroups. */
typedef struct cooperative_tile {
    uint32_t m, n, k, sub_m, sub_n;
} cooperative_tile;

/* Of gemm_cooperative.comp: tiles of A and B, rows one run longer, and a matrix of sums for each subgroup. */
static uint64_t cooperative_bytes(const gemm_task *task, const cooperative_tile *tile, const vk_cooperative *extents)
{
    const auxo_gemm_params *params = &task->op->params.gemm;
    const uint64_t a = params->trans_a ? (uint64_t)tile->k * (tile->m + RUN) : (uint64_t)tile->m * (tile->k + RUN);
    const uint64_t b = params->trans_b ? (uint64_t)tile->n * (tile->k + RUN) : (uint64_t)tile->k * (tile->n + RUN);
    const uint64_t subgroups = (uint64_t)(tile->m / tile->sub_m) * (tile->n / tile->sub_n);
    return (a + b) * 2 + subgroups * extents->m * extents->n * sizeof(float);
}

static bool cooperative_fits(const gemm_task *task, const cooperative_tile *tile)
{
    const vk_device *device = task->program->device;
    const uint64_t subgroups = (uint64_t)(tile->m / tile->sub_m) * (tile->n / tile->sub_n);
    return subgroups * device->info.subgroup_size <= device->limits.maxComputeWorkGroupInvocations &&
           cooperative_bytes(task, tile, &device->cooperative) <= device->limits.maxComputeSharedMemorySize;
}

/* From the tunables: no larger than C or the device's limits, and smaller while the device would not be occupied. */
static cooperative_tile cooperative_tile_of(const gemm_task *task, const gemm_part *part)
{
    const int32_t *values = task->parameters;
    const uint64_t units = vk_device_units(task->program->device);
    cooperative_tile tile = {(uint32_t)values[0], (uint32_t)values[1], (uint32_t)values[2], (uint32_t)values[3],
                             (uint32_t)values[4]};
    while (tile.m > tile.sub_m && tile.m / 2 >= part->rows)
        tile.m /= 2;
    while (tile.n > tile.sub_n && tile.n / 2 >= task->n)
        tile.n /= 2;
    while (tile.m > tile.sub_m || tile.n > tile.sub_n) {
        const uint64_t groups = part->batches * vk_ceil_div(part->rows, tile.m) * vk_ceil_div(task->n, tile.n);
        if (groups >= units && cooperative_fits(task, &tile))
            break;
        if (tile.n > tile.sub_n && (tile.n >= tile.m || tile.m == tile.sub_m))
            tile.n /= 2;
        else
            tile.m /= 2;
    }
    while (tile.k > task->program->device->cooperative.k && !cooperative_fits(task, &tile))
        tile.k /= 2;
    return tile;
}

/* Whether gemm_cooperative.comp need check nothing: whole tiles of aligned matrices, and C receives the sums, scaled.
 */
static bool is_whole(const gemm_task *task, const gemm_part *part, const vk_span spans[3], const cooperative_tile *tile,
                     uint32_t group_size)
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
           has_runs(&task->c, spans[2], task->n, task->c.dtype == AUXO_DTYPE_F16 ? RUN : PIECE);
}

static void shape_cooperative(const gemm_task *task, const gemm_part *part, const vk_span spans[3], gemm_shape *shape)
{
    const vk_device *device = task->program->device;
    const auxo_gemm_params *params = &task->op->params.gemm;
    const cooperative_tile tile = cooperative_tile_of(task, part);
    memcpy(shape->constants, &tile, sizeof tile);
    shape->constants[12] = task->k > 0 && has_runs(&task->a, spans[0], params->trans_a ? part->rows : task->k, RUN) &&
                           has_runs(&task->b, spans[1], params->trans_b ? task->k : task->n, RUN);
    shape->constants[13] = has_runs(&task->c, spans[2], task->n, PIECE);
    memcpy(shape->constants + 14, &device->cooperative, sizeof device->cooperative);
    shape->group_size = tile.m / tile.sub_m * (tile.n / tile.sub_n) * device->info.subgroup_size;
    shape->constants[17] = shape->constants[12] && is_whole(task, part, spans, &tile, shape->group_size);
    shape->constant_count = 18;
    shape->shader = VK_SHADER_gemm_cooperative;
    shape->tile_m = tile.m;
    shape->tile_n = tile.n;
}

static gemm_shape shape_of(const gemm_task *task, const gemm_part *part, const vk_span spans[3])
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

static void emit_part(gemm_task *task, const gemm_part *part, const vk_span spans[3])
{
    const auxo_gemm_params *params = &task->op->params.gemm;
    const gemm_shape shape = shape_of(task, part, spans);
    vk_step *step =
        vk_program_add(task->program, shape.shader, shape.group_size, shape.constants, shape.constant_count);
    vk_step_bind(task->program, step, spans[0], VK_READ);
    vk_step_bind(task->program, step, spans[1], VK_READ);
    const bool reads = (params->beta != 0 && !task->partial) || task->c.dtype != AUXO_DTYPE_F32;
    vk_step_bind(task->program, step, spans[2], reads ? VK_READ_WRITE : VK_WRITE);
    vk_span bias = task->partial ? vk_span_none() : vk_span_of(&task->op->tensors[AUXO_GEMM_BIAS]);
    if (bias.buffer && params->bias_per_row)
        bias = vk_span_part(bias, part->first_row, part->rows);
    vk_step_bind(task->program, step, bias, VK_READ);
    const struct {
        uint32_t m, n, k, a_stride, b_stride, c_stride, a_batch_stride, b_batch_stride, c_batch_stride, batches,
            tiles_m, tiles_n;
        float alpha, beta, slope;
    } push = {.m = (uint32_t)part->rows,
              .n = (uint32_t)task->n,
              .k = params->alpha == 0 ? 0 : (uint32_t)task->k,
              .a_stride = (uint32_t)task->a.row_stride,
              .b_stride = (uint32_t)task->b.row_stride,
              .c_stride = (uint32_t)task->c.row_stride,
              .a_batch_stride = (uint32_t)task->a.batch_stride,
              .b_batch_stride = (uint32_t)task->b.batch_stride,
              .c_batch_stride = (uint32_t)task->c.batch_stride,
              .batches = (uint32_t)part->batches,
              .tiles_m = (uint32_t)vk_ceil_div(part->rows, shape.tile_m),
              .tiles_n = (uint32_t)vk_ceil_div(task->n, shape.tile_n),
              .alpha = task->partial ? 1 : params->alpha,
              .beta = params->beta,
              .slope = params->slope};
    vk_step_push(task->program, step, &push, sizeof push);
    vk_step_groups(task->program, step, part->batches * push.tiles_m * push.tiles_n);
}

static void add_part(gemm_task *task, const gemm_part *part)
{
    if (!task->program || task->program->status != AUXO_OK)
        return;
    vk_span spans[3];
    part_spans(task, part, spans);
    const vk_device *device = task->program->device;
    if (vk_span_fits(device, spans[0]) && vk_span_fits(device, spans[1]) && vk_span_fits(device, spans[2])) {
        emit_part(task, part, spans);
        return;
    }
    gemm_part first = *part, second = *part;
    if (part->batches > 1) {
        first.batches = part->batches / 2;
        second.first_batch += first.batches;
        second.batches -= first.batches;
    } else if (part->rows > 1 && vk_span_fits(device, spans[1])) {
        first.rows = part->rows / 2;
        second.first_row += first.rows;
        second.rows -= first.rows;
    } else {
        vk_program_fail(task->program, AUXO_UNSUPPORTED, "gemm: op(B) exceeds one binding of this Vulkan device");
        return;
    }
    add_part(task, &first);
    add_part(task, &second);
}

bool vk_supports_gemm(void *device, const auxo_op *op)
{
    const auxo_gemm_params *params = &op->params.gemm;
    auxo_op one = *op; /* B, and A where its rows cannot be cut, must fit */
    one.tensors[AUXO_GEMM_C] = auxo_tensor_none();
    if (!params->trans_a)
        one.tensors[AUXO_GEMM_A] = auxo_tensor_none();
    for (uint32_t slot = AUXO_GEMM_A; slot <= AUXO_GEMM_B; slot++)
        if (one.tensors[slot].rank == 3)
            one.tensors[slot] = auxo_tensor_slice(one.tensors[slot], 0, 0, one.tensors[slot].dims[0] > 0 ? 1 : 0);
    return vk_fits_bindings(device, &one);
}

void vk_add_sum_of_parts(vk_program *program, const vk_parts_sum *sum)
{
    const uint32_t group_size = program ? program->device->group_size : 1;
    uint32_t elements = group_size; /* per workgroup: the fewer, the more parts there are */
    while (elements > ELEMENTS_MIN && group_size / elements * 2 < sum->parts)
        elements /= 2;
    const uint32_t constants[] = {sum->bias_kind, sum->activation, sum->beta != 0, elements};
    vk_step *step = vk_program_add(program, VK_SHADER_gemm_finish, group_size, constants, 4);
    vk_step_bind(program, step, sum->sums, VK_READ);
    vk_step_bind(program, step, sum->c, sum->beta != 0 ? VK_READ_WRITE : VK_WRITE);
    vk_step_bind(program, step, sum->bias, VK_READ);
    const struct {
        uint32_t count, parts;
        vk_divider columns;
        uint32_t c_stride;
        float alpha, beta, slope;
    } push = {(uint32_t)(sum->rows * sum->columns),
              (uint32_t)sum->parts,
              vk_divider_of(sum->columns),
              (uint32_t)sum->row_stride,
              sum->alpha,
              sum->beta,
              sum->slope};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, vk_ceil_div(sum->rows * sum->columns, elements));
}

/* The parts' sums, one matrix after the other, become C. */
static void add_finish(const gemm_task *task, vk_span sums, uint64_t parts)
{
    const auxo_gemm_params *params = &task->op->params.gemm;
    const auxo_tensor *bias = &task->op->tensors[AUXO_GEMM_BIAS];
    const vk_parts_sum sum = {.sums = sums,
                              .parts = parts,
                              .c = matrix_span(&task->c, 0, 1, 0, task->m, task->n),
                              .rows = task->m,
                              .columns = task->n,
                              .row_stride = task->c.row_stride,
                              .bias = vk_span_of(bias),
                              .bias_kind = !auxo_tensor_is_present(bias) ? 0
                                           : params->bias_per_row        ? 2
                                                                         : 1,
                              .activation = params->activation,
                              .alpha = params->alpha,
                              .beta = params->beta,
                              .slope = params->slope};
    vk_add_sum_of_parts(task->program, &sum);
}

/* K in parts, as batches of smaller products: neighbouring parts lie part_k terms apart in A and B. The last part may
 * be shorter and is a product of its own. */
static void add_split(gemm_task *task, uint64_t wanted)
{
    const auxo_gemm_params *params = &task->op->params.gemm;
    const uint64_t even_k = vk_ceil_div(task->k, wanted);
    const uint64_t part_k = even_k < PART_K ? even_k : vk_ceil_div(even_k, PART_K) * PART_K;
    const uint64_t full = task->k / part_k, rest = task->k % part_k, parts = full + (rest > 0);
    const vk_span sums = vk_program_scratch(task->program, parts * task->m * task->n, sizeof(float));
    gemm_task part = *task;
    part.partial = true;
    part.c = (matrix){sums, AUXO_DTYPE_F32, task->m * task->n, task->n};
    part.a.batch_stride = params->trans_a ? part_k * task->a.row_stride : part_k;
    part.b.batch_stride = params->trans_b ? part_k : part_k * task->b.row_stride;
    part.k = part_k;
    const gemm_part even = {.batches = full, .rows = task->m},
                    last = {.first_batch = full, .batches = 1, .rows = task->m};
    add_part(&part, &even);
    part.k = rest;
    if (rest > 0)
        add_part(&part, &last);
    if (task->program && task->program->status == AUXO_OK)
        add_finish(task, sums, parts);
}

bool vk_supports_gemm_split(void *device, const auxo_op *op)
{
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    const int64_t batches = c->rank == 3 ? c->dims[0] : 1;
    const uint64_t sums = PARTS_MAX * (uint64_t)(c->dims[c->rank - 2] * c->dims[c->rank - 1]);
    return batches == 1 && c->dtype == AUXO_DTYPE_F32 && op->params.gemm.alpha != 0 && vk_fits_bindings(device, op) &&
           vk_span_fits(device, (vk_span){.size_bytes = sums * sizeof(float)});
}

/* Into how many parts the tiled variant cuts K by itself: while there are fewer workgroups than half the units. */
static uint64_t parts_for(void *device, const gemm_task *task)
{
    const vk_tiled_size size = {task->m, task->n, task->k, task->batches};
    if (!task->parameters[VK_TILE_FILL] || task->k < 2 * PART_K_MIN || !vk_supports_gemm_split(device, task->op))
        return 1;
    const vk_tiled_tile tile = vk_tiled_tile_of(device, task->parameters, &size);
    const uint64_t groups = vk_ceil_div(task->m, tile.m) * vk_ceil_div(task->n, tile.n);
    const uint64_t units = vk_device_units(device), most = task->k / PART_K_MIN;
    const uint64_t wanted = 2 * groups > units ? 1 : vk_ceil_div(units, groups);
    return wanted < most ? (wanted < PARTS_MAX ? wanted : PARTS_MAX) : (most < PARTS_MAX ? most : PARTS_MAX);
}

static auxo_status prepare(void *device, const auxo_op *op, gemm_way way, const int32_t *parameters, void **state,
                           auxo_error *error)
{
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C], *a = &op->tensors[AUXO_GEMM_A];
    gemm_task task = {.program = vk_program_begin(device, error),
                      .op = op,
                      .way = way,
                      .parameters = parameters,
                      .a = matrix_of(op, AUXO_GEMM_A),
                      .b = matrix_of(op, AUXO_GEMM_B),
                      .c = matrix_of(op, AUXO_GEMM_C),
                      .batches = c->rank == 3 ? (uint64_t)c->dims[0] : 1,
                      .m = (uint64_t)c->dims[c->rank - 2],
                      .n = (uint64_t)c->dims[c->rank - 1],
                      .k = (uint64_t)a->dims[op->params.gemm.trans_a ? a->rank - 2 : a->rank - 1]};
    const gemm_part all = {.batches = task.batches, .rows = task.m};
    if (task.batches == 0 || task.m == 0 || task.n == 0)
        return vk_program_finish(task.program, state, error);
    const uint64_t parts = way == GEMM_SPLIT   ? (uint64_t)parameters[VK_GEMM_SPLIT_TUNABLES - 1]
                           : way == GEMM_TILED ? parts_for(device, &task)
                                               : 1;
    if (parts > 1 && task.k > 1)
        add_split(&task, parts);
    else
        add_part(&task, &all);
    return vk_program_finish(task.program, state, error);
}

void vk_add_products(vk_program *program, const int32_t *parameters, const vk_products *products)
{
    const uint64_t m = products->rows, n = products->columns, k = products->terms;
    const auxo_op plain = {.kind = AUXO_OP_GEMM, .params.gemm = {.trans_a = products->trans_a, .alpha = 1}};
    gemm_task task = {.program = program,
                      .op = &plain,
                      .way = GEMM_TILED,
                      .partial = true,
                      .parameters = parameters,
                      .a = {products->a, AUXO_DTYPE_F32, m * k, products->trans_a ? m : k},
                      .b = {products->b, AUXO_DTYPE_F32, k * n, n},
                      .c = {products->c, AUXO_DTYPE_F32, m * n, n},
                      .batches = products->count,
                      .m = m,
                      .n = n,
                      .k = k};
    const gemm_part all = {.batches = products->count, .rows = m};
    add_part(&task, &all);
}

VK_PREPARE(gemm_tiled)
{
    return prepare(device, op, GEMM_TILED, parameters, state, error);
}

VK_PREPARE(gemm_direct)
{
    return prepare(device, op, GEMM_DIRECT, parameters, state, error);
}

VK_PREPARE(gemm_split)
{
    return prepare(device, op, GEMM_SPLIT, parameters, state, error);
}

VK_PREPARE(gemm_cooperative)
{
    return prepare(device, op, GEMM_COOPERATIVE, parameters, state, error);
}

bool vk_supports_gemm_cooperative(void *device, const auxo_op *op)
{
    const vk_device *self = device;
    return self->cooperative.m > 0 && op->tensors[AUXO_GEMM_A].dtype == AUXO_DTYPE_F16 &&
           op->tensors[AUXO_GEMM_B].dtype == AUXO_DTYPE_F16 && vk_supports_gemm(device, op);
}

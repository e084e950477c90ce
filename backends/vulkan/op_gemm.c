/* op_gemm.c: matrix products: the tiled and the direct variant of gemm.comp, the tiled one with K cut into parts for
 * small results of long sums (split_k), the one of gemm_cooperative.comp for operands of 16 bits, and their tunables.
 *
 * What exceeds one binding is cut: batch by batch, then rows of C (with the rows of A) as long as B fits.
 */
#include "gemm_shape.h"
#include "views.h"

enum {
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
const auxo_tunable vk_gemm_cooperative_tunables[VK_COOPERATIVE_TUNABLES] = {VK_COOPERATIVE_TUNABLES_OF(128, 128)};
const auxo_tunable vk_gemm_direct_tunables[VK_GEMM_DIRECT_TUNABLES] = {
    {.name = "rows", .initial = 8, .value_count = 4, .values = {1, 2, 4, 8}},
    {.name = "columns", .initial = 4, .value_count = 4, .values = {1, 2, 4, 8}},
    {.name = "lanes", .initial = 64, .value_count = 4, .values = {8, 32, 64, 128}},
};

static gemm_matrix matrix_of(const auxo_op *op, uint32_t slot)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    return (gemm_matrix){vk_span_of(tensor), tensor->dtype, tensor->rank == 3 ? (uint64_t)tensor->strides[0] : 0,
                         (uint64_t)tensor->strides[tensor->rank - 2]};
}

/* `rows` rows (as stored) of `columns` elements of `batches` matrices. */
static vk_span matrix_span(const gemm_matrix *view, uint64_t first_batch, uint64_t batches, uint64_t first_row,
                           uint64_t rows, uint64_t columns)
{
    if (rows == 0 || columns == 0)
        return vk_span_none();
    const uint64_t first = first_batch * view->batch_stride + first_row * view->row_stride;
    const uint64_t count = (batches - 1) * view->batch_stride + (rows - 1) * view->row_stride + columns;
    return vk_span_part(view->span, first, count);
}

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

static void emit_part(gemm_task *task, const gemm_part *part, const vk_span spans[3])
{
    const auxo_gemm_params *params = &task->op->params.gemm;
    const gemm_shape shape = vk_gemm_shape_of(task, part, spans);
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
        GEMM_PUSH
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
        GEMM_FINISH_PUSH
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
    const common_split split = common_split_of(task->k, wanted, task->k, even_k < PART_K ? 1 : PART_K);
    const uint64_t part_k = split.length, parts = split.count, full = task->k / part_k, rest = task->k % part_k;
    const vk_span sums = vk_program_scratch(task->program, parts * task->m * task->n, sizeof(float));
    gemm_task part = *task;
    part.partial = true;
    part.c = (gemm_matrix){sums, AUXO_DTYPE_F32, task->m * task->n, task->n};
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
    const common_gemm_view view = common_gemm_view_of(op);
    const uint64_t sums = PARTS_MAX * (uint64_t)(view.m * view.n);
    return view.batches == 1 && op->tensors[AUXO_GEMM_C].dtype == AUXO_DTYPE_F32 && op->params.gemm.alpha != 0 &&
           vk_fits_bindings(device, op) && vk_span_fits(device, (vk_span){.size_bytes = sums * sizeof(float)});
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
    const common_gemm_view view = common_gemm_view_of(op);
    gemm_task task = {.program = vk_program_begin(device, error),
                      .op = op,
                      .way = way,
                      .parameters = parameters,
                      .a = matrix_of(op, AUXO_GEMM_A),
                      .b = matrix_of(op, AUXO_GEMM_B),
                      .c = matrix_of(op, AUXO_GEMM_C),
                      .batches = (uint64_t)view.batches,
                      .m = (uint64_t)view.m,
                      .n = (uint64_t)view.n,
                      .k = (uint64_t)view.k};
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
    return vk_cooperative_of(device, op->tensors[AUXO_GEMM_A].dtype).m > 0 &&
           op->tensors[AUXO_GEMM_B].dtype == op->tensors[AUXO_GEMM_A].dtype && vk_supports_gemm(device, op);
}

/* op_data.c: gather_batch, augment, random_fill, dropout and counter_add. */
#include "vk_ops.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint32_t has(const auxo_op *op, uint32_t slot)
{
    return auxo_tensor_is_present(&op->tensors[slot]);
}

/* ---- gather_batch: DATA in windows of rows, Y in chunks; each dispatch writes the rows that its window holds ---- */

typedef struct gather_window {
    uint64_t row_begin, row_end; /* of DATA */
    uint64_t first, count;       /* of Y's elements */
} gather_window;

static void add_gather(vk_program *program, const auxo_op *op, const gather_window *window)
{
    const auxo_tensor *data = &op->tensors[AUXO_GATHER_BATCH_DATA], *y = &op->tensors[AUXO_GATHER_BATCH_Y];
    const uint64_t row_elements = (uint64_t)(y->dims[1] * y->dims[2]);
    const int64_t n = has(op, AUXO_GATHER_BATCH_ORDER) ? op->tensors[AUXO_GATHER_BATCH_ORDER].dims[0] : data->dims[0];
    const uint32_t constants[] = {data->dtype, y->dtype == AUXO_DTYPE_U32};
    vk_step *step = vk_program_add(program, VK_SHADER_gather_batch, 0, constants, 2);
    vk_step_bind(program, step,
                 vk_span_part(vk_span_of(data), window->row_begin * row_elements,
                              (window->row_end - window->row_begin) * row_elements),
                 VK_READ);
    for (uint32_t slot = AUXO_GATHER_BATCH_ORDER; slot <= AUXO_GATHER_BATCH_INVSTD; slot++)
        vk_step_bind(program, step, vk_span_of(&op->tensors[slot]), VK_READ);
    vk_step_bind(program, step, vk_span_part(vk_span_of(y), window->first, window->count), VK_WRITE);
    const struct {
        GATHER_BATCH_PUSH
    } push = {.count = (uint32_t)window->count,
              .first = (uint32_t)window->first,
              .batch = (uint32_t)y->dims[0],
              .row_elements = vk_divider_of(row_elements),
              .inner = vk_divider_of((uint64_t)y->dims[2]),
              .n = (uint32_t)n,
              .row_begin = (uint32_t)window->row_begin,
              .row_end = (uint32_t)window->row_end,
              .has_order = has(op, AUXO_GATHER_BATCH_ORDER),
              .has_counter = has(op, AUXO_GATHER_BATCH_COUNTER),
              .has_mean = has(op, AUXO_GATHER_BATCH_MEAN),
              .has_invstd = has(op, AUXO_GATHER_BATCH_INVSTD),
              .scale = op->params.gather_batch.scale};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups_flat(program, step, window->count);
}

VK_PREPARE(gather_batch)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[AUXO_GATHER_BATCH_Y].dtype);
    const auxo_tensor *data = &op->tensors[AUXO_GATHER_BATCH_DATA], *y = &op->tensors[AUXO_GATHER_BATCH_Y];
    const uint64_t count = (uint64_t)auxo_tensor_element_count(y), rows = (uint64_t)data->dims[0];
    const uint64_t row_elements = (uint64_t)(y->dims[1] * y->dims[2]);
    const uint64_t window_rows =
        row_elements ? VK_FLAT_CHUNK * 4 / auxo_dtype_size_bytes(data->dtype) / row_elements : rows;
    if (count == 0 || (has(op, AUXO_GATHER_BATCH_ORDER) && op->tensors[AUXO_GATHER_BATCH_ORDER].dims[0] == 0))
        return vk_program_finish(program, state, error);
    if (window_rows == 0)
        vk_program_fail(program, AUXO_UNSUPPORTED, "gather_batch: one row of DATA exceeds a binding");
    for (uint64_t row = 0; program && program->status == AUXO_OK && row < rows; row += window_rows)
        for (uint64_t first = 0; first < count; first += VK_FLAT_CHUNK) {
            const gather_window window = {row, least(row + window_rows, rows), first,
                                          least(count - first, VK_FLAT_CHUNK)};
            add_gather(program, op, &window);
        }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(augment)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[AUXO_AUGMENT_Y].dtype);
    const auxo_augment_params *params = &op->params.augment;
    const auxo_tensor *x = &op->tensors[AUXO_AUGMENT_X];
    const uint32_t count = (uint32_t)auxo_tensor_element_count(x);
    if (count > 0) {
        vk_step *step = vk_program_add(program, VK_SHADER_augment, 0, NULL, 0);
        vk_step_bind(program, step, vk_span_of(x), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_AUGMENT_Y]), VK_WRITE);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_AUGMENT_COUNTER]), VK_READ);
        const struct {
            AUGMENT_PUSH
        } push = {.count = count,
                  .channels = vk_divider_of((uint64_t)x->dims[1]),
                  .height = vk_divider_of((uint64_t)x->dims[2]),
                  .width = vk_divider_of((uint64_t)x->dims[3]),
                  .max_shift_h = (uint32_t)params->max_shift_h,
                  .max_shift_w = (uint32_t)params->max_shift_w,
                  .flip = params->flip,
                  .seed_low = (uint32_t)params->seed,
                  .seed_high = (uint32_t)(params->seed >> 32),
                  .stream = params->stream,
                  .has_counter = has(op, AUXO_AUGMENT_COUNTER)};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups_flat(program, step, count);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(random_fill)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const auxo_random_fill_params *params = &op->params.random_fill;
    const uint64_t count = (uint64_t)auxo_tensor_element_count(&op->tensors[AUXO_RANDOM_FILL_Y]);
    const uint32_t kind = params->kind;
    for (uint64_t first = 0; first < count; first += VK_FLAT_CHUNK) {
        const uint64_t part = least(count - first, VK_FLAT_CHUNK), block = first / 4;
        vk_step *step = vk_program_add(program, VK_SHADER_random_fill, 0, &kind, 1);
        vk_step_bind(program, step, vk_span_part(vk_span_of(&op->tensors[AUXO_RANDOM_FILL_Y]), first, part), VK_WRITE);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_RANDOM_FILL_COUNTER]), VK_READ);
        const struct {
            RANDOM_FILL_PUSH
        } push = {(uint32_t)part,
                  (uint32_t)block,
                  (uint32_t)(block >> 32),
                  (uint32_t)params->seed,
                  (uint32_t)(params->seed >> 32),
                  params->stream,
                  has(op, AUXO_RANDOM_FILL_COUNTER),
                  params->a,
                  params->b};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups_flat(program, step, part);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(dropout)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[AUXO_DROPOUT_Y].dtype);
    const auxo_dropout_params *params = &op->params.dropout;
    const uint64_t count = (uint64_t)auxo_tensor_element_count(&op->tensors[AUXO_DROPOUT_Y]);
    for (uint64_t first = 0; first < count; first += VK_FLAT_CHUNK) {
        const uint64_t part = least(count - first, VK_FLAT_CHUNK), block = first / 4;
        vk_step *step = vk_program_add(program, VK_SHADER_dropout, 0, NULL, 0);
        vk_step_bind(program, step, vk_span_part(vk_span_of(&op->tensors[AUXO_DROPOUT_X]), first, part), VK_READ);
        vk_step_bind(program, step, vk_span_part(vk_span_of(&op->tensors[AUXO_DROPOUT_Y]), first, part), VK_WRITE);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_DROPOUT_COUNTER]), VK_READ);
        const struct {
            DROPOUT_PUSH
        } push = {(uint32_t)part,
                  (uint32_t)block,
                  (uint32_t)(block >> 32),
                  (uint32_t)params->seed,
                  (uint32_t)(params->seed >> 32),
                  params->stream,
                  has(op, AUXO_DROPOUT_COUNTER),
                  params->rate};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups_flat(program, step, part);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(counter_add)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_step *step = vk_program_add(program, VK_SHADER_counter_add, 0, NULL, 0);
    vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_COUNTER_ADD_COUNTER]), VK_READ_WRITE);
    vk_step_push(program, step, op->params.counter_add.increments, sizeof op->params.counter_add.increments);
    vk_step_groups(program, step, 1);
    return vk_program_finish(program, state, error);
}

/* op_reduce.c: reduce per channel, segment_reduce and group_norm.
 *
 * reduce cuts X (outer, channels, inner) into boxes that fit a binding, and each box into parts so that few channels
 * still fill the device. Every part leaves a compensated pair; reduce_finish combines them in a fixed order.
 */
#include "vk_ops.h"

enum { PART_TERMS_MIN = 4096, WORKGROUPS_WANTED = 512, COLUMN_CHANNELS = 32 };

typedef struct reduce_push {
    REDUCE_PUSH
} reduce_push;

typedef struct reduce_task {
    vk_program *program;
    const vk_reduction *reduction;
    uint64_t outer, channels, inner; /* of X */
    vk_span target;                  /* partial pairs, or Y if `final` */
    bool final;
    uint64_t parts; /* per channel, so far */
} reduce_task;

typedef struct reduce_box {
    uint64_t first_outer, outer, first_channel, channels, first_inner, inner;
} reduce_box;

static uint32_t channels_per_group(const reduce_task *task)
{
    return task->inner == 1 && task->channels > 1 ? COLUMN_CHANNELS : 1;
}

static uint64_t parts_of(const reduce_task *task, const reduce_box *box)
{
    const uint64_t terms = box->outer * box->inner;
    const uint64_t groups = vk_ceil_div(box->channels, channels_per_group(task));
    const uint64_t wanted = vk_ceil_div(WORKGROUPS_WANTED, groups);
    const uint64_t possible = vk_ceil_div(terms, PART_TERMS_MIN);
    return possible < wanted ? (possible ? possible : 1) : wanted;
}

static void emit_box(reduce_task *task, const reduce_box *box)
{
    const uint64_t parts = parts_of(task, box);
    const uint64_t terms = box->outer * box->inner;
    const uint64_t plane = task->channels * task->inner;
    const uint64_t first = box->first_outer * plane + box->first_channel * task->inner + box->first_inner;
    const uint64_t span = (box->outer - 1) * plane + (box->channels - 1) * task->inner + box->inner;
    const uint32_t constants[] = {task->reduction->kind, channels_per_group(task), task->final};
    vk_step *step = vk_program_add(task->program, VK_SHADER_reduce, 0, constants, 3);
    vk_step_bind(task->program, step, vk_span_part(task->reduction->x, first, span), VK_READ);
    vk_step_bind(task->program, step, task->target, VK_WRITE);
    const reduce_push push = {.channels = (uint32_t)box->channels,
                              .inner = vk_divider_of(box->inner),
                              .terms = (uint32_t)terms,
                              .outer_stride = (uint32_t)plane,
                              .channel_stride = (uint32_t)task->inner,
                              .part_count = (uint32_t)parts,
                              .part_terms = (uint32_t)vk_ceil_div(terms, parts),
                              .first_part = (uint32_t)task->parts,
                              .first_channel = (uint32_t)box->first_channel,
                              .all_channels = (uint32_t)task->channels,
                              .count = (float)(task->outer * task->inner)};
    vk_step_push(task->program, step, &push, sizeof push);
    vk_step_groups(task->program, step, parts * vk_ceil_div(box->channels, constants[1]));
}

/* Calls emit (or only counts the parts, when `emitting` is false) for boxes of at most VK_FLAT_CHUNK elements. */
static void walk_boxes(reduce_task *task, bool emitting)
{
    const uint64_t plane = task->channels * task->inner;
    uint64_t outer_step = VK_FLAT_CHUNK / plane, channel_step = task->channels, inner_step = task->inner;
    if (outer_step == 0) {
        outer_step = 1;
        channel_step = VK_FLAT_CHUNK / task->inner;
        if (channel_step == 0) {
            channel_step = 1;
            inner_step = VK_FLAT_CHUNK;
        }
    }
    task->parts = 0;
    for (uint64_t o = 0; o < task->outer; o += outer_step) {
        uint64_t new_parts = 0;
        for (uint64_t c = 0; c < task->channels; c += channel_step) {
            uint64_t row_parts = 0; /* the same for each c: the last box of a row has no more channels */
            for (uint64_t i = 0; i < task->inner; i += inner_step) {
                const reduce_box box = {o, task->outer - o < outer_step ? task->outer - o : outer_step,
                                        c, task->channels - c < channel_step ? task->channels - c : channel_step,
                                        i, task->inner - i < inner_step ? task->inner - i : inner_step};
                const uint64_t base = task->parts;
                task->parts += row_parts;
                if (emitting)
                    emit_box(task, &box);
                row_parts += parts_of(task, &box);
                task->parts = base;
            }
            new_parts = row_parts > new_parts ? row_parts : new_parts;
        }
        task->parts += new_parts;
    }
}

static void add_neutral(reduce_task *task)
{
    const uint32_t constants[] = {task->reduction->kind, 1, true};
    vk_step *step = vk_program_add(task->program, VK_SHADER_reduce, 0, constants, 3);
    vk_step_bind(task->program, step, vk_span_none(), VK_READ);
    vk_step_bind(task->program, step, task->reduction->y, VK_WRITE);
    const reduce_push push = {.channels = (uint32_t)task->channels,
                              .inner = vk_divider_of(1),
                              .part_count = 1,
                              .all_channels = (uint32_t)task->channels};
    vk_step_push(task->program, step, &push, sizeof push);
    vk_step_groups(task->program, step, task->channels);
}

static void add_finish(reduce_task *task)
{
    const uint32_t kind = task->reduction->kind;
    vk_step *step = vk_program_add(task->program, VK_SHADER_reduce_finish, 0, &kind, 1);
    vk_step_bind(task->program, step, task->target, VK_READ);
    vk_step_bind(task->program, step, task->reduction->y, VK_WRITE);
    const struct {
        REDUCE_FINISH_PUSH
    } push = {(uint32_t)task->channels, (uint32_t)task->parts, (float)(task->outer * task->inner)};
    vk_step_push(task->program, step, &push, sizeof push);
    if (step)
        vk_step_groups(task->program, step, vk_ceil_div(task->channels, step->key.constants[0]));
}

void vk_add_reduction(vk_program *program, const vk_reduction *reduction)
{
    reduce_task task = {.program = program,
                        .reduction = reduction,
                        .outer = reduction->outer,
                        .channels = reduction->channels,
                        .inner = reduction->inner};
    if (task.channels == 0)
        return;
    if (task.outer * task.inner == 0) {
        add_neutral(&task);
        return;
    }
    walk_boxes(&task, false);
    task.final = task.parts == 1;
    if (task.final)
        task.target = reduction->y;
    else
        task.target = vk_program_scratch(program, 2 * task.parts * task.channels, 4);
    walk_boxes(&task, true);
    if (!task.final)
        add_finish(&task);
}

static auxo_status build_reduce(vk_device *device, const auxo_op *op, vk_program *program, void **state,
                                auxo_error *error)
{
    (void)device;
    vk_program_set_format(program, op->tensors[AUXO_REDUCE_X].dtype);
    const int64_t *dims = op->tensors[AUXO_REDUCE_X].dims;
    const vk_reduction reduction = {.kind = op->params.reduce.kind,
                                    .x = vk_span_of(&op->tensors[AUXO_REDUCE_X]),
                                    .y = vk_span_of(&op->tensors[AUXO_REDUCE_Y]),
                                    .outer = (uint64_t)dims[0],
                                    .channels = (uint64_t)dims[1],
                                    .inner = (uint64_t)dims[2]};
    vk_add_reduction(program, &reduction);
    return vk_program_finish(program, state, error);
}

VK_PREPARE_EITHER(reduce)

static auxo_status build_segment_reduce(vk_device *device, const auxo_op *op, vk_program *program, void **state,
                                        auxo_error *error)
{
    (void)device;
    const auxo_segment_reduce_params *params = &op->params.segment_reduce;
    const uint32_t segments = (uint32_t)op->tensors[AUXO_SEGMENT_REDUCE_Y].dims[0];
    if (segments > 0) {
        const uint32_t constants[] = {params->dot ? AUXO_REDUCE_SUM : params->kind, params->dot};
        vk_step *step = vk_program_add(program, VK_SHADER_segment_reduce, 0, constants, 2);
        for (uint32_t slot = AUXO_SEGMENT_REDUCE_A; slot <= AUXO_SEGMENT_REDUCE_Y; slot++)
            vk_step_bind(program, step, vk_span_of(&op->tensors[slot]),
                         slot == AUXO_SEGMENT_REDUCE_Y ? VK_WRITE : VK_READ);
        const struct {
            SEGMENT_REDUCE_PUSH
        } push = {segments};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups(program, step, segments);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE_EITHER(segment_reduce)

uint32_t vk_lanes_for(const vk_device *device, uint64_t row_elements)
{
    uint32_t lanes = 1; /* a few elements for each */
    while (lanes < device->group_size && lanes * 8 < row_elements)
        lanes *= 2;
    return lanes;
}

static auxo_status build_group_norm(vk_device *device, const auxo_op *op, vk_program *program, void **state,
                                    auxo_error *error)
{
    const auxo_norm_kind kind = op->params.group_norm.kind;
    const int64_t *dims = op->tensors[AUXO_GROUP_NORM_W].dims;
    const uint32_t reduction = kind == AUXO_NORM_LINF                          ? AUXO_REDUCE_MAX_ABS
                               : kind == AUXO_NORM_L2 || kind == AUXO_NORM_RMS ? AUXO_REDUCE_SUM_SQUARES
                                                                               : AUXO_REDUCE_SUM_ABS;
    if (dims[0] > 0) {
        const uint32_t lanes = vk_lanes_for(device, (uint64_t)dims[1]);
        const uint32_t constants[] = {kind, reduction, lanes};
        vk_step *step = vk_program_add(program, VK_SHADER_group_norm, 0, constants, 3);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_GROUP_NORM_W]), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_GROUP_NORM_BIAS]), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_GROUP_NORM_NORM]), VK_WRITE);
        const struct {
            GROUP_NORM_PUSH
        } push = {(uint32_t)dims[0], (uint32_t)dims[1], auxo_tensor_is_present(&op->tensors[AUXO_GROUP_NORM_BIAS])};
        vk_step_push(program, step, &push, sizeof push);
        if (step)
            vk_step_groups(program, step, vk_ceil_div(push.groups, step->key.constants[0] / lanes));
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE_EITHER(group_norm)

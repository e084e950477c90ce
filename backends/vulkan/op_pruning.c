/* op_pruning.c: penalty, kept_scan and index_select. */
#include "vk_ops.h"

#include <string.h>

static bool is_present(const auxo_op *op, uint32_t slot)
{
    return auxo_tensor_is_present(&op->tensors[slot]);
}

VK_PREPARE(penalty)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const auxo_penalty_params *params = &op->params.penalty;
    const int64_t *dims = op->tensors[AUXO_PENALTY_W].dims;
    const vk_span partial = vk_program_scratch(program, 2 * (uint64_t)dims[0], 4);
    if (dims[0] > 0) {
        const uint32_t constants[] = {params->kind, params->proximal};
        vk_step *step = vk_program_add(program, VK_SHADER_penalty, 0, constants, 2);
        for (uint32_t slot = AUXO_PENALTY_W; slot <= AUXO_PENALTY_HYPER; slot++)
            vk_step_bind(program, step, vk_span_of(&op->tensors[slot]),
                         slot <= AUXO_PENALTY_DBIAS ? VK_READ_WRITE : VK_READ);
        vk_step_bind(program, step, partial, VK_WRITE);
        const struct {
            PENALTY_PUSH
        } push = {(uint32_t)dims[0],
                  (uint32_t)dims[1],
                  is_present(op, AUXO_PENALTY_BIAS),
                  is_present(op, AUXO_PENALTY_DBIAS),
                  is_present(op, AUXO_PENALTY_COEF),
                  params->strength};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups(program, step, push.groups);
    }
    if (is_present(op, AUXO_PENALTY_VALUE)) {
        const struct {
            PENALTY_FINISH_PUSH
        } push = {(uint32_t)dims[0]};
        vk_step *step = vk_program_add(program, VK_SHADER_penalty_finish, 0, NULL, 0);
        vk_step_bind(program, step, partial, VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_PENALTY_VALUE]), VK_WRITE);
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups(program, step, 1);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(kept_scan)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_step *step = vk_program_add(program, VK_SHADER_kept_scan, 0, NULL, 0);
    vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_KEPT_SCAN_NORM]), VK_READ);
    vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_KEPT_SCAN_KEPT]), VK_WRITE);
    vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_KEPT_SCAN_COUNT]), VK_WRITE);
    const struct {
        KEPT_SCAN_PUSH
    } push = {(uint32_t)op->tensors[AUXO_KEPT_SCAN_NORM].dims[0], op->params.kept_scan.threshold,
              op->params.kept_scan.min_keep};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, 1);
    return vk_program_finish(program, state, error);
}

/* ---- index_select ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

typedef struct select_window {
    uint64_t first_outer, outer; /* slices */
    uint64_t axis_begin, axis_end;
} select_window;

/* All of Y's elements in the outer slices of a window, in chunks. */
static void add_select(vk_program *program, const auxo_op *op, const select_window *window)
{
    const int64_t *xd = op->tensors[AUXO_INDEX_SELECT_X].dims, *yd = op->tensors[AUXO_INDEX_SELECT_Y].dims;
    const uint64_t axis = (uint64_t)xd[1], inner = (uint64_t)xd[2], selected = (uint64_t)yd[1];
    const uint64_t from = (window->first_outer * axis + window->axis_begin) * inner;
    const uint64_t from_count =
        window->outer == 1 ? (window->axis_end - window->axis_begin) * inner : window->outer * axis * inner;
    const uint64_t to = window->first_outer * selected * inner, to_count = window->outer * selected * inner;
    const float fill = op->params.index_select.fill;
    uint32_t fill_bits = fill > 0 ? (fill < 4294967296.0f ? (uint32_t)fill : UINT32_MAX) : 0;
    if (op->tensors[AUXO_INDEX_SELECT_X].dtype == AUXO_DTYPE_F32)
        memcpy(&fill_bits, &fill, sizeof fill_bits);
    for (uint64_t first = 0; first < to_count; first += VK_FLAT_CHUNK) {
        const uint64_t part = least(to_count - first, VK_FLAT_CHUNK);
        vk_step *step = vk_program_add(program, VK_SHADER_index_select, 0, NULL, 0);
        vk_step_bind(program, step, vk_span_part(vk_span_of(&op->tensors[AUXO_INDEX_SELECT_X]), from, from_count),
                     VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_INDEX_SELECT_INDEX]), VK_READ);
        vk_step_bind(program, step, vk_span_part(vk_span_of(&op->tensors[AUXO_INDEX_SELECT_Y]), to + first, part),
                     VK_WRITE);
        const struct {
            INDEX_SELECT_PUSH
        } push = {(uint32_t)part,
                  (uint32_t)first,
                  vk_divider_of(selected),
                  vk_divider_of(inner),
                  (uint32_t)axis,
                  (uint32_t)window->axis_begin,
                  (uint32_t)window->axis_end,
                  fill_bits,
                  window->axis_begin == 0};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups_flat(program, step, part);
    }
}

VK_PREPARE(index_select)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const int64_t *xd = op->tensors[AUXO_INDEX_SELECT_X].dims, *yd = op->tensors[AUXO_INDEX_SELECT_Y].dims;
    const uint64_t outer = (uint64_t)yd[0], axis = (uint64_t)xd[1], inner = (uint64_t)xd[2];
    const uint64_t larger = axis > (uint64_t)yd[1] ? axis : (uint64_t)yd[1];
    const uint64_t slices = larger * inner > 0 ? VK_FLAT_CHUNK / (larger * inner) : outer;
    const uint64_t rows = inner > 0 ? VK_FLAT_CHUNK / inner : axis;
    if (rows == 0)
        vk_program_fail(program, AUXO_UNSUPPORTED, "index_select: one row of X exceeds a binding");
    for (uint64_t o = 0; program && program->status == AUXO_OK && o < outer && (uint64_t)yd[1] * inner > 0;) {
        select_window window = {.first_outer = o, .outer = least(slices ? slices : 1, outer - o), .axis_end = axis};
        if (slices > 0) {
            add_select(program, op, &window);
        } else {
            for (uint64_t a = 0; a == 0 || a < axis; a += rows) {
                window.axis_begin = a;
                window.axis_end = least(a + rows, axis);
                add_select(program, op, &window);
            }
        }
        o += window.outer;
    }
    return vk_program_finish(program, state, error);
}

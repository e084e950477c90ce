/* op_argsort.c: the passes of a bitonic sort over n padded to a power of two (argsort.comp). */
#include "vk_ops.h"

enum { LOCAL_SORT, GLOBAL_STEP, LOCAL_MERGE };

bool vk_supports_argsort(void *device, const auxo_op *op)
{
    (void)device;
    return op->tensors[AUXO_ARGSORT_KEYS].dims[0] <= (INT64_C(1) << 23); /* the pairs fit one binding everywhere */
}

typedef struct sort_pass {
    uint32_t mode, run, distance;
    bool last;
} sort_pass;

static void add_pass(vk_program *program, const auxo_op *op, vk_span pairs, uint64_t padded, const sort_pass *pass)
{
    vk_step *step = vk_program_add(program, VK_SHADER_argsort, 0, &pass->mode, 1);
    vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_ARGSORT_KEYS]), VK_READ);
    vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_ARGSORT_ORDER]), VK_WRITE);
    vk_step_bind(program, step, pairs, VK_READ_WRITE);
    const struct {
        ARGSORT_PUSH
    } push = {(uint32_t)op->tensors[AUXO_ARGSORT_KEYS].dims[0], op->params.argsort.descending, pass->run,
              pass->distance, pass->last};
    vk_step_push(program, step, &push, sizeof push);
    if (step)
        vk_step_groups(program, step, padded / (2 * step->key.constants[0]));
}

VK_PREPARE(argsort)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const uint64_t n = (uint64_t)op->tensors[AUXO_ARGSORT_KEYS].dims[0];
    const uint32_t block = 2 * ((vk_device *)device)->group_size;
    uint64_t padded = block;
    while (padded < n)
        padded *= 2;
    if (n > 0) {
        const vk_span pairs = vk_program_scratch(program, 2 * padded, 4);
        const sort_pass first = {LOCAL_SORT, 0, 0, padded == block};
        add_pass(program, op, pairs, padded, &first);
        for (uint32_t run = 2 * block; run <= padded; run *= 2) {
            for (uint32_t distance = run / 2; distance >= block; distance /= 2) {
                const sort_pass step = {GLOBAL_STEP, run, distance, false};
                add_pass(program, op, pairs, padded, &step);
            }
            const sort_pass merge = {LOCAL_MERGE, run, 0, run == padded};
            add_pass(program, op, pairs, padded, &merge);
        }
    }
    return vk_program_finish(program, state, error);
}

/* block_rules.c: see block_rules.h (J. Burghoff et al., ResBuilder, sec. 4.4 of the dissertation).
 */
#include "block_rules.h"
#include "model_internal.h"

#include <Random123/philox.h>
#include <math.h>
#include <stdlib.h>

static uint32_t draw(uint64_t seed, uint32_t number, uint32_t index, uint32_t bound)
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t counter = {{index, 0, 0x72627364u, number}};
    return (uint32_t)(((uint64_t)philox4x32(counter, key).v[0] * bound) >> 32);
}

uint32_t auxo__block_draw_place(const uint32_t *stages, uint32_t count, uint64_t seed, uint32_t number,
                                uint32_t attempt)
{
    const uint32_t stage = draw(seed, number, 2 * attempt, stages[count - 1] + 1);
    uint32_t first = 0, last;
    while (stages[first] < stage)
        first++;
    for (last = first; last + 1 < count && stages[last + 1] == stage;)
        last++;
    return first + draw(seed, number, 2 * attempt + 1, last - first + 1);
}

auxo_status auxo__block_statistic(auxo_model *model, auxo_block_statistic kind, uint32_t layer, double *value,
                                  auxo_error *error)
{
    static const auxo_reduce_kind kinds[] = {AUXO_REDUCE_SUM_ABS, AUXO_REDUCE_SUM_ABS, AUXO_REDUCE_MAX_ABS};
    const auxo_param *param = auxo__layout_find(&model->layout, layer, AUXO_PARAM_WEIGHT);
    auxo_tensor weight = auxo_model_param_tensor(model, param);
    int64_t count = auxo_tensor_element_count(&weight);
    auxo_buffer *result = NULL;
    float sum = 0;
    auxo_status status = auxo_buffer_create(auxo_model_device(model), sizeof sum, &result, error);
    auxo_op op = {.kind = AUXO_OP_REDUCE, .params.reduce = {kinds[kind]}};
    op.tensors[AUXO_REDUCE_X] = auxo_tensor_reshape(weight, 3, (int64_t[]){1, 1, count});
    op.tensors[AUXO_REDUCE_Y] = auxo_tensor_1d(result, 0, AUXO_DTYPE_F32, 1);
    if (status == AUXO_OK)
        status = auxo_op_run(auxo_model_queue(model), &op, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(auxo_model_queue(model), result, 0, &sum, sizeof sum, error);
    auxo_buffer_destroy(result);
    *value = kind == AUXO_BLOCK_MEAN && count > 0 ? sum / (double)count : sum;
    return status;
}

auxo_status auxo__block_find_weak(auxo_model *model, auxo_block_statistic kind, double threshold, auxo_block *weak,
                                  bool *found, double *statistic, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    auxo_block *blocks = malloc(desc->layer_count * sizeof *blocks);
    *found = false;
    if (!blocks)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "blocks that have become small: out of memory");
    const uint32_t count = auxo_blocks_find(desc, blocks);
    auxo_status status = AUXO_OK;
    *statistic = INFINITY;
    for (uint32_t b = 0; b < count && status == AUXO_OK; b++) {
        double first = 0, second = 0;
        status = auxo__block_statistic(model, kind, blocks[b].conv1, &first, error);
        if (status == AUXO_OK)
            status = auxo__block_statistic(model, kind, blocks[b].conv2, &second, error);
        if (status != AUXO_OK || fmin(first, second) >= *statistic)
            continue;
        *statistic = fmin(first, second);
        *weak = blocks[b];
    }
    *found = status == AUXO_OK && *statistic < threshold;
    free(blocks);
    return status;
}

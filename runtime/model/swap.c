/* swap.c: replaces a model's structure and flat buffers at once, so that a failed change leaves the model as it was.
 */
#include "resize_internal.h"

#include <stdlib.h>
#include <string.h>

auxo_status auxo__new_buffers_create(const auxo_model *model, const auxo__layout *layout,
                                     const auxo_carried_state *state, auxo__new_buffers *buffers, auxo_error *error)
{
    memset(buffers, 0, sizeof *buffers);
    uint64_t size_bytes = layout->weight_count * sizeof(float);
    buffers->state_count = state ? state->count : 0;
    buffers->states = calloc(buffers->state_count + 1, sizeof(auxo_buffer *));
    auxo_status status =
        buffers->states ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory resizing a model");
    if (status == AUXO_OK)
        status = auxo_buffer_create(model->device, size_bytes, &buffers->weights, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(model->device, size_bytes, &buffers->gradients, error);
    if (status == AUXO_OK && size_bytes > 0)
        status = auxo_buffer_zero(model->queue, buffers->gradients, 0, size_bytes, error);
    if (status == AUXO_OK)
        status =
            auxo_buffer_create(model->device, layout->statistic_count * sizeof(float), &buffers->statistics, error);
    for (size_t i = 0; status == AUXO_OK && i < buffers->state_count; i++)
        status = auxo_buffer_create(model->device, size_bytes, &buffers->states[i], error);
    if (status != AUXO_OK)
        auxo__new_buffers_destroy(buffers);
    return status;
}

void auxo__new_buffers_destroy(auxo__new_buffers *buffers)
{
    auxo_buffer_destroy(buffers->weights);
    auxo_buffer_destroy(buffers->gradients);
    auxo_buffer_destroy(buffers->statistics);
    for (size_t i = 0; buffers->states && i < buffers->state_count; i++)
        auxo_buffer_destroy(buffers->states[i]);
    free(buffers->states);
    memset(buffers, 0, sizeof *buffers);
}

static void replace(auxo_buffer **place, auxo_buffer **replacement)
{
    auxo_buffer_destroy(*place);
    *place = *replacement;
    *replacement = NULL;
}

auxo_status auxo__model_swap(auxo_model *model, auxo_model_desc *desc, auxo__layout *layout, auxo__new_buffers *buffers,
                             const auxo_carried_state *state, auxo_error *error)
{
    auxo_status status = auxo_queue_wait(model->queue, error);
    if (status != AUXO_OK)
        return status;
    replace(&model->weights, &buffers->weights);
    replace(&model->gradients, &buffers->gradients);
    replace(&model->statistics, &buffers->statistics);
    for (size_t i = 0; i < buffers->state_count; i++)
        replace(&state->buffers[i], &buffers->states[i]);
    auxo_model_desc_deinit(&model->desc);
    auxo__layout_free(&model->layout);
    model->desc = *desc;
    model->layout = *layout;
    memset(desc, 0, sizeof *desc);
    memset(layout, 0, sizeof *layout);
    auxo_buffer_destroy(model->narrow_weights); /* of the old size */
    model->narrow_weights = NULL;
    model->structure_version++;
    return AUXO_OK;
}

auxo_status auxo__model_replace(auxo_model *model, const auxo_model_desc *desc, const auxo_buffer *weights,
                                const auxo_buffer *statistics, auxo_buffer *const *states,
                                const auxo_carried_state *state, auxo_error *error)
{
    auxo_model_desc copy;
    auxo__layout layout = {0};
    auxo__new_buffers buffers = {0};
    auxo_status status = auxo_model_desc_copy(desc, &copy, error);
    if (status == AUXO_OK)
        status = auxo__layout_build(&copy, &layout, error);
    if (status == AUXO_OK)
        status = auxo__new_buffers_create(model, &layout, state, &buffers, error);
    const uint64_t weight_bytes = layout.weight_count * sizeof(float);
    const uint64_t statistic_bytes = layout.statistic_count * sizeof(float);
    if (status == AUXO_OK && weight_bytes > 0)
        status = auxo_buffer_copy(model->queue, weights, 0, buffers.weights, 0, weight_bytes, error);
    if (status == AUXO_OK && statistic_bytes > 0)
        status = auxo_buffer_copy(model->queue, statistics, 0, buffers.statistics, 0, statistic_bytes, error);
    for (size_t i = 0; status == AUXO_OK && weight_bytes > 0 && i < buffers.state_count; i++)
        status = auxo_buffer_copy(model->queue, states[i], 0, buffers.states[i], 0, weight_bytes, error);
    if (status == AUXO_OK)
        status = auxo__model_swap(model, &copy, &layout, &buffers, state, error);
    auxo_queue_wait(model->queue, NULL); /* after a failure, work on the buffers may still be under way */
    auxo__new_buffers_destroy(&buffers);
    auxo__layout_free(&layout);
    auxo_model_desc_deinit(&copy);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "replacing a structure");
}

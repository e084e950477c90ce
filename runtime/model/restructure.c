/* restructure.c: replaces a model's structure by another description. Parameters with the same name and shape are
 * carried over on the device, with their optimiser state; the others are drawn afresh on the host.
 */
#include "resize_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct restructurer {
    auxo_model *model;
    uint64_t seed;
    float new_magnitude;
    auxo_model_desc desc;
    auxo__layout layout;
    auxo__new_buffers buffers;
} restructurer;

/* The parameter of the old structure that `param` continues, or NULL. */
static const auxo_param *find_old(const auxo_model *model, const auxo_param *param)
{
    const auxo_param *old = auxo_model_find_param(model, param->name);
    if (!old || old->role != param->role || old->rank != param->rank ||
        memcmp(old->dims, param->dims, param->rank * sizeof *param->dims) != 0)
        return NULL;
    return old;
}

static auxo_status carry(const restructurer *r, const auxo_param *from, const auxo_param *to,
                         const auxo_carried_state *state, auxo_error *error)
{
    auxo_queue *queue = r->model->queue;
    uint64_t size_bytes = auxo__param_element_count(to) * sizeof(float);
    uint64_t source = from->offset * sizeof(float), target = to->offset * sizeof(float);
    if (!to->trainable)
        return auxo_buffer_copy(queue, r->model->statistics, source, r->buffers.statistics, target, size_bytes, error);
    auxo_status status =
        auxo_buffer_copy(queue, r->model->weights, source, r->buffers.weights, target, size_bytes, error);
    for (size_t i = 0; status == AUXO_OK && i < r->buffers.state_count; i++)
        status = auxo_buffer_copy(queue, state->buffers[i], source, r->buffers.states[i], target, size_bytes, error);
    return status;
}

/* Scales weights to the mean magnitude `size`. */
static void set_magnitude(float *values, uint64_t count, float size)
{
    double sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += fabs((double)values[i]);
    for (uint64_t i = 0; i < count && sum > 0; i++)
        values[i] = (float)(values[i] * (double)size * (double)count / sum);
}

static auxo_status draw(const restructurer *r, const auxo_param *to, auxo_error *error)
{
    auxo_queue *queue = r->model->queue;
    uint64_t count = auxo__param_element_count(to), offset_bytes = to->offset * sizeof(float);
    float *values = malloc((count + 1) * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the weights of \"%s\"", to->name);
    auxo__initialize_param(&r->desc, to, 1.0f, r->seed, values);
    if (to->role == AUXO_PARAM_WEIGHT)
        set_magnitude(values, count, r->new_magnitude);
    auxo_status status = auxo_buffer_write(queue, to->trainable ? r->buffers.weights : r->buffers.statistics,
                                           offset_bytes, values, count * sizeof *values, error);
    free(values);
    for (size_t i = 0; status == AUXO_OK && to->trainable && i < r->buffers.state_count; i++)
        status = auxo_buffer_zero(queue, r->buffers.states[i], offset_bytes, count * sizeof(float), error);
    return status;
}

static auxo_status fill_buffers(restructurer *r, const auxo_carried_state *state, auxo_error *error)
{
    auxo_status status = auxo__new_buffers_create(r->model, &r->layout, state, &r->buffers, error);
    for (size_t i = 0; status == AUXO_OK && i < r->layout.param_count; i++) {
        const auxo_param *to = &r->layout.params[i], *from = find_old(r->model, to);
        status = from ? carry(r, from, to, state, error) : draw(r, to, error);
    }
    return status;
}

/* Preprocessing is stored with the model and must still fit. */
static auxo_status check_ends(const auxo_model *model, const auxo_model_desc *desc, auxo_error *error)
{
    if (memcmp(desc->layers[0].output_dims, model->desc.layers[0].output_dims, sizeof desc->layers[0].output_dims) != 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the new structure must read the same input");
    return AUXO_OK;
}

auxo_status auxo_model_restructure(auxo_model *model, const auxo_model_desc *desc, uint64_t seed, float new_magnitude,
                                   const auxo_carried_state *state, auxo_error *error)
{
    restructurer r = {.model = model, .seed = seed, .new_magnitude = new_magnitude};
    auxo_status status = auxo_model_desc_copy(desc, &r.desc, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_finish(&r.desc, error);
    if (status == AUXO_OK)
        status = check_ends(model, &r.desc, error);
    if (status == AUXO_OK)
        status = auxo__layout_build(&r.desc, &r.layout, error);
    if (status == AUXO_OK)
        status = fill_buffers(&r, state, error);
    if (status == AUXO_OK)
        status = auxo__model_swap(model, &r.desc, &r.layout, &r.buffers, state, error);
    auxo_queue_wait(model->queue, NULL); /* after a failure, work on the buffers may still be under way */
    auxo__new_buffers_destroy(&r.buffers);
    auxo__layout_free(&r.layout);
    auxo_model_desc_deinit(&r.desc);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "restructure");
}

/* moments.c: what an optimiser has gathered (moments, velocities, squares), apart from a trainer, so that a training
 * can go on with it in another one.
 *
 * The buffers have the layout of the model's parameters and follow a resize or a restructure as carried state does. The
 * updates that they count stand beside them, for Adam's bias correction.
 */
#include "moments.h"
#include "archive.h"
#include "train_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct auxo_moments {
    auxo_model *model; /* borrowed: whose layout they have */
    auxo_optimizer_kind kind;
    uint64_t time; /* updates that they have seen */
    auxo_buffer *states[AUXO__OPTIMIZER_STATES_MAX];
    size_t state_count;
};

static const char TIME_KEY[] = "auxo.moments";
static const char *const names[AUXO__OPTIMIZER_STATES_MAX] = {"state0", "state1"};

static uint64_t bytes_of(const auxo_model *model)
{
    return auxo_model_weight_count(model) * sizeof(float);
}

/* Without values. */
static auxo_status create(auxo_model *model, auxo_optimizer_kind kind, auxo_moments **moments, auxo_error *error)
{
    *moments = NULL;
    auxo_moments *made = calloc(1, sizeof *made);
    if (!made)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for an optimiser's moments");
    made->model = model;
    made->kind = kind;
    made->state_count = auxo_optimizer_state_count(kind);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < made->state_count && status == AUXO_OK; i++)
        status = auxo_buffer_create(auxo_model_device(model), bytes_of(model), &made->states[i], error);
    if (status == AUXO_OK)
        *moments = made;
    else
        auxo_moments_destroy(made);
    return status;
}

static auxo_status copy_states(auxo_queue *queue, auxo_buffer *const *from, auxo_buffer *const *to, size_t count,
                               uint64_t size_bytes, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK && size_bytes > 0; i++)
        status = auxo_buffer_copy(queue, from[i], 0, to[i], 0, size_bytes, error);
    auxo_status ended = auxo_queue_wait(queue, status == AUXO_OK ? error : NULL);
    return status == AUXO_OK ? ended : status;
}

auxo_status auxo_moments_take(auxo_trainer *trainer, auxo_moments **moments, auxo_error *error)
{
    const auxo_optimizer *optimizer = trainer->optimizer;
    auxo_model *model = trainer->model;
    auxo_status status = create(model, optimizer->config.kind, moments, error);
    if (status != AUXO_OK)
        return status;
    (*moments)->time = trainer->reset_count == optimizer->reset_count ? trainer->optimizer_time : 0;
    status = copy_states(auxo_model_queue(model), optimizer->states, (*moments)->states, optimizer->state_count,
                         bytes_of(model), error);
    if (status != AUXO_OK) {
        auxo_moments_destroy(*moments);
        *moments = NULL;
    }
    return status;
}

auxo_status auxo_moments_give(const auxo_moments *moments, auxo_trainer *trainer, auxo_error *error)
{
    const auxo_optimizer *optimizer = trainer->optimizer;
    const uint64_t size_bytes = bytes_of(trainer->model);
    if (moments->kind != optimizer->config.kind)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "moments of %s do not fit %s",
                              auxo__optimizer_noun(moments->kind), auxo__optimizer_noun(optimizer->config.kind));
    for (size_t i = 0; i < moments->state_count; i++)
        if (auxo_buffer_size_bytes(moments->states[i]) != auxo_buffer_size_bytes(optimizer->states[i]))
            return auxo_error_set(
                error, AUXO_INVALID_ARGUMENT, "moments of %" PRIu64 " weights do not fit a model of %" PRIu64,
                auxo_buffer_size_bytes(moments->states[i]) / sizeof(float), size_bytes / sizeof(float));
    auxo_status status = copy_states(auxo_model_queue(trainer->model), moments->states, optimizer->states,
                                     moments->state_count, size_bytes, error);
    if (status == AUXO_OK) {
        trainer->optimizer_time = moments->time;
        trainer->reset_count = optimizer->reset_count;
    }
    return status;
}

auxo_status auxo_moments_clone(const auxo_moments *moments, auxo_model *model, auxo_moments **copy, auxo_error *error)
{
    auxo_status status = create(model, moments->kind, copy, error);
    if (status != AUXO_OK)
        return status;
    (*copy)->time = moments->time;
    for (size_t i = 0; i < moments->state_count && status == AUXO_OK; i++)
        if (auxo_buffer_size_bytes(moments->states[i]) != auxo_buffer_size_bytes((*copy)->states[i]))
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "moments of another layout do not fit this model");
    if (status == AUXO_OK)
        status = copy_states(auxo_model_queue(model), moments->states, (*copy)->states, moments->state_count,
                             bytes_of(model), error);
    if (status != AUXO_OK) {
        auxo_moments_destroy(*copy);
        *copy = NULL;
    }
    return status;
}

auxo_carried_state auxo_moments_carried_state(auxo_moments *moments)
{
    return (auxo_carried_state){.buffers = moments->states, .count = moments->state_count};
}

uint64_t auxo_moments_time(const auxo_moments *moments)
{
    return moments->time;
}

void auxo_moments_destroy(auxo_moments *moments)
{
    if (!moments)
        return;
    for (size_t i = 0; i < AUXO__OPTIMIZER_STATES_MAX; i++)
        auxo_buffer_destroy(moments->states[i]);
    free(moments);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

auxo_status auxo__archive_put_moments(auxo__archive *archive, const char *prefix, const auxo_moments *moments,
                                      auxo_error *error)
{
    char text[64];
    snprintf(text, sizeof text, "%s %" PRIu64, auxo__optimizer_noun(moments->kind), moments->time);
    auxo_status status = auxo__archive_put_text(archive, prefix, TIME_KEY, text, error);
    for (size_t i = 0; i < moments->state_count && status == AUXO_OK; i++)
        status = auxo__archive_put_buffer(archive, prefix, names[i], auxo_model_queue(moments->model),
                                          moments->states[i], (size_t)auxo_model_weight_count(moments->model), error);
    return status;
}

auxo_status auxo__archive_get_moments(const auxo__archive *archive, const char *prefix, auxo_model *model,
                                      auxo_moments **moments, auxo_error *error)
{
    *moments = NULL;
    const char *text = auxo__archive_text(archive, prefix, TIME_KEY);
    if (!text)
        return AUXO_OK;
    char noun[32] = "";
    uint64_t time = 0;
    auxo_optimizer_config config;
    if (sscanf(text, "%31s %" SCNu64, noun, &time) != 2)
        return auxo_error_set(error, AUXO_FORMAT, "\"%s%s\" is \"%s\", not an optimiser and its updates", prefix,
                              TIME_KEY, text);
    auxo_status status = auxo_optimizer_config_parse(noun, &config, error);
    if (status == AUXO_OK)
        status = create(model, config.kind, moments, error);
    if (status != AUXO_OK)
        return status;
    (*moments)->time = time;
    for (size_t i = 0; i < (*moments)->state_count && status == AUXO_OK; i++)
        status = auxo__archive_get_buffer(archive, prefix, names[i], auxo_model_queue(model), (*moments)->states[i],
                                          (size_t)auxo_model_weight_count(model), error);
    if (status != AUXO_OK) {
        auxo_moments_destroy(*moments);
        *moments = NULL;
    }
    return status;
}

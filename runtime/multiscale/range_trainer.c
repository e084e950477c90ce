/* runtime/multiscale/range_trainer.c: trains a range of weights with many epochs per submission.
 *
 * Invariants: results holds CHUNK losses (f32[2] each), then CHUNK gradient norms. An epoch is gradient, norm, update.
 * With a tolerance, a chunk of epochs is submitted at once and its norms are read together; if epoch k was the first
 * below the tolerance, the state from before the chunk is restored and k epochs are run again, so that the outcome is
 * exactly that of checking after every epoch (44). Without one, all epochs are submitted and nothing is read between.
 */
#include "multiscale_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 8, EPOCHS_PER_STOP_CHECK = 256, SNAPSHOT_START = 0, SNAPSHOT_CHUNK = 1, SNAPSHOT_COUNT = 2 };

typedef struct range_plan {
    uint32_t layer_begin, layer_end;
    auxo_plan *epoch; /* one epoch into result slot 0, no norm unless watched */
    auxo_plan *chunk; /* CHUNK epochs; made on first use */
    bool watched;     /* the plans compute norms */
} range_plan;

struct range_trainer {
    auxo_model *model;
    auxo_optimizer *optimizer;
    append_gradient *append;
    void *user;
    auxo_queue *queue;
    auxo_buffer *results, *counter, *snapshots[SNAPSHOT_COUNT];
    range_plan *plans;
    size_t plan_count, plan_capacity;
};

auxo_status auxo__range_trainer_create(auxo_model *model, auxo_optimizer *optimizer, append_gradient *append,
                                       void *user, range_trainer **out, auxo_error *error)
{
    range_trainer *trainer = calloc(1, sizeof *trainer);
    if (!trainer)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "trainer of layer ranges: out of memory");
    trainer->model = model;
    trainer->optimizer = optimizer;
    trainer->append = append;
    trainer->user = user;
    trainer->queue = auxo_model_queue(model);
    auxo_device *device = auxo_model_device(model);
    uint64_t arrays = 1 + auxo_optimizer_carried_state(optimizer).count;
    uint64_t snapshot_bytes = 16 + arrays * auxo_model_weight_count(model) * sizeof(float);
    auxo_status status = auxo_buffer_create(device, CHUNK * 3 * sizeof(float), &trainer->results, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, 16, &trainer->counter, error);
    for (int s = 0; s < SNAPSHOT_COUNT && status == AUXO_OK; s++)
        status = auxo_buffer_create(device, snapshot_bytes, &trainer->snapshots[s], error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(trainer->queue, trainer->counter, 0, (uint32_t[4]){1, 0, 0, 0}, 16, error);
    if (status != AUXO_OK) {
        auxo__range_trainer_destroy(trainer);
        return status;
    }
    *out = trainer;
    return AUXO_OK;
}

void auxo__range_trainer_destroy(range_trainer *trainer)
{
    if (!trainer)
        return;
    for (size_t i = 0; i < trainer->plan_count; i++) {
        auxo_plan_destroy(trainer->plans[i].epoch);
        auxo_plan_destroy(trainer->plans[i].chunk);
    }
    free(trainer->plans);
    auxo_buffer_destroy(trainer->results);
    auxo_buffer_destroy(trainer->counter);
    for (int s = 0; s < SNAPSHOT_COUNT; s++)
        auxo_buffer_destroy(trainer->snapshots[s]);
    free(trainer);
}

/* Copies counter, weights and optimiser state of the range to a snapshot, or back. */
static auxo_status copy_state(range_trainer *trainer, int snapshot, uint64_t offset, uint64_t count, bool restore,
                              auxo_error *error)
{
    auxo_carried_state carried = auxo_optimizer_carried_state(trainer->optimizer);
    uint64_t size_bytes = count * sizeof(float), offset_bytes = offset * sizeof(float), place_bytes = 16;
    auxo_buffer *kept = trainer->snapshots[snapshot];
    auxo_status status = restore ? auxo_buffer_copy(trainer->queue, kept, 0, trainer->counter, 0, 16, error)
                                 : auxo_buffer_copy(trainer->queue, trainer->counter, 0, kept, 0, 16, error);
    for (size_t i = 0; i <= carried.count && status == AUXO_OK; i++, place_bytes += size_bytes) {
        auxo_buffer *live = i == 0 ? auxo_model_weights(trainer->model) : carried.buffers[i - 1];
        status = restore ? auxo_buffer_copy(trainer->queue, kept, place_bytes, live, offset_bytes, size_bytes, error)
                         : auxo_buffer_copy(trainer->queue, live, offset_bytes, kept, place_bytes, size_bytes, error);
    }
    return status;
}

static void append_norm(range_trainer *trainer, auxo_plan *plan, uint64_t offset, uint64_t count, uint32_t slot)
{
    auxo_op op = {.kind = AUXO_OP_REDUCE, .params.reduce = {AUXO_REDUCE_MAX_ABS}};
    op.tensors[AUXO_REDUCE_X] = auxo_tensor_make(auxo_model_gradients(trainer->model), offset * sizeof(float),
                                                 AUXO_DTYPE_F32, 3, (int64_t[]){1, 1, (int64_t)count});
    op.tensors[AUXO_REDUCE_Y] = auxo_tensor_1d(trainer->results, (2 * CHUNK + slot) * sizeof(float), AUXO_DTYPE_F32, 1);
    auxo_plan_add(plan, &op, "gradient norm");
}

static auxo_status build_plan(range_trainer *trainer, const train_request *request, uint64_t offset, uint64_t count,
                              uint32_t epochs, bool watched, auxo_plan **out, auxo_error *error)
{
    auxo_plan *plan = NULL;
    auxo_status status = auxo_plan_create(auxo_model_device(trainer->model), &plan, error);
    auxo_tensor counter = auxo_tensor_1d(trainer->counter, 0, AUXO_DTYPE_U32, 4);
    auxo_op advance = {.kind = AUXO_OP_COUNTER_ADD, .params.counter_add = {{1, 0, 0, 0}}};
    advance.tensors[AUXO_COUNTER_ADD_COUNTER] = counter;
    for (uint32_t k = 0; k < epochs && status == AUXO_OK; k++) {
        auxo_tensor loss = auxo_tensor_1d(trainer->results, 2 * k * sizeof(float), AUXO_DTYPE_F32, 2);
        trainer->append(trainer->user, plan, request->layer_begin, request->layer_end, &loss);
        if (watched)
            append_norm(trainer, plan, offset, count, k);
        auxo_optimizer_add_step(trainer->optimizer, plan, offset, count, &counter);
        auxo_plan_add(plan, &advance, "advance");
    }
    if (status == AUXO_OK)
        status = auxo_plan_compile(plan, &(auxo_plan_options){0}, error);
    if (status != AUXO_OK) {
        auxo_plan_destroy(plan);
        return status;
    }
    *out = plan;
    return AUXO_OK;
}

/* The plan for the requested range, made on first use. */
static auxo_status find_plan(range_trainer *trainer, const train_request *request, uint64_t offset, uint64_t count,
                             range_plan **found, auxo_error *error)
{
    bool watched = request->tolerance > 0;
    for (size_t i = 0; i < trainer->plan_count; i++) {
        range_plan *plan = &trainer->plans[i];
        if (plan->layer_begin == request->layer_begin && plan->layer_end == request->layer_end &&
            plan->watched == watched) {
            *found = plan;
            return AUXO_OK;
        }
    }
    if (trainer->plan_count == trainer->plan_capacity) {
        size_t capacity = trainer->plan_capacity ? 2 * trainer->plan_capacity : 8;
        range_plan *plans = realloc(trainer->plans, capacity * sizeof *plans);
        if (!plans)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "plan of a layer range: out of memory");
        trainer->plans = plans;
        trainer->plan_capacity = capacity;
    }
    range_plan plan = {request->layer_begin, request->layer_end, NULL, NULL, watched};
    auxo_status status = build_plan(trainer, request, offset, count, 1, watched, &plan.epoch, error);
    if (status != AUXO_OK)
        return status;
    trainer->plans[trainer->plan_count] = plan;
    *found = &trainer->plans[trainer->plan_count++];
    return AUXO_OK;
}

static bool should_stop(const train_request *request)
{
    return request->stop && *request->stop;
}

/* All epochs without looking at them. */
static auxo_status run_unwatched(range_trainer *trainer, range_plan *plan, const train_request *request,
                                 train_outcome *outcome, auxo_error *error)
{
    float loss[2] = {0, 0};
    for (uint32_t done = 0; done < request->epochs;) {
        if (should_stop(request))
            return auxo_error_set(error, AUXO_INTERRUPTED, "training was interrupted");
        uint32_t epochs = request->epochs - done;
        if (epochs > EPOCHS_PER_STOP_CHECK)
            epochs = EPOCHS_PER_STOP_CHECK;
        auxo_status status = auxo_plan_run(plan->epoch, trainer->queue, epochs, error);
        if (status == AUXO_OK)
            status = auxo_buffer_read(trainer->queue, trainer->results, 0, loss, sizeof loss, error);
        if (status != AUXO_OK)
            return status;
        done += epochs;
        if (!isfinite(loss[0]))
            return auxo_error_set(error, AUXO_NOT_FINITE, "the loss became %g within epochs %u to %u", (double)loss[0],
                                  done - epochs + 1, done);
    }
    outcome->epochs = request->epochs;
    outcome->loss = (double)loss[0] + (double)loss[1];
    outcome->gradient_max = NAN;
    return AUXO_OK;
}

/* Runs `epochs` (1 or CHUNK) and reads their losses and norms. */
static auxo_status run_watched_epochs(range_trainer *trainer, range_plan *plan, uint32_t epochs, float *results,
                                      auxo_error *error)
{
    auxo_status status = auxo_plan_run(epochs == 1 ? plan->epoch : plan->chunk, trainer->queue, 1, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(trainer->queue, trainer->results, 0, results, CHUNK * 3 * sizeof(float), error);
    return status;
}

/* Epochs with the inner criterion (44). The first is run alone: often it is the only one. */
static auxo_status run_watched(range_trainer *trainer, range_plan *plan, const train_request *request, uint64_t offset,
                               uint64_t count, train_outcome *outcome, auxo_error *error)
{
    float results[CHUNK * 3];
    uint32_t done = 0;
    while (done < request->epochs) {
        if (should_stop(request))
            return auxo_error_set(error, AUXO_INTERRUPTED, "training was interrupted");
        uint32_t epochs = done > 0 && request->epochs - done >= CHUNK ? CHUNK : 1;
        auxo_status status = AUXO_OK;
        if (epochs > 1) {
            if (!plan->chunk)
                status = build_plan(trainer, request, offset, count, CHUNK, true, &plan->chunk, error);
            if (status == AUXO_OK)
                status = copy_state(trainer, SNAPSHOT_CHUNK, offset, count, false, error);
        }
        if (status == AUXO_OK)
            status = run_watched_epochs(trainer, plan, epochs, results, error);
        if (status != AUXO_OK)
            return status;
        uint32_t last = 0;
        while (last + 1 < epochs && !(results[2 * CHUNK + last] < request->tolerance))
            last++;
        for (uint32_t k = 0; k <= last; k++)
            if (!isfinite(results[2 * k]) || !isfinite(results[2 * CHUNK + k]))
                return auxo_error_set(error, AUXO_NOT_FINITE, "loss or gradient became non-finite in epoch %u",
                                      done + k + 1);
        outcome->loss = (double)results[2 * last] + (double)results[2 * last + 1];
        outcome->gradient_max = results[2 * CHUNK + last];
        done += last + 1;
        if (last + 1 < epochs) {
            status = copy_state(trainer, SNAPSHOT_CHUNK, offset, count, true, error);
            if (status == AUXO_OK)
                status = auxo_plan_run(plan->epoch, trainer->queue, last + 1, error);
            if (status != AUXO_OK)
                return status;
        }
        if (outcome->gradient_max < request->tolerance)
            break;
    }
    outcome->epochs = done;
    return AUXO_OK;
}

auxo_status auxo__range_trainer_run(range_trainer *trainer, const train_request *request, uint64_t offset,
                                    uint64_t count, train_outcome *outcome, auxo_error *error)
{
    range_plan *plan = NULL;
    auxo_status status = find_plan(trainer, request, offset, count, &plan, error);
    if (status == AUXO_OK)
        status = copy_state(trainer, SNAPSHOT_START, offset, count, false, error);
    if (status != AUXO_OK)
        return status;
    *outcome = (train_outcome){0, NAN, NAN};
    if (request->epochs == 0)
        return AUXO_OK;
    status = request->tolerance > 0 ? run_watched(trainer, plan, request, offset, count, outcome, error)
                                    : run_unwatched(trainer, plan, request, outcome, error);
    if (status == AUXO_NOT_FINITE) {
        /* Best effort: the first error is the one to report. */
        auxo_error ignored = {0};
        copy_state(trainer, SNAPSHOT_START, offset, count, true, &ignored);
    }
    return status;
}

auxo_status auxo__range_trainer_get_time(range_trainer *trainer, uint32_t *time, auxo_error *error)
{
    return auxo_buffer_read(trainer->queue, trainer->counter, 0, time, sizeof *time, error);
}

auxo_status auxo__range_trainer_set_time(range_trainer *trainer, uint32_t time, auxo_error *error)
{
    return auxo_buffer_write(trainer->queue, trainer->counter, 0, &time, sizeof time, error);
}

/* epoch.c: the loop over an epoch: chunks of steps without the host in between, losses read back afterwards.
 *
 * The device remembers the last batch losses in a ring; after each chunk the host reads them, looks for NaN, tells the
 * optimiser and the application. The size of a chunk follows measured time and never changes results: what must react
 * to single batches (goal braking on batches) forces chunks of one step.
 */
#include "clock.h"
#include "train_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double CHUNK_SECONDS = 0.2; /* how late progress and interruption may be */

/* Shuffled rows of the current epoch on the device: a function of (seed, epoch) alone. */
static auxo_status write_order(auxo_trainer *trainer, auxo_error *error)
{
    size_t rows = trainer->data.dataset->row_count;
    if (trainer->data.stream || trainer->order_epoch == trainer->epoch + 1)
        return AUXO_OK;
    uint32_t *order = malloc(rows * sizeof *order);
    if (!order)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory shuffling %zu rows", rows);
    auxo_status status = auxo__order_read(&trainer->row_order, trainer->epoch, 0, rows, order, error);
    auxo__order_deinit(&trainer->row_order); /* it holds as much again */
    trainer->row_order.epoch = UINT32_MAX;
    if (status == AUXO_OK)
        status = trainer->team ? auxo__team_write_order(trainer, order, error)
                               : auxo_buffer_write(auxo_model_queue(trainer->model), trainer->order, 0, order,
                                                   rows * sizeof *order, error);
    free(order);
    if (status == AUXO_OK)
        trainer->order_epoch = trainer->epoch + 1;
    return status;
}

static auxo_status write_counters(auxo_trainer *trainer, auxo_error *error)
{
    if (trainer->reset_count != trainer->optimizer->reset_count) {
        trainer->reset_count = trainer->optimizer->reset_count;
        trainer->optimizer_time = 0;
    }
    return auxo__trainer_write_counters(trainer, trainer, error);
}

auxo_status auxo__trainer_write_counters(const auxo_trainer *trainer, auxo_trainer *member, auxo_error *error)
{
    const uint32_t counters[4] = {(uint32_t)trainer->step + 1, (uint32_t)trainer->epoch_batch, trainer->epoch + 1,
                                  (uint32_t)trainer->optimizer_time + 1};
    return auxo_buffer_write(auxo_model_queue(member->model), member->counter, 0, counters, sizeof counters, error);
}

auxo_status auxo__trainer_need_plans(auxo_trainer *trainer, auxo_error *error)
{
    if (trainer->full && trainer->structure_version == auxo_model_structure_version(trainer->model))
        return AUXO_OK;
    const double start = auxo__now_seconds();
    const auxo_status status = auxo__trainer_build_plans(trainer, error);
    trainer->work.setup_seconds += auxo__now_seconds() - start;
    return status;
}

static auxo_status prepare(auxo_trainer *trainer, auxo_error *error)
{
    auxo_status status = auxo__trainer_need_plans(trainer, error);
    if (status == AUXO_OK)
        status = auxo__prefix_fill(trainer, error);
    if (status == AUXO_OK && trainer->team)
        status = auxo__team_begin(trainer, error);
    if (status == AUXO_OK)
        status = write_order(trainer, error);
    if (status == AUXO_OK)
        status = write_counters(trainer, error);
    if (status == AUXO_OK && trainer->epoch_batch == 0)
        status = auxo_buffer_zero(auxo_model_queue(trainer->model), trainer->stats, 0, 4 * sizeof(float), error);
    return status;
}

/* The losses of the `count` steps after trainer->step, from the ring. */
static auxo_status read_losses(auxo_trainer *trainer, uint64_t count, float *losses, auxo_error *error)
{
    uint64_t start = trainer->step % AUXO__HISTORY_LENGTH, before_wrap = AUXO__HISTORY_LENGTH - start;
    uint64_t first = count < before_wrap ? count : before_wrap;
    auxo_queue *queue = auxo_model_queue(trainer->model);
    auxo_status status =
        auxo_buffer_read(queue, trainer->history, start * sizeof(float), losses, first * sizeof(float), error);
    if (status == AUXO_OK && count > first)
        status = auxo_buffer_read(queue, trainer->history, 0, losses + first, (count - first) * sizeof(float), error);
    return status;
}

/* Accounts for one finished step. */
static auxo_status take_loss(auxo_trainer *trainer, double loss, auxo_error *error)
{
    const auxo_train_options *options = &trainer->options;
    uint64_t rows = trainer->data.dataset->row_count, before = trainer->epoch_batch * options->batch;
    uint64_t size = rows - before < options->batch ? rows - before : options->batch;
    trainer->step++;
    trainer->epoch_batch++;
    trainer->optimizer_time++;
    trainer->loss_sum += loss * (double)size;
    trainer->row_sum += size;
    trainer->work.rows += size;
    if (!isfinite(loss))
        return auxo_error_set(
            error, AUXO_NOT_FINITE, "the loss of step %llu (epoch %u) is %s; lower the learning rate or check the data",
            (unsigned long long)trainer->step, trainer->epoch + 1, isnan(loss) ? "not a number" : "infinite");
    bool braked = false;
    auxo_status status = auxo_optimizer_observe(trainer->optimizer, AUXO_WATCH_BATCH, loss, NAN, &braked, error);
    trainer->braked = trainer->braked || braked;
    if (options->on_step && options->log_every > 0 && trainer->step % options->log_every == 0) {
        auxo_step_metrics metrics = {.step = trainer->step,
                                     .epoch = trainer->epoch + 1,
                                     .steps_per_epoch = auxo_trainer_steps_per_epoch(trainer),
                                     .loss = loss};
        options->on_step(options->on_step_user, &metrics);
    }
    return status;
}

static uint64_t choose_chunk(const auxo_trainer *trainer, uint64_t limit)
{
    bool single = trainer->team || auxo__optimizer_watches_batches(trainer->optimizer);
    uint64_t chunk = single ? 1 : trainer->chunk;
    uint64_t full_batches = trainer->data.dataset->row_count / trainer->options.batch;
    uint64_t same_rate = auxo__trainer_steps_in_stage(trainer);
    if (trainer->data.stream) {
        const uint64_t together = auxo__stream_run_length(trainer->data.stream, trainer->epoch_batch);
        chunk = chunk < together ? chunk : together;
    }
    uint64_t left_full = trainer->epoch_batch < full_batches ? full_batches - trainer->epoch_batch : 1;
    chunk = chunk < limit ? chunk : limit;
    chunk = chunk < same_rate ? chunk : same_rate;
    return chunk < left_full ? chunk : left_full;
}

/* At most twice as long as the last chunk, and about CHUNK_SECONDS. */
static void adapt_chunk(auxo_trainer *trainer, uint64_t count, double seconds)
{
    double fitting = seconds > 0.0 ? CHUNK_SECONDS * (double)count / seconds : AUXO__HISTORY_LENGTH;
    double doubled = 2.0 * (double)count, most = fitting < doubled ? fitting : doubled;
    trainer->chunk = most >= AUXO__HISTORY_LENGTH ? AUXO__HISTORY_LENGTH : most < 1.0 ? 1 : (uint64_t)most;
}

static auxo_status run_chunk(auxo_trainer *trainer, uint64_t limit, auxo_error *error)
{
    float losses[AUXO__HISTORY_LENGTH];
    uint64_t full_batches = trainer->data.dataset->row_count / trainer->options.batch;
    uint64_t count = choose_chunk(trainer, limit);
    double start = auxo__now_seconds();
    const bool rest = trainer->epoch_batch >= full_batches;
    auxo_plan *plan = rest ? trainer->remainder : trainer->full;
    auxo__stream *stream = !trainer->team || auxo__team_has_rows(trainer->team, rest) ? trainer->data.stream : NULL;
    auxo_status status = auxo__trainer_apply_schedule(trainer, error);
    if (status == AUXO_OK)
        status = auxo__trainer_refresh_copies(trainer, error);
    if (status == AUXO_OK && stream)
        status = auxo__stream_need(stream, trainer->epoch, trainer->epoch_batch, error);
    if (status == AUXO_OK)
        status = trainer->team ? auxo__team_step(trainer, rest, losses, error)
                               : auxo_plan_run(plan, auxo_model_queue(trainer->model), (uint32_t)count, error);
    if (status == AUXO_OK && stream)
        status = auxo__stream_enqueued(stream, trainer->epoch_batch, error);
    if (status == AUXO_OK && !trainer->team)
        status = read_losses(trainer, count, losses, error);
    double seconds = auxo__now_seconds() - start;
    trainer->seconds += seconds;
    trainer->work.seconds += seconds;
    adapt_chunk(trainer, count, seconds);
    for (uint64_t i = 0; status == AUXO_OK && i < count; i++)
        status = take_loss(trainer, (double)losses[i], error);
    return status == AUXO_OK ? auxo__trainer_check_loss_scale(trainer, error) : status;
}

static auxo_status fill_in_metrics(auxo_trainer *trainer, auxo_epoch_metrics *metrics, auxo_error *error)
{
    float stats[4], loss_scale[AUXO_LOSS_SCALE_COUNT] = {0};
    auxo_status status =
        auxo_buffer_read(auxo_model_queue(trainer->model), trainer->stats, 0, stats, sizeof stats, error);
    if (status == AUXO_OK)
        status = auxo__trainer_read_loss_scale(trainer, loss_scale, error);
    double rows = (double)trainer->row_sum;
    *metrics = (auxo_epoch_metrics){
        .epoch = trainer->epoch + 1,
        .step = trainer->step,
        .train_loss = trainer->loss_sum / rows,
        .train_accuracy = trainer->options.loss == AUXO_LOSS_CROSS_ENTROPY ? (double)stats[1] / rows : NAN,
        .validation_loss = NAN,
        .validation_accuracy = NAN,
        .seconds = trainer->seconds,
        .samples_per_second = trainer->seconds > 0.0 ? rows / trainer->seconds : 0.0,
        .lr = auxo_optimizer_get_hyper(trainer->optimizer, AUXO_HYPER_LR),
        .skipped_steps = (uint64_t)loss_scale[AUXO_LOSS_SCALE_SKIPPED],
        .loss_scale = loss_scale[AUXO_LOSS_SCALE_FACTOR]};
    if (status == AUXO_OK && trainer->validation) {
        auxo_evaluation evaluation = {0};
        if (auxo_cluster_rank(trainer->options.cluster) == 0)
            status = auxo__evaluator_run(trainer->validation, &evaluation, error);
        if (status == AUXO_OK && trainer->team)
            status = auxo__team_share_evaluation(trainer, &evaluation, error);
        metrics->validation_loss = evaluation.loss;
        metrics->validation_accuracy = evaluation.accuracy;
    }
    if (status == AUXO_OK)
        status = auxo_optimizer_kinetic_energy(trainer->optimizer, &metrics->kinetic_energy, error);
    return status;
}

static auxo_status finish_epoch(auxo_trainer *trainer, auxo_epoch_metrics *metrics, auxo_error *error)
{
    auxo_epoch_metrics filled;
    bool braked = false;
    auxo_status status = fill_in_metrics(trainer, &filled, error);
    if (status == AUXO_OK)
        status = auxo_optimizer_observe(trainer->optimizer, AUXO_WATCH_EPOCH, filled.train_loss, filled.validation_loss,
                                        &braked, error);
    if (status != AUXO_OK)
        return status;
    filled.braked = trainer->braked || braked;
    if (metrics)
        *metrics = filled;
    trainer->epoch++;
    trainer->epoch_batch = 0;
    trainer->loss_sum = trainer->seconds = 0.0;
    trainer->row_sum = 0;
    trainer->braked = false;
    return AUXO_OK;
}

/* Ranks stop after the same step. */
static bool is_stopped(const auxo_trainer *trainer)
{
    if (auxo_cluster_size(trainer->options.cluster) > 1)
        return auxo__team_stopped(trainer->team);
    return trainer->options.stop && *trainer->options.stop;
}

auxo_status auxo_trainer_run(auxo_trainer *trainer, uint64_t max_steps, bool *finished_epoch,
                             auxo_epoch_metrics *metrics, auxo_error *error)
{
    *finished_epoch = false;
    trainer->copies_fresh = false; /* who calls may have changed weights */
    uint64_t steps_per_epoch = auxo_trainer_steps_per_epoch(trainer);
    uint64_t left = steps_per_epoch - trainer->epoch_batch;
    left = max_steps > 0 && max_steps < left ? max_steps : left;
    auxo_status status = prepare(trainer, error);
    while (status == AUXO_OK && left > 0) {
        uint64_t before = trainer->step;
        status = run_chunk(trainer, left, error);
        left -= trainer->step - before;
        if (status == AUXO_OK && left > 0 && is_stopped(trainer))
            status = auxo_error_set(error, AUXO_INTERRUPTED, "training was interrupted after step %llu",
                                    (unsigned long long)trainer->step);
    }
    if (status == AUXO_OK && trainer->epoch_batch == steps_per_epoch) {
        status = finish_epoch(trainer, metrics, error);
        *finished_epoch = status == AUXO_OK;
    }
    return status;
}

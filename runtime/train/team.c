/* team.c: one training run on several devices: each takes some rows of every batch, gradients are averaged.
 *
 * Synchronous data parallelism. Members are partial trainers with a replica of the model; member 0 is the trainer
 * itself, which alone has the optimiser. A step: the trainer's weights go to the replicas; every member computes loss
 * and gradients of its rows; the host averages them, weighted by rows, which for losses that are means over rows gives
 * what one device computes for the whole batch; the trainer updates. Batch norm sees the rows of its own device only.
 * Not here: how a batch is divided by speed (team_shares.c).
 */
#include "team.h"

#include <stdlib.h>
#include <string.h>

static const auxo_device_info *info_of(const auxo_trainer *member)
{
    return auxo_device_get_info(auxo_model_device(member->model));
}

static auxo_status blame(const auxo_trainer *member, auxo_status status, auxo_error *error)
{
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "device %s", info_of(member)->selector);
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

static void destroy_member(auxo_trainer *member)
{
    if (!member)
        return;
    auxo_model *model = member->model;
    if (model)
        auxo_trainer_destroy(member);
    else
        free(member);
    auxo_model_destroy(model);
}

/* A replica of the trainer's model as it is now; its weights come before every step. */
static auxo_status create_replica(const auxo_trainer *trainer, auxo_device *device, auxo_model **model,
                                  auxo_error *error)
{
    const auxo_preprocessing *preprocessing = auxo_model_preprocessing(trainer->model);
    auxo_status status = auxo_model_create(device, auxo_model_get_desc(trainer->model), 1, model, error);
    if (status == AUXO_OK && preprocessing->channel_count + preprocessing->target_count > 0)
        status = auxo_model_set_preprocessing(*model, preprocessing, error);
    static const auxo_precision precisions[AUXO_DTYPE_COUNT] = {
        [AUXO_DTYPE_F32] = AUXO_PRECISION_F32, [AUXO_DTYPE_BF16] = AUXO_PRECISION_BF16};
    if (status == AUXO_OK)
        status = auxo_model_set_precision(*model, precisions[auxo_model_precision(trainer->model)], error);
    return status;
}

static auxo_status create_member(const auxo_trainer *trainer, size_t index, auxo_device *device,
                                 auxo_trainer **member_out, auxo_error *error)
{
    auxo_trainer *member = calloc(1, sizeof *member);
    *member_out = member;
    if (!member)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating a trainer");
    member->options = trainer->options;
    member->options.train_layers = NULL;
    member->options.seed += index; /* of dropout and augmentation: other rows must not see the same numbers */
    auxo_status status = create_replica(trainer, device, &member->model, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "device %s", auxo_device_get_info(device)->selector);
    status = auxo__device_data_init(&member->data, auxo_model_queue(member->model), trainer->data.dataset, error);
    if (status == AUXO_OK)
        status = auxo__device_preprocessing_init(&member->preprocessing, member->model, error);
    if (status == AUXO_OK)
        status = auxo__trainer_create_buffers(member, error);
    if (status == AUXO_OK)
        status = auxo__trainer_init_row_weights(member, trainer->data.dataset, trainer->class_weights, error);
    return blame(member, status, error);
}

auxo_status auxo__team_create(auxo_trainer *trainer, auxo_error *error)
{
    const auxo_train_options *options = &trainer->options;
    if (options->loss == AUXO_LOSS_COX)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "the Cox loss compares all rows of a batch and cannot be shared by several devices");
    if (options->helper_count >= AUXO_TEAM_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%zu devices for one training run; at most %d work together", options->helper_count + 1,
                              AUXO_TEAM_MAX);
    auxo__team *team = trainer->team = calloc(1, sizeof *team);
    if (!team)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating a trainer");
    team->members[team->count++] = trainer;
    team->structure_version = auxo_model_structure_version(trainer->model);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < options->helper_count && status == AUXO_OK; i++) {
        status = create_member(trainer, i + 1, options->helpers[i], &team->members[team->count], error);
        team->count++;
    }
    for (size_t i = 0; i < team->count; i++)
        team->turns[i] = i;
    if (status == AUXO_OK && options->shares)
        status = auxo_trainer_set_shares(trainer, options->shares, team->count, error);
    return status;
}

void auxo__team_destroy(auxo__team *team)
{
    if (!team)
        return;
    for (size_t i = 1; i < team->count; i++)
        destroy_member(team->members[i]);
    free(team->sum);
    free(team->part);
    free(team);
}

void auxo__team_drop_plans(auxo__team *team)
{
    for (size_t i = 1; team && i < team->count; i++)
        auxo__trainer_drop_plans(team->members[i]);
}

/* Replicas follow a resize by being made anew. */
static auxo_status follow_structure(auxo_trainer *trainer, auxo_error *error)
{
    auxo__team *team = trainer->team;
    const uint64_t version = auxo_model_structure_version(trainer->model);
    auxo_status status = AUXO_OK;
    for (size_t i = 1; i < team->count && status == AUXO_OK && team->structure_version != version; i++) {
        auxo_trainer *member = team->members[i];
        auxo_model *replica = NULL, *old = member->model;
        status = create_replica(trainer, auxo_model_device(old), &replica, error);
        if (status != AUXO_OK) {
            auxo_model_destroy(replica);
            return blame(member, status, error);
        }
        member->model = replica;
        auxo_model_destroy(old);
    }
    team->structure_version = version;
    for (size_t i = 1; i < team->count && status == AUXO_OK; i++)
        status = auxo__trainer_copy_train_layers(team->members[i], trainer->train_layers, error);
    const uint64_t count = auxo_model_weight_count(trainer->model) + auxo_model_statistic_count(trainer->model);
    free(team->sum);
    free(team->part);
    team->sum = calloc(count + 1, sizeof *team->sum);
    team->part = calloc(count + 1, sizeof *team->part);
    if (status == AUXO_OK && (!team->sum || !team->part))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory averaging gradients");
    return status;
}

/* ---- plans and rows ---------------------------------------------------------------------------------------------- */

static auxo_status build_shares(auxo_trainer *trainer, auxo_error *error)
{
    auxo__team *team = trainer->team;
    const uint64_t rows = trainer->data.dataset->row_count, batch = trainer->options.batch;
    auxo_status status = AUXO_OK;
    auxo__team_divide_rest(team, (uint32_t)auxo__trainer_remainder(trainer), team->least_rows);
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++) {
        auxo_trainer *member = team->members[i];
        auxo__trainer_drop_own_plans(member);
        status = blame(
            member,
            auxo__trainer_build_part(member, (int64_t)(rows / batch), team->shares[i], team->rest_shares[i], error),
            error);
    }
    return status;
}

auxo_status auxo__team_build_plans(auxo_trainer *trainer, auxo_error *error)
{
    auxo__team *team = trainer->team;
    auxo_status status = follow_structure(trainer, error);
    team->least_rows = auxo__model_needs_two_rows(trainer->model) ? 2 : 1;
    if (status == AUXO_OK && trainer->options.batch < team->least_rows * team->count)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "a batch of %u rows is too small to be shared by %zu devices (at least %u rows each)",
                                trainer->options.batch, team->count, team->least_rows);
    const bool measured = team->has_shares;
    if (status == AUXO_OK && !measured)
        auxo__team_divide_evenly(team, trainer->options.batch);
    if (status == AUXO_OK)
        status = build_shares(trainer, error);
    if (status == AUXO_OK && !measured) {
        bool changed = false;
        status = auxo__team_measure(trainer, &changed, error);
        if (status == AUXO_OK && changed)
            status = build_shares(trainer, error);
    }
    trainer->order_epoch = 0; /* the rows of each member depend on the shares */
    return status == AUXO_OK ? auxo__trainer_build_update(trainer, error) : status;
}

auxo_status auxo__team_write_order(auxo_trainer *trainer, const uint32_t *order, auxo_error *error)
{
    auxo__team *team = trainer->team;
    const uint64_t rows = trainer->data.dataset->row_count, batch = trainer->options.batch;
    const uint64_t full = rows / batch;
    uint32_t *own = malloc(rows * sizeof *own);
    auxo_status status = own ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory shuffling rows");
    uint64_t first = 0, rest_first = full * batch;
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++) {
        const uint64_t share = team->shares[i], rest = team->rest_shares[i];
        for (uint64_t k = 0; k < full; k++)
            memcpy(own + k * share, order + k * batch + first, share * sizeof *own);
        memcpy(own + full * share, order + rest_first, rest * sizeof *own);
        first += share;
        rest_first += rest;
        status = auxo_buffer_write(auxo_model_queue(team->members[i]->model), team->members[i]->order, 0, own,
                                   (full * share + rest) * sizeof *own, error);
        status = blame(team->members[i], status, error);
    }
    free(own);
    return status;
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

auxo_status auxo__team_send_weights(auxo_trainer *trainer, auxo_error *error)
{
    auxo__team *team = trainer->team;
    const uint64_t weights = auxo_model_weight_count(trainer->model);
    auxo_status status = auxo_model_read_weights(trainer->model, team->part, team->part + weights, error);
    for (size_t i = 1; i < team->count && status == AUXO_OK; i++)
        status =
            blame(team->members[i],
                  auxo_model_write_weights(team->members[i]->model, team->part, team->part + weights, error), error);
    return status;
}

static auxo_status start_member(const auxo_trainer *trainer, auxo_trainer *member, auxo_plan *plan, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(member->model);
    auxo_status status = auxo__trainer_write_counters(trainer, member, error);
    if (status == AUXO_OK && member != trainer)
        status = auxo_buffer_zero(queue, member->stats, 0, 4 * sizeof(float), error);
    if (status == AUXO_OK)
        status = auxo_plan_run(plan, queue, 1, error);
    return blame(member, status, error);
}

/* What the members computed, as sums: gradients and statistics weighted by rows, counts as they are. */
typedef struct collection {
    float stats[4];
    double loss;
} collection;

static auxo_status collect_member(auxo_trainer *trainer, auxo_trainer *member, double weight, collection *total,
                                  auxo_error *error)
{
    auxo__team *team = trainer->team;
    auxo_queue *queue = auxo_model_queue(member->model);
    const uint64_t weights = auxo_model_weight_count(member->model);
    const uint64_t statistics = auxo_model_statistic_count(member->model);
    float stats[4] = {0}, loss = 0;
    const uint64_t slot = trainer->step % AUXO__HISTORY_LENGTH;
    auxo_status status =
        auxo_buffer_read(queue, auxo_model_gradients(member->model), 0, team->part, weights * sizeof(float), error);
    if (status == AUXO_OK && statistics > 0)
        status = auxo_buffer_read(queue, auxo_model_statistics(member->model), 0, team->part + weights,
                                  statistics * sizeof(float), error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, member->stats, 0, stats, sizeof stats, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, member->history, slot * sizeof loss, &loss, sizeof loss, error);
    if (status != AUXO_OK)
        return blame(member, status, error);
    for (uint64_t k = 0; k < weights + statistics; k++)
        team->sum[k] += (float)weight * team->part[k];
    for (int k = 0; k < 4; k++)
        total->stats[k] += stats[k];
    total->loss += weight * (double)loss;
    return AUXO_OK;
}

static auxo_status give_to_trainer(auxo_trainer *trainer, const collection *total, auxo_error *error)
{
    const auxo__team *team = trainer->team;
    auxo_queue *queue = auxo_model_queue(trainer->model);
    const uint64_t weights = auxo_model_weight_count(trainer->model);
    const uint64_t statistics = auxo_model_statistic_count(trainer->model);
    auxo_status status =
        auxo_buffer_write(queue, auxo_model_gradients(trainer->model), 0, team->sum, weights * sizeof(float), error);
    if (status == AUXO_OK && statistics > 0)
        status = auxo_buffer_write(queue, auxo_model_statistics(trainer->model), 0, team->sum + weights,
                                   statistics * sizeof(float), error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, trainer->stats, 0, total->stats, sizeof total->stats, error);
    if (status == AUXO_OK)
        status = auxo_plan_run(trainer->update, queue, 1, error);
    return blame(trainer, status, error);
}

/* A member without rows in the smaller batch at the end of an epoch has no plan for it. */
static auxo_plan *plan_of(const auxo_trainer *member, bool rest)
{
    return rest ? member->remainder : member->full;
}

auxo_status auxo__team_step(auxo_trainer *trainer, bool rest, float *loss, auxo_error *error)
{
    auxo__team *team = trainer->team;
    const uint32_t *rows = rest ? team->rest_shares : team->shares;
    const uint64_t values = auxo_model_weight_count(trainer->model) + auxo_model_statistic_count(trainer->model);
    double row_count = 0;
    collection total = {{0}, 0};
    auxo_status status = auxo__team_send_weights(trainer, error);
    for (size_t turn = 0; turn < team->count && status == AUXO_OK; turn++) {
        auxo_trainer *member = team->members[team->turns[turn]];
        if (plan_of(member, rest))
            status = start_member(trainer, member, plan_of(member, rest), error);
        row_count += rows[team->turns[turn]];
    }
    memset(team->sum, 0, values * sizeof *team->sum);
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++) {
        if (plan_of(team->members[i], rest))
            status = collect_member(trainer, team->members[i], rows[i] / row_count, &total, error);
        else if (i == 0) /* its counts of earlier steps */
            status = auxo_buffer_read(auxo_model_queue(trainer->model), trainer->stats, 0, total.stats,
                                      sizeof total.stats, error);
    }
    if (status == AUXO_OK)
        status = give_to_trainer(trainer, &total, error);
    *loss = (float)total.loss;
    return status;
}

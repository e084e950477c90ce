/* team.c: one training run on several devices or in several processes: its members, their plans, their rows.
 *
 * Synchronous data parallelism. Members are partial trainers with a replica of the model; member 0 is the trainer
 * itself, which alone has the optimiser. Each takes some rows of every batch; ranks of a job have one member each, and
 * the same weights, from rank 0 at the start of every epoch. Batch norm sees the rows of its own device only, unless
 * the options say otherwise (norm_exchange.c).
 * Not here: how a batch is divided (team_shares.c), a step (team_step.c), when gradients are known (buckets.c).
 */
#include "team.h"

#include <stdlib.h>
#include <string.h>

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
    static const auxo_precision precisions[AUXO_DTYPE_COUNT] = {[AUXO_DTYPE_F32] = AUXO_PRECISION_F32,
                                                                [AUXO_DTYPE_BF16] = AUXO_PRECISION_BF16,
                                                                [AUXO_DTYPE_F16] = AUXO_PRECISION_F16};
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
    member->part_seed = trainer->options.seed + index;
    auxo_status status = create_replica(trainer, device, &member->model, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "device %s", auxo_device_get_info(device)->selector);
    status = auxo__device_data_init(&member->data, auxo_model_queue(member->model), trainer->data.dataset, error);
    if (status == AUXO_OK)
        status = auxo__device_preprocessing_init(&member->preprocessing, member->model, error);
    if (status == AUXO_OK)
        status = auxo__trainer_init_loss_scale(member, error);
    if (status == AUXO_OK)
        status = auxo__trainer_create_buffers(member, error);
    if (status == AUXO_OK)
        status = auxo__trainer_init_row_weights(member, trainer->data.dataset, trainer->class_weights, error);
    return auxo__team_blame(member, status, error);
}

/* A device that computes in this process's threads is done when a section returns; others work on meanwhile. */
static auxo_status create_readers(auxo__team *team, auxo_error *error)
{
    auxo_device *device = auxo_model_device(team->members[0]->model);
    if (!team->exchange.cluster || auxo_device_get_info(device)->type == AUXO_DEVICE_CPU)
        return AUXO_OK;
    auxo_status status = auxo_queue_create(device, &team->reader[0], error);
    for (size_t k = 0; k < 2 && status == AUXO_OK; k++)
        status = auxo_event_create(device, &team->ended[0][k], error);
    return status;
}

auxo_status auxo__team_create(auxo_trainer *trainer, auxo_error *error)
{
    const auxo_train_options *options = &trainer->options;
    if (options->loss == AUXO_LOSS_COX)
        return auxo_error_set(
            error, AUXO_UNSUPPORTED,
            "the Cox loss compares all rows of a batch and cannot be shared by several devices or ranks");
    if (options->helper_count > 0 && auxo_cluster_size(options->cluster) > 1)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "several devices of one process in a job of %u ranks: start one rank for each device",
                              auxo_cluster_size(options->cluster));
    if (options->helper_count >= AUXO_TEAM_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%zu devices for one training run; at most %d work together", options->helper_count + 1,
                              AUXO_TEAM_MAX);
    auxo__team *team = trainer->team = calloc(1, sizeof *team);
    if (!team)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating a trainer");
    team->members[team->count++] = trainer;
    auxo__exchange_init(&team->exchange, auxo_cluster_size(options->cluster) > 1 ? options->cluster : NULL);
    team->structure_version = auxo_model_structure_version(trainer->model);
    auxo_status status = auxo__trainer_slice(trainer, trainer->data.dataset->row_count, &team->slice, error);
    for (size_t i = 0; i < options->helper_count && status == AUXO_OK; i++) {
        status = create_member(trainer, i + 1, options->helpers[i], &team->members[team->count], error);
        team->count++;
    }
    for (size_t i = 0; i < team->count; i++)
        team->turns[i] = i;
    if (status == AUXO_OK)
        status = create_readers(team, error);
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
    auxo_queue_destroy(team->reader[0]);
    auxo_event_destroy(team->ended[0][0]);
    auxo_event_destroy(team->ended[0][1]);
    auxo__exchange_deinit(&team->exchange);
    free(team->pieces);
    free(team->buckets);
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
            return auxo__team_blame(member, status, error);
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
    team->sum_count = count + AUXO__TAIL_COUNT;
    team->sum = calloc(team->sum_count, sizeof *team->sum);
    team->part = calloc(team->sum_count, sizeof *team->part);
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
    if (team->slice.batch == 0)
        auxo__team_divide_rest(team, (uint32_t)auxo__trainer_remainder(trainer), team->least_rows);
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++) {
        auxo_trainer *member = team->members[i];
        auxo__trainer_drop_own_plans(member);
        status = auxo__team_blame(
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
    const bool measured = team->has_shares || team->slice.batch > 0;
    if (team->slice.batch > 0) {
        team->shares[0] = (uint32_t)team->slice.count;
        team->rest_shares[0] = (uint32_t)team->slice.rest_count;
    } else if (status == AUXO_OK && !measured) {
        auxo__team_divide_evenly(team, trainer->options.batch);
    }
    if (status == AUXO_OK)
        status = build_shares(trainer, error);
    if (status == AUXO_OK && !measured) {
        bool changed = false;
        status = auxo__team_measure(trainer, &changed, error);
        if (status == AUXO_OK && changed)
            status = build_shares(trainer, error);
    }
    trainer->order_epoch = 0; /* the rows of each member depend on the shares */
    if (status == AUXO_OK)
        status = auxo__team_list_buckets(trainer, error);
    return status == AUXO_OK ? auxo__trainer_build_update(trainer, error) : status;
}

auxo_status auxo__team_write_order(auxo_trainer *trainer, const uint32_t *order, auxo_error *error)
{
    auxo__team *team = trainer->team;
    const uint64_t rows = trainer->data.dataset->row_count, batch = trainer->options.batch;
    const uint64_t full = rows / batch;
    uint32_t *own = malloc(rows * sizeof *own);
    auxo_status status = own ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory shuffling rows");
    uint64_t first = team->slice.first, rest_first = full * batch + team->slice.rest_first;
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++) {
        const uint64_t share = team->shares[i], rest = team->rest_shares[i];
        for (uint64_t k = 0; k < full; k++)
            memcpy(own + k * share, order + k * batch + first, share * sizeof *own);
        memcpy(own + full * share, order + rest_first, rest * sizeof *own);
        first += share;
        rest_first += rest;
        status = auxo_buffer_write(auxo_model_queue(team->members[i]->model), team->members[i]->order, 0, own,
                                   (full * share + rest) * sizeof *own, error);
        status = auxo__team_blame(team->members[i], status, error);
    }
    free(own);
    return status;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

auxo_status auxo__team_send_weights(auxo_trainer *trainer, auxo_error *error)
{
    auxo__team *team = trainer->team;
    const uint64_t weights = auxo_model_weight_count(trainer->model);
    float scale[AUXO_LOSS_SCALE_COUNT];
    auxo_status status = auxo_model_read_weights(trainer->model, team->part, team->part + weights, error);
    if (status == AUXO_OK)
        status = auxo__trainer_read_loss_scale(trainer, scale, error);
    for (size_t i = 1; i < team->count && status == AUXO_OK; i++) {
        auxo_trainer *member = team->members[i];
        status = auxo_model_write_weights(member->model, team->part, team->part + weights, error);
        if (status == AUXO_OK)
            status = auxo__trainer_write_loss_scale(member, scale, error);
        status = auxo__team_blame(member, status, error);
    }
    return status;
}

/* Ranks whose devices round in other ways drift apart: they meet here. */
auxo_status auxo__team_begin(auxo_trainer *trainer, auxo_error *error)
{
    auxo__team *team = trainer->team;
    auxo_cluster *cluster = team->exchange.cluster;
    const uint64_t weights = auxo_model_weight_count(trainer->model),
                   all = weights + auxo_model_statistic_count(trainer->model);
    float scale[AUXO_LOSS_SCALE_COUNT];
    if (!cluster || (team->sent && trainer->epoch_batch > 0))
        return AUXO_OK;
    auxo_status status = auxo_model_read_weights(trainer->model, team->part, team->part + weights, error);
    if (status == AUXO_OK)
        status = auxo__trainer_read_loss_scale(trainer, scale, error);
    if (status == AUXO_OK)
        status = auxo__cluster_broadcast(cluster, team->part, all * sizeof *team->part, error);
    if (status == AUXO_OK)
        status = auxo__cluster_broadcast(cluster, scale, sizeof scale, error);
    if (status == AUXO_OK && auxo_cluster_rank(cluster) > 0)
        status = auxo_model_write_weights(trainer->model, team->part, team->part + weights, error);
    if (status == AUXO_OK && auxo_cluster_rank(cluster) > 0)
        status = auxo__trainer_write_loss_scale(trainer, scale, error);
    team->sent = status == AUXO_OK;
    return status;
}

auxo_status auxo__team_share_evaluation(auxo_trainer *trainer, auxo_evaluation *evaluation, auxo_error *error)
{
    auxo_cluster *cluster = trainer->team->exchange.cluster;
    return cluster ? auxo__cluster_broadcast(cluster, evaluation, sizeof *evaluation, error) : AUXO_OK;
}

bool auxo__team_has_rows(const auxo__team *team, bool rest)
{
    return rest ? team->rest_shares[0] > 0 : team->shares[0] > 0;
}

bool auxo__team_stopped(const auxo__team *team)
{
    return team->exchange.cluster && *auxo_cluster_stop(team->exchange.cluster);
}

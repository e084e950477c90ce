/* team_step.c: a step of several devices or ranks: the backward pass in sections, sums of what each section ends with.
 *
 * Every member computes loss and gradients of its rows; the host adds them up, weighted by rows, which for losses that
 * are means over rows gives what one device computes for the whole batch; ranks exchange these sums, bucket by bucket,
 * while the backward pass goes on; then the trainer of each rank updates its weights, which so stay the same. A device
 * that works on by itself is read one section later, through a second queue. Statistics, losses and stops come last.
 */
#include "sections.h"
#include "team.h"

#include <string.h>

auxo_plan *auxo__team_plan(const auxo_trainer *member, bool rest)
{
    return rest ? member->remainder : member->full;
}

auxo_status auxo__team_blame(const auxo_trainer *member, auxo_status status, auxo_error *error)
{
    const char *selector = auxo_device_get_info(auxo_model_device(member->model))->selector;
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "device %s", selector);
}

/* A step under way. */
typedef struct team_step {
    auxo_trainer *trainer;
    auxo__team *team;
    bool rest;
    double rows;    /* of the batch, over all parts */
    auxo_plan *map; /* whose sections all plans have */
    size_t next_bucket, next_point;
    float stats[4];
    double loss;
} team_step;

static double weight_of(const team_step *step, size_t member)
{
    const auxo__team *team = step->team;
    return (double)(step->rest ? team->rest_shares[member] : team->shares[member]) / step->rows;
}

/* The counts of an epoch are kept by one device of all: the trainer's of rank 0. */
static bool keeps_counts(const team_step *step, const auxo_trainer *member)
{
    return member == step->trainer && auxo_cluster_rank(step->trainer->options.cluster) == 0;
}

static auxo_status start_member(const team_step *step, auxo_trainer *member, auxo_error *error)
{
    auxo_status status = auxo__trainer_write_counters(step->trainer, member, error);
    if (status == AUXO_OK && !keeps_counts(step, member))
        status = auxo_buffer_zero(auxo_model_queue(member->model), member->stats, 0, 4 * sizeof(float), error);
    return auxo__team_blame(member, status, error);
}

static auxo_status run_section(const team_step *step, size_t section, auxo_error *error)
{
    auxo__team *team = step->team;
    auxo_status status = AUXO_OK;
    for (size_t turn = 0; turn < team->count && status == AUXO_OK; turn++) {
        const size_t i = team->turns[turn];
        auxo_trainer *member = team->members[i];
        auxo_plan *plan = auxo__team_plan(member, step->rest);
        if (!plan)
            continue;
        status = auxo__plan_run_section(plan, auxo_model_queue(member->model), section, error);
        if (status == AUXO_OK && team->reader[i])
            status = auxo_event_record(auxo_model_queue(member->model), team->ended[i][section & 1], error);
        status = auxo__team_blame(member, status, error);
    }
    return status;
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

/* Adds what a member has of a bucket. `later`: the member works on at another section meanwhile. */
static auxo_status add_bucket(const team_step *step, const auxo__team_bucket *bucket, size_t i, bool later,
                              auxo_error *error)
{
    auxo__team *team = step->team;
    auxo_trainer *member = team->members[i];
    auxo_plan *plan = auxo__team_plan(member, step->rest);
    auxo_queue *queue = later && team->reader[i] ? team->reader[i] : auxo_model_queue(member->model);
    const float weight = (float)weight_of(step, i);
    auxo_status status = AUXO_OK;
    if (!plan)
        return AUXO_OK;
    if (later && team->reader[i])
        status = auxo_event_wait(team->ended[i][auxo__plan_section_of(plan, bucket->op) & 1], error);
    for (size_t p = 0; p < bucket->piece_count && status == AUXO_OK; p++) {
        const auxo__team_piece *piece = &team->pieces[bucket->first_piece + p];
        status = auxo_buffer_read(queue, auxo_model_gradients(member->model), piece->offset * sizeof(float), team->part,
                                  piece->count * sizeof(float), error);
        for (uint64_t k = 0; k < piece->count; k++)
            team->sum[piece->place + k] += weight * team->part[k];
    }
    return auxo__team_blame(member, status, error);
}

/* The buckets whose gradients are known after `section`. */
static auxo_status send_buckets(team_step *step, size_t section, bool later, auxo_error *error)
{
    auxo__team *team = step->team;
    auxo__exchange *exchange = &team->exchange;
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && step->next_bucket < team->bucket_count) {
        const auxo__team_bucket *bucket = &team->buckets[step->next_bucket];
        if (auxo__plan_section_of(step->map, bucket->op) > section)
            break;
        for (size_t i = 0; i < team->count && status == AUXO_OK; i++)
            status = add_bucket(step, bucket, i, later, error);
        if (status == AUXO_OK)
            status = exchange->kind->start(exchange, team->sum + bucket->place, bucket->count, error);
        step->next_bucket++;
    }
    return status == AUXO_OK ? exchange->kind->move(exchange, error) : status;
}

static auxo_status sync_norms(team_step *step, size_t section, auxo_error *error)
{
    const auxo__norm_sync *sync = &step->trainer->norm_sync[0];
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && step->next_point < sync->count &&
           auxo__plan_section_of(step->map, sync->points[step->next_point].op) <= section)
        status = auxo__team_sync_norm(step->trainer, step->rest, step->next_point++, error);
    return status;
}

/* Buckets are read one section later where a device works on by itself: its next section is enqueued before. */
static auxo_status run_sections(team_step *step, auxo_error *error)
{
    const size_t sections = auxo__plan_section_count(step->map);
    const bool later = step->team->reader[0] != NULL;
    auxo_status status = AUXO_OK;
    for (size_t s = 0; s < sections && status == AUXO_OK; s++) {
        status = run_section(step, s, error);
        if (status == AUXO_OK)
            status = sync_norms(step, s, error);
        if (status == AUXO_OK && (!later || s > 0))
            status = send_buckets(step, later ? s - 1 : s, later, error);
    }
    return status == AUXO_OK ? send_buckets(step, sections, false, error) : status;
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

/* Statistics, counts and the loss of one member. */
static auxo_status add_counts(team_step *step, size_t i, auxo_error *error)
{
    auxo__team *team = step->team;
    auxo_trainer *member = team->members[i];
    auxo_queue *queue = auxo_model_queue(member->model);
    const bool has_plan = auxo__team_plan(member, step->rest) != NULL;
    const uint64_t statistics = has_plan ? auxo_model_statistic_count(member->model) : 0;
    const uint64_t slot = step->trainer->step % AUXO__HISTORY_LENGTH;
    const double weight = weight_of(step, i);
    float stats[4] = {0}, loss = 0;
    auxo_status status = AUXO_OK;
    if (statistics > 0)
        status = auxo_buffer_read(queue, auxo_model_statistics(member->model), 0, team->part,
                                  statistics * sizeof(float), error);
    if (status == AUXO_OK && (has_plan || keeps_counts(step, member))) /* its counts of earlier steps */
        status = auxo_buffer_read(queue, member->stats, 0, stats, sizeof stats, error);
    if (status == AUXO_OK && has_plan)
        status = auxo_buffer_read(queue, member->history, slot * sizeof loss, &loss, sizeof loss, error);
    if (status != AUXO_OK)
        return auxo__team_blame(member, status, error);
    float *sum = team->sum + auxo_model_weight_count(step->trainer->model);
    for (uint64_t k = 0; k < statistics; k++)
        sum[k] += (float)weight * team->part[k];
    for (int k = 0; k < 4; k++)
        step->stats[k] += stats[k];
    step->loss += weight * (double)loss;
    return AUXO_OK;
}

static auxo_status exchange_counts(team_step *step, auxo_error *error)
{
    auxo__team *team = step->team;
    auxo__exchange *exchange = &team->exchange;
    const uint64_t statistics = auxo_model_statistic_count(step->trainer->model);
    float *first = team->sum + auxo_model_weight_count(step->trainer->model), *tail = first + statistics;
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++)
        status = add_counts(step, i, error);
    memcpy(tail + AUXO__TAIL_STATS, step->stats, sizeof step->stats);
    tail[AUXO__TAIL_LOSS] = (float)step->loss;
    tail[AUXO__TAIL_STOP] = exchange->cluster && auxo__cluster_wants_stop(exchange->cluster);
    if (status == AUXO_OK)
        status = exchange->kind->start(exchange, first, statistics + AUXO__TAIL_COUNT, error);
    if (status == AUXO_OK)
        status = exchange->kind->finish(exchange, error);
    if (status == AUXO_OK && exchange->cluster && tail[AUXO__TAIL_STOP] > 0)
        auxo__cluster_agree_on_stop(exchange->cluster);
    return status;
}

static auxo_status give_to_trainer(const team_step *step, auxo_error *error)
{
    const auxo__team *team = step->team;
    auxo_trainer *trainer = step->trainer;
    auxo_queue *queue = auxo_model_queue(trainer->model);
    const uint64_t statistics = auxo_model_statistic_count(trainer->model);
    const float *sum = team->sum + auxo_model_weight_count(trainer->model);
    auxo_status status = AUXO_OK;
    for (size_t p = 0; p < team->piece_count && status == AUXO_OK; p++)
        status = auxo_buffer_write(queue, auxo_model_gradients(trainer->model), team->pieces[p].offset * sizeof(float),
                                   team->sum + team->pieces[p].place, team->pieces[p].count * sizeof(float), error);
    if (status == AUXO_OK && statistics > 0)
        status =
            auxo_buffer_write(queue, auxo_model_statistics(trainer->model), 0, sum, statistics * sizeof(float), error);
    if (status == AUXO_OK)
        status =
            auxo_buffer_write(queue, trainer->stats, 0, sum + statistics + AUXO__TAIL_STATS, 4 * sizeof(float), error);
    if (status == AUXO_OK)
        status = auxo_plan_run(trainer->update, queue, 1, error);
    return auxo__team_blame(trainer, status, error);
}

auxo_status auxo__team_step(auxo_trainer *trainer, bool rest, float *loss, auxo_error *error)
{
    auxo__team *team = trainer->team;
    team_step step = {.trainer = trainer,
                      .team = team,
                      .rest = rest,
                      .rows = rest ? (double)auxo__trainer_remainder(trainer) : trainer->options.batch,
                      .map = auxo__team_plan(trainer, rest)};
    if (!step.map) /* this part has no rows of the rest: it waits where the others wait */
        step.map = trainer->full;
    auxo_status status = team->count > 1 ? auxo__team_send_weights(trainer, error) : AUXO_OK;
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++)
        status = start_member(&step, team->members[i], error);
    memset(team->sum, 0, team->sum_count * sizeof *team->sum);
    if (status == AUXO_OK)
        status = run_sections(&step, error);
    if (status == AUXO_OK)
        status = exchange_counts(&step, error);
    if (status == AUXO_OK)
        status = give_to_trainer(&step, error);
    *loss = team->sum[team->sum_count - AUXO__TAIL_COUNT + AUXO__TAIL_LOSS];
    return status;
}

/* norm_exchange.c: the host's side of a batch norm over several parts: the formulas stand in norm_sync.h.
 */
#include "team.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the host works with at one point: (C) each. */
typedef struct norm_work {
    auxo_trainer *trainer;
    bool rest;
    size_t index;
    int64_t channels;
    double total; /* N: elements of a channel in all parts */
    float *own;   /* of one member: (AUXO__NORM_ROWS, C), or gamma, dgamma, dbeta */
    float *sum;   /* over parts: (2, C) */
} norm_work;

/* Point number index in the member's plan; NULL: it has no rows of this batch. */
static const auxo__norm_point *point_of(const norm_work *work, const auxo_trainer *member)
{
    return auxo__team_plan(member, work->rest) ? &member->norm_sync[work->rest].points[work->index] : NULL;
}

static auxo_tensor placed(const norm_work *work, const auxo_trainer *member, auxo_tensor tensor)
{
    return auxo_plan_resolve(auxo__team_plan(member, work->rest), &tensor);
}

static auxo_status read_row(const norm_work *work, const auxo_trainer *member, auxo_tensor row, float *values,
                            auxo_error *error)
{
    const auxo_tensor from = placed(work, member, row);
    return auxo_buffer_read(auxo_model_queue(member->model), from.buffer, from.offset_bytes, values,
                            (uint64_t)work->channels * sizeof *values, error);
}

/* Rows first .. first + count of the member's block. */
static auxo_status write_rows(const norm_work *work, const auxo_trainer *member, int first, int count,
                              const float *values, auxo_error *error)
{
    const auxo_tensor to = placed(work, member, auxo__norm_row(&point_of(work, member)->block, first));
    return auxo_buffer_write(auxo_model_queue(member->model), to.buffer, to.offset_bytes, values,
                             (uint64_t)(count * work->channels) * sizeof *values, error);
}

static auxo_status sum_parts(const norm_work *work, uint64_t count, auxo_error *error)
{
    auxo__exchange *exchange = &work->trainer->team->exchange;
    auxo_status status = exchange->kind->start(exchange, work->sum, count, error);
    return status == AUXO_OK ? exchange->kind->finish(exchange, error) : status;
}

/* What a member has, some rows of (C). */
typedef auxo_status read_function(const norm_work *work, const auxo_trainer *member, float *values, auxo_error *error);

/* The mean over all parts of `rows` rows, weighted by their elements, into `sum`. */
static auxo_status find_average(const norm_work *work, read_function *read, int64_t rows, auxo_error *error)
{
    const auxo__team *team = work->trainer->team;
    const int64_t count = rows * work->channels;
    auxo_status status = AUXO_OK;
    memset(work->sum, 0, (size_t)count * sizeof *work->sum);
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++) {
        const auxo__norm_point *point = point_of(work, team->members[i]);
        if (!point)
            continue;
        status = read(work, team->members[i], work->own, error);
        for (int64_t c = 0; c < count; c++)
            work->sum[c] += (float)((double)point->elements / work->total * (double)work->own[c]);
    }
    return status == AUXO_OK ? sum_parts(work, (uint64_t)count, error) : status;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static auxo_status read_mean(const norm_work *work, const auxo_trainer *member, float *values, auxo_error *error)
{
    return read_row(work, member, auxo__norm_row(&point_of(work, member)->block, AUXO__NORM_MEAN), values, error);
}

/* The mean square about the mean in mean[c], over all parts, into `sum`. */
static auxo_status find_variance(const norm_work *work, const float *mean, auxo_error *error)
{
    const auxo__team *team = work->trainer->team;
    float *own_mean = work->own, *own_var = work->own + work->channels;
    auxo_status status = AUXO_OK;
    memset(work->sum, 0, (size_t)work->channels * sizeof *work->sum);
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++) {
        const auxo__norm_point *point = point_of(work, team->members[i]);
        if (!point)
            continue;
        status = read_mean(work, team->members[i], own_mean, error);
        if (status == AUXO_OK)
            status = read_row(work, team->members[i], auxo__norm_row(&point->block, AUXO__NORM_VAR), own_var, error);
        const double n = (double)point->elements;
        for (int64_t c = 0; c < work->channels; c++) {
            const double apart = (double)own_mean[c] - (double)mean[c];
            work->sum[c] += (float)(((n - 1) * (double)own_var[c] + n * apart * apart) / work->total);
        }
    }
    return status == AUXO_OK ? sum_parts(work, (uint64_t)work->channels, error) : status;
}

static auxo_status sync_forward(const norm_work *work, float epsilon, auxo_error *error)
{
    enum { FIRST = AUXO__NORM_ALL_MEAN, ROWS = 4 };
    const auxo__team *team = work->trainer->team;
    const size_t channels = (size_t)work->channels;
    float *all = work->own + 2 * channels; /* the rows that are written */
    auxo_status status = find_average(work, read_mean, 1, error);
    if (status != AUXO_OK)
        return status;
    memcpy(all, work->sum, channels * sizeof *all);
    status = find_variance(work, all, error);
    for (size_t c = 0; c < channels; c++) {
        const double variance = (double)work->sum[c];
        all[(AUXO__NORM_ALL_VAR - FIRST) * channels + c] = (float)variance;
        all[(AUXO__NORM_ALL_INVSTD - FIRST) * channels + c] = (float)(1.0 / sqrt(variance + (double)epsilon));
        all[(AUXO__NORM_ALL_UNBIASED - FIRST) * channels + c] = (float)(variance * work->total / (work->total - 1));
    }
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++)
        if (point_of(work, team->members[i]))
            status = write_rows(work, team->members[i], FIRST, ROWS, all, error);
    return status;
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* The member's dgamma and dbeta, one after the other. */
static auxo_status read_sums(const norm_work *work, const auxo_trainer *member, float *values, auxo_error *error)
{
    const auxo__norm_point *point = point_of(work, member);
    auxo_status status = read_row(work, member, point->dgamma, values, error);
    return status == AUXO_OK ? read_row(work, member, point->dbeta, values + work->channels, error) : status;
}

/* SLOPE and SHIFT of one member. */
static auxo_status write_rest(const norm_work *work, const auxo_trainer *member, auxo_error *error)
{
    const size_t channels = (size_t)work->channels;
    const auxo__norm_point *point = point_of(work, member);
    float *sums = work->own, *gamma = sums + 2 * channels, *invstd = gamma + channels, *rest = invstd + channels;
    auxo_status status = read_sums(work, member, sums, error);
    if (status == AUXO_OK)
        status = read_row(work, member, point->gamma, gamma, error);
    if (status == AUXO_OK)
        status = read_row(work, member, auxo__norm_row(&point->block, AUXO__NORM_ALL_INVSTD), invstd, error);
    for (size_t c = 0; c < 2 * channels; c++) {
        const double factor = (double)gamma[c % channels] * (double)invstd[c % channels] / (double)point->elements;
        rest[c] = (float)(factor * ((double)sums[c] - (double)work->sum[c]));
    }
    return status == AUXO_OK ? write_rows(work, member, AUXO__NORM_SLOPE, 2, rest, error) : status;
}

static auxo_status sync_backward(const norm_work *work, auxo_error *error)
{
    const auxo__team *team = work->trainer->team;
    auxo_status status = find_average(work, read_sums, 2, error);
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++)
        if (point_of(work, team->members[i]))
            status = write_rest(work, team->members[i], error);
    return status;
}

/* ---- */

auxo_status auxo__team_sync_norm(auxo_trainer *trainer, bool rest, size_t index, auxo_error *error)
{
    enum { OWN_ROWS = 8, SUM_ROWS = 2 };
    /* What all parts know of the point stands in the plan of full batches: every part has one. */
    const auxo__norm_point *point = &trainer->norm_sync[0].points[index];
    const auxo__team *team = trainer->team;
    const double rows = rest ? (double)auxo__trainer_remainder(trainer) : trainer->options.batch;
    norm_work work = {.trainer = trainer,
                      .rest = rest,
                      .index = index,
                      .channels = point->channels,
                      .total = (double)point->elements / (double)team->shares[0] * rows,
                      .own = malloc((OWN_ROWS + SUM_ROWS) * (size_t)point->channels * sizeof(float))};
    if (!work.own)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for a batch norm over several parts");
    work.sum = work.own + OWN_ROWS * point->channels;
    const auxo_status status =
        point->backward ? sync_backward(&work, error) : sync_forward(&work, point->epsilon, error);
    free(work.own);
    return status;
}

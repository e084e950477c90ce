/* team_shares.c: how many rows of a batch each device of a team takes.
 *
 * By default in proportion to measured speed: every member runs its part of an even division alone. Which member is
 * started first is measured as well: those that only enqueue their work come before those that compute at once.
 */
#include "team.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Rows in proportion to `weights`, each at least `least`, `total` together. Needs total >= least * count. */
static void divide(const double *weights, size_t count, uint32_t total, uint32_t least, uint32_t *rows)
{
    const uint32_t spare = total - least * (uint32_t)count;
    double sum = 0;
    uint32_t given = 0;
    for (size_t i = 0; i < count; i++)
        sum += weights[i];
    for (size_t i = 0; i < count; i++) {
        const double wanted = sum > 0 ? (double)total * weights[i] / sum - least : 0;
        rows[i] = least + (wanted > 0 ? (uint32_t)wanted : 0);
        given += rows[i] - least;
    }
    while (given > spare) { /* what those below the least take comes from the largest */
        size_t most = 0;
        for (size_t i = 1; i < count; i++)
            most = rows[i] > rows[most] ? i : most;
        rows[most]--;
        given--;
    }
    for (size_t i = 0; given < spare; i = (i + 1) % count, given++)
        rows[i]++;
}

void auxo__team_divide_evenly(auxo__team *team, uint32_t batch)
{
    double weights[AUXO_TEAM_MAX];
    for (size_t i = 0; i < team->count; i++)
        weights[i] = 1;
    divide(weights, team->count, batch, team->least_rows, team->shares);
}

void auxo__team_divide_rest(auxo__team *team, uint32_t rest, uint32_t least)
{
    double weights[AUXO_TEAM_MAX];
    for (size_t i = 0; i < team->count; i++)
        weights[i] = team->shares[i];
    memset(team->rest_shares, 0, sizeof team->rest_shares);
    if (rest >= least * team->count)
        divide(weights, team->count, rest, least, team->rest_shares);
    else
        team->rest_shares[0] = rest; /* too few to share */
}

/* Part `index` of `count` even ones of `total`. */
static void even_part(uint64_t total, uint64_t index, uint64_t count, uint64_t *first, uint64_t *part)
{
    const uint64_t each = total / count, more = total % count;
    *first = index * each + (index < more ? index : more);
    *part = each + (index < more);
}

auxo__row_slice auxo__team_slice(uint32_t rank, uint32_t size, uint64_t rows, uint64_t batch, uint64_t rest,
                                 uint32_t least)
{
    auxo__row_slice slice = {.batch = batch, .batches = rows / batch, .rest = rest};
    const uint64_t able = rest / least < size ? rest / least : size;
    even_part(batch, rank, size, &slice.first, &slice.count);
    if (rank < able)
        even_part(rest, rank, able, &slice.rest_first, &slice.rest_count);
    return slice;
}

/* Seconds of one run of the member's part alone; *enqueue_seconds until the call returned. */
static auxo_status time_member(auxo_trainer *trainer, auxo_trainer *member, double *seconds, double *enqueue_seconds,
                               auxo_error *error)
{
    enum { RUNS = 3 }; /* the first warms up */
    auxo_queue *queue = auxo_model_queue(member->model);
    auxo_status status = auxo__trainer_write_counters(trainer, member, error);
    for (int run = 0; run < RUNS && status == AUXO_OK; run++) {
        const double start = now_seconds();
        status = auxo_plan_run(member->full, queue, 1, error);
        const double enqueued = now_seconds() - start;
        if (status == AUXO_OK)
            status = auxo_queue_wait(queue, error);
        const double whole = now_seconds() - start;
        if (run == 1 || (run > 1 && whole < *seconds)) {
            *seconds = whole;
            *enqueue_seconds = enqueued;
        }
    }
    return status == AUXO_OK ? status
                             : auxo_error_wrap(error, status, "device %s",
                                               auxo_device_get_info(auxo_model_device(member->model))->selector);
}

static auxo_status time_members(auxo_trainer *trainer, double *seconds, double *enqueue_seconds, auxo_error *error)
{
    auxo__team *team = trainer->team;
    const size_t rows = trainer->data.dataset->row_count;
    uint32_t *order = malloc(rows * sizeof *order);
    if (!order)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory measuring devices");
    for (size_t i = 0; i < rows; i++)
        order[i] = (uint32_t)i;
    auxo_status status = auxo__team_write_order(trainer, order, error);
    free(order);
    if (status == AUXO_OK)
        status = auxo__team_send_weights(trainer, error);
    for (size_t i = 0; i < team->count && status == AUXO_OK; i++)
        status = time_member(trainer, team->members[i], &seconds[i], &enqueue_seconds[i], error);
    return status;
}

/* Those that return soonest go first, so that the others compute meanwhile. */
static void sort_turns(auxo__team *team, const double *enqueue_seconds)
{
    for (size_t i = 1; i < team->count; i++)
        for (size_t k = i; k > 0 && enqueue_seconds[team->turns[k]] < enqueue_seconds[team->turns[k - 1]]; k--) {
            const size_t swap = team->turns[k];
            team->turns[k] = team->turns[k - 1];
            team->turns[k - 1] = swap;
        }
}

auxo_status auxo__team_measure(auxo_trainer *trainer, bool *changed, auxo_error *error)
{
    auxo__team *team = trainer->team;
    auxo_queue *queue = auxo_model_queue(trainer->model);
    double seconds[AUXO_TEAM_MAX] = {0}, enqueue_seconds[AUXO_TEAM_MAX] = {0}, speeds[AUXO_TEAM_MAX] = {0};
    uint32_t shares[AUXO_TEAM_MAX];
    float stats[4];
    /* The runs count rows and move the statistics of batch norm: put both back. */
    const uint64_t statistics = auxo_model_statistic_count(trainer->model);
    float *kept = malloc((statistics + 1) * sizeof *kept);
    auxo_status status = kept ? auxo_buffer_read(queue, trainer->stats, 0, stats, sizeof stats, error)
                              : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory measuring devices");
    if (status == AUXO_OK && statistics > 0)
        status =
            auxo_buffer_read(queue, auxo_model_statistics(trainer->model), 0, kept, statistics * sizeof *kept, error);
    if (status == AUXO_OK)
        status = time_members(trainer, seconds, enqueue_seconds, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, trainer->stats, 0, stats, sizeof stats, error);
    if (status == AUXO_OK && statistics > 0)
        status =
            auxo_buffer_write(queue, auxo_model_statistics(trainer->model), 0, kept, statistics * sizeof *kept, error);
    free(kept);
    if (status != AUXO_OK)
        return status;
    for (size_t i = 0; i < team->count; i++)
        speeds[i] = seconds[i] > 0 ? team->shares[i] / seconds[i] : 1e12;
    divide(speeds, team->count, trainer->options.batch, team->least_rows, shares);
    *changed = memcmp(shares, team->shares, team->count * sizeof *shares) != 0;
    memcpy(team->shares, shares, sizeof shares);
    team->has_shares = true;
    sort_turns(team, enqueue_seconds);
    return AUXO_OK;
}

size_t auxo_trainer_shares(const auxo_trainer *trainer, uint32_t *rows, size_t capacity)
{
    const auxo__team *team = trainer->team;
    if (!team) {
        if (capacity > 0)
            rows[0] = trainer->options.batch;
        return 1;
    }
    for (size_t i = 0; i < team->count && i < capacity; i++)
        rows[i] = team->has_shares ? team->shares[i] : 0;
    return team->count;
}

auxo_status auxo_trainer_set_shares(auxo_trainer *trainer, const uint32_t *rows, size_t count, auxo_error *error)
{
    auxo__team *team = trainer->team;
    const size_t device_count = team ? team->count : 1;
    const uint32_t least = auxo__model_needs_two_rows(trainer->model) ? 2 : 1;
    uint64_t sum = 0;
    if (count != device_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%zu shares for %zu devices", count, device_count);
    for (size_t i = 0; i < count; i++) {
        if (rows[i] < least)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "a share of %u rows: each device needs at least %u of every batch", rows[i], least);
        sum += rows[i];
    }
    if (sum != trainer->options.batch)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the shares have %llu rows together, but a batch has %u",
                              (unsigned long long)sum, trainer->options.batch);
    if (team) {
        memcpy(team->shares, rows, count * sizeof *rows);
        team->has_shares = true;
        auxo__trainer_drop_plans(trainer);
    }
    return AUXO_OK;
}

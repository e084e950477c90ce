/* exchange.c: see exchange.h.
 */
#include "exchange.h"

#include <stdlib.h>

/* ---- devices of this process ------------------------------------------------------------------------------------- */

static auxo_status start_devices(auxo__exchange *exchange, float *values, uint64_t count, auxo_error *error)
{
    (void)values;
    (void)error;
    exchange->value_count += count;
    return AUXO_OK;
}

static auxo_status wait_devices(auxo__exchange *exchange, auxo_error *error)
{
    (void)exchange;
    (void)error;
    return AUXO_OK;
}

static const auxo__exchange_kind devices = {start_devices, wait_devices, wait_devices};

/* ---- ranks of a job ---------------------------------------------------------------------------------------------- */

static auxo_status start_ranks(auxo__exchange *exchange, float *values, uint64_t count, auxo_error *error)
{
    if (exchange->count == exchange->capacity) {
        const size_t capacity = 2 * exchange->capacity + 16;
        auxo__cluster_sum *grown = realloc(exchange->sums, capacity * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory summing gradients");
        exchange->sums = grown;
        exchange->capacity = capacity;
    }
    exchange->value_count += count;
    return auxo__cluster_sum_begin(exchange->cluster, values, count, &exchange->sums[exchange->count++], error);
}

static auxo_status move_ranks(auxo__exchange *exchange, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < exchange->count && status == AUXO_OK; i++)
        status = auxo__cluster_sum_move(exchange->cluster, &exchange->sums[i], error);
    return status;
}

static auxo_status finish_ranks(auxo__exchange *exchange, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < exchange->count && status == AUXO_OK; i++)
        status = auxo__cluster_sum_end(exchange->cluster, &exchange->sums[i], error);
    exchange->count = 0;
    return status;
}

static const auxo__exchange_kind ranks = {start_ranks, move_ranks, finish_ranks};

/* ---- life -------------------------------------------------------------------------------------------------------- */

void auxo__exchange_init(auxo__exchange *exchange, auxo_cluster *cluster)
{
    *exchange = (auxo__exchange){.kind = auxo_cluster_size(cluster) > 1 ? &ranks : &devices, .cluster = cluster};
}

void auxo__exchange_deinit(auxo__exchange *exchange)
{
    free(exchange->sums);
    *exchange = (auxo__exchange){0};
}

/* row_order.c: see row_order.h.
 *
 * By shards: the full blocks of neighbouring rows are permuted (the short one at the end stays there, but where blocks
 * begin moves from epoch to epoch), every WINDOW_BLOCKS of them in a row are a window, and the rows of a window are
 * permuted. So few places of a file are in use at any time, and memory is that of a window.
 */
#include "row_order.h"
#include "train_internal.h"

#include <stdlib.h>

enum { WINDOW_BLOCKS = 16, ROWS_MOST = 1 << 20 };
static const uint64_t BYTES_MOST = (uint64_t)1 << 30;

auxo__order_kind auxo__order_choose(const auxo_dataset *dataset, auxo_shuffle_kind wanted)
{
    if (wanted != AUXO_SHUFFLE_AUTO)
        return wanted == AUXO_SHUFFLE_ROWS ? AUXO__ORDER_ROWS : AUXO__ORDER_SHARDS;
    const uint64_t bytes = dataset->row_count * auxo__device_row_bytes(dataset);
    const bool large = dataset->mapped && (dataset->row_count > ROWS_MOST || bytes > BYTES_MOST);
    return large ? AUXO__ORDER_SHARDS : AUXO__ORDER_ROWS;
}

void auxo__order_init(auxo__row_order *order, auxo__order_kind kind, const auxo_dataset *dataset, uint64_t seed)
{
    enum { BLOCK_BYTES = 1 << 20 };
    *order = (auxo__row_order){.kind = kind,
                               .rows = dataset->row_count,
                               .block_rows = auxo_dataset_block_rows(dataset),
                               .seed = seed,
                               .epoch = UINT32_MAX};
    if (order->block_rows > 0)
        return;
    order->block_rows = 1;
    while (2 * order->block_rows * auxo__device_row_bytes(dataset) <= BLOCK_BYTES)
        order->block_rows *= 2;
}

void auxo__order_deinit(auxo__row_order *order)
{
    free(order->permutation);
    free(order->window);
    order->permutation = order->window = NULL;
}

static auxo_status allocate(uint32_t **array, uint64_t count, auxo_error *error)
{
    if (!*array)
        *array = malloc((size_t)(count ? count : 1) * sizeof **array);
    return *array ? AUXO_OK
                  : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory shuffling %llu rows",
                                   (unsigned long long)count);
}

static auxo_status begin_epoch(auxo__row_order *order, uint32_t epoch, auxo_error *error)
{
    if (order->epoch == epoch || order->kind == AUXO__ORDER_PLAIN)
        return AUXO_OK;
    const uint64_t count = order->kind == AUXO__ORDER_ROWS ? order->rows : order->rows / order->block_rows;
    const auxo_status status = allocate(&order->permutation, count, error);
    if (status != AUXO_OK)
        return status;
    auxo_shuffle(order->permutation, (size_t)count, order->seed, AUXO__STREAM_SHUFFLE + epoch);
    order->epoch = epoch;
    order->window_index = UINT64_MAX;
    return AUXO_OK;
}

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

/* The row that stands at `place` before the window is shuffled. */
static uint32_t unshuffled(const auxo__row_order *order, uint64_t place)
{
    const uint64_t block = place / order->block_rows, full = order->rows / order->block_rows;
    const uint64_t start = (block < full ? order->permutation[block] : full) * order->block_rows;
    const uint64_t moved = mix(order->seed + order->epoch) % order->rows;
    return (uint32_t)((start + place % order->block_rows + moved) % order->rows);
}

static auxo_status load_window(auxo__row_order *order, uint64_t index, auxo_error *error)
{
    const uint64_t window_rows = WINDOW_BLOCKS * order->block_rows, first = index * window_rows;
    const uint64_t count = order->rows - first < window_rows ? order->rows - first : window_rows;
    const auxo_status status = allocate(&order->window, window_rows, error);
    if (status != AUXO_OK || order->window_index == index)
        return status;
    auxo_shuffle(order->window, (size_t)count, mix(order->seed ^ mix(index + 1)), AUXO__STREAM_SHUFFLE + order->epoch);
    for (uint64_t i = 0; i < count; i++)
        order->window[i] = unshuffled(order, first + order->window[i]);
    order->window_index = index;
    return AUXO_OK;
}

uint64_t auxo__order_count(const auxo__row_order *order)
{
    const auxo__row_slice *slice = &order->slice;
    return slice->batch == 0 ? order->rows : slice->batches * slice->count + slice->rest_count;
}

/* A place of the slice among those of all ranks. */
static uint64_t place_of_all(const auxo__row_slice *slice, uint64_t place)
{
    const uint64_t full = slice->batches * slice->count;
    if (slice->batch == 0)
        return place;
    if (place >= full)
        return slice->batches * slice->batch + slice->rest_first + (place - full);
    return place / slice->count * slice->batch + slice->first + place % slice->count;
}

auxo_status auxo__order_read(auxo__row_order *order, uint32_t epoch, uint64_t first, uint64_t count, uint32_t *rows,
                             auxo_error *error)
{
    const uint64_t window_rows = WINDOW_BLOCKS * order->block_rows;
    auxo_status status = begin_epoch(order, epoch, error);
    for (uint64_t i = 0; i < count && status == AUXO_OK; i++) {
        const uint64_t place = place_of_all(&order->slice, first + i);
        if (order->kind == AUXO__ORDER_SHARDS && order->window_index != place / window_rows)
            status = load_window(order, place / window_rows, error);
        if (status == AUXO_OK)
            rows[i] = order->kind == AUXO__ORDER_PLAIN  ? (uint32_t)place
                      : order->kind == AUXO__ORDER_ROWS ? order->permutation[place]
                                                        : order->window[place % window_rows];
    }
    return status;
}

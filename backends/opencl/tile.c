/* backends/opencl/tile.c: choosing the local-memory tile of gemm and conv2d.
 *
 * Large tiles read each element seldom; small ones give every compute unit work. The tunables say how large a tile may
 * be, and how its work is dealt to work-items; a product that is too small for that gets a smaller one.
 */
#include "tile.h"
#include "task.h"

#include <stdio.h>

const auxo_tunable ocl_gemm_tiled_tunables[OCL_GEMM_TILED_TUNABLE_COUNT] = {
    OCL_TILE_TUNABLES,
    OCL_TAIL_TUNABLE,
};
const auxo_tunable ocl_tile_gather_tunables[OCL_TILE_TUNABLE_COUNT] = {OCL_TILE_TUNABLES};

enum { TILE_MIN = 32, TILE_K_MAX = 32, CPU_TILE_MAX = 64 };

static uint64_t local_bytes(const ocl_tile *tile)
{
    enum { PITCH_PAD = 4, HALVES = 2 };
    return HALVES * (uint64_t)tile->k * (uint64_t)(tile->m + tile->n + 2 * PITCH_PAD) * sizeof(float);
}

static uint64_t group_count(const ocl_tile *tile, const ocl_tiled_product *product)
{
    return ocl_divide_up(product->rows, (uint64_t)tile->m) * ocl_divide_up(product->columns, (uint64_t)tile->n) *
           product->instances;
}

/* Whether so many groups leave more than one of four compute units without work. */
static bool few_groups(const ocl_device *device, uint64_t groups)
{
    return 4 * groups < 3 * (uint64_t)device->info.compute_units;
}

/* No larger than the product, and enough groups for the device. */
static void shrink_to_product(const ocl_device *device, ocl_tile *tile, const ocl_tiled_product *product)
{
    while (tile->m > TILE_MIN && (uint64_t)tile->m / 2 >= product->rows)
        tile->m /= 2;
    while (tile->n > TILE_MIN && (uint64_t)tile->n / 2 >= product->columns)
        tile->n /= 2;
    while (few_groups(device, group_count(tile, product) * (product->splits_max > 1 ? product->splits_max : 1)) &&
           (tile->m > TILE_MIN || tile->n > TILE_MIN)) {
        if (tile->m >= tile->n)
            tile->m /= 2;
        else
            tile->n /= 2;
    }
}

/* Work-items of the group: within the device's limit, each with 1 to 4 steps of 4 rows and columns. */
static void fit_threads(const ocl_device *device, ocl_tile *tile)
{
    enum { ITEM_WIDTH = 4, WORK_MAX = 4 };
    const uint64_t group_limit = device->vector_cpu ? 64 : device->group_size;
    while ((uint64_t)(tile->threads_m * tile->threads_n) > group_limit && tile->threads_m * tile->threads_n > 1) {
        if (tile->threads_m >= tile->threads_n)
            tile->threads_m /= 2;
        else
            tile->threads_n /= 2;
    }
    while (tile->threads_m * ITEM_WIDTH > tile->m)
        tile->threads_m /= 2;
    while (tile->threads_n * ITEM_WIDTH > tile->n)
        tile->threads_n /= 2;
    while (tile->m > tile->threads_m * ITEM_WIDTH * WORK_MAX)
        tile->m /= 2;
    while (tile->n > tile->threads_n * ITEM_WIDTH * WORK_MAX)
        tile->n /= 2;
}

/* Steps of the sum: long ones where few groups leave the waits for memory bare; in any case at least 4 elements of each
 * tile per work-item, a work-item for each step, and both halves within local memory. */
static void fit_steps(const ocl_device *device, ocl_tile *tile, const ocl_tiled_product *product)
{
    enum { PIECE = 4, FETCHED_MAX = 16 }; /* elements per work-item and tile */
    const int narrow = tile->m < tile->n ? tile->m : tile->n;
    const int wide = tile->m < tile->n ? tile->n : tile->m;
    const bool few = group_count(tile, product) <= device->info.compute_units;
    while (few && tile->k < TILE_K_MAX && (uint64_t)tile->k < product->terms &&
           2 * tile->k * wide <= FETCHED_MAX * tile->threads_m * tile->threads_n)
        tile->k *= 2;
    while ((local_bytes(tile) > device->info.local_memory_bytes || tile->k > tile->threads_m * tile->threads_n) &&
           tile->k > 1)
        tile->k /= 2;
    while (tile->k * narrow < PIECE * tile->threads_m * tile->threads_n) {
        ocl_tile deeper = *tile;
        deeper.k *= 2;
        if (deeper.k <= TILE_K_MAX && local_bytes(&deeper) <= device->info.local_memory_bytes)
            tile->k = deeper.k;
        else if (tile->threads_m >= tile->threads_n)
            tile->threads_m /= 2;
        else
            tile->threads_n /= 2;
    }
}

ocl_tile ocl_tile_of(const ocl_device *device, const int32_t *parameters, const ocl_tiled_product *product)
{
    ocl_tile tile = {.m = parameters[OCL_TILE_M],
                     .n = parameters[OCL_TILE_N],
                     .k = parameters[OCL_TILE_K],
                     .threads_m = parameters[OCL_TILE_THREADS_M],
                     .threads_n = parameters[OCL_TILE_THREADS_N]};
    if (device->vector_cpu) { /* where nobody takes it by default, and compiling a larger one takes many seconds */
        tile.m = tile.m < CPU_TILE_MAX ? tile.m : CPU_TILE_MAX;
        tile.n = tile.n < CPU_TILE_MAX ? tile.n : CPU_TILE_MAX;
    }
    shrink_to_product(device, &tile, product);
    fit_threads(device, &tile);
    fit_steps(device, &tile, product);
    snprintf(tile.options, sizeof tile.options,
             "-DTILE_M=%d -DTILE_N=%d -DTILE_K=%d -DTHREADS_M=%d -DTHREADS_N=%d -DSUBGROUP=%u -DTILE_ROLLED=%d", tile.m,
             tile.n, tile.k, tile.threads_m, tile.threads_n, (unsigned)device->info.subgroup_size, device->vector_cpu);
    return tile;
}

common_split ocl_tile_split(const ocl_device *device, const ocl_tile *tile, const ocl_tiled_product *product)
{
    enum { GROUPS_PER_UNIT = 2 };
    const uint64_t groups = group_count(tile, product);
    const bool splits = product->splits_max > 1 && groups > 0 && few_groups(device, groups);
    const uint64_t wanted = splits ? GROUPS_PER_UNIT * (uint64_t)device->info.compute_units / groups : 1;
    return common_split_of(product->terms, wanted, product->splits_max, (uint64_t)tile->k);
}

bool ocl_tile_loops_fit(const ocl_device *device, int64_t inner)
{
    const double iterations_per_term = 32.0; /* loading and multiplying, where nothing is unrolled */
    return (double)inner * iterations_per_term < device->loop_limit;
}

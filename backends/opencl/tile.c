/* backends/opencl/tile.c: choosing the local-memory tile of gemm and conv2d. */
#include "tile.h"

#include <stdio.h>

const auxo_tunable ocl_tile_tunables[OCL_TILE_TUNABLE_COUNT] = {
    [OCL_TILE_M] = {.name = "tile_m", .initial = 64, .value_count = 3, .values = {32, 64, 128}},
    [OCL_TILE_N] = {.name = "tile_n", .initial = 64, .value_count = 3, .values = {32, 64, 128}},
    [OCL_TILE_K] = {.name = "tile_k", .initial = 16, .value_count = 3, .values = {8, 16, 32}},
    [OCL_TILE_THREADS_M] = {.name = "threads_m", .initial = 16, .value_count = 3, .values = {4, 8, 16}},
    [OCL_TILE_THREADS_N] = {.name = "threads_n", .initial = 16, .value_count = 3, .values = {4, 8, 16}},
};

static uint64_t local_bytes(const ocl_tile *tile)
{
    enum { PITCH_PAD = 4 };
    return (uint64_t)tile->k * (uint64_t)(tile->m + tile->n + 2 * PITCH_PAD) * sizeof(float);
}

ocl_tile ocl_tile_of(const ocl_device *device, const int32_t *parameters)
{
    enum { ITEM_WIDTH = 4, WORK_MAX = 4 }; /* rows and columns of one float4 step; steps per item and axis */
    ocl_tile tile = {.m = parameters[OCL_TILE_M],
                     .n = parameters[OCL_TILE_N],
                     .k = parameters[OCL_TILE_K],
                     .threads_m = parameters[OCL_TILE_THREADS_M],
                     .threads_n = parameters[OCL_TILE_THREADS_N]};
    const uint64_t group_limit = device->vector_cpu ? 64 : device->group_size;
    while ((uint64_t)(tile.threads_m * tile.threads_n) > group_limit && tile.threads_m * tile.threads_n > 1) {
        if (tile.threads_m >= tile.threads_n)
            tile.threads_m /= 2;
        else
            tile.threads_n /= 2;
    }
    while (tile.threads_m * ITEM_WIDTH > tile.m)
        tile.threads_m /= 2;
    while (tile.threads_n * ITEM_WIDTH > tile.n)
        tile.threads_n /= 2;
    while (tile.m > tile.threads_m * ITEM_WIDTH * WORK_MAX)
        tile.m /= 2;
    while (tile.n > tile.threads_n * ITEM_WIDTH * WORK_MAX)
        tile.n /= 2;
    while (local_bytes(&tile) > device->info.local_memory_bytes && tile.k > 1)
        tile.k /= 2;
    snprintf(tile.options, sizeof tile.options, "-DTILE_M=%d -DTILE_N=%d -DTILE_K=%d -DTHREADS_M=%d -DTHREADS_N=%d",
             tile.m, tile.n, tile.k, tile.threads_m, tile.threads_n);
    return tile;
}

bool ocl_tile_loops_fit(const ocl_device *device, int64_t inner)
{
    const double iterations_per_term = 32.0; /* loading and multiplying, where nothing is unrolled */
    return (double)inner * iterations_per_term < device->loop_limit;
}

/* backends/opencl/tile.h: sizes of the local-memory tile that gemm and conv2d share on GPUs (shaders/opencl/tile.clh).
 */
#ifndef OCL_TILE_H
#define OCL_TILE_H

#include "ocl.h"
#include "views.h"

enum { OCL_TILE_M, OCL_TILE_N, OCL_TILE_K, OCL_TILE_THREADS_M, OCL_TILE_THREADS_N, OCL_TILE_TUNABLE_COUNT };
/* Small enough for the registers of every GPU whose compiler was asked; tuning data has larger ones where those pay. */
#define OCL_TILE_TUNABLES                                                                                              \
    [OCL_TILE_M] = {.name = "tile_m", .initial = 64, .value_count = 4, .values = {32, 64, 128, 256}},                  \
    [OCL_TILE_N] = {.name = "tile_n", .initial = 64, .value_count = 4, .values = {32, 64, 128, 256}},                  \
    [OCL_TILE_K] = {.name = "tile_k", .initial = 8, .value_count = 3, .values = {8, 16, 32}},                          \
    [OCL_TILE_THREADS_M] = {.name = "threads_m", .initial = 16, .value_count = 3, .values = {4, 8, 16}},               \
    [OCL_TILE_THREADS_N] = {.name = "threads_n", .initial = 16, .value_count = 3, .values = {4, 8, 16}}
extern const auxo_tunable ocl_tile_gather_tunables[OCL_TILE_TUNABLE_COUNT]; /* conv2d */
enum { OCL_GEMM_TAIL_APART = OCL_TILE_TUNABLE_COUNT, OCL_GEMM_TILED_TUNABLE_COUNT };
#define OCL_TAIL_TUNABLE                                                                                               \
    [OCL_GEMM_TAIL_APART] = {.name = "tail_apart", .initial = 0, .value_count = 2, .values = {0, 1}}
extern const auxo_tunable ocl_gemm_tiled_tunables[OCL_GEMM_TILED_TUNABLE_COUNT]; /* gemm */

typedef struct ocl_tile {
    int m, n, k, threads_m, threads_n;
    char options[128]; /* -D options for tile.clh */
} ocl_tile;

/* A product that tiles cover: rows x columns of results, `instances` of them, each a sum of `terms`, which may be cut
 * into so many splits. */
typedef struct ocl_tiled_product {
    uint64_t rows, columns, instances, terms, splits_max;
} ocl_tiled_product;

/* The tile of these tunable values, made smaller where the product would leave much of the tile, or of the device,
 * without work, where the device has too small groups, or too little local memory. */
ocl_tile ocl_tile_of(const ocl_device *device, const int32_t *parameters, const ocl_tiled_product *product);

/* How the sum is cut, in whole steps of the tile: more than once where the tiles alone leave much of the device without
 * work. */
common_split ocl_tile_split(const ocl_device *device, const ocl_tile *tile, const ocl_tiled_product *product);

/* Whether the loops of a tiled kernel over `inner` terms are within what the device runs (ocl_device.loop_limit). */
bool ocl_tile_loops_fit(const ocl_device *device, int64_t inner);

#endif

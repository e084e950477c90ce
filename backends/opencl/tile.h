/* backends/opencl/tile.h: sizes of the local-memory tile that gemm and conv2d share on GPUs (shaders/opencl/tile.clh).
 */
#ifndef OCL_TILE_H
#define OCL_TILE_H

#include "ocl.h"

enum { OCL_TILE_M, OCL_TILE_N, OCL_TILE_K, OCL_TILE_THREADS_M, OCL_TILE_THREADS_N, OCL_TILE_TUNABLE_COUNT };
extern const auxo_tunable ocl_tile_tunables[OCL_TILE_TUNABLE_COUNT];

typedef struct ocl_tile {
    int m, n, k, threads_m, threads_n;
    char options[128]; /* -D options for tile.clh */
} ocl_tile;

/* The tile of these tunable values, made smaller where the device has too small groups or too little local memory. */
ocl_tile ocl_tile_of(const ocl_device *device, const int32_t *parameters);

/* Whether the loops of a tiled kernel over `inner` terms are within what the device runs (ocl_device.loop_limit). */
bool ocl_tile_loops_fit(const ocl_device *device, int64_t inner);

#endif

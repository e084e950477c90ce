/* tiles.c: what one workgroup of a product covers, from tunables, the product's size and the device's limits.
 *
 * Shared by gemm and the convolutions. A tiled workgroup's invocations each own pieces of 4 x 4 sums, so ROWS and
 * COLUMNS are multiples of four, and there are at least as many invocations as its tile is high or wide
 * (tiled_scalars.glsl). Where a product has too few tiles to occupy the device, tiles are made smaller and deeper. A
 * cooperative workgroup's subgroups each own a part of its tile in whole cooperative matrices (cooperative.glsl).
 */
#include "vk_ops.h"

enum {
    LANES_N_MIN = 8, /* direct: neighbours along N, so that they read neighbouring words */
    PIECE = 4,       /* sums of an invocation come in pieces of PIECE x PIECE */
    TILE_MIN = 16,
    TILE_FILL_MIN = 32, /* no tile is made smaller than that for the sake of more workgroups */
    TILE_K_MIN = 8,
    TILE_K_MAX = 32,       /* of a smaller tile than asked for, which is made deeper instead */
    LANES_TILED_MIN = 128, /* two of the widest subgroups, where the tile has as many pieces */
    UNITS_UNKNOWN = 64,    /* compute units of a device that does not tell */
    RUN = 8,               /* halves by which lines of cooperative.glsl's tiles are longer */
    MATRICES_MAX = 4,      /* cooperative ones of a subgroup, along one axis */
    SUB_USUAL = 64,        /* extent of a subgroup's part */
    SUMS_MAX = 128         /* of an invocation of a subgroup */
};

uint64_t vk_device_units(const vk_device *device)
{
    return device->info.compute_units ? device->info.compute_units : UNITS_UNKNOWN;
}

static uint32_t lanes_of(const vk_tiled_tile *tile)
{
    return tile->m / tile->rows * (tile->n / tile->columns);
}

static void fit_lanes(vk_tiled_tile *tile, uint32_t lanes_max)
{
    uint32_t wanted = tile->m > tile->n ? tile->m : tile->n;
    wanted = wanted < LANES_TILED_MIN ? LANES_TILED_MIN : wanted;
    while (tile->rows > tile->m)
        tile->rows /= 2;
    while (tile->columns > tile->n)
        tile->columns /= 2;
    while (lanes_of(tile) < wanted && (tile->rows > PIECE || tile->columns > PIECE)) {
        if (tile->columns > PIECE && tile->columns >= tile->rows)
            tile->columns /= 2;
        else
            tile->rows /= 2;
    }
    while (lanes_of(tile) > lanes_max) {
        if (tile->rows <= tile->columns)
            tile->rows *= 2;
        else
            tile->columns *= 2;
    }
    tile->lanes = lanes_of(tile);
}

static uint64_t tile_count(const vk_tiled_tile *tile, const vk_tiled_size *size)
{
    return size->batches * vk_ceil_div(size->rows, tile->m) * vk_ceil_div(size->columns, tile->n);
}

/* Shared memory of a tile's two halves, and of what conv2d_tiles.glsl says of its terms, columns and lines. */
static uint64_t shared_bytes(const vk_tiled_tile *tile)
{
    const uint64_t terms = UINT64_C(2) * tile->k * 16, columns = UINT64_C(8) * tile->n, lines = 2048;
    return UINT64_C(2) * tile->k * (tile->m + tile->n + 2 * PIECE) * sizeof(float) + terms + columns + lines;
}

/* About as many elements per step as the tile asked for, but no deeper than the product. */
static void fit_depth(vk_tiled_tile *tile, uint32_t elements, uint64_t terms)
{
    while (tile->k < TILE_K_MAX && 2 * tile->k * (tile->m + tile->n) <= elements + elements / 4)
        tile->k *= 2;
    while (tile->k > TILE_K_MIN && tile->k / 2 >= terms)
        tile->k /= 2;
}

vk_tiled_tile vk_tiled_tile_of(const vk_device *device, const int32_t *parameters, const vk_tiled_size *size)
{
    vk_tiled_tile tile = {.m = (uint32_t)parameters[VK_TILE_M],
                          .n = (uint32_t)parameters[VK_TILE_N],
                          .k = (uint32_t)parameters[VK_TILE_K],
                          .rows = (uint32_t)parameters[VK_TILE_ROWS],
                          .columns = (uint32_t)parameters[VK_TILE_COLUMNS]};
    while (tile.m > TILE_MIN && tile.m / 2 >= size->rows) /* no taller than the matrix */
        tile.m /= 2;
    while (tile.n > TILE_MIN && tile.n / 2 >= size->columns) /* nor wider */
        tile.n /= 2;
    while (parameters[VK_TILE_FILL] && (tile.m > TILE_FILL_MIN || tile.n > TILE_FILL_MIN) &&
           tile_count(&tile, size) < vk_device_units(device)) {
        if (tile.m >= tile.n)
            tile.m /= 2;
        else
            tile.n /= 2;
    }
    fit_depth(&tile, (uint32_t)(parameters[VK_TILE_M] + parameters[VK_TILE_N]) * tile.k, size->terms);
    while (tile.k > PIECE && shared_bytes(&tile) > device->limits.maxComputeSharedMemorySize)
        tile.k /= 2;
    fit_lanes(&tile, device->limits.maxComputeWorkGroupInvocations);
    while (tile.k > tile.lanes)
        tile.k /= 2;
    while (tile.k * (tile.m < tile.n ? tile.m : tile.n) < tile.lanes) /* something for each to load */
        tile.k *= 2;
    return tile;
}

vk_direct_tile vk_direct_tile_of(const int32_t *parameters, uint64_t rows, uint64_t columns)
{
    vk_direct_tile tile = {.rows = (uint32_t)parameters[0],
                           .columns = (uint32_t)parameters[1],
                           .lanes = (uint32_t)parameters[2],
                           .lanes_n = (uint32_t)parameters[2]};
    while (tile.rows > 1 && tile.rows / 2 >= rows) /* no taller than the matrix */
        tile.rows /= 2;
    uint64_t lanes_m = 1;
    while (tile.lanes_n > LANES_N_MIN && lanes_m * tile.rows < rows) {
        lanes_m *= 2;
        tile.lanes_n /= 2;
    }
    while (tile.columns > 1 && (uint64_t)tile.lanes_n * tile.columns / 2 >= columns) /* nor wider */
        tile.columns /= 2;
    tile.tile_m = lanes_m * tile.rows;
    tile.tile_n = (uint64_t)tile.lanes_n * tile.columns;
    return tile;
}

static uint32_t subgroups_of(const vk_cooperative_tile *tile)
{
    return tile->m / tile->sub_m * (tile->n / tile->sub_n);
}

/* Of cooperative.glsl: tiles of A and B, lines one run longer, and a matrix of sums for each subgroup; and what the
 * shader has beside. */
static uint64_t cooperative_bytes(const vk_cooperative_tile *tile, const vk_cooperative *extents,
                                  const vk_cooperative_size *size)
{
    const uint64_t a = size->a_along_k ? (uint64_t)tile->m * (tile->k + RUN) : (uint64_t)tile->k * (tile->m + RUN);
    const uint64_t b = size->b_along_k ? (uint64_t)tile->n * (tile->k + RUN) : (uint64_t)tile->k * (tile->n + RUN);
    return (a + b) * 2 + (uint64_t)subgroups_of(tile) * extents->m * extents->n * sizeof(float) +
           tile->k * size->term_bytes + tile->n * size->column_bytes + size->other_bytes;
}

static bool cooperative_fits(const vk_device *device, const vk_cooperative_tile *tile, const vk_cooperative *extents,
                             const vk_cooperative_size *size)
{
    return subgroups_of(tile) * device->info.subgroup_size <= device->limits.maxComputeWorkGroupInvocations &&
           cooperative_bytes(tile, extents, size) <= device->limits.maxComputeSharedMemorySize;
}

/* A subgroup's extent along one axis: whole matrices, few of them, and no more than the product needs. */
static uint32_t fit_sub(uint32_t wanted, uint32_t extent, uint64_t needed)
{
    while (wanted > extent && (wanted > MATRICES_MAX * extent || wanted / 2 >= needed))
        wanted /= 2;
    return wanted < extent ? extent : wanted;
}

/* Where the tunables leave it open, a subgroup of a CPU driver holds one matrix: it has the registers of a core, and
 * its compiler writes out every element. */
static void fit_subgroup(const vk_device *device, const vk_cooperative *extents, const vk_cooperative_size *size,
                         vk_cooperative_tile *tile)
{
    const uint32_t usual = device->info.type == AUXO_DEVICE_CPU ? 1 : SUB_USUAL;
    tile->sub_m = fit_sub(tile->sub_m ? tile->sub_m : usual, extents->m, size->rows);
    tile->sub_n = fit_sub(tile->sub_n ? tile->sub_n : usual, extents->n, size->columns);
    while (tile->sub_m * tile->sub_n > SUMS_MAX * device->info.subgroup_size &&
           (tile->sub_m > extents->m || tile->sub_n > extents->n)) {
        if (tile->sub_n > extents->n && (tile->sub_n >= tile->sub_m || tile->sub_m == extents->m))
            tile->sub_n /= 2;
        else
            tile->sub_m /= 2;
    }
}

vk_cooperative_tile vk_cooperative_tile_of(const vk_device *device, const vk_cooperative *extents,
                                           const int32_t *parameters, const vk_cooperative_size *size)
{
    const uint64_t units = vk_device_units(device);
    vk_cooperative_tile tile = {.m = (uint32_t)parameters[0],
                                .n = (uint32_t)parameters[1],
                                .k = (uint32_t)parameters[2],
                                .sub_m = (uint32_t)parameters[3],
                                .sub_n = (uint32_t)parameters[4]};
    fit_subgroup(device, extents, size, &tile);
    tile.m = tile.m < tile.sub_m ? tile.sub_m : tile.m;
    tile.n = tile.n < tile.sub_n ? tile.sub_n : tile.n;
    tile.k = tile.k < extents->k ? extents->k : tile.k;
    while (tile.m > tile.sub_m && tile.m / 2 >= size->rows)
        tile.m /= 2;
    while (tile.n > tile.sub_n && tile.n / 2 >= size->columns)
        tile.n /= 2;
    while (tile.m > tile.sub_m || tile.n > tile.sub_n) {
        const uint64_t groups = size->batches * vk_ceil_div(size->rows, tile.m) * vk_ceil_div(size->columns, tile.n);
        if (groups >= units && cooperative_fits(device, &tile, extents, size))
            break;
        if (tile.n > tile.sub_n && (tile.n >= tile.m || tile.m == tile.sub_m))
            tile.n /= 2;
        else
            tile.m /= 2;
    }
    while (tile.k > extents->k && !cooperative_fits(device, &tile, extents, size))
        tile.k /= 2;
    tile.lanes = subgroups_of(&tile) * device->info.subgroup_size;
    return tile;
}

/* backends/opencl/conv2d_winograd.c: convolutions with a 3x3 window and step 1 by Winograd's F(4x4, 3x3) or F(2x2,
 * 3x3), forward and backward to the data (shaders/opencl/conv2d_winograd.cl).
 *
 * The weights are transformed, then slice after slice of the tiles of all images: the source, one product for each of
 * the 36 or 16 points (gemm_tiled.c; gemm.c's packed one on CPU drivers), and back. The gradient by the source is the
 * convolution of DY, padded by 2 - pad, with the weights turned round and their channel axes swapped. Every output is
 * computed in the same way whatever the slices are.
 */
#include "conv2d.h"
#include "gemm.h"
#include "kernels.h"
#include "tile.h"

#include <stdio.h>

/* The tunables of the products, then the tile of the outputs, then how much memory a slice may take. */
enum { TILE = OCL_GEMM_TILED_TUNABLE_COUNT, SLICE_MIB };
const auxo_tunable ocl_conv2d_winograd_tunables[OCL_CONV2D_WINOGRAD_TUNABLE_COUNT] = {
    OCL_TILE_TUNABLES,
    OCL_TAIL_TUNABLE,
    [TILE] = {.name = "tile", .initial = 4, .value_count = 2, .values = {2, 4}},
    [SLICE_MIB] = {.name = "slice_mib", .initial = 64, .value_count = 4, .values = {4, 16, 64, 256}},
};

enum { PATCH_MAX = 6, POINTS_MAX = PATCH_MAX * PATCH_MAX, QUAD = 4 };

/* And what kernels number fits 32 bits. */
bool ocl_conv2d_winograd_supports(void *device, const auxo_op *op)
{
    const int64_t pairs_max = (INT64_C(256) << 20) / (POINTS_MAX * (int64_t)sizeof(float)), area_max = INT64_C(1) << 28;
    const common_direction d = common_direction_of(op);
    return common_winograd_suits(op, &d) && d.source_channels * d.target_channels <= pairs_max &&
           d.source_h * d.source_w < area_max && d.images * d.target_h * d.target_w < area_max &&
           ocl_tile_loops_fit(device, d.source_channels);
}

static void build_weights(ocl_builder *b, const common_direction *d, const char *options, cl_mem u)
{
    const int64_t pairs = d->source_channels * d->target_channels;
    ocl_build_kernel(b, "conv2d_winograd", "conv2d_winograd_weights", "%s", options);
    ocl_arg_tensor(b, d->weights);
    ocl_arg_memory(b, u);
    ocl_arg_int(b, pairs);
    ocl_arg_int(b, d->backward);
    ocl_build_items(b, (uint64_t)pairs);
}

/* The product of every point: m (target channels, tiles) = u (target channels, source channels) v. */
static void build_products(ocl_builder *b, const common_direction *d, const common_winograd_cut *c,
                           const int32_t *parameters, const cl_mem memory[3], int64_t pitch)
{
    auxo_buffer buffers[3];
    auxo_tensor tensors[3];
    for (int i = 0; i < 3; ++i) {
        buffers[i] = (auxo_buffer){.handle = memory[i]};
        tensors[i] = (auxo_tensor){.buffer = &buffers[i], .dtype = AUXO_DTYPE_F32, .rank = 3};
    }
    static const auxo_tensor none = {0};
    const int64_t inner = d->source_channels, rows = d->target_channels;
    const ocl_gemm_call call = {.tensors = {&tensors[0], &tensors[1], &tensors[2], &none},
                                .params = {.trans_a = d->backward, .alpha = 1},
                                .shape = {.batches = c->points,
                                          .m = rows,
                                          .n = pitch,
                                          .k = inner,
                                          .a_batch = rows * inner,
                                          .a_row = d->backward ? 1 : inner,
                                          .a_column = d->backward ? rows : 1,
                                          .b_batch = inner * pitch,
                                          .b_row = pitch,
                                          .b_column = 1,
                                          .c_batch = rows * pitch,
                                          .c_row = pitch},
                                .whole_sums = true};
    if (b->device->vector_cpu)
        ocl_build_gemm_packed(b, &call, NULL);
    else
        ocl_build_gemm_tiled(b, &call, parameters, parameters[OCL_GEMM_TAIL_APART] != 0);
}

/* What the transforms of source and target have in common: `channels` images of height x width, and the tiles from
 * number `first` on. */
static void arg_tiles(ocl_builder *b, const common_winograd_cut *c, int64_t channels, int64_t height, int64_t width,
                      int64_t first, int64_t pitch)
{
    const int64_t end = first + pitch < c->tiles ? first + pitch : c->tiles;
    const int64_t values[] = {channels, height, width, c->tiles_h, c->tiles_w, first, end, pitch};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; ++i)
        ocl_arg_int(b, values[i]);
}

static void build_slice(ocl_builder *b, const common_direction *d, const common_winograd_cut *c,
                        const int32_t *parameters, const char *options, const cl_mem memory[3], int64_t first)
{
    const int64_t left = (int64_t)ocl_divide_up((uint64_t)(c->tiles - first), QUAD) * QUAD;
    const int64_t pitch = left < c->slice ? left : c->slice;
    ocl_build_kernel(b, "conv2d_winograd", "conv2d_winograd_source", "%s", options);
    ocl_arg_tensor(b, d->source);
    ocl_arg_memory(b, memory[1]);
    arg_tiles(b, c, d->source_channels, d->source_h, d->source_w, first, pitch);
    ocl_arg_int(b, d->pad_h);
    ocl_arg_int(b, d->pad_w);
    ocl_build_items(b, (uint64_t)(d->source_channels * pitch));
    build_products(b, d, c, parameters, memory, pitch);
    ocl_build_kernel(b, "conv2d_winograd", "conv2d_winograd_target", "%s", options);
    ocl_arg_memory(b, memory[2]);
    ocl_arg_tensor(b, d->target);
    ocl_arg_tensor(b, d->bias);
    arg_tiles(b, c, d->target_channels, d->target_h, d->target_w, first, pitch);
    ocl_arg_int(b, d->activation);
    ocl_arg_float(b, d->slope);
    ocl_build_items(b, (uint64_t)(d->target_channels * pitch));
}

static void build_direction(ocl_builder *b, const common_direction *d, const int32_t *parameters)
{
    if (d->target_channels == 0 || d->images * d->target_h * d->target_w == 0)
        return;
    const uint64_t wanted = (uint64_t)parameters[SLICE_MIB] << 20, limit = b->device->info.max_allocation_bytes;
    const common_winograd_cut c = common_winograd_cut_of(d, parameters[TILE], wanted < limit ? wanted : limit);
    const uint64_t point_bytes = (uint64_t)c.points * sizeof(float);
    const bool vectors = d->target_w % c.tile == 0 && d->target->offset_bytes % ((uint64_t)c.tile * sizeof(float)) == 0;
    char options[OCL_OPTIONS_MAX];
    snprintf(options, sizeof options, "-DTILE=%d -DTARGET_VEC=%d", (int)c.tile, vectors ? (int)c.tile : 1);
    const cl_mem memory[3] = {
        ocl_build_scratch(b, point_bytes * (uint64_t)(d->source_channels * d->target_channels)),
        ocl_build_scratch(b, point_bytes * (uint64_t)(d->source_channels * c.slice)),
        ocl_build_scratch(b, point_bytes * (uint64_t)(d->target_channels * c.slice)),
    };
    build_weights(b, d, options, memory[0]);
    for (int64_t first = 0; first < c.tiles; first += c.slice)
        build_slice(b, d, &c, parameters, options, memory, first);
}

static void build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const common_direction d = common_direction_of(op);
    build_direction(b, &d, parameters);
}

OCL_PREPARE(ocl_conv2d_winograd_prepare, build);

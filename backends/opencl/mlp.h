/* backends/opencl/mlp.h: what the fused narrow networks share: how a network's work is cut, and how scratch is laid
 * out.
 *
 * A slot walks over blocks of samples. Slots are few on CPU drivers, so that what a slot keeps stays in its core's
 * cache. On GPUs a slot is a group with a sample per work-item where sums over samples are asked for, else a work-item,
 * one per sample as far as the scratch budget goes.
 */
#ifndef OCL_MLP_H
#define OCL_MLP_H

#include "kernels.h"

/* One network and range of layers, and how its work is cut up. */
typedef struct mlp_shape {
    const auxo_mlp *mlp;
    uint32_t begin_layer, layer_count;
    uint64_t rows, blocks;
    uint32_t width_bound; /* of private arrays: 8, 16, 32 or 64; on CPU drivers always 64 */
    uint32_t kept_units;  /* inputs of the first layer and all outputs after it */
    int strips;           /* vectors of samples that a work-item takes side by side */
    uint32_t lanes;       /* items of a group, a sample each, of the kernels of mlp_lanes.clh; else 1 */
    uint64_t vec;         /* samples of a block: strips x the vector width, or lanes */
} mlp_shape;

/* Strides of scratch indexed by (row, slot), in floats. */
typedef struct slot_layout {
    uint64_t row_stride, slot_stride, bytes;
} slot_layout;

enum { OCL_MLP_SCRATCH_BYTES = 256 << 20 /* that one op may take */ };

/* An item per sample, or per vector of samples `strips` wide. */
mlp_shape ocl_mlp_shape_of(const ocl_device *device, const auxo_mlp_params *params, const auxo_tensor *x, int strips);
/* Of the kernels of shaders/opencl/mlp_block.clh on CPU drivers: blocks of many vectors. */
mlp_shape ocl_mlp_block_shape_of(const ocl_device *device, const auxo_mlp_params *params, const auxo_tensor *x);
/* Of the kernels of shaders/opencl/mlp_lanes.clh on GPUs: as many samples as leave room for several groups on a compute
 * unit, each with `regions` of the widest layer in local memory. */
mlp_shape ocl_mlp_lane_shape_of(const ocl_device *device, const auxo_mlp_params *params, const auxo_tensor *x,
                                uint32_t regions);
uint64_t ocl_mlp_param_offset(const auxo_mlp *mlp, uint32_t layer);
/* How many slots share the blocks of one of `streams` independent passes (directions, masks), `floats_per_slot` of
 * scratch each; of the kernels of mlp_lanes.clh no more than fill the device. */
uint64_t ocl_mlp_choose_slots(const ocl_device *device, const mlp_shape *shape, uint64_t streams,
                              uint64_t floats_per_slot);
/* `rows` scratch rows of `vec` floats for `slots` slots: slot by slot on CPU drivers, row by row elsewhere. */
slot_layout ocl_mlp_layout_of(const ocl_device *device, uint64_t slots, uint64_t rows, uint64_t vec);

/* The table `net` of shaders/opencl/mlp.clh. */
cl_mem ocl_mlp_build_net(ocl_builder *b, const auxo_mlp *mlp);
/* Scratch of the block kernels: `units` rows of a slot and two layers to work in. */
cl_mem ocl_mlp_build_block_scratch(ocl_builder *b, const mlp_shape *shape, uint64_t slots, uint64_t units);
void ocl_mlp_build_kernel(ocl_builder *b, const char *noun, const char *kernel, const mlp_shape *shape);
/* Parameters per group of the reduction: a group is a single item on CPU drivers, and starting one costs more than a
 * sum. */
int ocl_mlp_params_per_group(const ocl_device *device);
/* Ends a launch of `count` slots, an item each. */
void ocl_mlp_build_slots(ocl_builder *b, uint64_t count);

#endif

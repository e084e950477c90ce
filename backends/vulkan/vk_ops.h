/* vk_ops.h: the prepare functions of every op, by the file that holds them. kernels.c lists them as variants. */
#ifndef VK_OPS_H
#define VK_OPS_H

#include "vk_program.h"

#define VK_PREPARE(name)                                                                                               \
    auxo_status vk_prepare_##name(void *device, const auxo_op *op, const int32_t *parameters, void **state,            \
                                  auxo_error *error)

/* Two prepare functions from one static build_<name>: with reductions over local memory, and by subgroup shuffles. */
#define VK_PREPARE_EITHER(name)                                                                                        \
    VK_PREPARE(name)                                                                                                   \
    {                                                                                                                  \
        (void)parameters;                                                                                              \
        return build_##name(device, op, vk_program_begin(device, error), state, error);                                \
    }                                                                                                                  \
    VK_PREPARE(name##_subgroup)                                                                                        \
    {                                                                                                                  \
        (void)parameters;                                                                                              \
        return build_##name(device, op, vk_program_begin_subgroups(device, error), state, error);                      \
    }

/* op_elementwise.c */
VK_PREPARE(fill);
VK_PREPARE(copy);
VK_PREPARE(add);
VK_PREPARE(activation_forward);
VK_PREPARE(activation_backward);
VK_PREPARE(bias_add);
VK_PREPARE(scale);
VK_PREPARE(multiply_add);

/* tiles.c */
/* Places of the tunables that every tiled product has. */
enum { VK_TILE_M, VK_TILE_N, VK_TILE_K, VK_TILE_ROWS, VK_TILE_COLUMNS, VK_TILE_FILL, VK_TILE_TUNABLES };
/* These tunables, with their initial tile. fill: smaller tiles, and K in parts, where there would be fewer workgroups
 * than compute units. */
#define VK_TILE_TUNABLES_OF(height, width)                                                                             \
    {.name = "tile_m", .initial = (height), .value_count = 4, .values = {32, 64, 128, 256}},                           \
        {.name = "tile_n", .initial = (width), .value_count = 4, .values = {32, 64, 128, 256}},                        \
        {.name = "tile_k", .initial = 8, .value_count = 3, .values = {8, 16, 32}},                                     \
        {.name = "rows", .initial = 8, .value_count = 3, .values = {4, 8, 16}},                                        \
        {.name = "columns", .initial = 8, .value_count = 3, .values = {4, 8, 16}},                                     \
    {                                                                                                                  \
        .name = "fill", .initial = 1, .value_count = 2, .values = { 0, 1 }                                             \
    }
/* What one workgroup of a tiled product covers, and the block of each of its invocations. */
typedef struct vk_tiled_tile {
    uint32_t m, n, k, rows, columns, lanes;
} vk_tiled_tile;
typedef struct vk_tiled_size {
    uint64_t rows, columns, terms, batches;
} vk_tiled_size;
/* From the tiled tunables, changed where the product is small or the device's limits or the shader's walks need it. */
vk_tiled_tile vk_tiled_tile_of(const vk_device *device, const int32_t *parameters, const vk_tiled_size *size);
/* What one workgroup of a direct product covers: each of its `lanes` invocations a block of rows x columns. */
typedef struct vk_direct_tile {
    uint32_t rows, columns;
    uint32_t lanes, lanes_n; /* invocations, and those along N */
    uint64_t tile_m, tile_n;
} vk_direct_tile;
/* From the direct tunables, for a product of that size: as many invocations along N as the rows leave. */
vk_direct_tile vk_direct_tile_of(const int32_t *parameters, uint64_t rows, uint64_t columns);
/* What one workgroup of a product by cooperative matrices covers, and each of its subgroups. */
typedef struct vk_cooperative_tile {
    uint32_t m, n, k, sub_m, sub_n, lanes;
} vk_cooperative_tile;
typedef struct vk_cooperative_size {
    uint64_t rows, columns, batches;
    bool a_along_k, b_along_k;                      /* neighbours of a line in shared memory are terms */
    uint64_t term_bytes, column_bytes, other_bytes; /* of shared memory, for each term or column of a tile, and once */
} vk_cooperative_size;
/* The tunables of every product by cooperative matrices, in this order, with their initial tile. sub: of a subgroup; 0:
 * what suits the kind of device. */
enum { VK_COOPERATIVE_TUNABLES = 5, VK_COOPERATIVE_EXTENTS = 14 /* constant, from 1 on, of cooperative.glsl */ };
#define VK_COOPERATIVE_TUNABLES_OF(height, width)                                                                      \
    {.name = "tile_m", .initial = (height), .value_count = 5, .values = {16, 32, 64, 128, 256}},                       \
        {.name = "tile_n", .initial = (width), .value_count = 5, .values = {16, 32, 64, 128, 256}},                    \
        {.name = "tile_k", .initial = 32, .value_count = 3, .values = {16, 32, 64}},                                   \
        {.name = "sub_m", .initial = 0, .value_count = 4, .values = {0, 16, 32, 64}},                                  \
    {                                                                                                                  \
        .name = "sub_n", .initial = 0, .value_count = 4, .values = { 0, 16, 32, 64 }                                   \
    }
/* From these tunables: no larger than the product and the device's limits, few matrices per subgroup where these are
 * small, and smaller while the device would not be occupied. */
vk_cooperative_tile vk_cooperative_tile_of(const vk_device *device, const vk_cooperative *extents,
                                           const int32_t *parameters, const vk_cooperative_size *size);
/* Compute units of the device; a guess where it does not tell. */
uint64_t vk_device_units(const vk_device *device);

/* op_gemm.c */
enum { VK_GEMM_DIRECT_TUNABLES = 3, VK_GEMM_SPLIT_TUNABLES = VK_TILE_TUNABLES + 1 };
extern const auxo_tunable vk_gemm_tiled_tunables[VK_TILE_TUNABLES];
extern const auxo_tunable vk_gemm_direct_tunables[VK_GEMM_DIRECT_TUNABLES];
extern const auxo_tunable vk_gemm_cooperative_tunables[VK_COOPERATIVE_TUNABLES];
extern const auxo_tunable vk_gemm_split_tunables[VK_GEMM_SPLIT_TUNABLES]; /* the tiled ones, then parts of K */
/* C = act(alpha sum of parts + beta C + bias) of a product that was cut along its terms. */
typedef struct vk_parts_sum {
    vk_span sums; /* (parts, rows, columns) */
    uint64_t parts;
    vk_span c;
    uint64_t rows, columns, row_stride;
    vk_span bias;
    uint32_t bias_kind; /* of gemm_finish.comp */
    uint32_t activation;
    float alpha, beta, slope;
} vk_parts_sum;
void vk_add_sum_of_parts(vk_program *program, const vk_parts_sum *sum);
/* `count` products C = op(A) B, one after the other in memory, by the tiled variant; parameters: its tunables. */
typedef struct vk_products {
    vk_span a, b, c; /* (count, rows, terms), or with trans_a (count, terms, rows); (count, terms, columns); sums */
    bool trans_a;
    uint64_t count, rows, columns, terms;
} vk_products;
void vk_add_products(vk_program *program, const int32_t *parameters, const vk_products *products);
VK_PREPARE(gemm_tiled);
VK_PREPARE(gemm_direct);
VK_PREPARE(gemm_split);
VK_PREPARE(gemm_cooperative);
bool vk_supports_gemm_cooperative(void *device, const auxo_op *op);
bool vk_supports_gemm_split(void *device, const auxo_op *op);
bool vk_supports_gemm(void *device, const auxo_op *op);

/* op_conv2d.c */
enum { VK_CONV2D_DIRECT_TUNABLES = 3 };
extern const auxo_tunable vk_conv2d_tiled_tunables[VK_TILE_TUNABLES];
extern const auxo_tunable vk_conv2d_direct_tunables[VK_CONV2D_DIRECT_TUNABLES];
extern const auxo_tunable vk_conv2d_cooperative_tunables[VK_COOPERATIVE_TUNABLES];
VK_PREPARE(conv2d_forward_tiled);
VK_PREPARE(conv2d_forward_direct);
VK_PREPARE(conv2d_forward_cooperative);
VK_PREPARE(conv2d_backward_data_tiled);
VK_PREPARE(conv2d_backward_data_direct);
VK_PREPARE(conv2d_backward_data_cooperative);
VK_PREPARE(conv2d_backward_weights_tiled);
VK_PREPARE(conv2d_backward_weights_direct);
VK_PREPARE(conv2d_backward_weights_cooperative);
bool vk_supports_conv2d_cooperative(void *device, const auxo_op *op);

/* op_conv2d_winograd.c */
enum { VK_CONV2D_WINOGRAD_TUNABLES = VK_TILE_TUNABLES + 2 };
extern const auxo_tunable vk_conv2d_winograd_tunables[VK_CONV2D_WINOGRAD_TUNABLES]; /* the tiled ones come first */
VK_PREPARE(conv2d_winograd); /* forward and backward to the data */
bool vk_supports_conv2d_winograd(void *device, const auxo_op *op);

/* op_reduce.c */
typedef struct vk_reduction {
    auxo_reduce_kind kind;
    vk_span x, y; /* (outer, channels, inner), (channels) */
    uint64_t outer, channels, inner;
} vk_reduction;
/* Adds the dispatches of a reduction; X of any size. */
void vk_add_reduction(vk_program *program, const vk_reduction *reduction);
VK_PREPARE(reduce);
VK_PREPARE(reduce_subgroup);
VK_PREPARE(segment_reduce);
VK_PREPARE(segment_reduce_subgroup);
VK_PREPARE(group_norm);
VK_PREPARE(group_norm_subgroup);
/* Invocations, a power of two, that share a row of so many elements. */
uint32_t vk_lanes_for(const vk_device *device, uint64_t row_elements);

/* op_pruning.c */
VK_PREPARE(penalty);
VK_PREPARE(kept_scan);
VK_PREPARE(index_select);

/* op_data.c */
VK_PREPARE(gather_batch);
VK_PREPARE(augment);
VK_PREPARE(random_fill);
VK_PREPARE(dropout);
VK_PREPARE(counter_add);

/* op_optimizer.c */
VK_PREPARE(optimizer_step);
VK_PREPARE(loss_scale);

/* op_loss.c */
VK_PREPARE(softmax);
VK_PREPARE(softmax_subgroup);
VK_PREPARE(softmax_cross_entropy);
VK_PREPARE(softmax_cross_entropy_subgroup);
VK_PREPARE(mse);
/* Binds LOSS, STATS, HISTORY and COUNTER, as shaders/vulkan/include/loss.glsl wants them. */
void vk_bind_loss(vk_program *program, vk_step *step, const auxo_op *op, uint32_t loss_slot, uint32_t stats_slot);
/* What that file wants to know of them. */
typedef struct vk_loss_push {
    LOSS_ENDING_PUSH
} vk_loss_push;
vk_loss_push vk_loss_push_of(const auxo_op *op, uint32_t stats_slot, uint64_t rows);

typedef struct vk_loss_finish {
    vk_span partial; /* vec4 (losses, parts): hi, lo, rows predicted right, 0 */
    uint64_t losses, parts;
    uint64_t divisor; /* 0: the loss is 0 */
    uint64_t rows;
    uint32_t loss_slot;
    uint32_t stats_slot; /* STATS, then HISTORY and COUNTER; AUXO_OP_SLOTS_MAX: the op has none */
} vk_loss_finish;
/* Adds the dispatch that turns partial sums into LOSS, STATS and HISTORY. */
void vk_add_loss_finish(vk_program *program, const auxo_op *op, const vk_loss_finish *finish);

/* op_cox.c */
VK_PREPARE(cox);

/* op_argsort.c */
VK_PREPARE(argsort);
bool vk_supports_argsort(void *device, const auxo_op *op);

/* op_pool2d.c */
VK_PREPARE(pool2d_forward);
VK_PREPARE(pool2d_backward);

/* op_batch_norm.c */
VK_PREPARE(batch_norm_forward);
VK_PREPARE(batch_norm_forward_subgroup);
VK_PREPARE(batch_norm_backward);
VK_PREPARE(batch_norm_backward_subgroup);
VK_PREPARE(batch_norm_forward_split);
VK_PREPARE(batch_norm_backward_split);
bool vk_supports_batch_norm_split(void *device, const auxo_op *op);

/* op_mlp.c */
VK_PREPARE(mlp_forward);
VK_PREPARE(mlp_gradient);
VK_PREPARE(mlp_hvp);
VK_PREPARE(theta_prefix);
VK_PREPARE(theta_direct);
bool vk_supports_theta_prefix(void *device, const auxo_op *op);

#endif

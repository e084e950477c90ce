/* kernels.c: the table of every op's variants, the preferred first.
 *
 * Ops without a limit handle tensors beyond one binding range by windows; the others decline those.
 */
#include "vk_ops.h"

#define KERNEL(name, limit, prepare_name)                                                                              \
    {                                                                                                                  \
        .variant = name, .supports = limit, .prepare = vk_prepare_##prepare_name, .release = vk_program_release,       \
        .enqueue = vk_program_enqueue                                                                                  \
    }
#define HALF_KERNEL(name, formats, limit, prepare_name)                                                                \
    {                                                                                                                  \
        .variant = name, .half_formats = formats, .supports = limit, .prepare = vk_prepare_##prepare_name,             \
        .release = vk_program_release, .enqueue = vk_program_enqueue                                                   \
    }
#define TUNED(name, formats, limit, prepare_name, list)                                                                \
    {                                                                                                                  \
        .variant = name, .tunables = list, .tunable_count = sizeof(list) / sizeof((list)[0]), .half_formats = formats, \
        .supports = limit, .prepare = vk_prepare_##prepare_name, .release = vk_program_release,                        \
        .enqueue = vk_program_enqueue                                                                                  \
    }
#define LIST(array)                                                                                                    \
    {                                                                                                                  \
        .variants = array, .count = sizeof(array) / sizeof((array)[0])                                                 \
    }
#define ONE(name, limit, prepare_name)                                                                                 \
    {                                                                                                                  \
        .variants = (const auxo_kernel[]){KERNEL(name, limit, prepare_name)}, .count = 1                               \
    }
#define ONE_HALF(name, formats, limit, prepare_name)                                                                   \
    {                                                                                                                  \
        .variants = (const auxo_kernel[]){HALF_KERNEL(name, formats, limit, prepare_name)}, .count = 1                 \
    }

/* An op whose tensors go by windows, in every format that the device stores. */
#define ONE_DATA(name, prepare_name) ONE_HALF(name, AUXO_HALF_FORMATS_ALL, vk_stores_formats, prepare_name)
#define ONE_BOUND_DATA(name, prepare_name) ONE_HALF(name, AUXO_HALF_FORMATS_ALL, supports_data, prepare_name)
#define DATA_KERNEL(name, limit, prepare_name) HALF_KERNEL(name, AUXO_HALF_FORMATS_ALL, limit, prepare_name)

static bool supports_data(void *device, const auxo_op *op)
{
    return vk_stores_formats(device, op) && vk_fits_bindings(device, op);
}

static bool supports_batch_norm_split(void *device, const auxo_op *op)
{
    return vk_stores_formats(device, op) && vk_supports_batch_norm_split(device, op);
}

/* The same kernel with its reductions by subgroup shuffles, where the device has them. */
static bool supports_subgroups(void *device, const auxo_op *op)
{
    const vk_device *self = device;
    return self->has_shuffle && vk_fits_bindings(device, op);
}

#define SUBGROUP_KERNEL(op)                                                                                            \
    {                                                                                                                  \
        .variant = "subgroup", .supports = supports_subgroups, .prepare = vk_prepare_##op##_subgroup,                  \
        .release = vk_program_release, .enqueue = vk_program_enqueue                                                   \
    }
#define WITH_SUBGROUPS(op, variant_name, limit)                                                                        \
    static const auxo_kernel op[] = {KERNEL(variant_name, limit, op), SUBGROUP_KERNEL(op)}
#define DATA_WITH_SUBGROUPS(op, variant_name, limit)                                                                   \
    static const auxo_kernel op[] = {DATA_KERNEL(variant_name, limit, op), SUBGROUP_KERNEL(op)}
#define BATCH_NORM(op)                                                                                                 \
    static const auxo_kernel op[] = {DATA_KERNEL("split", supports_batch_norm_split, op##_split),                      \
                                     DATA_KERNEL("channel_group", supports_data, op), SUBGROUP_KERNEL(op)}

DATA_WITH_SUBGROUPS(reduce, "two_stage", vk_stores_formats);
WITH_SUBGROUPS(segment_reduce, "segment_group", vk_fits_bindings);
WITH_SUBGROUPS(group_norm, "row_lanes", vk_fits_bindings);
BATCH_NORM(batch_norm_forward);
BATCH_NORM(batch_norm_backward);
WITH_SUBGROUPS(softmax, "row_lanes", vk_fits_bindings);
DATA_WITH_SUBGROUPS(softmax_cross_entropy, "row_lanes", supports_data);

static const auxo_kernel gemm[] = {
    TUNED("cooperative", AUXO_HALF_FORMATS_ALL, vk_supports_gemm_cooperative, gemm_cooperative,
          vk_gemm_cooperative_tunables),
    TUNED("tiled", AUXO_HALF_FORMATS_ALL, vk_supports_gemm, gemm_tiled, vk_gemm_tiled_tunables),
    TUNED("direct", AUXO_HALF_FORMATS_ALL, vk_supports_gemm, gemm_direct, vk_gemm_direct_tunables),
    TUNED("split_k", AUXO_HALF_FORMATS_ALL, vk_supports_gemm_split, gemm_split, vk_gemm_split_tunables),
};

static const auxo_kernel theta_eval[] = {
    KERNEL("prefix", vk_supports_theta_prefix, theta_prefix),
    KERNEL("direct", vk_fits_bindings, theta_direct),
};
#define CONV2D(op)                                                                                                     \
    TUNED("cooperative", AUXO_HALF_FORMATS_ALL, vk_supports_conv2d_cooperative, op##_cooperative,                      \
          vk_conv2d_cooperative_tunables),                                                                             \
        TUNED("tiled", AUXO_HALF_FORMATS_ALL, supports_data, op##_tiled, vk_conv2d_tiled_tunables),                    \
        TUNED("direct", AUXO_HALF_FORMATS_ALL, supports_data, op##_direct, vk_conv2d_direct_tunables)
#define CONV2D_WINOGRAD                                                                                                \
    {                                                                                                                  \
        .variant = "winograd", .is_nominal = true, .tunables = vk_conv2d_winograd_tunables,                            \
        .tunable_count = sizeof vk_conv2d_winograd_tunables / sizeof vk_conv2d_winograd_tunables[0],                   \
        .supports = vk_supports_conv2d_winograd, .prepare = vk_prepare_conv2d_winograd, .release = vk_program_release, \
        .enqueue = vk_program_enqueue                                                                                  \
    }
static const auxo_kernel conv2d_forward[] = {CONV2D(conv2d_forward), CONV2D_WINOGRAD};
static const auxo_kernel conv2d_backward_data[] = {CONV2D(conv2d_backward_data), CONV2D_WINOGRAD};
static const auxo_kernel conv2d_backward_weights[] = {CONV2D(conv2d_backward_weights)};

const auxo_kernel_list vk_kernels[AUXO_OP_COUNT] = {
    [AUXO_OP_GEMM] = LIST(gemm),
    [AUXO_OP_CONV2D_FORWARD] = LIST(conv2d_forward),
    [AUXO_OP_CONV2D_BACKWARD_DATA] = LIST(conv2d_backward_data),
    [AUXO_OP_CONV2D_BACKWARD_WEIGHTS] = LIST(conv2d_backward_weights),
    [AUXO_OP_MLP_FORWARD] = ONE("sample_lanes", vk_fits_bindings, mlp_forward),
    [AUXO_OP_MLP_GRADIENT] = ONE("sample_lanes", vk_fits_bindings, mlp_gradient),
    [AUXO_OP_MLP_HVP] = ONE("sample_lanes", vk_fits_bindings, mlp_hvp),
    [AUXO_OP_THETA_EVAL] = LIST(theta_eval),
    [AUXO_OP_FILL] = ONE_HALF("words", AUXO_HALF_FORMATS_ALL, NULL, fill),
    [AUXO_OP_COPY] = ONE_HALF("strided", AUXO_HALF_FORMATS_ALL, NULL, copy),
    [AUXO_OP_ADD] = ONE_DATA("flat", add),
    [AUXO_OP_ACTIVATION_FORWARD] = ONE_DATA("flat", activation_forward),
    [AUXO_OP_ACTIVATION_BACKWARD] = ONE_DATA("flat", activation_backward),
    [AUXO_OP_BIAS_ADD] = ONE_DATA("flat", bias_add),
    [AUXO_OP_MULTIPLY_ADD] = ONE("flat", NULL, multiply_add),
    [AUXO_OP_SCALE] = ONE_HALF("flat", AUXO_HALF_FORMATS_ALL, NULL, scale),
    [AUXO_OP_POOL2D_FORWARD] = ONE_BOUND_DATA("gather", pool2d_forward),
    [AUXO_OP_POOL2D_BACKWARD] = ONE_BOUND_DATA("gather", pool2d_backward),
    [AUXO_OP_REDUCE] = LIST(reduce),
    [AUXO_OP_BATCH_NORM_FORWARD] = LIST(batch_norm_forward),
    [AUXO_OP_BATCH_NORM_BACKWARD] = LIST(batch_norm_backward),
    [AUXO_OP_DROPOUT] = ONE_DATA("flat", dropout),
    [AUXO_OP_SOFTMAX] = LIST(softmax),
    [AUXO_OP_SOFTMAX_CROSS_ENTROPY] = LIST(softmax_cross_entropy),
    [AUXO_OP_MSE] = ONE("two_stage", vk_fits_bindings, mse),
    [AUXO_OP_COX] = ONE("blocks", vk_fits_bindings, cox),
    [AUXO_OP_ARGSORT] = ONE("bitonic", vk_supports_argsort, argsort),
    [AUXO_OP_GROUP_NORM] = LIST(group_norm),
    [AUXO_OP_PENALTY] = ONE("row_group", vk_fits_bindings, penalty),
    [AUXO_OP_KEPT_SCAN] = ONE("one_group", vk_fits_bindings, kept_scan),
    [AUXO_OP_INDEX_SELECT] = ONE("windows", NULL, index_select),
    [AUXO_OP_SEGMENT_REDUCE] = LIST(segment_reduce),
    [AUXO_OP_GATHER_BATCH] = ONE_DATA("windows", gather_batch),
    [AUXO_OP_AUGMENT] = ONE_BOUND_DATA("flat", augment),
    [AUXO_OP_RANDOM_FILL] = ONE("flat", NULL, random_fill),
    [AUXO_OP_COUNTER_ADD] = ONE("flat", NULL, counter_add),
    [AUXO_OP_OPTIMIZER_STEP] = ONE_DATA("flat", optimizer_step),
    [AUXO_OP_LOSS_SCALE] = ONE("one_lane", vk_fits_bindings, loss_scale),
};

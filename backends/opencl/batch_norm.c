/* backends/opencl/batch_norm.c: batch normalisation: one group per channel ("vectors" on CPU drivers, "group"), or, in
 * training on GPUs, several, where channels are long and too few to fill the device ("split"). */
#include "kernels.h"

static void build_forward(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_batch_norm_params *params = &op->params.batch_norm;
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_X].dims; /* N, C, inner */
    const int last_slot = params->training ? AUXO_BATCH_NORM_SAVED_INVSTD : AUXO_BATCH_NORM_Y;
    (void)parameters;
    ocl_build_kernel(b, "batch_norm", params->training ? "batch_norm_forward" : "batch_norm_inference",
                     "-DVEC=%d -DWG=%zu -DDATA=%d", b->device->vector_width, b->group_size,
                     (int)op->tensors[AUXO_BATCH_NORM_X].dtype);
    for (int slot = AUXO_BATCH_NORM_X; slot <= last_slot; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_long(b, params->training ? dims[0] : dims[0] * dims[1]);
    ocl_arg_long(b, dims[1]);
    ocl_arg_long(b, dims[2]);
    ocl_arg_float(b, params->epsilon);
    if (params->training)
        ocl_arg_float(b, params->momentum);
    ocl_arg_int(b, params->activation);
    ocl_arg_float(b, params->slope);
    if (params->training)
        ocl_build_groups_1d(b, (uint64_t)dims[1], b->group_size);
    else
        ocl_build_items(b, (uint64_t)(dims[0] * dims[1]) *
                               ocl_divide_up((uint64_t)dims[2], (uint64_t)b->device->vector_width));
}

static OCL_PREPARE(prepare_forward, build_forward);

static void build_backward(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_B_X].dims;
    (void)parameters;
    ocl_build_kernel(b, "batch_norm", "batch_norm_backward", "-DVEC=%d -DWG=%zu -DDATA=%d", b->device->vector_width,
                     b->group_size, (int)op->tensors[AUXO_BATCH_NORM_B_X].dtype);
    for (int slot = AUXO_BATCH_NORM_B_X; slot <= AUXO_BATCH_NORM_B_DBETA; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    for (int axis = 0; axis < 3; ++axis)
        ocl_arg_long(b, dims[axis]);
    ocl_build_groups_1d(b, (uint64_t)dims[1], b->group_size);
}

static OCL_PREPARE(prepare_backward, build_backward);

static bool supports_vectors(void *device, const auxo_op *op)
{
    const ocl_device *self = device;
    (void)op;
    return self->vector_cpu;
}

/* split */

enum {
    SPLIT_TERMS_MIN = 2048, /* of a part: fewer do not pay for the second launch */
    SPLIT_GROUPS = 1024     /* that keep a large GPU busy */
};

static bool supports_split(void *device, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_X].dims;
    const bool trains = op->kind == AUXO_OP_BATCH_NORM_BACKWARD || op->params.batch_norm.training;
    (void)device;
    return trains && dims[1] > 0 && dims[1] * 2 <= SPLIT_GROUPS && dims[0] * dims[2] >= 2 * SPLIT_TERMS_MIN &&
           dims[0] * dims[2] <= INT32_MAX && dims[1] * dims[2] <= INT32_MAX;
}

/* How a channel's terms are divided among groups. */
typedef struct split {
    uint32_t channels, inner, terms, part_terms;
    uint64_t parts;
    cl_mem partial; /* float4 (channels, parts) */
} split;

static split begin_split(ocl_builder *b, const int64_t *dims)
{
    split s = {.channels = (uint32_t)dims[1], .inner = (uint32_t)dims[2], .terms = (uint32_t)(dims[0] * dims[2])};
    const uint64_t most = s.terms / SPLIT_TERMS_MIN, wanted = ocl_divide_up(SPLIT_GROUPS, s.channels);
    s.part_terms = (uint32_t)ocl_divide_up(s.terms, wanted < most ? wanted : most);
    s.parts = ocl_divide_up(s.terms, s.part_terms);
    s.partial = ocl_build_scratch(b, s.channels * s.parts * sizeof(cl_float4));
    return s;
}

/* The tensors of `slots`, the partial results, and how they are divided. */
static void start_launch(ocl_builder *b, const char *kernel, const auxo_op *op, const split *s, const int *slots,
                         size_t slot_count)
{
    ocl_build_kernel(b, "batch_norm_split", kernel, "-DWG=%zu", b->group_size);
    for (size_t i = 0; i < slot_count; i++)
        ocl_arg_tensor(b, &op->tensors[slots[i]]);
    ocl_arg_memory(b, s->partial);
    ocl_arg_uint(b, s->channels);
    ocl_arg_uint(b, s->inner);
    ocl_arg_uint(b, s->terms);
    ocl_arg_uint(b, s->part_terms);
}

static void end_launch(ocl_builder *b, const split *s)
{
    const uint64_t groups[] = {s->parts, s->channels}, group_size[] = {b->group_size, 1};
    ocl_build_groups(b, 2, groups, group_size);
}

static void build_forward_split(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    static const int all[] = {
        AUXO_BATCH_NORM_X,           AUXO_BATCH_NORM_GAMMA, AUXO_BATCH_NORM_BETA,       AUXO_BATCH_NORM_RUNNING_MEAN,
        AUXO_BATCH_NORM_RUNNING_VAR, AUXO_BATCH_NORM_Y,     AUXO_BATCH_NORM_SAVED_MEAN, AUXO_BATCH_NORM_SAVED_INVSTD};
    const auxo_batch_norm_params *params = &op->params.batch_norm;
    const split s = begin_split(b, op->tensors[AUXO_BATCH_NORM_X].dims);
    (void)parameters;
    start_launch(b, "batch_norm_moments", op, &s, all, 1);
    end_launch(b, &s);
    start_launch(b, "batch_norm_merged", op, &s, all, sizeof all / sizeof all[0]);
    ocl_arg_float(b, params->epsilon);
    ocl_arg_float(b, params->momentum);
    ocl_arg_int(b, params->activation);
    ocl_arg_float(b, params->slope);
    end_launch(b, &s);
}

static void build_backward_split(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    static const int sums[] = {AUXO_BATCH_NORM_B_X, AUXO_BATCH_NORM_B_SAVED_MEAN, AUXO_BATCH_NORM_B_DY};
    static const int all[] = {
        AUXO_BATCH_NORM_B_X,  AUXO_BATCH_NORM_B_GAMMA, AUXO_BATCH_NORM_B_SAVED_MEAN, AUXO_BATCH_NORM_B_SAVED_INVSTD,
        AUXO_BATCH_NORM_B_DY, AUXO_BATCH_NORM_B_DX,    AUXO_BATCH_NORM_B_DGAMMA,     AUXO_BATCH_NORM_B_DBETA};
    const split s = begin_split(b, op->tensors[AUXO_BATCH_NORM_B_X].dims);
    (void)parameters;
    start_launch(b, "batch_norm_sums", op, &s, sums, sizeof sums / sizeof sums[0]);
    end_launch(b, &s);
    start_launch(b, "batch_norm_sums_merged", op, &s, all, sizeof all / sizeof all[0]);
    end_launch(b, &s);
}

static OCL_PREPARE(prepare_forward_split, build_forward_split);

static OCL_PREPARE(prepare_backward_split, build_backward_split);

#define VARIANT(name, formats, check, prepare_function)                                                                \
    {                                                                                                                  \
        .variant = name, .half_formats = formats, .supports = check, .prepare = prepare_function,                      \
        .release = ocl_task_release, .enqueue = ocl_task_enqueue                                                       \
    }

const auxo_kernel ocl_batch_norm_forward_kernels[OCL_BATCH_NORM_FORWARD_KERNEL_COUNT] = {
    VARIANT("vectors", AUXO_HALF_FORMATS_ALL, supports_vectors, prepare_forward),
    VARIANT("split", 0, supports_split, prepare_forward_split),
    VARIANT("group", AUXO_HALF_FORMATS_ALL, NULL, prepare_forward),
};

const auxo_kernel ocl_batch_norm_backward_kernels[OCL_BATCH_NORM_BACKWARD_KERNEL_COUNT] = {
    VARIANT("vectors", AUXO_HALF_FORMATS_ALL, supports_vectors, prepare_backward),
    VARIANT("split", 0, supports_split, prepare_backward_split),
    VARIANT("group", AUXO_HALF_FORMATS_ALL, NULL, prepare_backward),
};

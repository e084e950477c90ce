/* case_op.c: builds ops with buffers and values from cases.
 *
 * A builder per kind names its slots, shapes and what fills them. Failures stick to the builder, so that the builders
 * read as plain lists.
 */
#include "bench_internal.h"

#include <stdlib.h>
#include <string.h>

enum { LAYERS_MAX = 64 };

struct auxo_bench_op {
    auxo_op op;
    auxo_queue *queue;
    auxo_buffer *buffers[AUXO_OP_SLOTS_MAX];
    uint32_t widths[LAYERS_MAX + 1]; /* of mlp_gradient and theta_eval */
    auxo_activation activations[LAYERS_MAX];
};

typedef enum fill {
    FILL_SIGNED,   /* in [-1, 1) */
    FILL_POSITIVE, /* in [0.5, 1.5) */
    FILL_ZERO,
    FILL_INDEX,  /* 0, 1, 2, ... */
    FILL_BIT,    /* u32 0 or 1 */
    FILL_DIVIDE, /* u32: index / modulus */
    FILL_SPREAD, /* u32: index * 4 / 3, every row but each fourth */
    FILL_PLACE,  /* u8: a place in a window of modulus elements */
    FILL_MASK,   /* 1, on the diagonal of (modulus, modulus) 0.5 */
    FILL_HYPER,
    FILL_STEP, /* u32: a counter in its first step */
} fill;

typedef struct builder {
    auxo_queue *queue;
    auxo_bench_op *built;
    auxo_status status;
    auxo_error *error;
} builder;

/* splitmix64, a well mixed number for each element of each slot. */
static uint64_t hash(uint32_t slot, uint64_t index)
{
    uint64_t z = ((uint64_t)slot << 48) + (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The bits of a value in (-1, -0.5] or [0.5, 1). */
static uint16_t half_value(auxo_dtype dtype, uint32_t slot, uint64_t index)
{
    const uint64_t bits = hash(slot, index) >> 48;
    return (uint16_t)(dtype == AUXO_DTYPE_F16 ? 0x3800 | (bits & 0x83ff) : 0x3f00 | (bits & 0x807f));
}

static float real_value(fill how, uint32_t slot, uint64_t index, uint64_t modulus)
{
    static const float hyper[AUXO_HYPER_COUNT] = {1e-3f, 0.9f, 0.999f, 1e-8f, 0, 1, 0.1f, 0};
    float uniform = (float)(hash(slot, index) >> 40) * 0x1p-24f;
    switch (how) {
    case FILL_SIGNED:
        return 2 * uniform - 1;
    case FILL_POSITIVE:
        return 0.5f + uniform;
    case FILL_INDEX:
        return (float)index;
    case FILL_MASK:
        return index / modulus == index % modulus ? 0.5f : 1;
    case FILL_HYPER:
        return hyper[index % AUXO_HYPER_COUNT];
    default:
        return 0;
    }
}

static uint32_t whole_value(fill how, uint32_t slot, uint64_t index, uint64_t modulus)
{
    switch (how) {
    case FILL_INDEX:
        return (uint32_t)index;
    case FILL_BIT:
        return (uint32_t)(hash(slot, index) >> 63);
    case FILL_DIVIDE:
        return (uint32_t)(index / modulus);
    case FILL_SPREAD:
        return (uint32_t)(index * 4 / 3);
    case FILL_PLACE:
        return (uint32_t)(hash(slot, index) % modulus);
    case FILL_STEP:
        return index == 0;
    default:
        return 0;
    }
}

/* Gives a slot a buffer with values. */
static void put(builder *b, uint32_t slot, auxo_dtype dtype, fill how, uint64_t modulus, uint32_t rank,
                const int64_t *dims)
{
    if (b->status != AUXO_OK)
        return;
    auxo_buffer **buffer = &b->built->buffers[slot];
    auxo_tensor tensor = auxo_tensor_make(NULL, 0, dtype, rank, dims);
    uint64_t count = (uint64_t)auxo_tensor_element_count(&tensor), size_bytes = count * auxo_dtype_size_bytes(dtype);
    unsigned char *values = calloc(size_bytes + 4, 1);
    if (!values) {
        b->status = auxo_error_set(b->error, AUXO_OUT_OF_MEMORY, "benchmark: no memory for %llu bytes of values",
                                   (unsigned long long)size_bytes);
        return;
    }
    for (uint64_t i = 0; i < count && how != FILL_ZERO; i++) {
        if (auxo_dtype_is_half(dtype))
            ((uint16_t *)(void *)values)[i] = half_value(dtype, slot, i);
        else if (dtype == AUXO_DTYPE_U8)
            values[i] = (uint8_t)whole_value(how, slot, i, modulus);
        else if (dtype == AUXO_DTYPE_F32)
            ((float *)(void *)values)[i] = real_value(how, slot, i, modulus);
        else
            ((uint32_t *)(void *)values)[i] = whole_value(how, slot, i, modulus);
    }
    b->status = auxo_buffer_create(auxo_queue_device(b->queue), size_bytes, buffer, b->error);
    if (b->status == AUXO_OK)
        b->status = auxo_buffer_write(b->queue, *buffer, 0, values, size_bytes, b->error);
    free(values);
    b->built->op.tensors[slot] = auxo_tensor_make(*buffer, 0, dtype, rank, dims);
}

static void put_real(builder *b, uint32_t slot, fill how, uint32_t rank, const int64_t *dims)
{
    put(b, slot, AUXO_DTYPE_F32, how, (uint64_t)dims[0], rank, dims);
}

static void put_whole(builder *b, uint32_t slot, fill how, uint64_t modulus, uint32_t rank, const int64_t *dims)
{
    put(b, slot, AUXO_DTYPE_U32, how, modulus, rank, dims);
}

static void build_gemm(builder *b, const int64_t *d, auxo_dtype dtype)
{
    b->built->op.params.gemm = (auxo_gemm_params){.alpha = 1};
    put(b, AUXO_GEMM_A, dtype, FILL_SIGNED, 1, 2, (int64_t[]){d[0], d[2]});
    put(b, AUXO_GEMM_B, dtype, FILL_SIGNED, 1, 2, (int64_t[]){d[2], d[1]});
    put(b, AUXO_GEMM_C, dtype, FILL_ZERO, 1, 2, (int64_t[]){d[0], d[1]});
}

static void build_conv2d(builder *b, const int64_t *d)
{
    int32_t window = (int32_t)d[5], stride = (int32_t)d[6], pad = (int32_t)d[7];
    const int64_t x[] = {d[0], d[1], d[2], d[3]}, w[] = {d[4], d[1], d[5], d[5]};
    const int64_t y[] = {d[0], d[4], auxo_window_output(d[2], window, stride, pad, 1),
                         auxo_window_output(d[3], window, stride, pad, 1)};
    b->built->op.params.conv2d = (auxo_conv2d_params){.stride_h = stride,
                                                      .stride_w = stride,
                                                      .pad_h = pad,
                                                      .pad_w = pad,
                                                      .dilation_h = 1,
                                                      .dilation_w = 1,
                                                      .groups = 1};
    switch (b->built->op.kind) {
    case AUXO_OP_CONV2D_FORWARD:
        put_real(b, AUXO_CONV2D_X, FILL_SIGNED, 4, x);
        put_real(b, AUXO_CONV2D_W, FILL_SIGNED, 4, w);
        put_real(b, AUXO_CONV2D_BIAS, FILL_SIGNED, 1, &d[4]);
        put_real(b, AUXO_CONV2D_Y, FILL_ZERO, 4, y);
        break;
    case AUXO_OP_CONV2D_BACKWARD_DATA:
        put_real(b, AUXO_CONV2D_BD_DY, FILL_SIGNED, 4, y);
        put_real(b, AUXO_CONV2D_BD_W, FILL_SIGNED, 4, w);
        put_real(b, AUXO_CONV2D_BD_DX, FILL_ZERO, 4, x);
        break;
    default:
        put_real(b, AUXO_CONV2D_BW_X, FILL_SIGNED, 4, x);
        put_real(b, AUXO_CONV2D_BW_DY, FILL_SIGNED, 4, y);
        put_real(b, AUXO_CONV2D_BW_DW, FILL_ZERO, 4, w);
        put_real(b, AUXO_CONV2D_BW_DBIAS, FILL_ZERO, 1, &d[4]);
        break;
    }
}

static void build_pool2d(builder *b, const int64_t *d)
{
    const int64_t y[] = {d[0], d[1], d[2] / 2, d[3] / 2};
    bool forward = b->built->op.kind == AUXO_OP_POOL2D_FORWARD;
    b->built->op.params.pool2d =
        (auxo_pool2d_params){.kind = AUXO_POOL_MAX, .window_h = 2, .window_w = 2, .stride_h = 2, .stride_w = 2};
    put_real(b, forward ? AUXO_POOL2D_X : AUXO_POOL2D_B_DX, FILL_SIGNED, 4, d);
    put_real(b, forward ? AUXO_POOL2D_Y : AUXO_POOL2D_B_DY, FILL_SIGNED, 4, y);
    put(b, forward ? AUXO_POOL2D_INDEX : AUXO_POOL2D_B_INDEX, AUXO_DTYPE_U8, FILL_PLACE, 4, 4, y);
}

static void build_batch_norm(builder *b, const int64_t *d)
{
    const int64_t *channels = &d[1];
    b->built->op.params.batch_norm = (auxo_batch_norm_params){.training = true, .epsilon = 1e-5f, .momentum = 0.1f};
    if (b->built->op.kind == AUXO_OP_BATCH_NORM_FORWARD) {
        put_real(b, AUXO_BATCH_NORM_X, FILL_SIGNED, 3, d);
        put_real(b, AUXO_BATCH_NORM_Y, FILL_ZERO, 3, d);
        for (uint32_t slot = AUXO_BATCH_NORM_GAMMA; slot <= AUXO_BATCH_NORM_SAVED_INVSTD; slot++)
            if (slot != AUXO_BATCH_NORM_Y)
                put_real(b, slot, FILL_POSITIVE, 1, channels);
        return;
    }
    put_real(b, AUXO_BATCH_NORM_B_X, FILL_SIGNED, 3, d);
    put_real(b, AUXO_BATCH_NORM_B_DY, FILL_SIGNED, 3, d);
    put_real(b, AUXO_BATCH_NORM_B_DX, FILL_ZERO, 3, d);
    put_real(b, AUXO_BATCH_NORM_B_GAMMA, FILL_POSITIVE, 1, channels);
    put_real(b, AUXO_BATCH_NORM_B_SAVED_MEAN, FILL_SIGNED, 1, channels);
    put_real(b, AUXO_BATCH_NORM_B_SAVED_INVSTD, FILL_POSITIVE, 1, channels);
    put_real(b, AUXO_BATCH_NORM_B_DGAMMA, FILL_ZERO, 1, channels);
    put_real(b, AUXO_BATCH_NORM_B_DBETA, FILL_ZERO, 1, channels);
}

/* Layers of one width that end in one output; every layer is a group of theta_eval's factors. */
static void build_network(builder *b, const int64_t *d)
{
    auxo_bench_op *built = b->built;
    uint32_t layers = (uint32_t)d[1], width = (uint32_t)d[2];
    for (uint32_t l = 0; l <= layers; l++)
        built->widths[l] = l == layers ? 1 : width;
    for (uint32_t l = 0; l < layers; l++)
        built->activations[l] = l + 1 == layers ? AUXO_ACTIVATION_IDENTITY : AUXO_ACTIVATION_TANH;
    auxo_mlp mlp = {
        .layer_count = layers, .widths = built->widths, .activations = built->activations, .has_bias = true};
    built->op.params.mlp = (auxo_mlp_params){.mlp = mlp, .end_layer = layers, .train_end = layers};
    const int64_t params[] = {(int64_t)auxo_mlp_param_count(&mlp)}, masks[] = {layers, layers};
    put_real(b, 0, FILL_SIGNED, 2, (int64_t[]){d[0], width});
    put_real(b, 1, FILL_SIGNED, 2, (int64_t[]){d[0], 1});
    put_real(b, 2, FILL_SIGNED, 1, params);
    if (built->op.kind == AUXO_OP_MLP_GRADIENT) {
        put_real(b, AUXO_MLP_GRADIENT_GRADS, FILL_ZERO, 1, params);
        put_real(b, AUXO_MLP_GRADIENT_LOSS, FILL_ZERO, 1, (int64_t[]){2});
        return;
    }
    put_real(b, AUXO_THETA_EVAL_THETA, FILL_MASK, 2, masks);
    put_whole(b, AUXO_THETA_EVAL_UNIT_GROUP, FILL_DIVIDE, width, 1, (int64_t[]){(layers - 1) * width + 1});
    put_whole(b, AUXO_THETA_EVAL_FIRST_LAYER, FILL_INDEX, 0, 1, masks);
    put_real(b, AUXO_THETA_EVAL_LOSS, FILL_ZERO, 2, (int64_t[]){layers, 2});
}

static void build_pruning(builder *b, const int64_t *d)
{
    if (b->built->op.kind == AUXO_OP_GROUP_NORM) {
        b->built->op.params.group_norm.kind = AUXO_NORM_L2;
        put_real(b, AUXO_GROUP_NORM_W, FILL_SIGNED, 2, d);
        put_real(b, AUXO_GROUP_NORM_NORM, FILL_ZERO, 1, d);
        return;
    }
    int64_t kept = d[0] * 3 / 4;
    put_real(b, AUXO_INDEX_SELECT_X, FILL_SIGNED, 3, (int64_t[]){1, d[0], d[1]});
    put_whole(b, AUXO_INDEX_SELECT_INDEX, FILL_SPREAD, 0, 1, &kept);
    put_real(b, AUXO_INDEX_SELECT_Y, FILL_ZERO, 3, (int64_t[]){1, kept, d[1]});
}

static void build_survival(builder *b, const int64_t *d)
{
    if (b->built->op.kind == AUXO_OP_ARGSORT) {
        put_real(b, AUXO_ARGSORT_KEYS, FILL_SIGNED, 1, d);
        put_whole(b, AUXO_ARGSORT_ORDER, FILL_ZERO, 0, 1, d);
        return;
    }
    b->built->op.params.cox.reduction = AUXO_COX_PER_EVENT;
    put_real(b, AUXO_COX_RISK, FILL_SIGNED, 1, d);
    put_real(b, AUXO_COX_TIME, FILL_INDEX, 1, d);
    put_whole(b, AUXO_COX_EVENT, FILL_BIT, 0, 1, d);
    put_whole(b, AUXO_COX_ORDER, FILL_INDEX, 0, 1, d);
    put_real(b, AUXO_COX_LOSS, FILL_ZERO, 1, (int64_t[]){2});
    put_real(b, AUXO_COX_DRISK, FILL_ZERO, 1, d);
}

static void build_optimizer(builder *b, const int64_t *d)
{
    b->built->op.params.optimizer_step.kind = AUXO_OPTIMIZER_ADAM;
    put_real(b, AUXO_OPTIMIZER_PARAMS, FILL_SIGNED, 1, d);
    put_real(b, AUXO_OPTIMIZER_GRADS, FILL_SIGNED, 1, d);
    put_real(b, AUXO_OPTIMIZER_STATE0, FILL_ZERO, 1, d);
    put_real(b, AUXO_OPTIMIZER_STATE1, FILL_ZERO, 1, d);
    put_real(b, AUXO_OPTIMIZER_HYPER, FILL_HYPER, 1, (int64_t[]){AUXO_HYPER_COUNT});
    put_whole(b, AUXO_OPTIMIZER_COUNTER, FILL_STEP, 0, 1, (int64_t[]){4});
}

static void build_elementwise(builder *b, const int64_t *d)
{
    auxo_op *op = &b->built->op;
    uint32_t slot_count = op->kind == AUXO_OP_FILL ? 1 : op->kind == AUXO_OP_ACTIVATION_BACKWARD ? 3 : 2;
    if (op->kind == AUXO_OP_COPY)
        op->params.copy.scale = 1;
    else if (op->kind != AUXO_OP_FILL)
        op->params.activation.activation = AUXO_ACTIVATION_RELU;
    /* a copy may be large, and its values do not matter */
    for (uint32_t slot = 0; slot < slot_count; slot++)
        put_real(b, slot, op->kind != AUXO_OP_COPY ? FILL_SIGNED : slot == AUXO_COPY_X ? FILL_INDEX : FILL_ZERO, 1, d);
}

static auxo_status build(auxo_queue *queue, const auxo_bench_case *from, auxo_bench_op *built, auxo_error *error)
{
    built->op.kind = from->kind;
    builder b = {.queue = queue, .built = built, .error = error};
    switch (from->kind) {
    case AUXO_OP_GEMM:
        build_gemm(&b, from->dims, from->half);
        break;
    case AUXO_OP_CONV2D_FORWARD:
    case AUXO_OP_CONV2D_BACKWARD_DATA:
    case AUXO_OP_CONV2D_BACKWARD_WEIGHTS:
        build_conv2d(&b, from->dims);
        break;
    case AUXO_OP_POOL2D_FORWARD:
    case AUXO_OP_POOL2D_BACKWARD:
        build_pool2d(&b, from->dims);
        break;
    case AUXO_OP_BATCH_NORM_FORWARD:
    case AUXO_OP_BATCH_NORM_BACKWARD:
        build_batch_norm(&b, from->dims);
        break;
    case AUXO_OP_MLP_GRADIENT:
    case AUXO_OP_THETA_EVAL:
        build_network(&b, from->dims);
        break;
    case AUXO_OP_GROUP_NORM:
    case AUXO_OP_INDEX_SELECT:
        build_pruning(&b, from->dims);
        break;
    case AUXO_OP_COX:
    case AUXO_OP_ARGSORT:
        build_survival(&b, from->dims);
        break;
    case AUXO_OP_OPTIMIZER_STEP:
        build_optimizer(&b, from->dims);
        break;
    case AUXO_OP_ACTIVATION_FORWARD:
    case AUXO_OP_ACTIVATION_BACKWARD:
    case AUXO_OP_FILL:
    case AUXO_OP_COPY:
        build_elementwise(&b, from->dims);
        break;
    case AUXO_OP_MULTIPLY_ADD:
        built->op.params.multiply_add =
            (auxo_multiply_add_params){.a = 0.5f, .b = 0.25f, .count = (uint32_t)from->dims[1]};
        put_real(&b, AUXO_MULTIPLY_ADD_X, FILL_SIGNED, 1, from->dims);
        put_real(&b, AUXO_MULTIPLY_ADD_Y, FILL_ZERO, 1, from->dims);
        break;
    case AUXO_OP_COUNTER_ADD:
        built->op.params.counter_add.increments[0] = 1;
        put_whole(&b, AUXO_COUNTER_ADD_COUNTER, FILL_STEP, 0, 1, (int64_t[]){4});
        break;
    default:
        return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: there is no benchmark case", auxo_op_noun(from->kind));
    }
    return b.status;
}

auxo_status auxo_bench_op_create(auxo_queue *queue, const auxo_bench_case *from, auxo_bench_op **op, auxo_error *error)
{
    *op = NULL;
    auxo_bench_op *built = calloc(1, sizeof *built);
    if (!built)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "benchmark: out of memory");
    built->queue = queue;
    auxo_status status = build(queue, from, built, error);
    if (status == AUXO_OK)
        *op = built;
    else
        auxo_bench_op_destroy(built);
    return status;
}

auxo_status auxo_bench_op_copy(auxo_queue *queue, const auxo_op *from, auxo_bench_op **op, auxo_error *error)
{
    *op = NULL;
    auxo_bench_op *built = calloc(1, sizeof *built);
    if (!built)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "benchmark: out of memory");
    built->queue = queue;
    built->op = *from;
    builder b = {.queue = queue, .built = built, .error = error};
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        const auxo_tensor *tensor = &from->tensors[slot];
        if (auxo_tensor_is_present(tensor))
            put(&b, slot, tensor->dtype, FILL_SIGNED, 1, tensor->rank, tensor->dims);
    }
    if (b.status == AUXO_OK)
        *op = built;
    else
        auxo_bench_op_destroy(built);
    return b.status;
}

void auxo_bench_op_destroy(auxo_bench_op *op)
{
    if (!op)
        return;
    for (size_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++)
        auxo_buffer_destroy(op->buffers[slot]);
    free(op);
}

const auxo_op *auxo_bench_op_get(const auxo_bench_op *op)
{
    return &op->op;
}

auxo_status auxo_bench_op_measure(auxo_bench_op *op, double seconds, auxo_bench_time *time, auxo_error *error)
{
    auxo_plan *plan = NULL;
    auxo_status status = auxo__bench_plan_op(auxo_queue_device(op->queue), &op->op, &plan, error);
    auxo__bench_plan_work work = {.plan = plan, .queue = op->queue};
    if (status == AUXO_OK)
        status = auxo_bench_measure(auxo__bench_run_plan, &work, seconds, time, error);
    auxo_plan_destroy(plan);
    return status;
}

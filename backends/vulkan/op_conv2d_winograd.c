/* op_conv2d_winograd.c: convolutions with a 3x3 window and step 1 by Winograd's F(4x4, 3x3) or F(2x2, 3x3), forward and
 * backward to the data (conv2d_winograd.comp).
 *
 * The weights are transformed, then slice after slice of the tiles of all images: the source, one product for each of
 * the 36 or 16 points (op_gemm.c), and back. The gradient by the source is the convolution of DY, padded by 2 - pad,
 * with the weights turned round and their channel axes swapped. Every output is computed in the same way whatever the
 * slices are.
 */
#include "vk_ops.h"

/* The tile of the products, then of the outputs, then how much memory a slice may take. */
enum { TILE = VK_TILE_TUNABLES, SLICE_MIB };
const auxo_tunable vk_conv2d_winograd_tunables[VK_CONV2D_WINOGRAD_TUNABLES] = {
    VK_TILE_TUNABLES_OF(128, 128),
    {.name = "tile", .initial = 4, .value_count = 2, .values = {2, 4}},
    {.name = "slice_mib", .initial = 64, .value_count = 4, .values = {4, 16, 64, 256}},
};

enum { POINTS_MAX = 36, PIECE = 4 /* elements of a vector */ };

/* One direction of a convolution: windows in the source, tiles in the target. */
typedef struct winograd {
    const auxo_tensor *source, *weights, *target, *bias;
    bool backward;
    uint64_t images, source_channels, target_channels;
    int32_t pad_h, pad_w; /* of the source */
    auxo_activation activation;
    float slope;
    /* The tiles of all images, and how many of them a slice takes, in whole vectors. */
    uint64_t tile, points, tiles_h, tiles_w, tiles, slice;
    vk_span u, v, m; /* transformed weights and source, sums */
} winograd;

static winograd forward_of(const auxo_op *op)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const auxo_tensor *x = &op->tensors[AUXO_CONV2D_X], *y = &op->tensors[AUXO_CONV2D_Y];
    return (winograd){.source = x,
                      .weights = &op->tensors[AUXO_CONV2D_W],
                      .target = y,
                      .bias = &op->tensors[AUXO_CONV2D_BIAS],
                      .images = (uint64_t)x->dims[0],
                      .source_channels = (uint64_t)x->dims[1],
                      .target_channels = (uint64_t)y->dims[1],
                      .pad_h = params->pad_h,
                      .pad_w = params->pad_w,
                      .activation = params->activation,
                      .slope = params->slope};
}

static winograd backward_of(const auxo_op *op)
{
    static const auxo_tensor none = {0};
    const auxo_conv2d_params *params = &op->params.conv2d;
    const auxo_tensor *dy = &op->tensors[AUXO_CONV2D_BD_DY], *dx = &op->tensors[AUXO_CONV2D_BD_DX];
    return (winograd){.source = dy,
                      .weights = &op->tensors[AUXO_CONV2D_BD_W],
                      .target = dx,
                      .bias = &none,
                      .backward = true,
                      .images = (uint64_t)dy->dims[0],
                      .source_channels = (uint64_t)dy->dims[1],
                      .target_channels = (uint64_t)dx->dims[1],
                      .pad_h = 2 - params->pad_h,
                      .pad_w = 2 - params->pad_w,
                      .activation = AUXO_ACTIVATION_IDENTITY};
}

/* Enough source channels that the error of the sum over them, which every variant has, is the greater part. */
static bool suits(void *device, const auxo_op *op, const winograd *w)
{
    const uint64_t channels_min = 16, weights_bytes_max = UINT64_C(256) << 20;
    const auxo_conv2d_params *params = &op->params.conv2d;
    const uint64_t weights_bytes = POINTS_MAX * sizeof(float) * w->source_channels * w->target_channels;
    return w->weights->dims[2] == 3 && w->weights->dims[3] == 3 && params->stride_h == 1 && params->stride_w == 1 &&
           params->dilation_h == 1 && params->dilation_w == 1 && params->groups == 1 && params->pad_h <= 2 &&
           params->pad_w <= 2 && w->source_channels >= channels_min && weights_bytes <= weights_bytes_max &&
           vk_span_fits(device, (vk_span){.size_bytes = weights_bytes}) && vk_fits_bindings(device, op);
}

bool vk_supports_conv2d_forward_winograd(void *device, const auxo_op *op)
{
    const winograd w = forward_of(op);
    return suits(device, op, &w);
}

bool vk_supports_conv2d_backward_data_winograd(void *device, const auxo_op *op)
{
    const winograd w = backward_of(op);
    return suits(device, op, &w);
}

/* Slices of about the same size whose transformed source and sums are within the memory asked for and one binding. */
static void cut(const vk_device *device, winograd *w, const int32_t *parameters)
{
    w->tile = (uint64_t)parameters[TILE];
    w->points = (w->tile + 2) * (w->tile + 2);
    w->tiles_h = vk_ceil_div((uint64_t)w->target->dims[2], w->tile);
    w->tiles_w = vk_ceil_div((uint64_t)w->target->dims[3], w->tile);
    w->tiles = w->images * w->tiles_h * w->tiles_w;
    const uint64_t wanted = (uint64_t)parameters[SLICE_MIB] << 20, limit = device->limits.maxStorageBufferRange;
    const uint64_t tile_bytes = w->points * sizeof(float) * (w->source_channels + w->target_channels);
    uint64_t most = (wanted < limit ? wanted : limit) / tile_bytes / PIECE * PIECE;
    most = most ? most : PIECE;
    w->slice = vk_ceil_div(vk_ceil_div(w->tiles, vk_ceil_div(w->tiles, most)), PIECE) * PIECE;
}

static void add_weights(vk_program *program, const winograd *w)
{
    const uint32_t pairs = (uint32_t)(w->source_channels * w->target_channels), turned = w->backward;
    vk_step *step = vk_program_add(
        program, w->tile == 4 ? VK_SHADER_conv2d_winograd_weights_4 : VK_SHADER_conv2d_winograd_weights_2, 0, &turned,
        1);
    vk_step_bind(program, step, vk_span_of(w->weights), VK_READ);
    vk_step_bind(program, step, w->u, VK_WRITE);
    const struct {
        CONV2D_WINOGRAD_WEIGHTS_PUSH
    } push = {pairs};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, vk_ceil_div(pairs, program->device->group_size));
}

/* What the transforms of source and target have in common, behind the bindings: `channels` planes of `image` in each
 * image, and `pitch` tiles from number `first` on. */
static void push_tiles(vk_program *program, vk_step *step, const winograd *w, const auxo_tensor *image, uint64_t first,
                       uint64_t pitch)
{
    const uint64_t end = first + pitch < w->tiles ? first + pitch : w->tiles;
    const struct {
        CONV2D_WINOGRAD_TILES_PUSH
    } push = {.channels = (uint32_t)image->dims[1],
              .height = (int32_t)image->dims[2],
              .width = (int32_t)image->dims[3],
              .tiles_h = vk_divider_of(w->tiles_h),
              .tiles_w = vk_divider_of(w->tiles_w),
              .pitch = vk_divider_of(pitch),
              .first = (uint32_t)first,
              .end = (uint32_t)end,
              .pad_h = w->pad_h,
              .pad_w = w->pad_w,
              .slope = w->slope};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, vk_ceil_div(push.channels * pitch, program->device->group_size));
}

static void add_target(vk_program *program, const winograd *w, uint64_t first, uint64_t pitch)
{
    const bool heavy = w->activation > AUXO_ACTIVATION_LEAKY_RELU; /* goes over single values (HEAVY) */
    const uint64_t vector_bytes = w->tile * sizeof(float);
    const uint32_t constants[] = {false, w->activation, auxo_tensor_is_present(w->bias),
                                  !heavy && (uint64_t)w->target->dims[3] % w->tile == 0 &&
                                      w->target->offset_bytes % vector_bytes == 0};
    vk_step *step =
        vk_program_add(program, w->tile == 4 ? VK_SHADER_conv2d_winograd_target_4 : VK_SHADER_conv2d_winograd_target_2,
                       0, constants, sizeof constants / sizeof constants[0]);
    vk_step_bind(program, step, w->m, VK_READ);
    vk_step_bind(program, step, vk_span_of(w->target), heavy ? VK_READ_WRITE : VK_WRITE);
    vk_step_bind(program, step, vk_span_of(w->bias), VK_READ);
    push_tiles(program, step, w, w->target, first, pitch);
}

static void add_slice(vk_program *program, const winograd *w, const int32_t *parameters, uint64_t first)
{
    const uint64_t left = vk_ceil_div(w->tiles - first, PIECE) * PIECE;
    const uint64_t pitch = left < w->slice ? left : w->slice;
    vk_step *step = vk_program_add(
        program, w->tile == 4 ? VK_SHADER_conv2d_winograd_source_4 : VK_SHADER_conv2d_winograd_source_2, 0, NULL, 0);
    vk_step_bind(program, step, vk_span_of(w->source), VK_READ);
    vk_step_bind(program, step, w->v, VK_WRITE);
    push_tiles(program, step, w, w->source, first, pitch);
    const vk_products products = {.a = w->u,
                                  .b = w->v,
                                  .c = w->m,
                                  .trans_a = w->backward,
                                  .count = w->points,
                                  .rows = w->target_channels,
                                  .columns = pitch,
                                  .terms = w->source_channels};
    vk_add_products(program, parameters, &products);
    add_target(program, w, first, pitch);
}

static auxo_status prepare(void *device, winograd *w, const int32_t *parameters, void **state, auxo_error *error)
{
    vk_program *program = vk_program_begin(device, error);
    if (!program || vk_span_of(w->target).size_bytes == 0)
        return vk_program_finish(program, state, error);
    cut(device, w, parameters);
    w->u = vk_program_scratch(program, w->points * w->source_channels * w->target_channels, sizeof(float));
    w->v = vk_program_scratch(program, w->points * w->source_channels * w->slice, sizeof(float));
    w->m = vk_program_scratch(program, w->points * w->target_channels * w->slice, sizeof(float));
    add_weights(program, w);
    for (uint64_t first = 0; first < w->tiles; first += w->slice)
        add_slice(program, w, parameters, first);
    return vk_program_finish(program, state, error);
}

VK_PREPARE(conv2d_forward_winograd)
{
    winograd w = forward_of(op);
    return prepare(device, &w, parameters, state, error);
}

VK_PREPARE(conv2d_backward_data_winograd)
{
    winograd w = backward_of(op);
    return prepare(device, &w, parameters, state, error);
}

/* op_conv2d_winograd.c: convolutions with a 3x3 window and step 1 by Winograd's F(4x4, 3x3) or F(2x2, 3x3), forward and
 * backward to the data (conv2d_winograd.comp).
 *
 * The weights are transformed, then slice after slice of the tiles of all images: the source, one product for each of
 * the 36 or 16 points (op_gemm.c), and back. The gradient by the source is the convolution of DY, padded by 2 - pad,
 * with the weights turned round and their channel axes swapped. Every output is computed in the same way whatever the
 * slices are.
 */
#include "views.h"
#include "vk_ops.h"

/* The tile of the products, then of the outputs, then how much memory a slice may take. */
enum { TILE = VK_TILE_TUNABLES, SLICE_MIB };
const auxo_tunable vk_conv2d_winograd_tunables[VK_CONV2D_WINOGRAD_TUNABLES] = {
    VK_TILE_TUNABLES_OF(128, 128),
    {.name = "tile", .initial = 4, .value_count = 2, .values = {2, 4}},
    {.name = "slice_mib", .initial = 64, .value_count = 4, .values = {4, 16, 64, 256}},
};

enum { POINTS_MAX = 36, PIECE = 4 /* elements of a vector */ };

/* The task of one direction. */
typedef struct winograd {
    common_direction d;
    common_winograd_cut cut;
    vk_span u, v, m; /* transformed weights and source, sums */
} winograd;

/* And the transformed weights fit. */
bool vk_supports_conv2d_winograd(void *device, const auxo_op *op)
{
    const uint64_t weights_bytes_max = UINT64_C(256) << 20;
    const common_direction d = common_direction_of(op);
    const uint64_t weights_bytes = POINTS_MAX * sizeof(float) * (uint64_t)(d.source_channels * d.target_channels);
    return common_winograd_suits(op, &d) && weights_bytes <= weights_bytes_max &&
           vk_span_fits(device, (vk_span){.size_bytes = weights_bytes}) && vk_fits_bindings(device, op);
}

static void add_weights(vk_program *program, const winograd *w)
{
    const uint32_t pairs = (uint32_t)((uint64_t)w->d.source_channels * (uint64_t)w->d.target_channels),
                   turned = w->d.backward;
    vk_step *step = vk_program_add(
        program, (uint64_t)w->cut.tile == 4 ? VK_SHADER_conv2d_winograd_weights_4 : VK_SHADER_conv2d_winograd_weights_2,
        0, &turned, 1);
    vk_step_bind(program, step, vk_span_of(w->d.weights), VK_READ);
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
    const uint64_t end = first + pitch < (uint64_t)w->cut.tiles ? first + pitch : (uint64_t)w->cut.tiles;
    const struct {
        CONV2D_WINOGRAD_TILES_PUSH
    } push = {.channels = (uint32_t)image->dims[1],
              .height = (int32_t)image->dims[2],
              .width = (int32_t)image->dims[3],
              .tiles_h = vk_divider_of((uint64_t)w->cut.tiles_h),
              .tiles_w = vk_divider_of((uint64_t)w->cut.tiles_w),
              .pitch = vk_divider_of(pitch),
              .first = (uint32_t)first,
              .end = (uint32_t)end,
              .pad_h = w->d.pad_h,
              .pad_w = w->d.pad_w,
              .slope = w->d.slope};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, vk_ceil_div(push.channels * pitch, program->device->group_size));
}

static void add_target(vk_program *program, const winograd *w, uint64_t first, uint64_t pitch)
{
    const bool heavy = w->d.activation > AUXO_ACTIVATION_LEAKY_RELU; /* goes over single values (HEAVY) */
    const uint64_t vector_bytes = (uint64_t)w->cut.tile * sizeof(float);
    const uint32_t constants[] = {false, w->d.activation, auxo_tensor_is_present(w->d.bias),
                                  !heavy && (uint64_t)w->d.target->dims[3] % (uint64_t)w->cut.tile == 0 &&
                                      w->d.target->offset_bytes % vector_bytes == 0};
    vk_step *step = vk_program_add(
        program, (uint64_t)w->cut.tile == 4 ? VK_SHADER_conv2d_winograd_target_4 : VK_SHADER_conv2d_winograd_target_2,
        0, constants, sizeof constants / sizeof constants[0]);
    vk_step_bind(program, step, w->m, VK_READ);
    vk_step_bind(program, step, vk_span_of(w->d.target), heavy ? VK_READ_WRITE : VK_WRITE);
    vk_step_bind(program, step, vk_span_of(w->d.bias), VK_READ);
    push_tiles(program, step, w, w->d.target, first, pitch);
}

static void add_slice(vk_program *program, const winograd *w, const int32_t *parameters, uint64_t first)
{
    const uint64_t left = vk_ceil_div((uint64_t)w->cut.tiles - first, PIECE) * PIECE;
    const uint64_t pitch = left < (uint64_t)w->cut.slice ? left : (uint64_t)w->cut.slice;
    vk_step *step = vk_program_add(
        program, (uint64_t)w->cut.tile == 4 ? VK_SHADER_conv2d_winograd_source_4 : VK_SHADER_conv2d_winograd_source_2,
        0, NULL, 0);
    vk_step_bind(program, step, vk_span_of(w->d.source), VK_READ);
    vk_step_bind(program, step, w->v, VK_WRITE);
    push_tiles(program, step, w, w->d.source, first, pitch);
    const vk_products products = {.a = w->u,
                                  .b = w->v,
                                  .c = w->m,
                                  .trans_a = w->d.backward,
                                  .count = (uint64_t)w->cut.points,
                                  .rows = (uint64_t)w->d.target_channels,
                                  .columns = pitch,
                                  .terms = (uint64_t)w->d.source_channels};
    vk_add_products(program, parameters, &products);
    add_target(program, w, first, pitch);
}

VK_PREPARE(conv2d_winograd)
{
    vk_program *program = vk_program_begin(device, error);
    winograd task = {.d = common_direction_of(op)}, *w = &task;
    if (!program || vk_span_of(w->d.target).size_bytes == 0)
        return vk_program_finish(program, state, error);
    const uint64_t wanted = (uint64_t)parameters[SLICE_MIB] << 20,
                   limit = program->device->limits.maxStorageBufferRange;
    w->cut = common_winograd_cut_of(&w->d, parameters[TILE], wanted < limit ? wanted : limit);
    const uint64_t points = (uint64_t)w->cut.points, slice = (uint64_t)w->cut.slice;
    const uint64_t from = (uint64_t)w->d.source_channels, to = (uint64_t)w->d.target_channels;
    w->u = vk_program_scratch(program, points * from * to, sizeof(float));
    w->v = vk_program_scratch(program, points * from * slice, sizeof(float));
    w->m = vk_program_scratch(program, points * to * slice, sizeof(float));
    add_weights(program, w);
    for (uint64_t first = 0; first < (uint64_t)w->cut.tiles; first += slice)
        add_slice(program, w, parameters, first);
    return vk_program_finish(program, state, error);
}

/* backends/opencl/conv2d_planes.c: convolutions on CPU drivers, as sums of shifted vectors over padded planes.
 *
 * Owns the geometry of the planes (shaders/opencl/planes.clh) and the cut into slots: every work-item keeps the planes
 * of one image, or of a few, in scratch of its own that fits its core's cache.
 */
#include "conv2d.h"
#include "kernels.h"
#include "widen.h"

#include <stdlib.h>

/* One convolution over padded planes, seen from the side whose images are copied into planes. */
typedef struct planes_shape {
    int64_t images, groups;
    int64_t inputs, outputs; /* channels per group of source and target */
    int64_t r, s;
    int64_t source_h, source_w, out_h, out_w;
    int64_t up_h, up_w, pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w;
    int64_t rows, width, plane_size;
    int64_t row_size; /* positions t of the outputs, whole vectors */
} planes_shape;

static const uint64_t planes_scratch_max_bytes = 512u << 20;

/* Fills in rows, width, row_size and plane_size; vectors read up to 2 VEC past the last position. */
static void measure_planes(planes_shape *p, int64_t vector_width)
{
    const int64_t reach_h = (p->r - 1) * p->dilation_h;
    const int64_t reach_w = (p->s - 1) * p->dilation_w;
    p->rows = (p->out_h - 1) + reach_h / p->stride_h + 1;
    p->width = (p->out_w - 1) + reach_w / p->stride_w + 1;
    p->row_size =
        (int64_t)ocl_divide_up((uint64_t)((p->out_h - 1) * p->width + p->out_w), (uint64_t)vector_width) * vector_width;
    p->plane_size = p->stride_h * p->stride_w * p->rows * p->width + 2 * vector_width;
}

static planes_shape forward_planes(const common_conv2d_view *s, int64_t vector_width)
{
    const auxo_conv2d_params *params = s->params;
    planes_shape p = {.images = s->n,
                      .groups = params->groups,
                      .inputs = s->c / params->groups,
                      .outputs = s->k / params->groups,
                      .r = s->r,
                      .s = s->s,
                      .source_h = s->h,
                      .source_w = s->w,
                      .out_h = s->p,
                      .out_w = s->q,
                      .up_h = 1,
                      .up_w = 1,
                      .pad_h = params->pad_h,
                      .pad_w = params->pad_w,
                      .stride_h = params->stride_h,
                      .stride_w = params->stride_w,
                      .dilation_h = params->dilation_h,
                      .dilation_w = params->dilation_w};
    measure_planes(&p, vector_width);
    return p;
}

/* DX from DY: the source is DY, spread out by the stride; the window is turned around. */
static planes_shape backward_planes(const common_conv2d_view *s, int64_t vector_width)
{
    planes_shape p = forward_planes(s, vector_width);
    const auxo_conv2d_params *params = s->params;
    p.inputs = s->k / params->groups;
    p.outputs = s->c / params->groups;
    p.source_h = s->p;
    p.source_w = s->q;
    p.out_h = s->h;
    p.out_w = s->w;
    p.up_h = params->stride_h;
    p.up_w = params->stride_w;
    p.pad_h = (s->r - 1) * params->dilation_h - params->pad_h;
    p.pad_w = (s->s - 1) * params->dilation_w - params->pad_w;
    p.stride_h = 1;
    p.stride_w = 1;
    measure_planes(&p, vector_width);
    return p;
}

static bool is_empty(const planes_shape *p)
{
    return p->images == 0 || p->inputs == 0 || p->outputs == 0 || p->source_h == 0 || p->source_w == 0 ||
           p->out_h <= 0 || p->out_w <= 0;
}

/* Slots that work side by side. */
static uint64_t choose_slots(const ocl_device *device, uint64_t units)
{
    enum { SLOTS_PER_UNIT = 4 };
    const uint64_t most = SLOTS_PER_UNIT * (uint64_t)device->info.compute_units;
    return units < most ? units : most;
}

static bool planes_fit(const ocl_device *device, const planes_shape *p, uint64_t images_per_slot)
{
    const uint64_t floats = (uint64_t)(p->inputs * p->plane_size + p->outputs * p->row_size) * images_per_slot;
    return device->vector_cpu && !is_empty(p) &&
           choose_slots(device, UINT64_MAX) * floats * sizeof(float) <= planes_scratch_max_bytes;
}

/* offset[r, s] of every tap; with `channels` > 1, of every (channel, r, s). */
static cl_mem build_offsets(ocl_builder *b, const planes_shape *p, int64_t channels)
{
    const size_t count = (size_t)(channels * p->r * p->s);
    int32_t *offsets = malloc(count * sizeof *offsets);
    if (!offsets) {
        ocl_build_fail(b, AUXO_OUT_OF_MEMORY, "offsets of a convolution");
        return NULL;
    }
    size_t at = 0;
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t r = 0; r < p->r; ++r)
            for (int64_t s = 0; s < p->s; ++s) {
                const int64_t y = r * p->dilation_h;
                const int64_t x = s * p->dilation_w;
                const int64_t phase = y % p->stride_h * p->stride_w + x % p->stride_w;
                offsets[at++] =
                    (int32_t)(c * p->plane_size + (phase * p->rows + y / p->stride_h) * p->width + x / p->stride_w);
            }
    cl_mem memory = ocl_build_table(b, offsets, count * sizeof *offsets);
    free(offsets);
    return memory;
}

/* Binds PLANE_SHAPE of shaders/opencl/planes.clh. */
static void arg_plane_shape(ocl_builder *b, const planes_shape *p)
{
    const int64_t values[] = {
        p->inputs * p->groups, p->source_h, p->source_w, p->up_h,  p->up_w,      p->pad_h, p->pad_w,
        p->stride_h,           p->stride_w, p->rows,     p->width, p->plane_size};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; ++i)
        ocl_arg_int(b, values[i]);
}

static void arg_extents(ocl_builder *b, const planes_shape *p)
{
    const int64_t values[] = {p->images, p->groups, p->inputs, p->outputs, p->r * p->s, p->out_h, p->out_w};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; ++i)
        ocl_arg_int(b, values[i]);
}

/* Outputs per tile: the fewer are computed for nothing, the better; 8 share each vector they read among more. */
static int64_t choose_tile_rows(int64_t outputs)
{
    const int64_t by_six = (int64_t)ocl_divide_up((uint64_t)outputs, 6) * 6;
    const int64_t by_eight = (int64_t)ocl_divide_up((uint64_t)outputs, 8) * 8;
    return 8 * by_six < 7 * by_eight ? 6 : 8;
}

/* Window rows that `count` neighbouring output rows from y on meet inside the source. */
static int64_t rows_met(const planes_shape *p, int64_t y, int64_t count)
{
    const int64_t last = p->source_h - 1 + p->pad_h - y;
    const int64_t ahead = p->pad_h - (y + count - 1) + p->dilation_h - 1;
    const int64_t begin = ahead > 0 ? ahead / p->dilation_h : 0;
    const int64_t end = last < 0 ? 0 : last / p->dilation_h + 1;
    const int64_t most = p->r < end ? p->r : end;
    return most > begin ? most - begin : 0;
}

/* Output rows that a pair of vectors covers, where that takes no more work than vectors over everything; else 0. */
static int64_t choose_rows_at_once(const planes_shape *p, int64_t vector_width)
{
    const int64_t at_once = p->out_w > vector_width ? 1 : 2;
    int64_t by_rows = 0;
    if (p->stride_h != 1 || p->stride_w != 1 || p->up_h != 1 || p->up_w != 1 || p->out_w > 2 * vector_width)
        return 0;
    for (int64_t y = 0; y < p->out_h; y += at_once)
        by_rows += rows_met(p, y, at_once);
    return by_rows <= (int64_t)ocl_divide_up((uint64_t)p->row_size, 2 * (uint64_t)vector_width) * p->r ? at_once : 0;
}

/* Forward, or backward by data: target = sum over taps of weights times planes of source. */
static void build_planes(ocl_builder *b, const planes_shape *p, const auxo_tensor *source, const auxo_tensor *weights,
                         const auxo_tensor *target, const auxo_tensor *bias, bool backward,
                         const auxo_conv2d_params *params)
{
    const int vec = b->device->vector_width;
    const int64_t length = p->inputs * p->r * p->s;
    const uint64_t tile_rows = (uint64_t)choose_tile_rows(p->outputs);
    const uint64_t packed_count =
        ocl_divide_up((uint64_t)p->outputs, tile_rows) * tile_rows * (uint64_t)(length * p->groups);
    const uint64_t units = (uint64_t)(p->images * p->groups);
    const uint64_t tiles = ocl_divide_up((uint64_t)p->outputs, tile_rows);
    uint64_t ranges = ocl_divide_up(choose_slots(b->device, UINT64_MAX), units);
    ranges = ranges < tiles ? ranges : tiles;
    const uint64_t slots = choose_slots(b->device, units * ranges);
    cl_mem packed = ocl_build_scratch(b, packed_count * sizeof(float));
    cl_mem planes = ocl_build_scratch(b, slots * (uint64_t)(p->inputs * p->plane_size) * sizeof(float));
    cl_mem offsets = build_offsets(b, p, 1);
    ocl_build_kernel(b, "conv2d_planes", "conv2d_pack", "-DVEC=%d -DTILE_ROWS=%d", vec, (int)tile_rows);
    ocl_arg_tensor(b, weights);
    ocl_arg_memory(b, packed);
    ocl_arg_int(b, p->outputs);
    ocl_arg_int(b, p->inputs);
    ocl_arg_int(b, p->r * p->s);
    ocl_arg_int(b, p->groups);
    ocl_arg_int(b, backward);
    ocl_build_items(b, packed_count);
    ocl_build_kernel(b, "conv2d_planes", "conv2d_planes", "-DVEC=%d -DTILE_ROWS=%d", vec, (int)tile_rows);
    ocl_arg_tensor(b, source);
    ocl_arg_memory(b, packed);
    ocl_arg_memory(b, offsets);
    ocl_arg_tensor(b, target);
    ocl_arg_tensor(b, bias);
    ocl_arg_memory(b, planes);
    arg_plane_shape(b, p);
    arg_extents(b, p);
    ocl_arg_int(b, backward ? AUXO_ACTIVATION_IDENTITY : params->activation);
    ocl_arg_float(b, params->slope);
    ocl_arg_int(b, (int64_t)ranges);
    ocl_arg_int(b, choose_rows_at_once(p, vec));
    ocl_arg_int(b, p->s);
    ocl_arg_int(b, p->dilation_h);
    ocl_build_groups_1d(b, slots, 1);
}

bool ocl_conv2d_forward_planes_supports(void *device, const auxo_op *op)
{
    const ocl_device *self = device;
    const common_conv2d_view s = common_conv2d_view_of(op);
    const planes_shape p = forward_planes(&s, self->vector_width);
    return !common_conv2d_is_scattered(&s) && planes_fit(self, &p, 1);
}

static void build_forward_f32(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    const planes_shape p = forward_planes(&s, b->device->vector_width);
    (void)parameters;
    build_planes(b, &p, &op->tensors[AUXO_CONV2D_X], &op->tensors[AUXO_CONV2D_W], &op->tensors[AUXO_CONV2D_Y],
                 &op->tensors[AUXO_CONV2D_BIAS], false, &op->params.conv2d);
}

bool ocl_conv2d_backward_data_planes_supports(void *device, const auxo_op *op)
{
    const ocl_device *self = device;
    const common_conv2d_view s = common_conv2d_view_of(op);
    const planes_shape p = backward_planes(&s, self->vector_width);
    return !common_conv2d_is_scattered(&s) && planes_fit(self, &p, 1);
}

static void build_backward_data_f32(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    const planes_shape p = backward_planes(&s, b->device->vector_width);
    const auxo_tensor none = {0};
    (void)parameters;
    build_planes(b, &p, &op->tensors[AUXO_CONV2D_BD_DY], &op->tensors[AUXO_CONV2D_BD_W],
                 &op->tensors[AUXO_CONV2D_BD_DX], &none, true, &op->params.conv2d);
}

/* Images handled at once, so that the sums over lanes at the end of a tile are rare: about 1024 positions. */
static uint64_t images_per_pass(const planes_shape *p)
{
    enum { POSITIONS = 1024, IMAGES_MAX = 16 };
    uint64_t images = ocl_divide_up(POSITIONS, (uint64_t)(p->row_size > 0 ? p->row_size : 1));
    uint64_t bound = 1;
    while (bound < images && bound < IMAGES_MAX)
        bound *= 2;
    return bound;
}

bool ocl_conv2d_backward_weights_planes_supports(void *device, const auxo_op *op)
{
    const ocl_device *self = device;
    const common_conv2d_view s = common_conv2d_view_of(op);
    const planes_shape p = forward_planes(&s, self->vector_width);
    return !common_conv2d_is_scattered(&s) && planes_fit(self, &p, images_per_pass(&p));
}

static void build_backward_weights_f32(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    const planes_shape p = forward_planes(&s, b->device->vector_width);
    const uint64_t images = images_per_pass(&p);
    const uint64_t slots = choose_slots(b->device, ocl_divide_up((uint64_t)p.images, images));
    const uint64_t weight_count = (uint64_t)(p.groups * p.outputs * p.inputs * p.r * p.s);
    const uint64_t bias_count = op->tensors[AUXO_CONV2D_BW_DBIAS].rank > 0 ? (uint64_t)s.k : 0;
    (void)parameters;
    cl_mem planes = ocl_build_scratch(b, slots * images * (uint64_t)(p.inputs * p.plane_size) * sizeof(float));
    cl_mem gradients = ocl_build_scratch(b, slots * images * (uint64_t)(p.outputs * p.row_size) * sizeof(float));
    cl_mem partial = ocl_build_scratch(b, slots * (weight_count + bias_count) * sizeof(float));
    cl_mem offsets = build_offsets(b, &p, p.inputs);
    ocl_build_kernel(b, "conv2d_planes_weights", "conv2d_planes_weights", "-DVEC=%d", b->device->vector_width);
    ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BW_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BW_DY]);
    ocl_arg_memory(b, offsets);
    ocl_arg_memory(b, planes);
    ocl_arg_memory(b, gradients);
    ocl_arg_memory(b, partial);
    arg_plane_shape(b, &p);
    arg_extents(b, &p);
    ocl_arg_int(b, p.row_size);
    ocl_arg_int(b, bias_count > 0);
    ocl_arg_int(b, (int64_t)images);
    ocl_build_groups_1d(b, slots, 1);
    ocl_build_kernel(b, "conv2d_planes_weights", "conv2d_planes_weights_finish", "-DVEC=%d", b->device->vector_width);
    ocl_arg_memory(b, partial);
    ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BW_DW]);
    ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BW_DBIAS]);
    ocl_arg_long(b, (int64_t)weight_count);
    ocl_arg_long(b, (int64_t)bias_count);
    ocl_arg_int(b, (int64_t)slots);
    ocl_build_items(b, weight_count + bias_count);
}

static void build_forward(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    ocl_build_widened(b, op, parameters, build_forward_f32, (ocl_widened_output){.slot = AUXO_CONV2D_Y});
}

static void build_backward_data(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    ocl_build_widened(b, op, parameters, build_backward_data_f32, (ocl_widened_output){.slot = AUXO_CONV2D_BD_DX});
}

static void build_backward_weights(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    ocl_build_widened(b, op, parameters, build_backward_weights_f32, (ocl_widened_output){.slot = AUXO_CONV2D_BW_DW});
}

OCL_PREPARE(ocl_conv2d_forward_planes_prepare, build_forward);
OCL_PREPARE(ocl_conv2d_backward_data_planes_prepare, build_backward_data);
OCL_PREPARE(ocl_conv2d_backward_weights_planes_prepare, build_backward_weights);

/* backends/opencl/conv2d_tiled.c: convolutions forward and backward to the data on GPUs, as implicit matrix products
 * (shaders/opencl/conv2d_tiled.cl); a 1 x 1 window over whole large images is a plain product per image.
 */
#include "conv2d.h"
#include "gemm.h"
#include "kernels.h"
#include "tile.h"

#include <stdio.h>
#include <stdlib.h>

/* One product per phase: the outputs that meet the same taps. */
typedef struct phases {
    cl_int *values; /* OCL_CONV2D_PHASE_INTS each */
    cl_int4 *taps;  /* of all phases, then padding */
    int64_t count, tap_count;
    int64_t grid_max, inner_max;
} phases;

enum { PHASE_INTS = 5 };

static bool begin_phases(ocl_builder *b, phases *made, int64_t count, int64_t taps_max)
{
    made->values = malloc((size_t)count * PHASE_INTS * sizeof *made->values);
    made->taps = ocl_conv2d_taps_create(taps_max);
    if (!made->values || !made->taps)
        ocl_build_fail(b, AUXO_OUT_OF_MEMORY, "taps of a convolution");
    return made->values && made->taps;
}

static void end_phases(phases *made)
{
    free(made->values);
    free(made->taps);
}

static void add_phase(phases *made, int64_t inner, int64_t grid_h, int64_t grid_w, int64_t target)
{
    const int64_t values[PHASE_INTS] = {inner, made->tap_count, grid_h, grid_w, target};
    for (int i = 0; i < PHASE_INTS; ++i)
        made->values[made->count * PHASE_INTS + i] = (cl_int)values[i];
    ++made->count;
    made->tap_count += inner;
    made->grid_max = made->grid_max < grid_h * grid_w ? grid_h * grid_w : made->grid_max;
    made->inner_max = made->inner_max < inner ? inner : made->inner_max;
}

static bool forward_phases(ocl_builder *b, const common_conv2d_view *s, phases *made)
{
    const int64_t inner = s->c / s->params->groups * s->r * s->s;
    if (!begin_phases(b, made, 1, inner))
        return false;
    ocl_conv2d_forward_taps(s, made->taps);
    add_phase(made, inner, s->p, s->q, 0);
    return true;
}

/* Taps (row, column of the window) that reach outputs h = row_phase mod stride_h, w = column_phase mod stride_w: the
 * source row of grid row i is i + (row_phase + pad_h - r dilation_h) / stride_h. */
static void add_backward_phase(const common_conv2d_view *s, phases *made, int64_t row_phase, int64_t column_phase)
{
    const auxo_conv2d_params *params = s->params;
    const int64_t c_group = s->c / params->groups;
    int64_t inner = 0;
    for (int64_t k = 0; k < s->k / params->groups; ++k)
        for (int64_t r = 0; r < s->r; ++r)
            for (int64_t q = 0; q < s->s; ++q) {
                const int64_t row = row_phase + params->pad_h - r * params->dilation_h;
                const int64_t column = column_phase + params->pad_w - q * params->dilation_w;
                if (row % params->stride_h != 0 || column % params->stride_w != 0)
                    continue;
                cl_int4 *tap = &made->taps[made->tap_count + inner++];
                tap->s[1] = (cl_int)(row / params->stride_h);
                tap->s[2] = (cl_int)(column / params->stride_w);
                tap->s[0] = (cl_int)((k * s->p + tap->s[1]) * s->q + tap->s[2]);
                tap->s[3] = (cl_int)((k * c_group * s->r + r) * s->s + q);
            }
    add_phase(made, inner, (s->h - row_phase + params->stride_h - 1) / params->stride_h,
              (s->w - column_phase + params->stride_w - 1) / params->stride_w, row_phase * s->w + column_phase);
}

static bool backward_phases(ocl_builder *b, const common_conv2d_view *s, phases *made)
{
    const auxo_conv2d_params *params = s->params;
    if (!begin_phases(b, made, (int64_t)params->stride_h * params->stride_w, s->k / params->groups * s->r * s->s))
        return false;
    for (int64_t row = 0; row < params->stride_h; ++row)
        for (int64_t column = 0; column < params->stride_w; ++column)
            add_backward_phase(s, made, row, column);
    return true;
}

/* One direction of a convolution, as the kernel sees it. */
typedef struct direction {
    const auxo_tensor *source, *weights, *target, *bias;
    bool backward;
    int64_t images, groups, rows;
    int64_t source_channels, source_h, source_w, target_h, target_w;
    int64_t stride_h, stride_w, pad_h, pad_w; /* of windows in the source */
    int64_t step_h, step_w;                   /* of grid points in the target */
    auxo_activation activation;
    float slope;
} direction;

static direction forward_direction(const auxo_op *op, const common_conv2d_view *s)
{
    const auxo_conv2d_params *params = s->params;
    return (direction){.source = &op->tensors[AUXO_CONV2D_X],
                       .weights = &op->tensors[AUXO_CONV2D_W],
                       .target = &op->tensors[AUXO_CONV2D_Y],
                       .bias = &op->tensors[AUXO_CONV2D_BIAS],
                       .images = s->n,
                       .groups = params->groups,
                       .rows = s->k / params->groups,
                       .source_channels = s->c / params->groups,
                       .source_h = s->h,
                       .source_w = s->w,
                       .target_h = s->p,
                       .target_w = s->q,
                       .stride_h = params->stride_h,
                       .stride_w = params->stride_w,
                       .pad_h = params->pad_h,
                       .pad_w = params->pad_w,
                       .step_h = s->q,
                       .step_w = 1,
                       .activation = params->activation,
                       .slope = params->slope};
}

static direction backward_direction(const auxo_op *op, const common_conv2d_view *s)
{
    static const auxo_tensor none = {0};
    const auxo_conv2d_params *params = s->params;
    return (direction){.source = &op->tensors[AUXO_CONV2D_BD_DY],
                       .weights = &op->tensors[AUXO_CONV2D_BD_W],
                       .target = &op->tensors[AUXO_CONV2D_BD_DX],
                       .bias = &none,
                       .backward = true,
                       .images = s->n,
                       .groups = params->groups,
                       .rows = s->c / params->groups,
                       .source_channels = s->k / params->groups,
                       .source_h = s->p,
                       .source_w = s->q,
                       .target_h = s->h,
                       .target_w = s->w,
                       .stride_h = 1,
                       .stride_w = 1,
                       .step_h = params->stride_h * s->w,
                       .step_w = params->stride_w,
                       .activation = AUXO_ACTIVATION_IDENTITY};
}

/* Whether no window leaves the source. */
static bool windows_inside(const direction *d, const common_conv2d_view *s)
{
    const bool small = s->r == 1 && s->s == 1;
    return d->backward
               ? small && d->step_w == 1 && d->step_h == d->target_w && s->params->pad_h == 0 && s->params->pad_w == 0
               : d->pad_h == 0 && d->pad_w == 0;
}

/* W', packed into scratch for the product. */
static cl_mem build_packed(ocl_builder *b, const direction *d, const common_conv2d_view *s, const char *options,
                           cl_mem taps, cl_mem phase_values)
{
    const int64_t per_group = d->rows * d->source_channels * s->r * s->s;
    cl_mem packed = ocl_build_scratch(b, (uint64_t)(d->groups * per_group) * sizeof(float));
    ocl_build_kernel(b, "conv2d_tiled", "conv2d_tiled_pack", "%s", options);
    ocl_arg_tensor(b, d->weights);
    ocl_arg_memory(b, packed);
    ocl_arg_int(b, d->groups);
    ocl_arg_int(b, d->rows);
    ocl_arg_int(b, per_group);
    ocl_arg_int(b, s->r * s->s);
    ocl_arg_memory(b, taps);
    ocl_arg_memory(b, phase_values);
    ocl_build_items(b, (uint64_t)(d->groups * per_group));
    return packed;
}

static bool is_in_quads(const auxo_tensor *tensor)
{
    return tensor->offset_bytes % (4 * auxo_dtype_size_bytes(tensor->dtype)) == 0;
}

static bool weights_in_quads(const direction *d, const phases *made)
{
    bool quads = d->backward || is_in_quads(d->weights);
    for (int64_t i = 0; i < made->count; ++i) /* inner, first tap */
        quads = quads && made->values[i * PHASE_INTS] % 4 == 0 && made->values[i * PHASE_INTS + 1] % 4 == 0;
    return quads;
}

static void bind_product(ocl_builder *b, const direction *d, const common_conv2d_view *s, cl_mem packed, cl_mem taps,
                         cl_mem phase_values)
{
    const int64_t source_area = d->source_h * d->source_w;
    const int64_t target_area = d->target_h * d->target_w;
    const int64_t values[] = {d->images,
                              d->rows,
                              d->groups * d->source_channels * source_area,
                              d->source_channels * source_area,
                              d->source_h,
                              d->source_w,
                              d->stride_h,
                              d->stride_w,
                              d->pad_h,
                              d->pad_w,
                              d->rows * d->source_channels * s->r * s->s,
                              d->groups * d->rows * target_area,
                              target_area,
                              d->step_h,
                              d->step_w,
                              d->activation};
    ocl_arg_tensor(b, d->source);
    if (packed) {
        ocl_arg_memory(b, packed);
        ocl_arg_long(b, 0);
    } else {
        ocl_arg_tensor(b, d->weights);
    }
    ocl_arg_tensor(b, d->target);
    ocl_arg_tensor(b, d->bias);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; ++i)
        ocl_arg_int(b, values[i]);
    ocl_arg_float(b, d->slope);
    ocl_arg_memory(b, taps);
    ocl_arg_memory(b, phase_values);
}

static void build_product(ocl_builder *b, const direction *d, const common_conv2d_view *s, const phases *made,
                          const int32_t *parameters)
{
    const ocl_tiled_product product = {.rows = (uint64_t)d->rows,
                                       .columns = (uint64_t)(d->images * made->grid_max),
                                       .instances = (uint64_t)(d->groups * made->count),
                                       .terms = (uint64_t)made->inner_max,
                                       .splits_max = 1};
    const ocl_tile tile = ocl_tile_of(b->device, parameters, &product);
    const uint64_t row_tiles = ocl_divide_up(product.rows, (uint64_t)tile.m);
    const uint64_t column_tiles = ocl_divide_up(product.columns, (uint64_t)tile.n);
    const bool target_quads = !d->backward && d->target_h * d->target_w % 4 == 0 && is_in_quads(d->target) &&
                              d->target->dtype == AUXO_DTYPE_F32;
    char options[OCL_OPTIONS_MAX];
    snprintf(options, sizeof options, "%s -DA_VEC=%d -DTARGET_VEC=%d -DBOUNDED=%d -DINPUT_DTYPE=%d", tile.options,
             weights_in_quads(d, made) ? 4 : 1, target_quads ? 4 : 1, !windows_inside(d, s), (int)d->source->dtype);
    cl_mem taps = ocl_conv2d_taps_build(b, made->taps, made->tap_count);
    cl_mem phase_values = ocl_build_table(b, made->values, (uint64_t)made->count * PHASE_INTS * sizeof *made->values);
    cl_mem packed = d->backward ? build_packed(b, d, s, options, taps, phase_values) : NULL;
    ocl_build_kernel(b, "conv2d_tiled", "conv2d_tiled", "%s", options);
    bind_product(b, d, s, packed, taps, phase_values);
    ocl_arg_uint(b, (uint32_t)row_tiles);
    ocl_arg_uint(b, (uint32_t)column_tiles);
    const uint64_t counts[] = {row_tiles * column_tiles, (uint64_t)d->groups, (uint64_t)made->count};
    const uint64_t sizes[] = {(uint64_t)(tile.threads_m * tile.threads_n), 1, 1};
    ocl_build_groups(b, 3, counts, sizes);
}

/* Y of every image = W X, or DX = W^T DY, where images are large enough to fill tiles by themselves. */
static bool is_plain_product(const direction *d, const common_conv2d_view *s)
{
    enum { AREA_MIN = 256 };
    return windows_inside(d, s) && s->r == 1 && s->s == 1 && d->stride_h == 1 && d->stride_w == 1 && d->groups == 1 &&
           d->target_h * d->target_w >= AREA_MIN && d->target_h * d->target_w % 4 == 0;
}

static ocl_gemm_call plain_product(const direction *d)
{
    const int64_t area = d->target_h * d->target_w;
    const int64_t terms = d->source_channels;
    return (ocl_gemm_call){.tensors = {d->weights, d->source, d->target, d->bias},
                           .params = {.trans_a = d->backward,
                                      .bias_per_row = true,
                                      .alpha = 1,
                                      .activation = d->activation,
                                      .slope = d->slope},
                           .shape = {.batches = d->images,
                                     .m = d->rows,
                                     .n = area,
                                     .k = terms,
                                     .a_row = d->backward ? 1 : terms,
                                     .a_column = d->backward ? d->rows : 1,
                                     .b_batch = terms * area,
                                     .b_row = area,
                                     .b_column = 1,
                                     .c_batch = d->rows * area,
                                     .c_row = area}};
}

static void build_direction(ocl_builder *b, const direction *d, const common_conv2d_view *s, const int32_t *parameters)
{
    phases made = {0};
    if (d->rows == 0 || d->images * d->target_h * d->target_w == 0)
        return;
    if (is_plain_product(d, s)) {
        const ocl_gemm_call call = plain_product(d);
        if (ocl_gemm_tiled_fits(b->device, &call)) {
            ocl_build_gemm_tiled(b, &call, parameters, false);
            return;
        }
    }
    if (d->backward ? backward_phases(b, s, &made) : forward_phases(b, s, &made))
        build_product(b, d, s, &made, parameters);
    end_phases(&made);
}

bool ocl_conv2d_forward_tiled_supports(void *device, const auxo_op *op)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    return ocl_conv2d_tiled_fits(&s) && ocl_tile_loops_fit(device, s.c / s.params->groups * s.r * s.s);
}

bool ocl_conv2d_backward_data_tiled_supports(void *device, const auxo_op *op)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    return ocl_conv2d_tiled_fits(&s) && ocl_tile_loops_fit(device, s.k / s.params->groups * s.r * s.s);
}

static void build_forward(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    const direction d = forward_direction(op, &s);
    build_direction(b, &d, &s, parameters);
}

static void build_backward_data(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    const direction d = backward_direction(op, &s);
    build_direction(b, &d, &s, parameters);
}

OCL_PREPARE(ocl_conv2d_forward_tiled_prepare, build_forward);

OCL_PREPARE(ocl_conv2d_backward_data_tiled_prepare, build_backward_data);

/* backends/common/views.c: see views.h. Everything is read off an op; nothing is kept. */
#include "views.h"

common_gemm_view common_gemm_view_of(const auxo_op *op)
{
    const auxo_tensor *a = &op->tensors[AUXO_GEMM_A];
    const auxo_tensor *b = &op->tensors[AUXO_GEMM_B];
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    const uint32_t turn_a = op->params.gemm.trans_a, turn_b = op->params.gemm.trans_b;
    return (common_gemm_view){.batches = c->rank == 3 ? c->dims[0] : 1,
                              .m = c->dims[c->rank - 2],
                              .n = c->dims[c->rank - 1],
                              .k = a->dims[a->rank - 1 - turn_a],
                              .a_batch = a->rank == 3 ? a->strides[0] : 0,
                              .a_row = a->strides[a->rank - 2 + turn_a],
                              .a_column = a->strides[a->rank - 1 - turn_a],
                              .b_batch = b->rank == 3 ? b->strides[0] : 0,
                              .b_row = b->strides[b->rank - 2 + turn_b],
                              .b_column = b->strides[b->rank - 1 - turn_b],
                              .c_batch = c->rank == 3 ? c->strides[0] : 0,
                              .c_row = c->strides[c->rank - 2]};
}

common_conv2d_view common_conv2d_view_of(const auxo_op *op)
{
    const bool to_data = op->kind == AUXO_OP_CONV2D_BACKWARD_DATA,
               to_weights = op->kind == AUXO_OP_CONV2D_BACKWARD_WEIGHTS;
    const int64_t *x = op->tensors[to_data ? AUXO_CONV2D_BD_DX : to_weights ? AUXO_CONV2D_BW_X : AUXO_CONV2D_X].dims;
    const int64_t *w = op->tensors[to_data ? AUXO_CONV2D_BD_W : to_weights ? AUXO_CONV2D_BW_DW : AUXO_CONV2D_W].dims;
    const int64_t *y = op->tensors[to_data ? AUXO_CONV2D_BD_DY : to_weights ? AUXO_CONV2D_BW_DY : AUXO_CONV2D_Y].dims;
    return (common_conv2d_view){.n = x[0],
                                .c = x[1],
                                .h = x[2],
                                .w = x[3],
                                .k = w[0],
                                .r = w[2],
                                .s = w[3],
                                .p = y[2],
                                .q = y[3],
                                .params = &op->params.conv2d};
}

static int64_t ceil_div(int64_t value, int64_t divisor)
{
    return (value + divisor - 1) / divisor;
}

/* Length of an axis of `outputs` windows, with its border, in whole strides. */
static double spread_length(int64_t outputs, int64_t taps, int32_t stride, int32_t dilation)
{
    const int64_t extent = (taps - 1) * dilation + 1;
    return (double)stride * (double)(outputs - 1 + ceil_div(extent, stride));
}

bool common_conv2d_is_scattered(const common_conv2d_view *view)
{
    const double times = 16, elements = 1 << 16; /* of what a copy may be larger than what it is made from */
    const auxo_conv2d_params *params = view->params;
    const double spread = spread_length(view->p, view->r, params->stride_h, params->dilation_h) *
                          spread_length(view->q, view->s, params->stride_w, params->dilation_w);
    return spread > elements + times * (double)(view->h * view->w + view->p * view->q + view->r * view->s);
}

common_direction common_direction_of(const auxo_op *op)
{
    static const auxo_tensor none = {0};
    const auxo_conv2d_params *params = &op->params.conv2d;
    const bool backward = op->kind == AUXO_OP_CONV2D_BACKWARD_DATA;
    const auxo_tensor *source = &op->tensors[backward ? AUXO_CONV2D_BD_DY : AUXO_CONV2D_X];
    const auxo_tensor *target = &op->tensors[backward ? AUXO_CONV2D_BD_DX : AUXO_CONV2D_Y];
    return (common_direction){.source = source,
                              .weights = &op->tensors[backward ? AUXO_CONV2D_BD_W : AUXO_CONV2D_W],
                              .target = target,
                              .bias = backward ? &none : &op->tensors[AUXO_CONV2D_BIAS],
                              .backward = backward,
                              .images = source->dims[0],
                              .source_channels = source->dims[1],
                              .source_h = source->dims[2],
                              .source_w = source->dims[3],
                              .target_channels = target->dims[1],
                              .target_h = target->dims[2],
                              .target_w = target->dims[3],
                              .pad_h = backward ? 2 - params->pad_h : params->pad_h,
                              .pad_w = backward ? 2 - params->pad_w : params->pad_w,
                              .activation = backward ? AUXO_ACTIVATION_IDENTITY : params->activation,
                              .slope = backward ? 0 : params->slope};
}

bool common_winograd_suits(const auxo_op *op, const common_direction *direction)
{
    const int64_t channels_min = 16;
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *w = direction->weights->dims;
    return w[2] == 3 && w[3] == 3 && params->stride_h == 1 && params->stride_w == 1 && params->dilation_h == 1 &&
           params->dilation_w == 1 && params->groups == 1 && params->pad_h <= 2 && params->pad_w <= 2 &&
           direction->source_channels >= channels_min;
}

common_winograd_cut common_winograd_cut_of(const common_direction *direction, int32_t tile, uint64_t bytes_max)
{
    enum { QUAD = 4 };
    common_winograd_cut cut = {.tile = tile,
                               .points = (int64_t)(tile + 2) * (tile + 2),
                               .tiles_h = ceil_div(direction->target_h, tile),
                               .tiles_w = ceil_div(direction->target_w, tile)};
    cut.tiles = direction->images * cut.tiles_h * cut.tiles_w;
    const int64_t channels = direction->source_channels + direction->target_channels;
    const int64_t most = (int64_t)(bytes_max / ((uint64_t)(cut.points * channels) * sizeof(float))) / QUAD * QUAD;
    const int64_t slices = ceil_div(cut.tiles, most > 0 ? most : QUAD);
    cut.slice = slices > 0 ? ceil_div(ceil_div(cut.tiles, slices), QUAD) * QUAD : QUAD;
    return cut;
}

common_split common_split_of(uint64_t terms, uint64_t wanted, uint64_t most, uint64_t step)
{
    const uint64_t parts = wanted < most ? wanted : most, share = parts > 1 ? (terms + parts - 1) / parts : terms;
    const uint64_t length = (share + step - 1) / step * step;
    return (common_split){.length = length, .count = length ? (terms + length - 1) / length : 1};
}

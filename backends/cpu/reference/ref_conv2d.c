/* ref_conv2d.c: convolution forward and its two gradients, summed term by term over one walk of all (x, w, y). */
#include "ref.h"

/* The shapes of X (N,C,H,W), W (K,C/G,R,S), Y (N,K,P,Q). */
typedef struct conv_shape {
    int64_t n, c, h, w, k, r, s, p, q;
    int64_t group_c, group_k; /* channels of x and of y in one group */
    const auxo_conv2d_params *params;
} conv_shape;

static conv_shape shape_of(const auxo_op *op, size_t x_slot, size_t w_slot, size_t y_slot)
{
    const auxo_tensor *x = &op->tensors[x_slot];
    const auxo_tensor *w = &op->tensors[w_slot];
    const auxo_tensor *y = &op->tensors[y_slot];
    const auxo_conv2d_params *params = &op->params.conv2d;
    return (conv_shape){.n = x->dims[0],
                        .c = x->dims[1],
                        .h = x->dims[2],
                        .w = x->dims[3],
                        .k = y->dims[1],
                        .r = w->dims[2],
                        .s = w->dims[3],
                        .p = y->dims[2],
                        .q = y->dims[3],
                        .group_c = w->dims[1],
                        .group_k = y->dims[1] / params->groups,
                        .params = params};
}

/* Index into X of output position p, q under tap r, s; -1 in the padding. */
static int64_t x_index(const conv_shape *shape, int64_t n, int64_t c, int64_t p, int64_t q, int64_t r, int64_t s)
{
    const auxo_conv2d_params *params = shape->params;
    int64_t row = p * params->stride_h - params->pad_h + r * params->dilation_h;
    int64_t column = q * params->stride_w - params->pad_w + s * params->dilation_w;
    if (row < 0 || row >= shape->h || column < 0 || column >= shape->w)
        return -1;
    return ((n * shape->c + c) * shape->h + row) * shape->w + column;
}

static int64_t w_index(const conv_shape *shape, int64_t k, int64_t c, int64_t r, int64_t s)
{
    return ((k * shape->group_c + c) * shape->r + r) * shape->s + s;
}

static int64_t y_index(const conv_shape *shape, int64_t n, int64_t k, int64_t p, int64_t q)
{
    return ((n * shape->k + k) * shape->p + p) * shape->q + q;
}

static double forward_element(const conv_shape *shape, const float *x, const float *w, int64_t n, int64_t k, int64_t p,
                              int64_t q)
{
    int64_t first_channel = k / shape->group_k * shape->group_c;
    double sum = 0;
    for (int64_t c = 0; c < shape->group_c; ++c)
        for (int64_t r = 0; r < shape->r; ++r)
            for (int64_t s = 0; s < shape->s; ++s) {
                int64_t index = x_index(shape, n, first_channel + c, p, q, r, s);
                if (index >= 0)
                    sum += (double)x[index] * (double)w[w_index(shape, k, c, r, s)];
            }
    return sum;
}

auxo_status ref_conv2d_forward(const auxo_op *op, auxo_error *error)
{
    (void)error;
    conv_shape shape = shape_of(op, AUXO_CONV2D_X, AUXO_CONV2D_W, AUXO_CONV2D_Y);
    const float *x = cpu_f32(op, AUXO_CONV2D_X);
    const float *w = cpu_f32(op, AUXO_CONV2D_W);
    const float *bias = cpu_f32(op, AUXO_CONV2D_BIAS);
    float *y = cpu_f32(op, AUXO_CONV2D_Y);
    for (int64_t n = 0; n < shape.n; ++n)
        for (int64_t k = 0; k < shape.k; ++k)
            for (int64_t p = 0; p < shape.p; ++p)
                for (int64_t q = 0; q < shape.q; ++q) {
                    double sum = forward_element(&shape, x, w, n, k, p, q) + (bias ? (double)bias[k] : 0);
                    y[y_index(&shape, n, k, p, q)] =
                        (float)ref_activate(shape.params->activation, shape.params->slope, sum);
                }
    return AUXO_OK;
}

/* Output position that meets input position x under a tap at offset tap * dilation; -1 if none. */
static int64_t output_position(int64_t x, int64_t pad, int64_t tap, int64_t dilation, int64_t stride, int64_t extent)
{
    int64_t position = x + pad - tap * dilation;
    if (position < 0 || position % stride != 0 || position / stride >= extent)
        return -1;
    return position / stride;
}

static double backward_data_element(const conv_shape *shape, const float *dy, const float *w, int64_t n, int64_t c,
                                    int64_t row, int64_t column)
{
    const auxo_conv2d_params *params = shape->params;
    int64_t group = c / shape->group_c;
    double sum = 0;
    for (int64_t k = group * shape->group_k; k < (group + 1) * shape->group_k; ++k)
        for (int64_t r = 0; r < shape->r; ++r)
            for (int64_t s = 0; s < shape->s; ++s) {
                int64_t p = output_position(row, params->pad_h, r, params->dilation_h, params->stride_h, shape->p);
                int64_t q = output_position(column, params->pad_w, s, params->dilation_w, params->stride_w, shape->q);
                if (p >= 0 && q >= 0)
                    sum += (double)dy[y_index(shape, n, k, p, q)] *
                           (double)w[w_index(shape, k, c - group * shape->group_c, r, s)];
            }
    return sum;
}

auxo_status ref_conv2d_backward_data(const auxo_op *op, auxo_error *error)
{
    (void)error;
    conv_shape shape = shape_of(op, AUXO_CONV2D_BD_DX, AUXO_CONV2D_BD_W, AUXO_CONV2D_BD_DY);
    const float *dy = cpu_f32(op, AUXO_CONV2D_BD_DY);
    const float *w = cpu_f32(op, AUXO_CONV2D_BD_W);
    float *dx = cpu_f32(op, AUXO_CONV2D_BD_DX);
    for (int64_t n = 0; n < shape.n; ++n)
        for (int64_t c = 0; c < shape.c; ++c)
            for (int64_t row = 0; row < shape.h; ++row)
                for (int64_t column = 0; column < shape.w; ++column)
                    dx[((n * shape.c + c) * shape.h + row) * shape.w + column] =
                        (float)backward_data_element(&shape, dy, w, n, c, row, column);
    return AUXO_OK;
}

static double backward_weight_element(const conv_shape *shape, const float *x, const float *dy, int64_t k, int64_t c,
                                      int64_t r, int64_t s)
{
    double sum = 0;
    for (int64_t n = 0; n < shape->n; ++n)
        for (int64_t p = 0; p < shape->p; ++p)
            for (int64_t q = 0; q < shape->q; ++q) {
                int64_t index = x_index(shape, n, k / shape->group_k * shape->group_c + c, p, q, r, s);
                if (index >= 0)
                    sum += (double)x[index] * (double)dy[y_index(shape, n, k, p, q)];
            }
    return sum;
}

static double backward_bias_element(const conv_shape *shape, const float *dy, int64_t k)
{
    double sum = 0;
    for (int64_t n = 0; n < shape->n; ++n)
        for (int64_t p = 0; p < shape->p; ++p)
            for (int64_t q = 0; q < shape->q; ++q)
                sum += (double)dy[y_index(shape, n, k, p, q)];
    return sum;
}

auxo_status ref_conv2d_backward_weights(const auxo_op *op, auxo_error *error)
{
    (void)error;
    conv_shape shape = shape_of(op, AUXO_CONV2D_BW_X, AUXO_CONV2D_BW_DW, AUXO_CONV2D_BW_DY);
    const float *x = cpu_f32(op, AUXO_CONV2D_BW_X);
    const float *dy = cpu_f32(op, AUXO_CONV2D_BW_DY);
    float *dw = cpu_f32(op, AUXO_CONV2D_BW_DW);
    float *dbias = cpu_f32(op, AUXO_CONV2D_BW_DBIAS);
    for (int64_t k = 0; k < shape.k; ++k) {
        for (int64_t c = 0; c < shape.group_c; ++c)
            for (int64_t r = 0; r < shape.r; ++r)
                for (int64_t s = 0; s < shape.s; ++s)
                    dw[w_index(&shape, k, c, r, s)] = (float)backward_weight_element(&shape, x, dy, k, c, r, s);
        if (dbias)
            dbias[k] = (float)backward_bias_element(&shape, dy, k);
    }
    return AUXO_OK;
}

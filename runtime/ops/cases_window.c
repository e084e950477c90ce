/* runtime/ops/cases_window.c: conformance cases of convolution and pooling.
 *
 * One table of convolutions serves all three directions, one table of poolings both. Bound (ops.h): (terms + 4) u S.
 */
#include "verify_case.h"

#include <math.h>

typedef struct conv_case {
    int32_t n, c, h, w, k, r, s; /* X (n,c,h,w), W (k,c/groups,r,s) */
    int32_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
    bool bias;
    auxo_activation activation;
} conv_case;

enum { CONV_QUICK = 6 };

static const conv_case conv_cases[] = {
    {2, 3, 9, 7, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_RELU},
    {1, 1, 12, 12, 6, 5, 5, 1, 1, 0, 0, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {2, 4, 8, 11, 6, 3, 2, 2, 1, 1, 0, 1, 2, 2, false, AUXO_ACTIVATION_IDENTITY},
    {3, 16, 6, 6, 8, 1, 1, 1, 1, 0, 0, 1, 1, 1, false, AUXO_ACTIVATION_SELU},
    {2, 8, 10, 10, 16, 3, 3, 2, 2, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {1, 16, 6, 5, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_RELU},
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {0, 3, 8, 8, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {2, 3, 8, 8, 0, 3, 3, 1, 1, 1, 1, 1, 1, 1, false, AUXO_ACTIVATION_IDENTITY},
    {2, 0, 4, 4, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {2, 3, 2, 2, 4, 3, 3, 1, 1, 0, 0, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {1, 2, 17, 5, 3, 5, 3, 3, 2, 2, 1, 2, 1, 1, true, AUXO_ACTIVATION_TANH},
    {2, 6, 7, 9, 6, 3, 3, 1, 1, 1, 1, 1, 1, 6, true, AUXO_ACTIVATION_RELU},
    {2, 6, 7, 9, 12, 3, 3, 2, 2, 1, 1, 1, 1, 6, false, AUXO_ACTIVATION_IDENTITY},
    {1, 8, 5, 5, 4, 3, 3, 1, 1, 2, 2, 2, 2, 4, false, AUXO_ACTIVATION_IDENTITY},
    {2, 5, 13, 4, 7, 4, 2, 1, 1, 3, 0, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {1, 64, 9, 9, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_RELU},
    {4, 33, 8, 8, 65, 1, 1, 1, 1, 0, 0, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {2, 16, 8, 8, 24, 1, 1, 2, 2, 0, 0, 1, 1, 1, false, AUXO_ACTIVATION_IDENTITY},
    {3, 1, 28, 28, 6, 5, 5, 1, 1, 0, 0, 1, 1, 1, true, AUXO_ACTIVATION_RELU},
    {2, 6, 12, 12, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1, true, AUXO_ACTIVATION_RELU},
    {1, 3, 32, 32, 8, 7, 7, 2, 2, 3, 3, 1, 1, 1, false, AUXO_ACTIVATION_IDENTITY},
    {17, 2, 5, 5, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_LEAKY_RELU},
    {2, 2, 1, 33, 3, 1, 5, 1, 3, 0, 2, 1, 1, 1, true, AUXO_ACTIVATION_SIGMOID},
    {2, 16, 16, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, false, AUXO_ACTIVATION_IDENTITY},
    {1, 4, 15, 15, 4, 3, 3, 1, 1, 0, 0, 1, 1, 1, false, AUXO_ACTIVATION_IDENTITY},
    {1, 2, 9, 9, 2, 2, 2, 3, 3, 0, 0, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {2, 37, 13, 11, 50, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_RELU},
    {5, 16, 10, 14, 21, 3, 3, 1, 1, 0, 0, 1, 1, 1, false, AUXO_ACTIVATION_TANH},
    {3, 20, 6, 30, 16, 3, 3, 1, 1, 2, 2, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {35, 16, 4, 4, 10, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {1, 17, 30, 33, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {1, 70, 6, 6, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, false, AUXO_ACTIVATION_IDENTITY},
    {2, 16, 12, 12, 8, 3, 3, 1, 1, 2, 2, 2, 2, 1, true, AUXO_ACTIVATION_IDENTITY},
    {2, 24, 11, 9, 32, 3, 3, 2, 2, 1, 1, 1, 1, 2, true, AUXO_ACTIVATION_RELU},
    {2, 5, 19, 21, 31, 3, 3, 2, 2, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_TANH},
    {1, 3, 9, 20, 16, 5, 3, 1, 1, 3, 2, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {2, 12, 16, 16, 20, 1, 1, 1, 1, 0, 0, 1, 1, 1, true, AUXO_ACTIVATION_TANH},
    {6, 5, 16, 16, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {1, 12, 6, 6, 132, 3, 3, 2, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_ELU},
    {2, 6, 17, 18, 90, 3, 3, 2, 2, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_RELU},
    {2, 18, 7, 17, 17, 3, 3, 1, 1, 0, 2, 1, 1, 1, true, AUXO_ACTIVATION_LEAKY_RELU},
    {3, 16, 2, 1, 16, 3, 3, 1, 1, 2, 1, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {2, 32, 8, 10, 1, 3, 3, 1, 1, 1, 0, 1, 1, 1, false, AUXO_ACTIVATION_ELU},
    {2, 1, 9, 12, 20, 3, 3, 1, 1, 2, 1, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {2, 32, 12, 34, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_RELU},
    {1, 64, 10, 32, 16, 3, 3, 2, 2, 1, 1, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {1, 2, 5, 4, 3, 3, 3, 1 << 30, 1 << 30, 0, 0, 1, 1, 1, true, AUXO_ACTIVATION_RELU},
    {2, 3, 7, 5, 4, 3, 2, 2048, 2048, 2049, 2048, 1, 1, 1, true, AUXO_ACTIVATION_IDENTITY},
    {1, 2, 6, 3, 2, 2, 2, 1, 1, 1 << 29, 1 << 28, 1 << 30, 1 << 29, 1, false, AUXO_ACTIVATION_IDENTITY},
};

static const conv_case *begin_conv(auxo__case *built, size_t index, int64_t *p, int64_t *q)
{
    const conv_case *row = &conv_cases[index];
    *p = auxo_window_output(row->h, row->r, row->stride_h, row->pad_h, row->dilation_h);
    *q = auxo_window_output(row->w, row->s, row->stride_w, row->pad_w, row->dilation_w);
    built->op.params.conv2d = (auxo_conv2d_params){.stride_h = row->stride_h,
                                                   .stride_w = row->stride_w,
                                                   .pad_h = row->pad_h,
                                                   .pad_w = row->pad_w,
                                                   .dilation_h = row->dilation_h,
                                                   .dilation_w = row->dilation_w,
                                                   .groups = row->groups,
                                                   .activation = row->activation,
                                                   .slope = 0.125f};
    auxo__case_text(built, "X=(%d,%d,%d,%d) K=%d window=%dx%d stride=%dx%d pad=%dx%d dilation=%dx%d groups=%d%s",
                    row->n, row->c, row->h, row->w, row->k, row->r, row->s, row->stride_h, row->stride_w, row->pad_h,
                    row->pad_w, row->dilation_h, row->dilation_w, row->groups, row->bias ? " bias" : "");
    return row;
}

static void build_conv2d_forward(auxo__case *built, size_t index)
{
    int64_t p, q;
    const conv_case *row = begin_conv(built, index, &p, &q);
    AUXO__INPUT(built, AUXO_CONV2D_X, row->n, row->c, row->h, row->w);
    AUXO__INPUT(built, AUXO_CONV2D_W, row->k, row->c / row->groups, row->r, row->s);
    AUXO__F32(built, AUXO_CONV2D_Y, row->n, row->k, p, q);
    if (row->bias)
        AUXO__INPUT(built, AUXO_CONV2D_BIAS, row->k);
}

static void build_conv2d_backward_data(auxo__case *built, size_t index)
{
    int64_t p, q;
    const conv_case *row = begin_conv(built, index, &p, &q);
    AUXO__INPUT(built, AUXO_CONV2D_BD_DY, row->n, row->k, p, q);
    AUXO__INPUT(built, AUXO_CONV2D_BD_W, row->k, row->c / row->groups, row->r, row->s);
    AUXO__F32(built, AUXO_CONV2D_BD_DX, row->n, row->c, row->h, row->w);
}

static void build_conv2d_backward_weights(auxo__case *built, size_t index)
{
    int64_t p, q;
    const conv_case *row = begin_conv(built, index, &p, &q);
    AUXO__INPUT(built, AUXO_CONV2D_BW_X, row->n, row->c, row->h, row->w);
    AUXO__INPUT(built, AUXO_CONV2D_BW_DY, row->n, row->k, p, q);
    AUXO__F32(built, AUXO_CONV2D_BW_DW, row->k, row->c / row->groups, row->r, row->s);
    if (row->bias)
        AUXO__F32(built, AUXO_CONV2D_BW_DBIAS, row->k);
}

static double bound_conv2d_forward(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                   double magnitude)
{
    const int64_t *w = tested->op.tensors[AUXO_CONV2D_W].dims;
    (void)slot, (void)element;
    return auxo__activation_bound(tested->op.params.conv2d.activation, tested->op.params.conv2d.slope, expected,
                                  (double)(w[1] * w[2] * w[3] + 4) * AUXO__UNIT_ROUNDOFF * magnitude);
}

static double bound_conv2d_backward_data(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                         double magnitude)
{
    const int64_t *w = tested->op.tensors[AUXO_CONV2D_BD_W].dims;
    (void)slot, (void)element, (void)expected;
    int64_t terms = w[0] / tested->op.params.conv2d.groups * w[2] * w[3];
    return (double)(terms + 4) * AUXO__UNIT_ROUNDOFF * magnitude;
}

static double bound_conv2d_backward_weights(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                            double magnitude)
{
    const int64_t *dy = tested->op.tensors[AUXO_CONV2D_BW_DY].dims;
    (void)slot, (void)element, (void)expected;
    return (double)(dy[0] * dy[2] * dy[3] + 4) * AUXO__UNIT_ROUNDOFF * magnitude;
}

enum { CONV_COUNT = sizeof conv_cases / sizeof conv_cases[0] };

const auxo__suite auxo__suite_conv2d_forward = {CONV_COUNT,           CONV_QUICK, build_conv2d_forward,
                                                bound_conv2d_forward, true,       CONV_COUNT};
const auxo__suite auxo__suite_conv2d_backward_data = {
    CONV_COUNT, CONV_QUICK, build_conv2d_backward_data, bound_conv2d_backward_data, true, CONV_COUNT};
const auxo__suite auxo__suite_conv2d_backward_weights = {
    CONV_COUNT, CONV_QUICK, build_conv2d_backward_weights, bound_conv2d_backward_weights, true, CONV_COUNT};

/* ---- pooling -------------------------------------------------------------------------------------------------------
 */

enum pool_flags { NO_INDEX = 1, TIES = 2, NANS = 4 };

typedef struct pool_case {
    auxo_pool_kind kind;
    int32_t n, c, h, w, window_h, window_w, stride_h, stride_w, pad_h, pad_w;
    int flags;
} pool_case;

enum { POOL_QUICK = 4 };

static const pool_case pool_cases[] = {
    {AUXO_POOL_MAX, 2, 3, 8, 8, 2, 2, 2, 2, 0, 0, 0},
    {AUXO_POOL_AVERAGE, 2, 3, 7, 9, 3, 2, 2, 1, 1, 0, 0},
    {AUXO_POOL_MAX, 1, 2, 9, 7, 3, 3, 2, 2, 1, 1, TIES},
    {AUXO_POOL_AVERAGE, 2, 5, 4, 4, 4, 4, 4, 4, 0, 0, 0},
    {AUXO_POOL_MAX, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0},
    {AUXO_POOL_MAX, 0, 3, 4, 4, 2, 2, 2, 2, 0, 0, 0},
    {AUXO_POOL_AVERAGE, 2, 0, 4, 4, 2, 2, 2, 2, 0, 0, 0},
    {AUXO_POOL_MAX, 2, 3, 2, 2, 3, 3, 1, 1, 0, 0, 0},
    {AUXO_POOL_MAX, 3, 5, 13, 11, 3, 2, 1, 1, 2, 1, TIES},
    {AUXO_POOL_MAX, 2, 2, 10, 10, 3, 3, 2, 2, 1, 1, NANS},
    {AUXO_POOL_MAX, 2, 4, 6, 6, 2, 3, 2, 3, 0, 0, NO_INDEX},
    {AUXO_POOL_AVERAGE, 1, 2, 5, 33, 5, 7, 3, 2, 2, 3, 0},
    {AUXO_POOL_AVERAGE, 2, 2, 7, 7, 3, 3, 2, 2, 1, 1, NANS},
    {AUXO_POOL_MAX, 2, 3, 8, 40, 2, 2, 2, 2, 0, 0, NANS},
    {AUXO_POOL_AVERAGE, 1, 127, 3, 3, 3, 3, 1, 1, 1, 1, 0},
    {AUXO_POOL_MAX, 4, 16, 14, 14, 2, 2, 2, 2, 0, 0, 0},
    /* windows of 256 and of more elements, whose INDEX is u32 */
    {AUXO_POOL_MAX, 1, 3, 21, 37, 16, 16, 5, 7, 3, 15, 0},
    {AUXO_POOL_MAX, 2, 1, 23, 31, 17, 19, 3, 4, 5, 2, TIES},
    {AUXO_POOL_MAX, 1, 3, 5, 40, 1, 257, 1, 9, 0, 128, 0},
    /* one output to each row, and halves of odd images */
    {AUXO_POOL_MAX, 3, 5, 9, 2, 2, 2, 2, 2, 0, 0, 0},
    {AUXO_POOL_MAX, 2, 3, 7, 39, 2, 2, 2, 2, 0, 0, TIES},
};

static const pool_case *begin_pool(auxo__case *built, size_t index, int64_t *p, int64_t *q)
{
    const pool_case *row = &pool_cases[index];
    *p = auxo_window_output(row->h, row->window_h, row->stride_h, row->pad_h, 1);
    *q = auxo_window_output(row->w, row->window_w, row->stride_w, row->pad_w, 1);
    built->op.params.pool2d = (auxo_pool2d_params){.kind = row->kind,
                                                   .window_h = row->window_h,
                                                   .window_w = row->window_w,
                                                   .stride_h = row->stride_h,
                                                   .stride_w = row->stride_w,
                                                   .pad_h = row->pad_h,
                                                   .pad_w = row->pad_w};
    auxo__case_text(built, "%s X=(%d,%d,%d,%d) window=%dx%d stride=%dx%d pad=%dx%d%s%s%s",
                    row->kind == AUXO_POOL_MAX ? "max" : "average", row->n, row->c, row->h, row->w, row->window_h,
                    row->window_w, row->stride_h, row->stride_w, row->pad_h, row->pad_w,
                    row->flags & NO_INDEX ? " no INDEX" : "", row->flags & TIES ? " ties" : "",
                    row->flags & NANS ? " NaN" : "");
    return row;
}

static void build_pool2d_forward(auxo__case *built, size_t index)
{
    int64_t p, q;
    const pool_case *row = begin_pool(built, index, &p, &q);
    AUXO__INPUT(built, AUXO_POOL2D_X, row->n, row->c, row->h, row->w);
    if (row->flags & TIES)
        auxo__case_integers(built, AUXO_POOL2D_X, 3);
    for (int64_t e = 0; row->flags & NANS && e < auxo_tensor_element_count(&built->op.tensors[AUXO_POOL2D_X]); e += 17)
        auxo__case_set(built, AUXO_POOL2D_X, e, (double)NAN);
    AUXO__F32(built, AUXO_POOL2D_Y, row->n, row->c, p, q);
    if (row->kind == AUXO_POOL_MAX && !(row->flags & NO_INDEX))
        auxo__case_tensor(built, AUXO_POOL2D_INDEX, auxo_pool2d_index_dtype(&built->op.params.pool2d), 4,
                          (int64_t[]){row->n, row->c, p, q});
}

/* The place along one axis of any element of the window, as a forward pass could have chosen it. */
static int64_t random_place(auxo__case *built, int64_t output, int32_t stride, int32_t pad, int32_t window,
                            int32_t extent)
{
    const int64_t first = output * stride - pad;
    const int64_t begin = first < 0 ? 0 : first, end = first + window > extent ? extent : first + window;
    return begin - first + auxo__case_random(built) % (end - begin);
}

static void build_pool2d_backward(auxo__case *built, size_t index)
{
    int64_t p, q;
    const pool_case *row = begin_pool(built, index, &p, &q);
    AUXO__INPUT(built, AUXO_POOL2D_B_DY, row->n, row->c, p, q);
    AUXO__F32(built, AUXO_POOL2D_B_DX, row->n, row->c, row->h, row->w);
    if (row->kind != AUXO_POOL_MAX)
        return;
    auxo__case_tensor(built, AUXO_POOL2D_B_INDEX, auxo_pool2d_index_dtype(&built->op.params.pool2d), 4,
                      (int64_t[]){row->n, row->c, p, q});
    for (int64_t e = 0; e < (int64_t)row->n * row->c * p * q; e++) {
        int64_t y = random_place(built, e / q % p, row->stride_h, row->pad_h, row->window_h, row->h);
        int64_t x = random_place(built, e % q, row->stride_w, row->pad_w, row->window_w, row->w);
        auxo__case_set(built, AUXO_POOL2D_B_INDEX, e, (double)(y * row->window_w + x));
    }
}

static double bound_pool2d_forward(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                   double magnitude)
{
    const auxo_pool2d_params *params = &tested->op.params.pool2d;
    (void)slot, (void)element, (void)expected;
    if (params->kind == AUXO_POOL_MAX)
        return 0;
    return (params->window_h * params->window_w + 4) * AUXO__UNIT_ROUNDOFF * magnitude;
}

static double bound_pool2d_backward(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                    double magnitude)
{
    const auxo_pool2d_params *params = &tested->op.params.pool2d;
    (void)slot, (void)element, (void)expected;
    return (params->window_h * params->window_w + 4) * AUXO__UNIT_ROUNDOFF * magnitude;
}

enum { POOL_COUNT = sizeof pool_cases / sizeof pool_cases[0] };

const auxo__suite auxo__suite_pool2d_forward = {POOL_COUNT,           POOL_QUICK, build_pool2d_forward,
                                                bound_pool2d_forward, true,       POOL_COUNT};
const auxo__suite auxo__suite_pool2d_backward = {POOL_COUNT, POOL_QUICK, build_pool2d_backward, bound_pool2d_backward,
                                                 true,       POOL_COUNT};

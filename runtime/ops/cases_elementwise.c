/* runtime/ops/cases_elementwise.c: conformance cases of activations, add, bias and scale per channel, fill, copy,
 * repeated multiply-adds and counters. Bounds: a few units of roundoff of the terms; copies, fills and counters are
 * exact. */
#include "verify_case.h"

#include <math.h>

enum { IN_PLACE = 1, IN_PLACE_B = 2 };

/* A shape with its rank. */
typedef struct shape {
    uint32_t rank;
    int64_t dims[AUXO_RANK_MAX];
} shape;

static void add_f32(auxo__case *built, uint32_t slot, const shape *extent)
{
    auxo__case_tensor(built, slot, AUXO_DTYPE_F32, extent->rank, extent->dims);
}

static void describe_shape(auxo__case *built, const shape *extent, int flags)
{
    for (uint32_t axis = 0; axis < extent->rank; axis++)
        auxo__case_text(built, "%s%lld", axis ? "," : "(", (long long)extent->dims[axis]);
    auxo__case_text(built, ")%s", flags ? " in place" : "");
}

/* ---- activation ----------------------------------------------------------------------------------------------------
 */

typedef struct activation_case {
    auxo_activation activation;
    shape extent;
    int flags;
} activation_case;

static const activation_case activation_cases[] = {
    {AUXO_ACTIVATION_TANH, {2, {9, 37}}, 0},
    {AUXO_ACTIVATION_RELU, {1, {127}}, IN_PLACE},
    {AUXO_ACTIVATION_LEAKY_RELU, {3, {3, 5, 7}}, 0},
    {AUXO_ACTIVATION_ELU, {4, {2, 3, 5, 7}}, 0},
    {AUXO_ACTIVATION_SELU, {1, {1000}}, 0},
    {AUXO_ACTIVATION_SIGMOID, {2, {33, 33}}, IN_PLACE},
    {AUXO_ACTIVATION_IDENTITY, {1, {65}}, 0},
    {AUXO_ACTIVATION_RELU, {2, {0, 5}}, 0},
    {AUXO_ACTIVATION_TANH, {1, {1}}, 0},
    {AUXO_ACTIVATION_SELU, {1, {4097}}, IN_PLACE},
    {AUXO_ACTIVATION_ELU, {1, {2}}, IN_PLACE},
    {AUXO_ACTIVATION_IDENTITY, {1, {257}}, IN_PLACE},
    {AUXO_ACTIVATION_SIGMOID, {1, {70001}}, 0},
};

enum { ACTIVATION_COUNT = sizeof activation_cases / sizeof activation_cases[0], ACTIVATION_QUICK = 7 };

static const activation_case *begin_activation(auxo__case *built, size_t index)
{
    const activation_case *row = &activation_cases[index % ACTIVATION_COUNT];
    built->op.params.activation = (auxo_activation_params){row->activation, 0.3f};
    auxo__case_text(built, "%s ", auxo_activation_noun(row->activation));
    describe_shape(built, &row->extent, row->flags);
    return row;
}

static void build_activation_forward(auxo__case *built, size_t index)
{
    static const double special[] = {0, -0.0, 1e-6, -1e-6, 30, -30, 88.5, -88.5, 1000, -1000};
    const activation_case *row = begin_activation(built, index);
    add_f32(built, AUXO_ACTIVATION_X, &row->extent);
    auxo__case_uniform(built, AUXO_ACTIVATION_X, -6, 6);
    int64_t count = auxo_tensor_element_count(&built->op.tensors[AUXO_ACTIVATION_X]);
    for (int64_t e = 0; e < (int64_t)(sizeof special / sizeof special[0]) && e < count; e++)
        auxo__case_set(built, AUXO_ACTIVATION_X, count - 1 - e, special[e]);
    if (index >= ACTIVATION_COUNT)
        auxo__case_special(built, AUXO_ACTIVATION_X, index < 2 * ACTIVATION_COUNT ? AUXO__NAN : AUXO__INFINITE);
    if (row->flags & IN_PLACE)
        auxo__case_in_place(built, AUXO_ACTIVATION_Y, AUXO_ACTIVATION_X);
    else
        add_f32(built, AUXO_ACTIVATION_Y, &row->extent);
}

static double bound_activation_forward(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                       double magnitude)
{
    (void)slot, (void)element, (void)magnitude;
    return auxo__activation_bound(tested->op.params.activation.activation, tested->op.params.activation.slope, expected,
                                  0);
}

static void build_activation_backward(auxo__case *built, size_t index)
{
    const activation_case *row = begin_activation(built, index);
    add_f32(built, AUXO_ACTIVATION_B_Y, &row->extent);
    /* Values that each activation can take: sigmoid is positive, elu is above -slope. */
    auxo__case_uniform(built, AUXO_ACTIVATION_B_Y, row->activation == AUXO_ACTIVATION_SIGMOID ? 0 : -0.29, 0.99);
    if (auxo_tensor_element_count(&built->op.tensors[AUXO_ACTIVATION_B_Y]) > 0)
        auxo__case_set(built, AUXO_ACTIVATION_B_Y, 0, 0);
    add_f32(built, AUXO_ACTIVATION_B_DY, &row->extent);
    auxo__case_uniform(built, AUXO_ACTIVATION_B_DY, -2, 2);
    if (index >= ACTIVATION_COUNT)
        auxo__case_special(built, index < 2 * ACTIVATION_COUNT ? AUXO_ACTIVATION_B_DY : AUXO_ACTIVATION_B_Y, AUXO__NAN);
    if (row->flags & IN_PLACE)
        auxo__case_in_place(built, AUXO_ACTIVATION_B_DX, AUXO_ACTIVATION_B_DY);
    else
        add_f32(built, AUXO_ACTIVATION_B_DX, &row->extent);
}

static double bound_activation_backward(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                        double magnitude)
{
    (void)slot, (void)expected, (void)magnitude;
    return 8 * AUXO__UNIT_ROUNDOFF * fabs(auxo__case_get(tested, AUXO_ACTIVATION_B_DY, element));
}

const auxo__suite auxo__suite_activation_forward = {
    3 * ACTIVATION_COUNT, ACTIVATION_QUICK, build_activation_forward, bound_activation_forward, false,
    ACTIVATION_COUNT};
const auxo__suite auxo__suite_activation_backward = {
    3 * ACTIVATION_COUNT, ACTIVATION_QUICK, build_activation_backward, bound_activation_backward, false,
    ACTIVATION_COUNT};

/* ---- add -----------------------------------------------------------------------------------------------------------
 */

typedef struct add_case {
    shape extent;
    float alpha, beta;
    int flags;
} add_case;

static const add_case add_cases[] = {
    {{2, {9, 37}}, 1, 1, 0},
    {{1, {127}}, -0.5f, 2, IN_PLACE},
    {{4, {2, 3, 5, 7}}, 1, -1, IN_PLACE_B},
    {{1, {0}}, 1, 1, 0},
    {{1, {1}}, 3, 0, 0},
    {{3, {33, 1, 129}}, 0, 1, 0},
    {{1, {70001}}, 0.1f, 0.9f, IN_PLACE},
};

static void build_add(auxo__case *built, size_t index)
{
    const add_case *row = &add_cases[index];
    built->op.params.add = (auxo_add_params){row->alpha, row->beta};
    describe_shape(built, &row->extent, row->flags);
    auxo__case_text(built, " alpha=%g beta=%g", (double)row->alpha, (double)row->beta);
    add_f32(built, AUXO_ADD_A, &row->extent);
    add_f32(built, AUXO_ADD_B, &row->extent);
    auxo__case_uniform(built, AUXO_ADD_A, -1, 1);
    auxo__case_uniform(built, AUXO_ADD_B, -1, 1);
    if (row->flags)
        auxo__case_in_place(built, AUXO_ADD_Y, row->flags & IN_PLACE ? AUXO_ADD_A : AUXO_ADD_B);
    else
        add_f32(built, AUXO_ADD_Y, &row->extent);
}

static double bound_terms(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude)
{
    (void)tested, (void)slot, (void)element, (void)expected;
    return 4 * AUXO__UNIT_ROUNDOFF * magnitude;
}

const auxo__suite auxo__suite_add = {sizeof add_cases / sizeof add_cases[0], 3, build_add, bound_terms, true,
                                     sizeof add_cases / sizeof add_cases[0]};

/* ---- bias_add, scale: X (outer, channels, inner) -------------------------------------------------------------------
 */

typedef struct channel_case {
    int64_t outer, channels, inner;
    auxo_activation activation; /* bias_add */
    int flags;
} channel_case;

static const channel_case channel_cases[] = {
    {4, 7, 9, AUXO_ACTIVATION_IDENTITY, 0},     {33, 10, 1, AUXO_ACTIVATION_RELU, IN_PLACE},
    {1, 65, 17, AUXO_ACTIVATION_TANH, 0},       {0, 4, 3, AUXO_ACTIVATION_IDENTITY, 0},
    {2, 0, 3, AUXO_ACTIVATION_IDENTITY, 0},     {1, 1, 1, AUXO_ACTIVATION_SIGMOID, 0},
    {127, 3, 31, AUXO_ACTIVATION_SELU, 0},      {5, 129, 64, AUXO_ACTIVATION_LEAKY_RELU, IN_PLACE},
    {257, 127, 1, AUXO_ACTIVATION_IDENTITY, 0}, {2, 3, 4099, AUXO_ACTIVATION_ELU, IN_PLACE},
};

enum { CHANNEL_COUNT = sizeof channel_cases / sizeof channel_cases[0], CHANNEL_QUICK = 3 };

/* bias_add and scale have the same three slots. */
static const channel_case *begin_channels(auxo__case *built, size_t index)
{
    const channel_case *row = &channel_cases[index];
    auxo__case_text(built, "(%lld,%lld,%lld)%s", (long long)row->outer, (long long)row->channels, (long long)row->inner,
                    row->flags ? " in place" : "");
    AUXO__INPUT(built, AUXO_BIAS_ADD_X, row->outer, row->channels, row->inner);
    AUXO__INPUT(built, AUXO_BIAS_ADD_BIAS, row->channels);
    if (row->flags & IN_PLACE)
        auxo__case_in_place(built, AUXO_BIAS_ADD_Y, AUXO_BIAS_ADD_X);
    else
        AUXO__F32(built, AUXO_BIAS_ADD_Y, row->outer, row->channels, row->inner);
    return row;
}

static void build_bias_add(auxo__case *built, size_t index)
{
    const channel_case *row = begin_channels(built, index);
    built->op.params.activation = (auxo_activation_params){row->activation, 0.3f};
    auxo__case_text(built, " %s", auxo_activation_noun(row->activation));
}

static double bound_bias_add(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                             double magnitude)
{
    (void)slot, (void)element;
    return auxo__activation_bound(tested->op.params.activation.activation, tested->op.params.activation.slope, expected,
                                  2 * AUXO__UNIT_ROUNDOFF * magnitude);
}

static void build_scale(auxo__case *built, size_t index)
{
    begin_channels(built, index);
}

const auxo__suite auxo__suite_bias_add = {CHANNEL_COUNT,  CHANNEL_QUICK, build_bias_add,
                                          bound_bias_add, true,          CHANNEL_COUNT};
const auxo__suite auxo__suite_scale = {CHANNEL_COUNT, CHANNEL_QUICK, build_scale, bound_terms, true, CHANNEL_COUNT};

/* ---- fill, copy, counter_add ---------------------------------------------------------------------------------------
 */

typedef struct fill_case {
    auxo_dtype dtype;
    shape extent;
    float value;
} fill_case;

static const fill_case fill_cases[] = {
    {AUXO_DTYPE_F32, {2, {9, 37}}, 1.5f},
    {AUXO_DTYPE_U32, {1, {127}}, 7},
    {AUXO_DTYPE_F32, {1, {0}}, 1},
    {AUXO_DTYPE_U8, {1, {33}}, 255},
    {AUXO_DTYPE_F16, {1, {65}}, -0.5f},
    {AUXO_DTYPE_F32, {1, {1}}, -2},
    {AUXO_DTYPE_U32, {1, {1}}, 3.75f},
    {AUXO_DTYPE_F32, {1, {70001}}, 0},
    {AUXO_DTYPE_U8, {2, {3, 1001}}, 0},
    {AUXO_DTYPE_F16, {1, {1}}, 2},
    {AUXO_DTYPE_F32, {4, {1, 2, 3, 5}}, -1},
    {AUXO_DTYPE_BF16, {1, {65}}, -0.5f},
    {AUXO_DTYPE_BF16, {2, {3, 1001}}, 1.00390625f},
    {AUXO_DTYPE_F16, {2, {33, 1001}}, 0.1f},
};

static void build_fill(auxo__case *built, size_t index)
{
    const fill_case *row = &fill_cases[index];
    built->op.params.fill.value = row->value;
    auxo__case_text(built, "%s value=%g ", auxo_dtype_text(row->dtype), (double)row->value);
    describe_shape(built, &row->extent, 0);
    auxo__case_tensor(built, AUXO_FILL_Y, row->dtype, row->extent.rank, row->extent.dims);
}

const auxo__suite auxo__suite_fill = {sizeof fill_cases / sizeof fill_cases[0], 2, build_fill, NULL, false, 0};

typedef struct copy_case {
    auxo_dtype from, to;
    shape extent;
    int64_t from_strides[AUXO_RANK_MAX], to_strides[AUXO_RANK_MAX]; /* all 0: contiguous */
    float scale;
    bool accumulate;
} copy_case;

static const copy_case copy_cases[] = {
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, {2, {9, 37}}, {40, 1}, {1, 9}, 1, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, {3, {3, 5, 7}}, {0}, {70, 10, 1}, -0.5f, true},
    {AUXO_DTYPE_U32, AUXO_DTYPE_U32, {1, {127}}, {2}, {0}, 1, false},
    {AUXO_DTYPE_U8, AUXO_DTYPE_F32, {2, {5, 33}}, {0}, {0}, 0.00390625f, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F16, {1, {257}}, {0}, {0}, 1, false},
    {AUXO_DTYPE_F16, AUXO_DTYPE_F32, {1, {129}}, {3}, {0}, 2, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_U8, {1, {65}}, {0}, {0}, 1, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_U32, {1, {63}}, {0}, {2}, 2, false},
    {AUXO_DTYPE_U8, AUXO_DTYPE_U32, {1, {31}}, {0}, {0}, 1, false},
    {AUXO_DTYPE_U8, AUXO_DTYPE_U8, {2, {3, 11}}, {13, 1}, {17, 1}, 1, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, {4, {2, 3, 5, 7}}, {105, 1, 21, 3}, {0}, 1, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, {2, {33, 65}}, {0, 1}, {65, 1}, 1, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, {1, {0}}, {0}, {0}, 1, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, {1, {1}}, {0}, {0}, 3, true},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, {1, {70001}}, {0}, {0}, 1, true},
    {AUXO_DTYPE_F16, AUXO_DTYPE_F16, {2, {7, 9}}, {1, 7}, {0}, 1, false},
    {AUXO_DTYPE_U32, AUXO_DTYPE_U8, {1, {259}}, {0}, {0}, 1, false},
    {AUXO_DTYPE_U32, AUXO_DTYPE_U8, {2, {5, 9}}, {11, 1}, {0}, 1, false},
    {AUXO_DTYPE_U32, AUXO_DTYPE_U8, {1, {65}}, {0}, {0}, 0.00000002f, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_BF16, {1, {257}}, {0}, {0}, 1, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_BF16, {2, {33, 1025}}, {1027, 1}, {0}, 1, false},
    {AUXO_DTYPE_BF16, AUXO_DTYPE_F32, {1, {129}}, {3}, {0}, 2, false},
    {AUXO_DTYPE_BF16, AUXO_DTYPE_F32, {1, {70001}}, {0}, {0}, 1, false},
    {AUXO_DTYPE_BF16, AUXO_DTYPE_BF16, {3, {3, 5, 7}}, {70, 10, 1}, {0}, 1, false},
    {AUXO_DTYPE_BF16, AUXO_DTYPE_BF16, {2, {7, 9}}, {1, 7}, {0}, 0.5f, false},
    {AUXO_DTYPE_F16, AUXO_DTYPE_BF16, {1, {65}}, {0}, {0}, 1, false},
    {AUXO_DTYPE_F16, AUXO_DTYPE_F16, {2, {5, 1031}}, {0}, {1033, 1}, 0.5f, false},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F16, {1, {70001}}, {0}, {0}, 3, false},
    {AUXO_DTYPE_U8, AUXO_DTYPE_BF16, {1, {65}}, {0}, {0}, 0.00390625f, false},
};

static void build_copy(auxo__case *built, size_t index)
{
    const copy_case *row = &copy_cases[index];
    auxo_tensor contiguous = auxo_tensor_make(NULL, 0, AUXO_DTYPE_F32, row->extent.rank, row->extent.dims);
    int64_t sum_from = 0, sum_to = 0;
    for (uint32_t axis = 0; axis < row->extent.rank; axis++) {
        sum_from += row->from_strides[axis];
        sum_to += row->to_strides[axis];
    }
    built->op.params.copy = (auxo_copy_params){row->scale, row->accumulate};
    auxo__case_text(built, "%s to %s scale=%g%s%s ", auxo_dtype_text(row->from), auxo_dtype_text(row->to),
                    (double)row->scale, row->accumulate ? " accumulate" : "", sum_from || sum_to ? " strided" : "");
    describe_shape(built, &row->extent, 0);
    auxo__case_strided(built, AUXO_COPY_X, row->from, row->extent.rank, row->extent.dims,
                       sum_from ? row->from_strides : contiguous.strides);
    auxo__case_strided(built, AUXO_COPY_Y, row->to, row->extent.rank, row->extent.dims,
                       sum_to ? row->to_strides : contiguous.strides);
    bool from_integer = row->from == AUXO_DTYPE_U32 || row->from == AUXO_DTYPE_U8;
    bool to_integer = row->to == AUXO_DTYPE_U32 || row->to == AUXO_DTYPE_U8;
    if (row->from == AUXO_DTYPE_U32)
        auxo__case_integers(built, AUXO_COPY_X, UINT32_MAX);
    else if (from_integer)
        auxo__case_integers(built, AUXO_COPY_X, 256);
    else
        auxo__case_uniform(built, AUXO_COPY_X, to_integer ? 0 : -4, to_integer ? 255 : 4);
    if (row->accumulate)
        auxo__case_uniform(built, AUXO_COPY_Y, -1, 1);
}

static double bound_copy(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude)
{
    const auxo_copy_params *params = &tested->op.params.copy;
    bool exact = params->scale == 1 && !params->accumulate &&
                 tested->op.tensors[AUXO_COPY_X].dtype == tested->op.tensors[AUXO_COPY_Y].dtype;
    return exact ? 0 : bound_terms(tested, slot, element, expected, magnitude);
}

const auxo__suite auxo__suite_copy = {sizeof copy_cases / sizeof copy_cases[0], 6, build_copy, bound_copy, true, 0};

typedef struct multiply_add_case {
    float a, b;
    uint32_t count;
    shape extent;
    int flags;
} multiply_add_case;

static const multiply_add_case multiply_add_cases[] = {
    {0.5f, -0.25f, 3, {2, {9, 37}}, 0},  {-0.75f, 0.125f, 70, {1, {127}}, IN_PLACE},
    {0.25f, 1, 0, {1, {33}}, 0},         {0.5f, 0.5f, 9, {1, {0}}, 0},
    {-0.5f, 0, 1, {1, {1}}, 0},          {0.75f, -1, 33, {1, {4097}}, 0},
    {-0.25f, 0.5f, 17, {1, {70001}}, 0},
};

static void build_multiply_add(auxo__case *built, size_t index)
{
    const multiply_add_case *row = &multiply_add_cases[index];
    built->op.params.multiply_add = (auxo_multiply_add_params){row->a, row->b, row->count};
    auxo__case_text(built, "a=%g b=%g count=%u ", (double)row->a, (double)row->b, (unsigned)row->count);
    describe_shape(built, &row->extent, row->flags);
    add_f32(built, AUXO_MULTIPLY_ADD_X, &row->extent);
    auxo__case_uniform(built, AUXO_MULTIPLY_ADD_X, -1, 1);
    if (row->flags & IN_PLACE)
        auxo__case_in_place(built, AUXO_MULTIPLY_ADD_Y, AUXO_MULTIPLY_ADD_X);
    else
        add_f32(built, AUXO_MULTIPLY_ADD_Y, &row->extent);
}

static double bound_multiply_add(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                 double magnitude)
{
    (void)slot, (void)element, (void)expected, (void)magnitude;
    const auxo_multiply_add_params *params = &tested->op.params.multiply_add;
    const double a = fabs((double)params->a), b = fabs((double)params->b);
    if (params->count == 0)
        return 0;
    return 2 * AUXO__UNIT_ROUNDOFF * (a * fmax(1, b / (1 - a)) + b) / (1 - a);
}

const auxo__suite auxo__suite_multiply_add = {
    sizeof multiply_add_cases / sizeof multiply_add_cases[0], 2, build_multiply_add, bound_multiply_add, false, 0};

static void build_counter_add(auxo__case *built, size_t index)
{
    static const uint32_t increments[][4] = {{1, 1, 0, 0}, {0, 0, 0, 0}, {1, UINT32_MAX, 7, 100}};
    for (size_t i = 0; i < 4; i++)
        built->op.params.counter_add.increments[i] = increments[index][i];
    auxo__case_text(built, "+= {%u,%u,%u,%u}", (unsigned)increments[index][0], (unsigned)increments[index][1],
                    (unsigned)increments[index][2], (unsigned)increments[index][3]);
    auxo__case_counter(built, AUXO_COUNTER_ADD_COUNTER, UINT32_MAX, 5, 1000);
}

const auxo__suite auxo__suite_counter_add = {3, 3, build_counter_add, NULL, false, 0};

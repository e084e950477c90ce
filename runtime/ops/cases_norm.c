/* runtime/ops/cases_norm.c: conformance cases of reductions over channels, batch normalisation and softmax.
 *
 * Sums are bounded by (8 + log2 n) u S: pairwise or compensated. Batch normalisation subtracts a mean first, so its
 * bounds scale with the largest |x|, and cases with a mean far above the deviation catch one-pass variances.
 */
#include "verify_case.h"

#include <math.h>

static const char *const reduce_names[] = {
#define NOUN(name, noun) #noun,
    AUXO_REDUCE_TABLE(NOUN)
#undef NOUN
};

/* ---- reduce --------------------------------------------------------------------------------------------------------
 */

typedef struct reduce_case {
    int64_t outer, channels, inner;
    auxo_reduce_kind kind;
} reduce_case;

static const reduce_case reduce_cases[] = {
    {4, 7, 9, AUXO_REDUCE_SUM},        {33, 10, 1, AUXO_REDUCE_MEAN},      {1, 5, 129, AUXO_REDUCE_MAX},
    {2, 3, 65, AUXO_REDUCE_MIN},       {9, 33, 4, AUXO_REDUCE_SUM_ABS},    {127, 3, 2, AUXO_REDUCE_SUM_SQUARES},
    {3, 17, 5, AUXO_REDUCE_MAX_ABS},   {0, 4, 3, AUXO_REDUCE_SUM},         {3, 4, 0, AUXO_REDUCE_MEAN},
    {0, 4, 3, AUXO_REDUCE_MAX},        {0, 4, 3, AUXO_REDUCE_MIN},         {3, 0, 5, AUXO_REDUCE_SUM},
    {1, 1, 1, AUXO_REDUCE_SUM},        {1, 1, 100003, AUXO_REDUCE_SUM},    {100003, 1, 1, AUXO_REDUCE_MEAN},
    {257, 127, 3, AUXO_REDUCE_SUM},    {1, 1, 70001, AUXO_REDUCE_MAX},     {31, 2, 1025, AUXO_REDUCE_SUM_SQUARES},
    {2, 1000, 1, AUXO_REDUCE_MAX_ABS}, {0, 2, 1, AUXO_REDUCE_SUM_SQUARES}, {0, 2, 1, AUXO_REDUCE_MAX_ABS},
    {1000, 5, 1, AUXO_REDUCE_SUM_ABS},
};

enum { REDUCE_COUNT = sizeof reduce_cases / sizeof reduce_cases[0] };

static const auxo__special_row special_reductions[] = {
    {0, AUXO__NAN},       {1, AUXO__NAN},      {2, AUXO__NAN},      {3, AUXO__NAN},       {4, AUXO__NAN},
    {5, AUXO__NAN},       {6, AUXO__NAN},      {13, AUXO__NAN},     {16, AUXO__NAN},      {18, AUXO__NAN},
    {14, AUXO__NAN},      {0, AUXO__INFINITE}, {1, AUXO__INFINITE}, {2, AUXO__INFINITE},  {3, AUXO__INFINITE},
    {4, AUXO__INFINITE},  {5, AUXO__INFINITE}, {6, AUXO__INFINITE}, {18, AUXO__INFINITE}, {21, AUXO__INFINITE},
    {15, AUXO__INFINITE}, {5, AUXO__LARGE},    {5, AUXO__SMALL},    {1, AUXO__LARGE},     {0, AUXO__SMALL},
};

static void build_reduce(auxo__case *built, size_t index)
{
    const auxo__special_row *special = index < REDUCE_COUNT ? NULL : &special_reductions[index - REDUCE_COUNT];
    const reduce_case *row = &reduce_cases[special ? special->base : index];
    built->op.params.reduce.kind = row->kind;
    auxo__case_text(built, "%s (%lld,%lld,%lld)", reduce_names[row->kind], (long long)row->outer,
                    (long long)row->channels, (long long)row->inner);
    AUXO__INPUT(built, AUXO_REDUCE_X, row->outer, row->channels, row->inner);
    if (special)
        auxo__case_special(built, AUXO_REDUCE_X, special->special);
    AUXO__F32(built, AUXO_REDUCE_Y, row->channels);
}

/* Of `terms` values whose absolute values reduce to `magnitude`; maxima and minima are exact. */
static double reduction_bound(auxo_reduce_kind kind, int64_t terms, double magnitude)
{
    if (kind == AUXO_REDUCE_MAX || kind == AUXO_REDUCE_MIN || kind == AUXO_REDUCE_MAX_ABS)
        return 0;
    return (8 + auxo__log2_ceil(terms)) * AUXO__UNIT_ROUNDOFF * magnitude;
}

static double bound_reduce(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude)
{
    const int64_t *dims = tested->op.tensors[AUXO_REDUCE_X].dims;
    (void)slot, (void)element, (void)expected;
    return reduction_bound(tested->op.params.reduce.kind, dims[0] * dims[2], magnitude);
}

const auxo__suite auxo__suite_reduce = {REDUCE_COUNT + sizeof special_reductions / sizeof special_reductions[0],
                                        7,
                                        build_reduce,
                                        bound_reduce,
                                        true,
                                        REDUCE_COUNT};

/* ---- segment_reduce ------------------------------------------------------------------------------------------------
 */

typedef struct segment_case {
    int64_t n, segments;
    auxo_reduce_kind kind;
    bool dot, empty; /* empty: every third segment has no element */
} segment_case;

static const segment_case segment_cases[] = {
    {127, 5, AUXO_REDUCE_SUM, false, false},       {1000, 33, AUXO_REDUCE_SUM, true, true},
    {65, 7, AUXO_REDUCE_MAX_ABS, false, true},     {257, 9, AUXO_REDUCE_SUM_SQUARES, false, false},
    {0, 4, AUXO_REDUCE_SUM, false, false},         {33, 0, AUXO_REDUCE_SUM, false, false},
    {1, 1, AUXO_REDUCE_SUM, true, false},          {129, 6, AUXO_REDUCE_MEAN, false, true},
    {129, 6, AUXO_REDUCE_MAX, false, true},        {129, 6, AUXO_REDUCE_MIN, false, true},
    {4099, 127, AUXO_REDUCE_SUM_ABS, false, true}, {70001, 2, AUXO_REDUCE_SUM, true, false},
    {0, 3, AUXO_REDUCE_SUM, true, false},
};

enum { SEGMENT_COUNT = sizeof segment_cases / sizeof segment_cases[0] };

/* Every row with a NaN, then every row with infinities. */
static void build_segment_reduce(auxo__case *built, size_t index)
{
    const segment_case *row = &segment_cases[index % SEGMENT_COUNT];
    built->op.params.segment_reduce = (auxo_segment_reduce_params){row->kind, row->dot};
    auxo__case_text(built, "%s n=%lld segments=%lld%s", row->dot ? "dot" : reduce_names[row->kind], (long long)row->n,
                    (long long)row->segments, row->empty ? " some empty" : "");
    AUXO__INPUT(built, AUXO_SEGMENT_REDUCE_A, row->n);
    if (index >= SEGMENT_COUNT)
        auxo__case_special(built, AUXO_SEGMENT_REDUCE_A, index < 2 * SEGMENT_COUNT ? AUXO__NAN : AUXO__INFINITE);
    if (row->dot)
        AUXO__INPUT(built, AUXO_SEGMENT_REDUCE_B, row->n);
    AUXO__U32(built, AUXO_SEGMENT_REDUCE_OFFSETS, row->segments + 1);
    AUXO__F32(built, AUXO_SEGMENT_REDUCE_Y, row->segments);
    int64_t offset = 0;
    for (int64_t s = 0; s <= row->segments; s++) {
        bool repeats = row->empty && s % 3 == 2;
        if (!repeats)
            offset = row->segments ? s * row->n / row->segments : 0;
        auxo__case_set(built, AUXO_SEGMENT_REDUCE_OFFSETS, s, (double)offset);
    }
}

static double bound_segment_reduce(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                   double magnitude)
{
    const auxo_segment_reduce_params *params = &tested->op.params.segment_reduce;
    (void)slot, (void)element, (void)expected;
    return reduction_bound(params->dot ? AUXO_REDUCE_SUM : params->kind,
                           tested->op.tensors[AUXO_SEGMENT_REDUCE_A].dims[0], magnitude);
}

const auxo__suite auxo__suite_segment_reduce = {3 * SEGMENT_COUNT,    4,    build_segment_reduce,
                                                bound_segment_reduce, true, 0};

/* ---- batch_norm ----------------------------------------------------------------------------------------------------
 */

typedef struct batch_norm_case {
    int64_t n, c, inner;
    bool training; /* forward */
    float mean;    /* of the inputs, whose deviation is about 0.6 */
    auxo_activation activation;
} batch_norm_case;

static const batch_norm_case batch_norm_cases[] = {
    {8, 3, 25, true, 0, AUXO_ACTIVATION_IDENTITY},     {33, 7, 1, true, 0.5f, AUXO_ACTIVATION_RELU},
    {4, 5, 9, false, 0, AUXO_ACTIVATION_IDENTITY},     {2, 17, 64, true, -3, AUXO_ACTIVATION_SELU},
    {2, 0, 4, true, 0, AUXO_ACTIVATION_IDENTITY},      {2, 1, 1, true, 0, AUXO_ACTIVATION_IDENTITY},
    {0, 3, 4, false, 0, AUXO_ACTIVATION_IDENTITY},     {1, 1, 1, false, 0, AUXO_ACTIVATION_TANH},
    {127, 2, 33, true, 100, AUXO_ACTIVATION_RELU},     {1, 129, 31, true, 0, AUXO_ACTIVATION_IDENTITY},
    {5, 65, 7, false, 2, AUXO_ACTIVATION_LEAKY_RELU},  {16, 2, 1025, true, 10, AUXO_ACTIVATION_IDENTITY},
    {16, 3, 33, true, 1e4f, AUXO_ACTIVATION_IDENTITY}, {4, 2, 2500, true, -1e4f, AUXO_ACTIVATION_TANH},
};

enum {
    BATCH_NORM_COUNT = sizeof batch_norm_cases / sizeof batch_norm_cases[0],
    BATCH_NORM_QUICK = 4,
    BATCH_NORM_HALF = 12
};

static const auxo__special_row special_norms[] = {
    {0, AUXO__NAN}, {3, AUXO__NAN}, {11, AUXO__NAN}, {10, AUXO__NAN}, {0, AUXO__LARGE}, {7, AUXO__NAN},
};

enum { SPECIAL_NORMS = sizeof special_norms / sizeof special_norms[0] };

static const batch_norm_case *begin_batch_norm(auxo__case *built, size_t index)
{
    const batch_norm_case *row =
        &batch_norm_cases[index < BATCH_NORM_COUNT ? index : special_norms[index - BATCH_NORM_COUNT].base];
    built->op.params.batch_norm = (auxo_batch_norm_params){
        .training = row->training, .epsilon = 1e-3f, .momentum = 0.125f, .activation = row->activation, .slope = 0.3f};
    auxo__case_text(built, "X=(%lld,%lld,%lld) mean %g %s", (long long)row->n, (long long)row->c, (long long)row->inner,
                    (double)row->mean, row->training ? "training" : "inference");
    return row;
}

static void add_channel_values(auxo__case *built, uint32_t slot, int64_t channels, double low, double high)
{
    AUXO__F32(built, slot, channels);
    auxo__case_uniform(built, slot, low, high);
}

static void build_batch_norm_forward(auxo__case *built, size_t index)
{
    const batch_norm_case *row = begin_batch_norm(built, index);
    double mean = (double)row->mean;
    AUXO__F32(built, AUXO_BATCH_NORM_X, row->n, row->c, row->inner);
    auxo__case_uniform(built, AUXO_BATCH_NORM_X, mean - 1, mean + 1);
    if (index >= BATCH_NORM_COUNT)
        auxo__case_special(built, AUXO_BATCH_NORM_X, special_norms[index - BATCH_NORM_COUNT].special);
    add_channel_values(built, AUXO_BATCH_NORM_GAMMA, row->c, -1.5, 1.5);
    add_channel_values(built, AUXO_BATCH_NORM_BETA, row->c, -1, 1);
    add_channel_values(built, AUXO_BATCH_NORM_RUNNING_MEAN, row->c, mean - 1, mean + 1);
    add_channel_values(built, AUXO_BATCH_NORM_RUNNING_VAR, row->c, 0.25, 2);
    AUXO__F32(built, AUXO_BATCH_NORM_Y, row->n, row->c, row->inner);
    if (row->training) {
        AUXO__F32(built, AUXO_BATCH_NORM_SAVED_MEAN, row->c);
        AUXO__F32(built, AUXO_BATCH_NORM_SAVED_INVSTD, row->c);
    }
    bool large = index >= BATCH_NORM_COUNT && special_norms[index - BATCH_NORM_COUNT].special == AUXO__LARGE;
    built->scale = (fabs(mean) + 1) * (large ? 0x1p60 : 1);
}

static double bound_batch_norm_forward(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                       double magnitude)
{
    const auxo_batch_norm_params *params = &tested->op.params.batch_norm;
    const int64_t *dims = tested->op.tensors[AUXO_BATCH_NORM_X].dims;
    /* invstd is at most 3, but up to 30 when there are only a few elements */
    const double u = AUXO__UNIT_ROUNDOFF, largest_x = tested->scale * (dims[0] * dims[2] < 8 ? 10 : 1);
    (void)magnitude;
    if (slot != AUXO_BATCH_NORM_Y) {
        /* inference leaves the running values alone */
        return params->training ? 64 * u * (largest_x + fabs(expected) * (1 + 3 * largest_x)) : 0;
    }
    /* x - mean has few roundings of its own, and the mean is good to far more than f32 */
    const double deviation = fmin(largest_x, 10) + 0x1p-12 * fmin(largest_x, 1e6);
    int64_t channel = element / dims[2] % dims[1];
    double gamma = fabs(auxo__case_get(tested, AUXO_BATCH_NORM_GAMMA, channel));
    double beta = fabs(auxo__case_get(tested, AUXO_BATCH_NORM_BETA, channel));
    return auxo__activation_bound(params->activation, params->slope, expected,
                                  64 * u * (gamma * 3 * deviation + beta + fabs(expected)));
}

static void build_batch_norm_backward(auxo__case *built, size_t index)
{
    const batch_norm_case *row = begin_batch_norm(built, index);
    double mean = (double)row->mean;
    AUXO__F32(built, AUXO_BATCH_NORM_B_X, row->n, row->c, row->inner);
    auxo__case_uniform(built, AUXO_BATCH_NORM_B_X, mean - 1, mean + 1);
    add_channel_values(built, AUXO_BATCH_NORM_B_GAMMA, row->c, -1.5, 1.5);
    add_channel_values(built, AUXO_BATCH_NORM_B_SAVED_MEAN, row->c, mean - 0.1, mean + 0.1);
    add_channel_values(built, AUXO_BATCH_NORM_B_SAVED_INVSTD, row->c, 1.5, 2);
    AUXO__INPUT(built, AUXO_BATCH_NORM_B_DY, row->n, row->c, row->inner);
    if (index >= BATCH_NORM_COUNT)
        auxo__case_special(built, index % 2 ? AUXO_BATCH_NORM_B_DY : AUXO_BATCH_NORM_B_X, AUXO__NAN);
    AUXO__F32(built, AUXO_BATCH_NORM_B_DX, row->n, row->c, row->inner);
    AUXO__F32(built, AUXO_BATCH_NORM_B_DGAMMA, row->c);
    AUXO__F32(built, AUXO_BATCH_NORM_B_DBETA, row->c);
    built->scale = fabs(mean) + 1;
}

/* |dy| <= 1 and |xhat| <= 2.2 here; xhat itself is off by about u largest_x. */
static double bound_batch_norm_backward(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                        double magnitude)
{
    const int64_t *dims = tested->op.tensors[AUXO_BATCH_NORM_B_X].dims;
    const double u = AUXO__UNIT_ROUNDOFF, count = (double)(dims[0] * dims[2]);
    double sum_bound = (8 + auxo__log2_ceil(dims[0] * dims[2])) * u * count;
    (void)element, (void)expected, (void)magnitude;
    if (slot == AUXO_BATCH_NORM_B_DBETA)
        return sum_bound;
    if (slot == AUXO_BATCH_NORM_B_DGAMMA)
        return 3 * sum_bound + 8 * u * tested->scale * count;
    return 128 * u * (1 + tested->scale);
}

const auxo__suite auxo__suite_batch_norm_forward = {BATCH_NORM_COUNT + SPECIAL_NORMS,
                                                    BATCH_NORM_QUICK,
                                                    build_batch_norm_forward,
                                                    bound_batch_norm_forward,
                                                    false,
                                                    BATCH_NORM_HALF};
const auxo__suite auxo__suite_batch_norm_backward = {BATCH_NORM_COUNT + SPECIAL_NORMS,
                                                     BATCH_NORM_QUICK,
                                                     build_batch_norm_backward,
                                                     bound_batch_norm_backward,
                                                     false,
                                                     BATCH_NORM_HALF};

/* ---- softmax -------------------------------------------------------------------------------------------------------
 */

typedef struct softmax_case {
    int64_t rows, classes;
    float range; /* of the inputs */
    bool in_place;
} softmax_case;

static const softmax_case softmax_cases[] = {
    {33, 10, 3, false}, {5, 127, 10, true}, {65, 3, 1000, false}, {0, 4, 1, false},  {4, 0, 1, false},
    {1, 1, 1, false},   {257, 2, 5, false}, {2, 1025, 1, true},   {3, 33, 0, false},
};

enum { SOFTMAX_COUNT = sizeof softmax_cases / sizeof softmax_cases[0] };

static const auxo__special_row special_rows[] = {
    {0, AUXO__NAN}, {1, AUXO__NAN}, {0, AUXO__INFINITE}, {7, AUXO__NAN}, {7, AUXO__INFINITE}, {6, AUXO__LARGE},
};

static void build_softmax(auxo__case *built, size_t index)
{
    const auxo__special_row *special = index < SOFTMAX_COUNT ? NULL : &special_rows[index - SOFTMAX_COUNT];
    const softmax_case *row = &softmax_cases[special ? special->base : index];
    auxo__case_text(built, "(%lld,%lld) |x| <= %g%s", (long long)row->rows, (long long)row->classes, (double)row->range,
                    row->in_place ? " in place" : "");
    AUXO__F32(built, AUXO_SOFTMAX_X, row->rows, row->classes);
    auxo__case_uniform(built, AUXO_SOFTMAX_X, -(double)row->range, (double)row->range);
    if (special)
        auxo__case_special(built, AUXO_SOFTMAX_X, special->special);
    if (row->in_place)
        auxo__case_in_place(built, AUXO_SOFTMAX_Y, AUXO_SOFTMAX_X);
    else
        AUXO__F32(built, AUXO_SOFTMAX_Y, row->rows, row->classes);
}

static double bound_softmax(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude)
{
    (void)tested, (void)slot, (void)element, (void)magnitude;
    return AUXO__UNIT_ROUNDOFF * (8 + 64 * expected);
}

const auxo__suite auxo__suite_softmax = {
    SOFTMAX_COUNT + sizeof special_rows / sizeof special_rows[0], 3, build_softmax, bound_softmax, false, 0};

/* runtime/ops/cases_pruning.c: conformance cases of group norms, penalties, the kept scan and selection by index. */
#include "verify_case.h"

#include <math.h>

/* ---- group_norm ----------------------------------------------------------------------------------------------------
 */

typedef struct norm_case {
    int64_t groups, size;
    auxo_norm_kind kind;
    bool bias;
} norm_case;

static const norm_case norm_cases[] = {
    {7, 33, AUXO_NORM_L1, true},    {33, 9, AUXO_NORM_L2, false},      {5, 127, AUXO_NORM_LINF, true},
    {10, 65, AUXO_NORM_MEAN, true}, {17, 5, AUXO_NORM_RMS, false},     {9, 31, AUXO_NORM_WEIGHTED_L1, true},
    {0, 5, AUXO_NORM_L1, true},     {5, 0, AUXO_NORM_L2, false},       {5, 0, AUXO_NORM_MEAN, false},
    {5, 0, AUXO_NORM_LINF, true},   {1, 1, AUXO_NORM_RMS, true},       {3, 10007, AUXO_NORM_L1, false},
    {257, 3, AUXO_NORM_L2, true},   {2, 4099, AUXO_NORM_LINF, false},  {1000, 1, AUXO_NORM_WEIGHTED_L1, false},
    {5, 0, AUXO_NORM_RMS, false},   {129, 129, AUXO_NORM_MEAN, false},
};

enum { NORM_COUNT = sizeof norm_cases / sizeof norm_cases[0] };

/* Rows of the table; a sum of squares that leaves the range of f32 must not take the norm with it. */
typedef struct special_norm {
    size_t base;
    auxo__special special;
    uint32_t slot;
    int times; /* the special value is set so often: 2^120, 2^-100 */
} special_norm;

static const special_norm special_norms[] = {
    {0, AUXO__NAN, AUXO_GROUP_NORM_W, 1},      {1, AUXO__NAN, AUXO_GROUP_NORM_W, 1},
    {2, AUXO__NAN, AUXO_GROUP_NORM_W, 1},      {3, AUXO__NAN, AUXO_GROUP_NORM_W, 1},
    {4, AUXO__NAN, AUXO_GROUP_NORM_W, 1},      {5, AUXO__NAN, AUXO_GROUP_NORM_BIAS, 1},
    {2, AUXO__NAN, AUXO_GROUP_NORM_BIAS, 1},   {12, AUXO__NAN, AUXO_GROUP_NORM_BIAS, 1},
    {13, AUXO__NAN, AUXO_GROUP_NORM_W, 1},     {0, AUXO__INFINITE, AUXO_GROUP_NORM_W, 1},
    {1, AUXO__INFINITE, AUXO_GROUP_NORM_W, 1}, {2, AUXO__INFINITE, AUXO_GROUP_NORM_W, 1},
    {4, AUXO__INFINITE, AUXO_GROUP_NORM_W, 1}, {1, AUXO__LARGE, AUXO_GROUP_NORM_W, 2},
    {4, AUXO__LARGE, AUXO_GROUP_NORM_W, 2},    {1, AUXO__SMALL, AUXO_GROUP_NORM_W, 2},
    {4, AUXO__SMALL, AUXO_GROUP_NORM_W, 2},    {12, AUXO__LARGE, AUXO_GROUP_NORM_BIAS, 2},
};

static void build_group_norm(auxo__case *built, size_t index)
{
    const special_norm *special = index < NORM_COUNT ? NULL : &special_norms[index - NORM_COUNT];
    static const char *const kinds[] = {
#define NOUN(name, noun) #noun,
        AUXO_NORM_TABLE(NOUN)
#undef NOUN
    };
    const norm_case *row = &norm_cases[special ? special->base : index];
    built->op.params.group_norm.kind = row->kind;
    auxo__case_text(built, "%s W=(%lld,%lld)%s", kinds[row->kind], (long long)row->groups, (long long)row->size,
                    row->bias ? " bias" : "");
    AUXO__INPUT(built, AUXO_GROUP_NORM_W, row->groups, row->size);
    if (row->bias)
        AUXO__INPUT(built, AUXO_GROUP_NORM_BIAS, row->groups);
    for (int i = 0; special && i < special->times; i++)
        auxo__case_special(built, special->slot, special->special);
    AUXO__F32(built, AUXO_GROUP_NORM_NORM, row->groups);
}

static double bound_group_norm(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                               double magnitude)
{
    int64_t terms = tested->op.tensors[AUXO_GROUP_NORM_W].dims[1] + 1;
    (void)slot, (void)element, (void)magnitude;
    if (tested->op.params.group_norm.kind == AUXO_NORM_LINF)
        return 0;
    return (12 + auxo__log2_ceil(terms)) * AUXO__UNIT_ROUNDOFF * expected;
}

const auxo__suite auxo__suite_group_norm = {
    NORM_COUNT + sizeof special_norms / sizeof special_norms[0], 6, build_group_norm, bound_group_norm, false, 0};

/* ---- penalty -------------------------------------------------------------------------------------------------------
 */

typedef struct penalty_case {
    int64_t groups, size;
    auxo_penalty_kind kind;
    bool proximal, bias, coef, value;
    float strength;
} penalty_case;

static const penalty_case penalty_cases[] = {
    {7, 33, AUXO_PENALTY_L1, false, true, false, true, 0.5f},
    {9, 17, AUXO_PENALTY_WEIGHTED_L1, true, true, true, true, 0.25f},
    {5, 65, AUXO_PENALTY_L21, true, false, true, true, 2},
    {6, 31, AUXO_PENALTY_LINF1, true, true, false, true, 3},
    {33, 5, AUXO_PENALTY_L2_SQUARED, false, false, true, true, 1},
    {4, 9, AUXO_PENALTY_LINF1, false, true, true, true, 1},
    {8, 12, AUXO_PENALTY_L21, false, true, false, false, 1},
    {3, 127, AUXO_PENALTY_L1, true, false, false, true, 0.5f},
    {3, 127, AUXO_PENALTY_L2_SQUARED, true, true, true, true, 0.5f},
    {0, 5, AUXO_PENALTY_L1, false, true, true, true, 1},
    {5, 0, AUXO_PENALTY_L21, true, false, false, true, 1},
    {5, 0, AUXO_PENALTY_LINF1, false, true, false, true, 1},
    {1, 1, AUXO_PENALTY_LINF1, true, false, false, true, 100},
    {2, 3, AUXO_PENALTY_L21, true, true, false, true, 1000},
    {257, 3, AUXO_PENALTY_WEIGHTED_L1, false, false, false, true, 0.001f},
    {2, 2049, AUXO_PENALTY_LINF1, true, false, false, true, 5},
    {3, 4099, AUXO_PENALTY_L21, false, false, true, true, 1},
    {4, 7, AUXO_PENALTY_L1, true, true, true, true, 0},
};

enum { PENALTY_COUNT = sizeof penalty_cases / sizeof penalty_cases[0] };

/* Rows of the table: every kind, both steps, with NaN and with infinities in the weights, and with NaN in the biases.
 */
static const size_t special_penalties[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16, 17};

enum { SPECIAL_PENALTIES = sizeof special_penalties / sizeof special_penalties[0] };

static void make_penalty_special(auxo__case *built, size_t index)
{
    if (index < SPECIAL_PENALTIES)
        auxo__case_special(built, AUXO_PENALTY_W, AUXO__NAN);
    else if (index < 2 * SPECIAL_PENALTIES)
        auxo__case_special(built, AUXO_PENALTY_W, AUXO__INFINITE);
    else if (auxo_tensor_is_present(&built->op.tensors[AUXO_PENALTY_BIAS]))
        auxo__case_special(built, AUXO_PENALTY_BIAS, AUXO__NAN);
}

static void build_penalty(auxo__case *built, size_t index)
{
    static const char *const kinds[] = {
#define NOUN(name, noun) #noun,
        AUXO_PENALTY_TABLE(NOUN)
#undef NOUN
    };
    const size_t special = index - PENALTY_COUNT; /* huge for the rows of the table */
    const penalty_case *row =
        &penalty_cases[index < PENALTY_COUNT ? index : special_penalties[special % SPECIAL_PENALTIES]];
    built->op.params.penalty = (auxo_penalty_params){row->kind, row->proximal, row->strength};
    auxo__case_text(built, "%s %s W=(%lld,%lld) strength=%g%s%s", kinds[row->kind],
                    row->proximal ? "proximal" : "subgradient", (long long)row->groups, (long long)row->size,
                    (double)row->strength, row->bias ? " bias" : "", row->coef ? " COEF" : "");
    AUXO__INPUT(built, AUXO_PENALTY_W, row->groups, row->size);
    if (row->groups * row->size > 3)
        auxo__case_set(built, AUXO_PENALTY_W, 2, 0); /* sign(0) = 0 */
    if (row->bias)
        AUXO__INPUT(built, AUXO_PENALTY_BIAS, row->groups);
    if (index >= PENALTY_COUNT)
        make_penalty_special(built, special);
    if (!row->proximal) {
        AUXO__INPUT(built, AUXO_PENALTY_DW, row->groups, row->size);
        if (row->bias)
            AUXO__INPUT(built, AUXO_PENALTY_DBIAS, row->groups);
    } else {
        AUXO__F32(built, AUXO_PENALTY_HYPER, AUXO_HYPER_COUNT);
        auxo__case_constant(built, AUXO_PENALTY_HYPER, 0.125);
    }
    if (row->coef) {
        AUXO__F32(built, AUXO_PENALTY_COEF, row->groups);
        auxo__case_uniform(built, AUXO_PENALTY_COEF, 0, 2);
    }
    if (row->value)
        AUXO__F32(built, AUXO_PENALTY_VALUE, 1);
}

static double bound_penalty(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude)
{
    const auxo_penalty_params *params = &tested->op.params.penalty;
    const int64_t *dims = tested->op.tensors[AUXO_PENALTY_W].dims;
    const double u = AUXO__UNIT_ROUNDOFF;
    double sum_error = 16 + auxo__log2_ceil(dims[0] * (dims[1] + 1));
    (void)element, (void)magnitude;
    if (slot == AUXO_PENALTY_VALUE)
        return sum_error * u * expected;
    bool is_gradient = slot == AUXO_PENALTY_DW || slot == AUXO_PENALTY_DBIAS;
    if (params->proximal == is_gradient)
        return 0; /* a subgradient step leaves the weights alone */
    /* |w|, |dw| <= 1; a slope is at most 2, a threshold at most strength COEF (g + 1) */
    double largest = 2 * (double)params->strength * (params->kind == AUXO_PENALTY_WEIGHTED_L1 ? (double)dims[0] : 1);
    double reach = params->proximal ? fmin(largest, 8) : 2 * largest;
    return u * (sum_error * (1 + fabs(expected)) + 8 * reach);
}

const auxo__suite auxo__suite_penalty = {
    PENALTY_COUNT + 3 * SPECIAL_PENALTIES, 6, build_penalty, bound_penalty, false, 0};

/* ---- kept_scan -----------------------------------------------------------------------------------------------------
 */

typedef struct kept_case {
    int64_t n;
    float threshold; /* norms are in [0, 1) */
    uint32_t min_keep;
    bool ties;
} kept_case;

static const kept_case kept_cases[] = {
    {33, 0.5f, 1, false},   {257, 0.9f, 100, false}, {127, 2, 5, true},     {65, 0, 1, false},
    {0, 0.5f, 0, false},    {1, 2, 1, false},        {1, 2, 0, false},      {9, 2, 20, true},
    {1000, 0.25f, 1, true}, {5003, 0.5f, 7, false},  {5003, 2, 2500, true}, {64, 2, 0, false},
};

static void build_kept_scan(auxo__case *built, size_t index)
{
    const kept_case *row = &kept_cases[index];
    built->op.params.kept_scan = (auxo_kept_scan_params){row->threshold, row->min_keep};
    auxo__case_text(built, "n=%lld threshold=%g min_keep=%u%s", (long long)row->n, (double)row->threshold,
                    (unsigned)row->min_keep, row->ties ? " ties" : "");
    AUXO__F32(built, AUXO_KEPT_SCAN_NORM, row->n);
    auxo__case_uniform(built, AUXO_KEPT_SCAN_NORM, 0, 1);
    for (int64_t g = 0; row->ties && g < row->n; g++)
        auxo__case_set(built, AUXO_KEPT_SCAN_NORM, g, 0.25 * (auxo__case_random(built) % 4));
    AUXO__U32(built, AUXO_KEPT_SCAN_KEPT, row->n);
    AUXO__U32(built, AUXO_KEPT_SCAN_COUNT, 1);
}

const auxo__suite auxo__suite_kept_scan = {
    sizeof kept_cases / sizeof kept_cases[0], 4, build_kept_scan, NULL, false, 0};

/* ---- index_select --------------------------------------------------------------------------------------------------
 */

typedef struct select_case {
    int64_t outer, axis, inner, m;
    auxo_dtype dtype;
    bool outside; /* some indices are past the axis */
    float fill;
} select_case;

static const select_case select_cases[] = {
    {4, 7, 9, 5, AUXO_DTYPE_F32, false, 0},   {1, 33, 1, 65, AUXO_DTYPE_F32, true, 0.5f},
    {3, 10, 17, 4, AUXO_DTYPE_U32, true, 7},  {0, 4, 3, 2, AUXO_DTYPE_F32, false, 0},
    {2, 0, 3, 2, AUXO_DTYPE_F32, true, -1},   {2, 5, 3, 0, AUXO_DTYPE_F32, false, 0},
    {2, 5, 0, 3, AUXO_DTYPE_F32, false, 0},   {1, 1, 1, 1, AUXO_DTYPE_U32, false, 0},
    {127, 3, 2, 3, AUXO_DTYPE_F32, true, 1},  {1, 257, 129, 127, AUXO_DTYPE_F32, false, 0},
    {33, 65, 1, 31, AUXO_DTYPE_F32, true, 0},
};

static void build_index_select(auxo__case *built, size_t index)
{
    const select_case *row = &select_cases[index];
    const int64_t x[3] = {row->outer, row->axis, row->inner}, y[3] = {row->outer, row->m, row->inner};
    built->op.params.index_select.fill = row->fill;
    auxo__case_text(built, "%s X=(%lld,%lld,%lld) m=%lld%s", auxo_dtype_text(row->dtype), (long long)row->outer,
                    (long long)row->axis, (long long)row->inner, (long long)row->m, row->outside ? " outside" : "");
    auxo__case_tensor(built, AUXO_INDEX_SELECT_X, row->dtype, 3, x);
    if (row->dtype == AUXO_DTYPE_U32)
        auxo__case_integers(built, AUXO_INDEX_SELECT_X, UINT32_MAX);
    else
        auxo__case_uniform(built, AUXO_INDEX_SELECT_X, -1, 1);
    AUXO__U32(built, AUXO_INDEX_SELECT_INDEX, row->m);
    auxo__case_integers(built, AUXO_INDEX_SELECT_INDEX, (uint32_t)row->axis + (row->outside ? 3 : 0));
    if (row->outside && row->m > 1)
        auxo__case_set(built, AUXO_INDEX_SELECT_INDEX, 1, UINT32_MAX);
    auxo__case_tensor(built, AUXO_INDEX_SELECT_Y, row->dtype, 3, y);
}

const auxo__suite auxo__suite_index_select = {
    sizeof select_cases / sizeof select_cases[0], 3, build_index_select, NULL, false, 0};

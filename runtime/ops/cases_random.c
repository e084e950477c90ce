/* runtime/ops/cases_random.c: conformance cases of random numbers, dropout and augmentation.
 *
 * Integers, uniforms in [0,1) and every decision made from them are the same bits on all backends. Normals go through
 * a logarithm and a cosine, whose accuracy drivers define loosely: 128 u (1 + |z|).
 */
#include "verify_case.h"

#include <math.h>

static const uint64_t seeds[] = {0, 1, 0x123456789abcdef0u, UINT64_MAX};

/* ---- random_fill ---------------------------------------------------------------------------------------------------
 */

typedef struct random_case {
    auxo_random_kind kind;
    int64_t d0, d1; /* d1 0: rank 1 */
    float a, b;
    int seed;
    uint32_t stream;
    bool counter;
} random_case;

static const random_case random_cases[] = {
    {AUXO_RANDOM_BITS, 127, 0, 0, 0, 2, 3, true},         {AUXO_RANDOM_UNIFORM, 33, 9, 0, 1, 1, 0, false},
    {AUXO_RANDOM_NORMAL, 257, 0, 0, 1, 2, 7, true},       {AUXO_RANDOM_BERNOULLI, 65, 0, 0.25f, 0, 3, 1, false},
    {AUXO_RANDOM_UNIFORM, 1001, 0, -0.5f, 2, 0, 5, true}, {AUXO_RANDOM_BITS, 1, 0, 0, 0, 3, UINT32_MAX, true},
    {AUXO_RANDOM_BITS, 0, 0, 0, 0, 0, 0, false},          {AUXO_RANDOM_NORMAL, 3, 0, 5, 0.125f, 1, 0, false},
    {AUXO_RANDOM_NORMAL, 31, 1025, -1, 2, 3, 2, false},   {AUXO_RANDOM_UNIFORM, 70001, 0, 0, 1, 2, 9, true},
    {AUXO_RANDOM_BERNOULLI, 1000, 0, 0, 0, 1, 0, false},  {AUXO_RANDOM_BERNOULLI, 1000, 0, 1, 0, 1, 0, false},
};

static void build_random_fill(auxo__case *built, size_t index)
{
    static const char *const kinds[] = {"uniform", "normal", "bernoulli", "bits"};
    const random_case *row = &random_cases[index];
    const int64_t dims[2] = {row->d0, row->d1};
    built->op.params.random_fill = (auxo_random_fill_params){row->kind, row->a, row->b, seeds[row->seed], row->stream};
    auxo__case_text(built, "%s n=%lldx%lld a=%g b=%g seed=%llx stream=%u%s", kinds[row->kind], (long long)row->d0,
                    (long long)(row->d1 ? row->d1 : 1), (double)row->a, (double)row->b,
                    (unsigned long long)seeds[row->seed], (unsigned)row->stream, row->counter ? " COUNTER" : "");
    auxo__case_tensor(built, AUXO_RANDOM_FILL_Y, row->kind == AUXO_RANDOM_BITS ? AUXO_DTYPE_U32 : AUXO_DTYPE_F32,
                      row->d1 ? 2 : 1, dims);
    if (row->counter)
        auxo__case_counter(built, AUXO_RANDOM_FILL_COUNTER, 41, 2, 1);
}

static double bound_random_fill(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                double magnitude)
{
    const auxo_random_fill_params *params = &tested->op.params.random_fill;
    double a = (double)params->a, b = (double)params->b;
    (void)slot, (void)element, (void)magnitude;
    if (params->kind == AUXO_RANDOM_NORMAL)
        return 128 * AUXO__UNIT_ROUNDOFF * (fabs(a) + fabs(b) + fabs(expected));
    bool exact = params->kind != AUXO_RANDOM_UNIFORM || (a == 0 && b == 1);
    return exact ? 0 : 4 * AUXO__UNIT_ROUNDOFF * (fabs(a) + fabs(b));
}

const auxo__suite auxo__suite_random_fill = {
    sizeof random_cases / sizeof random_cases[0], 4, build_random_fill, bound_random_fill, false, 0};

/* ---- dropout -------------------------------------------------------------------------------------------------------
 */

typedef struct dropout_case {
    int64_t n;
    float rate;
    int seed;
    bool counter, in_place;
} dropout_case;

static const dropout_case dropout_cases[] = {
    {127, 0.5f, 1, true, false}, {1001, 0.2f, 2, false, true}, {33, 0, 0, true, false},
    {0, 0.5f, 0, false, false},  {1, 0.75f, 3, true, false},   {70001, 0.9f, 2, true, false},
};

static void build_dropout(auxo__case *built, size_t index)
{
    const dropout_case *row = &dropout_cases[index];
    built->op.params.dropout = (auxo_dropout_params){row->rate, seeds[row->seed], 11};
    auxo__case_text(built, "n=%lld rate=%g seed=%llx%s%s", (long long)row->n, (double)row->rate,
                    (unsigned long long)seeds[row->seed], row->counter ? " COUNTER" : "",
                    row->in_place ? " in place" : "");
    AUXO__INPUT(built, AUXO_DROPOUT_X, row->n);
    if (row->in_place)
        auxo__case_in_place(built, AUXO_DROPOUT_Y, AUXO_DROPOUT_X);
    else
        AUXO__F32(built, AUXO_DROPOUT_Y, row->n);
    if (row->counter)
        auxo__case_counter(built, AUXO_DROPOUT_COUNTER, 12345, 6, 7);
}

static double bound_dropout(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude)
{
    (void)tested, (void)slot, (void)element, (void)magnitude;
    return 4 * AUXO__UNIT_ROUNDOFF * fabs(expected);
}

const auxo__suite auxo__suite_dropout = {
    sizeof dropout_cases / sizeof dropout_cases[0], 3, build_dropout, bound_dropout, false,
    sizeof dropout_cases / sizeof dropout_cases[0]};

/* ---- augment -------------------------------------------------------------------------------------------------------
 */

typedef struct augment_case {
    int64_t n, c, h, w;
    int32_t shift_h, shift_w;
    bool flip, counter;
} augment_case;

static const augment_case augment_cases[] = {
    {5, 3, 8, 9, 2, 1, true, true},    {33, 1, 7, 5, 0, 3, false, false}, {9, 2, 4, 4, 0, 0, true, true},
    {0, 3, 8, 8, 1, 1, true, false},   {1, 1, 1, 1, 1, 1, true, true},    {3, 2, 3, 3, 5, 5, true, false},
    {17, 3, 32, 32, 4, 4, true, true}, {2, 0, 4, 4, 1, 1, true, true},
};

static void build_augment(auxo__case *built, size_t index)
{
    const augment_case *row = &augment_cases[index];
    built->op.params.augment =
        (auxo_augment_params){row->shift_h, row->shift_w, row->flip, 0xfeedfacecafebeefu, (uint32_t)index};
    auxo__case_text(built, "X=(%lld,%lld,%lld,%lld) shift=%dx%d%s%s", (long long)row->n, (long long)row->c,
                    (long long)row->h, (long long)row->w, row->shift_h, row->shift_w, row->flip ? " flip" : "",
                    row->counter ? " COUNTER" : "");
    AUXO__INPUT(built, AUXO_AUGMENT_X, row->n, row->c, row->h, row->w);
    AUXO__F32(built, AUXO_AUGMENT_Y, row->n, row->c, row->h, row->w);
    if (row->counter)
        auxo__case_counter(built, AUXO_AUGMENT_COUNTER, 9, 8, 7);
}

const auxo__suite auxo__suite_augment = {sizeof augment_cases / sizeof augment_cases[0], 3, build_augment, NULL, false,
                                         sizeof augment_cases / sizeof augment_cases[0]};

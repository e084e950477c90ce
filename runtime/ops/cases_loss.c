/* runtime/ops/cases_loss.c: conformance cases of softmax cross-entropy and mean squared error.
 *
 * LOSS is compared as two elements: the low part may differ by as much as the high part's rounding.
 */
#include "verify_case.h"

#include <float.h>
#include <math.h>

enum loss_flags {
    GRADIENT = 1,
    STATS = 2,
    HISTORY = 4,
    TIES = 8,       /* logits of few values: the first maximum decides */
    BAD_LABEL = 16, /* one label is out of range: the loss is NaN */
    NANS = 32,
    INFINITE = 64, /* some logits or predictions are */
    LARGEST = 128  /* two logits of a row are the largest number */
};

typedef struct loss_case {
    int64_t rows, columns;
    float range; /* of logits, predictions and targets */
    int flags;
} loss_case;

static const loss_case xent_cases[] = {
    {33, 10, 3, GRADIENT | STATS},
    {5, 127, 10, GRADIENT},
    {64, 3, 1, STATS | HISTORY | TIES},
    {127, 2, 300, GRADIENT | STATS | HISTORY},
    {1, 1, 1, GRADIENT | STATS},
    {0, 10, 1, GRADIENT | STATS | HISTORY},
    {9, 4, 1, BAD_LABEL | STATS},
    {257, 10, 2, GRADIENT | STATS | TIES},
    {3, 1025, 5, GRADIENT},
    {1000, 33, 1, 0},
    {4097, 10, 2, GRADIENT | STATS},
    {33, 10, 3, GRADIENT | STATS | HISTORY | NANS},
    {3, 1025, 5, GRADIENT | STATS | NANS},
    {127, 2, 3, GRADIENT | NANS},
    {33, 10, 3, GRADIENT | STATS | INFINITE},
    {2, 257, 3, GRADIENT | STATS | INFINITE},
    {1, 2, 1, GRADIENT | STATS | LARGEST},
    {5, 130, 1, GRADIENT | LARGEST},
};

static const loss_case mse_cases[] = {
    {33, 2, 3, GRADIENT | STATS},          {5, 127, 1, GRADIENT},         {129, 1, 1, STATS | HISTORY},
    {1, 1, 1, GRADIENT | STATS | HISTORY}, {0, 3, 1, GRADIENT | STATS},   {7, 0, 1, GRADIENT},
    {1000, 2, 100, GRADIENT | HISTORY},    {70001, 1, 1, STATS},          {4097, 5, 1, GRADIENT | STATS},
    {33, 2, 3, GRADIENT | STATS | NANS},   {4097, 5, 1, GRADIENT | NANS}, {33, 2, 3, GRADIENT | STATS | INFINITE},
};

/* XENT_HALF: the first rows come in 16 bits too. */
enum { HISTORY_LENGTH = 7, STEP = 17, XENT_HALF = 14 };

/* LOSS and, as the flags say, STATS, HISTORY and COUNTER, which follow one another from stats_slot. */
static void add_loss_outputs(auxo__case *built, uint32_t loss_slot, uint32_t stats_slot, int flags)
{
    AUXO__F32(built, loss_slot, 2);
    if (flags & STATS) {
        AUXO__F32(built, stats_slot, 4);
        for (int64_t i = 0; i < 4; i++)
            auxo__case_set(built, stats_slot, i, (double)(3 * i + 1));
    }
    if (flags & HISTORY) {
        AUXO__F32(built, stats_slot + 1, HISTORY_LENGTH);
        auxo__case_constant(built, stats_slot + 1, -7);
        auxo__case_counter(built, stats_slot + 2, STEP, 3, 1);
    }
}

static void describe_loss(auxo__case *built, const loss_case *row)
{
    auxo__case_text(built, "(%lld,%lld) |x| <= %g%s%s%s%s%s", (long long)row->rows, (long long)row->columns,
                    (double)row->range, row->flags & GRADIENT ? " gradient" : "", row->flags & STATS ? " STATS" : "",
                    row->flags & HISTORY ? " HISTORY" : "", row->flags & TIES ? " ties" : "",
                    row->flags & BAD_LABEL ? " label out of range" : "");
}

static void set_special(auxo__case *built, uint32_t slot, const loss_case *row)
{
    if (row->flags & (NANS | INFINITE))
        auxo__case_special(built, slot, row->flags & NANS ? AUXO__NAN : AUXO__INFINITE);
    if (row->flags & LARGEST) {
        auxo__case_text(built, " two of the largest number");
        auxo__case_set(built, slot, 0, (double)FLT_MAX);
        auxo__case_set(built, slot, row->columns - 1, (double)FLT_MAX);
    }
}

/* Bounds of LOSS, STATS and HISTORY when the loss itself may be off by `error`. */
static double bound_loss_outputs(uint32_t slot, uint32_t loss_slot, uint32_t stats_slot, int64_t element,
                                 double expected, double rows, double error)
{
    const double u = AUXO__UNIT_ROUNDOFF;
    if (slot == loss_slot)
        return error + 2 * u * fabs(expected);
    if (slot == stats_slot)
        return element == 0 ? rows * error + 8 * u * fabs(expected) : 0;
    bool written = element == (STEP - 1) % HISTORY_LENGTH;
    return written ? error + 2 * u * fabs(expected) : 0;
}

static void build_softmax_cross_entropy(auxo__case *built, size_t index)
{
    const loss_case *row = &xent_cases[index];
    describe_loss(built, row);
    AUXO__F32(built, AUXO_XENT_LOGITS, row->rows, row->columns);
    if (row->flags & TIES)
        auxo__case_integers(built, AUXO_XENT_LOGITS, 3);
    else
        auxo__case_uniform(built, AUXO_XENT_LOGITS, -(double)row->range, (double)row->range);
    set_special(built, AUXO_XENT_LOGITS, row);
    AUXO__U32(built, AUXO_XENT_LABELS, row->rows);
    auxo__case_integers(built, AUXO_XENT_LABELS, (uint32_t)row->columns);
    if (row->flags & LARGEST)
        auxo__case_set(built, AUXO_XENT_LABELS, 0, (double)row->columns - 1);
    if (row->flags & BAD_LABEL)
        auxo__case_set(built, AUXO_XENT_LABELS, row->rows / 2, (double)row->columns);
    if (row->flags & GRADIENT)
        AUXO__F32(built, AUXO_XENT_DLOGITS, row->rows, row->columns);
    add_loss_outputs(built, AUXO_XENT_LOSS, AUXO_XENT_STATS, row->flags);
    built->scale = 1 + (double)row->range;
}

static double bound_softmax_cross_entropy(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                          double magnitude)
{
    const double u = AUXO__UNIT_ROUNDOFF, rows = (double)tested->op.tensors[AUXO_XENT_LOGITS].dims[0];
    (void)magnitude;
    if (slot == AUXO_XENT_DLOGITS)
        return u * (16 / rows + 64 * fabs(expected));
    return bound_loss_outputs(slot, AUXO_XENT_LOSS, AUXO_XENT_STATS, element, expected, rows, 16 * u * tested->scale);
}

const auxo__suite auxo__suite_softmax_cross_entropy = {sizeof xent_cases / sizeof xent_cases[0],
                                                       4,
                                                       build_softmax_cross_entropy,
                                                       bound_softmax_cross_entropy,
                                                       false,
                                                       XENT_HALF};

static void build_mse(auxo__case *built, size_t index)
{
    const loss_case *row = &mse_cases[index];
    double range = (double)row->range;
    describe_loss(built, row);
    AUXO__F32(built, AUXO_MSE_PREDICTION, row->rows, row->columns);
    AUXO__F32(built, AUXO_MSE_TARGET, row->rows, row->columns);
    auxo__case_uniform(built, AUXO_MSE_PREDICTION, -range, range);
    set_special(built, AUXO_MSE_PREDICTION, row);
    auxo__case_uniform(built, AUXO_MSE_TARGET, -range, range);
    if (row->flags & GRADIENT)
        AUXO__F32(built, AUXO_MSE_DPREDICTION, row->rows, row->columns);
    add_loss_outputs(built, AUXO_MSE_LOSS, AUXO_MSE_STATS, row->flags);
    built->scale = 4 * range * range; /* no squared difference is larger */
}

static double bound_mse(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude)
{
    const double u = AUXO__UNIT_ROUNDOFF, rows = (double)tested->op.tensors[AUXO_MSE_PREDICTION].dims[0];
    (void)magnitude;
    if (slot == AUXO_MSE_DPREDICTION)
        return 4 * u * fabs(expected);
    return bound_loss_outputs(slot, AUXO_MSE_LOSS, AUXO_MSE_STATS, element, expected, rows, 4 * u * tested->scale);
}

const auxo__suite auxo__suite_mse = {sizeof mse_cases / sizeof mse_cases[0], 3, build_mse, bound_mse, false, 0};

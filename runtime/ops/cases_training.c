/* runtime/ops/cases_training.c: conformance cases of what a training step does around the network: gathering a batch
 * and updating the parameters. */
#include "verify_case.h"

#include <math.h>

/* ---- gather_batch --------------------------------------------------------------------------------------------------
 */

typedef struct gather_case {
    auxo_dtype from, to;
    int64_t rows, channels, inner, batch;
    int64_t order; /* length of ORDER; 0: absent */
    bool standardise;
    int32_t counter; /* the batch number; -1: absent */
    float scale;
} gather_case;

static const gather_case gather_cases[] = {
    {AUXO_DTYPE_U8, AUXO_DTYPE_F32, 33, 3, 17, 8, 33, true, 2, 0.00392156886f},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, 10, 7, 1, 5, 0, false, 1, 1},
    {AUXO_DTYPE_U32, AUXO_DTYPE_U32, 65, 1, 1, 9, 65, false, 8, 1},
    {AUXO_DTYPE_U8, AUXO_DTYPE_U32, 20, 1, 1, 33, 20, false, 3, 1},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, 5, 2, 3, 17, 4, true, 1000, 2},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, 5, 2, 3, 0, 5, true, 1, 1},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, 1, 1, 1, 1, 1, false, -1, 1},
    {AUXO_DTYPE_U8, AUXO_DTYPE_F32, 127, 1, 785, 33, 127, true, -1, 1},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, 9, 0, 3, 4, 9, false, 0, 1},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F32, 257, 129, 1, 65, 100, true, 1, -0.5f},
    {AUXO_DTYPE_U32, AUXO_DTYPE_U32, 7, 3, 5, 10, 0, false, 2, 1},
    {AUXO_DTYPE_U8, AUXO_DTYPE_F16, 33, 3, 17, 8, 33, true, 2, 0.00392156886f},
    {AUXO_DTYPE_U8, AUXO_DTYPE_BF16, 33, 3, 17, 8, 33, true, 2, 0.00392156886f},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F16, 10, 7, 1, 5, 0, false, 1, 1},
    {AUXO_DTYPE_F32, AUXO_DTYPE_BF16, 10, 7, 1, 5, 0, false, 1, 1},
    {AUXO_DTYPE_U8, AUXO_DTYPE_BF16, 127, 1, 1785, 33, 127, true, -1, 1},
    {AUXO_DTYPE_F32, AUXO_DTYPE_F16, 57, 129, 1, 65, 50, true, 1, -0.5f},
    {AUXO_DTYPE_F32, AUXO_DTYPE_BF16, 5, 2, 3, 0, 5, true, 1, 1},
};

/* A permutation of the rows, or of some of them. */
static void set_row_order(auxo__case *built, const gather_case *row)
{
    AUXO__U32(built, AUXO_GATHER_BATCH_ORDER, row->order);
    for (int64_t i = 0; i < row->order; i++)
        auxo__case_set(built, AUXO_GATHER_BATCH_ORDER, i, (double)i);
    for (int64_t i = row->order - 1; i > 0; i--) {
        int64_t j = auxo__case_random(built) % (i + 1);
        double a = auxo__case_get(built, AUXO_GATHER_BATCH_ORDER, i);
        auxo__case_set(built, AUXO_GATHER_BATCH_ORDER, i, auxo__case_get(built, AUXO_GATHER_BATCH_ORDER, j));
        auxo__case_set(built, AUXO_GATHER_BATCH_ORDER, j, a);
    }
}

static void build_gather_batch(auxo__case *built, size_t index)
{
    const gather_case *row = &gather_cases[index];
    const int64_t data[3] = {row->rows, row->channels, row->inner}, y[3] = {row->batch, row->channels, row->inner};
    built->op.params.gather_batch.scale = row->scale;
    auxo__case_text(built, "%s to %s DATA=(%lld,%lld,%lld) batch=%lld ORDER=%lld%s COUNTER=%d",
                    auxo_dtype_text(row->from), auxo_dtype_text(row->to), (long long)row->rows,
                    (long long)row->channels, (long long)row->inner, (long long)row->batch, (long long)row->order,
                    row->standardise ? " MEAN INVSTD" : "", (int)row->counter);
    auxo__case_tensor(built, AUXO_GATHER_BATCH_DATA, row->from, 3, data);
    if (row->from == AUXO_DTYPE_F32)
        auxo__case_uniform(built, AUXO_GATHER_BATCH_DATA, -1, 1);
    else
        auxo__case_integers(built, AUXO_GATHER_BATCH_DATA, row->from == AUXO_DTYPE_U8 ? 256 : UINT32_MAX);
    if (row->order)
        set_row_order(built, row);
    if (row->counter >= 0)
        auxo__case_counter(built, AUXO_GATHER_BATCH_COUNTER, 3, (uint32_t)row->counter, 0);
    if (row->standardise) {
        AUXO__INPUT(built, AUXO_GATHER_BATCH_MEAN, row->channels);
        AUXO__INPUT(built, AUXO_GATHER_BATCH_INVSTD, row->channels);
    }
    auxo__case_tensor(built, AUXO_GATHER_BATCH_Y, row->to, 3, y);
}

static double bound_gather_batch(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                 double magnitude)
{
    (void)tested, (void)slot, (void)element, (void)expected;
    return 4 * AUXO__UNIT_ROUNDOFF * magnitude;
}

const auxo__suite auxo__suite_gather_batch = {
    sizeof gather_cases / sizeof gather_cases[0], 4, build_gather_batch, bound_gather_batch, true, 0};

/* ---- optimizer_step ------------------------------------------------------------------------------------------------
 */

typedef struct optimizer_case {
    int64_t n;
    auxo_optimizer_kind kind;
    bool euler, exponential;
    int32_t step; /* COUNTER[0]; -1: absent */
    float weight_decay;
} optimizer_case;

/* The first rows, one for each kind and two more forms of phs, also run with NaN in the gradients and in the
 * parameters, and to be skipped and not to be. Every second row has a COPY. */
enum { SPECIAL_STEPS = AUXO_OPTIMIZER_KIND_COUNT + 2 };

static const optimizer_case optimizer_cases[] = {
    {127, AUXO_OPTIMIZER_SGD, false, false, -1, 0},    {33, AUXO_OPTIMIZER_MOMENTUM, false, false, 3, 0.25f},
    {65, AUXO_OPTIMIZER_NESTEROV, false, false, 3, 0}, {129, AUXO_OPTIMIZER_RMSPROP, false, false, 3, 0.01f},
    {31, AUXO_OPTIMIZER_ADAGRAD, false, false, 3, 0},  {257, AUXO_OPTIMIZER_ADAM, false, false, 10, 0.01f},
    {63, AUXO_OPTIMIZER_ADAMW, false, false, 2, 0.5f}, {127, AUXO_OPTIMIZER_PHS, false, false, 3, 0},
    {127, AUXO_OPTIMIZER_PHS, true, false, 3, 0.01f},  {127, AUXO_OPTIMIZER_PHS, false, true, 3, 0},
    {33, AUXO_OPTIMIZER_ADAM, false, false, -1, 0},    {33, AUXO_OPTIMIZER_ADAM, false, false, 100000, 0},
    {0, AUXO_OPTIMIZER_ADAM, false, false, 1, 0},      {1, AUXO_OPTIMIZER_SGD, false, false, 1, 1},
    {10007, AUXO_OPTIMIZER_ADAM, false, false, 1, 0},  {70001, AUXO_OPTIMIZER_MOMENTUM, false, false, 1, 0},
    {127, AUXO_OPTIMIZER_PHS, true, true, 3, 0},       {5003, AUXO_OPTIMIZER_ADAMW, false, false, 7, 0.1f},
};
enum { OPTIMIZER_COUNT = sizeof optimizer_cases / sizeof optimizer_cases[0] };

static void build_optimizer_step(auxo__case *built, size_t index)
{
    static const char *const kinds[] = {
#define NOUN(name, noun, states, flops) #noun,
        AUXO_OPTIMIZER_TABLE(NOUN)
#undef NOUN
    };
    static const double hyper[AUXO_HYPER_COUNT] = {0.05, 0.9, 0.999, 1e-6, 0, 2, 0.5, 0};
    const size_t plain = OPTIMIZER_COUNT, place = index < plain ? index : (index - plain) % SPECIAL_STEPS;
    const optimizer_case *row = &optimizer_cases[place];
    const unsigned states = auxo_optimizer_state_count(row->kind);
    built->op.params.optimizer_step = (auxo_optimizer_step_params){row->kind, row->euler, row->exponential};
    auxo__case_text(built, "%s n=%lld step=%d weight_decay=%g%s%s", kinds[row->kind], (long long)row->n, (int)row->step,
                    (double)row->weight_decay, row->euler ? " explicit_euler" : "",
                    row->exponential ? " exponential_friction" : "");
    AUXO__INPUT(built, AUXO_OPTIMIZER_PARAMS, row->n);
    AUXO__INPUT(built, AUXO_OPTIMIZER_GRADS, row->n);
    if (row->n > 2)
        auxo__case_set(built, AUXO_OPTIMIZER_GRADS, 1, 0);
    if (states >= 1) {
        bool squares = row->kind == AUXO_OPTIMIZER_RMSPROP || row->kind == AUXO_OPTIMIZER_ADAGRAD;
        AUXO__F32(built, AUXO_OPTIMIZER_STATE0, row->n);
        auxo__case_uniform(built, AUXO_OPTIMIZER_STATE0, squares ? 0.01 : -1, 1);
    }
    if (states >= 2) {
        AUXO__F32(built, AUXO_OPTIMIZER_STATE1, row->n);
        auxo__case_uniform(built, AUXO_OPTIMIZER_STATE1, 0.01, 1);
    }
    const size_t turn = index < plain ? 0 : 1 + (index - plain) / SPECIAL_STEPS;
    if (turn == 1 || turn == 2 || turn == 3)
        auxo__case_special(built, turn == 2 ? AUXO_OPTIMIZER_PARAMS : AUXO_OPTIMIZER_GRADS, AUXO__NAN);
    if (turn >= 3) {
        auxo__case_text(built, turn == 3 ? " skipped" : " not skipped");
        AUXO__F32(built, AUXO_OPTIMIZER_SKIP, 1);
        auxo__case_constant(built, AUXO_OPTIMIZER_SKIP, turn == 3 ? 1 : 0);
    }
    if (place % 2 == 1) {
        auxo__case_text(built, " COPY");
        AUXO__INPUT(built, AUXO_OPTIMIZER_COPY, row->n);
    }
    AUXO__F32(built, AUXO_OPTIMIZER_HYPER, AUXO_HYPER_COUNT);
    for (int64_t i = 0; i < AUXO_HYPER_COUNT; i++)
        auxo__case_set(built, AUXO_OPTIMIZER_HYPER, i, hyper[i]);
    auxo__case_set(built, AUXO_OPTIMIZER_HYPER, AUXO_HYPER_WEIGHT_DECAY, (double)row->weight_decay);
    if (row->step >= 0)
        auxo__case_counter(built, AUXO_OPTIMIZER_COUNTER, (uint32_t)row->step, 0, 0);
}

/* All values are of order 1. Adam's 1 - beta^t loses up to u / (1 - beta) = 1000 u when t is small, so its step is
 * bounded relative to the learning rate. */
static double bound_optimizer_step(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                   double magnitude)
{
    const double u = AUXO__UNIT_ROUNDOFF;
    auxo_optimizer_kind kind = tested->op.params.optimizer_step.kind;
    bool adaptive = kind == AUXO_OPTIMIZER_ADAM || kind == AUXO_OPTIMIZER_ADAMW;
    const bool weight = slot == AUXO_OPTIMIZER_PARAMS || slot == AUXO_OPTIMIZER_COPY;
    double old = auxo__case_get(tested, weight ? AUXO_OPTIMIZER_PARAMS : slot, element);
    (void)magnitude;
    double bound = 16 * u * (1 + fabs(expected) + fabs(old));
    if (!weight || !adaptive)
        return bound;
    return bound + 1000 * u * fabs(expected - old);
}

const auxo__suite auxo__suite_optimizer_step = {
    OPTIMIZER_COUNT + 4 * SPECIAL_STEPS, 10, build_optimizer_step, bound_optimizer_step, false,
    OPTIMIZER_COUNT + 4 * SPECIAL_STEPS};

/* ---- loss_scale ----------------------------------------------------------------------------------------------------
 */

typedef struct loss_scale_case {
    int64_t parts;
    double factor, good, skipped, exhausted;
    auxo__special special; /* of LARGEST; SMALL: none */
    int32_t step;          /* COUNTER[0]; -1: absent */
} loss_scale_case;

static const loss_scale_case loss_scale_cases[] = {
    {1, 65536, 3, 0, 0, AUXO__SMALL, -1},   {1, 65536, 3, 1, 0, AUXO__INFINITE, 17},
    {3, 1024, 9, 2, 0, AUXO__SMALL, 17},    {5, 4, 0, 7, 0, AUXO__NAN, 17},
    {1, 2, 0, 7, 0, AUXO__INFINITE, 17},    {2, 2, 0, 8, 17, AUXO__NAN, 18},
    {1, 2, 5, 7, 0, AUXO__NAN, -1},         {1, 16777216, 9, 0, 0, AUXO__SMALL, 3},
    {70, 8388608, 9, 0, 0, AUXO__SMALL, 3}, {0, 65536, 8, 0, 0, AUXO__SMALL, 3},
};

/* Grows after 10 steps; between 2 and 2^24. */
static void build_loss_scale(auxo__case *built, size_t index)
{
    const loss_scale_case *row = &loss_scale_cases[index];
    built->op.params.loss_scale = (auxo_loss_scale_params){10, 2, 16777216};
    auxo__case_text(built, "factor %g after %g steps, %lld parts", row->factor, row->good, (long long)row->parts);
    AUXO__INPUT(built, AUXO_LOSS_SCALE_LARGEST_SLOT, row->parts);
    if (row->special != AUXO__SMALL)
        auxo__case_special(built, AUXO_LOSS_SCALE_LARGEST_SLOT, row->special);
    AUXO__F32(built, AUXO_LOSS_SCALE_STATE_SLOT, AUXO_LOSS_SCALE_COUNT);
    auxo__case_constant(built, AUXO_LOSS_SCALE_STATE_SLOT, -3);
    auxo__case_set(built, AUXO_LOSS_SCALE_STATE_SLOT, AUXO_LOSS_SCALE_FACTOR, row->factor);
    auxo__case_set(built, AUXO_LOSS_SCALE_STATE_SLOT, AUXO_LOSS_SCALE_GOOD, row->good);
    auxo__case_set(built, AUXO_LOSS_SCALE_STATE_SLOT, AUXO_LOSS_SCALE_SKIPPED, row->skipped);
    auxo__case_set(built, AUXO_LOSS_SCALE_STATE_SLOT, AUXO_LOSS_SCALE_EXHAUSTED, row->exhausted);
    if (row->step >= 0)
        auxo__case_counter(built, AUXO_LOSS_SCALE_COUNTER_SLOT, (uint32_t)row->step, 0, 0);
}

const auxo__suite auxo__suite_loss_scale = {
    sizeof loss_scale_cases / sizeof loss_scale_cases[0], 4, build_loss_scale, NULL, false, 0};

/* runtime/ops/cases_mlp.c: conformance cases of the fused narrow networks.
 *
 * Errors grow with depth and width: a value that has passed sum (width + 8) roundings is off by that many u of the
 * largest value of its slot, which is what the bounds are made of. Weights are scaled by the fan-in, so that deep
 * networks neither die out nor explode.
 */
#include "verify_case.h"

#include <math.h>

/* A network as "in, hidden x times, out". */
typedef struct network {
    uint32_t inputs, hidden, hidden_layers, outputs;
    auxo_activation activation; /* hidden; the last layer is linear */
    bool bias;
} network;

static void add_network(auxo__case *built, const network *shape, uint32_t begin, uint32_t params_slot)
{
    auxo_mlp *mlp = &built->op.params.mlp.mlp;
    uint32_t layer_count = shape->hidden_layers + 1;
    for (uint32_t l = 0; l <= layer_count; l++) {
        /* every third hidden layer is one unit narrower, so that widths differ */
        uint32_t narrower = l % 3 == 2 && shape->hidden > 1 ? 1 : 0;
        built->widths[l] = l == 0 ? shape->inputs : l == layer_count ? shape->outputs : shape->hidden - narrower;
    }
    for (uint32_t l = 0; l < layer_count; l++)
        built->activations[l] = l + 1 == layer_count ? AUXO_ACTIVATION_IDENTITY : shape->activation;
    *mlp = (auxo_mlp){layer_count, built->widths, built->activations, 0.3f, shape->bias};
    built->op.params.mlp.begin_layer = begin;
    auxo__case_text(built, "[%u, %u x%u, %u] %s%s", (unsigned)shape->inputs, (unsigned)shape->hidden,
                    (unsigned)shape->hidden_layers, (unsigned)shape->outputs, auxo_activation_noun(shape->activation),
                    shape->bias ? "" : " no bias");
    AUXO__F32(built, params_slot, (int64_t)auxo_mlp_param_count(mlp));
    double roundings = 0;
    for (uint32_t l = 0; l < layer_count; l++) {
        double limit = sqrt(3.0 / mlp->widths[l]);
        int64_t offset = (int64_t)auxo_mlp_layer_offset(mlp, l), end = (int64_t)auxo_mlp_layer_offset(mlp, l + 1);
        for (int64_t i = offset; i < end; i++)
            auxo__case_set(built, params_slot, i, limit * (2.0 * (auxo__case_random(built) >> 8) * 0x1p-24 - 1));
        roundings += mlp->widths[l] + 8;
    }
    built->scale = roundings * AUXO__UNIT_ROUNDOFF;
}

static void add_rows(auxo__case *built, uint32_t x, uint32_t target, uint32_t begin, int64_t rows)
{
    const auxo_mlp *mlp = &built->op.params.mlp.mlp;
    auxo__case_text(built, " rows=%lld", (long long)rows);
    AUXO__INPUT(built, x, rows, mlp->widths[begin]);
    if (target)
        AUXO__INPUT(built, target, rows, mlp->widths[mlp->layer_count]);
}

/* ---- mlp_forward ---------------------------------------------------------------------------------------------------
 */

typedef struct mlp_forward_case {
    network shape;
    int64_t rows;
    uint32_t begin, end; /* end 0: the last layer */
} mlp_forward_case;

static const mlp_forward_case mlp_forward_cases[] = {
    {{4, 5, 7, 2, AUXO_ACTIVATION_TANH, true}, 33, 0, 0},
    {{3, 10, 2, 1, AUXO_ACTIVATION_RELU, false}, 65, 0, 0},
    {{4, 64, 2, 3, AUXO_ACTIVATION_SELU, true}, 17, 1, 0},
    {{24, 10, 3, 2, AUXO_ACTIVATION_SIGMOID, true}, 129, 0, 2},
    {{1, 1, 1, 1, AUXO_ACTIVATION_TANH, true}, 1, 0, 0},
    {{4, 5, 3, 2, AUXO_ACTIVATION_TANH, true}, 0, 0, 0},
    {{4, 5, 50, 2, AUXO_ACTIVATION_TANH, true}, 257, 0, 0},
    {{4, 5, 50, 2, AUXO_ACTIVATION_LEAKY_RELU, true}, 33, 20, 40},
    {{64, 64, 3, 64, AUXO_ACTIVATION_ELU, true}, 127, 0, 0},
    {{33, 17, 0, 9, AUXO_ACTIVATION_TANH, true}, 31, 0, 0},
    {{3, 3, 210, 1, AUXO_ACTIVATION_TANH, true}, 9, 0, 0},
    {{4, 5, 7, 2, AUXO_ACTIVATION_TANH, true}, 10007, 0, 0},
    {{7, 13, 3, 2, AUXO_ACTIVATION_TANH, false}, 300, 1, 0},
};

static void build_mlp_forward(auxo__case *built, size_t index)
{
    const mlp_forward_case *row = &mlp_forward_cases[index];
    add_network(built, &row->shape, row->begin, AUXO_MLP_FORWARD_PARAMS);
    uint32_t end = row->end ? row->end : built->op.params.mlp.mlp.layer_count;
    built->op.params.mlp.end_layer = end;
    auxo__case_text(built, " layers %u..%u", (unsigned)row->begin, (unsigned)end);
    add_rows(built, AUXO_MLP_FORWARD_X, 0, row->begin, row->rows);
    AUXO__F32(built, AUXO_MLP_FORWARD_Y, row->rows, built->widths[end]);
}

static double bound_relative_to_largest(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                        double magnitude)
{
    (void)slot, (void)element, (void)expected;
    return 4 * tested->scale * (magnitude + 1e-6);
}

const auxo__suite auxo__suite_mlp_forward = {
    sizeof mlp_forward_cases / sizeof mlp_forward_cases[0], 4, build_mlp_forward, bound_relative_to_largest, false, 0};

/* ---- mlp_gradient --------------------------------------------------------------------------------------------------
 */

typedef struct mlp_gradient_case {
    network shape;
    int64_t rows;
    uint32_t begin, train_begin, train_end; /* train_end 0: the last layer */
    bool stats;
} mlp_gradient_case;

static const mlp_gradient_case mlp_gradient_cases[] = {
    {{4, 5, 7, 2, AUXO_ACTIVATION_TANH, true}, 33, 0, 0, 0, true},
    {{3, 10, 2, 1, AUXO_ACTIVATION_RELU, false}, 65, 0, 1, 2, false},
    {{4, 64, 2, 3, AUXO_ACTIVATION_SELU, true}, 17, 0, 0, 0, false},
    {{24, 10, 3, 2, AUXO_ACTIVATION_SIGMOID, true}, 129, 1, 2, 4, true},
    {{1, 1, 1, 1, AUXO_ACTIVATION_TANH, true}, 1, 0, 0, 0, false},
    {{4, 5, 3, 2, AUXO_ACTIVATION_TANH, true}, 0, 0, 0, 0, true},
    {{4, 5, 3, 2, AUXO_ACTIVATION_TANH, true}, 9, 0, 2, 2, true},
    {{4, 5, 50, 2, AUXO_ACTIVATION_TANH, true}, 257, 0, 0, 0, false},
    {{4, 5, 50, 2, AUXO_ACTIVATION_TANH, true}, 129, 20, 25, 26, true},
    {{64, 64, 3, 64, AUXO_ACTIVATION_ELU, true}, 127, 0, 0, 0, false},
    {{33, 17, 0, 9, AUXO_ACTIVATION_TANH, true}, 31, 0, 0, 0, true},
    {{3, 3, 210, 1, AUXO_ACTIVATION_TANH, true}, 9, 0, 0, 0, false},
    {{4, 5, 7, 2, AUXO_ACTIVATION_LEAKY_RELU, true}, 10007, 0, 0, 0, true},
    {{7, 13, 3, 2, AUXO_ACTIVATION_TANH, false}, 1300, 1, 1, 3, true},
    {{9, 17, 2, 3, AUXO_ACTIVATION_TANH, true}, 700, 0, 0, 0, false},
};

enum { MLP_HISTORY_LENGTH = 3, MLP_STEP = 5 };

static void build_mlp_gradient(auxo__case *built, size_t index)
{
    const mlp_gradient_case *row = &mlp_gradient_cases[index];
    add_network(built, &row->shape, row->begin, AUXO_MLP_GRADIENT_PARAMS);
    auxo_mlp_params *params = &built->op.params.mlp;
    params->train_begin = row->train_begin;
    params->train_end = row->train_end ? row->train_end : params->mlp.layer_count;
    auxo__case_text(built, " from %u, training %u..%u", (unsigned)row->begin, (unsigned)row->train_begin,
                    (unsigned)params->train_end);
    add_rows(built, AUXO_MLP_GRADIENT_X, AUXO_MLP_GRADIENT_TARGET, row->begin, row->rows);
    AUXO__F32(built, AUXO_MLP_GRADIENT_GRADS, (int64_t)auxo_mlp_param_count(&params->mlp));
    /* gradients of layers that are not trained must keep this value */
    auxo__case_constant(built, AUXO_MLP_GRADIENT_GRADS, 1e-6);
    AUXO__F32(built, AUXO_MLP_GRADIENT_LOSS, 2);
    if (row->stats) {
        AUXO__F32(built, AUXO_MLP_GRADIENT_STATS, 4);
        auxo__case_constant(built, AUXO_MLP_GRADIENT_STATS, 2);
        AUXO__F32(built, AUXO_MLP_GRADIENT_HISTORY, MLP_HISTORY_LENGTH);
        auxo__case_constant(built, AUXO_MLP_GRADIENT_HISTORY, -7);
        auxo__case_counter(built, AUXO_MLP_GRADIENT_COUNTER, MLP_STEP, 0, 0);
    }
}

static double bound_mlp_gradient(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                                 double magnitude)
{
    const auxo_mlp_params *params = &tested->op.params.mlp;
    int64_t begin = (int64_t)auxo_mlp_layer_offset(&params->mlp, params->train_begin);
    int64_t end = (int64_t)auxo_mlp_layer_offset(&params->mlp, params->train_end);
    double loss_error = 4 * tested->scale * (1 + fabs(expected));
    switch (slot) {
    case AUXO_MLP_GRADIENT_GRADS:
        return element >= begin && element < end ? 8 * tested->scale * (magnitude + 1e-6) : 0;
    case AUXO_MLP_GRADIENT_STATS:
        return element == 0 ? (double)tested->op.tensors[AUXO_MLP_GRADIENT_X].dims[0] * loss_error : 0;
    case AUXO_MLP_GRADIENT_HISTORY:
        return element == (MLP_STEP - 1) % MLP_HISTORY_LENGTH ? loss_error : 0;
    default:
        return loss_error;
    }
}

const auxo__suite auxo__suite_mlp_gradient = {
    sizeof mlp_gradient_cases / sizeof mlp_gradient_cases[0], 4, build_mlp_gradient, bound_mlp_gradient, false, 0};

/* ---- mlp_hvp -------------------------------------------------------------------------------------------------------
 */

typedef struct mlp_hvp_case {
    network shape;
    int64_t rows, directions;
} mlp_hvp_case;

static const mlp_hvp_case mlp_hvp_cases[] = {
    {{4, 5, 3, 2, AUXO_ACTIVATION_TANH, true}, 33, 3},   {{3, 10, 2, 1, AUXO_ACTIVATION_SIGMOID, false}, 65, 1},
    {{2, 33, 1, 3, AUXO_ACTIVATION_SELU, true}, 17, 2},  {{1, 1, 1, 1, AUXO_ACTIVATION_TANH, true}, 1, 1},
    {{4, 5, 3, 2, AUXO_ACTIVATION_TANH, true}, 0, 2},    {{4, 5, 3, 2, AUXO_ACTIVATION_TANH, true}, 9, 0},
    {{4, 5, 50, 2, AUXO_ACTIVATION_TANH, true}, 129, 2}, {{5, 64, 2, 4, AUXO_ACTIVATION_ELU, true}, 31, 1},
    {{4, 6, 4, 2, AUXO_ACTIVATION_RELU, true}, 257, 2},  {{4, 5, 7, 2, AUXO_ACTIVATION_TANH, true}, 2003, 17},
};

static void build_mlp_hvp(auxo__case *built, size_t index)
{
    const mlp_hvp_case *row = &mlp_hvp_cases[index];
    add_network(built, &row->shape, 0, AUXO_MLP_HVP_PARAMS);
    int64_t count = (int64_t)auxo_mlp_param_count(&built->op.params.mlp.mlp);
    add_rows(built, AUXO_MLP_HVP_X, AUXO_MLP_HVP_TARGET, 0, row->rows);
    auxo__case_text(built, " directions=%lld", (long long)row->directions);
    AUXO__INPUT(built, AUXO_MLP_HVP_V, row->directions, count);
    AUXO__F32(built, AUXO_MLP_HVP_HV, row->directions, count);
    built->scale *= 4; /* four passes */
}

const auxo__suite auxo__suite_mlp_hvp = {
    sizeof mlp_hvp_cases / sizeof mlp_hvp_cases[0], 3, build_mlp_hvp, bound_relative_to_largest, false, 0};

/* ---- theta_eval ----------------------------------------------------------------------------------------------------
 */

typedef struct theta_case {
    network shape;
    int64_t rows, masks, groups;
    uint32_t begin;
    bool on_outputs;
} theta_case;

static const theta_case theta_cases[] = {
    {{4, 5, 7, 2, AUXO_ACTIVATION_TANH, true}, 33, 9, 8, 0, false},
    {{3, 10, 2, 1, AUXO_ACTIVATION_RELU, false}, 65, 5, 3, 0, true},
    {{4, 33, 2, 3, AUXO_ACTIVATION_SELU, true}, 17, 3, 20, 1, false},
    {{1, 1, 1, 1, AUXO_ACTIVATION_TANH, true}, 1, 1, 1, 0, false},
    {{4, 5, 3, 2, AUXO_ACTIVATION_TANH, true}, 0, 2, 4, 0, false},
    {{4, 5, 3, 2, AUXO_ACTIVATION_TANH, true}, 9, 0, 4, 0, true},
    {{4, 5, 50, 2, AUXO_ACTIVATION_TANH, true}, 129, 33, 51, 0, false},
    {{4, 5, 50, 2, AUXO_ACTIVATION_SIGMOID, true}, 65, 17, 51, 25, true},
    {{64, 64, 2, 64, AUXO_ACTIVATION_ELU, true}, 31, 4, 100, 0, true},
    {{4, 5, 7, 2, AUXO_ACTIVATION_TANH, true}, 4099, 7, 8, 0, false},
    {{3, 3, 210, 1, AUXO_ACTIVATION_TANH, true}, 9, 3, 5, 0, false},
    {{7, 13, 3, 2, AUXO_ACTIVATION_TANH, false}, 1300, 11, 9, 1, true},
    {{9, 17, 2, 3, AUXO_ACTIVATION_TANH, true}, 700, 11, 30, 0, false},
};

/* Every unit gets a group, every mask factors; FIRST_LAYER is the truth, or for odd masks anything earlier. Group 0 is
 * never perturbed and holds the units before begin_layer. */
static void add_masks(auxo__case *built, const theta_case *row)
{
    const auxo_mlp *mlp = &built->op.params.mlp.mlp;
    int64_t units = 0;
    for (uint32_t l = 1; l <= mlp->layer_count; l++)
        units += mlp->widths[l];
    AUXO__U32(built, AUXO_THETA_EVAL_UNIT_GROUP, units);
    AUXO__F32(built, AUXO_THETA_EVAL_THETA, row->masks, row->groups);
    AUXO__U32(built, AUXO_THETA_EVAL_FIRST_LAYER, row->masks);
    int64_t unit = 0;
    for (uint32_t l = 0; l < mlp->layer_count; l++)
        for (uint32_t i = 0; i < mlp->widths[l + 1]; i++, unit++)
            auxo__case_set(built, AUXO_THETA_EVAL_UNIT_GROUP, unit,
                           l < row->begin ? 0 : (double)((unit * 7 + l) % row->groups));
    for (int64_t mask = 0; mask < row->masks; mask++) {
        for (int64_t group = 0; group < row->groups; group++) {
            bool perturbed = group > 0 && auxo__case_random(built) % 3 == 0;
            auxo__case_set(built, AUXO_THETA_EVAL_THETA, mask * row->groups + group, perturbed ? 1.25 : 1);
        }
        uint32_t first = mlp->layer_count;
        unit = units;
        for (uint32_t l = mlp->layer_count; l-- > row->begin;)
            for (uint32_t i = mlp->widths[l + 1]; i-- > 0;) {
                int64_t group = (int64_t)auxo__case_get(built, AUXO_THETA_EVAL_UNIT_GROUP, --unit);
                if (auxo__case_get(built, AUXO_THETA_EVAL_THETA, mask * row->groups + group) != 1)
                    first = l;
            }
        auxo__case_set(built, AUXO_THETA_EVAL_FIRST_LAYER, mask, mask % 2 ? (first + row->begin) / 2 : first);
    }
}

static void build_theta_eval(auxo__case *built, size_t index)
{
    const theta_case *row = &theta_cases[index];
    add_network(built, &row->shape, row->begin, AUXO_THETA_EVAL_PARAMS);
    built->op.params.mlp.theta_on_outputs = row->on_outputs;
    add_rows(built, AUXO_THETA_EVAL_X, AUXO_THETA_EVAL_TARGET, row->begin, row->rows);
    auxo__case_text(built, " masks=%lld groups=%lld from %u on %s", (long long)row->masks, (long long)row->groups,
                    (unsigned)row->begin, row->on_outputs ? "outputs" : "weights");
    add_masks(built, row);
    AUXO__F32(built, AUXO_THETA_EVAL_LOSS, row->masks, 2);
}

static double bound_theta_eval(const auxo__case *tested, uint32_t slot, int64_t element, double expected,
                               double magnitude)
{
    (void)slot, (void)element, (void)expected;
    return 4 * tested->scale * (1 + magnitude);
}

const auxo__suite auxo__suite_theta_eval = {
    sizeof theta_cases / sizeof theta_cases[0], 3, build_theta_eval, bound_theta_eval, false, 0};

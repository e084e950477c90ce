/* auxo/multiscale.h: hierarchical multi-scale training.
 *
 * Source: S. Zhang, V. S. Vassiliadis, B. Dorneanu, H. Arellano-Garcia, "Hierarchical multi-scale parametric
 * optimization of deep neural networks", 2023 (equation numbers are this article's), and its short conference version
 * with the reactor's data.
 *
 * The layers with weights are the leaves of a binary tree. Every node has a scaling factor theta = 1; the loss's
 * sensitivity to it says how much that block of the network matters now. A randomised walk from the root picks one
 * layer, which alone is trained for a while; then the sensitivities are taken again.
 */
#ifndef AUXO_MULTISCALE_H
#define AUXO_MULTISCALE_H

#include "auxo/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the tree ---------------------------------------------------------------------------------------------------- */
/* A block of weight layers [layer_begin, layer_end), or, inside one layer, units [unit_begin, unit_end). */
typedef struct auxo_tree_node {
    uint32_t layer_begin, layer_end; /* weight layers, counted from 0 */
    uint32_t unit_begin, unit_end;   /* all units of the layer unless the node lies inside one layer */
    int32_t parent, left, right;     /* node indices; -1: none */
    uint32_t depth;                  /* 0 for the root */
} auxo_tree_node;

typedef struct auxo_tree {
    uint32_t layer_count;
    uint32_t *unit_counts;  /* (layer_count) */
    uint32_t *unit_offsets; /* (layer_count + 1): of a layer's first unit in a list of all units */
    uint32_t node_count, depth;
    auxo_tree_node *nodes; /* node 0 is the root; parents come before children */
} auxo_tree;

/* Bisects recursively; uneven sets split floor/ceil, the left one smaller. `split_units` continues inside each layer
 * down to single units (sec. 4.1). level_limit > 0 stops at that depth; more than the tree has is an error. */
AUXO_API auxo_status auxo_tree_create(uint32_t layer_count, const uint32_t *unit_counts, bool split_units,
                                      uint32_t level_limit, auxo_tree **tree, auxo_error *error);
AUXO_API void auxo_tree_destroy(auxo_tree *tree);

/* ---- options ------------------------------------------------------------------------------------------------------
 */
typedef enum auxo_theta_placement {
    AUXO_THETA_ON_WEIGHTS /* sec. 3.3, default */,
    AUXO_THETA_ON_OUTPUTS /* eq. 2 */
} auxo_theta_placement;
typedef enum auxo_difference {
    AUXO_DIFFERENCE_EXACT,               /* from one backward pass */
    AUXO_DIFFERENCE_FORWARD,             /* (38) */
    AUXO_DIFFERENCE_BACKWARD_AS_PRINTED, /* Algorithm 1: (L(1 - eps) - L(1)) / eps, wrong sign as printed */
    AUXO_DIFFERENCE_CENTRAL,             /* (39): +-eps over 2 eps */
    AUXO_DIFFERENCE_CENTRAL_AS_PRINTED   /* (7): +-eps/2 over eps */
} auxo_difference;
/* Mean gradients of a pair at theta = 1 that second-order selection weighs: b + d + 2e for the left block and for the
 * right one ... */
typedef enum auxo_mean_gradients {
    AUXO_MEANS_CORRECTED, /* c + d + 2f, what the integral (29) gives */
    AUXO_MEANS_EQ36,      /* b + d + 2f, printed in (36) */
    AUXO_MEANS_EQ33       /* b + d + 2e, (33) as printed at theta = 1: always an even draw */
} auxo_mean_gradients;
typedef enum auxo_multiscale_order {
    AUXO_MULTISCALE_BACKPROPAGATION, /* no selection: all layers, the baseline */
    AUXO_MULTISCALE_FIRST,           /* (21) */
    AUXO_MULTISCALE_SECOND           /* (37) */
} auxo_multiscale_order;

typedef struct auxo_multiscale_options {
    auxo_multiscale_order order;
    auxo_theta_placement theta_on;
    auxo_difference difference;
    auxo_mean_gradients means; /* second order only */
    bool greedy;               /* take the larger side instead of drawing */
    bool split_units;          /* the tree continues down to units; selection stops at the layer that holds them */
    bool train_units;       /* selection goes on inside a layer, and only the chosen block of units is trained: its rows
                               of the weight and its biases (sec. 4.1); implies split_units */
    uint32_t unit_levels;   /* levels below a layer at most; 0: down to single units */
    uint32_t level_limit;   /* 0: none */
    double epsilon;         /* perturbation of theta for first-order differences; > 0 */
    double second_step;     /* step of second-order differences; 0: eq. (43) */
    uint32_t epochs;        /* per iteration, E */
    uint32_t iterations;    /* at most */
    double inner_tolerance; /* (44); 0: none */
    double tolerance;       /* (45); 0: none */
    bool stop_on_sum;       /* (45) on the sum of all |gradients| (Algorithm 1, Norm) instead of the largest */
    uint32_t check_every;   /* iterations between checks of (45); 1 by default, the authors' code had 50 */
    /* Second order: at every branching point of a walk the weights and biases of both blocks are scaled by 1 + delta*,
     * the lowest point of the quadratic model (25) within +-theta_bound (sec. 5.1), and so down the walk; all of it is
     * taken back, to the bit, where the loss does not fall. 0: off. */
    double theta_bound;
    /* The inner optimiser without derivatives: pattern search in steps of pattern_step, which is halved after every
     * sweep over the weights that brings nothing, until it is below pattern_least. An epoch is a sweep; the optimiser
     * and inner_tolerance are not used. 0: gradient descent. */
    double pattern_step, pattern_least;
    auxo_optimizer_config optimizer;
    uint64_t seed;
    bool standardize;         /* inputs and real targets by the training set's statistics, which the model keeps; one
                                 that has such from before keeps those */
    const volatile int *stop; /* != 0: stop between chunks of epochs with INTERRUPTED; may be NULL */
} auxo_multiscale_options;

/* Defaults: first order, on weights, exact, epsilon 1e-3, 1000 epochs, 100 iterations, sgd lr 0.01, standardised. */
AUXO_API void auxo_multiscale_options_init(auxo_multiscale_options *options);

/* ---- results ------------------------------------------------------------------------------------------------------
 */
typedef struct auxo_multiscale_iteration {
    uint32_t iteration;              /* 1 for the first */
    uint32_t layer_begin, layer_end; /* trained weight layers */
    uint32_t unit_begin, unit_end;   /* of a single layer: the units trained; 0, 0: whole layers */
    uint32_t epochs;                 /* really run */
    double loss;                     /* training loss after the iteration */
    double layer_gradient_max;       /* |dMSE/dW_layer|_inf at its last epoch; NaN of a pattern search */
    double network_gradient_max;     /* |dMSE/dW_network|_inf when last checked; the sum under stop_on_sum */
    double theta_change;             /* of the loss by the step of theta_bound; 0: taken back; NaN: there was none */
    double selection_seconds, training_seconds;
    bool converged; /* (45) holds */
} auxo_multiscale_iteration;

typedef struct auxo_multiscale auxo_multiscale;

/* `model` is borrowed; data sets are copied to the device. Plain fully connected models no wider than
 * AUXO_MLP_WIDTH_MAX run on the fused operators, all others through the layer plans, behind the same calls: there the
 * exact second derivatives are central differences of exact gradients by a step of 0.01 (on a tanh network of 6 layers
 * within 4e-4 of the largest, beside Hessian-vector products), batch norm is the fixed function of its running
 * statistics and not trained, and dropout is off.
 * Errors: no weight layers, epsilon <= 0, a level limit deeper than the tree, data that is not finite (row, column). */
AUXO_API auxo_status auxo_multiscale_create(auxo_model *model, const auxo_dataset *train, const auxo_dataset *test,
                                            const auxo_multiscale_options *options, auxo_multiscale **multiscale,
                                            auxo_error *error);
AUXO_API void auxo_multiscale_destroy(auxo_multiscale *multiscale);
AUXO_API const auxo_tree *auxo_multiscale_tree(const auxo_multiscale *multiscale);
/* "fused" or "layers". */
AUXO_API const char *auxo_multiscale_engine(const auxo_multiscale *multiscale);
/* Whether every hidden activation is positively homogeneous and there is no bias: then all layer sensitivities are
 * equal and selection is uniform; worth a warning. */
AUXO_API bool auxo_multiscale_is_degenerate(const auxo_multiscale *multiscale);

/* Selects and trains once. Errors: NOT_FINITE names iteration and epoch; weights are then those before the iteration.
 */
AUXO_API auxo_status auxo_multiscale_iterate(auxo_multiscale *multiscale, auxo_multiscale_iteration *iteration,
                                             auxo_error *error);
/* Trains weight layers [layer_begin, layer_end) for up to options.epochs without selecting, for callers that choose by
 * themselves; counts as no iteration, and the network's gradient is not checked. Errors: as auxo_multiscale_iterate,
 * and INVALID_ARGUMENT for an empty range or one beyond the last layer. */
AUXO_API auxo_status auxo_multiscale_train_layers(auxo_multiscale *multiscale, uint32_t layer_begin, uint32_t layer_end,
                                                  auxo_multiscale_iteration *result, auxo_error *error);
/* Iterates done so far, and setting them when resuming (the draws depend on seed and iteration only). */
AUXO_API uint32_t auxo_multiscale_iteration_count(const auxo_multiscale *multiscale);
AUXO_API void auxo_multiscale_set_iteration_count(auxo_multiscale *multiscale, uint32_t count);
AUXO_API auxo_optimizer *auxo_multiscale_optimizer(auxo_multiscale *multiscale);
/* The optimiser's time: updates made so far, plus one. Set when resuming; Adam's correction depends on it. */
AUXO_API auxo_status auxo_multiscale_get_time(auxo_multiscale *multiscale, uint32_t *time, auxo_error *error);
AUXO_API auxo_status auxo_multiscale_set_time(auxo_multiscale *multiscale, uint32_t time, auxo_error *error);

/* First-order sensitivities dL/dtheta of every node, signed; values (node_count). */
AUXO_API auxo_status auxo_multiscale_sensitivities(auxo_multiscale *multiscale, auxo_difference difference,
                                                   double epsilon, double *values, auxo_error *error);
/* Mean gradients (35)-(36) of every node with a sibling, and, if wanted, the second derivatives they are made of:
 * values[i] = b + d + 2e seen from node i; own[i] = d2L/dtheta_i^2; mixed[i] = d2L/(dtheta_i dtheta_sibling).
 * `difference` EXACT uses Hessian-vector products (the layer plans: central differences of exact gradients, see
 * auxo_multiscale_create), the others (38)-(42). The root gets NaN. own, mixed may be NULL. */
AUXO_API auxo_status auxo_multiscale_second_order(auxo_multiscale *multiscale, auxo_difference difference, double step,
                                                  double *values, double *own, double *mixed, auxo_error *error);

/* theta on the inputs (Table 1 lists such measures): the input, as it is standardised, times 1 + epsilon. One value for
 * each feature that a dense layer reads, or for each channel that a convolution reads. Exactly, from the gradient of
 * the layers that read the input: sum over k of x dL/dx = sum over a column of W dL/dW. Errors: UNSUPPORTED where
 * anything else reads the input, or layers of both kinds. values (input_count). */
AUXO_API auxo_status auxo_multiscale_input_count(const auxo_multiscale *multiscale, uint32_t *count, auxo_error *error);
AUXO_API auxo_status auxo_multiscale_input_sensitivities(auxo_multiscale *multiscale, auxo_difference difference,
                                                         double epsilon, double *values, auxo_error *error);
/* How weight layers are coupled: matrix[i * layer_count + j] = d2L / dtheta_i dtheta_j, symmetric; exact as in
 * auxo_multiscale_second_order. matrix (layer_count, layer_count). */
AUXO_API auxo_status auxo_multiscale_coupling(auxo_multiscale *multiscale, double *matrix, auxo_error *error);
/* |dMSE/dW_l|_inf of each weight layer; values (layer_count). */
AUXO_API auxo_status auxo_multiscale_layer_gradients(auxo_multiscale *multiscale, double *values, auxo_error *error);

/* Loss and |dMSE/dW|_inf of the whole network on the training set. */
AUXO_API auxo_status auxo_multiscale_gradient_norm(auxo_multiscale *multiscale, double *loss, double *gradient_max,
                                                   auxo_error *error);
/* Loss in inference on train and test set; NaN for test if there is none. */
AUXO_API auxo_status auxo_multiscale_evaluate(auxo_multiscale *multiscale, double *train_loss, double *test_loss,
                                              auxo_error *error);

/* ---- selection, testable by itself ---------------------------------------------------------------------------------
 */
/* Probability of the left branch, |l| / (|l| + |r|), 0/0 = 1/2; NaN operands are an internal error of the caller. */
AUXO_API double auxo_branch_probability(double left, double right);
/* Walks from the root to a leaf, or to the node that holds a single layer. values: one per node. draw(user, k) gives
 * the k-th uniform number of the walk; left if probability >= draw, or the larger if greedy. Returns the node. */
AUXO_API uint32_t auxo_tree_select(const auxo_tree *tree, const double *values, bool greedy,
                                   double (*draw)(void *user, uint32_t k), void *user);

/* The lowest point of first[0] d1 + first[1] d2 + mixed d1 d2 + own[0] d1^2 / 2 + own[1] d2^2 / 2 with |d1|, |d2| at
 * most `bound`, into step; zeros where no point is below 0 or a coefficient is not finite. */
AUXO_API void auxo_trust_region_step(const double first[2], const double own[2], double mixed, double bound,
                                     double step[2]);

/* ---- trivial baselines ----------------------------------------------------------------------------------------------
 */
/* Test (or train, if test is NULL) mean squared error of the constant predictor and of linear least squares with
 * intercept, in the units the multi-scale loss uses (standardised if asked). Classes: cross-entropy of the training
 * frequencies, and NaN for the linear model. Host, double. */
AUXO_API auxo_status auxo_baseline_losses(const auxo_dataset *train, const auxo_dataset *test, bool standardize,
                                          double *constant_loss, double *linear_loss, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif

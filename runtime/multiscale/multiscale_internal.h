/* runtime/multiscale/multiscale_internal.h: what the files of this folder share.
 *
 * The engine is the seam between the algorithm (tree, selection, loops: loop.c, sensitivity.c) and the two ways of
 * running a network: fused narrow-network operators (engine_mlp*.c) and layer plans (engine_layers*.c).
 */
#ifndef AUXO_MULTISCALE_INTERNAL_H
#define AUXO_MULTISCALE_INTERNAL_H

#include "auxo/multiscale.h"

/* ---- walk ----------------------------------------------------------------------------------------------------------
 */
typedef struct tree_walk {
    /* Values of the two children of a node; computed only for nodes on the path. */
    auxo_status (*branch)(void *user, uint32_t node, double *left, double *right, auxo_error *error);
    double (*draw)(void *user, uint32_t k); /* k-th uniform number */
    void *user;
    uint32_t unit_levels; /* how far to go on inside a layer; UINT32_MAX: to the end */
} tree_walk;

auxo_status auxo__tree_walk(const auxo_tree *tree, bool greedy, const tree_walk *walk, uint32_t *selected,
                            auxo_error *error);

/* The k-th uniform number of the walk of an iteration (from 0). */
double auxo__selection_draw(uint64_t seed, uint32_t iteration, uint32_t k);

/* ---- engine --------------------------------------------------------------------------------------------------------
 */
/* theta of up to two disjoint nodes set to a factor, all others 1. */
typedef struct theta_mask {
    uint32_t node_count; /* 0: the unperturbed network */
    const auxo_tree_node *nodes[2];
    double factors[2];
} theta_mask;

typedef struct train_request {
    uint32_t layer_begin, layer_end; /* weight layers to train */
    uint32_t unit_begin, unit_end;   /* of one layer, a block of its units; 0, 0: all */
    uint32_t epochs;
    double tolerance; /* on |dMSE/dW_layer|_inf; 0: none */
    const volatile int *stop;
} train_request;

typedef struct train_outcome {
    uint32_t epochs;
    double loss;         /* before the last update */
    double gradient_max; /* of the last update's gradient; NaN if it was not watched */
} train_outcome;

typedef struct multiscale_engine multiscale_engine;
typedef struct range_trainer range_trainer;
typedef struct multiscale_engine_ops {
    const char *name;
    void (*destroy)(multiscale_engine *engine);
    /* Gradient of all weights at theta = 1, left on the device; loss and |dMSE/dW|_inf. */
    auxo_status (*full_gradient)(multiscale_engine *engine, double *loss, double *gradient_max, auxo_error *error);
    /* dL/dtheta of every single unit from the last full_gradient; values (all units). */
    auxo_status (*unit_sensitivities)(multiscale_engine *engine, auxo_theta_placement theta_on, double *values,
                                      auxo_error *error);
    /* losses (mask_count) of the perturbed networks on the training set. */
    auxo_status (*theta_losses)(multiscale_engine *engine, auxo_theta_placement theta_on, const theta_mask *masks,
                                uint32_t mask_count, double *losses, auxo_error *error);
    /* matrix[i * count + j] = d2L / dtheta_i dtheta_j of the given nodes, exact. Needs a full_gradient before. */
    auxo_status (*second_derivatives)(multiscale_engine *engine, auxo_theta_placement theta_on,
                                      const auxo_tree_node *const *nodes, uint32_t count, double *matrix,
                                      auxo_error *error);
    auxo_status (*train)(multiscale_engine *engine, const train_request *request, train_outcome *outcome,
                         auxo_error *error);
    auxo_status (*evaluate)(multiscale_engine *engine, double *train_loss, double *test_loss, auxo_error *error);
    range_trainer *(*trainer)(multiscale_engine *engine);
} multiscale_engine_ops;

struct multiscale_engine {
    const multiscale_engine_ops *ops;
};

typedef struct engine_inputs {
    auxo_model *model;
    auxo_optimizer *optimizer;
    const auxo_dataset *train, *test; /* test may be NULL */
    const auxo_tree *tree;
} engine_inputs;

/* Fills in the description of a plain chain of dense layers no wider than AUXO_MLP_WIDTH_MAX; false if the model is
 * anything else. widths has room for layer_count + 1, activations for layer_count entries of the model. */
bool auxo__mlp_from_model(const auxo_model *model, uint32_t *widths, auxo_activation *activations, auxo_mlp *mlp);

auxo_status auxo__engine_mlp_create(const engine_inputs *inputs, multiscale_engine **engine, auxo_error *error);
auxo_status auxo__engine_layers_create(const engine_inputs *inputs, multiscale_engine **engine, auxo_error *error);

/* ---- weight layers
 * ---------------------------------------------------------------------------------------------------- */
/* The model's layers that have units and weights (dense, conv2d), in order; layers has room for all. Returns the count.
 */
uint32_t auxo__weight_layers(const auxo_model_desc *desc, uint32_t *layers);

/* ---- trainer of a range of weights (range_trainer.c)
 * -------------------------------------------------------------------- */
/* One epoch, appended to a plan: gradient of the range into the model's gradient buffer and loss into loss f32[2]. */
typedef void append_gradient(void *user, auxo_plan *plan, uint32_t layer_begin, uint32_t layer_end,
                             const auxo_tensor *loss);

/* Trains ranges of weights with many epochs per submission; keeps one compiled plan per range. */
auxo_status auxo__range_trainer_create(auxo_model *model, auxo_optimizer *optimizer, append_gradient *append,
                                       void *user, range_trainer **trainer, auxo_error *error);
void auxo__range_trainer_destroy(range_trainer *trainer);
/* offset, count: the flat weights of the requested layers. Of a block of units only its rows of the weight and its
 * biases move, with their optimiser state; everything else stays as it is, bit for bit. */
auxo_status auxo__range_trainer_run(range_trainer *trainer, const train_request *request, uint64_t offset,
                                    uint64_t count, train_outcome *outcome, auxo_error *error);

/* Updates made so far, plus one: the optimiser's time, which Adam's correction needs. */
auxo_status auxo__range_trainer_get_time(range_trainer *trainer, uint32_t *time, auxo_error *error);
auxo_status auxo__range_trainer_set_time(range_trainer *trainer, uint32_t time, auxo_error *error);

/* ---- data
 * -------------------------------------------------------------------------------------------------------------- */
/* Features and real targets of a set as f32 rows on the device, standardised as the model knows (`known`; it may know
 * nothing). *features, *targets are new buffers. */
auxo_status auxo__upload_regression(auxo_queue *queue, const auxo_dataset *dataset, const auxo_dataset *statistics,
                                    const auxo_preprocessing *known, auxo_buffer **features, auxo_buffer **targets,
                                    auxo_error *error);
/* Host rows, standardised, double: features (rows, channels*h*w), targets (rows, outputs); malloc'ed. Class labels
 * become one-hot targets. Errors: FORMAT names row and column of a value that is not finite. */
auxo_status auxo__standardized_rows(const auxo_dataset *dataset, const auxo_dataset *statistics, bool standardize,
                                    const auxo_preprocessing *known, float **features, float **targets,
                                    size_t *feature_count, size_t *target_count, auxo_error *error);

/* ---- sensitivity.c
 * -------------------------------------------------------------------------------------------------------- */
double auxo__default_second_step(void);
/* Where a difference takes the loss: (L(up) - L(down)) / span. Where it is not central, down is 1: the network as it
 * is. */
typedef struct difference_points {
    double up, down, span;
    bool central;
} difference_points;
difference_points auxo__difference_points(auxo_difference difference, double epsilon);
/* First-order value of the given nodes by differences, all masks in one call. */
auxo_status auxo__first_differences(multiscale_engine *engine, auxo_theta_placement theta_on,
                                    auxo_difference difference, double epsilon, const auxo_tree_node *const *nodes,
                                    uint32_t count, double *values, auxo_error *error);
/* Sums of unit values over a node's units. */
double auxo__node_sum(const auxo_tree *tree, const auxo_tree_node *node, const double *unit_values);

typedef struct pair_second_order {
    double first[2]; /* b, c */
    double own[2];   /* 2e, 2f */
    double mixed;    /* d */
    double mean[2];  /* (35), (36) */
} pair_second_order;
/* first: the pair's first-order values if already known (exact), else NULL. */
auxo_status auxo__pair_second_order(multiscale_engine *engine, auxo_theta_placement theta_on,
                                    auxo_difference difference, auxo_mean_gradients means, double step,
                                    const auxo_tree_node *const pair[2], const double *first, pair_second_order *result,
                                    auxo_error *error);

/* ---- theta_step.c
 * --------------------------------------------------------------------------------------------------------- */
/* Adds a pair's step to the factors of its layers; blocks inside a layer keep theirs. */
void auxo__theta_step_note(auxo_multiscale *ms, const auxo_tree_node *const pair[2], const pair_second_order *second);
/* Scales the weights by the factors if the loss falls by it. *change: of the loss; 0: taken back. */
auxo_status auxo__theta_step_apply(auxo_multiscale *ms, double *change, auxo_error *error);

/* ---- pattern_search.c
 * ----------------------------------------------------------------------------------------------------- */
/* Trains the requested weights by pattern search. After a failure they are as before. */
auxo_status auxo__pattern_search(auxo_multiscale *ms, const train_request *request, train_outcome *outcome,
                                 auxo_error *error);

/* The gradient of all weights and the loss, as full_gradient; *gradients (weight_count) is to be freed, also after a
 * failure. */
auxo_status auxo__multiscale_read_gradients(auxo_multiscale *ms, float **gradients, double *loss, double *gradient_max,
                                            auxo_error *error);

/* The training loss of the network as it is. */
auxo_status auxo__multiscale_loss(auxo_multiscale *ms, double *loss, auxo_error *error);

struct auxo_multiscale {
    auxo_model *model;
    auxo_optimizer *optimizer;
    auxo_multiscale_options options;
    auxo_tree *tree;
    multiscale_engine *engine;
    uint32_t *weight_layers; /* model layer of each weight layer */
    double *unit_values;     /* scratch (all units) */
    double *layer_factors;   /* (layer_count) of the step of theta; NULL: none is taken */
    uint32_t iteration;
    bool degenerate;
};

#endif

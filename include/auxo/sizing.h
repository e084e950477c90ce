/* auxo/sizing.h: networks that size themselves: dynamic auto-sizing, MorphNet, ResBuilder.
 *
 * Sources: V. Cahlik, "Anytime Learning with Auto-Sizing Neural Networks", master's thesis, CTU in Prague 2022 (dynamic
 * auto-sizing, weighted l1); A. Gordon et al., "MorphNet: Fast & Simple Resource-Constrained Structure Learning of Deep
 * Networks", CVPR 2018; J. Burghoff, M. Rottmann, J. von Conta, S. Schoenen, A. Witte, H. Gottschalk, "ResBuilder:
 * Automated machine learning with residual structures", 2023, and J. Burghoff's dissertation, Wuppertal 2023.
 *
 * All three are policies over one mechanism, auxo_model_resize and auxo_model_restructure: they decide which units or
 * blocks come and go; the model carries weights, statistics and optimiser state across. Every edit is logged with what
 * was done, why, and the loss before and after. The result is an ordinary model.
 */
#ifndef AUXO_SIZING_H
#define AUXO_SIZING_H

#include "auxo/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the log of edits
 * ------------------------------------------------------------------------------------------------ */
typedef struct auxo_edit {
    uint32_t epoch; /* finished epochs when it was made */
    char what[48];  /* "grow", "prune", "insert block", "remove block", "rescale" */
    char layer[AUXO_LAYER_NAME_BYTES];
    char why[96]; /* the number that decided: "largest weight 0.0007 < 0.001" */
    uint32_t units_before, units_after;
    double loss_before, loss_after; /* on the probe set; NaN if there is none */
} auxo_edit;

typedef struct auxo_edit_log {
    size_t count, capacity;
    auxo_edit *edits;
} auxo_edit_log;
AUXO_API auxo_status auxo_edit_log_add(auxo_edit_log *log, const auxo_edit *edit, auxo_error *error);
AUXO_API void auxo_edit_log_deinit(auxo_edit_log *log);
/* The log as a JSON array (malloc'ed), for checkpoints; restore appends what such a text holds. */
AUXO_API auxo_status auxo_edit_log_describe(const auxo_edit_log *log, char **json, auxo_error *error);
AUXO_API auxo_status auxo_edit_log_restore(auxo_edit_log *log, const char *json, auxo_error *error);

/* ---- dynamic auto-sizing (Algorithm 2)
 * --------------------------------------------------------------------------------- */
/* w(j) of the weighted l1 penalty, j from 1: j as in the experiments of the thesis; any that does not fall will do. */
typedef enum auxo_autosize_weighting {
    AUXO_WEIGHTING_LINEAR,
    AUXO_WEIGHTING_SQRT,
    AUXO_WEIGHTING_SQUARE,
    AUXO_WEIGHTING_LOG /* 1 + ln j */
} auxo_autosize_weighting;
AUXO_API double auxo_autosize_weight(auxo_autosize_weighting weighting, uint32_t unit);

typedef struct auxo_autosize_options {
    auxo_penalty_kind penalty;         /* weighted_l1 (4.2) by default; l1, l21 (2.23), linf1 */
    auxo_autosize_weighting weighting; /* of weighted_l1 */
    bool shuffle;            /* weighted_l1: units that were there before an epoch share their weights out anew in it
                              * (thesis, discussion); new ones have those of their positions */
    double strength;         /* alpha */
    bool proximal;           /* proximal steps after each update instead of subgradients */
    bool grow;               /* false: prune only */
    uint32_t growth_minimum; /* 20 */
    double growth_fraction;  /* 0.2 */
    double threshold;        /* tau, 1e-3: pruning threshold and scale of new weights */
    bool full_outgoing;      /* the weights by which others read new units are not scaled by tau */
    bool reset_state;        /* reset the optimiser's moments at a resize, as coded originally; else they are carried */
    const auxo_dataset *probe; /* for the losses in the log; may be NULL; borrowed */
    uint64_t seed;             /* of new weights; 0 */
} auxo_autosize_options;

/* weighted_l1, 2e-5, subgradient, growth max(20, 20 %), tau 1e-3, moments carried. */
AUXO_API void auxo_autosize_options_init(auxo_autosize_options *options);

typedef struct auxo_autosize auxo_autosize;

/* Prepares a model whose hidden layers may grow and shrink. Call before auxo_trainer_create and pass the hooks and user
 * pointer to it. `model` is borrowed. Errors: a hidden activation with f(0) != 0 (named), no hidden layer. */
AUXO_API auxo_status auxo_autosize_create(auxo_model *model, const auxo_autosize_options *options,
                                          auxo_autosize **autosize, auxo_error *error);
AUXO_API void auxo_autosize_destroy(auxo_autosize *autosize);
/* The penalty as trainer hooks: options.before_step, options.after_step, with the autosize as hook_user. */
AUXO_API auxo_plan_hook auxo_autosize_before_step;
AUXO_API auxo_plan_hook auxo_autosize_after_step;
/* Ends the dynamic phase: no penalty from the next plan on. */
AUXO_API void auxo_autosize_stop_penalty(auxo_autosize *autosize, auxo_trainer *trainer);
/* Another strength of the penalty (>= 0) from the next plan on. */
AUXO_API void auxo_autosize_set_strength(auxo_autosize *autosize, auxo_trainer *trainer, double strength);

/* Adds fresh units to every hidden layer (lines 6-10) / removes units whose largest incoming weight or bias is below
 * the threshold, front to back (lines 12-14); at least one unit stays. *changed: how many units came or went. */
AUXO_API auxo_status auxo_autosize_grow(auxo_autosize *autosize, auxo_trainer *trainer, uint32_t *changed,
                                        auxo_error *error);
AUXO_API auxo_status auxo_autosize_prune(auxo_autosize *autosize, auxo_trainer *trainer, uint32_t *changed,
                                         auxo_error *error);

/* One epoch of Algorithm 2: grow, fit, prune. Zeroed options: fit only. */
typedef struct auxo_autosize_epoch_options {
    bool grow, prune;
    uint64_t stretch_steps; /* steps between two calls of `between`; 0: it is never called */
    auxo_status (*between)(void *user, auxo_error *error); /* what it returns, unless OK, ends the epoch */
    void *user;
    const auxo_dataset *validation; /* measured again after a pruning that removed units; may be NULL */
} auxo_autosize_epoch_options;
/* Errors: those of auxo_trainer_run; an epoch that was left there goes on where it was, without growing, if it is
 * called again with grow false. edit_seconds (may be NULL): the time that growing and pruning took is added. */
AUXO_API auxo_status auxo_autosize_epoch(auxo_autosize *autosize, auxo_trainer *trainer,
                                         const auxo_autosize_epoch_options *options, auxo_epoch_metrics *metrics,
                                         double *edit_seconds, auxo_error *error);

/* Hidden layers in order: their model layers and units now; arrays of auxo_autosize_layer_count entries. */
AUXO_API uint32_t auxo_autosize_layer_count(const auxo_autosize *autosize);
AUXO_API uint32_t auxo_autosize_layer(const auxo_autosize *autosize, uint32_t index);
AUXO_API uint32_t auxo_autosize_units(const auxo_autosize *autosize, uint32_t index);
/* Units that the next growth adds to a hidden layer. */
AUXO_API uint32_t auxo_autosize_growth(const auxo_autosize *autosize, uint32_t index);
AUXO_API const auxo_edit_log *auxo_autosize_log(const auxo_autosize *autosize);
/* Appends the edits of an earlier part of the run, as auxo_edit_log_describe wrote them. */
AUXO_API auxo_status auxo_autosize_restore_log(auxo_autosize *autosize, const char *json, auxo_error *error);

/* ---- MorphNet ------------------------------------------------------------------------------------------------------
 */
typedef enum auxo_resource { AUXO_RESOURCE_FLOPS, AUXO_RESOURCE_PARAMETERS, AUXO_RESOURCE_LATENCY } auxo_resource;

/* What a network may cost at most. */
typedef struct auxo_budget {
    auxo_resource resource;
    double limit;        /* FLOPs of one row's convolutions and matrix products; their weights; nanoseconds of one
                            inference */
    auxo_device *device; /* LATENCY: where it is measured; borrowed */
    uint32_t batch;      /* LATENCY: rows of that inference; 0: 1 */
} auxo_budget;

typedef enum auxo_morph_scale {
    AUXO_MORPH_BATCH_NORM,  /* |gamma| of the batch norms in a group of tied channels */
    AUXO_MORPH_GROUP_LASSO, /* sqrt(mean w^2) over a unit's incoming weights */
} auxo_morph_scale;

typedef struct auxo_morph_options {
    auxo_resource resource;
    auxo_morph_scale scale;
    double strength;        /* lambda */
    double threshold;       /* a unit is alive if its scale is above it; 1e-2 */
    const double *layer_ns; /* LATENCY: measured time of each model layer now (layer_count entries); copied */
} auxo_morph_options;

/* Cost of a convolution or matrix product: C A_in A_out with A the channels that are alive; C = 2 x output positions x
 * kernel area (flops), kernel area (parameters), or measured time / (all channels in x out) (latency). Depthwise:
 * C A_out. Regulariser: C (A_in sum |g_out| + A_out sum |g_in|); channels without a scale are alive and add nothing;
 * tied channels: the largest |g|, alive if any is. */
typedef struct auxo_morph_cost {
    double cost;        /* of the channels that are alive */
    double full_cost;   /* of all channels */
    double regularizer; /* G_M */
} auxo_morph_cost;

typedef struct auxo_morph auxo_morph;

/* Follows one model as it is; create it anew after a resize. `model` is borrowed. Errors: nothing to regularise. */
AUXO_API auxo_status auxo_morph_create(auxo_model *model, const auxo_morph_options *options, auxo_morph **morph,
                                       auxo_error *error);
AUXO_API void auxo_morph_destroy(auxo_morph *morph);
/* Trainer hook that adds lambda dG_M/d(scale), with the A of the last refresh held constant; user: the morph. */
AUXO_API auxo_plan_hook auxo_morph_before_step;
/* Reads the scales and recomputes who is alive, the costs and the penalty's coefficients. */
AUXO_API auxo_status auxo_morph_refresh(auxo_morph *morph, auxo_morph_cost *cost, auxo_error *error);
/* Units alive in each model layer that makes units (0 elsewhere), at least 1; widths (layer_count). */
AUXO_API void auxo_morph_alive_widths(const auxo_morph *morph, uint32_t *widths);

/* The lowest layer of which no channel is alive: the architecture has broken down; UINT32_MAX if there is none. */
AUXO_API uint32_t auxo_morph_dead_layer(const auxo_morph *morph);

/* Times one inference of `batch` rows (0: 1) on a device: *total_ns is the median of several runs, layer_ns
 * (layer_count entries) spreads it over the convolutions and matrix products by the profile. */
AUXO_API auxo_status auxo_latency_measure(auxo_device *device, const auxo_model_desc *desc, uint32_t batch,
                                          double *layer_ns, double *total_ns, auxo_error *error);
/* Cost of a description with all channels, in the unit of budget->limit; LATENCY is measured. */
AUXO_API auxo_status auxo_morph_desc_cost(const auxo_model_desc *desc, const auxo_budget *budget, double *cost,
                                          auxo_error *error);
/* The description with the widths (layer_count entries, ignored where 0) max(1, round(kappa width)) for the largest
 * kappa whose cost is within the budget. *kappa receives it. LATENCY: the largest found by predicting from measured
 * times and measuring what comes out, which keeps the budget. Errors: INVALID_ARGUMENT if even one unit everywhere
 * costs more, with the smallest possible cost. */
AUXO_API auxo_status auxo_morph_expand(const auxo_model_desc *desc, const double *widths, const auxo_budget *budget,
                                       double *kappa, auxo_model_desc *expanded, auxo_error *error);
/* The widths c of `current` and c' of `suggestion` (the same layers) mixed as c* = (1 - intensity) c + intensity c' and
 * rounded; c* is used as it is, and scaled down only where it costs more than the budget. */
AUXO_API auxo_status auxo_morph_mix(const auxo_model_desc *current, const auxo_model_desc *suggestion,
                                    const auxo_budget *budget, double intensity, auxo_model_desc *mixed,
                                    auxo_error *error);
/* One MorphNet step from the scales of the last refresh: the living widths, expanded to the budget, mixed with those of
 * now by `intensity`. Errors: NOT_FINITE names a layer without a
 * living channel: the architecture has broken down. */
AUXO_API auxo_status auxo_morph_step(const auxo_morph *morph, const auxo_budget *budget, double intensity,
                                     double *kappa, auxo_model_desc *next, auxo_error *error);

/* ---- MorphNet's loop: train with the regulariser, take the living widths, expand, again from scratch --------------
 */
typedef struct auxo_morph_snapshot {
    uint32_t iteration; /* from 1 */
    uint64_t step;      /* of this iteration's training */
    double train_loss;  /* of the last finished epoch; NaN in the first */
    const auxo_morph_cost *cost;
    const uint32_t *alive; /* living widths (layer_count) */
} auxo_morph_snapshot;

typedef struct auxo_morph_loop_options {
    auxo_morph_scale scale;
    double strength, threshold; /* lambda; a channel is alive above the threshold: 1e-2 */
    auxo_budget budget;         /* limit 0: what the start costs */
    double intensity;           /* I; 1 */
    uint32_t iterations;        /* regularised trainings; 2 */
    uint32_t epochs, final_epochs;
    uint32_t refresh_steps;      /* between two refreshes of who is alive; 100 */
    auxo_train_options training; /* hooks are set here */
    bool keep_best;              /* the training without regulariser ends with the weights of its best epoch on the
                                  * validation set; those with it always end with their last */
    uint32_t patience;           /* and it stops after so many epochs without a better one; 0: never */
    uint64_t seed;
    void (*on_refresh)(void *user, const auxo_morph_snapshot *snapshot); /* may be NULL */
    void *user;
} auxo_morph_loop_options;
AUXO_API void auxo_morph_loop_options_init(auxo_morph_loop_options *options);

typedef struct auxo_morph_record {
    uint32_t iteration; /* from 1; the training without regulariser has iterations + 1 */
    bool is_final;
    double train_loss, validation_loss, validation_accuracy;
    double cost;               /* of the network that was trained, in the budget's unit */
    double alive_cost;         /* of its living channels, by the regulariser's cost model; NaN in the final training */
    double regularizer, kappa; /* kappa of the expansion that followed */
    uint64_t weights;
    double seconds;
} auxo_morph_record;

typedef struct auxo_morph_loop auxo_morph_loop;

/* train and validation are borrowed, `start` is copied. Errors: a budget below the smallest network; nothing to
 * regularise. */
AUXO_API auxo_status auxo_morph_loop_create(auxo_device *device, const auxo_model_desc *start,
                                            const auxo_dataset *train, const auxo_dataset *validation,
                                            const auxo_morph_loop_options *options, auxo_morph_loop **loop,
                                            auxo_error *error);
AUXO_API void auxo_morph_loop_destroy(auxo_morph_loop *loop);
/* The next regularised training and the step after it, or the final training. *done: there is none left. NOT_FINITE:
 * the architecture broke down; the best model stays available. */
AUXO_API auxo_status auxo_morph_loop_next(auxo_morph_loop *loop, auxo_morph_record *record, bool *done,
                                          auxo_error *error);
/* The network that the next call trains; after the final training the one it trained. Borrowed. */
AUXO_API const auxo_model_desc *auxo_morph_loop_desc(const auxo_morph_loop *loop);
/* Best validation accuracy (loss, where there are no classes) among the networks within the budget, of all networks
 * before there is one; NULL before the first training. Borrowed. */
AUXO_API auxo_model *auxo_morph_loop_best(const auxo_morph_loop *loop);
/* Its validation accuracy, or minus its loss; -INFINITY without one. */
AUXO_API double auxo_morph_loop_best_score(const auxo_morph_loop *loop);
/* Hands that model over to the caller; the loop has none until it finds another. */
AUXO_API auxo_model *auxo_morph_loop_take_best(auxo_morph_loop *loop);
AUXO_API const auxo_budget *auxo_morph_loop_budget(const auxo_morph_loop *loop);
/* State beside the best model's file, as JSON (malloc'ed); restore continues from it and owns `best` on success (NULL
 * if there was none). */
AUXO_API auxo_status auxo_morph_loop_describe(const auxo_morph_loop *loop, char **json, auxo_error *error);
AUXO_API auxo_status auxo_morph_loop_restore(auxo_morph_loop *loop, const char *json, auxo_model *best,
                                             auxo_error *error);

/* ---- residual blocks ------------------------------------------------------------------------------------------------
 */
/* A block is x + relu(BN(W2 relu(BN(W1 x)))) (4.1), or its form with relu after the addition, or without. Layer
 * indices. */
typedef struct auxo_block {
    uint32_t input, conv1, conv2, add; /* add's other input is `input` itself */
} auxo_block;

/* Places after which a block may go in: layers that everything flows through, behind the first convolution (and its
 * batch norm) and before flatten or global pooling. stages[i] numbers their image size from 0. Arrays of layer_count.
 */
AUXO_API uint32_t auxo_block_places(const auxo_model_desc *desc, uint32_t *layers, uint32_t *stages);
/* Blocks that can be taken out: their skip connection is the identity. blocks has room for layer_count entries. */
AUXO_API uint32_t auxo_blocks_find(const auxo_model_desc *desc, auxo_block *blocks);
/* The description with a block of as many channels inserted after `layer`; its layers are named "<name>_conv1" ... */
AUXO_API auxo_status auxo_block_insert(const auxo_model_desc *desc, uint32_t layer, const char *name,
                                       auxo_model_desc *result, auxo_error *error);
/* The same without the relu at its end, x + BN(W2 relu(BN(W1 x))): with the last scale at 0 it adds exactly nothing and
 * still learns, which the form of (4.1) cannot, as relu has no slope at 0. */
AUXO_API auxo_status auxo_block_insert_open(const auxo_model_desc *desc, uint32_t layer, const char *name,
                                            auxo_model_desc *result, auxo_error *error);
AUXO_API auxo_status auxo_block_remove(const auxo_model_desc *desc, const auxo_block *block, auxo_model_desc *result,
                                       auxo_error *error);

/* ---- ResBuilder
 * ------------------------------------------------------------------------------------------------------- */
typedef enum auxo_block_statistic {
    AUXO_BLOCK_SUM /* (4.6) */,
    AUXO_BLOCK_MEAN /* as coded originally */,
    AUXO_BLOCK_MAX
} auxo_block_statistic;
/* The three trainings of an architecture. */
enum { AUXO_TRAINING_REGULARIZED, AUXO_TRAINING_FRESH, AUXO_TRAINING_INHERITED, AUXO_TRAINING_COUNT };

typedef struct auxo_resbuild_options {
    uint32_t insertions;                                 /* n_L between two MorphNet steps; 4 */
    uint32_t cycles;                                     /* n_M MorphNet steps; 7 */
    uint32_t epochs;                                     /* per training; 20 */
    bool trainings[AUXO_TRAINING_COUNT];                 /* the regularised one always runs */
    double layer_lasso, morph_strength, morph_threshold; /* lambda_L 1e-8, lambda_M 1e-7, 1e-2 */
    double removal_threshold;                            /* tau; 1e-3 */
    auxo_block_statistic removal_statistic;
    double keep_gain;     /* tau_LL: no removal after an insertion that gained more; .015 */
    double intensity;     /* I; 1 */
    auxo_budget budget;   /* zeta; 1e8 FLOPs; its device: that of the run */
    double new_scale;     /* mean magnitude of an inserted block's weights; 1e-2 */
    bool exact_insertion; /* blocks without the relu at their end, whose last batch norm begins at 0: the function
                           * is kept exactly */
    bool reset_state;     /* moments of the optimiser begin anew in each training; else they go on with the
                           * weights, over insertions and removals, into REGULARIZED and INHERITED */
    auxo_train_options training; /* batch, optimizer, augmentation, stop ...; hooks are set here */
    bool keep_best;    /* FRESH and INHERITED end with the weights of their best epoch on the validation set */
    uint32_t patience; /* and stop after so many epochs without a better one; 0: never */
    uint64_t seed;
} auxo_resbuild_options;
AUXO_API void auxo_resbuild_options_init(auxo_resbuild_options *options);

typedef struct auxo_architecture_record {
    uint32_t number; /* 0: the start */
    char what[96];   /* "start", "insert after conv1 (stage 0)", "morph, kappa 1.31" */
    uint32_t removed_blocks;
    double weakest; /* the least statistic of a block's convolution after the regularised training, removed blocks
                     * included: what removal_threshold is compared with; NaN without blocks */
    double accuracy[AUXO_TRAINING_COUNT]; /* on the validation set; NaN: not trained that way */
    uint32_t convolutions, widest, first_width;
    uint64_t weights;
    double cost; /* in the unit of the budget */
    double seconds;
} auxo_architecture_record;

typedef struct auxo_resbuild auxo_resbuild;

/* train and validation are borrowed. `start` is copied. Errors: a budget below the smallest network. */
AUXO_API auxo_status auxo_resbuild_create(auxo_device *device, const auxo_model_desc *start, const auxo_dataset *train,
                                          const auxo_dataset *validation, const auxo_resbuild_options *options,
                                          auxo_resbuild **resbuild, auxo_error *error);
AUXO_API void auxo_resbuild_destroy(auxo_resbuild *resbuild);
/* Makes and trains the next architecture. *done: all cycles are through, nothing was made. An architecture that breaks
 * down (a loss that is not finite, a layer without a living channel) ends the run with NOT_FINITE; the best model stays
 * available. */
AUXO_API auxo_status auxo_resbuild_next(auxo_resbuild *resbuild, auxo_architecture_record *record, bool *done,
                                        auxo_error *error);
/* Every insertion, removal and rescaling, with the number that decided and the validation loss before and after. */
AUXO_API const auxo_edit_log *auxo_resbuild_log(const auxo_resbuild *resbuild);
/* The model with the best validation accuracy so far: of those within the budget, which insertions may leave until the
 * next MorphNet step, or of all before there is one. Borrowed; NULL before the first training. */
AUXO_API auxo_model *auxo_resbuild_best(const auxo_resbuild *resbuild, double *accuracy);
/* The regularised model that goes on, and the state that a checkpoint needs beside both models' files: JSON, malloc'ed.
 */
AUXO_API auxo_model *auxo_resbuild_current(const auxo_resbuild *resbuild);
AUXO_API auxo_status auxo_resbuild_describe(const auxo_resbuild *resbuild, char **json, auxo_error *error);
/* What the regularised training goes on with, in current's layout; NULL: nothing yet, or reset_state. Borrowed. */
AUXO_API const auxo_moments *auxo_resbuild_moments(const auxo_resbuild *resbuild);
/* Continues from what describe gave; takes ownership of both models and of the moments (of `current`; NULL: none) on
 * success. */
AUXO_API auxo_status auxo_resbuild_restore(auxo_resbuild *resbuild, const char *json, auxo_model *current,
                                           auxo_model *best, auxo_moments *moments, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif

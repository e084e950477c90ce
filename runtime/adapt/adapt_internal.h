/* adapt_internal.h: what the files of the controller share: its state, measurements, proposals, the table of moves.
 *
 * Invariants: the snapshot is of the beginning of the cycle under way; whatever a cycle does to model, trainer, penalty
 * and learning rate between its beginning and its verdict is taken back by auxo__adapt_undo.
 */
#ifndef AUXO_ADAPT_INTERNAL_H
#define AUXO_ADAPT_INTERNAL_H

#include "archive.h"
#include "train_internal.h"

#include "auxo/adapt.h"
#include "auxo/multiscale.h"

/* ---- measure.c: sensitivities from backward passes over a sample ---- */
typedef struct auxo__measure {
    auxo_model *model;
    const auxo_train_options *options;
    int64_t batch_count, batch_rows;
    auxo_dataset *sample;
    auxo__device_data data;
    auxo__device_preprocessing preprocessing;
    uint64_t structure_version; /* of everything below; UINT64_MAX: none yet */
    auxo_plan *plan;
    auxo_buffer *counter, *history, *previous; /* gradients of the batch before */
    auxo_buffer *offsets, *results;            /* segments: rows of weights, single values of all else */
    uint32_t segment_count;
    uint32_t *row_segments, *bias_segments; /* per weight layer: its first; bias UINT32_MAX: none */
    float *read;                            /* 3 segment_count */
    auxo_sensitivities found;
    double *values; /* what found's arrays point into */
} auxo__measure;

/* Takes batch_count x batch_rows rows of `train` by the seed, fewer where there are not so many. */
auxo_status auxo__measure_init(auxo__measure *measure, auxo_model *model, const auxo_dataset *train,
                               const auxo_adapt_options *options, auxo_error *error);
void auxo__measure_deinit(auxo__measure *measure);
auxo_status auxo__measure_run(auxo__measure *measure, auxo_error *error);
/* What a layer puts out for the measured rows: *outputs (rows, values), both counts told. Ownership: free(*outputs). */
auxo_status auxo__measure_outputs(auxo__measure *measure, uint32_t layer, float **outputs, int64_t *rows,
                                  int64_t *values, auxo_error *error);
/* The mean gradient of one parameter over the sample. Ownership: free(*gradient). */
auxo_status auxo__measure_gradient(auxo__measure *measure, const auxo_param *param, double **gradient,
                                   auxo_error *error);

/* ---- param_values.c ---- */
/* All values of a parameter. Ownership: free(*values). Errors: OUT_OF_MEMORY; the device's. */
auxo_status auxo__param_read(auxo_model *model, const auxo_param *param, float **values, size_t *count,
                             auxo_error *error);
auxo_status auxo__param_write(auxo_model *model, const auxo_param *param, const float *values, auxo_error *error);

/* ---- structure.c: what a network is made of, for moves ---- */
typedef struct auxo__structure {
    uint32_t layer_count;
    uint32_t *groups; /* per layer: the lowest layer of its unit group */
    bool *resizable;  /* per layer */
} auxo__structure;
auxo_status auxo__structure_init(const auxo_model_desc *desc, auxo__structure *structure, auxo_error *error);
void auxo__structure_deinit(auxo__structure *structure);
/* Work of a step on `rows` rows when layers [begin, end) are trained (none: forward only): forward, data gradients
 * above the lowest of them, weight gradients of them. In FLOPs, where values moved and launches count as FLOPs of a
 * common device (roofline: Williams et al. 2009), so that the number is the same everywhere. */
double auxo__step_work(const auxo_model_desc *desc, uint32_t begin, uint32_t end, double rows);
/* Of one row, in a batch of 128. */
double auxo__training_work(const auxo_model_desc *desc, uint32_t begin, uint32_t end);
/* The description with `units` units in the group of `layer`. */
auxo_status auxo__with_units(const auxo_model_desc *desc, const auxo__structure *structure, uint32_t layer,
                             uint32_t units, auxo_model_desc *result, auxo_error *error);
/* The weight layers of the group. */
bool auxo__in_group(const auxo_model_desc *desc, const auxo__structure *structure, uint32_t layer, uint32_t group);
/* Whether no other layer's units are tied to this one's. */
bool auxo__has_own_units(const auxo_model_desc *desc, const auxo__structure *structure, uint32_t layer);

/* ---- proposals ---- */
typedef struct auxo__proposal {
    auxo_adapt_move move;
    uint32_t layer, layer_end; /* the group's lowest layer; or a range of layers; or the place of an insertion */
    uint32_t unit_begin, unit_end;
    uint32_t added;
    uint32_t *kept; /* units that stay; owned */
    uint32_t kept_count;
    auxo_model_desc desc; /* the structure after; owned; layer_count 0: as it is */
    double factor;        /* of a penalty or brake */
    double gain;          /* expected decrease of the loss, 1 = what plain training brings in a cycle */
    double loss;          /* expected increase at once, absolute */
    double capacity;      /* logarithm of the weights after over those before */
    bool plain_layers;    /* takes layers out that there is no way round: where training stalls, they may be why */
    double cost;          /* work of a step, 1 = plain training now */
    double value;         /* gain for cost, as expected; the larger the better */
    double rank;          /* by the policy: what is compared */
    bool open;            /* may be chosen in this cycle */
    bool refused_by_budget;
    char block[24]; /* name of a new one */
    char where[AUXO_LAYER_NAME_BYTES + 16], why[128];
} auxo__proposal;

typedef struct auxo__proposals {
    auxo__proposal *items;
    size_t count, capacity;
} auxo__proposals;
void auxo__proposals_deinit(auxo__proposals *proposals);
/* Fills in its cost, which the reason then ends with, appends it and takes over what it owns, also after a failure. */
auxo_status auxo__proposals_add(const auxo_adapt *adapt, auxo__proposals *proposals, auxo__proposal *proposal,
                                auxo_error *error);

/* ---- moves: one file for each policy ---- */
typedef struct auxo__move {
    /* Appends what could be done: gain, loss, structure and reasons filled in. */
    auxo_status (*propose)(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error);
    /* Work of a training step after it, 1: of plain training now. */
    double (*cost)(const auxo_adapt *adapt, const auxo__proposal *proposal);
    /* Does it; the training that follows is the cycle's. What it logs itself, the cycle does not. */
    auxo_status (*apply)(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error);
} auxo__move;
extern const auxo__move auxo__move_train, auxo__move_block, auxo__move_units, auxo__move_widen, auxo__move_narrow,
    auxo__move_insert, auxo__move_remove, auxo__move_penalty, auxo__move_brake;
extern const auxo__move auxo__paper_block, auxo__paper_widen, auxo__paper_narrow, auxo__paper_insert,
    auxo__paper_remove; /* where the rules are the papers' */
/* The one that the options' rules choose. */
const auxo__move *auxo__move_of(const auxo_adapt *adapt, auxo_adapt_move move);
typedef enum auxo__move_kind {
    AUXO__MOVE_TRAINS,
    AUXO__MOVE_PART,
    AUXO__MOVE_GROW,
    AUXO__MOVE_SHRINK,
    AUXO__MOVE_CONTROL
} auxo__move_kind;
auxo__move_kind auxo__move_kind_of(auxo_adapt_move move);
bool auxo__move_is_edit(auxo_adapt_move move); /* of the structure */
bool auxo__move_trains(auxo_adapt_move move);  /* and does nothing else */
/* Costs: of nothing that changes it, of training layers [layer, layer_end), of the structure after. */
double auxo__cost_plain(const auxo_adapt *adapt, const auxo__proposal *proposal);
double auxo__cost_of_range(const auxo_adapt *adapt, const auxo__proposal *proposal);
double auxo__cost_of_structure(const auxo_adapt *adapt, const auxo__proposal *proposal);

/* What remembers that a move did not pay at a place. */
typedef struct auxo__refusal {
    uint32_t move;
    char where[AUXO_LAYER_NAME_BYTES + 16];
    uint32_t times, until; /* not again before this cycle */
} auxo__refusal;

/* What moves change beside model and trainer. */
typedef struct auxo__adapt_controls {
    double penalty_strength;
    uint32_t inserted; /* blocks, for their names */
    bool braked;
} auxo__adapt_controls;

struct auxo_adapt {
    auxo_model *model; /* borrowed */
    auxo_adapt_options options;
    const auxo_dataset *train, *validation;
    auxo_trainer *trainer;
    auxo__measure measure;
    auxo__structure structure; /* of the model now */
    uint64_t structure_version;
    auxo__adapt_controls controls_before; /* of the snapshot, while a caller has one */
    auxo_snapshot *snapshot;              /* of the cycle's beginning; NULL between cycles */
    auxo_model *best;
    double best_score, best_loss;
    uint32_t best_cycle;
    auxo_edit_log log;
    auxo__refusal *refusals;
    size_t refusal_count;

    /* state that a checkpoint keeps */
    uint32_t cycle;
    uint32_t last_edit;    /* cycle of the last one; 0: none */
    uint32_t last_control; /* cycle of the last change of penalty or brake; 0: none */
    auxo__adapt_controls controls;
    double validation_loss, validation_accuracy; /* now; NaN: not measured yet */
    double train_loss;                           /* on the measured rows at the last measurement */
    double plain_gain; /* decrease of the training loss in a plain cycle, smoothed; NaN: unknown */
    double plain_validation_gain;
    double last_plain_cost;              /* of the cycle before, if it only trained; else 0 */
    uint32_t diverged;                   /* plain cycles in a row */
    double trust[AUXO_ADAPT_MOVE_COUNT]; /* real over expected value of each kind so far, smoothed */
};

/* ---- adapt.c: the beginning of a cycle ---- */
/* An exponential mean; the first value stands for itself. */
void auxo__adapt_smooth(double *mean, double value);
auxo_status auxo__adapt_train_all(auxo_adapt *adapt, auxo_error *error);
/* Layers [begin, end) are trained, no others. */
auxo_status auxo__adapt_train_range(auxo_adapt *adapt, uint32_t begin, uint32_t end, auxo_error *error);
/* Everything is trained; measured; the plain gain brought up to date. */
auxo_status auxo__adapt_begin(auxo_adapt *adapt, auxo_error *error);
auxo_status auxo__adapt_validate(auxo_adapt *adapt, double *loss, double *accuracy, auxo_error *error);
/* Who asks for proposals. */
typedef enum auxo__asker {
    AUXO__ASKED_BY_CYCLE, /* rests after edits, and knows what did not pay */
    AUXO__ASKED_BY_TURN,  /* knows what did not pay */
    AUXO__ASKED_BY_CALLER /* the budgets only */
} auxo__asker;
/* What these moves (1 << move each) propose, ranked; what may be chosen is open. */
auxo_status auxo__adapt_propose(auxo_adapt *adapt, uint32_t moves, auxo__asker asker, auxo__proposals *proposals,
                                auxo_error *error);
/* The best one from `from` on that is open and keeps a latency budget; count: there is none. */
auxo_status auxo__adapt_choose(auxo_adapt *adapt, auxo__proposals *proposals, size_t from, size_t *chosen,
                               auxo_error *error);

/* A uniform number of [0, 1) for the index-th draw of `what` in this cycle. */
double auxo__adapt_draw(const auxo_adapt *adapt, uint32_t what, uint32_t index);
/* What the model is made of now. */
auxo_status auxo__adapt_structure(auxo_adapt *adapt, const auxo__structure **structure, auxo_error *error);
/* The measurement of the layer; NULL if it has no weights. */
const auxo_layer_sensitivity *auxo__adapt_layer(const auxo_adapt *adapt, uint32_t layer);
/* What a plain cycle is expected to bring in loss, on the training rows and on the validation rows; > 0. */
double auxo__adapt_plain_gain(const auxo_adapt *adapt);
double auxo__adapt_plain_validation_gain(const auxo_adapt *adapt);
/* No better model has come for a while. */
bool auxo__adapt_stalls(const auxo_adapt *adapt);

/* ---- judge.c: budgets, ranks, verdicts ---- */
/* Whether every budget holds for a network; *why (128 bytes) names the one that does not. */
auxo_status auxo__adapt_within(auxo_adapt *adapt, const auxo_model_desc *desc, bool measure_latency, bool *within,
                               char why[128], auxo_error *error);
/* Bytes as the budget counts, with the training plan as it is now. */
auxo_status auxo__adapt_memory(auxo_adapt *adapt, uint64_t *bytes, auxo_error *error);
/* Fills in value and rank of all, best first. */
void auxo__adapt_rank(auxo_adapt *adapt, auxo__proposals *proposals);
bool auxo__adapt_refused(const auxo_adapt *adapt, const auxo__proposal *proposal);
auxo_status auxo__adapt_refuse(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error);
/* It paid: the next refusal there waits as the first one did. */
void auxo__adapt_forgive(auxo_adapt *adapt, const auxo__proposal *proposal);
/* Takes in what a move has really brought for its cost. */
void auxo__adapt_learn(auxo_adapt *adapt, auxo_adapt_move move, double expected, double gained);
bool auxo__adapt_pays(const auxo_adapt *adapt, const auxo__proposal *proposal, double before, double after);

/* ---- cycle.c, for turns.c ---- */
typedef struct auxo__outcome {
    double loss, accuracy; /* NaN: it diverged, or is above the memory budget */
    bool above_budget, cut;
    double training_seconds, editing_seconds, measuring_seconds;
} auxo__outcome;
/* Does it and logs it, as kept. */
auxo_status auxo__cycle_apply(auxo_adapt *adapt, const auxo__proposal *proposal, auxo__outcome *outcome,
                              auxo_error *error);
/* A cycle's training. A loss that is not finite is an outcome, not a failure: *finite false. */
auxo_status auxo__cycle_train(auxo_adapt *adapt, auxo__outcome *outcome, bool *finite, auxo_error *error);
auxo_status auxo__cycle_judge(auxo_adapt *adapt, auxo__outcome *outcome, auxo_error *error);

/* ---- turns.c ---- */
/* Every kind of move in turn, with the training between what grows and what shrinks. *trained: what the training was
 * (it owns nothing). An edit that is above the memory budget once built ends the cycle and is refused for a while. */
auxo_status auxo__cycle_turns(auxo_adapt *adapt, auxo__proposal *trained, auxo__outcome *outcome, auxo_error *error);

/* ---- layer_blocks.c ---- */
/* The tree of the measured layers. */
auxo_status auxo__adapt_tree(const auxo_adapt *adapt, auxo_tree **tree, auxo_error *error);
/* A proposal to train the layers of a node: layers and their name filled in. */
auxo__proposal auxo__block_proposal(const auxo_adapt *adapt, const auxo_tree_node *node);

/* ---- move_control.c ---- */
/* Multiplies a port-Hamiltonian friction, or divides any other learning rate. */
auxo_status auxo__adapt_slow(auxo_adapt *adapt, double factor, auxo_error *error);
auxo_plan_hook auxo__adapt_before_step;

/* ---- gradmax.c ---- */
/* Directions of new units' incoming weights for the group of `layer`: `count` rows, each of the layer's incoming
 * size; squared[i] the squared singular value that the i-th direction has as a gradient. *possible false: what lies
 * behind the layer has no such form, and why. Ownership: free(*rows), free(*squared). */
auxo_status auxo__growth_directions(auxo_adapt *adapt, auxo_grow_init how, uint32_t layer, uint32_t count,
                                    bool *possible, char why[64], float **rows, double **squared, auxo_error *error);

/* ---- adapt_state.c: checkpoints ---- */
auxo_status auxo__adapt_put(auxo_adapt *adapt, auxo__archive *archive, auxo_error *error);
/* The model that goes on. */
auxo_status auxo__adapt_get_model(const auxo__archive *archive, auxo_device *device, auxo_model **model,
                                  auxo_error *error);
/* Into a controller created with the same options and data on that model. */
auxo_status auxo__adapt_get(auxo_adapt *adapt, const auxo__archive *archive, auxo_error *error);

#endif

/* auxo/adapt.h: one controller that decides what to train, grow, remove and insert.
 *
 * Sources: the combination that five works name as what comes next. S. Zhang et al., "Hierarchical multi-scale
 * parametric optimization of deep neural networks", 2023, sec. 2 (blocks of neurons and layers come and go by their
 * structural sensitivity); A. Gordon et al., "MorphNet", 2018 (budgets); J. Burghoff et al., "ResBuilder", 2023 (blocks
 * in and out) and "Who breaks early, looses", 2023 (brakes); V. Cahlik, "Anytime Learning with Auto-Sizing Neural
 * Networks", 2022 (growth near zero, penalties). New units are also scored and drawn by the largest singular vectors of
 * U. Evci et al., "GradMax: Growing Neural Networks using Gradient Information", 2022, and of M. Verbockhaven et al.,
 * "Growing Tiny Networks: Spotting Expressivity Bottlenecks and Fixing Them Optimally", 2024, or split off from units
 * that are there (L. Wu et al., "Firefly Neural Architecture Descent", 2020).
 *
 * The controller works in cycles over one model and one optimiser, whose state goes through every edit. A cycle
 * measures (exact first-order sensitivities of every unit, layer and block from backward passes over a sample of the
 * training rows, their second order by the empirical Fisher information, gradient energies, norms), lets every move
 * propose, estimates what each would bring for its cost, takes the best that every budget allows, trains for some steps
 * and judges on the validation rows. An edit that did not pay is undone to the bit, from device memory.
 */
#ifndef AUXO_ADAPT_H
#define AUXO_ADAPT_H

#include "auxo/sizing.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(MOVE, noun, what kind of move it is: TRAINS the whole network or a PART of it, makes it GROW or SHRINK, CONTROLs
 * how it is trained) */
#define AUXO_ADAPT_MOVE_TABLE(X)                                                                                       \
    X(TRAIN, train, TRAINS)      /* every layer */                                                                     \
    X(BLOCK, block, PART)        /* a block of layers, the rest as it is */                                            \
    X(UNITS, units, PART)        /* a block of units of one layer */                                                   \
    X(WIDEN, widen, GROW)        /* new units in one layer (and those tied to it); the function is kept */             \
    X(NARROW, narrow, SHRINK)    /* the units that matter least go */                                                  \
    X(INSERT, insert, GROW)      /* a residual block that adds nothing yet */                                          \
    X(REMOVE, remove, SHRINK)    /* a residual block goes, or layers of a plain network */                             \
    X(PENALTY, penalty, CONTROL) /* the weighted l1 penalty's strength */                                              \
    X(BRAKE, brake, CONTROL)     /* friction times a factor (port-Hamiltonian), else the learning rate divided by it */

typedef enum auxo_adapt_move {
#define AUXO_ADAPT_ENUM(name, noun, kind) AUXO_ADAPT_##name,
    AUXO_ADAPT_MOVE_TABLE(AUXO_ADAPT_ENUM)
#undef AUXO_ADAPT_ENUM
        AUXO_ADAPT_MOVE_COUNT
} auxo_adapt_move;
AUXO_API const char *auxo_adapt_move_noun(auxo_adapt_move move);
/* A set of moves, 1 << move each, from "train,widen,narrow". Errors: INVALID_ARGUMENT names the word that is none. */
AUXO_API auxo_status auxo_adapt_moves_parse(const char *text, uint32_t *moves, auxo_error *error);

/* How moves are ranked. */
typedef enum auxo_adapt_policy {
    AUXO_ADAPT_SENSITIVITY, /* expected gain for cost, from sensitivities and gradient energies */
    AUXO_ADAPT_NORMS,       /* layers of large weights are widened, units of small ones go */
    AUXO_ADAPT_RANDOM,      /* drawn */
    AUXO_ADAPT_GREEDY       /* the best of each kind is tried, and what really gained most for its cost is kept */
} auxo_adapt_policy;

/* How moves are proposed. */
typedef enum auxo_adapt_rules {
    AUXO_ADAPT_RULES_OWN,   /* every layer, place and block, to be ranked */
    AUXO_ADAPT_RULES_PAPERS /* where a work has a rule of its own for a move, that one, from the same functions: widen
                               and narrow as auxo_autosize_grow and _prune do, insert and remove as ResBuilder, block by
                               the walk of multi-scale training */
} auxo_adapt_rules;
/* What a cycle does. */
typedef enum auxo_adapt_decide {
    AUXO_ADAPT_DECIDE_BEST, /* the best of all moves; an edit that does not pay is taken back */
    AUXO_ADAPT_DECIDE_ALL   /* every kind of move in turn, its best: controls, what grows, the training, what shrinks;
                               all is kept but what a budget forbids or makes the loss not finite */
} auxo_adapt_decide;

/* How promising a layer is for new units. */
typedef enum auxo_adapt_score {
    AUXO_ADAPT_SCORE_SENSITIVITY, /* the gradient energy of a mean unit that is there */
    AUXO_ADAPT_SCORE_GRADMAX,     /* the squared singular values that new units could have as gradients */
    AUXO_ADAPT_SCORE_BOTTLENECK,  /* the same of what the next layer cannot follow by its own weights; dense layers */
    AUXO_ADAPT_SCORE_SPLIT        /* the gradient by which the halves of the layer's best units would part */
} auxo_adapt_score;
/* Incoming weights of new units; the outgoing ones start at 0, but for splits. */
typedef enum auxo_grow_init {
    AUXO_GROW_DRAW,       /* LeCun normal */
    AUXO_GROW_GRADMAX,    /* right singular vectors, as long as a mean unit's incoming weights */
    AUXO_GROW_BOTTLENECK, /* those of the expressivity bottleneck, the same length; dense layers, else draws */
    AUXO_GROW_SPLIT       /* a unit's own, moved a tenth of their length along the direction in which the loss curves
                             down most, and the unit's the other way; both are read with half the unit's weights. Where
                             a layer has fewer units than are added, or more than one reader, else draws */
} auxo_grow_init;

/* All that are not 0 hold at every moment. */
typedef struct auxo_adapt_budget {
    double parameters;      /* all that is trained: weights, biases, batch norms */
    double flops;           /* of one row's forward pass, in convolutions and matrix products */
    double latency_ns;      /* of one inference of latency_batch rows, measured on the device */
    uint32_t latency_batch; /* 0: 1 */
    double memory_bytes; /* of the device: model, optimiser, training plan, snapshot, best model, kept outputs of frozen
                         layers; not the rows */
} auxo_adapt_budget;

typedef struct auxo_adapt_options {
    uint32_t moves; /* 1 << AUXO_ADAPT_... each */
    auxo_adapt_policy policy;
    auxo_adapt_rules rules;
    auxo_adapt_decide decide;
    auxo_adapt_score score;
    auxo_grow_init grow_init;
    auxo_adapt_budget budget;
    uint64_t cycle_steps;  /* training steps of a cycle, at most to the end of the epoch; 0: a fifth of an epoch, or
                              as many, or as many epochs, as keep measuring and judging a tenth of the work */
    uint32_t cycle_epochs; /* not 0: a cycle is so many whole epochs, whatever cycle_steps is */
    double prefix_bytes;   /* where a block's rows are seen more than once in a cycle, what the layers before it put out
                              is kept if it takes at most so much (auxo_trainer_keep_prefix); 512 MiB */
    double threshold;      /* RULES_PAPERS: units and blocks of smaller weights go, and new units' weights are drawn
                              at this scale; 1e-3 */
    uint32_t rest_cycles;  /* without edits after each edit; 3 */
    double growth_fraction;   /* new units of a layer, of those there are; 0.3 */
    double growth_drive;      /* part of the loss that a network e times as large is expected to lose more of in every
                                 cycle to come; 0.1 */
    uint32_t growth_minimum;  /* and at least so many; 2 */
    double narrow_fraction;   /* units that go at once, at most; 0.1 */
    double narrow_tolerance;  /* a smaller network may have a validation loss larger by this part; 0.005 */
    double keep_gain;         /* a larger one must gain this part of what plain training gains for its cost; 0.25 */
    double penalty_strength;  /* of the weighted l1 penalty at the start; 0 */
    double brake;             /* factor; 2 */
    uint32_t measure_batches; /* backward passes of a measurement; 8 */
    uint32_t measure_rows;    /* rows of each; 0: a twenty-fifth of a cycle's rows in all, 4 to 64 each */
    auxo_train_options training; /* hooks are set here; one device, rows on it */
    uint64_t seed;
    double (*seconds_left)(void *user); /* asked between the epochs of a cycle: where no further one fits, the cycle is
                                           cut short; NULL: never */
    void *seconds_user;
} auxo_adapt_options;
/* All moves but units and penalty; own rules, the best move; sensitivity; draws; no budget; momentum. */
AUXO_API void auxo_adapt_options_init(auxo_adapt_options *options);

/* What a cycle did. */
typedef struct auxo_adapt_record {
    uint32_t cycle; /* from 1 */
    uint32_t epoch; /* finished epochs */
    uint64_t step;  /* training steps in the model; those undone do not count */
    auxo_adapt_move move;
    char where[AUXO_LAYER_NAME_BYTES + 16]; /* "conv2", "dense1[4:8]"; "" for the whole network */
    char why[128];                          /* what decided */
    bool kept;                              /* false: undone */
    bool cut; /* no time was left: what the training had reached was judged, may be the best model, and was taken back;
                 the cycle does not count and would be repeated */
    double expected; /* gain for cost as estimated, 1 = plain training; NaN before there is something to compare with */
    double gained;   /* the same as it came out */
    double train_loss;        /* on the measured rows, before the cycle */
    double loss_before, loss; /* on the validation rows, before and after (also where it was undone) */
    double accuracy;          /* after; NaN without classes */
    double best_score;        /* best validation accuracy, or minus the loss, so far */
    double cost;              /* work of the cycle's training, of plain training of the network before it */
    uint64_t weights;         /* all trainable scalars, after */
    double flops;             /* of one row's forward pass, after */
    uint64_t memory_bytes;    /* as the budget counts, after */
    double training_seconds, measuring_seconds, editing_seconds, undone_seconds; /* of this cycle */
} auxo_adapt_record;

typedef struct auxo_adapt auxo_adapt;

/* `model`, train and validation are borrowed. Errors: INVALID_ARGUMENT: no validation rows; a budget below the model,
 * or no move that is possible for it, named; UNSUPPORTED: several devices. */
AUXO_API auxo_status auxo_adapt_create(auxo_model *model, const auxo_dataset *train, const auxo_dataset *validation,
                                       const auxo_adapt_options *options, auxo_adapt **adapt, auxo_error *error);
AUXO_API void auxo_adapt_destroy(auxo_adapt *adapt); /* NULL is allowed */
/* One cycle. Errors: INTERRUPTED: the cycle is taken back and will be repeated; NOT_FINITE: plain training diverges at
 * every learning rate tried; the best model stays. */
AUXO_API auxo_status auxo_adapt_next(auxo_adapt *adapt, auxo_adapt_record *record, auxo_error *error);
/* For callers that decide themselves: measures, and does the choice-th best (from 0) of what a kind of move proposes
 * and every budget allows, without training or judging. *possible false: there is none, nothing was done. */
AUXO_API auxo_status auxo_adapt_apply(auxo_adapt *adapt, auxo_adapt_move move, uint32_t choice, bool *possible,
                                      auxo_error *error);
/* Back to before the last auxo_adapt_apply, bit for bit, whatever was trained since; until the next cycle or move.
 * Errors: INVALID_ARGUMENT: nothing was done. */
AUXO_API auxo_status auxo_adapt_undo(auxo_adapt *adapt, auxo_error *error);
AUXO_API auxo_trainer *auxo_adapt_trainer(auxo_adapt *adapt);
AUXO_API uint32_t auxo_adapt_cycles(const auxo_adapt *adapt); /* finished */
/* Training steps of a whole cycle. */
AUXO_API uint64_t auxo_adapt_cycle_steps(const auxo_adapt *adapt);
/* The model with the best validation result, within every budget; NULL before the first cycle. Borrowed. */
AUXO_API auxo_model *auxo_adapt_best(const auxo_adapt *adapt);
/* Cycles since it was found. */
AUXO_API uint32_t auxo_adapt_stalled(const auxo_adapt *adapt);
/* Every structural edit, also those undone. */
AUXO_API const auxo_edit_log *auxo_adapt_log(const auxo_adapt *adapt);

/* ---- measurements, by themselves --------------------------------------------------------------------------------- */
/* A layer with weights. All of dL/dtheta, where theta scales the incoming weights and bias of what it stands for. */
typedef struct auxo_layer_sensitivity {
    uint32_t layer, units;
    double first;  /* dL/dtheta of the layer: the sum over its units */
    double second; /* d2L/dtheta2 by the empirical Fisher information */
    double energy; /* squared norm of the mean gradient of its weights, without bias from the sample's noise; >= 0 */
    double norm;   /* mean over units of the largest |weight| */
    double *unit_first, *unit_second, *unit_energy, *unit_norm; /* (units) each; unit_energy may be below 0 */
} auxo_layer_sensitivity;
typedef struct auxo_sensitivities {
    double loss; /* over the rows measured */
    double energy;
    uint32_t layer_count;
    auxo_layer_sensitivity *layers; /* in the order of the model */
} auxo_sensitivities;
/* Of the model as it is now; borrowed until the next call or cycle. */
AUXO_API auxo_status auxo_adapt_measure(auxo_adapt *adapt, const auxo_sensitivities **found, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif

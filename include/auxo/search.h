/* auxo/search.h: anytime learning and genetic tuning: searches that can be stopped at any moment and have a trained
 * model to show, the better the longer they ran.
 *
 * Sources: V. Cahlik, "Anytime Learning with Auto-Sizing Neural Networks", master's thesis, CTU in Prague 2022 (random,
 * grid, growth, evolution; algorithms are numbered as there); T. Zhan, "Hyper-Parameter Tuning in Deep Neural Network
 * Learning" (genetic).
 *
 * Six methods: random search, anytime grid search, hyperparameter evolution and progressive growth (anytime learning
 * with auto-sizing networks), genetic tuning of fully connected networks, and the tree-structured Parzen estimator. All
 * judge by a validation set, remember the best model over every epoch of everything they trained, and keep a
 * performance trace. The same seed on the same device gives the same models, also when the search goes on from what
 * auxo_search_describe wrote.
 */
#ifndef AUXO_SEARCH_H
#define AUXO_SEARCH_H

#include "auxo/adapt.h"
#include "auxo/study.h"
#include "auxo/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum auxo_search_method {
    AUXO_SEARCH_RANDOM,    /* independent draws, each trained until it stalls */
    AUXO_SEARCH_GRID,      /* finer and finer grids, each level in random order */
    AUXO_SEARCH_GROWTH,    /* random draws of auto-sizing networks whose penalty falls when they stall (Algorithm 5) */
    AUXO_SEARCH_EVOLUTION, /* a population of models in training, with hyperparameters that mutate (Algorithms 3, 4) */
    AUXO_SEARCH_GENETIC,   /* genomes of layers, activations and batch size, each trained from scratch */
    AUXO_SEARCH_TPE,       /* where the tree-structured Parzen estimator expects more (auxo/study.h) */
} auxo_search_method;

/* Values that are tried, both ends included. low = high: fixed, not searched. */
typedef struct auxo_range {
    double low, high;
} auxo_range;

/* One model in training, or trained, as the search judged it. */
enum { AUXO_GENOME_BYTES = 384 };
typedef struct auxo_search_record {
    uint64_t number;                /* 1 for the first; 0 for the baseline */
    uint32_t generation;            /* 1 for the first; 0 where the method has none */
    uint32_t epochs;                /* trained here */
    uint32_t age;                   /* evolution: epochs of the model since its first weights */
    double quality;                 /* validation accuracy; minus the RMSE (mse); else minus the loss: its best epoch */
    double loss;                    /* validation loss of that epoch */
    double seconds;                 /* taken by this model */
    uint64_t weights;               /* of the model at its best epoch */
    bool pruned;                    /* given up early by the pruner */
    char genome[AUXO_GENOME_BYTES]; /* "units=20-31 lr=0.0003 batch=32"; equal texts are equal genomes */
} auxo_search_record;

/* One epoch of one model. */
typedef struct auxo_trace_point {
    double seconds;      /* of the whole search */
    uint64_t epoch;      /* of the whole search; 1 for the first */
    uint64_t evaluation; /* number of the model's record */
    double quality;      /* of the model now; -INFINITY if its loss is not finite */
    double best;         /* over all epochs so far: what the search would return now; never falls */
} auxo_trace_point;

/* Standard deviation of an offspring's mutation in each gene, as part of the gene's range (of alpha: of its exponent).
 */
typedef struct auxo_mutation_spread {
    double lr, batch, alpha;
} auxo_mutation_spread;

typedef struct auxo_search_options {
    auxo_search_method method;
    uint64_t seed;
    /* Loss, optimiser, preprocessing, stop flag. Batch, learning rate, seed and hooks are set per model. */
    auxo_train_options training;

    /* Part of the training and of the validation rows that is drawn at random; 0 or 1: all. `sample_each`: anew for
     * each model, so that results are on other rows each; else once for the search. */
    double sample;
    bool sample_each;

    /* What is searched. Genetic tuning has its own units. */
    /* Networks under the controller of auxo/adapt.h, from searched units on: what of its options is not searched
     * (borrowed until the search is created; training and seed are set for each model); NULL: not. Random search, grid
     * and TPE. */
    const auxo_adapt_options *adapt;
    auxo_range growth_drive, keep_gain; /* with adapt: of growth_drive, whose exponent is uniform, and of keep_gain */
    bool dynamic;         /* networks that size themselves: alpha instead of units; evolution, growth: always */
    auxo_range units;     /* static: of every hidden layer */
    auxo_range lr, batch; /* uniform */
    auxo_range alpha;     /* strength of the l1 penalty (static) or weighted l1 (dynamic); its exponent is uniform;
                             high = 0: no penalty */
    uint32_t patience, epoch_limit; /* a model ends after so many epochs without a lower validation loss, or in all */
    uint32_t initial_units;         /* dynamic: of every hidden layer */
    uint32_t growth_minimum;        /* dynamic: new units per layer and epoch: at least this, */
    double growth_fraction;         /* or this part of those there are */

    /* Evolution. */
    uint32_t population, tournament, parents, newcomers;
    uint32_t age_limit; /* epochs after which a model's fitness falls */
    double age_factor, age_base;
    auxo_mutation_spread gene_spread;
    bool distinct_winners; /* who has won a tournament takes part in no other; else it may stay in several copies */
    bool reset_state;      /* the optimiser's moments begin anew in each generation; else they go on with the model */

    /* Progressive growth: alpha falls from alpha.high by `alpha_factor` at a stall, not below alpha.low; or, with
     * alpha_steps, in so many strengths, evenly in the exponent, the last of which is alpha.low. */
    double alpha_factor;
    uint32_t alpha_steps; /* 0: alpha_factor */
    uint32_t stall_limit;

    /* Genetic tuning; population as above. */
    uint32_t keep, elite, hall_size; /* parents of the next generation; of them unchanged; best ever */
    uint32_t layer_limit;
    double mutation, crossover; /* probabilities */
    double layer_addition;      /* probability that a network that is drawn or bred gets one more random layer */
    uint32_t plateau_limit;     /* end after so many generations without a better network; 0: never */
    bool search_lr;             /* the learning rate is a gene, from lr; else the optimiser's own */

    /* TPE. */
    bool layered;         /* fully connected networks whose layers are searched, as genetic tuning does always */
    auxo_sampler sampler; /* its kind and seed are set */

    auxo_pruner pruner; /* models that are given up early; not under evolution, whose trials have one epoch */

    /* Ends; 0: none. Seconds and evaluations count from the beginning, over all parts of a resumed search. */
    double time_limit;
    uint64_t evaluation_limit;
    uint32_t generation_limit;
    double target; /* end when the best quality reaches it; INFINITY: never */

    void (*on_epoch)(void *user, const auxo_trace_point *point); /* may be NULL */
    void *user;

    /* A study that keeps what was tried, shared with other workers (borrowed); NULL: none. Records then are those of
     * all workers, time_limit is this worker's own, evaluations count all trials that were completed, and each model is
     * a trial: number N of what was ever proposed has the same genome and first weights as without a study, whoever
     * trains it. Evolution and genetic tuning breed when a generation is complete; workers wait for that. */
    auxo_study *study;
    bool keep_models; /* each trial's model in the study's folder, not only the best one's */
    /* Called before a model is saved there, to say what it knows of its data; NULL: nothing. */
    auxo_status (*describe_model)(void *user, auxo_model *model, auxo_error *error);
} auxo_search_options;

/* The method's settings of its source (Cahlik 2022, ch. 6.2; Zhan); seed 0, no end but 25 generations for genetic.
 */
AUXO_API void auxo_search_options_init(auxo_search_method method, auxo_search_options *options);

typedef struct auxo_search auxo_search;

/* `desc` (copied) gives the network whose hidden layers are sized; genetic tuning takes its input and output only.
 * Data sets are borrowed. Errors: INVALID_ARGUMENT names the option or the layer that does not fit. */
AUXO_API auxo_status auxo_search_create(auxo_device *device, const auxo_model_desc *desc, const auxo_dataset *train,
                                        const auxo_dataset *validation, const auxo_search_options *options,
                                        auxo_search **search, auxo_error *error);
AUXO_API void auxo_search_destroy(auxo_search *search);

/* Trains one model to its end; one generation under evolution. *done: an end was reached (time, evaluations,
 * generations, nothing left to try); a model that a time limit cut off has no record, but its best epoch counts.
 * Errors: INTERRUPTED by the stop flag, after which the best model and the trace are still right; DEVICE_LOST. A model
 * whose loss is not finite is a bad model, not an error. */
AUXO_API auxo_status auxo_search_step(auxo_search *search, bool *done, auxo_error *error);

/* The best model so far and its record; NULL before the first epoch. Owned by the search. */
AUXO_API auxo_model *auxo_search_best(const auxo_search *search);
AUXO_API const auxo_search_record *auxo_search_best_record(const auxo_search *search);
/* Everything evaluated, in order; valid until the next step. */
AUXO_API const auxo_search_record *auxo_search_records(const auxo_search *search, size_t *count);
/* The one with that number; NULL: none. */
AUXO_API const auxo_search_record *auxo_search_record_of(const auxo_search *search, uint64_t number);
/* With a study: the model that this worker trained last; NULL: none. */
AUXO_API const auxo_search_record *auxo_search_last(const auxo_search *search);
/* With a study: reads the best model's file, so that auxo_search_best has it. Errors: those of auxo_model_load. */
AUXO_API auxo_status auxo_search_load_best(auxo_search *search, auxo_error *error);
/* What the search chooses from, as a study has it. Ownership: deinit. */
AUXO_API auxo_status auxo_search_space(const auxo_search *search, auxo_space *space, auxo_error *error);
/* Genetic: a network without hidden layer, trained before the first generation; NULL: none (yet). */
AUXO_API const auxo_search_record *auxo_search_baseline(const auxo_search *search);
/* Genetic: numbers of the best records ever, best first; at most hall_size. */
AUXO_API const uint64_t *auxo_search_hall(const auxo_search *search, size_t *count);
AUXO_API const auxo_trace_point *auxo_search_trace(const auxo_search *search, size_t *count);
AUXO_API double auxo_search_seconds(const auxo_search *search);
/* Finished steps: a step that was cut off does not count, and what it left is not to be described. */
AUXO_API uint64_t auxo_search_step_count(const auxo_search *search);

/* "91.25 %" (classes), or "RMSE 0.2134"; "-" where it is not finite. Returns `text`. */
AUXO_API const char *auxo_search_quality_text(char *text, size_t size, bool classes, double quality);

/* ---- going on later ---------------------------------------------------------------------------------------------- */
/* The models that a search keeps beside the best one: the population of evolution. */
AUXO_API size_t auxo_search_model_count(const auxo_search *search);
AUXO_API auxo_model *auxo_search_model(const auxo_search *search, size_t index);
/* What its optimiser has gathered; NULL: nothing. */
AUXO_API const auxo_moments *auxo_search_moments(const auxo_search *search, size_t index);
/* The rest of its state after a step, as JSON (malloc'ed). */
AUXO_API auxo_status auxo_search_describe(const auxo_search *search, char **json, auxo_error *error);
/* Continues in a search made with the same options. Ownership: best (may be NULL), models and their moments (each may
 * be NULL, or the list) go to the search, also on failure. Errors: FORMAT. */
AUXO_API auxo_status auxo_search_restore(auxo_search *search, const char *json, auxo_model *best,
                                         auxo_model *const *models, auxo_moments *const *moments, size_t model_count,
                                         auxo_error *error);

/* ---- evolution's fitness ----------------------------------------------------------------------------------------- */
/* Quality, less what age takes beyond age_limit, with e = age_factor age_base^(age - age_limit): quality / (1 + e), or,
 * for a metric that may be negative, quality - spread e, so that age never helps. */
AUXO_API double auxo_search_aged_fitness(const auxo_search_options *options, double quality, uint32_t age,
                                         bool negative, double spread);

/* ---- growth's penalties ------------------------------------------------------------------------------------------ */
/* The strength after so many stalls; 0: below the limit, the model is given up. */
AUXO_API double auxo_search_growth_alpha(const auxo_search_options *options, uint32_t stalls);

/* ---- the grid's order -------------------------------------------------------------------------------------------- */
/* Level l has the values i / 2^l, 0 < i < 2^l, in every dimension; combinations of earlier levels are left out, the
 * others come in random order. Nothing is stored but the place: levels may be as large as they like. */
typedef struct auxo_grid {
    uint32_t dimension_count, level; /* 1 for the first level */
    uint64_t seed, position;         /* of the next combination, those left out included */
} auxo_grid;
/* The next combination, values (dimension_count); false when there is none that can be numbered in 62 bits. */
AUXO_API bool auxo_grid_next(auxo_grid *grid, double *values);
/* New combinations of a level: (2^l - 1)^n - (2^(l-1) - 1)^n; 0 if too many to number. */
AUXO_API uint64_t auxo_grid_new_count(uint32_t dimension_count, uint32_t level);

/* ---- performance traces and profiles (Cahlik 2022, 2.1.2) ---------------------------------------------------------
 */
/* Best quality at a time: of the last point not later; -INFINITY before the first. */
AUXO_API double auxo_trace_best_at(const auxo_trace_point *points, size_t count, double seconds);
typedef struct auxo_trace {
    const auxo_trace_point *points;
    size_t count;
} auxo_trace;
/* A trace as comma-separated values (method, seed, seconds, epoch, evaluation, quality, best), and back. Errors: IO;
 * FORMAT names file and line. Ownership: deinit. */
AUXO_API auxo_status auxo_trace_write(const char *path, const char *label, uint64_t seed, const auxo_trace *trace,
                                      auxo_error *error);
typedef struct auxo_trace_run {
    char label[48]; /* "random static" */
    auxo_trace_point *points;
    size_t count;
} auxo_trace_run;
AUXO_API auxo_status auxo_trace_read(const char *path, auxo_trace_run *run, auxo_error *error);
AUXO_API void auxo_trace_run_deinit(auxo_trace_run *run);
/* A trace of random search up to `until` seconds, put together from models that are drawn, with replacement, from all
 * runs: number N of those that the seed gives. The last model of each run is left out: its end may have cut it off.
 * Ownership: deinit, also after a failure; the label is empty. Errors: INVALID_ARGUMENT: no run has two models. */
AUXO_API auxo_status auxo_trace_sample(const auxo_trace *runs, size_t count, double until, uint64_t seed,
                                       uint64_t number, auxo_trace_run *run, auxo_error *error);
/* P(quality >= q at time t): the share of runs whose result at `seconds` is at least `quality` (2.1). */
AUXO_API double auxo_profile_share(const auxo_trace *traces, size_t count, double seconds, double quality);

#ifdef __cplusplus
}
#endif
#endif

/* runtime/search/search_internal.h: what the methods share: the space of hyperparameters, a model in training, the best
 * so far, and the table by which a method plugs into auxo_search.
 *
 * Invariant: all draws come from (seed, stream, number of the step), so that a step taken again after a restore gives
 * the same models.
 */
#ifndef AUXO_SEARCH_INTERNAL_H
#define AUXO_SEARCH_INTERNAL_H

#include "json_tree.h"
#include "random.h"

#include "auxo/search.h"
#include "auxo/sizing.h"
#include "auxo/table.h"

/* Streams of the seed; those of data sets are below 16. */
enum {
    AUXO__STREAM_GENOME = 0x73650000,
    AUXO__STREAM_MODEL,
    AUXO__STREAM_POPULATION,
    AUXO__STREAM_SAMPLE,
    AUXO__STREAM_POOL
};

/* ---- the space --------------------------------------------------------------------------------------------------- */
typedef enum auxo__gene_kind {
    AUXO__GENE_UNITS,
    AUXO__GENE_LR,
    AUXO__GENE_BATCH,
    AUXO__GENE_ALPHA,
    AUXO__GENE_DRIVE, /* the controller's growth_drive */
    AUXO__GENE_KEEP   /* and its keep_gain */
} auxo__gene_kind;
const char *auxo__gene_name(auxo__gene_kind kind); /* "lr": as texts of genomes and parameters of trials call it */
bool auxo__gene_is_exponent(auxo__gene_kind kind); /* the gene is the number's decimal exponent */

/* One number of a genome. */
typedef struct auxo__gene {
    auxo__gene_kind kind;
    bool integer;
    double low, high; /* equal: fixed */
    double start;     /* evolution: of new individuals */
} auxo__gene;

enum { AUXO__GENES_MAX = 48 };

typedef struct auxo__space {
    uint32_t count, unit_count; /* the first unit_count genes are the units of the hidden layers, in order */
    auxo__gene genes[AUXO__GENES_MAX];
} auxo__space;

typedef struct auxo__genome {
    double values[AUXO__GENES_MAX];
} auxo__genome;

/* What a genome says. */
typedef struct auxo__settings {
    uint32_t batch;
    double lr, alpha; /* lr 0: the optimiser's own */
    double drive, keep;
} auxo__settings;

/* Hidden layers (their group's lowest layer) of a description: their *count, and the first `capacity` of them. */
auxo_status auxo__hidden_layers(const auxo_model_desc *desc, uint32_t *layers, uint32_t capacity, uint32_t *count,
                                auxo_error *error);
auxo_status auxo__space_init(const auxo_model_desc *desc, const auxo_search_options *options, auxo__space *space,
                             auxo_error *error);
/* A value within the gene's range, as it can be told by the genome's text. */
double auxo__gene_correct(const auxo__gene *gene, double value);
/* Relative position 0..1 within the range. */
double auxo__gene_at(const auxo__gene *gene, double relative);
void auxo__genome_draw(const auxo__space *space, auxo__random *random, auxo__genome *genome);
auxo__settings auxo__genome_settings(const auxo__space *space, const auxo__genome *genome);
void auxo__genome_format(const auxo__space *space, const auxo__genome *genome, char *text, size_t size);
/* The description with the genome's units (static), or initial_units everywhere (dynamic). */
auxo_status auxo__genome_desc(const auxo_search *search, const auxo__genome *genome, auxo_model_desc *desc,
                              auxo_error *error);

/* ---- samples (sample.c) ------------------------------------------------------------------------------------------ */
typedef struct auxo__sample {
    auxo_dataset *train, *validation; /* owned; NULL: not drawn */
} auxo__sample;
/* number 0: of the search; else of the model with that number. */
auxo_status auxo__sample_init(const auxo_search *search, const auxo_dataset *train, const auxo_dataset *validation,
                              uint64_t number, auxo__sample *sample, auxo_error *error);
void auxo__sample_deinit(auxo__sample *sample);
bool auxo__samples_each_model(const auxo_search_options *options);

/* ---- a model in training ----------------------------------------------------------------------------------------- */
typedef struct auxo__candidate {
    auxo_model *model; /* owned */
    auxo_autosize *autosize;
    auxo_trainer *trainer; /* NULL: that of adapt */
    auxo_adapt *adapt;
    auxo__sample sample; /* of this model alone, if any */
    const auxo_dataset *validation;
    bool dynamic, failed; /* failed: its loss is not finite */
    double quality, loss; /* after the last epoch */
    double began;         /* seconds of the search when it was opened */
    double lowest_loss;
    uint32_t stalled; /* epochs since the lowest loss */
    auxo_search_record record;
} auxo__candidate;

/* Takes the model (also on failure) and makes a trainer for it. The candidate's record has the next number. */
auxo_status auxo__candidate_open(auxo_search *search, auxo_model *model, const auxo__settings *settings, bool sized,
                                 const char *genome, auxo__candidate *candidate, auxo_error *error);
/* A fresh model of a description, its weights and epochs drawn by the number of the record. */
auxo_status auxo__candidate_create(auxo_search *search, const auxo_model_desc *desc, const auxo__settings *settings,
                                   bool sized, const char *genome, auxo__candidate *candidate, auxo_error *error);
/* One epoch: grows, trains, prunes, measures; offers the model as the best. Errors: INTERRUPTED by the stop flag or
 * the time limit. */
auxo_status auxo__candidate_epoch(auxo_search *search, auxo__candidate *candidate, auxo_error *error);
/* Until it has failed, stalled for `patience` epochs or reached epoch_limit. */
auxo_status auxo__candidate_train(auxo_search *search, auxo__candidate *candidate, auxo_error *error);
void auxo__candidate_close(auxo__candidate *candidate);
/* All of it: the model of a genome, trained from scratch and dropped. */
auxo_status auxo__evaluate_genome(auxo_search *search, const auxo__genome *genome, const char *text,
                                  auxo_search_record *record, auxo_error *error);
/* The same of a trial's values. */
auxo_status auxo__evaluate_values(auxo_search *search, const double *values, auxo_search_record *record,
                                  auxo_error *error);
/* The same under progressive growth. */
auxo_status auxo__evaluate_growing(auxo_search *search, const auxo__genome *genome, const char *text,
                                   auxo_search_record *record, auxo_error *error);
/* A genome that nobody has, drawn by the number of the next record; false if none was found. */
bool auxo__draw_new(const auxo_search *search, auxo__genome *genome, char *text, size_t size);

/* ---- the search -------------------------------------------------------------------------------------------------- */
typedef enum auxo__next {
    AUXO__NEXT_TRIAL,   /* the values are to be tried */
    AUXO__NEXT_WAITING, /* trials were added that wait */
    AUXO__NEXT_LATER,   /* other workers' trials must end first */
    AUXO__NEXT_NONE     /* nothing is left */
} auxo__next;

typedef struct auxo__search_method {
    size_t state_size;
    auxo_status (*begin)(auxo_search *search, auxo_error *error); /* NULL: nothing to do */
    auxo_status (*step)(auxo_search *search, bool *done, auxo_error *error);
    void (*describe)(const auxo_search *search, cJSON *root); /* with restore; NULL: stateless */
    /* Takes the models and their moments (NULL: none), also on failure. */
    auxo_status (*restore)(auxo_search *search, const cJSON *root, auxo_model *const *models,
                           auxo_moments *const *moments, size_t model_count, auxo_error *error);
    void (*end)(auxo_search *search); /* NULL: nothing to free */
    /* With a study, under its lock and with its trials read: what is next, as values of search->points. */
    auxo_status (*propose)(auxo_search *search, double *values, auxo__next *next, auxo_error *error);
    /* Trains the trial with those values. */
    auxo_status (*evaluate)(auxo_search *search, const double *values, auxo_search_record *record, auxo_error *error);
    /* With a study, outside its lock: what must be there before the first trial. NULL: nothing. */
    auxo_status (*prepare)(auxo_search *search, auxo_error *error);
    bool whole_generations; /* an end is looked at between generations only */
    bool keeps_trained;     /* models of trials go on: each is saved as it is after its last epoch */
} auxo__search_method;

extern const auxo__search_method auxo__method_random, auxo__method_grid, auxo__method_growth, auxo__method_evolution,
    auxo__method_genetic, auxo__method_tpe;

struct auxo_search {
    auxo_device *device;
    auxo_model_desc desc;
    const auxo_dataset *train, *validation;
    auxo__sample sample; /* that train and validation are, if any */
    auxo_search_options options;
    auxo_adapt_options adapt; /* what options.adapt points to */
    auxo__space space;
    const auxo__search_method *method;
    void *state; /* of the method, state_size bytes */

    auxo_model *best;
    auxo_search_record best_record;
    auxo_search_record *records;
    size_t record_count, record_capacity;
    auxo_trace_point *trace;
    size_t trace_count, trace_capacity;
    uint64_t step_count; /* finished steps */
    double seconds;      /* before this step */
    double step_start;   /* of the clock; 0 between steps */
    bool out_of_time;

    /* With a study. */
    auxo_space points; /* what trials have as parameters */
    int64_t trial;     /* under way; 0: none */
    uint64_t draw;     /* number of what is under way among all that was proposed; 0: without a study */
    auxo_model *trial_best;
    auxo_moments *trial_moments;      /* of trial_best, where models of trials go on */
    auxo_search_record last;          /* number 0: none */
    char (*taken)[AUXO_GENOME_BYTES]; /* genomes of trials that wait, run or have failed */
    size_t taken_count, taken_capacity;
    size_t open_count;   /* trials that wait or run */
    uint32_t generation; /* of what is proposed; 0: none */
    bool pruned;         /* the trial under way was given up early */
};

/* The number that the next record has: it decides the seeds. */
uint64_t auxo__search_next_number(const auxo_search *search);
/* Whether a genome was evaluated, or somebody has it. */
bool auxo__search_is_taken(const auxo_search *search, const char *genome);

double auxo__search_now(const auxo_search *search); /* seconds of the search */
auxo_status auxo__search_keep_record(auxo_search *search, const auxo_search_record *record, auxo_error *error);
/* Whether time, evaluations or the target are reached. */
bool auxo__search_has_ended(const auxo_search *search);
/* A genome that was evaluated before; NULL: not yet. */
const auxo_search_record *auxo__search_find(const auxo_search *search, const char *genome);
/* Records an epoch, and keeps a copy of the model if it is the best so far. */
auxo_status auxo__search_offer(auxo_search *search, auxo__candidate *candidate, auxo_error *error);
auxo_status auxo__search_keep_point(auxo_search *search, const auxo_trace_point *point, auxo_error *error);
/* After an epoch: record.pruned says whether the model is given up. */
auxo_status auxo__search_prune(auxo_search *search, auxo__candidate *candidate, auxo_error *error);
/* Whether a result is better: higher quality, or the same with a lower loss. */
bool auxo__is_better(double quality, double loss, double than_quality, double than_loss);

/* ---- studies (search_study.c, search_trials.c, space_points.c)
 * ---------------------------------------------------------------------
 */
auxo_status auxo__search_study_begin(auxo_search *search, auxo_error *error);
auxo_status auxo__search_study_step(auxo_search *search, bool *done, auxo_error *error);
/* After an epoch. */
auxo_status auxo__search_study_epoch(auxo_search *search, auxo__candidate *candidate, auxo_error *error);
/* The model of a trial with its moments (NULL: not wanted; none were kept: NULL comes back), or where it lies.
 * Ownership: the caller's. */
auxo_status auxo__search_trial_model(auxo_search *search, int64_t number, auxo_model **model, auxo_moments **moments,
                                     auxo_error *error);
auxo_status auxo__search_trial_path(const auxo_search *search, int64_t number, char **path, auxo_error *error);
void auxo__search_remove_model(const auxo_search *search, int64_t number);
/* Whether a trial's result is better than that of the best one (NULL: none yet); of equals the earlier trial is. */
bool auxo__search_becomes_best(const auxo_trial *best, double quality, int64_t number);
/* Reads the records anew; done at every lock. */
auxo_status auxo__search_study_sync(auxo_search *search, auxo_error *error);
/* The state of a method in the study's attribute "auxo:state:METHOD" (NULL: none yet), and back. */
auxo_status auxo__search_load_state(auxo_search *search, cJSON **root, auxo_error *error);
auxo_status auxo__search_store_state(auxo_search *search, auxo_error *error);
auxo_status auxo__search_points(const auxo_search *search, auxo_space *points, auxo_error *error);
void auxo__genome_to_values(const auxo_search *search, const auxo__genome *genome, double *values);
void auxo__genome_from_values(const auxo_search *search, const double *values, auxo__genome *genome);
/* The genome of such values, as text. */
void auxo__values_format(const auxo_search *search, const double *values, char *text, size_t size);
/* Fills what a trial that waited has no value for: from what was asked, else from a proposal. */
auxo_status auxo__search_complete_values(auxo_search *search, const auxo_trial *trial, double *values,
                                         auxo_error *error);
uint64_t auxo__search_count_ended(const auxo_search *search); /* trials complete or pruned */
uint64_t auxo__search_next_draw(const auxo_search *search);
/* What Optuna's enqueue_trial asks for ("fixed_params"), in the words of a parameter; NaN: nothing. */
double auxo__fixed_value(const auxo_parameter *parameter, const cJSON *fixed);
/* A number of a trial's own attributes; `fallback` where there is none. */
double auxo__trial_number(const auxo_trial *trial, const char *name, bool system, double fallback);

/* ---- JSON -------------------------------------------------------------------------------------------------------- */
/* A number as a text that loses no bit. */
cJSON *auxo__exact_to_json(double value);
/* Such a text or a plain number; fallback if it is neither. */
double auxo__json_exact(const cJSON *item, double fallback);
/* The same of a field. */
double auxo__state_number(const cJSON *object, const char *name, double fallback);
cJSON *auxo__record_to_json(const auxo_search_record *record);
/* False: a counter is none, or the quality is NaN. */
bool auxo__record_from_json(const cJSON *item, auxo_search_record *record);
/* A counter; false: there is none. */
bool auxo__state_count(const cJSON *object, const char *name, uint32_t *count);

/* Models that a search does not take, and their moments (NULL: none). */
void auxo__members_destroy(auxo_model *const *models, auxo_moments *const *moments, size_t count);

/* ---- trace_file.c ---- */
/* The points of a trace that was read as a table, into an empty run. Errors: FORMAT; OUT_OF_MEMORY. */
auxo_status auxo__trace_points(const auxo_table *table, auxo_trace_run *run, auxo_error *error);

#endif

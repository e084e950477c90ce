/* multiscale_task.h: what the multi-scale methods share: presets, settings, data, a model, one outcome.
 */
#ifndef AUXO_MULTISCALE_TASK_H
#define AUXO_MULTISCALE_TASK_H

#include "task.h"

#include "auxo/multiscale.h"

extern const auxo_setting auxo__multiscale_data_settings[];      /* preset, test-fraction, standardize */
extern const auxo_setting auxo__multiscale_training_settings[];  /* lr, epochs, tolerance, ... */
extern const auxo_setting auxo__multiscale_selection_settings[]; /* fd, theta-on, epsilon, ... */

/* What the paper printed for a preset; 0 where it printed nothing. Order: first, second, backpropagation. */
typedef struct auxo__multiscale_printed {
    const char *table;
    double train_loss[3], test_loss[3], epochs[3], iterations[3], seconds[3];
} auxo__multiscale_printed;
const auxo__multiscale_printed *auxo__multiscale_printed_of(const auxo_settings *settings);

/* All but the order, which is the method's to set. */
auxo_status auxo__multiscale_read_options(const auxo_run *run, auxo_multiscale_options *options, auxo_error *error);
/* Reads the rows anew and draws a test split by `seed` where there is none. */
auxo_status auxo__multiscale_load_data(auxo_run *run, uint64_t seed, auxo__task_data *data, auxo_error *error);
/* The setting's model with fresh weights by `seed`, or with those of its file. */
auxo_status auxo__multiscale_open_model(auxo_run *run, const auxo_dataset *train, uint64_t seed, auxo_model **model,
                                        auxo_error *error);
/* A note where selection can only be uniform. */
auxo_status auxo__multiscale_warn(auxo_run *run, const auxo_multiscale *multiscale, auxo_error *error);

/* The "iteration" event; also the history that pictures are drawn from. */
typedef struct auxo__iteration_record {
    uint32_t iteration, layer_begin, layer_end, epochs, layer;
    double unit_begin, unit_end; /* NaN: whole layers */
    double loss, layer_gradient_max, network_gradient_max, selection_seconds, training_seconds;
    double theta_change; /* NaN: no step of theta */
    double start;        /* counted from 1; NaN with one start only */
    double method;
} auxo__iteration_record;
auxo__iteration_record auxo__iteration_record_of(const auxo_multiscale_iteration *iteration);

/* A range of the history of iterations: one run from one start. */
typedef struct auxo__iteration_range {
    size_t begin, end;
} auxo__iteration_range;
/* Sum of a column over a range; 0 for an empty one. */
double auxo__iteration_sum(const auxo_run *run, const char *event, const char *field, auxo__iteration_range range);

/* The pictures of one run: sensitivities per tree level over iterations, losses, selected layers, weights, gradient
 * norms of the network and of its layers, epochs and time per iteration (Fig. 4, 5, 7, 12, 15), the coupling of layers,
 * the sensitivities of inputs. */
typedef struct auxo__multiscale_pictures {
    auxo__iteration_range iterations, sensitivities; /* in their histories */
    auxo_multiscale_order order;
    const auxo_tree *tree;
    auxo_model *model;
    const float *initial_weights; /* (weight_count) from before the run */
    auxo_multiscale *multiscale;
    const auxo_dataset *train;
} auxo__multiscale_pictures;
auxo_status auxo__multiscale_draw(const auxo_run *run, const auxo__multiscale_pictures *pictures, auxo_report *report,
                                  auxo_error *error);

/* ---- in checkpoints ---- */
auxo_status auxo__archive_put_optimizer(auxo__archive *archive, const char *prefix, auxo_model *model,
                                        auxo_optimizer *optimizer, auxo_error *error);
auxo_status auxo__archive_get_optimizer(const auxo__archive *archive, const char *prefix, auxo_model *model,
                                        auxo_optimizer *optimizer, auxo_error *error);

#endif

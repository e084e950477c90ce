/* runtime/survival/survival_internal.h: orders of subjects, shared by the files of this folder. */
#ifndef AUXO_SURVIVAL_INTERNAL_H
#define AUXO_SURVIVAL_INTERNAL_H

#include "archive.h"

#include "auxo/survival.h"

typedef struct keyed_index {
    double key;
    uint32_t index;
} keyed_index;

/* Indices by ascending key, equal keys by index; malloc'ed into *order. */
auxo_status auxo__order_by_key(const double *keys, size_t count, keyed_index **order, auxo_error *error);
/* Checks times and events alone. */
auxo_status auxo__survival_check_times(const auxo_survival_sample *sample, auxo_error *error);

/* weights[i]: how often subject i is in bootstrap sample number `resample`. */
void auxo__bootstrap_draw(size_t count, uint64_t seed, uint32_t resample, uint32_t *weights);
/* Percentile interval of count > 0 values, which are sorted. */
void auxo__percentiles(double *values, uint32_t count, double confidence, double *low, double *high);

/* The time by which a share q of the events had happened; 1 without events. */
auxo_status auxo__event_time_quantiles(const auxo_dataset *dataset, const double *shares, size_t count, double *found,
                                       auxo_error *error);

/* What an archive of `path` holds of a survival model, into an empty one; what was read so far is freed with the model,
 * also after a failure. Errors: FORMAT; OUT_OF_MEMORY. */
auxo_status auxo__survival_model_read(auxo_device *device, const auxo__archive *archive, const char *path,
                                      auxo_survival_model *model, auxo_error *error);
/* The hazard alone, and the times and events of training. */
auxo_status auxo__hazard_read(const auxo__archive *archive, const char *path, auxo_survival_model *model,
                              auxo_error *error);

/* The name of a site, or "site 1". */
void auxo__site_name(const auxo_dataset *rows, uint32_t site, char *name, size_t size);

/* The coefficients of the model "linear", put into a network of one dense layer on standardised inputs. */
typedef struct auxo__linear {
    auxo_cox_fit fit; /* of the features that were fitted */
    size_t *features; /* fit.count: their places among the features of the data set */
    char *references; /* the levels that the others of their column are compared with: "stage=I, treat=no" */
} auxo__linear;
/* Ownership: deinit, also after a failure. The data set must outlive it. */
auxo_status auxo__linear_fit(const auxo_dataset *dataset, auxo_cox_ties ties, auxo__linear *linear, auxo_error *error);
auxo_status auxo__linear_write(const auxo__linear *linear, const auxo_dataset *dataset, auxo_model *network,
                               auxo_error *error);
/* The coefficients of a linear network that was trained by steps; they have no standard errors (NaN). */
auxo_status auxo__linear_read(const auxo_dataset *dataset, auxo_model *network, auxo__linear *linear,
                              auxo_error *error);
void auxo__linear_deinit(auxo__linear *linear);

#endif

/* image_survival.c: survival labels on image classes: `glyphs-survival`, `mnist-survival`, `fashion-survival`.
 *
 * The classes are dealt at random (by the seed) to four risk groups with log relative risks 0, 1, 2, 3; times are
 * exponential with median BASE_MEDIAN at risk 0; CENSORING_RATE of the rows are censored at exponential times. The
 * construction follows Poelsterl's "Survival Analysis for Deep Learning". Class labels are not kept.
 */
#include "dataset.h"
#include "loaders.h"
#include "survival_times.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10, RISK_GROUPS = 4, DRAWS_PER_CLASS = 200 };
enum { STREAM_GROUPS = 201, STREAM_CALIBRATION = 202, STREAM_LABELS = 203 };

static const double BASE_MEDIAN = 100.0; /* in the data set's time unit, called days */
static const double CENSORING_RATE = 0.3;

typedef struct class_risks {
    double log_risk[CLASSES];
    double censoring_mean;
} class_risks;

static class_risks make_risks(uint64_t seed)
{
    class_risks made;
    double times[CLASSES * DRAWS_PER_CLASS];
    uint32_t order[CLASSES];
    auxo_shuffle(order, CLASSES, seed, STREAM_GROUPS);
    for (int i = 0; i < CLASSES; i++)
        made.log_risk[order[i]] = i % RISK_GROUPS;
    for (uint32_t i = 0; i < CLASSES * DRAWS_PER_CLASS; i++) {
        auxo__random random;
        auxo__random_init(&random, seed, STREAM_CALIBRATION, i);
        times[i] = auxo__survival_draw(&random, made.log_risk[i % CLASSES], BASE_MEDIAN, 1.0);
    }
    made.censoring_mean = auxo__censoring_mean(times, CLASSES * DRAWS_PER_CLASS, CENSORING_RATE);
    return made;
}

/* Replaces class labels by times and events. */
static auxo_status relabel(auxo_dataset *dataset, const char *name, const class_risks *risks, uint64_t seed,
                           uint32_t stream, auxo_error *error)
{
    dataset->times = auxo__array(dataset->row_count, sizeof *dataset->times);
    dataset->events = auxo__array(dataset->row_count, sizeof *dataset->events);
    if (!dataset->times || !dataset->events)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for survival labels", name);
    for (size_t i = 0; i < dataset->row_count; i++) {
        auxo__random random;
        auxo__random_init(&random, seed, STREAM_LABELS + stream, i);
        double time = auxo__survival_draw(&random, risks->log_risk[dataset->labels[i]], BASE_MEDIAN, 1.0);
        dataset->times[i] = (float)auxo__survival_censor(&random, time, risks->censoring_mean, &dataset->events[i]);
    }
    auxo__names_destroy(dataset->target_names, dataset->class_count);
    free(dataset->labels);
    dataset->target_names = NULL;
    dataset->labels = NULL;
    dataset->class_count = 0;
    dataset->target_type = AUXO_TARGET_SURVIVAL;
    snprintf(dataset->name, sizeof dataset->name, "%s", name);
    return AUXO_OK;
}

static auxo_status load_relabelled(const char *name, auxo__loader *load_images, const auxo_data_options *options,
                                   auxo_dataset **train, auxo_dataset **test, auxo_error *error)
{
    class_risks risks = make_risks(options->seed);
    auxo_status status = load_images(options, train, test, error);
    if (status == AUXO_OK)
        status = relabel(*train, name, &risks, options->seed, AUXO__STREAM_TRAIN, error);
    if (status == AUXO_OK)
        status = relabel(*test, name, &risks, options->seed, AUXO__STREAM_TEST, error);
    return status;
}

auxo_status auxo__load_glyphs_survival(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                       auxo_error *error)
{
    return load_relabelled("glyphs-survival", auxo__load_glyphs, options, train, test, error);
}

auxo_status auxo__load_mnist_survival(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                      auxo_error *error)
{
    return load_relabelled("mnist-survival", auxo__load_mnist, options, train, test, error);
}

auxo_status auxo__load_fashion_survival(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                        auxo_error *error)
{
    return load_relabelled("fashion-survival", auxo__load_fashion_mnist, options, train, test, error);
}

/* run_survival.c: the Cox op on a device, and the survival metrics of the host. */
#include "auxo/survival.h"
#include "bench_internal.h"

#include <stdlib.h>

enum { TIME_COUNT = 20 };

typedef struct metric_work {
    auxo_survival_sample sample;
    double times[TIME_COUNT];
} metric_work;

static auxo_status run_concordance(void *user, uint32_t count, auxo_error *error)
{
    const metric_work *work = user;
    auxo_concordance found;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_survival_concordance(&work->sample, &found, error);
    return status;
}

static auxo_status run_auc(void *user, uint32_t count, auxo_error *error)
{
    const metric_work *work = user;
    double areas[TIME_COUNT];
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_survival_dynamic_auc(&work->sample, &work->sample, work->times, TIME_COUNT, areas, error);
    return status;
}

static void tell(const auxo_bench_survival_options *options, const char *name, uint64_t subjects,
                 const auxo_bench_time *time)
{
    if (options->on_case)
        options->on_case(options->user, name, subjects, time);
}

static auxo_status measure_cox(auxo_device *device, const auxo_bench_survival_options *options, auxo_error *error)
{
    const auxo_bench_case from = {.name = "cox", .kind = AUXO_OP_COX, .dims = {(int64_t)options->subjects}};
    auxo_queue *queue = NULL;
    auxo_bench_op *built = NULL;
    auxo_bench_time time;
    auxo_status status = auxo_queue_create(device, &queue, error);
    if (status == AUXO_OK)
        status = auxo_bench_op_create(queue, &from, &built, error);
    if (status == AUXO_OK)
        status = auxo_bench_op_measure(built, options->seconds, &time, error);
    if (status == AUXO_OK)
        tell(options, "Cox loss and gradient", options->subjects, &time);
    auxo_bench_op_destroy(built);
    auxo_queue_destroy(queue);
    return status;
}

static auxo_status measure_metrics(const auxo_bench_survival_options *options, auxo_error *error)
{
    const auxo_survival_simulation simulation = {.row_count = options->metric_subjects,
                                                 .column_count = 2,
                                                 .median_time = 5,
                                                 .weibull_shape = 1,
                                                 .censoring_rate = 0.3,
                                                 .site_count = 1,
                                                 .site_scale = 1,
                                                 .seed = options->seed,
                                                 .stream = 1};
    auxo_dataset *rows = NULL;
    auxo_status status = auxo_survival_simulate(&simulation, &rows, error);
    double *risks = malloc((simulation.row_count + 1) * sizeof *risks);
    if (status == AUXO_OK && !risks)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "benchmark: out of memory");
    const float *x = status == AUXO_OK ? rows->features : NULL;
    for (size_t i = 0; i < simulation.row_count && status == AUXO_OK; i++)
        risks[i] = (double)x[2 * i] + 2 * (double)x[2 * i + 1];
    metric_work work = {0};
    for (int k = 0; k < TIME_COUNT; k++)
        work.times[k] = 0.5 * (k + 1);
    auxo_bench_time time;
    if (status == AUXO_OK) {
        work.sample = (auxo_survival_sample){rows->row_count, rows->times, rows->events, risks};
        status = auxo_bench_measure(run_concordance, &work, options->seconds, &time, error);
    }
    if (status == AUXO_OK) {
        tell(options, "Harrell's C (host)", simulation.row_count, &time);
        status = auxo_bench_measure(run_auc, &work, options->seconds, &time, error);
    }
    if (status == AUXO_OK)
        tell(options, "dynamic AUC at 20 times (host)", simulation.row_count, &time);
    auxo_dataset_destroy(rows);
    free(risks);
    return status;
}

auxo_status auxo_bench_survival(auxo_device *device, const auxo_bench_survival_options *options, auxo_error *error)
{
    auxo_status status = measure_cox(device, options, error);
    return status == AUXO_OK ? measure_metrics(options, error) : status;
}

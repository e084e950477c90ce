/* survival_model.c: a network and its baseline hazard in one file; risks of rows.
 */
#include "survival_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char HAZARD[] = "hazard/", TRAINING[] = "training/";

typedef struct timed_event {
    double time;
    uint32_t event;
} timed_event;

static int compare_timed(const void *a, const void *b)
{
    const timed_event *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->event < y->event ? -1 : x->event > y->event;
}

auxo_status auxo_survival_model_set_training(auxo_survival_model *model, const auxo_dataset *train, auxo_error *error)
{
    const size_t count = train->row_count;
    timed_event *sorted = malloc((count + 1) * sizeof *sorted);
    free(model->training_times);
    free(model->training_events);
    model->training_times = malloc((count + 1) * sizeof *model->training_times);
    model->training_events = malloc((count + 1) * sizeof *model->training_events);
    model->training_count = 0;
    const bool good = sorted && model->training_times && model->training_events;
    for (size_t i = 0; i < count && good; i++)
        sorted[i] = (timed_event){train->times[i], train->events[i]};
    if (good)
        qsort(sorted, count, sizeof *sorted, compare_timed);
    for (size_t i = 0; i < count && good; i++) {
        model->training_times[i] = sorted[i].time;
        model->training_events[i] = sorted[i].event;
    }
    model->training_count = good ? count : 0;
    free(sorted);
    return good ? AUXO_OK
                : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "times and events of %zu rows: out of memory", count);
}

static auxo_status put_training(const auxo_survival_model *model, auxo__archive *archive, auxo_error *error)
{
    const size_t count = model->training_count;
    double *events = malloc((count + 1) * sizeof *events);
    if (!events)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "times and events of %zu rows: out of memory", count);
    for (size_t i = 0; i < count; i++)
        events[i] = model->training_events[i];
    auxo_status status = auxo__archive_put_doubles(archive, TRAINING, "times", model->training_times, count, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_doubles(archive, TRAINING, "events", events, count, error);
    free(events);
    return status;
}

static auxo_status get_training(const auxo__archive *archive, const char *path, auxo_survival_model *model,
                                auxo_error *error)
{
    double *events = NULL;
    size_t count = 0;
    if (!auxo__archive_has(archive, TRAINING, "times"))
        return AUXO_OK;
    auxo_status status =
        auxo__archive_get_doubles(archive, TRAINING, "times", &model->training_times, &model->training_count, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_doubles(archive, TRAINING, "events", &events, &count, error);
    bool sound = status == AUXO_OK && count == model->training_count;
    model->training_events = sound ? malloc((count + 1) * sizeof *model->training_events) : NULL;
    for (size_t i = 0; i < count && sound && model->training_events; i++) {
        sound =
            isfinite(model->training_times[i]) && model->training_times[i] >= 0 && (events[i] == 0 || events[i] == 1);
        model->training_events[i] = events[i] > 0;
    }
    free(events);
    if (status == AUXO_OK && !sound)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: its times and events of training make no sense", path);
    if (status == AUXO_OK && !model->training_events)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
    return status;
}

auxo_status auxo_survival_model_save(const auxo_survival_model *model, const char *path, auxo_error *error)
{
    auxo__archive *archive = NULL;
    const auxo_step_function *hazard = &model->hazard;
    auxo_status status = auxo__archive_create(&archive, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_model(archive, "", model->network, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_doubles(archive, HAZARD, "times", hazard->times, hazard->count, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_doubles(archive, HAZARD, "values", hazard->values, hazard->count, error);
    if (status == AUXO_OK && model->training_count > 0)
        status = put_training(model, archive, error);
    if (status == AUXO_OK)
        status = auxo__archive_write(archive, path, error);
    auxo__archive_destroy(archive);
    return status;
}

/* Times that ascend, values that do not fall: what a cumulative hazard is. */
static auxo_status check_hazard(const auxo_step_function *hazard, size_t value_count, const char *path,
                                auxo_error *error)
{
    bool sound = hazard->count > 0 && hazard->count == value_count;
    for (size_t i = 0; i < hazard->count && sound; i++)
        sound = isfinite(hazard->times[i]) && hazard->values[i] >= 0 && isfinite(hazard->values[i]) &&
                (i == 0 || (hazard->times[i] > hazard->times[i - 1] && hazard->values[i] >= hazard->values[i - 1]));
    return sound ? AUXO_OK : auxo_error_set(error, AUXO_FORMAT, "%s: its baseline hazard is no step function", path);
}

auxo_status auxo__hazard_read(const auxo__archive *archive, const char *path, auxo_survival_model *model,
                              auxo_error *error)
{
    size_t value_count = 0;
    auxo_step_function *hazard = &model->hazard;
    auxo_status status = auxo__archive_get_doubles(archive, HAZARD, "times", &hazard->times, &hazard->count, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_doubles(archive, HAZARD, "values", &hazard->values, &value_count, error);
    if (status == AUXO_OK)
        status = check_hazard(hazard, value_count, path, error);
    return status == AUXO_OK ? get_training(archive, path, model, error) : status;
}

auxo_status auxo__survival_model_read(auxo_device *device, const auxo__archive *archive, const char *path,
                                      auxo_survival_model *model, auxo_error *error)
{
    if (!auxo__archive_has(archive, HAZARD, "times"))
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s holds no baseline hazard: it is no survival model, or one of an older version; "
                              "\"survival train\" with save writes one",
                              path);
    auxo_status status = auxo__archive_get_model(archive, "", device, &model->network, error);
    return status == AUXO_OK ? auxo__hazard_read(archive, path, model, error) : status;
}

auxo_status auxo_survival_model_load(auxo_device *device, const char *path, auxo_survival_model *model,
                                     auxo_error *error)
{
    auxo__archive *archive = NULL;
    *model = (auxo_survival_model){0};
    auxo_status status = auxo__archive_read(path, &archive, error);
    if (status == AUXO_OK)
        status = auxo__survival_model_read(device, archive, path, model, error);
    auxo__archive_destroy(archive);
    if (status != AUXO_OK)
        auxo_survival_model_deinit(model);
    return status;
}

void auxo_survival_model_deinit(auxo_survival_model *model)
{
    auxo_model_destroy(model->network);
    auxo_step_function_deinit(&model->hazard);
    free(model->training_times);
    free(model->training_events);
    *model = (auxo_survival_model){0};
}

auxo_survival_sample auxo_survival_rows(const auxo_dataset *dataset, const double *risks)
{
    return (auxo_survival_sample){dataset->row_count, dataset->times, dataset->events, risks};
}

auxo_status auxo_survival_risks(auxo_model *network, const auxo_dataset *dataset, bool standardize_sites, double **raw,
                                double **risks, auxo_error *error)
{
    enum { BATCH = 256 };
    const size_t rows = dataset->row_count;
    float *outputs = malloc((rows + 1) * sizeof *outputs);
    double *found = malloc((rows + 1) * sizeof *found), *second = risks ? malloc((rows + 1) * sizeof *second) : NULL;
    auxo_status status = AUXO_OK;
    if (!outputs || !found || (risks && !second))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "risks of %zu rows: out of memory", rows);
    if (status == AUXO_OK)
        status = auxo_model_predict(network, dataset, BATCH, false, outputs, error);
    for (size_t i = 0; i < rows && status == AUXO_OK; i++)
        found[i] = outputs[i];
    if (status == AUXO_OK && second) {
        memcpy(second, found, rows * sizeof *second);
        if (standardize_sites && dataset->sites)
            status = auxo_survival_standardize_by_site(second, dataset->sites, rows, error);
    }
    free(outputs);
    if (status != AUXO_OK) {
        free(found);
        free(second);
        found = second = NULL;
    }
    *raw = found;
    if (risks)
        *risks = second;
    return status;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

auxo_status auxo__event_time_quantiles(const auxo_dataset *dataset, const double *shares, size_t count, double *found,
                                       auxo_error *error)
{
    double *times = malloc((dataset->row_count + 1) * sizeof *times);
    size_t events = 0;
    if (!times)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "times of %zu rows: out of memory", dataset->row_count);
    for (size_t i = 0; i < dataset->row_count; i++)
        if (dataset->events[i])
            times[events++] = dataset->times[i];
    qsort(times, events, sizeof *times, compare_doubles);
    for (size_t k = 0; k < count; k++)
        found[k] = events > 0 ? times[(size_t)(shares[k] * (double)(events - 1))] : 1;
    free(times);
    return AUXO_OK;
}

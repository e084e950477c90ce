/* survival_model.c: a network and its baseline hazard in one file; risks of rows.
 */
#include "survival_internal.h"

#include "archive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char HAZARD[] = "hazard/";

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

auxo_status auxo_survival_model_load(auxo_device *device, const char *path, auxo_survival_model *model,
                                     auxo_error *error)
{
    auxo__archive *archive = NULL;
    size_t value_count = 0;
    auxo_step_function *hazard = &model->hazard;
    *model = (auxo_survival_model){0};
    auxo_status status = auxo__archive_read(path, &archive, error);
    if (status == AUXO_OK && !auxo__archive_has(archive, HAZARD, "times"))
        status = auxo_error_set(error, AUXO_FORMAT,
                                "%s holds no baseline hazard: it is no survival model, or one of an older version; "
                                "\"survival train\" with save writes one",
                                path);
    if (status == AUXO_OK)
        status = auxo__archive_get_model(archive, "", device, &model->network, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_doubles(archive, HAZARD, "times", &hazard->times, &hazard->count, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_doubles(archive, HAZARD, "values", &hazard->values, &value_count, error);
    if (status == AUXO_OK)
        status = check_hazard(hazard, value_count, path, error);
    auxo__archive_destroy(archive);
    if (status != AUXO_OK)
        auxo_survival_model_deinit(model);
    return status;
}

void auxo_survival_model_deinit(auxo_survival_model *model)
{
    auxo_model_destroy(model->network);
    auxo_step_function_deinit(&model->hazard);
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

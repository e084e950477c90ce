/* task_scores.c: how well a trained network tells classes apart, for results and reports.
 */
#include "json.h"
#include "task.h"

#include <math.h>
#include <stdlib.h>

auxo_status auxo__task_class_scores(auxo_model *model, const auxo_dataset *rows, auxo_class_scores *found,
                                    auxo_error *error)
{
    enum { BATCH = 256 };
    *found = (auxo_class_scores){0};
    if (!rows || rows->target_type != AUXO_TARGET_CLASS || rows->row_count == 0)
        return AUXO_OK;
    float *outputs = malloc(rows->row_count * rows->class_count * sizeof *outputs);
    uint32_t *labels = malloc(rows->row_count * sizeof *labels);
    const auxo_row_block block = {.labels = labels};
    auxo_status status = outputs && labels ? auxo_dataset_read(rows, NULL, 0, rows->row_count, &block, error)
                                           : auxo_error_set(error, AUXO_OUT_OF_MEMORY,
                                                            "scores of %zu rows: out of memory", rows->row_count);
    if (status == AUXO_OK)
        status = auxo_model_predict(model, rows, BATCH, false, outputs, error);
    if (status == AUXO_OK)
        status = auxo_class_scores_compute(outputs, labels, rows->row_count, rows->class_count, found, error);
    free(outputs);
    free(labels);
    return status;
}

/* Errors of real targets, summed batch by batch. */
typedef struct error_sums {
    const auxo_dataset *rows;
    double *squared, *absolute; /* (target_count) */
    float *targets;             /* (batch, target_count) */
} error_sums;

static auxo_status add_errors(void *user, size_t first, size_t count, const float *outputs, auxo_error *error)
{
    const error_sums *sums = user;
    const size_t columns = sums->rows->target_count;
    const auxo_row_block block = {.targets = sums->targets};
    const auxo_status status = auxo_dataset_read(sums->rows, NULL, first, count, &block, error);
    for (size_t i = 0; status == AUXO_OK && i < count * columns; i++) {
        const double difference = (double)outputs[i] - (double)sums->targets[i];
        sums->squared[i % columns] += difference * difference;
        sums->absolute[i % columns] += fabs(difference);
    }
    return status;
}

/* stds (target_count): of the targets. */
static auxo__real_errors sum_up(const error_sums *sums, const double *stds)
{
    const double columns = sums->rows->target_count, rows = (double)sums->rows->row_count;
    auxo__real_errors found = {0, 0, 0};
    size_t varying = 0;
    for (size_t c = 0; c < sums->rows->target_count; c++) {
        const double mse = sums->squared[c] / rows;
        found.rmse += mse / columns;
        found.mae += sums->absolute[c] / rows / columns;
        if (stds[c] > 0) {
            found.r2 += 1 - mse / (stds[c] * stds[c]);
            varying++;
        }
    }
    found.rmse = sqrt(found.rmse);
    found.r2 = varying ? found.r2 / (double)varying : (double)NAN;
    return found;
}

auxo_status auxo__task_real_errors(auxo_model *model, const auxo_dataset *rows, auxo__real_errors *found,
                                   auxo_error *error)
{
    enum { BATCH = 256 };
    *found = (auxo__real_errors){(double)NAN, (double)NAN, (double)NAN};
    if (!rows || rows->target_type != AUXO_TARGET_REAL || rows->row_count == 0)
        return AUXO_OK;
    const size_t columns = rows->target_count;
    double *sums = calloc(4 * columns, sizeof *sums);
    float *targets = malloc(BATCH * columns * sizeof *targets);
    error_sums all = {rows, sums, sums + columns, targets};
    auxo_status status =
        sums && targets
            ? auxo_dataset_target_summary(rows, sums + 2 * columns, sums + 3 * columns, error)
            : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "errors of %zu rows: out of memory", rows->row_count);
    if (status == AUXO_OK)
        status = auxo_model_predict_each(model, rows, BATCH, false, add_errors, &all, error);
    if (status == AUXO_OK)
        *found = sum_up(&all, sums + 3 * columns);
    free(sums);
    free(targets);
    return status;
}

auxo_status auxo__confusion_json(const auxo_class_scores *found, char **text, auxo_error *error)
{
    auxo__json json = {0};
    const size_t n = found->class_count;
    *text = NULL;
    if (n == 0)
        return AUXO_OK;
    auxo__json_open(&json, '[');
    for (size_t i = 0; i < n; i++) {
        auxo__json_open(&json, '[');
        for (size_t j = 0; j < n; j++)
            auxo__json_number(&json, (double)found->confusion[i * n + j]);
        auxo__json_close(&json, ']');
    }
    auxo__json_close(&json, ']');
    auxo_status status = auxo__json_finish(&json, error);
    *text = json.text;
    return status;
}

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
    if (!outputs)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "scores of %zu rows: out of memory", rows->row_count);
    auxo_status status = auxo_model_predict(model, rows, BATCH, false, outputs, error);
    if (status == AUXO_OK)
        status = auxo_class_scores_compute(outputs, rows->labels, rows->row_count, rows->class_count, found, error);
    free(outputs);
    return status;
}

static auxo__real_errors sum_up(const auxo_dataset *rows, const float *outputs)
{
    const size_t columns = rows->target_count;
    auxo__real_errors found = {0, 0, 0};
    size_t varying = 0;
    for (size_t c = 0; c < columns; c++) {
        const auxo_real_score score = auxo_real_score_compute(outputs + c, rows->targets + c, rows->row_count, columns);
        found.rmse += score.mse / (double)columns;
        found.mae += score.mae / (double)columns;
        if (isfinite(score.r2)) {
            found.r2 += score.r2;
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
    float *outputs = malloc(rows->row_count * rows->target_count * sizeof *outputs);
    if (!outputs)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "errors of %zu rows: out of memory", rows->row_count);
    auxo_status status = auxo_model_predict(model, rows, BATCH, false, outputs, error);
    if (status == AUXO_OK)
        *found = sum_up(rows, outputs);
    free(outputs);
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

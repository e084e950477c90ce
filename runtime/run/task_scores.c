/* task_scores.c: how well a trained network tells classes apart, for results and reports.
 */
#include "json.h"
#include "task.h"

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

char *auxo__confusion_json(const auxo_class_scores *found)
{
    auxo__json json = {0};
    const size_t n = found->class_count;
    if (n == 0)
        return NULL;
    auxo__json_open(&json, '[');
    for (size_t i = 0; i < n; i++) {
        auxo__json_open(&json, '[');
        for (size_t j = 0; j < n; j++)
            auxo__json_number(&json, (double)found->confusion[i * n + j]);
        auxo__json_close(&json, ']');
    }
    auxo__json_close(&json, ']');
    if (auxo__json_finish(&json, NULL) == AUXO_OK)
        return json.text;
    auxo__json_deinit(&json);
    return NULL;
}

/* runtime/cli/survival/survival_saved.c: what is kept beside a saved survival model, as FILE.hazard.json: the
 * cumulative baseline hazard. What the model knows of its data is in its own file.
 */
#include "survival_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void hazard_path(char *text, size_t size, const char *model_path)
{
    snprintf(text, size, "%s.hazard.json", model_path);
}

auxo_status survival_saved_write(const char *model_path, const auxo_step_function *hazard, auxo_error *error)
{
    char path[4096], temporary[4104];
    hazard_path(path, sizeof path, model_path);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "format", "auxo cumulative baseline hazard 1");
    cJSON_AddItemToObject(root, "times", cJSON_CreateDoubleArray(hazard->times, (int)hazard->count));
    cJSON_AddItemToObject(root, "values", cJSON_CreateDoubleArray(hazard->values, (int)hazard->count));
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    FILE *file = text ? fopen(temporary, "wb") : NULL;
    bool ok = file && fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = errno;
    if (file && fclose(file) != 0)
        ok = false;
    cJSON_free(text);
    if (ok && rename(temporary, path) == 0)
        return AUXO_OK;
    remove(temporary);
    return auxo_error_set(error, AUXO_IO, "cannot write %s: %s", path, strerror(reason));
}

static auxo_status copy_numbers(const cJSON *array, double *numbers, size_t count, const char *path, auxo_error *error)
{
    const cJSON *item;
    size_t i = 0;
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsNumber(item) || i >= count)
            return auxo_error_set(error, AUXO_FORMAT, "%s: value %zu is no number", path, i + 1);
        numbers[i++] = item->valuedouble;
    }
    return AUXO_OK;
}

void survival_saved_deinit(survival_saved *saved)
{
    auxo_step_function_deinit(&saved->hazard);
    *saved = (survival_saved){0};
}

static char *read_text(const char *path, auxo_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        auxo_error_set(error, AUXO_NOT_FOUND, "cannot read %s: %s; auxo survival train --save writes it with the model",
                       path, strerror(errno));
        return NULL;
    }
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    bool ok = text && fseek(file, 0, SEEK_SET) == 0 && fread(text, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (ok) {
        text[size] = '\0';
        return text;
    }
    free(text);
    auxo_error_set(error, AUXO_IO, "cannot read %s", path);
    return NULL;
}

static auxo_status read_hazard(const cJSON *root, const char *path, auxo_step_function *hazard, auxo_error *error)
{
    const cJSON *times = cJSON_GetObjectItem(root, "times"), *values = cJSON_GetObjectItem(root, "values");
    size_t count = (size_t)cJSON_GetArraySize(times);
    *hazard = (auxo_step_function){.count = count};
    if (!root || count == 0 || (size_t)cJSON_GetArraySize(values) != count)
        return auxo_error_set(error, AUXO_FORMAT, "%s is no baseline hazard", path);
    hazard->times = malloc((count + 1) * sizeof(double));
    hazard->values = malloc((count + 1) * sizeof(double));
    if (!hazard->times || !hazard->values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "baseline hazard: out of memory");
    auxo_status status = copy_numbers(times, hazard->times, count, path, error);
    return status == AUXO_OK ? copy_numbers(values, hazard->values, count, path, error) : status;
}

auxo_status survival_saved_read(const char *model_path, survival_saved *saved, auxo_error *error)
{
    char path[4096];
    *saved = (survival_saved){0};
    hazard_path(path, sizeof path, model_path);
    char *text = read_text(path, error);
    if (!text)
        return error->status;
    cJSON *root = cJSON_Parse(text);
    free(text);
    auxo_status status = read_hazard(root, path, &saved->hazard, error);
    cJSON_Delete(root);
    if (status != AUXO_OK)
        survival_saved_deinit(saved);
    return status;
}

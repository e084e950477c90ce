/* runtime/sizing/resbuild_state.c: what a ResBuilder run must remember beside its two models, as JSON. */
#include "resbuild_internal.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

auxo_status auxo_resbuild_describe(const auxo_resbuild *resbuild, char **json, auxo_error *error)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "number", resbuild->number);
    cJSON_AddNumberToObject(root, "inserted", resbuild->inserted);
    cJSON_AddNumberToObject(root, "cycle", resbuild->cycle);
    cJSON_AddNumberToObject(root, "best_accuracy", resbuild->best_accuracy);
    cJSON_AddBoolToObject(root, "best_is_within", resbuild->best_is_within);
    cJSON_AddNumberToObject(root, "last_accuracy", resbuild->last_accuracy);
    cJSON *visited = cJSON_AddArrayToObject(root, "visited");
    for (size_t i = 0; visited && i < resbuild->visited_count; i++)
        cJSON_AddItemToArray(visited, cJSON_CreateString(resbuild->visited[i]));
    char *edits = NULL;
    auxo_status status = auxo_edit_log_describe(&resbuild->log, &edits, error);
    if (status == AUXO_OK)
        cJSON_AddStringToObject(root, "edits", edits);
    free(edits);
    char *text = status == AUXO_OK ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (status != AUXO_OK)
        return status;
    if (!text)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "ResBuilder state: out of memory");
    *json = text;
    return AUXO_OK;
}

static bool read_number(const cJSON *root, const char *name, double *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, name);
    *value = cJSON_IsNumber(item) ? item->valuedouble : 0;
    return cJSON_IsNumber(item);
}

static auxo_status read_visited(auxo_resbuild *resbuild, const cJSON *visited, auxo_error *error)
{
    const cJSON *item;
    int count = cJSON_GetArraySize(visited);
    resbuild->visited = calloc((size_t)count + 1, sizeof *resbuild->visited);
    if (!resbuild->visited)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "ResBuilder state: out of memory");
    cJSON_ArrayForEach(item, visited)
    {
        const char *text = cJSON_GetStringValue(item);
        char *key = text ? malloc(strlen(text) + 1) : NULL;
        if (!key)
            return auxo_error_set(error, AUXO_FORMAT, "ResBuilder state: a visited architecture is no text");
        strcpy(key, text);
        resbuild->visited[resbuild->visited_count++] = key;
    }
    return AUXO_OK;
}

auxo_status auxo_resbuild_restore(auxo_resbuild *resbuild, const char *json, auxo_model *current, auxo_model *best,
                                  auxo_error *error)
{
    cJSON *root = cJSON_Parse(json);
    double number = 0, inserted = 0, cycle = 0;
    auxo_status status = AUXO_OK;
    if (resbuild->number > 0 || resbuild->visited_count > 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "a ResBuilder run that has begun cannot be restored");
    else if (!read_number(root, "number", &number) || !read_number(root, "inserted", &inserted) ||
             !read_number(root, "cycle", &cycle) || !read_number(root, "best_accuracy", &resbuild->best_accuracy) ||
             !read_number(root, "last_accuracy", &resbuild->last_accuracy))
        status = auxo_error_set(error, AUXO_FORMAT, "this is no ResBuilder state");
    if (status == AUXO_OK)
        status = read_visited(resbuild, cJSON_GetObjectItemCaseSensitive(root, "visited"), error);
    const char *edits = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "edits"));
    if (status == AUXO_OK && edits)
        status = auxo_edit_log_restore(&resbuild->log, edits, error);
    resbuild->best_is_within = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "best_is_within"));
    cJSON_Delete(root);
    if (status != AUXO_OK)
        return status;
    resbuild->number = (uint32_t)number;
    resbuild->inserted = (uint32_t)inserted;
    resbuild->cycle = (uint32_t)cycle;
    auxo_model_destroy(resbuild->current);
    auxo_model_destroy(resbuild->best);
    resbuild->current = current;
    resbuild->best = best;
    return AUXO_OK;
}

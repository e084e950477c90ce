/* runtime/sizing/resbuild_state.c: what a ResBuilder run must remember beside its two models, as JSON. */
#include "json.h"
#include "json_tree.h"
#include "resbuild_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

auxo_status auxo_resbuild_describe(const auxo_resbuild *resbuild, char **json, auxo_error *error)
{
    cJSON *root = cJSON_CreateObject();
    auxo__tree_number(root, "number", resbuild->number);
    auxo__tree_number(root, "inserted", resbuild->inserted);
    auxo__tree_number(root, "cycle", resbuild->cycle);
    auxo__tree_number(root, "best_accuracy", resbuild->best_accuracy);
    auxo__tree_bool(root, "best_is_within", resbuild->best_is_within);
    auxo__tree_number(root, "last_accuracy", resbuild->last_accuracy);
    cJSON *visited = auxo__tree_add(root, "visited", cJSON_CreateArray());
    for (size_t i = 0; visited && i < resbuild->visited_count; i++)
        auxo__tree_add(visited, NULL, cJSON_CreateString(resbuild->visited[i]));
    char *edits = NULL;
    auxo_status status = auxo_edit_log_describe(&resbuild->log, &edits, error);
    if (status == AUXO_OK)
        auxo__tree_text(root, "edits", edits);
    free(edits);
    if (status == AUXO_OK)
        return auxo__tree_print(root, false, json, error);
    cJSON_Delete(root);
    return status;
}

static bool read_number(const cJSON *root, const char *name, double *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, name);
    *value = cJSON_IsNumber(item) ? item->valuedouble : 0;
    return cJSON_IsNumber(item);
}

static bool read_count(const cJSON *root, const char *name, uint64_t *value)
{
    return auxo__json_count(cJSON_GetObjectItemCaseSensitive(root, name), UINT32_MAX, value);
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
        if (!text)
            return auxo_error_set(error, AUXO_FORMAT, "ResBuilder state: a visited architecture is no text");
        char *key = malloc(strlen(text) + 1);
        if (!key)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "ResBuilder state: out of memory");
        strcpy(key, text);
        resbuild->visited[resbuild->visited_count++] = key;
    }
    return AUXO_OK;
}

auxo_status auxo_resbuild_restore(auxo_resbuild *resbuild, const char *json, auxo_model *current, auxo_model *best,
                                  auxo_moments *moments, auxo_error *error)
{
    if (resbuild->number > 0 || resbuild->visited_count > 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "a ResBuilder run that has begun cannot be restored");
    cJSON *root = NULL;
    uint64_t number = 0, inserted = 0, cycle = 0;
    auxo_status status = auxo__json_parse(json, strlen(json), &root, error);
    if (status == AUXO_OK &&
        (!read_count(root, "number", &number) || !read_count(root, "inserted", &inserted) ||
         !read_count(root, "cycle", &cycle) || !read_number(root, "best_accuracy", &resbuild->best_accuracy) ||
         !read_number(root, "last_accuracy", &resbuild->last_accuracy)))
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
    auxo_moments_destroy(resbuild->moments);
    resbuild->moments = moments;
    resbuild->current = current;
    resbuild->best = best;
    return AUXO_OK;
}

/* runtime/cli/search/search_checkpoint.c: the state of a search after a step: its JSON, its best model, its population.
 *
 * Written by the helpers of the sizing commands: models first, then the JSON that names them, by renaming.
 */
#include "search_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 24 };

/* "best", "m0", "m1", ...: always as many, so that the files of a larger population before are removed. */
typedef struct model_list {
    size_t count;
    sizing_model *models;
    char (*names)[NAME_BYTES];
} model_list;

static auxo_status list_init(const search_run *run, model_list *list, auxo_error *error)
{
    const bool evolves = run->options.method == AUXO_SEARCH_EVOLUTION;
    list->count = evolves ? run->options.population + 2 : 1;
    list->models = calloc(list->count, sizeof *list->models);
    list->names = calloc(list->count, sizeof *list->names);
    if (!list->models || !list->names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "checkpoint: out of memory");
    for (size_t i = 0; i < list->count; i++) {
        if (i == 0)
            snprintf(list->names[i], NAME_BYTES, "best");
        else
            snprintf(list->names[i], NAME_BYTES, "m%zu", i - 1);
        list->models[i].name = list->names[i];
    }
    return AUXO_OK;
}

static void list_deinit(model_list *list)
{
    free(list->models);
    free(list->names);
}

auxo_status search_checkpoint_save(const search_run *run, auxo_error *error)
{
    if (!cli_text(run->job.context->arguments, "checkpoint"))
        return AUXO_OK;
    model_list list = {0};
    char *inner = NULL, *settings = sizing_settings(run->job.context);
    cJSON *state = cJSON_CreateObject();
    auxo_status status = list_init(run, &list, error);
    if (status == AUXO_OK)
        status = auxo_search_describe(run->search, &inner, error);
    cJSON_AddStringToObject(state, "settings", settings ? settings : "");
    cJSON_AddStringToObject(state, "search", inner ? inner : "");
    if (status == AUXO_OK) {
        list.models[0].model = auxo_search_best(run->search);
        for (size_t i = 0; i < auxo_search_model_count(run->search); i++)
            list.models[i + 1].model = auxo_search_model(run->search, i);
        status = sizing_checkpoint_save(run->job.context, state, list.models, list.count, error);
    }
    cJSON_Delete(state);
    free(inner);
    free(settings);
    list_deinit(&list);
    return status;
}

auxo_status search_checkpoint_load(search_run *run, auxo_error *error)
{
    model_list list = {0};
    char *settings = sizing_settings(run->job.context);
    cJSON *state = NULL;
    auxo_status status = list_init(run, &list, error);
    if (status == AUXO_OK)
        status = sizing_checkpoint_load(run->job.context, run->job.session.device, settings ? settings : "{}", &state,
                                        list.models, list.count, error);
    free(settings);
    const char *inner = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(state, "search"));
    if (status == AUXO_OK && state && !inner)
        status = auxo_error_set(error, AUXO_FORMAT, "--resume: %s is no checkpoint of auxo search",
                                cli_text(run->job.context->arguments, "checkpoint"));
    if (status == AUXO_OK && inner) {
        auxo_model *models[1024];
        size_t count = 0;
        for (size_t i = 1; i < list.count; i++)
            if (list.models[i].model)
                models[count++] = list.models[i].model;
        status = auxo_search_restore(run->search, inner, list.models[0].model, models, count, error);
        auxo_search_records(run->search, &run->reported);
        run->baseline_reported = auxo_search_baseline(run->search) != NULL;
    } else {
        for (size_t i = 0; i < list.count && list.models; i++)
            auxo_model_destroy(list.models[i].model);
    }
    cJSON_Delete(state);
    list_deinit(&list);
    return status;
}

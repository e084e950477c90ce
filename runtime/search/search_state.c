/* runtime/search/search_state.c: what a search must remember beside its models, as JSON.
 *
 * Numbers that decide are texts in hexadecimal, so that no bit is lost and what is not finite stays what it is. The
 * trace only serves pictures: its numbers are plain, null where they are not finite.
 */
#include "number.h"
#include "search_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double auxo__state_number(const cJSON *object, const char *name, double fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return auxo__json_exact(item, fallback);
}

double auxo__json_exact(const cJSON *item, double fallback)
{
    if (cJSON_IsString(item))
        return auxo__text_to_double(item->valuestring, NULL);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

cJSON *auxo__exact_to_json(double value)
{
    char text[64];
    auxo__number_print(text, sizeof text, "%a", value);
    return cJSON_CreateString(text);
}

cJSON *auxo__record_to_json(const auxo_search_record *record)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddNumberToObject(item, "number", (double)record->number);
    cJSON_AddNumberToObject(item, "generation", record->generation);
    cJSON_AddNumberToObject(item, "epochs", record->epochs);
    cJSON_AddNumberToObject(item, "age", record->age);
    cJSON_AddItemToObject(item, "quality", auxo__exact_to_json(record->quality));
    cJSON_AddItemToObject(item, "loss", auxo__exact_to_json(record->loss));
    cJSON_AddItemToObject(item, "seconds", auxo__exact_to_json(record->seconds));
    cJSON_AddNumberToObject(item, "weights", (double)record->weights);
    cJSON_AddStringToObject(item, "genome", record->genome);
    return item;
}

auxo_search_record auxo__record_from_json(const cJSON *item)
{
    auxo_search_record record = {.number = (uint64_t)auxo__state_number(item, "number", 0),
                                 .generation = (uint32_t)auxo__state_number(item, "generation", 0),
                                 .epochs = (uint32_t)auxo__state_number(item, "epochs", 0),
                                 .age = (uint32_t)auxo__state_number(item, "age", 0),
                                 .quality = auxo__state_number(item, "quality", -INFINITY),
                                 .loss = auxo__state_number(item, "loss", INFINITY),
                                 .seconds = auxo__state_number(item, "seconds", 0),
                                 .weights = (uint64_t)auxo__state_number(item, "weights", 0)};
    const char *genome = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "genome"));
    snprintf(record.genome, sizeof record.genome, "%s", genome ? genome : "");
    return record;
}

auxo_status auxo_search_describe(const auxo_search *search, char **json, auxo_error *error)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *records = cJSON_AddArrayToObject(root, "records"), *trace = cJSON_AddArrayToObject(root, "trace");
    cJSON_AddNumberToObject(root, "method", search->options.method);
    cJSON_AddNumberToObject(root, "steps", (double)search->step_count);
    cJSON_AddNumberToObject(root, "seconds", search->seconds);
    if (search->best)
        cJSON_AddItemToObject(root, "best", auxo__record_to_json(&search->best_record));
    for (size_t i = 0; records && i < search->record_count; i++)
        cJSON_AddItemToArray(records, auxo__record_to_json(&search->records[i]));
    for (size_t i = 0; trace && i < search->trace_count; i++) {
        const auxo_trace_point *p = &search->trace[i];
        const double row[] = {p->seconds, (double)p->evaluation, p->quality, p->best};
        cJSON_AddItemToArray(trace, cJSON_CreateDoubleArray(row, 4));
    }
    if (search->method->describe)
        search->method->describe(search, cJSON_AddObjectToObject(root, "state"));
    *json = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return *json ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "state of a search: out of memory");
}

static double number_at(const cJSON *row, int index)
{
    const cJSON *item = cJSON_GetArrayItem(row, index);
    return cJSON_IsNumber(item) ? item->valuedouble : -INFINITY;
}

static auxo_status read_history(auxo_search *search, const cJSON *root, auxo_error *error)
{
    const cJSON *item;
    auxo_status status = AUXO_OK;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(root, "records"))
    {
        const auxo_search_record record = auxo__record_from_json(item);
        if (status == AUXO_OK)
            status = auxo__search_keep_record(search, &record, error);
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(root, "trace"))
    {
        const auxo_trace_point point = {.seconds = number_at(item, 0),
                                        .epoch = search->trace_count + 1,
                                        .evaluation = (uint64_t)fmax(number_at(item, 1), 0),
                                        .quality = number_at(item, 2),
                                        .best = number_at(item, 3)};
        if (status == AUXO_OK)
            status = auxo__search_keep_point(search, &point, error);
    }
    return status;
}

auxo_status auxo_search_restore(auxo_search *search, const char *json, auxo_model *best, auxo_model *const *models,
                                size_t model_count, auxo_error *error)
{
    cJSON *root = cJSON_Parse(json);
    const cJSON *best_record = cJSON_GetObjectItemCaseSensitive(root, "best");
    auxo_status status = AUXO_OK;
    auxo_model_destroy(search->best);
    search->best = best;
    if (auxo__state_number(root, "method", -1) != (double)search->options.method || !best != !best_record)
        status = auxo_error_set(error, AUXO_FORMAT, "search: the state is not that of this method, or lacks a model");
    if (status == AUXO_OK && best_record)
        search->best_record = auxo__record_from_json(best_record);
    if (status == AUXO_OK)
        status = read_history(search, root, error);
    search->step_count = (uint64_t)auxo__state_number(root, "steps", 0);
    search->seconds = auxo__state_number(root, "seconds", 0);
    const cJSON *state = cJSON_GetObjectItemCaseSensitive(root, "state");
    if (status == AUXO_OK && search->method->restore)
        status = search->method->restore(search, state, models, model_count, error);
    else
        for (size_t i = 0; i < model_count; i++)
            auxo_model_destroy(models[i]);
    cJSON_Delete(root);
    return status;
}

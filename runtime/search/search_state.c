/* runtime/search/search_state.c: what a search must remember beside its models, as JSON.
 *
 * Numbers that decide are texts in hexadecimal, so that no bit is lost and what is not finite stays what it is. The
 * trace only serves pictures: its numbers are plain, null where they are not finite.
 */
#include "json.h"
#include "number.h"
#include "search_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX (UINT64_C(1) << 52)

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
    auxo__tree_number(item, "number", (double)record->number);
    auxo__tree_number(item, "generation", record->generation);
    auxo__tree_number(item, "epochs", record->epochs);
    auxo__tree_number(item, "age", record->age);
    auxo__tree_add(item, "quality", auxo__exact_to_json(record->quality));
    auxo__tree_add(item, "loss", auxo__exact_to_json(record->loss));
    auxo__tree_add(item, "seconds", auxo__exact_to_json(record->seconds));
    auxo__tree_number(item, "weights", (double)record->weights);
    if (record->pruned)
        auxo__tree_bool(item, "pruned", true);
    auxo__tree_text(item, "genome", record->genome);
    return item;
}

bool auxo__state_count(const cJSON *object, const char *name, uint32_t *count)
{
    uint64_t value = 0;
    bool good = auxo__json_count(cJSON_GetObjectItemCaseSensitive(object, name), UINT32_MAX, &value);
    *count = (uint32_t)value;
    return good;
}

bool auxo__record_from_json(const cJSON *item, auxo_search_record *record)
{
    const char *genome = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "genome"));
    *record = (auxo_search_record){.quality = auxo__state_number(item, "quality", -INFINITY),
                                   .loss = auxo__state_number(item, "loss", INFINITY),
                                   .seconds = auxo__state_number(item, "seconds", 0),
                                   .pruned = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "pruned"))};
    snprintf(record->genome, sizeof record->genome, "%s", genome ? genome : "");
    return auxo__json_count(cJSON_GetObjectItemCaseSensitive(item, "number"), COUNT_MAX, &record->number) &&
           auxo__json_count(cJSON_GetObjectItemCaseSensitive(item, "weights"), COUNT_MAX, &record->weights) &&
           auxo__state_count(item, "generation", &record->generation) &&
           auxo__state_count(item, "epochs", &record->epochs) && auxo__state_count(item, "age", &record->age) &&
           !isnan(record->quality);
}

auxo_status auxo_search_describe(const auxo_search *search, char **json, auxo_error *error)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *records = auxo__tree_add(root, "records", cJSON_CreateArray()),
          *trace = auxo__tree_add(root, "trace", cJSON_CreateArray());
    auxo__tree_number(root, "method", search->options.method);
    auxo__tree_number(root, "steps", (double)search->step_count);
    auxo__tree_number(root, "seconds", search->seconds);
    if (search->best)
        auxo__tree_add(root, "best", auxo__record_to_json(&search->best_record));
    for (size_t i = 0; records && i < search->record_count; i++)
        auxo__tree_add(records, NULL, auxo__record_to_json(&search->records[i]));
    for (size_t i = 0; trace && i < search->trace_count; i++) {
        const auxo_trace_point *p = &search->trace[i];
        const double row[] = {p->seconds, (double)p->evaluation, p->quality, p->best};
        auxo__tree_add(trace, NULL, cJSON_CreateDoubleArray(row, 4));
    }
    if (search->method->describe)
        search->method->describe(search, auxo__tree_add(root, "state", cJSON_CreateObject()));
    return auxo__tree_print(root, false, json, error);
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
        auxo_search_record record;
        if (!auxo__record_from_json(item, &record))
            return auxo_error_set(error, AUXO_FORMAT, "search: a record of the state makes no sense");
        if (status == AUXO_OK)
            status = auxo__search_keep_record(search, &record, error);
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(root, "trace"))
    {
        uint64_t evaluation = 0;
        if (!auxo__json_count(cJSON_GetArrayItem(item, 1), COUNT_MAX, &evaluation))
            return auxo_error_set(error, AUXO_FORMAT, "search: the trace of the state makes no sense");
        const auxo_trace_point point = {.seconds = number_at(item, 0),
                                        .epoch = search->trace_count + 1,
                                        .evaluation = evaluation,
                                        .quality = number_at(item, 2),
                                        .best = number_at(item, 3)};
        if (status == AUXO_OK)
            status = auxo__search_keep_point(search, &point, error);
    }
    return status;
}

void auxo__members_destroy(auxo_model *const *models, auxo_moments *const *moments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (moments)
            auxo_moments_destroy(moments[i]);
        auxo_model_destroy(models[i]);
    }
}

auxo_status auxo_search_restore(auxo_search *search, const char *json, auxo_model *best, auxo_model *const *models,
                                auxo_moments *const *moments, size_t model_count, auxo_error *error)
{
    cJSON *root = NULL;
    auxo_status status = auxo__json_parse(json, strlen(json), &root, error);
    const cJSON *best_record = cJSON_GetObjectItemCaseSensitive(root, "best");
    auxo_model_destroy(search->best);
    search->best = best;
    if (status == AUXO_OK &&
        (auxo__state_number(root, "method", -1) != (double)search->options.method || !best != !best_record))
        status = auxo_error_set(error, AUXO_FORMAT, "search: the state is not that of this method, or lacks a model");
    if (status == AUXO_OK &&
        ((best_record && !auxo__record_from_json(best_record, &search->best_record)) ||
         !auxo__json_count(cJSON_GetObjectItemCaseSensitive(root, "steps"), COUNT_MAX, &search->step_count)))
        status = auxo_error_set(error, AUXO_FORMAT, "search: the counters of the state make no sense");
    if (status == AUXO_OK)
        status = read_history(search, root, error);
    search->seconds = auxo__state_number(root, "seconds", 0);
    const cJSON *state = cJSON_GetObjectItemCaseSensitive(root, "state");
    if (status == AUXO_OK && search->method->restore)
        status = search->method->restore(search, state, models, moments, model_count, error);
    else
        auxo__members_destroy(models, moments, model_count);
    cJSON_Delete(root);
    return status;
}

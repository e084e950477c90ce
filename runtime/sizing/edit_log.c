/* runtime/sizing/edit_log.c: the list of structural edits that every policy keeps. */
#include "auxo/sizing.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

auxo_status auxo_edit_log_add(auxo_edit_log *log, const auxo_edit *edit, auxo_error *error)
{
    if (log->count == log->capacity) {
        size_t capacity = log->capacity ? 2 * log->capacity : 64;
        auxo_edit *edits = realloc(log->edits, capacity * sizeof *edits);
        if (!edits)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "log of %zu edits: out of memory", capacity);
        log->edits = edits;
        log->capacity = capacity;
    }
    log->edits[log->count++] = *edit;
    return AUXO_OK;
}

void auxo_edit_log_deinit(auxo_edit_log *log)
{
    free(log->edits);
    *log = (auxo_edit_log){0};
}

auxo_status auxo_edit_log_describe(const auxo_edit_log *log, char **json, auxo_error *error)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < log->count; i++) {
        const auxo_edit *edit = &log->edits[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "epoch", edit->epoch);
        cJSON_AddStringToObject(item, "what", edit->what);
        cJSON_AddStringToObject(item, "layer", edit->layer);
        cJSON_AddStringToObject(item, "why", edit->why);
        cJSON_AddNumberToObject(item, "units_before", edit->units_before);
        cJSON_AddNumberToObject(item, "units_after", edit->units_after);
        cJSON_AddNumberToObject(item, "loss_before", edit->loss_before); /* NaN becomes null */
        cJSON_AddNumberToObject(item, "loss_after", edit->loss_after);
        cJSON_AddItemToArray(list, item);
    }
    *json = cJSON_PrintUnformatted(list);
    cJSON_Delete(list);
    return *json ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "log of edits: out of memory");
}

static void read_text(const cJSON *item, const char *name, char *text, size_t size)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, name));
    snprintf(text, size, "%s", value ? value : "");
}

static double read_number(const cJSON *item, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, name);
    return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}

static uint32_t read_count(const cJSON *item, const char *name)
{
    double value = read_number(item, name);
    return value >= 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

auxo_status auxo_edit_log_restore(auxo_edit_log *log, const char *json, auxo_error *error)
{
    cJSON *list = cJSON_Parse(json);
    const cJSON *item;
    auxo_status status = cJSON_IsArray(list) ? AUXO_OK : auxo_error_set(error, AUXO_FORMAT, "this is no log of edits");
    cJSON_ArrayForEach(item, list)
    {
        auxo_edit edit = {.epoch = read_count(item, "epoch"),
                          .units_before = read_count(item, "units_before"),
                          .units_after = read_count(item, "units_after"),
                          .loss_before = read_number(item, "loss_before"),
                          .loss_after = read_number(item, "loss_after")};
        read_text(item, "what", edit.what, sizeof edit.what);
        read_text(item, "layer", edit.layer, sizeof edit.layer);
        read_text(item, "why", edit.why, sizeof edit.why);
        if (status == AUXO_OK)
            status = auxo_edit_log_add(log, &edit, error);
    }
    cJSON_Delete(list);
    return status;
}

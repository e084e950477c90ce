/* runtime/sizing/edit_log.c: the list of structural edits that every policy keeps. */
#include "auxo/sizing.h"
#include "json.h"
#include "json_tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        auxo__tree_number(item, "epoch", edit->epoch);
        auxo__tree_text(item, "what", edit->what);
        auxo__tree_text(item, "layer", edit->layer);
        auxo__tree_text(item, "why", edit->why);
        auxo__tree_number(item, "units_before", edit->units_before);
        auxo__tree_number(item, "units_after", edit->units_after);
        auxo__tree_number(item, "loss_before", edit->loss_before); /* NaN becomes null */
        auxo__tree_number(item, "loss_after", edit->loss_after);
        auxo__tree_add(list, NULL, item);
    }
    return auxo__tree_print(list, false, json, error);
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
    uint64_t value = 0;
    auxo__json_count(cJSON_GetObjectItemCaseSensitive(item, name), UINT32_MAX, &value);
    return (uint32_t)value;
}

auxo_status auxo_edit_log_restore(auxo_edit_log *log, const char *json, auxo_error *error)
{
    cJSON *list = NULL;
    const cJSON *item;
    auxo_status status = auxo__json_parse(json, strlen(json), &list, error);
    if (status == AUXO_OK && !cJSON_IsArray(list))
        status = auxo_error_set(error, AUXO_FORMAT, "this is no log of edits");
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

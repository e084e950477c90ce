/* space_file.c: spaces read from JSON files.
 *
 *   {"lr":       {"type": "float", "low": 1e-4, "high": 0.1, "log": true},
 *    "batch":    {"type": "int", "low": 8, "high": 64, "step": 8},
 *    "keep":     {"choices": ["best", "last"]},
 *    "momentum": {"type": "float", "low": 0, "high": 0.99, "when": {"keep": "best"}}}
 */
#include "file.h"
#include "json.h"
#include "json_tree.h"
#include "study_internal.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- conditions -------------------------------------------------------------------------------------------------- */

/* The place of a JSON value among the parent's choices; -1: it is none. */
static int place_of(const auxo_parameter *parent, const cJSON *value)
{
    for (size_t i = 0; i < parent->choice_count; i++) {
        cJSON *choice = cJSON_Parse(parent->choices[i]);
        const bool same = cJSON_Compare(choice, value, true);
        cJSON_Delete(choice);
        if (same)
            return (int)i;
    }
    return -1;
}

static bool add_choice(const auxo_parameter *parent, const cJSON *value, auxo_parameter *parameter)
{
    const int place = place_of(parent, value);
    if (place >= 0)
        parameter->parent_choices |= UINT64_C(1) << place;
    return place >= 0;
}

/* "when": {"name": value | [values] | {"low": a, "high": b}}. NULL: fine; else what is wrong. */
static const char *read_condition(const auxo_space *space, const cJSON *when, auxo_parameter *parameter)
{
    const cJSON *wanted = when->child, *item;
    if (!cJSON_IsObject(when) || cJSON_GetArraySize(when) != 1)
        return "\"when\" must be an object with the name of one parameter";
    for (size_t i = 0; i < space->count; i++)
        if (strcmp(space->items[i].name, wanted->string) == 0)
            parameter->parent = (int)i;
    if (parameter->parent < 0)
        return "\"when\" names a parameter that does not stand before it";
    const auxo_parameter *parent = &space->items[parameter->parent];
    if (parent->kind == AUXO_PARAMETER_CHOICE) {
        bool right = cJSON_IsArray(wanted) || add_choice(parent, wanted, parameter);
        for (item = cJSON_IsArray(wanted) ? wanted->child : NULL; item; item = item->next)
            right = add_choice(parent, item, parameter) && right;
        return right ? NULL : "\"when\" names a value that is none of the choices";
    }
    const cJSON *low = cJSON_GetObjectItemCaseSensitive(wanted, "low"),
                *high = cJSON_GetObjectItemCaseSensitive(wanted, "high");
    if (cJSON_IsNumber(wanted))
        low = high = wanted;
    if ((low && !cJSON_IsNumber(low)) || (high && !cJSON_IsNumber(high)) || (!low && !high))
        return "\"when\" of a number must be a number, or have \"low\", \"high\" or both";
    parameter->parent_low = low ? low->valuedouble : parent->low;
    parameter->parent_high = high ? high->valuedouble : parent->high;
    return NULL;
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static const char *read_range(const cJSON *item, auxo_parameter *parameter)
{
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "type"));
    const cJSON *low = cJSON_GetObjectItemCaseSensitive(item, "low"),
                *high = cJSON_GetObjectItemCaseSensitive(item, "high"),
                *step = cJSON_GetObjectItemCaseSensitive(item, "step"),
                *log = cJSON_GetObjectItemCaseSensitive(item, "log");
    if (!type || (strcmp(type, "float") != 0 && strcmp(type, "int") != 0))
        return "it needs \"choices\", or \"type\": \"float\" or \"int\"";
    if (!cJSON_IsNumber(low) || !cJSON_IsNumber(high))
        return "\"low\" and \"high\" must be numbers";
    if ((step && !cJSON_IsNumber(step)) || (log && !cJSON_IsBool(log)))
        return "\"step\" must be a number, \"log\" true or false";
    parameter->kind = strcmp(type, "int") == 0 ? AUXO_PARAMETER_INTEGER : AUXO_PARAMETER_REAL;
    parameter->low = low->valuedouble;
    parameter->high = high->valuedouble;
    parameter->log = cJSON_IsTrue(log);
    parameter->step = step ? step->valuedouble : parameter->kind == AUXO_PARAMETER_INTEGER;
    return NULL;
}

static const char *unknown_key(const cJSON *item)
{
    static const char *const known[] = {"type", "low", "high", "step", "log", "choices", "when"};
    const cJSON *part;
    cJSON_ArrayForEach(part, item)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(part->string, known[i]) == 0;
        if (!found)
            return part->string;
    }
    return NULL;
}

static auxo_status read_parameter(auxo_space *space, const cJSON *item, const char *path, auxo_error *error)
{
    auxo_parameter parameter = {.parent = -1};
    const cJSON *choices = cJSON_GetObjectItemCaseSensitive(item, "choices"),
                *when = cJSON_GetObjectItemCaseSensitive(item, "when");
    cJSON *value;
    char *texts[AUXO_CHOICES_MAX] = {NULL};
    const char *unknown = cJSON_IsObject(item) ? unknown_key(item) : NULL;
    const char *wrong = !cJSON_IsObject(item)                           ? "it must be an object"
                        : unknown                                       ? "it has an unknown part"
                        : strlen(item->string) >= sizeof parameter.name ? "its name is too long"
                                                                        : NULL;
    if (!wrong)
        snprintf(parameter.name, sizeof parameter.name, "%s", item->string);
    if (!wrong && cJSON_IsArray(choices) && cJSON_GetArraySize(choices) <= AUXO_CHOICES_MAX) {
        parameter.kind = AUXO_PARAMETER_CHOICE;
        parameter.choices = texts;
        cJSON_ArrayForEach(value, choices) texts[parameter.choice_count++] = auxo__tree_print_text(value, false);
    } else if (!wrong) {
        wrong = choices ? "\"choices\" must be a list of at most 64 values" : read_range(item, &parameter);
    }
    if (!wrong && when)
        wrong = read_condition(space, when, &parameter);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < parameter.choice_count; i++)
        if (!texts[i])
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "space: out of memory");
    if (wrong)
        status = auxo_error_set(error, AUXO_FORMAT, "space: %s: parameter \"%.60s\": %s%s%.40s", path, item->string,
                                wrong, unknown ? ": " : "", unknown ? unknown : "");
    if (status == AUXO_OK) {
        status = auxo_space_add(space, &parameter, error);
        status = status == AUXO_OK ? status : auxo_error_wrap(error, status, "space: %s", path);
    }
    for (size_t i = 0; i < parameter.choice_count; i++)
        free(texts[i]);
    return status;
}

auxo_status auxo_space_load(auxo_space *space, const char *path, auxo_error *error)
{
    char *text = NULL;
    size_t size = 0;
    cJSON *root = NULL;
    const cJSON *item;
    auxo_status status = auxo__file_read(path, &text, &size, error);
    if (status == AUXO_OK) {
        status = auxo__json_parse(text, size, &root, error);
        status = status == AUXO_OK ? status : auxo_error_wrap(error, status, "space: %s", path);
    }
    if (status == AUXO_OK && (!cJSON_IsObject(root) || !root->child))
        status = auxo_error_set(error, AUXO_FORMAT, "space: %s must hold an object with a parameter at least", path);
    cJSON_ArrayForEach(item, root) if (status == AUXO_OK) status = read_parameter(space, item, path, error);
    cJSON_Delete(root);
    free(text);
    return status;
}

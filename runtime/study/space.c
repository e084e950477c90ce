/* space.c: parameters: their text, their rounding, their conditions, and Optuna's JSON of a distribution.
 */
#include "json.h"
#include "json_tree.h"
#include "number.h"
#include "study_internal.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static const char *wrong_with(const auxo_space *space, const auxo_parameter *p)
{
    if (!p->name[0])
        return "it has no name";
    for (size_t i = 0; i < space->count; i++)
        if (strcmp(space->items[i].name, p->name) == 0)
            return "it is there already";
    if (p->parent >= (int)space->count)
        return "its condition names a parameter that does not stand before it";
    if (p->kind == AUXO_PARAMETER_CHOICE)
        return p->choice_count == 0                 ? "it has no choices"
               : p->choice_count > AUXO_CHOICES_MAX ? "it has more than 64 choices"
                                                    : NULL;
    if (!isfinite(p->low) || !isfinite(p->high) || p->low > p->high)
        return "its range must have a lower and a higher end, both finite";
    if (p->log && p->low <= 0)
        return "a range of a logarithm must begin above 0";
    if (p->kind == AUXO_PARAMETER_INTEGER &&
        (p->low != floor(p->low) || p->high != floor(p->high) || p->step < 1 || p->step != floor(p->step)))
        return "range and step of a whole number must be whole, the step at least 1";
    if (p->step < 0 || (p->log && p->step > (p->kind == AUXO_PARAMETER_INTEGER ? 1 : 0)))
        return "a step must be above 0, and a logarithm takes none";
    return NULL;
}

void auxo_parameter_deinit(auxo_parameter *parameter)
{
    for (size_t i = 0; parameter->choices && i < parameter->choice_count; i++)
        free(parameter->choices[i]);
    free((void *)parameter->choices);
    parameter->choices = NULL;
    parameter->choice_count = 0;
}

static auxo_status copy_choices(const auxo_parameter *from, auxo_parameter *to, auxo_error *error)
{
    to->choices = NULL;
    if (from->kind != AUXO_PARAMETER_CHOICE) {
        to->choice_count = 0;
        return AUXO_OK;
    }
    to->choices = calloc(from->choice_count, sizeof *to->choices);
    for (size_t i = 0; to->choices && i < from->choice_count; i++)
        if (!(to->choices[i] = strdup(from->choices[i])))
            auxo_parameter_deinit(to);
    return to->choices ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "space: out of memory");
}

auxo_status auxo_space_add(auxo_space *space, const auxo_parameter *parameter, auxo_error *error)
{
    const char *wrong = wrong_with(space, parameter);
    if (wrong)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "parameter \"%s\": %s", parameter->name, wrong);
    auxo_parameter *grown = realloc(space->items, (space->count + 1) * sizeof *grown);
    if (!grown)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "space: out of memory");
    space->items = grown;
    auxo_parameter *added = &grown[space->count];
    *added = *parameter;
    if (added->kind == AUXO_PARAMETER_CHOICE) {
        added->low = 0;
        added->high = (double)added->choice_count - 1;
        added->step = 1;
        added->log = false;
    }
    auxo_status status = copy_choices(parameter, added, error);
    space->count += status == AUXO_OK;
    return status;
}

void auxo_space_deinit(auxo_space *space)
{
    for (size_t i = 0; i < space->count; i++)
        auxo_parameter_deinit(&space->items[i]);
    free(space->items);
    *space = (auxo_space){0};
}

bool auxo_space_is_active(const auxo_space *space, size_t index, const double *values)
{
    const auxo_parameter *p = &space->items[index];
    if (p->parent < 0)
        return true;
    const auxo_parameter *parent = &space->items[p->parent];
    const double value = values[p->parent];
    if (isnan(value))
        return false;
    if (parent->kind == AUXO_PARAMETER_CHOICE)
        return value >= 0 && value < AUXO_CHOICES_MAX && (p->parent_choices >> (unsigned)value & 1);
    return value >= p->parent_low && value <= p->parent_high;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

double auxo_parameter_round(const auxo_parameter *parameter, double value)
{
    if (parameter->step > 0)
        value = parameter->low + floor((value - parameter->low) / parameter->step + 0.5) * parameter->step;
    const double top =
        parameter->step > 0
            ? parameter->low + floor((parameter->high - parameter->low) / parameter->step + 1e-9) * parameter->step
            : parameter->high;
    return value < parameter->low ? parameter->low : value > top ? top : value;
}

const char *auxo_parameter_text(const auxo_parameter *parameter, double value, char *text, size_t size)
{
    if (parameter->kind == AUXO_PARAMETER_CHOICE) {
        const size_t place = value >= 0 && value < (double)parameter->choice_count ? (size_t)value : 0;
        const char *json = parameter->choices[place];
        cJSON *item = cJSON_Parse(json);
        snprintf(text, size, "%s", cJSON_IsString(item) ? item->valuestring : json);
        cJSON_Delete(item);
    } else if (parameter->kind == AUXO_PARAMETER_INTEGER) {
        auxo__number_print(text, size, "%.0f", value);
    } else {
        for (int digits = 6; digits <= 17; digits++) { /* the shortest that reads back */
            auxo__number_print(text, size, "%.*g", digits, value);
            if (auxo__text_to_double(text, NULL) == value)
                break;
        }
    }
    return text;
}

/* ---- Optuna's JSON ----------------------------------------------------------------------------------------------- */

/* As Python writes a float: with a point. */
static void json_real(auxo__json *json, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        auxo__number_print(text, sizeof text, "%.*g", digits, value);
        if (auxo__text_to_double(text, NULL) == value)
            break;
    }
    if (!strpbrk(text, ".e"))
        strcat(text, ".0");
    auxo__json_raw(json, text);
}

static void print_range(auxo__json *json, const auxo_parameter *p)
{
    const bool real = p->kind == AUXO_PARAMETER_REAL;
    const char *const names[] = {"step", "low", "high"};
    const double values[] = {p->step, p->low, p->high};
    if (!real) {
        auxo__json_key(json, "log");
        auxo__json_bool(json, p->log);
    }
    for (int i = 0; i < 3; i++) {
        auxo__json_key(json, names[i]);
        if (real && i == 0 && p->step == 0)
            auxo__json_raw(json, NULL);
        else if (real)
            json_real(json, values[i]);
        else
            auxo__json_number(json, values[i]);
    }
    if (real) {
        auxo__json_key(json, "log");
        auxo__json_bool(json, p->log);
    }
}

auxo_status auxo_parameter_print(const auxo_parameter *parameter, char **text, auxo_error *error)
{
    static const char *const names[] = {"FloatDistribution", "IntDistribution", "CategoricalDistribution"};
    auxo__json json = {0};
    auxo__json_open(&json, '{');
    auxo__json_key(&json, "name");
    auxo__json_text(&json, names[parameter->kind]);
    auxo__json_key(&json, "attributes");
    auxo__json_open(&json, '{');
    if (parameter->kind == AUXO_PARAMETER_CHOICE) {
        auxo__json_key(&json, "choices");
        auxo__json_open(&json, '[');
        for (size_t i = 0; i < parameter->choice_count; i++)
            auxo__json_raw(&json, parameter->choices[i]);
        auxo__json_close(&json, ']');
    } else {
        print_range(&json, parameter);
    }
    auxo__json_close(&json, '}');
    auxo__json_close(&json, '}');
    auxo_status status = auxo__json_finish(&json, error);
    *text = status == AUXO_OK ? json.text : NULL;
    return status;
}

static auxo_status parse_choices(const cJSON *list, auxo_parameter *parameter, auxo_error *error)
{
    const int count = cJSON_GetArraySize(list);
    if (count < 1 || count > AUXO_CHOICES_MAX)
        return auxo_error_set(error, AUXO_FORMAT, "a distribution has %d choices; 1 to %d can be read", count,
                              AUXO_CHOICES_MAX);
    parameter->choices = calloc((size_t)count, sizeof *parameter->choices);
    auxo_status status = parameter->choices ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory");
    cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        char *text = status == AUXO_OK ? auxo__tree_print_text(item, false) : NULL;
        if (!text)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory");
        parameter->choices[parameter->choice_count++] = text;
    }
    parameter->high = (double)parameter->choice_count - 1;
    parameter->step = 1;
    return status;
}

/* Names of Optuna's first versions mean one of the three as well. */
static bool kind_of(const char *name, const char *part)
{
    return strncmp(name, part, strlen(part)) == 0;
}

auxo_status auxo_parameter_parse(const char *json, auxo_parameter *parameter, auxo_error *error)
{
    cJSON *root = NULL;
    auxo_status status = auxo__json_parse(json, strlen(json), &root, error);
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "name"));
    const cJSON *attributes = cJSON_GetObjectItemCaseSensitive(root, "attributes");
    const cJSON *low = cJSON_GetObjectItemCaseSensitive(attributes, "low"),
                *high = cJSON_GetObjectItemCaseSensitive(attributes, "high"),
                *step = cJSON_GetObjectItemCaseSensitive(attributes, "step"),
                *q = cJSON_GetObjectItemCaseSensitive(attributes, "q");
    *parameter = (auxo_parameter){.parent = -1};
    if (status == AUXO_OK && name && kind_of(name, "Categorical")) {
        parameter->kind = AUXO_PARAMETER_CHOICE;
        status = parse_choices(cJSON_GetObjectItemCaseSensitive(attributes, "choices"), parameter, error);
    } else if (status == AUXO_OK && name && cJSON_IsNumber(low) && cJSON_IsNumber(high)) {
        parameter->kind = kind_of(name, "Int") ? AUXO_PARAMETER_INTEGER : AUXO_PARAMETER_REAL;
        parameter->low = low->valuedouble;
        parameter->high = high->valuedouble;
        parameter->log = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(attributes, "log")) || kind_of(name, "Log") ||
                         kind_of(name, "IntLog");
        step = cJSON_IsNumber(step) ? step : q;
        parameter->step = cJSON_IsNumber(step) ? step->valuedouble : parameter->kind == AUXO_PARAMETER_INTEGER;
    } else if (status == AUXO_OK) {
        status = auxo_error_set(error, AUXO_FORMAT, "\"%.100s\" is no distribution of Optuna's", json);
    }
    cJSON_Delete(root);
    if (status != AUXO_OK)
        auxo_parameter_deinit(parameter);
    return status;
}

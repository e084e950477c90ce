/* settings.c: values by tables of settings: checks, defaults, presets, configuration files.
 *
 * Invariants: after every successful call each slot's text is NULL or valid for its type, so that getters convert
 * without checking again; a value from a lower source never replaces one from a higher.
 */
#include "settings.h"

#include "file.h"
#include "number.h"
#include "text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool parse_integer(const char *text, uint64_t *value)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse_real(const char *text, double *value)
{
    char *end = NULL;
    *value = auxo__text_to_double(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

static bool parse_seconds(const char *text, double *value)
{
    char *end = NULL;
    *value = auxo__text_to_double(text, &end);
    if (end == text || !isfinite(*value) || *value < 0)
        return false;
    if (strcmp(end, "m") == 0)
        *value *= 60;
    else if (strcmp(end, "h") == 0)
        *value *= 3600;
    else if (strcmp(end, "s") != 0 && *end != '\0')
        return false;
    return true;
}

/* Position of `text` among "a|b|c", or -1. */
static int choice_index(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (int index = 0; *choices; index++) {
        size_t here = strcspn(choices, "|");
        if (here == length && strncmp(choices, text, length) == 0)
            return index;
        choices += here + (choices[here] == '|');
    }
    return -1;
}

static auxo_status check_choice(const auxo_setting *setting, const char *text, auxo_error *error)
{
    if (choice_index(setting->argument, text) >= 0)
        return AUXO_OK;
    char copy[512];
    const char *names[48];
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", setting->argument);
    for (char *rest = copy, *name; count < 48 && (name = strtok_r(rest, "|", &rest)) != NULL;)
        names[count++] = name;
    const char *nearest = auxo__text_nearest(text, names, count);
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: \"%s\" is not one of %s%s%s%s", setting->name, text,
                          setting->argument, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                          nearest ? "\"?" : "");
}

static auxo_status check_number(const auxo_setting *setting, const char *text, auxo_error *error)
{
    double value = 0;
    uint64_t integer = 0;
    const char *expected = "a number";
    bool valid = false;
    if (setting->type == AUXO_SETTING_INTEGER) {
        expected = "a whole number of 0 or more";
        valid = parse_integer(text, &integer);
        value = (double)integer;
    } else if (setting->type == AUXO_SETTING_SECONDS) {
        expected = "a time such as 90s, 1.5m or 2h";
        valid = parse_seconds(text, &value);
    } else {
        valid = parse_real(text, &value);
    }
    if (!valid)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: \"%s\" is not %s", setting->name, text, expected);
    bool limited = setting->minimum != 0 || setting->maximum != 0;
    if (limited && setting->maximum > setting->minimum && (value < setting->minimum || value > setting->maximum))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %s is outside %g to %g", setting->name, text,
                              setting->minimum, setting->maximum);
    if (limited && value < setting->minimum)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %s is below %g", setting->name, text,
                              setting->minimum);
    return AUXO_OK;
}

static auxo_status check_value(const auxo_setting *setting, const char *text, auxo_error *error)
{
    switch (setting->type) {
    case AUXO_SETTING_CHOICE:
        return check_choice(setting, text, error);
    case AUXO_SETTING_INTEGER:
    case AUXO_SETTING_REAL:
    case AUXO_SETTING_SECONDS:
        return check_number(setting, text, error);
    case AUXO_SETTING_TEXT:
        if (*text == '\0')
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: the value is empty", setting->name);
        return AUXO_OK;
    case AUXO_SETTING_FLAG:
        if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: \"%s\" is neither yes nor no", setting->name,
                                  text);
        return AUXO_OK;
    }
    return AUXO_OK;
}

/* ---- slots ------------------------------------------------------------------------------------------------------- */

static auxo__slot *find_slot(const auxo_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->slot_count; i++)
        if (strcmp(settings->slots[i].setting->name, name) == 0)
            return &settings->slots[i];
    return NULL;
}

const char *auxo__slot_text(const auxo__slot *s)
{
    return s->off ? NULL : s->text ? s->text : s->initial;
}

static auxo_status store(auxo__slot *s, const char *text, auxo__value_source source, auxo_error *error)
{
    bool off = s->setting->type == AUXO_SETTING_FLAG && text && strcmp(text, "no") == 0;
    char *copy = text && !off ? auxo__text_duplicate(text) : NULL;
    if (text && !off && !copy)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", s->setting->name);
    free(s->text);
    s->text = copy;
    s->off = off;
    s->source = source;
    return AUXO_OK;
}

static auxo__value_source initial_source(const auxo__slot *s)
{
    return s->initial == s->setting->initial ? AUXO__FROM_TABLE : AUXO__FROM_METHOD;
}

/* Another preset than before: what the last one set goes back to the defaults. */
static auxo_status apply_preset(auxo_settings *settings, const auxo_preset *preset, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < settings->slot_count && status == AUXO_OK; i++)
        if (settings->slots[i].source == AUXO__FROM_PRESET)
            status = store(&settings->slots[i], NULL, initial_source(&settings->slots[i]), error);
    for (size_t i = 0; status == AUXO_OK && i < AUXO_PRESET_VALUES_MAX && preset->values[i].setting; i++) {
        auxo__slot *s = find_slot(settings, preset->values[i].setting);
        /* Methods share presets: one may name what this method does not have. */
        if (!s || s->source > AUXO__FROM_PRESET)
            continue;
        status = check_value(s->setting, preset->values[i].value, error);
        if (status != AUXO_OK)
            return auxo_error_wrap(error, status, "preset %s", preset->name);
        status = store(s, preset->values[i].value, AUXO__FROM_PRESET, error);
    }
    return status;
}

static auxo_status set_from(auxo_settings *settings, const char *name, const char *value, auxo__value_source source,
                            auxo_error *error)
{
    auxo__slot *s = find_slot(settings, name);
    if (!s) {
        const char **names = malloc((settings->slot_count + 1) * sizeof *names);
        for (size_t i = 0; names && i < settings->slot_count; i++)
            names[i] = settings->slots[i].setting->name;
        const char *nearest = names ? auxo__text_nearest(name, names, settings->slot_count) : NULL;
        auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown setting \"%s\"%s%s%s", name,
                       nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        free(names);
        return AUXO_INVALID_ARGUMENT;
    }
    if (s->source > source)
        return AUXO_OK;
    auxo_status status = value ? check_value(s->setting, value, error) : AUXO_OK;
    if (status == AUXO_OK)
        status = store(s, value, value ? source : initial_source(s), error);
    const char *chosen = auxo__slot_text(s);
    if (status == AUXO_OK && s->setting->presets && chosen)
        status = apply_preset(settings, &s->setting->presets[choice_index(s->setting->argument, chosen)], error);
    return status;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static const char *initial_of(const auxo_setting *setting, const auxo_setting_value *defaults)
{
    for (; defaults && defaults->setting; defaults++)
        if (strcmp(defaults->setting, setting->name) == 0)
            return defaults->value;
    return setting->initial;
}

static auxo_status fill_slots(auxo_settings *settings, auxo_error *error)
{
    size_t index = 0;
    for (const auxo_setting *const *table = settings->tables; *table; table++)
        for (const auxo_setting *setting = *table; setting->name; setting++) {
            auxo__slot *s = &settings->slots[index++];
            *s = (auxo__slot){.setting = setting, .initial = initial_of(setting, settings->defaults)};
            s->source = initial_source(s);
            s->off = setting->type == AUXO_SETTING_FLAG && s->initial && strcmp(s->initial, "no") == 0;
        }
    for (size_t i = 0; i < settings->slot_count; i++) {
        const auxo__slot *s = &settings->slots[i];
        const char *chosen = s->setting->presets ? auxo__slot_text(s) : NULL;
        auxo_status status =
            chosen ? apply_preset(settings, &s->setting->presets[choice_index(s->setting->argument, chosen)], error)
                   : AUXO_OK;
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

auxo_status auxo_settings_create_from(const auxo_setting *const *tables, const auxo_setting_value *defaults,
                                      auxo_settings **settings, auxo_error *error)
{
    size_t count = 0;
    for (const auxo_setting *const *table = tables; *table; table++)
        for (const auxo_setting *setting = *table; setting->name; setting++)
            count++;
    auxo_settings *created = calloc(1, sizeof *created);
    if (created)
        created->slots = calloc(count + 1, sizeof *created->slots);
    *settings = created;
    if (!created || !created->slots) {
        auxo_settings_destroy(created);
        *settings = NULL;
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %zu settings", count);
    }
    created->tables = tables;
    created->defaults = defaults;
    created->slot_count = count;
    auxo_status status = fill_slots(created, error);
    if (status != AUXO_OK) {
        auxo_settings_destroy(created);
        *settings = NULL;
    }
    return status;
}

auxo_status auxo_settings_copy(const auxo_settings *settings, auxo_settings **copy, auxo_error *error)
{
    auxo_status status = auxo_settings_create_from(settings->tables, settings->defaults, copy, error);
    for (size_t i = 0; status == AUXO_OK && i < settings->slot_count; i++) {
        const auxo__slot *from = &settings->slots[i];
        status = store(&(*copy)->slots[i], from->text, from->source, error);
        (*copy)->slots[i].off = from->off;
    }
    if (status == AUXO_OK) {
        (*copy)->arrays = settings->arrays;
        (*copy)->test_arrays = settings->test_arrays;
    }
    if (status != AUXO_OK) {
        auxo_settings_destroy(*copy);
        *copy = NULL;
    }
    return status;
}

void auxo_settings_destroy(auxo_settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; settings->slots && i < settings->slot_count; i++)
        free(settings->slots[i].text);
    free(settings->slots);
    free(settings);
}

auxo_status auxo_settings_set(auxo_settings *settings, const char *name, const char *value, auxo_error *error)
{
    return set_from(settings, name, value, AUXO__FROM_CALLER, error);
}

auxo_status auxo_settings_set_arrays(auxo_settings *settings, const auxo_arrays *train, const auxo_arrays *test,
                                     auxo_error *error)
{
    settings->arrays = train;
    settings->test_arrays = train ? test : NULL;
    return auxo_settings_set(settings, "data", !train ? NULL : train->name ? train->name : "arrays", error);
}

/* ---- configuration files ----------------------------------------------------------------------------------------- */

/* Appends a JSON value as the text that a setting takes. False: it is none of these. */
static bool append_value(auxo__json *text, const cJSON *item)
{
    if (cJSON_IsString(item))
        auxo__json_append(text, item->valuestring, strlen(item->valuestring));
    else if (cJSON_IsBool(item))
        auxo__json_append(text, cJSON_IsTrue(item) ? "yes" : "no", cJSON_IsTrue(item) ? 3 : 2);
    else if (cJSON_IsNumber(item)) {
        text->needs_comma = false;
        auxo__json_number(text, item->valuedouble);
    } else
        return false;
    return true;
}

/* A value, or a list of them joined by commas. Ownership: free(*value). */
static auxo_status value_text(const cJSON *item, char **value, auxo_error *error)
{
    auxo__json text = {0};
    const cJSON *member;
    bool good = cJSON_IsArray(item) || append_value(&text, item);
    if (cJSON_IsArray(item)) {
        cJSON_ArrayForEach(member, item)
        {
            if (member != item->child)
                auxo__json_append(&text, ",", 1);
            good = good && append_value(&text, member);
        }
    }
    auxo_status status =
        good ? auxo__json_finish(&text, error)
             : auxo_error_set(error, AUXO_FORMAT, "%s is neither text, number, true, false nor a list", item->string);
    if (!good)
        auxo__json_deinit(&text);
    *value = text.text;
    return status;
}

auxo_status auxo_settings_load(auxo_settings *settings, const char *path, auxo_error *error)
{
    char *text = NULL;
    size_t size = 0;
    auxo_status status = auxo__file_read(path, &text, &size, error);
    if (status != AUXO_OK)
        return status;
    cJSON *root = NULL;
    status = auxo__json_parse(text, size, &root, error);
    free(text);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "%s", path);
    if (!cJSON_IsObject(root))
        status = auxo_error_set(error, AUXO_FORMAT, "%s is not a JSON object of settings", path);
    const cJSON *item;
    cJSON_ArrayForEach(item, root)
    {
        if (status != AUXO_OK || strcmp(item->string, "method") == 0 || cJSON_IsNull(item))
            continue;
        char *value = NULL;
        status = value_text(item, &value, error);
        if (status == AUXO_OK)
            status = set_from(settings, item->string, value, AUXO__FROM_FILE, error);
        if (status != AUXO_OK)
            auxo_error_wrap(error, status, "%s", path);
        free(value);
    }
    cJSON_Delete(root);
    return status;
}

/* ---- getters ----------------------------------------------------------------------------------------------------- */

bool auxo_settings_given(const auxo_settings *settings, const char *name)
{
    const auxo__slot *s = find_slot(settings, name);
    return s && s->source >= AUXO__FROM_PRESET;
}

bool auxo__settings_by_caller(const auxo_settings *settings, const char *name)
{
    const auxo__slot *s = find_slot(settings, name);
    return s && s->source > AUXO__FROM_PRESET;
}

const char *auxo_settings_text(const auxo_settings *settings, const char *name)
{
    const auxo__slot *s = find_slot(settings, name);
    return s ? auxo__slot_text(s) : NULL;
}

bool auxo_settings_flag(const auxo_settings *settings, const char *name)
{
    return auxo_settings_text(settings, name) != NULL;
}

uint64_t auxo_settings_integer(const auxo_settings *settings, const char *name)
{
    const char *text = auxo_settings_text(settings, name);
    uint64_t value = 0;
    if (text)
        parse_integer(text, &value);
    return value;
}

double auxo_settings_real(const auxo_settings *settings, const char *name)
{
    const auxo__slot *s = find_slot(settings, name);
    const char *text = s ? auxo__slot_text(s) : NULL;
    double value = 0;
    if (text && s->setting->type == AUXO_SETTING_SECONDS)
        parse_seconds(text, &value);
    else if (text)
        parse_real(text, &value);
    return value;
}

size_t auxo_settings_choice(const auxo_settings *settings, const char *name)
{
    const auxo__slot *s = find_slot(settings, name);
    const char *text = s ? auxo__slot_text(s) : NULL;
    int index = text ? choice_index(s->setting->argument, text) : 0;
    return index < 0 ? 0 : (size_t)index;
}

const auxo_setting *auxo_settings_find(const auxo_settings *settings, const char *name)
{
    const auxo__slot *s = find_slot(settings, name);
    return s ? s->setting : NULL;
}

const auxo_setting *const *auxo_settings_tables(const auxo_settings *settings)
{
    return settings->tables;
}

size_t auxo__split_list(char *text, char **items, size_t capacity)
{
    size_t count = 0;
    for (char *rest = text, *item; count < capacity && (item = strtok_r(rest, ",", &rest)) != NULL;)
        items[count++] = item;
    return count;
}

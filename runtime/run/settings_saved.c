/* settings_saved.c: what a checkpoint remembers of settings, and what it refuses on resume.
 *
 * Values that mean the same are equal: numbers as numbers, texts by the canonical form of their setting.
 */
#include "settings.h"

#include "number.h"

#include <stdio.h>
#include <string.h>

enum { CANONICAL_BYTES = 512 };

/* The one form of values that mean the same; "" for none. */
static auxo_status canonical(const auxo_settings *settings, const auxo__slot *s, char text[CANONICAL_BYTES],
                             auxo_error *error)
{
    const char *value = auxo__slot_text(s);
    const char *name = s->setting->name;
    text[0] = '\0';
    if (!value)
        return AUXO_OK;
    switch (s->setting->type) {
    case AUXO_SETTING_INTEGER:
        snprintf(text, CANONICAL_BYTES, "%llu", (unsigned long long)auxo_settings_integer(settings, name));
        return AUXO_OK;
    case AUXO_SETTING_REAL:
    case AUXO_SETTING_SECONDS:
        auxo__number_print(text, CANONICAL_BYTES, "%.17g", auxo_settings_real(settings, name));
        return AUXO_OK;
    default:
        if (s->setting->canonical)
            return s->setting->canonical(value, text, CANONICAL_BYTES, error);
        return AUXO_OK; /* the value itself: it may be longer than any buffer */
    }
}

static bool is_number(const auxo__slot *s)
{
    auxo_setting_type type = s->setting->type;
    return type == AUXO_SETTING_INTEGER || type == AUXO_SETTING_REAL || type == AUXO_SETTING_SECONDS;
}

auxo_status auxo__settings_describe(const auxo_settings *settings, bool given_only, auxo__json *json, auxo_error *error)
{
    auxo__json_open(json, '{');
    for (size_t i = 0; i < settings->slot_count; i++) {
        const auxo__slot *s = &settings->slots[i];
        char text[CANONICAL_BYTES];
        if (given_only ? s->source < AUXO__FROM_PRESET : s->setting->role == AUXO_SETTING_FREE)
            continue;
        auxo_status status = canonical(settings, s, text, error);
        if (status != AUXO_OK)
            return auxo_error_wrap(error, status, "%s", s->setting->name);
        const char *value = auxo__slot_text(s);
        auxo__json_key(json, s->setting->name);
        if (s->setting->type == AUXO_SETTING_FLAG)
            auxo__json_bool(json, value != NULL);
        else if (!value)
            auxo__json_raw(json, NULL);
        else if (is_number(s))
            auxo__json_number(json, auxo_settings_real(settings, s->setting->name));
        else
            auxo__json_text(json, text[0] && !given_only ? text : value);
    }
    auxo__json_close(json, '}');
    return AUXO_OK;
}

/* A value of the saved object as text for comparison and messages. */
static void saved_text(const auxo__slot *s, const cJSON *item, char *text, size_t size)
{
    text[0] = '\0';
    if (!item)
        return;
    if (cJSON_IsString(item))
        snprintf(text, size, "%s", item->valuestring);
    else if (cJSON_IsNumber(item))
        auxo__number_print(text, size, s->setting->type == AUXO_SETTING_INTEGER ? "%.0f" : "%.17g", item->valuedouble);
    else if (cJSON_IsBool(item))
        snprintf(text, size, "%s", cJSON_IsTrue(item) ? "yes" : "no");
}

static bool same_value(const auxo_settings *settings, const auxo__slot *s, const cJSON *item, const char *now)
{
    const char *value = auxo__slot_text(s);
    if (!item)
        return false;
    if (s->setting->type == AUXO_SETTING_FLAG)
        return cJSON_IsBool(item) && cJSON_IsTrue(item) == (value != NULL);
    if (!value)
        return cJSON_IsNull(item);
    if (is_number(s))
        return cJSON_IsNumber(item) && item->valuedouble == auxo_settings_real(settings, s->setting->name);
    return cJSON_IsString(item) && strcmp(item->valuestring, now[0] ? now : value) == 0;
}

/* Whether a falling learning rate makes the end of the run part of its numbers. */
static bool schedule_falls(const auxo_settings *settings)
{
    const char *schedule = auxo_settings_text(settings, "lr-schedule");
    return schedule && (strcmp(schedule, "linear") == 0 || strcmp(schedule, "cosine") == 0) &&
           !auxo_settings_flag(settings, "reschedule");
}

static auxo_status refuse(const auxo__slot *s, const char *before, const char *now, auxo_error *error)
{
    const char *value = auxo__slot_text(s);
    const char *after = s->setting->type == AUXO_SETTING_FLAG ? (value ? "yes" : "no")
                        : now[0]                              ? now
                        : value                               ? value
                                                              : "";
    if (s->setting->role == AUXO_SETTING_GROWS)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s was %.100s and is %.100s: the learning rate falls to its last epoch, so this shapes "
                              "the run; give the same, or reschedule to let it fall anew",
                              s->setting->name, before[0] ? before : "not given", after[0] ? after : "not given");
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                          "%s was %.150s and is %.150s: it was begun with other settings; give the "
                          "same",
                          s->setting->name, before[0] ? before : "not given", after[0] ? after : "not given");
}

auxo_status auxo__settings_compare(const auxo_settings *settings, const cJSON *saved, const char **data_differs,
                                   auxo_error *error)
{
    bool falls = schedule_falls(settings);
    *data_differs = NULL;
    for (size_t i = 0; i < settings->slot_count; i++) {
        const auxo__slot *s = &settings->slots[i];
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(saved, s->setting->name);
        char now[CANONICAL_BYTES], before[CANONICAL_BYTES];
        bool shapes = s->setting->role == AUXO_SETTING_SHAPES ||
                      (s->setting->role == AUXO_SETTING_GROWS && s->setting->ends_schedule && falls);
        /* A setting that did not exist then had no effect, as its default has none. */
        if ((!shapes && s->setting->role != AUXO_SETTING_DATA) || (!item && s->source < AUXO__FROM_PRESET))
            continue;
        auxo_status status = canonical(settings, s, now, error);
        if (status != AUXO_OK)
            return auxo_error_wrap(error, status, "%s", s->setting->name);
        if (same_value(settings, s, item, now))
            continue;
        if (!shapes) {
            *data_differs = *data_differs ? *data_differs : s->setting->name;
            continue;
        }
        saved_text(s, item, before, sizeof before);
        return refuse(s, before, now, error);
    }
    return AUXO_OK;
}

auxo_status auxo__settings_adopt(auxo_settings *settings, const cJSON *saved, const char **changed, char before[64],
                                 auxo_error *error)
{
    *changed = NULL;
    for (size_t i = 0; i < settings->slot_count; i++) {
        const auxo__slot *s = &settings->slots[i];
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(saved, s->setting->name);
        char now[CANONICAL_BYTES], old[CANONICAL_BYTES];
        if (s->setting->role != AUXO_SETTING_ADAPTS || !item)
            continue;
        auxo_status status = canonical(settings, s, now, error);
        if (status == AUXO_OK && same_value(settings, s, item, now))
            continue;
        saved_text(s, item, old, sizeof old);
        if (status == AUXO_OK && s->source < AUXO__FROM_PRESET)
            status = auxo_settings_set(settings, s->setting->name, old, error);
        else if (!*changed) {
            *changed = s->setting->name;
            snprintf(before, 64, "%.60s", old);
        }
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

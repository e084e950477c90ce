/* settings.h: what the run core and the methods need of settings beyond the public interface: what a checkpoint
 * remembers of them, and the comparison on resume.
 */
#ifndef AUXO_RUN_SETTINGS_H
#define AUXO_RUN_SETTINGS_H

#include "auxo/run.h"
#include "json.h"

#include <cjson/cJSON.h>

/* Who set a value; a lower source never replaces a higher. */
typedef enum auxo__value_source {
    AUXO__FROM_TABLE,
    AUXO__FROM_METHOD,
    AUXO__FROM_PRESET,
    AUXO__FROM_FILE,
    AUXO__FROM_CALLER
} auxo__value_source;

typedef struct auxo__slot {
    const auxo_setting *setting;
    const char *initial; /* the table's, or the method's */
    char *text;          /* owned; NULL: the initial */
    bool off;            /* no value at all, whatever the initial: a flag that was turned off */
    auxo__value_source source;
} auxo__slot;

struct auxo_settings {
    const auxo_setting *const *tables;
    const auxo_setting_value *defaults;
    size_t slot_count;
    auxo__slot *slots;
    const auxo_arrays *arrays, *test_arrays; /* borrowed; NULL: "data" says where rows are */
};

/* The value in force, as text; NULL: none. */
const char *auxo__slot_text(const auxo__slot *s);

/* The settings as a JSON object: `given_only` those that were given or came from a preset, in their own words (what a
 * report shows, what `load` reads); else the canonical values of all that shape, grow or name data. */
auxo_status auxo__settings_describe(const auxo_settings *settings, bool given_only, auxo__json *json,
                                    auxo_error *error);
/* Compares with what such a description held. Errors: INVALID_ARGUMENT names the setting that shapes the run, its old
 * and its new value. *data_differs: the first setting of role DATA with another text, or NULL: then rows decide. */
auxo_status auxo__settings_compare(const auxo_settings *settings, const cJSON *saved, const char **data_differs,
                                   auxo_error *error);

/* Of role ADAPTS: what was not given becomes what was saved. *changed: the first setting given with another value, or
 * NULL; `before` its saved value. */
auxo_status auxo__settings_adopt(auxo_settings *settings, const cJSON *saved, const char **changed, char before[64],
                                 auxo_error *error);

/* Set by the caller or a file, not by a preset. */
bool auxo__settings_by_caller(const auxo_settings *settings, const char *name);

/* Refuses missing mean for columns that stand beside pictures. */
auxo_status auxo__check_mean(const auxo_settings *settings, auxo_error *error);

/* Splits "a,b,c" in place; returns the count, at most `capacity`. */
size_t auxo__split_list(char *text, char **items, size_t capacity);

#endif

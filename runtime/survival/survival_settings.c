/* survival_settings.c: the settings that say what survival data is, and loading by them.
 */
#include "settings.h"
#include "survival_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const auxo_setting auxo_survival_data_settings[] = {
    {.name = "data",
     .type = AUXO_SETTING_TEXT,
     .argument = "NAME|FILE",
     .initial = "survival-sim",
     .help = "A named survival set (auxo data list), or a .csv or .arff table with time and event",
     .role = AUXO_SETTING_DATA},
    {.name = "data-dir",
     .type = AUXO_SETTING_TEXT,
     .argument = "DIR",
     .help = "Folder that holds one folder per data set (default: AUXO_DATA_DIR, then ~/.cache/auxo)",
     .role = AUXO_SETTING_FREE},
    AUXO_OUTCOME_SETTINGS,
    {.name = "group",
     .type = AUXO_SETTING_TEXT,
     .argument = "COLUMN",
     .help = "Rows that belong together, for example a patient; a split keeps them together",
     .role = AUXO_SETTING_DATA},
    {.name = "site",
     .type = AUXO_SETTING_TEXT,
     .argument = "COLUMN",
     .help = "Where rows come from, for example a hospital",
     .role = AUXO_SETTING_DATA},
    {.name = "inputs",
     .type = AUXO_SETTING_TEXT,
     .argument = "A,B,...",
     .help = "Input columns (default: all others); quote a name that has a comma",
     .role = AUXO_SETTING_DATA},
    {.name = "drop",
     .type = AUXO_SETTING_TEXT,
     .argument = "A,B,...",
     .help = "Table columns that are no inputs, such as names and numbers of rows",
     .role = AUXO_SETTING_DATA},
    {.name = "missing",
     .type = AUXO_SETTING_CHOICE,
     .argument = "refuse|drop|mean",
     .initial = "refuse",
     .help = "Missing inputs: an error, leave such rows out, or put the mean of the training rows (for text columns, "
             "the share of each value). Named sets with gaps drop such rows unless told mean",
     .role = AUXO_SETTING_DATA},
    AUXO_TABLE_FORMAT_SETTINGS,
    AUXO_PICTURE_SETTINGS,
    {.name = "limit",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Use at most this many rows; 0: all",
     .maximum = 1e9,
     .role = AUXO_SETTING_DATA},
    {.name = "test-fraction",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "0.2",
     .help = "Rows kept for testing where the data has no test split",
     .minimum = 0,
     .maximum = 0.9},
    AUXO_SETTINGS_END,
};

enum { MISSING_REFUSE, MISSING_DROP, MISSING_MEAN };

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* A copy of the model's schema with the columns that "time" and "event" name instead of its own. */
static auxo_status rename_outcome(const auxo_settings *settings, auxo_data_schema *schema, auxo_error *error)
{
    const char *names[2] = {auxo_settings_text(settings, "time"), auxo_settings_text(settings, "event")};
    for (int i = 0; i < 2 && schema && schema->targets && schema->target_count == 2; i++) {
        if (!names[i])
            continue;
        char *copy = strdup(names[i]);
        if (!copy)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for column names");
        free(schema->targets[i]);
        schema->targets[i] = copy;
    }
    return AUXO_OK;
}

/* Whether the settings, or else the model, say where times and events are. */
static auxo_status check_outcome(const auxo_settings *settings, const auxo_survival_request *request, auxo_error *error)
{
    const char *name = auxo_settings_text(settings, "data");
    bool named = auxo_settings_text(settings, "time") && auxo_settings_text(settings, "event");
    bool table = strpbrk(name, "./") != NULL && !settings->arrays;
    if (!table || named || request->inputs_only || (request->schema && request->schema->targets))
        return AUXO_OK;
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                          "%s is a table: say which columns hold times and events with time and event", name);
}

static auxo_status load(const auxo_settings *settings, const auxo_survival_request *request, auxo_survival_data *data,
                        auxo_error *error)
{
    const char *name = auxo_settings_text(settings, "data");
    auxo_table_format_settings format;
    auxo_list inputs = {0}, dropped = {0};
    auxo_picture_rule pictures = {0};
    auxo_data_schema *schema = NULL;
    auxo_status status = auxo_table_format_read(settings, &format, error);
    if (status == AUXO_OK)
        status = auxo_list_parse("inputs", auxo_settings_text(settings, "inputs"), &inputs, error);
    if (status == AUXO_OK)
        status = auxo_list_parse("drop", auxo_settings_text(settings, "drop"), &dropped, error);
    if (status == AUXO_OK)
        status = auxo_picture_rule_read(settings, &pictures, error);
    if (status == AUXO_OK && auxo_settings_choice(settings, "missing") == MISSING_MEAN)
        status = auxo__check_mean(settings, error);
    if (status == AUXO_OK && request->schema)
        status = auxo_data_schema_copy(request->schema, &schema, error);
    if (status == AUXO_OK)
        status = rename_outcome(settings, schema, error);
    const auxo_data_options options = {.data_dir = auxo_settings_text(settings, "data-dir"),
                                       .seed = request->seed,
                                       .limit = auxo_settings_integer(settings, "limit"),
                                       .format = &format.format,
                                       .schema = schema,
                                       .arrays = settings->arrays,
                                       .test_arrays = settings->test_arrays,
                                       .ignore_labels = request->inputs_only && schema,
                                       .unknown_levels_missing = request->unknown_levels_missing,
                                       .input_columns = (const char *const *)inputs.items,
                                       .input_column_count = inputs.count,
                                       .dropped_columns = (const char *const *)dropped.items,
                                       .dropped_column_count = dropped.count,
                                       .pictures = pictures,
                                       .picture_column = auxo_settings_text(settings, "images"),
                                       .time_column = auxo_settings_text(settings, "time"),
                                       .event_column = auxo_settings_text(settings, "event"),
                                       .event_level = auxo_settings_text(settings, "event-level"),
                                       .group_column = auxo_settings_text(settings, "group"),
                                       .site_column = auxo_settings_text(settings, "site"),
                                       .drop_missing = auxo_settings_choice(settings, "missing") == MISSING_DROP,
                                       .keep_missing = auxo_settings_choice(settings, "missing") == MISSING_MEAN};
    if (status == AUXO_OK)
        status = auxo_dataset_load(name, &options, &data->train, &data->test, error);
    auxo_data_schema_destroy(schema);
    auxo_list_deinit(&inputs);
    auxo_list_deinit(&dropped);
    auxo_table_format_deinit(&format);
    if (status == AUXO_OK && data->train->target_type != AUXO_TARGET_SURVIVAL &&
        data->train->target_type != AUXO_TARGET_NONE)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s has no survival times; auxo data list shows which do",
                                name);
    return status;
}

/* ---- splitting and checking -------------------------------------------------------------------------------------- */

static auxo_status check(const auxo_dataset *dataset, auxo_error *error)
{
    auxo_survival_sample sample = auxo_survival_rows(dataset, NULL);
    auxo_status status = auxo_survival_check(&sample, error);
    return status == AUXO_OK ? AUXO_OK : auxo_error_wrap(error, status, "%s", dataset->name);
}

static auxo_status split(const auxo_settings *settings, const auxo_survival_request *request, auxo_survival_data *data,
                         auxo_error *error)
{
    double fraction = auxo_settings_real(settings, "test-fraction");
    const bool in_folds = auxo_settings_find(settings, "fold") && auxo_settings_text(settings, "fold");
    if (data->test || fraction <= 0 || in_folds) /* a fold is the test split */
        return AUXO_OK;
    if (!request->schema)
        return auxo_dataset_hold_out(&data->train, fraction, request->seed, &data->test, error);
    /* A saved model knows which rows were held out; other data is used whole. */
    auxo_dataset *held_out = NULL, *trained_on = NULL;
    auxo_status status = auxo_dataset_held_out(data->train, request->schema, &held_out, &trained_on, error);
    if (status == AUXO_OK && held_out) {
        auxo_dataset_destroy(data->train);
        data->train = trained_on;
        data->test = held_out;
    }
    return status;
}

auxo_status auxo_survival_load(const auxo_settings *settings, const auxo_survival_request *request,
                               auxo_survival_data *data, auxo_error *error)
{
    *data = (auxo_survival_data){0};
    auxo_status status = check_outcome(settings, request, error);
    if (status == AUXO_OK)
        status = load(settings, request, data, error);
    bool labelled = status == AUXO_OK && data->train->target_type == AUXO_TARGET_SURVIVAL;
    if (labelled)
        status = split(settings, request, data, error);
    /* A saved model has the means, and its data came filled. */
    if (status == AUXO_OK && auxo_settings_choice(settings, "missing") == MISSING_MEAN &&
        data->train->feature_type == AUXO_FEATURES_F32)
        status = auxo_dataset_impute(data->train, &data->test, 1, &data->filled, error);
    if (status == AUXO_OK && labelled)
        status = check(data->train, error);
    if (status == AUXO_OK && data->test)
        status = check(data->test, error);
    return status;
}

void auxo_survival_data_deinit(auxo_survival_data *data)
{
    auxo_dataset_destroy(data->train);
    auxo_dataset_destroy(data->test);
    *data = (auxo_survival_data){0};
}

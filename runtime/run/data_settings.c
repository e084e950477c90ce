/* data_settings.c: the settings that say what data is, and loading by them.
 */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const auxo_setting auxo_data_settings[] = {
    {.name = "data",
     .type = AUXO_SETTING_TEXT,
     .argument = "NAME|FILE|FOLDER",
     .initial = "glyphs",
     .help =
         "Data set: a name of \"auxo data list\", a table (.csv, .tsv, .arff, also .gz or .xz), a packed set (.auxo), "
         "NumPy arrays (.npy, .npz), or a folder: of pictures with one subfolder for each class, or of IDX files",
     .role = AUXO_SETTING_DATA},
    {.name = "data-dir",
     .type = AUXO_SETTING_TEXT,
     .argument = "DIR",
     .help = "Folder that holds one folder per data set (default: AUXO_DATA_DIR, then ~/.cache/auxo)",
     .role = AUXO_SETTING_FREE},
    {.name = "limit",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Use the first N rows of each split; 0: all",
     .role = AUXO_SETTING_DATA},
    {.name = "inputs",
     .type = AUXO_SETTING_TEXT,
     .argument = "A,B,...",
     .help = "Table columns to read as inputs (default: all but the targets); quote a name that has a comma",
     .role = AUXO_SETTING_DATA},
    {.name = "drop",
     .type = AUXO_SETTING_TEXT,
     .argument = "A,B,...",
     .help = "Table columns that are no inputs, such as names and numbers of rows",
     .role = AUXO_SETTING_DATA},
    {.name = "targets",
     .type = AUXO_SETTING_TEXT,
     .argument = "A,B,...",
     .help = "Table columns to predict (default: the last)",
     .role = AUXO_SETTING_DATA},
    {.name = "target-kind",
     .type = AUXO_SETTING_CHOICE,
     .argument = "auto|class|real",
     .initial = "auto",
     .help = "What a target column of numbers holds: the numbers of classes (auto takes them so where loss is "
             "cross_entropy), or measured numbers",
     .role = AUXO_SETTING_DATA},
    {.name = "missing",
     .type = AUXO_SETTING_CHOICE,
     .argument = "refuse|drop|mean",
     .initial = "refuse",
     .help = "Missing values of a table: an error, leave such rows out, or put the mean of the training rows (for text "
             "columns, the share of each value)",
     .role = AUXO_SETTING_DATA},
    {.name = "drop-missing", .type = AUXO_SETTING_FLAG, .help = "The same as missing drop", .role = AUXO_SETTING_DATA},
    AUXO_TABLE_FORMAT_SETTINGS,
    {.name = "labels",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.npy",
     .help = "The labels or targets of a .npy file of inputs (default: y.npy beside X.npy, labels.npy beside "
             "images.npy)",
     .role = AUXO_SETTING_DATA},
    AUXO_PICTURE_SETTINGS,
    {.name = "allow-missing-files",
     .type = AUXO_SETTING_FLAG,
     .help = "Go on without those training files of a set that are not there, and say which",
     .role = AUXO_SETTING_DATA},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__outcome_settings[] = {AUXO_OUTCOME_SETTINGS, AUXO_SETTINGS_END};

enum { MISSING_REFUSE, MISSING_DROP, MISSING_MEAN };

/* ---- lists ------------------------------------------------------------------------------------------------------- */

void auxo_list_deinit(auxo_list *list)
{
    free(list->items);
    free(list->text);
    *list = (auxo_list){0};
}

/* Undoes the quotes of an item that begins with one; returns what follows the closing quote, or NULL. */
static char *unquote(char *item)
{
    char *to = item;
    for (char *from = item + 1; *from; from++) {
        if (*from == '"' && from[1] != '"') {
            *to = '\0';
            return from + 1;
        }
        from += *from == '"';
        *to++ = *from;
    }
    return NULL;
}

auxo_status auxo_list_parse(const char *option, const char *text, auxo_list *list, auxo_error *error)
{
    *list = (auxo_list){0};
    if (!text)
        return AUXO_OK;
    list->text = strdup(text);
    list->items = malloc((strlen(text) + 1) * sizeof *list->items);
    if (!list->text || !list->items)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %s", option);
    for (char *at = list->text;;) {
        list->items[list->count++] = at;
        char *end = *at == '"' ? unquote(at) : at + strcspn(at, ",");
        if (!end || (*end && *end != ','))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: a quote is not closed before a comma or the end",
                                  option);
        bool last = *end == '\0';
        *end = '\0';
        if (*list->items[list->count - 1] == '\0')
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: item %zu is empty", option, list->count);
        if (last)
            return AUXO_OK;
        at = end + 1;
    }
}

/* ---- options of files -------------------------------------------------------------------------------------------- */

void auxo_table_format_deinit(auxo_table_format_settings *format)
{
    auxo_list_deinit(&format->categorical);
    auxo_list_deinit(&format->missing);
}

static auxo_status read_character(const auxo_settings *settings, const char *option, char *character, auxo_error *error)
{
    const char *text = auxo_settings_text(settings, option);
    if (!text)
        return AUXO_OK;
    if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0)
        text = "\t";
    else if (strcmp(text, "space") == 0)
        text = " ";
    if (strlen(text) != 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: \"%s\" is not one character", option, text);
    *character = *text;
    return AUXO_OK;
}

auxo_status auxo_table_format_read(const auxo_settings *settings, auxo_table_format_settings *read, auxo_error *error)
{
    *read = (auxo_table_format_settings){0};
    auxo_table_format *format = &read->format;
    auxo_status status = read_character(settings, "delimiter", &format->delimiter, error);
    if (status == AUXO_OK)
        status = read_character(settings, "decimal", &format->decimal, error);
    if (status == AUXO_OK)
        status = read_character(settings, "thousands", &format->thousands, error);
    if (status == AUXO_OK)
        status = read_character(settings, "comment", &format->comment, error);
    if (status == AUXO_OK)
        status = auxo_list_parse("categorical", auxo_settings_text(settings, "categorical"), &read->categorical, error);
    if (status == AUXO_OK)
        status = auxo_list_parse("na-values", auxo_settings_text(settings, "na-values"), &read->missing, error);
    format->no_header = auxo_settings_flag(settings, "no-header");
    format->categorical_columns = (const char *const *)read->categorical.items;
    format->categorical_column_count = read->categorical.count;
    format->missing_texts = (const char *const *)read->missing.items;
    format->missing_text_count = read->missing.count;
    return status;
}

auxo_status auxo_picture_rule_read(const auxo_settings *settings, auxo_picture_rule *rule, auxo_error *error)
{
    static const auxo_picture_fit fits[] = {AUXO_FIT_STRETCH, AUXO_FIT_CROP, AUXO_FIT_PAD};
    static const auxo_picture_colour colours[] = {AUXO_COLOUR_AS_IS, AUXO_COLOUR_GREY, AUXO_COLOUR_RGB};
    const char *size = auxo_settings_text(settings, "resize"), *padding = auxo_settings_text(settings, "padding");
    char *end = NULL;
    unsigned long height = size ? strtoul(size, &end, 10) : 0;
    unsigned long width = size && *end == 'x' ? strtoul(end + 1, &end, 10) : 0;
    if (size && (*size == '-' || *end || height < 1 || height > 65535 || width < 1 || width > 65535))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "resize: \"%s\" is not HxW, for example 64x64", size);
    unsigned long colour = strtoul(padding, &end, 16);
    if (strlen(padding) != 6 || *end)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "padding: \"%s\" is not RRGGBB, for example ffffff",
                              padding);
    *rule = (auxo_picture_rule){.height = (uint32_t)height,
                                .width = (uint32_t)width,
                                .fit = fits[auxo_settings_choice(settings, "fit")],
                                .colour = colours[auxo_settings_choice(settings, "colour")],
                                .padding = {(uint8_t)(colour >> 16), (uint8_t)(colour >> 8), (uint8_t)colour}};
    return AUXO_OK;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* What the options point to while they are used. */
typedef struct data_texts {
    auxo_list inputs, dropped, targets;
    auxo_table_format_settings format;
} data_texts;

static void texts_deinit(data_texts *texts)
{
    auxo_list_deinit(&texts->inputs);
    auxo_list_deinit(&texts->dropped);
    auxo_list_deinit(&texts->targets);
    auxo_table_format_deinit(&texts->format);
}

static size_t missing_rule(const auxo_settings *settings)
{
    return auxo_settings_flag(settings, "drop-missing") ? MISSING_DROP : auxo_settings_choice(settings, "missing");
}

/* A loss of classes says that a target column of numbers holds the numbers of classes. */
static bool loss_wants_classes(const auxo_settings *settings)
{
    const char *loss = auxo_settings_text(settings, "loss");
    return loss && strcmp(loss, "cross_entropy") == 0;
}

auxo_status auxo__check_mean(const auxo_settings *settings, auxo_error *error)
{
    if (!auxo_settings_text(settings, "images") || !auxo_settings_text(settings, "inputs"))
        return AUXO_OK;
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                          "missing mean is not for columns beside pictures (images, inputs); set missing to drop");
}

static auxo_status read_options(const auxo_settings *settings, data_texts *texts, auxo_data_options *options,
                                auxo_error *error)
{
    static const auxo_target_kind kinds[] = {AUXO_TARGET_KIND_AUTO, AUXO_TARGET_KIND_CLASS, AUXO_TARGET_KIND_REAL};
    auxo_status status = auxo_table_format_read(settings, &texts->format, error);
    if (status == AUXO_OK)
        status = auxo_list_parse("inputs", auxo_settings_text(settings, "inputs"), &texts->inputs, error);
    if (status == AUXO_OK)
        status = auxo_list_parse("drop", auxo_settings_text(settings, "drop"), &texts->dropped, error);
    if (status == AUXO_OK)
        status = auxo_list_parse("targets", auxo_settings_text(settings, "targets"), &texts->targets, error);
    if (status == AUXO_OK)
        status = auxo_picture_rule_read(settings, &options->pictures, error);
    if (status == AUXO_OK && auxo_settings_flag(settings, "drop-missing") && auxo_settings_given(settings, "missing"))
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "drop-missing and missing say the same; give one");
    if (status == AUXO_OK && missing_rule(settings) == MISSING_MEAN)
        status = auxo__check_mean(settings, error);
    if (auxo_settings_find(settings, "event-level")) {
        options->time_column = auxo_settings_text(settings, "time");
        options->event_column = auxo_settings_text(settings, "event");
        options->event_level = auxo_settings_text(settings, "event-level");
    }
    options->data_dir = auxo_settings_text(settings, "data-dir");
    options->limit = auxo_settings_integer(settings, "limit");
    options->target_kind = kinds[auxo_settings_choice(settings, "target-kind")];
    options->prefer_classes = loss_wants_classes(settings);
    options->format = &texts->format.format;
    options->picture_column = auxo_settings_text(settings, "images");
    options->labels_file = auxo_settings_text(settings, "labels");
    options->drop_missing = missing_rule(settings) == MISSING_DROP;
    options->keep_missing = missing_rule(settings) == MISSING_MEAN;
    options->allow_missing_files = auxo_settings_flag(settings, "allow-missing-files");
    options->input_columns = (const char *const *)texts->inputs.items;
    options->input_column_count = texts->inputs.count;
    options->dropped_columns = (const char *const *)texts->dropped.items;
    options->dropped_column_count = texts->dropped.count;
    options->target_columns = (const char *const *)texts->targets.items;
    options->target_column_count = texts->targets.count;
    return status;
}

auxo_status auxo_settings_load_data(const auxo_settings *settings, const auxo_data_request *request,
                                    auxo_dataset **train, auxo_dataset **test, auxo_error *error)
{
    data_texts texts = {0};
    auxo_data_options options = {.seed = request->seed,
                                 .schema = request->schema,
                                 .ignore_labels = request->ignore_labels,
                                 .unknown_levels_missing = request->unknown_levels_missing,
                                 .map = request->map};
    const char *data = auxo_settings_text(settings, "data"), *name = request->name ? request->name : data;
    const bool in_memory = settings->arrays && strcmp(name, data) == 0;
    auxo_status status = read_options(settings, &texts, &options, error);
    options.arrays = in_memory ? settings->arrays : NULL;
    options.test_arrays = in_memory ? settings->test_arrays : NULL;
    options.to_show = request->keep_gaps;
    options.keep_missing = options.keep_missing || (request->keep_gaps && !options.drop_missing);
    if (status == AUXO_OK)
        status = auxo_dataset_load(name, &options, train, test, error);
    texts_deinit(&texts);
    return status;
}

auxo_status auxo_settings_impute(const auxo_settings *settings, auxo_dataset *train, auxo_dataset *validation,
                                 auxo_dataset *test, size_t *filled, auxo_error *error)
{
    auxo_dataset *const others[2] = {validation, test};
    *filled = 0;
    return missing_rule(settings) == MISSING_MEAN ? auxo_dataset_impute(train, others, 2, filled, error) : AUXO_OK;
}

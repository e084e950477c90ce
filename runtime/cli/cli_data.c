/* runtime/cli/cli_data.c: the options that say what data is, and loading by them. */
#include "cli_data.h"

#include "cli_output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cli_option cli_data_options[] = {
    {.name = "data",
     .type = CLI_TEXT,
     .argument = "NAME|FILE|FOLDER",
     .initial = "glyphs",
     .help = "Data set: a name of \"auxo data list\", a table (.csv, .tsv, .arff, also .gz or .xz), or a folder of "
             "pictures with one subfolder for each class"},
    {.name = "data-dir",
     .type = CLI_TEXT,
     .argument = "DIR",
     .help = "Folder that holds one folder per data set (default: AUXO_DATA_DIR, then ~/.cache/auxo)"},
    {.name = "limit",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Use the first N rows of each split; 0: all"},
    {.name = "inputs",
     .type = CLI_TEXT,
     .argument = "A,B,...",
     .help = "Table columns to read as inputs (default: all but the targets); quote a name that has a comma"},
    {.name = "targets",
     .type = CLI_TEXT,
     .argument = "A,B,...",
     .help = "Table columns to predict (default: the last)"},
    {.name = "target-kind",
     .type = CLI_CHOICE,
     .argument = "auto|class|real",
     .initial = "auto",
     .help = "What a target column of numbers holds: the numbers of classes, or measured numbers (auto)"},
    {.name = "missing",
     .type = CLI_CHOICE,
     .argument = "refuse|drop|mean",
     .initial = "refuse",
     .help = "Missing values of a table: an error, leave such rows out, or put the mean of the training rows (for text "
             "columns, the share of each value)"},
    {.name = "drop-missing", .type = CLI_FLAG, .help = "The same as --missing drop"},
    CLI_TABLE_FORMAT_OPTIONS,
    {.name = "images",
     .type = CLI_TEXT,
     .argument = "COLUMN",
     .help = "The table column that holds paths of pictures, beside the table or absolute; they are the inputs"},
    {.name = "resize",
     .type = CLI_TEXT,
     .argument = "HxW",
     .help = "Bring every picture to this size (default: all must have one size)"},
    {.name = "fit",
     .type = CLI_CHOICE,
     .argument = "stretch|crop|pad",
     .initial = "stretch",
     .help = "With --resize, a picture of another shape: stretched, its longer side cut, or its shorter side padded"},
    {.name = "padding",
     .type = CLI_TEXT,
     .argument = "RRGGBB",
     .initial = "000000",
     .help = "The colour that --fit pad pads with, in hexadecimal"},
    {.name = "colour",
     .type = CLI_CHOICE,
     .argument = "as-is|grey|rgb",
     .initial = "as-is",
     .help = "Read pictures as grey or as red, green and blue, whatever they are"},
    {.name = "allow-missing-files",
     .type = CLI_FLAG,
     .help = "Go on without those training files of a set that are not there, and say which"},
    CLI_OPTIONS_END,
};

enum { MISSING_REFUSE, MISSING_DROP, MISSING_MEAN };

/* ---- lists ------------------------------------------------------------------------------------------------------- */

size_t cli_split_list(char *text, char **items, size_t capacity)
{
    size_t count = 0;
    for (char *rest = text, *item; count < capacity && (item = strtok_r(rest, ",", &rest)) != NULL;)
        items[count++] = item;
    return count;
}

void cli_list_deinit(cli_list *list)
{
    free(list->items);
    free(list->text);
    *list = (cli_list){0};
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

auxo_status cli_list_parse(const char *option, const char *text, cli_list *list, auxo_error *error)
{
    *list = (cli_list){0};
    if (!text)
        return AUXO_OK;
    list->text = strdup(text);
    list->items = malloc((strlen(text) + 1) * sizeof *list->items);
    if (!list->text || !list->items)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for --%s", option);
    for (char *at = list->text;;) {
        list->items[list->count++] = at;
        char *end = *at == '"' ? unquote(at) : at + strcspn(at, ",");
        if (!end || (*end && *end != ','))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: a quote is not closed before a comma or the end",
                                  option);
        bool last = *end == '\0';
        *end = '\0';
        if (*list->items[list->count - 1] == '\0')
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: item %zu is empty", option, list->count);
        if (last)
            return AUXO_OK;
        at = end + 1;
    }
}

/* ---- options of files -------------------------------------------------------------------------------------------- */

void cli_table_format_deinit(cli_table_format *format)
{
    cli_list_deinit(&format->categorical);
    cli_list_deinit(&format->missing);
}

static auxo_status read_character(const cli_arguments *arguments, const char *option, char *character,
                                  auxo_error *error)
{
    const char *text = cli_text(arguments, option);
    if (!text)
        return AUXO_OK;
    if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0)
        text = "\t";
    else if (strcmp(text, "space") == 0)
        text = " ";
    if (strlen(text) != 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: \"%s\" is not one character", option, text);
    *character = *text;
    return AUXO_OK;
}

auxo_status cli_table_format_read(const cli_arguments *arguments, cli_table_format *read, auxo_error *error)
{
    *read = (cli_table_format){0};
    auxo_table_format *format = &read->format;
    auxo_status status = read_character(arguments, "delimiter", &format->delimiter, error);
    if (status == AUXO_OK)
        status = read_character(arguments, "decimal", &format->decimal, error);
    if (status == AUXO_OK)
        status = read_character(arguments, "thousands", &format->thousands, error);
    if (status == AUXO_OK)
        status = read_character(arguments, "comment", &format->comment, error);
    if (status == AUXO_OK)
        status = cli_list_parse("categorical", cli_text(arguments, "categorical"), &read->categorical, error);
    if (status == AUXO_OK)
        status = cli_list_parse("na-values", cli_text(arguments, "na-values"), &read->missing, error);
    format->no_header = cli_flag(arguments, "no-header");
    format->categorical_columns = (const char *const *)read->categorical.items;
    format->categorical_column_count = read->categorical.count;
    format->missing_texts = (const char *const *)read->missing.items;
    format->missing_text_count = read->missing.count;
    return status;
}

static auxo_status read_pictures(const cli_arguments *arguments, auxo_picture_rule *rule, auxo_error *error)
{
    static const auxo_picture_fit fits[] = {AUXO_FIT_STRETCH, AUXO_FIT_CROP, AUXO_FIT_PAD};
    static const auxo_picture_colour colours[] = {AUXO_COLOUR_AS_IS, AUXO_COLOUR_GREY, AUXO_COLOUR_RGB};
    const char *size = cli_text(arguments, "resize"), *padding = cli_text(arguments, "padding");
    char *end = NULL;
    unsigned long height = size ? strtoul(size, &end, 10) : 0;
    unsigned long width = size && *end == 'x' ? strtoul(end + 1, &end, 10) : 0;
    if (size && (*size == '-' || *end || height < 1 || height > 65535 || width < 1 || width > 65535))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--resize: \"%s\" is not HxW, for example 64x64", size);
    unsigned long colour = strtoul(padding, &end, 16);
    if (strlen(padding) != 6 || *end)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--padding: \"%s\" is not RRGGBB, for example ffffff",
                              padding);
    *rule = (auxo_picture_rule){.height = (uint32_t)height,
                                .width = (uint32_t)width,
                                .fit = fits[cli_choice(arguments, "fit")],
                                .colour = colours[cli_choice(arguments, "colour")],
                                .padding = {(uint8_t)(colour >> 16), (uint8_t)(colour >> 8), (uint8_t)colour}};
    return AUXO_OK;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* What the options point to while they are used. */
typedef struct data_texts {
    cli_list inputs, targets;
    cli_table_format format;
} data_texts;

static void texts_deinit(data_texts *texts)
{
    cli_list_deinit(&texts->inputs);
    cli_list_deinit(&texts->targets);
    cli_table_format_deinit(&texts->format);
}

static size_t missing_rule(const cli_arguments *arguments)
{
    return cli_flag(arguments, "drop-missing") ? MISSING_DROP : cli_choice(arguments, "missing");
}

static auxo_status read_options(const cli_context *context, data_texts *texts, auxo_data_options *options,
                                auxo_error *error)
{
    static const auxo_target_kind kinds[] = {AUXO_TARGET_KIND_AUTO, AUXO_TARGET_KIND_CLASS, AUXO_TARGET_KIND_REAL};
    const cli_arguments *arguments = context->arguments;
    auxo_status status = cli_table_format_read(arguments, &texts->format, error);
    if (status == AUXO_OK)
        status = cli_list_parse("inputs", cli_text(arguments, "inputs"), &texts->inputs, error);
    if (status == AUXO_OK)
        status = cli_list_parse("targets", cli_text(arguments, "targets"), &texts->targets, error);
    if (status == AUXO_OK)
        status = read_pictures(arguments, &options->pictures, error);
    if (status == AUXO_OK && cli_flag(arguments, "drop-missing") && cli_given(arguments, "missing"))
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--drop-missing and --missing say the same; give one");
    options->data_dir = cli_text(arguments, "data-dir");
    options->limit = cli_integer(arguments, "limit");
    options->target_kind = kinds[cli_choice(arguments, "target-kind")];
    options->format = &texts->format.format;
    options->picture_column = cli_text(arguments, "images");
    options->drop_missing = missing_rule(arguments) == MISSING_DROP;
    options->keep_missing = missing_rule(arguments) == MISSING_MEAN;
    options->allow_missing_files = cli_flag(arguments, "allow-missing-files");
    options->input_columns = (const char *const *)texts->inputs.items;
    options->input_column_count = texts->inputs.count;
    options->target_columns = (const char *const *)texts->targets.items;
    options->target_column_count = texts->targets.count;
    return status;
}

auxo_status cli_data_load_for(const cli_context *context, const char *name, uint64_t seed, const cli_data_model *model,
                              auxo_dataset **train, auxo_dataset **test, auxo_error *error)
{
    data_texts texts = {0};
    auxo_data_options options = {.seed = seed,
                                 .schema = model->schema,
                                 .ignore_labels = model->ignore_labels,
                                 .unknown_levels_missing = model->unknown_levels_missing};
    auxo_status status = read_options(context, &texts, &options, error);
    options.keep_missing = options.keep_missing || (model->keep_gaps && !options.drop_missing);
    if (status == AUXO_OK)
        status = auxo_dataset_load(name, &options, train, test, error);
    texts_deinit(&texts);
    if (status == AUXO_OK && (*train)->note[0])
        cli_note(context->output, "%s", (*train)->note);
    return status;
}

auxo_status cli_data_load_named(const cli_context *context, const char *name, uint64_t seed, auxo_dataset **train,
                                auxo_dataset **test, auxo_error *error)
{
    return cli_data_load_for(context, name, seed, &(cli_data_model){0}, train, test, error);
}

auxo_status cli_data_load(const cli_context *context, uint64_t seed, auxo_dataset **train, auxo_dataset **test,
                          auxo_error *error)
{
    return cli_data_load_named(context, cli_text(context->arguments, "data"), seed, train, test, error);
}

auxo_status cli_data_impute(const cli_context *context, auxo_dataset *train, auxo_dataset *validation,
                            auxo_dataset *test, auxo_error *error)
{
    if (missing_rule(context->arguments) != MISSING_MEAN)
        return AUXO_OK;
    size_t filled = 0;
    auxo_dataset *const others[2] = {validation, test};
    auxo_status status = auxo_dataset_impute(train, others, 2, &filled, error);
    if (status == AUXO_OK && filled > 0)
        cli_note(context->output, "%s: %zu missing values replaced by the means of the training rows", train->name,
                 filled);
    return status;
}

uint32_t cli_data_output_count(const auxo_dataset *dataset)
{
    switch (dataset->target_type) {
    case AUXO_TARGET_CLASS:
        return dataset->class_count;
    case AUXO_TARGET_REAL:
        return dataset->target_count;
    case AUXO_TARGET_SURVIVAL:
        return 1;
    case AUXO_TARGET_NONE:
        return 0;
    }
    return 0;
}

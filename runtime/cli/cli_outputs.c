/* runtime/cli/cli_outputs.c: loads a model and rows in the form it knows, computes the outputs.
 *
 * What the columns, classes and held-out rows are comes from the model; nothing is derived anew from the data.
 */
#include "cli_outputs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cli_option cli_outputs_options[] = {
    {.name = "split",
     .type = CLI_CHOICE,
     .argument = "auto|heldout|test|train|all",
     .initial = "auto",
     .help = "Which rows to use: the test split of the set, or the rows that were held out when the model was trained "
             "(heldout, test), the others (train), or all. auto: eval takes the test split or the held-out rows where "
             "there are such, else all; predict takes the test split, else all"},
    {.name = "batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "256",
     .help = "Rows computed at once",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "unknown-levels",
     .type = CLI_CHOICE,
     .argument = "refuse|missing",
     .initial = "refuse",
     .help = "A text in a table column that the model never saw: an error, or a missing value"},
    {.name = "allow-nan", .type = CLI_FLAG, .help = "Go on where an output of the model is not a finite number"},
    CLI_OPTIONS_END,
};

enum { SPLIT_AUTO, SPLIT_HELDOUT, SPLIT_TEST, SPLIT_TRAIN, SPLIT_ALL };

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* One set of rows and what became of it: `train` and `test` as loaded, or `train` split again as at training. */
static auxo_status choose_rows(const cli_context *context, bool labels, const auxo_data_schema *schema,
                               auxo_dataset **train, auxo_dataset **test, auxo_dataset **rows, auxo_error *error)
{
    size_t split = cli_choice(context->arguments, "split");
    const char *name = cli_text(context->arguments, "data");
    auxo_dataset *held_out = NULL, *trained_on = NULL;
    bool again = !*test && split != SPLIT_ALL && (labels || split != SPLIT_AUTO);
    auxo_status status = again ? auxo_dataset_held_out(*train, schema, &held_out, &trained_on, error) : AUXO_OK;
    if (status != AUXO_OK)
        return status;
    if (held_out) {
        auxo_dataset_destroy(*train);
        *train = trained_on;
        *test = held_out;
        cli_note(context->output, "these are the rows that the model was trained on; %zu were held out then, %zu not",
                 held_out->row_count, trained_on->row_count);
    }
    bool wants_test = split == SPLIT_HELDOUT || split == SPLIT_TEST || (split == SPLIT_AUTO && *test);
    if (wants_test && !*test)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s has no test split, and is not the data that the model was trained on with rows held "
                              "out; use --split all",
                              name);
    if (split == SPLIT_ALL && *test)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s has a test split of its own; use --split train or test",
                              name);
    auxo_dataset **chosen = wants_test ? test : train;
    *rows = *chosen;
    *chosen = NULL;
    if (split == SPLIT_AUTO && labels && !wants_test && schema && schema->split_fraction > 0)
        cli_note(context->output, "%s is not the data that the model was trained on: all of its %zu rows are used",
                 name, (*rows)->row_count);
    return AUXO_OK;
}

static auxo_status load_rows(const cli_context *context, bool labels, cli_outputs *outputs, auxo_error *error)
{
    auxo_dataset *train = NULL, *test = NULL;
    size_t split = cli_choice(context->arguments, "split");
    const auxo_data_request request = {.seed = cli_integer(context->arguments, "seed"),
                                       .schema = outputs->schema,
                                       .ignore_labels =
                                           !labels && outputs->schema && (split == SPLIT_AUTO || split == SPLIT_ALL),
                                       .map = true,
                                       .unknown_levels_missing = cli_choice(context->arguments, "unknown-levels") == 1};
    auxo_status status = cli_data_load(context, &request, &train, &test, error);
    if (status == AUXO_OK)
        status = choose_rows(context, labels, outputs->schema, &train, &test, &outputs->dataset, error);
    auxo_dataset_destroy(train);
    auxo_dataset_destroy(test);
    return status;
}

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

/* What the outputs mean: by the labels at hand, else by the model's own knowledge. */
static auxo_status describe_outputs(cli_outputs *outputs, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(outputs->model);
    const int64_t *dims = desc->layers[desc->layer_count - 1].output_dims;
    const auxo_dataset *dataset = outputs->dataset;
    const auxo_data_schema *schema = outputs->schema ? outputs->schema : dataset->schema;
    outputs->column_count = (size_t)(dims[0] * dims[1] * dims[2]);
    outputs->kind = dataset->target_type;
    outputs->names = dataset->target_names;
    if (dataset->target_type != AUXO_TARGET_NONE) {
        outputs->offsets = schema ? schema->target_offsets : NULL;
        return auxo_model_check_data(outputs->model, dataset, error);
    }
    if (!schema || schema->target_type == AUXO_TARGET_NONE) { /* nobody says what they mean: numbers */
        outputs->kind = AUXO_TARGET_REAL;
        return AUXO_OK;
    }
    outputs->kind = schema->target_type;
    outputs->names = schema->target_type == AUXO_TARGET_CLASS ? schema->classes : schema->targets;
    outputs->offsets = schema->target_offsets;
    size_t expected = schema->target_type == AUXO_TARGET_CLASS  ? schema->class_count
                      : schema->target_type == AUXO_TARGET_REAL ? schema->target_count
                                                                : 1;
    if (expected != outputs->column_count)
        return auxo_error_set(error, AUXO_FORMAT, "model %s has %zu outputs, but its description of the data names %zu",
                              desc->name, outputs->column_count, expected);
    return AUXO_OK;
}

/* Of the rows at hand. */
static auxo_status check_finite(const cli_outputs *outputs, auxo_error *error)
{
    char number[32];
    for (size_t row = 0; row < outputs->count; row++)
        for (size_t i = 0; i < outputs->column_count; i++) {
            double value = outputs->values[row * outputs->column_count + i];
            if (!isfinite(value))
                return auxo_error_set(error, AUXO_NOT_FINITE,
                                      "row %zu: output %s of the model is %g; --allow-nan goes on",
                                      auxo_dataset_row_number(outputs->dataset, outputs->first + row),
                                      cli_output_name(outputs, i, number, sizeof number), value);
        }
    return AUXO_OK;
}

auxo_status cli_outputs_open_rows(const cli_context *context, bool labels, cli_outputs *outputs, auxo_error *error)
{
    *outputs = (cli_outputs){0};
    const char *file = cli_operand(context->arguments, 0);
    auxo_status status = cli_session_open(context, &outputs->session, error);
    if (status == AUXO_OK)
        status = cli_session_set_precision(context, &outputs->session, error);
    if (status == AUXO_OK)
        status = auxo_model_load(outputs->session.device, file, &outputs->model, error);
    if (status == AUXO_OK)
        status = auxo_model_data_schema(outputs->model, &outputs->schema, error);
    if (status == AUXO_OK && !outputs->schema)
        cli_note(context->output,
                 "%s says nothing of the data it was trained on: columns and classes are taken as they "
                 "come",
                 file);
    if (status == AUXO_OK)
        status = load_rows(context, labels, outputs, error);
    return status == AUXO_OK ? describe_outputs(outputs, error) : status;
}

typedef struct each_batch {
    cli_outputs *outputs;
    cli_outputs_use *use;
    void *user;
    bool allows_nan;
} each_batch;

static auxo_status take_batch(void *user, size_t first, size_t count, const float *values, auxo_error *error)
{
    const each_batch *each = user;
    cli_outputs *outputs = each->outputs;
    outputs->first = first;
    outputs->count = count;
    outputs->values = values;
    const auxo_status status = each->allows_nan ? AUXO_OK : check_finite(outputs, error);
    if (status == AUXO_OK)
        each->use(each->user, outputs);
    return status;
}

auxo_status cli_outputs_each(const cli_context *context, cli_outputs *outputs, cli_outputs_use *use, void *user,
                             auxo_error *error)
{
    each_batch each = {outputs, use, user, cli_flag(context->arguments, "allow-nan")};
    const double start = cli_now_seconds();
    const auxo_status status =
        auxo_model_predict_each(outputs->model, outputs->dataset, (uint32_t)cli_integer(context->arguments, "batch"),
                                false, take_batch, &each, error);
    outputs->seconds = cli_now_seconds() - start;
    outputs->values = NULL;
    return status;
}

static void keep_batch(void *user, const cli_outputs *outputs)
{
    float *all = user;
    memcpy(all + outputs->first * outputs->column_count, outputs->values,
           outputs->count * outputs->column_count * sizeof *all);
}

static auxo_status read_labels(cli_outputs *outputs, auxo_error *error)
{
    const auxo_dataset *dataset = outputs->dataset;
    if (dataset->target_type == AUXO_TARGET_CLASS)
        outputs->labels = malloc((dataset->row_count + 1) * sizeof *outputs->labels);
    if (dataset->target_type == AUXO_TARGET_REAL)
        outputs->targets = malloc((dataset->row_count * dataset->target_count + 1) * sizeof *outputs->targets);
    if (!outputs->labels && !outputs->targets)
        return dataset->target_type == AUXO_TARGET_CLASS || dataset->target_type == AUXO_TARGET_REAL
                   ? auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %zu labels", dataset->row_count)
                   : AUXO_OK;
    const auxo_row_block block = {.labels = outputs->labels, .targets = outputs->targets};
    return auxo_dataset_read(dataset, NULL, 0, dataset->row_count, &block, error);
}

auxo_status cli_outputs_open(const cli_context *context, bool labels, cli_outputs *outputs, auxo_error *error)
{
    auxo_status status = cli_outputs_open_rows(context, labels, outputs, error);
    if (status == AUXO_OK && labels)
        status = read_labels(outputs, error);
    if (status != AUXO_OK)
        return status;
    const size_t rows = outputs->dataset->row_count;
    outputs->own_values = calloc(rows * outputs->column_count + 1, sizeof *outputs->own_values);
    if (!outputs->own_values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the outputs of %zu rows", rows);
    status = cli_outputs_each(context, outputs, keep_batch, outputs->own_values, error);
    outputs->first = 0;
    outputs->count = rows;
    outputs->values = outputs->own_values;
    return status;
}

void cli_outputs_close(cli_outputs *outputs)
{
    free(outputs->own_values);
    free(outputs->labels);
    free(outputs->targets);
    auxo_model_destroy(outputs->model);
    auxo_data_schema_destroy(outputs->schema);
    auxo_dataset_destroy(outputs->dataset);
    cli_session_close(&outputs->session);
    *outputs = (cli_outputs){0};
}

void cli_softmax(const float *scores, size_t count, double *probabilities)
{
    double largest = scores[cli_argmax(scores, count)], sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += probabilities[i] = exp((double)scores[i] - largest);
    for (size_t i = 0; i < count; i++)
        probabilities[i] /= sum;
}

size_t cli_argmax(const float *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = values[i] > values[best] ? i : best;
    return best;
}

const char *cli_output_name(const cli_outputs *outputs, size_t index, char *buffer, size_t size)
{
    if (outputs->names && outputs->names[index])
        return outputs->names[index];
    snprintf(buffer, size, "%zu", index);
    return buffer;
}

double cli_output_value(const cli_outputs *outputs, size_t row, size_t index)
{
    return (double)outputs->values[row * outputs->column_count + index] +
           (outputs->offsets ? outputs->offsets[index] : 0);
}

/* runtime/cli/cli_outputs.c: loads a model and a split, computes the outputs. */
#include "cli_outputs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const cli_option cli_outputs_options[] = {
    {.name = "split",
     .type = CLI_CHOICE,
     .argument = "test|train",
     .initial = "test",
     .help = "Which rows of the data set to use; a set without a test split has only train"},
    {.name = "batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "256",
     .help = "Rows computed at once",
     .minimum = 1,
     .maximum = 1e6},
    CLI_OPTIONS_END,
};

static auxo_status load_split(const cli_context *context, auxo_dataset **dataset, auxo_error *error)
{
    auxo_dataset *train = NULL, *test = NULL;
    auxo_status status = cli_data_load(context, cli_integer(context->arguments, "seed"), &train, &test, error);
    if (status != AUXO_OK)
        return status;
    bool wants_train = cli_choice(context->arguments, "split") == 1;
    *dataset = wants_train ? train : test;
    auxo_dataset_destroy(wants_train ? test : train);
    if (!*dataset)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s has no test split; use --split train",
                              cli_text(context->arguments, "data"));
    return AUXO_OK;
}

auxo_status cli_outputs_open(const cli_context *context, cli_outputs *outputs, auxo_error *error)
{
    *outputs = (cli_outputs){0};
    const char *file = cli_operand(context->arguments, 0);
    auxo_status status = load_split(context, &outputs->dataset, error);
    if (status == AUXO_OK)
        status = cli_session_open(context, &outputs->session, error);
    if (status == AUXO_OK)
        status = auxo_model_load(outputs->session.device, file, &outputs->model, error);
    if (status == AUXO_OK)
        status = cli_model_check_data(outputs->model, outputs->dataset, error);
    if (status != AUXO_OK)
        return status;
    outputs->column_count = cli_data_output_count(outputs->dataset);
    outputs->values = calloc(outputs->dataset->row_count * outputs->column_count + 1, sizeof *outputs->values);
    if (!outputs->values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the outputs of %zu rows",
                              outputs->dataset->row_count);
    double start = cli_now_seconds();
    status = auxo_model_predict(outputs->model, outputs->dataset, (uint32_t)cli_integer(context->arguments, "batch"),
                                false, outputs->values, error);
    outputs->seconds = cli_now_seconds() - start;
    return status;
}

void cli_outputs_close(cli_outputs *outputs)
{
    free(outputs->values);
    auxo_model_destroy(outputs->model);
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

const char *cli_output_name(const auxo_dataset *dataset, size_t index, char *buffer, size_t size)
{
    if (dataset->target_names && dataset->target_names[index])
        return dataset->target_names[index];
    snprintf(buffer, size, "%zu", index);
    return buffer;
}

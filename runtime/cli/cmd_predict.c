/* runtime/cli/cmd_predict.c: auxo predict FILE: the outputs of a saved model for every row, as CSV, arrays
 * or events. */
#include "cli_arrays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option predict_options[] = {
    {.name = "out",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "Write here instead of to standard output: CSV, or arrays of NumPy's where the name ends in .npz or .npy"},
    {.name = "probabilities", .type = CLI_FLAG, .help = "Add one column with the probability of each class"},
    CLI_OPTIONS_END,
};

/* One text as a CSV field, quoted where it must be. */
static void write_field(FILE *stream, const char *text)
{
    size_t length = strlen(text);
    bool blank_ends = length > 0 && (text[0] == ' ' || text[length - 1] == ' ');
    if (!strpbrk(text, ",\"\n\r") && !blank_ends) {
        fputs(text, stream);
        return;
    }
    fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', stream);
        fputc(*text, stream);
    }
    fputc('"', stream);
}

static void write_header(FILE *stream, const cli_outputs *outputs, bool all)
{
    char number[32];
    bool classes = outputs->kind == AUXO_TARGET_CLASS;
    fputs(outputs->dataset->row_names ? "row,file" : "row", stream);
    fputs(classes ? ",class,name,probability" : "", stream);
    for (size_t i = 0; (all || !classes) && i < outputs->column_count; i++) {
        fputc(',', stream);
        write_field(stream, cli_output_name(outputs, i, number, sizeof number));
    }
    fputc('\n', stream);
}

static void write_row(FILE *stream, const cli_outputs *outputs, size_t row, double *probabilities, bool all)
{
    char number[32];
    size_t count = outputs->column_count;
    const float *values = outputs->values + row * count;
    fprintf(stream, "%zu", auxo_dataset_row_number(outputs->dataset, outputs->first + row));
    if (outputs->dataset->row_names) {
        fputc(',', stream);
        write_field(stream, outputs->dataset->row_names[outputs->first + row]);
    }
    if (outputs->kind == AUXO_TARGET_CLASS) {
        size_t best = cli_argmax(values, count);
        cli_softmax(values, count, probabilities);
        fprintf(stream, ",%zu,", best);
        write_field(stream, cli_output_name(outputs, best, number, sizeof number));
        fprintf(stream, ",%.6f", probabilities[best]);
        for (size_t i = 0; all && i < count; i++)
            fprintf(stream, ",%.6g", probabilities[i]);
    } else {
        for (size_t i = 0; i < count; i++)
            fprintf(stream, outputs->offsets && outputs->offsets[i] != 0 ? ",%.15g" : ",%.9g",
                    cli_output_value(outputs, row, i));
    }
    fputc('\n', stream);
}

static void emit_row(cli_output *output, const cli_outputs *outputs, size_t row, double *probabilities, bool all)
{
    char number[32];
    size_t count = outputs->column_count;
    const float *values = outputs->values + row * count;
    cJSON *event = cli_event(output, "prediction");
    auxo__tree_number(event, "row", (double)auxo_dataset_row_number(outputs->dataset, outputs->first + row));
    if (outputs->dataset->row_names)
        auxo__tree_text(event, "file", outputs->dataset->row_names[outputs->first + row]);
    if (outputs->kind == AUXO_TARGET_CLASS) {
        size_t best = cli_argmax(values, count);
        cli_softmax(values, count, probabilities);
        auxo__tree_number(event, "class", (double)best);
        auxo__tree_text(event, "name", cli_output_name(outputs, best, number, sizeof number));
        auxo__tree_number(event, "probability", probabilities[best]);
        if (all)
            auxo__tree_add(event, "probabilities", cJSON_CreateDoubleArray(probabilities, (int)count));
    } else {
        cJSON *list = event ? auxo__tree_add(event, "values", cJSON_CreateArray()) : NULL;
        for (size_t i = 0; list && i < count; i++)
            auxo__tree_add(list, NULL, cJSON_CreateNumber(cli_output_value(outputs, row, i)));
    }
    cli_emit(output, event);
}

/* Where rows are written to as they come. */
typedef struct prediction_sink {
    const cli_context *context;
    cli_outputs *outputs;
    FILE *stream; /* NULL: events */
    double *probabilities;
    bool all, has_header;
} prediction_sink;

static void write_rows(void *user, const cli_outputs *outputs)
{
    prediction_sink *sink = user;
    if (sink->stream && !sink->has_header)
        write_header(sink->stream, outputs, sink->all);
    sink->has_header = true;
    for (size_t row = 0; row < outputs->count; row++) {
        if (sink->stream)
            write_row(sink->stream, outputs, row, sink->probabilities, sink->all);
        else
            emit_row(sink->context->output, outputs, row, sink->probabilities, sink->all);
    }
}

static auxo_status write_file(void *user, FILE *stream, auxo_error *error)
{
    prediction_sink *sink = user;
    sink->stream = stream;
    return cli_outputs_each(sink->context, sink->outputs, write_rows, sink, error);
}

static void keep_rows(void *user, const cli_outputs *outputs)
{
    cli_arrays_add(user, outputs);
}

static auxo_status write_arrays(const cli_context *context, cli_outputs *outputs, const char *path, auxo_error *error)
{
    cli_arrays arrays;
    auxo_status status = cli_arrays_init(&arrays, outputs, error);
    if (status == AUXO_OK)
        status = cli_outputs_each(context, outputs, keep_rows, &arrays, error);
    if (status == AUXO_OK)
        status = cli_arrays_write(&arrays, path, error);
    cli_arrays_deinit(&arrays);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    cli_outputs outputs = {0};
    const char *path = cli_text(context->arguments, "out");
    auxo_status status = cli_check_writable("out", path, error);
    if (status == AUXO_OK)
        status = cli_outputs_open_rows(context, false, &outputs, error);
    prediction_sink sink = {.context = context,
                            .outputs = &outputs,
                            .stream = cli_output_is_json(context->output) ? NULL : stdout,
                            .probabilities = calloc(outputs.column_count + 1, sizeof *sink.probabilities),
                            .all = cli_flag(context->arguments, "probabilities")};
    if (status == AUXO_OK && !sink.probabilities)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %zu outputs", outputs.column_count);
    if (status == AUXO_OK && cli_arrays_wanted(path))
        status = write_arrays(context, &outputs, path, error);
    else if (status == AUXO_OK && path)
        status = cli_write_file("out", path, write_file, &sink, error);
    else if (status == AUXO_OK)
        status = cli_outputs_each(context, &outputs, write_rows, &sink, error);
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        auxo__tree_number(result, "rows", (double)outputs.dataset->row_count);
        auxo__tree_number(result, "seconds", outputs.seconds);
        cli_emit(context->output, result);
    }
    free(sink.probabilities);
    cli_outputs_close(&outputs);
    return status;
}

static const cli_option *const options[] = {
    cli_data_options,      predict_options,  cli_outputs_options, cli_device_options,
    cli_precision_options, cli_seed_options, cli_common_options,  NULL};

const cli_command cli_command_predict = {
    .name = "predict",
    .operands = "FILE.safetensors",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "write a saved model's outputs for every row of a data set",
    .description = "Write one CSV line per row: for classes the predicted class, its name and probability; for numbers "
                   "the predicted values in the targets' own units. The column row is the place of the row in the file "
                   "or set, from 1, also where rows were left out. Columns are found by the names the model knows, in "
                   "any order; labels are not needed. Pictures may lie in one folder without classes.\n\n"
                   "A .npz file holds the arrays row, and for classes class, probability and probabilities (rows, "
                   "classes), for numbers values (rows, targets); a .npy file the last of these alone.",
    .events = "{\"event\":\"prediction\",\"row\":1,\"class\":..,\"name\":..,\"probability\":..}  for classes\n"
              "{\"event\":\"prediction\",\"row\":1,\"values\":[..]}  for numbers\n"
              "{\"event\":\"result\",\"rows\":..,\"seconds\":..}",
    .examples = "auxo predict net.safetensors --data fashion-mnist --limit 100 --out predictions.csv\n"
                "auxo predict net.safetensors --data X.npy --out predictions.npz",
    .options = options,
    .run = run,
};

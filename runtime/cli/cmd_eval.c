/* runtime/cli/train/cmd_eval.c: auxo eval FILE: loss and accuracy of a saved model, by class or target column.
 *
 * Losses are accumulated in double on the host from the model's outputs: cross-entropy by log-sum-exp, or the mean
 * squared error in the units of the targets, with R² = 1 - MSE / variance beside it (undefined where the target is
 * constant).
 */
#include "cli_outputs.h"
#include "cli_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct class_score {
    size_t row_count, correct;
} class_score;

static double cross_entropy(const float *scores, size_t count, uint32_t label)
{
    double largest = scores[cli_argmax(scores, count)], sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp((double)scores[i] - largest);
    return log(sum) + largest - (double)scores[label];
}

static void report_classes(cli_output *output, const cli_outputs *outputs, const class_score *scores)
{
    const auxo_dataset *dataset = outputs->dataset;
    cli_table *table = cli_table_create("CLASS|>ROWS|>CORRECT|>ACCURACY");
    for (size_t i = 0; i < dataset->class_count; i++) {
        char number[32];
        const char *name = cli_output_name(outputs, i, number, sizeof number);
        double accuracy = scores[i].row_count ? (double)scores[i].correct / (double)scores[i].row_count : (double)NAN;
        cli_table_row(table, "%s|%zu|%zu|%.2f %%", name, scores[i].row_count, scores[i].correct, 100 * accuracy);
        cJSON *event = cli_event(output, "class");
        cJSON_AddNumberToObject(event, "class", (double)i);
        cJSON_AddStringToObject(event, "name", name);
        cJSON_AddNumberToObject(event, "rows", (double)scores[i].row_count);
        cJSON_AddNumberToObject(event, "correct", (double)scores[i].correct);
        cli_emit(output, event);
    }
    cli_table_print(output, table);
}

static void report_result(const cli_context *context, const cli_outputs *outputs, double loss, double accuracy)
{
    size_t rows = outputs->dataset->row_count;
    double rate = outputs->seconds > 0 ? (double)rows / outputs->seconds : 0;
    char rate_text[32];
    bool classes = outputs->kind == AUXO_TARGET_CLASS;
    const char *kind = classes ? "cross-entropy" : "mean squared error in the targets' own units";
    cli_print(context->output, classes ? "loss %.5f (%s)" : "loss %.7g (%s)", loss, kind);
    if (isfinite(accuracy))
        cli_print(context->output, "  accuracy %.2f %%", 100 * accuracy);
    cli_print(context->output, "  %zu rows  %s rows/s\n", rows,
              cli_format_count(rate_text, sizeof rate_text, (uint64_t)rate));
    cJSON *result = cli_event(context->output, "result");
    cJSON_AddNumberToObject(result, "loss", loss);
    cJSON_AddStringToObject(result, "loss_kind", kind);
    if (isfinite(accuracy))
        cJSON_AddNumberToObject(result, "accuracy", accuracy);
    else
        cJSON_AddNullToObject(result, "accuracy");
    cJSON_AddNumberToObject(result, "rows", (double)rows);
    cJSON_AddNumberToObject(result, "images_per_second", rate);
    cJSON_AddNumberToObject(result, "seconds", outputs->seconds);
    cJSON_AddNumberToObject(result, "peak_host_bytes", (double)cli_peak_host_bytes());
    cli_emit(context->output, result);
}

static auxo_status eval_classes(const cli_context *context, const cli_outputs *outputs, auxo_error *error)
{
    const auxo_dataset *dataset = outputs->dataset;
    class_score *scores = calloc(dataset->class_count + 1, sizeof *scores);
    if (!scores)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %u classes", dataset->class_count);
    double loss_sum = 0;
    size_t correct = 0, count = outputs->column_count;
    for (size_t row = 0; row < dataset->row_count; row++) {
        const float *values = outputs->values + row * count;
        uint32_t label = dataset->labels[row];
        bool hit = cli_argmax(values, count) == label;
        loss_sum += cross_entropy(values, count, label);
        scores[label].row_count++;
        scores[label].correct += hit;
        correct += hit;
    }
    double rows = (double)dataset->row_count;
    report_classes(context->output, outputs, scores);
    report_result(context, outputs, loss_sum / rows, (double)correct / rows);
    free(scores);
    return AUXO_OK;
}

/* Error and spread of one target column; the spread is summed in a second pass around the mean. */
typedef struct target_score {
    double mse, variance;
} target_score;

static target_score score_target(const cli_outputs *outputs, size_t column)
{
    const auxo_dataset *dataset = outputs->dataset;
    size_t count = outputs->column_count;
    double squares = 0, sum = 0, spread = 0, rows = (double)dataset->row_count;
    for (size_t row = 0; row < dataset->row_count; row++) {
        double target = dataset->targets[row * count + column];
        double difference = outputs->values[row * count + column] - target;
        squares += difference * difference;
        sum += target;
    }
    for (size_t row = 0; row < dataset->row_count; row++) {
        double difference = dataset->targets[row * count + column] - sum / rows;
        spread += difference * difference;
    }
    bool constant = true;
    for (size_t row = 1; row < dataset->row_count; row++)
        constant = constant && dataset->targets[row * count + column] == dataset->targets[column];
    return (target_score){squares / rows, constant ? 0 : spread / rows};
}

static void eval_targets(const cli_context *context, const cli_outputs *outputs)
{
    size_t count = outputs->column_count;
    double loss_sum = 0;
    cli_table *table = cli_table_create("TARGET|>MSE|>RMSE|>R2");
    for (size_t column = 0; column < count; column++) {
        char number[32], r2_text[64] = "undefined: the target is constant";
        const char *name = cli_output_name(outputs, column, number, sizeof number);
        const target_score score = score_target(outputs, column);
        double r2 = 1 - score.mse / score.variance;
        bool defined = score.variance > 0;
        if (defined)
            snprintf(r2_text, sizeof r2_text, "%.4f", r2);
        loss_sum += score.mse;
        cli_table_row(table, "%s|%.6g|%.6g|%s", name, score.mse, sqrt(score.mse), r2_text);
        cJSON *event = cli_event(context->output, "target");
        cJSON_AddStringToObject(event, "name", name);
        cJSON_AddNumberToObject(event, "mse", score.mse);
        if (defined)
            cJSON_AddNumberToObject(event, "r2", r2);
        else
            cJSON_AddNullToObject(event, "r2");
        if (!defined)
            cJSON_AddStringToObject(event, "r2_note", r2_text);
        cli_emit(context->output, event);
    }
    cli_table_print(context->output, table);
    report_result(context, outputs, loss_sum / (double)count, (double)NAN);
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    cli_outputs outputs;
    auxo_status status = cli_outputs_open(context, true, &outputs, error);
    if (status == AUXO_OK && outputs.dataset->row_count == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s has no rows", outputs.dataset->name);
    if (status == AUXO_OK && outputs.dataset->target_type == AUXO_TARGET_CLASS)
        status = eval_classes(context, &outputs, error);
    else if (status == AUXO_OK && outputs.dataset->target_type == AUXO_TARGET_REAL)
        eval_targets(context, &outputs);
    else if (status == AUXO_OK)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s holds survival times; use auxo survival eval",
                                outputs.dataset->name);
    cli_outputs_close(&outputs);
    return status;
}

static const cli_option *const options[] = {cli_data_options, cli_outputs_options, cli_device_options,
                                            cli_seed_options, cli_common_options,  NULL};

const cli_command cli_command_eval = {
    .name = "eval",
    .operands = "FILE.safetensors",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "measure a saved model on a data set",
    .description =
        "Compute the loss and accuracy of a saved model on rows of a data set, and the accuracy of each class (or the "
        "error and R2 of each target column, in the targets' own units; R2 of a constant target is undefined). The "
        "model knows its columns, classes and held-out rows: a table may have its columns in any order, and the rows "
        "that were held out when it was trained are found again.",
    .events = "{\"event\":\"class\",\"class\":0,\"name\":..,\"rows\":..,\"correct\":..}  for classes\n"
              "{\"event\":\"target\",\"name\":..,\"mse\":..,\"r2\":..}  for numbers; r2 is null where undefined\n"
              "{\"event\":\"result\",\"loss\":..,\"loss_kind\":..,\"accuracy\":..,\"rows\":..,\"images_per_second\":..,"
              "\"seconds\":..,..}",
    .examples = "auxo train --save net.safetensors --data fashion-mnist\n"
                "auxo eval net.safetensors --data fashion-mnist --device vulkan:0",
    .options = options,
    .run = run,
};

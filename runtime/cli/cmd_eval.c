/* runtime/cli/cmd_eval.c: auxo eval FILE: loss and accuracy of a saved model, by class or target column.
 *
 * The scores are the library's (auxo/metrics.h), in the units of the targets.
 */
#include "auxo/metrics.h"
#include "cli_outputs.h"
#include "cli_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void add_number(cJSON *event, const char *name, double value)
{
    if (isfinite(value))
        auxo__tree_number(event, name, value);
    else
        auxo__tree_null(event, name);
}

static void emit_class(cli_output *output, const auxo_class_scores *scores, size_t i, const char *name)
{
    const auxo_class_score *c = &scores->classes[i];
    cJSON *event = cli_event(output, "class");
    auxo__tree_number(event, "class", (double)i);
    auxo__tree_text(event, "name", name);
    auxo__tree_number(event, "rows", (double)c->rows);
    auxo__tree_number(event, "correct", (double)c->correct);
    add_number(event, "precision", c->precision);
    add_number(event, "recall", c->recall);
    add_number(event, "f1", c->f1);
    add_number(event, "auroc", c->auroc);
    cJSON *predicted = auxo__tree_add(event, "predicted_as", cJSON_CreateArray());
    for (size_t j = 0; j < scores->class_count && predicted; j++)
        auxo__tree_add(predicted, NULL, cJSON_CreateNumber((double)scores->confusion[i * scores->class_count + j]));
    cli_emit(output, event);
}

static void report_classes(cli_output *output, const cli_outputs *outputs, const auxo_class_scores *scores)
{
    cli_table *table = cli_table_create("CLASS|>ROWS|>CORRECT|>ACCURACY|>PRECISION|>F1|>ROC AUC");
    for (size_t i = 0; i < scores->class_count; i++) {
        char number[32];
        const auxo_class_score *c = &scores->classes[i];
        const char *name = cli_output_name(outputs, i, number, sizeof number);
        cli_table_row(table, "%s|%zu|%zu|%.2f %%|%.4f|%.4f|%.4f", name, c->rows, c->correct, 100 * c->recall,
                      c->precision, c->f1, c->auroc);
        emit_class(output, scores, i, name);
    }
    cli_table_print(output, table);
    cli_print(output, "mean F1 %.4f  mean ROC AUC %.4f  calibration error %.4f\n", scores->macro_f1,
              scores->macro_auroc, scores->calibration_error);
}

static void report_result(const cli_context *context, const cli_outputs *outputs, double loss,
                          const auxo_class_scores *scores)
{
    const double accuracy = scores ? scores->accuracy : (double)NAN;
    size_t rows = outputs->dataset->row_count;
    double rate = outputs->seconds > 0 ? (double)rows / outputs->seconds : 0;
    char rate_text[32];
    bool classes = outputs->kind == AUXO_TARGET_CLASS;
    const char *kind = classes ? "cross-entropy" : "mean squared error in the targets' own units";
    cli_print(context->output, classes ? "loss %.5f (%s)" : "loss %.7g (%s)", loss, kind);
    if (isfinite(accuracy))
        cli_print(context->output, "  accuracy %.2f %%", 100 * accuracy);
    cli_print(context->output, "  %zu rows  %s rows/s\n", rows,
              auxo_format_count(rate_text, sizeof rate_text, (uint64_t)rate));
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_number(result, "loss", loss);
    auxo__tree_text(result, "loss_kind", kind);
    if (isfinite(accuracy))
        auxo__tree_number(result, "accuracy", accuracy);
    else
        auxo__tree_null(result, "accuracy");
    if (scores) {
        add_number(result, "macro_f1", scores->macro_f1);
        add_number(result, "weighted_f1", scores->weighted_f1);
        add_number(result, "macro_auroc", scores->macro_auroc);
        add_number(result, "calibration_error", scores->calibration_error);
    }
    auxo__tree_number(result, "rows", (double)rows);
    auxo__tree_number(result, "images_per_second", rate);
    auxo__tree_number(result, "seconds", outputs->seconds);
    auxo__tree_number(result, "peak_host_bytes", (double)cli_peak_host_bytes());
    cli_emit(context->output, result);
}

static auxo_status write_report(const cli_outputs *outputs, const auxo_class_scores *scores, const char *path,
                                auxo_error *error)
{
    auxo_report *report = NULL;
    auxo_status status = auxo_report_create("Evaluation", &report, error);
    if (status != AUXO_OK)
        return status;
    auxo_report_text(report, "%s, %zu rows: accuracy %.2f %%, loss %.5f.", outputs->dataset->name, scores->row_count,
                     100 * scores->accuracy, scores->loss);
    status = auxo_class_scores_report(scores, outputs->names, report, error);
    if (status == AUXO_OK)
        status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}

static auxo_status eval_classes(const cli_context *context, const cli_outputs *outputs, auxo_error *error)
{
    auxo_class_scores scores;
    const char *path = cli_text(context->arguments, "report");
    auxo_status status = auxo_class_scores_compute(outputs->values, outputs->labels, outputs->dataset->row_count,
                                                   outputs->column_count, &scores, error);
    if (status != AUXO_OK)
        return status;
    if (path)
        status = write_report(outputs, &scores, path, error);
    report_classes(context->output, outputs, &scores);
    report_result(context, outputs, scores.loss, &scores);
    auxo_class_scores_deinit(&scores);
    return status;
}

static void eval_targets(const cli_context *context, const cli_outputs *outputs)
{
    size_t count = outputs->column_count;
    double loss_sum = 0;
    cli_table *table = cli_table_create("TARGET|>MSE|>RMSE|>MAE|>R2");
    for (size_t column = 0; column < count; column++) {
        char number[32], r2_text[64] = "undefined: the target is constant";
        const char *name = cli_output_name(outputs, column, number, sizeof number);
        const auxo_real_score score = auxo_real_score_compute(outputs->values + column, outputs->targets + column,
                                                              outputs->dataset->row_count, count);
        bool defined = score.variance > 0;
        if (defined)
            snprintf(r2_text, sizeof r2_text, "%.4f", score.r2);
        loss_sum += score.mse;
        cli_table_row(table, "%s|%.6g|%.6g|%.6g|%s", name, score.mse, sqrt(score.mse), score.mae, r2_text);
        cJSON *event = cli_event(context->output, "target");
        auxo__tree_text(event, "name", name);
        auxo__tree_number(event, "mse", score.mse);
        auxo__tree_number(event, "mae", score.mae);
        if (defined)
            auxo__tree_number(event, "r2", score.r2);
        else
            auxo__tree_null(event, "r2");
        if (!defined)
            auxo__tree_text(event, "r2_note", r2_text);
        cli_emit(context->output, event);
    }
    cli_table_print(context->output, table);
    report_result(context, outputs, loss_sum / (double)count, NULL);
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

static const cli_option eval_options[] = {
    {.name = "report",
     .type = CLI_TEXT,
     .argument = "FILE.html",
     .help = "Of classes: write the confusion matrix, scores of each class and the calibration as HTML"},
    CLI_OPTIONS_END,
};

static const cli_option *const options[] = {
    cli_data_options,      cli_outputs_options, eval_options,       cli_device_options,
    cli_precision_options, cli_seed_options,    cli_common_options, NULL};

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
    .events = "{\"event\":\"class\",\"class\":0,\"name\":..,\"rows\":..,\"correct\":..,\"precision\":..,\"recall\":..,"
              "\"f1\":..,\n \"auroc\":..,\"predicted_as\":[..]}  for classes\n"
              "{\"event\":\"target\",\"name\":..,\"mse\":..,\"r2\":..}  for numbers; r2 is null where undefined\n"
              "{\"event\":\"result\",\"loss\":..,\"loss_kind\":..,\"accuracy\":..,\"rows\":..,\"images_per_second\":..,"
              "\"seconds\":..,..}",
    .examples = "auxo train --save net.safetensors --data fashion-mnist\n"
                "auxo eval net.safetensors --data fashion-mnist --device vulkan:0",
    .options = options,
    .run = run,
};

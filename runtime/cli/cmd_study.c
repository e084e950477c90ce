/* runtime/cli/cmd_study.c: auxo study show, best, export, report, merge: looking at studies and putting them together.
 */
#include "auxo/study.h"
#include "cli_session.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option study_options[] = {
    {.name = "study-name",
     .type = CLI_TEXT,
     .argument = "NAME",
     .help = "The study within the file (default: the only one)"},
    CLI_OPTIONS_END,
};

static auxo_status open_study(const cli_context *context, size_t operand, bool read_only, auxo_study **study,
                              auxo_error *error)
{
    const auxo_study_options options = {
        .name = cli_text(context->arguments, "study-name"), .read_only = read_only, .lock_seconds = 5};
    return auxo_study_open(cli_operand(context->arguments, operand), &options, study, error);
}

/* "lr=0.01 batch=32" */
static void values_text(const auxo_trial *trial, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < trial->parameter_count && used < size; i++) {
        auxo_parameter parameter;
        char value[96];
        if (auxo_parameter_parse(trial->parameters[i].distribution, &parameter, NULL) != AUXO_OK)
            continue;
        auxo_parameter_text(&parameter, trial->parameters[i].value, value, sizeof value);
        auxo_parameter_deinit(&parameter);
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", i ? " " : "", trial->parameters[i].name, value);
    }
}

static const char *value_text(double value, char text[32])
{
    if (isnan(value))
        snprintf(text, 32, "-");
    else
        snprintf(text, 32, "%.6g", value);
    return text;
}

/* The trial as an event: its numbers, its values, the attributes for people. */
static cJSON *trial_event(cli_output *output, const char *name, const auxo_trial *trial)
{
    cJSON *event = cli_event(output, name);
    auxo__tree_number(event, "number", (double)trial->number);
    auxo__tree_text(event, "state", auxo_trial_state_text(trial->state));
    auxo__tree_number(event, "value", trial->value);
    cJSON *values = event ? auxo__tree_add(event, "parameters", cJSON_CreateObject()) : NULL;
    for (size_t i = 0; values && i < trial->parameter_count; i++) {
        auxo_parameter parameter;
        char text[96];
        if (auxo_parameter_parse(trial->parameters[i].distribution, &parameter, NULL) != AUXO_OK)
            continue;
        if (parameter.kind == AUXO_PARAMETER_CHOICE)
            auxo__tree_text(values, trial->parameters[i].name,
                            auxo_parameter_text(&parameter, trial->parameters[i].value, text, sizeof text));
        else
            auxo__tree_number(values, trial->parameters[i].name, trial->parameters[i].value);
        auxo_parameter_deinit(&parameter);
    }
    cJSON *reports = event ? auxo__tree_add(event, "reports", cJSON_CreateArray()) : NULL;
    for (size_t i = 0; reports && i < trial->report_count; i++)
        auxo__tree_add(reports, NULL, cJSON_CreateNumber(trial->reports[i].value));
    for (size_t i = 0; event && i < trial->attribute_count; i++)
        if (!trial->attributes[i].system && !cJSON_HasObjectItem(event, trial->attributes[i].name))
            auxo__tree_add(event, trial->attributes[i].name, cJSON_Parse(trial->attributes[i].json));
    return event;
}

static void emit_result(const cli_context *context, const auxo_study *study)
{
    size_t count = 0, ended = 0;
    const auxo_trial *trials = auxo_study_trials(study, &count), *best = auxo_study_best(study);
    for (size_t i = 0; i < count; i++)
        ended += trials[i].state == AUXO_TRIAL_COMPLETE;
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_text(result, "study", auxo_study_name(study));
    auxo__tree_number(result, "trials", (double)count);
    auxo__tree_number(result, "complete", (double)ended);
    if (best) {
        auxo__tree_number(result, "best_trial", (double)best->number);
        auxo__tree_number(result, "best_value", best->value);
    }
    cli_emit(context->output, result);
}

/* ---- show -------------------------------------------------------------------------------------------------------- */

static auxo_status run_show(const cli_context *context, auxo_error *error)
{
    auxo_study *study = NULL;
    char text[900], value[32];
    size_t count = 0;
    auxo_status status = open_study(context, 0, true, &study, error);
    if (status != AUXO_OK)
        return status;
    const auxo_trial *trials = auxo_study_trials(study, &count), *best = auxo_study_best(study);
    cli_table *table = cli_table_create(">trial|state|>value|>epochs|parameters");
    for (size_t i = 0; i < count; i++) {
        values_text(&trials[i], text, sizeof text);
        cli_table_row(table, "%" PRId64 "|%s|%s|%zu|%s", trials[i].number, auxo_trial_state_text(trials[i].state),
                      value_text(trials[i].value, value), trials[i].report_count, text);
        cli_emit(context->output, trial_event(context->output, "trial", &trials[i]));
    }
    cli_print(context->output, "study \"%s\", to be %s\n", auxo_study_name(study),
              auxo_study_maximizes(study) ? "maximised" : "minimised");
    cli_table_print(context->output, table);
    if (best)
        cli_print(context->output, "best: trial %" PRId64 ", %s\n", best->number, value_text(best->value, value));
    emit_result(context, study);
    auxo_study_close(study);
    return AUXO_OK;
}

static const cli_option *const show_tables[] = {study_options, cli_common_options, NULL};

const cli_command cli_command_study_show = {
    .name = "study show",
    .operands = "FILE.db",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "list the trials of a study",
    .description =
        "Lists every trial: state, value, epochs, parameters. The file may be Auxo's or Optuna's, and workers "
        "may be at work on it.",
    .events = "\"trial\" for each trial, then \"result\".",
    .examples = "auxo study show s.db\nauxo study show s.db --json",
    .options = show_tables,
    .run = run_show,
};

/* ---- best -------------------------------------------------------------------------------------------------------- */

/* The best trial's model to where the user wants it. */
static auxo_status copy_model(const auxo_study *study, const auxo_trial *best, const char *target, auxo_error *error)
{
    char *folder = NULL, path[4200];
    const char *json = auxo_trial_attribute_json(best, "model", false);
    cJSON *item = json ? cJSON_Parse(json) : NULL;
    if (!cJSON_IsString(item)) {
        cJSON_Delete(item);
        return auxo_error_set(error, AUXO_NOT_FOUND, "trial %" PRId64 " has no model in the study's folder",
                              best->number);
    }
    auxo_status status = auxo_study_folder(study, &folder, error);
    if (status == AUXO_OK)
        snprintf(path, sizeof path, "%s/%s", folder, item->valuestring);
    FILE *file = status == AUXO_OK ? fopen(path, "rb") : NULL;
    if (status == AUXO_OK && !file)
        status = auxo_error_set(error, AUXO_NOT_FOUND, "%s, the best trial's model, cannot be read", path);
    char *bytes = NULL;
    long size = 0;
    if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0 && fseek(file, 0, SEEK_SET) == 0)
        bytes = malloc((size_t)size);
    if (file && (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size))
        status = auxo_error_set(error, AUXO_IO, "%s cannot be read", path);
    if (status == AUXO_OK)
        status = auxo_file_write(target, bytes, (size_t)size, error);
    if (file)
        fclose(file);
    free(bytes);
    free(folder);
    cJSON_Delete(item);
    return status;
}

static auxo_status run_best(const cli_context *context, auxo_error *error)
{
    auxo_study *study = NULL;
    char text[900], value[32];
    const char *save = cli_text(context->arguments, "save");
    auxo_status status = open_study(context, 0, true, &study, error);
    const auxo_trial *best = status == AUXO_OK ? auxo_study_best(study) : NULL;
    if (status == AUXO_OK && !best)
        status = auxo_error_set(error, AUXO_NOT_FOUND, "%s has no complete trial with a finite value yet",
                                cli_operand(context->arguments, 0));
    if (status == AUXO_OK && save)
        status = copy_model(study, best, save, error);
    if (status == AUXO_OK) {
        values_text(best, text, sizeof text);
        cli_print(context->output, "trial %" PRId64 ": %s\n%s\n", best->number, value_text(best->value, value), text);
        cli_emit(context->output, trial_event(context->output, "result", best));
    }
    auxo_study_close(study);
    return status;
}

static const cli_option best_options[] = {
    {.name = "save", .type = CLI_TEXT, .argument = "FILE", .help = "Write the best trial's model here"},
    CLI_OPTIONS_END,
};
static const cli_option *const best_tables[] = {best_options, study_options, cli_common_options, NULL};

const cli_command cli_command_study_best = {
    .name = "study best",
    .operands = "FILE.db",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "the best trial of a study, and its model",
    .description =
        "Prints the complete trial with the best value; of equals the first. With --save its model is copied "
        "from the study's folder.",
    .examples = "auxo study best s.db --save best.safetensors",
    .options = best_tables,
    .run = run_best,
};

/* ---- export ------------------------------------------------------------------------------------------------------ */

static void put_cell(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* Names of parameters or attributes over all trials, in the order in which they appear. Ownership: free(names). */
static const char **collect_names(const auxo_study *study, bool attributes, size_t *count)
{
    size_t trial_count = 0, capacity = 0;
    const char **names = NULL;
    const auxo_trial *trials = auxo_study_trials(study, &trial_count);
    *count = 0;
    for (size_t t = 0; t < trial_count; t++) {
        const size_t parts = attributes ? trials[t].attribute_count : trials[t].parameter_count;
        for (size_t i = 0; i < parts; i++) {
            const char *name = attributes ? trials[t].attributes[i].name : trials[t].parameters[i].name;
            bool known = attributes && trials[t].attributes[i].system;
            for (size_t k = 0; k < *count && !known; k++)
                known = strcmp(names[k], name) == 0;
            if (known)
                continue;
            if (*count == capacity) {
                capacity = 2 * capacity + 16;
                const char **grown = realloc((void *)names, capacity * sizeof *names);
                if (!grown) {
                    free((void *)names);
                    return NULL;
                }
                names = grown;
            }
            names[(*count)++] = name;
        }
    }
    return names ? names : calloc(1, sizeof *names);
}

static void put_row(FILE *out, const auxo_trial *trial, const char *const *parameters, size_t parameter_count,
                    const char *const *attributes, size_t attribute_count)
{
    char text[128];
    fprintf(out, "%" PRId64 ",%s,", trial->number, auxo_trial_state_text(trial->state));
    if (!isnan(trial->value))
        fprintf(out, "%.17g", trial->value);
    fprintf(out, ",%s,%s", trial->started ? trial->started : "", trial->completed ? trial->completed : "");
    for (size_t p = 0; p < parameter_count; p++) {
        fputc(',', out);
        for (size_t i = 0; i < trial->parameter_count; i++) {
            auxo_parameter parameter;
            if (strcmp(trial->parameters[i].name, parameters[p]) != 0 ||
                auxo_parameter_parse(trial->parameters[i].distribution, &parameter, NULL) != AUXO_OK)
                continue;
            put_cell(out, auxo_parameter_text(&parameter, trial->parameters[i].value, text, sizeof text));
            auxo_parameter_deinit(&parameter);
        }
    }
    for (size_t a = 0; a < attribute_count; a++) {
        const char *json = auxo_trial_attribute_json(trial, attributes[a], false);
        fputc(',', out);
        put_cell(out, json ? json : "");
    }
    fputc('\n', out);
}

static auxo_status write_csv(const auxo_study *study, const char *path, auxo_error *error)
{
    size_t count = 0, parameter_count = 0, attribute_count = 0, size = 0;
    const auxo_trial *trials = auxo_study_trials(study, &count);
    const char **parameters = collect_names(study, false, &parameter_count);
    const char **attributes = collect_names(study, true, &attribute_count);
    char *bytes = NULL;
    FILE *out = parameters && attributes ? open_memstream(&bytes, &size) : NULL;
    if (out) {
        fputs("number,state,value,started,completed", out);
        for (size_t i = 0; i < parameter_count; i++) {
            fputs(",params_", out);
            put_cell(out, parameters[i]);
        }
        for (size_t i = 0; i < attribute_count; i++) {
            fputs(",user_attrs_", out);
            put_cell(out, attributes[i]);
        }
        fputc('\n', out);
        for (size_t i = 0; i < count; i++)
            put_row(out, &trials[i], parameters, parameter_count, attributes, attribute_count);
    }
    const bool whole = out && !ferror(out);
    auxo_status status = out && fclose(out) == 0 && whole ? auxo_file_write(path, bytes, size, error)
                                                          : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory");
    free(bytes);
    free((void *)parameters);
    free((void *)attributes);
    return status;
}

static auxo_status run_export(const cli_context *context, auxo_error *error)
{
    auxo_study *study = NULL;
    const char *path = cli_text(context->arguments, "out");
    if (!path)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--out says where the table goes: --out trials.csv");
    auxo_status status = open_study(context, 0, true, &study, error);
    if (status == AUXO_OK)
        status = write_csv(study, path, error);
    if (status == AUXO_OK)
        emit_result(context, study);
    auxo_study_close(study);
    return status;
}

static const cli_option export_options[] = {
    {.name = "out", .type = CLI_TEXT, .argument = "FILE.csv", .help = "Write the trials here, one row each"},
    CLI_OPTIONS_END,
};
static const cli_option *const export_tables[] = {export_options, study_options, cli_common_options, NULL};

const cli_command cli_command_study_export = {
    .name = "study export",
    .operands = "FILE.db",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "write the trials of a study as a table",
    .description = "Writes comma-separated values with one row per trial: number, state, value, times, parameters "
                   "(params_...), attributes (user_attrs_...), as Optuna's trials_dataframe names them.",
    .examples = "auxo study export s.db --out trials.csv",
    .options = export_tables,
    .run = run_export,
};

/* ---- report ------------------------------------------------------------------------------------------------------ */

static auxo_status run_report(const cli_context *context, auxo_error *error)
{
    auxo_study *study = NULL;
    auxo_report *report = NULL;
    const char *path = cli_text(context->arguments, "report");
    if (!path)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--report says where it goes: --report study.html");
    auxo_status status = open_study(context, 0, true, &study, error);
    if (status == AUXO_OK)
        status = auxo_report_create("Study", &report, error);
    if (status == AUXO_OK)
        status = auxo_study_draw(study, report, error);
    if (status == AUXO_OK)
        status = auxo_report_write(report, path, error);
    if (status == AUXO_OK)
        emit_result(context, study);
    auxo_report_destroy(report);
    auxo_study_close(study);
    return status;
}

static const cli_option report_options[] = {
    {.name = "report", .type = CLI_TEXT, .argument = "FILE.html", .help = "Write the pictures here"},
    CLI_OPTIONS_END,
};
static const cli_option *const report_tables[] = {report_options, study_options, cli_common_options, NULL};

const cli_command cli_command_study_report = {
    .name = "study report",
    .operands = "FILE.db",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "draw a study: history, importance, parallel coordinates, slices",
    .description =
        "Writes one HTML file: the history of the values, how much of their variance each parameter explains by itself "
        "(adjusted one-way share of variance), parallel coordinates, a slice for each parameter, and the best trials.",
    .examples = "auxo study report s.db --report study.html",
    .options = report_tables,
    .run = run_report,
};

/* ---- merge ------------------------------------------------------------------------------------------------------- */

static auxo_status run_merge(const cli_context *context, auxo_error *error)
{
    auxo_study *target = NULL;
    size_t total = 0;
    auxo_status status = open_study(context, 0, false, &target, error);
    for (size_t i = 1; i < cli_operand_count(context->arguments) && status == AUXO_OK; i++) {
        auxo_study *source = NULL;
        size_t added = 0;
        status = open_study(context, i, true, &source, error);
        if (status == AUXO_OK)
            status = auxo_study_merge(target, source, &added, error);
        if (status == AUXO_OK)
            cli_print(context->output, "%s: %zu trials added\n", cli_operand(context->arguments, i), added);
        total += added;
        auxo_study_close(source);
    }
    if (status == AUXO_OK) {
        cli_print(context->output, "%zu trials added to %s\n", total, cli_operand(context->arguments, 0));
        emit_result(context, target);
    }
    auxo_study_close(target);
    return status;
}

const cli_command cli_command_study_merge = {
    .name = "study merge",
    .operands = "FILE.db OTHER.db...",
    .operand_min = 2,
    .operand_max = 1000,
    .summary = "add the trials of other studies to one",
    .description =
        "Adds the complete and pruned trials of the other files that the first does not have yet; a trial is "
        "added once however often it comes. Parameters of one name must range over the same values. Models "
        "that the trials name are copied into the first study's folder.",
    .examples = "auxo study merge all.db machine1.db machine2.db",
    .options = show_tables,
    .run = run_merge,
};

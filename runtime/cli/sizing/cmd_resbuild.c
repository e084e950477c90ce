/* runtime/cli/sizing/cmd_resbuild.c: auxo resbuild: depth and width of a residual network within a budget (SPEC:
 * ResBuilder).
 *
 * The library makes and trains one architecture per call; this file has options, presets, events and checkpoints, which
 * are taken between architectures.
 */
#include "cli_text.h"
#include "resbuild_run.h"
#include "sizing_evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_preset presets[] = {
    {"minimal",
     "from one convolution of 64 filters and three image sizes, 1e8 FLOPs (RB-0Net)",
     {{"model", "conv:64:3:3"}}},
    {"resnet18", "from ResNet-18 with the stem for small pictures (RB-R18)", {{"model", "resnet18"}}},
    {"paper",
     "from ResNet-18 with the ImageNet stem; blocks are judged by the mean, as coded originally",
     {{"model", "resnet18-imagenet"}, {"prune-stat", "mean"}}},
    {"morphnet",
     "ablation: no insertions, MorphNet steps only, from the minimal network",
     {{"model", "conv:64:3:3"}, {"insertions", "0"}}},
    {"small",
     "the minimal start scaled down for a processor: 16 filters, 1e6 FLOPs, 2 insertions, 3 cycles, 4 epochs",
     {{"model", "conv:16:3:3"},
      {"budget-flops", "1e6"},
      {"insertions", "2"},
      {"cycles", "3"},
      {"epochs", "4"},
      {"optimizer", "adam:lr=0.003,weight_decay=1e-5"}}},
    {"small-morphnet",
     "the same without insertions, at the same budget",
     {{"model", "conv:16:3:3"},
      {"budget-flops", "1e6"},
      {"insertions", "0"},
      {"cycles", "9"},
      {"epochs", "4"},
      {"optimizer", "adam:lr=0.003,weight_decay=1e-5"}}},
    {0},
};

static const cli_option resbuild_options[] = {
    {.name = "preset",
     .type = CLI_CHOICE,
     .argument = "minimal|resnet18|paper|morphnet|small|small-morphnet",
     .initial = "minimal",
     .help = "Start and settings of an experiment; options given as well win",
     .presets = presets},
    {.name = "insertions",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "4",
     .help = "Blocks inserted between two MorphNet steps; 0: MorphNet only",
     .maximum = 1000},
    {.name = "cycles",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "7",
     .help = "MorphNet steps",
     .minimum = 1,
     .maximum = 1000},
    {.name = "architectures",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Stop after N architectures; go on with --resume"},
    {.name = "epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "20",
     .help = "Epochs of each training",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "trainings",
     .type = CLI_CHOICE,
     .argument = "all|fresh|inherited|regularized",
     .initial = "all",
     .help = "Trainings of each architecture beside the regularized one: from fresh weights (NoReg-RI), from the "
             "regularized ones (NoReg-WI), both, or none"},
    {.name = "lambda-layer",
     .type = CLI_REAL,
     .argument = "L",
     .initial = "1e-8",
     .help = "Strength of LayerLasso on the convolutions of blocks",
     .minimum = 0,
     .maximum = 1e3},
    {.name = "lambda-morph",
     .type = CLI_REAL,
     .argument = "L",
     .initial = "1e-7",
     .help = "Strength of MorphNet's regulariser",
     .minimum = 0,
     .maximum = 1e3},
    {.name = "morph-threshold",
     .type = CLI_REAL,
     .argument = "G",
     .initial = "0.01",
     .help = "A channel is alive if its batch-norm scale is above this",
     .minimum = 1e-12,
     .maximum = 1e3},
    {.name = "tau",
     .type = CLI_REAL,
     .argument = "T",
     .initial = "0.001",
     .help = "A block goes when the statistic of one of its convolutions is below this",
     .minimum = 0,
     .maximum = 1e6},
    {.name = "prune-stat",
     .type = CLI_CHOICE,
     .argument = "sum|mean|max",
     .initial = "sum",
     .help = "That statistic, of the absolute weights"},
    {.name = "keep-gain",
     .type = CLI_REAL,
     .argument = "G",
     .initial = "0.015",
     .help = "No block goes after an insertion that gained more validation accuracy than this",
     .minimum = 0,
     .maximum = 1},
    {.name = "intensity",
     .type = CLI_REAL,
     .argument = "I",
     .initial = "1",
     .help = "How far widths follow MorphNet's proposal, 0 to 1",
     .minimum = 0,
     .maximum = 1},
    {.name = "new-scale",
     .type = CLI_REAL,
     .argument = "S",
     .initial = "0.01",
     .help = "Scale of an inserted block's weights",
     .minimum = 0,
     .maximum = 10},
    {.name = "exact-insertion",
     .type = CLI_FLAG,
     .help = "Zero the last batch norm of an inserted block as well: the function is kept exactly"},
    {.name = "save", .type = CLI_TEXT, .argument = "FILE", .help = "Write the best network here (safetensors)"},
    {.name = "report",
     .type = CLI_TEXT,
     .argument = "FILE.html",
     .help = "Write accuracy, depth and width of all architectures, and the best one drawn, as one HTML file"},
    CLI_OPTIONS_END,
};

static auxo_status read_options(resbuild_run *run, auxo_error *error)
{
    const cli_arguments *arguments = run->job.context->arguments;
    auxo_resbuild_options *options = &run->options;
    size_t trainings = cli_choice(arguments, "trainings");
    auxo_resbuild_options_init(options);
    options->insertions = (uint32_t)cli_integer(arguments, "insertions");
    options->cycles = (uint32_t)cli_integer(arguments, "cycles");
    options->epochs = (uint32_t)cli_integer(arguments, "epochs");
    options->trainings[AUXO_TRAINING_FRESH] = trainings == 0 || trainings == 1;
    options->trainings[AUXO_TRAINING_INHERITED] = trainings == 0 || trainings == 2;
    options->layer_lasso = cli_real(arguments, "lambda-layer");
    options->morph_strength = cli_real(arguments, "lambda-morph");
    options->morph_threshold = cli_real(arguments, "morph-threshold");
    options->removal_threshold = cli_real(arguments, "tau");
    options->removal_statistic = (auxo_block_statistic)cli_choice(arguments, "prune-stat");
    options->keep_gain = cli_real(arguments, "keep-gain");
    options->intensity = cli_real(arguments, "intensity");
    options->new_scale = cli_real(arguments, "new-scale");
    options->exact_insertion = cli_flag(arguments, "exact-insertion");
    options->training = run->job.options;
    options->training.on_step = NULL; /* one line per architecture is enough */
    options->seed = run->job.options.seed;
    return sizing_budget_read(arguments, options->budget.limit, &options->budget, error);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static cJSON *record_to_json(const auxo_architecture_record *record)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddNumberToObject(item, "number", record->number);
    cJSON_AddStringToObject(item, "what", record->what);
    cJSON_AddNumberToObject(item, "removed_blocks", record->removed_blocks);
    cJSON_AddItemToObject(item, "accuracy", cJSON_CreateDoubleArray(record->accuracy, AUXO_TRAINING_COUNT));
    cJSON_AddNumberToObject(item, "convolutions", record->convolutions);
    cJSON_AddNumberToObject(item, "widest", record->widest);
    cJSON_AddNumberToObject(item, "first_width", record->first_width);
    cJSON_AddNumberToObject(item, "weights", (double)record->weights);
    cJSON_AddNumberToObject(item, "cost", record->cost);
    cJSON_AddNumberToObject(item, "seconds", record->seconds);
    return item;
}

static double number_of(const cJSON *item, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, name);
    return cJSON_IsNumber(value) && isfinite(value->valuedouble) ? value->valuedouble : 0;
}

static void record_from_json(const cJSON *item, auxo_architecture_record *record)
{
    const char *what = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "what"));
    const cJSON *accuracy = cJSON_GetObjectItemCaseSensitive(item, "accuracy");
    *record = (auxo_architecture_record){.number = (uint32_t)number_of(item, "number"),
                                         .removed_blocks = (uint32_t)number_of(item, "removed_blocks"),
                                         .convolutions = (uint32_t)number_of(item, "convolutions"),
                                         .widest = (uint32_t)number_of(item, "widest"),
                                         .first_width = (uint32_t)number_of(item, "first_width"),
                                         .weights = (uint64_t)number_of(item, "weights"),
                                         .cost = number_of(item, "cost"),
                                         .seconds = number_of(item, "seconds")};
    snprintf(record->what, sizeof record->what, "%s", what ? what : "");
    for (int t = 0; t < AUXO_TRAINING_COUNT; t++) {
        const cJSON *value = cJSON_GetArrayItem(accuracy, t);
        record->accuracy[t] = cJSON_IsNumber(value) ? value->valuedouble : NAN;
    }
}

static auxo_status keep_record(resbuild_run *run, const auxo_architecture_record *record, auxo_error *error)
{
    auxo_architecture_record *records = realloc(run->records, (run->record_count + 1) * sizeof *records);
    if (!records)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of architectures: out of memory");
    run->records = records;
    records[run->record_count++] = *record;
    return AUXO_OK;
}

static auxo_status save_checkpoint(const resbuild_run *run, auxo_error *error)
{
    if (!cli_text(run->job.context->arguments, "checkpoint"))
        return AUXO_OK;
    char *inner = NULL, *settings = sizing_settings(run->job.context);
    auxo_status status = auxo_resbuild_describe(run->resbuild, &inner, error);
    if (status == AUXO_OK) {
        cJSON *state = cJSON_CreateObject(), *records = cJSON_AddArrayToObject(state, "records");
        const sizing_model models[] = {{"current", auxo_resbuild_current(run->resbuild)},
                                       {"best", auxo_resbuild_best(run->resbuild, NULL)}};
        cJSON_AddStringToObject(state, "settings", settings ? settings : "");
        cJSON_AddStringToObject(state, "resbuild", inner);
        for (size_t i = 0; i < run->record_count; i++)
            cJSON_AddItemToArray(records, record_to_json(&run->records[i]));
        status = sizing_checkpoint_save(run->job.context, state, models, 2, error);
        cJSON_Delete(state);
    }
    free(inner);
    free(settings);
    return status;
}

static auxo_status load_checkpoint(resbuild_run *run, auxo_error *error)
{
    sizing_model models[] = {{"current", NULL}, {"best", NULL}};
    char *settings = sizing_settings(run->job.context);
    cJSON *state = NULL;
    const cJSON *item;
    auxo_status status = sizing_checkpoint_load(run->job.context, run->job.session.device, settings ? settings : "{}",
                                                &state, models, 2, error);
    const char *inner = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(state, "resbuild"));
    if (status == AUXO_OK && state && (!inner || !models[0].model))
        status = auxo_error_set(error, AUXO_FORMAT, "--resume: %s is no checkpoint of auxo resbuild",
                                cli_text(run->job.context->arguments, "checkpoint"));
    if (status == AUXO_OK && state)
        status = auxo_resbuild_restore(run->resbuild, inner, models[0].model, models[1].model, error);
    if (status != AUXO_OK) {
        auxo_model_destroy(models[0].model);
        auxo_model_destroy(models[1].model);
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "records"))
    {
        auxo_architecture_record record;
        record_from_json(item, &record);
        if (status == AUXO_OK)
            status = keep_record(run, &record, error);
    }
    cJSON_Delete(state);
    free(settings);
    return status;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void report_architecture(const resbuild_run *run, const auxo_architecture_record *record)
{
    static const char *const names[AUXO_TRAINING_COUNT] = {"reg", "fresh", "inherited"};
    cli_output *output = run->job.context->output;
    char cost[48], weights[32];
    cli_print(output, "%3u  %-36s %2u convs  %9s weights  %s", record->number, record->what, record->convolutions,
              cli_format_count(weights, sizeof weights, record->weights),
              sizing_format_cost(cost, sizeof cost, &run->options.budget, record->cost));
    if (record->removed_blocks)
        cli_print(output, "  %u removed", record->removed_blocks);
    for (int t = 0; t < AUXO_TRAINING_COUNT; t++)
        if (isfinite(record->accuracy[t]))
            cli_print(output, "  %s %.2f %%", names[t], 100 * record->accuracy[t]);
    cli_print(output, "  %.1f s\n", record->seconds);
    cJSON *event = cli_event(output, "architecture"), *item = record_to_json(record);
    while (event && item && item->child) {
        cJSON *moved = cJSON_DetachItemViaPointer(item, item->child);
        cJSON_AddItemToObject(event, moved->string, moved);
    }
    cJSON_Delete(item);
    cli_emit(output, event);
}

static auxo_status run_architectures(resbuild_run *run, auxo_error *error)
{
    uint64_t limit = cli_integer(run->job.context->arguments, "architectures");
    for (;;) {
        auxo_architecture_record record;
        bool done = limit > 0 && run->record_count >= limit;
        auxo_status status = done ? AUXO_OK : auxo_resbuild_next(run->resbuild, &record, &done, error);
        if (status != AUXO_OK || done)
            return status;
        status = keep_record(run, &record, error);
        if (status == AUXO_OK) {
            report_architecture(run, &record);
            status = save_checkpoint(run, error);
        }
        if (status != AUXO_OK)
            return status;
    }
}

static void report_result(const resbuild_run *run, double best_accuracy, const auxo_model *best)
{
    cli_output *output = run->job.context->output;
    cli_print(output, "best: validation %.2f %%, test %.2f %%, %" PRIu64 " weights, %zu architectures, %zu edits\n",
              100 * best_accuracy, 100 * run->test.accuracy, auxo_model_weight_count(best), run->record_count,
              auxo_resbuild_log(run->resbuild)->count);
    cJSON *result = cli_event(output, "result");
    cJSON_AddNumberToObject(result, "validation_accuracy", best_accuracy);
    cJSON_AddNumberToObject(result, "test_accuracy", run->test.accuracy);
    cJSON_AddNumberToObject(result, "test_loss", run->test.loss);
    cJSON_AddNumberToObject(result, "weights", (double)auxo_model_weight_count(best));
    cJSON_AddNumberToObject(result, "architectures", (double)run->record_count);
    cJSON_AddNumberToObject(result, "edits", (double)auxo_resbuild_log(run->resbuild)->count);
    cli_emit(output, result);
}

/* Saves, measures and reports the best model; also after a run that ended early. */
static auxo_status finish(resbuild_run *run, auxo_error *error)
{
    const cli_arguments *arguments = run->job.context->arguments;
    double best_accuracy = NAN;
    auxo_model *best = auxo_resbuild_best(run->resbuild, &best_accuracy);
    if (!best)
        return AUXO_OK;
    auxo_status status = auxo_model_set_data_schema(best, auxo_dataset_schema(run->job.train), error);
    if (status == AUXO_OK && cli_text(arguments, "save"))
        status = auxo_model_save(best, cli_text(arguments, "save"), error);
    if (status == AUXO_OK)
        status = sizing_evaluate(&run->job, best, &run->test, error);
    if (status == AUXO_OK && cli_text(arguments, "report"))
        status = resbuild_report_write(run, cli_text(arguments, "report"), error);
    if (status == AUXO_OK)
        report_result(run, best_accuracy, best);
    return status;
}

static auxo_status open_run(resbuild_run *run, const cli_context *context, auxo_error *error)
{
    const train_job_setup setup = {.optimizer = "adam:weight_decay=1e-5",
                                   .validation = 0.1,
                                   .schedule_end = (uint32_t)cli_integer(context->arguments, "epochs")};
    auxo_model_desc start;
    auxo_model_desc_init(&start);
    auxo_status status = cli_check_writable("save", cli_text(context->arguments, "save"), error);
    if (status == AUXO_OK)
        status = cli_check_writable("report", cli_text(context->arguments, "report"), error);
    if (status == AUXO_OK)
        status = train_job_open_data(context, &setup, &run->job, error);
    if (status == AUXO_OK && run->job.train->target_type != AUXO_TARGET_CLASS)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "--data %s has numbers as targets; resbuild needs classes", run->job.train->name);
    if (status == AUXO_OK)
        status = read_options(run, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_load(cli_model_resolve(cli_text(context->arguments, "model"), run->job.train),
                                      run->job.train->channels, run->job.train->height, run->job.train->width,
                                      cli_data_output_count(run->job.train), &start, error);
    if (status == AUXO_OK)
        status = auxo_resbuild_create(run->job.session.device, &start, run->job.train, run->job.validation,
                                      &run->options, &run->resbuild, error);
    auxo_model_desc_deinit(&start);
    return status == AUXO_OK ? load_checkpoint(run, error) : status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    resbuild_run run = {.test = {NAN, NAN, 0}};
    auxo_error ended = {0};
    auxo_status status = open_run(&run, context, error);
    if (status == AUXO_OK) {
        /* Whatever ends the run, what it found is saved and reported before the reason is given. */
        auxo_status end = run_architectures(&run, &ended);
        status = finish(&run, error);
        if (status == AUXO_OK && end != AUXO_OK) {
            bool kept = auxo_resbuild_best(run.resbuild, NULL) != NULL;
            status =
                auxo_error_set(error, end, "%s%s", ended.message, kept ? "; the best network so far was kept" : "");
        }
    }
    auxo_resbuild_destroy(run.resbuild);
    train_job_close(&run.job);
    free(run.records);
    return status;
}

static const cli_option *const options[] = {resbuild_options, sizing_budget_options, cli_model_options,
                                            cli_data_options, train_job_options,     cli_device_options,
                                            cli_seed_options, cli_common_options,    NULL};

const cli_command cli_command_resbuild = {
    .name = "resbuild",
    .summary = "build a residual network's depth and width within a budget",
    .description =
        "ResBuilder: residual blocks go in at random places, those whose weights become small under LayerLasso go out, "
        "and now and then a MorphNet step sets all widths anew within the budget. Every architecture is trained up to "
        "three times: with the penalties, without them from fresh weights, and without them from the penalised "
        "weights. The best by validation accuracy is kept and measured on the test split at the end."
        "\n\nEach architecture is a checkpoint: --checkpoint FILE --resume continues to the same numbers. An "
        "architecture that breaks down ends the run with a message; the best network is saved before.",
    .events =
        "{\"event\":\"architecture\",\"number\":3,\"what\":..,\"accuracy\":[reg,fresh,inherited],\"weights\":..,..}\n"
        "{\"event\":\"checkpoint\",\"path\":..}\n"
        "{\"event\":\"result\",\"validation_accuracy\":..,\"test_accuracy\":..,\"weights\":..,..}",
    .examples = "auxo resbuild --preset small --data fashion-mnist --limit 6000 --augment shift=2 --report rb.html\n"
                "auxo resbuild --data cifar-10 --augment shift=3,flip --device opencl:0 --checkpoint rb --resume\n"
                "auxo resbuild --preset resnet18 --data cifar-10 --budget-latency 2 --latency-batch 8",
    .options = options,
    .run = run,
};

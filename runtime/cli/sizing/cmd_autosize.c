/* runtime/cli/sizing/cmd_autosize.c: auxo autosize: dynamic epochs (grow, fit, prune), then static fine-tuning.
 *
 * The epoch loop of Algorithm 2 lives here: the library offers growth and pruning as steps. Checkpoints are taken
 * between epochs only, so that a resumed run never grows twice.
 */
#include "auxo/report.h"
#include "auxo/sizing.h"
#include "cli_text.h"
#include "sizing_report.h"
#include "train_job.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_preset presets[] = {
    {"thesis", "what is in this list as defaults: autosize-cnn from 100 units a layer, 20 and 20 epochs", {{0}}},
    {"quick",
     "from 20 units a layer, 6 and 12 epochs, a higher learning rate that falls while fine-tuning",
     {{"model", "autosize-cnn:20-20-20-20-20"},
      {"optimizer", "adam:lr=0.0004"},
      {"lr-schedule", "cosine"},
      {"dynamic-epochs", "6"},
      {"static-epochs", "12"}}},
    {"regression", "five dense layers for tables (Fig. 6.4)", {{"model", "autosize-mlp"}}},
    {"l21", "l2,1 instead of the weighted l1 penalty (table 6.2)", {{"penalty", "l21"}, {"alpha", "1e-4"}}},
    {"no-growth", "only prunes (table 6.3)", {{"grow", "no"}}},
    {"no-fine-tuning",
     "only prunes, 40 epochs with the penalty (table 6.3)",
     {{"grow", "no"}, {"dynamic-epochs", "40"}, {"static-epochs", "0"}}},
    {"static-weighted",
     "fixed sizes with the penalty, then fine-tuning (table 6.3)",
     {{"grow", "no"}, {"prune", "no"}}},
    {"static-l1",
     "fixed sizes with the plain l1 penalty, 40 epochs (table 6.3)",
     {{"grow", "no"}, {"prune", "no"}, {"penalty", "l1"}, {"dynamic-epochs", "40"}, {"static-epochs", "0"}}},
    {"static",
     "fixed sizes, no penalty (tables 6.2 and 6.3)",
     {{"grow", "no"}, {"prune", "no"}, {"alpha", "0"}, {"dynamic-epochs", "0"}, {"static-epochs", "40"}}},
    {0},
};

static const cli_option autosize_options[] = {
    {.name = "preset",
     .type = CLI_CHOICE,
     .argument = "thesis|quick|regression|l21|no-growth|no-fine-tuning|static-weighted|static-l1|static",
     .initial = "thesis",
     .help = "Settings of an experiment; options given as well win",
     .presets = presets},
    {.name = "alpha",
     .type = CLI_REAL,
     .argument = "A",
     .initial = "2e-5",
     .help = "Strength of the penalty on incoming weights",
     .minimum = 0,
     .maximum = 1e3},
    {.name = "penalty",
     .type = CLI_CHOICE,
     .argument = "weighted_l1|l1|l21|linf1",
     .initial = "weighted_l1",
     .help = "Penalty; weighted_l1 weighs unit j by j"},
    {.name = "step",
     .type = CLI_CHOICE,
     .argument = "subgradient|proximal",
     .initial = "subgradient",
     .help = "How the penalty acts: in the gradient, or as a proximal step after each update"},
    {.name = "dynamic-epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "20",
     .help = "Epochs that grow, fit and prune",
     .maximum = 1e6},
    {.name = "static-epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "20",
     .help = "Epochs of fine-tuning at the final size, without penalty",
     .maximum = 1e6},
    {.name = "grow",
     .type = CLI_FLAG,
     .initial = "yes",
     .help = "Grow before each dynamic epoch; --no-grow only prunes"},
    {.name = "prune",
     .type = CLI_FLAG,
     .initial = "yes",
     .help = "Prune after each dynamic epoch; --no-prune keeps every unit"},
    {.name = "growth-minimum",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "20",
     .help = "New units per hidden layer and epoch, at least",
     .maximum = 1e6},
    {.name = "growth-fraction",
     .type = CLI_REAL,
     .argument = "F",
     .initial = "0.2",
     .help = "New units per epoch, as a fraction of those there are",
     .minimum = 0,
     .maximum = 10},
    {.name = "tau",
     .type = CLI_REAL,
     .argument = "T",
     .initial = "0.001",
     .help = "A unit whose weights are all smaller is pruned; new weights are scaled by it",
     .minimum = 1e-12,
     .maximum = 1},
    {.name = "adam-on-resize",
     .type = CLI_CHOICE,
     .argument = "carry|reset",
     .initial = "carry",
     .help = "What happens to the optimizer's moments when layers change"},
    {.name = "probe-rows",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "512",
     .help = "Rows on which the loss before and after each edit is measured, of the validation set where there is one; "
             "0: none",
     .maximum = 1e9},
    {.name = "save", .type = CLI_TEXT, .argument = "FILE", .help = "Write the sized network here (safetensors)"},
    {.name = "report",
     .type = CLI_TEXT,
     .argument = "FILE.html",
     .help = "Write sizes, curves and edits as one HTML file"},
    CLI_OPTIONS_END,
};

typedef struct autosize_run {
    train_job job;
    auxo_autosize *autosize;
    uint32_t dynamic_epochs, total_epochs;
    double *sizes; /* (epoch, hidden layer), after each epoch; grows with the history */
    auxo_dataset *probe;
    double edit_seconds, seconds;
    bool prune, penalty_stopped, interrupted;
} autosize_run;

/* The first rows of the validation set, or of the training set. */
static auxo_status make_probe(autosize_run *run, const train_job *job, auxo_error *error)
{
    const auxo_dataset *from = job->validation ? job->validation : job->train;
    size_t count = cli_integer(job->context->arguments, "probe-rows");
    count = count < from->row_count ? count : from->row_count;
    if (count == 0)
        return AUXO_OK;
    uint32_t *rows = malloc(count * sizeof *rows);
    if (!rows)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "probe rows: out of memory");
    for (size_t i = 0; i < count; i++)
        rows[i] = (uint32_t)i;
    auxo_status status = auxo_dataset_select(from, rows, count, &run->probe, error);
    free(rows);
    return status;
}

static auxo_status prepare(void *user, train_job *job, auxo_error *error)
{
    static const auxo_penalty_kind kinds[] = {AUXO_PENALTY_WEIGHTED_L1, AUXO_PENALTY_L1, AUXO_PENALTY_L21,
                                              AUXO_PENALTY_LINF1};
    autosize_run *run = user;
    const cli_arguments *arguments = job->context->arguments;
    auxo_autosize_options options;
    auxo_autosize_options_init(&options);
    options.penalty = kinds[cli_choice(arguments, "penalty")];
    options.strength = cli_real(arguments, "alpha");
    options.proximal = cli_choice(arguments, "step") == 1;
    options.grow = cli_flag(arguments, "grow");
    options.growth_minimum = (uint32_t)cli_integer(arguments, "growth-minimum");
    options.growth_fraction = cli_real(arguments, "growth-fraction");
    options.threshold = cli_real(arguments, "tau");
    options.reset_state = cli_choice(arguments, "adam-on-resize") == 1;
    run->prune = cli_flag(arguments, "prune");
    auxo_status status = make_probe(run, job, error);
    options.probe = run->probe;
    if (status == AUXO_OK)
        status = auxo_autosize_create(job->model, &options, &run->autosize, error);
    job->options.before_step = auxo_autosize_before_step;
    job->options.after_step = auxo_autosize_after_step;
    job->options.hook_user = run->autosize;
    return status;
}

static auxo_status keep_sizes(autosize_run *run, auxo_error *error)
{
    uint32_t layers = auxo_autosize_layer_count(run->autosize), epochs = auxo_trainer_epoch(run->job.trainer);
    double *sizes = realloc(run->sizes, ((size_t)epochs + 1) * layers * sizeof *sizes);
    if (!sizes)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of sizes: out of memory");
    run->sizes = sizes;
    for (uint32_t i = 0; i < layers; i++)
        sizes[(size_t)(epochs - 1) * layers + i] = auxo_autosize_units(run->autosize, i);
    return AUXO_OK;
}

static auxo_status describe_extra(void *user, cJSON *root, auxo_error *error)
{
    const autosize_run *run = user;
    uint32_t layers = auxo_autosize_layer_count(run->autosize), epochs = auxo_trainer_epoch(run->job.trainer);
    char *edits = NULL;
    auxo_status status = auxo_edit_log_describe(auxo_autosize_log(run->autosize), &edits, error);
    if (status == AUXO_OK)
        cJSON_AddStringToObject(root, "edits", edits);
    free(edits);
    cJSON_AddItemToObject(root, "sizes", cJSON_CreateDoubleArray(run->sizes, (int)(epochs * layers)));
    return status;
}

static auxo_status restore_extra(void *user, const cJSON *root, auxo_error *error)
{
    autosize_run *run = user;
    const cJSON *sizes = cJSON_GetObjectItemCaseSensitive(root, "sizes"), *item;
    uint32_t layers = auxo_autosize_layer_count(run->autosize), epochs = auxo_trainer_epoch(run->job.trainer);
    if (!cJSON_IsArray(sizes) || (uint32_t)cJSON_GetArraySize(sizes) != epochs * layers)
        return auxo_error_set(error, AUXO_FORMAT, "--resume: the checkpoint was not written by auxo autosize");
    run->sizes = malloc(((size_t)epochs * layers + 1) * sizeof *run->sizes);
    if (!run->sizes)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of sizes: out of memory");
    size_t i = 0;
    cJSON_ArrayForEach(item, sizes) run->sizes[i++] = item->valuedouble;
    const char *edits = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "edits"));
    return edits ? auxo_autosize_restore_log(run->autosize, edits, error) : AUXO_OK;
}

static void format_sizes(const autosize_run *run, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < auxo_autosize_layer_count(run->autosize) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%u", i ? "," : "", auxo_autosize_units(run->autosize, i));
}

static void report_epoch(autosize_run *run, const auxo_epoch_metrics *metrics, bool dynamic)
{
    cli_output *output = run->job.context->output;
    char sizes[256], weights[32];
    format_sizes(run, sizes, sizeof sizes);
    uint64_t count = auxo_model_weight_count(run->job.model);
    cli_print(output, "epoch %u/%u %s  loss %.5f  sizes %s  %s weights", metrics->epoch, run->total_epochs,
              dynamic ? "dynamic" : "static ", metrics->train_loss, sizes,
              cli_format_count(weights, sizeof weights, count));
    if (isfinite(metrics->validation_accuracy))
        cli_print(output, "  validation %.2f %%", 100 * metrics->validation_accuracy);
    cli_print(output, "\n");
    cJSON *event = cli_event(output, "epoch");
    cJSON_AddNumberToObject(event, "epoch", metrics->epoch);
    cJSON_AddBoolToObject(event, "dynamic", dynamic);
    cJSON_AddNumberToObject(event, "train_loss", metrics->train_loss);
    cJSON_AddNumberToObject(event, "val_loss", metrics->validation_loss);
    cJSON_AddNumberToObject(event, "val_accuracy", metrics->validation_accuracy);
    cJSON_AddNumberToObject(event, "weights", (double)count);
    cJSON *list = cJSON_AddArrayToObject(event, "sizes");
    for (uint32_t i = 0; list && i < auxo_autosize_layer_count(run->autosize); i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber(auxo_autosize_units(run->autosize, i)));
    cJSON_AddNumberToObject(event, "seconds", metrics->seconds);
    cli_emit(output, event);
}

/* One epoch of Algorithm 2, or of fine-tuning. */
static auxo_status run_epoch(autosize_run *run, auxo_error *error)
{
    train_job *job = &run->job;
    bool dynamic = auxo_trainer_epoch(job->trainer) < run->dynamic_epochs, finished = false;
    auxo_epoch_metrics metrics = {0};
    uint32_t changed;
    /* At the first static epoch of this process: a resumed run may begin beyond the first of all. */
    if (!dynamic && !run->penalty_stopped) {
        auxo_autosize_stop_penalty(run->autosize, job->trainer);
        run->penalty_stopped = true;
    }
    double start = cli_now_seconds();
    auxo_status status = dynamic ? auxo_autosize_grow(run->autosize, job->trainer, &changed, error) : AUXO_OK;
    run->edit_seconds += cli_now_seconds() - start;
    if (status == AUXO_OK)
        status = auxo_trainer_run(job->trainer, 0, &finished, &metrics, error);
    if (status == AUXO_INTERRUPTED) {
        run->interrupted = true;
        return AUXO_OK;
    }
    run->seconds += metrics.seconds;
    start = cli_now_seconds();
    if (status == AUXO_OK && dynamic && run->prune)
        status = auxo_autosize_prune(run->autosize, job->trainer, &changed, error);
    run->edit_seconds += cli_now_seconds() - start;
    if (status == AUXO_OK)
        status = keep_sizes(run, error);
    if (status == AUXO_OK)
        status = train_history_add_epoch(&job->history, &metrics, error);
    if (status == AUXO_OK)
        report_epoch(run, &metrics, dynamic);
    return status == AUXO_OK ? train_job_save(job, error) : status;
}

/* Fig. 6.1 to 6.4: units per hidden layer over epochs. */
static auxo_status draw_sizes(const autosize_run *run, auxo_report *report, auxo_error *error)
{
    enum { LAYERS_MAX = 16 };
    uint32_t layers = auxo_autosize_layer_count(run->autosize), epochs = auxo_trainer_epoch(run->job.trainer);
    auxo_series series[LAYERS_MAX];
    uint32_t drawn = layers < LAYERS_MAX ? layers : LAYERS_MAX;
    double *values = malloc(((size_t)epochs * drawn + 1) * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    for (uint32_t i = 0; i < drawn; i++) {
        for (uint32_t e = 0; e < epochs; e++)
            values[(size_t)i * epochs + e] = run->sizes[(size_t)e * layers + i];
        const char *name = auxo_model_get_desc(run->job.model)->layers[auxo_autosize_layer(run->autosize, i)].name;
        series[i] = (auxo_series){.name = name, .count = epochs, .y = values + (size_t)i * epochs};
    }
    const auxo_rule end = {.vertical = true, .at = run->dynamic_epochs, .label = "end of sizing"};
    auxo_report_chart(report, &(auxo_chart){.title = "Units per hidden layer",
                                            .x_label = "epoch",
                                            .y_label = "units",
                                            .series = series,
                                            .series_count = drawn,
                                            .rules = &end,
                                            .rule_count = 1});
    free(values);
    return AUXO_OK;
}

static void draw_losses(const autosize_run *run, auxo_report *report, double *y)
{
    const train_history *history = &run->job.history;
    auxo_series series[2];
    size_t count = history->epoch_count;
    for (size_t e = 0; e < count; e++) {
        y[e] = history->epochs[e].train_loss;
        y[count + e] = history->epochs[e].validation_loss;
    }
    series[0] = (auxo_series){.name = "training", .count = count, .y = y};
    series[1] = (auxo_series){.name = "validation", .count = count, .y = y + count};
    auxo_report_chart(report, &(auxo_chart){.title = "Loss",
                                            .x_label = "epoch",
                                            .series = series,
                                            .series_count = run->job.validation ? 2 : 1});
}

static auxo_status write_report(const autosize_run *run, const auxo_evaluation *test, const char *path,
                                auxo_error *error)
{
    auxo_report *report = NULL;
    double *scratch = malloc((2 * run->job.history.epoch_count + 1) * sizeof *scratch);
    auxo_status status = scratch ? auxo_report_create("Dynamic auto-sizing", &report, error)
                                 : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    if (status == AUXO_OK) {
        char sizes[256];
        format_sizes(run, sizes, sizeof sizes);
        auxo_report_text(report, "%s, %s. Final sizes %s, %" PRIu64 " weights, test accuracy %.2f %%, test loss %.5f.",
                         run->job.train->name, run->job.optimizer_text, sizes, auxo_model_weight_count(run->job.model),
                         100 * test->accuracy, test->loss);
        status = draw_sizes(run, report, error);
    }
    if (status == AUXO_OK) {
        draw_losses(run, report, scratch);
        auxo_report_section(report, "Network");
        network_report_draw(report, "The sized network", auxo_model_get_desc(run->job.model));
        sizing_report_edits(report, auxo_autosize_log(run->autosize), "after epoch");
        status = auxo_report_write(report, path, error);
    }
    free(scratch);
    auxo_report_destroy(report);
    return status;
}

static void report_result(const autosize_run *run, const auxo_evaluation *test)
{
    cli_output *output = run->job.context->output;
    char sizes[256];
    format_sizes(run, sizes, sizeof sizes);
    uint64_t weights = auxo_model_weight_count(run->job.model);
    cli_print(output, "sizes %s  %" PRIu64 " weights  test loss %.5f", sizes, weights, test->loss);
    if (isfinite(test->accuracy))
        cli_print(output, "  accuracy %.2f %%", 100 * test->accuracy);
    cli_print(output, "  training %.1f s, resizing %.2f s\n", run->seconds, run->edit_seconds);
    cJSON *result = cli_event(output, "result");
    cJSON_AddStringToObject(result, "sizes", sizes);
    cJSON_AddNumberToObject(result, "weights", (double)weights);
    cJSON_AddNumberToObject(result, "test_loss", test->loss);
    cJSON_AddNumberToObject(result, "test_accuracy", test->accuracy);
    cJSON_AddNumberToObject(result, "edits", (double)auxo_autosize_log(run->autosize)->count);
    cJSON_AddNumberToObject(result, "seconds", run->seconds);
    cJSON_AddNumberToObject(result, "resize_seconds", run->edit_seconds);
    cli_emit(output, result);
}

static auxo_status finish(autosize_run *run, auxo_error *error)
{
    const cli_arguments *arguments = run->job.context->arguments;
    auxo_evaluation test = {NAN, NAN, 0};
    auxo_status status = AUXO_OK;
    if (run->job.test)
        status = auxo_trainer_evaluate(run->job.trainer, run->job.test, &test, error);
    if (status == AUXO_OK && cli_text(arguments, "save"))
        status = auxo_model_save(run->job.model, cli_text(arguments, "save"), error);
    if (status == AUXO_OK && cli_text(arguments, "report"))
        status = write_report(run, &test, cli_text(arguments, "report"), error);
    if (status == AUXO_OK)
        report_result(run, &test);
    if (status == AUXO_OK && run->interrupted)
        status = auxo_error_set(error, AUXO_INTERRUPTED, "interrupted in epoch %u",
                                auxo_trainer_epoch(run->job.trainer) + 1);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    autosize_run run = {.dynamic_epochs = (uint32_t)cli_integer(context->arguments, "dynamic-epochs")};
    run.total_epochs = run.dynamic_epochs + (uint32_t)cli_integer(context->arguments, "static-epochs");
    const train_job_setup setup = {.model = "autosize-cnn",
                                   .optimizer = "adam:lr=0.0002",
                                   .schedule_begin = run.dynamic_epochs < run.total_epochs ? run.dynamic_epochs : 0,
                                   .schedule_end = run.total_epochs,
                                   .prepare = prepare,
                                   .describe_extra = describe_extra,
                                   .restore_extra = restore_extra,
                                   .user = &run};
    auxo_status status = cli_check_writable("save", cli_text(context->arguments, "save"), error);
    if (status == AUXO_OK)
        status = cli_check_writable("report", cli_text(context->arguments, "report"), error);
    if (status == AUXO_OK)
        status = train_job_open(context, &setup, &run.job, error);
    if (status == AUXO_OK)
        cli_progress_begin(&run.job.progress, context->output, "rows", run.job.first_step * run.job.options.batch,
                           run.total_epochs * auxo_trainer_steps_per_epoch(run.job.trainer) * run.job.options.batch);
    while (status == AUXO_OK && !run.interrupted && auxo_trainer_epoch(run.job.trainer) < run.total_epochs)
        status = run_epoch(&run, error);
    if (status == AUXO_OK)
        status = finish(&run, error);
    train_job_close(&run.job);
    auxo_autosize_destroy(run.autosize);
    auxo_dataset_destroy(run.probe);
    free(run.sizes);
    return status;
}

static const cli_option *const options[] = {
    autosize_options,   cli_model_options, cli_data_options,   train_job_options,
    cli_device_options, cli_seed_options,  cli_common_options, NULL};

const cli_command cli_command_autosize = {
    .name = "autosize",
    .summary = "train a network that finds the width of its layers",
    .description =
        "Dynamic auto-sizing: before each dynamic epoch every hidden layer grows, the epoch is trained with a "
        "penalty that weighs later units more, and units whose weights have all become small are pruned. "
        "Then the network is fine-tuned at its final size. The defaults are the thesis's: autosize-cnn, "
        "starting from 100 units a layer, Adam at 2e-4, alpha 2e-5, 20 dynamic and 20 static epochs.",
    .events = "{\"event\":\"epoch\",\"epoch\":1,\"dynamic\":true,\"train_loss\":..,\"sizes\":[..],\"weights\":..,..}\n"
              "{\"event\":\"result\",\"sizes\":..,\"weights\":..,\"test_accuracy\":..,\"edits\":..,\"seconds\":..,..}",
    .examples = "auxo autosize --data fashion-mnist --validation 0.1 --report sizes.html\n"
                "auxo autosize --data mnist --model autosize-cnn:20-20-20-40-100 --device vulkan:0",
    .options = options,
    .run = run,
};

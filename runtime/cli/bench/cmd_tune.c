/* runtime/cli/bench/cmd_tune.c: auxo tune: finds the fastest right kernel for each shape on the user's device. */
#include "auxo/tune.h"
#include "bench_options.h"

#include <stdio.h>
#include <string.h>

static const cli_option tune_options[] = {
    {.name = "op",
     .type = CLI_TEXT,
     .argument = "NAME,...",
     .help = "Tune only these operations, for example gemm,conv2d_forward (default: all with a choice)"},
    {.name = "model",
     .type = CLI_TEXT,
     .argument = "NAME|FILE",
     .help = "Tune the shapes of training this network instead of the standard cases"},
    {.name = "batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "128",
     .help = "Rows per step of the network",
     .minimum = 1,
     .maximum = 65536},
    {.name = "budget",
     .type = CLI_SECONDS,
     .argument = "T",
     .initial = "60",
     .help = "Time for all shapes together",
     .minimum = 0.1,
     .maximum = 1e6},
    CLI_OPTIONS_END,
};

typedef struct tune_output {
    cli_output *output;
    cli_table *table;
    cli_progress progress;
    bool counting;
} tune_output;

static void show_winner(tune_output *out, const auxo_tune_event *event)
{
    const auxo_tuning_entry *best = event->entry;
    char parameters[160] = "";
    for (size_t i = 0; i < best->parameter_count; i++)
        snprintf(parameters + strlen(parameters), sizeof parameters - strlen(parameters), "%s%s=%d", i ? " " : "",
                 best->parameters[i].name, (int)best->parameters[i].value);
    double gain = event->seconds_after > 0 ? event->seconds_before / event->seconds_after : 0;
    cli_table_row(out->table, "%s|%s|%s|%s|%.4g|%.4g|%.2f|%zu|%s", best->op, best->shape_class, best->variant,
                  parameters, 1e3 * event->seconds_before, 1e3 * event->seconds_after, gain, event->candidates,
                  event->saved ? "saved" : "kept as it was");
    cJSON *object = cli_event(out->output, "tuned");
    auxo__tree_text(object, "op", best->op);
    auxo__tree_text(object, "shape", best->shape_class);
    auxo__tree_text(object, "variant", best->variant);
    auxo__tree_text(object, "parameters", parameters);
    auxo__tree_number(object, "seconds_before", event->seconds_before);
    auxo__tree_number(object, "seconds_after", event->seconds_after);
    auxo__tree_number(object, "candidates", (double)event->candidates);
    auxo__tree_number(object, "refused", (double)event->refused);
    auxo__tree_bool(object, "saved", event->saved);
    cli_emit(out->output, object);
}

static void on_event(void *user, const auxo_tune_event *event)
{
    tune_output *out = user;
    switch (event->kind) {
    case AUXO_TUNE_TUNED:
        show_winner(out, event);
        break;
    case AUXO_TUNE_REFUSED:
        cli_note(out->output, "%s, variant %s: left out: %s", event->entry->op, event->entry->variant, event->message);
        break;
    case AUXO_TUNE_PROGRESS:
        if (!out->counting)
            cli_progress_begin(&out->progress, out->output, "shapes", 0, event->total);
        out->counting = true;
        cli_progress_update(&out->progress, event->done, "tuning");
        break;
    }
}

static auxo_status tune(const cli_context *context, auxo_device *device, auxo_tune_summary *summary, auxo_error *error)
{
    bool kinds[AUXO_OP_COUNT] = {false};
    auxo_bench_training training;
    tune_output out = {.output = context->output};
    auxo_tune_options options = {.budget_seconds = cli_real(context->arguments, "budget"),
                                 .stop = context->stop,
                                 .listen = on_event,
                                 .listen_user = &out};
    auxo_status status = bench_kinds_parse(context->arguments, kinds, error);
    if (cli_text(context->arguments, "op"))
        options.kinds = kinds;
    if (status == AUXO_OK && cli_text(context->arguments, "model")) {
        status = bench_training_parse(context->arguments, &training, error);
        options.training = &training;
    }
    out.table = cli_table_create("OP|SHAPE|VARIANT|PARAMETERS|>MS BEFORE|>MS NOW|>GAIN|>TRIED|");
    if (status == AUXO_OK)
        status = auxo_tune(device, &options, summary, error);
    if (status == AUXO_OK && summary->done < summary->shapes)
        cli_note(context->output, "the budget ended before %zu of %zu shapes; a larger --budget reaches them",
                 summary->shapes - summary->done, summary->shapes);
    cli_table_print(context->output, out.table);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    cli_session session;
    auxo_tune_summary summary = {0};
    auxo_status status = cli_session_open(context, &session, error);
    if (status == AUXO_OK)
        status = tune(context, session.device, &summary, error);
    if (status == AUXO_OK) {
        cli_print(context->output, "%zu choices saved in %s\n", summary.saved, summary.path);
        cJSON *result = cli_event(context->output, "result");
        auxo__tree_text(result, "device", auxo_device_get_info(session.device)->selector);
        auxo__tree_text(result, "file", summary.path);
        auxo__tree_number(result, "saved", (double)summary.saved);
        auxo__tree_number(result, "shapes", (double)summary.shapes);
        cli_emit(context->output, result);
    }
    cli_session_close(&session);
    return status;
}

static const cli_option *const options[] = {cli_device_options, tune_options, bench_training_options,
                                            cli_common_options, NULL};

const cli_command cli_command_tune = {
    .name = "tune",
    .summary = "find the fastest kernels for this device and remember them",
    .description =
        "Time every kernel variant, and one tunable after the other, for the standard cases or for the shapes of a "
        "network, and keep the winner in the tuning file of the user's cache folder, from which every later run takes "
        "it. A candidate must compute its known answers, and the same outputs at full size, before its time counts. "
        "The file is written after every shape, so an interrupt loses nothing that was done.",
    .events = "{\"event\":\"tuned\",\"op\":..,\"shape\":..,\"variant\":..,\"parameters\":..,\"seconds_before\":..,\n"
              " \"seconds_after\":..,\"candidates\":..,\"refused\":..,\"saved\":..}  one per shape\n"
              "{\"event\":\"result\",\"device\":..,\"file\":..,\"saved\":..,\"shapes\":..}",
    .examples = "auxo tune --device opencl:0 --op gemm --budget 60s\nauxo tune --device vulkan:0 --model resnet18",
    .options = options,
    .run = run,
};

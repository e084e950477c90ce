/* runtime/cli/bench/cmd_bench.c: auxo bench: how fast devices are, measured the same way on every backend.
 *
 * Opens the devices and runs the groups of auxo/bench.h on each; prints, saves and draws what they found.
 */
#include "bench_options.h"

#include <stdio.h>
#include <string.h>

enum { GROUP_OPS, GROUP_TRAIN, GROUP_MEMORY, GROUP_LATENCY, GROUP_ALL, GROUP_COUNT, SELECTORS_MAX = 32 };
static const char *const group_names[GROUP_COUNT] = {"ops", "train", "memory", "latency", "all"};

static const cli_option bench_options[] = {
    {.name = "device",
     .type = CLI_TEXT,
     .argument = "DEVICE,...|all",
     .initial = "auto",
     .help = "Devices to measure, one after the other; all: every device that \"auxo devices\" lists"},
    CLI_THREADS_OPTION,
    {.name = "op", .type = CLI_TEXT, .argument = "NAME,...", .help = "ops: only these, for example gemm"},
    {.name = "model",
     .type = CLI_TEXT,
     .argument = "NAME|FILE",
     .initial = "lenet5",
     .help = "train: the network, as for \"auxo train\""},
    {.name = "batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "128",
     .help = "train: rows per step",
     .minimum = 1,
     .maximum = 65536},
    {.name = "min-seconds",
     .type = CLI_SECONDS,
     .argument = "T",
     .initial = "0.5",
     .help = "Repeat every case for at least so long",
     .minimum = 0.001,
     .maximum = 3600},
    {.name = "save",
     .type = CLI_TEXT,
     .argument = "FILE.json",
     .help = "Write all results, for \"auxo bench compare\""},
    {.name = "csv", .type = CLI_TEXT, .argument = "FILE.csv", .help = "Write all results as a table"},
    {.name = "report",
     .type = CLI_TEXT,
     .argument = "FILE.html",
     .help = "Write rooflines and charts as one HTML file"},
    CLI_OPTIONS_END,
};

typedef struct bench_run {
    const cli_context *context;
    auxo_bench_results results;
    auxo_bench_options options;
    bool kinds[AUXO_OP_COUNT];
    cli_progress progress;
    bool counting;
} bench_run;

/* "train lenet5 batch 128 on cpu: conv2d_forward 31 %, gemm 20 %, ..." */
static void print_shares(const bench_run *run)
{
    const auxo_bench_results *results = &run->results;
    const auxo_bench_share *before = NULL;
    for (size_t i = 0; i < results->share_count; i++) {
        const auxo_bench_share *share = &results->shares[i];
        const bool same = before && before->device == share->device && strcmp(before->name, share->name) == 0;
        if (!same)
            cli_print(run->context->output, "%s%s on %s:", before ? "\n" : "", share->name,
                      results->devices[share->device].info.selector);
        if (share->fraction >= 0.005)
            cli_print(run->context->output, "%s %s %.0f %%", same ? "," : "", share->op, 100 * share->fraction);
        before = share;
    }
    cli_print(run->context->output, "%s", before ? "\n" : "");
}

static void print_results(const bench_run *run)
{
    const auxo_bench_results *results = &run->results;
    cli_output *output = run->context->output;
    cli_table *table = cli_table_create("DEVICE|CASE|VARIANT|>MS|>QUARTILES|>RATE|>GFLOP/S|>GB/S|>% OF PEAK|TUNING");
    for (size_t i = 0; i < results->count; i++) {
        const auxo_bench_result *item = &results->items[i];
        const auxo_bench_time *time = &item->time;
        char rate[48] = "", variant[64], percent[16] = "";
        snprintf(variant, sizeof variant, "%s%s", item->variant, item->is_nominal ? " (nominal)" : "");
        if (item->percent_of_peak > 0)
            snprintf(percent, sizeof percent, "%.0f", item->percent_of_peak);
        if (strcmp(item->unit, "image") == 0 || strcmp(item->unit, "launch") == 0)
            snprintf(rate, sizeof rate, "%.0f %ss/s", item->work / time->median, item->unit);
        cli_table_row(table, "%s|%s|%s|%.4g|%.4g-%.4g|%s|%.1f|%.1f|%s|%s", results->devices[item->device].info.selector,
                      item->name, variant, 1e3 * time->median, 1e3 * time->low, 1e3 * time->high, rate,
                      1e-9 * item->flops / time->median, 1e-9 * item->bytes / time->median, percent,
                      item->tuning[0] ? item->tuning : "default");
    }
    cli_table_print(output, table);
    for (size_t i = 0; i < results->count; i++)
        if (strcmp(results->items[i].group, "train") == 0)
            cli_print(output, "%s on %s: set up and compiled in %.2f s, which no rate includes\n",
                      results->items[i].name, results->devices[results->items[i].device].info.selector,
                      results->items[i].setup_seconds);
    print_shares(run);
    for (size_t d = 0; d < results->device_count; d++) {
        const auxo_bench_device *device = &results->devices[d];
        cli_print(output, "%s: %s, %s", device->info.selector, device->info.name, device->info.driver);
        if (device->peak_flops > 0)
            cli_print(output, "; measured peaks %.1f GFLOP/s, %.1f GB/s", 1e-9 * device->peak_flops,
                      1e-9 * device->peak_bytes);
        cli_print(output, "\n");
    }
    for (size_t i = 0; i < results->skip_count; i++)
        cli_print(output, "skipped: %s, %s: %s\n", results->skips[i].device, results->skips[i].name,
                  results->skips[i].reason);
    cli_print(output, "auxo %s; medians with quartiles\n", AUXO_VERSION);
}

static void emit_result(const bench_run *run)
{
    cJSON *result = cli_event(run->context->output, "result");
    cJSON *devices = auxo__tree_add(result, "devices", cJSON_CreateArray());
    for (size_t d = 0; devices && d < run->results.device_count; d++) {
        const auxo_bench_device *device = &run->results.devices[d];
        cJSON *object = cJSON_CreateObject();
        auxo__tree_text(object, "device", device->info.selector);
        auxo__tree_text(object, "name", device->info.name);
        auxo__tree_text(object, "driver", device->info.driver);
        auxo__tree_number(object, "peak_gflops", 1e-9 * device->peak_flops);
        auxo__tree_number(object, "peak_gbytes", 1e-9 * device->peak_bytes);
        auxo__tree_add(devices, NULL, object);
    }
    auxo__tree_text(result, "version", AUXO_VERSION);
    auxo__tree_number(result, "cases", (double)run->results.count);
    auxo__tree_number(result, "skipped", (double)run->results.skip_count);
    cli_emit(run->context->output, result);
}

static void on_event(void *user, const auxo_bench_event *event)
{
    bench_run *run = user;
    cli_output *output = run->context->output;
    cJSON *object = NULL;
    switch (event->kind) {
    case AUXO_BENCH_RESULT:
        object = cli_event(output, "case");
        auxo_bench_result_fields(event->results, event->index, bench_add_field, object);
        break;
    case AUXO_BENCH_SKIPPED:
        object = cli_event(output, "skipped");
        auxo_bench_skip_fields(event->results, event->index, bench_add_field, object);
        break;
    case AUXO_BENCH_SHARE:
        object = cli_event(output, "op_share");
        auxo_bench_share_fields(event->results, event->index, bench_add_field, object);
        break;
    case AUXO_BENCH_PROGRESS:
        if (!run->counting)
            cli_progress_begin(&run->progress, output, "cases", 0, event->total);
        run->counting = true;
        cli_progress_update(&run->progress, event->done, "%s", event->name);
        return;
    }
    cli_emit(output, object);
}

static auxo_status train_group(bench_run *run, auxo_device *device, auxo_error *error)
{
    auxo_bench_training training;
    auxo_status status = bench_training_parse(run->context->arguments, &training, error);
    return status == AUXO_OK ? auxo_bench_train(device, &training, &run->options, &run->results, error) : status;
}

static auxo_status run_groups(bench_run *run, auxo_device *device, size_t group, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    run->counting = false;
    /* Before the ops: on NVIDIA's Vulkan driver training measured after them in the same process came out four times
     * slower than by itself, twice, for a reason not found (bench/results/gpu.md). */
    if (group == GROUP_TRAIN || group == GROUP_ALL)
        status = train_group(run, device, error);
    if (status == AUXO_OK && (group == GROUP_OPS || group == GROUP_ALL))
        status = auxo_bench_ops(device, &run->options, &run->results, error);
    if (status == AUXO_OK && (group == GROUP_MEMORY || group == GROUP_ALL))
        status = auxo_bench_memory(device, &run->options, &run->results, error);
    if (status == AUXO_OK && (group == GROUP_LATENCY || group == GROUP_ALL))
        status = auxo_bench_latency(device, &run->options, &run->results, error);
    return status;
}

/* `required`: a device that does not open ends the run; otherwise it is listed as skipped. */
static auxo_status run_device(bench_run *run, const char *selector, bool required, size_t group, auxo_error *error)
{
    cli_session session;
    auxo_status status = cli_session_open_device(run->context, selector, &session, error);
    if (status == AUXO_OK) {
        status = run_groups(run, session.device, group, error);
    } else if (!required) {
        char reason[256];
        snprintf(reason, sizeof reason, "%.250s", error->message);
        status = auxo_bench_results_skip(&run->results, selector, "device", reason, error);
    }
    cli_session_close(&session);
    return status;
}

static auxo_status run_all_devices(bench_run *run, size_t group, auxo_error *error)
{
    auxo_runtime *runtime = NULL;
    auxo_device_info *infos = NULL;
    size_t count = 0;
    auxo_status status = cli_runtime_open(run->context, &runtime, error);
    if (status == AUXO_OK)
        status = auxo_device_list(runtime, &infos, &count, error);
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        if (infos[i].is_reference)
            status = auxo_bench_results_skip(&run->results, infos[i].selector, "device",
                                             "computes known answers slowly; not made to be fast", error);
        else
            status = run_device(run, infos[i].selector, false, group, error);
    }
    auxo_device_list_free(infos);
    auxo_runtime_destroy(runtime);
    return status;
}

static auxo_status find_group(const cli_context *context, size_t *group, auxo_error *error)
{
    *group = GROUP_OPS;
    if (!cli_operand_count(context->arguments))
        return AUXO_OK;
    const char *name = cli_operand(context->arguments, 0);
    for (*group = 0; *group < GROUP_COUNT; ++*group)
        if (strcmp(group_names[*group], name) == 0)
            return AUXO_OK;
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                          "bench: unknown group \"%s\"; there are ops, train, memory, latency and all", name);
}

static auxo_status check_outputs(const cli_arguments *arguments, auxo_error *error)
{
    static const char *const names[] = {"save", "csv", "report"};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == AUXO_OK; i++)
        status = cli_check_writable(names[i], cli_text(arguments, names[i]), error);
    return status;
}

static auxo_status write_outputs(const bench_run *run, auxo_error *error)
{
    const cli_arguments *arguments = run->context->arguments;
    const char *save = cli_text(arguments, "save"), *csv = cli_text(arguments, "csv");
    const char *report = cli_text(arguments, "report");
    auxo_status status = save ? auxo_bench_results_save(&run->results, save, error) : AUXO_OK;
    if (status == AUXO_OK && csv)
        status = auxo_bench_results_save_csv(&run->results, csv, error);
    if (status == AUXO_OK && report)
        status = auxo_bench_results_save_report(&run->results, report, error);
    return status;
}

static auxo_status run_selectors(bench_run *run, size_t group, auxo_error *error)
{
    char text[512], *selectors[SELECTORS_MAX];
    snprintf(text, sizeof text, "%s", cli_text(run->context->arguments, "device"));
    if (strcmp(text, "all") == 0)
        return run_all_devices(run, group, error);
    size_t count = cli_split_list(text, selectors, SELECTORS_MAX);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        status = run_device(run, selectors[i], true, group, error);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    bench_run bench = {.context = context};
    size_t group = 0;
    auxo_status status = find_group(context, &group, error);
    if (status == AUXO_OK)
        status = check_outputs(context->arguments, error);
    if (status == AUXO_OK)
        status = bench_kinds_parse(context->arguments, bench.kinds, error);
    bench.options = (auxo_bench_options){.seconds = cli_real(context->arguments, "min-seconds"),
                                         .kinds = cli_text(context->arguments, "op") ? bench.kinds : NULL,
                                         .stop = context->stop,
                                         .listen = on_event,
                                         .listen_user = &bench};
    if (status == AUXO_OK)
        status = run_selectors(&bench, group, error);
    if (bench.results.count || bench.results.skip_count)
        print_results(&bench);
    /* an interrupted run keeps what it has measured */
    auxo_error write_error = {0};
    if (status == AUXO_OK || status == AUXO_INTERRUPTED) {
        auxo_status written = write_outputs(&bench, &write_error);
        if (written != AUXO_OK)
            status = auxo_error_set(error, written, "%s", write_error.message);
    }
    if (status == AUXO_OK)
        emit_result(&bench);
    auxo_bench_results_deinit(&bench.results);
    return status;
}

static const cli_option *const options[] = {bench_options, bench_training_options, cli_common_options, NULL};

const cli_command cli_command_bench = {
    .name = "bench",
    .operands = "[ops|train|memory|latency|all]",
    .operand_max = 1,
    .summary = "measure devices: operations, training, transfers, launch latency",
    .description =
        "Time standard cases of the operations (or training steps, transfers, launches) on one device after the "
        "other. Every kernel that is timed first passes its known-answer cases against the reference. Each case is "
        "warmed up and repeated; median and quartiles are reported.\n\n"
        "The percentage is of what the measured peaks of the device allow, of arithmetic or of bytes, whichever "
        "limits the case; the peaks are of a loop of multiply-adds in registers and of a copy far larger than caches, "
        "so a "
        "case that stays in caches may pass 100. A kernel that does fewer operations than the formula (Winograd) is "
        "marked nominal and has no percentage. setup_seconds, buffers and compiling, are no part of any rate. "
        "Devices and operations that cannot run are listed with the reason.",
    .events = "{\"event\":\"case\",\"device\":..,\"group\":..,\"case\":..,\"variant\":..,\"seconds\":..,\n"
              " \"low_seconds\":..,\"high_seconds\":..,\"gflops\":..,\"gbytes\":..,\"percent_of_peak\":..,\n"
              " \"nominal\":..,\"setup_seconds\":..,..}\n"
              "{\"event\":\"op_share\",\"device\":..,\"case\":..,\"op\":..,\"seconds\":..,\"fraction\":..}  of a "
              "training step\n"
              "{\"event\":\"skipped\",\"device\":..,\"case\":..,\"reason\":..}\n"
              "{\"event\":\"result\",\"devices\":[..],\"cases\":..,\"skipped\":..}",
    .examples = "auxo bench --device cpu --op gemm,conv2d_forward\n"
                "auxo bench all --device all --save results.json --report bench.html",
    .options = options,
    .run = run,
};

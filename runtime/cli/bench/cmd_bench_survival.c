/* runtime/cli/bench/cmd_bench_survival.c: auxo bench survival: the Cox op on a device, and the metrics of the host. */
#include "auxo/bench.h"
#include "cli_session.h"

static const cli_option survival_options[] = {
    {.name = "subjects",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1000000",
     .help = "Subjects of the Cox loss with its gradient",
     .minimum = 2,
     .maximum = 1e8},
    {.name = "metric-subjects",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "100000",
     .help = "Subjects of the concordance index and of the AUC",
     .minimum = 2,
     .maximum = 1e8},
    {.name = "min-seconds",
     .type = CLI_SECONDS,
     .argument = "T",
     .initial = "1",
     .help = "Repeat every case for at least so long",
     .minimum = 0.001,
     .maximum = 3600},
    CLI_OPTIONS_END,
};

static void on_case(void *user, const char *name, uint64_t subjects, const auxo_bench_time *time)
{
    cli_output *output = user;
    cli_print(output, "%-34s %10llu subjects  %8.2f ms  (quartiles %.2f to %.2f, %u samples)\n", name,
              (unsigned long long)subjects, 1e3 * time->median, 1e3 * time->low, 1e3 * time->high, time->samples);
    cJSON *event = cli_event(output, "case");
    auxo__tree_text(event, "case", name);
    auxo__tree_number(event, "subjects", (double)subjects);
    auxo__tree_number(event, "seconds", time->median);
    auxo__tree_number(event, "low_seconds", time->low);
    auxo__tree_number(event, "high_seconds", time->high);
    cli_emit(output, event);
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    cli_session session;
    const auxo_bench_survival_options measured = {.subjects = cli_integer(context->arguments, "subjects"),
                                                  .metric_subjects = cli_integer(context->arguments, "metric-subjects"),
                                                  .seed = cli_integer(context->arguments, "seed"),
                                                  .seconds = cli_real(context->arguments, "min-seconds"),
                                                  .on_case = on_case,
                                                  .user = context->output};
    auxo_status status = cli_session_open(context, &session, error);
    if (status == AUXO_OK)
        status = auxo_bench_survival(session.device, &measured, error);
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        auxo__tree_text(result, "device", auxo_device_get_info(session.device)->name);
        cli_emit(context->output, result);
    }
    cli_session_close(&session);
    return status;
}

static const cli_option *const options[] = {survival_options, cli_device_options, cli_seed_options, cli_common_options,
                                            NULL};

const cli_command cli_command_bench_survival = {
    .name = "bench survival",
    .summary = "measure the Cox loss on a device and the survival metrics on the host",
    .description = "Time the Cox loss with its gradient (one op: sorting, scans, sums) on a device, and Harrell's "
                   "concordance and the cumulative/dynamic AUC, which the host computes. Median and quartiles of "
                   "repeated runs.",
    .events = "{\"event\":\"case\",\"case\":..,\"subjects\":..,\"seconds\":..,\"low_seconds\":..,\"high_seconds\":..}\n"
              "{\"event\":\"result\",\"device\":..}",
    .examples = "auxo bench survival --device cpu",
    .options = options,
    .run = run,
};

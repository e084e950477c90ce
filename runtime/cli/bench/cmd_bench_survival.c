/* runtime/cli/bench/cmd_bench_survival.c: auxo bench survival: the Cox op on a device, and the metrics of the host. */
#include "auxo/survival.h"
#include "bench_measure.h"
#include "bench_op.h"
#include "cli_session.h"

#include <stdlib.h>

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

typedef struct metric_work {
    auxo_survival_sample sample;
    double times[20];
} metric_work;

static auxo_status run_concordance(void *user, uint32_t count, auxo_error *error)
{
    const metric_work *work = user;
    auxo_concordance found;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_survival_concordance(&work->sample, &found, error);
    return status;
}

static auxo_status run_auc(void *user, uint32_t count, auxo_error *error)
{
    const metric_work *work = user;
    double areas[20];
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_survival_dynamic_auc(&work->sample, &work->sample, work->times, 20, areas, error);
    return status;
}

static void report_case(const cli_context *context, const char *name, uint64_t subjects, const bench_time *time)
{
    cli_print(context->output, "%-34s %10llu subjects  %8.2f ms  (quartiles %.2f to %.2f, %u samples)\n", name,
              (unsigned long long)subjects, 1e3 * time->median, 1e3 * time->low, 1e3 * time->high, time->samples);
    cJSON *event = cli_event(context->output, "case");
    cJSON_AddStringToObject(event, "case", name);
    cJSON_AddNumberToObject(event, "subjects", (double)subjects);
    cJSON_AddNumberToObject(event, "seconds", time->median);
    cJSON_AddNumberToObject(event, "low_seconds", time->low);
    cJSON_AddNumberToObject(event, "high_seconds", time->high);
    cli_emit(context->output, event);
}

static auxo_status measure_cox(const cli_context *context, auxo_device *device, auxo_error *error)
{
    uint64_t subjects = cli_integer(context->arguments, "subjects");
    const bench_case from = {.name = "cox", .kind = AUXO_OP_COX, .dims = {(int64_t)subjects}};
    auxo_queue *queue = NULL;
    auxo_plan *plan = NULL;
    bench_op built = {0};
    bench_time time;
    auxo_status status = auxo_queue_create(device, &queue, error);
    if (status == AUXO_OK)
        status = bench_op_build(queue, &from, &built, error);
    if (status == AUXO_OK)
        status = bench_plan_op(device, &built.op, &plan, error);
    bench_plan_work work = {.plan = plan, .queue = queue};
    if (status == AUXO_OK)
        status = bench_measure(bench_run_plan, &work, cli_real(context->arguments, "min-seconds"), &time, error);
    if (status == AUXO_OK)
        report_case(context, "Cox loss and gradient", subjects, &time);
    auxo_plan_destroy(plan);
    bench_op_destroy(&built);
    auxo_queue_destroy(queue);
    return status;
}

static auxo_status measure_metrics(const cli_context *context, auxo_error *error)
{
    const auxo_survival_simulation simulation = {.row_count = cli_integer(context->arguments, "metric-subjects"),
                                                 .column_count = 2,
                                                 .median_time = 5,
                                                 .weibull_shape = 1,
                                                 .censoring_rate = 0.3,
                                                 .site_count = 1,
                                                 .site_scale = 1,
                                                 .seed = cli_integer(context->arguments, "seed"),
                                                 .stream = 1};
    auxo_dataset *rows = NULL;
    auxo_status status = auxo_survival_simulate(&simulation, &rows, error);
    double *risks = malloc((simulation.row_count + 1) * sizeof *risks);
    if (status == AUXO_OK && !risks)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "benchmark: out of memory");
    const float *x = status == AUXO_OK ? rows->features : NULL;
    for (size_t i = 0; i < simulation.row_count && status == AUXO_OK; i++)
        risks[i] = (double)x[2 * i] + 2 * (double)x[2 * i + 1];
    metric_work work = {0};
    for (int k = 0; k < 20; k++)
        work.times[k] = 0.5 * (k + 1);
    bench_time time;
    double seconds = cli_real(context->arguments, "min-seconds");
    if (status == AUXO_OK) {
        work.sample = (auxo_survival_sample){rows->row_count, rows->times, rows->events, risks};
        status = bench_measure(run_concordance, &work, seconds, &time, error);
    }
    if (status == AUXO_OK) {
        report_case(context, "Harrell's C (host)", simulation.row_count, &time);
        status = bench_measure(run_auc, &work, seconds, &time, error);
    }
    if (status == AUXO_OK)
        report_case(context, "dynamic AUC at 20 times (host)", simulation.row_count, &time);
    auxo_dataset_destroy(rows);
    free(risks);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    cli_session session;
    auxo_status status = cli_session_open(context, &session, error);
    if (status == AUXO_OK)
        status = measure_cox(context, session.device, error);
    if (status == AUXO_OK)
        status = measure_metrics(context, error);
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        cJSON_AddStringToObject(result, "device", auxo_device_get_info(session.device)->name);
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

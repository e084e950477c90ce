/* runtime/cli/survival/cmd_survival_simulate.c: auxo survival simulate: simulated survival tables as CSV. */
#include "cli_text.h"
#include "survival_scores.h"

#include <inttypes.h>

static const cli_option simulate_options[] = {
    {.name = "rows",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "5000",
     .help = "Subjects",
     .minimum = 1,
     .maximum = 1e8},
    {.name = "columns",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Covariates, of which the first two matter",
     .minimum = 2,
     .maximum = 1000},
    {.name = "risk",
     .type = CLI_CHOICE,
     .argument = "linear|gaussian",
     .initial = "linear",
     .help = "Log relative risk: x0 + 2 x1, or log(5) exp(-2 (x0^2 + x1^2))"},
    {.name = "censoring",
     .type = CLI_REAL,
     .argument = "F",
     .initial = "0.3",
     .help = "Expected share of censored subjects",
     .minimum = 0,
     .maximum = 0.99},
    {.name = "shape",
     .type = CLI_REAL,
     .argument = "K",
     .initial = "1",
     .help = "Shape of the Weibull baseline; 1: exponential",
     .minimum = 1e-3,
     .maximum = 100},
    {.name = "median",
     .type = CLI_REAL,
     .argument = "T",
     .initial = "5",
     .help = "Median baseline survival time",
     .minimum = 1e-6,
     .maximum = 1e9},
    {.name = "sites",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Sites",
     .minimum = 1,
     .maximum = 2},
    {.name = "site-shift",
     .type = CLI_REAL,
     .argument = "S",
     .initial = "0",
     .help = "Added to covariates recorded at the second site"},
    {.name = "site-scale",
     .type = CLI_REAL,
     .argument = "S",
     .initial = "1",
     .help = "Multiplies covariates recorded at the second site"},
    {.name = "rows-per-patient",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Rows of one patient: the same time and event, covariates recorded with noise; adds the column patient",
     .minimum = 1,
     .maximum = 1000},
    CLI_OPTIONS_END,
};

static void print_rows(const cli_context *context, const auxo_dataset *dataset)
{
    const float *features = dataset->features;
    for (int64_t c = 0; c < dataset->channels; c++)
        cli_print(context->output, "x%" PRId64 ",", c);
    cli_print(context->output, "time,event%s%s\n", dataset->sites ? ",site" : "", dataset->groups ? ",patient" : "");
    size_t events = 0;
    for (size_t i = 0; i < dataset->row_count; i++) {
        cJSON *event = cli_event(context->output, "row");
        cJSON *list = auxo__tree_add(event, "x", cJSON_CreateArray());
        for (int64_t c = 0; c < dataset->channels; c++) {
            double value = features[i * (size_t)dataset->channels + (size_t)c];
            cli_print(context->output, "%.9g,", value);
            if (list)
                auxo__tree_add(list, NULL, cJSON_CreateNumber(value));
        }
        cli_print(context->output, "%.9g,%u", dataset->times[i], dataset->events[i]);
        if (dataset->sites)
            cli_print(context->output, ",%u", dataset->sites[i]);
        if (dataset->groups)
            cli_print(context->output, ",%u", dataset->groups[i]);
        cli_print(context->output, "\n");
        auxo__tree_number(event, "time", dataset->times[i]);
        auxo__tree_number(event, "observed", dataset->events[i]);
        cli_emit(context->output, event);
        events += dataset->events[i];
    }
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_number(result, "rows", (double)dataset->row_count);
    auxo__tree_number(result, "events", (double)events);
    cli_emit(context->output, result);
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    const cli_arguments *arguments = context->arguments;
    const auxo_survival_simulation simulation = {.row_count = cli_integer(arguments, "rows"),
                                                 .column_count = (uint32_t)cli_integer(arguments, "columns"),
                                                 .risk = (auxo_risk)cli_choice(arguments, "risk"),
                                                 .median_time = cli_real(arguments, "median"),
                                                 .weibull_shape = cli_real(arguments, "shape"),
                                                 .censoring_rate = cli_real(arguments, "censoring"),
                                                 .site_count = (uint32_t)cli_integer(arguments, "sites"),
                                                 .site_shift = cli_real(arguments, "site-shift"),
                                                 .site_scale = cli_real(arguments, "site-scale"),
                                                 .rows_per_group = (uint32_t)cli_integer(arguments, "rows-per-patient"),
                                                 .seed = cli_integer(arguments, "seed"),
                                                 .stream = 1};
    auxo_dataset *dataset = NULL;
    auxo_status status = auxo_survival_simulate(&simulation, &dataset, error);
    if (status == AUXO_OK)
        print_rows(context, dataset);
    auxo_dataset_destroy(dataset);
    return status;
}

static const cli_option *const options[] = {simulate_options, cli_seed_options, cli_common_options, NULL};

const cli_command cli_command_survival_simulate = {
    .name = "survival simulate",
    .summary = "print simulated survival data as CSV",
    .description =
        "Covariates uniform in [-1, 1], Weibull times with a known log relative risk, exponential censoring; "
        "optionally a second site that records the covariates shifted and scaled.",
    .events =
        "{\"event\":\"row\",\"x\":[..],\"time\":..,\"observed\":..}\n{\"event\":\"result\",\"rows\":..,\"events\":..}",
    .examples = "auxo survival simulate --rows 2000 --risk gaussian --censoring 0.5 > sim.csv\n"
                "auxo survival train --data sim.csv --time time --event event",
    .options = options,
    .run = run,
};

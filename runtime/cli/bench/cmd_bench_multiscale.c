/* runtime/cli/bench/cmd_bench_multiscale.c: auxo bench multiscale: what an epoch, a sensitivity and a selection cost.
 */
#include "auxo/bench.h"
#include "cli_session.h"

#include <stdio.h>

static const cli_option bench_multiscale_options[] = {
    {.name = "rows",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10000",
     .help = "Points of the reactor to train on",
     .minimum = 1,
     .maximum = 1e8},
    {.name = "min-seconds",
     .type = CLI_SECONDS,
     .argument = "T",
     .initial = "0.3",
     .help = "Repeat every case for at least so long",
     .minimum = 0.001,
     .maximum = 3600},
    {.name = "selection-layers",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1024",
     .help = "Time selections over 8, 16, ... up to so many layers; 0: none",
     .maximum = 65536},
    CLI_OPTIONS_END,
};

typedef struct multiscale_output {
    cli_output *output;
    cli_table *table;
} multiscale_output;

static void on_case(void *user, const auxo_bench_multiscale_case *done)
{
    const multiscale_output *out = user;
    const auxo_bench_time *time = &done->time;
    char text[64] = "";
    if (done->ratio > 0)
        snprintf(text, sizeof text, "%.3f", done->ratio);
    cli_table_row(out->table, "%u|%s|%.4f|%.4f-%.4f|%s|%s", done->layer_count, done->name, 1e3 * time->median,
                  1e3 * time->low, 1e3 * time->high, text, done->beside);
    cJSON *event = cli_event(out->output, "case");
    auxo__tree_number(event, "layers", done->layer_count);
    auxo__tree_text(event, "case", done->name);
    auxo__tree_number(event, "ms", 1e3 * time->median);
    auxo__tree_number(event, "ms_low", 1e3 * time->low);
    auxo__tree_number(event, "ms_high", 1e3 * time->high);
    if (done->ratio > 0) {
        auxo__tree_number(event, "ratio", done->ratio);
        auxo__tree_text(event, "ratio_to", done->beside);
    }
    cli_emit(out->output, event);
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    cli_session session;
    multiscale_output out = {.output = context->output};
    const auxo_bench_multiscale_options measured = {.rows = cli_integer(context->arguments, "rows"),
                                                    .seconds = cli_real(context->arguments, "min-seconds"),
                                                    .selection_layers =
                                                        cli_integer(context->arguments, "selection-layers"),
                                                    .on_case = on_case,
                                                    .user = &out};
    auxo_status status = cli_session_open(context, &session, error);
    if (status == AUXO_OK) {
        out.table = cli_table_create(">LAYERS|CASE|>MS|>QUARTILES|>RATIO|BESIDE");
        status = auxo_bench_multiscale(session.device, &measured, error);
        cli_table_print(context->output, out.table);
    }
    if (status == AUXO_OK) {
        const auxo_device_info *info = auxo_device_get_info(session.device);
        cli_print(context->output, "%s: %s, %s; %llu points\n", info->selector, info->name, info->driver,
                  (unsigned long long)measured.rows);
        cJSON *result = cli_event(context->output, "result");
        auxo__tree_text(result, "device", info->selector);
        auxo__tree_text(result, "name", info->name);
        auxo__tree_text(result, "driver", info->driver);
        auxo__tree_number(result, "rows", (double)measured.rows);
        auxo__tree_number(result, "selection_rows", AUXO_BENCH_SELECTION_ROWS);
        cli_emit(context->output, result);
    }
    cli_session_close(&session);
    return status;
}

static const cli_option *const options[] = {bench_multiscale_options, cli_device_options, cli_common_options, NULL};

const cli_command cli_command_bench_multiscale = {
    .name = "bench multiscale",
    .summary = "time epochs, sensitivities and selections of multi-scale training",
    .description =
        "Time multi-scale training on networks 5 wide with 8, 21 and 51 layers: forward pass, gradient, exact "
        "sensitivities of the whole tree, all their finite differences, epochs of all layers and of single layers; and "
        "one selection in trees of 8, 16, ... 1024 layers on 1000 points. Each cost stands beside the one that it is "
        "judged by.",
    .events = "{\"event\":\"case\",\"layers\":..,\"case\":..,\"ms\":..,\"ratio\":..,\"ratio_to\":..}\n"
              "{\"event\":\"result\",\"device\":..,\"name\":..,\"driver\":..,\"rows\":..,\"selection_rows\":..}",
    .examples = "auxo bench multiscale --device cpu\n"
                "auxo bench multiscale --device opencl:0 --selection-layers 0",
    .options = options,
    .run = run,
};

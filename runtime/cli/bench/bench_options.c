/* runtime/cli/bench/bench_options.c: the options and events of bench_options.h. */
#include "bench_options.h"

#include <stdio.h>

const cli_option bench_training_options[] = {
    {.name = "input",
     .type = CLI_TEXT,
     .argument = "CxHxW",
     .initial = "1x28x28",
     .help = "The network's input: channels, height, width"},
    {.name = "optimizer",
     .type = CLI_TEXT,
     .argument = "NAME",
     .initial = "adam",
     .help = "The network's optimiser, as for \"auxo train\""},
    {.name = "precision",
     .type = CLI_CHOICE,
     .argument = "f32|bf16|f16|auto",
     .initial = "f32",
     .help = "What the network computes in, as for \"auxo train\""},
    CLI_OPTIONS_END,
};

auxo_status bench_training_parse(const cli_arguments *arguments, auxo_bench_training *training, auxo_error *error)
{
    training->model = cli_text(arguments, "model");
    training->optimizer = cli_text(arguments, "optimizer");
    training->batch = (uint32_t)cli_integer(arguments, "batch");
    auxo_status status = auxo_precision_parse(cli_text(arguments, "precision"), &training->precision, error);
    if (status != AUXO_OK)
        return status;
    return cli_model_parse_input(cli_text(arguments, "input"), training->input, error);
}

auxo_status bench_kinds_parse(const cli_arguments *arguments, bool kinds[AUXO_OP_COUNT], auxo_error *error)
{
    char text[512], *names[AUXO_OP_COUNT];
    const char *list = cli_text(arguments, "op");
    snprintf(text, sizeof text, "%s", list ? list : "");
    size_t count = cli_split_list(text, names, AUXO_OP_COUNT);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        auxo_op_kind kind;
        status = auxo_op_find(names[i], &kind, error);
        if (status == AUXO_OK)
            kinds[kind] = true;
    }
    return status;
}

void bench_add_field(void *event, const char *name, const char *text, double number)
{
    if (text)
        auxo__tree_text(event, name, text);
    else
        auxo__tree_number(event, name, number);
}

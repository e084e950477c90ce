/* runtime/cli/cmd_model_show.c: auxo model show NAME|FILE: layers, shapes, parameters and FLOPs, from the
 * description alone: no network is made. */
#include "cli_model.h"
#include "cli_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const cli_option show_options[] = {
    {.name = "input",
     .type = CLI_TEXT,
     .argument = "CxHxW",
     .initial = "1x28x28",
     .help = "Input of a built-in network: channels, height, width; a file says its own"},
    {.name = "outputs",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Outputs of a built-in network; a file says its own",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "format",
     .type = CLI_CHOICE,
     .argument = "table|json",
     .initial = "table",
     .help = "json writes the description that --model FILE reads"},
    CLI_OPTIONS_END,
};

/* A file says its own shapes; --input and --outputs given with it must agree. */
static auxo_status load_desc(const cli_context *context, auxo_model_desc *desc, auxo_error *error)
{
    const cli_arguments *arguments = context->arguments;
    const char *name = cli_operand(arguments, 0);
    size_t length = strlen(name);
    bool json = strchr(name, '/') || (length > 5 && strcmp(name + length - 5, ".json") == 0);
    int64_t dims[3] = {0};
    uint32_t outputs = 0;
    if (auxo_model_names_file(name))
        return auxo_model_file_desc(name, desc, error);
    auxo_status status = AUXO_OK;
    if (!json || cli_given(arguments, "input"))
        status = cli_model_parse_input(cli_text(arguments, "input"), dims, error);
    if (!json || cli_given(arguments, "outputs"))
        outputs = (uint32_t)cli_integer(arguments, "outputs");
    return status == AUXO_OK ? auxo_model_desc_load(name, dims[0], dims[1], dims[2], outputs, desc, error) : status;
}

static void report_layer(cli_output *output, cli_table *table, const auxo_model_desc *desc, uint32_t index,
                         const auxo_layer_cost *cost)
{
    const auxo_layer *layer = &desc->layers[index];
    char inputs[256] = "", shape[64], weights[32], flops_text[32];
    for (uint32_t i = 0, used = 0; i < layer->input_count && used < sizeof inputs; i++)
        used += (uint32_t)snprintf(inputs + used, sizeof inputs - used, "%s%s", i ? ", " : "",
                                   desc->layers[layer->inputs[i]].name);
    snprintf(shape, sizeof shape, "%" PRId64 "x%" PRId64 "x%" PRId64, layer->output_dims[0], layer->output_dims[1],
             layer->output_dims[2]);
    cli_table_row(table, "%s|%s|%s|%s|%s|%s", layer->name, auxo_layer_noun(layer->kind), inputs, shape,
                  auxo_format_count(weights, sizeof weights, cost->weights),
                  auxo_format_count(flops_text, sizeof flops_text, cost->flops));
    cJSON *event = cli_event(output, "layer");
    auxo__tree_text(event, "name", layer->name);
    auxo__tree_text(event, "kind", auxo_layer_noun(layer->kind));
    auxo__tree_text(event, "inputs", inputs);
    auxo__tree_text(event, "output", shape);
    auxo__tree_number(event, "weights", (double)cost->weights);
    auxo__tree_number(event, "flops", (double)cost->flops);
    cli_emit(output, event);
}

static void show_table(const cli_context *context, const auxo_model_desc *desc)
{
    auxo_layer_cost total = {0};
    char weights[32], flops_text[32];
    cli_table *table = cli_table_create("LAYER|KIND|INPUTS|OUTPUT|>WEIGHTS|>FLOPS");
    for (uint32_t i = 0; i < desc->layer_count; i++) {
        auxo_layer_cost cost;
        auxo_model_desc_layer_cost(desc, i, &cost);
        report_layer(context->output, table, desc, i, &cost);
        total.weights += cost.weights;
        total.statistics += cost.statistics;
        total.flops += cost.flops;
    }
    cli_table_print(context->output, table);
    cli_print(context->output, "%s: %s weights, %s FLOPs forward for one row\n", desc->name,
              auxo_format_count(weights, sizeof weights, total.weights),
              auxo_format_count(flops_text, sizeof flops_text, total.flops));
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_text(result, "model", desc->name);
    auxo__tree_number(result, "layers", desc->layer_count);
    auxo__tree_number(result, "weights", (double)total.weights);
    auxo__tree_number(result, "statistics", (double)total.statistics);
    auxo__tree_number(result, "flops", (double)total.flops);
    cli_emit(context->output, result);
}

static auxo_status show_json(const cli_context *context, const auxo_model_desc *desc, auxo_error *error)
{
    char *text = NULL;
    auxo_status status = auxo_model_desc_to_json(desc, &text, error);
    if (status != AUXO_OK)
        return status;
    cli_print(context->output, "%s\n", text);
    cJSON *result = cli_event(context->output, "result");
    if (result)
        auxo__tree_add(result, "description", cJSON_Parse(text));
    cli_emit(context->output, result);
    free(text);
    return AUXO_OK;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_status status = load_desc(context, &desc, error);
    if (status == AUXO_OK && cli_choice(context->arguments, "format") == 1)
        status = show_json(context, &desc, error);
    else if (status == AUXO_OK)
        show_table(context, &desc);
    auxo_model_desc_deinit(&desc);
    return status;
}

static const cli_option *const options[] = {show_options, cli_common_options, NULL};

const cli_command cli_command_model_show = {
    .name = "model show",
    .operands = "NAME|FILE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "show the layers, shapes, parameters and FLOPs of a network",
    .description = "Show a built-in network (mlp:SIZE-SIZE-..., lenet5, autosize-cnn, resnet18, vgg-small), a JSON "
                   "description, or a saved .safetensors model, without making the network. FLOPs are those of one row "
                   "forward.",
    .events = "{\"event\":\"layer\",\"name\":..,\"kind\":..,\"inputs\":..,\"output\":\"6x24x24\",\"weights\":..,"
              "\"flops\":..}\n"
              "{\"event\":\"result\",\"model\":..,\"layers\":..,\"weights\":..,\"statistics\":..,\"flops\":..}",
    .examples = "auxo model show lenet5\n"
                "auxo model show resnet18 --input 3x32x32 --outputs 100\n"
                "auxo model show lenet5 --format json > my-network.json",
    .options = options,
    .run = run,
};

/* runtime/cli/cmd_model_show.c: auxo model show NAME|FILE: layers, shapes, parameters, and FLOPs taken from the plan.
 */
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
     .help = "Input of a built-in network: channels, height, width"},
    {.name = "outputs",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Outputs of a built-in network",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "format",
     .type = CLI_CHOICE,
     .argument = "table|json",
     .initial = "table",
     .help = "json writes the description that --model FILE reads"},
    CLI_OPTIONS_END,
};

static auxo_status open_model(const cli_context *context, auxo_device *device, auxo_model **model, auxo_error *error)
{
    const char *name = cli_operand(context->arguments, 0);
    if (cli_model_is_file(name))
        return auxo_model_load(device, name, model, error);
    int64_t dims[3] = {0};
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_status status = cli_model_parse_input(cli_text(context->arguments, "input"), dims, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_load(name, dims[0], dims[1], dims[2],
                                      (uint32_t)cli_integer(context->arguments, "outputs"), &desc, error);
    if (status == AUXO_OK)
        status = auxo_model_create(device, &desc, 1, model, error);
    auxo_model_desc_deinit(&desc);
    return status;
}

/* FLOPs of every layer in one forward pass of one row: ops of the plan are labelled "layer.what". */
static auxo_status layer_flops(auxo_model *model, uint64_t *flops, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const int64_t *input = desc->layers[0].output_dims;
    const int64_t dims[4] = {1, input[0], input[1], input[2]};
    auxo_plan *plan = NULL;
    auxo_activations *activations = NULL;
    auxo_status status = auxo_plan_create(auxo_model_device(model), &plan, error);
    if (status != AUXO_OK)
        return status;
    bool flat = input[1] == 1 && input[2] == 1;
    auxo_forward forward = {.input = auxo_plan_temp(plan, AUXO_DTYPE_F32, flat ? 2 : 4, dims)};
    status = auxo_model_add_forward(model, plan, &forward, &activations, error);
    for (size_t i = 0; status == AUXO_OK && i < auxo_plan_op_count(plan); i++) {
        auxo_plan_op_info info = auxo_plan_op_info_at(plan, i);
        const char *dot = info.label ? strrchr(info.label, '.') : NULL;
        for (uint32_t layer = 0; dot && layer < desc->layer_count; layer++) {
            const char *name = desc->layers[layer].name;
            if (strlen(name) == (size_t)(dot - info.label) && strncmp(name, info.label, strlen(name)) == 0)
                flops[layer] += info.flops;
        }
    }
    auxo_activations_destroy(activations);
    auxo_plan_destroy(plan);
    return status;
}

static void report_layer(cli_output *output, cli_table *table, const auxo_model *model, uint32_t index, uint64_t flops)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const auxo_layer *layer = &desc->layers[index];
    uint64_t offset = 0, count = 0;
    char inputs[256] = "", shape[64], weights[32], flops_text[32];
    auxo_model_layer_range(model, index, &offset, &count);
    for (uint32_t i = 0, used = 0; i < layer->input_count && used < sizeof inputs; i++)
        used += (uint32_t)snprintf(inputs + used, sizeof inputs - used, "%s%s", i ? ", " : "",
                                   desc->layers[layer->inputs[i]].name);
    snprintf(shape, sizeof shape, "%" PRId64 "x%" PRId64 "x%" PRId64, layer->output_dims[0], layer->output_dims[1],
             layer->output_dims[2]);
    cli_table_row(table, "%s|%s|%s|%s|%s|%s", layer->name, auxo_layer_noun(layer->kind), inputs, shape,
                  cli_format_count(weights, sizeof weights, count),
                  cli_format_count(flops_text, sizeof flops_text, flops));
    cJSON *event = cli_event(output, "layer");
    cJSON_AddStringToObject(event, "name", layer->name);
    cJSON_AddStringToObject(event, "kind", auxo_layer_noun(layer->kind));
    cJSON_AddStringToObject(event, "inputs", inputs);
    cJSON_AddStringToObject(event, "output", shape);
    cJSON_AddNumberToObject(event, "weights", (double)count);
    cJSON_AddNumberToObject(event, "flops", (double)flops);
    cli_emit(output, event);
}

static auxo_status show_table(const cli_context *context, auxo_model *model, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    uint64_t *flops = calloc(desc->layer_count, sizeof *flops), total = 0;
    if (!flops)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %u layers", desc->layer_count);
    auxo_status status = layer_flops(model, flops, error);
    if (status == AUXO_OK)
        status = auxo_model_forward_flops(model, &total, error);
    if (status == AUXO_OK) {
        char weights[32], flops_text[32];
        uint64_t weight_count = auxo_model_weight_count(model);
        cli_table *table = cli_table_create("LAYER|KIND|INPUTS|OUTPUT|>WEIGHTS|>FLOPS");
        for (uint32_t i = 0; i < desc->layer_count; i++)
            report_layer(context->output, table, model, i, flops[i]);
        cli_table_print(context->output, table);
        cli_print(context->output, "%s: %s weights, %s FLOPs forward for one row\n", desc->name,
                  cli_format_count(weights, sizeof weights, weight_count),
                  cli_format_count(flops_text, sizeof flops_text, total));
        cJSON *result = cli_event(context->output, "result");
        cJSON_AddStringToObject(result, "model", desc->name);
        cJSON_AddNumberToObject(result, "layers", desc->layer_count);
        cJSON_AddNumberToObject(result, "weights", (double)weight_count);
        cJSON_AddNumberToObject(result, "statistics", (double)auxo_model_statistic_count(model));
        cJSON_AddNumberToObject(result, "flops", (double)total);
        cli_emit(context->output, result);
    }
    free(flops);
    return status;
}

static auxo_status show_json(const cli_context *context, const auxo_model *model, auxo_error *error)
{
    char *text = NULL;
    auxo_status status = auxo_model_desc_to_json(auxo_model_get_desc(model), &text, error);
    if (status != AUXO_OK)
        return status;
    cli_print(context->output, "%s\n", text);
    cJSON *result = cli_event(context->output, "result");
    cJSON *description = cJSON_Parse(text);
    if (!cJSON_AddItemToObject(result, "description", description))
        cJSON_Delete(description);
    cli_emit(context->output, result);
    free(text);
    return AUXO_OK;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    cli_session session;
    auxo_model *model = NULL;
    auxo_status status = cli_session_open_device(context, "cpu", &session, error);
    if (status == AUXO_OK)
        status = open_model(context, session.device, &model, error);
    if (status == AUXO_OK && cli_choice(context->arguments, "format") == 1)
        status = show_json(context, model, error);
    else if (status == AUXO_OK)
        status = show_table(context, model, error);
    auxo_model_destroy(model);
    cli_session_close(&session);
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
                   "description, or a saved .safetensors model. FLOPs are those of the plan that runs one row forward.",
    .events = "{\"event\":\"layer\",\"name\":..,\"kind\":..,\"inputs\":..,\"output\":\"6x24x24\",\"weights\":..,"
              "\"flops\":..}\n"
              "{\"event\":\"result\",\"model\":..,\"layers\":..,\"weights\":..,\"statistics\":..,\"flops\":..}",
    .examples = "auxo model show lenet5\n"
                "auxo model show resnet18 --input 3x32x32 --outputs 100\n"
                "auxo model show lenet5 --format json > my-network.json",
    .options = options,
    .run = run,
};

/* runtime/cli/multiscale/cmd_multiscale_sensitivity.c: auxo multiscale sensitivity: exact and finite-difference values
 * side by side for every node of the tree, down to units (paper sec. 3.4: the two validate each other).
 */
#include "cli_text.h"
#include "multiscale_run.h"

#include <math.h>
#include <stdlib.h>

static const cli_option sensitivity_options[] = {
    {.name = "units", .type = CLI_FLAG, .help = "Go on inside layers, down to single units"},
    {.name = "order",
     .type = CLI_CHOICE,
     .argument = "first|second",
     .initial = "first",
     .help = "First derivatives, or the mean gradients of the second-order selector"},
    CLI_OPTIONS_END,
};

typedef struct value_set {
    double *exact, *difference;
} value_set;

static auxo_status compute(const multiscale_job *job, auxo_multiscale *multiscale, bool second, value_set *values,
                           auxo_error *error)
{
    const auxo_multiscale_options *options = &job->options;
    auxo_difference difference =
        options->difference == AUXO_DIFFERENCE_EXACT ? AUXO_DIFFERENCE_CENTRAL : options->difference;
    if (second) {
        auxo_status status =
            auxo_multiscale_second_order(multiscale, AUXO_DIFFERENCE_EXACT, 0, values->exact, NULL, NULL, error);
        if (status == AUXO_OK)
            status = auxo_multiscale_second_order(multiscale, difference, options->second_step, values->difference,
                                                  NULL, NULL, error);
        return status;
    }
    auxo_status status =
        auxo_multiscale_sensitivities(multiscale, AUXO_DIFFERENCE_EXACT, options->epsilon, values->exact, error);
    if (status == AUXO_OK)
        status = auxo_multiscale_sensitivities(multiscale, difference, options->epsilon, values->difference, error);
    return status;
}

static void describe(const auxo_tree *tree, const auxo_tree_node *node, char *text, size_t size)
{
    int indent = (int)(2 * node->depth);
    if (node->layer_end - node->layer_begin > 1)
        snprintf(text, size, "%*slayers %u-%u", indent, "", node->layer_begin + 1, node->layer_end);
    else if (node->unit_end - node->unit_begin == tree->unit_counts[node->layer_begin])
        snprintf(text, size, "%*slayer %u", indent, "", node->layer_begin + 1);
    else if (node->unit_end - node->unit_begin > 1)
        snprintf(text, size, "%*sunits %u-%u", indent, "", node->unit_begin + 1, node->unit_end);
    else
        snprintf(text, size, "%*sunit %u", indent, "", node->unit_begin + 1);
}

/* Depth-first, so that the indented names read as the tree. */
static double print_node(cli_output *output, cli_table *table, const auxo_tree *tree, uint32_t index,
                         const value_set *values, double scale)
{
    const auxo_tree_node *node = &tree->nodes[index];
    double exact = values->exact[index], difference = values->difference[index];
    double relative = isfinite(exact) ? fabs(difference - exact) / fmax(fabs(exact), 1e-9 * scale) : 0;
    char name[96];
    describe(tree, node, name, sizeof name);
    cli_table_row(table, "%s|%.8g|%.8g|%.2e", name, exact, difference, relative);
    cJSON *event = cli_event(output, "node");
    cJSON_AddNumberToObject(event, "depth", node->depth);
    cJSON_AddNumberToObject(event, "layer_begin", node->layer_begin);
    cJSON_AddNumberToObject(event, "layer_end", node->layer_end);
    cJSON_AddNumberToObject(event, "unit_begin", node->unit_begin);
    cJSON_AddNumberToObject(event, "unit_end", node->unit_end);
    cJSON_AddNumberToObject(event, "exact", exact);
    cJSON_AddNumberToObject(event, "difference", difference);
    cJSON_AddNumberToObject(event, "relative_error", relative);
    cli_emit(output, event);
    double worst = isfinite(exact) ? fabs(difference - exact) / scale : 0;
    if (node->left >= 0) {
        double left = print_node(output, table, tree, (uint32_t)node->left, values, scale);
        double right = print_node(output, table, tree, (uint32_t)node->right, values, scale);
        worst = fmax(worst, fmax(left, right));
    }
    return worst;
}

static auxo_status print_values(const multiscale_job *job, auxo_multiscale *multiscale, bool second, auxo_error *error)
{
    cli_output *output = job->context->output;
    const auxo_tree *tree = auxo_multiscale_tree(multiscale);
    value_set values = {calloc(tree->node_count, sizeof(double)), calloc(tree->node_count, sizeof(double))};
    auxo_status status = AUXO_OK;
    if (!values.exact || !values.difference)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities: out of memory");
    double start = cli_now_seconds();
    if (status == AUXO_OK)
        status = compute(job, multiscale, second, &values, error);
    if (status == AUXO_OK) {
        double seconds = cli_now_seconds() - start, scale = 1e-300;
        for (uint32_t n = 0; n < tree->node_count; n++)
            if (isfinite(values.exact[n]))
                scale = fmax(scale, fabs(values.exact[n]));
        cli_table *table = cli_table_create("BLOCK|>EXACT|>DIFFERENCE|>RELATIVE ERROR");
        double worst = print_node(output, table, tree, 0, &values, scale);
        cli_table_print(output, table);
        cli_print(output, "largest deviation %.2e of the largest sensitivity; %u blocks, %.3f s\n", worst,
                  tree->node_count, seconds);
        cJSON *result = cli_event(output, "result");
        cJSON_AddNumberToObject(result, "nodes", tree->node_count);
        cJSON_AddNumberToObject(result, "largest_deviation", worst);
        cJSON_AddNumberToObject(result, "seconds", seconds);
        cli_emit(output, result);
    }
    free(values.exact);
    free(values.difference);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    multiscale_job job;
    auxo_status status = multiscale_job_open(context, &job, error);
    auxo_model *model = NULL;
    auxo_multiscale *multiscale = NULL;
    const char *file = cli_operand_count(context->arguments) ? cli_operand(context->arguments, 0) : NULL;
    job.options.split_units = cli_flag(context->arguments, "units");
    if (status == AUXO_OK)
        status = multiscale_job_model(&job, file, job.options.seed, &model, error);
    if (status == AUXO_OK)
        status = auxo_multiscale_create(model, job.train, NULL, &job.options, &multiscale, error);
    if (status == AUXO_OK && auxo_multiscale_is_degenerate(multiscale))
        cli_note(context->output, "without bias and with positively homogeneous activations all layers are equally "
                                  "sensitive");
    if (status == AUXO_OK)
        status = print_values(&job, multiscale, cli_choice(context->arguments, "order") == 1, error);
    auxo_multiscale_destroy(multiscale);
    auxo_model_destroy(model);
    multiscale_job_close(&job);
    return status;
}

static const cli_option *const options[] = {multiscale_data_options,
                                            sensitivity_options,
                                            multiscale_selection_options,
                                            cli_device_options,
                                            cli_seed_options,
                                            cli_common_options,
                                            NULL};

const cli_command cli_command_multiscale_sensitivity = {
    .name = "multiscale sensitivity",
    .operands = "[MODEL.safetensors]",
    .operand_max = 1,
    .summary = "print exact and finite-difference sensitivities side by side",
    .description = "Take the sensitivity of the loss to every block of the network (halves, quarters, ... layers, and "
                   "with --units blocks of units and single units) exactly, from one backward pass, and by finite "
                   "differences (--fd; central unless given), and print both with their relative error. With --order "
                   "second the exact values are Hessian-vector products where the network runs fused (fully connected, "
                   "no wider than 64), and central differences of exact gradients by a step of 0.01, good to about "
                   "4e-4 of the largest, where it does not. The model is a saved one, or a fresh one of the preset.",
    .events =
        "{\"event\":\"node\",\"depth\":..,\"layer_begin\":..,\"layer_end\":..,\"exact\":..,\"difference\":..,..}\n"
        "{\"event\":\"result\",\"nodes\":..,\"largest_deviation\":..,\"seconds\":..}",
    .examples = "auxo multiscale sensitivity --preset table7\n"
                "auxo multiscale sensitivity net.safetensors --preset ccpp --units --theta-on outputs",
    .options = options,
    .run = run,
};

/* sensitivity_method.c: "multiscale sensitivity": exact and finite-difference values side by side for every node of the
 * tree, down to units (Dorneanu et al. 2023, sec. 3.4: the two validate each other).
 *
 * A single step computes and tells everything.
 */
#include "multiscale_task.h"

#include "clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const auxo_setting sensitivity_settings[] = {
    {.name = "units", .type = AUXO_SETTING_FLAG, .help = "Go on inside layers, down to single units"},
    {.name = "order",
     .type = AUXO_SETTING_CHOICE,
     .argument = "first|second",
     .initial = "first",
     .help = "First derivatives, or the mean gradients of the second-order selector"},
    {.name = "of",
     .type = AUXO_SETTING_CHOICE,
     .argument = "blocks|inputs|coupling",
     .initial = "blocks",
     .help = "What the factors are on: blocks of the network; its inputs; or the mixed second derivatives of every two "
             "layers, exact"},
    AUXO_SETTINGS_END,
};

typedef struct sensitivity_state {
    auxo__task_data data;
    auxo_multiscale_options options;
    auxo_model *model;
    auxo_multiscale *multiscale;
    double *exact, *difference; /* (node_count) */
    double worst, seconds;
    uint32_t value_count;
} sensitivity_state;

typedef struct node_record {
    uint32_t depth, layer_begin, layer_end, unit_begin, unit_end;
    double exact, difference, relative_error;
    char name[96];
} node_record;
static const auxo_field node_fields[] = {
    AUXO__FIELD(node_record, depth, "depth", U32),
    AUXO__FIELD(node_record, layer_begin, "layer_begin", U32),
    AUXO__FIELD(node_record, layer_end, "layer_end", U32),
    AUXO__FIELD(node_record, unit_begin, "unit_begin", U32),
    AUXO__FIELD(node_record, unit_end, "unit_end", U32),
    AUXO__FIELD(node_record, exact, "exact", REAL),
    AUXO__FIELD(node_record, difference, "difference", REAL),
    AUXO__FIELD(node_record, relative_error, "relative_error", REAL),
    AUXO__FIELD_LINE_ONLY(node_record, name, "name", CHARS),
    AUXO__FIELDS_END,
};
static const auxo_event_type node_event = {
    .name = "node",
    .fields = node_fields,
    .line = "{name:-28s}  exact {exact:15.8g}  difference {difference:15.8g}  relative error {relative_error:.2e}"};

typedef struct input_record {
    uint32_t input; /* counted from 1 */
    double exact, difference, relative_error;
    const char *name;
} input_record;
static const auxo_field input_fields[] = {
    AUXO__FIELD(input_record, input, "input", U32),
    AUXO__FIELD(input_record, name, "name", TEXT),
    AUXO__FIELD(input_record, exact, "exact", REAL),
    AUXO__FIELD(input_record, difference, "difference", REAL),
    AUXO__FIELD(input_record, relative_error, "relative_error", REAL),
    AUXO__FIELDS_END,
};
static const auxo_event_type input_event = {
    .name = "input",
    .fields = input_fields,
    .line = "{name:-28s}  exact {exact:15.8g}  difference {difference:15.8g}  relative error {relative_error:.2e}"};

typedef struct coupling_record {
    uint32_t layer, other; /* counted from 1 */
    double value;
} coupling_record;
static const auxo_field coupling_fields[] = {AUXO__FIELD(coupling_record, layer, "layer", U32),
                                             AUXO__FIELD(coupling_record, other, "other", U32),
                                             AUXO__FIELD(coupling_record, value, "value", REAL), AUXO__FIELDS_END};
static const auxo_event_type coupling_event = {
    .name = "coupling", .fields = coupling_fields, .line = "layers {layer} and {other}  {value:15.8g}"};

typedef struct result_record {
    uint32_t nodes;
    double largest_deviation, seconds;
} result_record;
static const auxo_field result_fields[] = {AUXO__FIELD(result_record, nodes, "nodes", U32),
                                           AUXO__FIELD(result_record, largest_deviation, "largest_deviation", REAL),
                                           AUXO__FIELD(result_record, seconds, "seconds", REAL), AUXO__FIELDS_END};
static const auxo_event_type result_event = {
    .name = "result",
    .fields = result_fields,
    .line = "[largest deviation {largest_deviation:.2e} of the largest sensitivity; ]{nodes} values, {seconds:.3f} s"};

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    sensitivity_state *state = user;
    auxo_status status = auxo__multiscale_read_options(run, &state->options, error);
    state->options.split_units = auxo_settings_flag(run->settings, "units");
    if (status == AUXO_OK)
        status = auxo__multiscale_load_data(run, state->options.seed, &state->data, error);
    if (status == AUXO_OK)
        status = auxo__task_open_device(run, error);
    if (status == AUXO_OK)
        status = auxo__multiscale_open_model(run, state->data.train, state->options.seed, &state->model, error);
    if (status == AUXO_OK)
        status =
            auxo_multiscale_create(state->model, state->data.train, NULL, &state->options, &state->multiscale, error);
    return status == AUXO_OK ? auxo__multiscale_warn(run, state->multiscale, error) : status;
}

static void end(void *user)
{
    sensitivity_state *state = user;
    auxo_multiscale_destroy(state->multiscale);
    auxo_model_destroy(state->model);
    auxo__task_data_deinit(&state->data);
    free(state->exact);
    free(state->difference);
}

static auxo_status compute(sensitivity_state *state, bool second, auxo_error *error)
{
    const auxo_multiscale_options *options = &state->options;
    auxo_multiscale *multiscale = state->multiscale;
    auxo_difference difference =
        options->difference == AUXO_DIFFERENCE_EXACT ? AUXO_DIFFERENCE_CENTRAL : options->difference;
    if (second) {
        auxo_status status =
            auxo_multiscale_second_order(multiscale, AUXO_DIFFERENCE_EXACT, 0, state->exact, NULL, NULL, error);
        if (status == AUXO_OK)
            status = auxo_multiscale_second_order(multiscale, difference, options->second_step, state->difference, NULL,
                                                  NULL, error);
        return status;
    }
    auxo_status status =
        auxo_multiscale_sensitivities(multiscale, AUXO_DIFFERENCE_EXACT, options->epsilon, state->exact, error);
    if (status == AUXO_OK)
        status = auxo_multiscale_sensitivities(multiscale, difference, options->epsilon, state->difference, error);
    return status;
}

static void name_node(const auxo_tree *tree, const auxo_tree_node *node, char *text, size_t size)
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
static auxo_status tell_node(auxo_run *run, sensitivity_state *state, uint32_t index, double scale, auxo_error *error)
{
    const auxo_tree *tree = auxo_multiscale_tree(state->multiscale);
    const auxo_tree_node *node = &tree->nodes[index];
    double exact = state->exact[index], difference = state->difference[index];
    node_record record = {.depth = node->depth,
                          .layer_begin = node->layer_begin,
                          .layer_end = node->layer_end,
                          .unit_begin = node->unit_begin,
                          .unit_end = node->unit_end,
                          .exact = exact,
                          .difference = difference};
    if (isfinite(exact)) {
        record.relative_error = fabs(difference - exact) / fmax(fabs(exact), 1e-9 * scale);
        state->worst = fmax(state->worst, fabs(difference - exact) / scale);
    }
    name_node(tree, node, record.name, sizeof record.name);
    auxo_status status = auxo__run_emit(run, &node_event, &record, error);
    if (status == AUXO_OK && node->left >= 0)
        status = tell_node(run, state, (uint32_t)node->left, scale, error);
    if (status == AUXO_OK && node->left >= 0)
        status = tell_node(run, state, (uint32_t)node->right, scale, error);
    return status;
}

static double scale_of(const double *values, size_t count)
{
    double scale = 1e-300;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            scale = fmax(scale, fabs(values[i]));
    return scale;
}

static auxo_status tell_inputs(auxo_run *run, sensitivity_state *state, double scale, auxo_error *error)
{
    const auxo_dataset *train = state->data.train;
    const bool named =
        train->feature_names && (size_t)(train->channels * train->height * train->width) == state->value_count;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < state->value_count && status == AUXO_OK; i++) {
        char number[24];
        snprintf(number, sizeof number, "input %u", i + 1);
        const double apart = fabs(state->difference[i] - state->exact[i]);
        const input_record record = {.input = i + 1,
                                     .exact = state->exact[i],
                                     .difference = state->difference[i],
                                     .relative_error = apart / fmax(fabs(state->exact[i]), 1e-9 * scale),
                                     .name = named ? train->feature_names[i] : number};
        state->worst = fmax(state->worst, apart / scale);
        status = auxo__run_emit(run, &input_event, &record, error);
    }
    return status;
}

static auxo_status step_inputs(auxo_run *run, sensitivity_state *state, auxo_error *error)
{
    const double start = auxo__now_seconds();
    const auxo_multiscale_options *options = &state->options;
    const auxo_difference difference =
        options->difference == AUXO_DIFFERENCE_EXACT ? AUXO_DIFFERENCE_CENTRAL : options->difference;
    auxo_status status = auxo_multiscale_input_count(state->multiscale, &state->value_count, error);
    if (status != AUXO_OK)
        return status;
    state->exact = calloc(state->value_count + 1, sizeof *state->exact);
    state->difference = calloc(state->value_count + 1, sizeof *state->difference);
    if (!state->exact || !state->difference)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities: out of memory");
    status = auxo_multiscale_input_sensitivities(state->multiscale, AUXO_DIFFERENCE_EXACT, 0, state->exact, error);
    if (status == AUXO_OK)
        status = auxo_multiscale_input_sensitivities(state->multiscale, difference, options->epsilon, state->difference,
                                                     error);
    state->seconds = auxo__now_seconds() - start;
    return status == AUXO_OK ? tell_inputs(run, state, scale_of(state->exact, state->value_count), error) : status;
}

static auxo_status step_coupling(auxo_run *run, sensitivity_state *state, auxo_error *error)
{
    const double start = auxo__now_seconds();
    const uint32_t layers = auxo_multiscale_tree(state->multiscale)->layer_count;
    state->value_count = layers * layers;
    state->worst = NAN; /* there is nothing beside it */
    state->exact = calloc(state->value_count, sizeof *state->exact);
    auxo_status status = state->exact ? auxo_multiscale_coupling(state->multiscale, state->exact, error)
                                      : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "coupling: out of memory");
    state->seconds = auxo__now_seconds() - start;
    for (uint32_t i = 0; i < layers && status == AUXO_OK; i++)
        for (uint32_t j = i; j < layers && status == AUXO_OK; j++) {
            const coupling_record record = {i + 1, j + 1, state->exact[i * layers + j]};
            status = auxo__run_emit(run, &coupling_event, &record, error);
        }
    return status;
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    enum { OF_INPUTS = 1, OF_COUPLING };
    sensitivity_state *state = user;
    const size_t of = auxo_settings_choice(run->settings, "of");
    *done = true;
    if (of != 0)
        return of == OF_INPUTS ? step_inputs(run, state, error) : step_coupling(run, state, error);
    const auxo_tree *tree = auxo_multiscale_tree(state->multiscale);
    state->value_count = tree->node_count;
    double start = auxo__now_seconds();
    state->exact = calloc(tree->node_count, sizeof *state->exact);
    state->difference = calloc(tree->node_count, sizeof *state->difference);
    auxo_status status = state->exact && state->difference
                             ? compute(state, auxo_settings_choice(run->settings, "order") == 1, error)
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities: out of memory");
    if (status != AUXO_OK)
        return status;
    state->seconds = auxo__now_seconds() - start;
    return tell_node(run, state, 0, scale_of(state->exact, tree->node_count), error);
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    const sensitivity_state *state = user;
    const result_record record = {state->value_count, state->worst, state->seconds};
    return auxo__run_emit(run, &result_event, &record, error);
}

static const auxo_setting *const settings[] = {auxo__multiscale_data_settings,
                                               sensitivity_settings,
                                               auxo__multiscale_selection_settings,
                                               auxo_data_settings,
                                               auxo__model_settings,
                                               auxo__device_settings,
                                               auxo__seed_settings,
                                               NULL};
static const auxo_event_type *const events[] = {&node_event, &input_event, &coupling_event, &result_event, NULL};

const auxo_method auxo__method_multiscale_sensitivity = {
    .info =
        {
            .name = "multiscale sensitivity",
            .summary = "print exact and finite-difference sensitivities side by side",
            .description =
                "Take the sensitivity of the loss to every block of the network (halves, quarters, ... layers, and "
                "under units blocks of units and single units) exactly, from one backward pass, and by finite "
                "differences (fd; central unless given), and print both with their relative error. In second order the "
                "exact values are Hessian-vector products where the network runs fused (fully connected, no wider than "
                "64), and central differences of exact gradients by a step of 0.01, good to about 4e-4 of the largest, "
                "where it does not. The same of the inputs, each as a factor on one feature (or channel of a picture) "
                "as the "
                "network reads it, and of every two layers together, which says how they are coupled. The model is a "
                "saved one, or a fresh one of the preset.",
            .examples = "auxo multiscale sensitivity --preset table7\n"
                        "auxo multiscale sensitivity net.safetensors --preset ccpp --units --theta-on outputs\n"
                        "auxo multiscale sensitivity net.safetensors --preset ccpp --of inputs",
            .settings = settings,
            .events = events,
            .operand = "model",
        },
    .state_bytes = sizeof(sensitivity_state),
    .begin = begin,
    .step = step,
    .finish = finish,
    .end = end,
};

/* multiscale_report.c: the pictures of a multi-scale run (Dorneanu et al. 2023, Fig. 4-5, 7-9, 11-15), and of what
 * couples its layers.
 */
#include "multiscale_task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A column of the iterations of one run. */
typedef struct multiscale_view {
    const auxo_run *run;
    const auxo__multiscale_pictures *pictures;
    size_t count; /* iterations */
} multiscale_view;

static const double *values_of(const multiscale_view *view, const char *field)
{
    return auxo__history_column(&view->run->history, "iteration", field)->values + view->pictures->iterations.begin;
}

static void draw_loss(auxo_report *report, const multiscale_view *view)
{
    const auxo_series loss = {
        .name = "training loss", .count = view->count, .x = values_of(view, "iteration"), .y = values_of(view, "loss")};
    auxo_report_chart(report, &(auxo_chart){.title = "Loss over iterations",
                                            .x_label = "iteration",
                                            .y_label = "mean squared error",
                                            .series = &loss,
                                            .series_count = 1});
}

/* (iterations, nodes) of those iterations after which they were taken; *count of these. */
static const double *sensitivities_of(const multiscale_view *view, size_t *count)
{
    const auxo__iteration_range range = view->pictures->sensitivities;
    *count = range.end - range.begin;
    return auxo__history_column(&view->run->history, "sensitivities", "values")->values +
           range.begin * view->pictures->tree->node_count;
}

static const char *value_label(const multiscale_view *view)
{
    return view->pictures->order == AUXO_MULTISCALE_SECOND ? "|mean gradient|" : "|dL/dtheta|";
}

/* One heat map per level: blocks of the tree downwards, iterations to the right, |sensitivity| as colour. */
static auxo_status draw_levels(auxo_report *report, const multiscale_view *view, auxo_error *error)
{
    const auxo_tree *tree = view->pictures->tree;
    size_t drawn;
    const double *sensitivities = sensitivities_of(view, &drawn);
    double *values = malloc(tree->node_count * drawn * sizeof *values);
    char(*names)[32] = malloc(tree->node_count * sizeof *names);
    const char **rows = malloc(tree->node_count * sizeof *rows);
    if (!values || !names || !rows) {
        free(values);
        free(names);
        free(rows);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report of sensitivities: out of memory");
    }
    for (uint32_t depth = 1; depth <= tree->depth; depth++) {
        size_t count = 0;
        for (uint32_t n = 0; n < tree->node_count; n++) {
            const auxo_tree_node *node = &tree->nodes[n];
            if (node->depth != depth)
                continue;
            if (node->layer_end - node->layer_begin == 1)
                snprintf(names[count], sizeof names[count], "layer %u", node->layer_begin + 1);
            else
                snprintf(names[count], sizeof names[count], "layers %u-%u", node->layer_begin + 1, node->layer_end);
            rows[count] = names[count];
            for (size_t i = 0; i < drawn; i++)
                values[count * drawn + i] = fabs(sensitivities[i * tree->node_count + n]);
            count++;
        }
        char title[64];
        snprintf(title, sizeof title, "Sensitivities, tree level %u", depth);
        auxo_report_heat_map(report, &(auxo_heat_map){.title = title,
                                                      .x_label = "iteration",
                                                      .value_label = value_label(view),
                                                      .row_count = count,
                                                      .column_count = drawn,
                                                      .values = values,
                                                      .row_names = rows,
                                                      .value_log = true});
    }
    free(values);
    free(names);
    free(rows);
    return AUXO_OK;
}

static void draw_tree(auxo_report *report, const multiscale_view *view)
{
    const auxo_tree *tree = view->pictures->tree;
    size_t drawn;
    const double *sensitivities = sensitivities_of(view, &drawn);
    auxo_tree_block *blocks = malloc(tree->node_count * sizeof *blocks);
    if (!blocks)
        return; /* the level maps hold the same numbers */
    size_t count = 0;
    const double *last = sensitivities + (drawn - 1) * tree->node_count;
    for (uint32_t n = 0; n < tree->node_count; n++) {
        const auxo_tree_node *node = &tree->nodes[n];
        if (node->layer_end - node->layer_begin > 1 || n == 0 ||
            tree->nodes[node->parent].layer_end - tree->nodes[node->parent].layer_begin > 1)
            blocks[count++] = (auxo_tree_block){node->depth, node->layer_begin, node->layer_end,
                                                isfinite(last[n]) ? fabs(last[n]) : 0, NULL};
    }
    auxo_report_tree(report, "The tree after the last iteration", value_label(view), blocks, count, tree->layer_count,
                     true);
    free(blocks);
}

static void draw_selected(auxo_report *report, const multiscale_view *view, uint32_t layer_count, double *counts)
{
    const double *begins = values_of(view, "layer_begin"), *ends = values_of(view, "layer_end");
    for (uint32_t l = 0; l < layer_count; l++)
        counts[l] = 0;
    for (size_t i = 0; i < view->count; i++)
        for (uint32_t l = (uint32_t)begins[i]; l < (uint32_t)ends[i] && l < layer_count; l++)
            counts[l]++;
    char(*names)[16] = malloc(layer_count * sizeof *names);
    const char **categories = malloc(layer_count * sizeof *categories);
    if (names && categories) {
        for (uint32_t l = 0; l < layer_count; l++) {
            snprintf(names[l], sizeof names[l], "%u", l + 1);
            categories[l] = names[l];
        }
        auxo_report_bars(report, &(auxo_bars){.title = "How often each layer was trained",
                                              .value_label = "iterations",
                                              .categories = categories,
                                              .category_count = layer_count,
                                              .series_count = 1,
                                              .values = counts});
    }
    free(names);
    free(categories);
}

static void draw_iterations(auxo_report *report, const multiscale_view *view, double *seconds)
{
    const double *selection = values_of(view, "selection_seconds"), *training = values_of(view, "training_seconds");
    for (size_t i = 0; i < view->count; i++)
        seconds[i] = selection[i] + training[i];
    static const char *const titles[] = {"Largest gradient of the network", "Epochs per iteration",
                                         "Time per iteration"};
    static const char *const labels[] = {"|dMSE/dW| (max)", "epochs", "seconds"};
    for (int chart = 0; chart < 3; chart++) {
        const double *y = chart == 0   ? values_of(view, "network_gradient_max")
                          : chart == 1 ? values_of(view, "epochs")
                                       : seconds;
        const auxo_series series = {.mark = chart == 1 ? AUXO_MARK_POINTS : AUXO_MARK_LINE,
                                    .count = view->count,
                                    .x = values_of(view, "iteration"),
                                    .y = y};
        auxo_report_chart(report, &(auxo_chart){.title = titles[chart],
                                                .x_label = "iteration",
                                                .y_label = labels[chart],
                                                .y_log = chart == 0,
                                                .series = &series,
                                                .series_count = 1});
    }
}

/* The gradient of the last layer over iterations (Fig. 15), and those of all layers as a map. */
static auxo_status draw_gradients(auxo_report *report, const multiscale_view *view, auxo_error *error)
{
    const auxo__iteration_range range = view->pictures->sensitivities;
    const size_t layers = view->pictures->tree->layer_count, drawn = range.end - range.begin;
    const double *gradients =
        auxo__history_column(&view->run->history, "gradients", "values")->values + range.begin * layers;
    double *values = malloc(layers * drawn * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report of gradients: out of memory");
    for (size_t i = 0; i < drawn; i++)
        for (size_t l = 0; l < layers; l++)
            values[l * drawn + i] = gradients[i * layers + l];
    const auxo_series last = {
        .count = drawn, .x = values_of(view, "iteration") + view->count - drawn, .y = values + (layers - 1) * drawn};
    auxo_report_chart(report, &(auxo_chart){.title = "Largest gradient of the last layer",
                                            .x_label = "iteration",
                                            .y_label = "|dMSE/dW| (max)",
                                            .y_log = true,
                                            .series = &last,
                                            .series_count = 1});
    auxo_report_heat_map(report, &(auxo_heat_map){.title = "Largest gradient of each layer",
                                                  .x_label = "iteration",
                                                  .y_label = "layer",
                                                  .value_label = "|dMSE/dW| (max)",
                                                  .row_count = layers,
                                                  .column_count = drawn,
                                                  .values = values,
                                                  .value_log = true});
    free(values);
    return AUXO_OK;
}

enum { COUPLING_MAX = 64, INPUTS_MAX = 24 };

/* How layers hang together: the mixed second derivatives by their scaling factors (the article's outlook, 3). */
static auxo_status draw_coupling(auxo_report *report, const multiscale_view *view, auxo_error *error)
{
    const size_t layers = view->pictures->tree->layer_count;
    if (layers > COUPLING_MAX || layers < 2)
        return AUXO_OK;
    double *matrix = malloc(layers * layers * sizeof *matrix);
    auxo_status status = matrix ? auxo_multiscale_coupling(view->pictures->multiscale, matrix, error)
                                : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report of coupling: out of memory");
    if (status == AUXO_OK)
        auxo_report_heat_map(report, &(auxo_heat_map){.title = "Coupling of layers at the end",
                                                      .x_label = "layer",
                                                      .y_label = "layer",
                                                      .value_label = "second derivative by both factors",
                                                      .row_count = layers,
                                                      .column_count = layers,
                                                      .values = matrix,
                                                      .diverging = true});
    free(matrix);
    return status;
}

typedef struct input_value {
    uint32_t index;
    double size;
} input_value;

static int larger_first(const void *left, const void *right)
{
    const input_value *a = left, *b = right;
    return a->size > b->size ? -1 : a->size < b->size ? 1 : a->index < b->index ? -1 : a->index > b->index;
}

static void draw_largest(auxo_report *report, const multiscale_view *view, input_value *inputs, uint32_t count)
{
    char names[INPUTS_MAX][64];
    const char *categories[INPUTS_MAX];
    double sizes[INPUTS_MAX];
    const uint32_t drawn = count < INPUTS_MAX ? count : INPUTS_MAX;
    const auxo_dataset *train = view->pictures->train;
    const bool named = train->feature_names && (uint32_t)(train->channels * train->height * train->width) == count;
    qsort(inputs, count, sizeof *inputs, larger_first);
    for (uint32_t i = 0; i < drawn; i++) {
        if (named)
            snprintf(names[i], sizeof names[i], "%.60s", train->feature_names[inputs[i].index]);
        else
            snprintf(names[i], sizeof names[i], "%u", inputs[i].index + 1);
        categories[i] = names[i];
        sizes[i] = inputs[i].size;
    }
    auxo_report_bars(report,
                     &(auxo_bars){.title = count > drawn ? "The most sensitive inputs" : "Sensitivity of inputs",
                                  .value_label = "|dL/dtheta| of the input",
                                  .categories = categories,
                                  .category_count = drawn,
                                  .series_count = 1,
                                  .values = sizes});
}

/* Networks whose input something else reads have no such picture. */
static auxo_status draw_inputs(auxo_report *report, const multiscale_view *view, auxo_error *error)
{
    uint32_t count = 0;
    auxo_multiscale *multiscale = view->pictures->multiscale;
    const auxo_status found = auxo_multiscale_input_count(multiscale, &count, error);
    if (found != AUXO_OK)
        return found == AUXO_UNSUPPORTED ? AUXO_OK : found;
    double *values = malloc((count + 1) * sizeof *values);
    input_value *inputs = malloc((count + 1) * sizeof *inputs);
    auxo_status status = AUXO_OK;
    if (!values || !inputs)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report of inputs: out of memory");
    if (status == AUXO_OK)
        status = auxo_multiscale_input_sensitivities(multiscale, AUXO_DIFFERENCE_EXACT, 0, values, error);
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        inputs[i] = (input_value){i, fabs(values[i])};
    if (status == AUXO_OK && count > 0)
        draw_largest(report, view, inputs, count);
    free(values);
    free(inputs);
    return status;
}

static auxo_status draw_weights(auxo_report *report, auxo_model *model, const float *initial_weights, auxo_error *error)
{
    size_t count = auxo_model_weight_count(model);
    float *weights = malloc(count * sizeof *weights);
    double *before = malloc(count * sizeof *before), *after = malloc(count * sizeof *after);
    auxo_status status = AUXO_OK;
    if (!weights || !before || !after)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report of weights: out of memory");
    if (status == AUXO_OK)
        status = auxo_buffer_read(auxo_model_queue(model), auxo_model_weights(model), 0, weights,
                                  count * sizeof *weights, error);
    if (status == AUXO_OK) {
        for (size_t i = 0; i < count; i++) {
            before[i] = initial_weights[i];
            after[i] = weights[i];
        }
        const auxo_values sets[] = {{"before", before, count}, {"after", after, count}};
        auxo_report_histogram(report, "Distribution of weights", "weight", sets, 2, 0);
    }
    free(weights);
    free(before);
    free(after);
    return status;
}

auxo_status auxo__multiscale_draw(const auxo_run *run, const auxo__multiscale_pictures *pictures, auxo_report *report,
                                  auxo_error *error)
{
    const multiscale_view view = {run, pictures, pictures->iterations.end - pictures->iterations.begin};
    if (view.count == 0) {
        auxo_report_text(report, "No iteration was run.");
        return AUXO_OK;
    }
    size_t longest = view.count > pictures->tree->layer_count ? view.count : pictures->tree->layer_count;
    double *scratch = malloc(longest * sizeof *scratch);
    if (!scratch)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    draw_loss(report, &view);
    draw_selected(report, &view, pictures->tree->layer_count, scratch);
    draw_iterations(report, &view, scratch);
    auxo_status status = AUXO_OK;
    if (pictures->initial_weights)
        status = draw_weights(report, pictures->model, pictures->initial_weights, error);
    if (status == AUXO_OK && pictures->sensitivities.end > pictures->sensitivities.begin) {
        draw_tree(report, &view);
        status = draw_levels(report, &view, error);
        if (status == AUXO_OK)
            status = draw_gradients(report, &view, error);
    }
    if (status == AUXO_OK && pictures->multiscale)
        status = draw_coupling(report, &view, error);
    if (status == AUXO_OK && pictures->multiscale)
        status = draw_inputs(report, &view, error);
    free(scratch);
    return status;
}

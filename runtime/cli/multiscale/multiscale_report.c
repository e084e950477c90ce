/* runtime/cli/multiscale/multiscale_report.c: the pictures of a multi-scale run (paper Fig. 4-5, 7-9, 11-14). */
#include "multiscale_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void draw_loss(auxo_report *report, const multiscale_history *history, double *x, double *y)
{
    for (size_t i = 0; i < history->count; i++) {
        x[i] = history->iterations[i].iteration;
        y[i] = history->iterations[i].loss;
    }
    const auxo_series loss = {.name = "training loss", .count = history->count, .x = x, .y = y};
    auxo_report_chart(report, &(auxo_chart){.title = "Loss over iterations",
                                            .x_label = "iteration",
                                            .y_label = "mean squared error",
                                            .series = &loss,
                                            .series_count = 1});
}

static const char *value_label(const multiscale_run *run)
{
    return run->options.order == AUXO_MULTISCALE_SECOND ? "|mean gradient|" : "|dL/dtheta|";
}

/* One heat map per level: blocks of the tree downwards, iterations to the right, |sensitivity| as colour. */
static auxo_status draw_levels(auxo_report *report, const multiscale_run *run, const auxo_tree *tree, auxo_error *error)
{
    const multiscale_history *history = &run->history;
    double *values = malloc(tree->node_count * history->count * sizeof *values);
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
            for (size_t i = 0; i < history->count; i++)
                values[count * history->count + i] = fabs(history->sensitivities[i * tree->node_count + n]);
            count++;
        }
        char title[64];
        snprintf(title, sizeof title, "Sensitivities, tree level %u", depth);
        auxo_report_heat_map(report, &(auxo_heat_map){.title = title,
                                                      .x_label = "iteration",
                                                      .value_label = value_label(run),
                                                      .row_count = count,
                                                      .column_count = history->count,
                                                      .values = values,
                                                      .row_names = rows,
                                                      .value_log = true});
    }
    free(values);
    free(names);
    free(rows);
    return AUXO_OK;
}

static void draw_tree(auxo_report *report, const multiscale_run *run, const auxo_tree *tree)
{
    const multiscale_history *history = &run->history;
    auxo_tree_block *blocks = malloc(tree->node_count * sizeof *blocks);
    if (!blocks)
        return; /* the level maps hold the same numbers */
    size_t count = 0;
    const double *last = history->sensitivities + (history->count - 1) * tree->node_count;
    for (uint32_t n = 0; n < tree->node_count; n++) {
        const auxo_tree_node *node = &tree->nodes[n];
        if (node->layer_end - node->layer_begin > 1 || n == 0 ||
            tree->nodes[node->parent].layer_end - tree->nodes[node->parent].layer_begin > 1)
            blocks[count++] = (auxo_tree_block){node->depth, node->layer_begin, node->layer_end,
                                                isfinite(last[n]) ? fabs(last[n]) : 0, NULL};
    }
    auxo_report_tree(report, "The tree after the last iteration", value_label(run), blocks, count, tree->layer_count,
                     true);
    free(blocks);
}

static void draw_selected(auxo_report *report, const multiscale_history *history, uint32_t layer_count, double *counts)
{
    for (uint32_t l = 0; l < layer_count; l++)
        counts[l] = 0;
    for (size_t i = 0; i < history->count; i++)
        for (uint32_t l = history->iterations[i].layer_begin; l < history->iterations[i].layer_end; l++)
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

static void draw_iterations(auxo_report *report, const multiscale_history *history, double *x, double *y)
{
    static const char *const titles[] = {"Largest gradient of the network", "Epochs per iteration",
                                         "Time per iteration"};
    static const char *const labels[] = {"|dMSE/dW| (max)", "epochs", "seconds"};
    for (int chart = 0; chart < 3; chart++) {
        for (size_t i = 0; i < history->count; i++) {
            const auxo_multiscale_iteration *it = &history->iterations[i];
            x[i] = it->iteration;
            y[i] = chart == 0   ? it->network_gradient_max
                   : chart == 1 ? (double)it->epochs
                                : it->selection_seconds + it->training_seconds;
        }
        const auxo_series series = {
            .mark = chart == 1 ? AUXO_MARK_POINTS : AUXO_MARK_LINE, .count = history->count, .x = x, .y = y};
        auxo_report_chart(report, &(auxo_chart){.title = titles[chart],
                                                .x_label = "iteration",
                                                .y_label = labels[chart],
                                                .y_log = chart == 0,
                                                .series = &series,
                                                .series_count = 1});
    }
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

auxo_status multiscale_report_run(auxo_report *report, const multiscale_run *run, const auxo_tree *tree,
                                  auxo_model *model, const float *initial_weights, auxo_error *error)
{
    const multiscale_history *history = &run->history;
    if (history->count == 0) {
        auxo_report_text(report, "No iteration was run.");
        return AUXO_OK;
    }
    size_t longest = history->count > tree->layer_count ? history->count : tree->layer_count;
    double *x = malloc(longest * sizeof *x), *y = malloc(longest * sizeof *y);
    if (!x || !y) {
        free(x);
        free(y);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    }
    draw_loss(report, history, x, y);
    draw_selected(report, history, tree->layer_count, y);
    draw_iterations(report, history, x, y);
    auxo_status status = draw_weights(report, model, initial_weights, error);
    if (status == AUXO_OK && history->sensitivities) {
        draw_tree(report, run, tree);
        status = draw_levels(report, run, tree, error);
    }
    free(x);
    free(y);
    return status;
}

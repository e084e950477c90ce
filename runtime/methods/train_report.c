/* train_report.c: what a report of "train" shows: loss, accuracy, energies, speed, scores of classes, the network.
 */
#include "plan_events.h"
#include "run_report.h"
#include "train_method.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void write_summary(const auxo__train_state *state, auxo_report *report)
{
    static const char *const headings[] = {"quantity", "value"};
    auxo_report_table_begin(report, headings, 2);
    const char *const optimizer[] = {"optimiser", state->optimizer_text};
    auxo_report_table_row(report, optimizer);
    auxo_report_table_rowf(report, "weights|%" PRIu64, auxo_model_weight_count(state->model));
    auxo_report_table_rowf(report, "test loss|%.5f", state->result.loss);
    if (isfinite(state->result.accuracy))
        auxo_report_table_rowf(report, "test accuracy|%.2f %%", 100 * state->result.accuracy);
    if (isfinite(state->errors.rmse)) {
        auxo_report_table_rowf(report, "test RMSE, in the targets' units|%.6g", state->errors.rmse);
        auxo_report_table_rowf(report, "test R2|%.4f", state->errors.r2);
    }
    auxo_report_table_rowf(report, "rows per second|%.0f", state->work.rows_per_second);
    auxo_report_table_rowf(report, "seconds|%.1f", state->work.seconds);
    auxo_report_table_end(report);
}

/* Where the brake fired, as rules of the charts. Ownership: free. */
static auxo_rule *find_brakes(const auxo_run *run, size_t *count)
{
    const auxo__column *braked = auxo__history_column(&run->history, "epoch", "braked");
    const auxo__column *epochs = auxo__history_column(&run->history, "epoch", "epoch");
    auxo_rule *brakes = calloc(braked->count + 1, sizeof *brakes);
    *count = 0;
    for (size_t i = 0; brakes && i < braked->count; i++)
        if (braked->values[i] != 0)
            brakes[(*count)++] = (auxo_rule){.vertical = true, .at = epochs->values[i], .label = "brake"};
    return brakes;
}

/* Kinetic and potential energy and their sum (port-Hamiltonian optimisers). */
static void draw_energies(const auxo_run *run, auxo_report *report, const auxo_rule *brakes, size_t brake_count)
{
    const auxo__column *kinetic = auxo__history_column(&run->history, "epoch", "kinetic_energy");
    const auxo__column *loss = auxo__history_column(&run->history, "epoch", "train_loss");
    double *total = malloc((kinetic->count + 1) * sizeof *total);
    bool any = false;
    for (size_t i = 0; total && i < kinetic->count; i++) {
        total[i] = kinetic->values[i] + loss->values[i];
        any = any || kinetic->values[i] != 0;
    }
    if (any) {
        auxo_series series[] = {
            {.name = "kinetic |p|²/(2m)", .count = kinetic->count, .y = kinetic->values},
            {.name = "potential (loss)", .count = kinetic->count, .y = loss->values},
            {.name = "total", .count = kinetic->count, .y = total, .dashed = true},
        };
        auxo_report_chart(report, &(auxo_chart){.title = "Energy",
                                                .x_label = "epoch",
                                                .y_label = "energy",
                                                .series = series,
                                                .series_count = 3,
                                                .rules = brakes,
                                                .rule_count = brake_count});
    }
    free(total);
}

auxo_status auxo__train_report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    const auxo__train_state *state = user;
    size_t brake_count = 0;
    auxo_rule *brakes = find_brakes(run, &brake_count);
    write_summary(state, report);
    auxo_report_section(report, "Training");
    auxo__history_chart chart = {.title = "Loss",
                                 .y_label = "loss",
                                 .fields = {"train_loss", "val_loss"},
                                 .names = {"training", "validation"},
                                 .count = 2,
                                 .rules = brakes,
                                 .rule_count = brake_count};
    auxo__report_history(report, run, &chart);
    chart.title = "Accuracy";
    chart.y_label = "%";
    chart.scale = 100;
    chart.fields[0] = "train_accuracy";
    chart.fields[1] = "val_accuracy";
    auxo__report_history(report, run, &chart);
    draw_energies(run, report, brakes, brake_count);
    auxo__report_history(
        report, run,
        &(auxo__history_chart){
            .title = "Speed", .y_label = "rows per second", .fields = {"images_per_second"}, .count = 1});
    free(brakes);
    if (state->scores.class_count > 0) {
        auxo_report_section(report, "Test rows");
        status = auxo_class_scores_report(&state->scores, state->data.test->target_names, report, error);
    }
    auxo_report_section(report, "Network");
    const auxo_model_desc *desc = auxo_model_get_desc(state->model);
    auxo__report_network(report, desc->name, desc);
    if (state->options.profile && auxo_trainer_plan(state->trainer))
        auxo__report_profile(report, auxo_trainer_plan(state->trainer));
    return status;
}

/* study_report.c: the pictures of a study: history, importance, parallel coordinates, slices, the best trials.
 */
#include "study_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 200, BEST_ROWS = 20, AXES_MAX = 24 };

/* Complete trials with a finite value, and room for their numbers. */
typedef struct picture {
    const auxo_study *study;
    auxo_report *report;
    const auxo_trial **trials; /* by number */
    size_t count;
    double *x, *y, *z;
    auxo_importance *parameters; /* the most important first */
    size_t parameter_count;
} picture;

static bool is_better(const auxo_study *study, double value, double than)
{
    return study->maximizes ? value > than : value < than;
}

static auxo_status collect(picture *p, auxo_error *error)
{
    const auxo_study *study = p->study;
    p->trials = calloc(study->count + 1, sizeof *p->trials);
    p->x = malloc(3 * (study->count + 1) * sizeof *p->x);
    if (!p->trials || !p->x)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    p->y = p->x + study->count + 1;
    p->z = p->y + study->count + 1;
    for (size_t i = 0; i < study->count; i++)
        if (study->trials[i].state == AUXO_TRIAL_COMPLETE && isfinite(study->trials[i].value))
            p->trials[p->count++] = &study->trials[i];
    return auxo_study_importance(study, &p->parameters, &p->parameter_count, error);
}

static void draw_history(const picture *p)
{
    double best = 0;
    for (size_t i = 0; i < p->count; i++) {
        p->x[i] = (double)p->trials[i]->number;
        p->y[i] = p->trials[i]->value;
        best = i == 0 || is_better(p->study, p->y[i], best) ? p->y[i] : best;
        p->z[i] = best;
    }
    const auxo_series series[] = {
        {.name = "trials", .mark = AUXO_MARK_POINTS, .count = p->count, .x = p->x, .y = p->y},
        {.name = "best so far", .mark = AUXO_MARK_STEPS, .count = p->count, .x = p->x, .y = p->z}};
    auxo_report_chart(
        p->report,
        &(auxo_chart){.title = "History", .x_label = "trial", .y_label = "value", .series = series, .series_count = 2});
}

static void draw_importance(const picture *p)
{
    const char *names[AXES_MAX];
    double shares[AXES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < p->parameter_count && count < AXES_MAX; i++)
        if (!isnan(p->parameters[i].share)) {
            names[count] = p->parameters[i].name;
            shares[count++] = p->parameters[i].share;
        }
    if (count)
        auxo_report_bars(
            p->report, &(auxo_bars){.title = "Importance",
                                    .value_label = "share of the variance",
                                    .caption = "Adjusted one-way share of variance (epsilon squared, Kelley 1935) over "
                                               "up to five bins of each parameter: what it explains by itself, "
                                               "without interactions.",
                                    .categories = names,
                                    .category_count = count,
                                    .series_count = 1,
                                    .values = shares,
                                    .horizontal = true});
}

static bool is_log(const auxo_study *study, const char *name)
{
    for (size_t i = 0; i < study->count; i++)
        for (size_t k = 0; k < study->trials[i].parameter_count; k++)
            if (strcmp(study->trials[i].parameters[k].name, name) == 0)
                return strstr(study->trials[i].parameters[k].distribution, "\"log\":true") ||
                       strstr(study->trials[i].parameters[k].distribution, "\"log\": true");
    return false;
}

/* ---- parallel coordinates ---------------------------------------------------------------------------------------- */

static double coordinate(const picture *p, const auxo_trial *trial, const char *name)
{
    const double value = name ? auxo_trial_parameter_value(trial, name) : trial->value;
    return name && is_log(p->study, name) ? log(value) : value;
}

/* Where a trial crosses an axis, 0 to 1 between the smallest and the largest of all; NaN: it has no such parameter. */
static void cross_axis(const picture *p, const char *name, const auxo_trial *const *shown, size_t count, double *at,
                       size_t stride)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        const double value = coordinate(p, shown[i], name);
        low = fmin(low, value);
        high = fmax(high, value);
    }
    for (size_t i = 0; i < count; i++)
        at[i * stride] =
            high > low ? (coordinate(p, shown[i], name) - low) / (high - low) : coordinate(p, shown[i], name) * 0 + 0.5;
}

static auxo_status draw_parallel(const picture *p, auxo_error *error)
{
    const size_t shown = p->count < LINES_MAX ? p->count : LINES_MAX;
    const size_t parameters = p->parameter_count < AXES_MAX ? p->parameter_count : AXES_MAX, axes = parameters + 1;
    const auxo_trial *const *trials = p->trials + (p->count - shown);
    double *at = malloc((shown + 1) * axes * sizeof *at), axis[AXES_MAX + 1];
    auxo_series *series = calloc(shown + 1, sizeof *series);
    char caption[1024];
    int used = snprintf(caption, sizeof caption, "Axes:");
    if (!at || !series) {
        free(at);
        free(series);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    }
    for (size_t a = 0; a < axes; a++) {
        const char *name = a < parameters ? p->parameters[a].name : NULL;
        axis[a] = (double)a + 1;
        cross_axis(p, name, trials, shown, at + a, axes);
        if (used > 0 && (size_t)used < sizeof caption)
            used += snprintf(caption + used, sizeof caption - (size_t)used, " %zu %s%s", a + 1, name ? name : "value",
                             a + 1 < axes ? "," : "");
    }
    if (used > 0 && (size_t)used < sizeof caption)
        snprintf(
            caption + used, sizeof caption - (size_t)used,
            ". Each from its smallest to its largest value; the better quarter of the trials in the first colour.");
    for (size_t i = 0; i < shown; i++) {
        size_t better = 0;
        for (size_t k = 0; k < p->count; k++)
            better += is_better(p->study, p->trials[k]->value, trials[i]->value);
        series[i] = (auxo_series){.mark = AUXO_MARK_LINE,
                                  .count = axes,
                                  .x = axis,
                                  .y = at + i * axes,
                                  .color = 4 * better < p->count ? 1 : 2,
                                  .dashed = 4 * better >= p->count};
    }
    auxo_report_chart(p->report, &(auxo_chart){.title = "Parallel coordinates",
                                               .x_label = "axis",
                                               .y_label = "from smallest to largest",
                                               .caption = caption,
                                               .series = series,
                                               .series_count = shown});
    free(at);
    free(series);
    return AUXO_OK;
}

/* ---- slices and tables ------------------------------------------------------------------------------------------- */

static void draw_slice(const picture *p, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++) {
        const double value = auxo_trial_parameter_value(p->trials[i], name);
        if (isnan(value))
            continue;
        p->x[count] = value;
        p->y[count++] = p->trials[i]->value;
    }
    const auxo_series series = {.mark = AUXO_MARK_POINTS, .count = count, .x = p->x, .y = p->y};
    auxo_report_chart(p->report, &(auxo_chart){.title = name,
                                               .x_label = name,
                                               .y_label = "value",
                                               .x_log = is_log(p->study, name),
                                               .series = &series,
                                               .series_count = count > 0});
}

static void format_values(const auxo_trial *trial, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < trial->parameter_count && used < size; i++) {
        auxo_parameter parameter;
        char value[64];
        if (auxo_parameter_parse(trial->parameters[i].distribution, &parameter, NULL) != AUXO_OK)
            continue;
        auxo_parameter_text(&parameter, trial->parameters[i].value, value, sizeof value);
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", i ? " " : "", trial->parameters[i].name, value);
        auxo_parameter_deinit(&parameter);
    }
}

/* The best trials, in order: each time the best of those not listed yet. */
static void list_best(const picture *p)
{
    static const char *const headings[] = {"trial", "value", "epochs", "began", "parameters"};
    const auxo_trial *last = NULL;
    auxo_report_section(p->report, "Best trials");
    auxo_report_table_begin(p->report, headings, 5);
    for (size_t row = 0; row < BEST_ROWS && row < p->count; row++) {
        const auxo_trial *next = NULL;
        for (size_t i = 0; i < p->count; i++) {
            const auxo_trial *trial = p->trials[i];
            const bool after = !last || is_better(p->study, last->value, trial->value) ||
                               (last->value == trial->value && trial->number > last->number);
            if (after && (!next || is_better(p->study, trial->value, next->value)))
                next = trial;
        }
        if (!next)
            break;
        char text[900];
        format_values(next, text, sizeof text);
        auxo_report_table_rowf(p->report, "%lld|%.6g|%zu|%.19s|%s", (long long)next->number, next->value,
                               next->report_count, next->started ? next->started : "", text);
        last = next;
    }
    auxo_report_table_end(p->report);
}

static void count_states(const picture *p)
{
    size_t counts[AUXO_TRIAL_WAITING + 1] = {0};
    for (size_t i = 0; i < p->study->count; i++)
        counts[p->study->trials[i].state]++;
    auxo_report_text(p->report,
                     "Study \"%s\" of %s, to be %s: %zu trials complete, %zu pruned, %zu failed, %zu running, %zu "
                     "waiting.",
                     p->study->name, p->study->database.path, p->study->maximizes ? "maximised" : "minimised",
                     counts[AUXO_TRIAL_COMPLETE], counts[AUXO_TRIAL_PRUNED], counts[AUXO_TRIAL_FAILED],
                     counts[AUXO_TRIAL_RUNNING], counts[AUXO_TRIAL_WAITING]);
}

auxo_status auxo_study_draw(const auxo_study *study, auxo_report *report, auxo_error *error)
{
    picture p = {.study = study, .report = report};
    auxo_status status = collect(&p, error);
    if (status == AUXO_OK) {
        auxo_report_section(report, "Study");
        count_states(&p);
    }
    if (status == AUXO_OK && p.count > 0) {
        draw_history(&p);
        draw_importance(&p);
        status = draw_parallel(&p, error);
        auxo_report_section(report, "Slices");
        for (size_t i = 0; i < p.parameter_count && i < AXES_MAX; i++)
            draw_slice(&p, p.parameters[i].name);
        list_best(&p);
    }
    free(p.parameters);
    free((void *)p.trials);
    free(p.x);
    return status;
}

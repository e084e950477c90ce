/* sweep_report.c: means over seeds, and their pictures.
 */
#include "sweep_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct row_record {
    uint32_t row;
    const char *label, *optimizer, *refusal, *last_text, *best_text, *note;
    double final_mean, final_sd, best_mean, best_sd, printed, braked_epoch;
    uint64_t diverged;
} row_record;
static const auxo_field row_fields[] = {
    AUXO__FIELD(row_record, row, "row", U32),
    AUXO__FIELD(row_record, label, "label", TEXT),
    AUXO__FIELD(row_record, optimizer, "optimizer", TEXT),
    AUXO__FIELD(row_record, final_mean, "final_mean", REAL),
    AUXO__FIELD(row_record, final_sd, "final_sd", REAL),
    AUXO__FIELD(row_record, best_mean, "best_mean", REAL),
    AUXO__FIELD(row_record, best_sd, "best_sd", REAL),
    AUXO__FIELD(row_record, printed, "printed", REAL),
    AUXO__FIELD(row_record, diverged, "diverged", U64),
    AUXO__FIELD(row_record, braked_epoch, "braked_epoch", REAL),
    AUXO__FIELD(row_record, refusal, "refusal", TEXT),
    AUXO__FIELD_LINE_ONLY(row_record, last_text, "last_text", TEXT),
    AUXO__FIELD_LINE_ONLY(row_record, best_text, "best_text", TEXT),
    AUXO__FIELD_LINE_ONLY(row_record, note, "note", TEXT),
    AUXO__FIELDS_END,
};
const auxo_event_type auxo__sweep_row_event = {
    .name = "row",
    .fields = row_fields,
    .line =
        "row {row}  {label}  last epoch {last_text} %  best epoch {best_text} %[  printed {printed:.2f} %][  {note}]"};

typedef struct result_record {
    uint64_t rows, runs;
} result_record;
static const auxo_field result_fields[] = {AUXO__FIELD(result_record, rows, "rows", U64),
                                           AUXO__FIELD(result_record, runs, "runs", U64), AUXO__FIELDS_END};
const auxo_event_type auxo__sweep_result_event = {.name = "result", .fields = result_fields};

typedef struct spread {
    double mean, deviation; /* sample standard deviation; NaN with one value */
    double low, high;
    size_t count;
} spread;

static spread spread_of(const double *values, size_t count)
{
    spread s = {.mean = (double)NAN, .deviation = (double)NAN, .low = (double)NAN, .high = (double)NAN};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) {
            sum += values[i];
            s.low = s.count == 0 || values[i] < s.low ? values[i] : s.low;
            s.high = s.count == 0 || values[i] > s.high ? values[i] : s.high;
            s.count++;
        }
    s.mean = s.count ? sum / (double)s.count : (double)NAN;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            squares += (values[i] - s.mean) * (values[i] - s.mean);
    if (s.count > 1)
        s.deviation = sqrt(squares / (double)(s.count - 1));
    return s;
}

/* Of one row, over its seeds; accuracies in percent. */
typedef struct row_result {
    spread last, best, braked;
    size_t diverged;
} row_result;

enum { SEEDS_MAX = 1000 };

static row_result result_of(const auxo__sweep_summary *summary, const auxo__sweep_row *row)
{
    double last[SEEDS_MAX], best[SEEDS_MAX], braked[SEEDS_MAX];
    row_result result = {.diverged = 0};
    for (uint64_t s = 0; s < summary->seed_count; s++) {
        size_t count;
        const auxo__sweep_epoch *epochs =
            auxo__sweep_log_find(summary->log, row->optimizer, summary->first_seed + s, &count);
        last[s] = best[s] = braked[s] = (double)NAN;
        if (count > 0 && isnan(epochs[count - 1].train_loss)) {
            result.diverged++;
            continue;
        }
        for (size_t e = 0; e < count && e < summary->epoch_count; e++) {
            last[s] = 100 * epochs[e].test_accuracy;
            best[s] = fmax(best[s], last[s]);
            if (epochs[e].braked)
                braked[s] = epochs[e].epoch;
        }
    }
    result.last = spread_of(last, summary->seed_count);
    result.best = spread_of(best, summary->seed_count);
    result.braked = spread_of(braked, summary->seed_count);
    return result;
}

typedef struct cells {
    char last[48], best[48], printed[16], note[400];
} cells;

static void write_spread(const spread *s, char *text, size_t size)
{
    if (s->count == 0)
        snprintf(text, size, "-");
    else if (s->count == 1)
        snprintf(text, size, "%.2f", s->mean);
    else
        snprintf(text, size, "%.2f ± %.2f", s->mean, s->deviation);
}

static cells cells_of(const auxo__sweep_row *row, const row_result *result)
{
    cells c = {"", "", "", ""};
    write_spread(&result->last, c.last, sizeof c.last);
    write_spread(&result->best, c.best, sizeof c.best);
    if (isfinite(row->printed))
        snprintf(c.printed, sizeof c.printed, "%.2f", row->printed);
    if (row->refusal[0])
        snprintf(c.note, sizeof c.note, "infeasible: %s", row->refusal);
    else if (result->diverged)
        snprintf(c.note, sizeof c.note, "%zu of the runs diverged", result->diverged);
    else if (result->braked.count)
        snprintf(c.note, sizeof c.note, "braked in epoch %g to %g (%zu runs)", result->braked.low, result->braked.high,
                 result->braked.count);
    else if (strstr(row->optimizer, "goal_kind=none") == NULL && strstr(row->optimizer, "phs:") == row->optimizer)
        snprintf(c.note, sizeof c.note, "goal not reached");
    return c;
}

auxo_status auxo__sweep_tell(const auxo__sweep_summary *summary, auxo_run *run, auxo_error *error)
{
    size_t runs = 0;
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < summary->rows->count && status == AUXO_OK; i++) {
        const auxo__sweep_row *row = &summary->rows->rows[i];
        row_result result = result_of(summary, row);
        cells c = cells_of(row, &result);
        runs += result.last.count + result.diverged;
        const row_record record = {.row = row->number,
                                   .label = row->label,
                                   .optimizer = row->optimizer,
                                   .final_mean = result.last.mean,
                                   .final_sd = result.last.deviation,
                                   .best_mean = result.best.mean,
                                   .best_sd = result.best.deviation,
                                   .printed = row->printed,
                                   .diverged = result.diverged,
                                   .braked_epoch = result.braked.mean,
                                   .refusal = row->refusal,
                                   .last_text = c.last,
                                   .best_text = c.best,
                                   .note = c.note[0] ? c.note : NULL};
        status = auxo__run_emit(run, &auxo__sweep_row_event, &record, error);
    }
    const result_record record = {summary->rows->count, runs};
    return status == AUXO_OK ? auxo__run_emit(run, &auxo__sweep_result_event, &record, error) : status;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static void add_table(auxo_report *report, const auxo__sweep_summary *summary)
{
    static const char *const headings[] = {"row", "optimiser", "last epoch %", "best epoch %", "printed %", "note"};
    auxo_report_table_begin(report, headings, 6);
    for (size_t i = 0; i < summary->rows->count; i++) {
        const auxo__sweep_row *row = &summary->rows->rows[i];
        row_result result = result_of(summary, row);
        cells c = cells_of(row, &result);
        char number[16];
        snprintf(number, sizeof number, "%u", row->number);
        const char *const texts[] = {number, row->label, c.last, c.best, c.printed, c.note};
        auxo_report_table_row(report, texts);
    }
    auxo_report_table_end(report);
}

/* Mean and range over the seeds of one row, per epoch; four columns of epoch_count. */
static void fill_history(const auxo__sweep_summary *summary, const auxo__sweep_row *row, double *columns)
{
    size_t length = summary->epoch_count;
    for (size_t e = 0; e < length; e++) {
        double values[SEEDS_MAX];
        for (uint64_t s = 0; s < summary->seed_count; s++) {
            size_t count;
            const auxo__sweep_epoch *epochs =
                auxo__sweep_log_find(summary->log, row->optimizer, summary->first_seed + s, &count);
            values[s] = e < count ? 100 * epochs[e].test_accuracy : (double)NAN;
        }
        spread at = spread_of(values, summary->seed_count);
        columns[e] = (double)(e + 1);
        columns[length + e] = at.mean;
        columns[2 * length + e] = at.low;
        columns[3 * length + e] = at.high;
    }
}

static auxo_status add_histories(auxo_report *report, const auxo__sweep_summary *summary, auxo_error *error)
{
    size_t count = summary->rows->count, length = summary->epoch_count;
    double *values = calloc(4 * count * length + 1, sizeof *values);
    auxo_series *series = calloc(count + 1, sizeof *series);
    size_t used = 0;
    for (size_t i = 0; values && series && i < count; i++) {
        const auxo__sweep_row *row = &summary->rows->rows[i];
        double *columns = values + 4 * i * length;
        if (row->refusal[0])
            continue;
        fill_history(summary, row, columns);
        series[used++] = (auxo_series){.name = row->label,
                                       .count = length,
                                       .x = columns,
                                       .y = columns + length,
                                       .low = summary->seed_count > 1 ? columns + 2 * length : NULL,
                                       .high = summary->seed_count > 1 ? columns + 3 * length : NULL,
                                       .dashed = strncmp(row->label, "goal", 4) == 0};
    }
    if (values && series)
        auxo_report_chart(report, &(auxo_chart){.title = "Test accuracy",
                                                .caption = "Mean over the seeds; the band is their range.",
                                                .x_label = "epoch",
                                                .y_label = "%",
                                                .series = series,
                                                .series_count = used});
    auxo_status status =
        values && series ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report of the sweep: out of memory");
    free(values);
    free(series);
    return status;
}

/* Distinct values of a preset's column in ascending order of appearance; returns their count. */
static size_t distinct(const auxo__sweep_rows *rows, bool mass, double *values, size_t capacity)
{
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        double value = mass ? rows->rows[i].mass : rows->rows[i].friction;
        size_t k = 0;
        while (k < count && values[k] != value)
            k++;
        if (k == count && count < capacity)
            values[count++] = value;
    }
    return count;
}

enum { SIDE_MAX = 16 };

static void add_grid(auxo_report *report, const auxo__sweep_summary *summary)
{
    double frictions[SIDE_MAX], masses[SIDE_MAX], values[SIDE_MAX * SIDE_MAX];
    char names[2][SIDE_MAX][16];
    const char *row_names[SIDE_MAX], *column_names[SIDE_MAX];
    size_t row_count = distinct(summary->rows, false, frictions, SIDE_MAX);
    size_t column_count = distinct(summary->rows, true, masses, SIDE_MAX);
    for (size_t i = 0; i < SIDE_MAX; i++) {
        snprintf(names[0][i], sizeof names[0][i], "%g", i < row_count ? frictions[i] : 0.0);
        snprintf(names[1][i], sizeof names[1][i], "%g", i < column_count ? masses[i] : 0.0);
        row_names[i] = names[0][i];
        column_names[i] = names[1][i];
    }
    for (size_t r = 0; r < row_count; r++)
        for (size_t c = 0; c < column_count; c++) {
            values[r * column_count + c] = (double)NAN;
            for (size_t i = 0; i < summary->rows->count; i++) {
                const auxo__sweep_row *row = &summary->rows->rows[i];
                if (row->friction == frictions[r] && row->mass == masses[c])
                    values[r * column_count + c] = result_of(summary, row).last.mean;
            }
        }
    auxo_report_heat_map(report, &(auxo_heat_map){.title = "Test accuracy by friction and mass, learning rate 0.1",
                                                  .x_label = "mass",
                                                  .y_label = "friction",
                                                  .value_label = "%",
                                                  .caption = "Empty: refused as unstable, or diverged.",
                                                  .row_count = row_count,
                                                  .column_count = column_count,
                                                  .values = values,
                                                  .row_names = row_names,
                                                  .column_names = column_names});
}

auxo_status auxo__sweep_draw(const auxo__sweep_summary *summary, auxo_report *report, auxo_error *error)
{
    auxo_report_text(report, "%s; %u epochs, %u seeds.", summary->setting, summary->epoch_count,
                     (unsigned)summary->seed_count);
    add_table(report, summary);
    if (summary->rows->grid)
        add_grid(report, summary);
    return add_histories(report, summary, error);
}

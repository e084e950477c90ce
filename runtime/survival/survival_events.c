/* survival_events.c: see survival_events.h.
 */
#include "survival_events.h"

#include "number.h"
#include "run_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const auxo_field epoch_fields[] = {
    AUXO__FIELD(auxo__survival_epoch, epoch, "epoch", U32),
    AUXO__FIELD(auxo__survival_epoch, train_loss, "train_loss", REAL),
    AUXO__FIELD_OPTIONAL(auxo__survival_epoch, validation, "val_concordance", REAL),
    AUXO__FIELD(auxo__survival_epoch, braked, "braked", BOOL),
    AUXO__FIELD_LINE_ONLY(auxo__survival_epoch, of, "of", U64),
    AUXO__FIELDS_END,
};
const auxo_event_type auxo__survival_epoch_event = {
    .name = "epoch",
    .fields = epoch_fields,
    .line = "epoch {epoch}/{of}  loss {train_loss:.5f}[  validation C {val_concordance:.4f}][  braked{braked:none}]",
    .flags = AUXO_EVENT_KEPT | AUXO_EVENT_TRANSIENT};

/* ---- coefficients ------------------------------------------------------------------------------------------------ */

typedef struct coefficient_record {
    const char *column, *reason;
    double coefficient, ratio, standard_error, z, p, low, high;
} coefficient_record;
static const auxo_field coefficient_fields[] = {
    AUXO__FIELD(coefficient_record, column, "column", TEXT),
    AUXO__FIELD(coefficient_record, coefficient, "coefficient", REAL),
    AUXO__FIELD(coefficient_record, ratio, "hazard_ratio", REAL),
    AUXO__FIELD(coefficient_record, standard_error, "standard_error", REAL),
    AUXO__FIELD(coefficient_record, z, "z", REAL),
    AUXO__FIELD(coefficient_record, p, "p", REAL),
    AUXO__FIELD(coefficient_record, low, "hazard_ratio_low", REAL),
    AUXO__FIELD(coefficient_record, high, "hazard_ratio_high", REAL),
    AUXO__FIELD_OPTIONAL(coefficient_record, reason, "not_identified", TEXT),
    AUXO__FIELDS_END,
};
const auxo_event_type auxo__survival_coefficient_event = {
    .name = "coefficient",
    .fields = coefficient_fields,
    .line =
        "{column}:[ coefficient {coefficient:.6f}  hazard ratio {hazard_ratio:.4f}][ (95 % {hazard_ratio_low:.4f} to "
        "{hazard_ratio_high:.4f})  se {standard_error:.6f}  z {z:.3f}  p {p:.3g}][ no coefficient: "
        "{not_identified}]"};

typedef struct reference_record {
    const char *levels;
} reference_record;
static const auxo_field reference_fields[] = {AUXO__FIELD(reference_record, levels, "levels", TEXT), AUXO__FIELDS_END};
const auxo_event_type auxo__survival_reference_event = {
    .name = "reference", .fields = reference_fields, .line = "reference levels: {levels}"};

static const double NORMAL_975 = 1.959963984540054;

static coefficient_record describe(const auxo_cox_coefficient *c, const char *column)
{
    static const char *const reasons[] = {
        [AUXO_COEFFICIENT_FITTED] = NULL,
        [AUXO_COEFFICIENT_CONSTANT] = "it does not vary among the rows at risk",
        [AUXO_COEFFICIENT_COLLINEAR] = "it is a combination of the columns before it",
        [AUXO_COEFFICIENT_INFINITE] = "it separates the events completely, so that no finite value is the best"};
    const double none = (double)NAN;
    coefficient_record record = {.column = column,
                                 .reason = reasons[c->state],
                                 .coefficient = none,
                                 .ratio = none,
                                 .standard_error = none,
                                 .z = none,
                                 .p = none,
                                 .low = none,
                                 .high = none};
    if (c->state != AUXO_COEFFICIENT_FITTED)
        return record;
    record.coefficient = c->value;
    record.ratio = exp(c->value);
    record.standard_error = c->standard_error;
    record.z = c->value / c->standard_error;
    record.p = erfc(fabs(record.z) / sqrt(2));
    record.low = exp(c->value - NORMAL_975 * c->standard_error);
    record.high = exp(c->value + NORMAL_975 * c->standard_error);
    return record;
}

static const char *column_name(const auxo_dataset *dataset, size_t feature, char number[32])
{
    snprintf(number, 32, "x%zu", feature);
    return dataset->feature_names ? dataset->feature_names[feature] : number;
}

auxo_status auxo__survival_tell_linear(auxo_run *run, const auxo__linear *linear, const auxo_dataset *dataset,
                                       auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t c = 0; c < linear->fit.count && status == AUXO_OK; c++) {
        char number[32];
        const coefficient_record record =
            describe(&linear->fit.coefficients[c], column_name(dataset, linear->features[c], number));
        status = auxo__run_emit(run, &auxo__survival_coefficient_event, &record, error);
    }
    const reference_record references = {linear->references};
    if (status == AUXO_OK && linear->references[0])
        status = auxo__run_emit(run, &auxo__survival_reference_event, &references, error);
    return status;
}

void auxo__survival_linear_report(auxo_report *report, const auxo__linear *linear, const auxo_dataset *dataset)
{
    static const char *const headings[] = {
        "column", "coefficient", "standard error", "hazard ratio", "95 % interval", "z", "p"};
    auxo_report_section(report, "Coefficients");
    auxo_report_table_begin(report, headings, 7);
    for (size_t c = 0; c < linear->fit.count; c++) {
        char number[32], value[7][96];
        const coefficient_record r =
            describe(&linear->fit.coefficients[c], column_name(dataset, linear->features[c], number));
        const char *cells[7] = {r.column, r.reason, "", "", "", "", ""};
        if (!r.reason) {
            cells[1] = auxo__report_number(value[1], sizeof value[1], "%.6f", r.coefficient);
            cells[2] = auxo__report_number(value[2], sizeof value[2], "%.6f", r.standard_error);
            cells[3] = auxo__report_number(value[3], sizeof value[3], "%.4f", r.ratio);
            if (isfinite(r.low))
                auxo__number_print(value[4], sizeof value[4], "%.4f to %.4f", r.low, r.high);
            cells[4] = isfinite(r.low) ? value[4] : "";
            cells[5] = auxo__report_number(value[5], sizeof value[5], "%.3f", r.z);
            cells[6] = auxo__report_number(value[6], sizeof value[6], "%.3g", r.p);
        }
        auxo_report_table_row(report, cells);
    }
    auxo_report_table_end(report);
    if (linear->references[0])
        auxo_report_text(report, "Reference levels: %s.", linear->references);
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

typedef struct auc_record {
    double time, area, low, high, brier;
} auc_record;
static const auxo_field auc_fields[] = {
    AUXO__FIELD(auc_record, time, "time", REAL),   AUXO__FIELD(auc_record, area, "auc", REAL),
    AUXO__FIELD(auc_record, low, "low", REAL),     AUXO__FIELD(auc_record, high, "high", REAL),
    AUXO__FIELD(auc_record, brier, "brier", REAL), AUXO__FIELDS_END};
static const auxo_event_type auc_type = {.name = "auc", .fields = auc_fields};

typedef struct site_record {
    uint32_t site;
    const char *name;
    double concordance, auroc, mean, deviation;
} site_record;
static const auxo_field site_fields[] = {AUXO__FIELD(site_record, site, "site", U32),
                                         AUXO__FIELD(site_record, name, "name", TEXT),
                                         AUXO__FIELD(site_record, concordance, "concordance", REAL),
                                         AUXO__FIELD(site_record, auroc, "auroc", REAL),
                                         AUXO__FIELD(site_record, mean, "mean_risk", REAL),
                                         AUXO__FIELD(site_record, deviation, "deviation", REAL),
                                         AUXO__FIELDS_END};
static const auxo_event_type site_type = {.name = "site", .fields = site_fields};

enum { TEXT_BYTES = 16384 };

typedef struct result_record {
    double train_concordance, train_low, train_high, test_concordance, test_low, test_high;
    double train_uno, test_uno, train_brier, test_brier;
    auxo_records train_auc, test_auc, sites;
    double naive_concordance, naive_auroc, standardized_concordance, standardized_auroc, gap;
    uint64_t weights;
} result_record;
#define REAL(member, name) AUXO__FIELD(result_record, member, name, REAL)
static const auxo_field result_fields[] = {
    REAL(train_concordance, "train_concordance"),
    REAL(train_low, "train_low"),
    REAL(train_high, "train_high"),
    REAL(train_uno, "train_uno_concordance"),
    REAL(train_brier, "train_integrated_brier"),
    AUXO__FIELD(result_record, train_auc, "train_dynamic_auc", RECORDS),
    REAL(test_concordance, "test_concordance"),
    REAL(test_low, "test_low"),
    REAL(test_high, "test_high"),
    REAL(test_uno, "test_uno_concordance"),
    REAL(test_brier, "test_integrated_brier"),
    AUXO__FIELD(result_record, test_auc, "test_dynamic_auc", RECORDS),
    AUXO__FIELD_OPTIONAL(result_record, sites, "sites", RECORDS),
    AUXO__FIELD_OPTIONAL(result_record, naive_concordance, "naive_concordance", REAL),
    AUXO__FIELD_OPTIONAL(result_record, naive_auroc, "naive_auroc", REAL),
    AUXO__FIELD_OPTIONAL(result_record, standardized_concordance, "standardized_concordance", REAL),
    AUXO__FIELD_OPTIONAL(result_record, standardized_auroc, "standardized_auroc", REAL),
    AUXO__FIELD_OPTIONAL(result_record, gap, "site_gap", REAL),
    AUXO__FIELD(result_record, weights, "weights", U64),
    AUXO__FIELDS_END,
};
#undef REAL
const auxo_event_type auxo__survival_result_event = {.name = "result", .fields = result_fields};

/* What is printed of it, line by line. */
typedef struct line_record {
    const char *text;
} line_record;
static const auxo_field line_fields[] = {AUXO__FIELD(line_record, text, "text", TEXT), AUXO__FIELDS_END};
const auxo_event_type auxo__survival_line_event = {
    .name = "line", .fields = line_fields, .line = "{text}", .flags = AUXO_EVENT_LINE_ONLY};

/* Lines that are collected in a fixed room; what does not fit is cut. */
typedef struct lines {
    char *text;
    size_t used;
} lines;

AUXO_PRINTF(2, 3)
static void add(lines *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (to->used < TEXT_BYTES)
        to->used += (size_t)vsnprintf(to->text + to->used, TEXT_BYTES - to->used, format, arguments);
    va_end(arguments);
}

static void add_scores(lines *to, const char *what, const auxo_survival_scores *scores)
{
    if (scores->undefined[0])
        add(to, "%s scores cannot be had for all of the %zu rows: %s\n", what, scores->row_count, scores->undefined);
    add(to, "%s C %.4f (95 %% %.4f to %.4f), %zu rows\n", what, scores->concordance.index, scores->low, scores->high,
        scores->row_count);
    if (isfinite(scores->uno))
        add(to, "  Uno's C %.4f\n", scores->uno);
    if (isfinite(scores->integrated_brier))
        add(to, "  integrated Brier score %.4f\n", scores->integrated_brier);
    for (int k = 0; k < AUXO_SURVIVAL_TIMES; k++)
        add(to, "  AUC at time %.6g: %.4f (95 %% %.4f to %.4f)\n", scores->times[k], scores->areas[k],
            scores->area_lows[k], scores->area_highs[k]);
}

static void add_sites(lines *to, const auxo_survival_site_scores *scores)
{
    static const char row[] = "%-30s %8.4f %8.4f";
    if (scores->site_count == 0)
        return;
    add(to, "%-30s %8s %8s %10s %10s\n", "rows of", "C", "AUROC", "mean risk", "deviation");
    for (size_t s = 0; s < scores->site_count; s++) {
        add(to, row, scores->names[s], scores->concordance[s], scores->auroc[s]);
        add(to, " %10.4f %10.4f\n", scores->means[s], scores->deviations[s]);
    }
    add(to, row, "all, merged as they are", scores->naive_concordance, scores->naive_auroc);
    add(to, "\n");
    add(to, row, "all, standardised within sites", scores->standardized_concordance, scores->standardized_auroc);
    add(to, "\nthe sites' mean risks are %.3f deviations apart\n", scores->gap);
}

static auxo_status tell_lines(auxo_run *run, char *text, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line && status == AUXO_OK;
         line = strtok_r(NULL, "\n", &rest)) {
        const line_record record = {line};
        status = auxo__run_emit(run, &auxo__survival_line_event, &record, error);
    }
    return status;
}

static auxo_records auc_records(const auxo_survival_scores *scores, auc_record *records)
{
    for (int k = 0; k < AUXO_SURVIVAL_TIMES; k++)
        records[k] = (auc_record){scores->times[k], scores->areas[k], scores->area_lows[k], scores->area_highs[k],
                                  scores->briers[k]};
    return (auxo_records){records, AUXO_SURVIVAL_TIMES, sizeof *records, &auc_type};
}

static void fill_sites(const auxo_survival_site_scores *sites, site_record *records, result_record *record)
{
    record->naive_concordance = record->naive_auroc = record->standardized_concordance = (double)NAN;
    record->standardized_auroc = record->gap = (double)NAN;
    if (sites->site_count == 0)
        return;
    for (size_t s = 0; s < sites->site_count; s++)
        records[s] = (site_record){sites->sites[s] + 1, sites->names[s], sites->concordance[s],
                                   sites->auroc[s],     sites->means[s], sites->deviations[s]};
    record->sites = (auxo_records){records, sites->site_count, sizeof *records, &site_type};
    record->naive_concordance = sites->naive_concordance;
    record->naive_auroc = sites->naive_auroc;
    record->standardized_concordance = sites->standardized_concordance;
    record->standardized_auroc = sites->standardized_auroc;
    record->gap = sites->gap;
}

auxo_status auxo__survival_tell_result(auxo_run *run, const auxo__survival_outcome *outcome, bool has_test,
                                       uint64_t weights, auxo_error *error)
{
    auc_record train_auc[AUXO_SURVIVAL_TIMES], test_auc[AUXO_SURVIVAL_TIMES];
    site_record sites[AUXO_SURVIVAL_SITES_MAX];
    lines text = {.text = calloc(TEXT_BYTES, 1)};
    if (!text.text)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "result: out of memory");
    const double none = (double)NAN;
    result_record record = {.train_concordance = outcome->train.concordance.index,
                            .train_low = outcome->train.low,
                            .train_high = outcome->train.high,
                            .train_uno = outcome->train.uno,
                            .train_brier = outcome->train.integrated_brier,
                            .test_uno = has_test ? outcome->test.uno : none,
                            .test_brier = has_test ? outcome->test.integrated_brier : none,
                            .train_auc = auc_records(&outcome->train, train_auc),
                            .test_concordance = has_test ? outcome->test.concordance.index : none,
                            .test_low = has_test ? outcome->test.low : none,
                            .test_high = has_test ? outcome->test.high : none,
                            .weights = weights};
    record.test_auc.type = &auc_type;
    record.sites.type = &site_type;
    if (has_test)
        record.test_auc = auc_records(&outcome->test, test_auc);
    fill_sites(&outcome->sites, sites, &record);
    add_scores(&text, "train", &outcome->train);
    if (has_test)
        add_scores(&text, "test", &outcome->test);
    add_sites(&text, &outcome->sites);
    add(&text, "%llu weights", (unsigned long long)weights);
    auxo_status status = tell_lines(run, text.text, error);
    if (status == AUXO_OK)
        status = auxo__run_emit(run, &auxo__survival_result_event, &record, error);
    free(text.text);
    return status;
}

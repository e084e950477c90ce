/* scores.c: concordance and AUC with bootstrap intervals, and the comparison of sites. */
#include "survival_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { RESAMPLES = 200 };
static const double CONFIDENCE = 0.95;

/* A measure that these rows do not have (too few events, one class, no comparable pair) stays NaN; that is no failure.
 */
static auxo_status allow_undefined(auxo_status status)
{
    return status == AUXO_INVALID_ARGUMENT ? AUXO_OK : status;
}

static auxo_status compute_weighted(const auxo_survival_sample *fit, const auxo_dataset *rows, const double *risks,
                                    const auxo_step_function *hazard, auxo_survival_scores *scores, auxo_error *error)
{
    auxo_concordance c = {.index = (double)NAN};
    const auxo_survival_sample trained = *fit, sample = auxo_survival_rows(rows, risks);
    static const double shares[3] = {0.05, 0.9, 0.95};
    double at[3]; /* from, tau, to */
    auxo_status status = auxo__event_time_quantiles(rows, shares, 3, at, error);
    if (status != AUXO_OK)
        return status;
    status = auxo_survival_concordance_ipcw(&trained, &sample, at[1], &c, error);
    if (status == AUXO_OK)
        scores->uno = c.index;
    status = allow_undefined(status);
    if (!hazard || status != AUXO_OK)
        return status;
    status = auxo_survival_brier(&trained, &sample, hazard, scores->times, AUXO_SURVIVAL_TIMES, scores->briers, error);
    if (status != AUXO_OK)
        return allow_undefined(status);
    status = auxo_survival_integrated_brier(&trained, &sample, hazard, at[0], at[2], &scores->integrated_brier, error);
    if (status != AUXO_OK)
        scores->integrated_brier = (double)NAN;
    return allow_undefined(status);
}

static auxo_status compute(const auxo_survival_sample *fit, const auxo_dataset *rows, const double *risks,
                           uint64_t seed, auxo_survival_scores *scores, auxo_error *error)
{
    const auxo_survival_sample trained = *fit, sample = auxo_survival_rows(rows, risks);
    double shares[AUXO_SURVIVAL_TIMES];
    for (int k = 0; k < AUXO_SURVIVAL_TIMES; k++)
        shares[k] = 0.25 * (k + 1);
    auxo_status status = auxo__event_time_quantiles(rows, shares, AUXO_SURVIVAL_TIMES, scores->times, error);
    if (status == AUXO_OK)
        status = auxo_survival_concordance(&sample, &scores->concordance, error);
    if (status == AUXO_OK)
        status = auxo_survival_concordance_interval(&sample, RESAMPLES, CONFIDENCE, seed, &scores->low, &scores->high,
                                                    error);
    if (status == AUXO_OK)
        status = auxo_survival_dynamic_auc(&trained, &sample, scores->times, AUXO_SURVIVAL_TIMES, scores->areas, error);
    if (status == AUXO_OK)
        status = auxo_survival_dynamic_auc_interval(&trained, &sample, scores->times, AUXO_SURVIVAL_TIMES, RESAMPLES,
                                                    CONFIDENCE, seed, scores->area_lows, scores->area_highs, error);
    return status;
}

auxo_status auxo_survival_scores_compute(const auxo_survival_sample *fit, const auxo_dataset *rows, const double *risks,
                                         const auxo_step_function *hazard, uint64_t seed, auxo_survival_scores *scores,
                                         auxo_error *error)
{
    auxo_error reason = {0};
    const double none = (double)NAN;
    *scores = (auxo_survival_scores){.row_count = rows->row_count, .low = none, .high = none};
    scores->concordance.index = none;
    for (int k = 0; k < AUXO_SURVIVAL_TIMES; k++)
        scores->areas[k] = scores->area_lows[k] = scores->area_highs[k] = scores->briers[k] = none;
    scores->uno = scores->integrated_brier = none;
    auxo_status status = compute(fit, rows, risks, seed, scores, &reason);
    if (status == AUXO_OK)
        status = compute_weighted(fit, rows, risks, hazard, scores, &reason);
    if (status == AUXO_INVALID_ARGUMENT) { /* too few events or comparable pairs: said, and no reason to lose a model */
        snprintf(scores->undefined, sizeof scores->undefined, "%.180s", reason.message);
        return AUXO_OK;
    }
    return status == AUXO_OK ? status : auxo_error_set(error, status, "%s", reason.message);
}

void auxo_survival_scores_report(const auxo_survival_scores *scores, auxo_report *report)
{
    static const char *const headings[] = {"measure", "value", "95 % interval, bootstrap"};
    auxo_report_table_begin(report, headings, 3);
    auxo_report_table_rowf(report, "Harrell's C|%.4f|%.4f to %.4f", scores->concordance.index, scores->low,
                           scores->high);
    if (isfinite(scores->uno))
        auxo_report_table_rowf(report, "Uno's C, weighted by the inverse probability of censoring|%.4f|", scores->uno);
    if (isfinite(scores->integrated_brier))
        auxo_report_table_rowf(report, "Integrated Brier score|%.4f|", scores->integrated_brier);
    for (int k = 0; k < AUXO_SURVIVAL_TIMES; k++)
        if (isfinite(scores->briers[k]))
            auxo_report_table_rowf(report, "Brier score at time %.6g|%.4f|", scores->times[k], scores->briers[k]);
    for (int k = 0; k < AUXO_SURVIVAL_TIMES; k++)
        auxo_report_table_rowf(report, "AUC at time %.6g|%.4f|%.4f to %.4f", scores->times[k], scores->areas[k],
                               scores->area_lows[k], scores->area_highs[k]);
    auxo_report_table_end(report);
}

/* ---- sites ------------------------------------------------------------------------------------------------------- */

/* Both measures of some rows; NaN where they do not exist (no comparable pair, one class). */
static auxo_status measure(const auxo_survival_sample *sample, double *concordance, double *auroc, auxo_error *error)
{
    auxo_concordance c;
    *concordance = *auroc = (double)NAN;
    auxo_status status = auxo_survival_concordance(sample, &c, error);
    if (status == AUXO_OK)
        *concordance = c.index;
    if (allow_undefined(status) != AUXO_OK)
        return status;
    double area;
    status = auxo_auroc(sample->risks, sample->events, sample->count, &area, error);
    if (status == AUXO_OK)
        *auroc = area;
    return allow_undefined(status);
}

void auxo__site_name(const auxo_dataset *rows, uint32_t site, char *name, size_t size)
{
    if (rows->site_names && site < rows->site_count)
        snprintf(name, size, "%s", rows->site_names[site]);
    else
        snprintf(name, size, "site %u", site + 1);
}

typedef struct site_rows {
    double *times;
    uint32_t *events;
    double *risks;
} site_rows;

static auxo_status measure_site(const auxo_dataset *rows, const double *risks, uint32_t site, site_rows *room,
                                auxo_survival_site_scores *scores, auxo_error *error)
{
    size_t count = 0, at = scores->site_count;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < rows->row_count; i++)
        if (rows->sites[i] == site) {
            room->times[count] = rows->times[i];
            room->events[count] = rows->events[i];
            room->risks[count++] = risks[i];
            sum += risks[i];
        }
    if (count == 0)
        return AUXO_OK;
    scores->sites[at] = site;
    auxo__site_name(rows, site, scores->names[at], sizeof scores->names[at]);
    scores->means[at] = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (room->risks[i] - scores->means[at]) * (room->risks[i] - scores->means[at]);
    scores->deviations[at] = sqrt(squares / (double)count);
    scores->site_count++;
    return measure(&(auxo_survival_sample){count, room->times, room->events, room->risks}, &scores->concordance[at],
                   &scores->auroc[at], error);
}

static double gap_between(const auxo_survival_site_scores *scores)
{
    double lowest = scores->means[0], highest = scores->means[0], deviation = 0;
    for (size_t s = 0; s < scores->site_count; s++) {
        lowest = fmin(lowest, scores->means[s]);
        highest = fmax(highest, scores->means[s]);
        deviation += scores->deviations[s] / (double)scores->site_count;
    }
    return deviation > 0 ? (highest - lowest) / deviation : 0;
}

auxo_status auxo_survival_site_scores_compute(const auxo_dataset *rows, const double *risks,
                                              auxo_survival_site_scores *scores, auxo_error *error)
{
    *scores = (auxo_survival_site_scores){.site_count = 0};
    if (!rows->sites)
        return AUXO_OK;
    site_rows room = {malloc((rows->row_count + 1) * sizeof *room.times),
                      malloc((rows->row_count + 1) * sizeof *room.events),
                      malloc((rows->row_count + 1) * sizeof *room.risks)};
    auxo_status status = AUXO_OK;
    if (!room.times || !room.events || !room.risks)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "scores by site: out of memory");
    for (uint32_t site = 0; site < AUXO_SURVIVAL_SITES_MAX && status == AUXO_OK; site++)
        status = measure_site(rows, risks, site, &room, scores, error);
    auxo_survival_sample all = auxo_survival_rows(rows, risks);
    if (status == AUXO_OK)
        status = measure(&all, &scores->naive_concordance, &scores->naive_auroc, error);
    for (size_t i = 0; i < rows->row_count && status == AUXO_OK; i++)
        room.risks[i] = risks[i];
    if (status == AUXO_OK)
        status = auxo_survival_standardize_by_site(room.risks, rows->sites, rows->row_count, error);
    if (status == AUXO_OK) {
        all.risks = room.risks;
        status = measure(&all, &scores->standardized_concordance, &scores->standardized_auroc, error);
        scores->gap = gap_between(scores);
    }
    if (scores->site_count < 2)
        scores->site_count = 0;
    free(room.times);
    free(room.events);
    free(room.risks);
    return status;
}

void auxo_survival_site_scores_report(const auxo_survival_site_scores *scores, auxo_report *report)
{
    static const char *const headings[] = {"rows of", "C", "AUROC", "mean risk", "deviation"};
    if (scores->site_count == 0)
        return;
    auxo_report_section(report, "Sites");
    auxo_report_table_begin(report, headings, 5);
    for (size_t s = 0; s < scores->site_count; s++)
        auxo_report_table_rowf(report, "%s|%.4f|%.4f|%.4f|%.4f", scores->names[s], scores->concordance[s],
                               scores->auroc[s], scores->means[s], scores->deviations[s]);
    auxo_report_table_rowf(report, "all, merged as they are|%.4f|%.4f||", scores->naive_concordance,
                           scores->naive_auroc);
    auxo_report_table_rowf(report, "all, standardised within sites|%.4f|%.4f||", scores->standardized_concordance,
                           scores->standardized_auroc);
    auxo_report_table_end(report);
}

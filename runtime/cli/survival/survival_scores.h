/* runtime/cli/survival/survival_scores.h: how good the risks of a set of rows are, as numbers: for people, as events,
 * in reports.
 */
#ifndef CLI_SURVIVAL_SCORES_H
#define CLI_SURVIVAL_SCORES_H

#include "survival_job.h"

enum { SURVIVAL_TIME_COUNT = 3, SURVIVAL_SITES_MAX = 64 };

/* With 95 % bootstrap intervals. */
typedef struct survival_scores {
    size_t row_count;
    auxo_concordance concordance;
    double low, high;
    char undefined[200]; /* why the scores cannot be had (they are NaN); "" where they can */
    double times[SURVIVAL_TIME_COUNT]; /* quartiles of the event times */
    double areas[SURVIVAL_TIME_COUNT], area_lows[SURVIVAL_TIME_COUNT], area_highs[SURVIVAL_TIME_COUNT];
} survival_scores;

/* `fit`: the rows that the model was trained on, for the distribution of censoring. */
auxo_status survival_scores_compute(const auxo_dataset *fit, const auxo_dataset *rows, const double *risks,
                                    uint64_t seed, survival_scores *scores, auxo_error *error);
/* Prints them after `what` ("test"), and adds them to a result event as what_concordance, what_low, ... */
void survival_scores_print(const survival_scores *scores, const char *what, cli_output *output, cJSON *result);
void survival_scores_table(const survival_scores *scores, auxo_report *report);

/* The columns of thesis table 7.2: every site by itself, and all together with the risks as they are (naive) or
 * standardised within each site. AUROC is of having had the event. */
typedef struct survival_site_scores {
    size_t site_count; /* 0: the rows have no sites, or one only */
    uint32_t sites[SURVIVAL_SITES_MAX];
    double concordance[SURVIVAL_SITES_MAX], auroc[SURVIVAL_SITES_MAX]; /* NaN where there is none */
    double means[SURVIVAL_SITES_MAX], deviations[SURVIVAL_SITES_MAX];  /* of the risks */
    double naive_concordance, naive_auroc, standardized_concordance, standardized_auroc;
    double gap; /* distance of the outermost site means, in mean deviations within a site */
} survival_site_scores;

/* risks: as the model gives them. */
auxo_status survival_site_scores_compute(const auxo_dataset *rows, const double *risks, survival_site_scores *scores,
                                         auxo_error *error);
void survival_site_scores_print(const survival_site_scores *scores, cli_output *output, cJSON *result);
void survival_site_scores_table(const survival_site_scores *scores, auxo_report *report);

#endif

/* importance.c: which parameters matter: the share of the values' variance between bins of one parameter.
 */
#include "study_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS_MAX = 5, TRIALS_MIN = 4 };

typedef struct point {
    double parameter, value;
} point;

static int by_parameter(const void *a, const void *b)
{
    const point *left = a, *right = b;
    return left->parameter < right->parameter ? -1 : left->parameter > right->parameter;
}

/* Sums of squares between and within bins; a bin ends where `count / bins` points are in it and the parameter changes.
 * Returns how many bins there were. */
static size_t sums_of_squares(const point *points, size_t count, bool choice, double mean, double *between,
                              double *within)
{
    const size_t bins = choice ? count : count / 2 < BINS_MAX ? count / 2 : BINS_MAX;
    const size_t wanted = choice ? 1 : (count + bins - 1) / bins;
    size_t found = 0;
    *between = *within = 0;
    for (size_t begin = 0; begin < count;) {
        size_t end = begin;
        double sum = 0;
        while (end < count && (end - begin < wanted || points[end].parameter == points[end - 1].parameter))
            sum += points[end++].value;
        const double bin_mean = sum / (double)(end - begin);
        *between += (double)(end - begin) * (bin_mean - mean) * (bin_mean - mean);
        for (size_t i = begin; i < end; i++)
            *within += (points[i].value - bin_mean) * (points[i].value - bin_mean);
        begin = end;
        found++;
    }
    return found;
}

static double share_of(point *points, size_t count, bool choice)
{
    double mean = 0, between, within;
    if (count < TRIALS_MIN)
        return (double)NAN;
    qsort(points, count, sizeof *points, by_parameter);
    for (size_t i = 0; i < count; i++)
        mean += points[i].value / (double)count;
    const size_t bins = sums_of_squares(points, count, choice, mean, &between, &within);
    const double total = between + within;
    if (bins < 2 || bins >= count || total <= 0)
        return (double)NAN;
    /* (SS_b - df_b MS_w) / SS_t */
    const double share = (between - (double)(bins - 1) * within / (double)(count - bins)) / total;
    return share > 0 ? share : 0;
}

static bool is_listed(const auxo_importance *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return true;
    return false;
}

static auxo_importance measure(const auxo_study *study, const auxo_trial_parameter *parameter, point *points)
{
    size_t count = 0;
    for (size_t i = 0; i < study->count; i++) {
        const auxo_trial *trial = &study->trials[i];
        const double value = auxo_trial_parameter_value(trial, parameter->name);
        if (trial->state == AUXO_TRIAL_COMPLETE && isfinite(trial->value) && !isnan(value))
            points[count++] = (point){value, trial->value};
    }
    const bool choice = strstr(parameter->distribution, "Categorical") != NULL;
    return (auxo_importance){.name = parameter->name, .share = share_of(points, count, choice), .trial_count = count};
}

static int by_share(const void *a, const void *b)
{
    const auxo_importance *left = a, *right = b;
    const double x = isnan(left->share) ? -1 : left->share, y = isnan(right->share) ? -1 : right->share;
    return x > y ? -1 : x < y ? 1 : strcmp(left->name, right->name);
}

auxo_status auxo_study_importance(const auxo_study *study, auxo_importance **list, size_t *count, auxo_error *error)
{
    *list = NULL;
    *count = 0;
    point *points = malloc((study->count + 1) * sizeof *points);
    auxo_status status = points ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    for (size_t i = 0; i < study->count && status == AUXO_OK; i++)
        for (size_t p = 0; p < study->trials[i].parameter_count && status == AUXO_OK; p++) {
            const auxo_trial_parameter *parameter = &study->trials[i].parameters[p];
            if (is_listed(*list, *count, parameter->name))
                continue;
            auxo_importance *grown = realloc(*list, (*count + 1) * sizeof *grown);
            if (grown) {
                *list = grown;
                grown[(*count)++] = measure(study, parameter, points);
            } else {
                status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
            }
        }
    if (*count)
        qsort(*list, *count, sizeof **list, by_share);
    free(points);
    return status;
}

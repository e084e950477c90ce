/* metrics.c: scores of outputs, in double on the host; see auxo/metrics.h. Drawing: metrics_report.c.
 */
#include "auxo/metrics.h"

#include <math.h>
#include <stdlib.h>

/* ---- ROC --------------------------------------------------------------------------------------------------------- */

typedef struct scored {
    double score;
    uint32_t label;
} scored;

static int compare_scored(const void *a, const void *b)
{
    const double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return x < y ? -1 : x > y;
}

auxo_status auxo_auroc(const double *scores, const uint32_t *labels, size_t count, double *area, auxo_error *error)
{
    scored *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "ROC curve of %zu rows: out of memory", count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (scored){scores[i], labels[i]};
    qsort(sorted, count, sizeof *sorted, compare_scored);
    double positives = 0, negatives = 0, wins = 0;
    for (size_t begin = 0, end; begin < count; begin = end) {
        double tied_positives = 0, tied_negatives = 0;
        for (end = begin; end < count && sorted[end].score == sorted[begin].score; end++)
            *(sorted[end].label ? &tied_positives : &tied_negatives) += 1;
        wins += tied_positives * (negatives + 0.5 * tied_negatives);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    free(sorted);
    if (positives == 0 || negatives == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the labels are of one class only: no ROC curve");
    *area = wins / (positives * negatives);
    return AUXO_OK;
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

/* What makes probabilities of the scores of a row: p = exp(score - largest) / sum. */
typedef struct row_softmax {
    double largest, sum;
} row_softmax;

/* Returns the place of the largest score. */
static size_t softmax(const float *scores, size_t count, row_softmax *row)
{
    size_t best = 0;
    for (size_t j = 1; j < count; j++)
        best = scores[j] > scores[best] ? j : best;
    *row = (row_softmax){.largest = (double)scores[best]};
    for (size_t j = 0; j < count; j++)
        row->sum += exp((double)scores[j] - row->largest);
    return best;
}

static double probability(float score, const row_softmax *row)
{
    return exp((double)score - row->largest) / row->sum;
}

static auxo_status check_row(const float *scores, uint32_t label, size_t row, size_t class_count, auxo_error *error)
{
    if (label >= class_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "row %zu: label %u is none of the %zu classes", row + 1,
                              label, class_count);
    for (size_t j = 0; j < class_count; j++)
        if (!isfinite(scores[j]))
            return auxo_error_set(error, AUXO_NOT_FINITE, "row %zu: its score for class %zu is not finite", row + 1, j);
    return AUXO_OK;
}

static void add_to_bin(auxo_class_scores *found, double confidence, bool hit)
{
    size_t b = (size_t)(confidence * AUXO_CALIBRATION_BINS);
    auxo_calibration_bin *bin = &found->bins[b < AUXO_CALIBRATION_BINS ? b : AUXO_CALIBRATION_BINS - 1];
    bin->rows++;
    bin->confidence += confidence;
    bin->accuracy += hit;
}

static void finish_bins(auxo_class_scores *found)
{
    for (size_t b = 0; b < AUXO_CALIBRATION_BINS; b++) {
        auxo_calibration_bin *bin = &found->bins[b];
        const double rows = (double)bin->rows;
        bin->confidence = bin->rows ? bin->confidence / rows : (double)NAN;
        bin->accuracy = bin->rows ? bin->accuracy / rows : (double)NAN;
        if (bin->rows)
            found->calibration_error += rows / (double)found->row_count * fabs(bin->confidence - bin->accuracy);
    }
}

static double ratio(size_t a, size_t b)
{
    return b ? (double)a / (double)b : (double)NAN;
}

/* Precision, recall, F1 of every class, and their means. */
static void finish_classes(auxo_class_scores *found)
{
    const size_t n = found->class_count;
    size_t present = 0;
    for (size_t i = 0; i < n; i++) {
        auxo_class_score *c = &found->classes[i];
        for (size_t j = 0; j < n; j++) {
            c->rows += found->confusion[i * n + j];
            c->predicted += found->confusion[j * n + i];
        }
        c->correct = found->confusion[i * n + i];
        c->precision = ratio(c->correct, c->predicted);
        c->recall = ratio(c->correct, c->rows);
        c->f1 = ratio(2 * c->correct, c->rows + c->predicted);
        if (c->rows == 0)
            continue;
        present++;
        found->macro_f1 += c->f1;
        found->weighted_f1 += c->f1 * (double)c->rows / (double)found->row_count;
    }
    found->macro_f1 /= (double)present;
}

/* scores (row_count, class_count); softmaxes (row_count). */
static auxo_status find_areas(const float *scores, const row_softmax *softmaxes, const uint32_t *labels,
                              auxo_class_scores *found, auxo_error *error)
{
    const size_t rows = found->row_count, n = found->class_count;
    double *column = malloc((rows + 1) * sizeof *column), sum = 0;
    uint32_t *is = malloc((rows + 1) * sizeof *is);
    size_t defined = 0;
    auxo_status status =
        column && is ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "ROC curves: out of memory");
    for (size_t j = 0; j < n && status == AUXO_OK; j++) {
        for (size_t i = 0; i < rows; i++) {
            column[i] = probability(scores[i * n + j], &softmaxes[i]);
            is[i] = labels[i] == j;
        }
        found->classes[j].auroc = (double)NAN;
        auxo_status measured = auxo_auroc(column, is, rows, &found->classes[j].auroc, error);
        if (measured == AUXO_OK) {
            sum += found->classes[j].auroc;
            defined++;
        } else if (measured != AUXO_INVALID_ARGUMENT) { /* that one is undefined: no row of the class, or no other */
            status = measured;
        }
    }
    found->macro_auroc = defined ? sum / (double)defined : (double)NAN;
    free(column);
    free(is);
    return status;
}

auxo_status auxo_class_scores_compute(const float *scores, const uint32_t *labels, size_t row_count, size_t class_count,
                                      auxo_class_scores *found, auxo_error *error)
{
    *found = (auxo_class_scores){.row_count = row_count, .class_count = class_count};
    if (row_count == 0 || class_count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no rows to measure");
    row_softmax *softmaxes = malloc(row_count * sizeof *softmaxes);
    found->confusion = calloc(class_count * class_count, sizeof *found->confusion);
    found->classes = calloc(class_count, sizeof *found->classes);
    auxo_status status = AUXO_OK;
    if (!softmaxes || !found->confusion || !found->classes)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "scores of %zu rows: out of memory", row_count);
    size_t correct = 0;
    for (size_t i = 0; i < row_count && status == AUXO_OK; i++) {
        const float *row = scores + i * class_count;
        status = check_row(row, labels[i], i, class_count, error);
        if (status != AUXO_OK)
            break;
        const size_t best = softmax(row, class_count, &softmaxes[i]);
        found->loss += log(softmaxes[i].sum) + softmaxes[i].largest - (double)row[labels[i]];
        found->confusion[labels[i] * class_count + best]++;
        correct += best == labels[i];
        add_to_bin(found, probability(row[best], &softmaxes[i]), best == labels[i]);
    }
    if (status == AUXO_OK) {
        found->loss /= (double)row_count;
        found->accuracy = (double)correct / (double)row_count;
        finish_bins(found);
        finish_classes(found);
        status = find_areas(scores, softmaxes, labels, found, error);
    }
    free(softmaxes);
    if (status != AUXO_OK)
        auxo_class_scores_deinit(found);
    return status;
}

void auxo_class_scores_deinit(auxo_class_scores *found)
{
    free(found->confusion);
    free(found->classes);
    *found = (auxo_class_scores){0};
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

auxo_real_score auxo_real_score_compute(const float *values, const float *targets, size_t row_count, size_t stride)
{
    const double rows = (double)row_count;
    double squares = 0, errors = 0, sum = 0, spread = 0;
    bool constant = true;
    for (size_t i = 0; i < row_count; i++) {
        const double target = targets[i * stride], difference = values[i * stride] - target;
        squares += difference * difference;
        errors += fabs(difference);
        sum += target;
        constant = constant && targets[i * stride] == targets[0];
    }
    /* The spread in a second pass around the mean: large offsets keep their digits. */
    for (size_t i = 0; i < row_count; i++) {
        const double difference = targets[i * stride] - sum / rows;
        spread += difference * difference;
    }
    auxo_real_score score = {squares / rows, errors / rows, constant ? 0 : spread / rows, (double)NAN};
    if (score.variance > 0)
        score.r2 = 1 - score.mse / score.variance;
    return score;
}

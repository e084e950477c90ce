/* auxo/metrics.h: how good outputs are: classes (confusion, F1, ROC, calibration) and numbers (errors, R2).
 *
 * Everything is computed on the host in double from outputs of auxo_model_predict, so that all devices agree.
 */
#ifndef AUXO_METRICS_H
#define AUXO_METRICS_H

#include "auxo/export.h"
#include "auxo/report.h"
#include "auxo/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { AUXO_CALIBRATION_BINS = 15 };

/* One class against the others. NaN where there is nothing to divide by: no row of the class, none predicted. */
typedef struct auxo_class_score {
    size_t rows, predicted, correct;
    double precision, recall, f1;
    double auroc; /* of its probability */
} auxo_class_score;

typedef struct auxo_calibration_bin {
    size_t rows;
    double confidence, accuracy; /* means; NaN without rows */
} auxo_calibration_bin;

typedef struct auxo_class_scores {
    size_t row_count, class_count;
    double loss, accuracy;     /* cross-entropy in nats; share of rows whose largest score is their class */
    uint64_t *confusion;       /* (class_count, class_count): rows of class i (row) predicted as j (column) */
    auxo_class_score *classes; /* (class_count) */
    double macro_f1, weighted_f1, macro_auroc;        /* over classes that have rows; f1 of 0 where nothing was right */
    auxo_calibration_bin bins[AUXO_CALIBRATION_BINS]; /* by confidence, equal widths */
    double calibration_error;                         /* ECE (Guo et al. 2017): mean |confidence - accuracy| by rows */
} auxo_class_scores;

/* scores (row_count, class_count) before softmax; labels (row_count). Errors: INVALID_ARGUMENT without rows, or with a
 * label that is no class; NOT_FINITE names the row. Ownership: deinit. */
AUXO_API auxo_status auxo_class_scores_compute(const float *scores, const uint32_t *labels, size_t row_count,
                                               size_t class_count, auxo_class_scores *found, auxo_error *error);
AUXO_API void auxo_class_scores_deinit(auxo_class_scores *found);
/* Confusion as a heat map, a table of the classes, and the reliability diagram. names (class_count; may be NULL). */
AUXO_API auxo_status auxo_class_scores_report(const auxo_class_scores *found, char *const *names, auxo_report *report,
                                              auxo_error *error);

/* Area under the ROC curve of scores against 0/1 labels; ties count one half. Errors: one class only. */
AUXO_API auxo_status auxo_auroc(const double *scores, const uint32_t *labels, size_t count, double *area,
                                auxo_error *error);

/* One column of numbers. r2 NaN where the target is constant. */
typedef struct auxo_real_score {
    double mse, mae, variance, r2;
} auxo_real_score;
/* values, targets (row_count), `stride` floats apart. */
AUXO_API auxo_real_score auxo_real_score_compute(const float *values, const float *targets, size_t row_count,
                                                 size_t stride);

#ifdef __cplusplus
}
#endif
#endif

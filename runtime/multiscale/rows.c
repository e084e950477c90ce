/* runtime/multiscale/rows.c: data sets as standardised rows, on the host and on the device, and the trivial baselines.
 *
 * A mean squared error of 1 on standardised targets is the constant predictor; every result is printed beside that and
 * beside linear least squares.
 */
#include "multiscale_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct statistics {
    float *means, *inverse_stds, *target_means, *target_inverse_stds;
} statistics;

static void statistics_deinit(statistics *s)
{
    free(s->means);
    free(s->inverse_stds);
    free(s->target_means);
    free(s->target_inverse_stds);
}

/* What a model knows already holds for all rows that it reads; `known` may be NULL or hold nothing. */
static void take_known(statistics *s, const auxo_preprocessing *known, size_t channels, size_t target_count)
{
    memcpy(s->means, known->means, channels * sizeof *s->means);
    memcpy(s->inverse_stds, known->inverse_stds, channels * sizeof *s->inverse_stds);
    if (known->target_count != target_count)
        return;
    memcpy(s->target_means, known->target_means, target_count * sizeof *s->target_means);
    memcpy(s->target_inverse_stds, known->target_inverse_stds, target_count * sizeof *s->target_inverse_stds);
}

static auxo_status statistics_init(statistics *s, const auxo_dataset *dataset, bool standardize,
                                   const auxo_preprocessing *known, size_t target_count, auxo_error *error)
{
    size_t channels = (size_t)dataset->channels;
    s->means = calloc(channels, sizeof(float));
    s->inverse_stds = calloc(channels, sizeof(float));
    s->target_means = calloc(target_count, sizeof(float));
    s->target_inverse_stds = calloc(target_count, sizeof(float));
    if (!s->means || !s->inverse_stds || !s->target_means || !s->target_inverse_stds) {
        statistics_deinit(s);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "standardisation: out of memory");
    }
    for (size_t c = 0; c < channels; c++)
        s->inverse_stds[c] = 1;
    for (size_t t = 0; t < target_count; t++)
        s->target_inverse_stds[t] = 1;
    if (known && known->channel_count == channels) {
        take_known(s, known, channels, target_count);
        return AUXO_OK;
    }
    auxo_status status = AUXO_OK;
    if (standardize)
        status = auxo_dataset_channel_stats(dataset, s->means, s->inverse_stds, error);
    if (standardize && status == AUXO_OK && dataset->target_type == AUXO_TARGET_REAL)
        status = auxo_dataset_target_stats(dataset, s->target_means, s->target_inverse_stds, error);
    if (status != AUXO_OK)
        statistics_deinit(s);
    return status;
}

static auxo_status fill_features(const auxo_dataset *dataset, const statistics *s, size_t feature_count, float *rows,
                                 auxo_error *error)
{
    size_t inner = (size_t)(dataset->height * dataset->width);
    for (size_t r = 0; r < dataset->row_count; r++)
        for (size_t f = 0; f < feature_count; f++) {
            size_t e = r * feature_count + f, c = f / inner;
            float raw = dataset->feature_type == AUXO_FEATURES_U8
                            ? (float)((const uint8_t *)dataset->features)[e] * (1.0f / 255.0f)
                            : ((const float *)dataset->features)[e];
            if (!isfinite(raw))
                return auxo_error_set(error, AUXO_FORMAT, "%s: row %zu, input column %zu%s%s is not a finite number",
                                      dataset->name, r + 1, f + 1, dataset->feature_names ? " " : "",
                                      dataset->feature_names ? dataset->feature_names[c] : "");
            rows[e] = (raw - s->means[c]) * s->inverse_stds[c];
        }
    return AUXO_OK;
}

static auxo_status fill_targets(const auxo_dataset *dataset, const statistics *s, size_t target_count, float *rows,
                                auxo_error *error)
{
    for (size_t r = 0; r < dataset->row_count; r++)
        for (size_t t = 0; t < target_count; t++) {
            if (dataset->target_type == AUXO_TARGET_CLASS) {
                rows[r * target_count + t] = dataset->labels[r] == t;
                continue;
            }
            float raw = dataset->targets[r * target_count + t];
            if (!isfinite(raw))
                return auxo_error_set(error, AUXO_FORMAT, "%s: row %zu, target column %zu is not a finite number",
                                      dataset->name, r + 1, t + 1);
            rows[r * target_count + t] = (raw - s->target_means[t]) * s->target_inverse_stds[t];
        }
    return AUXO_OK;
}

auxo_status auxo__standardized_rows(const auxo_dataset *dataset, const auxo_dataset *source, bool standardize,
                                    const auxo_preprocessing *known, float **features, float **targets,
                                    size_t *feature_count, size_t *target_count, auxo_error *error)
{
    if (dataset->target_type == AUXO_TARGET_SURVIVAL)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "%s has survival labels; multi-scale training needs real targets or classes",
                              dataset->name);
    *feature_count = (size_t)(dataset->channels * dataset->height * dataset->width);
    *target_count = dataset->target_type == AUXO_TARGET_CLASS ? dataset->class_count : dataset->target_count;
    statistics s = {0};
    auxo_status status = statistics_init(&s, source, standardize, known, *target_count, error);
    if (status != AUXO_OK)
        return status;
    *features = malloc(dataset->row_count * *feature_count * sizeof(float) + 1);
    *targets = malloc(dataset->row_count * *target_count * sizeof(float) + 1);
    if (!*features || !*targets)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: %zu rows do not fit in memory", dataset->name,
                                dataset->row_count);
    if (status == AUXO_OK)
        status = fill_features(dataset, &s, *feature_count, *features, error);
    if (status == AUXO_OK)
        status = fill_targets(dataset, &s, *target_count, *targets, error);
    if (status != AUXO_OK) {
        free(*features);
        free(*targets);
        *features = *targets = NULL;
    }
    statistics_deinit(&s);
    return status;
}

auxo_status auxo__upload_regression(auxo_queue *queue, const auxo_dataset *dataset, const auxo_dataset *source,
                                    const auxo_preprocessing *known, auxo_buffer **features, auxo_buffer **targets,
                                    auxo_error *error)
{
    float *x = NULL, *y = NULL;
    size_t inputs, outputs;
    auxo_status status = auxo__standardized_rows(dataset, source, false, known, &x, &y, &inputs, &outputs, error);
    if (status != AUXO_OK)
        return status;
    auxo_device *device = auxo_queue_device(queue);
    uint64_t feature_bytes = dataset->row_count * inputs * sizeof(float);
    uint64_t target_bytes = dataset->row_count * outputs * sizeof(float);
    status = auxo_buffer_create(device, feature_bytes, features, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, target_bytes, targets, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, *features, 0, x, feature_bytes, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, *targets, 0, y, target_bytes, error);
    free(x);
    free(y);
    return status;
}

/* Solves the symmetric positive semidefinite system A X = B in place by Cholesky; columns of A without variance left
 * get the solution 0. a (n, n), b (n, m). */
static void solve_normal_equations(double *a, double *b, size_t n, size_t m)
{
    for (size_t j = 0; j < n; j++) {
        double scale = a[j * n + j], pivot = scale;
        for (size_t k = 0; k < j; k++)
            pivot -= a[j * n + k] * a[j * n + k];
        bool usable = pivot > 1e-12 * (scale > 0 ? scale : 1);
        a[j * n + j] = usable ? sqrt(pivot) : 0;
        for (size_t i = j + 1; i < n; i++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = usable ? sum / a[j * n + j] : 0;
        }
    }
    for (size_t t = 0; t < m; t++) {
        for (size_t i = 0; i < n; i++) {
            double sum = b[i * m + t];
            for (size_t k = 0; k < i; k++)
                sum -= a[i * n + k] * b[k * m + t];
            b[i * m + t] = a[i * n + i] > 0 ? sum / a[i * n + i] : 0;
        }
        for (size_t i = n; i-- > 0;) {
            double sum = b[i * m + t];
            for (size_t k = i + 1; k < n; k++)
                sum -= a[k * n + i] * b[k * m + t];
            b[i * m + t] = a[i * n + i] > 0 ? sum / a[i * n + i] : 0;
        }
    }
}

/* Least squares with intercept: coefficients (inputs + 1, outputs), the intercept first. */
static auxo_status fit_linear(const float *x, const float *y, size_t rows, size_t inputs, size_t outputs,
                              double **coefficients, auxo_error *error)
{
    size_t n = inputs + 1;
    double *normal = calloc(n * n, sizeof *normal);
    *coefficients = calloc(n * outputs, sizeof **coefficients);
    if (!normal || !*coefficients) {
        free(normal);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "least squares with %zu inputs: out of memory", inputs);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++) {
            double xi = i ? (double)x[r * inputs + i - 1] : 1.0;
            for (size_t j = 0; j <= i; j++)
                normal[i * n + j] += xi * (j ? (double)x[r * inputs + j - 1] : 1.0);
            for (size_t t = 0; t < outputs; t++)
                (*coefficients)[i * outputs + t] += xi * (double)y[r * outputs + t];
        }
    solve_normal_equations(normal, *coefficients, n, outputs);
    free(normal);
    return AUXO_OK;
}

static double linear_loss_of(const float *x, const float *y, size_t rows, size_t inputs, size_t outputs,
                             const double *coefficients)
{
    double sum = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t t = 0; t < outputs; t++) {
            double prediction = coefficients[t];
            for (size_t i = 0; i < inputs; i++)
                prediction += coefficients[(i + 1) * outputs + t] * (double)x[r * inputs + i];
            double difference = prediction - (double)y[r * outputs + t];
            sum += difference * difference;
        }
    return rows ? sum / (double)(rows * outputs) : 0;
}

static double constant_loss_of(const float *train, size_t train_rows, const float *y, size_t rows, size_t outputs)
{
    double sum = 0;
    for (size_t t = 0; t < outputs; t++) {
        double mean = 0;
        for (size_t r = 0; r < train_rows; r++)
            mean += (double)train[r * outputs + t] / (double)train_rows;
        for (size_t r = 0; r < rows; r++) {
            double difference = (double)y[r * outputs + t] - mean;
            sum += difference * difference;
        }
    }
    return rows ? sum / (double)(rows * outputs) : 0;
}

/* Cross-entropy of the classes' frequencies, one more of each than were seen. */
static auxo_status class_frequency_loss(const auxo_dataset *train, const auxo_dataset *judged, double *loss,
                                        auxo_error *error)
{
    size_t *counts = calloc(train->class_count, sizeof *counts);
    if (!counts)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "class frequencies: out of memory");
    for (size_t r = 0; r < train->row_count; r++)
        counts[train->labels[r]]++;
    double sum = 0, total = (double)train->row_count + train->class_count;
    for (size_t r = 0; r < judged->row_count; r++)
        sum -= log(((double)counts[judged->labels[r]] + 1) / total);
    *loss = judged->row_count ? sum / (double)judged->row_count : 0;
    free(counts);
    return AUXO_OK;
}

auxo_status auxo_baseline_losses(const auxo_dataset *train, const auxo_dataset *test, bool standardize,
                                 double *constant_loss, double *linear_loss, auxo_error *error)
{
    float *x = NULL, *y = NULL, *test_x = NULL, *test_y = NULL;
    double *coefficients = NULL;
    size_t inputs = 0, outputs = 0;
    if (train->target_type == AUXO_TARGET_CLASS) {
        *linear_loss = NAN;
        return class_frequency_loss(train, test ? test : train, constant_loss, error);
    }
    auxo_status status = auxo__standardized_rows(train, train, standardize, NULL, &x, &y, &inputs, &outputs, error);
    if (status == AUXO_OK && test)
        status = auxo__standardized_rows(test, train, standardize, NULL, &test_x, &test_y, &inputs, &outputs, error);
    if (status == AUXO_OK)
        status = fit_linear(x, y, train->row_count, inputs, outputs, &coefficients, error);
    if (status == AUXO_OK) {
        const float *ex = test ? test_x : x, *ey = test ? test_y : y;
        size_t rows = test ? test->row_count : train->row_count;
        *constant_loss = constant_loss_of(y, train->row_count, ey, rows, outputs);
        *linear_loss = linear_loss_of(ex, ey, rows, inputs, outputs, coefficients);
    }
    free(x);
    free(y);
    free(test_x);
    free(test_y);
    free(coefficients);
    return status;
}

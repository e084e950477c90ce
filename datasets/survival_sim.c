/* survival_sim.c: simulated survival tables: linear or nonlinear risk, set censoring, two sites, several rows a
 * patient.
 *
 * Covariates uniform in [-1, 1]; Weibull proportional hazards; exponential censoring, its mean solved on a fixed draw
 * of CALIBRATION_COUNT subjects so that no row depends on how many rows are made. The second site records the same
 * covariates scaled and shifted (another scanner): risks agree across sites, recorded values do not.
 */
#include "dataset.h"
#include "loaders.h"
#include "survival_times.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALIBRATION_COUNT = 2048, MAX_COLUMNS = 4096, DEFAULT_COUNT = 4000, STREAM_CALIBRATION = 101 };
enum { STREAM_SUBJECT = 1000, STREAM_ROW = 2000 }; /* added to the caller's stream */

static const double REPEAT_NOISE = 0.1; /* standard deviation between records of one patient */

static double log_risk(auxo_risk risk, const double *x)
{
    if (risk == AUXO_RISK_LINEAR)
        return x[0] + 2 * x[1];
    return log(5.0) * exp(-2.0 * (x[0] * x[0] + x[1] * x[1]));
}

static auxo_status check_simulation(const auxo_survival_simulation *given, auxo_error *error)
{
    const char *wrong = NULL;
    if (given->column_count < 2 || given->column_count > MAX_COLUMNS)
        wrong = "column_count must be 2 to 4096";
    else if (!(given->median_time > 0 && isfinite(given->median_time)))
        wrong = "median_time must be positive";
    else if (!(given->weibull_shape > 0 && isfinite(given->weibull_shape)))
        wrong = "weibull_shape must be positive";
    else if (!(given->censoring_rate >= 0 && given->censoring_rate < 1))
        wrong = "censoring_rate must be 0 or more and below 1";
    else if (given->site_count < 1 || given->site_count > 2)
        wrong = "site_count must be 1 or 2";
    else if (!isfinite(given->site_shift) || !(given->site_scale > 0 && isfinite(given->site_scale)))
        wrong = "site_shift must be finite and site_scale positive";
    return wrong ? auxo_error_set(error, AUXO_INVALID_ARGUMENT, "survival simulation: %s", wrong) : AUXO_OK;
}

static void draw_covariates(auxo__random *random, double *x, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        x[i] = auxo__random_uniform(random, -1.0, 1.0);
}

static double calibrate_censoring(const auxo_survival_simulation *given)
{
    double times[CALIBRATION_COUNT];
    for (size_t i = 0; i < CALIBRATION_COUNT; i++) {
        auxo__random random;
        double x[2];
        auxo__random_init(&random, given->seed, STREAM_CALIBRATION, i);
        draw_covariates(&random, x, 2);
        times[i] = auxo__survival_draw(&random, log_risk(given->risk, x), given->median_time, given->weibull_shape);
    }
    return auxo__censoring_mean(times, CALIBRATION_COUNT, given->censoring_rate);
}

static void simulate_row(const auxo_survival_simulation *given, double censoring_mean, double *x, size_t row,
                         auxo_dataset *dataset)
{
    size_t rows_per_group = given->rows_per_group > 1 ? given->rows_per_group : 1;
    auxo__random subject, record;
    auxo__random_init(&subject, given->seed, STREAM_SUBJECT + given->stream, row / rows_per_group);
    auxo__random_init(&record, given->seed, STREAM_ROW + given->stream, row);
    uint32_t site = auxo__random_below(&subject, given->site_count);
    draw_covariates(&subject, x, given->column_count);
    double time = auxo__survival_draw(&subject, log_risk(given->risk, x), given->median_time, given->weibull_shape);
    dataset->times[row] = (float)auxo__survival_censor(&subject, time, censoring_mean, &dataset->events[row]);
    float *features = (float *)dataset->features + row * given->column_count;
    for (uint32_t i = 0; i < given->column_count; i++) {
        double recorded = rows_per_group > 1 ? x[i] + REPEAT_NOISE * auxo__random_normal(&record) : x[i];
        features[i] = (float)(site == 0 ? recorded : given->site_scale * recorded + given->site_shift);
    }
    if (dataset->sites)
        dataset->sites[row] = site;
    if (dataset->groups)
        dataset->groups[row] = (uint32_t)(row / rows_per_group);
}

static bool add_columns(const auxo_survival_simulation *given, auxo_dataset *dataset)
{
    dataset->feature_names = calloc(given->column_count, sizeof *dataset->feature_names);
    for (uint32_t i = 0; dataset->feature_names && i < given->column_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%u", i);
        dataset->feature_names[i] = auxo__text_duplicate(name);
        if (!dataset->feature_names[i])
            return false;
    }
    if (given->site_count > 1)
        dataset->sites = auxo__array(given->row_count, sizeof *dataset->sites);
    if (given->rows_per_group > 1)
        dataset->groups = auxo__array(given->row_count, sizeof *dataset->groups);
    return dataset->feature_names && (given->site_count < 2 || dataset->sites) &&
           (given->rows_per_group < 2 || dataset->groups);
}

auxo_status auxo_survival_simulate(const auxo_survival_simulation *simulation, auxo_dataset **dataset,
                                   auxo_error *error)
{
    if (!simulation || !dataset)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo_survival_simulate: null argument");
    *dataset = NULL;
    auxo_status status = check_simulation(simulation, error);
    if (status != AUXO_OK)
        return status;
    auxo__dataset_shape shape = {.row_count = simulation->row_count,
                                 .channels = simulation->column_count,
                                 .height = 1,
                                 .width = 1,
                                 .feature_type = AUXO_FEATURES_F32,
                                 .target_type = AUXO_TARGET_SURVIVAL};
    auxo_dataset *made = NULL;
    status = auxo__dataset_create("survival-sim", &shape, &made, error);
    if (status != AUXO_OK)
        return status;
    double *x = auxo__array(simulation->column_count, sizeof *x);
    if (!x || !add_columns(simulation, made)) {
        free(x);
        auxo_dataset_destroy(made);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "survival simulation: no memory for %zu rows",
                              simulation->row_count);
    }
    double censoring_mean = calibrate_censoring(simulation);
    for (size_t row = 0; row < simulation->row_count; row++)
        simulate_row(simulation, censoring_mean, x, row, made);
    free(x);
    *dataset = made;
    return AUXO_OK;
}

static auxo_status load_simulation(auxo_survival_simulation simulation, const auxo_data_options *options,
                                   auxo_dataset **train, auxo_dataset **test, auxo_error *error)
{
    size_t count = options->generated_count ? options->generated_count : DEFAULT_COUNT;
    simulation.seed = options->seed;
    simulation.row_count = auxo__limited(count, options->limit);
    simulation.stream = AUXO__STREAM_TRAIN;
    auxo_status status = auxo_survival_simulate(&simulation, train, error);
    if (status != AUXO_OK)
        return status;
    simulation.row_count = auxo__limited((count + 4) / 5, options->limit);
    simulation.stream = AUXO__STREAM_TEST;
    return auxo_survival_simulate(&simulation, test, error);
}

static const auxo_survival_simulation DEFAULTS = {.column_count = 10,
                                                  .risk = AUXO_RISK_LINEAR,
                                                  .median_time = 5.0,
                                                  .weibull_shape = 1.0,
                                                  .censoring_rate = 0.3,
                                                  .site_count = 1,
                                                  .site_scale = 1.0};

auxo_status auxo__load_survival_sim(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                    auxo_error *error)
{
    return load_simulation(DEFAULTS, options, train, test, error);
}

auxo_status auxo__load_survival_sim_nonlinear(const auxo_data_options *options, auxo_dataset **train,
                                              auxo_dataset **test, auxo_error *error)
{
    auxo_survival_simulation simulation = DEFAULTS;
    simulation.risk = AUXO_RISK_GAUSSIAN;
    simulation.weibull_shape = 1.5;
    return load_simulation(simulation, options, train, test, error);
}

auxo_status auxo__load_survival_sim_sites(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                          auxo_error *error)
{
    auxo_survival_simulation simulation = DEFAULTS;
    simulation.site_count = 2;
    simulation.site_shift = 1.5;
    simulation.site_scale = 1.5;
    return load_simulation(simulation, options, train, test, error);
}

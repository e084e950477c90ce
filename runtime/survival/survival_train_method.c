/* survival_train_method.c: "survival train": a network, or the linear model, on Cox's partial likelihood.
 *
 * A step is the stretch to the end of the epoch; the linear model takes one step, to convergence.
 */
#include "folds.h"
#include "plan_events.h"
#include "run_report.h"
#include "survival_events.h"
#include "task.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char TRAINING[] = "training/";

typedef struct survival_state {
    auxo_survival_data data;
    auxo_dataset *validation; /* NULL: none */
    auxo_survival_model model;
    bool hazard_of_best;   /* the hazard is that of the best epoch's weights, not of the last's */
    auxo_trainer *trainer; /* NULL: linear */
    auxo_train_options options;
    char optimizer_text[256];
    bool is_linear, linear_wanted; /* wanted: fitted by Newton's method */
    bool fitted;                   /* `linear` is of the model as it is */
    auxo__linear linear;
    uint32_t epochs, every;
    auxo__survival_outcome outcome;
} survival_state;

/* ---- life -------------------------------------------------------------------------------------------------------- */

static auxo_status load_rows(auxo_run *run, survival_state *state, auxo_error *error)
{
    const auxo_survival_request request = {.seed = auxo_settings_integer(run->settings, "seed")};
    auxo_survival_data *data = &state->data;
    auxo_status status = auxo_survival_load(run->settings, &request, data, error);
    if (status == AUXO_OK)
        status = auxo__folds_apply(run, request.seed, &data->train, &data->test, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__task_hash(run, data->train, data->test, error);
    if (status == AUXO_OK && data->train->note[0])
        status = auxo__run_note(run, error, "%s", data->train->note);
    if (status == AUXO_OK && data->filled > 0)
        status = auxo__run_note(run, error, "%s: %zu missing values replaced by the means of the training rows",
                                data->train->name, data->filled);
    return status;
}

/* The number that the rows of a site have: by its name, else by its place; UINT32_MAX: there is none. */
static uint32_t find_site(const auxo_dataset *rows, const char *text)
{
    char *end = NULL;
    for (uint32_t s = 0; s < rows->site_count && rows->site_names; s++)
        if (strcmp(rows->site_names[s], text) == 0)
            return s;
    const unsigned long number = strtoul(text, &end, 10);
    return *end || number == 0 || number >= UINT32_MAX ? UINT32_MAX : (uint32_t)number - 1;
}

/* Keeps the training rows of one site. */
static auxo_status keep_site(auxo_run *run, survival_state *state, auxo_error *error)
{
    const char *name = auxo_settings_text(run->settings, "train-site");
    const auxo_dataset *all = state->data.train;
    size_t count = 0;
    auxo_dataset *kept = NULL;
    if (!name)
        return AUXO_OK;
    const uint32_t site = find_site(all, name);
    uint32_t *rows = malloc((all->row_count + 1) * sizeof *rows);
    for (size_t i = 0; i < all->row_count && rows && all->sites; i++)
        if (all->sites[i] == site)
            rows[count++] = (uint32_t)i;
    auxo_status status = AUXO_OK;
    if (!rows)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "rows of a site: out of memory");
    else if (count == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "train-site %s: %s has no rows of such a site", name,
                                all->name);
    else
        status = auxo_dataset_select(all, rows, count, &kept, error);
    free(rows);
    if (status != AUXO_OK)
        return status;
    auxo_dataset_destroy(state->data.train);
    state->data.train = kept;
    return AUXO_OK;
}

static auxo_status open_model(auxo_run *run, survival_state *state, auxo_error *error)
{
    const char *name = auxo_settings_text(run->settings, "model");
    const auxo_dataset *train = state->data.train;
    const int64_t inputs = train->channels * train->height * train->width;
    char text[128];
    if (name && strcmp(name, "linear") == 0)
        snprintf(text, sizeof text, "mlp:%" PRId64 "-1:nobias", inputs);
    else if (!name && auxo__task_of_pictures(train))
        snprintf(text, sizeof text, "vgg-small");
    else if (!name)
        snprintf(text, sizeof text, "mlp:%" PRId64 "-32-32-1:selu:lecun_normal", inputs);
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    const bool given = name && strcmp(name, "linear") != 0;
    auxo_status status =
        auxo_model_desc_load(given ? name : text, train->channels, train->height, train->width, 1, &desc, error);
    if (status == AUXO_OK)
        status = auxo_model_create(run->device, &desc, auxo_settings_integer(run->settings, "seed"),
                                   &state->model.network, error);
    auxo_model_desc_deinit(&desc);
    if (status == AUXO_OK)
        status = auxo_model_check_data(state->model.network, train, error);
    if (status == AUXO_OK)
        status = auxo_model_set_data_schema(state->model.network, auxo_dataset_schema(train), error);
    return status;
}

static auxo_status read_options(auxo_run *run, survival_state *state, auxo_error *error)
{
    const auxo_settings *settings = run->settings;
    auxo_train_options *options = &state->options;
    *options = (auxo_train_options){.loss = AUXO_LOSS_COX,
                                    .batch = (uint32_t)auxo_settings_integer(settings, "batch"),
                                    .seed = auxo_settings_integer(settings, "seed"),
                                    .standardize = true,
                                    .gradient_clip = (float)auxo_settings_real(settings, "clip"),
                                    .stop = run->options.stop};
    if (options->batch == 0 || options->batch > state->data.train->row_count)
        options->batch = (uint32_t)state->data.train->row_count;
    options->cox = (auxo_cox_params){(auxo_cox_ties)auxo_settings_choice(settings, "ties"),
                                     (auxo_cox_reduction)auxo_settings_choice(settings, "reduction"),
                                     (auxo_cox_domain)auxo_settings_choice(settings, "domain"),
                                     (float)auxo_settings_real(settings, "domain-strength")};
    auxo_status status =
        auxo_optimizer_config_parse(auxo_settings_text(settings, "optimizer"), &options->optimizer, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "optimizer");
    auxo_optimizer_config_format(&options->optimizer, state->optimizer_text, sizeof state->optimizer_text);
    return AUXO_OK;
}

/* Some of the training rows, with events in proportion, to measure each epoch on. */
static auxo_status split_validation(auxo_run *run, survival_state *state, auxo_error *error)
{
    const double fraction = auxo_settings_real(run->settings, "validation");
    auxo_dataset *rest = NULL;
    if (fraction > 0) {
        const uint64_t seed = auxo_settings_integer(run->settings, "seed") + 1;
        auxo_status status =
            auxo_dataset_split(state->data.train, fraction, seed, true, &state->validation, &rest, error);
        if (status != AUXO_OK)
            return status;
        auxo_dataset_destroy(state->data.train);
        state->data.train = rest;
    }
    return auxo__best_read(run->settings, state->validation != NULL, &run->best, error);
}

/* The linear model is fitted exactly, unless something is asked that only training by steps has. */
static auxo_status choose_fit(auxo_run *run, survival_state *state, auxo_error *error)
{
    static const char *const of_steps[] = {"epochs", "batch", "optimizer", "clip", "domain"};
    const char *name = auxo_settings_text(run->settings, "model");
    state->is_linear = name && strcmp(name, "linear") == 0;
    if (!state->is_linear)
        return AUXO_OK;
    for (size_t i = 0; i < sizeof of_steps / sizeof *of_steps; i++)
        if (auxo_settings_given(run->settings, of_steps[i]))
            return auxo__run_note(run, error,
                                  "the linear model is trained by steps, because %s is given; without epochs, batch, "
                                  "optimizer, clip and domain it is fitted to convergence by Newton's method",
                                  of_steps[i]);
    state->linear_wanted = true;
    snprintf(state->optimizer_text, sizeof state->optimizer_text, "Newton's method");
    return AUXO_OK;
}

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    survival_state *state = user;
    state->epochs = (uint32_t)auxo_settings_integer(run->settings, "epochs");
    state->every = (uint32_t)auxo_settings_integer(run->settings, "checkpoint-every");
    auxo_status status = load_rows(run, state, error);
    if (status == AUXO_OK)
        status = keep_site(run, state, error);
    if (status == AUXO_OK)
        status = split_validation(run, state, error);
    run->schema = status == AUXO_OK ? auxo_dataset_schema(state->data.train) : NULL;
    if (status == AUXO_OK)
        status = read_options(run, state, error);
    if (status == AUXO_OK)
        status = choose_fit(run, state, error);
    if (status == AUXO_OK)
        status = auxo__task_open_device(run, error);
    if (status == AUXO_OK)
        status = open_model(run, state, error);
    if (status == AUXO_OK && !state->linear_wanted)
        status =
            auxo_trainer_create(state->model.network, state->data.train, NULL, &state->options, &state->trainer, error);
    return status;
}

static auxo_status announce(auxo_run *run, void *user, auxo_error *error)
{
    const survival_state *state = user;
    const auxo_device_info *info = auxo_device_get_info(run->device);
    const auxo__start_record record = {.data = state->data.train->name,
                                       .rows = state->data.train->row_count,
                                       .model = auxo_model_get_desc(state->model.network)->name,
                                       .weights = auxo_model_weight_count(state->model.network),
                                       .device = info->selector,
                                       .device_name = info->name,
                                       .optimizer = state->optimizer_text,
                                       .batch = state->options.batch,
                                       .steps_per_epoch =
                                           state->trainer ? auxo_trainer_steps_per_epoch(state->trainer) : 1,
                                       .resumed_step = state->trainer ? auxo_trainer_step(state->trainer) : 0};
    return auxo__run_emit(run, &auxo__start_event, &record, error);
}

static void outcome_deinit(auxo__survival_outcome *outcome)
{
    free(outcome->train_raw);
    free(outcome->test_raw);
    free(outcome->train_risks);
    free(outcome->test_risks);
    *outcome = (auxo__survival_outcome){0};
}

static void end(void *user)
{
    survival_state *state = user;
    auxo_trainer_destroy(state->trainer);
    auxo_survival_model_deinit(&state->model);
    auxo__linear_deinit(&state->linear);
    outcome_deinit(&state->outcome);
    auxo_dataset_destroy(state->validation);
    auxo_survival_data_deinit(&state->data);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static auxo_status fit_linear(auxo_run *run, survival_state *state, auxo_error *error)
{
    auxo__linear_deinit(&state->linear);
    auxo_status status = auxo__linear_fit(state->data.train, state->options.cox.ties, &state->linear, error);
    if (status == AUXO_OK)
        status = auxo__linear_write(&state->linear, state->data.train, state->model.network, error);
    state->fitted = status == AUXO_OK;
    if (state->fitted)
        auxo__run_moved(run, 1, true);
    return status;
}

/* Harrell's C of the validation rows; NaN without them, or without a comparable pair. */
static auxo_status validate(survival_state *state, double *concordance, auxo_error *error)
{
    double *risks = NULL;
    auxo_concordance c = {.index = (double)NAN};
    *concordance = (double)NAN;
    if (!state->validation)
        return AUXO_OK;
    auxo_status status = auxo_survival_risks(state->model.network, state->validation, false, &risks, NULL, error);
    if (status != AUXO_OK)
        return status;
    const auxo_survival_sample sample = auxo_survival_rows(state->validation, risks);
    status = auxo_survival_concordance(&sample, &c, error);
    if (status == AUXO_OK)
        *concordance = c.index;
    free(risks);
    return status == AUXO_INVALID_ARGUMENT ? AUXO_OK : status; /* that one: no pair is comparable */
}

/* What an epoch gave, told and kept. */
static auxo_status end_epoch(auxo_run *run, survival_state *state, const auxo_epoch_metrics *metrics, bool *exhausted,
                             auxo_error *error)
{
    auxo__survival_epoch record = {
        .epoch = metrics->epoch, .of = state->epochs, .train_loss = metrics->train_loss, .braked = metrics->braked};
    auxo_status status = validate(state, &record.validation, error);
    if (status == AUXO_OK)
        status = auxo__run_emit(run, &auxo__survival_epoch_event, &record, error);
    return status == AUXO_OK
               ? auxo__run_offer(run, metrics->epoch, record.validation, metrics->train_loss, exhausted, error)
               : status;
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    survival_state *state = user;
    bool finished_epoch = false;
    auxo_epoch_metrics metrics = {0};
    auxo_step_function_deinit(&state->model.hazard); /* of the model as it was */
    if (state->linear_wanted) {
        *done = true;
        return fit_linear(run, state, error);
    }
    bool exhausted = auxo__best_exhausted(&run->best);
    *done = exhausted || auxo_trainer_epoch(state->trainer) >= state->epochs;
    if (*done)
        return AUXO_OK;
    auxo_status status = auxo_trainer_run(state->trainer, 0, &finished_epoch, &metrics, error);
    const uint32_t epoch = auxo_trainer_epoch(state->trainer);
    if (status == AUXO_OK && finished_epoch)
        status = end_epoch(run, state, &metrics, &exhausted, error);
    *done = exhausted || epoch >= state->epochs;
    if (status == AUXO_OK || status == AUXO_INTERRUPTED)
        auxo__run_moved(run, auxo_trainer_step(state->trainer), finished_epoch && (*done || epoch % state->every == 0));
    return status;
}

static uint64_t epochs(const void *user)
{
    const survival_state *state = user;
    const uint32_t finished = state->trainer ? auxo_trainer_epoch(state->trainer) : state->epochs;
    return finished < state->epochs ? state->epochs - finished : 0;
}

static double progress(const auxo_run *run, const void *user)
{
    (void)run;
    const survival_state *state = user;
    return state->trainer ? (double)auxo_trainer_epoch(state->trainer) / (double)state->epochs : (double)NAN;
}

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    survival_state *state = user;
    auxo_status status = auxo__archive_put_model(archive, "", state->model.network, error);
    if (status == AUXO_OK && state->trainer)
        status = auxo__archive_put_trainer(archive, TRAINING, state->trainer, error);
    return status;
}

/* The linear model is fitted again: that takes less than a file. */
static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    (void)run;
    survival_state *state = user;
    return state->trainer ? auxo__archive_get_trainer(archive, TRAINING, "", state->trainer, error) : AUXO_OK;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* Risks of all rows, and the baseline hazard; once for each weights that the model has. */
static auxo_status find_hazard(auxo_run *run, survival_state *state, auxo_error *error)
{
    const auxo_dataset *train = state->data.train, *test = state->data.test;
    auxo__survival_outcome *found = &state->outcome;
    if (state->model.hazard.count > 0 && state->hazard_of_best == run->best.in_model)
        return AUXO_OK;
    const bool standardize = auxo_settings_flag(run->settings, "standardize-sites");
    auxo_model *network = state->model.network;
    outcome_deinit(found);
    auxo_step_function_deinit(&state->model.hazard);
    state->hazard_of_best = run->best.in_model;
    auxo_status status =
        auxo_survival_risks(network, train, standardize, &found->train_raw, &found->train_risks, error);
    if (status == AUXO_OK && test)
        status = auxo_survival_risks(network, test, standardize, &found->test_raw, &found->test_risks, error);
    const auxo_survival_sample sample = auxo_survival_rows(train, found->train_risks);
    return status == AUXO_OK ? auxo_survival_baseline_hazard(&sample, &state->model.hazard, error) : status;
}

static auxo_status measure(auxo_run *run, survival_state *state, auxo_error *error)
{
    const auxo_dataset *train = state->data.train, *test = state->data.test;
    const uint64_t seed = auxo_settings_integer(run->settings, "seed");
    auxo__survival_outcome *found = &state->outcome;
    const auxo_survival_sample fit = auxo_survival_rows(train, NULL);
    auxo_status status = find_hazard(run, state, error);
    if (status == AUXO_OK)
        status = auxo_survival_scores_compute(&fit, train, found->train_risks, &state->model.hazard, seed,
                                              &found->train, error);
    if (status == AUXO_OK && test)
        status = auxo_survival_scores_compute(&fit, test, found->test_risks, &state->model.hazard, seed, &found->test,
                                              error);
    if (status == AUXO_OK)
        status = auxo_survival_site_scores_compute(test ? test : train, test ? found->test_raw : found->train_raw,
                                                   &found->sites, error);
    return status;
}

static auxo_status save_model(auxo_run *run, void *user, const char *path, auxo_error *error)
{
    survival_state *state = user;
    auxo_status status = find_hazard(run, state, error);
    if (status == AUXO_OK)
        status = auxo_survival_model_set_training(&state->model, state->data.train, error);
    return status == AUXO_OK ? auxo_survival_model_save(&state->model, path, error) : status;
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    survival_state *state = user;
    auxo_status status = measure(run, state, error);
    if (status == AUXO_OK && state->is_linear && state->trainer) {
        auxo__linear_deinit(&state->linear);
        status = auxo__linear_read(state->data.train, state->model.network, &state->linear, error);
        state->fitted = status == AUXO_OK;
    }
    if (status == AUXO_OK && state->fitted)
        status = auxo__survival_tell_linear(run, &state->linear, state->data.train, error);
    if (status == AUXO_OK)
        status = auxo__survival_tell_result(run, &state->outcome, state->data.test != NULL,
                                            auxo_model_weight_count(state->model.network), error);
    return status;
}

static auxo_model *model(void *user)
{
    return ((survival_state *)user)->model.network;
}

static auxo_status report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    const survival_state *state = user;
    const auxo__survival_outcome *found = &state->outcome;
    const auxo_dataset *rows = state->data.test ? state->data.test : state->data.train;
    const double *risks = state->data.test ? found->test_risks : found->train_risks;
    auxo_report_text(report, "%s, %zu %s rows.", rows->name, rows->row_count, state->data.test ? "test" : "training");
    auxo_survival_scores_report(state->data.test ? &found->test : &found->train, report);
    if (state->fitted)
        auxo__survival_linear_report(report, &state->linear, state->data.train);
    const auxo_survival_sample fit = auxo_survival_rows(state->data.train, NULL);
    auxo_status status = auxo_survival_report_draw(report, &fit, rows, risks, &state->model.hazard, error);
    if (status != AUXO_OK)
        return status;
    auxo_survival_site_scores_report(&found->sites, report);
    if (state->trainer) {
        auxo_report_section(report, "Training");
        auxo__report_history(report, run,
                             &(auxo__history_chart){.title = "Loss",
                                                    .y_label = "negative log partial likelihood",
                                                    .fields = {"train_loss"},
                                                    .names = {"training"},
                                                    .count = 1});
        auxo__report_history(report, run,
                             &(auxo__history_chart){.title = "Validation",
                                                    .y_label = "Harrell's C",
                                                    .fields = {"val_concordance"},
                                                    .names = {"validation"},
                                                    .count = 1});
    }
    auxo_report_section(report, "Network");
    const auxo_model_desc *desc = auxo_model_get_desc(state->model.network);
    auxo__report_network(report, desc->name, desc);
    return AUXO_OK;
}

static const auxo_setting *const settings[] = {auxo_survival_data_settings,
                                               auxo__survival_train_settings,
                                               auxo__validation_settings,
                                               auxo__keep_settings,
                                               auxo__fold_settings,
                                               auxo__device_settings,
                                               auxo__seed_settings,
                                               auxo__run_settings,
                                               NULL};
static const auxo_event_type *const events[] = {&auxo__start_event,
                                                &auxo__survival_epoch_event,
                                                &auxo__survival_coefficient_event,
                                                &auxo__survival_reference_event,
                                                &auxo__survival_line_event,
                                                &auxo__survival_result_event,
                                                NULL};

const auxo_method auxo__method_survival_train = {
    .info =
        {
            .name = "survival train",
            .summary = "train a model of time to an event on the Cox partial likelihood",
            .description =
                "Train a network whose output is a log relative risk, on data with times and events, some censored: "
                "the negative log partial likelihood of Cox, with Efron's or Breslow's treatment of ties. Gives "
                "Harrell's concordance on training and test rows, and the cumulative/dynamic AUC at the quartiles of "
                "the event times, with bootstrap intervals.\n\nThe model linear is the classical Cox model, fitted to "
                "convergence: coefficients with standard errors, hazard ratios, z and p. A column that cannot be "
                "identified (constant, a combination of others, separating the events) is named and gets no "
                "number.\n\nWith site, every site is measured by itself and all together, with the scores as they are "
                "and standardised within sites. A run that is killed continues from its checkpoint under resume to "
                "the same numbers.",
            .examples = "auxo survival train --data metabric --report metabric.html\n"
                        "auxo survival train --data gbsg2 --model linear\n"
                        "auxo survival train --data survival-sim-sites --train-site 1 --domain mean_sq "
                        "--domain-strength 0.1\n"
                        "auxo survival train --data trial.csv --time months --event died --group patient --site "
                        "hospital --missing mean --save model.safetensors",
            .settings = settings,
            .events = events,
        },
    .state_bytes = sizeof(survival_state),
    .begin = begin,
    .announce = announce,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = report,
    .end = end,
    .model = model,
    .progress = progress,
    .epochs = epochs,
    .save_model = save_model,
    .report_title = "Survival model",
};

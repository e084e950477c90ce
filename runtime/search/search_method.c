/* search_method.c: "search": steps until an end or an interrupt; the best model is the result.
 *
 * A step is one model (evolution: one generation); what was cut off is done again under resume, to the same numbers.
 */
#include "search_method.h"
#include "budget_settings.h"
#include "moments.h"
#include "ranks.h"

#include "search_events.h"
#include "search_internal.h"
#include "space_method.h"

#include "file.h"
#include "study_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char BEST[] = "best/", STATE_KEY[] = "auxo.search";
enum { MODELS_MAX = 1024 };

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* The network whose layers are sized: that of the setting, or one that suits the data. */
static const char *model_name(const auxo_run *run, const auxo__search_state *state)
{
    const auxo_dataset *data = state->data.train;
    if (auxo_settings_given(run->settings, "model"))
        return auxo_settings_text(run->settings, "model");
    return auxo__task_of_pictures(data) ? "autosize-cnn" : "autosize-mlp";
}

const char *auxo__search_method_name(const auxo__search_state *state)
{
    return auxo_settings_text(state->run->settings, "method");
}

static void on_epoch(void *user, const auxo_trace_point *point)
{
    auxo__search_state *state = user;
    auxo_status status = auxo__search_tell_epoch(state, point, NULL);
    state->epoch_status = status == AUXO_OK ? state->epoch_status : status;
}

/* A model of a trial is like any saved one: it knows its data. */
static auxo_status describe_trial_model(void *user, auxo_model *model, auxo_error *error)
{
    const auxo__search_state *state = user;
    return state->run->schema ? auxo_model_set_data_schema(model, state->run->schema, error) : AUXO_OK;
}

static auxo_status open_search(auxo_run *run, auxo__search_state *state, auxo_error *error)
{
    const auxo_dataset *data = state->data.train;
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_status status = auxo_model_desc_load(model_name(run, state), data->channels, data->height, data->width,
                                              auxo_dataset_output_count(data), &desc, error);
    if (status == AUXO_OK)
        status = auxo_search_create(run->device, &desc, data, state->data.validation, &state->options, &state->search,
                                    error);
    auxo_model_desc_deinit(&desc);
    return status;
}

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    auxo__search_state *state = user;
    state->run = run;
    state->test = (auxo_evaluation){NAN, NAN, 0};
    state->test_rmse = NAN;
    auxo_status status = auxo__file_check_writable("trace", auxo_settings_text(run->settings, "trace"), error);
    if (status == AUXO_OK)
        status = auxo__task_load_data(run, NULL, true, &state->data, error);
    if (status == AUXO_OK)
        status = auxo__task_options(run, state->data.train, &(auxo__task_schedule){0}, &state->training,
                                    state->optimizer_text, error);
    if (status == AUXO_OK)
        status = auxo__task_open_device(run, error);
    if (status == AUXO_OK && !state->data.validation)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "validation 0: search chooses by validation results and needs some rows for them");
    state->classes = state->training.loss == AUXO_LOSS_CROSS_ENTROPY;
    if (status == AUXO_OK)
        status = auxo__search_read_options(run->settings, &state->training, &state->adapt, &state->options, error);
    state->options.on_epoch = on_epoch;
    state->options.user = state;
    state->options.study = run->study;
    state->options.describe_model = describe_trial_model;
    if (status == AUXO_OK && run->study) {
        static const char *const free_names[] = {"method",        "startup-trials", "candidates",
                                                 "multivariate",  "pruner",         "pruner-startup",
                                                 "pruner-warmup", "reduction",      NULL};
        state->options.keep_models = auxo_settings_flag(run->settings, "keep-models");
        status = auxo__run_match_study(run, free_names, error);
    }
    return status == AUXO_OK ? open_search(run, state, error) : status;
}

static auxo_status announce(auxo_run *run, void *user, auxo_error *error)
{
    auxo__search_state *state = user;
    const auxo_search_options *options = &state->options;
    bool genetic = options->layered;
    auxo_status status =
        auxo__search_tell_start(state, genetic ? "fully connected networks" : model_name(run, state), error);
    if (status == AUXO_OK && options->time_limit <= 0 && options->evaluation_limit == 0 &&
        options->generation_limit == 0)
        status = auxo__run_note(run, error, "no time-limit, evaluations or generations: runs until it is interrupted");
    return status;
}

static void end(void *user)
{
    auxo__search_state *state = user;
    auxo_search_destroy(state->search);
    auxo__task_data_deinit(&state->data);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    auxo__search_state *state = user;
    const uint64_t steps = auxo_search_step_count(state->search);
    *done = run->options.look_only;
    auxo_status status = *done ? AUXO_OK : auxo_search_step(state->search, done, error);
    auxo_status told = auxo__search_tell_new(state, status == AUXO_OK ? error : NULL);
    if (run->study && (*done || status == AUXO_INTERRUPTED) && auxo__run_leads(run)) {
        auxo_status loaded = auxo_search_load_best(state->search, status == AUXO_OK ? error : NULL);
        status = status == AUXO_OK ? loaded : status;
    }
    if (status == AUXO_OK)
        status = told;
    if (status == AUXO_OK && state->epoch_status != AUXO_OK)
        status = auxo_error_set(error, state->epoch_status, "history of the search: out of memory");
    if (status == AUXO_OK && auxo_search_step_count(state->search) > steps)
        auxo__run_moved(run, auxo_search_step_count(state->search), true);
    return status;
}

/* The share of whatever limit is nearest. */
static double progress(const auxo_run *run, const void *user)
{
    const auxo__search_state *state = user;
    const auxo_search_options *options = &state->options;
    size_t count = 0;
    double share = 0;
    (void)run;
    const auxo_search_record *records = auxo_search_records(state->search, &count);
    if (options->time_limit > 0)
        share = auxo__search_now(state->search) / options->time_limit;
    if (options->evaluation_limit > 0)
        share = fmax(share, (double)count / (double)options->evaluation_limit);
    if (options->generation_limit > 0 && count > 0)
        share = fmax(share, (records[count - 1].generation - 1.0) / options->generation_limit);
    bool limited = options->time_limit > 0 || options->evaluation_limit > 0 || options->generation_limit > 0;
    return limited ? fmin(share, 1) : (double)NAN;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static void member_prefix(size_t index, char *text, size_t size)
{
    snprintf(text, size, "member%zu/", index);
}

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    const auxo__search_state *state = user;
    auxo_model *best = auxo_search_best(state->search);
    char *inner = NULL, prefix[32], moments[48];
    auxo_status status = auxo_search_describe(state->search, &inner, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, "", STATE_KEY, inner, error);
    if (status == AUXO_OK && best)
        status = auxo__archive_put_model(archive, BEST, best, error);
    for (size_t i = 0; i < auxo_search_model_count(state->search) && status == AUXO_OK; i++) {
        member_prefix(i, prefix, sizeof prefix);
        status = auxo__archive_put_model(archive, prefix, auxo_search_model(state->search, i), error);
        snprintf(moments, sizeof moments, "%smoments/", prefix);
        if (status == AUXO_OK && auxo_search_moments(state->search, i))
            status = auxo__archive_put_moments(archive, moments, auxo_search_moments(state->search, i), error);
    }
    free(inner);
    return status;
}

/* The members that a checkpoint has, of at most MODELS_MAX. */
static auxo_status read_members(auxo_run *run, const auxo__archive *archive, auxo_model **models,
                                auxo_moments **moments, size_t *count, auxo_error *error)
{
    char prefix[32], inner[48];
    auxo_status status = AUXO_OK;
    for (*count = 0; status == AUXO_OK && *count < MODELS_MAX; ++*count) {
        member_prefix(*count, prefix, sizeof prefix);
        if (!auxo__archive_has_model(archive, prefix))
            break;
        status = auxo__archive_get_model(archive, prefix, run->device, &models[*count], error);
        snprintf(inner, sizeof inner, "%smoments/", prefix);
        if (status == AUXO_OK)
            status = auxo__archive_get_moments(archive, inner, models[*count], &moments[*count], error);
    }
    return status;
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    auxo__search_state *state = user;
    const char *inner = auxo__archive_text(archive, "", STATE_KEY);
    auxo_model *best = NULL, **models = calloc(MODELS_MAX, sizeof *models);
    auxo_moments **moments = calloc(MODELS_MAX, sizeof *moments);
    size_t count = 0;
    auxo_status status = !models || !moments ? auxo_error_set(error, AUXO_OUT_OF_MEMORY, "checkpoint: out of memory")
                         : !inner ? auxo_error_set(error, AUXO_FORMAT, "the checkpoint lacks \"%s\"", STATE_KEY)
                                  : AUXO_OK;
    if (status == AUXO_OK && auxo__archive_has_model(archive, BEST))
        status = auxo__archive_get_model(archive, BEST, run->device, &best, error);
    if (status == AUXO_OK)
        status = read_members(run, archive, models, moments, &count, error);
    if (status == AUXO_OK) {
        status = auxo_search_restore(state->search, inner, best, models, moments, count, error);
        auxo_search_records(state->search, &state->reported);
        state->baseline_reported = auxo_search_baseline(state->search) != NULL;
    } else {
        auxo_model_destroy(best);
        auxo__members_destroy(models, moments, models && moments ? count : 0);
    }
    free(models);
    free(moments);
    return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static auxo_model *model(void *user)
{
    auxo__search_state *state = user;
    return state->search ? auxo_search_best(state->search) : NULL;
}

static auxo_status write_trace(const auxo__search_state *state, auxo_error *error)
{
    const char *path = auxo_settings_text(state->run->settings, "trace");
    char label[64];
    size_t count = 0;
    if (!path)
        return AUXO_OK;
    snprintf(label, sizeof label, "%s %s", auxo__search_method_name(state),
             state->options.adapt     ? "adapt"
             : state->options.dynamic ? "dynamic"
                                      : "static");
    const auxo_trace_point *points = auxo_search_trace(state->search, &count);
    return auxo_trace_write(path, label, state->options.seed, &(auxo_trace){points, count}, error);
}

/* The test split is measured once, on the best model. */
static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    auxo__search_state *state = user;
    auxo_model *best = auxo_search_best(state->search);
    size_t epochs = 0;
    (void)run;
    auxo_search_trace(state->search, &epochs);
    auxo_status status = write_trace(state, error);
    if (status == AUXO_OK && !best && epochs > 0)
        return auxo_error_set(
            error, AUXO_NOT_FINITE,
            "none of the %zu epochs that were trained had a finite loss: there is no best model; lower "
            "the learning rate or check the data",
            epochs);
    if (status == AUXO_OK && !best)
        return auxo_error_set(error, AUXO_INTERRUPTED, "the search ended before the first epoch of a model did");
    if (status == AUXO_OK)
        status = auxo__evaluate_on_test(&state->data, &state->training, best, &state->test, error);
    auxo__real_errors errors = {.rmse = NAN};
    if (status == AUXO_OK && state->data.test && state->data.test->target_type == AUXO_TARGET_REAL)
        status = auxo__task_real_errors(best, state->data.test, &errors, error);
    state->test_rmse = errors.rmse;
    return status == AUXO_OK ? auxo__search_tell_result(state, error) : status;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const auxo_method *choose_method(const auxo_settings *settings)
{
    return auxo_settings_text(settings, "run") ? &auxo__method_space_search : NULL;
}

static const auxo_setting *const settings[] = {
    auxo__search_settings, auxo__budget_settings,   auxo__study_settings,      auxo_data_settings,
    auxo__model_settings,  auxo__training_settings, auxo__validation_settings, auxo__device_settings,
    auxo__seed_settings,   auxo__run_settings,      auxo__save_settings,       NULL};
static const auxo_setting_value defaults[] = {
    {"optimizer", "adam"}, {"validation", "0.2"}, {"model", NULL}, {NULL, NULL}};

const auxo_method auxo__method_search = {
    .info =
        {
            .name = "search",
            .summary = "search hyperparameters and networks, with a trained model at any moment",
            .description =
                "Anytime learning and genetic tuning: train models under hyperparameters that a method chooses, judge "
                "them on validation rows after every epoch, and keep the best of all epochs. Stopped at any moment, by "
                "an interrupt or by time-limit, evaluations or generations, the search has that model to show: it is "
                "measured once on the test split, and saved.\n\n"
                "random trains independent draws until they stall. tpe draws where the tree-structured Parzen "
                "estimator of what "
                "was tried expects more; with networks=layers it searches the layers as well. grid refines a grid "
                "level by level, each in random "
                "order. growth trains networks that size themselves and lets their penalty fall when they stall. "
                "evolution keeps a population of such networks in training, under hyperparameters that mutate. genetic "
                "breeds fully connected networks: batch size, layers, units and activations, each trained from "
                "scratch; a network without hidden layer is the baseline. No genome is trained twice (evolution aside, "
                "whose models go on).\n\n"
                "With run, the settings of any other method are searched: space is a JSON file of ranges and choices "
                "by the "
                "names of its settings, its trials are runs of it, and metric says which of its numbers decides.\n\n"
                "A pruner gives models up early that do worse than others did at the same epoch. With a study, models "
                "are trials in a database that any number of workers share; the same command goes on with it. A "
                "trial whose worker died is done again, once, to the same numbers, and with one seed many workers find "
                "what one alone finds (but for tpe; evolution and genetic wait for the end of each generation). Under "
                "mpirun or srun the ranks of the job are its workers, on one or many machines: rank 0 alone opens the "
                "file, tells of its own trials and at the end of the best. A rank that dies ends the job; the same "
                "command redoes the trials that were begun, and no others.\n\n"
                "The checkpoint is written after each model (evolution: each generation); resume goes on from there to "
                "the same numbers on the same device. Quality is the validation accuracy, or minus the validation RMSE "
                "of real targets.",
            .examples =
                "auxo search --data mnist --limit 1500 --time-limit 5m --save best.safetensors --report search.html\n"
                "auxo search --method tpe --networks adapt --data ccpp --model mlp:8-8 --units 4,16 --budget-params "
                "1500\n"
                "auxo search --method grid --networks dynamic --data fashion-mnist --limit 1500 --evaluations 40\n"
                "auxo search --method evolution --data cifar-10 --limit 1250 --checkpoint e.safetensors --resume\n"
                "auxo search --method growth --data cifar-10 --time-limit 1h --checkpoint g.safetensors --resume\n"
                "auxo search --method tpe --networks layers --data mnist --evaluations 100 --pruner median\n"
                "auxo search --data fashion-mnist --study f.db --evaluations 100 --workers 4\n"
                "auxo search --data fashion-mnist --study f.db --evaluations 400 --devices opencl:0,vulkan:1,cpu\n"
                "mpirun -n 8 auxo search --data fashion-mnist --study f.db --evaluations 100\n"
                "auxo search --space space.json --run autosize --data mnist --study a.db --method tpe --evaluations "
                "50\n"
                "auxo search --method genetic --data mnist --time-limit 1h --device opencl:0",
            .settings = settings,
            .defaults = defaults,
            .events = auxo__search_events,
        },
    .state_bytes = sizeof(auxo__search_state),
    .begin = begin,
    .announce = announce,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = auxo__search_report,
    .end = end,
    .model = model,
    .progress = progress,
    .report_title = "Search",
    .finish_when_ended = true,
    .choose = choose_method,
};

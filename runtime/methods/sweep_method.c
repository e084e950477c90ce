/* sweep_method.c: "sweep": several optimisers, several seeds each, measured on the test split after every epoch; the
 * tables of the port-Hamiltonian optimiser.
 *
 * Seeds are the outer loop: an interrupted sweep has compared all optimisers at least once. A step is one epoch of one
 * run. Finished runs stand in the log, which `out` keeps as a file that later sweeps continue.
 */
#include "sweep_report.h"
#include "sweep_study.h"

#include "file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char TRAINING[] = "training/", LOG_KEY[] = "auxo.sweep", CURRENT_KEY[] = "auxo.sweep_current";

static const auxo_setting sweep_settings[] = {
    {.name = "seeds",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "3",
     .help = "Runs per optimiser, with the seeds S, S+1, ... from the seed",
     .minimum = 1,
     .maximum = 1000,
     .role = AUXO_SETTING_GROWS},
    {.name = "epochs",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Epochs per run",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "batch",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "64",
     .help = "Rows per step",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "out",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.csv",
     .help = "Write every epoch here after each run; runs that the file has already are not repeated",
     .role = AUXO_SETTING_FREE},
    AUXO_SETTINGS_END,
};

typedef struct sweep_state {
    auxo__task_data data;
    auxo__sweep_rows rows;
    auxo__sweep_log log;     /* of finished runs */
    auxo__sweep_log current; /* of the run under way */
    char setting[512];       /* what all runs have in common */
    uint64_t first_seed, seed_count, seed;
    auxo__sweep_study study; /* with a study: its runs as trials */
    size_t row;              /* of the run under way, or the next one */
    uint32_t epoch_count;
    auxo_model *model; /* of the run under way; NULL between runs */
    auxo_trainer *trainer;
} sweep_state;

typedef struct epoch_record {
    uint32_t row, epoch;
    uint64_t seed;
    double train_loss, test_loss, test_accuracy;
    bool braked;
} epoch_record;
static const auxo_field epoch_fields[] = {
    AUXO__FIELD(epoch_record, row, "row", U32),
    AUXO__FIELD(epoch_record, seed, "seed", U64),
    AUXO__FIELD(epoch_record, epoch, "epoch", U32),
    AUXO__FIELD(epoch_record, train_loss, "train_loss", REAL),
    AUXO__FIELD(epoch_record, test_loss, "test_loss", REAL),
    AUXO__FIELD(epoch_record, test_accuracy, "test_accuracy", REAL),
    AUXO__FIELD(epoch_record, braked, "braked", BOOL),
    AUXO__FIELDS_END,
};
static const auxo_event_type epoch_event = {
    .name = "epoch",
    .fields = epoch_fields,
    .line = "row {row} seed {seed} epoch {epoch}  loss {train_loss:.5f}  test accuracy {test_accuracy:percent}[  "
            "braked{braked:none}]",
    .flags = AUXO_EVENT_KEPT};

/* ---- life -------------------------------------------------------------------------------------------------------- */

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    sweep_state *state = user;
    const auxo_settings *settings = run->settings;
    const char *out = auxo_settings_text(settings, "out");
    auxo_status status = auxo__sweep_rows_read(settings, &state->rows, error);
    if (status == AUXO_OK)
        status = auxo__file_check_writable("out", out, error);
    if (status != AUXO_OK)
        return status;
    bool own = auxo_settings_given(settings, "data") || !state->rows.data;
    const char *data = own ? auxo_settings_text(settings, "data") : state->rows.data;
    snprintf(state->setting, sizeof state->setting, "data %.200s, limit %" PRIu64 ", model %.200s, batch %" PRIu64,
             data, auxo_settings_integer(settings, "limit"), auxo_settings_text(settings, "model"),
             auxo_settings_integer(settings, "batch"));
    state->first_seed = state->seed = auxo_settings_integer(settings, "seed");
    state->seed_count = auxo_settings_integer(settings, "seeds");
    state->epoch_count = (uint32_t)auxo_settings_integer(settings, "epochs");
    if (out && !run->study)
        status = auxo__sweep_log_read(&state->log, out, state->setting, error);
    if (status == AUXO_OK)
        status = auxo__task_read(run, data, state->seed, &state->data, error);
    if (status == AUXO_OK && (state->data.train->target_type != AUXO_TARGET_CLASS || !state->data.test))
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: a sweep needs classes and a test split", data);
    if (status == AUXO_OK && run->study)
        status = auxo__sweep_study_init(&state->study, &state->rows, state->first_seed, state->seed_count, error);
    if (status == AUXO_OK && run->study)
        status = auxo__run_match_study(run, NULL, error);
    return status == AUXO_OK ? auxo__task_open_device(run, error) : status;
}

static void close_run(sweep_state *state)
{
    auxo_trainer_destroy(state->trainer);
    auxo_model_destroy(state->model);
    auxo__sweep_log_deinit(&state->current);
    state->trainer = NULL;
    state->model = NULL;
}

static void end(void *user)
{
    sweep_state *state = user;
    close_run(state);
    auxo__sweep_log_deinit(&state->log);
    auxo__sweep_study_deinit(&state->study);
    free(state->rows.rows);
    auxo__task_data_deinit(&state->data);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static void advance(sweep_state *state)
{
    if (++state->row >= state->rows.count) {
        state->row = 0;
        state->seed++;
    }
}

/* Moves on to the next run that is not in the log. *found false: there is none. */
static auxo_status find_run(auxo_run *run, sweep_state *state, bool *found, auxo_error *error)
{
    *found = false;
    if (run->study)
        return run->options.look_only
                   ? AUXO_OK
                   : auxo__sweep_study_take(&state->study, run, &state->row, &state->seed, found, error);
    for (; state->seed < state->first_seed + state->seed_count; advance(state)) {
        const auxo__sweep_row *row = &state->rows.rows[state->row];
        size_t done = 0;
        const auxo__sweep_epoch *known = auxo__sweep_log_find(&state->log, row->optimizer, state->seed, &done);
        bool complete = known && (done >= state->epoch_count || isnan(known[done - 1].train_loss));
        if (row->refusal[0] || complete)
            continue;
        if (known)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "out: its runs have %zu epochs; take another file for %u epochs", done,
                                  state->epoch_count);
        *found = true;
        return AUXO_OK;
    }
    *found = false;
    return AUXO_OK;
}

/* With a model that is there already (out of a checkpoint), or a fresh one. */
static auxo_status open_run(auxo_run *run, sweep_state *state, auxo_error *error)
{
    auxo_train_options options = {.loss = AUXO_LOSS_CROSS_ENTROPY,
                                  .batch = (uint32_t)auxo_settings_integer(run->settings, "batch"),
                                  .seed = state->seed,
                                  .standardize = true,
                                  .stop = run->options.stop};
    auxo_status status = auxo_optimizer_config_parse(state->rows.rows[state->row].optimizer, &options.optimizer, error);
    if (status == AUXO_OK && !state->model)
        status = auxo__task_open_model_seeded(run, state->data.train, state->seed, &state->model, error);
    if (status == AUXO_OK)
        status = auxo_trainer_create(state->model, state->data.train, NULL, &options, &state->trainer, error);
    return status;
}

/* A loss that is not finite makes *epoch one of NaN, and is no failure of the sweep. */
static auxo_status train_epoch(sweep_state *state, auxo__sweep_epoch *epoch, bool *diverged, auxo_error *error)
{
    bool finished = false;
    auxo_epoch_metrics metrics = {0};
    auxo_evaluation evaluation = {0};
    auxo_status status = auxo_trainer_run(state->trainer, 0, &finished, &metrics, error);
    *diverged = status == AUXO_NOT_FINITE;
    if (status == AUXO_OK)
        status = auxo_trainer_evaluate(state->trainer, state->data.test, &evaluation, error);
    if (status != AUXO_OK && !*diverged)
        return status;
    double nan = (double)NAN;
    epoch->train_loss = *diverged ? nan : metrics.train_loss;
    epoch->train_accuracy = *diverged ? nan : metrics.train_accuracy;
    epoch->test_loss = *diverged ? nan : evaluation.loss;
    epoch->test_accuracy = *diverged ? nan : evaluation.accuracy;
    epoch->kinetic_energy = *diverged ? nan : metrics.kinetic_energy;
    epoch->seconds = metrics.seconds;
    epoch->braked = metrics.braked;
    return AUXO_OK;
}

/* The run under way goes into the log, and the log into its file. */
static auxo_status end_run(auxo_run *run, sweep_state *state, auxo_error *error)
{
    const char *out = auxo_settings_text(run->settings, "out");
    auxo_status status = AUXO_OK;
    if (run->study) {
        status = auxo__sweep_study_end(&state->study, run, &state->current, error);
        close_run(state);
        return status;
    }
    for (size_t i = 0; i < state->current.count && status == AUXO_OK; i++)
        status = auxo__sweep_log_add(&state->log, &state->current.epochs[i], error);
    if (status == AUXO_OK && out)
        status = auxo__sweep_log_write(&state->log, out, state->setting, error);
    close_run(state);
    advance(state);
    return status;
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    sweep_state *state = user;
    bool found = true, diverged = false;
    auxo_status status = state->trainer ? AUXO_OK : find_run(run, state, &found, error);
    *done = !found;
    if (status == AUXO_OK && found && !state->trainer)
        status = open_run(run, state, error);
    if (status != AUXO_OK || !found)
        return status;
    const auxo__sweep_row *row = &state->rows.rows[state->row];
    auxo__sweep_epoch epoch = {.seed = state->seed, .epoch = auxo_trainer_epoch(state->trainer) + 1};
    snprintf(epoch.optimizer, sizeof epoch.optimizer, "%s", row->optimizer);
    status = train_epoch(state, &epoch, &diverged, error);
    if (status == AUXO_OK || status == AUXO_INTERRUPTED)
        auxo__run_moved(run, run->position + 1, status == AUXO_OK);
    if (status == AUXO_OK)
        status = auxo__sweep_log_add(&state->current, &epoch, error);
    const epoch_record record = {.row = row->number,
                                 .seed = epoch.seed,
                                 .epoch = epoch.epoch,
                                 .train_loss = epoch.train_loss,
                                 .test_loss = epoch.test_loss,
                                 .test_accuracy = epoch.test_accuracy,
                                 .braked = epoch.braked};
    if (status == AUXO_OK && run->study)
        status = auxo__sweep_study_report(&state->study, run, &epoch, error);
    if (status == AUXO_OK)
        status = auxo__run_emit(run, &epoch_event, &record, error);
    if (status == AUXO_OK && (diverged || epoch.epoch >= state->epoch_count))
        status = end_run(run, state, error);
    return status;
}

static double progress(const auxo_run *run, const void *user)
{
    (void)run;
    const sweep_state *state = user;
    double runs = (double)(state->seed - state->first_seed) * (double)state->rows.count + (double)state->row;
    double part = state->trainer ? (double)auxo_trainer_epoch(state->trainer) / state->epoch_count : 0;
    return (runs + part) / ((double)state->seed_count * (double)state->rows.count);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static auxo_status put_log(const sweep_state *state, const auxo__sweep_log *log, const char *key,
                           auxo__archive *archive, auxo_error *error)
{
    auxo__json text = {0};
    auxo_status status = auxo__sweep_log_format(log, state->setting, &text, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, "", key, text.text, error);
    auxo__json_deinit(&text);
    return status;
}

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    sweep_state *state = user;
    const double place[] = {(double)state->seed, (double)state->row};
    auxo_status status = auxo__archive_put_doubles(archive, "sweep/", "place", place, 2, error);
    if (status == AUXO_OK)
        status = put_log(state, &state->log, LOG_KEY, archive, error);
    if (status != AUXO_OK || !state->trainer)
        return status;
    status = put_log(state, &state->current, CURRENT_KEY, archive, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_model(archive, "", state->model, error);
    return status == AUXO_OK ? auxo__archive_put_trainer(archive, TRAINING, state->trainer, error) : status;
}

static auxo_status get_log(const sweep_state *state, auxo__sweep_log *log, const char *key,
                           const auxo__archive *archive, auxo_error *error)
{
    const char *text = auxo__archive_text(archive, "", key);
    char *copy = text ? strdup(text) : NULL;
    if (!text)
        return auxo_error_set(error, AUXO_FORMAT, "the checkpoint lacks \"%s\"", key);
    if (!copy)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "checkpoint: out of memory");
    auxo__sweep_log_deinit(log);
    auxo_status status = auxo__sweep_log_parse(log, "the checkpoint", copy, state->setting, error);
    free(copy);
    return status;
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    sweep_state *state = user;
    double *place = NULL;
    size_t count = 0;
    auxo_status status = auxo__archive_get_doubles(archive, "sweep/", "place", &place, &count, error);
    if (status == AUXO_OK && (count != 2 || !(place[1] >= 0) || place[1] >= (double)state->rows.count))
        status = auxo_error_set(error, AUXO_FORMAT, "the checkpoint's sweep/place is none of this sweep");
    if (status == AUXO_OK) {
        state->seed = (uint64_t)place[0];
        state->row = (size_t)place[1];
        status = get_log(state, &state->log, LOG_KEY, archive, error);
    }
    free(place);
    if (status != AUXO_OK || !auxo__archive_has_model(archive, ""))
        return status;
    status = get_log(state, &state->current, CURRENT_KEY, archive, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_model(archive, "", run->device, &state->model, error);
    if (status == AUXO_OK)
        status = open_run(run, state, error);
    return status == AUXO_OK ? auxo__archive_get_trainer(archive, TRAINING, "", state->trainer, error) : status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static auxo__sweep_summary summary_of(const sweep_state *state)
{
    return (auxo__sweep_summary){.rows = &state->rows,
                                 .log = &state->log,
                                 .setting = state->setting,
                                 .first_seed = state->first_seed,
                                 .seed_count = state->seed_count,
                                 .epoch_count = state->epoch_count};
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    sweep_state *state = user;
    const char *out = auxo_settings_text(run->settings, "out");
    auxo_status status = AUXO_OK;
    if (run->study) {
        auxo__sweep_log_deinit(&state->log);
        status = auxo__sweep_study_collect(&state->study, run, &state->log, error);
        if (status == AUXO_OK && out)
            status = auxo__sweep_log_write(&state->log, out, state->setting, error);
    }
    const auxo__sweep_summary summary = summary_of(user);
    return status == AUXO_OK ? auxo__sweep_tell(&summary, run, error) : status;
}

static auxo_status report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    (void)run;
    const auxo__sweep_summary summary = summary_of(user);
    return auxo__sweep_draw(&summary, report, error);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const auxo_setting *const settings[] = {auxo__sweep_row_settings, sweep_settings,       auxo__study_settings,
                                               auxo_data_settings,       auxo__model_settings, auxo__device_settings,
                                               auxo__seed_settings,      auxo__run_settings,   NULL};
static const auxo_event_type *const events[] = {&epoch_event, &auxo__sweep_row_event, &auxo__sweep_result_event, NULL};

const auxo_method auxo__method_sweep = {
    .info =
        {
            .name = "sweep",
            .summary = "compare optimisers over several seeds, or repeat a table of the port-Hamiltonian chapter",
            .description =
                "Trains one network with each of several optimisers and seeds, and measures it on the test split after "
                "every epoch. The table gives mean and standard deviation over the seeds of the accuracy after the "
                "last epoch, and of the best epoch's (chosen on the test split, so it flatters; the printed tables may "
                "be such numbers).\n\nA preset names the rows of a printed table; without data they run on its data "
                "set. Rows that the optimiser refuses as unstable are named with the reason. A sweep can be killed and "
                "continued: from its checkpoint at the last epoch, from out at the last finished run.",
            .examples = "auxo sweep --preset phs-table-3.2 --seeds 3 --epochs 20 --out table.csv --report table.html\n"
                        "auxo sweep --preset phs-figure-3.1 --seeds 1 --epochs 3 --report grid.html\n"
                        "auxo sweep --data glyphs --optimizers \"sgd:lr=0.05;adam;phs:lr=0.1,mass=10,friction=1\"",
            .settings = settings,
            .events = events,
        },
    .state_bytes = sizeof(sweep_state),
    .begin = begin,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = report,
    .end = end,
    .progress = progress,
    .report_title = "Comparison of optimisers",
};

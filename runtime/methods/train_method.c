/* train_method.c: "train": one network, one optimiser, epochs; on one device or several that share each batch.
 *
 * A step is the stretch to the end of the epoch, to the next checkpoint or to the last step, whichever comes first.
 */
#include "train_method.h"
#include "folds.h"
#include "plan_events.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const auxo_setting train_settings[] = {
    {.name = "freeze",
     .type = AUXO_SETTING_TEXT,
     .argument = "LAYER,...",
     .help = "Layers that are not trained; stage1* stands for all whose names begin so"},
    {.name = "epochs",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Train to the end of this epoch (default: 10, or no limit with steps)",
     .minimum = 1,
     .maximum = 1e6,
     .role = AUXO_SETTING_GROWS,
     .ends_schedule = true},
    {.name = "steps",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Train to this step at most",
     .minimum = 1,
     .maximum = 1e12,
     .role = AUXO_SETTING_GROWS},
    {.name = "checkpoint-every",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Save the checkpoint every N steps as well; 0: only after each epoch",
     .role = AUXO_SETTING_FREE},
    {.name = "profile",
     .type = AUXO_SETTING_FLAG,
     .help = "Time every op and print the times; slower",
     .role = AUXO_SETTING_FREE},
    {.name = "explain",
     .type = AUXO_SETTING_FLAG,
     .help = "Print which kernel runs each op, and why",
     .role = AUXO_SETTING_FREE},
    {.name = "sync-batch-norm",
     .type = AUXO_SETTING_FLAG,
     .help =
         "With several devices or ranks: batch norm sees the rows of the whole batch, not those of one device alone; "
         "they wait for each other at every such layer"},
    {.name = "share",
     .type = AUXO_SETTING_TEXT,
     .argument = "N,...",
     .help = "With several devices: how many rows of each batch they take (default: by measured speed)",
     .role = AUXO_SETTING_FREE},
    AUXO_SETTINGS_END,
};

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct epoch_record {
    uint32_t epoch;
    char of[24]; /* "/10" */
    uint64_t step;
    double train_loss, train_accuracy, validation_loss, validation_accuracy, rows_per_second, seconds, kinetic_energy;
    float lr;
    bool braked;
    uint64_t skipped_steps; /* f16 */
    double loss_scale;      /* f16; else NaN */
} epoch_record;
static const auxo_field epoch_fields[] = {
    AUXO__FIELD(epoch_record, epoch, "epoch", U32),
    AUXO__FIELD(epoch_record, step, "step", U64),
    AUXO__FIELD(epoch_record, train_loss, "train_loss", REAL),
    AUXO__FIELD(epoch_record, train_accuracy, "train_accuracy", REAL),
    AUXO__FIELD(epoch_record, validation_loss, "val_loss", REAL),
    AUXO__FIELD(epoch_record, validation_accuracy, "val_accuracy", REAL),
    AUXO__FIELD(epoch_record, rows_per_second, "images_per_second", REAL),
    AUXO__FIELD(epoch_record, seconds, "seconds", REAL),
    AUXO__FIELD(epoch_record, lr, "lr", FLOAT),
    AUXO__FIELD(epoch_record, kinetic_energy, "kinetic_energy", REAL),
    AUXO__FIELD(epoch_record, braked, "braked", BOOL),
    AUXO__FIELD_OPTIONAL(epoch_record, skipped_steps, "skipped_steps", U64),
    AUXO__FIELD_OPTIONAL(epoch_record, loss_scale, "loss_scale", REAL),
    AUXO__FIELD_LINE_ONLY(epoch_record, of, "of", CHARS),
    AUXO__FIELDS_END,
};
static const auxo_event_type epoch_event = {
    .name = "epoch",
    .fields = epoch_fields,
    .line = "epoch {epoch}{of}  loss {train_loss:.5f}[  accuracy {train_accuracy:percent}][  validation loss "
            "{val_loss:.5f}][  accuracy {val_accuracy:percent}]  {images_per_second:count} rows/s  "
            "{seconds:duration}[  braked{braked:none}][  {skipped_steps} steps skipped][  loss scale {loss_scale:.0f}]",
    .flags = AUXO_EVENT_KEPT};

typedef struct result_record {
    double test_accuracy, test_loss, rows_per_second, seconds, setup_seconds;
    uint64_t host_fallbacks, peak_host_bytes, steps, epochs;
    double macro_f1, macro_auroc, calibration_error, rmse, mae, r2;
    char kind[40]; /* of the loss, where it is not in the units of the data */
    const char *device, *confusion;
    char top_ops[256];
} result_record;
static const auxo_field result_fields[] = {
    AUXO__FIELD(result_record, test_accuracy, "test_accuracy", REAL),
    AUXO__FIELD(result_record, test_loss, "test_loss", REAL),
    AUXO__FIELD_OPTIONAL(result_record, macro_f1, "test_macro_f1", REAL),
    AUXO__FIELD_OPTIONAL(result_record, macro_auroc, "test_macro_auroc", REAL),
    AUXO__FIELD_OPTIONAL(result_record, calibration_error, "test_calibration_error", REAL),
    AUXO__FIELD(result_record, confusion, "test_confusion", JSON),
    AUXO__FIELD_OPTIONAL(result_record, rmse, "test_rmse", REAL),
    AUXO__FIELD_OPTIONAL(result_record, mae, "test_mae", REAL),
    AUXO__FIELD_OPTIONAL(result_record, r2, "test_r2", REAL),
    AUXO__FIELD_OPTIONAL(result_record, kind, "loss_of", CHARS),
    AUXO__FIELD(result_record, rows_per_second, "images_per_second", REAL),
    AUXO__FIELD(result_record, seconds, "seconds", REAL),
    AUXO__FIELD(result_record, setup_seconds, "setup_seconds", REAL),
    AUXO__FIELD(result_record, host_fallbacks, "host_fallbacks", U64),
    AUXO__FIELD(result_record, peak_host_bytes, "peak_host_bytes", U64),
    AUXO__FIELD(result_record, steps, "steps", U64),
    AUXO__FIELD(result_record, epochs, "epochs", U64),
    AUXO__FIELD(result_record, device, "device", TEXT),
    AUXO__FIELD_OPTIONAL(result_record, top_ops, "top_ops", CHARS),
    AUXO__FIELDS_END,
};
static const auxo_event_type result_event = {
    .name = "result",
    .fields = result_fields,
    .line = "test loss {test_loss:.5f}[ (of {loss_of})][  RMSE {test_rmse:.6g}][  R2 {test_r2:.4f}][  accuracy "
            "{test_accuracy:percent}][  F1 {test_macro_f1:.4f}]  {images_per_second:count} rows/s  {seconds:duration}  "
            "host fallbacks {host_fallbacks}  peak host memory {peak_host_bytes:bytes}"};

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* Epochs to train at most; UINT64_MAX: steps alone limit the run. */
static uint64_t epoch_limit(const auxo_settings *settings)
{
    if (auxo_settings_given(settings, "epochs"))
        return auxo_settings_integer(settings, "epochs");
    return auxo_settings_integer(settings, "steps") ? UINT64_MAX : 10;
}

static auxo_status create_trainer(const auxo_run *run, auxo__train_state *state, auxo_error *error)
{
    bool *trained = NULL;
    auxo_status status = auxo__task_trained_layers(run, state->model, &trained, error);
    state->options.train_layers = trained; /* copied by the trainer */
    if (status == AUXO_OK)
        status = auxo_trainer_create(state->model, state->data.train, state->data.validation, &state->options,
                                     &state->trainer, error);
    state->options.train_layers = NULL;
    free(trained);
    return status;
}

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    auxo__train_state *state = user;
    const auxo_settings *settings = run->settings;
    state->epoch_limit = epoch_limit(settings);
    state->step_limit = auxo_settings_integer(settings, "steps");
    state->checkpoint_every =
        auxo_settings_text(settings, "checkpoint") ? auxo_settings_integer(settings, "checkpoint-every") : 0;
    const auxo__task_schedule schedule = {.end = state->epoch_limit == UINT64_MAX ? 0 : (uint32_t)state->epoch_limit,
                                          .warmup_epochs = 1};
    auxo_status status = auxo__task_load_data(run, NULL, true, &state->data, error);
    if (status == AUXO_OK)
        status = auxo__best_read(settings, state->data.validation != NULL, &run->best, error);
    if (status == AUXO_OK)
        status = auxo__task_options(run, state->data.train, &schedule, &state->options, state->optimizer_text, error);
    state->options.profile = auxo_settings_flag(settings, "profile");
    if (status == AUXO_OK)
        status = auxo__train_open_devices(run, state, error);
    if (status == AUXO_OK)
        status = auxo__task_open_model(run, state->data.train, &state->model, error);
    /* Of the same rows it would come out the same, after all of them were read. */
    if (status == AUXO_OK && run->resumed_from && state->options.standardize && run->data_hash == run->saved_data_hash)
        status = auxo__archive_get_preprocessing(run->resumed_from, "", state->model, error);
    return status == AUXO_OK ? create_trainer(run, state, error) : status;
}

static auxo_status announce(auxo_run *run, void *user, auxo_error *error)
{
    const auxo__train_state *state = user;
    const auxo_device_info *info = auxo_device_get_info(run->device);
    const auxo__start_record record = {.data = state->data.train->name,
                                       .rows = state->data.train->row_count,
                                       .model = auxo_model_get_desc(state->model)->name,
                                       .weights = auxo_model_weight_count(state->model),
                                       .device = info->selector,
                                       .device_name = info->name,
                                       .optimizer = state->optimizer_text,
                                       .batch = state->options.batch,
                                       .steps_per_epoch = auxo_trainer_steps_per_epoch(state->trainer),
                                       .resumed_step = state->first_step};
    return auxo__run_emit(run, &auxo__start_event, &record, error);
}

static void end(void *user)
{
    auxo__train_state *state = user;
    auxo_trainer_destroy(state->trainer);
    auxo_model_destroy(state->model);
    for (size_t i = 0; i < state->helper_count; i++)
        auxo_device_close(state->helpers[i]);
    auxo_class_scores_deinit(&state->scores);
    auxo__task_data_deinit(&state->data);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static uint64_t last_step(const auxo__train_state *state)
{
    uint64_t total = state->step_limit;
    if (state->epoch_limit != UINT64_MAX) {
        uint64_t steps = state->epoch_limit * auxo_trainer_steps_per_epoch(state->trainer);
        total = total == 0 || steps < total ? steps : total;
    }
    return total;
}

/* Steps until the next checkpoint or the limit; 0: no limit within the epoch. */
static uint64_t next_stretch(const auxo__train_state *state)
{
    uint64_t step = auxo_trainer_step(state->trainer);
    uint64_t stretch = state->step_limit ? state->step_limit - step : 0;
    if (state->checkpoint_every) {
        uint64_t to_checkpoint = state->checkpoint_every - step % state->checkpoint_every;
        if (stretch == 0 || to_checkpoint < stretch)
            stretch = to_checkpoint;
    }
    return stretch;
}

static auxo_status report_epoch(auxo_run *run, const auxo__train_state *state, const auxo_epoch_metrics *metrics,
                                auxo_error *error)
{
    epoch_record record = {.epoch = metrics->epoch,
                           .step = metrics->step,
                           .train_loss = metrics->train_loss,
                           .train_accuracy = metrics->train_accuracy,
                           .validation_loss = metrics->validation_loss,
                           .validation_accuracy = metrics->validation_accuracy,
                           .rows_per_second = metrics->samples_per_second,
                           .seconds = metrics->seconds,
                           .kinetic_energy = metrics->kinetic_energy,
                           .lr = metrics->lr,
                           .braked = metrics->braked,
                           .skipped_steps = metrics->skipped_steps,
                           .loss_scale = metrics->loss_scale > 0 ? (double)metrics->loss_scale : (double)NAN};
    if (state->epoch_limit != UINT64_MAX)
        snprintf(record.of, sizeof record.of, "/%" PRIu64, state->epoch_limit);
    return auxo__run_emit(run, &epoch_event, &record, error);
}

/* The first stretch compiles the plan: before it, nothing has been chosen. */
static auxo_status explain(auxo_run *run, auxo__train_state *state, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (auxo_settings_flag(run->settings, "explain"))
        status = auxo__emit_choices(run, auxo_trainer_plan(state->trainer), error);
    state->explained = true;
    return status == AUXO_OK ? auxo__train_report_shares(run, state, error) : status;
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    auxo__train_state *state = user;
    bool finished_epoch = false;
    auxo_epoch_metrics metrics = {0};
    bool exhausted = auxo__best_exhausted(&run->best);
    *done = exhausted || auxo_trainer_step(state->trainer) >= last_step(state);
    if (*done)
        return AUXO_OK;
    uint64_t before = auxo_trainer_step(state->trainer);
    auxo_status status = auxo_trainer_run(state->trainer, next_stretch(state), &finished_epoch, &metrics, error);
    uint64_t now = auxo_trainer_step(state->trainer);
    if (status == AUXO_OK || status == AUXO_INTERRUPTED) {
        bool due = finished_epoch || (state->checkpoint_every && now % state->checkpoint_every == 0);
        auxo__run_moved(run, now, due);
    }
    if (status == AUXO_OK && !state->explained && now > before)
        status = explain(run, state, error);
    if (status == AUXO_OK && finished_epoch)
        status = report_epoch(run, state, &metrics, error);
    if (status == AUXO_OK && finished_epoch)
        status = auxo__run_offer(run, metrics.epoch, metrics.validation_accuracy, metrics.validation_loss, &exhausted,
                                 error);
    *done = status == AUXO_OK && (exhausted || now >= last_step(state));
    return status;
}

/* Epochs that end: the last step may lie within one. */
static uint64_t epochs(const void *user)
{
    const auxo__train_state *state = user;
    const uint64_t ends = last_step(state) / auxo_trainer_steps_per_epoch(state->trainer);
    const uint32_t finished = auxo_trainer_epoch(state->trainer);
    return ends > finished ? ends - finished : 0;
}

static double progress(const auxo_run *run, const void *user)
{
    (void)run;
    const auxo__train_state *state = user;
    uint64_t total = last_step(state);
    return total ? (double)auxo_trainer_step(state->trainer) / (double)total : (double)NAN;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    auxo__train_state *state = user;
    auxo_status status = auxo__archive_put_model(archive, "", state->model, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_trainer(archive, AUXO__TRAINING, state->trainer, error);
    return status == AUXO_OK ? auxo__train_store_shares(state, archive, error) : status;
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    auxo__train_state *state = user;
    auxo_status status = auxo__archive_get_trainer(archive, AUXO__TRAINING, "", state->trainer, error);
    if (status == AUXO_OK)
        status = auxo__train_restore_shares(state, archive, error);
    state->first_step = auxo_trainer_step(state->trainer);
    if (status == AUXO_OK && state->first_step >= last_step(state))
        status = auxo__run_note(run, error, "the run in %s is finished (step %" PRIu64 "); this is its result",
                                auxo_settings_text(run->settings, "checkpoint"), state->first_step);
    return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    auxo__train_state *state = user;
    const auxo_plan *plan = auxo_trainer_plan(state->trainer); /* NULL: this process has trained nothing */
    auxo_status status = auxo_trainer_evaluate(state->trainer, state->data.test, &state->result, error);
    auxo_class_scores_deinit(&state->scores);
    if (status == AUXO_OK)
        status = auxo__task_class_scores(state->model, state->data.test, &state->scores, error);
    if (status == AUXO_OK)
        status = auxo__task_real_errors(state->model, state->data.test, &state->errors, error);
    if (status == AUXO_OK && plan && state->options.profile)
        status = auxo__emit_profile(run, plan, error);
    char *confusion = NULL;
    if (status == AUXO_OK)
        status = auxo__confusion_json(&state->scores, &confusion, error);
    if (status != AUXO_OK)
        return status;
    state->work = auxo_trainer_get_work(state->trainer);
    const bool classes = state->scores.class_count > 0;
    const double none = (double)NAN;
    result_record record = {.macro_f1 = classes ? state->scores.macro_f1 : none,
                            .macro_auroc = classes ? state->scores.macro_auroc : none,
                            .calibration_error = classes ? state->scores.calibration_error : none,
                            .confusion = confusion,
                            .rmse = state->errors.rmse,
                            .mae = state->errors.mae,
                            .r2 = state->errors.r2,
                            .test_accuracy = state->result.accuracy,
                            .test_loss = state->result.loss,
                            .rows_per_second = state->work.rows_per_second,
                            .seconds = state->work.seconds,
                            .setup_seconds = run->setup_seconds + state->work.setup_seconds,
                            .host_fallbacks = plan ? auxo_plan_host_fallback_count(plan) : 0,
                            .peak_host_bytes = auxo__peak_host_bytes(),
                            .steps = auxo_trainer_step(state->trainer),
                            .epochs = auxo_trainer_epoch(state->trainer),
                            .device = auxo_device_get_info(run->device)->selector};
    if (state->options.loss == AUXO_LOSS_MSE && auxo_model_preprocessing(state->model)->target_count > 0)
        snprintf(record.kind, sizeof record.kind, "standardised targets");
    else if (state->options.balance_classes || state->options.class_weights)
        snprintf(record.kind, sizeof record.kind, "all rows alike, without class weights");
    if (plan)
        auxo__plan_top_ops(plan, record.top_ops, sizeof record.top_ops, 3);
    status = auxo__run_emit(run, &result_event, &record, error);
    free(confusion);
    return status;
}

static auxo_model *model(void *user)
{
    return ((auxo__train_state *)user)->model;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const auxo_setting *const settings[] = {auxo_data_settings,      auxo__model_settings,
                                               auxo__import_settings,   auxo__device_settings,
                                               auxo__seed_settings,     train_settings,
                                               auxo__training_settings, auxo__validation_settings,
                                               auxo__keep_settings,     auxo__fold_settings,
                                               auxo__stream_settings,   auxo__run_settings,
                                               auxo__save_settings,     NULL};
static const auxo_event_type *const events[] = {&auxo__start_event, &auxo__shares_event, &auxo__step_event,
                                                &epoch_event,       &auxo__choice_event, &auxo__memory_event,
                                                &auxo__op_event,    &result_event,       NULL};

const auxo_method auxo__method_train = {
    .info =
        {
            .name = "train",
            .summary = "train a network and report its test accuracy",
            .description =
                "Train a network on a data set and measure it on the test split. Without settings: lenet5 on generated "
                "digit images, on the fastest device.\n\nA run that is killed at any moment continues from its "
                "checkpoint under resume to the same numbers as an uninterrupted one on the same device. An interrupt "
                "finishes the step and saves the checkpoint. A loss that is not finite ends the run and keeps the last "
                "good checkpoint.\n\nSeveral devices (cpu,opencl:0) train at once: each takes some rows of every "
                "batch, in proportion to its measured speed or as share says, and their gradients are averaged. The "
                "numbers are those of one device up to rounding, except that batch norm sees the rows of its own "
                "device only (unless sync-batch-norm is given), and that dropout and augmentation draw other numbers. "
                "The first device holds the optimiser, validates and saves.\n\nUnder mpirun or srun the ranks of the "
                "job train together in the same way, each with an even part of every batch: it reads no other rows, "
                "sums go over MPI while the backward pass goes on, and of several devices each rank of a machine takes "
                "another. Rank 0 validates, saves and tells; a run may be resumed with any number of ranks.",
            .examples = "auxo train\n"
                        "auxo train --data fashion-mnist --model lenet5 --device opencl:0 --epochs 10\n"
                        "auxo train --data ccpp --model mlp:4-16-16-1 --optimizer adam:lr=0.003\n"
                        "auxo train --epochs 50 --checkpoint run.safetensors --resume --report run.html\n"
                        "auxo train --steps 100 --profile --explain\n"
                        "mpirun -n 4 auxo train --data cifar-10 --model resnet18 --sync-batch-norm",
            .settings = settings,
            .events = events,
        },
    .state_bytes = sizeof(auxo__train_state),
    .divides_batches = true,
    .begin = begin,
    .announce = announce,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = auxo__train_report,
    .end = end,
    .model = model,
    .progress = progress,
    .epochs = epochs,
    .report_title = "Training report",
};

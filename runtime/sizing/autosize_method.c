/* autosize_method.c: "autosize": dynamic epochs (grow, fit, prune), then static fine-tuning (dynamic auto-sizing,
 * Algorithm 2).
 *
 * A checkpoint knows whether the epoch under way has grown already, so that a resumed run never grows twice.
 */
#include "autosize_settings.h"
#include "edit_report.h"
#include "folds.h"
#include "run_report.h"
#include "task.h"

#include "auxo/sizing.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char TRAINING[] = "training/", EDITS_KEY[] = "auxo.edits", GROWN_KEY[] = "auxo.grown";
enum { LAYERS_MAX = 64 };

typedef struct autosize_state {
    auxo__task_data data;
    auxo_dataset *probe;
    auxo_model *model;
    auxo_autosize *autosize;
    auxo_trainer *trainer;
    auxo_train_options options;
    char optimizer_text[256];
    uint32_t dynamic_epochs, total_epochs;
    bool grown; /* the epoch under way has grown */
    bool penalty_stopped;
    double edit_seconds, seconds;
    auxo_evaluation test;
} autosize_state;

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct epoch_record {
    uint32_t epoch, total;
    bool dynamic;
    const char *phase;
    double train_loss, validation_loss, validation_accuracy, seconds;
    uint64_t weights;
    auxo_numbers sizes;
} epoch_record;
static const auxo_field epoch_fields[] = {
    AUXO__FIELD(epoch_record, epoch, "epoch", U32),
    AUXO__FIELD(epoch_record, dynamic, "dynamic", BOOL),
    AUXO__FIELD(epoch_record, train_loss, "train_loss", REAL),
    AUXO__FIELD(epoch_record, validation_loss, "val_loss", REAL),
    AUXO__FIELD(epoch_record, validation_accuracy, "val_accuracy", REAL),
    AUXO__FIELD(epoch_record, weights, "weights", U64),
    AUXO__FIELD(epoch_record, sizes, "sizes", NUMBERS),
    AUXO__FIELD(epoch_record, seconds, "seconds", REAL),
    AUXO__FIELD_LINE_ONLY(epoch_record, total, "total", U32),
    AUXO__FIELD_LINE_ONLY(epoch_record, phase, "phase", TEXT),
    AUXO__FIELDS_END,
};
static const auxo_event_type epoch_event = {
    .name = "epoch",
    .fields = epoch_fields,
    .line = "epoch {epoch}/{total} {phase}  loss {train_loss:.5f}  sizes {sizes}  {weights:count} weights[  validation "
            "{val_accuracy:percent}]",
    .flags = AUXO_EVENT_KEPT};

typedef struct result_record {
    char sizes[512];
    uint64_t weights, edits;
    double test_loss, test_accuracy, seconds, resize_seconds;
} result_record;
static const auxo_field result_fields[] = {
    AUXO__FIELD(result_record, sizes, "sizes", CHARS),
    AUXO__FIELD(result_record, weights, "weights", U64),
    AUXO__FIELD(result_record, test_loss, "test_loss", REAL),
    AUXO__FIELD(result_record, test_accuracy, "test_accuracy", REAL),
    AUXO__FIELD(result_record, edits, "edits", U64),
    AUXO__FIELD(result_record, seconds, "seconds", REAL),
    AUXO__FIELD(result_record, resize_seconds, "resize_seconds", REAL),
    AUXO__FIELDS_END,
};
static const auxo_event_type result_event = {
    .name = "result",
    .fields = result_fields,
    .line = "sizes {sizes}  {weights} weights  test loss {test_loss:.5f}[  accuracy {test_accuracy:percent}]  training "
            "{seconds:.1f} s, resizing {resize_seconds:.2f} s"};

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* The first rows of the validation set, or of the training set. */
static auxo_status make_probe(const auxo_run *run, autosize_state *state, auxo_error *error)
{
    const auxo_dataset *from = state->data.validation ? state->data.validation : state->data.train;
    size_t count = auxo_settings_integer(run->settings, "probe-rows");
    count = count < from->row_count ? count : from->row_count;
    if (count == 0)
        return AUXO_OK;
    uint32_t *rows = malloc(count * sizeof *rows);
    if (!rows)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "probe rows: out of memory");
    for (size_t i = 0; i < count; i++)
        rows[i] = (uint32_t)i;
    auxo_status status = auxo_dataset_select(from, rows, count, &state->probe, error);
    free(rows);
    return status;
}

/* What stands on the model: its sizing and its trainer. */
static auxo_status attach(const auxo_run *run, autosize_state *state, auxo_error *error)
{
    static const auxo_penalty_kind kinds[] = {AUXO_PENALTY_WEIGHTED_L1, AUXO_PENALTY_L1, AUXO_PENALTY_L21,
                                              AUXO_PENALTY_LINF1};
    const auxo_settings *settings = run->settings;
    auxo_autosize_options options;
    auxo_autosize_options_init(&options);
    options.penalty = kinds[auxo_settings_choice(settings, "penalty")];
    options.strength = auxo_settings_real(settings, "alpha");
    options.proximal = auxo_settings_choice(settings, "step") == 1;
    options.grow = auxo_settings_flag(settings, "grow");
    options.growth_minimum = (uint32_t)auxo_settings_integer(settings, "growth-minimum");
    options.growth_fraction = auxo_settings_real(settings, "growth-fraction");
    options.threshold = auxo_settings_real(settings, "tau");
    options.weighting = (auxo_autosize_weighting)auxo_settings_choice(settings, "weighting");
    options.shuffle = auxo_settings_flag(settings, "shuffle-weights");
    options.full_outgoing = auxo_settings_choice(settings, "outgoing") == 1;
    options.seed = options.shuffle ? auxo_settings_integer(settings, "seed") : 0;
    options.reset_state = auxo_settings_choice(settings, "adam-on-resize") == 1;
    options.probe = state->probe;
    auxo_status status = auxo_autosize_create(state->model, &options, &state->autosize, error);
    state->options.before_step = auxo_autosize_before_step;
    state->options.after_step = auxo_autosize_after_step;
    state->options.hook_user = state->autosize;
    if (status == AUXO_OK)
        status = auxo_trainer_create(state->model, state->data.train, state->data.validation, &state->options,
                                     &state->trainer, error);
    return status;
}

static void detach(autosize_state *state)
{
    auxo_trainer_destroy(state->trainer);
    auxo_autosize_destroy(state->autosize);
    auxo_model_destroy(state->model);
    state->trainer = NULL;
    state->autosize = NULL;
    state->model = NULL;
}

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    autosize_state *state = user;
    state->test = (auxo_evaluation){NAN, NAN, 0};
    state->dynamic_epochs = (uint32_t)auxo_settings_integer(run->settings, "dynamic-epochs");
    state->total_epochs = state->dynamic_epochs + (uint32_t)auxo_settings_integer(run->settings, "static-epochs");
    const auxo__task_schedule schedule = {
        .begin = state->dynamic_epochs < state->total_epochs ? state->dynamic_epochs : 0, .end = state->total_epochs};
    auxo_status status = auxo__task_load_data(run, NULL, true, &state->data, error);
    if (status == AUXO_OK)
        status = auxo__best_read(run->settings, state->data.validation != NULL, &run->best, error);
    if (status == AUXO_OK)
        status = auxo__task_options(run, state->data.train, &schedule, &state->options, state->optimizer_text, error);
    if (status == AUXO_OK)
        status = auxo__task_open_device(run, error);
    if (status == AUXO_OK)
        status = auxo__task_open_model(run, state->data.train, &state->model, error);
    if (status == AUXO_OK)
        status = make_probe(run, state, error);
    return status == AUXO_OK ? attach(run, state, error) : status;
}

static void end(void *user)
{
    autosize_state *state = user;
    detach(state);
    auxo_dataset_destroy(state->probe);
    auxo__task_data_deinit(&state->data);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static uint32_t read_sizes(const autosize_state *state, double sizes[LAYERS_MAX])
{
    uint32_t count = auxo_autosize_layer_count(state->autosize);
    count = count < LAYERS_MAX ? count : LAYERS_MAX;
    for (uint32_t i = 0; i < count; i++)
        sizes[i] = auxo_autosize_units(state->autosize, i);
    return count;
}

static auxo_status report_epoch(auxo_run *run, const autosize_state *state, const auxo_epoch_metrics *metrics,
                                bool dynamic, auxo_error *error)
{
    double sizes[LAYERS_MAX];
    const epoch_record record = {.epoch = metrics->epoch,
                                 .total = state->total_epochs,
                                 .dynamic = dynamic,
                                 .phase = dynamic ? "dynamic" : "static ",
                                 .train_loss = metrics->train_loss,
                                 .validation_loss = metrics->validation_loss,
                                 .validation_accuracy = metrics->validation_accuracy,
                                 .seconds = metrics->seconds,
                                 .weights = auxo_model_weight_count(state->model),
                                 .sizes = {sizes, read_sizes(state, sizes)}};
    return auxo__run_emit(run, &epoch_event, &record, error);
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    autosize_state *state = user;
    uint32_t epoch = auxo_trainer_epoch(state->trainer);
    *done = epoch >= state->total_epochs || auxo__best_exhausted(&run->best);
    if (*done)
        return AUXO_OK;
    bool dynamic = epoch < state->dynamic_epochs;
    auxo_epoch_metrics metrics = {0};
    /* At the first static epoch of this process: a resumed run may begin beyond the first of all. */
    if (!dynamic && !state->penalty_stopped) {
        auxo_autosize_stop_penalty(state->autosize, state->trainer);
        state->penalty_stopped = true;
    }
    const auxo_autosize_epoch_options options = {.grow = dynamic && !state->grown,
                                                 .prune = dynamic && auxo_settings_flag(run->settings, "prune")};
    state->grown = dynamic;
    auxo_status status =
        auxo_autosize_epoch(state->autosize, state->trainer, &options, &metrics, &state->edit_seconds, error);
    if (status == AUXO_OK || status == AUXO_INTERRUPTED)
        auxo__run_moved(run, auxo_trainer_step(state->trainer), status == AUXO_OK);
    if (status != AUXO_OK)
        return status;
    state->grown = false;
    state->seconds += metrics.seconds;
    *done = auxo_trainer_epoch(state->trainer) >= state->total_epochs;
    auxo_status told = report_epoch(run, state, &metrics, dynamic, error);
    bool exhausted = false;
    if (told == AUXO_OK && !dynamic) /* before, the network has not its size yet */
        told = auxo__run_offer(run, auxo_trainer_epoch(state->trainer), metrics.validation_accuracy,
                               metrics.validation_loss, &exhausted, error);
    *done = *done || exhausted;
    return told;
}

static uint64_t epochs(const void *user)
{
    const autosize_state *state = user;
    const uint32_t finished = auxo_trainer_epoch(state->trainer);
    return finished < state->total_epochs ? state->total_epochs - finished : 0;
}

static double progress(const auxo_run *run, const void *user)
{
    (void)run;
    const autosize_state *state = user;
    double total = (double)state->total_epochs * (double)auxo_trainer_steps_per_epoch(state->trainer);
    return total > 0 ? (double)auxo_trainer_step(state->trainer) / total : (double)NAN;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    const autosize_state *state = user;
    char *edits = NULL;
    auxo_status status = auxo__archive_put_model(archive, "", state->model, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_trainer(archive, TRAINING, state->trainer, error);
    if (status == AUXO_OK)
        status = auxo_edit_log_describe(auxo_autosize_log(state->autosize), &edits, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, "", EDITS_KEY, edits, error);
    if (status == AUXO_OK && state->grown)
        status = auxo__archive_put_text(archive, "", GROWN_KEY, "yes", error);
    free(edits);
    return status;
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    autosize_state *state = user;
    const char *edits = auxo__archive_text(archive, "", EDITS_KEY);
    detach(state);
    auxo_status status = auxo__archive_get_model(archive, "", run->device, &state->model, error);
    if (status == AUXO_OK)
        status = attach(run, state, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_trainer(archive, TRAINING, "", state->trainer, error);
    if (status == AUXO_OK && !edits)
        status = auxo_error_set(error, AUXO_FORMAT, "the checkpoint lacks \"%s\"", EDITS_KEY);
    if (status == AUXO_OK)
        status = auxo_autosize_restore_log(state->autosize, edits, error);
    state->grown = auxo__archive_text(archive, "", GROWN_KEY) != NULL;
    return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void format_sizes(const autosize_state *state, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < auxo_autosize_layer_count(state->autosize) && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%u", i ? "," : "", auxo_autosize_units(state->autosize, i));
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    autosize_state *state = user;
    auxo_status status = auxo_trainer_evaluate(state->trainer, state->data.test, &state->test, error);
    if (status != AUXO_OK)
        return status;
    result_record record = {.weights = auxo_model_weight_count(state->model),
                            .edits = auxo_autosize_log(state->autosize)->count,
                            .test_loss = state->test.loss,
                            .test_accuracy = state->test.accuracy,
                            .seconds = state->seconds,
                            .resize_seconds = state->edit_seconds};
    format_sizes(state, record.sizes, sizeof record.sizes);
    return auxo__run_emit(run, &result_event, &record, error);
}

static auxo_model *model(void *user)
{
    return ((autosize_state *)user)->model;
}

/* Fig. 6.1 to 6.4: units per hidden layer over epochs. */
static auxo_status draw_sizes(const auxo_run *run, const autosize_state *state, auxo_report *report, auxo_error *error)
{
    enum { DRAWN_MAX = 8 };
    const auxo__column *sizes = auxo__history_column(&run->history, "epoch", "sizes");
    uint32_t layers = auxo_autosize_layer_count(state->autosize), drawn = layers < DRAWN_MAX ? layers : DRAWN_MAX;
    size_t epochs = layers ? sizes->count / layers : 0;
    auxo_series series[DRAWN_MAX];
    double *values = malloc((epochs * drawn + 1) * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    for (uint32_t i = 0; i < drawn; i++) {
        for (size_t e = 0; e < epochs; e++)
            values[i * epochs + e] = sizes->values[e * layers + i];
        const char *name = auxo_model_get_desc(state->model)->layers[auxo_autosize_layer(state->autosize, i)].name;
        series[i] = (auxo_series){.name = name, .count = epochs, .y = values + i * epochs};
    }
    const auxo_rule sizing_ends = {.vertical = true, .at = state->dynamic_epochs, .label = "end of sizing"};
    auxo_report_chart(report, &(auxo_chart){.title = "Units per hidden layer",
                                            .x_label = "epoch",
                                            .y_label = "units",
                                            .series = series,
                                            .series_count = drawn,
                                            .rules = &sizing_ends,
                                            .rule_count = 1});
    free(values);
    return AUXO_OK;
}

static auxo_status report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    const autosize_state *state = user;
    char sizes[512];
    format_sizes(state, sizes, sizeof sizes);
    auxo_report_text(report, "%s, %s. Final sizes %s, %" PRIu64 " weights, test accuracy %.2f %%, test loss %.5f.",
                     state->data.train->name, state->optimizer_text, sizes, auxo_model_weight_count(state->model),
                     100 * state->test.accuracy, state->test.loss);
    auxo_status status = draw_sizes(run, state, report, error);
    auxo__report_history(
        report, run,
        &(auxo__history_chart){
            .title = "Loss", .fields = {"train_loss", "val_loss"}, .names = {"training", "validation"}, .count = 2});
    auxo_report_section(report, "Network");
    auxo__report_network(report, "The sized network", auxo_model_get_desc(state->model));
    auxo__report_edits(report, auxo_autosize_log(state->autosize), "after epoch");
    return status;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const auxo_setting *const settings[] = {auxo__autosize_settings,
                                               auxo__model_settings,
                                               auxo__import_settings,
                                               auxo_data_settings,
                                               auxo__training_settings,
                                               auxo__validation_settings,
                                               auxo__keep_settings,
                                               auxo__fold_settings,
                                               auxo__device_settings,
                                               auxo__seed_settings,
                                               auxo__run_settings,
                                               auxo__save_settings,
                                               NULL};
static const auxo_setting_value defaults[] = {{"model", "autosize-cnn"}, {"optimizer", "adam:lr=0.0002"}, {NULL, NULL}};
static const auxo_event_type *const events[] = {&auxo__step_event, &epoch_event, &result_event, NULL};

const auxo_method auxo__method_autosize = {
    .info =
        {
            .name = "autosize",
            .summary = "train a network that finds the width of its layers",
            .description =
                "Dynamic auto-sizing: before each dynamic epoch every hidden layer grows, the epoch is trained with a "
                "penalty that weighs later units more, and units whose weights have all become small are pruned. "
                "Then the network is fine-tuned at its final size. The defaults are the thesis's: autosize-cnn, "
                "starting from 100 units a layer, Adam at 2e-4, alpha 2e-5, 20 dynamic and 20 static epochs.",
            .examples = "auxo autosize --data fashion-mnist --validation 0.1 --report sizes.html\n"
                        "auxo autosize --data mnist --model autosize-cnn:20-20-20-40-100 --device vulkan:0",
            .settings = settings,
            .defaults = defaults,
            .events = events,
        },
    .state_bytes = sizeof(autosize_state),
    .begin = begin,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = report,
    .end = end,
    .model = model,
    .progress = progress,
    .epochs = epochs,
    .report_title = "Dynamic auto-sizing",
    .finish_when_ended = true,
};

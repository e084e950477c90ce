/* resbuild_method.c: "resbuild": depth and width of a residual network within a budget (ResBuilder, Burghoff et al.
 * 2022).
 *
 * A step makes and trains one architecture; checkpoints are taken between them.
 */
#include "resbuild_method.h"
#include "json.h"

#include "folds.h"
#include "moments.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char BEST[] = "best/", STATE_KEY[] = "auxo.resbuild", RECORDS_KEY[] = "auxo.architectures",
                  MOMENTS[] = "moments/";

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct architecture_record {
    auxo_architecture_record inner;
    auxo_numbers accuracy;
    char cost_text[48], accuracy_text[96];
} architecture_record;
#define INNER(member, name, kind) AUXO__FIELD(architecture_record, inner.member, name, kind)
static const auxo_field architecture_fields[] = {
    INNER(number, "number", U32),
    INNER(what, "what", CHARS),
    INNER(removed_blocks, "removed_blocks", U32),
    INNER(weakest, "weakest", REAL),
    AUXO__FIELD(architecture_record, accuracy, "accuracy", NUMBERS),
    INNER(convolutions, "convolutions", U32),
    INNER(widest, "widest", U32),
    INNER(first_width, "first_width", U32),
    INNER(weights, "weights", U64),
    INNER(cost, "cost", REAL),
    INNER(seconds, "seconds", REAL),
    AUXO__FIELD_LINE_ONLY(architecture_record, cost_text, "cost_text", CHARS),
    AUXO__FIELD_LINE_ONLY(architecture_record, accuracy_text, "accuracy_text", CHARS),
    AUXO__FIELDS_END,
};
static const auxo_event_type architecture_event = {
    .name = "architecture",
    .fields = architecture_fields,
    .line = "{number:3.0f}  {what:-36s} {convolutions:2.0f} convs  {weights:count} weights  {cost_text}[  "
            "weakest {weakest:.2g}][  {removed_blocks} removed]{accuracy_text}  {seconds:.1f} s",
    .flags = AUXO_EVENT_KEPT};

typedef struct result_record {
    double validation_accuracy, test_accuracy, test_loss;
    uint64_t weights, architectures, edits;
} result_record;
static const auxo_field result_fields[] = {
    AUXO__FIELD(result_record, validation_accuracy, "validation_accuracy", REAL),
    AUXO__FIELD(result_record, test_accuracy, "test_accuracy", REAL),
    AUXO__FIELD(result_record, test_loss, "test_loss", REAL),
    AUXO__FIELD(result_record, weights, "weights", U64),
    AUXO__FIELD(result_record, architectures, "architectures", U64),
    AUXO__FIELD(result_record, edits, "edits", U64),
    AUXO__FIELDS_END,
};
static const auxo_event_type result_event = {
    .name = "result",
    .fields = result_fields,
    .line = "best: validation {validation_accuracy:percent}, test {test_accuracy:percent}, {weights} weights, "
            "{architectures} architectures, {edits} edits"};

/* ---- life -------------------------------------------------------------------------------------------------------- */

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    auxo__resbuild_state *state = user;
    auxo_model_desc start;
    auxo_model_desc_init(&start);
    state->test = (auxo_evaluation){NAN, NAN, 0};
    const auxo__task_schedule schedule = {.end = (uint32_t)auxo_settings_integer(run->settings, "epochs")};
    auxo_status status = auxo__task_load_data(run, NULL, true, &state->data, error);
    if (status == AUXO_OK && state->data.train->target_type != AUXO_TARGET_CLASS)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "data: %s has numbers as targets; resbuild needs classes",
                                state->data.train->name);
    if (status == AUXO_OK && !auxo__task_of_pictures(state->data.train))
        status =
            auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                           "data: %s holds no pictures; resbuild inserts blocks of convolutions (autosize, morph and "
                           "adapt size networks of tables)",
                           state->data.train->name);
    if (status == AUXO_OK && !state->data.validation)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "validation: ResBuilder chooses by validation accuracy and needs a validation set");
    if (status == AUXO_OK)
        status = auxo__task_options(run, state->data.train, &schedule, &state->training, state->optimizer_text, error);
    if (status == AUXO_OK)
        status = auxo__task_open_device(run, error);
    if (status == AUXO_OK)
        status = auxo__resbuild_read_options(run->settings, state, error);
    if (status == AUXO_OK)
        status = auxo__task_model_desc(run, state->data.train, &start, error);
    if (status == AUXO_OK)
        status = auxo_resbuild_create(run->device, &start, state->data.train, state->data.validation, &state->options,
                                      &state->resbuild, error);
    auxo_model_desc_deinit(&start);
    return status;
}

static void end(void *user)
{
    auxo__resbuild_state *state = user;
    auxo_resbuild_destroy(state->resbuild);
    auxo__task_data_deinit(&state->data);
    free(state->records);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static auxo_status keep_record(auxo__resbuild_state *state, const auxo_architecture_record *record, auxo_error *error)
{
    auxo_architecture_record *records = realloc(state->records, (state->record_count + 1) * sizeof *records);
    if (!records)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of architectures: out of memory");
    state->records = records;
    records[state->record_count++] = *record;
    return AUXO_OK;
}

static auxo_status report_architecture(auxo_run *run, const auxo__resbuild_state *state,
                                       const auxo_architecture_record *inner, auxo_error *error)
{
    static const char *const names[AUXO_TRAINING_COUNT] = {"reg", "fresh", "inherited"};
    architecture_record record = {.inner = *inner, .accuracy = {inner->accuracy, AUXO_TRAINING_COUNT}};
    size_t used = 0;
    for (int t = 0; t < AUXO_TRAINING_COUNT; t++)
        if (isfinite(inner->accuracy[t]) && used < sizeof record.accuracy_text)
            used += (size_t)snprintf(record.accuracy_text + used, sizeof record.accuracy_text - used, "  %s %.2f %%",
                                     names[t], 100 * inner->accuracy[t]);
    auxo__budget_format(record.cost_text, sizeof record.cost_text, &state->options.budget, inner->cost);
    return auxo__run_emit(run, &architecture_event, &record, error);
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    auxo__resbuild_state *state = user;
    uint64_t limit = auxo_settings_integer(run->settings, "architectures");
    auxo_architecture_record record;
    *done = limit > 0 && state->record_count >= limit;
    auxo_status status = *done ? AUXO_OK : auxo_resbuild_next(state->resbuild, &record, done, error);
    if (status != AUXO_OK || *done) {
        if (status == AUXO_NOT_FINITE && auxo_resbuild_best(state->resbuild, NULL) && error) {
            auxo_error reason = *error;
            auxo_error_set(error, status, "%.450s; the best network so far was kept", reason.message);
        }
        return status;
    }
    status = keep_record(state, &record, error);
    auxo__run_moved(run, run->position + 1, true);
    return status == AUXO_OK ? report_architecture(run, state, &record, error) : status;
}

static double progress(const auxo_run *run, const void *user)
{
    const auxo__resbuild_state *state = user;
    uint64_t limit = auxo_settings_integer(run->settings, "architectures");
    uint64_t all = (uint64_t)state->options.cycles * (state->options.insertions + 1) + 1;
    return (double)state->record_count / (double)(limit && limit < all ? limit : all);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static auxo_status put_records(const auxo__resbuild_state *state, auxo__archive *archive, auxo_error *error)
{
    auxo__json json = {0};
    auxo__json_open(&json, '[');
    for (size_t i = 0; i < state->record_count; i++) {
        const auxo_architecture_record *record = &state->records[i];
        const double numbers[] = {record->number,      record->removed_blocks,  record->convolutions, record->widest,
                                  record->first_width, (double)record->weights, record->cost,         record->seconds,
                                  record->accuracy[0], record->accuracy[1],     record->accuracy[2],  record->weakest};
        auxo__json_open(&json, '[');
        auxo__json_text(&json, record->what);
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
            auxo__json_number(&json, numbers[n]);
        auxo__json_close(&json, ']');
    }
    auxo__json_close(&json, ']');
    auxo_status status = auxo__json_finish(&json, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, "", RECORDS_KEY, json.text, error);
    auxo__json_deinit(&json);
    return status;
}

#define COUNT_MAX (UINT64_C(1) << 52)

static double number_at(const cJSON *list, int index)
{
    const cJSON *item = cJSON_GetArrayItem(list, index);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN; /* NaN was written as null */
}

static auxo_status get_records(auxo__resbuild_state *state, const char *text, auxo_error *error)
{
    cJSON *root = NULL;
    const cJSON *item;
    auxo_status status = auxo__json_parse(text ? text : "null", strlen(text ? text : "null"), &root, error);
    if (status == AUXO_OK && !cJSON_IsArray(root))
        status = auxo_error_set(error, AUXO_FORMAT, "the checkpoint lacks \"%s\"", RECORDS_KEY);
    cJSON_ArrayForEach(item, root)
    {
        const char *what = cJSON_GetStringValue(cJSON_GetArrayItem(item, 0));
        uint64_t counts[6] = {0};
        for (int i = 0; i < 6; i++)
            if (status == AUXO_OK && !auxo__json_count(cJSON_GetArrayItem(item, i + 1), COUNT_MAX, &counts[i]))
                status = auxo_error_set(error, AUXO_FORMAT, "the checkpoint's \"%s\" make no sense", RECORDS_KEY);
        auxo_architecture_record record = {.number = (uint32_t)counts[0],
                                           .removed_blocks = (uint32_t)counts[1],
                                           .convolutions = (uint32_t)counts[2],
                                           .widest = (uint32_t)counts[3],
                                           .first_width = (uint32_t)counts[4],
                                           .weights = counts[5],
                                           .cost = number_at(item, 7),
                                           .seconds = number_at(item, 8),
                                           .accuracy = {number_at(item, 9), number_at(item, 10), number_at(item, 11)},
                                           .weakest = number_at(item, 12)};
        snprintf(record.what, sizeof record.what, "%s", what ? what : "");
        if (status == AUXO_OK)
            status = keep_record(state, &record, error);
    }
    cJSON_Delete(root);
    return status;
}

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    auxo__resbuild_state *state = user;
    char *inner = NULL;
    auxo_model *best = auxo_resbuild_best(state->resbuild, NULL);
    const auxo_moments *moments = auxo_resbuild_moments(state->resbuild);
    auxo_status status = auxo_resbuild_describe(state->resbuild, &inner, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, "", STATE_KEY, inner, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_model(archive, "", auxo_resbuild_current(state->resbuild), error);
    if (status == AUXO_OK && moments)
        status = auxo__archive_put_moments(archive, MOMENTS, moments, error);
    if (status == AUXO_OK && best)
        status = auxo__archive_put_model(archive, BEST, best, error);
    free(inner);
    return status == AUXO_OK ? put_records(state, archive, error) : status;
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    auxo__resbuild_state *state = user;
    auxo_model *current = NULL, *best = NULL;
    auxo_moments *moments = NULL;
    const char *inner = auxo__archive_text(archive, "", STATE_KEY);
    auxo_status status = inner ? auxo__archive_get_model(archive, "", run->device, &current, error)
                               : auxo_error_set(error, AUXO_FORMAT, "the checkpoint lacks \"%s\"", STATE_KEY);
    if (status == AUXO_OK && auxo__archive_has_model(archive, BEST))
        status = auxo__archive_get_model(archive, BEST, run->device, &best, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_moments(archive, MOMENTS, current, &moments, error);
    if (status == AUXO_OK)
        status = auxo_resbuild_restore(state->resbuild, inner, current, best, moments, error);
    if (status != AUXO_OK) {
        auxo_moments_destroy(moments);
        auxo_model_destroy(current);
        auxo_model_destroy(best);
        return status;
    }
    return get_records(state, auxo__archive_text(archive, "", RECORDS_KEY), error);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static auxo_model *model(void *user)
{
    auxo__resbuild_state *state = user;
    return state->resbuild ? auxo_resbuild_best(state->resbuild, NULL) : NULL;
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    auxo__resbuild_state *state = user;
    double accuracy = NAN;
    auxo_model *best = auxo_resbuild_best(state->resbuild, &accuracy);
    if (!best)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no architecture was trained");
    auxo_status status = auxo__evaluate_on_test(&state->data, &state->training, best, &state->test, error);
    if (status != AUXO_OK)
        return status;
    const result_record record = {.validation_accuracy = accuracy,
                                  .test_accuracy = state->test.accuracy,
                                  .test_loss = state->test.loss,
                                  .weights = auxo_model_weight_count(best),
                                  .architectures = state->record_count,
                                  .edits = auxo_resbuild_log(state->resbuild)->count};
    return auxo__run_emit(run, &result_event, &record, error);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const auxo_setting *const settings[] = {auxo__resbuild_settings,
                                               auxo__budget_settings,
                                               auxo__model_settings,
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
static const auxo_setting_value defaults[] = {
    {"optimizer", "adam:weight_decay=1e-5"}, {"validation", "0.1"}, {"keep", "last"}, {NULL, NULL}};
static const auxo_event_type *const events[] = {&architecture_event, &result_event, NULL};

const auxo_method auxo__method_resbuild = {
    .info =
        {
            .name = "resbuild",
            .summary = "build a residual network's depth and width within a budget",
            .description =
                "ResBuilder: residual blocks go in at random places, those whose weights become small under LayerLasso "
                "go out, and now and then a MorphNet step sets all widths anew within the budget. Every architecture "
                "is trained up to three times: with the penalties, without them from fresh weights, and without them "
                "from the penalised weights. The best by validation accuracy is kept and measured on the test split at "
                "the end. keep and patience are about the two trainings without penalties.\n\nEach architecture is a "
                "checkpoint: under resume the run continues to the same numbers. An "
                "architecture that breaks down ends the run with a message; the best network is saved before.",
            .examples =
                "auxo resbuild --preset small --data fashion-mnist --limit 6000 --augment shift=2 --report rb.html\n"
                "auxo resbuild --data cifar-10 --augment shift=3,flip --device opencl:0 --checkpoint rb --resume\n"
                "auxo resbuild --preset resnet18 --data cifar-10 --budget-latency 2 --latency-batch 8",
            .settings = settings,
            .defaults = defaults,
            .events = events,
        },
    .state_bytes = sizeof(auxo__resbuild_state),
    .begin = begin,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = auxo__resbuild_report,
    .end = end,
    .model = model,
    .progress = progress,
    .report_title = "ResBuilder",
    .finish_when_ended = true,
};

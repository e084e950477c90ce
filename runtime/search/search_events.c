/* search_events.c: see search_events.h.
 */
#include "search_events.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct start_record {
    const char *method, *data, *device, *device_name, *networks;
    uint64_t rows, validation_rows, resumed_evaluations;
} start_record;
static const auxo_field start_fields[] = {
    AUXO__FIELD(start_record, method, "method", TEXT),
    AUXO__FIELD(start_record, data, "data", TEXT),
    AUXO__FIELD(start_record, rows, "rows", U64),
    AUXO__FIELD(start_record, validation_rows, "validation_rows", U64),
    AUXO__FIELD(start_record, device, "device", TEXT),
    AUXO__FIELD(start_record, resumed_evaluations, "resumed_evaluations", U64),
    AUXO__FIELD_LINE_ONLY(start_record, networks, "networks", TEXT),
    AUXO__FIELD_LINE_ONLY(start_record, device_name, "device_name", TEXT),
    AUXO__FIELDS_END,
};
static const auxo_event_type start_event = {
    .name = "start",
    .fields = start_fields,
    .line = "{data}: {rows} rows, {validation_rows} to validate; {method} search of {networks}; {device} "
            "({device_name})[\nresumed after {resumed_evaluations} models]"};

typedef struct epoch_record {
    uint64_t evaluation, epoch;
    double quality, best, seconds;
    char best_text[32];
} epoch_record;
static const auxo_field epoch_fields[] = {
    AUXO__FIELD(epoch_record, evaluation, "evaluation", U64),
    AUXO__FIELD(epoch_record, epoch, "epoch", U64),
    AUXO__FIELD(epoch_record, quality, "quality", REAL),
    AUXO__FIELD(epoch_record, best, "best", REAL),
    AUXO__FIELD(epoch_record, seconds, "seconds", REAL),
    AUXO__FIELD_LINE_ONLY(epoch_record, best_text, "best_text", CHARS),
    AUXO__FIELDS_END,
};
static const auxo_event_type epoch_event = {.name = "epoch",
                                            .fields = epoch_fields,
                                            .line = "model {evaluation}  best {best_text}",
                                            .flags = AUXO_EVENT_KEPT | AUXO_EVENT_TRANSIENT};

typedef struct model_record {
    auxo_search_record inner;
    char place[48], quality_text[32], best_text[32];
} model_record;
#define INNER(member, name, kind) AUXO__FIELD(model_record, inner.member, name, kind)
static const auxo_field model_fields[] = {
    INNER(number, "number", U64),
    INNER(generation, "generation", U32),
    INNER(genome, "genome", CHARS),
    INNER(quality, "quality", REAL),
    INNER(loss, "val_loss", REAL),
    INNER(epochs, "epochs", U32),
    INNER(age, "age", U32),
    INNER(weights, "weights", U64),
    INNER(seconds, "seconds", REAL),
    INNER(pruned, "pruned", BOOL),
    AUXO__FIELD_LINE_ONLY(model_record, place, "place", CHARS),
    AUXO__FIELD_LINE_ONLY(model_record, quality_text, "quality_text", CHARS),
    AUXO__FIELD_LINE_ONLY(model_record, best_text, "best_text", CHARS),
    AUXO__FIELDS_END,
};
static const char model_line[] =
    "{place}  {genome}  {quality_text}  epochs {epochs}[  pruned{pruned:none}]  {seconds:.1f} s  best {best_text}";
static const auxo_event_type baseline_event = {.name = "baseline", .fields = model_fields, .line = model_line};
static const auxo_event_type evaluation_event = {.name = "evaluation", .fields = model_fields, .line = model_line};
/* Evolution has a line for its generation instead: its models have one epoch each. */
static const auxo_event_type member_event = {.name = "evaluation", .fields = model_fields};

typedef struct generation_record {
    uint32_t generation, age;
    uint64_t models;
    const char *genome;
    char quality_text[32], best_text[32];
} generation_record;
static const auxo_field generation_fields[] = {
    AUXO__FIELD(generation_record, generation, "generation", U32),
    AUXO__FIELD(generation_record, models, "models", U64),
    AUXO__FIELD(generation_record, quality_text, "quality_text", CHARS),
    AUXO__FIELD(generation_record, age, "age", U32),
    AUXO__FIELD(generation_record, genome, "genome", TEXT),
    AUXO__FIELD(generation_record, best_text, "best_text", CHARS),
    AUXO__FIELDS_END,
};
static const auxo_event_type generation_event = {
    .name = "generation",
    .fields = generation_fields,
    .line = "generation {generation}  {models} models  its best {quality_text}: age {age}, {genome}  best {best_text}",
    .flags = AUXO_EVENT_LINE_ONLY};

typedef struct hall_record {
    uint64_t place, weights;
    uint32_t epochs;
    const char *genome;
    char quality_text[32];
} hall_record;
static const auxo_field hall_fields[] = {
    AUXO__FIELD(hall_record, place, "place", U64),    AUXO__FIELD(hall_record, quality_text, "quality_text", CHARS),
    AUXO__FIELD(hall_record, epochs, "epochs", U32),  AUXO__FIELD(hall_record, weights, "weights", U64),
    AUXO__FIELD(hall_record, genome, "genome", TEXT), AUXO__FIELDS_END,
};
static const auxo_event_type hall_event = {
    .name = "hall",
    .fields = hall_fields,
    .line = "hall of fame {place:3.0f}  {quality_text}  epochs {epochs}  {weights} weights  {genome}",
    .flags = AUXO_EVENT_LINE_ONLY};

typedef struct result_record {
    const char *method, *genome;
    double quality, validation_loss, baseline, test_accuracy, test_loss, test_rmse, seconds;
    uint64_t number, weights, evaluations, epochs;
    char baseline_text[32], quality_text[32], test_text[32];
} result_record;
static const auxo_field result_fields[] = {
    AUXO__FIELD(result_record, method, "method", TEXT),
    AUXO__FIELD(result_record, genome, "genome", TEXT),
    AUXO__FIELD(result_record, number, "number", U64),
    AUXO__FIELD(result_record, quality, "quality", REAL),
    AUXO__FIELD(result_record, validation_loss, "val_loss", REAL),
    AUXO__FIELD_OPTIONAL(result_record, baseline, "baseline", REAL),
    AUXO__FIELD(result_record, test_accuracy, "test_accuracy", REAL),
    AUXO__FIELD(result_record, test_loss, "test_loss", REAL),
    AUXO__FIELD_OPTIONAL(result_record, test_rmse, "test_rmse", REAL),
    AUXO__FIELD(result_record, weights, "weights", U64),
    AUXO__FIELD(result_record, evaluations, "evaluations", U64),
    AUXO__FIELD(result_record, epochs, "epochs", U64),
    AUXO__FIELD(result_record, seconds, "seconds", REAL),
    AUXO__FIELD_LINE_ONLY(result_record, baseline_text, "baseline_text", CHARS),
    AUXO__FIELD_LINE_ONLY(result_record, quality_text, "quality_text", CHARS),
    AUXO__FIELD_LINE_ONLY(result_record, test_text, "test_text", CHARS),
    AUXO__FIELDS_END,
};
static const auxo_event_type result_event = {
    .name = "result",
    .fields = result_fields,
    .line = "[without hidden layer: validation {baseline_text}\n]best: {genome}: validation {quality_text}, test "
            "{test_text}[ ({test_rmse:.4g} in the targets' units)], {weights} weights; {evaluations} models, {epochs} "
            "epochs, {seconds:.1f} s"};

const auxo_event_type *const auxo__search_events[] = {&start_event,      &epoch_event,  &baseline_event,
                                                      &evaluation_event, &result_event, NULL};

/* ---- telling ----------------------------------------------------------------------------------------------------- */

const char *auxo_search_quality_text(char *text, size_t size, bool classes, double quality)
{
    if (!isfinite(quality))
        snprintf(text, size, "-");
    else if (classes)
        snprintf(text, size, "%.2f %%", 100 * quality);
    else
        snprintf(text, size, "RMSE %.5f", -quality);
    return text;
}

auxo_status auxo__search_tell_start(auxo__search_state *state, const char *networks, auxo_error *error)
{
    const auxo_device_info *info = auxo_device_get_info(state->run->device);
    size_t count = 0;
    auxo_search_records(state->search, &count);
    const start_record record = {.method = auxo__search_method_name(state),
                                 .data = state->data.train->name,
                                 .rows = state->data.train->row_count,
                                 .validation_rows = state->data.validation->row_count,
                                 .device = info->selector,
                                 .device_name = info->name,
                                 .networks = networks,
                                 .resumed_evaluations = count};
    return auxo__run_emit(state->run, &start_event, &record, error);
}

auxo_status auxo__search_tell_epoch(auxo__search_state *state, const auxo_trace_point *point, auxo_error *error)
{
    epoch_record record = {.evaluation = point->evaluation,
                           .epoch = point->epoch,
                           .quality = point->quality,
                           .best = point->best,
                           .seconds = point->seconds};
    auxo_search_quality_text(record.best_text, sizeof record.best_text, state->classes, point->best);
    return auxo__run_emit(state->run, &epoch_event, &record, error);
}

static auxo_status tell_model(auxo__search_state *state, const auxo_event_type *type, const auxo_search_record *inner,
                              double best, auxo_error *error)
{
    model_record record = {.inner = *inner};
    if (inner->number == 0)
        snprintf(record.place, sizeof record.place, "baseline");
    else if (inner->generation)
        snprintf(record.place, sizeof record.place, "%" PRIu64 " (generation %u)", inner->number, inner->generation);
    else
        snprintf(record.place, sizeof record.place, "%" PRIu64, inner->number);
    auxo_search_quality_text(record.quality_text, sizeof record.quality_text, state->classes, inner->quality);
    auxo_search_quality_text(record.best_text, sizeof record.best_text, state->classes, best);
    return auxo__run_emit(state->run, type, &record, error);
}

static auxo_status tell_generation(auxo__search_state *state, const auxo_search_record *records, size_t count,
                                   double best, auxo_error *error)
{
    size_t top = 0;
    for (size_t i = 1; i < count; i++)
        top = records[i].quality > records[top].quality ? i : top;
    generation_record record = {
        .generation = records[0].generation, .models = count, .age = records[top].age, .genome = records[top].genome};
    auxo_search_quality_text(record.quality_text, sizeof record.quality_text, state->classes, records[top].quality);
    auxo_search_quality_text(record.best_text, sizeof record.best_text, state->classes, best);
    return auxo__run_emit(state->run, &generation_event, &record, error);
}

/* With a study: what this worker has trained, once; the records are those of all workers. */
static auxo_status tell_last(auxo__search_state *state, auxo_error *error)
{
    const auxo_search_record *last = auxo_search_last(state->search);
    const auxo_search_record *baseline = auxo_search_baseline(state->search);
    size_t trace_count = 0;
    const auxo_trace_point *trace = auxo_search_trace(state->search, &trace_count);
    const double best = trace_count ? trace[trace_count - 1].best : -INFINITY;
    auxo_status status = AUXO_OK;
    if (baseline && !state->baseline_reported)
        status = tell_model(state, &baseline_event, baseline, best, error);
    state->baseline_reported = state->baseline_reported || baseline;
    if (status == AUXO_OK && last && last->number != state->last_told)
        status = tell_model(state, &evaluation_event, last, best, error);
    state->last_told = last ? last->number : state->last_told;
    return status;
}

auxo_status auxo__search_tell_new(auxo__search_state *state, auxo_error *error)
{
    size_t count, trace_count;
    const auxo_search_record *records = auxo_search_records(state->search, &count);
    const auxo_search_record *baseline = auxo_search_baseline(state->search);
    const auxo_trace_point *trace = auxo_search_trace(state->search, &trace_count);
    const double best = trace_count ? trace[trace_count - 1].best : -INFINITY;
    const bool evolves = state->options.method == AUXO_SEARCH_EVOLUTION;
    auxo_status status = AUXO_OK;
    if (state->options.study)
        return tell_last(state, error);
    if (baseline && !state->baseline_reported) {
        status = tell_model(state, &baseline_event, baseline, best, error);
        state->baseline_reported = true;
    }
    if (status == AUXO_OK && evolves && count > state->reported)
        status = tell_generation(state, records + state->reported, count - state->reported, best, error);
    for (; status == AUXO_OK && state->reported < count; state->reported++)
        status = tell_model(state, evolves ? &member_event : &evaluation_event, &records[state->reported], best, error);
    return status;
}

static auxo_status tell_hall(auxo__search_state *state, auxo_error *error)
{
    size_t hall_count;
    const uint64_t *hall = auxo_search_hall(state->search, &hall_count);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < hall_count && status == AUXO_OK; i++) {
        const auxo_search_record *famous = auxo_search_record_of(state->search, hall[i]);
        hall_record record = {
            .place = i + 1, .weights = famous->weights, .epochs = famous->epochs, .genome = famous->genome};
        auxo_search_quality_text(record.quality_text, sizeof record.quality_text, state->classes, famous->quality);
        status = auxo__run_emit(state->run, &hall_event, &record, error);
    }
    return status;
}

void auxo__search_sum(const auxo_search *search, size_t *epochs, double *seconds)
{
    size_t count = 0;
    const auxo_search_record *records = auxo_search_records(search, &count);
    *epochs = 0;
    *seconds = 0;
    for (size_t i = 0; i < count; i++) {
        *epochs += records[i].epochs;
        *seconds += records[i].seconds;
    }
}

auxo_status auxo__search_tell_result(auxo__search_state *state, auxo_error *error)
{
    const auxo_search_record *best = auxo_search_best_record(state->search);
    const auxo_search_record *baseline = auxo_search_baseline(state->search);
    size_t count, epochs;
    auxo_search_records(state->search, &count);
    auxo_search_trace(state->search, &epochs);
    double seconds = auxo_search_seconds(state->search);
    if (state->options.study)
        auxo__search_sum(state->search, &epochs, &seconds);
    result_record record = {.method = auxo__search_method_name(state),
                            .genome = best->genome,
                            .number = best->number,
                            .quality = best->quality,
                            .validation_loss = best->loss,
                            .baseline = baseline ? baseline->quality : (double)NAN,
                            .test_accuracy = state->test.accuracy,
                            .test_loss = state->test.loss,
                            .test_rmse = state->test_rmse,
                            .weights = auxo_model_weight_count(auxo_search_best(state->search)),
                            .evaluations = count,
                            .epochs = epochs,
                            .seconds = seconds};
    const double test_quality = state->classes ? state->test.accuracy : -sqrt(state->test.loss);
    auxo_search_quality_text(record.quality_text, sizeof record.quality_text, state->classes, best->quality);
    auxo_search_quality_text(record.test_text, sizeof record.test_text, state->classes, test_quality);
    if (baseline)
        auxo_search_quality_text(record.baseline_text, sizeof record.baseline_text, state->classes, baseline->quality);
    auxo_status status = tell_hall(state, error);
    return status == AUXO_OK ? auxo__run_emit(state->run, &result_event, &record, error) : status;
}

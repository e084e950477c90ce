/* runtime/cli/search/search_events.c: what `auxo search` prints: epochs, models, generations, the result. */
#include "search_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const char *search_format_quality(char *text, size_t size, bool classes, double quality)
{
    if (!isfinite(quality))
        snprintf(text, size, "-");
    else if (classes)
        snprintf(text, size, "%.2f %%", 100 * quality);
    else
        snprintf(text, size, "RMSE %.5f", -quality);
    return text;
}

void search_on_epoch(void *user, const auxo_trace_point *point)
{
    search_run *run = user;
    char best[32];
    cli_progress_update(&run->progress, point->epoch, "model %" PRIu64 "  best %s", point->evaluation,
                        search_format_quality(best, sizeof best, run->classes, point->best));
    cJSON *event = cli_event(run->job.context->output, "epoch");
    cJSON_AddNumberToObject(event, "evaluation", (double)point->evaluation);
    cJSON_AddNumberToObject(event, "epoch", (double)point->epoch);
    cJSON_AddNumberToObject(event, "quality", point->quality);
    cJSON_AddNumberToObject(event, "best", point->best);
    cJSON_AddNumberToObject(event, "seconds", point->seconds);
    cli_emit(run->job.context->output, event);
}

static void emit_record(const search_run *run, const char *name, const auxo_search_record *record)
{
    cJSON *event = cli_event(run->job.context->output, name);
    cJSON_AddNumberToObject(event, "number", (double)record->number);
    cJSON_AddNumberToObject(event, "generation", record->generation);
    cJSON_AddStringToObject(event, "genome", record->genome);
    cJSON_AddNumberToObject(event, "quality", record->quality);
    cJSON_AddNumberToObject(event, "val_loss", record->loss);
    cJSON_AddNumberToObject(event, "epochs", record->epochs);
    cJSON_AddNumberToObject(event, "age", record->age);
    cJSON_AddNumberToObject(event, "weights", (double)record->weights);
    cJSON_AddNumberToObject(event, "seconds", record->seconds);
    cli_emit(run->job.context->output, event);
}

static void print_record(const search_run *run, const auxo_search_record *record, double best)
{
    char quality[32], best_text[32], place[48];
    if (record->number == 0)
        snprintf(place, sizeof place, "baseline");
    else if (record->generation)
        snprintf(place, sizeof place, "%" PRIu64 " (generation %u)", record->number, record->generation);
    else
        snprintf(place, sizeof place, "%" PRIu64, record->number);
    cli_print(run->job.context->output, "%s  %s  %s  epochs %u  %.1f s  best %s\n", place, record->genome,
              search_format_quality(quality, sizeof quality, run->classes, record->quality), record->epochs,
              record->seconds, search_format_quality(best_text, sizeof best_text, run->classes, best));
}

/* A generation of evolution as one line: its models have one epoch each. */
static void print_generation(const search_run *run, const auxo_search_record *records, size_t count, double best)
{
    char quality[32], best_text[32];
    size_t top = 0;
    for (size_t i = 1; i < count; i++)
        top = records[i].quality > records[top].quality ? i : top;
    cli_print(run->job.context->output, "generation %u  %zu models  its best %s: age %u, %s  best %s\n",
              records[0].generation, count,
              search_format_quality(quality, sizeof quality, run->classes, records[top].quality), records[top].age,
              records[top].genome, search_format_quality(best_text, sizeof best_text, run->classes, best));
}

void search_report_new(search_run *run)
{
    size_t count, trace_count;
    const auxo_search_record *records = auxo_search_records(run->search, &count);
    const auxo_search_record *baseline = auxo_search_baseline(run->search);
    const auxo_trace_point *trace = auxo_search_trace(run->search, &trace_count);
    const double best = trace_count ? trace[trace_count - 1].best : -INFINITY;
    const bool evolves = run->options.method == AUXO_SEARCH_EVOLUTION;
    if (baseline && !run->baseline_reported) {
        print_record(run, baseline, best);
        emit_record(run, "baseline", baseline);
        run->baseline_reported = true;
    }
    if (evolves && count > run->reported)
        print_generation(run, records + run->reported, count - run->reported, best);
    for (; run->reported < count; run->reported++) {
        if (!evolves)
            print_record(run, &records[run->reported], best);
        emit_record(run, "evaluation", &records[run->reported]);
    }
}

static void print_hall(const search_run *run)
{
    size_t hall_count, count;
    const uint64_t *hall = auxo_search_hall(run->search, &hall_count);
    const auxo_search_record *records = auxo_search_records(run->search, &count);
    cli_table *table = hall_count ? cli_table_create(">|>validation|>epochs|>weights|genome") : NULL;
    char quality[32];
    for (size_t i = 0; i < hall_count; i++) {
        const auxo_search_record *record = &records[hall[i] - 1];
        cli_table_row(table, "%zu|%s|%u|%" PRIu64 "|%s", i + 1,
                      search_format_quality(quality, sizeof quality, run->classes, record->quality), record->epochs,
                      record->weights, record->genome);
    }
    cli_table_print(run->job.context->output, table);
}

void search_report_result(const search_run *run)
{
    cli_output *output = run->job.context->output;
    const auxo_search_record *best = auxo_search_best_record(run->search),
                             *baseline = auxo_search_baseline(run->search);
    char quality[32], test[32];
    size_t count, epochs;
    auxo_search_records(run->search, &count);
    auxo_search_trace(run->search, &epochs);
    const uint64_t weights = auxo_model_weight_count(auxo_search_best(run->search));
    const double test_quality = run->classes ? run->test.accuracy : -sqrt(run->test.loss);
    print_hall(run);
    if (baseline)
        cli_print(output, "without hidden layer: validation %s\n",
                  search_format_quality(quality, sizeof quality, run->classes, baseline->quality));
    cli_print(output, "best: %s: validation %s, test %s, %" PRIu64 " weights; %zu models, %zu epochs, %.1f s\n",
              best->genome, search_format_quality(quality, sizeof quality, run->classes, best->quality),
              search_format_quality(test, sizeof test, run->classes, test_quality), weights, count, epochs,
              auxo_search_seconds(run->search));
    cJSON *result = cli_event(output, "result");
    cJSON_AddStringToObject(result, "method", search_method_name(run));
    cJSON_AddStringToObject(result, "genome", best->genome);
    cJSON_AddNumberToObject(result, "number", (double)best->number);
    cJSON_AddNumberToObject(result, "quality", best->quality);
    cJSON_AddNumberToObject(result, "val_loss", best->loss);
    if (baseline)
        cJSON_AddNumberToObject(result, "baseline", baseline->quality);
    cJSON_AddNumberToObject(result, "test_accuracy", run->test.accuracy);
    cJSON_AddNumberToObject(result, "test_loss", run->test.loss);
    cJSON_AddNumberToObject(result, "weights", (double)weights);
    cJSON_AddNumberToObject(result, "evaluations", (double)count);
    cJSON_AddNumberToObject(result, "epochs", (double)epochs);
    cJSON_AddNumberToObject(result, "seconds", auxo_search_seconds(run->search));
    cli_emit(output, result);
}

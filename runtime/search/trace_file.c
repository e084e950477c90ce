/* trace_file.c: performance traces as comma-separated values: one run a file, one line an epoch.
 */
#include "search_internal.h"

#include "file.h"
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_number(auxo__json *text, double value)
{
    text->needs_comma = false;
    auxo__json_append(text, ",", 1);
    if (isfinite(value))
        auxo__json_number(text, value);
    else
        auxo__json_append(text, "NA", 2);
}

auxo_status auxo_trace_write(const char *path, const char *label, uint64_t seed, const auxo_trace *trace,
                             auxo_error *error)
{
    static const char heading[] = "method,seed,seconds,epoch,evaluation,quality,best\n";
    auxo__json text = {0};
    auxo__json_append(&text, heading, sizeof heading - 1);
    for (size_t i = 0; i < trace->count; i++) {
        const auxo_trace_point *point = &trace->points[i];
        auxo__json_append(&text, label, strlen(label));
        put_number(&text, (double)seed);
        put_number(&text, point->seconds);
        put_number(&text, (double)point->epoch);
        put_number(&text, (double)point->evaluation);
        put_number(&text, point->quality);
        put_number(&text, point->best);
        auxo__json_append(&text, "\n", 1);
    }
    auxo_status status = auxo__json_finish(&text, error);
    if (status == AUXO_OK)
        status = auxo__file_write_atomic(path, text.text, text.used, error);
    auxo__json_deinit(&text);
    return status;
}

/* NULL if the table has no such column of that type. */
static const auxo_column *find_column(const auxo_table *table, const char *name, auxo_column_type type)
{
    size_t index;
    const bool found = auxo_table_find(table, name, &index, NULL) == AUXO_OK && table->columns[index].type == type;
    return found ? &table->columns[index] : NULL;
}

auxo_status auxo__trace_points(const auxo_table *table, auxo_trace_run *run, auxo_error *error)
{
    const auxo_column *method = find_column(table, "method", AUXO_COLUMN_CATEGORICAL);
    const auxo_column *seconds = find_column(table, "seconds", AUXO_COLUMN_NUMERIC);
    const auxo_column *best = find_column(table, "best", AUXO_COLUMN_NUMERIC);
    const auxo_column *evaluation = find_column(table, "evaluation", AUXO_COLUMN_NUMERIC);
    const auxo_column *quality = find_column(table, "quality", AUXO_COLUMN_NUMERIC);
    if (!method || !seconds || !best || table->row_count == 0 || method->codes[0] == AUXO_LEVEL_MISSING)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a trace of a search", table->path);
    run->points = calloc(table->row_count, sizeof *run->points);
    if (!run->points)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "traces: out of memory");
    snprintf(run->label, sizeof run->label, "%s", method->levels[method->codes[0]]);
    for (size_t i = 0; i < table->row_count; i++) {
        const double value = isfinite(best->numbers[i]) ? best->numbers[i] : -INFINITY;
        const double time = seconds->numbers[i];
        if (!isfinite(time) || (i > 0 && (time < run->points[i - 1].seconds || value < run->points[i - 1].best)))
            return auxo_error_set(error, AUXO_FORMAT, "%s:%u: time and best result may not fall", table->path,
                                  table->lines[i]);
        const double model = evaluation ? evaluation->numbers[i] : 0, now = quality ? quality->numbers[i] : value;
        run->points[run->count++] = (auxo_trace_point){.seconds = time,
                                                       .epoch = i + 1,
                                                       .evaluation = model >= 0 && model < 0x1p52 ? (uint64_t)model : 0,
                                                       .quality = isfinite(now) ? now : -INFINITY,
                                                       .best = value};
    }
    return AUXO_OK;
}

auxo_status auxo_trace_read(const char *path, auxo_trace_run *run, auxo_error *error)
{
    auxo_table *table = NULL;
    *run = (auxo_trace_run){0};
    auxo_status status = auxo_table_read(path, NULL, &table, error);
    if (status == AUXO_OK)
        status = auxo__trace_points(table, run, error);
    auxo_table_destroy(table);
    if (status != AUXO_OK)
        auxo_trace_run_deinit(run);
    return status;
}

void auxo_trace_run_deinit(auxo_trace_run *run)
{
    free(run->points);
    *run = (auxo_trace_run){0};
}

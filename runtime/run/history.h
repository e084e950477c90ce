/* history.h: the numbers of kept events, one column per field: for CSV, charts and checkpoints.
 *
 * A column of NUMBERS is ragged: `counts` says how many values each event brought.
 */
#ifndef AUXO_RUN_HISTORY_H
#define AUXO_RUN_HISTORY_H

#include "archive.h"
#include "event.h"

typedef struct auxo__column {
    const auxo_field *field;
    double *values;
    size_t count, capacity;
    double *counts; /* NUMBERS: values of each event; else NULL */
} auxo__column;

typedef struct auxo__event_record {
    const auxo_event_type *type;
    size_t event_count, column_count, capacity;
    auxo__column *columns;
} auxo__event_record;

typedef struct auxo__history {
    size_t record_count;
    auxo__event_record *records;
} auxo__history;

/* Keeps the events of that NULL-ended list that are to be kept. */
auxo_status auxo__history_init(auxo__history *history, const auxo_event_type *const *types, auxo_error *error);
void auxo__history_deinit(auxo__history *history);
/* Does nothing with events that are not kept. */
auxo_status auxo__history_add(auxo__history *history, const auxo_event *event, auxo_error *error);
/* As if no event of that name had come. */
void auxo__history_forget(auxo__history *history, const char *event);
/* NULL if no event of that name is kept. */
const auxo__event_record *auxo__history_find(const auxo__history *history, const char *event);
const auxo__column *auxo__history_column(const auxo__history *history, const char *event, const char *field);
auxo_status auxo__history_store(const auxo__history *history, auxo__archive *archive, auxo_error *error);
auxo_status auxo__history_restore(auxo__history *history, const auxo__archive *archive, auxo_error *error);
/* All kept events of one name as comma-separated values, one row each; NUMBERS take as many columns as the longest. */
auxo_status auxo__history_write_csv(const auxo__history *history, const char *event, const char *path,
                                    auxo_error *error);

#endif

/* compare_method.h: the state of one run of "multiscale compare", shared by the method and its report.
 */
#ifndef AUXO_MULTISCALE_COMPARE_METHOD_H
#define AUXO_MULTISCALE_COMPARE_METHOD_H

#include "multiscale_task.h"

enum {
    AUXO__COMPARE_FIRST,
    AUXO__COMPARE_SECOND,
    AUXO__COMPARE_BACKPROPAGATION,
    AUXO__COMPARE_EQUAL_TIME, /* backpropagation for the seconds of the first-order run */
    AUXO__COMPARE_METHODS
};
/* Columns of the comparison; every one has a mean and a spread over seeds. */
enum {
    AUXO__COMPARE_TRAIN_LOSS,
    AUXO__COMPARE_TEST_LOSS,
    AUXO__COMPARE_EPOCHS,
    AUXO__COMPARE_ITERATIONS,
    AUXO__COMPARE_SECONDS,
    AUXO__COMPARE_SELECTION_SECONDS,
    AUXO__COMPARE_COLUMNS
};

typedef struct auxo__compare_row {
    const char *method;
    double mean[AUXO__COMPARE_COLUMNS], spread[AUXO__COMPARE_COLUMNS];
    char cells[AUXO__COMPARE_COLUMNS][64], text[640];
} auxo__compare_row;

typedef struct auxo__compare_state {
    auxo__task_data data;
    uint64_t data_seed; /* that the data in place were drawn with, once a step has run */
    auxo_multiscale_options options;
    uint32_t backprop_epochs;
    uint64_t seed_count, method_count, finished; /* runs: seeds outside, methods inside */
    double *weights[AUXO__COMPARE_METHODS];      /* (weight_count): the last ones of the first seed; NULL: none yet */
    size_t weight_count;
    auxo__compare_row rows[AUXO__COMPARE_METHODS]; /* after finish */
    double constant_loss, linear_loss;
} auxo__compare_state;

extern const char *const auxo__compare_names[AUXO__COMPARE_METHODS];

/* ---- compare_table.c ---- */
extern const auxo_event_type auxo__compare_row_event;

/* Fills and tells the row of a method from the history of runs, all seeds. */
auxo_status auxo__compare_summarize(auxo_run *run, const auxo__compare_state *state, int method, auxo__compare_row *row,
                                    auxo_error *error);

/* ---- compare_report.c ---- */
/* The table, and the first seed's runs side by side (Fig. 5 to 7, 9 to 14). */
auxo_status auxo__compare_report(auxo_run *run, void *state, auxo_report *report, auxo_error *error);

#endif

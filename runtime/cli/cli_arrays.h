/* runtime/cli/cli_arrays.h: predictions as arrays for NumPy. */
#ifndef CLI_ARRAYS_H
#define CLI_ARRAYS_H

#include "cli_outputs.h"

typedef struct cli_arrays {
    size_t row_count, column_count;
    uint64_t *rows, *classes; /* (row_count) place in the file or set, from 1; number of the class, or NULL */
    double *probabilities;    /* (row_count) of that class, or NULL */
    double *values;           /* (row_count, column_count) probabilities of the classes, or the targets' numbers */
} cli_arrays;

/* Whether `path` is a file of NumPy's by its ending; NULL is none. */
bool cli_arrays_wanted(const char *path);
/* For all rows of the outputs. Ownership: deinit, also after a failure. */
auxo_status cli_arrays_init(cli_arrays *arrays, const cli_outputs *outputs, auxo_error *error);
/* The rows at hand. */
void cli_arrays_add(cli_arrays *arrays, const cli_outputs *outputs);
auxo_status cli_arrays_write(const cli_arrays *arrays, const char *path, auxo_error *error);
void cli_arrays_deinit(cli_arrays *arrays);

#endif

/* runtime/cli/train/sweep_rows.h: the rows of `auxo sweep`: optimisers by text, and presets of the port-Hamiltonian
 * tables.
 */
#ifndef CLI_SWEEP_ROWS_H
#define CLI_SWEEP_ROWS_H

#include "cli_session.h"

extern const cli_option sweep_row_options[]; /* --preset, --optimizers, --rows, --friction, --goal, --infeasible */

typedef struct sweep_row {
    uint32_t number; /* in the preset or list, from 1 */
    char label[96];
    char optimizer[320];
    double friction, mass; /* of a preset; else NaN */
    double printed;        /* accuracy in percent, as the thesis prints it; NaN: none */
    char refusal[320];     /* why the optimiser refuses it; "" if it does not */
} sweep_row;

typedef struct sweep_rows {
    size_t count;
    sweep_row *rows;
    bool grid;        /* friction by mass, Fig. 3.1 */
    const char *data; /* of the preset; NULL: --data says */
} sweep_rows;

/* The rows that the options name. Ownership: the caller frees rows->rows, also after a failure. Errors:
 * INVALID_ARGUMENT: neither or both of --preset and --optimizers, a row that does not exist, an optimiser that does not
 * parse outside a preset. */
auxo_status sweep_rows_read(const cli_context *context, sweep_rows *rows, auxo_error *error);

#endif

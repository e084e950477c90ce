/* sweep_rows.h: the rows of "sweep": optimisers by text, and presets of the port-Hamiltonian
 * tables.
 */
#ifndef AUXO_METHODS_SWEEP_ROWS_H
#define AUXO_METHODS_SWEEP_ROWS_H

#include "task.h"

extern const auxo_setting auxo__sweep_row_settings[]; /* preset, optimizers, rows, friction, goal, infeasible */

typedef struct auxo__sweep_row {
    uint32_t number; /* in the preset or list, from 1 */
    char label[96];
    char optimizer[320];
    double friction, mass; /* of a preset; else NaN */
    double printed;        /* accuracy in percent, as the thesis prints it; NaN: none */
    char refusal[320];     /* why the optimiser refuses it; "" if it does not */
} auxo__sweep_row;

typedef struct auxo__sweep_rows {
    size_t count;
    auxo__sweep_row *rows;
    bool grid;        /* friction by mass, Fig. 3.1 */
    const char *data; /* of the preset; NULL: the setting says */
} auxo__sweep_rows;

/* The rows that the settings name. Ownership: the caller frees rows->rows, also after a failure. Errors:
 * INVALID_ARGUMENT: neither or both of preset and optimizers, a row that does not exist, an optimiser that does not
 * parse outside a preset. */
auxo_status auxo__sweep_rows_read(const auxo_settings *settings, auxo__sweep_rows *rows, auxo_error *error);

#endif

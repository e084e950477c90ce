/* runtime/cli/cli_outputs.h: a saved model applied to one split of a data set; the start of eval and predict. */
#ifndef CLI_OUTPUTS_H
#define CLI_OUTPUTS_H

#include "cli_model.h"

extern const cli_option cli_outputs_options[]; /* --split, --batch */

typedef struct cli_outputs {
    cli_session session;
    auxo_model *model;
    auxo_dataset *dataset;
    size_t column_count; /* outputs per row */
    float *values;       /* (rows, column_count): scores before softmax for classes, target values otherwise */
    double seconds;      /* of the computation */
} cli_outputs;

/* Loads the model file of the first operand and the split, and computes all outputs. Ownership: close it, also after a
 * failure. */
auxo_status cli_outputs_open(const cli_context *context, cli_outputs *outputs, auxo_error *error);
void cli_outputs_close(cli_outputs *outputs);

/* Softmax of one row of scores, in double. */
void cli_softmax(const float *scores, size_t count, double *probabilities);
/* Index of the largest value; the first of equals. */
size_t cli_argmax(const float *values, size_t count);
/* Name of a class or target column, or its number written to `buffer`. */
const char *cli_output_name(const auxo_dataset *dataset, size_t index, char *buffer, size_t size);

#endif

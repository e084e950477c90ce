/* runtime/cli/cli_outputs.h: a saved model applied to rows of a data set; the start of eval and predict. */
#ifndef CLI_OUTPUTS_H
#define CLI_OUTPUTS_H

#include "cli_model.h"

extern const cli_option cli_outputs_options[]; /* --split, --batch, --unknown-levels, --allow-nan */

typedef struct cli_outputs {
    cli_session session;
    auxo_model *model;
    auxo_data_schema *schema; /* what the model knows of its data; NULL: nothing */
    auxo_dataset *dataset;
    auxo_target_type kind; /* of what the model predicts */
    char *const *names;    /* of the outputs: classes or target columns; borrowed, NULL: numbers */
    const double *offsets; /* to add to values of real targets; borrowed, NULL: none */
    size_t column_count;   /* outputs per row */
    size_t first, count;   /* the rows that values are of */
    const float *values;   /* (count, column_count): scores before softmax for classes, target values otherwise */
    float *own_values;     /* of all rows; NULL: of a batch */
    uint32_t *labels;      /* (rows) classes; NULL: rows were opened without labels, or have none */
    float *targets;        /* (rows, column_count) real targets; the same */
    double seconds;        /* of the computation */
} cli_outputs;

/* Loads the model file of the first operand and the rows of --split, in the form that the model knows, and computes all
 * outputs. `labels`: rows are needed with their labels; else a data set without any will do. Ownership: close it, also
 * after a failure. Errors: NOT_FINITE names the row of an output that is none, unless --allow-nan. */
auxo_status cli_outputs_open(const cli_context *context, bool labels, cli_outputs *outputs, auxo_error *error);
/* Without computing. */
auxo_status cli_outputs_open_rows(const cli_context *context, bool labels, cli_outputs *outputs, auxo_error *error);
/* Calls `use` with the outputs of batch after batch: `first`, `count` and `values` say which. */
typedef void cli_outputs_use(void *user, const cli_outputs *outputs);
auxo_status cli_outputs_each(const cli_context *context, cli_outputs *outputs, cli_outputs_use *use, void *user,
                             auxo_error *error);
void cli_outputs_close(cli_outputs *outputs);

/* Softmax of one row of scores, in double. */
void cli_softmax(const float *scores, size_t count, double *probabilities);
/* Index of the largest value; the first of equals. */
size_t cli_argmax(const float *values, size_t count);
/* Name of an output, or its number written to `buffer`. */
const char *cli_output_name(const cli_outputs *outputs, size_t index, char *buffer, size_t size);
/* An output of a real target in the target's own units; row: among those at hand. */
double cli_output_value(const cli_outputs *outputs, size_t row, size_t index);

#endif

/* runtime/cli/survival/survival_linear.h: the coefficients of a linear Cox model, in the units of its columns. */
#ifndef CLI_SURVIVAL_LINEAR_H
#define CLI_SURVIVAL_LINEAR_H

#include "survival_job.h"

/* Whether a model is one dense layer with one output. */
bool survival_is_linear(const auxo_model *model);
/* Prints a table and "coefficient" events: coefficient per unit of the column, hazard ratio exp(coefficient). Of a text
 * column's levels the first is the reference. */
auxo_status survival_linear_print(auxo_model *model, const auxo_dataset *dataset, cli_output *output,
                                  auxo_error *error);

#endif

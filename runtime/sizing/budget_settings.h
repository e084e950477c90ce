/* budget_settings.h: the settings of a budget, and costs in its unit: shared by methods that size within one.
 */
#ifndef AUXO_SIZING_BUDGET_SETTINGS_H
#define AUXO_SIZING_BUDGET_SETTINGS_H

#include "task.h"

#include "auxo/sizing.h"

extern const auxo_setting auxo__budget_settings[]; /* budget-flops, budget-params, budget-latency, latency-batch */

/* The budget that was given; otherwise `limit` FLOPs (0: the network's own cost). Errors: more than one was given. */
auxo_status auxo__budget_read(const auxo_settings *settings, double limit, auxo_budget *budget, auxo_error *error);
/* "1.2e+06 FLOPs", "52340 weights", "1.84 ms" */
const char *auxo__budget_format(char *text, size_t size, const auxo_budget *budget, double cost);
/* "FLOPs", "weights", "ms", and what divides a cost to give that unit. */
const char *auxo__budget_unit(const auxo_budget *budget, double *divisor);
/* Loss and accuracy of any model on the run's test rows; NaN without them. */
auxo_status auxo__evaluate_on_test(const auxo__task_data *data, const auxo_train_options *options, auxo_model *model,
                                   auxo_evaluation *evaluation, auxo_error *error);

#endif

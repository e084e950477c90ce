/* runtime/cli/sizing/sizing_evaluate.h: the test of the network that a sizing command chose. */
#ifndef CLI_SIZING_EVALUATE_H
#define CLI_SIZING_EVALUATE_H

#include "train_job.h"

/* Loss and accuracy of `model` on the job's test split; NaN without one. */
auxo_status sizing_evaluate(const train_job *job, auxo_model *model, auxo_evaluation *evaluation, auxo_error *error);

#endif

/* runtime/cli/sizing/sizing_evaluate.c: evaluates a model outside of the trainer that made it. */
#include "sizing_evaluate.h"

#include <math.h>

auxo_status sizing_evaluate(const train_job *job, auxo_model *model, auxo_evaluation *evaluation, auxo_error *error)
{
    auxo_train_options options = job->options;
    auxo_trainer *trainer = NULL;
    *evaluation = (auxo_evaluation){NAN, NAN, 0};
    if (!job->test)
        return AUXO_OK;
    options.stop = NULL; /* an interrupted run still reports what it has */
    auxo_status status = auxo_trainer_create(model, job->test, NULL, &options, &trainer, error);
    if (status == AUXO_OK)
        status = auxo_trainer_evaluate(trainer, job->test, evaluation, error);
    auxo_trainer_destroy(trainer);
    return status;
}

/* autosize_epoch.c: one epoch of dynamic auto-sizing (Algorithm 2): grow, fit, prune.
 */
#include "autosize_internal.h"
#include "clock.h"

static auxo_status fit(auxo_trainer *trainer, const auxo_autosize_epoch_options *options, auxo_epoch_metrics *metrics,
                       auxo_error *error)
{
    bool finished = false;
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && !finished) {
        status = auxo_trainer_run(trainer, options->between ? options->stretch_steps : 0, &finished, metrics, error);
        if (status == AUXO_OK && !finished && options->between)
            status = options->between(options->user, error);
    }
    return status;
}

auxo_status auxo_autosize_epoch(auxo_autosize *autosize, auxo_trainer *trainer,
                                const auxo_autosize_epoch_options *options, auxo_epoch_metrics *metrics,
                                double *edit_seconds, auxo_error *error)
{
    uint32_t changed = 0;
    double start = auxo__now_seconds();
    auxo_status status = options->grow ? auxo_autosize_grow(autosize, trainer, &changed, error) : AUXO_OK;
    double seconds = auxo__now_seconds() - start;
    if (status == AUXO_OK && autosize) /* networks that nothing sizes are fitted the same way */
        status = auxo__autosize_begin_epoch(autosize, trainer, error);
    if (status == AUXO_OK)
        status = fit(trainer, options, metrics, error);
    start = auxo__now_seconds();
    changed = 0;
    if (status == AUXO_OK && options->prune)
        status = auxo_autosize_prune(autosize, trainer, &changed, error);
    if (edit_seconds)
        *edit_seconds += seconds + auxo__now_seconds() - start;
    if (status != AUXO_OK || changed == 0 || !options->validation)
        return status;
    auxo_evaluation evaluation;
    status = auxo_trainer_evaluate(trainer, options->validation, &evaluation, error);
    metrics->validation_loss = evaluation.loss;
    metrics->validation_accuracy = evaluation.accuracy;
    return status;
}

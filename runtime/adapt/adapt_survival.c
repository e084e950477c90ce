/* adapt_survival.c: what "adapt" does otherwise where rows have survival times: the concordance of the test rows, and a
 * model's baseline hazard in its file, as "survival train" writes it.
 */
#include "adapt_method.h"

#include "auxo/survival.h"

#include <math.h>
#include <stdlib.h>

auxo_status auxo__adapt_concordance(auxo_model *model, const auxo_dataset *test, double *index, auxo_error *error)
{
    double *risks = NULL;
    auxo_concordance concordance;
    *index = NAN;
    if (!test || test->target_type != AUXO_TARGET_SURVIVAL)
        return AUXO_OK;
    auxo_status status = auxo_survival_risks(model, test, false, &risks, NULL, error);
    const auxo_survival_sample sample = auxo_survival_rows(test, risks);
    if (status == AUXO_OK)
        status = auxo_survival_concordance(&sample, &concordance, error);
    if (status == AUXO_OK)
        *index = concordance.index;
    free(risks);
    return status;
}

static auxo_status save_with_hazard(auxo_model *model, const auxo_dataset *train, const char *path, auxo_error *error)
{
    auxo_survival_model saved = {.network = model};
    double *risks = NULL;
    auxo_status status = auxo_survival_risks(model, train, false, &risks, NULL, error);
    const auxo_survival_sample sample = auxo_survival_rows(train, risks);
    if (status == AUXO_OK)
        status = auxo_survival_baseline_hazard(&sample, &saved.hazard, error);
    if (status == AUXO_OK)
        status = auxo_survival_model_set_training(&saved, train, error);
    if (status == AUXO_OK)
        status = auxo_survival_model_save(&saved, path, error);
    free(risks);
    saved.network = NULL; /* borrowed */
    auxo_survival_model_deinit(&saved);
    return status;
}

auxo_status auxo__adapt_save_model(auxo_model *model, const auxo_dataset *train, const char *path, auxo_error *error)
{
    return train->target_type == AUXO_TARGET_SURVIVAL ? save_with_hazard(model, train, path, error)
                                                      : auxo_model_save(model, path, error);
}

/* best.c: see best.h.
 */
#include "best.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "best/";

const auxo_setting auxo__keep_settings[] = {
    {.name = "keep",
     .type = AUXO_SETTING_CHOICE,
     .argument = "best|last",
     .initial = "best",
     .help = "With validation: which epoch's weights are the result, the one with the best validation result or the "
             "last",
     .role = AUXO_SETTING_FREE},
    {.name = "patience",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "With validation: stop after N epochs without a better result; 0: never",
     .maximum = 1e6,
     .role = AUXO_SETTING_GROWS},
    AUXO_SETTINGS_END,
};

auxo_status auxo__best_read(const auxo_settings *settings, bool validates, auxo__best *best, auxo_error *error)
{
    const uint64_t patience = auxo_settings_integer(settings, "patience");
    if (patience > 0 && !validates)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "patience needs rows to validate on; give validation");
    best->wanted = validates && auxo_settings_choice(settings, "keep") == 0;
    best->patience = (uint32_t)patience;
    return AUXO_OK;
}

void auxo__best_deinit(auxo__best *best)
{
    free(best->weights);
    *best = (auxo__best){0};
}

static auxo_status allocate(auxo__best *best, const auxo_model *model, auxo_error *error)
{
    free(best->weights);
    best->weight_count = (size_t)auxo_model_weight_count(model);
    best->statistic_count = (size_t)auxo_model_statistic_count(model);
    best->structure = auxo_model_structure_version(model);
    best->weights = malloc((best->weight_count + best->statistic_count + 1) * sizeof *best->weights);
    best->statistics = best->weights + best->weight_count;
    return best->weights ? AUXO_OK
                         : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the best of %zu weights",
                                          best->weight_count);
}

static bool is_better(const auxo__best *best, double score, double loss)
{
    if (best->epoch == 0)
        return isfinite(score) || isfinite(loss);
    if (isfinite(score) && score != best->score)
        return score > best->score;
    return loss < best->loss;
}

auxo_status auxo__best_offer(auxo__best *best, auxo_model *model, uint32_t epoch, double score, double loss,
                             auxo_error *error)
{
    if (!best->wanted && best->patience == 0)
        return AUXO_OK;
    if (best->epoch > 0 && best->structure != auxo_model_structure_version(model))
        best->epoch = 0;
    best->last = epoch;
    if (!is_better(best, score, loss))
        return AUXO_OK;
    auxo_status status = AUXO_OK;
    if (best->epoch == 0)
        status = allocate(best, model, error);
    if (status == AUXO_OK)
        status = auxo_model_read_weights(model, best->weights, best->statistics, error);
    best->epoch = epoch;
    best->score = score;
    best->loss = loss;
    return status;
}

bool auxo__best_exhausted(const auxo__best *best)
{
    return best->patience > 0 && best->epoch > 0 && best->last >= best->epoch + best->patience;
}

auxo_status auxo__best_exchange(auxo__best *best, auxo_model *model, auxo_error *error)
{
    if (!best->wanted || best->epoch == 0 || best->epoch == best->last ||
        best->structure != auxo_model_structure_version(model))
        return AUXO_OK;
    const size_t bytes = (best->weight_count + best->statistic_count) * sizeof *best->weights;
    float *kept = malloc(bytes + 1);
    if (!kept)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the best epoch's weights");
    memcpy(kept, best->weights, bytes);
    auxo_status status = auxo_model_read_weights(model, best->weights, best->statistics, error);
    if (status == AUXO_OK)
        status = auxo_model_write_weights(model, kept, kept + best->weight_count, error);
    if (status == AUXO_OK)
        best->in_model = !best->in_model;
    free(kept);
    return status;
}

auxo_status auxo__best_store(const auxo__best *best, auxo__archive *archive, auxo_error *error)
{
    if (best->epoch == 0)
        return AUXO_OK;
    const double state[] = {best->epoch, best->last, best->score, best->loss};
    auxo_status status = auxo__archive_put_doubles(archive, PREFIX, "state", state, 4, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_floats(archive, PREFIX, "weights", best->weights,
                                          best->weight_count + best->statistic_count, error);
    return status;
}

auxo_status auxo__best_restore(auxo__best *best, const auxo_model *model, const auxo__archive *archive,
                               auxo_error *error)
{
    double *state = NULL;
    size_t count = 0;
    if (!model || !auxo__archive_has(archive, PREFIX, "state") || (!best->wanted && best->patience == 0))
        return AUXO_OK;
    auxo_status status = auxo__archive_get_doubles(archive, PREFIX, "state", &state, &count, error);
    if (status == AUXO_OK && (count != 4 || !(state[0] >= 1 && state[0] <= state[1] && state[1] <= UINT32_MAX)))
        status = auxo_error_set(error, AUXO_FORMAT, "its best epoch makes no sense");
    if (status == AUXO_OK)
        status = allocate(best, model, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_floats(archive, PREFIX, "weights", best->weights,
                                          best->weight_count + best->statistic_count, error);
    if (status == AUXO_OK) {
        best->epoch = (uint32_t)state[0];
        best->last = (uint32_t)state[1];
        best->score = state[2];
        best->loss = state[3];
    }
    free(state);
    return status;
}

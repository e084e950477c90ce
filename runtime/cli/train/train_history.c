/* runtime/cli/train/train_history.c: the growing record of a run and its JSON form. The report is in train_report.c. */
#include "train_history.h"

#include <math.h>
#include <stdlib.h>

void train_history_deinit(train_history *history)
{
    free(history->epochs);
    free(history->steps);
    free(history->losses);
    *history = (train_history){0};
}

auxo_status train_history_add_epoch(train_history *history, const auxo_epoch_metrics *metrics, auxo_error *error)
{
    if (history->epoch_count == history->epoch_capacity) {
        size_t capacity = history->epoch_capacity ? 2 * history->epoch_capacity : 64;
        auxo_epoch_metrics *grown = realloc(history->epochs, capacity * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the record of epoch %u",
                                  metrics->epoch);
        history->epochs = grown;
        history->epoch_capacity = capacity;
    }
    history->epochs[history->epoch_count++] = *metrics;
    return AUXO_OK;
}

void train_history_add_step(train_history *history, const auxo_step_metrics *metrics)
{
    if (history->step_count == history->step_capacity) {
        size_t capacity = history->step_capacity ? 2 * history->step_capacity : 1024;
        double *steps = realloc(history->steps, capacity * sizeof *steps);
        if (!steps)
            return;
        history->steps = steps;
        double *losses = realloc(history->losses, capacity * sizeof *losses);
        if (!losses)
            return;
        history->losses = losses;
        history->step_capacity = capacity;
    }
    history->steps[history->step_count] = (double)metrics->step;
    history->losses[history->step_count++] = metrics->loss;
}

/* X(field): the numbers of an epoch that are kept in checkpoints. */
#define EPOCH_NUMBERS(X)                                                                                               \
    X(epoch)                                                                                                           \
    X(step)                                                                                                            \
    X(train_loss)                                                                                                      \
    X(train_accuracy)                                                                                                  \
    X(validation_loss)                                                                                                 \
    X(validation_accuracy)                                                                                             \
    X(seconds)                                                                                                         \
    X(samples_per_second)                                                                                              \
    X(kinetic_energy)                                                                                                  \
    X(lr)

cJSON *train_history_to_json(const train_history *history)
{
    cJSON *epochs = cJSON_CreateArray();
    for (size_t i = 0; i < history->epoch_count; i++) {
        const auxo_epoch_metrics *metrics = &history->epochs[i];
        cJSON *epoch = cJSON_CreateObject();
#define ADD_NUMBER(field) cJSON_AddNumberToObject(epoch, #field, (double)metrics->field);
        EPOCH_NUMBERS(ADD_NUMBER)
#undef ADD_NUMBER
        cJSON_AddBoolToObject(epoch, "braked", metrics->braked);
        cJSON_AddItemToArray(epochs, epoch);
    }
    return epochs;
}

/* A number, or NaN where JSON has null. */
static double read_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

auxo_status train_history_from_json(train_history *history, const cJSON *epochs, auxo_error *error)
{
    const cJSON *epoch = NULL;
    cJSON_ArrayForEach(epoch, epochs)
    {
        auxo_epoch_metrics metrics = {
            .epoch = (uint32_t)read_number(epoch, "epoch"),
            .step = (uint64_t)read_number(epoch, "step"),
            .train_loss = read_number(epoch, "train_loss"),
            .train_accuracy = read_number(epoch, "train_accuracy"),
            .validation_loss = read_number(epoch, "validation_loss"),
            .validation_accuracy = read_number(epoch, "validation_accuracy"),
            .seconds = read_number(epoch, "seconds"),
            .samples_per_second = read_number(epoch, "samples_per_second"),
            .kinetic_energy = read_number(epoch, "kinetic_energy"),
            .lr = (float)read_number(epoch, "lr"),
            .braked = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(epoch, "braked")),
        };
        auxo_status status = train_history_add_epoch(history, &metrics, error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

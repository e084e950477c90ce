/* schedule.c: learning-rate schedules: the factor on the learning rate for each stage of each epoch.
 *
 * A schedule is a function of epoch and stage alone, so a resumed run follows the same curve; within a stage the rate
 * is constant, which keeps chunks of steps free of the host. Cosine: Loshchilov and Hutter 2017 (SGDR), no restarts.
 */
#include "train_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846;
static const double STEP_FACTOR = 0.1;

static double warmup_factor(const auxo_lr_schedule *schedule, uint32_t epoch, uint32_t stage)
{
    if (epoch >= schedule->warmup_epochs)
        return 1;
    return ((double)epoch * AUXO_LR_WARMUP_STAGES + stage + 1) /
           ((double)schedule->warmup_epochs * AUXO_LR_WARMUP_STAGES);
}

static double decay_factor(const auxo_lr_schedule *schedule, uint32_t epoch)
{
    if (schedule->kind == AUXO_LR_CONSTANT || epoch < schedule->begin_epoch)
        return 1;
    uint32_t since = epoch - schedule->begin_epoch;
    if (schedule->kind == AUXO_LR_STEP) {
        uint32_t falls = since / (schedule->step_epochs > 0 ? schedule->step_epochs : 1);
        return pow(STEP_FACTOR, falls);
    }
    uint32_t length = schedule->end_epoch > schedule->begin_epoch ? schedule->end_epoch - schedule->begin_epoch : 1;
    /* Beyond its end a run goes on at the rate of its last epoch rather than at none. */
    double part = (double)(since < length ? since : length - 1) / (double)length;
    return schedule->kind == AUXO_LR_LINEAR ? 1 - part : 0.5 * (1 + cos(PI * part));
}

double auxo_lr_schedule_factor(const auxo_lr_schedule *schedule, uint32_t epoch, uint32_t stage)
{
    return warmup_factor(schedule, epoch, stage) * decay_factor(schedule, epoch);
}

auxo_status auxo_lr_schedule_parse(const char *text, uint32_t begin_epoch, uint32_t end_epoch,
                                   auxo_lr_schedule *schedule, auxo_error *error)
{
    *schedule = (auxo_lr_schedule){.begin_epoch = begin_epoch, .end_epoch = end_epoch};
    if (strcmp(text, "constant") == 0)
        return AUXO_OK;
    if (strncmp(text, "step:", 5) == 0) {
        char *end = NULL;
        unsigned long epochs = strtoul(text + 5, &end, 10);
        if (text[5] < '0' || text[5] > '9' || *end || epochs == 0 || epochs > 1000000)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "\"%s\": step:N needs a number of epochs from 1 to 1000000", text);
        schedule->kind = AUXO_LR_STEP;
        schedule->step_epochs = (uint32_t)epochs;
        return AUXO_OK;
    }
    bool linear = strcmp(text, "linear") == 0;
    if (!linear && strcmp(text, "cosine") != 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "\"%s\" is none of constant, linear, cosine, step:N", text);
    if (end_epoch <= begin_epoch)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s needs to know how many epochs there are to decay over; give --epochs", text);
    schedule->kind = linear ? AUXO_LR_LINEAR : AUXO_LR_COSINE;
    return AUXO_OK;
}

/* Of the batch after epoch_batch finished ones. */
static uint32_t stage_at(const auxo_trainer *trainer, uint64_t epoch_batch)
{
    return (uint32_t)(epoch_batch * AUXO_LR_WARMUP_STAGES / auxo_trainer_steps_per_epoch(trainer));
}

auxo_status auxo__trainer_apply_schedule(auxo_trainer *trainer, auxo_error *error)
{
    const auxo_lr_schedule *schedule = &trainer->options.schedule;
    if (schedule->kind == AUXO_LR_CONSTANT && schedule->warmup_epochs == 0)
        return AUXO_OK;
    double factor = auxo_lr_schedule_factor(schedule, trainer->epoch, stage_at(trainer, trainer->epoch_batch));
    float rate = (float)((double)trainer->options.optimizer.hyper[AUXO_HYPER_LR] * factor);
    if (rate == auxo_optimizer_get_hyper(trainer->optimizer, AUXO_HYPER_LR))
        return AUXO_OK;
    return auxo_optimizer_set_hyper(trainer->optimizer, AUXO_HYPER_LR, rate, error);
}

uint64_t auxo__trainer_steps_in_stage(const auxo_trainer *trainer)
{
    if (trainer->epoch >= trainer->options.schedule.warmup_epochs)
        return UINT64_MAX;
    uint64_t steps = auxo_trainer_steps_per_epoch(trainer), next = stage_at(trainer, trainer->epoch_batch) + 1;
    /* The first batch of the next stage. */
    return (next * steps + AUXO_LR_WARMUP_STAGES - 1) / AUXO_LR_WARMUP_STAGES - trainer->epoch_batch;
}

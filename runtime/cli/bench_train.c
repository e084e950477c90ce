/* runtime/cli/bench_train.c: images per second of training on generated digits: whole steps, from batch to update. */
#include "bench_train.h"
#include "bench_device.h"

#include <stdio.h>

enum { STEPS_PER_SAMPLE = 4, BATCHES = 8 };

auxo_status bench_training_open(auxo_device *device, const char *model_name, uint32_t batch, const volatile int *stop,
                                bench_training *t, auxo_error *error)
{
    const auxo_data_options data = {.seed = 1, .generated_count = (size_t)BATCHES * batch};
    auxo_train_options options = {.batch = batch, .seed = 1, .standardize = true, .stop = stop};
    *t = (bench_training){0};
    auxo_status status = auxo_optimizer_config_parse("adam", &options.optimizer, error);
    if (status == AUXO_OK)
        status = auxo_dataset_load("glyphs", &data, &t->train, &t->test, error);
    if (status == AUXO_OK)
        status = cli_model_open(device, model_name, t->train, 1, &t->model, error);
    if (status == AUXO_OK)
        status = auxo_trainer_create(t->model, t->train, NULL, &options, &t->trainer, error);
    return status;
}

void bench_training_close(bench_training *t)
{
    auxo_trainer_destroy(t->trainer);
    auxo_model_destroy(t->model);
    auxo_dataset_destroy(t->train);
    auxo_dataset_destroy(t->test);
    *t = (bench_training){0};
}

/* count * STEPS_PER_SAMPLE steps; an epoch may end within them. */
static auxo_status run_steps(void *user, uint32_t count, auxo_error *error)
{
    bench_training *t = user;
    uint64_t goal = auxo_trainer_step(t->trainer) + (uint64_t)count * STEPS_PER_SAMPLE;
    auxo_status status = AUXO_OK;
    while (auxo_trainer_step(t->trainer) < goal && status == AUXO_OK) {
        bool finished = false;
        auxo_epoch_metrics metrics;
        status = auxo_trainer_run(t->trainer, goal - auxo_trainer_step(t->trainer), &finished, &metrics, error);
    }
    return status;
}

auxo_status bench_train(bench_run *run, const char *model_name, uint32_t batch, auxo_error *error)
{
    bench_training t;
    char name[96];
    snprintf(name, sizeof name, "train %.60s batch %u", model_name, (unsigned)batch);
    bench_result result = bench_result_begin(run, "train", name);
    auxo_status status = bench_training_open(run->device, model_name, batch, run->context->stop, &t, error);
    if (status == AUXO_OK)
        status = bench_measure(run_steps, &t, run->seconds, &result.time, error);
    if (status == AUXO_OK) {
        const auxo_plan *plan = auxo_trainer_plan(t.trainer);
        result.work = (double)STEPS_PER_SAMPLE * batch;
        snprintf(result.unit, sizeof result.unit, "image");
        result.flops = STEPS_PER_SAMPLE * (double)auxo_plan_flops(plan);
        result.fallbacks = auxo_plan_host_fallback_count(plan);
        status = bench_keep(run, &result, error);
    } else {
        status = bench_pass_over(run, name, status, error);
    }
    bench_training_close(&t);
    return status;
}

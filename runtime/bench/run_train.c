/* run_train.c: images per second of training on generated images: whole steps, from batch to update; and the trainer
 * that audits and the tuner look at.
 */
#include "bench_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCHES = 8, CLASSES = 10 };

/* Images of noise with classes in turn: what a step costs does not depend on them. */
static auxo_status make_images(const auxo_bench_training *options, auxo_dataset **dataset, auxo_error *error)
{
    const int64_t *input = options->input;
    size_t rows = (size_t)BATCHES * options->batch, count = rows * (size_t)(input[0] * input[1] * input[2]);
    auxo_dataset *made = calloc(1, sizeof *made);
    if (made)
        *made = (auxo_dataset){.name = "noise",
                               .row_count = rows,
                               .channels = input[0],
                               .height = input[1],
                               .width = input[2],
                               .feature_type = AUXO_FEATURES_U8,
                               .features = malloc(count),
                               .target_type = AUXO_TARGET_CLASS,
                               .class_count = CLASSES,
                               .labels = malloc(rows * sizeof *made->labels)};
    if (!made || !made->features || !made->labels) {
        auxo_dataset_destroy(made);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "benchmark: no memory for %zu images", rows);
    }
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        ((uint8_t *)made->features)[i] = (uint8_t)(state >> 24);
    }
    for (size_t i = 0; i < rows; i++)
        made->labels[i] = (uint32_t)(i % CLASSES);
    *dataset = made;
    return AUXO_OK;
}

/* A built-in network or a description with fresh weights, or a file with its own. */
static auxo_status open_model(auxo_device *device, const char *name, const auxo_dataset *images, auxo_model **model,
                              auxo_error *error)
{
    if (auxo_model_names_file(name))
        return auxo_model_load(device, name, model, error);
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_status status =
        auxo_model_desc_load(name, images->channels, images->height, images->width, CLASSES, &desc, error);
    if (status == AUXO_OK)
        status = auxo_model_create(device, &desc, 1, model, error);
    auxo_model_desc_deinit(&desc);
    return status;
}

static auxo_status check_shape(const auxo_model *model, const auxo_dataset *images, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const int64_t *input = desc->layers[0].output_dims, *output = desc->layers[desc->layer_count - 1].output_dims;
    const long long needed = (long long)(input[0] * input[1] * input[2]);
    const long long given = (long long)(images->channels * images->height * images->width);
    if (needed != given)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "model %s reads %lld values, but the images of the benchmark have %lld", desc->name,
                              needed, given);
    const long long outputs = (long long)(output[0] * output[1] * output[2]);
    if (outputs != CLASSES)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "model %s has %lld outputs, but the images of the benchmark have %d classes", desc->name,
                              outputs, CLASSES);
    return AUXO_OK;
}

auxo_status auxo__bench_trainer_open(auxo_device *device, const auxo_bench_training *training, bool profile,
                                     const volatile int *stop, auxo__bench_trainer *opened, auxo_error *error)
{
    auxo_train_options options = {.batch = training->batch,
                                  .seed = 1,
                                  .standardize = true,
                                  .profile = profile,
                                  .stop = stop,
                                  .precision = training->precision};
    *opened = (auxo__bench_trainer){0};
    auxo_status status = auxo_optimizer_config_parse(training->optimizer, &options.optimizer, error);
    if (status == AUXO_OK)
        status = make_images(training, &opened->train, error);
    if (status == AUXO_OK)
        status = open_model(device, training->model, opened->train, &opened->model, error);
    if (status == AUXO_OK)
        status = check_shape(opened->model, opened->train, error);
    if (status == AUXO_OK)
        status = auxo_trainer_create(opened->model, opened->train, NULL, &options, &opened->trainer, error);
    return status;
}

void auxo__bench_trainer_close(auxo__bench_trainer *opened)
{
    auxo_trainer_destroy(opened->trainer);
    auxo_model_destroy(opened->model);
    auxo_dataset_destroy(opened->train);
    *opened = (auxo__bench_trainer){0};
}

/* An epoch may end within the steps. */
static auxo_status run_steps(void *user, uint32_t count, auxo_error *error)
{
    auxo__bench_trainer *t = user;
    uint64_t goal = auxo_trainer_step(t->trainer) + count;
    auxo_status status = AUXO_OK;
    while (auxo_trainer_step(t->trainer) < goal && status == AUXO_OK) {
        bool finished = false;
        auxo_epoch_metrics metrics;
        status = auxo_trainer_run(t->trainer, goal - auxo_trainer_step(t->trainer), &finished, &metrics, error);
    }
    return status;
}

/* Seconds of one step by kind of op, from a profiled plan. */
static double sum_kinds(const auxo_plan *plan, double seconds[AUXO_OP_COUNT])
{
    double total = 0;
    for (size_t i = 0; i < auxo_plan_op_count(plan); i++) {
        const auxo_plan_op_info info = auxo_plan_op_info_at(plan, i);
        const double step = info.run_count ? 1e-9 * (double)info.total_ns / (double)info.run_count : 0;
        seconds[info.kind] += step;
        total += step;
    }
    return total;
}

static auxo_status keep_shares(auxo__bench_run *run, const char *name, const auxo_plan *plan, auxo_error *error)
{
    double seconds[AUXO_OP_COUNT] = {0};
    const double total = sum_kinds(plan, seconds);
    auxo_status status = AUXO_OK;
    for (;;) {
        size_t most = 0;
        for (size_t kind = 1; kind < AUXO_OP_COUNT; kind++)
            most = seconds[kind] > seconds[most] ? kind : most;
        if (status != AUXO_OK || seconds[most] <= 0)
            return status;
        auxo_bench_share share = {
            .device = run->device_index, .seconds = seconds[most], .fraction = seconds[most] / total};
        snprintf(share.name, sizeof share.name, "%s", name);
        snprintf(share.op, sizeof share.op, "%s", auxo_op_noun((auxo_op_kind)most));
        seconds[most] = 0;
        status = auxo__bench_keep_share(run, &share, error);
    }
}

/* The same steps once more with every op timed, which makes them slower: only their proportions count. */
static auxo_status profile_steps(auxo__bench_run *run, const auxo_bench_training *training, const char *name,
                                 auxo_error *error)
{
    auxo__bench_trainer opened;
    auxo_bench_time time;
    auxo_status status = auxo__bench_trainer_open(run->device, training, true, run->options.stop, &opened, error);
    if (status == AUXO_OK)
        status = auxo_bench_measure(run_steps, &opened, run->options.seconds / 2, &time, error);
    if (status == AUXO_OK)
        status = keep_shares(run, name, auxo_trainer_plan(opened.trainer), error);
    auxo__bench_trainer_close(&opened);
    return status;
}

/* In names of cases; f32 has none. */
static const char *suffix_of(auxo_precision precision)
{
    static const char *const suffixes[] = {"", "", " bf16", " f16", " auto"};
    return (unsigned)precision < sizeof suffixes / sizeof *suffixes ? suffixes[precision] : "";
}

/* "train resnet18 3x32x32 batch 32 bf16"; the size of MNIST's images goes without saying. */
static void name_of(const auxo_bench_training *training, char *name, size_t size)
{
    const long long h = (long long)training->input[1], w = (long long)training->input[2];
    char input[64] = "";
    if (training->input[0] != 1 || h != 28 || w != 28)
        snprintf(input, sizeof input, " %lldx%lldx%lld", (long long)training->input[0], h, w);
    snprintf(name, size, "train %.60s%s batch %u%s", training->model, input, (unsigned)training->batch,
             suffix_of(training->precision));
}

static auxo_status measure_training(auxo__bench_run *run, const auxo_bench_training *training, auxo_error *error)
{
    auxo__bench_trainer opened;
    char name[96];
    name_of(training, name, sizeof name);
    auxo_bench_result result = auxo__bench_result_begin(run, "train", name);
    const double start = auxo__now_seconds();
    auxo_status status = auxo__bench_trainer_open(run->device, training, false, run->options.stop, &opened, error);
    if (status == AUXO_OK)
        status = run_steps(&opened, 1, error); /* compiles */
    result.setup_seconds = auxo__now_seconds() - start;
    if (status == AUXO_OK)
        status = auxo_bench_measure(run_steps, &opened, run->options.seconds, &result.time, error);
    if (status == AUXO_OK) {
        const auxo_plan *plan = auxo_trainer_plan(opened.trainer);
        result.work = training->batch;
        snprintf(result.unit, sizeof result.unit, "image");
        result.flops = (double)auxo_plan_flops(plan);
        result.fallbacks = auxo_plan_host_fallback_count(plan);
        status = auxo__bench_keep(run, &result, error);
    } else {
        status = auxo__bench_pass_over(run, name, status, error);
    }
    const bool measured = result.time.samples > 0;
    auxo__bench_trainer_close(&opened);
    return status == AUXO_OK && measured ? profile_steps(run, training, name, error) : status;
}

auxo_status auxo_bench_train(auxo_device *device, const auxo_bench_training *training,
                             const auxo_bench_options *options, auxo_bench_results *results, auxo_error *error)
{
    auxo__bench_run run;
    auxo_status status = auxo__bench_begin(device, options, results, &run, error);
    if (status == AUXO_OK)
        status = measure_training(&run, training, error);
    auxo__bench_end(&run);
    return status;
}

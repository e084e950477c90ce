/* runtime/cli/bench/bench_train.c: images per second of training on generated images: whole steps, from batch to
 * update. */
#include "bench_train.h"
#include "bench_device.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCHES = 8, CLASSES = 10 };

const cli_option bench_training_cli_options[] = {
    {.name = "input",
     .type = CLI_TEXT,
     .argument = "CxHxW",
     .initial = "1x28x28",
     .help = "The network's input: channels, height, width"},
    {.name = "optimizer",
     .type = CLI_TEXT,
     .argument = "NAME",
     .initial = "adam",
     .help = "The network's optimiser, as for \"auxo train\""},
    CLI_OPTIONS_END,
};

auxo_status bench_training_parse(const cli_arguments *arguments, bench_training_options *options, auxo_error *error)
{
    options->model = cli_text(arguments, "model");
    options->optimizer = cli_text(arguments, "optimizer");
    options->batch = (uint32_t)cli_integer(arguments, "batch");
    options->profile = false;
    return cli_model_parse_input(cli_text(arguments, "input"), options->input, error);
}

/* Images of noise with classes in turn: what a step costs does not depend on them. */
static auxo_status make_images(const bench_training_options *options, auxo_dataset **dataset, auxo_error *error)
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

auxo_status bench_training_open(auxo_device *device, const bench_training_options *options, const volatile int *stop,
                                bench_training *t, auxo_error *error)
{
    auxo_train_options training = {
        .batch = options->batch, .seed = 1, .standardize = true, .profile = options->profile, .stop = stop};
    *t = (bench_training){0};
    auxo_status status = auxo_optimizer_config_parse(options->optimizer, &training.optimizer, error);
    if (status == AUXO_OK)
        status = make_images(options, &t->train, error);
    if (status == AUXO_OK)
        status = cli_model_open(device, options->model, t->train, 1, &t->model, error);
    if (status == AUXO_OK)
        status = auxo_trainer_create(t->model, t->train, NULL, &training, &t->trainer, error);
    return status;
}

void bench_training_close(bench_training *t)
{
    auxo_trainer_destroy(t->trainer);
    auxo_model_destroy(t->model);
    auxo_dataset_destroy(t->train);
    *t = (bench_training){0};
}

/* An epoch may end within the steps. */
static auxo_status run_steps(void *user, uint32_t count, auxo_error *error)
{
    bench_training *t = user;
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

static auxo_status keep_shares(bench_run *run, const char *name, const auxo_plan *plan, auxo_error *error)
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
        bench_share share = {.device = run->device_index, .seconds = seconds[most], .fraction = seconds[most] / total};
        snprintf(share.name, sizeof share.name, "%s", name);
        snprintf(share.op, sizeof share.op, "%s", auxo_op_noun((auxo_op_kind)most));
        seconds[most] = 0;
        status = bench_results_share(&run->results, &share, error);
        cJSON *event = cli_event(run->context->output, "op_share");
        bench_share_describe(&run->results, &share, event);
        cli_emit(run->context->output, event);
    }
}

/* The same steps once more with every op timed, which makes them slower: only their proportions count. */
static auxo_status profile_steps(bench_run *run, const bench_training_options *options, const char *name,
                                 auxo_error *error)
{
    bench_training_options profiled = *options;
    bench_training t;
    bench_time time;
    profiled.profile = true;
    auxo_status status = bench_training_open(run->device, &profiled, run->context->stop, &t, error);
    if (status == AUXO_OK)
        status = bench_measure(run_steps, &t, run->seconds / 2, &time, error);
    if (status == AUXO_OK)
        status = keep_shares(run, name, auxo_trainer_plan(t.trainer), error);
    bench_training_close(&t);
    return status;
}

auxo_status bench_train(bench_run *run, const bench_training_options *options, auxo_error *error)
{
    bench_training t;
    char name[96];
    snprintf(name, sizeof name, "train %.60s batch %u", options->model, (unsigned)options->batch);
    bench_result result = bench_result_begin(run, "train", name);
    auxo_status status = bench_training_open(run->device, options, run->context->stop, &t, error);
    if (status == AUXO_OK)
        status = bench_measure(run_steps, &t, run->seconds, &result.time, error);
    if (status == AUXO_OK) {
        const auxo_plan *plan = auxo_trainer_plan(t.trainer);
        result.work = options->batch;
        snprintf(result.unit, sizeof result.unit, "image");
        result.flops = (double)auxo_plan_flops(plan);
        result.fallbacks = auxo_plan_host_fallback_count(plan);
        status = bench_keep(run, &result, error);
    } else {
        status = bench_pass_over(run, name, status, error);
    }
    const bool measured = result.time.samples > 0;
    bench_training_close(&t);
    return status == AUXO_OK && measured ? profile_steps(run, options, name, error) : status;
}

/* runtime/cli/train/cmd_train.c: auxo train: the loop over epochs, its events, and the final result. */
#include "cli_text.h"
#include "train_job.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const cli_option train_options[] = {
    {.name = "epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Train to the end of this epoch (default: 10, or no limit with --steps)",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "steps",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Train to this step at most",
     .minimum = 1,
     .maximum = 1e12},
    {.name = "save",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "Write the trained model here (safetensors, readable by other tools)"},
    {.name = "report",
     .type = CLI_TEXT,
     .argument = "FILE.html",
     .help = "Write curves, network and profile as one HTML file"},
    CLI_OPTIONS_END,
};

/* How far to go, and what it took. */
typedef struct progress_account {
    uint64_t step_limit; /* 0: none */
    uint64_t epoch_limit;
    uint64_t checkpoint_every;
    double seconds, epoch_seconds; /* training only, in this process; in the current epoch */
    bool interrupted, explained;
} progress_account;

/* Steps until the next checkpoint or the limit; 0: no limit within the epoch. */
static uint64_t next_stretch(const progress_account *account, uint64_t step)
{
    uint64_t stretch = account->step_limit ? account->step_limit - step : 0;
    if (account->checkpoint_every) {
        uint64_t to_checkpoint = account->checkpoint_every - step % account->checkpoint_every;
        if (stretch == 0 || to_checkpoint < stretch)
            stretch = to_checkpoint;
    }
    return stretch;
}

static void add_number(cJSON *event, const char *name, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(event, name, value);
    else
        cJSON_AddNullToObject(event, name);
}

static void report_epoch(train_job *job, const progress_account *account, const auxo_epoch_metrics *metrics)
{
    cli_output *output = job->context->output;
    char text[256], rate[32], duration[32];
    int used = snprintf(text, sizeof text, "epoch %u", metrics->epoch);
    if (account->epoch_limit != UINT64_MAX)
        used += snprintf(text + used, sizeof text - (size_t)used, "/%" PRIu64, account->epoch_limit);
    used += snprintf(text + used, sizeof text - (size_t)used, "  loss %.5f", metrics->train_loss);
    if (isfinite(metrics->train_accuracy))
        used += snprintf(text + used, sizeof text - (size_t)used, "  accuracy %.2f %%", 100 * metrics->train_accuracy);
    if (isfinite(metrics->validation_loss))
        used += snprintf(text + used, sizeof text - (size_t)used, "  validation loss %.5f", metrics->validation_loss);
    if (isfinite(metrics->validation_accuracy))
        snprintf(text + used, sizeof text - (size_t)used, "  accuracy %.2f %%", 100 * metrics->validation_accuracy);
    cli_print(output, "%s  %s rows/s  %s%s\n", text,
              cli_format_count(rate, sizeof rate, (uint64_t)metrics->samples_per_second),
              cli_format_duration(duration, sizeof duration, metrics->seconds), metrics->braked ? "  braked" : "");

    cJSON *event = cli_event(output, "epoch");
    cJSON_AddNumberToObject(event, "epoch", metrics->epoch);
    cJSON_AddNumberToObject(event, "step", (double)metrics->step);
    add_number(event, "train_loss", metrics->train_loss);
    add_number(event, "train_accuracy", metrics->train_accuracy);
    add_number(event, "val_loss", metrics->validation_loss);
    add_number(event, "val_accuracy", metrics->validation_accuracy);
    add_number(event, "images_per_second", metrics->samples_per_second);
    add_number(event, "seconds", metrics->seconds);
    add_number(event, "lr", metrics->lr);
    add_number(event, "kinetic_energy", metrics->kinetic_energy);
    cJSON_AddBoolToObject(event, "braked", metrics->braked);
    cli_emit(output, event);
}

static void report_start(train_job *job)
{
    cli_output *output = job->context->output;
    const auxo_device_info *info = auxo_device_get_info(job->session.device);
    const auxo_model_desc *desc = auxo_model_get_desc(job->model);
    char weights[32];
    uint64_t weight_count = auxo_model_weight_count(job->model);
    cli_print(output, "%s: %zu rows; %s: %s weights; %s (%s); %s\n", job->train->name, job->train->row_count,
              desc->name, cli_format_count(weights, sizeof weights, weight_count), info->selector, info->name,
              job->optimizer_text);
    if (job->first_step)
        cli_print(output, "resumed at step %" PRIu64 "\n", job->first_step);
    cJSON *event = cli_event(output, "start");
    cJSON_AddStringToObject(event, "data", job->train->name);
    cJSON_AddNumberToObject(event, "rows", (double)job->train->row_count);
    cJSON_AddStringToObject(event, "model", desc->name);
    cJSON_AddNumberToObject(event, "weights", (double)weight_count);
    cJSON_AddStringToObject(event, "device", info->selector);
    cJSON_AddStringToObject(event, "device_name", info->name);
    cJSON_AddStringToObject(event, "optimizer", job->optimizer_text);
    cJSON_AddNumberToObject(event, "batch", job->options.batch);
    cJSON_AddNumberToObject(event, "steps_per_epoch", (double)auxo_trainer_steps_per_epoch(job->trainer));
    cJSON_AddNumberToObject(event, "resumed_step", (double)job->first_step);
    cli_emit(output, event);
}

/* How several devices divide each batch; known after the first step. */
static void report_shares(const train_job *job)
{
    cli_output *output = job->context->output;
    uint32_t rows[CLI_HELPERS_MAX + 1];
    const size_t count = auxo_trainer_shares(job->trainer, rows, CLI_HELPERS_MAX + 1);
    if (count == 1)
        return;
    cJSON *event = cli_event(output, "shares");
    cJSON *devices = event ? cJSON_AddArrayToObject(event, "devices") : NULL;
    for (size_t i = 0; i < count; i++) {
        const auxo_device *device = i ? job->helpers[i - 1] : job->session.device;
        const char *selector = auxo_device_get_info(device)->selector;
        cli_print(output, "%s%s %u", i ? ", " : "rows of each batch: ", selector, rows[i]);
        cJSON *item = devices ? cJSON_CreateObject() : NULL;
        cJSON_AddStringToObject(item, "device", selector);
        cJSON_AddNumberToObject(item, "rows", rows[i]);
        cJSON_AddItemToArray(devices, item);
    }
    cli_print(output, "%s\n", job->options.shares ? "" : " (by measured speed)");
    cli_emit(output, event);
}

/* A failed step keeps what was saved before: say where it is. */
static auxo_status explain_failure(const train_job *job, auxo_status status, auxo_error *error)
{
    const char *checkpoint = cli_text(job->context->arguments, "checkpoint");
    char text[sizeof error->message];
    snprintf(text, sizeof text, "%s", error->message);
    if (status == AUXO_NOT_FINITE && checkpoint)
        return auxo_error_set(error, status, "%.380s; the last good state is in %.100s", text, checkpoint);
    return status;
}

/* One stretch of steps, with what follows it: the epoch's report and a checkpoint where one is due. */
static auxo_status run_stretch(train_job *job, progress_account *account, auxo_error *error)
{
    bool finished_epoch = false;
    auxo_epoch_metrics metrics = {0};
    double start = cli_now_seconds();
    uint64_t stretch = next_stretch(account, auxo_trainer_step(job->trainer));
    auxo_status status = auxo_trainer_run(job->trainer, stretch, &finished_epoch, &metrics, error);
    account->epoch_seconds += cli_now_seconds() - start;
    /* The first run compiles the plan: before it, nothing has been chosen. */
    if (status == AUXO_OK && cli_flag(job->context->arguments, "explain") && !account->explained)
        cli_plan_explain(job->context->output, auxo_trainer_plan(job->trainer));
    if (status == AUXO_OK && !account->explained)
        report_shares(job);
    account->explained = true;
    if (status == AUXO_INTERRUPTED) {
        account->interrupted = true;
        return train_job_save(job, error);
    }
    if (status != AUXO_OK)
        return explain_failure(job, status, error);
    if (finished_epoch) {
        /* The clock around the call includes validation; the trainer's own does not. */
        account->seconds += fmin(account->epoch_seconds, metrics.seconds);
        account->epoch_seconds = 0;
        status = train_history_add_epoch(&job->history, &metrics, error);
        if (status == AUXO_OK)
            report_epoch(job, account, &metrics);
    }
    bool due = account->checkpoint_every && auxo_trainer_step(job->trainer) % account->checkpoint_every == 0;
    if (status == AUXO_OK && (finished_epoch || due))
        status = train_job_save(job, error);
    return status;
}

/* Epochs to train at most; UINT64_MAX: --steps alone limits the run. */
static uint64_t epoch_limit(const cli_arguments *arguments)
{
    if (cli_given(arguments, "epochs"))
        return cli_integer(arguments, "epochs");
    return cli_integer(arguments, "steps") ? UINT64_MAX : 10;
}

static auxo_status run_epochs(train_job *job, progress_account *account, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    account->step_limit = cli_integer(arguments, "steps");
    account->checkpoint_every = cli_text(arguments, "checkpoint") ? cli_integer(arguments, "checkpoint-every") : 0;
    account->epoch_limit = epoch_limit(arguments);
    uint64_t total = account->step_limit, batch = job->options.batch;
    if (account->epoch_limit != UINT64_MAX) {
        uint64_t steps = account->epoch_limit * auxo_trainer_steps_per_epoch(job->trainer);
        total = total == 0 || steps < total ? steps : total;
    }
    cli_progress_begin(&job->progress, job->context->output, "rows", job->first_step * batch, total * batch);
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && !account->interrupted && auxo_trainer_step(job->trainer) < total)
        status = run_stretch(job, account, error);
    account->seconds += account->epoch_seconds;
    if (status == AUXO_OK && auxo_trainer_step(job->trainer) > job->first_step)
        status = train_job_save(job, error);
    return status;
}

static void report_result(train_job *job, const progress_account *account, const train_summary *summary)
{
    cli_output *output = job->context->output;
    uint64_t fallbacks = auxo_plan_host_fallback_count(auxo_trainer_plan(job->trainer));
    char memory[32], rate[32], duration[32], top[256];
    cli_plan_top_ops(auxo_trainer_plan(job->trainer), top, sizeof top, 3);
    cli_print(output, "test loss %.5f", summary->test_loss);
    if (isfinite(summary->test_accuracy))
        cli_print(output, "  accuracy %.2f %%", 100 * summary->test_accuracy);
    cli_print(output, "  %s rows/s  %s  host fallbacks %" PRIu64 "  peak host memory %s\n",
              cli_format_count(rate, sizeof rate, (uint64_t)summary->images_per_second),
              cli_format_duration(duration, sizeof duration, account->seconds), fallbacks,
              cli_format_bytes(memory, sizeof memory, cli_peak_host_bytes()));
    cJSON *event = cli_event(output, "result");
    add_number(event, "test_accuracy", summary->test_accuracy);
    add_number(event, "test_loss", summary->test_loss);
    add_number(event, "images_per_second", summary->images_per_second);
    add_number(event, "seconds", account->seconds);
    cJSON_AddNumberToObject(event, "host_fallbacks", (double)fallbacks);
    cJSON_AddNumberToObject(event, "peak_host_bytes", (double)cli_peak_host_bytes());
    cJSON_AddNumberToObject(event, "steps", (double)auxo_trainer_step(job->trainer));
    cJSON_AddNumberToObject(event, "epochs", auxo_trainer_epoch(job->trainer));
    cJSON_AddStringToObject(event, "device", auxo_device_get_info(job->session.device)->selector);
    if (top[0])
        cJSON_AddStringToObject(event, "top_ops", top);
    cli_emit(output, event);
}

static auxo_status finish(train_job *job, const progress_account *account, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    auxo_evaluation evaluation = {.loss = (double)NAN, .accuracy = (double)NAN};
    const char *save = cli_text(arguments, "save"), *report = cli_text(arguments, "report");
    auxo_status status = auxo_trainer_evaluate(job->trainer, job->test, &evaluation, error);
    if (status == AUXO_OK && save)
        status = auxo_model_save(job->model, save, error);
    uint64_t steps = auxo_trainer_step(job->trainer) - job->first_step;
    bool profiled = job->options.profile;
    train_summary summary = {
        .title = "Training report",
        .command_line = "auxo train",
        .device_name = auxo_device_get_info(job->session.device)->name,
        .optimizer = job->optimizer_text,
        .model = job->model,
        .plan = profiled ? auxo_trainer_plan(job->trainer) : NULL,
        .test_loss = evaluation.loss,
        .test_accuracy = evaluation.accuracy,
        .images_per_second = account->seconds > 0 ? (double)(steps * job->options.batch) / account->seconds : 0,
        .seconds = account->seconds,
    };
    if (status == AUXO_OK && report)
        status = train_history_report(&job->history, &summary, report, error);
    if (status != AUXO_OK)
        return status;
    if (profiled)
        cli_plan_profile(job->context->output, auxo_trainer_plan(job->trainer));
    report_result(job, account, &summary);
    return AUXO_OK;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    train_job job = {0};
    progress_account account = {0};
    uint64_t epochs = epoch_limit(context->arguments);
    const train_job_setup setup = {
        .step_options = true, .schedule_end = epochs == UINT64_MAX ? 0 : (uint32_t)epochs, .warmup_epochs = 1};
    auxo_status status = cli_check_writable("save", cli_text(context->arguments, "save"), error);
    if (status == AUXO_OK)
        status = cli_check_writable("report", cli_text(context->arguments, "report"), error);
    if (status == AUXO_OK)
        status = train_job_open(context, &setup, &job, error);
    if (status == AUXO_OK) {
        report_start(&job);
        status = run_epochs(&job, &account, error);
    }
    if (status == AUXO_OK && account.interrupted) {
        const char *checkpoint = cli_text(context->arguments, "checkpoint");
        status = auxo_error_set(error, AUXO_INTERRUPTED, "interrupted after step %" PRIu64 "%s%s%s",
                                auxo_trainer_step(job.trainer), checkpoint ? "; continue with --resume from " : "",
                                checkpoint ? checkpoint : "", checkpoint ? "" : "; nothing saved (no --checkpoint)");
    } else if (status == AUXO_OK) {
        status = finish(&job, &account, error);
    }
    train_job_close(&job);
    return status;
}

static const cli_option *const options[] = {cli_data_options,       cli_model_options,  cli_device_options,
                                            cli_seed_options,       train_options,      train_job_options,
                                            train_job_step_options, cli_common_options, NULL};

const cli_command cli_command_train = {
    .name = "train",
    .summary = "train a network and report its test accuracy",
    .description =
        "Train a network on a data set and measure it on the test split. Without options: lenet5 on generated "
        "digit images, on the fastest device.\n\nA run that is killed at any moment continues with "
        "--checkpoint FILE --resume to the same numbers as an uninterrupted one on the same device. An "
        "interrupt finishes the step, saves the checkpoint and ends with status 1. A loss that is not finite "
        "ends the run and keeps the last good checkpoint.\n\n"
        "--device cpu,opencl:0 trains on several devices at once: each takes some rows of every batch, in proportion "
        "to "
        "its measured speed or as --share says, and their gradients are averaged. The numbers are those of one device "
        "up to rounding, except that batch norm sees the rows of its own device only, and that dropout and "
        "augmentation "
        "draw other numbers. The first device holds the optimiser, validates and saves.",
    .events =
        "{\"event\":\"start\",\"data\":..,\"rows\":..,\"model\":..,\"weights\":..,\"device\":..,\"optimizer\":..,..}\n"
        "{\"event\":\"shares\",\"devices\":[{\"device\":..,\"rows\":..},..]}  with several devices\n"
        "{\"event\":\"step\",\"step\":1,\"epoch\":1,\"loss\":2.30}\n"
        "{\"event\":\"epoch\",\"epoch\":1,\"step\":..,\"train_loss\":..,\"train_accuracy\":..,\"val_loss\":..,\n"
        " \"val_accuracy\":..,\"images_per_second\":..,\"seconds\":..,\"lr\":..,\"kinetic_energy\":..,\"braked\":..}\n"
        "{\"event\":\"checkpoint\",\"path\":..,\"step\":..}\n"
        "{\"event\":\"choice\",\"label\":..,\"op\":..,\"route\":..,\"variant\":..,\"reason\":..}  with --explain\n"
        "{\"event\":\"op\",\"label\":..,\"op\":..,\"variant\":..,\"runs\":..,\"seconds\":..,\"share\":..,..}  with "
        "--profile\n"
        "{\"event\":\"result\",\"test_accuracy\":..,\"test_loss\":..,\"images_per_second\":..,\"seconds\":..,\n"
        " \"host_fallbacks\":0,\"peak_host_bytes\":..,\"steps\":..,\"epochs\":..,\"device\":..}\n"
        "What does not apply (accuracy of real targets, validation without a validation set) is null.",
    .examples = "auxo train\n"
                "auxo train --data fashion-mnist --model lenet5 --device opencl:0 --epochs 10\n"
                "auxo train --data ccpp --model mlp:4-16-16-1 --optimizer adam:lr=0.003\n"
                "auxo train --epochs 50 --checkpoint run.safetensors --resume --report run.html",
    .options = options,
    .run = run,
};

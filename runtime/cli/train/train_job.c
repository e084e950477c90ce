/* runtime/cli/train/train_job.c: from options to an open trainer; checkpoints with the settings they were made under.
 *
 * A checkpoint carries the texts of the options that shape a run. A resumed run must be given the same ones: continuing
 * under others would not be the run that was interrupted.
 */
#include "train_job.h"

#include "cli_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const cli_option train_job_options[] = {
    {.name = "batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "128",
     .help = "Rows per step",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "optimizer",
     .type = CLI_TEXT,
     .argument = "NAME[:KEY=VALUE,...]",
     .initial = "momentum",
     .help = "sgd, momentum, nesterov, rmsprop, adagrad, adam, adamw or phs (port-Hamiltonian), with its settings, for "
             "example adam:lr=0.001 or phs:mass=1,friction=0.5,goal=0.4,brake=10"},
    {.name = "lr",
     .type = CLI_REAL,
     .argument = "X",
     .help = "Learning rate, instead of the optimizer's own",
     .minimum = 1e-12},
    {.name = "lr-schedule",
     .type = CLI_TEXT,
     .argument = "KIND",
     .initial = "constant",
     .help = "Learning rate over epochs: constant; linear or cosine, to nothing at the last epoch; step:N, a tenth "
             "after every N epochs"},
    {.name = "warmup",
     .type = CLI_INTEGER,
     .argument = "EPOCHS",
     .help = "Let the learning rate rise to its value over so many epochs (default: 1 for train, else 0)",
     .maximum = 1e6},
    {.name = "weight-decay",
     .type = CLI_REAL,
     .argument = "X",
     .help = "Weight decay, instead of the optimizer's own",
     .minimum = 0,
     .maximum = 1e3},
    {.name = "loss",
     .type = CLI_CHOICE,
     .argument = "auto|cross_entropy|mse",
     .initial = "auto",
     .help = "Loss; auto takes cross_entropy for classes and mse for numbers"},
    {.name = "validation",
     .type = CLI_REAL,
     .argument = "FRACTION",
     .initial = "0",
     .help = "Part of the training rows set aside and measured after each epoch",
     .minimum = 0,
     .maximum = 0.9},
    {.name = "standardize",
     .type = CLI_FLAG,
     .initial = "yes",
     .help = "Shift and scale inputs (and real targets) by the statistics of the training rows; they are stored with "
             "the model"},
    {.name = "augment",
     .type = CLI_TEXT,
     .argument = "shift=N,flip",
     .help = "Shift pictures by up to N pixels and mirror them, differently in each step"},
    {.name = "checkpoint",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "Save the whole training state here after each epoch, and when interrupted"},
    {.name = "resume",
     .type = CLI_FLAG,
     .help = "Continue from --checkpoint; the other options must be those of the first run"},
    {.name = "log-every",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Report the loss every N steps; 0: never (default: 1 with --json, else only the progress line)"},
    {.name = "allow-host-fallback",
     .type = CLI_FLAG,
     .help = "Run ops that the device lacks on the host, through slow copies; counted and printed"},
    CLI_OPTIONS_END,
};

const cli_option train_job_step_options[] = {
    {.name = "checkpoint-every",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Save it every N steps as well; 0: only after each epoch"},
    {.name = "profile", .type = CLI_FLAG, .help = "Time every op and print the times; slower"},
    {.name = "explain", .type = CLI_FLAG, .help = "Print which kernel runs each op, and why"},
    {.name = "share",
     .type = CLI_TEXT,
     .argument = "N,...",
     .help = "With several devices: how many rows of each batch they take (default: by measured speed)"},
    CLI_OPTIONS_END,
};

/* Options that a resumed run must repeat. */
static const char *const fixed_settings[] = {
    "data", "limit",       "drop-missing", "inputs",       "targets", "seed",       "batch",       "optimizer",
    "lr",   "lr-schedule", "warmup",       "weight-decay", "loss",    "validation", "standardize", "augment"};
enum { FIXED_SETTING_COUNT = sizeof fixed_settings / sizeof fixed_settings[0] };

/* ---- data -------------------------------------------------------------------------------------------------------- */

/* Replaces *from by what is left after `fraction` of it went to *part, for validation. */
static auxo_status split_off(auxo_dataset **from, double fraction, uint64_t seed, auxo_dataset **part,
                             auxo_error *error)
{
    auxo_dataset *rest = NULL;
    bool stratified = (*from)->target_type == AUXO_TARGET_CLASS;
    auxo_status status = auxo_dataset_split(*from, fraction, seed, stratified, part, &rest, error);
    if (status != AUXO_OK)
        return status;
    auxo_dataset_destroy(*from);
    *from = rest;
    return AUXO_OK;
}

static auxo_status load_data(train_job *job, uint64_t seed, auxo_error *error)
{
    const double test_fraction = 0.2;
    auxo_status status = cli_data_load(job->context, seed, &job->train, &job->test, error);
    if (status == AUXO_OK && !job->test) {
        cli_note(job->context->output, "%s has no test split; a fifth of its rows, drawn by the seed, is kept for it",
                 job->train->name);
        status = auxo_dataset_hold_out(&job->train, test_fraction, seed, &job->test, error);
    }
    double fraction = cli_real(job->context->arguments, "validation");
    if (job->setup.validation > 0 && !cli_given(job->context->arguments, "validation"))
        fraction = job->setup.validation;
    if (status == AUXO_OK && fraction > 0)
        status = split_off(&job->train, fraction, seed + 1, &job->validation, error);
    if (status == AUXO_OK)
        status = cli_data_impute(job->context, job->train, job->validation, job->test, error);
    return status;
}

/* ---- training options -------------------------------------------------------------------------------------------- */

static auxo_status parse_augment(const char *text, auxo_augmentation *augmentation, auxo_error *error)
{
    char copy[128];
    char *items[8];
    if (!text)
        return AUXO_OK;
    snprintf(copy, sizeof copy, "%s", text);
    size_t count = cli_split_list(copy, items, 8);
    for (size_t i = 0; i < count; i++) {
        char *end = NULL;
        if (strcmp(items[i], "flip") == 0) {
            augmentation->flip = true;
        } else if (strncmp(items[i], "shift=", 6) == 0) {
            long pixels = strtol(items[i] + 6, &end, 10);
            if (end == items[i] + 6 || *end || pixels < 0 || pixels > 1024)
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--augment: \"%s\" is not a number of pixels",
                                      items[i] + 6);
            augmentation->max_shift_h = augmentation->max_shift_w = (int32_t)pixels;
        } else {
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--augment: \"%s\" is neither flip nor shift=N",
                                  items[i]);
        }
    }
    augmentation->enabled = true;
    return AUXO_OK;
}

static auxo_status parse_optimizer(train_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    auxo_optimizer_config *config = &job->options.optimizer;
    const char *text = cli_text(arguments, "optimizer");
    if (job->setup.optimizer && !cli_given(arguments, "optimizer"))
        text = job->setup.optimizer;
    auxo_status status = auxo_optimizer_config_parse(text, config, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "--optimizer");
    if (cli_given(arguments, "lr"))
        config->hyper[AUXO_HYPER_LR] = (float)cli_real(arguments, "lr");
    if (cli_given(arguments, "weight-decay"))
        config->hyper[AUXO_HYPER_WEIGHT_DECAY] = (float)cli_real(arguments, "weight-decay");
    auxo_optimizer_config_format(config, job->optimizer_text, sizeof job->optimizer_text);
    /* What --lr makes of it must be valid as a whole: stability of phs depends on the learning rate. */
    status = auxo_optimizer_config_parse(job->optimizer_text, config, error);
    return status == AUXO_OK ? AUXO_OK : auxo_error_wrap(error, status, "--optimizer with --lr");
}

static void on_step(void *user, const auxo_step_metrics *metrics)
{
    train_job *job = user;
    cli_output *output = job->context->output;
    train_history_add_step(&job->history, metrics);
    if (cli_given(job->context->arguments, "log-every"))
        cli_print(output, "step %" PRIu64 "  loss %.6f\n", metrics->step, metrics->loss);
    cJSON *event = cli_event(output, "step");
    cJSON_AddNumberToObject(event, "step", (double)metrics->step);
    cJSON_AddNumberToObject(event, "epoch", metrics->epoch);
    cJSON_AddNumberToObject(event, "loss", metrics->loss);
    cli_emit(output, event);
    cli_progress_update(&job->progress, metrics->step * job->options.batch, "epoch %u  loss %.4f", metrics->epoch,
                        metrics->loss);
}

static auxo_status read_options(train_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    static const auxo_loss_kind losses[] = {AUXO_LOSS_CROSS_ENTROPY, AUXO_LOSS_CROSS_ENTROPY, AUXO_LOSS_MSE};
    enum { PROGRESS_EVERY = 20 };
    bool json = cli_output_is_json(job->context->output);
    bool classes = job->train->target_type == AUXO_TARGET_CLASS;
    size_t loss = cli_choice(arguments, "loss");
    auxo_train_options *options = &job->options;
    options->loss = loss == 0 && !classes ? AUXO_LOSS_MSE : losses[loss];
    if (options->loss == AUXO_LOSS_CROSS_ENTROPY && !classes)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--loss cross_entropy needs classes, but %s has numbers",
                              job->train->name);
    options->batch = (uint32_t)cli_integer(arguments, "batch");
    options->seed = cli_integer(arguments, "seed");
    options->standardize = cli_flag(arguments, "standardize");
    options->profile = job->setup.step_options && cli_flag(arguments, "profile");
    options->allow_host_fallback = cli_flag(arguments, "allow-host-fallback");
    options->log_every = json ? 1 : PROGRESS_EVERY;
    if (cli_given(arguments, "log-every"))
        options->log_every = (uint32_t)cli_integer(arguments, "log-every");
    options->on_step = on_step;
    options->on_step_user = job;
    options->stop = job->context->stop;
    auxo_status status = parse_augment(cli_text(arguments, "augment"), &options->augmentation, error);
    if (status == AUXO_OK)
        status = parse_optimizer(job, error);
    if (status != AUXO_OK)
        return status;
    status = auxo_lr_schedule_parse(cli_text(arguments, "lr-schedule"), job->setup.schedule_begin,
                                    job->setup.schedule_end, &options->schedule, error);
    options->schedule.warmup_epochs =
        cli_given(arguments, "warmup") ? (uint32_t)cli_integer(arguments, "warmup") : job->setup.warmup_epochs;
    return status == AUXO_OK ? AUXO_OK : auxo_error_wrap(error, status, "--lr-schedule");
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

/* The rows that each of several devices takes: a resumed run must divide its batches in the same way. */
static void describe_shares(const train_job *job, cJSON *root)
{
    uint32_t rows[CLI_HELPERS_MAX + 1];
    const size_t count = auxo_trainer_shares(job->trainer, rows, CLI_HELPERS_MAX + 1);
    cJSON *shares = count > 1 && rows[0] > 0 ? cJSON_AddArrayToObject(root, "shares") : NULL;
    for (size_t i = 0; shares && i < count; i++)
        cJSON_AddItemToArray(shares, cJSON_CreateNumber(rows[i]));
}

/* Other devices than before, or a --share: what was saved does not count. */
static auxo_status restore_shares(train_job *job, const cJSON *shares, auxo_error *error)
{
    uint32_t rows[CLI_HELPERS_MAX + 1];
    const size_t count = (size_t)cJSON_GetArraySize(shares);
    if (job->options.shares || count != job->helper_count + 1 || count == 1)
        return AUXO_OK;
    for (size_t i = 0; i < count; i++) {
        const cJSON *item = cJSON_GetArrayItem(shares, (int)i);
        rows[i] = cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint32_t)item->valuedouble : 0;
    }
    return auxo_trainer_set_shares(job->trainer, rows, count, error);
}

static char *describe(train_job *job, auxo_error *error)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *settings = cJSON_AddObjectToObject(root, "settings");
    for (size_t i = 0; i < FIXED_SETTING_COUNT; i++) {
        const char *text = cli_text(job->context->arguments, fixed_settings[i]);
        cJSON_AddStringToObject(settings, fixed_settings[i], text ? text : "");
    }
    cJSON_AddItemToObject(root, "epochs", train_history_to_json(&job->history));
    describe_shares(job, root);
    auxo_status status = job->setup.describe_extra ? job->setup.describe_extra(job->setup.user, root, error) : AUXO_OK;
    char *text = status == AUXO_OK ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (!text && status == AUXO_OK)
        auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory while writing a checkpoint");
    return text;
}

auxo_status train_job_save(train_job *job, auxo_error *error)
{
    const char *path = cli_text(job->context->arguments, "checkpoint");
    if (!path || job->saved_step == auxo_trainer_step(job->trainer))
        return AUXO_OK;
    char *extra = describe(job, error);
    if (!extra)
        return AUXO_OUT_OF_MEMORY;
    auxo_status status = auxo_trainer_save(job->trainer, path, extra, error);
    cJSON_free(extra);
    if (status != AUXO_OK)
        return status;
    job->saved_step = auxo_trainer_step(job->trainer);
    cJSON *event = cli_event(job->context->output, "checkpoint");
    cJSON_AddStringToObject(event, "path", path);
    cJSON_AddNumberToObject(event, "step", (double)auxo_trainer_step(job->trainer));
    cli_emit(job->context->output, event);
    return AUXO_OK;
}

static auxo_status compare_settings(const train_job *job, const cJSON *settings, const char *path, auxo_error *error)
{
    for (size_t i = 0; i < FIXED_SETTING_COUNT; i++) {
        const char *text = cli_text(job->context->arguments, fixed_settings[i]);
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(settings, fixed_settings[i]);
        const char *saved = cJSON_IsString(item) ? item->valuestring : "";
        if (strcmp(saved, text ? text : "") != 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "--resume: %s was made with --%s \"%s\", not \"%s\"; give the same options", path,
                                  fixed_settings[i], saved, text ? text : "");
    }
    return AUXO_OK;
}

static auxo_status restore(train_job *job, const char *path, auxo_error *error)
{
    char *extra = NULL;
    auxo_status status = auxo_trainer_restore(job->trainer, path, &extra, error);
    cJSON *root = status == AUXO_OK && extra ? cJSON_Parse(extra) : NULL;
    if (status == AUXO_OK && !root)
        status = auxo_error_set(error, AUXO_FORMAT, "--resume: %s was not written by auxo train", path);
    if (status == AUXO_OK)
        status = compare_settings(job, cJSON_GetObjectItemCaseSensitive(root, "settings"), path, error);
    if (status == AUXO_OK)
        status = train_history_from_json(&job->history, cJSON_GetObjectItemCaseSensitive(root, "epochs"), error);
    if (status == AUXO_OK)
        status = restore_shares(job, cJSON_GetObjectItemCaseSensitive(root, "shares"), error);
    if (status == AUXO_OK && job->setup.restore_extra)
        status = job->setup.restore_extra(job->setup.user, root, error);
    cJSON_Delete(root);
    free(extra);
    job->first_step = job->saved_step = status == AUXO_OK ? auxo_trainer_step(job->trainer) : 0;
    return status;
}

/* The checkpoint to continue from; NULL: start anew. */
static auxo_status find_checkpoint(const train_job *job, const char **path, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    const char *checkpoint = cli_text(arguments, "checkpoint");
    *path = NULL;
    if (cli_flag(arguments, "resume")) {
        if (!checkpoint)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--resume needs --checkpoint FILE to continue from");
        /* A crash may leave the first state without its model under the final name: the state is the commit. */
        char state[1100];
        snprintf(state, sizeof state, "%s.state", checkpoint);
        if (access(checkpoint, F_OK) == 0 || access(state, F_OK) == 0)
            *path = checkpoint;
        else
            cli_note(job->context->output, "no checkpoint at %s yet; starting at step 1", checkpoint);
    }
    return cli_check_writable("checkpoint", checkpoint, error);
}

/* ---- devices ----------------------------------------------------------------------------------------------------- */

static auxo_status check_distinct(const train_job *job, auxo_error *error)
{
    const char *last = auxo_device_get_info(job->helpers[job->helper_count - 1])->selector;
    const char *other = auxo_device_get_info(job->session.device)->selector;
    for (size_t i = 0; i < job->helper_count; i++) {
        if (strcmp(last, other) == 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--device: %s is named twice", last);
        other = auxo_device_get_info(job->helpers[i])->selector;
    }
    return AUXO_OK;
}

/* --share: as many numbers as devices; what they mean is checked by the trainer. */
static auxo_status parse_shares(train_job *job, const char *list, auxo_error *error)
{
    char text[512], *items[CLI_HELPERS_MAX + 2];
    snprintf(text, sizeof text, "%s", list);
    const size_t count = cli_split_list(text, items, CLI_HELPERS_MAX + 2);
    if (count != job->helper_count + 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--share has %zu numbers for %zu devices", count,
                              job->helper_count + 1);
    for (size_t i = 0; i < count; i++) {
        char *end = NULL;
        const unsigned long rows = strtoul(items[i], &end, 10);
        if (end == items[i] || *end || rows == 0 || rows > UINT32_MAX || items[i][0] == '-')
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--share: \"%s\" is not a number of rows", items[i]);
        job->shares[i] = (uint32_t)rows;
    }
    job->options.shares = job->shares;
    return AUXO_OK;
}

/* The devices of --device; more than one only where the command knows --share. */
static auxo_status open_devices(train_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    char text[512], *selectors[CLI_HELPERS_MAX + 2];
    if (!job->setup.step_options)
        return cli_session_open(job->context, &job->session, error);
    snprintf(text, sizeof text, "%s", cli_text(arguments, "device"));
    const size_t count = cli_split_list(text, selectors, CLI_HELPERS_MAX + 2);
    if (count > CLI_HELPERS_MAX + 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--device: at most %d devices train together",
                              CLI_HELPERS_MAX + 1);
    auxo_status status = cli_session_open_device(job->context, count ? selectors[0] : cli_text(arguments, "device"),
                                                 &job->session, error);
    for (size_t i = 1; i < count && status == AUXO_OK; i++) {
        status = auxo_device_open(job->session.runtime, selectors[i], &job->helpers[job->helper_count], error);
        job->helper_count += status == AUXO_OK;
        if (status == AUXO_OK)
            status = check_distinct(job, error);
    }
    job->options.helpers = job->helpers;
    job->options.helper_count = job->helper_count;
    const char *share = cli_text(arguments, "share");
    return status == AUXO_OK && share ? parse_shares(job, share, error) : status;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

auxo_status train_job_open_data(const cli_context *context, const train_job_setup *setup, train_job *job,
                                auxo_error *error)
{
    *job = (train_job){.context = context, .setup = *setup};
    auxo_status status = load_data(job, cli_integer(context->arguments, "seed"), error);
    if (status == AUXO_OK)
        status = read_options(job, error);
    if (status == AUXO_OK)
        status = open_devices(job, error);
    return status;
}

auxo_status train_job_open(const cli_context *context, const train_job_setup *setup, train_job *job, auxo_error *error)
{
    *job = (train_job){.context = context, .setup = *setup};
    const char *resumed = NULL;
    uint64_t seed = cli_integer(context->arguments, "seed");
    auxo_status status = find_checkpoint(job, &resumed, error);
    if (status == AUXO_OK)
        status = train_job_open_data(context, setup, job, error);
    const char *model = resumed ? resumed : cli_text(context->arguments, "model");
    if (!resumed && setup->model && !cli_given(context->arguments, "model"))
        model = setup->model;
    if (status == AUXO_OK && resumed)
        status = auxo_model_load(job->session.device, model, &job->model, error);
    else if (status == AUXO_OK)
        status = cli_model_open(job->session.device, model, job->train, seed, &job->model, error);
    if (status == AUXO_OK)
        status = cli_model_check_data(job->model, job->train, error);
    if (status == AUXO_OK)
        status = auxo_model_set_data_schema(job->model, auxo_dataset_schema(job->train), error);
    if (status == AUXO_OK && setup->prepare)
        status = setup->prepare(setup->user, job, error);
    if (status == AUXO_OK)
        status = auxo_trainer_create(job->model, job->train, job->validation, &job->options, &job->trainer, error);
    if (status == AUXO_OK && resumed)
        status = restore(job, resumed, error);
    return status;
}

void train_job_close(train_job *job)
{
    auxo_trainer_destroy(job->trainer);
    auxo_model_destroy(job->model);
    for (size_t i = 0; i < job->helper_count; i++)
        auxo_device_close(job->helpers[i]);
    cli_session_close(&job->session);
    auxo_dataset_destroy(job->train);
    auxo_dataset_destroy(job->validation);
    auxo_dataset_destroy(job->test);
    train_history_deinit(&job->history);
    *job = (train_job){0};
}

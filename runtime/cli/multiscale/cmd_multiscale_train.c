/* runtime/cli/multiscale/cmd_multiscale_train.c: auxo multiscale train: one run (or the best of several starts), with
 * progress, checkpoints and the report.
 */
#include "cli_text.h"
#include "multiscale_checkpoint.h"
#include "multiscale_run.h"

#include <math.h>
#include <stdlib.h>

static const cli_option train_options[] = {
    {.name = "order",
     .type = CLI_CHOICE,
     .argument = "first|second|none",
     .initial = "first",
     .help = "What selects the layer to train; none: end-to-end backpropagation"},
    {.name = "starts",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Run from this many starting points and keep the network with the lowest training loss",
     .minimum = 1,
     .maximum = 10000},
    {.name = "save", .type = CLI_TEXT, .argument = "FILE", .help = "Write the trained network here (safetensors)"},
    {.name = "checkpoint",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "Keep a checkpoint here (with its weights in FILE.N.safetensors), one start only"},
    {.name = "checkpoint-every",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Iterations between checkpoints",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "resume", .type = CLI_FLAG, .help = "Go on from --checkpoint if it exists"},
    {.name = "report", .type = CLI_TEXT, .argument = "FILE.html", .help = "Write the pictures as one HTML file"},
    CLI_OPTIONS_END,
};

typedef struct train_run {
    multiscale_job job;
    multiscale_run run;
    auxo_model *model;
    auxo_multiscale *multiscale;
    float *initial_weights;
    char settings[1024];
    cli_progress progress;
} train_run;

static void emit_iteration(cli_output *output, const auxo_multiscale_iteration *it)
{
    cJSON *event = cli_event(output, "iteration");
    cJSON_AddNumberToObject(event, "iteration", it->iteration);
    cJSON_AddNumberToObject(event, "layer_begin", it->layer_begin);
    cJSON_AddNumberToObject(event, "layer_end", it->layer_end);
    cJSON_AddNumberToObject(event, "epochs", it->epochs);
    cJSON_AddNumberToObject(event, "loss", it->loss);
    cJSON_AddNumberToObject(event, "layer_gradient_max", it->layer_gradient_max);
    cJSON_AddNumberToObject(event, "network_gradient_max", it->network_gradient_max);
    cJSON_AddNumberToObject(event, "selection_seconds", it->selection_seconds);
    cJSON_AddNumberToObject(event, "training_seconds", it->training_seconds);
    cli_emit(output, event);
}

static auxo_status on_iteration(void *user, auxo_multiscale *multiscale, const auxo_multiscale_iteration *it,
                                auxo_error *error)
{
    train_run *train = user;
    const cli_context *context = train->job.context;
    emit_iteration(context->output, it);
    cli_progress_update(&train->progress, it->iteration, "layer %u  loss %.5f", it->layer_begin + 1, it->loss);
    const char *path = cli_text(context->arguments, "checkpoint");
    if (!path || it->iteration % cli_integer(context->arguments, "checkpoint-every") != 0)
        return AUXO_OK;
    return multiscale_checkpoint_save(path, &train->job, train->settings, train->model, multiscale, error);
}

static void close_start(train_run *train)
{
    auxo_multiscale_destroy(train->multiscale);
    auxo_model_destroy(train->model);
    multiscale_run_deinit(&train->run);
    free(train->initial_weights);
    train->multiscale = NULL;
    train->model = NULL;
    train->initial_weights = NULL;
}

/* Model, multi-scale object and, under --resume, what the checkpoint holds. */
static auxo_status open_start(train_run *train, uint64_t seed, auxo_error *error)
{
    const cli_arguments *arguments = train->job.context->arguments;
    const char *path = cli_text(arguments, "checkpoint");
    bool resume = cli_flag(arguments, "resume");
    uint32_t iteration = 0;
    auxo_status status = AUXO_OK;
    if (resume) {
        auxo_error missing = {0};
        status = multiscale_checkpoint_load(path, &train->job, train->settings, &train->model, &iteration, &missing);
        resume = status == AUXO_OK;
        if (status == AUXO_NOT_FOUND && !train->model)
            status = AUXO_OK;
        else if (status != AUXO_OK)
            return auxo_error_set(error, status, "%s", missing.message);
    }
    if (status == AUXO_OK && !train->model)
        status = multiscale_job_model(&train->job, NULL, seed, &train->model, error);
    if (status == AUXO_OK)
        status = auxo_multiscale_create(train->model, train->job.train, train->job.test, &train->run.options,
                                        &train->multiscale, error);
    if (status == AUXO_OK && resume) {
        status = multiscale_checkpoint_restore(path, iteration, train->model, train->multiscale, error);
        cli_note(train->job.context->output, "resumed after iteration %u", iteration);
    }
    if (status != AUXO_OK)
        return status;
    train->initial_weights = malloc(auxo_model_weight_count(train->model) * sizeof(float));
    if (!train->initial_weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "starting weights: out of memory");
    return auxo_buffer_read(auxo_model_queue(train->model), auxo_model_weights(train->model), 0, train->initial_weights,
                            auxo_model_weight_count(train->model) * sizeof(float), error);
}

static auxo_status run_start(train_run *train, uint64_t seed, auxo_error *error)
{
    const cli_context *context = train->job.context;
    train->run = (multiscale_run){.job = &train->job,
                                  .options = train->job.options,
                                  .keep_sensitivities = cli_text(context->arguments, "report") != NULL,
                                  .on_iteration = on_iteration,
                                  .user = train};
    train->run.options.seed = seed;
    auxo_status status = open_start(train, seed, error);
    if (status != AUXO_OK)
        return status;
    if (auxo_multiscale_is_degenerate(train->multiscale))
        cli_note(context->output, "without bias and with positively homogeneous activations all layers are equally "
                                  "sensitive: selection is uniform");
    cli_progress_begin(&train->progress, context->output, "iterations",
                       auxo_multiscale_iteration_count(train->multiscale), train->run.options.iterations);
    status = multiscale_run_execute(&train->run, train->multiscale, error);
    const char *path = cli_text(context->arguments, "checkpoint");
    if (status == AUXO_OK && path)
        status = multiscale_checkpoint_save(path, &train->job, train->settings, train->model, train->multiscale, error);
    return status;
}

/* Keeps the better of `best` and `candidate` in `best`. */
static void keep_better(train_run *best, train_run *candidate)
{
    if (best->model && !(candidate->run.outcome.train_loss < best->run.outcome.train_loss)) {
        close_start(candidate);
        return;
    }
    close_start(best);
    best->model = candidate->model;
    best->multiscale = candidate->multiscale;
    best->run = candidate->run;
    best->initial_weights = candidate->initial_weights;
    candidate->model = NULL;
    candidate->multiscale = NULL;
    candidate->initial_weights = NULL;
    candidate->run.history = (multiscale_history){0};
}

static auxo_status run_starts(train_run *train, train_run *best, auxo_error *error)
{
    const cli_arguments *arguments = train->job.context->arguments;
    uint64_t starts = cli_integer(arguments, "starts"), seed = train->job.options.seed;
    if (starts > 1 && cli_text(arguments, "checkpoint"))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--checkpoint goes with one start, not --starts %llu",
                              (unsigned long long)starts);
    if (cli_flag(arguments, "resume") && !cli_text(arguments, "checkpoint"))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--resume needs --checkpoint FILE");
    auxo_status status = AUXO_OK;
    for (uint64_t s = 0; s < starts && status == AUXO_OK; s++) {
        status = run_start(train, seed + s, error);
        if (status == AUXO_OK && starts > 1)
            cli_print(train->job.context->output, "start %llu: training loss %.6f\n", (unsigned long long)(s + 1),
                      train->run.outcome.train_loss);
        if (status == AUXO_OK) {
            bool interrupted = train->run.outcome.interrupted;
            keep_better(best, train);
            if (interrupted)
                break;
        }
    }
    return status;
}

static auxo_status write_outputs(const train_run *train, train_run *best, auxo_error *error)
{
    const cli_context *context = train->job.context;
    const char *save = cli_text(context->arguments, "save"), *path = cli_text(context->arguments, "report");
    auxo_status status = auxo_model_set_data_schema(best->model, auxo_dataset_schema(train->job.train), error);
    if (status == AUXO_OK && save)
        status = auxo_model_save(best->model, save, error);
    if (status != AUXO_OK || !path)
        return status;
    auxo_report *report = NULL;
    status = auxo_report_create("Hierarchical multi-scale training", &report, error);
    if (status != AUXO_OK)
        return status;
    const auxo_device_info *info = auxo_device_get_info(train->job.session.device);
    auxo_report_text(report, "%s. Device %s (%s). Training loss %.6g, test loss %.6g after %u iterations.",
                     train->settings, info->selector, info->name, best->run.outcome.train_loss,
                     best->run.outcome.test_loss, best->run.outcome.iterations);
    status = multiscale_report_run(report, &best->run, auxo_multiscale_tree(best->multiscale), best->model,
                                   best->initial_weights, error);
    if (status == AUXO_OK)
        status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}

static auxo_status present(const train_run *train, const train_run *best, auxo_error *error)
{
    cli_output *output = train->job.context->output;
    const multiscale_outcome *o = &best->run.outcome;
    double constant, linear;
    auxo_status status = auxo_baseline_losses(train->job.train, train->job.test, train->job.options.standardize,
                                              &constant, &linear, error);
    if (status != AUXO_OK)
        return status;
    cli_print(output, "%s after %u iterations, %.0f epochs: training loss %.6f, test loss %.6f\n",
              o->converged     ? "converged"
              : o->interrupted ? "interrupted"
                               : "stopped",
              o->iterations, o->total_epochs, o->train_loss, o->test_loss);
    cli_print(output, "constant predictor %.6f, ", constant);
    if (isfinite(linear)) /* there is none for classes */
        cli_print(output, "linear least squares %.6f; ", linear);
    cli_print(output, "selection %.3f s, training %.3f s\n", o->selection_seconds, o->training_seconds);
    cJSON *result = cli_event(output, "result");
    cJSON_AddNumberToObject(result, "train_loss", o->train_loss);
    cJSON_AddNumberToObject(result, "test_loss", o->test_loss);
    cJSON_AddNumberToObject(result, "constant_loss", constant);
    cJSON_AddNumberToObject(result, "linear_loss", linear);
    cJSON_AddNumberToObject(result, "iterations", o->iterations);
    cJSON_AddNumberToObject(result, "epochs", o->total_epochs);
    cJSON_AddNumberToObject(result, "selection_seconds", o->selection_seconds);
    cJSON_AddNumberToObject(result, "training_seconds", o->training_seconds);
    cJSON_AddBoolToObject(result, "converged", o->converged);
    cJSON_AddStringToObject(result, "engine", auxo_multiscale_engine(best->multiscale));
    cli_emit(output, result);
    return o->interrupted ? auxo_error_set(error, AUXO_INTERRUPTED, "interrupted after %u iterations", o->iterations)
                          : AUXO_OK;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    static const auxo_multiscale_order orders[] = {AUXO_MULTISCALE_FIRST, AUXO_MULTISCALE_SECOND,
                                                   AUXO_MULTISCALE_BACKPROPAGATION};
    const char *const paths[] = {"save", "report", "checkpoint"};
    train_run train = {0}, best = {0};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && status == AUXO_OK; i++)
        status = cli_check_writable(paths[i], cli_text(context->arguments, paths[i]), error);
    if (status == AUXO_OK)
        status = multiscale_job_open(context, &train.job, error);
    if (status == AUXO_OK) {
        train.job.options.order = orders[cli_choice(context->arguments, "order")];
        if (train.job.options.order == AUXO_MULTISCALE_BACKPROPAGATION && !cli_given(context->arguments, "epochs"))
            train.job.options.epochs = train.job.backprop_epochs;
        multiscale_checkpoint_settings(&train.job, train.settings, sizeof train.settings);
        status = run_starts(&train, &best, error);
    }
    if (status == AUXO_OK)
        status = write_outputs(&train, &best, error);
    if (status == AUXO_OK)
        status = present(&train, &best, error);
    close_start(&best);
    close_start(&train);
    multiscale_job_close(&train.job);
    return status;
}

static const cli_option *const options[] = {
    multiscale_data_options, train_options,    multiscale_training_options, multiscale_selection_options,
    cli_device_options,      cli_seed_options, cli_common_options,          NULL};

const cli_command cli_command_multiscale_train = {
    .name = "multiscale train",
    .summary = "train the most sensitive layer, again and again",
    .description =
        "Hierarchical multi-scale training: take the sensitivity of the loss to every block of layers, walk the binary "
        "tree of blocks at random in proportion to it, train only the layer where the walk ends until its gradient is "
        "small, and repeat until the gradient of the whole network is. --order second weighs the branches by the mean "
        "gradient of a quadratic model; --order none is end-to-end backpropagation, the baseline.",
    .events = "{\"event\":\"iteration\",\"iteration\":..,\"layer_begin\":..,\"epochs\":..,\"loss\":..,..}\n"
              "{\"event\":\"result\",\"train_loss\":..,\"test_loss\":..,\"iterations\":..,\"selection_seconds\":..,..}",
    .examples = "auxo multiscale train --preset table5 --report run.html\n"
                "auxo multiscale train --preset aep --order second --device vulkan:0\n"
                "auxo multiscale train --preset table8 --checkpoint run.json --resume",
    .options = options,
    .run = run,
};

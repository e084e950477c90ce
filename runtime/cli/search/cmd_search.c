/* runtime/cli/search/cmd_search.c: auxo search: steps until an end or an interrupt; the best model is the result. */
#include "cli_text.h"
#include "search_run.h"
#include "sizing_evaluate.h"

#include <inttypes.h>
#include <math.h>

static auxo_status open_search(search_run *run, auxo_error *error)
{
    const auxo_dataset *data = run->job.train;
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_status status = auxo_model_desc_load(search_model_name(run), data->channels, data->height, data->width,
                                              cli_data_output_count(data), &desc, error);
    if (status == AUXO_OK)
        status = auxo_search_create(run->job.session.device, &desc, data, run->job.validation, &run->options,
                                    &run->search, error);
    auxo_model_desc_deinit(&desc);
    return status == AUXO_OK ? search_checkpoint_load(run, error) : status;
}

static void report_start(const search_run *run)
{
    cli_output *output = run->job.context->output;
    const auxo_device_info *info = auxo_device_get_info(run->job.session.device);
    const auxo_search_options *options = &run->options;
    const bool genetic = options->method == AUXO_SEARCH_GENETIC;
    size_t count;
    auxo_search_records(run->search, &count);
    cli_print(output, "%s: %zu rows, %zu to validate; %s search of %s; %s (%s)\n", run->job.train->name,
              run->job.train->row_count, run->job.validation->row_count, search_method_name(run),
              genetic ? "fully connected networks" : search_model_name(run), info->selector, info->name);
    if (count > 0)
        cli_print(output, "resumed after %zu models\n", count);
    if (options->time_limit <= 0 && options->evaluation_limit == 0 && options->generation_limit == 0)
        cli_note(output, "no --time-limit, --evaluations or --generations: runs until it is interrupted");
    cJSON *event = cli_event(output, "start");
    cJSON_AddStringToObject(event, "method", search_method_name(run));
    cJSON_AddStringToObject(event, "data", run->job.train->name);
    cJSON_AddNumberToObject(event, "rows", (double)run->job.train->row_count);
    cJSON_AddNumberToObject(event, "validation_rows", (double)run->job.validation->row_count);
    cJSON_AddStringToObject(event, "device", info->selector);
    cJSON_AddNumberToObject(event, "resumed_evaluations", (double)count);
    cli_emit(output, event);
}

static auxo_status run_steps(search_run *run, auxo_error *error)
{
    size_t epochs;
    auxo_search_trace(run->search, &epochs);
    cli_progress_begin(&run->progress, run->job.context->output, "epochs", epochs, 0);
    bool done = false;
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && !done) {
        const uint64_t steps = auxo_search_step_count(run->search);
        status = auxo_search_step(run->search, &done, error);
        search_report_new(run);
        /* What was cut off is not saved: it is done again under --resume, to the same numbers. */
        if (status == AUXO_OK && auxo_search_step_count(run->search) > steps)
            status = search_checkpoint_save(run, error);
    }
    return status;
}

/* The test split is measured once, on the best model. */
static auxo_status finish(search_run *run, auxo_error *error)
{
    const cli_arguments *arguments = run->job.context->arguments;
    auxo_model *best = auxo_search_best(run->search);
    if (!best)
        return auxo_error_set(error, AUXO_INTERRUPTED, "the search ended before the first epoch of a model did");
    auxo_status status = auxo_model_set_data_schema(best, auxo_dataset_schema(run->job.train), error);
    if (status == AUXO_OK && cli_text(arguments, "save"))
        status = auxo_model_save(best, cli_text(arguments, "save"), error);
    if (status == AUXO_OK && cli_text(arguments, "trace"))
        status = search_trace_write(run, cli_text(arguments, "trace"), error);
    if (status == AUXO_OK)
        status = sizing_evaluate(&run->job, best, &run->test, error);
    if (status == AUXO_OK && cli_text(arguments, "report"))
        status = search_report_write(run, cli_text(arguments, "report"), error);
    if (status == AUXO_OK)
        search_report_result(run);
    return status;
}

static auxo_status check_outputs(const cli_arguments *arguments, auxo_error *error)
{
    static const char *const names[] = {"save", "trace", "report"};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == AUXO_OK; i++)
        status = cli_check_writable(names[i], cli_text(arguments, names[i]), error);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    search_run run = {.test = {NAN, NAN, 0}};
    const train_job_setup setup = {.optimizer = "adam", .validation = 0.2};
    auxo_error ended = {AUXO_OK, ""};
    auxo_status status = check_outputs(context->arguments, error);
    if (status == AUXO_OK)
        status = train_job_open_data(context, &setup, &run.job, error);
    if (status == AUXO_OK && !run.job.validation)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "--validation 0: search chooses by validation results and needs some rows for them");
    if (status == AUXO_OK) {
        run.classes = run.job.options.loss == AUXO_LOSS_CROSS_ENTROPY;
        status = search_options_read(&run, error);
    }
    if (status == AUXO_OK)
        status = open_search(&run, error);
    if (status == AUXO_OK) {
        report_start(&run);
        const auxo_status end = run_steps(&run, &ended);
        status = end == AUXO_OK || auxo_search_best(run.search) ? finish(&run, error) : AUXO_OK;
        if (status == AUXO_OK && end != AUXO_OK)
            status = auxo_error_set(error, end, "%s", ended.message);
    }
    auxo_search_destroy(run.search);
    train_job_close(&run.job);
    return status;
}

static const cli_option *const options[] = {search_options,     cli_data_options, cli_model_options,  train_job_options,
                                            cli_device_options, cli_seed_options, cli_common_options, NULL};

const cli_command cli_command_search = {
    .name = "search",
    .summary = "search hyperparameters and networks, with a trained model at any moment",
    .description =
        "Anytime learning and genetic tuning: train models under hyperparameters that a method chooses, judge them on "
        "validation rows after every epoch, and keep the best of all epochs. Stopped at any moment, by an interrupt "
        "or by --time-limit, --evaluations or --generations, the search has that model to show: it is measured once on "
        "the test split, and saved under --save.\n\n"
        "random trains independent draws until they stall. grid refines a grid level by level, each in random order. "
        "growth trains networks that size themselves and lets their penalty fall when they stall. evolution keeps a "
        "population of such networks in training, under hyperparameters that mutate. genetic breeds fully connected "
        "networks: batch size, layers, units and activations, each trained from scratch; a network without hidden "
        "layer is the baseline. No genome is trained twice (evolution aside, whose models go on).\n\n"
        "--checkpoint FILE saves the search after each model (evolution: each generation); --resume goes on from there "
        "to the same numbers on the same device.",
    .events = "{\"event\":\"start\",\"method\":..,\"data\":..,\"rows\":..,\"validation_rows\":..,\"device\":..,..}\n"
              "{\"event\":\"epoch\",\"evaluation\":1,\"epoch\":1,\"quality\":..,\"best\":..,\"seconds\":..}\n"
              "{\"event\":\"baseline\",..}  genetic; the fields of evaluation\n"
              "{\"event\":\"evaluation\",\"number\":1,\"generation\":0,\"genome\":..,\"quality\":..,\"val_loss\":..,\n"
              " \"epochs\":..,\"age\":..,\"weights\":..,\"seconds\":..}\n"
              "{\"event\":\"checkpoint\",\"path\":..}\n"
              "{\"event\":\"result\",\"method\":..,\"genome\":..,\"quality\":..,\"test_accuracy\":..,\"weights\":..,\n"
              " \"evaluations\":..,\"epochs\":..,\"seconds\":..,..}\n"
              "quality is the validation accuracy, or minus the validation RMSE of real targets.",
    .examples = "auxo search --data mnist --limit 1500 --time-limit 5m --save best.safetensors --report search.html\n"
                "auxo search --method grid --networks dynamic --data fashion-mnist --limit 1500 --evaluations 40\n"
                "auxo search --method evolution --data cifar-10 --limit 1250 --checkpoint e.json --resume\n"
                "auxo search --method genetic --data mnist --time-limit 1h --device opencl:0",
    .options = options,
    .run = run,
};

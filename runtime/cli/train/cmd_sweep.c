/* runtime/cli/train/cmd_sweep.c: auxo sweep: several optimisers, several seeds each, measured on the test split after
 * every epoch; the tables of the port-Hamiltonian chapter.
 */
#include "cli_model.h"
#include "sweep_log.h"
#include "sweep_report.h"
#include "sweep_rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option sweep_options[] = {
    {.name = "seeds",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "3",
     .help = "Runs per optimiser, with the seeds --seed, --seed + 1, ...",
     .minimum = 1,
     .maximum = 1000},
    {.name = "epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Epochs per run",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "64",
     .help = "Rows per step",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "out",
     .type = CLI_TEXT,
     .argument = "FILE.csv",
     .help = "Write every epoch here after each run; runs that the file has already are not repeated"},
    {.name = "report", .type = CLI_TEXT, .argument = "FILE.html", .help = "Write table and curves as HTML"},
    CLI_OPTIONS_END,
};

typedef struct sweep_job {
    const cli_context *context;
    cli_session session;
    auxo_dataset *train, *test;
    sweep_rows rows;
    sweep_log log;
    char setting[256]; /* what all runs have in common */
} sweep_job;

static auxo_status open_job(sweep_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    auxo_status status = sweep_rows_read(job->context, &job->rows, error);
    if (status == AUXO_OK)
        status = cli_check_writable("out", cli_text(arguments, "out"), error);
    if (status == AUXO_OK)
        status = cli_check_writable("report", cli_text(arguments, "report"), error);
    if (status != AUXO_OK)
        return status;
    bool own = cli_given(arguments, "data") || !job->rows.data;
    const char *data = own ? cli_text(arguments, "data") : job->rows.data;
    snprintf(job->setting, sizeof job->setting, "data %s, limit %" PRIu64 ", model %s, batch %" PRIu64, data,
             cli_integer(arguments, "limit"), cli_text(arguments, "model"), cli_integer(arguments, "batch"));
    if (cli_text(arguments, "out"))
        status = sweep_log_read(&job->log, cli_text(arguments, "out"), job->setting, error);
    if (status == AUXO_OK)
        status =
            cli_data_load_named(job->context, data, cli_integer(arguments, "seed"), &job->train, &job->test, error);
    if (status == AUXO_OK && (job->train->target_type != AUXO_TARGET_CLASS || !job->test))
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: a sweep needs classes and a test split", data);
    return status == AUXO_OK ? cli_session_open(job->context, &job->session, error) : status;
}

static void close_job(sweep_job *job)
{
    sweep_log_deinit(&job->log);
    free(job->rows.rows);
    cli_session_close(&job->session);
    auxo_dataset_destroy(job->train);
    auxo_dataset_destroy(job->test);
}

static void report_epoch(const sweep_job *job, const sweep_row *row, const sweep_epoch *epoch)
{
    cli_print(job->context->output, "row %u seed %" PRIu64 " epoch %u  loss %.5f  test accuracy %.2f %%%s\n",
              row->number, epoch->seed, epoch->epoch, epoch->train_loss, 100 * epoch->test_accuracy,
              epoch->braked ? "  braked" : "");
    cJSON *event = cli_event(job->context->output, "epoch");
    cJSON_AddNumberToObject(event, "row", row->number);
    cJSON_AddNumberToObject(event, "seed", (double)epoch->seed);
    cJSON_AddNumberToObject(event, "epoch", epoch->epoch);
    cJSON_AddNumberToObject(event, "train_loss", epoch->train_loss);
    cJSON_AddNumberToObject(event, "test_loss", epoch->test_loss);
    cJSON_AddNumberToObject(event, "test_accuracy", epoch->test_accuracy);
    cJSON_AddBoolToObject(event, "braked", epoch->braked);
    cli_emit(job->context->output, event);
}

/* One epoch, measured. A loss that is not finite makes *epoch one of NaN, and is no failure of the sweep. */
static auxo_status run_epoch(const sweep_job *job, auxo_trainer *trainer, sweep_epoch *epoch, bool *diverged,
                             auxo_error *error)
{
    bool finished = false;
    auxo_epoch_metrics metrics = {0};
    auxo_evaluation evaluation = {0};
    auxo_status status = auxo_trainer_run(trainer, 0, &finished, &metrics, error);
    *diverged = status == AUXO_NOT_FINITE;
    if (status == AUXO_OK)
        status = auxo_trainer_evaluate(trainer, job->test, &evaluation, error);
    if (status != AUXO_OK && !*diverged)
        return status;
    double nan = (double)NAN;
    epoch->train_loss = *diverged ? nan : metrics.train_loss;
    epoch->train_accuracy = *diverged ? nan : metrics.train_accuracy;
    epoch->test_loss = *diverged ? nan : evaluation.loss;
    epoch->test_accuracy = *diverged ? nan : evaluation.accuracy;
    epoch->kinetic_energy = *diverged ? nan : metrics.kinetic_energy;
    epoch->seconds = metrics.seconds;
    epoch->braked = metrics.braked;
    return AUXO_OK;
}

static auxo_status run_one(sweep_job *job, const sweep_row *row, uint64_t seed, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    auxo_model *model = NULL;
    auxo_trainer *trainer = NULL;
    sweep_log run = {0};
    auxo_train_options options = {.loss = AUXO_LOSS_CROSS_ENTROPY,
                                  .batch = (uint32_t)cli_integer(arguments, "batch"),
                                  .seed = seed,
                                  .standardize = true,
                                  .stop = job->context->stop};
    auxo_status status = auxo_optimizer_config_parse(row->optimizer, &options.optimizer, error);
    if (status == AUXO_OK)
        status = cli_model_open(job->session.device, cli_text(arguments, "model"), job->train, seed, &model, error);
    if (status == AUXO_OK)
        status = auxo_trainer_create(model, job->train, NULL, &options, &trainer, error);
    bool diverged = false;
    for (uint32_t e = 1; e <= cli_integer(arguments, "epochs") && status == AUXO_OK && !diverged; e++) {
        sweep_epoch epoch = {.seed = seed, .epoch = e};
        snprintf(epoch.optimizer, sizeof epoch.optimizer, "%s", row->optimizer);
        status = run_epoch(job, trainer, &epoch, &diverged, error);
        if (status == AUXO_OK)
            status = sweep_log_add(&run, &epoch, error);
        if (status == AUXO_OK)
            report_epoch(job, row, &epoch);
    }
    for (size_t i = 0; i < run.count && status == AUXO_OK; i++)
        status = sweep_log_add(&job->log, &run.epochs[i], error);
    if (status == AUXO_OK && cli_text(arguments, "out"))
        status = sweep_log_write(&job->log, cli_text(arguments, "out"), job->setting, error);
    sweep_log_deinit(&run);
    auxo_trainer_destroy(trainer);
    auxo_model_destroy(model);
    return status;
}

/* Seeds are the outer loop: an interrupted sweep has compared all optimisers at least once. */
static auxo_status run_all(sweep_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    auxo_status status = AUXO_OK;
    uint64_t first = cli_integer(arguments, "seed"), count = cli_integer(arguments, "seeds");
    for (uint64_t seed = first; seed < first + count; seed++)
        for (size_t i = 0; i < job->rows.count && status == AUXO_OK; i++) {
            const sweep_row *row = &job->rows.rows[i];
            size_t done = 0;
            const sweep_epoch *known = sweep_log_find(&job->log, row->optimizer, seed, &done);
            bool complete = known && (done >= cli_integer(arguments, "epochs") || isnan(known[done - 1].train_loss));
            if (row->refusal[0] || complete)
                continue;
            if (known)
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                      "--out: its runs have %zu epochs; take another file for --epochs %" PRIu64, done,
                                      cli_integer(arguments, "epochs"));
            status = run_one(job, row, seed, error);
        }
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    sweep_job job = {.context = context};
    const char *path = cli_text(context->arguments, "report");
    auxo_status status = open_job(&job, error);
    if (status == AUXO_OK)
        status = run_all(&job, error);
    if (status == AUXO_OK) {
        const sweep_summary summary = {.context = context,
                                       .rows = &job.rows,
                                       .log = &job.log,
                                       .setting = job.setting,
                                       .device_name = auxo_device_get_info(job.session.device)->name,
                                       .first_seed = cli_integer(context->arguments, "seed"),
                                       .seed_count = cli_integer(context->arguments, "seeds"),
                                       .epoch_count = (uint32_t)cli_integer(context->arguments, "epochs")};
        sweep_print(&summary);
        status = path ? sweep_report_write(&summary, path, error) : AUXO_OK;
    }
    close_job(&job);
    return status;
}

static const cli_option *const options[] = {sweep_row_options,  sweep_options,    cli_data_options,   cli_model_options,
                                            cli_device_options, cli_seed_options, cli_common_options, NULL};

const cli_command cli_command_sweep = {
    .name = "sweep",
    .summary = "compare optimisers over several seeds, or repeat a table of the port-Hamiltonian chapter",
    .description =
        "Trains one network with each of several optimisers and seeds, and measures it on the test split after every "
        "epoch. The table gives mean and standard deviation over the seeds of the accuracy after the last epoch, and "
        "of the best epoch's (chosen on the test split, so it flatters; the printed tables may be such numbers).\n\n"
        "--preset names the rows of a printed table; without --data they run on its data set. Rows that the "
        "optimiser refuses as unstable are named with the reason. With --out a sweep can be killed and continued: "
        "finished runs are kept.",
    .events = "{\"event\":\"epoch\",\"row\":1,\"seed\":1,\"epoch\":1,\"train_loss\":..,\"test_loss\":..,"
              "\"test_accuracy\":..,\"braked\":false}\n"
              "{\"event\":\"row\",\"row\":1,\"label\":..,\"optimizer\":..,\"final_mean\":..,\"final_sd\":..,"
              "\"best_mean\":..,\n \"best_sd\":..,\"printed\":..,\"diverged\":0,\"braked_epoch\":..,\"refusal\":..}\n"
              "{\"event\":\"result\",\"rows\":..,\"runs\":..}",
    .examples = "auxo sweep --preset phs-table-3.2 --seeds 3 --epochs 20 --out table.csv --report table.html\n"
                "auxo sweep --preset phs-figure-3.1 --seeds 1 --epochs 3 --report grid.html\n"
                "auxo sweep --data glyphs --optimizers \"sgd:lr=0.05;adam;phs:lr=0.1,mass=10,friction=1\"",
    .options = options,
    .run = run,
};

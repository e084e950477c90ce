/* runtime/cli/cmd_survival_train.c: auxo survival train: a network (or linear Cox model) on the partial likelihood. */
#include "cli_text.h"
#include "survival_job.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_option train_options[] = {
    {.name = "model",
     .type = CLI_TEXT,
     .argument = "NAME|FILE",
     .help =
         "Network with one output: linear, a built-in name, or a .json description (default: two hidden layers of 32 "
         "for tables, vgg-small for images)"},
    {.name = "ties",
     .type = CLI_CHOICE,
     .argument = "breslow|efron",
     .initial = "efron",
     .help = "How events at the same time enter the likelihood"},
    {.name = "reduction",
     .type = CLI_CHOICE,
     .argument = "sum|mean|events",
     .initial = "events",
     .help = "What the loss of a batch is divided by"},
    {.name = "domain",
     .type = CLI_CHOICE,
     .argument = "none|as_printed|mean2|mean_sq",
     .initial = "none",
     .help = "Regulariser that draws the scores of a batch to a common mean"},
    {.name = "domain-strength",
     .type = CLI_REAL,
     .argument = "L",
     .initial = "0",
     .help = "Strength of --domain",
     .minimum = 0,
     .maximum = 1e6},
    {.name = "epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "100",
     .help = "Epochs",
     .minimum = 1,
     .maximum = 1e7},
    {.name = "batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "256",
     .help = "Rows per step; risk sets are taken within a batch; 0: all rows",
     .maximum = 1e7},
    {.name = "optimizer",
     .type = CLI_TEXT,
     .argument = "SPEC",
     .initial = "adam:lr=0.001",
     .help = "Optimiser, as in auxo train"},
    {.name = "standardize-sites",
     .type = CLI_FLAG,
     .help = "Standardise scores within each site before they are compared across sites"},
    {.name = "save",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "Write the model (and its baseline hazard beside it)"},
    {.name = "report", .type = CLI_TEXT, .argument = "FILE.html", .help = "Write curves, calibration and AUC as HTML"},
    CLI_OPTIONS_END,
};

static auxo_status open_model(const survival_job *job, auxo_model **model, auxo_error *error)
{
    const char *name = cli_text(job->context->arguments, "model");
    const auxo_dataset *train = job->train;
    long long inputs = (long long)(train->channels * train->height * train->width);
    bool image = train->height * train->width > 1;
    char text[128];
    if (name && strcmp(name, "linear") == 0)
        snprintf(text, sizeof text, "mlp:%lld-1:nobias", inputs);
    else if (name)
        snprintf(text, sizeof text, "%s", name);
    else if (image)
        snprintf(text, sizeof text, "vgg-small");
    else
        snprintf(text, sizeof text, "mlp:%lld-32-32-1:selu:lecun_normal", inputs);
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_status status = auxo_model_desc_load(text, train->channels, train->height, train->width, 1, &desc, error);
    if (status == AUXO_OK)
        status =
            auxo_model_create(job->session.device, &desc, cli_integer(job->context->arguments, "seed"), model, error);
    auxo_model_desc_deinit(&desc);
    return status;
}

static auxo_status read_options(const survival_job *job, auxo_train_options *options, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    *options = (auxo_train_options){.loss = AUXO_LOSS_COX,
                                    .batch = (uint32_t)cli_integer(arguments, "batch"),
                                    .seed = cli_integer(arguments, "seed"),
                                    .standardize = true,
                                    .stop = job->context->stop};
    if (options->batch == 0 || options->batch > job->train->row_count)
        options->batch = (uint32_t)job->train->row_count;
    options->cox = (auxo_cox_params){
        (auxo_cox_ties)cli_choice(arguments, "ties"), (auxo_cox_reduction)cli_choice(arguments, "reduction"),
        (auxo_cox_domain)cli_choice(arguments, "domain"), (float)cli_real(arguments, "domain-strength")};
    return auxo_optimizer_config_parse(cli_text(arguments, "optimizer"), &options->optimizer, error);
}

static auxo_status train_epochs(const survival_job *job, auxo_trainer *trainer, auxo_error *error)
{
    cli_output *output = job->context->output;
    uint64_t epochs = cli_integer(job->context->arguments, "epochs");
    cli_progress progress;
    cli_progress_begin(&progress, output, "epochs", 0, epochs);
    auxo_status status = AUXO_OK;
    for (uint64_t e = 1; e <= epochs && status == AUXO_OK; e++) {
        bool finished = false;
        auxo_epoch_metrics metrics = {0};
        status = auxo_trainer_run(trainer, 0, &finished, &metrics, error);
        if (status != AUXO_OK)
            break;
        cli_progress_update(&progress, e, "loss %.5f", metrics.train_loss);
        cJSON *event = cli_event(output, "epoch");
        cJSON_AddNumberToObject(event, "epoch", (double)e);
        cJSON_AddNumberToObject(event, "train_loss", metrics.train_loss);
        cli_emit(output, event);
    }
    return status;
}

static auxo_status score_set(const survival_job *job, auxo_model *model, const auxo_dataset *dataset, double **risks,
                             survival_score *score, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    auxo_status status = survival_risks(model, dataset, cli_flag(arguments, "standardize-sites"), risks, error);
    if (status != AUXO_OK)
        return status;
    auxo_survival_sample sample = survival_sample(dataset, *risks);
    return survival_score_sample(&sample, cli_integer(arguments, "seed"), score, error);
}

static void present(const survival_job *job, const auxo_model *model, const survival_score *train,
                    const survival_score *test)
{
    cli_output *output = job->context->output;
    cli_print(output, "%s: %" PRIu64 " weights\n", auxo_model_get_desc(model)->name, auxo_model_weight_count(model));
    cli_print(output, "training C %.4f (95 %% %.4f to %.4f), %zu rows\n", train->concordance.index, train->low,
              train->high, job->train->row_count);
    cJSON *result = cli_event(output, "result");
    cJSON_AddNumberToObject(result, "train_concordance", train->concordance.index);
    if (job->test) {
        cli_print(output, "test C     %.4f (95 %% %.4f to %.4f), %zu rows\n", test->concordance.index, test->low,
                  test->high, job->test->row_count);
        cJSON_AddNumberToObject(result, "test_concordance", test->concordance.index);
        cJSON_AddNumberToObject(result, "test_low", test->low);
        cJSON_AddNumberToObject(result, "test_high", test->high);
    }
    cJSON_AddNumberToObject(result, "weights", (double)auxo_model_weight_count(model));
    cli_emit(output, result);
}

static auxo_status write_report(const survival_job *job, const double *risks, const auxo_step_function *hazard,
                                const survival_score *score, const char *path, auxo_error *error)
{
    const auxo_dataset *dataset = job->test ? job->test : job->train;
    auxo_report *report = NULL;
    auxo_status status = auxo_report_create("Survival model", &report, error);
    if (status != AUXO_OK)
        return status;
    auxo_report_text(report, "%s, %zu %s rows. Harrell's C %.4f, 95 %% interval %.4f to %.4f.", dataset->name,
                     dataset->row_count, job->test ? "test" : "training", score->concordance.index, score->low,
                     score->high);
    status = survival_report_draw(report, job->train, dataset, risks, hazard, error);
    if (status == AUXO_OK)
        status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}

static auxo_status finish(const survival_job *job, auxo_model *model, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    const char *save = cli_text(arguments, "save"), *report = cli_text(arguments, "report");
    double *train_risks = NULL, *test_risks = NULL;
    survival_score train = {0}, test = {0};
    auxo_step_function hazard = {0};
    auxo_status status = score_set(job, model, job->train, &train_risks, &train, error);
    if (status == AUXO_OK && job->test)
        status = score_set(job, model, job->test, &test_risks, &test, error);
    if (status == AUXO_OK) {
        auxo_survival_sample sample = survival_sample(job->train, train_risks);
        status = auxo_survival_baseline_hazard(&sample, &hazard, error);
    }
    if (status == AUXO_OK && save)
        status = auxo_model_save(model, save, error);
    if (status == AUXO_OK && save)
        status = survival_hazard_save(save, &hazard, error);
    if (status == AUXO_OK && report)
        status =
            write_report(job, job->test ? test_risks : train_risks, &hazard, job->test ? &test : &train, report, error);
    if (status == AUXO_OK)
        present(job, model, &train, &test);
    auxo_step_function_deinit(&hazard);
    free(train_risks);
    free(test_risks);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    survival_job job = {0};
    auxo_model *model = NULL;
    auxo_trainer *trainer = NULL;
    auxo_train_options options;
    auxo_status status = cli_check_writable("save", cli_text(context->arguments, "save"), error);
    if (status == AUXO_OK)
        status = cli_check_writable("report", cli_text(context->arguments, "report"), error);
    if (status == AUXO_OK)
        status = survival_job_open(context, &job, error);
    if (status == AUXO_OK)
        status = open_model(&job, &model, error);
    if (status == AUXO_OK)
        status = read_options(&job, &options, error);
    if (status == AUXO_OK)
        status = auxo_trainer_create(model, job.train, NULL, &options, &trainer, error);
    if (status == AUXO_OK)
        status = train_epochs(&job, trainer, error);
    if (status == AUXO_OK)
        status = finish(&job, model, error);
    auxo_trainer_destroy(trainer);
    auxo_model_destroy(model);
    survival_job_close(&job);
    return status;
}

static const cli_option *const options[] = {survival_data_options, train_options,      cli_device_options,
                                            cli_seed_options,      cli_common_options, NULL};

const cli_command cli_command_survival_train = {
    .name = "survival train",
    .summary = "train a model of time to an event on the Cox partial likelihood",
    .description = "Train a network whose output is a log relative risk, on data with times and events, some censored: "
                   "the negative log partial likelihood of Cox, with Efron's or Breslow's treatment of ties. Prints "
                   "Harrell's concordance on training and test rows with bootstrap intervals. --model linear is the "
                   "classical Cox model.",
    .events =
        "{\"event\":\"epoch\",\"epoch\":1,\"train_loss\":..}\n"
        "{\"event\":\"result\",\"train_concordance\":..,\"test_concordance\":..,\"test_low\":..,\"test_high\":..,..}",
    .examples =
        "auxo survival train --data metabric --report metabric.html\n"
        "auxo survival train --data trial.csv --time months --event died --site hospital --save model.safetensors",
    .options = options,
    .run = run,
};

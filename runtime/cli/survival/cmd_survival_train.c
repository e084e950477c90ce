/* runtime/cli/survival/cmd_survival_train.c: auxo survival train: a network (or linear Cox model) on the partial
 * likelihood. */
#include "cli_text.h"
#include "survival_checkpoint.h"
#include "survival_linear.h"
#include "survival_scores.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
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
    {.name = "train-site",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Train on the rows of this site alone (1: the first), test on all sites; 0: all",
     .maximum = 1e6},
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

/* Keeps the training rows of one site. */
static auxo_status keep_site(survival_job *job, auxo_error *error)
{
    uint64_t site = cli_integer(job->context->arguments, "train-site");
    if (site == 0)
        return AUXO_OK;
    const auxo_dataset *all = job->train;
    uint32_t *rows = malloc((all->row_count + 1) * sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; i < all->row_count && rows && all->sites; i++)
        if (all->sites[i] + 1 == site)
            rows[count++] = (uint32_t)i;
    auxo_dataset *kept = NULL;
    auxo_status status = AUXO_OK;
    if (!rows)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "rows of a site: out of memory");
    else if (count == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--train-site %" PRIu64 ": %s has no rows of such a site",
                                site, all->name);
    else
        status = auxo_dataset_select(all, rows, count, &kept, error);
    free(rows);
    if (status != AUXO_OK)
        return status;
    auxo_dataset_destroy(job->train);
    job->train = kept;
    return AUXO_OK;
}

static void report_epoch(const survival_job *job, const auxo_epoch_metrics *metrics)
{
    cJSON *event = cli_event(job->context->output, "epoch");
    cJSON_AddNumberToObject(event, "epoch", metrics->epoch);
    cJSON_AddNumberToObject(event, "train_loss", metrics->train_loss);
    cJSON_AddBoolToObject(event, "braked", metrics->braked);
    cli_emit(job->context->output, event);
}

static auxo_status train_epochs(const survival_job *job, auxo_trainer *trainer, auxo_error *error)
{
    const cli_context *context = job->context;
    uint64_t epochs = cli_integer(context->arguments, "epochs");
    uint64_t every = cli_integer(context->arguments, "checkpoint-every");
    cli_progress progress;
    cli_progress_begin(&progress, context->output, "epochs", auxo_trainer_epoch(trainer), epochs);
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && auxo_trainer_epoch(trainer) < epochs) {
        bool finished = false;
        auxo_epoch_metrics metrics = {0};
        status = auxo_trainer_run(trainer, 0, &finished, &metrics, error);
        uint32_t done = auxo_trainer_epoch(trainer);
        if (status == AUXO_OK) {
            cli_progress_update(&progress, done, "loss %.5f", metrics.train_loss);
            report_epoch(job, &metrics);
        }
        bool stopped = status == AUXO_INTERRUPTED || (status == AUXO_OK && *context->stop && done < epochs);
        if (stopped || (status == AUXO_OK && (done % every == 0 || done == epochs))) {
            auxo_status saved = survival_checkpoint_save(context, trainer, error);
            status = saved != AUXO_OK ? saved : status;
        }
        if (stopped && (status == AUXO_OK || status == AUXO_INTERRUPTED))
            return auxo_error_set(error, AUXO_INTERRUPTED, "interrupted in epoch %u; %s", done + 1,
                                  cli_text(context->arguments, "checkpoint") ? "continue with --resume"
                                                                             : "nothing saved (no --checkpoint)");
    }
    return status;
}

/* What a trained model is worth. */
typedef struct outcome {
    double *train_raw, *test_raw;     /* risks as the model gives them */
    double *train_risks, *test_risks; /* the same, or standardised within sites */
    survival_scores train, test;
    survival_site_scores sites;
    auxo_step_function hazard;
} outcome;

static void outcome_deinit(outcome *found)
{
    free(found->train_raw);
    free(found->test_raw);
    free(found->train_risks);
    free(found->test_risks);
    auxo_step_function_deinit(&found->hazard);
}

static auxo_status score_rows(const survival_job *job, auxo_model *model, const auxo_dataset *rows, double **raw,
                              double **risks, survival_scores *scores, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    auxo_status status = survival_risks(model, rows, false, raw, error);
    if (status == AUXO_OK)
        status = survival_risks(model, rows, cli_flag(arguments, "standardize-sites"), risks, error);
    if (status == AUXO_OK)
        status = survival_scores_compute(job->train, rows, *risks, cli_integer(arguments, "seed"), scores, error);
    return status;
}

static auxo_status measure(const survival_job *job, auxo_model *model, outcome *found, auxo_error *error)
{
    auxo_status status =
        score_rows(job, model, job->train, &found->train_raw, &found->train_risks, &found->train, error);
    if (status == AUXO_OK && job->test)
        status = score_rows(job, model, job->test, &found->test_raw, &found->test_risks, &found->test, error);
    if (status == AUXO_OK)
        status = survival_site_scores_compute(job->test ? job->test : job->train,
                                              job->test ? found->test_raw : found->train_raw, &found->sites, error);
    if (status == AUXO_OK) {
        auxo_survival_sample sample = survival_sample(job->train, found->train_risks);
        status = auxo_survival_baseline_hazard(&sample, &found->hazard, error);
    }
    return status;
}

static void present(const survival_job *job, const auxo_model *model, const outcome *found)
{
    cli_output *output = job->context->output;
    cli_print(output, "%s: %" PRIu64 " weights\n", auxo_model_get_desc(model)->name, auxo_model_weight_count(model));
    cJSON *result = cli_event(output, "result");
    survival_scores_print(&found->train, "train", output, result);
    if (job->test)
        survival_scores_print(&found->test, "test", output, result);
    survival_site_scores_print(&found->sites, output, result);
    cJSON_AddNumberToObject(result, "weights", (double)auxo_model_weight_count(model));
    cli_emit(output, result);
}

static auxo_status write_report(const survival_job *job, const outcome *found, const char *path, auxo_error *error)
{
    const auxo_dataset *rows = job->test ? job->test : job->train;
    const double *risks = job->test ? found->test_risks : found->train_risks;
    auxo_report *report = NULL;
    auxo_status status = auxo_report_create("Survival model", &report, error);
    if (status != AUXO_OK)
        return status;
    auxo_report_text(report, "%s, %zu %s rows.", rows->name, rows->row_count, job->test ? "test" : "training");
    survival_scores_table(job->test ? &found->test : &found->train, report);
    status = survival_report_draw(report, job->train, rows, risks, &found->hazard, error);
    if (status == AUXO_OK)
        survival_site_scores_table(&found->sites, report);
    if (status == AUXO_OK)
        status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}

static auxo_status finish(const survival_job *job, auxo_model *model, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    const char *save = cli_text(arguments, "save"), *report = cli_text(arguments, "report");
    outcome found = {0};
    auxo_status status = measure(job, model, &found, error);
    if (status == AUXO_OK)
        status = auxo_model_set_data_schema(model, auxo_dataset_schema(job->train), error);
    if (status == AUXO_OK && save)
        status = auxo_model_save(model, save, error);
    if (status == AUXO_OK && save)
        status = survival_saved_write(save, &found.hazard, error);
    if (status == AUXO_OK && report)
        status = write_report(job, &found, report, error);
    if (status == AUXO_OK && survival_is_linear(model))
        status = survival_linear_print(model, job->train, job->context->output, error);
    if (status == AUXO_OK)
        present(job, model, &found);
    outcome_deinit(&found);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    survival_job job = {0};
    auxo_model *model = NULL;
    auxo_trainer *trainer = NULL;
    auxo_train_options options;
    const char *resumed = NULL;
    auxo_status status = survival_checkpoint_find(context, &resumed, error);
    if (status == AUXO_OK)
        status = cli_check_writable("save", cli_text(context->arguments, "save"), error);
    if (status == AUXO_OK)
        status = cli_check_writable("report", cli_text(context->arguments, "report"), error);
    if (status == AUXO_OK)
        status = survival_job_open(context, &job, error);
    if (status == AUXO_OK)
        status = keep_site(&job, error);
    if (status == AUXO_OK && resumed)
        status = auxo_model_load(job.session.device, resumed, &model, error);
    else if (status == AUXO_OK)
        status = open_model(&job, &model, error);
    if (status == AUXO_OK)
        status = read_options(&job, &options, error);
    if (status == AUXO_OK)
        status = auxo_trainer_create(model, job.train, NULL, &options, &trainer, error);
    if (status == AUXO_OK && resumed)
        status = survival_checkpoint_restore(context, resumed, trainer, error);
    if (status == AUXO_OK)
        status = train_epochs(&job, trainer, error);
    if (status == AUXO_OK)
        status = finish(&job, model, error);
    auxo_trainer_destroy(trainer);
    auxo_model_destroy(model);
    survival_job_close(&job);
    return status;
}

static const cli_option *const options[] = {
    survival_data_options, train_options, survival_checkpoint_options, cli_device_options, cli_seed_options,
    cli_common_options,    NULL};

const cli_command cli_command_survival_train = {
    .name = "survival train",
    .summary = "train a model of time to an event on the Cox partial likelihood",
    .description =
        "Train a network whose output is a log relative risk, on data with times and events, some censored: "
        "the negative log partial likelihood of Cox, with Efron's or Breslow's treatment of ties. Prints "
        "Harrell's concordance on training and test rows, and the cumulative/dynamic AUC at the quartiles of the "
        "event times, with bootstrap intervals. --model linear is the classical Cox model; its coefficients "
        "are printed.\n\nWith --site, every site is measured by itself and all together, with the scores as "
        "they are and standardised within sites. A run that is killed continues with --checkpoint FILE "
        "--resume to the same numbers.",
    .events =
        "{\"event\":\"epoch\",\"epoch\":1,\"train_loss\":..,\"braked\":false}\n"
        "{\"event\":\"checkpoint\",\"path\":..,\"epoch\":..}\n"
        "{\"event\":\"coefficient\",\"column\":..,\"coefficient\":..}  with a linear model\n"
        "{\"event\":\"result\",\"train_concordance\":..,\"test_concordance\":..,\"test_low\":..,\"test_high\":..,\n"
        " \"test_dynamic_auc\":[{\"time\":..,\"auc\":..,\"low\":..,\"high\":..},..],\n"
        " \"sites\":[{\"site\":1,\"concordance\":..,\"auroc\":..,..},..],\"naive_concordance\":..,\n"
        " \"standardized_concordance\":..,\"site_gap\":..,\"weights\":..}",
    .examples =
        "auxo survival train --data metabric --report metabric.html\n"
        "auxo survival train --data gbsg2 --model linear --batch 0 --epochs 500 --optimizer adam:lr=0.01\n"
        "auxo survival train --data survival-sim-sites --train-site 1 --domain mean_sq --domain-strength 0.1\n"
        "auxo survival train --data trial.csv --time months --event died --site hospital --save model.safetensors",
    .options = options,
    .run = run,
};

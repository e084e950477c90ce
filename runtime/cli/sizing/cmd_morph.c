/* runtime/cli/sizing/cmd_morph.c: auxo morph: widths of a network within a budget, by MorphNet's loop (SPEC: MorphNet).
 *
 * Runs one loop for each strength and each start that are given, so that their results make a front; the loop itself is
 * the library's. Checkpoints are taken between trainings.
 */
#include "cli_text.h"
#include "morph_checkpoint.h"
#include "sizing_evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_preset presets[] = {
    {"front",
     "several strengths, two iterations each and a final training (Fig. 5.1 to 5.3)",
     {{"lambda", "1e-9,1e-8,1e-7,1e-6,9e-6"}}},
    {"run", "one strength, two iterations and a final training (Fig. 5.4)", {{"lambda", "2e-8"}}},
    {"bad-widths",
     "twenty iterations from a far too small and a far too large network, at one budget (Fig. 5.5)",
     {{"starts", "conv:2-2,conv:128-128"}, {"lambda", "2e-8"}, {"iterations", "20"}, {"budget-flops", "4e6"}}},
    {0},
};

static const cli_option morph_options[] = {
    {.name = "preset",
     .type = CLI_CHOICE,
     .argument = "front|run|bad-widths",
     .initial = "run",
     .help = "Settings of an experiment; options given as well win",
     .presets = presets},
    {.name = "starts",
     .type = CLI_TEXT,
     .argument = "NAME,...",
     .help = "Networks to start from, one loop each, instead of --model"},
    {.name = "lambda",
     .type = CLI_TEXT,
     .argument = "L,...",
     .initial = "2e-8",
     .help = "Strengths of the regulariser, one loop each"},
    {.name = "scale",
     .type = CLI_CHOICE,
     .argument = "batch-norm|group-lasso",
     .initial = "batch-norm",
     .help = "What says whether a channel lives: its batch-norm scale, or the mean size of its weights"},
    {.name = "threshold",
     .type = CLI_REAL,
     .argument = "G",
     .initial = "0.01",
     .help = "A channel is alive if its scale is above this",
     .minimum = 1e-12,
     .maximum = 1e3},
    {.name = "intensity",
     .type = CLI_REAL,
     .argument = "I",
     .initial = "1",
     .help = "How far widths follow the proposal, 0 to 1",
     .minimum = 0,
     .maximum = 1},
    {.name = "iterations",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "2",
     .help = "Regularised trainings, each followed by shrinking and expanding",
     .minimum = 1,
     .maximum = 10000},
    {.name = "epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "5",
     .help = "Epochs of each regularised training",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "final-epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Epochs of the training without regulariser at the end; 0: none",
     .maximum = 1e6},
    {.name = "refresh-steps",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "100",
     .help = "Steps between two looks at which channels live",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "save", .type = CLI_TEXT, .argument = "FILE", .help = "Write the best network here (safetensors)"},
    {.name = "report",
     .type = CLI_TEXT,
     .argument = "FILE.html",
     .help = "Write fronts, costs and widths over time as one HTML file"},
    CLI_OPTIONS_END,
};

/* ---- options ----------------------------------------------------------------------------------------------------- */

/* Every strength with every start. */
static auxo_status read_plans(morph_run *run, auxo_error *error)
{
    const cli_arguments *arguments = run->job.context->arguments;
    const char *starts = cli_text(arguments, "starts");
    char strengths_text[512], *strengths[MORPH_STRENGTHS_MAX], *models[MORPH_STRENGTHS_MAX];
    if (!starts)
        starts = cli_given(arguments, "model") ? cli_text(arguments, "model") : "conv:32-64";
    snprintf(strengths_text, sizeof strengths_text, "%s", cli_text(arguments, "lambda"));
    snprintf(run->models, sizeof run->models, "%s", starts);
    size_t strength_count = cli_split_list(strengths_text, strengths, MORPH_STRENGTHS_MAX);
    size_t model_count = cli_split_list(run->models, models, MORPH_STRENGTHS_MAX);
    if (strength_count * model_count == 0 || strength_count * model_count > MORPH_STRENGTHS_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--lambda and --starts make %zu loops; give 1 to %d",
                              strength_count * model_count, (int)MORPH_STRENGTHS_MAX);
    for (size_t m = 0; m < model_count; m++)
        for (size_t s = 0; s < strength_count; s++) {
            char *end = NULL;
            double strength = strtod(strengths[s], &end);
            if (end == strengths[s] || *end || !isfinite(strength) || strength < 0)
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--lambda: \"%s\" is not a number of 0 or more",
                                      strengths[s]);
            run->plans[run->plan_count++] = (morph_plan){strength, models[m]};
        }
    return AUXO_OK;
}

static void on_refresh(void *user, const auxo_morph_snapshot *snapshot);

static auxo_status read_options(morph_run *run, auxo_error *error)
{
    const cli_arguments *arguments = run->job.context->arguments;
    auxo_morph_loop_options *options = &run->options;
    auxo_morph_loop_options_init(options);
    options->scale = cli_choice(arguments, "scale") == 0 ? AUXO_MORPH_BATCH_NORM : AUXO_MORPH_GROUP_LASSO;
    options->threshold = cli_real(arguments, "threshold");
    options->intensity = cli_real(arguments, "intensity");
    options->iterations = (uint32_t)cli_integer(arguments, "iterations");
    options->epochs = (uint32_t)cli_integer(arguments, "epochs");
    options->final_epochs = (uint32_t)cli_integer(arguments, "final-epochs");
    options->refresh_steps = (uint32_t)cli_integer(arguments, "refresh-steps");
    options->training = run->job.options;
    options->training.on_step = NULL;
    options->seed = run->job.options.seed;
    options->on_refresh = on_refresh;
    options->user = run;
    auxo_status status = sizing_budget_read(arguments, 0, &run->budget, error);
    return status == AUXO_OK ? read_plans(run, error) : status;
}

/* ---- history ----------------------------------------------------------------------------------------------------- */

/* One layer of each group of hidden units. */
uint32_t morph_hidden_layers(const auxo_model_desc *desc, uint32_t *layers)
{
    uint32_t count = 0;
    uint32_t *groups = malloc(desc->layer_count * sizeof *groups);
    bool *resizable = malloc(desc->layer_count * sizeof *resizable);
    if (groups && resizable && auxo_model_desc_unit_groups(desc, groups, resizable, NULL) == AUXO_OK)
        for (uint32_t l = 0; l < desc->layer_count && count < MORPH_WIDTHS_MAX; l++)
            if (resizable[l] && groups[l] == l && desc->layers[l].units > 0)
                layers[count++] = l;
    free(groups);
    free(resizable);
    return count;
}

static void on_refresh(void *user, const auxo_morph_snapshot *snapshot)
{
    morph_run *run = user;
    uint32_t layers[MORPH_WIDTHS_MAX];
    morph_moment moment = {.loop = run->current,
                           .iteration = snapshot->iteration,
                           .step = snapshot->step,
                           .train_loss = snapshot->train_loss,
                           .alive_cost = snapshot->cost->cost,
                           .regularizer = snapshot->cost->regularizer};
    moment.width_count = morph_hidden_layers(auxo_morph_loop_desc(run->loop), layers);
    for (uint32_t i = 0; i < moment.width_count; i++)
        moment.alive[i] = snapshot->alive[layers[i]];
    morph_keep_moment(run, &moment);
    cJSON *event = cli_event(run->job.context->output, "refresh");
    cJSON_AddNumberToObject(event, "loop", moment.loop);
    cJSON_AddNumberToObject(event, "iteration", moment.iteration);
    cJSON_AddNumberToObject(event, "step", (double)moment.step);
    cJSON_AddNumberToObject(event, "cost", moment.alive_cost);
    cJSON_AddNumberToObject(event, "regularizer", moment.regularizer);
    cJSON *alive = cJSON_AddArrayToObject(event, "alive");
    for (uint32_t i = 0; alive && i < moment.width_count; i++)
        cJSON_AddItemToArray(alive, cJSON_CreateNumber(moment.alive[i]));
    cli_emit(run->job.context->output, event);
}

static void report_training(const morph_run *run, const morph_training *training)
{
    cli_output *output = run->job.context->output;
    const auxo_morph_record *record = &training->record;
    char cost[48], alive[48] = "", widths[MORPH_WIDTHS_MAX * 8] = "";
    size_t used = 0;
    for (uint32_t l = 0; l < training->width_count && used < sizeof widths; l++)
        used += (size_t)snprintf(widths + used, sizeof widths - used, "%s%u", l ? "-" : "", training->widths[l]);
    cli_print(output, "%s lambda %.3g  %s %u  widths %s  %s", run->plans[training->loop].model,
              run->plans[training->loop].strength, record->is_final ? "final after" : "iteration",
              record->is_final ? record->iteration - 1 : record->iteration, widths,
              sizing_format_cost(cost, sizeof cost, &run->budget, record->cost));
    if (!record->is_final)
        cli_print(output, " (alive %s)", sizing_format_cost(alive, sizeof alive, &run->budget, record->alive_cost));
    cli_print(output, "  loss %.5f", record->train_loss);
    if (isfinite(record->validation_accuracy))
        cli_print(output, "  validation %.2f %%", 100 * record->validation_accuracy);
    cli_print(output, "  %.1f s\n", record->seconds);
    cJSON *event = cli_event(output, "training");
    cJSON_AddNumberToObject(event, "loop", training->loop);
    cJSON_AddStringToObject(event, "start", run->plans[training->loop].model);
    cJSON_AddNumberToObject(event, "lambda", run->plans[training->loop].strength);
    cJSON_AddNumberToObject(event, "iteration", record->iteration);
    cJSON_AddBoolToObject(event, "final", record->is_final);
    cJSON_AddStringToObject(event, "widths", widths);
    cJSON_AddNumberToObject(event, "cost", record->cost);
    cJSON_AddNumberToObject(event, "alive_cost", record->alive_cost);
    cJSON_AddNumberToObject(event, "weights", (double)record->weights);
    cJSON_AddNumberToObject(event, "train_loss", record->train_loss);
    cJSON_AddNumberToObject(event, "val_loss", record->validation_loss);
    cJSON_AddNumberToObject(event, "val_accuracy", record->validation_accuracy);
    cJSON_AddNumberToObject(event, "kappa", record->kappa);
    cJSON_AddNumberToObject(event, "seconds", record->seconds);
    cli_emit(output, event);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

/* Opens the loop of run->current; continues from `state` and `best` (owned, may be NULL). */
static auxo_status open_loop(morph_run *run, char *state, auxo_model *best, auxo_error *error)
{
    const auxo_dataset *data = run->job.train;
    auxo_model_desc start;
    auxo_model_desc_init(&start);
    run->options.strength = run->plans[run->current].strength;
    run->options.budget = run->budget;
    auxo_status status = auxo_model_desc_load(run->plans[run->current].model, data->channels, data->height, data->width,
                                              cli_data_output_count(data), &start, error);
    if (status == AUXO_OK)
        status = auxo_morph_loop_create(run->job.session.device, &start, data, run->job.validation, &run->options,
                                        &run->loop, error);
    auxo_model_desc_deinit(&start);
    if (status == AUXO_OK && state) {
        status = auxo_morph_loop_restore(run->loop, state, best, error);
        best = status == AUXO_OK ? NULL : best;
    }
    auxo_model_destroy(best);
    /* Later loops have the budget of the first: their results are to be compared. */
    if (status == AUXO_OK)
        run->budget = *auxo_morph_loop_budget(run->loop);
    return status;
}

static auxo_status run_loop(morph_run *run, auxo_error *error)
{
    for (;;) {
        morph_training training = {.loop = run->current};
        uint32_t layers[MORPH_WIDTHS_MAX];
        const auxo_model_desc *desc = auxo_morph_loop_desc(run->loop);
        training.width_count = morph_hidden_layers(desc, layers);
        for (uint32_t i = 0; i < training.width_count; i++)
            training.widths[i] = desc->layers[layers[i]].units;
        bool done;
        auxo_status status = auxo_morph_loop_next(run->loop, &training.record, &done, error);
        if (status != AUXO_OK || done)
            return status;
        status = morph_keep_training(run, &training, error);
        if (status == AUXO_OK) {
            report_training(run, &training);
            status = morph_checkpoint_save(run, error);
        }
        if (status != AUXO_OK)
            return status;
    }
}

/* What networks are compared by: validation accuracy, or minus the validation loss where there are no classes. */
static double score_of(const auxo_morph_record *record)
{
    return isfinite(record->validation_accuracy) ? record->validation_accuracy : -record->validation_loss;
}

/* The loop's best model, if it is better than those of the loops before. */
static void close_loop(morph_run *run)
{
    double score = -INFINITY;
    for (size_t i = 0; i < run->training_count; i++) {
        const morph_training *training = &run->trainings[i];
        bool within = training->record.cost <= run->budget.limit;
        if (training->loop == run->current && within && score_of(&training->record) > score)
            score = score_of(&training->record);
    }
    if (auxo_morph_loop_best(run->loop) && (!run->best || score > run->best_score)) {
        auxo_model_destroy(run->best);
        run->best = auxo_morph_loop_take_best(run->loop);
        run->best_score = score;
    }
    auxo_morph_loop_destroy(run->loop);
    run->loop = NULL;
}

/* A loop that breaks down ends with a message; the others go on. */
static auxo_status run_loops(morph_run *run, char *state, auxo_model *best, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (; run->current < run->plan_count && status == AUXO_OK; run->current++) {
        auxo_error ended = {0};
        status = open_loop(run, state, best, error);
        state = NULL;
        best = NULL;
        if (status != AUXO_OK)
            return status;
        status = run_loop(run, &ended);
        if (status == AUXO_NOT_FINITE) {
            run->broken_count++;
            snprintf(run->broke_down, sizeof run->broke_down, "%.100s, lambda %.3g: %.380s",
                     run->plans[run->current].model, run->plans[run->current].strength, ended.message);
            cli_note(run->job.context->output, "%s; its best network so far is kept", run->broke_down);
            status = AUXO_OK;
        }
        if (status != AUXO_OK)
            auxo_error_set(error, status, "%s", ended.message);
        close_loop(run);
    }
    return status;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static void report_result(const morph_run *run)
{
    cli_output *output = run->job.context->output;
    bool classes = run->job.train->target_type == AUXO_TARGET_CLASS;
    uint64_t weights = auxo_model_weight_count(run->best);
    if (classes)
        cli_print(output, "best: validation %.2f %%, test %.2f %%, %" PRIu64 " weights\n", 100 * run->best_score,
                  100 * run->test.accuracy, weights);
    else
        cli_print(output, "best: validation loss %.5f, test loss %.5f, %" PRIu64 " weights\n", -run->best_score,
                  run->test.loss, weights);
    cJSON *result = cli_event(output, "result");
    cJSON_AddNumberToObject(result, classes ? "validation_accuracy" : "validation_loss",
                            classes ? run->best_score : -run->best_score);
    cJSON_AddNumberToObject(result, "test_accuracy", run->test.accuracy);
    cJSON_AddNumberToObject(result, "test_loss", run->test.loss);
    cJSON_AddNumberToObject(result, "weights", (double)weights);
    cJSON_AddNumberToObject(result, "budget", run->budget.limit);
    cJSON_AddNumberToObject(result, "trainings", (double)run->training_count);
    if (run->broke_down[0])
        cJSON_AddStringToObject(result, "broke_down", run->broke_down);
    cli_emit(output, result);
}

static auxo_status finish(morph_run *run, auxo_error *error)
{
    const cli_arguments *arguments = run->job.context->arguments;
    if (!run->best)
        return AUXO_OK;
    auxo_status status = auxo_model_set_data_schema(run->best, auxo_dataset_schema(run->job.train), error);
    if (status == AUXO_OK && cli_text(arguments, "save"))
        status = auxo_model_save(run->best, cli_text(arguments, "save"), error);
    if (status == AUXO_OK)
        status = sizing_evaluate(&run->job, run->best, &run->test, error);
    if (status == AUXO_OK && cli_text(arguments, "report"))
        status = morph_report_write(run, run->best, cli_text(arguments, "report"), error);
    if (status != AUXO_OK)
        return status;
    report_result(run);
    /* Some loops of a front are expected to break down; a run of which none came through has failed. */
    if (run->broke_down[0] && run->broken_count == run->plan_count)
        status = auxo_error_set(error, AUXO_NOT_FINITE, "%.400s; the best network so far was kept", run->broke_down);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    morph_run run = {.best_score = -INFINITY, .test = {NAN, NAN, 0}};
    const train_job_setup setup = {
        .optimizer = "adam", .validation = 0.1, .schedule_end = (uint32_t)cli_integer(context->arguments, "epochs")};
    char *state = NULL;
    auxo_model *best = NULL;
    auxo_error ended = {0};
    auxo_status status = cli_check_writable("save", cli_text(context->arguments, "save"), error);
    if (status == AUXO_OK)
        status = cli_check_writable("report", cli_text(context->arguments, "report"), error);
    if (status == AUXO_OK)
        status = train_job_open_data(context, &setup, &run.job, error);
    if (status == AUXO_OK && !run.job.validation)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "--validation 0: morph chooses by validation results and needs some rows for them");
    if (status == AUXO_OK)
        status = read_options(&run, error);
    if (status == AUXO_OK)
        status = morph_checkpoint_load(&run, &state, &best, error);
    if (status == AUXO_OK) {
        auxo_status end = run_loops(&run, state, best, &ended);
        status = finish(&run, error);
        if (status == AUXO_OK && end != AUXO_OK)
            status = auxo_error_set(error, end, "%s", ended.message);
    } else {
        auxo_model_destroy(best);
    }
    free(state);
    auxo_morph_loop_destroy(run.loop);
    auxo_model_destroy(run.best);
    train_job_close(&run.job);
    free(run.trainings);
    free(run.moments);
    return status;
}

static const cli_option *const options[] = {morph_options,    sizing_budget_options, cli_model_options,
                                            cli_data_options, train_job_options,     cli_device_options,
                                            cli_seed_options, cli_common_options,    NULL};

const cli_command cli_command_morph = {
    .name = "morph",
    .summary = "find the widths of a network's layers within a budget",
    .description =
        "MorphNet: train with a regulariser that prices every channel by what it costs, keep the channels that live, "
        "scale all widths up to the budget, and train again from scratch; at last train the network that came out "
        "without the regulariser. Several --lambda or --starts give a front. Without a budget it is the FLOPs of "
        "the (first) start. The best network within the budget by validation accuracy is measured on the test split."
        "\n\nA loop whose network breaks down (no channel of a layer lives, or the loss is not finite) ends with a "
        "message; its best network is kept. --checkpoint FILE --resume continues after the last finished training.",
    .events = "{\"event\":\"refresh\",\"loop\":0,\"iteration\":1,\"step\":100,\"cost\":..,\"alive\":[..],..}\n"
              "{\"event\":\"training\",\"lambda\":..,\"iteration\":1,\"final\":false,\"widths\":..,\"cost\":..,..}\n"
              "{\"event\":\"checkpoint\",\"path\":..}\n"
              "{\"event\":\"result\",\"validation_accuracy\":..,\"test_accuracy\":..,\"weights\":..,\"budget\":..,..}",
    .examples = "auxo morph --preset front --data mnist --report front.html\n"
                "auxo morph --preset bad-widths --data mnist --limit 6000 --epochs 1 --report widths.html\n"
                "auxo morph --model resnet18 --data cifar-10 --budget-latency 1.5 --device opencl:0",
    .options = options,
    .run = run,
};

/* runtime/cli/multiscale/multiscale_job.c: presets and options of `auxo multiscale`, and the data and model that they
 * name. */
#include "multiscale_job.h"

#include "cli_model.h"

#include <string.h>

#define LAYERS_8 "mlp:4-5-5-5-5-5-5-5-2"
#define FIVE_5 "5-5-5-5-5-"
#define LAYERS_20 "mlp:4-" FIVE_5 FIVE_5 FIVE_5 FIVE_5 "2"
#define LAYERS_50 "mlp:4-" FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 "2"

static const multiscale_preset presets[] = {
    {"table3", "reactor", LAYERS_8, .01, 1e-3, 0, 0, 1000, 100, 1000, 0, {.table = "Table 3"}},
    {"table4",
     "reactor",
     LAYERS_8,
     1e-4,
     1e-3,
     0,
     1e-3,
     1000,
     200,
     1000,
     0,
     {"Sec. 4.2.2", {.992834, 0, .992952}, {0}, {0}, {200, 0, 0}, {2773.410, 0, 111.587}}},
    {"table5",
     "reactor",
     LAYERS_8,
     .01,
     1e-3,
     1e-4,
     1e-3,
     1000,
     100,
     200,
     0,
     {"Table 5",
      {.98809, .83099, .98177},
      {.98810, .83009, .98057},
      {405.7, 203.4, 200.0},
      {51, 101, 99},
      {350.4, 310.9, 297.3}}},
    {"table7",
     "reactor",
     LAYERS_20,
     .01,
     1e-3,
     1e-4,
     1e-3,
     1000,
     100,
     200,
     0,
     {"Table 7",
      {.94697, .94631, .93835},
      {.97121, .93880, .86888},
      {397.26, 397.26, 200.0},
      {50, 50, 97},
      {1022.4, 1153.5, 912.7}}},
    {"table8",
     "reactor",
     LAYERS_50,
     .01,
     1e-3,
     1e-4,
     1e-3,
     1000,
     100,
     200,
     0,
     {"Table 8",
      {1.0, 1.0, 1.00001},
      {1.0, 1.0, 1.04468},
      {208.83, 416.67, 200.0},
      {100, 50, 100},
      {3271.9, 3746.6, 2529.4}}},
    {"ccpp",
     "ccpp",
     "mlp:4-3-2-2-1",
     .05,
     1e-3,
     .01,
     .01,
     20,
     50,
     20,
     0,
     {"Table 9", {.22814, .20021, .20920}, {0}, {0}, {0}, {1.0617, 2.497, .2417}}},
    {"aep",
     "aep",
     "mlp:24-10-5-5-3-2",
     .05,
     1e-3,
     .005,
     .005,
     30,
     60,
     30,
     10000,
     {"Table 10", {1.00010, .99979, 1.00006}, {0}, {0}, {0}, {2.80974, 7.15047, .47615}}},
    {"tf",
     "tf",
     "mlp:21-10-5-5-3-2",
     .05,
     1e-3,
     .005,
     .005,
     30,
     60,
     30,
     10000,
     {"Table 11", {1.0, 1.0, 2.38036}, {0}, {0}, {0}, {1.50658, 4.92685, .29743}}},
};
enum { PRESET_COUNT = sizeof presets / sizeof presets[0] };

const cli_option multiscale_data_options[] = {
    {.name = "preset",
     .type = CLI_CHOICE,
     .argument = "table3|table4|table5|table7|table8|ccpp|aep|tf",
     .initial = "table5",
     .help = "Data, network and settings of one of the paper's tables; other options override it"},
    {.name = "data",
     .type = CLI_TEXT,
     .argument = "NAME",
     .help = "Data set: a name (auxo data list) or the path of a .csv (default: the preset's)"},
    {.name = "model",
     .type = CLI_TEXT,
     .argument = "NAME",
     .help = "Network: a built-in name, a .json description or a .safetensors file (default: the preset's)"},
    {.name = "data-dir", .type = CLI_TEXT, .argument = "DIR", .help = "Folder of data sets"},
    {.name = "limit", .type = CLI_INTEGER, .argument = "N", .help = "Use at most this many rows", .maximum = 1e9},
    {.name = "test-fraction",
     .type = CLI_REAL,
     .argument = "F",
     .initial = "0.2",
     .help = "Rows kept for testing, where the data set has no test split of its own",
     .minimum = 0,
     .maximum = 0.9},
    {.name = "standardize",
     .type = CLI_FLAG,
     .initial = "yes",
     .help = "Standardise inputs and targets by the training rows; a loss of 1 is then the constant predictor"},
    CLI_OPTIONS_END,
};

const cli_option multiscale_selection_options[] = {
    {.name = "fd",
     .type = CLI_CHOICE,
     .argument = "exact|forward|backward_as_printed|central",
     .initial = "exact",
     .help = "Where sensitivities come from: one backward pass, or finite differences"},
    {.name = "theta-on",
     .type = CLI_CHOICE,
     .argument = "weights|outputs",
     .initial = "weights",
     .help = "What the scaling factors multiply"},
    {.name = "epsilon",
     .type = CLI_REAL,
     .argument = "E",
     .help = "Perturbation of the scaling factors (default: the preset's, 0.001)"},
    {.name = "second-step",
     .type = CLI_REAL,
     .argument = "H",
     .initial = "0",
     .help = "Step of second differences; 0: 100 sqrt(machine epsilon)"},
    {.name = "levels",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Stop the tree at this depth: blocks of layers are then trained together",
     .maximum = 64},
    CLI_OPTIONS_END,
};

const cli_option multiscale_training_options[] = {
    {.name = "lr",
     .type = CLI_REAL,
     .argument = "R",
     .help = "Learning rate (default: the preset's)",
     .minimum = 1e-12,
     .maximum = 1e6},
    {.name = "optimizer",
     .type = CLI_TEXT,
     .argument = "SPEC",
     .initial = "sgd",
     .help = "Optimiser of the inner loop, for example adam:lr=0.01"},
    {.name = "epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Epochs per iteration at most (default: the preset's)",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "iterations",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Iterations at most (default: the preset's)",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "backprop-epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Epochs per iteration of end-to-end backpropagation (default: the preset's)",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "inner-tolerance",
     .type = CLI_REAL,
     .argument = "T",
     .help = "End an iteration when no gradient of the layer is larger (default: the preset's; 0: never)"},
    {.name = "tolerance",
     .type = CLI_REAL,
     .argument = "T",
     .help = "End when no gradient of the network is larger (default: the preset's; 0: never)"},
    {.name = "check-every",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Iterations between looks at the network's gradient",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "greedy", .type = CLI_FLAG, .help = "Always take the more sensitive branch instead of drawing"},
    CLI_OPTIONS_END,
};

const char *multiscale_order_name(auxo_multiscale_order order)
{
    return order == AUXO_MULTISCALE_FIRST ? "first" : order == AUXO_MULTISCALE_SECOND ? "second" : "backpropagation";
}

static bool has_option(const cli_context *context, const char *name)
{
    for (const cli_option *const *table = context->command->options; *table; table++)
        for (const cli_option *option = *table; option->name; option++)
            if (strcmp(option->name, name) == 0)
                return true;
    return false;
}

static double real_or(const cli_context *context, const char *name, double preset)
{
    return has_option(context, name) && cli_given(context->arguments, name) ? cli_real(context->arguments, name)
                                                                            : preset;
}

static uint32_t integer_or(const cli_context *context, const char *name, uint32_t preset)
{
    return has_option(context, name) && cli_given(context->arguments, name)
               ? (uint32_t)cli_integer(context->arguments, name)
               : preset;
}

static auxo_status read_optimizer(multiscale_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    auxo_multiscale_options *options = &job->options;
    if (!has_option(job->context, "optimizer"))
        return AUXO_OK;
    const char *text = cli_text(arguments, "optimizer");
    auxo_status status = auxo_optimizer_config_parse(text, &options->optimizer, error);
    bool rate_in_text = strstr(text, "lr=") != NULL;
    if (status == AUXO_OK && (cli_given(arguments, "lr") || !rate_in_text))
        options->optimizer.hyper[AUXO_HYPER_LR] = (float)real_or(job->context, "lr", job->preset->lr);
    return status;
}

static auxo_status read_options(multiscale_job *job, auxo_error *error)
{
    const cli_context *context = job->context;
    const cli_arguments *arguments = context->arguments;
    const multiscale_preset *preset = job->preset;
    auxo_multiscale_options *options = &job->options;
    auxo_multiscale_options_init(options);
    options->theta_on = (auxo_theta_placement)cli_choice(arguments, "theta-on");
    options->difference = (auxo_difference)cli_choice(arguments, "fd");
    options->epsilon = real_or(context, "epsilon", preset->epsilon);
    options->second_step = cli_real(arguments, "second-step");
    options->level_limit = (uint32_t)cli_integer(arguments, "levels");
    options->epochs = integer_or(context, "epochs", preset->epochs);
    options->iterations = integer_or(context, "iterations", preset->iterations);
    options->inner_tolerance = real_or(context, "inner-tolerance", preset->inner_tolerance);
    options->tolerance = real_or(context, "tolerance", preset->tolerance);
    options->check_every = integer_or(context, "check-every", 1);
    options->greedy = has_option(context, "greedy") && cli_flag(arguments, "greedy");
    options->standardize = cli_flag(arguments, "standardize");
    options->seed = cli_integer(arguments, "seed");
    options->stop = context->stop;
    job->backprop_epochs = integer_or(context, "backprop-epochs", preset->backprop_epochs);
    return read_optimizer(job, error);
}

static auxo_status load_data(multiscale_job *job, uint64_t seed, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    const char *name = cli_text(arguments, "data");
    auxo_data_options options = {.data_dir = cli_text(arguments, "data-dir"), .seed = seed};
    options.limit = cli_given(arguments, "limit") ? cli_integer(arguments, "limit") : job->preset->row_limit;
    auxo_status status = auxo_dataset_load(name ? name : job->preset->data, &options, &job->train, &job->test, error);
    double fraction = cli_real(arguments, "test-fraction");
    if (status != AUXO_OK || job->test || fraction == 0)
        return status;
    return auxo_dataset_hold_out(&job->train, fraction, seed, &job->test, error);
}

auxo_status multiscale_job_open(const cli_context *context, multiscale_job *job, auxo_error *error)
{
    *job = (multiscale_job){.context = context, .preset = &presets[cli_choice(context->arguments, "preset")]};
    auxo_status status = read_options(job, error);
    if (status == AUXO_OK)
        status = load_data(job, job->options.seed, error);
    if (status == AUXO_OK)
        status = cli_session_open(context, &job->session, error);
    return status;
}

void multiscale_job_close(multiscale_job *job)
{
    auxo_dataset_destroy(job->train);
    auxo_dataset_destroy(job->test);
    cli_session_close(&job->session);
}

auxo_status multiscale_job_reseed(multiscale_job *job, uint64_t seed, auxo_error *error)
{
    auxo_dataset_destroy(job->train);
    auxo_dataset_destroy(job->test);
    job->train = job->test = NULL;
    job->options.seed = seed;
    return load_data(job, seed, error);
}

auxo_status multiscale_job_model(const multiscale_job *job, const char *file, uint64_t seed, auxo_model **model,
                                 auxo_error *error)
{
    const char *name = file ? file : cli_text(job->context->arguments, "model");
    return cli_model_open(job->session.device, name ? name : job->preset->model, job->train, seed, model, error);
}

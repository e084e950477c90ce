/* multiscale_settings.c: presets and settings of the multi-scale methods: rows of the tables of Zhang et al. 2023
 * and 2023.
 */
#include "multiscale_task.h"

#include <stdio.h>
#include <string.h>

#define LAYERS_8 "mlp:5-5-5-5-5-5-5" /* hidden sizes, so that it fits any data */
#define FIVE_5 "5-5-5-5-5-"
#define LAYERS_20 "mlp:" FIVE_5 FIVE_5 FIVE_5 "5-5-5-5-5"
#define LAYERS_50 "mlp:" FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 FIVE_5 "5-5-5-5-5"

static const auxo_preset presets[] = {
    {"table3",
     "the reactor, 8 layers, Table 3's settings",
     {{"data", "reactor"},
      {"model", LAYERS_8},
      {"lr", "0.01"},
      {"epsilon", "0.001"},
      {"inner-tolerance", "0"},
      {"tolerance", "0"},
      {"epochs", "1000"},
      {"iterations", "100"},
      {"backprop-epochs", "1000"}}},
    {"table4",
     "sec. 4.2.2: the same at learning rate 1e-4, 200 iterations",
     {{"data", "reactor"},
      {"model", LAYERS_8},
      {"lr", "0.0001"},
      {"epsilon", "0.001"},
      {"inner-tolerance", "0"},
      {"tolerance", "0.001"},
      {"epochs", "1000"},
      {"iterations", "200"},
      {"backprop-epochs", "1000"}}},
    {"table5",
     "the reactor, 8 layers, both tolerances",
     {{"data", "reactor"},
      {"model", LAYERS_8},
      {"lr", "0.01"},
      {"epsilon", "0.001"},
      {"inner-tolerance", "0.0001"},
      {"tolerance", "0.001"},
      {"epochs", "1000"},
      {"iterations", "100"},
      {"backprop-epochs", "200"}}},
    {"table7",
     "the reactor, 20 hidden layers of 5 (its conference paper's settings)",
     {{"data", "reactor"},
      {"model", LAYERS_20},
      {"lr", "0.0001"},
      {"epsilon", "0.001"},
      {"inner-tolerance", "0.0001"},
      {"tolerance", "0.001"},
      {"epochs", "1000"},
      {"iterations", "200"},
      {"backprop-epochs", "200"}}},
    {"table8",
     "the reactor, 50 hidden layers of 5 (its conference paper's settings)",
     {{"data", "reactor"},
      {"model", LAYERS_50},
      {"lr", "0.0001"},
      {"epsilon", "0.001"},
      {"inner-tolerance", "0.0001"},
      {"tolerance", "0.001"},
      {"epochs", "1000"},
      {"iterations", "200"},
      {"backprop-epochs", "200"}}},
    {"ccpp",
     "combined cycle power plant, Table 9",
     {{"data", "ccpp"},
      {"model", "mlp:4-3-2-2-1"},
      {"lr", "0.05"},
      {"epsilon", "0.001"},
      {"inner-tolerance", "0.01"},
      {"tolerance", "0.01"},
      {"epochs", "20"},
      {"iterations", "50"},
      {"backprop-epochs", "20"},
      {"stop-on", "sum"}}},
    {"aep",
     "appliances energy prediction, Table 10",
     {{"data", "aep"},
      {"model", "mlp:24-10-5-5-3-2"},
      {"lr", "0.05"},
      {"epsilon", "0.001"},
      {"inner-tolerance", "0.005"},
      {"tolerance", "0.005"},
      {"epochs", "30"},
      {"iterations", "60"},
      {"backprop-epochs", "30"},
      {"limit", "10000"},
      {"stop-on", "sum"}}},
    {"tf",
     "temperature forecast, Table 11",
     {{"data", "tf"},
      {"model", "mlp:21-10-5-5-3-2"},
      {"lr", "0.05"},
      {"epsilon", "0.001"},
      {"inner-tolerance", "0.005"},
      {"tolerance", "0.005"},
      {"epochs", "30"},
      {"iterations", "60"},
      {"backprop-epochs", "30"},
      {"limit", "10000"},
      {"stop-on", "sum"}}},
    {"paper",
     "table5 with everything as Algorithm 1 and the equations are printed: differences downwards, eq. 36, the sum "
     "rule, a "
     "look every 50 iterations",
     {{"data", "reactor"},
      {"model", LAYERS_8},
      {"lr", "0.01"},
      {"fd", "backward_as_printed"},
      {"mean-gradients", "eq36"},
      {"epsilon", "0.001"},
      {"inner-tolerance", "0.0001"},
      {"tolerance", "0.001"},
      {"stop-on", "sum"},
      {"check-every", "50"},
      {"epochs", "1000"},
      {"iterations", "100"},
      {"backprop-epochs", "200"}}},
    {0},
};

/* Of two presets. */
#define TABLE_5                                                                                                        \
    {                                                                                                                  \
        "Table 5", {.98809, .83099, .98177}, {.98810, .83009, .98057}, {405.7, 203.4, 200.0}, {51, 101, 99},           \
        {                                                                                                              \
            350.4, 310.9, 297.3                                                                                        \
        }                                                                                                              \
    }

/* What the paper printed, in the order of the presets; 0 where it printed nothing. */
static const auxo__multiscale_printed printed[] = {
    {.table = "Table 3"},
    {"Sec. 4.2.2", {.992834, 0, .992952}, {0}, {0}, {200, 0, 0}, {2773.410, 0, 111.587}},
    TABLE_5,
    {"Table 7",
     {.94697, .94631, .93835},
     {.97121, .93880, .86888},
     {397.26, 397.26, 200.0},
     {50, 50, 97},
     {1022.4, 1153.5, 912.7}},
    {"Table 8",
     {1.0, 1.0, 1.00001},
     {1.0, 1.0, 1.04468},
     {208.83, 416.67, 200.0},
     {100, 50, 100},
     {3271.9, 3746.6, 2529.4}},
    {"Table 9", {.22814, .20021, .20920}, {0}, {0}, {0}, {1.0617, 2.497, .2417}},
    {"Table 10", {1.00010, .99979, 1.00006}, {0}, {0}, {0}, {2.80974, 7.15047, .47615}},
    {"Table 11", {1.0, 1.0, 2.38036}, {0}, {0}, {0}, {1.50658, 4.92685, .29743}},
    TABLE_5,
};

const auxo_setting auxo__multiscale_data_settings[] = {
    {.name = "preset",
     .type = AUXO_SETTING_CHOICE,
     .argument = "table3|table4|table5|table7|table8|ccpp|aep|tf|paper",
     .initial = "table5",
     .help = "Data, network and settings of one of the paper's tables; those given as well win",
     .presets = presets,
     .role = AUXO_SETTING_FREE},
    {.name = "test-fraction",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "0.2",
     .help = "Rows kept for testing, where the data set has no test split of its own",
     .minimum = 0,
     .maximum = 0.9},
    {.name = "standardize",
     .type = AUXO_SETTING_FLAG,
     .initial = "yes",
     .help = "Standardise inputs and targets by the training rows; a loss of 1 is then the constant predictor"},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__multiscale_selection_settings[] = {
    {.name = "fd",
     .type = AUXO_SETTING_CHOICE,
     .argument = "exact|forward|backward_as_printed|central|central_as_printed",
     .initial = "exact",
     .help = "Where sensitivities come from: one backward pass, or finite differences"},
    {.name = "theta-on",
     .type = AUXO_SETTING_CHOICE,
     .argument = "weights|outputs",
     .initial = "weights",
     .help = "What the scaling factors multiply"},
    {.name = "epsilon",
     .type = AUXO_SETTING_REAL,
     .argument = "E",
     .initial = "0.001",
     .help = "Perturbation of the scaling factors"},
    {.name = "mean-gradients",
     .type = AUXO_SETTING_CHOICE,
     .argument = "corrected|eq36|eq33",
     .initial = "corrected",
     .help = "Second order: the right block's mean gradient as the integral (29) gives it, or as printed"},
    {.name = "second-step",
     .type = AUXO_SETTING_REAL,
     .argument = "H",
     .initial = "0",
     .help = "Step of second differences; 0: 100 sqrt(machine epsilon)"},
    {.name = "levels",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Stop the tree at this depth: blocks of layers are then trained together",
     .maximum = 64},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__multiscale_training_settings[] = {
    {.name = "lr",
     .type = AUXO_SETTING_REAL,
     .argument = "R",
     .help = "Learning rate",
     .minimum = 1e-12,
     .maximum = 1e6},
    {.name = "optimizer",
     .type = AUXO_SETTING_TEXT,
     .argument = "SPEC",
     .initial = "sgd",
     .help = "Optimiser of the inner loop, for example adam:lr=0.01"},
    {.name = "epochs",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Epochs per iteration at most",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "iterations",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Iterations at most",
     .minimum = 1,
     .maximum = 1e9,
     .role = AUXO_SETTING_GROWS},
    {.name = "backprop-epochs",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Epochs per iteration of end-to-end backpropagation",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "inner-tolerance",
     .type = AUXO_SETTING_REAL,
     .argument = "T",
     .help = "End an iteration when no gradient of the layer is larger; 0: never"},
    {.name = "tolerance",
     .type = AUXO_SETTING_REAL,
     .argument = "T",
     .help = "End when the gradient of the network is smaller, as stop-on measures it; 0: never"},
    {.name = "stop-on",
     .type = AUXO_SETTING_CHOICE,
     .argument = "max|sum",
     .initial = "max",
     .help = "What of the network's gradient falls below the tolerance: its largest entry (eq. 45), or the sum of all "
             "entries' sizes (Algorithm 1)"},
    {.name = "check-every",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Iterations between looks at the network's gradient",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "theta-bound",
     .type = AUXO_SETTING_REAL,
     .argument = "E",
     .initial = "0",
     .help =
         "Second order: scale the blocks at every branching point by the lowest point of the quadratic model within "
         "this bound (sec. 5.1; the paper's trust region is 0.001), unless the loss rises; 0: never",
     .minimum = 0,
     .maximum = 0.5},
    {.name = "inner",
     .type = AUXO_SETTING_CHOICE,
     .argument = "gradient|pattern",
     .initial = "gradient",
     .help = "What trains the selected block: the optimiser, or a pattern search, which needs no gradient; an epoch is "
             "then a sweep over the weights of the block"},
    {.name = "pattern-step",
     .type = AUXO_SETTING_REAL,
     .argument = "S",
     .initial = "0.25",
     .help = "First step of the pattern search; it is halved after every sweep that brings nothing",
     .minimum = 1e-9,
     .maximum = 1e6},
    {.name = "pattern-least",
     .type = AUXO_SETTING_REAL,
     .argument = "S",
     .initial = "0.0001",
     .help = "The step below which a pattern search ends",
     .minimum = 1e-12,
     .maximum = 1e6},
    {.name = "train-units",
     .type = AUXO_SETTING_FLAG,
     .help = "Go on inside the selected layer and train only a block of its units: its rows of the weight, its biases"},
    {.name = "unit-levels",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "How often a layer is halved for train-units; 0: down to single units",
     .maximum = 64},
    {.name = "greedy", .type = AUXO_SETTING_FLAG, .help = "Always take the more sensitive branch instead of drawing"},
    AUXO_SETTINGS_END,
};

const auxo__multiscale_printed *auxo__multiscale_printed_of(const auxo_settings *settings)
{
    return &printed[auxo_settings_choice(settings, "preset")];
}

static auxo_status read_optimizer(const auxo_settings *settings, auxo_multiscale_options *options, auxo_error *error)
{
    const char *text = auxo_settings_text(settings, "optimizer");
    if (!text)
        return AUXO_OK;
    auxo_status status = auxo_optimizer_config_parse(text, &options->optimizer, error);
    /* A rate in the optimiser's own text wins over a preset's, and loses to one that stands alone. */
    bool rate_in_text = strstr(text, "lr=") != NULL;
    if (status == AUXO_OK && !rate_in_text)
        options->optimizer.hyper[AUXO_HYPER_LR] = (float)auxo_settings_real(settings, "lr");
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "optimizer");
}

auxo_status auxo__multiscale_read_options(const auxo_run *run, auxo_multiscale_options *options, auxo_error *error)
{
    const auxo_settings *settings = run->settings;
    auxo_multiscale_options_init(options);
    options->theta_on = (auxo_theta_placement)auxo_settings_choice(settings, "theta-on");
    options->difference = (auxo_difference)auxo_settings_choice(settings, "fd");
    options->means = (auxo_mean_gradients)auxo_settings_choice(settings, "mean-gradients");
    options->epsilon = auxo_settings_real(settings, "epsilon");
    options->second_step = auxo_settings_real(settings, "second-step");
    options->level_limit = (uint32_t)auxo_settings_integer(settings, "levels");
    options->standardize = auxo_settings_flag(settings, "standardize");
    options->seed = auxo_settings_integer(settings, "seed");
    options->stop = run->options.stop;
    if (!auxo_settings_find(settings, "iterations"))
        return AUXO_OK;
    options->epochs = (uint32_t)auxo_settings_integer(settings, "epochs");
    options->iterations = (uint32_t)auxo_settings_integer(settings, "iterations");
    options->inner_tolerance = auxo_settings_real(settings, "inner-tolerance");
    options->tolerance = auxo_settings_real(settings, "tolerance");
    options->stop_on_sum = auxo_settings_choice(settings, "stop-on") == 1;
    options->check_every = (uint32_t)auxo_settings_integer(settings, "check-every");
    options->greedy = auxo_settings_flag(settings, "greedy");
    options->theta_bound = auxo_settings_real(settings, "theta-bound");
    if (auxo_settings_choice(settings, "inner") == 1) {
        options->pattern_step = auxo_settings_real(settings, "pattern-step");
        options->pattern_least = auxo_settings_real(settings, "pattern-least");
    }
    options->train_units = auxo_settings_flag(settings, "train-units");
    options->unit_levels = (uint32_t)auxo_settings_integer(settings, "unit-levels");
    return read_optimizer(settings, options, error);
}

auxo_status auxo__multiscale_load_data(auxo_run *run, uint64_t seed, auxo__task_data *data, auxo_error *error)
{
    auxo__task_data_deinit(data);
    auxo_status status = auxo__task_read(run, auxo_settings_text(run->settings, "data"), seed, data, error);
    double fraction = auxo_settings_real(run->settings, "test-fraction");
    run->schema = status == AUXO_OK ? auxo_dataset_schema(data->train) : NULL;
    if (status != AUXO_OK || data->test || fraction == 0)
        return status;
    status = auxo_dataset_hold_out(&data->train, fraction, seed, &data->test, error);
    run->schema = status == AUXO_OK ? auxo_dataset_schema(data->train) : NULL;
    return status;
}

auxo_status auxo__multiscale_open_model(auxo_run *run, const auxo_dataset *train, uint64_t seed, auxo_model **model,
                                        auxo_error *error)
{
    return auxo__task_open_model_seeded(run, train, seed, model, error);
}

auxo_status auxo__multiscale_warn(auxo_run *run, const auxo_multiscale *multiscale, auxo_error *error)
{
    if (!auxo_multiscale_is_degenerate(multiscale))
        return AUXO_OK;
    return auxo__run_note(run, error,
                          "without bias and with positively homogeneous activations all layers are equally sensitive: "
                          "selection is uniform");
}

/* resbuild_settings.c: the settings of "resbuild": the thesis's experiments as presets.
 */
#include "resbuild_method.h"

static const auxo_preset presets[] = {
    {"minimal",
     "from one convolution of 64 filters and three image sizes, 1e8 FLOPs (RB-0Net)",
     {{"model", "conv:64:3:3"}, {"augment", "auto"}}},
    {"resnet18",
     "from ResNet-18 with the stem for small pictures (RB-R18)",
     {{"model", "resnet18"}, {"augment", "auto"}}},
    {"paper",
     "from ResNet-18 with the ImageNet stem; blocks are judged by the mean, as coded originally",
     {{"model", "resnet18-imagenet"}, {"prune-stat", "mean"}, {"augment", "auto"}}},
    {"morphnet",
     "no insertions, MorphNet steps only, from ResNet-18: the MorphNet column of the thesis's table 6.1",
     {{"model", "resnet18"}, {"insertions", "0"}, {"augment", "auto"}}},
    {"animals10",
     "the minimal start within 1e9 FLOPs, as the thesis has it for larger pictures",
     {{"model", "conv:64:3:3"}, {"augment", "auto"}, {"budget-flops", "1e9"}}},
    {"long",
     "25 slow MorphNet steps within 1e9 FLOPs (thesis, Fig. 6.20): intensity .1, weak regularisers",
     {{"model", "conv:64:3:3"},
      {"augment", "auto"},
      {"budget-flops", "1e9"},
      {"cycles", "25"},
      {"intensity", "0.1"},
      {"optimizer", "adam:weight_decay=1e-10"},
      {"lambda-layer", "1e-10"},
      {"lambda-morph", "1e-9"}}},
    {"fast",
     "from one convolution of 16 filters, intensity .5 (thesis, Fig. 6.22)",
     {{"model", "conv:16:3:3"}, {"augment", "auto"}, {"intensity", "0.5"}}},
    {"slow",
     "from one convolution of 16 filters that grows slowly: intensity .1 (thesis, section 6.2.6)",
     {{"model", "conv:16:3:3"}, {"augment", "auto"}, {"intensity", "0.1"}}},
    {"small",
     "the minimal start scaled down for a processor: 16 filters, 1e6 FLOPs, 2 insertions, 3 cycles, 4 epochs",
     {{"model", "conv:16:3:3"},
      {"budget-flops", "1e6"},
      {"insertions", "2"},
      {"cycles", "3"},
      {"epochs", "4"},
      {"optimizer", "adam:lr=0.003,weight_decay=1e-5"}}},
    {"small-morphnet",
     "the same without insertions, at the same budget",
     {{"model", "conv:16:3:3"},
      {"budget-flops", "1e6"},
      {"insertions", "0"},
      {"cycles", "9"},
      {"epochs", "4"},
      {"optimizer", "adam:lr=0.003,weight_decay=1e-5"}}},
    {0},
};

const auxo_setting auxo__resbuild_settings[] = {
    {.name = "preset",
     .type = AUXO_SETTING_CHOICE,
     .argument = "minimal|resnet18|paper|morphnet|animals10|long|fast|slow|small|small-morphnet",
     .initial = "minimal",
     .help = "Start and settings of an experiment; those given as well win",
     .presets = presets,
     .role = AUXO_SETTING_FREE},
    {.name = "insertions",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "4",
     .help = "Blocks inserted between two MorphNet steps; 0: MorphNet only",
     .maximum = 1000},
    {.name = "cycles",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "7",
     .help = "MorphNet steps",
     .minimum = 1,
     .maximum = 1000,
     .role = AUXO_SETTING_GROWS},
    {.name = "architectures",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Stop after N architectures; resume goes on",
     .role = AUXO_SETTING_GROWS},
    {.name = "epochs",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "20",
     .help = "Epochs of each training",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "trainings",
     .type = AUXO_SETTING_CHOICE,
     .argument = "all|fresh|inherited|regularized",
     .initial = "all",
     .help = "Trainings of each architecture beside the regularized one: from fresh weights (NoReg-RI), from the "
             "regularized ones (NoReg-WI), both, or none"},
    {.name = "lambda-layer",
     .type = AUXO_SETTING_REAL,
     .argument = "L",
     .initial = "1e-8",
     .help = "Strength of LayerLasso on the convolutions of blocks",
     .minimum = 0,
     .maximum = 1e3},
    {.name = "lambda-morph",
     .type = AUXO_SETTING_REAL,
     .argument = "L",
     .initial = "1e-7",
     .help = "Strength of MorphNet's regulariser",
     .minimum = 0,
     .maximum = 1e3},
    {.name = "morph-threshold",
     .type = AUXO_SETTING_REAL,
     .argument = "G",
     .initial = "0.01",
     .help = "A channel is alive if its batch-norm scale is above this",
     .minimum = 1e-12,
     .maximum = 1e3},
    {.name = "tau",
     .type = AUXO_SETTING_REAL,
     .argument = "T",
     .initial = "0.001",
     .help = "A block goes when the statistic of one of its convolutions is below this",
     .minimum = 0,
     .maximum = 1e6},
    {.name = "prune-stat",
     .type = AUXO_SETTING_CHOICE,
     .argument = "sum|mean|max",
     .initial = "sum",
     .help = "That statistic, of the absolute weights"},
    {.name = "keep-gain",
     .type = AUXO_SETTING_REAL,
     .argument = "G",
     .initial = "0.015",
     .help = "No block goes after an insertion that gained more validation accuracy than this",
     .minimum = 0,
     .maximum = 1},
    {.name = "intensity",
     .type = AUXO_SETTING_REAL,
     .argument = "I",
     .initial = "1",
     .help = "How far widths follow MorphNet's proposal, 0 to 1",
     .minimum = 0,
     .maximum = 1},
    {.name = "new-scale",
     .type = AUXO_SETTING_REAL,
     .argument = "S",
     .initial = "0.01",
     .help = "Mean magnitude of an inserted block's weights",
     .minimum = 0,
     .maximum = 10},
    {.name = "exact-insertion",
     .type = AUXO_SETTING_FLAG,
     .help = "Insert blocks without the relu at their end, their last batch norm at 0: the function is kept exactly, "
             "and they still learn"},
    {.name = "adam-on-resize",
     .type = AUXO_SETTING_CHOICE,
     .argument = "carry|reset",
     .initial = "carry",
     .help = "The optimizer's moments over insertions and removals, and in the training from the regularized weights: "
             "they go on with the weights, or begin anew"},
    AUXO_SETTINGS_END,
};

auxo_status auxo__resbuild_read_options(const auxo_settings *settings, auxo__resbuild_state *state, auxo_error *error)
{
    auxo_resbuild_options *options = &state->options;
    size_t trainings = auxo_settings_choice(settings, "trainings");
    auxo_resbuild_options_init(options);
    options->insertions = (uint32_t)auxo_settings_integer(settings, "insertions");
    options->cycles = (uint32_t)auxo_settings_integer(settings, "cycles");
    options->epochs = (uint32_t)auxo_settings_integer(settings, "epochs");
    options->trainings[AUXO_TRAINING_FRESH] = trainings == 0 || trainings == 1;
    options->trainings[AUXO_TRAINING_INHERITED] = trainings == 0 || trainings == 2;
    options->layer_lasso = auxo_settings_real(settings, "lambda-layer");
    options->morph_strength = auxo_settings_real(settings, "lambda-morph");
    options->morph_threshold = auxo_settings_real(settings, "morph-threshold");
    options->removal_threshold = auxo_settings_real(settings, "tau");
    options->removal_statistic = (auxo_block_statistic)auxo_settings_choice(settings, "prune-stat");
    options->keep_gain = auxo_settings_real(settings, "keep-gain");
    options->intensity = auxo_settings_real(settings, "intensity");
    options->new_scale = auxo_settings_real(settings, "new-scale");
    options->exact_insertion = auxo_settings_flag(settings, "exact-insertion");
    options->reset_state = auxo_settings_choice(settings, "adam-on-resize") == 1;
    options->keep_best = auxo_settings_choice(settings, "keep") == 0;
    options->patience = (uint32_t)auxo_settings_integer(settings, "patience");
    options->training = state->training;
    options->training.on_step = NULL; /* one line per architecture is enough */
    options->seed = state->training.seed;
    return auxo__budget_read(settings, options->budget.limit, &options->budget, error);
}

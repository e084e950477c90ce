/* adapt_settings.c: the settings of the method "adapt".
 */
#include "adapt_method.h"

static const auxo_preset presets[] = {
    {"own", "what is in this list as defaults", {{0}}},
    {"autosize",
     "dynamic auto-sizing: all hidden layers grow, an epoch with the penalty, units near zero go",
     {{"moves", "train,widen,narrow"},
      {"rules", "papers"},
      {"decide", "all"},
      {"cycle-epochs", "1"},
      {"growth-minimum", "20"},
      {"growth-fraction", "0.2"},
      {"threshold", "1e-3"},
      {"penalty-strength", "2e-5"}}},
    {"resbuild",
     "ResBuilder's insertion and removal: a block at a random place, 20 epochs, blocks near zero go",
     {{"moves", "train,insert,remove"},
      {"rules", "papers"},
      {"decide", "all"},
      {"cycle-epochs", "20"},
      {"threshold", "1e-3"},
      {"optimizer", "adam"}}},
    {"multiscale",
     "multi-scale training: the walk chooses a block, which is trained for 1000 epochs of full batches",
     {{"moves", "block"},
      {"rules", "papers"},
      {"decide", "all"},
      {"cycle-epochs", "1000"},
      {"batch", "1000000"},
      {"optimizer", "sgd:lr=0.01"},
      {"measure-batches", "2"},
      {"measure-rows", "1000000"}}},
    {0},
};

const auxo_setting auxo__adapt_settings[] = {
    {.name = "preset",
     .type = AUXO_SETTING_CHOICE,
     .argument = "own|autosize|resbuild|multiscale",
     .initial = "own",
     .help = "The controller's own choices, or a work's algorithm as settings of the same loop; settings given as well "
             "win",
     .presets = presets,
     .role = AUXO_SETTING_FREE},
    {.name = "moves",
     .type = AUXO_SETTING_TEXT,
     .argument = "M1,M2,...",
     .initial = "train,block,widen,narrow,insert,remove,brake",
     .help =
         "What may be done: train, block and units train all, some layers, some units of one; widen, narrow, insert "
         "and remove change the network; penalty and brake change how it is trained"},
    {.name = "policy",
     .type = AUXO_SETTING_CHOICE,
     .argument = "sensitivity|norms|random|greedy",
     .initial = "sensitivity",
     .help = "How moves are ranked: by expected gain for cost from sensitivities, by weight norms, drawn, or by trying "
             "the best of each kind"},
    {.name = "rules",
     .type = AUXO_SETTING_CHOICE,
     .argument = "own|papers",
     .initial = "own",
     .help = "How moves are proposed. own: every layer, place and block, to be ranked; papers: widen all hidden layers "
             "at once by units near zero, narrow and remove what is below threshold, insert at a drawn place, a block "
             "by the walk of multi-scale training"},
    {.name = "decide",
     .type = AUXO_SETTING_CHOICE,
     .argument = "best|all",
     .initial = "best",
     .help = "What a cycle does: the best of all moves, taken back if it does not pay; or every kind of them in turn, "
             "first what grows, then the training, then what shrinks, and all is kept"},
    {.name = "score",
     .type = AUXO_SETTING_CHOICE,
     .argument = "sensitivity|gradmax|bottleneck|split",
     .initial = "sensitivity",
     .help = "What a layer's new units promise: the gradient energy of a mean unit that is there, the largest that "
             "GradMax finds, (dense layers) that of the expressivity bottleneck, which the next layer cannot follow by "
             "its own weights (both need LAPACK), or that by which the halves of units would part that are split"},
    {.name = "grow-init",
     .type = AUXO_SETTING_CHOICE,
     .argument = "draw|gradmax|bottleneck|split",
     .initial = "draw",
     .help =
         "Incoming weights of new units: drawn, or in GradMax's or the bottleneck's directions (need LAPACK), outgoing "
         "ones 0; or halves of units that are there, a tenth of their length apart each way"},
    {.name = "budget-memory",
     .type = AUXO_SETTING_REAL,
     .argument = "MIB",
     .help = "Budget: device memory for model, optimizer, training, undoing and the best model; the rows do not count",
     .minimum = 1e-3,
     .maximum = 1e9},
    {.name = "cycles",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "100",
     .help = "Cycles of measuring, doing, judging",
     .minimum = 1,
     .maximum = 1e6,
     .role = AUXO_SETTING_GROWS},
    {.name = "time-limit",
     .type = AUXO_SETTING_SECONDS,
     .argument = "TIME",
     .help = "Stop before a cycle that would pass this time (90, 5m, 2h), earlier parts of the run included; one of "
             "several epochs is cut short and judged as it is",
     .minimum = 1e-3,
     .maximum = 1e9,
     .role = AUXO_SETTING_GROWS},
    {.name = "patience",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Stop after N cycles without a better validation result; 0: never",
     .maximum = 1e6,
     .role = AUXO_SETTING_GROWS},
    {.name = "cycle-steps",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help =
         "Training steps of a cycle, to the end of the epoch at most; 0: a fifth of an epoch, or as many, or as many "
         "epochs, as keep measuring and judging a tenth of the work",
     .maximum = 1e9},
    {.name = "cycle-epochs",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Whole epochs of a cycle instead of cycle-steps; 0: by cycle-steps",
     .maximum = 1e6},
    {.name = "prefix-memory",
     .type = AUXO_SETTING_REAL,
     .argument = "MIB",
     .initial = "512",
     .help =
         "Where a cycle trains a block of layers for several epochs, keep what the layers before it put out for all "
         "rows, if that takes at most so many MiB; 0: never",
     .minimum = 0,
     .maximum = 1e9},
    {.name = "threshold",
     .type = AUXO_SETTING_REAL,
     .argument = "T",
     .initial = "1e-3",
     .help = "rules papers: units whose weights, and blocks of which a convolution's sum of weights, stay below it go; "
             "new units are drawn at this scale",
     .minimum = 1e-30,
     .maximum = 1e6},
    {.name = "rest",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "3",
     .help = "Cycles without edits after each edit",
     .maximum = 1e6},
    {.name = "growth-fraction",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "0.3",
     .help = "New units of a layer at once, as a fraction of those there are",
     .minimum = 0,
     .maximum = 10},
    {.name = "growth-drive",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "0.1",
     .help = "Part of the loss that a network e times as large is expected to lose more of in every cycle to come; 0: "
             "only gradients speak for growth",
     .minimum = 0,
     .maximum = 100},
    {.name = "growth-minimum",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "2",
     .help = "New units of a layer at once, at least",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "narrow-fraction",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "0.1",
     .help = "Units of a layer that go at once, as a fraction of those there are",
     .minimum = 1e-6,
     .maximum = 0.9},
    {.name = "narrow-tolerance",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "0.005",
     .help = "A smaller network is kept if the validation loss rises by no more than this part of it",
     .minimum = 0,
     .maximum = 10},
    {.name = "keep-gain",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "0.25",
     .help = "A larger network is kept if it gains this part of what plain training gains for the same work",
     .minimum = 0,
     .maximum = 100},
    {.name = "penalty-strength",
     .type = AUXO_SETTING_REAL,
     .argument = "A",
     .initial = "0",
     .help = "Strength of the weighted l1 penalty at the start, which the move penalty changes",
     .minimum = 0,
     .maximum = 1e3},
    {.name = "brake",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "2",
     .help = "What the move brake multiplies friction by (port-Hamiltonian), or divides the learning rate by",
     .minimum = 1.0001,
     .maximum = 1e6},
    {.name = "measure-batches",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "8",
     .help = "Backward passes of a measurement",
     .minimum = 2,
     .maximum = 256},
    {.name = "measure-rows",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help =
         "Rows of each of them, at most their part of all; 0: so many that all are a twenty-fifth of a cycle's, 4 to "
         "64",
     .maximum = 1e6},
    AUXO_SETTINGS_END,
};

auxo_status auxo__adapt_read_options(const auxo_settings *settings, auxo_adapt_options *options, auxo_error *error)
{
    const auxo_train_options training = options->training;
    auxo_adapt_options_init(options);
    options->training = training;
    options->seed = training.seed;
    options->policy = (auxo_adapt_policy)auxo_settings_choice(settings, "policy");
    options->rules = (auxo_adapt_rules)auxo_settings_choice(settings, "rules");
    options->decide = (auxo_adapt_decide)auxo_settings_choice(settings, "decide");
    options->score = (auxo_adapt_score)auxo_settings_choice(settings, "score");
    options->grow_init = (auxo_grow_init)auxo_settings_choice(settings, "grow-init");
    options->budget = (auxo_adapt_budget){
        .parameters = auxo_settings_real(settings, "budget-params"),
        .flops = auxo_settings_real(settings, "budget-flops"),
        .latency_ns = 1e6 * auxo_settings_real(settings, "budget-latency"),
        .latency_batch = (uint32_t)auxo_settings_integer(settings, "latency-batch"),
        .memory_bytes = 1048576 * auxo_settings_real(settings, "budget-memory"),
    };
    options->cycle_steps = auxo_settings_integer(settings, "cycle-steps");
    options->cycle_epochs = (uint32_t)auxo_settings_integer(settings, "cycle-epochs");
    options->prefix_bytes = 1048576 * auxo_settings_real(settings, "prefix-memory");
    options->threshold = auxo_settings_real(settings, "threshold");
    options->rest_cycles = (uint32_t)auxo_settings_integer(settings, "rest");
    options->growth_fraction = auxo_settings_real(settings, "growth-fraction");
    options->growth_drive = auxo_settings_real(settings, "growth-drive");
    options->growth_minimum = (uint32_t)auxo_settings_integer(settings, "growth-minimum");
    options->narrow_fraction = auxo_settings_real(settings, "narrow-fraction");
    options->narrow_tolerance = auxo_settings_real(settings, "narrow-tolerance");
    options->keep_gain = auxo_settings_real(settings, "keep-gain");
    options->penalty_strength = auxo_settings_real(settings, "penalty-strength");
    options->brake = auxo_settings_real(settings, "brake");
    options->measure_batches = (uint32_t)auxo_settings_integer(settings, "measure-batches");
    options->measure_rows = (uint32_t)auxo_settings_integer(settings, "measure-rows");
    return auxo_adapt_moves_parse(auxo_settings_text(settings, "moves"), &options->moves, error);
}

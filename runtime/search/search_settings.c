/* search_settings.c: the settings of "search": what is searched, how, and until when.
 */
#include "number.h"
#include "search_method.h"

#include <stdlib.h>
#include <string.h>

const auxo_setting auxo__search_settings[] = {
    {.name = "method",
     .type = AUXO_SETTING_CHOICE,
     .argument = "random|grid|growth|evolution|genetic|tpe",
     .initial = "random",
     .help = "Random search, anytime grid search, progressive growth, hyperparameter evolution, genetic tuning of "
             "fully connected networks, or the tree-structured Parzen estimator"},
    {.name = "networks",
     .type = AUXO_SETTING_CHOICE,
     .argument = "auto|static|dynamic|layers|adapt",
     .initial = "auto",
     .help = "static: units per hidden layer are searched; dynamic: networks size themselves under a searched penalty; "
             "layers (tpe): layers of a fully connected network, their units and activations are searched, as genetic "
             "does; "
             "adapt: units to begin with are searched, with drive and keep of the controller under which each network "
             "then grows and shrinks; "
             "auto: dynamic for growth and evolution, else static"},
    {.name = "sample",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "1",
     .help = "Part of the training and of the validation rows that is drawn at random (thesis: 0.025)",
     .minimum = 1e-9,
     .maximum = 1},
    {.name = "sample-for",
     .type = AUXO_SETTING_CHOICE,
     .argument = "auto|model|run",
     .initial = "auto",
     .help = "With sample: drawn anew for each model, or once for the run; auto: for each model of random search, else "
             "once"},
    {.name = "units",
     .type = AUXO_SETTING_TEXT,
     .argument = "LOW,HIGH",
     .help = "Range of the units per hidden layer (default: 10,100; genetic: 8,256); one number: fixed"},
    {.name = "lr-range",
     .type = AUXO_SETTING_TEXT,
     .argument = "LOW,HIGH",
     .help = "Range of the learning rate (default: 1e-4,6e-4; genetic, with tune-lr: 1e-4,1e-2); lr fixes it"},
    {.name = "batch-range",
     .type = AUXO_SETTING_TEXT,
     .argument = "LOW,HIGH",
     .help = "Range of the batch size (default: 16,64; genetic: 16,512); batch fixes it"},
    {.name = "alpha",
     .type = AUXO_SETTING_TEXT,
     .argument = "LOW,HIGH",
     .help = "Range of the strength of the l1 penalty (static) or the weighted l1 penalty (dynamic); its exponent is "
             "uniform (default: 3.2e-5,1e-3); 0: no penalty; growth falls from HIGH to LOW"},
    {.name = "drive",
     .type = AUXO_SETTING_TEXT,
     .argument = "LOW,HIGH",
     .help = "networks adapt: range of its growth-drive, whose exponent is uniform (default: 0.01,1)"},
    {.name = "keep-range",
     .type = AUXO_SETTING_TEXT,
     .argument = "LOW,HIGH",
     .help = "networks adapt: range of its keep-gain (default: 0,1)"},
    {.name = "patience",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "8",
     .help = "A model ends after so many epochs without a lower validation loss",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "max-epochs",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Epochs of one model at most (default: 1000; genetic: 10)",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "initial-units",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "20",
     .help = "Dynamic: units per hidden layer at first",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "growth-minimum",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "20",
     .help = "Dynamic: new units per hidden layer and epoch, at least",
     .maximum = 1e6},
    {.name = "growth-fraction",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "0.2",
     .help = "Dynamic: new units per epoch, as a fraction of those there are",
     .minimum = 0,
     .maximum = 10},
    {.name = "alpha-factor",
     .type = AUXO_SETTING_REAL,
     .argument = "F",
     .initial = "0.1",
     .help = "Growth: the penalty is multiplied by this at a stall, and the model given up below LOW",
     .minimum = 1e-6,
     .maximum = 0.999},
    {.name = "alpha-steps",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Growth: instead, N penalties from HIGH to LOW, both trained under, evenly in the exponent",
     .maximum = 1000},
    {.name = "stall-limit",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Growth: a model that has not improved for more epochs than this is given up",
     .maximum = 1e6},
    {.name = "population",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Evolution, genetic: individuals (default: 10; genetic: 25)",
     .minimum = 2,
     .maximum = 1000},
    {.name = "tournament",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "3",
     .help = "Evolution: individuals of which the fittest is selected",
     .minimum = 1,
     .maximum = 1000},
    {.name = "parents",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "5",
     .help = "Evolution: individuals whose mean genome an offspring has",
     .minimum = 1,
     .maximum = 1000},
    {.name = "newcomers",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "2",
     .help = "Evolution: fresh models in each generation",
     .maximum = 1000},
    {.name = "age-limit",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Evolution: epochs after which a model's fitness falls",
     .maximum = 1e6},
    {.name = "age-factor",
     .type = AUXO_SETTING_REAL,
     .argument = "A",
     .initial = "0.005",
     .help = "Evolution: fitness is divided by 1 + A B^(age - age-limit) beyond the limit",
     .minimum = 0,
     .maximum = 1e6},
    {.name = "age-base",
     .type = AUXO_SETTING_REAL,
     .argument = "B",
     .initial = "1.8",
     .help = "Evolution: how fast that grows",
     .minimum = 1,
     .maximum = 1000},
    {.name = "mutation-spread",
     .type = AUXO_SETTING_TEXT,
     .argument = "F|GENE=F,...",
     .initial = "0.1",
     .help = "Evolution: standard deviation of mutations, as a part of the range: of every gene, or lr=F,batch=F,"
             "alpha=F (those left out: 0.1)"},
    {.name = "distinct-winners",
     .type = AUXO_SETTING_FLAG,
     .help = "Evolution: who has won a tournament takes part in no other, so that nobody is there twice"},
    {.name = "adam-on-resize",
     .type = AUXO_SETTING_CHOICE,
     .argument = "carry|reset",
     .initial = "carry",
     .help = "Evolution: the optimizer's moments go on with a model from generation to generation, or begin anew"},
    {.name = "keep",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Genetic: the best so many are parents of the next generation (default: 10, at most the population)",
     .minimum = 2,
     .maximum = 1000},
    {.name = "elite",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Genetic: the best so many go on unchanged",
     .maximum = 999},
    {.name = "hall",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Genetic: genomes in the hall of fame",
     .maximum = 1000},
    {.name = "layers",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "4",
     .help = "Genetic: hidden layers at most",
     .minimum = 1,
     .maximum = 16},
    {.name = "mutation",
     .type = AUXO_SETTING_REAL,
     .argument = "P",
     .initial = "0.3",
     .help = "Genetic: probability that a child is mutated",
     .minimum = 0,
     .maximum = 1},
    {.name = "crossover",
     .type = AUXO_SETTING_REAL,
     .argument = "P",
     .initial = "0.7",
     .help = "Genetic: probability that a child has two parents",
     .minimum = 0,
     .maximum = 1},
    {.name = "layer-addition",
     .type = AUXO_SETTING_REAL,
     .argument = "P",
     .initial = "0",
     .help = "Genetic: probability that a network that is drawn or bred gets one more random layer",
     .minimum = 0,
     .maximum = 1},
    {.name = "startup-trials",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Tpe: models at random before the first estimate",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "candidates",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "24",
     .help = "Tpe: draws from the density of the good of which the most promising is tried",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "multivariate",
     .type = AUXO_SETTING_FLAG,
     .help = "Tpe: parameters are proposed together, not each for itself"},
    {.name = "pruner",
     .type = AUXO_SETTING_CHOICE,
     .argument = "none|median|halving",
     .initial = "none",
     .help = "Give a model up: after an epoch in which others that ran to their end were better in the median, or by "
             "asynchronous successive halving"},
    {.name = "pruner-startup",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "5",
     .help = "Median: complete models before it judges",
     .maximum = 1e6},
    {.name = "pruner-warmup",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Median: first epochs of each model that it spares",
     .maximum = 1e6},
    {.name = "reduction",
     .type = AUXO_SETTING_INTEGER,
     .argument = "R",
     .initial = "4",
     .help = "Halving: of R models one goes on at epochs 1, R, R^2, ...",
     .minimum = 2,
     .maximum = 1000},
    {.name = "plateau",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Genetic: end after so many generations without a better network",
     .minimum = 1,
     .maximum = 1e6,
     .role = AUXO_SETTING_GROWS},
    {.name = "target",
     .type = AUXO_SETTING_REAL,
     .argument = "Q",
     .help =
         "End when the best validation quality reaches Q (a share of 1 for classes; minus the RMSE for real targets)",
     .minimum = -1e30,
     .maximum = 1e30,
     .role = AUXO_SETTING_GROWS},
    {.name = "tune-lr", .type = AUXO_SETTING_FLAG, .help = "Genetic: the learning rate is part of the genome"},
    {.name = "time-limit",
     .type = AUXO_SETTING_SECONDS,
     .argument = "T",
     .help = "End after this time, over all parts of a resumed run",
     .minimum = 0.001,
     .maximum = 1e9,
     .role = AUXO_SETTING_GROWS},
    {.name = "evaluations",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "End after so many models (evolution: trained for an epoch; at the end of a generation)",
     .minimum = 1,
     .maximum = 1e9,
     .role = AUXO_SETTING_GROWS},
    {.name = "generations",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Evolution, genetic: end after so many generations (default: no end; genetic: 25)",
     .minimum = 1,
     .maximum = 1e6,
     .role = AUXO_SETTING_GROWS},
    {.name = "keep-models",
     .type = AUXO_SETTING_FLAG,
     .help = "With a study: keep each trial's model in FILE.db.models, not only the best one's",
     .role = AUXO_SETTING_FREE},
    {.name = "run",
     .type = AUXO_SETTING_TEXT,
     .argument = "METHOD",
     .help = "Search the settings of this method (train, autosize, ...) instead: random or tpe, with a study"},
    {.name = "space",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.json",
     .help = "With run: what is searched (default: what the study's trials have, without conditions): {\"lr\": "
             "{\"type\": \"float\", "
             "\"low\": 1e-4, \"high\": 0.1, \"log\": true}, \"optimizer\": {\"choices\": [\"sgd\", \"adam\"]}}",
     .role = AUXO_SETTING_FREE},
    {.name = "run-settings",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.json",
     .help = "With run: further settings of that method, by name; those given here that it has hold too",
     .role = AUXO_SETTING_FREE},
    {.name = "metric",
     .type = AUXO_SETTING_TEXT,
     .argument = "NAME",
     .initial = "val_accuracy",
     .help =
         "With run: the number that decides: of an epoch (the best of all epochs), else of the result; one with loss, "
         "rmse, mae, error, seconds, weights or flops in its name is to be small"},
    {.name = "minimize", .type = AUXO_SETTING_FLAG, .help = "With run: the metric is to be small, whatever its name"},
    {.name = "trace",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.csv",
     .help = "Write the performance trace here, one line per epoch; `auxo search profile` compares several",
     .role = AUXO_SETTING_FREE},
    AUXO_SETTINGS_END,
};

/* "LOW,HIGH" or one number; leaves the default where the option is not given. */
static auxo_status read_range(const auxo_settings *settings, const char *option, auxo_range *range, auxo_error *error)
{
    const char *text = auxo_settings_text(settings, option);
    char *end = NULL;
    if (!text)
        return AUXO_OK;
    range->low = range->high = strtod(text, &end);
    bool right = end != text;
    if (right && *end == ',') {
        const char *second = end + 1;
        range->high = strtod(second, &end);
        right = end != second;
    }
    if (!right || *end)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: \"%s\" is neither LOW,HIGH nor a number", option,
                              text);
    return AUXO_OK;
}

static auxo_status read_ranges(const auxo_settings *settings, auxo_search_options *options, auxo_error *error)
{
    auxo_status status = read_range(settings, "units", &options->units, error);
    if (status == AUXO_OK)
        status = read_range(settings, "lr-range", &options->lr, error);
    if (status == AUXO_OK)
        status = read_range(settings, "batch-range", &options->batch, error);
    if (status == AUXO_OK)
        status = read_range(settings, "alpha", &options->alpha, error);
    if (status == AUXO_OK)
        status = read_range(settings, "drive", &options->growth_drive, error);
    if (status == AUXO_OK)
        status = read_range(settings, "keep-range", &options->keep_gain, error);
    if (auxo_settings_given(settings, "lr"))
        options->lr = (auxo_range){auxo_settings_real(settings, "lr"), auxo_settings_real(settings, "lr")};
    if (auxo_settings_given(settings, "batch"))
        options->batch = (auxo_range){(double)auxo_settings_integer(settings, "batch"),
                                      (double)auxo_settings_integer(settings, "batch")};
    return status;
}

/* A number for every gene, or GENE=NUMBER,... */
static auxo_status read_spread(const char *text, auxo_mutation_spread *spread, auxo_error *error)
{
    static const char *const names[] = {"lr=", "batch=", "alpha="};
    double *const values[] = {&spread->lr, &spread->batch, &spread->alpha};
    char *end = NULL;
    const double all = auxo__text_to_double(text, &end);
    bool right = end != text && !*end && all >= 0 && all <= 1;
    if (right) {
        *spread = (auxo_mutation_spread){all, all, all};
        return AUXO_OK;
    }
    for (const char *at = text;; at = end + 1) {
        size_t gene = 0;
        while (gene < 3 && strncmp(at, names[gene], strlen(names[gene])) != 0)
            gene++;
        if (gene == 3)
            break;
        const char *number = at + strlen(names[gene]);
        *values[gene] = auxo__text_to_double(number, &end);
        right = end != number && (!*end || *end == ',') && *values[gene] >= 0 && *values[gene] <= 1;
        if (!right || !*end)
            break;
        right = false; /* a comma must be followed by a gene */
    }
    return right ? AUXO_OK
                 : auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "mutation-spread: \"%s\" is neither a number from 0 to 1 nor lr=F,batch=F,alpha=F",
                                  text);
}

static uint32_t count_of(const auxo_settings *settings, const char *option, uint32_t initial)
{
    return auxo_settings_given(settings, option) ? (uint32_t)auxo_settings_integer(settings, option) : initial;
}

/* The space of genetic tuning, learning rate included. */
static void search_layers(auxo_search_options *options)
{
    auxo_search_options genetic;
    auxo_search_options_init(AUXO_SEARCH_GENETIC, &genetic);
    options->dynamic = false;
    options->layered = true;
    options->units = genetic.units;
    options->batch = genetic.batch;
    options->lr = genetic.lr;
    options->search_lr = true;
}

/* The controller's settings beside those searched: its budgets. */
static auxo_status read_adapt(const auxo_settings *settings, bool adapts, auxo_adapt_options *adapt, auxo_error *error)
{
    static const char *const budgets[] = {"budget-params", "budget-flops", "budget-latency"};
    for (int i = 0; i < 3 && !adapts; i++)
        if (auxo_settings_given(settings, budgets[i]))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s needs networks adapt", budgets[i]);
    auxo_adapt_options_init(adapt);
    adapt->budget = (auxo_adapt_budget){.parameters = auxo_settings_real(settings, "budget-params"),
                                        .flops = auxo_settings_real(settings, "budget-flops"),
                                        .latency_ns = 1e6 * auxo_settings_real(settings, "budget-latency"),
                                        .latency_batch = (uint32_t)auxo_settings_integer(settings, "latency-batch")};
    return AUXO_OK;
}

auxo_status auxo__search_read_options(const auxo_settings *settings, const auxo_train_options *training,
                                      auxo_adapt_options *adapt, auxo_search_options *options, auxo_error *error)
{
    enum { NETWORKS_AUTO, NETWORKS_STATIC, NETWORKS_DYNAMIC, NETWORKS_LAYERS, NETWORKS_ADAPT };
    auxo_search_options_init((auxo_search_method)auxo_settings_choice(settings, "method"), options);
    enum { SAMPLED_AUTO, SAMPLED_MODEL, SAMPLED_RUN };
    const size_t networks = auxo_settings_choice(settings, "networks"),
                 sampled_for = auxo_settings_choice(settings, "sample-for");
    if (networks != NETWORKS_AUTO)
        options->dynamic = networks == NETWORKS_DYNAMIC;
    if (networks == NETWORKS_LAYERS)
        search_layers(options);
    const auxo_status read = read_adapt(settings, networks == NETWORKS_ADAPT, adapt, error);
    if (read != AUXO_OK)
        return read;
    options->adapt = networks == NETWORKS_ADAPT ? adapt : NULL;
    options->sampler.startup = (uint32_t)auxo_settings_integer(settings, "startup-trials");
    options->sampler.candidates = (uint32_t)auxo_settings_integer(settings, "candidates");
    options->sampler.multivariate = auxo_settings_flag(settings, "multivariate");
    options->pruner.kind = (auxo_pruner_kind)auxo_settings_choice(settings, "pruner");
    options->pruner.startup = (uint32_t)auxo_settings_integer(settings, "pruner-startup");
    options->pruner.warmup = (uint32_t)auxo_settings_integer(settings, "pruner-warmup");
    options->pruner.reduction = (uint32_t)auxo_settings_integer(settings, "reduction");
    options->seed = auxo_settings_integer(settings, "seed");
    options->training = *training;
    options->training.on_step = NULL;
    options->training.log_every = 0;
    options->patience = (uint32_t)auxo_settings_integer(settings, "patience");
    options->epoch_limit = count_of(settings, "max-epochs", options->epoch_limit);
    options->initial_units = (uint32_t)auxo_settings_integer(settings, "initial-units");
    options->growth_minimum = (uint32_t)auxo_settings_integer(settings, "growth-minimum");
    options->growth_fraction = auxo_settings_real(settings, "growth-fraction");
    options->alpha_factor = auxo_settings_real(settings, "alpha-factor");
    options->stall_limit = (uint32_t)auxo_settings_integer(settings, "stall-limit");
    options->population = count_of(settings, "population", options->population);
    options->tournament = (uint32_t)auxo_settings_integer(settings, "tournament");
    options->parents = (uint32_t)auxo_settings_integer(settings, "parents");
    options->newcomers = (uint32_t)auxo_settings_integer(settings, "newcomers");
    options->age_limit = (uint32_t)auxo_settings_integer(settings, "age-limit");
    options->age_factor = auxo_settings_real(settings, "age-factor");
    options->age_base = auxo_settings_real(settings, "age-base");
    options->distinct_winners = auxo_settings_flag(settings, "distinct-winners");
    options->reset_state = auxo_settings_choice(settings, "adam-on-resize") == 1;
    options->alpha_steps = (uint32_t)auxo_settings_integer(settings, "alpha-steps");
    options->sample = auxo_settings_real(settings, "sample");
    options->sample_each = options->sample < 1 && sampled_for != SAMPLED_RUN &&
                           (sampled_for == SAMPLED_MODEL || options->method == AUXO_SEARCH_RANDOM);
    const uint32_t keep = options->keep < options->population ? options->keep : options->population;
    options->keep = count_of(settings, "keep", keep);
    options->elite = (uint32_t)auxo_settings_integer(settings, "elite");
    options->hall_size = (uint32_t)auxo_settings_integer(settings, "hall");
    options->layer_limit = (uint32_t)auxo_settings_integer(settings, "layers");
    options->mutation = auxo_settings_real(settings, "mutation");
    options->crossover = auxo_settings_real(settings, "crossover");
    options->layer_addition = auxo_settings_real(settings, "layer-addition");
    options->plateau_limit = count_of(settings, "plateau", 0);
    options->search_lr = options->search_lr || auxo_settings_flag(settings, "tune-lr");
    options->time_limit = auxo_settings_real(settings, "time-limit");
    options->evaluation_limit = auxo_settings_integer(settings, "evaluations");
    options->generation_limit = count_of(settings, "generations", options->generation_limit);
    if (auxo_settings_given(settings, "target"))
        options->target = auxo_settings_real(settings, "target");
    auxo_status status = read_spread(auxo_settings_text(settings, "mutation-spread"), &options->gene_spread, error);
    return status == AUXO_OK ? read_ranges(settings, options, error) : status;
}

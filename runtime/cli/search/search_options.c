/* runtime/cli/search/search_options.c: the options of `auxo search`: what is searched, how, and until when. */
#include "search_run.h"

#include <stdlib.h>
#include <string.h>

const cli_option search_options[] = {
    {.name = "method",
     .type = CLI_CHOICE,
     .argument = "random|grid|growth|evolution|genetic",
     .initial = "random",
     .help = "Random search, anytime grid search, progressive growth, hyperparameter evolution, or genetic tuning of "
             "fully connected networks"},
    {.name = "networks",
     .type = CLI_CHOICE,
     .argument = "auto|static|dynamic",
     .initial = "auto",
     .help = "static: units per hidden layer are searched; dynamic: networks size themselves under a searched penalty; "
             "auto: dynamic for growth and evolution, else static"},
    {.name = "units",
     .type = CLI_TEXT,
     .argument = "LOW,HIGH",
     .help = "Range of the units per hidden layer (default: 10,100; genetic: 8,256); one number: fixed"},
    {.name = "lr-range",
     .type = CLI_TEXT,
     .argument = "LOW,HIGH",
     .help = "Range of the learning rate (default: 1e-4,6e-4; genetic, with --tune-lr: 1e-4,1e-2); --lr fixes it"},
    {.name = "batch-range",
     .type = CLI_TEXT,
     .argument = "LOW,HIGH",
     .help = "Range of the batch size (default: 16,64; genetic: 16,512); --batch fixes it"},
    {.name = "alpha",
     .type = CLI_TEXT,
     .argument = "LOW,HIGH",
     .help = "Range of the strength of the l1 penalty (static) or the weighted l1 penalty (dynamic); its exponent is "
             "uniform (default: 3.2e-5,1e-3); 0: no penalty; growth falls from HIGH to LOW"},
    {.name = "patience",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "8",
     .help = "A model ends after so many epochs without a lower validation loss",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "max-epochs",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Epochs of one model at most (default: 1000; genetic: 10)",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "initial-units",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "20",
     .help = "Dynamic: units per hidden layer at first",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "growth-minimum",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "20",
     .help = "Dynamic: new units per hidden layer and epoch, at least",
     .maximum = 1e6},
    {.name = "growth-fraction",
     .type = CLI_REAL,
     .argument = "F",
     .initial = "0.2",
     .help = "Dynamic: new units per epoch, as a fraction of those there are",
     .minimum = 0,
     .maximum = 10},
    {.name = "alpha-factor",
     .type = CLI_REAL,
     .argument = "F",
     .initial = "0.1",
     .help = "Growth: the penalty is multiplied by this at a stall",
     .minimum = 1e-6,
     .maximum = 0.999},
    {.name = "stall-limit",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Growth: a model that has not improved for more epochs than this is given up",
     .maximum = 1e6},
    {.name = "population",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Evolution, genetic: individuals (default: 10; genetic: 25)",
     .minimum = 2,
     .maximum = 1000},
    {.name = "tournament",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "3",
     .help = "Evolution: individuals of which the fittest is selected",
     .minimum = 1,
     .maximum = 1000},
    {.name = "parents",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "5",
     .help = "Evolution: individuals whose mean genome an offspring has",
     .minimum = 1,
     .maximum = 1000},
    {.name = "newcomers",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "2",
     .help = "Evolution: fresh models in each generation",
     .maximum = 1000},
    {.name = "age-limit",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Evolution: epochs after which a model's fitness falls",
     .maximum = 1e6},
    {.name = "mutation-spread",
     .type = CLI_REAL,
     .argument = "F",
     .initial = "0.1",
     .help = "Evolution: standard deviation of mutations, as a part of the range",
     .minimum = 0,
     .maximum = 1},
    {.name = "keep",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Genetic: the best so many are parents of the next generation (default: 10, at most the population)",
     .minimum = 2,
     .maximum = 1000},
    {.name = "elite",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Genetic: the best so many go on unchanged",
     .maximum = 999},
    {.name = "hall",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Genetic: genomes in the hall of fame",
     .maximum = 1000},
    {.name = "layers",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "4",
     .help = "Genetic: hidden layers at most",
     .minimum = 1,
     .maximum = 16},
    {.name = "mutation",
     .type = CLI_REAL,
     .argument = "P",
     .initial = "0.3",
     .help = "Genetic: probability that a child is mutated",
     .minimum = 0,
     .maximum = 1},
    {.name = "crossover",
     .type = CLI_REAL,
     .argument = "P",
     .initial = "0.7",
     .help = "Genetic: probability that a child has two parents",
     .minimum = 0,
     .maximum = 1},
    {.name = "tune-lr", .type = CLI_FLAG, .help = "Genetic: the learning rate is part of the genome"},
    {.name = "time-limit",
     .type = CLI_SECONDS,
     .argument = "T",
     .help = "End after this time, over all parts of a resumed run",
     .minimum = 0.001,
     .maximum = 1e9},
    {.name = "evaluations",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "End after so many models (evolution: trained for an epoch; at the end of a generation)",
     .minimum = 1,
     .maximum = 1e9},
    {.name = "generations",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Evolution, genetic: end after so many generations (default: no end; genetic: 25)",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "save", .type = CLI_TEXT, .argument = "FILE", .help = "Write the best model here (safetensors)"},
    {.name = "trace",
     .type = CLI_TEXT,
     .argument = "FILE.csv",
     .help = "Write the performance trace here, one line per epoch; `auxo search profile` compares several"},
    {.name = "report",
     .type = CLI_TEXT,
     .argument = "FILE.html",
     .help = "Write best-so-far curve, population and best network as one HTML file"},
    CLI_OPTIONS_END,
};

/* "LOW,HIGH" or one number; leaves the default where the option is not given. */
static auxo_status read_range(const cli_arguments *arguments, const char *option, auxo_range *range, auxo_error *error)
{
    const char *text = cli_text(arguments, option);
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
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: \"%s\" is neither LOW,HIGH nor a number", option,
                              text);
    return AUXO_OK;
}

static auxo_status read_ranges(search_run *run, auxo_error *error)
{
    const cli_arguments *arguments = run->job.context->arguments;
    auxo_search_options *options = &run->options;
    auxo_status status = read_range(arguments, "units", &options->units, error);
    if (status == AUXO_OK)
        status = read_range(arguments, "lr-range", &options->lr, error);
    if (status == AUXO_OK)
        status = read_range(arguments, "batch-range", &options->batch, error);
    if (status == AUXO_OK)
        status = read_range(arguments, "alpha", &options->alpha, error);
    if (cli_given(arguments, "lr"))
        options->lr = (auxo_range){cli_real(arguments, "lr"), cli_real(arguments, "lr")};
    if (cli_given(arguments, "batch"))
        options->batch = (auxo_range){(double)cli_integer(arguments, "batch"), (double)cli_integer(arguments, "batch")};
    return status;
}

static uint32_t count_of(const cli_arguments *arguments, const char *option, uint32_t initial)
{
    return cli_given(arguments, option) ? (uint32_t)cli_integer(arguments, option) : initial;
}

auxo_status search_options_read(search_run *run, auxo_error *error)
{
    enum { NETWORKS_AUTO, NETWORKS_STATIC, NETWORKS_DYNAMIC };
    const cli_arguments *arguments = run->job.context->arguments;
    auxo_search_options *options = &run->options;
    auxo_search_options_init((auxo_search_method)cli_choice(arguments, "method"), options);
    const size_t networks = cli_choice(arguments, "networks");
    if (networks != NETWORKS_AUTO)
        options->dynamic = networks == NETWORKS_DYNAMIC;
    options->seed = cli_integer(arguments, "seed");
    options->training = run->job.options;
    options->training.on_step = NULL;
    options->training.log_every = 0;
    options->patience = (uint32_t)cli_integer(arguments, "patience");
    options->epoch_limit = count_of(arguments, "max-epochs", options->epoch_limit);
    options->initial_units = (uint32_t)cli_integer(arguments, "initial-units");
    options->growth_minimum = (uint32_t)cli_integer(arguments, "growth-minimum");
    options->growth_fraction = cli_real(arguments, "growth-fraction");
    options->alpha_factor = cli_real(arguments, "alpha-factor");
    options->stall_limit = (uint32_t)cli_integer(arguments, "stall-limit");
    options->population = count_of(arguments, "population", options->population);
    options->tournament = (uint32_t)cli_integer(arguments, "tournament");
    options->parents = (uint32_t)cli_integer(arguments, "parents");
    options->newcomers = (uint32_t)cli_integer(arguments, "newcomers");
    options->age_limit = (uint32_t)cli_integer(arguments, "age-limit");
    options->mutation_spread = cli_real(arguments, "mutation-spread");
    const uint32_t keep = options->keep < options->population ? options->keep : options->population;
    options->keep = count_of(arguments, "keep", keep);
    options->elite = (uint32_t)cli_integer(arguments, "elite");
    options->hall_size = (uint32_t)cli_integer(arguments, "hall");
    options->layer_limit = (uint32_t)cli_integer(arguments, "layers");
    options->mutation = cli_real(arguments, "mutation");
    options->crossover = cli_real(arguments, "crossover");
    options->search_lr = cli_flag(arguments, "tune-lr");
    options->time_limit = cli_real(arguments, "time-limit");
    options->evaluation_limit = cli_integer(arguments, "evaluations");
    options->generation_limit = count_of(arguments, "generations", options->generation_limit);
    options->on_epoch = search_on_epoch;
    options->user = run;
    return read_ranges(run, error);
}

const char *search_model_name(const search_run *run)
{
    const auxo_dataset *data = run->job.train;
    if (cli_given(run->job.context->arguments, "model"))
        return cli_text(run->job.context->arguments, "model");
    return data->height * data->width > 1 ? "autosize-cnn" : "autosize-mlp";
}

const char *search_method_name(const search_run *run)
{
    return cli_text(run->job.context->arguments, "method");
}

/* morph_settings.c: the settings and presets of "morph" (thesis, chapter 5), and what they say.
 */
#include "morph_method.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const auxo_preset presets[] = {
    {"front",
     "several strengths, two iterations each and a final training (Fig. 5.1 to 5.3)",
     {{"lambda", "1e-9,1e-8,1e-7,1e-6,9e-6"}}},
    {"run", "one strength, two iterations and a final training (Fig. 5.4)", {{"lambda", "2e-8"}}},
    {"bad-widths",
     "twenty iterations from a far too small and a far too large network, at one budget (Fig. 5.5)",
     {{"starts", "conv:2-2,conv:128-128"}, {"lambda", "2e-8"}, {"iterations", "20"}, {"budget-flops", "4e6"}}},
    {0},
};

const auxo_setting auxo__morph_settings[] = {
    {.name = "preset",
     .type = AUXO_SETTING_CHOICE,
     .argument = "front|run|bad-widths",
     .initial = "run",
     .help = "Settings of an experiment; those given as well win",
     .presets = presets,
     .role = AUXO_SETTING_FREE},
    {.name = "starts",
     .type = AUXO_SETTING_TEXT,
     .argument = "NAME,...",
     .help = "Networks to start from, one loop each, instead of the model"},
    {.name = "lambda",
     .type = AUXO_SETTING_TEXT,
     .argument = "L,...",
     .initial = "2e-8",
     .help = "Strengths of the regulariser, one loop each"},
    {.name = "scale",
     .type = AUXO_SETTING_CHOICE,
     .argument = "batch-norm|group-lasso",
     .initial = "batch-norm",
     .help = "What says whether a channel lives: its batch-norm scale, or the mean size of its weights"},
    {.name = "threshold",
     .type = AUXO_SETTING_REAL,
     .argument = "G",
     .initial = "0.01",
     .help = "A channel is alive if its scale is above this",
     .minimum = 1e-12,
     .maximum = 1e3},
    {.name = "intensity",
     .type = AUXO_SETTING_REAL,
     .argument = "I",
     .initial = "1",
     .help = "How far widths follow the proposal, 0 to 1",
     .minimum = 0,
     .maximum = 1},
    {.name = "iterations",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "2",
     .help = "Regularised trainings, each followed by shrinking and expanding",
     .minimum = 1,
     .maximum = 10000,
     .role = AUXO_SETTING_GROWS},
    {.name = "epochs",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "5",
     .help = "Epochs of each regularised training",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "final-epochs",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Epochs of the training without regulariser at the end; 0: none",
     .maximum = 1e6,
     .role = AUXO_SETTING_GROWS},
    {.name = "refresh-steps",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "100",
     .help = "Steps between two looks at which channels live",
     .minimum = 1,
     .maximum = 1e9},
    AUXO_SETTINGS_END,
};

/* Of pictures "auto" is a network with batch norms; of tables that of every method. */
static const char *default_start(const auxo_settings *settings, const auxo_dataset *train)
{
    const char *model = auxo_settings_text(settings, "model");
    return auxo__task_of_pictures(train) && strcmp(model, "auto") == 0 ? "conv:32-64"
                                                                       : auxo__task_model_name(model, train);
}

/* The scales of batch norms, but of the start for tables, which has none, the sizes of its weights. */
static auxo_status read_scale(auxo_run *run, auxo__morph_state *state, auxo_error *error)
{
    const auxo_settings *settings = run->settings;
    const bool by_itself = !auxo_settings_given(settings, "scale") && !auxo_settings_given(settings, "starts") &&
                           !auxo_settings_given(settings, "model") && !auxo__task_of_pictures(state->data.train);
    state->options.scale =
        by_itself || auxo_settings_choice(settings, "scale") == 1 ? AUXO_MORPH_GROUP_LASSO : AUXO_MORPH_BATCH_NORM;
    return by_itself ? auxo__run_note(run, error, "scale: group-lasso, for %s has no batch norm",
                                      default_start(settings, state->data.train))
                     : AUXO_OK;
}

/* Every strength with every start. */
static auxo_status read_plans(const auxo_settings *settings, auxo__morph_state *state, auxo_error *error)
{
    const char *starts = auxo_settings_text(settings, "starts");
    char strengths_text[512], *strengths[AUXO__MORPH_LOOPS_MAX], *models[AUXO__MORPH_LOOPS_MAX];
    if (!starts)
        starts = default_start(settings, state->data.train);
    if (strlen(starts) >= sizeof state->models ||
        strlen(auxo_settings_text(settings, "lambda")) >= sizeof strengths_text)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "starts and lambda: the lists are too long");
    snprintf(strengths_text, sizeof strengths_text, "%s", auxo_settings_text(settings, "lambda"));
    snprintf(state->models, sizeof state->models, "%s", starts);
    size_t strength_count = auxo__split_list(strengths_text, strengths, AUXO__MORPH_LOOPS_MAX);
    size_t model_count = auxo__split_list(state->models, models, AUXO__MORPH_LOOPS_MAX);
    if (strength_count * model_count == 0 || strength_count * model_count > AUXO__MORPH_LOOPS_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "lambda and starts make %zu loops; give 1 to %d",
                              strength_count * model_count, (int)AUXO__MORPH_LOOPS_MAX);
    for (size_t m = 0; m < model_count; m++)
        for (size_t s = 0; s < strength_count; s++) {
            char *end = NULL;
            double strength = strtod(strengths[s], &end);
            if (end == strengths[s] || *end || !isfinite(strength) || strength < 0)
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "lambda: \"%s\" is not a number of 0 or more",
                                      strengths[s]);
            state->plans[state->plan_count++] = (auxo__morph_plan){strength, models[m]};
        }
    return AUXO_OK;
}

auxo_status auxo__morph_read_settings(auxo_run *run, auxo__morph_state *state, auxo_error *error)
{
    const auxo_settings *settings = run->settings;
    auxo_morph_loop_options *options = &state->options;
    auxo_morph_loop_options_init(options);
    options->threshold = auxo_settings_real(settings, "threshold");
    options->intensity = auxo_settings_real(settings, "intensity");
    options->iterations = (uint32_t)auxo_settings_integer(settings, "iterations");
    options->epochs = (uint32_t)auxo_settings_integer(settings, "epochs");
    options->final_epochs = (uint32_t)auxo_settings_integer(settings, "final-epochs");
    options->refresh_steps = (uint32_t)auxo_settings_integer(settings, "refresh-steps");
    options->keep_best = auxo_settings_choice(settings, "keep") == 0;
    options->patience = (uint32_t)auxo_settings_integer(settings, "patience");
    options->training = state->training;
    options->training.on_step = NULL;
    options->seed = state->training.seed;
    auxo_status status = read_scale(run, state, error);
    if (status == AUXO_OK)
        status = auxo__budget_read(settings, 0, &state->budget, error);
    return status == AUXO_OK ? read_plans(settings, state, error) : status;
}

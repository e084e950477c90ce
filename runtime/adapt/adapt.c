/* adapt.c: the controller's life, and the beginning of a cycle: measuring, and what could be done. The rest of a cycle
 * is cycle.c.
 *
 * Everything that decides is a function of the state and of counter-based draws, never of a clock, so that a resumed
 * run repeats itself: costs are FLOPs, and only a latency budget is measured.
 */
#include "adapt_internal.h"
#include "model_internal.h"

#include <Random123/philox.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void auxo_adapt_options_init(auxo_adapt_options *options)
{
    *options = (auxo_adapt_options){.rest_cycles = 3,
                                    .growth_fraction = 0.3,
                                    .growth_drive = 0.1,
                                    .growth_minimum = 2,
                                    .narrow_fraction = 0.1,
                                    .narrow_tolerance = 0.005,
                                    .keep_gain = 0.25,
                                    .brake = 2,
                                    .threshold = 1e-3,
                                    .prefix_bytes = 512 << 20,
                                    .measure_batches = 8};
    for (int m = 0; m < AUXO_ADAPT_MOVE_COUNT; m++)
        options->moves |= m == AUXO_ADAPT_UNITS || m == AUXO_ADAPT_PENALTY ? 0 : 1u << m;
    options->training.standardize = true;
    auxo_optimizer_config_parse("momentum", &options->training.optimizer, NULL);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static auxo_status check_options(const auxo_dataset *validation, const auxo_adapt_options *options, auxo_error *error)
{
    uint32_t training = 0;
    for (int m = 0; m < AUXO_ADAPT_MOVE_COUNT; m++)
        training += (options->moves & 1u << m) && auxo__move_trains((auxo_adapt_move)m);
    if (!validation || validation->row_count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "adapt judges every cycle on validation rows, and there are none; set validation");
    if (options->training.helper_count > 0)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "adapt works on one device");
    if (training == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "moves: one of train, block and units must be among them, or nothing is trained");
    if (options->decide == AUXO_ADAPT_DECIDE_ALL && training > 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "moves: where all of them are made in every cycle, take one of train, block and units");
    if (!(options->threshold > 0))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the threshold is %g; it must be positive",
                              options->threshold);
    if (!(options->growth_fraction >= 0) || !(options->narrow_fraction > 0) || options->narrow_fraction >= 1 ||
        !(options->brake > 1) || !(options->prefix_bytes >= 0) || !(options->keep_gain >= 0) ||
        !(options->narrow_tolerance >= 0))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "growth %g, narrowing %g (in 0..1), brake %g (above 1), keep gain %g, tolerance %g (not "
                              "negative): one is out of range",
                              options->growth_fraction, options->narrow_fraction, options->brake, options->keep_gain,
                              options->narrow_tolerance);
    return AUXO_OK;
}

static auxo_status check_start(auxo_adapt *adapt, auxo_error *error)
{
    bool within = true;
    char why[128];
    auxo_status status = auxo__adapt_within(adapt, auxo_model_get_desc(adapt->model), true, &within, why, error);
    uint64_t bytes = 0;
    const double limit = adapt->options.budget.memory_bytes;
    if (status == AUXO_OK && within && limit > 0) {
        status = auxo__adapt_memory(adapt, &bytes, error);
        within = (double)bytes <= limit;
        snprintf(why, sizeof why, "%.4g MiB of device memory, of %.4g allowed", (double)bytes / 1048576,
                 limit / 1048576);
    }
    if (status == AUXO_OK && !within)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "model %s is above the budget as it is: %s; begin with a smaller network",
                              auxo_model_get_desc(adapt->model)->name, why);
    return status;
}

/* About a tenth of the work goes to measuring and judging, launches included, of which small networks have mostly.
 * Where that takes more than an epoch, cycles are whole epochs. */
static void choose_lengths(auxo_adapt *adapt)
{
    enum {
        PARTS = 5,
        MEASURE_PART = 25,
        PASS_PART = 8,
        JUDGE_PART = 11,
        MEASURE_ROWS_MAX = 64,
        MEASURE_ROWS_MIN = 4,
        JUDGED = 256
    };
    auxo_adapt_options *options = &adapt->options;
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    const uint64_t epoch = auxo_trainer_steps_per_epoch(adapt->trainer);
    const double batch = options->training.batch ? options->training.batch : 128, batches = options->measure_batches;
    const uint32_t layers = desc->layer_count;
    const double step = auxo__step_work(desc, 0, layers, batch);
    if (options->cycle_steps == 0 && options->cycle_epochs == 0) {
        const double rows = options->measure_rows ? options->measure_rows : MEASURE_ROWS_MIN;
        const double measuring = batches * auxo__step_work(desc, 0, layers, rows) / step;
        const double judged = (double)adapt->validation->row_count / JUDGED;
        const double judging = judged * auxo__step_work(desc, layers, layers, JUDGED) / step;
        const double needed = fmax(PASS_PART * measuring, JUDGE_PART * judging);
        const double parts = (double)epoch / needed;
        options->cycle_steps = epoch;
        if (parts < 1)
            options->cycle_epochs = (uint32_t)fmin(ceil(1 / parts), 1000);
        else
            options->cycle_steps = (uint64_t)ceil((double)epoch / fmin(floor(parts), PARTS));
    }
    if (options->measure_rows == 0) {
        const double steps = (double)(options->cycle_epochs ? options->cycle_epochs * epoch : options->cycle_steps);
        const double rows = steps * batch / MEASURE_PART / batches;
        options->measure_rows = (uint32_t)fmin(MEASURE_ROWS_MAX, fmax(MEASURE_ROWS_MIN, rows));
    }
}

static auxo_status set_up(auxo_adapt *adapt, auxo_error *error)
{
    auxo_train_options *training = &adapt->options.training;
    training->before_step = auxo__adapt_before_step;
    training->after_step = NULL;
    training->hook_user = adapt;
    training->stream = AUXO_STREAM_NEVER;
    training->train_layers = NULL;
    auxo_status status =
        auxo_trainer_create(adapt->model, adapt->train, adapt->validation, training, &adapt->trainer, error);
    if (status == AUXO_OK)
        choose_lengths(adapt);
    if (status == AUXO_OK)
        status = auxo__measure_init(&adapt->measure, adapt->model, adapt->train, &adapt->options, error);
    return status == AUXO_OK ? check_start(adapt, error) : status;
}

auxo_status auxo_adapt_create(auxo_model *model, const auxo_dataset *train, const auxo_dataset *validation,
                              const auxo_adapt_options *options, auxo_adapt **adapt, auxo_error *error)
{
    *adapt = NULL;
    auxo_status status = check_options(validation, options, error);
    if (status != AUXO_OK)
        return status;
    auxo_adapt *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "controller: out of memory");
    created->model = model;
    created->options = *options;
    created->train = train;
    created->validation = validation;
    created->structure_version = UINT64_MAX;
    created->best_score = -INFINITY;
    created->best_loss = INFINITY;
    created->controls.penalty_strength = options->penalty_strength;
    created->validation_loss = created->validation_accuracy = created->train_loss = NAN;
    created->plain_gain = created->plain_validation_gain = NAN;
    for (int m = 0; m < AUXO_ADAPT_MOVE_COUNT; m++)
        created->trust[m] = 1;
    status = set_up(created, error);
    if (status != AUXO_OK) {
        auxo_adapt_destroy(created);
        return status;
    }
    *adapt = created;
    return AUXO_OK;
}

void auxo_adapt_destroy(auxo_adapt *adapt)
{
    if (!adapt)
        return;
    auxo_snapshot_destroy(adapt->snapshot);
    auxo__measure_deinit(&adapt->measure);
    auxo_trainer_destroy(adapt->trainer);
    auxo_model_destroy(adapt->best);
    auxo__structure_deinit(&adapt->structure);
    auxo_edit_log_deinit(&adapt->log);
    free(adapt->refusals);
    free(adapt);
}

/* ---- what moves ask ---------------------------------------------------------------------------------------------- */

double auxo__adapt_draw(const auxo_adapt *adapt, uint32_t what, uint32_t index)
{
    const philox4x32_key_t key = {{(uint32_t)adapt->options.seed, (uint32_t)(adapt->options.seed >> 32)}};
    const philox4x32_ctr_t counter = {{index, what, 0x61646170u, adapt->cycle}};
    return philox4x32(counter, key).v[0] / 4294967296.0;
}

auxo_status auxo__adapt_structure(auxo_adapt *adapt, const auxo__structure **structure, auxo_error *error)
{
    const uint64_t version = auxo_model_structure_version(adapt->model);
    auxo_status status = AUXO_OK;
    if (adapt->structure_version != version) {
        auxo__structure_deinit(&adapt->structure);
        status = auxo__structure_init(auxo_model_get_desc(adapt->model), &adapt->structure, error);
        adapt->structure_version = status == AUXO_OK ? version : UINT64_MAX;
    }
    *structure = &adapt->structure;
    return status;
}

const auxo_layer_sensitivity *auxo__adapt_layer(const auxo_adapt *adapt, uint32_t layer)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    for (uint32_t i = 0; i < found->layer_count; i++)
        if (found->layers[i].layer == layer)
            return &found->layers[i];
    return NULL;
}

/* ---- the beginning of a cycle ------------------------------------------------------------------------------------ */

void auxo__adapt_smooth(double *mean, double value)
{
    *mean = isnan(*mean) ? value : 0.5 * *mean + 0.5 * value;
}

auxo_status auxo__adapt_train_all(auxo_adapt *adapt, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (adapt->trainer->unit_end > 0)
        status = auxo_trainer_set_train_units(adapt->trainer, 0, 0, 0, error);
    if (status == AUXO_OK && adapt->trainer->train_layers)
        status = auxo_trainer_set_train_layers(adapt->trainer, NULL, error);
    return status;
}

auxo_status auxo__adapt_validate(auxo_adapt *adapt, double *loss, double *accuracy, auxo_error *error)
{
    auxo_evaluation evaluation;
    const auxo_status status = auxo_trainer_evaluate(adapt->trainer, adapt->validation, &evaluation, error);
    *loss = status == AUXO_OK ? evaluation.loss : NAN;
    *accuracy = status == AUXO_OK ? evaluation.accuracy : NAN;
    return status;
}

auxo_status auxo__adapt_begin(auxo_adapt *adapt, auxo_error *error)
{
    const double before = adapt->train_loss;
    auxo_status status = auxo__adapt_train_all(adapt, error);
    if (status == AUXO_OK)
        status = auxo__measure_run(&adapt->measure, error);
    if (status == AUXO_OK && adapt->last_plain_cost > 0)
        auxo__adapt_smooth(&adapt->plain_gain, (before - adapt->measure.found.loss) / adapt->last_plain_cost);
    adapt->last_plain_cost = 0;
    adapt->train_loss = adapt->measure.found.loss;
    if (status == AUXO_OK && isnan(adapt->validation_loss))
        status = auxo__adapt_validate(adapt, &adapt->validation_loss, &adapt->validation_accuracy, error);
    return status;
}

auxo_status auxo_adapt_measure(auxo_adapt *adapt, const auxo_sensitivities **found, auxo_error *error)
{
    *found = &adapt->measure.found;
    return auxo__measure_run(&adapt->measure, error);
}

/* ---- proposals --------------------------------------------------------------------------------------------------- */

/* Cycles between two changes of penalty or brake, until it is seen what the last one did. */
enum { CONTROL_REST = 8 };

/* Edits are for cycles that know what plain training brings, some of which pass after each edit. */
static bool may_edit(const auxo_adapt *adapt)
{
    return !isnan(adapt->plain_gain) &&
           (adapt->last_edit == 0 || adapt->cycle - adapt->last_edit > adapt->options.rest_cycles);
}

/* What may be chosen in this cycle. */
static bool is_open(const auxo_adapt *adapt, auxo__asker asker, const auxo__proposal *proposal)
{
    const bool trains = adapt->options.moves & 1u << AUXO_ADAPT_TRAIN;
    const bool knows = !isnan(adapt->plain_gain); /* something to compare with */
    if (asker != AUXO__ASKED_BY_CYCLE)
        return asker == AUXO__ASKED_BY_CALLER || !auxo__adapt_refused(adapt, proposal);
    switch (auxo__move_kind_of(proposal->move)) {
    case AUXO__MOVE_TRAINS:
        return true;
    case AUXO__MOVE_PART:
        return knows || !trains;
    case AUXO__MOVE_CONTROL:
        return knows && !auxo__adapt_refused(adapt, proposal) &&
               (adapt->last_control == 0 || adapt->cycle - adapt->last_control > CONTROL_REST);
    default:
        return may_edit(adapt) && !auxo__adapt_refused(adapt, proposal);
    }
}

/* Closes what may not be chosen now, or is above a budget. */
static auxo_status filter(auxo_adapt *adapt, auxo__asker asker, auxo__proposals *proposals, auxo_error *error)
{
    const double now = (double)auxo_model_weight_count(adapt->model);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < proposals->count && status == AUXO_OK; i++) {
        auxo__proposal *proposal = &proposals->items[i];
        bool within = true;
        char why[128];
        proposal->open = is_open(adapt, asker, proposal);
        if (proposal->desc.layer_count > 0)
            proposal->capacity = log((double)auxo__model_desc_cost(&proposal->desc).weights / now);
        if (proposal->open && proposal->desc.layer_count > 0)
            status = auxo__adapt_within(adapt, &proposal->desc, false, &within, why, error);
        proposal->refused_by_budget = !within;
        proposal->open = proposal->open && within;
    }
    return status;
}

auxo_status auxo__adapt_propose(auxo_adapt *adapt, uint32_t moves, auxo__asker asker, auxo__proposals *proposals,
                                auxo_error *error)
{
    auxo_status status = AUXO_OK;
    const bool edits = asker != AUXO__ASKED_BY_CYCLE || may_edit(adapt);
    for (int m = 0; m < AUXO_ADAPT_MOVE_COUNT && status == AUXO_OK; m++)
        if ((moves & 1u << m) && (edits || !auxo__move_is_edit((auxo_adapt_move)m)))
            status = auxo__move_of(adapt, (auxo_adapt_move)m)->propose(adapt, proposals, error);
    if (status == AUXO_OK)
        status = filter(adapt, asker, proposals, error);
    if (status == AUXO_OK)
        auxo__adapt_rank(adapt, proposals);
    return status;
}

auxo_status auxo__adapt_choose(auxo_adapt *adapt, auxo__proposals *proposals, size_t from, size_t *chosen,
                               auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (*chosen = from; *chosen < proposals->count && status == AUXO_OK; (*chosen)++) {
        auxo__proposal *proposal = &proposals->items[*chosen];
        bool within = true;
        char why[128];
        if (!proposal->open)
            continue;
        if (proposal->desc.layer_count > 0 && adapt->options.budget.latency_ns > 0)
            status = auxo__adapt_within(adapt, &proposal->desc, true, &within, why, error);
        if (status == AUXO_OK && within)
            return AUXO_OK;
        proposal->open = false;
    }
    return status;
}

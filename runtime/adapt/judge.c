/* judge.c: what a budget allows, in which order proposals are tried, and whether an edit has paid.
 *
 * Expected value: (gain + (drive - loss) / plain gain) / cost, in units of plain training, whose value is 1. The drive
 * is growth_drive times the loss times the logarithm of how many times as many weights there are: what a power law of
 * loss by size promises for the cycles to come (J. Hestness et al., "Deep Learning Scaling is Predictable,
 * Empirically", 2017). It weighs the more, the less plain training still brings. Where no better model comes, layers
 * that there is no way round may be in the way as well as missing: taking them out is driven as adding them. An edit
 * that makes the network larger pays if it gains keep_gain of what plain training would have gained for the same work;
 * one that makes it smaller, if the validation loss rises by no more than narrow_tolerance of itself.
 */
#include "adapt_internal.h"
#include "model_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LEAST_GAIN = 1e-3; /* of the loss: what a plain cycle counts as bringing at least */

enum { STALL = 8 }; /* cycles without a better model */

static double at_least(double gain, double loss)
{
    const double least = LEAST_GAIN * fabs(loss) + 1e-12;
    return gain > least ? gain : least; /* NaN: least */
}

double auxo__adapt_plain_gain(const auxo_adapt *adapt)
{
    return at_least(adapt->plain_gain, adapt->train_loss);
}

double auxo__adapt_plain_validation_gain(const auxo_adapt *adapt)
{
    return at_least(adapt->plain_validation_gain, adapt->validation_loss);
}

bool auxo__adapt_stalls(const auxo_adapt *adapt)
{
    return adapt->cycle - adapt->best_cycle > STALL;
}

/* ---- budgets ----------------------------------------------------------------------------------------------------- */

/* All that is trained counts, biases and batch norms as well: what is shown as the network's weights. */
static void check_parameters(const auxo_adapt *adapt, const auxo_model_desc *desc, bool *within, char why[128])
{
    const double limit = adapt->options.budget.parameters;
    const double weights = (double)auxo__model_desc_cost(desc).weights;
    if (!(limit > 0))
        return;
    *within = weights <= limit;
    if (!*within)
        snprintf(why, 128, "%.6g weights, of %.6g allowed", weights, limit);
}

static auxo_status check_resource(auxo_adapt *adapt, const auxo_model_desc *desc, auxo_resource resource, double limit,
                                  bool *within, char why[128], auxo_error *error)
{
    const bool latency = resource == AUXO_RESOURCE_LATENCY;
    const double scale = latency ? 1e-6 : 1;
    if (!*within || !(limit > 0))
        return AUXO_OK;
    const auxo_budget budget = {.resource = resource,
                                .limit = limit,
                                .device = auxo_model_device(adapt->model),
                                .batch = adapt->options.budget.latency_batch};
    double cost = 0;
    const auxo_status status = auxo_morph_desc_cost(desc, &budget, &cost, error);
    *within = status == AUXO_OK && cost <= limit;
    if (status == AUXO_OK && !*within)
        snprintf(why, 128, "%.6g %s, of %.6g allowed", cost * scale, latency ? "ms" : "FLOPs", limit * scale);
    return status;
}

/* What the model itself takes, with its optimiser, the snapshot and the best model: all but the plan's arena. */
static double fixed_bytes(const auxo_adapt *adapt, const auxo_model_desc *desc)
{
    const auxo_layer_cost cost = auxo__model_desc_cost(desc);
    const double weights = (double)cost.weights, statistics = (double)cost.statistics;
    const double states = (double)auxo_optimizer_carried_state(auxo_trainer_optimizer(adapt->trainer)).count;
    const double model = 2 * weights + statistics; /* weights, gradients */
    const double snapshot = weights + statistics + states * weights;
    const double measuring = weights; /* gradients before */
    return sizeof(float) * (model + states * weights + snapshot + measuring + model);
}

/* Values that all layers put out for one row. */
static double activation_count(const auxo_model_desc *desc)
{
    double sum = 0;
    for (uint32_t l = 0; l < desc->layer_count; l++)
        sum += (double)auxo__layer_size(&desc->layers[l]);
    return sum;
}

static double arena_bytes(const auxo_adapt *adapt)
{
    const auxo_plan *plan = auxo_trainer_plan(adapt->trainer);
    return plan ? (double)auxo_plan_arena_bytes(plan) : 0;
}

auxo_status auxo__adapt_memory(auxo_adapt *adapt, uint64_t *bytes, auxo_error *error)
{
    const auxo_status status = auxo__trainer_need_plans(adapt->trainer, error);
    if (status == AUXO_OK)
        *bytes = (uint64_t)(fixed_bytes(adapt, auxo_model_get_desc(adapt->model)) + arena_bytes(adapt)) +
                 auxo__prefix_bytes(adapt->trainer);
    return status;
}

/* Before a network is built its arena is taken to grow as its activations do; after that it is exact. */
static void check_memory(const auxo_adapt *adapt, const auxo_model_desc *desc, bool *within, char why[128])
{
    const double limit = adapt->options.budget.memory_bytes;
    if (!*within || !(limit > 0))
        return;
    const double growth = activation_count(desc) / activation_count(auxo_model_get_desc(adapt->model));
    const double bytes = fixed_bytes(adapt, desc) + arena_bytes(adapt) * growth;
    *within = bytes <= limit;
    if (!*within)
        snprintf(why, 128, "about %.4g MiB of device memory, of %.4g allowed", bytes / 1048576, limit / 1048576);
}

auxo_status auxo__adapt_within(auxo_adapt *adapt, const auxo_model_desc *desc, bool measure_latency, bool *within,
                               char why[128], auxo_error *error)
{
    const auxo_adapt_budget *budget = &adapt->options.budget;
    *within = true;
    check_parameters(adapt, desc, within, why);
    auxo_status status = check_resource(adapt, desc, AUXO_RESOURCE_FLOPS, budget->flops, within, why, error);
    if (status == AUXO_OK)
        check_memory(adapt, desc, within, why);
    if (status == AUXO_OK && measure_latency)
        status = check_resource(adapt, desc, AUXO_RESOURCE_LATENCY, budget->latency_ns, within, why, error);
    return status;
}

/* ---- ranks ------------------------------------------------------------------------------------------------------- */

static int compare_rank(const void *a, const void *b)
{
    const auxo__proposal *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    if (x->move != y->move)
        return x->move < y->move ? -1 : 1;
    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return (x->layer_end > y->layer_end) - (x->layer_end < y->layer_end);
}

static double mean_norm(const auxo_sensitivities *found)
{
    double sum = 0;
    for (uint32_t i = 0; i < found->layer_count; i++)
        sum += found->layers[i].norm;
    return found->layer_count > 0 ? sum / found->layer_count : 0;
}

/* Layers of large weights are worth more units, layers of small ones fewer; all else as by sensitivities. */
static double rank_by_norm(const auxo_adapt *adapt, const auxo__proposal *proposal)
{
    const double mean = mean_norm(&adapt->measure.found);
    const auxo_layer_sensitivity *layer = auxo__adapt_layer(adapt, proposal->layer);
    const double relative = layer && mean > 0 ? layer->norm / mean : 1;
    if (proposal->move == AUXO_ADAPT_WIDEN)
        return (1 + adapt->options.growth_fraction * relative) / proposal->cost;
    if (proposal->move == AUXO_ADAPT_NARROW)
        return (1 - adapt->options.narrow_fraction * relative) / proposal->cost;
    return proposal->value;
}

static double expected_value(const auxo_adapt *adapt, const auxo__proposal *proposal)
{
    const bool in_the_way = proposal->plain_layers && auxo__adapt_stalls(adapt);
    const double capacity = in_the_way ? fabs(proposal->capacity) : proposal->capacity;
    const double drive = adapt->options.growth_drive * fabs(adapt->train_loss) * capacity;
    const double loss = fmax(0, proposal->loss); /* what is taken out is not credited with a gain */
    const double value = (proposal->gain + (drive - loss) / auxo__adapt_plain_gain(adapt)) / proposal->cost;
    return value > 0 ? value * adapt->trust[proposal->move] : value;
}

/* What came beside what was expected, within bounds, since single cycles vary; what has not been tried for long is
 * trusted again by and by. */
void auxo__adapt_learn(auxo_adapt *adapt, auxo_adapt_move move, double expected, double gained)
{
    static const double RATE = 0.3, RECOVERY = 0.02, MOST = 1.5;
    for (int m = 0; m < AUXO_ADAPT_MOVE_COUNT; m++)
        adapt->trust[m] += RECOVERY * (1 - adapt->trust[m]);
    if (move == AUXO_ADAPT_TRAIN || !(expected > 0) || !isfinite(gained))
        return;
    const double raw = expected / adapt->trust[move];
    adapt->trust[move] += RATE * (fmin(fmax(gained / raw, 0), MOST) - adapt->trust[move]);
}

void auxo__adapt_rank(auxo_adapt *adapt, auxo__proposals *proposals)
{
    double wish = 0; /* the best that a budget has refused: what makes room for it shares its worth */
    for (size_t i = 0; i < proposals->count; i++) {
        proposals->items[i].value = expected_value(adapt, &proposals->items[i]);
        if (proposals->items[i].refused_by_budget)
            wish = fmax(wish, proposals->items[i].value - 1);
    }
    for (size_t i = 0; i < proposals->count; i++) {
        auxo__proposal *proposal = &proposals->items[i];
        if (proposal->move == AUXO_ADAPT_NARROW || proposal->move == AUXO_ADAPT_REMOVE)
            proposal->value += 0.25 * wish;
        proposal->rank = adapt->options.policy == AUXO_ADAPT_RANDOM  ? auxo__adapt_draw(adapt, 0x72616e6bu, (uint32_t)i)
                         : adapt->options.policy == AUXO_ADAPT_NORMS ? rank_by_norm(adapt, proposal)
                                                                     : proposal->value;
    }
    if (proposals->count > 0)
        qsort(proposals->items, proposals->count, sizeof *proposals->items, compare_rank);
}

/* ---- what did not pay -------------------------------------------------------------------------------------------- */

/* Runs of plain layers overlap: what did not pay with one of them is not tried with the next. */
static const char *place_of(const auxo__proposal *proposal)
{
    return proposal->plain_layers ? "plain layers" : proposal->where;
}

static auxo__refusal *find_refusal(const auxo_adapt *adapt, const auxo__proposal *proposal)
{
    for (size_t i = 0; i < adapt->refusal_count; i++)
        if (adapt->refusals[i].move == (uint32_t)proposal->move &&
            strcmp(adapt->refusals[i].where, place_of(proposal)) == 0)
            return &adapt->refusals[i];
    return NULL;
}

bool auxo__adapt_refused(const auxo_adapt *adapt, const auxo__proposal *proposal)
{
    const auxo__refusal *refusal = find_refusal(adapt, proposal);
    return refusal && adapt->cycle < refusal->until;
}

/* Each time the wait doubles. */
auxo_status auxo__adapt_refuse(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    enum { FIRST_WAIT = 4, DOUBLINGS_MAX = 8, PLAIN_DOUBLINGS_MAX = 3 }; /* plain runs: one wait for all of them */
    auxo__refusal *refusal = find_refusal(adapt, proposal);
    if (!refusal) {
        auxo__refusal *grown = realloc(adapt->refusals, (adapt->refusal_count + 1) * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "moves that did not pay: out of memory");
        adapt->refusals = grown;
        refusal = &grown[adapt->refusal_count++];
        *refusal = (auxo__refusal){.move = (uint32_t)proposal->move};
        snprintf(refusal->where, sizeof refusal->where, "%s", place_of(proposal));
    }
    const uint32_t most = proposal->plain_layers ? PLAIN_DOUBLINGS_MAX : DOUBLINGS_MAX;
    const uint32_t doublings = refusal->times < most ? refusal->times : most;
    refusal->times++;
    refusal->until = adapt->cycle + (FIRST_WAIT << doublings);
    return AUXO_OK;
}

void auxo__adapt_forgive(auxo_adapt *adapt, const auxo__proposal *proposal)
{
    auxo__refusal *refusal = find_refusal(adapt, proposal);
    if (refusal)
        refusal->times = 0;
}

/* ---- verdicts ---------------------------------------------------------------------------------------------------- */

bool auxo__adapt_pays(const auxo_adapt *adapt, const auxo__proposal *proposal, double before, double after)
{
    if (!isfinite(after))
        return false;
    switch (proposal->move) {
    case AUXO_ADAPT_WIDEN:
    case AUXO_ADAPT_INSERT: {
        const double plain = adapt->plain_validation_gain > 0 ? adapt->plain_validation_gain : 0; /* NaN: 0 */
        return before - after >=
               adapt->options.keep_gain * plain * proposal->cost - adapt->options.narrow_tolerance * fabs(before);
    }
    case AUXO_ADAPT_NARROW:
    case AUXO_ADAPT_REMOVE:
    case AUXO_ADAPT_PENALTY:
    case AUXO_ADAPT_BRAKE:
        return after <= before + adapt->options.narrow_tolerance * fabs(before);
    default:
        return true; /* training varies from cycle to cycle */
    }
}

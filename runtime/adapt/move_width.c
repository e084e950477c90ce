/* move_width.c: the moves that change widths: new units in a group of tied layers, or the least of its units gone.
 *
 * New units start with outgoing weights 0, so that the function is kept to the bit; or they are split off from others,
 * which keeps it to second order in the step. What they bring is the energy of the gradient that they add, by a mean
 * unit of today, by GradMax, the bottleneck, or of the splits. Units that go cost the loss that theta = 0 on them
 * adds, to second order: -first + second / 2.
 */
#include "adapt_internal.h"
#include "model_internal.h"
#include "split.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Sums over the weight layers of a group. */
typedef struct group_view {
    uint32_t layer, units; /* the lowest layer */
    double energy, norm;
    const auxo_layer_sensitivity *members[16]; /* those summed one by one where units are judged; the first 16 */
    uint32_t member_count;
} group_view;

static bool view_group(const auxo_adapt *adapt, const auxo__structure *structure, uint32_t group, group_view *view)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    *view = (group_view){.layer = group};
    for (uint32_t i = 0; i < found->layer_count; i++) {
        const auxo_layer_sensitivity *layer = &found->layers[i];
        if (!auxo__in_group(desc, structure, layer->layer, group))
            continue;
        view->units = layer->units;
        view->energy += layer->energy;
        view->norm = fmax(view->norm, layer->norm);
        if (view->member_count < sizeof view->members / sizeof *view->members)
            view->members[view->member_count++] = layer;
    }
    return view->member_count > 0 && structure->resizable[group];
}

/* ---- wider ------------------------------------------------------------------------------------------------------- */

/* Energy of the gradient that `added` units would add if they were split off from others. */
static auxo_status energy_of_splits(auxo_adapt *adapt, const group_view *view, uint32_t added, double *energy,
                                    char why[64], auxo_error *error)
{
    bool possible = false;
    char reason[64] = "";
    auxo__splits splits;
    auxo_status status = auxo__splits_find(adapt, view->layer, added, &possible, reason, &splits, error);
    if (status != AUXO_OK)
        return status;
    if (!possible) {
        snprintf(why, 64, "of a mean unit: %.45s", reason);
        return AUXO_OK;
    }
    *energy = 0;
    for (uint32_t i = 0; i < splits.count; i++)
        *energy += splits.energies[i];
    snprintf(why, 64, "by splitting %u units", splits.count);
    auxo__splits_deinit(&splits);
    return AUXO_OK;
}

/* Whether a widening may be chosen at all: what it would bring by an expensive score is only asked then. */
static auxo_status may_widen(auxo_adapt *adapt, const auxo__proposal *proposal, bool *may, auxo_error *error)
{
    char why[128];
    *may = true;
    const auxo_status status = auxo__adapt_within(adapt, &proposal->desc, false, may, why, error);
    *may = *may && !auxo__adapt_refused(adapt, proposal);
    return status;
}

/* Energy of the gradient that `added` units would add, by the score in force. */
static auxo_status expected_energy(auxo_adapt *adapt, const group_view *view, const auxo__proposal *proposal,
                                   double *energy, char why[64], auxo_error *error)
{
    const uint32_t added = proposal->added;
    bool possible = false, may = false;
    float *rows = NULL;
    double *squared = NULL;
    char reason[64] = "";
    *energy = view->energy / view->units * added;
    snprintf(why, 64, "of a mean unit");
    if (adapt->options.score == AUXO_ADAPT_SCORE_SENSITIVITY)
        return AUXO_OK;
    auxo_status status = may_widen(adapt, proposal, &may, error);
    if (status != AUXO_OK || !may)
        return status;
    if (adapt->options.score == AUXO_ADAPT_SCORE_SPLIT)
        return energy_of_splits(adapt, view, added, energy, why, error);
    const bool bottleneck = adapt->options.score == AUXO_ADAPT_SCORE_BOTTLENECK;
    status = auxo__growth_directions(adapt, bottleneck ? AUXO_GROW_BOTTLENECK : AUXO_GROW_GRADMAX, view->layer, added,
                                     &possible, reason, &rows, &squared, error);
    if (status == AUXO_OK && possible) {
        *energy = 0;
        for (uint32_t i = 0; i < added; i++)
            *energy += squared[i];
        snprintf(why, 64, "%s", bottleneck ? "of the bottleneck" : "by GradMax");
    } else if (status == AUXO_OK) {
        snprintf(why, 64, "of a mean unit: %.45s", reason);
    }
    free(rows);
    free(squared);
    return status;
}

static const uint32_t ALL_LAYERS = UINT32_MAX; /* as a proposal's layer */

static uint32_t units_to_add(const auxo_adapt *adapt, uint32_t units)
{
    const uint32_t part = (uint32_t)(adapt->options.growth_fraction * units);
    return part > adapt->options.growth_minimum ? part : adapt->options.growth_minimum;
}

/* Appends a proposal to widen by its `added` units, which are worth `energy` by `how`. */
static auxo_status add_widening(auxo_adapt *adapt, auxo__proposal *proposal, double energy, const char *how,
                                auxo__proposals *proposals, auxo_error *error)
{
    const double share = adapt->measure.found.energy > 0 ? energy / adapt->measure.found.energy : 0;
    proposal->move = AUXO_ADAPT_WIDEN;
    proposal->gain = 1 + share;
    snprintf(proposal->why, sizeof proposal->why, "%u units add %.1f %% of gradient energy (%.50s)", proposal->added,
             100 * share, how);
    return auxo__proposals_add(adapt, proposals, proposal, error);
}

/* What the groups' own proposals come to, if all of them are made at once. */
typedef struct widen_all {
    auxo_model_desc desc; /* owned; layer_count 0: none yet */
    uint32_t added, groups;
    double energy;
} widen_all;

static auxo_status take_group(const auxo_adapt *adapt, const auxo__structure *structure, const group_view *view,
                              uint32_t added, double energy, widen_all *all, auxo_error *error)
{
    const auxo_model_desc *desc = all->groups > 0 ? &all->desc : auxo_model_get_desc(adapt->model);
    auxo_model_desc wider;
    const auxo_status status = auxo__with_units(desc, structure, view->layer, view->units + added, &wider, error);
    if (status != AUXO_OK)
        return status;
    auxo_model_desc_deinit(&all->desc);
    all->desc = wider;
    all->added += added;
    all->energy += energy;
    all->groups++;
    return AUXO_OK;
}

static auxo_status propose_widen_group(auxo_adapt *adapt, const auxo__structure *structure, const group_view *view,
                                       widen_all *all, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    auxo__proposal proposal = {
        .move = AUXO_ADAPT_WIDEN, .layer = view->layer, .added = units_to_add(adapt, view->units)};
    char how[64];
    double energy = 0;
    snprintf(proposal.where, sizeof proposal.where, "%s", desc->layers[view->layer].name);
    auxo_status status =
        auxo__with_units(desc, structure, view->layer, view->units + proposal.added, &proposal.desc, error);
    if (status == AUXO_OK)
        status = expected_energy(adapt, view, &proposal, &energy, how, error);
    if (status == AUXO_OK)
        status = take_group(adapt, structure, view, proposal.added, energy, all, error);
    if (status != AUXO_OK) {
        auxo_model_desc_deinit(&proposal.desc);
        return status;
    }
    return add_widening(adapt, &proposal, energy, how, proposals, error);
}

/* Each group of layers, and all of them at once: far below a budget that is the shortest way up. */
static auxo_status propose_widen(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo__structure *structure = NULL;
    widen_all all = {.groups = 0};
    auxo_status status = auxo__adapt_structure(adapt, &structure, error);
    for (uint32_t l = 0; status == AUXO_OK && l < structure->layer_count; l++) {
        group_view view;
        if (structure->groups[l] == l && view_group(adapt, structure, l, &view))
            status = propose_widen_group(adapt, structure, &view, &all, proposals, error);
    }
    if (status == AUXO_OK && all.groups > 1) {
        auxo__proposal proposal = {.layer = ALL_LAYERS, .added = all.added, .desc = all.desc, .where = "all layers"};
        return add_widening(adapt, &proposal, all.energy, "of all", proposals, error);
    }
    auxo_model_desc_deinit(&all.desc);
    return status;
}

/* The last `count` rows of a layer's weight. */
static auxo_status write_new_rows(auxo_adapt *adapt, uint32_t layer, uint32_t count, const float *rows,
                                  auxo_error *error)
{
    const auxo_param *param = auxo__layout_find(&adapt->model->layout, layer, AUXO_PARAM_WEIGHT);
    if (!param)
        return auxo_error_set(error, AUXO_INTERNAL, "layer %u has no weight", layer);
    const uint64_t row = auxo__param_element_count(param) / (uint64_t)param->dims[0];
    const uint64_t offset = param->offset + ((uint64_t)param->dims[0] - count) * row;
    return auxo_buffer_write(auxo_model_queue(adapt->model), auxo_model_weights(adapt->model), offset * sizeof(float),
                             rows, count * row * sizeof(float), error);
}

static auxo_status resize(auxo_adapt *adapt, const auxo_unit_edit *edit, auxo_error *error)
{
    const auxo_carried_state state = auxo_optimizer_carried_state(auxo_trainer_optimizer(adapt->trainer));
    return auxo_model_resize(adapt->model, edit, 1, adapt->options.seed + adapt->cycle, &state, error);
}

/* Appends units: drawn, read with 0. */
static auxo_status add_units(auxo_adapt *adapt, uint32_t layer, uint32_t added, auxo_error *error)
{
    const uint32_t units = auxo_model_get_desc(adapt->model)->layers[layer].units;
    uint32_t *all = malloc(units * sizeof *all);
    if (!all)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "new units: out of memory");
    for (uint32_t u = 0; u < units; u++)
        all[u] = u;
    const auxo_unit_edit edit = {.layer = layer,
                                 .kept = all,
                                 .kept_count = units,
                                 .added_count = added,
                                 .initializer = AUXO_INITIALIZER_LECUN_NORMAL,
                                 .incoming_scale = 1,
                                 .outgoing_scale = 0};
    const auxo_status status = resize(adapt, &edit, error);
    free(all);
    return status;
}

/* As many as there are units to split; the others are drawn. */
static auxo_status add_splits(auxo_adapt *adapt, uint32_t layer, uint32_t added, auxo_error *error)
{
    const uint32_t units = auxo_model_get_desc(adapt->model)->layers[layer].units;
    bool possible = false;
    char why[64];
    auxo__splits splits;
    auxo_status status = auxo__splits_find(adapt, layer, added, &possible, why, &splits, error); /* before it grows */
    if (status == AUXO_OK)
        status = add_units(adapt, layer, added, error);
    if (status == AUXO_OK && possible)
        status = auxo__splits_apply(adapt->model, layer, units, &splits, error);
    auxo__splits_deinit(&splits);
    return status;
}

static auxo_status widen_layer(auxo_adapt *adapt, uint32_t layer, uint32_t added, auxo_error *error)
{
    float *rows = NULL;
    double *squared = NULL;
    bool directed = false;
    char why[64];
    auxo_status status = AUXO_OK;
    if (adapt->options.grow_init == AUXO_GROW_SPLIT)
        return add_splits(adapt, layer, added, error);
    if (adapt->options.grow_init != AUXO_GROW_DRAW) /* of the network before */
        status = auxo__growth_directions(adapt, adapt->options.grow_init, layer, added, &directed, why, &rows, &squared,
                                         error);
    if (status == AUXO_OK)
        status = add_units(adapt, layer, added, error);
    if (status == AUXO_OK && directed)
        status = write_new_rows(adapt, layer, added, rows, error);
    free(rows);
    free(squared);
    return status;
}

static auxo_status apply_widen(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    if (proposal->layer != ALL_LAYERS)
        return widen_layer(adapt, proposal->layer, proposal->added, error);
    auxo_status status = AUXO_OK;
    for (uint32_t l = 0; l < proposal->desc.layer_count && status == AUXO_OK; l++) {
        const uint32_t units =
            auxo_model_get_desc(adapt->model)->layers[l].units; /* grown with an earlier one: equal */
        if (proposal->desc.layers[l].units > units && auxo__layer_makes_units(&proposal->desc, l))
            status = widen_layer(adapt, l, proposal->desc.layers[l].units - units, error);
    }
    return status;
}

const auxo__move auxo__move_widen = {propose_widen, auxo__cost_of_structure, apply_widen};

/* ---- narrower ---------------------------------------------------------------------------------------------------- */

typedef struct unit_rank {
    uint32_t unit;
    double worth; /* what is lost without it */
} unit_rank;

static int compare_worth(const void *a, const void *b)
{
    const unit_rank *x = a, *y = b;
    if (x->worth != y->worth)
        return x->worth < y->worth ? -1 : 1;
    return (x->unit > y->unit) - (x->unit < y->unit);
}

static int compare_unit(const void *a, const void *b)
{
    const unit_rank *x = a, *y = b;
    return (x->unit > y->unit) - (x->unit < y->unit);
}

/* By what theta = 0 would add to the loss, or by the largest weight. */
static void rank_units(const auxo_adapt *adapt, const group_view *view, unit_rank *ranks)
{
    for (uint32_t u = 0; u < view->units; u++) {
        ranks[u] = (unit_rank){u, 0};
        for (uint32_t m = 0; m < view->member_count; m++) {
            const auxo_layer_sensitivity *layer = view->members[m];
            if (adapt->options.policy == AUXO_ADAPT_NORMS)
                ranks[u].worth = fmax(ranks[u].worth, layer->unit_norm[u]);
            else
                ranks[u].worth += -layer->unit_first[u] + 0.5 * layer->unit_second[u];
        }
    }
    qsort(ranks, view->units, sizeof *ranks, compare_worth);
}

/* What is lost without the first `count` of them. */
static double loss_without(const group_view *view, const unit_rank *ranks, uint32_t count)
{
    double loss = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t m = 0; m < view->member_count; m++)
            loss += -view->members[m]->unit_first[ranks[i].unit] + 0.5 * view->members[m]->unit_second[ranks[i].unit];
    return loss;
}

static auxo_status fill_kept(const group_view *view, unit_rank *ranks, uint32_t gone, auxo__proposal *proposal,
                             auxo_error *error)
{
    proposal->kept_count = view->units - gone;
    proposal->kept = malloc((proposal->kept_count + 1) * sizeof *proposal->kept);
    if (!proposal->kept)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "units that go: out of memory");
    qsort(ranks + gone, proposal->kept_count, sizeof *ranks, compare_unit);
    for (uint32_t i = 0; i < proposal->kept_count; i++)
        proposal->kept[i] = ranks[gone + i].unit;
    return AUXO_OK;
}

static auxo_status propose_narrow_group(auxo_adapt *adapt, const auxo__structure *structure, const group_view *view,
                                        auxo__proposals *proposals, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    auxo__proposal proposal = {.move = AUXO_ADAPT_NARROW, .layer = view->layer, .gain = 1};
    uint32_t gone = (uint32_t)(adapt->options.narrow_fraction * view->units);
    gone = gone < 1 ? 1 : gone;
    if (view->units < 2 || gone >= view->units)
        return AUXO_OK;
    unit_rank *ranks = malloc(view->units * sizeof *ranks);
    if (!ranks)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "units that go: out of memory");
    rank_units(adapt, view, ranks);
    proposal.loss = loss_without(view, ranks, gone);
    snprintf(proposal.where, sizeof proposal.where, "%s", desc->layers[view->layer].name);
    auxo_status status = fill_kept(view, ranks, gone, &proposal, error);
    if (status == AUXO_OK)
        status = auxo__with_units(desc, structure, view->layer, proposal.kept_count, &proposal.desc, error);
    if (status == AUXO_OK) {
        snprintf(proposal.why, sizeof proposal.why, "without %u units %.3g is added to the loss", gone, proposal.loss);
        status = auxo__proposals_add(adapt, proposals, &proposal, error);
    } else {
        free(proposal.kept);
    }
    free(ranks);
    return status;
}

static auxo_status propose_narrow(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo__structure *structure = NULL;
    auxo_status status = auxo__adapt_structure(adapt, &structure, error);
    for (uint32_t l = 0; status == AUXO_OK && l < structure->layer_count; l++) {
        group_view view;
        if (structure->groups[l] == l && view_group(adapt, structure, l, &view))
            status = propose_narrow_group(adapt, structure, &view, proposals, error);
    }
    return status;
}

static auxo_status apply_narrow(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    const auxo_unit_edit edit = {.layer = proposal->layer, .kept = proposal->kept, .kept_count = proposal->kept_count};
    return resize(adapt, &edit, error);
}

const auxo__move auxo__move_narrow = {propose_narrow, auxo__cost_of_structure, apply_narrow};

/* runtime/sizing/autosize.c: dynamic auto-sizing: growth, penalty and pruning of hidden layers (Algorithm 2, eq. 4.2).
 *
 * Per epoch the caller grows, trains, prunes. Norms and the scan for kept units run on the device; only the list of
 * kept indices travels to the host, which describes the edit. Invariant: hidden layers are those with weights but the
 * last; their order in the model never changes.
 */
#include "autosize_internal.h"
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void auxo_autosize_options_init(auxo_autosize_options *options)
{
    *options = (auxo_autosize_options){.penalty = AUXO_PENALTY_WEIGHTED_L1,
                                       .strength = 2e-5,
                                       .grow = true,
                                       .growth_minimum = 20,
                                       .growth_fraction = 0.2,
                                       .threshold = 1e-3};
}

static bool keeps_zero(auxo_activation activation)
{
    return activation != AUXO_ACTIVATION_SIGMOID;
}

/* A pruned unit puts out f(0); only f(0) = 0 lets it go without a trace. */
static auxo_status check_activations(const auxo_model_desc *desc, uint32_t last_weight_layer, auxo_error *error)
{
    for (uint32_t i = 0; i < last_weight_layer; i++)
        if (!keeps_zero(desc->layers[i].activation))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "layer %s: %s gives f(0) != 0, so its units cannot be pruned away; use relu, "
                                  "leaky_relu, elu, selu or tanh",
                                  desc->layers[i].name, auxo_activation_noun(desc->layers[i].activation));
    return AUXO_OK;
}

static auxo_status find_hidden_layers(auxo_autosize *autosize, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(autosize->model);
    autosize->layers = malloc(desc->layer_count * sizeof *autosize->layers);
    bool *resizable = malloc(desc->layer_count * sizeof *resizable);
    uint32_t *groups = malloc(desc->layer_count * sizeof *groups);
    auxo_status status = AUXO_OK;
    if (!autosize->layers || !resizable || !groups)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "auto-sizing: out of memory");
    if (status == AUXO_OK)
        status = auxo_model_desc_unit_groups(desc, groups, resizable, error);
    uint32_t last = 0;
    for (uint32_t i = 0; i < desc->layer_count && status == AUXO_OK; i++) {
        bool weights = desc->layers[i].kind == AUXO_LAYER_DENSE || desc->layers[i].kind == AUXO_LAYER_CONV2D;
        if (weights)
            last = i;
        if (weights && resizable[i] && groups[i] == i)
            autosize->layers[autosize->layer_count++] = i;
    }
    if (status == AUXO_OK && autosize->layer_count == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "model %s has no hidden layer to size", desc->name);
    if (status == AUXO_OK)
        status = check_activations(desc, last, error);
    free(resizable);
    free(groups);
    return status;
}

auxo_status auxo_autosize_create(auxo_model *model, const auxo_autosize_options *options, auxo_autosize **out,
                                 auxo_error *error)
{
    if (!(options->threshold > 0) || !(options->strength >= 0) || !(options->growth_fraction >= 0))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "auto-sizing with threshold %g, strength %g, growth %g: the threshold must be positive, "
                              "the others not negative",
                              options->threshold, options->strength, options->growth_fraction);
    auxo_autosize *autosize = calloc(1, sizeof *autosize);
    if (!autosize)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "auto-sizing: out of memory");
    autosize->model = model;
    autosize->options = *options;
    autosize->penalize = options->strength > 0;
    auxo_status status = find_hidden_layers(autosize, error);
    autosize->weights = calloc(autosize->layer_count + 1, sizeof(auxo_buffer *));
    if (status == AUXO_OK && !autosize->weights)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "auto-sizing: out of memory");
    if (status != AUXO_OK) {
        auxo_autosize_destroy(autosize);
        return status;
    }
    *out = autosize;
    return AUXO_OK;
}

void auxo_autosize_destroy(auxo_autosize *autosize)
{
    if (!autosize)
        return;
    auxo__autosize_penalty_deinit(autosize);
    free(autosize->layers);
    auxo_edit_log_deinit(&autosize->log);
    free(autosize);
}

uint32_t auxo_autosize_layer_count(const auxo_autosize *autosize)
{
    return autosize->layer_count;
}

uint32_t auxo_autosize_layer(const auxo_autosize *autosize, uint32_t index)
{
    return autosize->layers[index];
}

uint32_t auxo_autosize_units(const auxo_autosize *autosize, uint32_t index)
{
    return auxo_model_get_desc(autosize->model)->layers[autosize->layers[index]].units;
}

uint32_t auxo_autosize_growth(const auxo_autosize *autosize, uint32_t index)
{
    const uint32_t part = (uint32_t)(autosize->options.growth_fraction * auxo_autosize_units(autosize, index));
    return part > autosize->options.growth_minimum ? part : autosize->options.growth_minimum;
}

const auxo_edit_log *auxo_autosize_log(const auxo_autosize *autosize)
{
    return &autosize->log;
}

auxo_status auxo_autosize_restore_log(auxo_autosize *autosize, const char *json, auxo_error *error)
{
    return auxo_edit_log_restore(&autosize->log, json, error);
}

/* ---- edits
 * ---------------------------------------------------------------------------------------------------------------- */
static auxo_status probe_loss(auxo_autosize *autosize, auxo_trainer *trainer, double *loss, auxo_error *error)
{
    *loss = NAN;
    if (!autosize->options.probe)
        return AUXO_OK;
    auxo_evaluation evaluation;
    auxo_status status = auxo_trainer_evaluate(trainer, autosize->options.probe, &evaluation, error);
    if (status == AUXO_OK)
        *loss = evaluation.loss;
    return status;
}

static auxo_status apply_edits(auxo_autosize *autosize, auxo_trainer *trainer, const auxo_unit_edit *edits,
                               size_t count, auxo_error *error)
{
    auxo_optimizer *optimizer = auxo_trainer_optimizer(trainer);
    auxo_carried_state state = auxo_optimizer_carried_state(optimizer);
    /* By epoch, so that a resumed run draws the same new weights. */
    uint64_t seed = 0x6175746f73697a65u + autosize->options.seed + auxo_trainer_epoch(trainer);
    auxo_status status = auxo_model_resize(autosize->model, edits, count, seed, &state, error);
    if (status == AUXO_OK && autosize->options.reset_state)
        status = auxo_optimizer_reset(optimizer, error);
    return status;
}

static void fill_log_entry(const auxo_autosize *autosize, auxo_trainer *trainer, uint32_t index, const char *what,
                           uint32_t before, uint32_t after, auxo_edit *entry)
{
    const auxo_layer *layer = &auxo_model_get_desc(autosize->model)->layers[autosize->layers[index]];
    *entry = (auxo_edit){.epoch = auxo_trainer_epoch(trainer), .units_before = before, .units_after = after};
    snprintf(entry->what, sizeof entry->what, "%s", what);
    snprintf(entry->layer, sizeof entry->layer, "%s", layer->name);
}

auxo_status auxo_autosize_grow(auxo_autosize *autosize, auxo_trainer *trainer, uint32_t *changed, auxo_error *error)
{
    const auxo_autosize_options *options = &autosize->options;
    *changed = 0;
    if (!options->grow)
        return AUXO_OK;
    auxo_unit_edit *edits = calloc(autosize->layer_count, sizeof *edits);
    uint32_t widest = 0;
    for (uint32_t i = 0; i < autosize->layer_count; i++)
        widest = auxo_autosize_units(autosize, i) > widest ? auxo_autosize_units(autosize, i) : widest;
    uint32_t *all = malloc((widest + 1) * sizeof *all);
    auxo_edit *entries = calloc(autosize->layer_count, sizeof *entries);
    auxo_status status = AUXO_OK;
    double before = NAN, after = NAN;
    if (!edits || !all || !entries)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "growth: out of memory");
    for (uint32_t u = 0; u < widest && status == AUXO_OK; u++)
        all[u] = u;
    for (uint32_t i = 0; i < autosize->layer_count && status == AUXO_OK; i++) {
        const uint32_t units = auxo_autosize_units(autosize, i), added = auxo_autosize_growth(autosize, i);
        edits[i] = (auxo_unit_edit){autosize->layers[i],
                                    all,
                                    units,
                                    added,
                                    AUXO_INITIALIZER_LECUN_NORMAL,
                                    (float)options->threshold,
                                    options->full_outgoing ? 1 : (float)options->threshold};
        fill_log_entry(autosize, trainer, i, "grow", units, units + added, &entries[i]);
        auxo__number_print(entries[i].why, sizeof entries[i].why, "max(%u, %.3g of %u units)", options->growth_minimum,
                           options->growth_fraction, units);
        *changed += added;
    }
    if (status == AUXO_OK)
        status = probe_loss(autosize, trainer, &before, error);
    if (status == AUXO_OK)
        status = apply_edits(autosize, trainer, edits, autosize->layer_count, error);
    if (status == AUXO_OK)
        status = probe_loss(autosize, trainer, &after, error);
    for (uint32_t i = 0; i < autosize->layer_count && status == AUXO_OK; i++) {
        entries[i].loss_before = before;
        entries[i].loss_after = after;
        status = auxo_edit_log_add(&autosize->log, &entries[i], error);
    }
    free(edits);
    free(all);
    free(entries);
    return status;
}

/* ---- pruning ----------------------------------------------------------------------------------------------------- */

/* What a prune has decided so far: the units of each hidden layer that stay. */
typedef struct pruning {
    auxo_unit_edit *edits; /* of the layers that lose units */
    size_t edit_count;
    uint32_t **kept; /* per hidden layer, on the host */
    uint32_t *kept_counts;
    uint32_t *groups; /* per model layer */
} pruning;

static void pruning_deinit(pruning *p, uint32_t layer_count)
{
    for (uint32_t i = 0; i < layer_count && p->kept; i++)
        free(p->kept[i]);
    free(p->kept);
    free(p->kept_counts);
    free(p->edits);
    free(p->groups);
}

static auxo_status pruning_init(const auxo_autosize *autosize, pruning *p, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(autosize->model);
    *p = (pruning){.edits = calloc(autosize->layer_count, sizeof *p->edits),
                   .kept = calloc(autosize->layer_count, sizeof *p->kept),
                   .kept_counts = calloc(autosize->layer_count, sizeof *p->kept_counts),
                   .groups = malloc(desc->layer_count * sizeof *p->groups)};
    if (!p->edits || !p->kept || !p->kept_counts || !p->groups)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "pruning: out of memory");
    for (uint32_t i = 0; i < autosize->layer_count; i++) {
        p->kept[i] = malloc(auxo_autosize_units(autosize, i) * sizeof **p->kept);
        if (!p->kept[i])
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "pruning: out of memory");
    }
    return auxo_model_desc_unit_groups(desc, p->groups, NULL, error);
}

/* The hidden layer whose units feed the columns of hidden layer `index`, through any flatten; layer_count: none. */
static uint32_t feeding_layer(const auxo_autosize *autosize, const pruning *p, uint32_t index)
{
    const auxo_model_desc *desc = auxo_model_get_desc(autosize->model);
    uint32_t layer = desc->layers[autosize->layers[index]].inputs[0];
    while (desc->layers[p->groups[layer]].kind == AUXO_LAYER_FLATTEN)
        layer = desc->layers[p->groups[layer]].inputs[0];
    for (uint32_t i = 0; i < index; i++)
        if (autosize->layers[i] == p->groups[layer])
            return i;
    return autosize->layer_count;
}

/* Gathers the columns of `weight` that read units which stay, so that what is about to go keeps nothing alive.
 * *columns is the gathered copy in *buffer, to be destroyed by the caller. */
static auxo_status gather_columns(auxo_autosize *autosize, const pruning *p, uint32_t feeder, auxo_tensor *weight,
                                  auxo_buffer **buffer, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(autosize->model);
    int64_t rows = weight->dims[0], channels = auxo_autosize_units(autosize, feeder);
    int64_t kept = p->kept_counts[feeder], window = weight->dims[1] / channels;
    uint64_t list_bytes = (uint64_t)kept * sizeof(uint32_t),
             copy_bytes = (uint64_t)(rows * kept * window) * sizeof(float);
    uint64_t copy_offset = (list_bytes + 255) / 256 * 256;
    auxo_status status =
        auxo_buffer_create(auxo_model_device(autosize->model), copy_offset + copy_bytes, buffer, error);
    auxo_op op = {.kind = AUXO_OP_INDEX_SELECT};
    op.tensors[AUXO_INDEX_SELECT_X] = auxo_tensor_reshape(*weight, 3, (int64_t[]){rows, channels, window});
    op.tensors[AUXO_INDEX_SELECT_INDEX] = auxo_tensor_1d(*buffer, 0, AUXO_DTYPE_U32, kept);
    op.tensors[AUXO_INDEX_SELECT_Y] =
        auxo_tensor_make(*buffer, copy_offset, AUXO_DTYPE_F32, 3, (int64_t[]){rows, kept, window});
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, *buffer, 0, p->kept[feeder], list_bytes, error);
    if (status == AUXO_OK)
        status = auxo_op_run(queue, &op, error);
    *weight = auxo_tensor_make(*buffer, copy_offset, AUXO_DTYPE_F32, 2, (int64_t[]){rows, kept * window});
    return status;
}

/* kept_scan takes a NaN for the least norm, so that what diverged would look pruned: it is refused here. */
static auxo_status check_norms(const auxo_autosize *autosize, uint32_t index, const auxo_buffer *norms, uint32_t units,
                               auxo_error *error)
{
    float *values = malloc((units + 1) * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "pruning: out of memory");
    auxo_status status =
        auxo_buffer_read(auxo_model_queue(autosize->model), norms, 0, values, units * sizeof *values, error);
    for (uint32_t i = 0; i < units && status == AUXO_OK; i++)
        if (!isfinite(values[i]))
            status =
                auxo_error_set(error, AUXO_NOT_FINITE,
                               "pruning: layer %s: the weights of unit %u are not finite; nothing was pruned: take a "
                               "lower learning rate",
                               auxo_model_get_desc(autosize->model)->layers[autosize->layers[index]].name, i);
    free(values);
    return status;
}

/* Units of a layer whose largest |incoming weight or bias| reaches the threshold; at least one. */
static auxo_status find_kept(auxo_autosize *autosize, pruning *p, uint32_t index, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(autosize->model);
    auxo__layer_views views = auxo__layer_view(autosize->model, autosize->layers[index]);
    auxo_buffer *buffer = NULL, *gathered = NULL; /* norms, kept, count */
    uint64_t list_bytes = views.units * sizeof(float);
    auxo_status status = auxo_buffer_create(auxo_model_device(autosize->model), 2 * list_bytes + 4, &buffer, error);
    uint32_t feeder = feeding_layer(autosize, p, index);
    if (status == AUXO_OK && feeder < index && p->kept_counts[feeder] < auxo_autosize_units(autosize, feeder))
        status = gather_columns(autosize, p, feeder, &views.weight, &gathered, error);
    auxo_op norm = {.kind = AUXO_OP_GROUP_NORM, .params.group_norm = {AUXO_NORM_LINF}};
    norm.tensors[AUXO_GROUP_NORM_W] = views.weight;
    norm.tensors[AUXO_GROUP_NORM_BIAS] = views.bias;
    norm.tensors[AUXO_GROUP_NORM_NORM] = auxo_tensor_1d(buffer, 0, AUXO_DTYPE_F32, views.units);
    auxo_op scan = {.kind = AUXO_OP_KEPT_SCAN, .params.kept_scan = {(float)autosize->options.threshold, 1}};
    scan.tensors[AUXO_KEPT_SCAN_NORM] = norm.tensors[AUXO_GROUP_NORM_NORM];
    scan.tensors[AUXO_KEPT_SCAN_KEPT] = auxo_tensor_1d(buffer, list_bytes, AUXO_DTYPE_U32, views.units);
    scan.tensors[AUXO_KEPT_SCAN_COUNT] = auxo_tensor_1d(buffer, 2 * list_bytes, AUXO_DTYPE_U32, 1);
    if (status == AUXO_OK)
        status = auxo_op_run(queue, &norm, error);
    if (status == AUXO_OK)
        status = check_norms(autosize, index, buffer, (uint32_t)views.units, error);
    if (status == AUXO_OK)
        status = auxo_op_run(queue, &scan, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, buffer, 2 * list_bytes, &p->kept_counts[index], 4, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, buffer, list_bytes, p->kept[index], p->kept_counts[index] * sizeof(uint32_t),
                                  error);
    auxo_buffer_destroy(buffer);
    auxo_buffer_destroy(gathered);
    return status;
}

static auxo_status log_pruning(auxo_autosize *autosize, auxo_trainer *trainer, const pruning *p,
                               const uint32_t *units_before, double before, double after, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < autosize->layer_count && status == AUXO_OK; i++) {
        auxo_edit entry;
        if (p->kept_counts[i] == units_before[i])
            continue;
        fill_log_entry(autosize, trainer, i, "prune", units_before[i], p->kept_counts[i], &entry);
        auxo__number_print(entry.why, sizeof entry.why, "no incoming weight or bias reaches %.3g",
                           autosize->options.threshold);
        entry.loss_before = before;
        entry.loss_after = after;
        status = auxo_edit_log_add(&autosize->log, &entry, error);
    }
    return status;
}

/* Front to back, as if each layer had been compacted before the next is judged; the model is compacted once. */
auxo_status auxo_autosize_prune(auxo_autosize *autosize, auxo_trainer *trainer, uint32_t *changed, auxo_error *error)
{
    pruning p;
    uint32_t *units_before = calloc(autosize->layer_count, sizeof *units_before);
    double before = NAN, after = NAN;
    *changed = 0;
    auxo_status status = pruning_init(autosize, &p, error);
    if (status == AUXO_OK && !units_before)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "pruning: out of memory");
    for (uint32_t i = 0; i < autosize->layer_count && status == AUXO_OK; i++) {
        units_before[i] = auxo_autosize_units(autosize, i);
        status = find_kept(autosize, &p, i, error);
        if (status != AUXO_OK || p.kept_counts[i] == units_before[i])
            continue;
        p.edits[p.edit_count++] =
            (auxo_unit_edit){.layer = autosize->layers[i], .kept = p.kept[i], .kept_count = p.kept_counts[i]};
        *changed += units_before[i] - p.kept_counts[i];
    }
    if (status == AUXO_OK && p.edit_count > 0) {
        status = probe_loss(autosize, trainer, &before, error);
        if (status == AUXO_OK)
            status = apply_edits(autosize, trainer, p.edits, p.edit_count, error);
        if (status == AUXO_OK)
            status = probe_loss(autosize, trainer, &after, error);
        if (status == AUXO_OK)
            status = log_pruning(autosize, trainer, &p, units_before, before, after, error);
    }
    pruning_deinit(&p, autosize->layer_count);
    free(units_before);
    return status;
}

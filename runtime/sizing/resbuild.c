/* runtime/sizing/resbuild.c: ResBuilder: random in, greedy out, and a MorphNet step now and then (thesis sec. 4.4).
 *
 * Every call of auxo_resbuild_next makes one architecture from the regularised model before it: a block is inserted,
 * the network is trained with LayerLasso and MorphNet penalties, blocks whose weights have become small are taken out,
 * and the architecture is trained without penalties, afresh and from the weights at hand. After n_L insertions the
 * widths are set anew within the budget. Draws are Philox words of (seed, architecture number): a resumed run repeats
 * them.
 */
#include "auxo/sizing.h"

#include "block_rules.h"
#include "morph_channels.h"
#include "number.h"
#include "resbuild_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void auxo_resbuild_options_init(auxo_resbuild_options *options)
{
    *options = (auxo_resbuild_options){.insertions = 4,
                                       .cycles = 7,
                                       .epochs = 20,
                                       .trainings = {true, true, true},
                                       .layer_lasso = 1e-8,
                                       .morph_strength = 1e-7,
                                       .morph_threshold = 1e-2,
                                       .removal_threshold = 1e-3,
                                       .keep_gain = 0.015,
                                       .intensity = 1,
                                       .budget = {.resource = AUXO_RESOURCE_FLOPS, .limit = 1e8},
                                       .new_scale = 1e-2};
    options->training.batch = 128;
    options->training.standardize = true;
    auxo_optimizer_config_parse("adam", &options->training.optimizer, NULL);
}

auxo_status auxo_resbuild_create(auxo_device *device, const auxo_model_desc *start, const auxo_dataset *train,
                                 const auxo_dataset *validation, const auxo_resbuild_options *options,
                                 auxo_resbuild **out, auxo_error *error)
{
    if (!validation || validation->row_count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "ResBuilder chooses by validation accuracy and needs a validation set");
    auxo_resbuild *resbuild = calloc(1, sizeof *resbuild);
    if (!resbuild)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "ResBuilder: out of memory");
    resbuild->device = device;
    resbuild->train = train;
    resbuild->validation = validation;
    resbuild->options = *options;
    resbuild->best_accuracy = -INFINITY;
    resbuild->options.budget.device = device;
    auxo_status status = auxo__budget_check(start, &resbuild->options.budget, error);
    if (status == AUXO_OK)
        status = auxo_model_create(device, start, options->seed, &resbuild->current, error);
    if (status != AUXO_OK) {
        auxo_resbuild_destroy(resbuild);
        return status;
    }
    *out = resbuild;
    return AUXO_OK;
}

void auxo_resbuild_destroy(auxo_resbuild *resbuild)
{
    if (!resbuild)
        return;
    auxo_moments_destroy(resbuild->moments);
    auxo_model_destroy(resbuild->current);
    auxo_model_destroy(resbuild->best);
    for (size_t i = 0; i < resbuild->visited_count; i++)
        free(resbuild->visited[i]);
    free(resbuild->visited);
    auxo_edit_log_deinit(&resbuild->log);
    free(resbuild);
}

const auxo_edit_log *auxo_resbuild_log(const auxo_resbuild *resbuild)
{
    return &resbuild->log;
}

auxo_model *auxo_resbuild_best(const auxo_resbuild *resbuild, double *accuracy)
{
    if (accuracy)
        *accuracy = resbuild->best_accuracy;
    return resbuild->best;
}

auxo_model *auxo_resbuild_current(const auxo_resbuild *resbuild)
{
    return resbuild->current;
}

const auxo_moments *auxo_resbuild_moments(const auxo_resbuild *resbuild)
{
    return resbuild->moments;
}

/* ---- visited architectures
 * -------------------------------------------------------------------------------------------- */
/* A text that is equal for equal networks whatever their layers are called. */
static char *architecture_key(const auxo_model_desc *desc)
{
    size_t size = desc->layer_count * 64 + 1, used = 0;
    char *key = malloc(size);
    for (uint32_t l = 0; key && l < desc->layer_count && used + 64 < size + 1; l++) {
        const auxo_layer *layer = &desc->layers[l];
        used += (size_t)snprintf(key + used, size - used, "%d:%u:%d:%d:%u,%u;", (int)layer->kind, layer->units,
                                 layer->kernel_h, layer->stride_h, l - layer->inputs[0],
                                 layer->input_count > 1 ? l - layer->inputs[1] : 0);
    }
    return key;
}

static bool was_visited(const auxo_resbuild *resbuild, const char *key)
{
    for (size_t i = 0; i < resbuild->visited_count; i++)
        if (strcmp(resbuild->visited[i], key) == 0)
            return true;
    return false;
}

auxo_status auxo__resbuild_visit(auxo_resbuild *resbuild, const auxo_model_desc *desc, bool *is_new, auxo_error *error)
{
    char *key = architecture_key(desc);
    char **visited = realloc(resbuild->visited, (resbuild->visited_count + 1) * sizeof *visited);
    if (visited)
        resbuild->visited = visited;
    if (!key || !visited) {
        free(key);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "visited architectures: out of memory");
    }
    *is_new = !was_visited(resbuild, key);
    if (*is_new)
        visited[resbuild->visited_count++] = key;
    else
        free(key);
    return AUXO_OK;
}

/* ---- one architecture
 * --------------------------------------------------------------------------------------------------- */
/* A random stage, then a random place in it; tried again while the result was trained before. */
static auxo_status draw_insertion(auxo_resbuild *resbuild, auxo_model_desc *result, char *what, size_t what_size,
                                  bool *found, auxo_error *error)
{
    enum { TRIES = 64 };
    const auxo_model_desc *desc = auxo_model_get_desc(resbuild->current);
    uint32_t *places = malloc(2 * desc->layer_count * sizeof *places);
    if (!places)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "inserting a block: out of memory");
    uint32_t *stages = places + desc->layer_count;
    uint32_t count = auxo_block_places(desc, places, stages);
    auxo_status status = AUXO_OK;
    *found = false;
    for (uint32_t t = 0; t < TRIES && count > 0 && !*found && status == AUXO_OK; t++) {
        const uint32_t drawn = auxo__block_draw_place(stages, count, resbuild->options.seed, resbuild->number, t);
        const uint32_t place = places[drawn], stage = stages[drawn];
        char name[32];
        snprintf(name, sizeof name, "block%u", resbuild->number);
        status = (resbuild->options.exact_insertion ? auxo_block_insert_open : auxo_block_insert)(desc, place, name,
                                                                                                  result, error);
        if (status == AUXO_OK)
            status = auxo__resbuild_visit(resbuild, result, found, error);
        if (status == AUXO_OK && !*found)
            auxo_model_desc_deinit(result);
        snprintf(what, what_size, "insert after %s (stage %u)", desc->layers[place].name, stage);
    }
    free(places);
    return status;
}

/* Zeroes the scale and shift of an inserted block's last batch norm, so that the block adds exactly nothing. */
static auxo_status silence_block(auxo_resbuild *resbuild, auxo_error *error)
{
    static const char *const names[] = {"gamma", "beta"};
    auxo_status status = AUXO_OK;
    for (int i = 0; i < 2 && status == AUXO_OK; i++) {
        char name[AUXO_LAYER_NAME_BYTES + 16];
        snprintf(name, sizeof name, "block%u_norm2.%s", resbuild->number, names[i]);
        const auxo_param *param = auxo_model_find_param(resbuild->current, name);
        if (!param)
            return auxo_error_set(error, AUXO_INTERNAL, "inserted block has no %s", name);
        auxo_tensor tensor = auxo_model_param_tensor(resbuild->current, param);
        status = auxo_buffer_zero(auxo_model_queue(resbuild->current), tensor.buffer, tensor.offset_bytes,
                                  (uint64_t)auxo_tensor_element_count(&tensor) * sizeof(float), error);
    }
    return status;
}

static uint32_t convolution_count(const auxo_model_desc *desc)
{
    uint32_t count = 0;
    for (uint32_t l = 0; l < desc->layer_count; l++)
        count += desc->layers[l].kind == AUXO_LAYER_CONV2D;
    return count;
}

/* Replaces the structure of the current model and logs it; units are counted in convolutions. */
static auxo_status restructure(auxo_resbuild *resbuild, const auxo_model_desc *desc, float new_scale, bool exact,
                               auxo_edit *entry, auxo_error *error)
{
    entry->epoch = resbuild->number;
    entry->units_before = convolution_count(auxo_model_get_desc(resbuild->current));
    entry->units_after = convolution_count(desc);
    auxo_carried_state state = {0};
    if (resbuild->moments)
        state = auxo_moments_carried_state(resbuild->moments);
    auxo_status status = auxo__resbuild_loss(resbuild, &entry->loss_before, error);
    if (status == AUXO_OK)
        status = auxo_model_restructure(resbuild->current, desc, resbuild->options.seed + resbuild->number, new_scale,
                                        resbuild->moments ? &state : NULL, error);
    if (status == AUXO_OK && exact)
        status = silence_block(resbuild, error);
    if (status == AUXO_OK)
        status = auxo__resbuild_loss(resbuild, &entry->loss_after, error);
    return status == AUXO_OK ? auxo_edit_log_add(&resbuild->log, entry, error) : status;
}

static auxo_status insert_block(auxo_resbuild *resbuild, auxo_architecture_record *record, auxo_error *error)
{
    auxo_model_desc desc;
    bool found;
    auxo_status status = draw_insertion(resbuild, &desc, record->what, sizeof record->what, &found, error);
    if (status != AUXO_OK)
        return status;
    if (!found)
        return auxo_error_set(error, AUXO_NOT_FOUND,
                              "no place is left where a block gives a network that was not trained before");
    auxo_edit entry = {.what = "insert block"};
    snprintf(entry.layer, sizeof entry.layer, "block%u", resbuild->number);
    snprintf(entry.why, sizeof entry.why, "drawn: %.80s", record->what);
    status = restructure(resbuild, &desc, (float)resbuild->options.new_scale, resbuild->options.exact_insertion, &entry,
                         error);
    auxo_model_desc_deinit(&desc);
    return status;
}

static auxo_status remove_block(auxo_resbuild *resbuild, const auxo_block *block, double statistic, auxo_error *error)
{
    static const char *const names[] = {"sum |w|", "mean |w|", "max |w|"};
    const auxo_model_desc *desc = auxo_model_get_desc(resbuild->current);
    auxo_model_desc smaller;
    auxo_status status = auxo_block_remove(desc, block, &smaller, error);
    if (status != AUXO_OK)
        return status;
    auxo_edit entry = {.what = "remove block"};
    memcpy(entry.layer, desc->layers[block->add].name, sizeof entry.layer);
    auxo__number_print(entry.why, sizeof entry.why, "%s of a convolution is %.3g < %.3g",
                       names[resbuild->options.removal_statistic], statistic, resbuild->options.removal_threshold);
    status = restructure(resbuild, &smaller, 1, false, &entry, error);
    auxo_model_desc_deinit(&smaller);
    return status;
}

/* Takes out blocks of which one convolution's weights are below the threshold; one at a time, weakest first. Without
 * `remove` it only measures. */
static auxo_status remove_blocks(auxo_resbuild *resbuild, bool remove, auxo_architecture_record *record,
                                 auxo_error *error)
{
    record->weakest = NAN;
    for (;;) {
        auxo_block weak;
        bool found = false;
        double statistic = INFINITY;
        auxo_status status =
            auxo__block_find_weak(resbuild->current, resbuild->options.removal_statistic,
                                  resbuild->options.removal_threshold, &weak, &found, &statistic, error);
        if (isnan(record->weakest) && isfinite(statistic))
            record->weakest = statistic;
        const bool goes = status == AUXO_OK && remove && found;
        if (goes)
            status = remove_block(resbuild, &weak, statistic, error);
        if (status != AUXO_OK || !goes)
            return status;
        record->removed_blocks++;
    }
}

static auxo_status morph_widths(auxo_resbuild *resbuild, auxo_architecture_record *record, auxo_error *error)
{
    const auxo_resbuild_options *options = &resbuild->options;
    auxo_morph *morph = NULL;
    auxo_model_desc next;
    double kappa = 0;
    bool is_new;
    auxo_status status = auxo__resbuild_morph(resbuild, &morph, error);
    if (status == AUXO_OK)
        status = auxo_morph_step(morph, &options->budget, options->intensity, &kappa, &next, error);
    auxo_morph_destroy(morph);
    if (status != AUXO_OK)
        return status;
    auxo_model *fresh = NULL;
    status = auxo__resbuild_visit(resbuild, &next, &is_new, error);
    if (status == AUXO_OK)
        status = auxo_model_create(resbuild->device, &next, options->seed + resbuild->number, &fresh, error);
    auxo_model_desc_deinit(&next);
    if (status == AUXO_OK) {
        auxo_edit entry = {.what = "rescale", .layer = "all", .epoch = resbuild->number, .loss_after = NAN};
        entry.units_before = entry.units_after = convolution_count(auxo_model_get_desc(fresh));
        auxo__number_print(entry.why, sizeof entry.why, "kappa %.4g within %.4g; trained afresh", kappa,
                           options->budget.limit);
        status = auxo__resbuild_loss(resbuild, &entry.loss_before, error);
        if (status == AUXO_OK)
            status = auxo_edit_log_add(&resbuild->log, &entry, error);
    }
    if (status != AUXO_OK) {
        auxo_model_destroy(fresh);
        return status;
    }
    auxo_moments_destroy(resbuild->moments);
    resbuild->moments = NULL;
    auxo_model_destroy(resbuild->current);
    resbuild->current = fresh;
    auxo__number_print(record->what, sizeof record->what, "morph, kappa %.4g", kappa);
    return AUXO_OK;
}

static auxo_status measure(const auxo_resbuild *resbuild, auxo_architecture_record *record, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(resbuild->current);
    record->weights = auxo_model_weight_count(resbuild->current);
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        if (desc->layers[l].kind != AUXO_LAYER_CONV2D)
            continue;
        record->first_width = record->convolutions++ ? record->first_width : desc->layers[l].units;
        record->widest = desc->layers[l].units > record->widest ? desc->layers[l].units : record->widest;
    }
    return auxo_morph_desc_cost(desc, &resbuild->options.budget, &record->cost, error);
}

/* The change that makes this architecture from the one before. */
static auxo_status change_structure(auxo_resbuild *resbuild, auxo_architecture_record *record, auxo_error *error)
{
    if (resbuild->number == 0) {
        bool is_new;
        snprintf(record->what, sizeof record->what, "start");
        return auxo__resbuild_visit(resbuild, auxo_model_get_desc(resbuild->current), &is_new, error);
    }
    if (resbuild->inserted < resbuild->options.insertions) {
        resbuild->inserted++;
        return insert_block(resbuild, record, error);
    }
    resbuild->inserted = 0;
    resbuild->cycle++;
    return morph_widths(resbuild, record, error);
}

auxo_status auxo_resbuild_next(auxo_resbuild *resbuild, auxo_architecture_record *record, bool *done, auxo_error *error)
{
    *record = (auxo_architecture_record){.number = resbuild->number, .weakest = NAN, .accuracy = {NAN, NAN, NAN}};
    *done = resbuild->cycle >= resbuild->options.cycles;
    if (*done)
        return AUXO_OK;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    bool inserted = resbuild->number > 0 && resbuild->inserted < resbuild->options.insertions;
    auxo_status status = change_structure(resbuild, record, error);
    if (status == AUXO_OK)
        status = auxo__resbuild_train(resbuild, AUXO_TRAINING_REGULARIZED, record, error);
    double accuracy = record->accuracy[AUXO_TRAINING_REGULARIZED];
    bool gained = inserted && accuracy - resbuild->last_accuracy > resbuild->options.keep_gain;
    if (status == AUXO_OK)
        status = remove_blocks(resbuild, !gained, record, error);
    bool is_new = true;
    if (status == AUXO_OK && record->removed_blocks > 0)
        status = auxo__resbuild_visit(resbuild, auxo_model_get_desc(resbuild->current), &is_new, error);
    for (int training = AUXO_TRAINING_FRESH; training < AUXO_TRAINING_COUNT && is_new; training++)
        if (status == AUXO_OK && resbuild->options.trainings[training])
            status = auxo__resbuild_train(resbuild, training, record, error);
    if (status == AUXO_OK)
        status = measure(resbuild, record, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "architecture %u", resbuild->number);
    resbuild->last_accuracy = accuracy;
    resbuild->number++;
    clock_gettime(CLOCK_MONOTONIC, &end);
    record->seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    return AUXO_OK;
}

/* runtime/search/search.c: the frame of every search: options, steps, ends, records, the trace, the best model.
 *
 * Invariant: `best` is a copy of the best model over all epochs that the trace has seen, whatever happens to the model
 * it was copied from; so an interrupted search has its result at hand.
 */
#include "search_internal.h"

#include "clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const auxo__search_method *const methods[] = {&auxo__method_random,  &auxo__method_grid,
                                                     &auxo__method_growth,  &auxo__method_evolution,
                                                     &auxo__method_genetic, &auxo__method_tpe};

void auxo_search_options_init(auxo_search_method method, auxo_search_options *options)
{
    *options = (auxo_search_options){.method = method,
                                     .dynamic = method == AUXO_SEARCH_EVOLUTION || method == AUXO_SEARCH_GROWTH,
                                     .units = {10, 100},
                                     .lr = {1e-4, 6e-4},
                                     .batch = {16, 64},
                                     .alpha = {3.2e-5, 1e-3},
                                     .growth_drive = {0.01, 1},
                                     .keep_gain = {0, 1},
                                     .patience = 8,
                                     .epoch_limit = 1000,
                                     .initial_units = 20,
                                     .growth_minimum = 20,
                                     .growth_fraction = 0.2,
                                     .population = 10,
                                     .tournament = 3,
                                     .parents = 5,
                                     .newcomers = 2,
                                     .age_limit = 10,
                                     .age_factor = 0.005,
                                     .age_base = 1.8,
                                     .gene_spread = {0.1, 0.1, 0.1},
                                     .alpha_factor = 0.1,
                                     .stall_limit = 10,
                                     .target = INFINITY};
    auxo_sampler_init(AUXO_SAMPLER_TPE, 0, &options->sampler);
    auxo_pruner_init(AUXO_PRUNER_NONE, &options->pruner);
    if (method != AUXO_SEARCH_GENETIC)
        return;
    options->layered = true;
    options->units = (auxo_range){8, 256};
    options->batch = (auxo_range){16, 512};
    options->lr = (auxo_range){1e-4, 1e-2};
    options->population = 25;
    options->generation_limit = 25;
    options->epoch_limit = 10;
    options->keep = 10;
    options->elite = 1;
    options->hall_size = 10;
    options->layer_limit = 4;
    options->mutation = 0.3;
    options->crossover = 0.7;
}

static auxo_status check_options(const auxo_search_options *options, auxo_error *error)
{
    const char *wrong = NULL;
    const bool evolves = options->method == AUXO_SEARCH_EVOLUTION, genetic = options->method == AUXO_SEARCH_GENETIC;
    if (options->patience == 0 || options->epoch_limit == 0)
        wrong = "patience and the limit of epochs must be at least 1";
    else if (options->adapt &&
             (options->dynamic || options->layered || evolves || genetic || options->method == AUXO_SEARCH_GROWTH))
        wrong = "networks under the controller are searched by random, grid or tpe";
    else if (options->dynamic && (options->initial_units == 0 || options->alpha.high <= 0))
        wrong = "networks that size themselves need initial units and a penalty (alpha above 0)";
    else if (!options->dynamic && (evolves || options->method == AUXO_SEARCH_GROWTH))
        wrong = "evolution and growth need networks that size themselves";
    else if (options->dynamic && genetic)
        wrong = "genetic tuning sets the units of its networks itself";
    else if ((evolves || genetic) && options->population < 2)
        wrong = "a population needs at least 2 individuals";
    else if (evolves && (options->tournament == 0 || options->parents == 0 || options->age_base < 1))
        wrong = "evolution needs a tournament and parents of at least 1, and an age base of at least 1";
    else if (evolves &&
             (options->training.schedule.kind != AUXO_LR_CONSTANT || options->training.schedule.warmup_epochs > 0))
        wrong = "under evolution the learning rate of each epoch is a gene, without a schedule or a warm-up";
    else if (options->method == AUXO_SEARCH_GROWTH && !(options->alpha_factor > 0 && options->alpha_factor < 1))
        wrong = "the factor on alpha must lie between 0 and 1";
    else if (genetic && (options->keep < 2 || options->keep > options->population || options->elite >= options->keep))
        wrong = "genetic tuning keeps at least 2 of its population, and fewer of them unchanged than it keeps";
    else if (genetic && (options->layer_limit == 0 || options->layer_limit > 16))
        wrong = "genetic tuning takes 1 to 16 layers";
    else if (genetic && !(options->layer_addition >= 0 && options->layer_addition <= 1))
        wrong = "the probability of one more layer must lie between 0 and 1";
    else if (options->layered && !genetic && options->method != AUXO_SEARCH_TPE)
        wrong = "only genetic tuning and tpe search the layers of a network";
    else if (options->layered && (options->dynamic || options->layer_limit == 0 || options->layer_limit > 16))
        wrong = "networks whose layers are searched do not size themselves, and have 1 to 16 layers";
    else if (options->method == AUXO_SEARCH_TPE && options->sampler.candidates == 0)
        wrong = "tpe needs candidates to choose from";
    else if (options->pruner.kind != AUXO_PRUNER_NONE && evolves)
        wrong = "a pruner has nothing to give up under evolution, whose trials have one epoch";
    else if (options->pruner.kind == AUXO_PRUNER_HALVING &&
             (options->pruner.reduction < 2 || options->pruner.minimum == 0))
        wrong = "halving keeps one of at least 2, from epoch 1 on";
    else if (!(options->sample >= 0 && options->sample <= 1))
        wrong = "a sample is a part of the rows, above 0 and at most 1";
    else if (evolves && options->sample_each && options->sample > 0)
        wrong = "under evolution models go on from generation to generation: one sample is drawn for all";
    else if (evolves &&
             !(options->gene_spread.lr >= 0 && options->gene_spread.batch >= 0 && options->gene_spread.alpha >= 0))
        wrong = "the spread of a mutation is not negative";
    else if (options->method == AUXO_SEARCH_GROWTH && options->alpha_steps > 0 && !(options->alpha.low > 0))
        wrong = "alpha falls in steps to a lowest strength above 0";
    else if (isnan(options->target))
        wrong = "the target quality is no number";
    return wrong ? auxo_error_set(error, AUXO_INVALID_ARGUMENT, "search: %s", wrong) : AUXO_OK;
}

auxo_status auxo_search_create(auxo_device *device, const auxo_model_desc *desc, const auxo_dataset *train,
                               const auxo_dataset *validation, const auxo_search_options *options, auxo_search **out,
                               auxo_error *error)
{
    if (!validation || validation->row_count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "search: models are judged by validation rows; give some");
    auxo_status status = check_options(options, error);
    if (status != AUXO_OK)
        return status;
    auxo_search *search = calloc(1, sizeof *search);
    if (!search)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "search: out of memory");
    search->device = device;
    search->train = train;
    search->validation = validation;
    search->options = *options;
    if (options->adapt) {
        search->adapt = *options->adapt;
        search->options.adapt = &search->adapt;
    }
    search->method = methods[options->method];
    if (options->sample > 0 && options->sample < 1 && !options->sample_each) {
        status = auxo__sample_init(search, train, validation, 0, &search->sample, error);
        search->train = search->sample.train;
        search->validation = search->sample.validation;
    }
    search->best_record = (auxo_search_record){.quality = -INFINITY, .loss = INFINITY};
    auxo_model_desc_init(&search->desc);
    if (status == AUXO_OK)
        status = auxo_model_desc_copy(desc, &search->desc, error);
    if (status == AUXO_OK)
        status = auxo__space_init(desc, options, &search->space, error);
    if (status == AUXO_OK && search->method->state_size > 0) {
        search->state = calloc(1, search->method->state_size);
        if (!search->state)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "search: out of memory");
    }
    if (status == AUXO_OK && search->method->begin)
        status = search->method->begin(search, error);
    if (status == AUXO_OK)
        status = auxo__search_points(search, &search->points, error);
    if (status == AUXO_OK && options->study)
        status = auxo__search_study_begin(search, error);
    if (status == AUXO_OK)
        *out = search;
    else
        auxo_search_destroy(search);
    return status;
}

void auxo_search_destroy(auxo_search *search)
{
    if (!search)
        return;
    if (search->method->end && search->state)
        search->method->end(search);
    free(search->state);
    auxo_model_destroy(search->best);
    auxo_model_destroy(search->trial_best);
    auxo_moments_destroy(search->trial_moments);
    auxo__sample_deinit(&search->sample);
    auxo_space_deinit(&search->points);
    free(search->taken);
    auxo_model_desc_deinit(&search->desc);
    free(search->records);
    free(search->trace);
    free(search);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

double auxo__search_now(const auxo_search *search)
{
    return search->seconds + (search->step_start > 0 ? auxo__now_seconds() - search->step_start : 0);
}

bool auxo__search_has_ended(const auxo_search *search)
{
    const auxo_search_options *options = &search->options;
    return search->out_of_time || (options->time_limit > 0 && search->seconds >= options->time_limit) ||
           (!options->study && options->evaluation_limit > 0 && search->record_count >= options->evaluation_limit) ||
           search->best_record.quality >= options->target;
}

auxo_status auxo_search_step(auxo_search *search, bool *done, auxo_error *error)
{
    auxo_error reason = {AUXO_OK, ""};
    *done = !search->options.study && auxo__search_has_ended(search);
    if (*done)
        return AUXO_OK;
    const size_t trace_count = search->trace_count;
    search->step_start = auxo__now_seconds();
    auxo_status status = search->options.study ? auxo__search_study_step(search, done, &reason)
                                               : search->method->step(search, done, &reason);
    search->seconds = auxo__search_now(search);
    search->step_start = 0;
    if (status == AUXO_INTERRUPTED && search->out_of_time) {
        *done = true;
        return AUXO_OK;
    }
    if (status != AUXO_OK)
        return auxo_error_set(error, status, "%s", reason.message);
    search->step_count += search->trace_count > trace_count; /* nothing left to try is no step */
    *done = *done || (!search->options.study && auxo__search_has_ended(search));
    return AUXO_OK;
}

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

/* Room for one more element; NULL without memory. */
static void *grow_array(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    const size_t larger = *capacity ? 2 * *capacity : 32;
    void *grown = realloc(array, larger * size);
    if (grown)
        *capacity = larger;
    return grown;
}

auxo_status auxo__search_keep_record(auxo_search *search, const auxo_search_record *record, auxo_error *error)
{
    auxo_search_record *records =
        grow_array(search->records, search->record_count, &search->record_capacity, sizeof *records);
    if (!records)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "records of a search: out of memory");
    search->records = records;
    records[search->record_count++] = *record;
    return AUXO_OK;
}

const auxo_search_record *auxo_search_record_of(const auxo_search *search, uint64_t number)
{
    for (size_t i = 0; i < search->record_count; i++)
        if (search->records[i].number == number)
            return &search->records[i];
    return NULL;
}

uint64_t auxo__search_next_number(const auxo_search *search)
{
    return search->draw ? search->draw : search->record_count + 1;
}

bool auxo__search_is_taken(const auxo_search *search, const char *genome)
{
    for (size_t i = 0; i < search->taken_count; i++)
        if (strcmp(search->taken[i], genome) == 0)
            return true;
    return auxo__search_find(search, genome) != NULL;
}

const auxo_search_record *auxo__search_find(const auxo_search *search, const char *genome)
{
    for (size_t i = 0; i < search->record_count; i++)
        if (strcmp(search->records[i].genome, genome) == 0)
            return &search->records[i];
    return NULL;
}

bool auxo__is_better(double quality, double loss, double than_quality, double than_loss)
{
    return quality > than_quality || (quality == than_quality && loss < than_loss);
}

auxo_status auxo__search_keep_point(auxo_search *search, const auxo_trace_point *point, auxo_error *error)
{
    auxo_trace_point *trace = grow_array(search->trace, search->trace_count, &search->trace_capacity, sizeof *trace);
    if (!trace)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "trace of a search: out of memory");
    search->trace = trace;
    trace[search->trace_count++] = *point;
    return AUXO_OK;
}

auxo_status auxo__search_offer(auxo_search *search, auxo__candidate *candidate, auxo_error *error)
{
    auxo_search_record *best = &search->best_record;
    auxo_status status = AUXO_OK;
    if (auxo__is_better(candidate->quality, candidate->loss, best->quality, best->loss)) {
        auxo_model *copy = NULL;
        status = auxo_model_clone(candidate->model, &copy, error);
        if (status != AUXO_OK)
            return status;
        auxo_model_destroy(search->best);
        search->best = copy;
        *best = candidate->record;
        best->quality = candidate->quality;
        best->loss = candidate->loss;
    }
    const auxo_trace_point point = {.seconds = auxo__search_now(search),
                                    .epoch = search->trace_count + 1,
                                    .evaluation = candidate->record.number,
                                    .quality = candidate->quality,
                                    .best = best->quality};
    status = auxo__search_keep_point(search, &point, error);
    if (status == AUXO_OK && search->trial)
        status = auxo__search_study_epoch(search, candidate, error);
    if (status == AUXO_OK && search->options.on_epoch)
        search->options.on_epoch(search->options.user, &point);
    return status == AUXO_OK ? auxo__search_prune(search, candidate, error) : status;
}

auxo_model *auxo_search_best(const auxo_search *search)
{
    return search->best;
}

const auxo_search_record *auxo_search_best_record(const auxo_search *search)
{
    return search->best ? &search->best_record : NULL;
}

const auxo_search_record *auxo_search_records(const auxo_search *search, size_t *count)
{
    *count = search->record_count;
    return search->records;
}

const auxo_trace_point *auxo_search_trace(const auxo_search *search, size_t *count)
{
    *count = search->trace_count;
    return search->trace;
}

double auxo_search_seconds(const auxo_search *search)
{
    return search->seconds;
}

uint64_t auxo_search_step_count(const auxo_search *search)
{
    return search->step_count;
}

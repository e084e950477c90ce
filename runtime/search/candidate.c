/* runtime/search/candidate.c: one model in training: epochs, validation, auto-sizing or the controller, early stopping.
 *
 * A static model may have a plain l1 penalty on its hidden layers, a dynamic one grows, is trained with the weighted l1
 * penalty and is pruned in every epoch; both are the auto-sizing of runtime/sizing.
 */
#include "search_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Steps between looks at the clock. */
enum { STRETCH_STEPS = 32 };

static auxo_status attach_sizing(auxo_search *search, auxo__candidate *candidate, const auxo__settings *settings,
                                 uint64_t seed, auxo_error *error)
{
    auxo_autosize_options options;
    auxo_autosize_options_init(&options);
    options.penalty = candidate->dynamic ? AUXO_PENALTY_WEIGHTED_L1 : AUXO_PENALTY_L1;
    options.strength = settings->alpha;
    options.grow = candidate->dynamic;
    options.growth_minimum = search->options.growth_minimum;
    options.growth_fraction = search->options.growth_fraction;
    options.seed = seed;
    return auxo_autosize_create(candidate->model, &options, &candidate->autosize, error);
}

static auxo_status attach_controller(auxo_search *search, auxo__candidate *candidate, const auxo__settings *settings,
                                     const auxo_train_options *training, const auxo_dataset *train, auxo_error *error)
{
    auxo_adapt_options options = *search->options.adapt;
    options.training = *training;
    options.seed = training->seed;
    options.growth_drive = settings->drive;
    options.keep_gain = settings->keep;
    return auxo_adapt_create(candidate->model, train, candidate->validation, &options, &candidate->adapt, error);
}

static uint64_t draw_seed(const auxo_search *search, uint64_t number)
{
    auxo__random random;
    auxo__random_init(&random, search->options.seed, AUXO__STREAM_MODEL, number);
    const uint64_t high = auxo__random_u32(&random);
    return high << 32 | auxo__random_u32(&random);
}

auxo_status auxo__candidate_open(auxo_search *search, auxo_model *model, const auxo__settings *settings, bool sized,
                                 const char *genome, auxo__candidate *candidate, auxo_error *error)
{
    *candidate = (auxo__candidate){.model = model,
                                   .dynamic = sized && search->options.dynamic,
                                   .validation = search->validation,
                                   .lowest_loss = INFINITY,
                                   .began = auxo__search_now(search)};
    candidate->record =
        (auxo_search_record){.number = auxo__search_next_number(search), .quality = -INFINITY, .loss = INFINITY};
    snprintf(candidate->record.genome, sizeof candidate->record.genome, "%s", genome);
    auxo_train_options training = search->options.training;
    const uint64_t seed = draw_seed(search, candidate->record.number);
    training.batch = settings->batch;
    training.seed = seed;
    if (settings->lr > 0)
        training.optimizer.hyper[AUXO_HYPER_LR] = (float)settings->lr;
    const auxo_dataset *train = search->train;
    auxo_status status = AUXO_OK;
    if (auxo__samples_each_model(&search->options)) {
        status =
            auxo__sample_init(search, train, search->validation, candidate->record.number, &candidate->sample, error);
        train = candidate->sample.train;
        candidate->validation = candidate->sample.validation;
    }
    if (status == AUXO_OK && search->options.adapt)
        return attach_controller(search, candidate, settings, &training, train, error);
    if (status == AUXO_OK && (candidate->dynamic || (sized && settings->alpha > 0))) {
        status = attach_sizing(search, candidate, settings, seed, error);
        training.before_step = auxo_autosize_before_step;
        training.after_step = auxo_autosize_after_step;
        training.hook_user = candidate->autosize;
    }
    if (status == AUXO_OK)
        status = auxo_trainer_create(model, train, candidate->validation, &training, &candidate->trainer, error);
    return status;
}

auxo_status auxo__candidate_create(auxo_search *search, const auxo_model_desc *desc, const auxo__settings *settings,
                                   bool sized, const char *genome, auxo__candidate *candidate, auxo_error *error)
{
    auxo_model *model = NULL;
    *candidate = (auxo__candidate){0};
    auxo_status status =
        auxo_model_create(search->device, desc, draw_seed(search, auxo__search_next_number(search)), &model, error);
    return status == AUXO_OK ? auxo__candidate_open(search, model, settings, sized, genome, candidate, error) : status;
}

static auxo_status check_time(void *user, auxo_error *error)
{
    auxo_search *search = user;
    const volatile int *stop = search->options.training.stop;
    if (stop && *stop)
        return auxo_error_set(error, AUXO_INTERRUPTED, "the search was interrupted");
    if (search->options.time_limit > 0 && auxo__search_now(search) >= search->options.time_limit) {
        search->out_of_time = true;
        return auxo_error_set(error, AUXO_INTERRUPTED, "the search's time is over");
    }
    return AUXO_OK;
}

/* Cycles with as many steps as an epoch has, those undone as well. */
static auxo_status run_cycles(auxo_search *search, auxo__candidate *candidate, auxo_epoch_metrics *metrics,
                              auxo_error *error)
{
    auxo_trainer *trainer = auxo_adapt_trainer(candidate->adapt);
    const uint64_t epoch = auxo_trainer_steps_per_epoch(trainer), cycle = auxo_adapt_cycle_steps(candidate->adapt);
    auxo_evaluation evaluation;
    auxo_status status = check_time(search, error);
    for (uint64_t steps = 0; steps < epoch && status == AUXO_OK; steps += cycle) {
        auxo_adapt_record record;
        status = auxo_adapt_next(candidate->adapt, &record, error);
        if (status == AUXO_OK)
            status = check_time(search, error);
    }
    if (status == AUXO_OK)
        status = auxo_trainer_evaluate(trainer, candidate->validation, &evaluation, error);
    if (status == AUXO_OK) {
        metrics->validation_loss = evaluation.loss;
        metrics->validation_accuracy = evaluation.accuracy;
    }
    return status;
}

static auxo_status run_epoch(auxo_search *search, auxo__candidate *candidate, auxo_epoch_metrics *metrics,
                             auxo_error *error)
{
    const auxo_autosize_epoch_options options = {.grow = candidate->dynamic,
                                                 .prune = candidate->dynamic,
                                                 .stretch_steps = STRETCH_STEPS,
                                                 .between = check_time,
                                                 .user = search,
                                                 .validation = candidate->validation};
    if (candidate->adapt)
        return run_cycles(search, candidate, metrics, error);
    auxo_status status = check_time(search, error);
    if (status == AUXO_OK)
        status = auxo_autosize_epoch(candidate->autosize, candidate->trainer, &options, metrics, NULL, error);
    return status;
}

static double quality_of(const auxo_search *search, const auxo_epoch_metrics *metrics)
{
    switch (search->options.training.loss) {
    case AUXO_LOSS_CROSS_ENTROPY:
        return metrics->validation_accuracy;
    case AUXO_LOSS_MSE:
        return -sqrt(metrics->validation_loss);
    default:
        return -metrics->validation_loss;
    }
}

auxo_status auxo__candidate_epoch(auxo_search *search, auxo__candidate *candidate, auxo_error *error)
{
    auxo_epoch_metrics metrics = {.validation_loss = NAN, .validation_accuracy = NAN};
    auxo_error reason = {AUXO_OK, ""};
    auxo_status status = run_epoch(search, candidate, &metrics, &reason);
    if (status != AUXO_OK && status != AUXO_NOT_FINITE)
        return auxo_error_set(error, status, "%s", reason.message);
    candidate->failed = status == AUXO_NOT_FINITE || !isfinite(metrics.validation_loss);
    candidate->loss = candidate->failed ? INFINITY : metrics.validation_loss;
    candidate->quality = candidate->failed ? -INFINITY : quality_of(search, &metrics);
    candidate->record.epochs++;
    candidate->record.seconds = auxo__search_now(search) - candidate->began;
    if (auxo__is_better(candidate->quality, candidate->loss, candidate->record.quality, candidate->record.loss)) {
        candidate->record.quality = candidate->quality;
        candidate->record.loss = candidate->loss;
        candidate->record.weights = auxo_model_weight_count(candidate->model);
    }
    candidate->stalled = candidate->loss < candidate->lowest_loss ? 0 : candidate->stalled + 1;
    if (candidate->loss < candidate->lowest_loss)
        candidate->lowest_loss = candidate->loss;
    return auxo__search_offer(search, candidate, error);
}

auxo_status auxo__candidate_train(auxo_search *search, auxo__candidate *candidate, auxo_error *error)
{
    const auxo_search_options *options = &search->options;
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && !candidate->failed && !candidate->record.pruned &&
           candidate->stalled < options->patience && candidate->record.epochs < options->epoch_limit)
        status = auxo__candidate_epoch(search, candidate, error);
    return status;
}

void auxo__candidate_close(auxo__candidate *candidate)
{
    auxo_adapt_destroy(candidate->adapt);
    auxo_trainer_destroy(candidate->trainer);
    auxo_autosize_destroy(candidate->autosize);
    auxo_model_destroy(candidate->model);
    auxo__sample_deinit(&candidate->sample);
    *candidate = (auxo__candidate){0};
}

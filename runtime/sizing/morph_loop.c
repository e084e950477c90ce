/* runtime/sizing/morph_loop.c: MorphNet's loop: train with the regulariser, keep who is alive, expand to the budget,
 * train again from scratch; at last train the network that came out without the regulariser.
 *
 * Every training starts from fresh weights drawn from (seed, iteration), so that a state needs the next description
 * and the best model only, and a resumed run repeats the numbers.
 */
#include "best.h"
#include "morph_channels.h"

#include "clock.h"
#include "json.h"
#include "json_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct auxo_morph_loop {
    auxo_device *device;
    const auxo_dataset *train, *validation;
    auxo_morph_loop_options options;
    auxo_model_desc desc; /* trained next */
    uint32_t iteration;   /* trainings finished */
    bool done;
    auxo_model *best;
    bool best_is_within;
    double best_score; /* validation accuracy, or minus the loss */
};

void auxo_morph_loop_options_init(auxo_morph_loop_options *options)
{
    *options = (auxo_morph_loop_options){
        .threshold = 1e-2, .intensity = 1, .iterations = 2, .epochs = 1, .final_epochs = 1, .refresh_steps = 100};
    options->training.batch = 128;
    options->training.standardize = true;
    auxo_optimizer_config_parse("adam", &options->training.optimizer, NULL);
}

auxo_status auxo_morph_loop_create(auxo_device *device, const auxo_model_desc *start, const auxo_dataset *train,
                                   const auxo_dataset *validation, const auxo_morph_loop_options *options,
                                   auxo_morph_loop **out, auxo_error *error)
{
    auxo_morph_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MorphNet: out of memory");
    loop->device = device;
    loop->train = train;
    loop->validation = validation;
    loop->options = *options;
    loop->options.budget.device = device;
    loop->best_score = -INFINITY;
    auxo_model_desc_init(&loop->desc);
    auxo_status status = auxo_model_desc_copy(start, &loop->desc, error);
    if (status == AUXO_OK && !(options->budget.limit > 0))
        status = auxo_morph_desc_cost(start, &loop->options.budget, &loop->options.budget.limit, error);
    else if (status == AUXO_OK)
        status = auxo__budget_check(start, &loop->options.budget, error);
    if (status != AUXO_OK) {
        auxo_morph_loop_destroy(loop);
        return status;
    }
    *out = loop;
    return AUXO_OK;
}

void auxo_morph_loop_destroy(auxo_morph_loop *loop)
{
    if (!loop)
        return;
    auxo_model_desc_deinit(&loop->desc);
    auxo_model_destroy(loop->best);
    free(loop);
}

const auxo_model_desc *auxo_morph_loop_desc(const auxo_morph_loop *loop)
{
    return &loop->desc;
}

auxo_model *auxo_morph_loop_best(const auxo_morph_loop *loop)
{
    return loop->best;
}

double auxo_morph_loop_best_score(const auxo_morph_loop *loop)
{
    return loop->best_score;
}

auxo_model *auxo_morph_loop_take_best(auxo_morph_loop *loop)
{
    auxo_model *best = loop->best;
    loop->best = NULL;
    return best;
}

const auxo_budget *auxo_morph_loop_budget(const auxo_morph_loop *loop)
{
    return &loop->options.budget;
}

static auxo_status tell(const auxo_morph_loop *loop, auxo_morph *morph, const auxo_trainer *trainer, double train_loss,
                        auxo_morph_cost *cost, auxo_error *error)
{
    auxo_status status = auxo_morph_refresh(morph, cost, error);
    if (status != AUXO_OK || !loop->options.on_refresh)
        return status;
    uint32_t *alive = malloc(loop->desc.layer_count * sizeof *alive);
    if (!alive)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MorphNet: out of memory");
    auxo_morph_alive_widths(morph, alive);
    loop->options.on_refresh(loop->options.user, &(auxo_morph_snapshot){loop->iteration + 1, auxo_trainer_step(trainer),
                                                                        train_loss, cost, alive});
    free(alive);
    return AUXO_OK;
}

static auxo_status train_model(const auxo_morph_loop *loop, auxo_model *model, auxo_morph *morph,
                               auxo_morph_record *record, auxo_error *error)
{
    const auxo_morph_loop_options *options = &loop->options;
    auxo_train_options training = options->training;
    auxo_trainer *trainer = NULL;
    auxo_epoch_metrics metrics = {.train_loss = NAN, .validation_loss = NAN, .validation_accuracy = NAN};
    auxo_morph_cost cost = {0};
    auxo__best best = {.wanted = !morph && options->keep_best && loop->validation,
                       .patience = !morph && loop->validation ? options->patience : 0};
    uint32_t epochs = morph ? options->epochs : options->final_epochs;
    if (morph) {
        training.before_step = auxo_morph_before_step;
        training.hook_user = morph;
    }
    training.seed = options->seed + loop->iteration;
    training.schedule.end_epoch = epochs;
    auxo_status status = auxo_trainer_create(model, loop->train, loop->validation, &training, &trainer, error);
    if (status == AUXO_OK && morph)
        status = tell(loop, morph, trainer, NAN, &cost, error);
    while (status == AUXO_OK && auxo_trainer_epoch(trainer) < epochs && !auxo__best_exhausted(&best)) {
        bool finished;
        status = auxo_trainer_run(trainer, morph ? options->refresh_steps : 0, &finished, &metrics, error);
        if (status == AUXO_OK && finished)
            status = auxo__best_offer(&best, model, metrics.epoch, metrics.validation_accuracy, metrics.validation_loss,
                                      error);
        if (status == AUXO_OK && morph)
            status = tell(loop, morph, trainer, metrics.train_loss, &cost, error);
    }
    auxo_trainer_destroy(trainer);
    if (status == AUXO_OK)
        status = auxo__best_exchange(&best, model, error);
    const bool kept = best.wanted && best.epoch > 0;
    record->train_loss = metrics.train_loss;
    record->validation_loss = kept ? best.loss : metrics.validation_loss;
    record->validation_accuracy = kept ? best.score : metrics.validation_accuracy;
    auxo__best_deinit(&best);
    record->alive_cost = morph ? cost.cost : NAN;
    record->regularizer = morph ? cost.regularizer : NAN;
    return status;
}

/* Keeps the model if it is the best so far; takes it over then. */
static void keep_best(auxo_morph_loop *loop, auxo_model **model, const auxo_morph_record *record)
{
    double score = isfinite(record->validation_accuracy) ? record->validation_accuracy : -record->validation_loss;
    if (!isfinite(score))
        score = -record->train_loss;
    bool within = record->cost <= loop->options.budget.limit;
    if (loop->best && (within < loop->best_is_within || (within == loop->best_is_within && score <= loop->best_score)))
        return;
    auxo_model_destroy(loop->best);
    loop->best = *model;
    loop->best_score = score;
    loop->best_is_within = within;
    *model = NULL;
}

/* The step after a regularised training. */
static auxo_status step(auxo_morph_loop *loop, const auxo_morph *morph, auxo_morph_record *record, auxo_error *error)
{
    auxo_model_desc next;
    auxo_status status =
        auxo_morph_step(morph, &loop->options.budget, loop->options.intensity, &record->kappa, &next, error);
    if (status != AUXO_OK)
        return status;
    auxo_model_desc_deinit(&loop->desc);
    loop->desc = next;
    return AUXO_OK;
}

auxo_status auxo_morph_loop_next(auxo_morph_loop *loop, auxo_morph_record *record, bool *done, auxo_error *error)
{
    const auxo_morph_loop_options *options = &loop->options;
    *record = (auxo_morph_record){
        .iteration = loop->iteration + 1, .is_final = loop->iteration >= options->iterations, .kappa = NAN};
    *done = loop->done || (record->is_final && options->final_epochs == 0);
    if (*done)
        return AUXO_OK;
    double start = auxo__now_seconds();
    auxo_model *model = NULL;
    auxo_morph *morph = NULL;
    auxo_status status = auxo_model_create(loop->device, &loop->desc, options->seed + loop->iteration, &model, error);
    if (status == AUXO_OK && !record->is_final)
        status = auxo__morph_create_for(model, &options->budget,
                                        &(auxo_morph_options){.scale = options->scale,
                                                              .strength = options->strength,
                                                              .threshold = options->threshold},
                                        &morph, error);
    if (status == AUXO_OK)
        status = auxo_morph_desc_cost(&loop->desc, &options->budget, &record->cost, error);
    if (status == AUXO_OK)
        status = train_model(loop, model, morph, record, error);
    if (status == AUXO_OK) {
        record->weights = auxo_model_weight_count(model);
        status = morph ? step(loop, morph, record, error) : AUXO_OK;
        auxo_morph_destroy(morph);
        morph = NULL;
        keep_best(loop, &model, record);
    }
    auxo_morph_destroy(morph);
    auxo_model_destroy(model);
    record->seconds = auxo__now_seconds() - start;
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "%s %u",
                               record->is_final ? "final training after iteration" : "iteration",
                               record->is_final ? record->iteration - 1 : record->iteration);
    loop->iteration++;
    loop->done = record->is_final;
    return AUXO_OK;
}

/* ---- state ------------------------------------------------------------------------------------------------------- */
auxo_status auxo_morph_loop_describe(const auxo_morph_loop *loop, char **json, auxo_error *error)
{
    char *desc = NULL;
    auxo_status status = auxo_model_desc_to_json(&loop->desc, &desc, error);
    if (status != AUXO_OK)
        return status;
    cJSON *root = cJSON_CreateObject();
    auxo__tree_text(root, "desc", desc);
    auxo__tree_number(root, "iteration", loop->iteration);
    auxo__tree_bool(root, "done", loop->done);
    auxo__tree_bool(root, "best_is_within", loop->best_is_within);
    auxo__tree_number(root, "best_score", loop->best_score);
    auxo__tree_number(root, "limit", loop->options.budget.limit);
    free(desc);
    return auxo__tree_print(root, false, json, error);
}

auxo_status auxo_morph_loop_restore(auxo_morph_loop *loop, const char *json, auxo_model *best, auxo_error *error)
{
    cJSON *root = NULL;
    auxo_status status = auxo__json_parse(json, strlen(json), &root, error);
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "desc"));
    const cJSON *score = cJSON_GetObjectItemCaseSensitive(root, "best_score");
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(root, "limit");
    uint64_t iteration = 0;
    auxo_model_desc desc;
    if (status == AUXO_OK &&
        (!text || !auxo__json_count(cJSON_GetObjectItemCaseSensitive(root, "iteration"), UINT32_MAX, &iteration) ||
         !cJSON_IsNumber(limit) || (best && !cJSON_IsNumber(score))))
        status = auxo_error_set(error, AUXO_FORMAT, "this is no MorphNet state");
    if (status == AUXO_OK)
        status = auxo_model_desc_from_json(text, &desc, error);
    if (status == AUXO_OK) {
        auxo_model_desc_deinit(&loop->desc);
        loop->desc = desc;
        loop->iteration = (uint32_t)iteration;
        loop->done = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "done"));
        loop->best_is_within = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "best_is_within"));
        loop->best_score = best ? score->valuedouble : -INFINITY;
        loop->options.budget.limit = limit->valuedouble;
        auxo_model_destroy(loop->best);
        loop->best = best;
    }
    cJSON_Delete(root);
    return status;
}

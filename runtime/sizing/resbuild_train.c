/* runtime/sizing/resbuild_train.c: the three trainings of an architecture (Burghoff et al. 2023, ResBuilder).
 *
 * Regularised: LayerLasso lambda_L sum|w|_1 over the convolutions of blocks, and MorphNet's regulariser, on the model
 * that goes on, with the optimiser's moments, over insertions and removals. Fresh: no penalties, new weights.
 * Inherited: no penalties, from a copy of the regularised weights and moments.
 */
#include "best.h"
#include "model_internal.h"
#include "morph_channels.h"
#include "resbuild_internal.h"

#include <math.h>
#include <stdlib.h>

typedef struct penalties {
    const auxo_resbuild *resbuild;
    auxo_morph *morph; /* NULL: no batch norm to regularise, or strength 0 */
} penalties;

static auxo_tensor as_row(auxo_tensor tensor)
{
    return auxo_tensor_reshape(tensor, 2, (int64_t[]){1, auxo_tensor_element_count(&tensor)});
}

static void add_layer_lasso(const auxo_resbuild *resbuild, auxo_model *model, uint32_t layer, auxo_plan *plan)
{
    const auxo_param *param = auxo__layout_find(&model->layout, layer, AUXO_PARAM_WEIGHT);
    auxo_op op = {.kind = AUXO_OP_PENALTY};
    op.params.penalty = (auxo_penalty_params){AUXO_PENALTY_L1, false, (float)resbuild->options.layer_lasso};
    op.tensors[AUXO_PENALTY_W] = as_row(auxo_model_param_tensor(model, param));
    op.tensors[AUXO_PENALTY_DW] = as_row(auxo_model_gradient_tensor(model, param));
    auxo_plan_add(plan, &op, "layer lasso");
}

static void before_step(void *user, auxo_model *model, auxo_optimizer *optimizer, auxo_plan *plan)
{
    const penalties *p = user;
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    auxo_block *blocks = malloc(desc->layer_count * sizeof *blocks);
    if (!blocks) {
        auxo_plan_fail(plan, AUXO_OUT_OF_MEMORY, "layer lasso: out of memory");
        return;
    }
    uint32_t count = p->resbuild->options.layer_lasso > 0 ? auxo_blocks_find(desc, blocks) : 0;
    for (uint32_t b = 0; b < count; b++) {
        add_layer_lasso(p->resbuild, model, blocks[b].conv1, plan);
        add_layer_lasso(p->resbuild, model, blocks[b].conv2, plan);
    }
    free(blocks);
    if (p->morph)
        auxo_morph_before_step(p->morph, model, optimizer, plan);
}

auxo_status auxo__resbuild_morph(const auxo_resbuild *resbuild, auxo_morph **morph, auxo_error *error)
{
    const auxo_morph_options options = {.scale = AUXO_MORPH_BATCH_NORM,
                                        .strength = resbuild->options.morph_strength,
                                        .threshold = resbuild->options.morph_threshold};
    return auxo__morph_create_for(resbuild->current, &resbuild->options.budget, &options, morph, error);
}

/* A second model with the same structure, and the weights of the first if asked for. */
static auxo_status copy_model(const auxo_resbuild *resbuild, bool with_weights, auxo_model **copy, auxo_error *error)
{
    uint64_t seed = resbuild->options.seed + 0x10000u + resbuild->number;
    if (with_weights)
        return auxo_model_clone(resbuild->current, copy, error);
    return auxo_model_create(resbuild->device, auxo_model_get_desc(resbuild->current), seed, copy, error);
}

/* Moments of the training with penalties, for the next architecture. */
static auxo_status keep_moments(auxo_resbuild *resbuild, auxo_trainer *trainer, auxo_error *error)
{
    if (resbuild->options.reset_state)
        return AUXO_OK;
    auxo_moments_destroy(resbuild->moments);
    return auxo_moments_take(trainer, &resbuild->moments, error);
}

/* `goes_on`: the weights were trained before, and so were the moments. */
static auxo_status train_epochs(auxo_resbuild *resbuild, auxo_model *model, bool goes_on, penalties *penalty,
                                double *accuracy, auxo_error *error)
{
    auxo_train_options options = resbuild->options.training;
    if (penalty) {
        options.before_step = before_step;
        options.hook_user = penalty;
    }
    options.seed = resbuild->options.seed + resbuild->number;
    auxo_trainer *trainer = NULL;
    auxo_epoch_metrics metrics = {.validation_accuracy = NAN};
    auxo__best best = {.wanted = !penalty && resbuild->options.keep_best,
                       .patience = penalty ? 0 : resbuild->options.patience};
    auxo_status status = auxo_trainer_create(model, resbuild->train, resbuild->validation, &options, &trainer, error);
    if (status == AUXO_OK && goes_on && resbuild->moments)
        status = auxo_moments_give(resbuild->moments, trainer, error);
    for (uint32_t e = 0; e < resbuild->options.epochs && status == AUXO_OK && !auxo__best_exhausted(&best); e++) {
        bool finished = false;
        auxo_morph_cost cost;
        status = auxo_trainer_run(trainer, 0, &finished, &metrics, error);
        if (status == AUXO_OK)
            status = auxo__best_offer(&best, model, metrics.epoch, metrics.validation_accuracy, metrics.validation_loss,
                                      error);
        if (status == AUXO_OK && penalty && penalty->morph)
            status = auxo_morph_refresh(penalty->morph, &cost, error);
    }
    if (status == AUXO_OK && penalty)
        status = keep_moments(resbuild, trainer, error);
    auxo_trainer_destroy(trainer);
    if (status == AUXO_OK)
        status = auxo__best_exchange(&best, model, error);
    *accuracy = best.wanted && best.epoch > 0 ? best.score : metrics.validation_accuracy;
    auxo__best_deinit(&best);
    return status;
}

auxo_status auxo__resbuild_train(auxo_resbuild *resbuild, int training, auxo_architecture_record *record,
                                 auxo_error *error)
{
    bool regularized = training == AUXO_TRAINING_REGULARIZED;
    penalties penalty = {.resbuild = resbuild};
    auxo_model *model = resbuild->current;
    auxo_status status = AUXO_OK;
    if (!regularized)
        status = copy_model(resbuild, training == AUXO_TRAINING_INHERITED, &model, error);
    else if (resbuild->options.morph_strength > 0)
        status = auxo__resbuild_morph(resbuild, &penalty.morph, error);
    if (status != AUXO_OK)
        return status;
    double accuracy = NAN;
    status =
        train_epochs(resbuild, model, training != AUXO_TRAINING_FRESH, regularized ? &penalty : NULL, &accuracy, error);
    auxo_morph_destroy(penalty.morph);
    record->accuracy[training] = accuracy;
    double cost = 0;
    if (status == AUXO_OK)
        status = auxo_morph_desc_cost(auxo_model_get_desc(model), &resbuild->options.budget, &cost, error);
    bool within = cost <= resbuild->options.budget.limit;
    bool better = status == AUXO_OK && isfinite(accuracy) &&
                  (within > resbuild->best_is_within ||
                   (within == resbuild->best_is_within && accuracy > resbuild->best_accuracy));
    if (better && regularized) {
        /* The regularised model goes on changing: the best is a copy of it. */
        status = copy_model(resbuild, true, &model, error);
        if (status == AUXO_OK)
            status = auxo_model_set_preprocessing(model, auxo_model_preprocessing(resbuild->current), error);
    }
    if (better && status == AUXO_OK) {
        auxo_model_destroy(resbuild->best);
        resbuild->best = model;
        resbuild->best_accuracy = accuracy;
        resbuild->best_is_within = within;
    } else if (model != resbuild->current) {
        auxo_model_destroy(model);
    }
    return status;
}

/* log sum exp minus the score of the right class. */
static double cross_entropy(const float *scores, uint32_t count, uint32_t label)
{
    double largest = scores[0], sum = 0;
    for (uint32_t i = 1; i < count; i++)
        largest = fmax(largest, scores[i]);
    for (uint32_t i = 0; i < count; i++)
        sum += exp(scores[i] - largest);
    return largest + log(sum) - scores[label];
}

auxo_status auxo__resbuild_loss(const auxo_resbuild *resbuild, double *loss, auxo_error *error)
{
    const auxo_dataset *data = resbuild->validation;
    *loss = NAN;
    if (data->target_type != AUXO_TARGET_CLASS || data->row_count == 0)
        return AUXO_OK;
    float *scores = malloc(data->row_count * data->class_count * sizeof *scores);
    if (!scores)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "validation loss: out of memory");
    uint32_t batch = resbuild->options.training.batch ? resbuild->options.training.batch : 128;
    auxo_status status = auxo_model_predict(resbuild->current, data, batch, false, scores, error);
    double sum = 0;
    for (size_t r = 0; r < data->row_count && status == AUXO_OK; r++)
        sum += cross_entropy(scores + r * data->class_count, data->class_count, data->labels[r]);
    free(scores);
    if (status == AUXO_OK)
        *loss = sum / (double)data->row_count;
    return status;
}

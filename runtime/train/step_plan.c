/* step_plan.c: one training step as a plan: gather, augment, forward, loss, backward, hooks, update, counters.
 *
 * There is one plan for full batches and one for the smaller batch at the end of an epoch. Both are rebuilt when the
 * model's structure changes.
 */
#include "model_internal.h"
#include "team.h"

static auxo_tensor counter_view(const auxo_trainer *trainer, uint64_t first)
{
    return auxo_tensor_1d(trainer->counter, first * sizeof(uint32_t), AUXO_DTYPE_U32, 4);
}

uint32_t auxo__trainer_lowest(const auxo_trainer *trainer)
{
    uint32_t layer_count = auxo_model_get_desc(trainer->model)->layer_count;
    for (uint32_t l = 0; l < layer_count; l++) {
        uint64_t offset, count;
        auxo_model_layer_range(trainer->model, l, &offset, &count);
        if (count > 0 && (!trainer->train_layers || trainer->train_layers[l]))
            return l;
    }
    return layer_count;
}

static void add_augmentation(const auxo_trainer *trainer, auxo_plan *plan, auxo_tensor *input)
{
    const auxo_augmentation *augmentation = &trainer->options.augmentation;
    if (!augmentation->enabled)
        return;
    auxo_tensor augmented = auxo_plan_temp(plan, input->dtype, 4, input->dims);
    auxo_op op = {.kind = AUXO_OP_AUGMENT,
                  .params.augment = {.max_shift_h = augmentation->max_shift_h,
                                     .max_shift_w = augmentation->max_shift_w,
                                     .flip = augmentation->flip,
                                     .seed = trainer->part_seed,
                                     .stream = AUXO__STREAM_AUGMENT}};
    op.tensors[AUXO_AUGMENT_X] = *input;
    op.tensors[AUXO_AUGMENT_Y] = augmented;
    op.tensors[AUXO_AUGMENT_COUNTER] = counter_view(trainer, 0);
    *input = augmented;
    auxo_plan_add(plan, &op, "batch.augment");
}

/* The rows of the weight and the biases of the chosen units. */
static void each_unit_range(const auxo_trainer *trainer, auxo__range_function *visit, void *user)
{
    const auxo_param *params = auxo_model_params(trainer->model);
    for (size_t i = 0; i < auxo_model_param_count(trainer->model); i++) {
        if (params[i].layer != trainer->unit_layer || !params[i].trainable)
            continue;
        const uint64_t row = auxo__param_element_count(&params[i]) / (uint64_t)params[i].dims[0];
        visit(user, params[i].offset + trainer->unit_begin * row, (trainer->unit_end - trainer->unit_begin) * row);
    }
}

void auxo__trainer_each_range(const auxo_trainer *trainer, auxo__range_function *visit, void *user)
{
    uint32_t layer_count = auxo_model_get_desc(trainer->model)->layer_count;
    uint64_t start = 0, end = 0;
    for (uint32_t l = 0; l < layer_count; l++) {
        uint64_t offset, count;
        auxo_model_layer_range(trainer->model, l, &offset, &count);
        if (count == 0 || (trainer->train_layers && !trainer->train_layers[l]) ||
            (trainer->unit_end > 0 && l == trainer->unit_layer))
            continue;
        if (offset != end) {
            if (end > start)
                visit(user, start, end - start);
            start = offset;
        }
        end = offset + count;
    }
    if (end > start)
        visit(user, start, end - start);
    if (trainer->unit_end > 0)
        each_unit_range(trainer, visit, user);
}

typedef struct update_builder {
    const auxo_trainer *trainer;
    auxo_plan *plan;
} update_builder;

/* Whether the update makes the 16-bit copies of the weights, so that the next step need not: not where a hook may
 * change the weights after it, nor where other devices' weights meet. */
static bool updates_copies(const auxo_trainer *trainer)
{
    return auxo_model_precision(trainer->model) != AUXO_DTYPE_F32 && !trainer->team && !trainer->options.after_step;
}

/* One update per run of neighbouring trained layers. */
static void add_range_update(void *user, uint64_t offset, uint64_t count)
{
    const update_builder *builder = user;
    const auxo_tensor time = counter_view(builder->trainer, 3);
    if (updates_copies(builder->trainer))
        auxo__optimizer_add_step_and_copies(builder->trainer->optimizer, builder->plan, offset, count, &time);
    else
        auxo_optimizer_add_step(builder->trainer->optimizer, builder->plan, offset, count, &time);
}

static void add_counters(const auxo_trainer *trainer, auxo_plan *plan)
{
    auxo_op op = {.kind = AUXO_OP_COUNTER_ADD, .params.counter_add = {.increments = {1, 1, 0, 1}}};
    op.tensors[AUXO_COUNTER_ADD_COUNTER] = counter_view(trainer, 0);
    auxo_plan_add(plan, &op, "counters");
}

static void call_hook(const auxo_trainer *trainer, auxo_plan_hook *hook, auxo_plan *plan)
{
    if (hook && auxo_plan_status(plan, NULL) == AUXO_OK)
        hook(trainer->options.hook_user, trainer->model, trainer->optimizer, plan);
}

/* Forward, loss and backward of a gathered batch. */
static void add_gradients(const auxo_trainer *trainer, const auxo__batch *batch, bool updates, auxo_plan *plan,
                          const auxo_tensor *input, auxo__norm_sync *norm_sync)
{
    auxo_forward forward = {.training = true,
                            .input = *input,
                            .counter = batch->counter,
                            .seed = trainer->part_seed,
                            .need_backward = true,
                            .norm_sync = norm_sync,
                            .keeps_narrow_weights = updates && updates_copies(trainer),
                            .begin_layer = trainer->prefix.layer,
                            .backward_stop = auxo__trainer_lowest(trainer),
                            .loss_scale = auxo__trainer_loss_scale(trainer)};
    auxo_tensor gradient;
    auxo__loss_outputs outputs = {.stats = auxo_tensor_1d(trainer->stats, 0, AUXO_DTYPE_F32, 4),
                                  .history = auxo_tensor_1d(trainer->history, 0, AUXO_DTYPE_F32, AUXO__HISTORY_LENGTH),
                                  .gradient = &gradient};
    auxo_activations *activations = auxo_model_add_forward(trainer->model, plan, &forward);
    if (!activations)
        return;
    auxo_tensor output = auxo_activations_output(activations, auxo_model_get_desc(trainer->model)->layer_count - 1);
    auxo__batch_add_loss(batch, &trainer->options, plan, &output, &outputs);
    auxo__trainer_add_row_weights(trainer, batch, plan, &gradient);
    auxo_model_add_backward(trainer->model, plan, activations, &gradient, trainer->train_layers);
    auxo_activations_destroy(activations);
}

static void add_step(const auxo_trainer *trainer, const auxo__batch *batch, bool updates, auxo_plan *plan,
                     auxo__norm_sync *norm_sync)
{
    if (batch) {
        auxo_tensor input;
        if (trainer->prefix.layer > 0) {
            auxo__prefix_add_input(trainer, batch, plan, &input);
        } else {
            auxo__batch_add_input(batch, plan, &input);
            add_augmentation(trainer, plan, &input);
        }
        add_gradients(trainer, batch, updates, plan, &input, norm_sync);
    }
    if (updates) {
        auxo__trainer_add_unscale(trainer, plan);
        call_hook(trainer, trainer->options.before_step, plan);
        auxo__trainer_add_clip(trainer, plan);
        auxo__trainer_each_range(trainer, add_range_update, &(update_builder){trainer, plan});
        call_hook(trainer, trainer->options.after_step, plan);
        add_counters(trainer, plan);
    }
}

/* Of a part of the batch: the plan ends with the gradients, and is divided where the parts meet. */
static void divide_step(auxo_trainer *trainer, const auxo__batch *batch, auxo_plan *plan, auxo__norm_sync *sync)
{
    sync->count = 0;
    add_step(trainer, batch, false, plan, trainer->options.sync_batch_norm ? sync : NULL);
    auxo__team_cut(trainer, plan);
}

/* batch NULL: only what follows the gradients; updates false: only up to them. */
static auxo_status build_step(auxo_trainer *trainer, const auxo__batch *batch, bool updates, auxo_plan **plan,
                              auxo_error *error)
{
    auxo_plan_options options = {.allow_host_fallback = trainer->options.allow_host_fallback,
                                 .profile = trainer->options.profile,
                                 .stop = trainer->options.stop};
    auxo_status status = auxo_plan_create(auxo_model_device(trainer->model), plan, error);
    if (status == AUXO_OK) {
        if (updates)
            add_step(trainer, batch, true, *plan, NULL);
        else
            divide_step(trainer, batch, *plan, &trainer->norm_sync[plan == &trainer->remainder]);
        status = auxo_plan_compile(*plan, &options, error);
    }
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "training step");
}

/* A batch of `size` rows out of `count` places of the order from `first` on; numbered beyond them, it wraps. */
static auxo__batch batch_of(const auxo_trainer *trainer, int64_t size, int64_t first, int64_t count)
{
    const int64_t rows = trainer->data.rows;
    auxo__batch batch = {.data = &trainer->data,
                         .preprocessing = &trainer->preprocessing,
                         .size = size,
                         .row_count = rows,
                         .counter = counter_view(trainer, 0),
                         .precision = auxo_model_precision(trainer->model)};
    if (trainer->data.stream) { /* the ring is in order; the last batch lies at one place of it */
        batch.first_row = count == size ? first % rows : 0;
        batch.row_count = count == size ? size : rows;
        return batch;
    }
    const auxo_tensor order = auxo_tensor_1d(trainer->order, 0, AUXO_DTYPE_U32, rows);
    batch.order = auxo_tensor_slice(order, 0, first, count);
    return batch;
}

/* The copies that the steps keep, made anew: before the first of them, and after whatever else may have changed the
 * weights. */
static auxo_status build_narrowing(auxo_trainer *trainer, auxo_error *error)
{
    if (!updates_copies(trainer) || auxo_model_weight_count(trainer->model) == 0)
        return AUXO_OK;
    const auxo_plan_options options = {.allow_host_fallback = trainer->options.allow_host_fallback,
                                       .stop = trainer->options.stop};
    auxo_status status = auxo_plan_create(auxo_model_device(trainer->model), &trainer->narrowing, error);
    if (status == AUXO_OK) {
        auxo__model_add_narrow_weights(trainer->model, trainer->narrowing);
        status = auxo_plan_compile(trainer->narrowing, &options, error);
    }
    trainer->copies_fresh = false;
    return status;
}

auxo_status auxo__trainer_refresh_copies(auxo_trainer *trainer, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (trainer->narrowing && !trainer->copies_fresh)
        status = auxo_plan_run(trainer->narrowing, auxo_model_queue(trainer->model), 1, error);
    trainer->copies_fresh = status == AUXO_OK;
    return status;
}

/* `batches` batches of `size` rows, and one of `rest` rows after them. */
static auxo_status build_epoch(auxo_trainer *trainer, int64_t batches, int64_t size, int64_t rest, bool updates,
                               auxo_error *error)
{
    const auxo__batch full = batch_of(trainer, size, 0, batches * size);
    auxo_status status = size > 0 ? build_step(trainer, &full, updates, &trainer->full, error) : AUXO_OK;
    if (status == AUXO_OK && rest > 0) {
        const auxo__batch last = batch_of(trainer, rest, batches * size, rest);
        status = build_step(trainer, &last, updates, &trainer->remainder, error);
    }
    return status;
}

auxo_status auxo__trainer_build_part(auxo_trainer *member, int64_t batches, int64_t rows, int64_t rest,
                                     auxo_error *error)
{
    return build_epoch(member, batches, rows, rest, false, error);
}

auxo_status auxo__trainer_build_update(auxo_trainer *trainer, auxo_error *error)
{
    return build_step(trainer, NULL, true, &trainer->update, error);
}

auxo_status auxo__trainer_build_plans(auxo_trainer *trainer, auxo_error *error)
{
    auxo__trainer_drop_plans(trainer);
    const int64_t rows = (int64_t)trainer->data.dataset->row_count, batch = trainer->options.batch;
    if (trainer->train_layers && trainer->train_layer_count != auxo_model_get_desc(trainer->model)->layer_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "the choice of trained layers is for %u layers, but the model now has %u; choose again",
                              trainer->train_layer_count, auxo_model_get_desc(trainer->model)->layer_count);
    auxo_status status = auxo__prefix_choose(trainer, error);
    if (status == AUXO_OK)
        status = trainer->team
                     ? auxo__team_build_plans(trainer, error)
                     : build_epoch(trainer, rows / batch, batch, auxo__trainer_remainder(trainer), true, error);
    if (status == AUXO_OK)
        status = build_narrowing(trainer, error);
    if (status != AUXO_OK)
        auxo__trainer_drop_plans(trainer);
    trainer->structure_version = auxo_model_structure_version(trainer->model);
    return status;
}

void auxo__trainer_drop_own_plans(auxo_trainer *trainer)
{
    auxo_plan_destroy(trainer->full);
    auxo_plan_destroy(trainer->remainder);
    auxo_plan_destroy(trainer->update);
    auxo_plan_destroy(trainer->narrowing);
    trainer->full = trainer->remainder = trainer->update = trainer->narrowing = NULL;
}

void auxo__trainer_drop_plans(auxo_trainer *trainer)
{
    auxo__trainer_drop_own_plans(trainer);
    auxo__team_drop_plans(trainer->team);
}

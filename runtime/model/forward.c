/* forward.c: appends a model's forward pass to a plan, layer by layer.
 *
 * Activations are fused into the operation that makes them; flatten, and dropout in inference, are views. Batch norm
 * uses batch statistics in training, except below the lowest trained layer, where the model is frozen. In 16 bits the
 * weights are rounded once at the start; the model's output is f32.
 */
#include "activations.h"

#include <stdlib.h>
#include <string.h>

typedef struct forward_builder {
    const auxo_model *model;
    auxo_plan *plan;
    auxo_activations *activations;
    uint32_t index; /* of the layer being appended */
    const auxo_layer *layer;
    const auxo_layer *input; /* the first layer it reads */
    auxo_tensor x;           /* that layer's output */
    auxo_tensor y;
} forward_builder;

static void add_dense(forward_builder *b)
{
    int64_t batch = b->activations->batch;
    auxo_op op = {
        .kind = AUXO_OP_GEMM,
        .params.gemm = {.trans_b = true, .alpha = 1.0f, .activation = b->layer->activation, .slope = b->layer->slope}};
    op.tensors[AUXO_GEMM_A] = auxo__view_features(b->x, b->input, batch);
    op.tensors[AUXO_GEMM_B] = auxo__weight_operand(b->model, b->activations, b->index);
    op.tensors[AUXO_GEMM_C] = auxo__view_features(b->y, b->layer, batch);
    op.tensors[AUXO_GEMM_BIAS] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_BIAS);
    auxo__add_labelled(b->plan, &op, b->layer, "forward");
}

static void add_conv2d(forward_builder *b)
{
    auxo_op op = {.kind = AUXO_OP_CONV2D_FORWARD, .params.conv2d = auxo__conv2d_params(b->layer)};
    op.tensors[AUXO_CONV2D_X] = b->x;
    op.tensors[AUXO_CONV2D_W] = auxo__weight_operand(b->model, b->activations, b->index);
    op.tensors[AUXO_CONV2D_Y] = b->y;
    op.tensors[AUXO_CONV2D_BIAS] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_BIAS);
    auxo__add_labelled(b->plan, &op, b->layer, "forward");
}

static void add_pool2d(forward_builder *b)
{
    auxo_op op = {.kind = AUXO_OP_POOL2D_FORWARD, .params.pool2d = auxo__pool2d_params(b->layer, b->input)};
    op.tensors[AUXO_POOL2D_X] = b->x;
    op.tensors[AUXO_POOL2D_Y] = b->y;
    if (b->activations->forward.need_backward && op.params.pool2d.kind == AUXO_POOL_MAX)
        op.tensors[AUXO_POOL2D_INDEX] =
            auxo_plan_temp(b->plan, auxo_pool2d_index_dtype(&op.params.pool2d), 4, b->y.dims);
    b->activations->records[b->index].pool_index = op.tensors[AUXO_POOL2D_INDEX];
    auxo__add_labelled(b->plan, &op, b->layer, "forward");
}

/* RUNNING <- (1 - momentum) RUNNING + momentum (that of all parts). */
static void add_running(forward_builder *b, int role, int row)
{
    const float momentum = b->layer->momentum;
    const auxo_tensor block = b->activations->records[b->index].norm_block;
    auxo_op op = {.kind = AUXO_OP_ADD, .params.add = {.alpha = 1.0f - momentum, .beta = momentum}};
    op.tensors[AUXO_ADD_A] = op.tensors[AUXO_ADD_Y] = auxo__role_tensor(b->model, b->index, role);
    op.tensors[AUXO_ADD_B] = auxo__norm_row(&block, row);
    auxo__add_labelled(b->plan, &op, b->layer, "running");
}

/* Turns the op, which normalises by the statistics of this part, into one that does so by those of all parts: this
 * part's are found first, with momentum 1 as running ones; then the host brings them together (norm_sync.h). */
static void sync_batch_norm(forward_builder *b, auxo_op *op)
{
    auxo__layer_record *record = &b->activations->records[b->index];
    const int64_t channels = b->layer->output_dims[0], dims[2] = {AUXO__NORM_ROWS, channels};
    const auxo_tensor block = record->norm_block = auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 2, dims);
    auxo_error error = {0};
    if (auxo_plan_status(b->plan, NULL) != AUXO_OK)
        return;
    if (auxo_plan_keep(b->plan, &block, &error) != AUXO_OK)
        auxo_plan_fail(b->plan, error.status, "%s", error.message);
    auxo_op fill = {.kind = AUXO_OP_FILL};
    fill.tensors[AUXO_FILL_Y] = auxo_tensor_slice(block, 0, AUXO__NORM_MEAN, 2);
    auxo__add_labelled(b->plan, &fill, b->layer, "forward_zeros");
    auxo_op local = *op;
    local.params.batch_norm.momentum = 1.0f;
    local.params.batch_norm.activation = AUXO_ACTIVATION_IDENTITY;
    local.tensors[AUXO_BATCH_NORM_RUNNING_MEAN] = auxo__norm_row(&block, AUXO__NORM_MEAN);
    local.tensors[AUXO_BATCH_NORM_RUNNING_VAR] = auxo__norm_row(&block, AUXO__NORM_VAR);
    record->saved_mean = local.tensors[AUXO_BATCH_NORM_SAVED_MEAN] = auxo__norm_row(&block, AUXO__NORM_ALL_MEAN);
    record->saved_invstd = local.tensors[AUXO_BATCH_NORM_SAVED_INVSTD] = auxo__norm_row(&block, AUXO__NORM_ALL_INVSTD);
    auxo__add_labelled(b->plan, &local, b->layer, "forward_local");
    const auxo__norm_point point = {.layer = b->index,
                                    .channels = channels,
                                    .elements =
                                        b->activations->batch * b->layer->output_dims[1] * b->layer->output_dims[2],
                                    .epsilon = b->layer->epsilon,
                                    .block = block};
    auxo__norm_sync_add(b->activations->forward.norm_sync, b->plan, &point);
    add_running(b, AUXO_PARAM_RUNNING_MEAN, AUXO__NORM_ALL_MEAN);
    add_running(b, AUXO_PARAM_RUNNING_VAR, AUXO__NORM_ALL_UNBIASED);
    op->params.batch_norm.training = false;
    op->tensors[AUXO_BATCH_NORM_RUNNING_MEAN] = record->saved_mean;
    op->tensors[AUXO_BATCH_NORM_RUNNING_VAR] = auxo__norm_row(&block, AUXO__NORM_ALL_VAR);
    op->tensors[AUXO_BATCH_NORM_SAVED_MEAN] = op->tensors[AUXO_BATCH_NORM_SAVED_INVSTD] = (auxo_tensor){0};
}

static void add_batch_norm(forward_builder *b)
{
    const auxo_forward *forward = &b->activations->forward;
    auxo__layer_record *record = &b->activations->records[b->index];
    int64_t batch = b->activations->batch, channels = b->layer->output_dims[0];
    bool training = forward->training && b->index >= forward->backward_stop;
    auxo_op op = {.kind = AUXO_OP_BATCH_NORM_FORWARD,
                  .params.batch_norm = {.training = training,
                                        .epsilon = b->layer->epsilon,
                                        .momentum = b->layer->momentum,
                                        .activation = b->layer->activation,
                                        .slope = b->layer->slope}};
    op.tensors[AUXO_BATCH_NORM_X] = auxo__view_channels(b->x, b->input, batch);
    op.tensors[AUXO_BATCH_NORM_GAMMA] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_GAMMA);
    op.tensors[AUXO_BATCH_NORM_BETA] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_BETA);
    op.tensors[AUXO_BATCH_NORM_RUNNING_MEAN] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_RUNNING_MEAN);
    op.tensors[AUXO_BATCH_NORM_RUNNING_VAR] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_RUNNING_VAR);
    op.tensors[AUXO_BATCH_NORM_Y] = auxo__view_channels(b->y, b->layer, batch);
    if (training && forward->norm_sync) {
        sync_batch_norm(b, &op);
    } else if (training) {
        op.tensors[AUXO_BATCH_NORM_SAVED_MEAN] = record->saved_mean =
            auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 1, &channels);
        op.tensors[AUXO_BATCH_NORM_SAVED_INVSTD] = record->saved_invstd =
            auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 1, &channels);
    }
    auxo__add_labelled(b->plan, &op, b->layer, "forward");
}

static void add_activation(forward_builder *b)
{
    auxo_op op = {.kind = AUXO_OP_ACTIVATION_FORWARD,
                  .params.activation = {.activation = b->layer->activation, .slope = b->layer->slope}};
    op.tensors[AUXO_ACTIVATION_X] = b->x;
    op.tensors[AUXO_ACTIVATION_Y] = b->y;
    auxo__add_labelled(b->plan, &op, b->layer, "forward");
}

static void add_dropout(forward_builder *b)
{
    const auxo_forward *forward = &b->activations->forward;
    auxo_op op = {.kind = AUXO_OP_DROPOUT, .params.dropout = auxo__dropout_params(b->layer, b->index, forward->seed)};
    op.tensors[AUXO_DROPOUT_X] = b->x;
    op.tensors[AUXO_DROPOUT_Y] = b->y;
    op.tensors[AUXO_DROPOUT_COUNTER] = forward->counter;
    auxo__add_labelled(b->plan, &op, b->layer, "forward");
}

static void add_add(forward_builder *b)
{
    for (uint32_t i = 1; i < b->layer->input_count; i++) {
        auxo_op op = {.kind = AUXO_OP_ADD, .params.add = {.alpha = 1.0f, .beta = 1.0f}};
        op.tensors[AUXO_ADD_A] = i == 1 ? b->x : b->y;
        op.tensors[AUXO_ADD_B] = b->activations->records[b->layer->inputs[i]].output;
        op.tensors[AUXO_ADD_Y] = b->y;
        auxo__add_labelled(b->plan, &op, b->layer, "forward");
    }
}

static void add_concat(forward_builder *b)
{
    int64_t channel = 0;
    for (uint32_t i = 0; i < b->layer->input_count; i++) {
        auxo_op op = {.kind = AUXO_OP_COPY, .params.copy = {.scale = 1.0f}};
        op.tensors[AUXO_COPY_X] = b->activations->records[b->layer->inputs[i]].output;
        int64_t channels = op.tensors[AUXO_COPY_X].dims[1];
        op.tensors[AUXO_COPY_Y] = auxo_tensor_slice(b->y, 1, channel, channels);
        channel += channels;
        auxo__add_labelled(b->plan, &op, b->layer, "forward");
    }
}

/* Whether the layer's output is its input under another shape. */
static bool is_view(const auxo_layer *layer, const auxo_forward *forward)
{
    return layer->kind == AUXO_LAYER_FLATTEN ||
           (layer->kind == AUXO_LAYER_DROPOUT && (!forward->training || layer->rate == 0.0f)) ||
           (layer->kind == AUXO_LAYER_ACTIVATION && layer->activation == AUXO_ACTIVATION_IDENTITY);
}

static void add_layer(forward_builder *b)
{
    auxo_activations *activations = b->activations;
    b->layer = &b->model->desc.layers[b->index];
    b->input = &b->model->desc.layers[b->layer->inputs[0]];
    for (uint32_t i = 0; i < b->layer->input_count; i++)
        if (!auxo_tensor_is_present(&activations->records[b->layer->inputs[i]].output)) {
            auxo_plan_fail(b->plan, AUXO_UNSUPPORTED,
                           "the forward pass cannot begin after \"%s\": \"%s\" also reads \"%s\"",
                           b->model->desc.layers[activations->forward.begin_layer].name, b->layer->name,
                           b->model->desc.layers[b->layer->inputs[i]].name);
            return;
        }
    b->x = activations->records[b->layer->inputs[0]].output;
    if (is_view(b->layer, &activations->forward)) {
        activations->records[b->index].output = auxo__view_image(b->x, b->layer, activations->batch);
        return;
    }
    b->y = auxo__output_temp(b->plan, activations, b->layer);
    /* The sums of a product are f32 as they are: the model's output need not be rounded. */
    if (b->layer->kind == AUXO_LAYER_DENSE && b->index + 1 == activations->layer_count)
        b->y = auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 4, b->y.dims);
    activations->records[b->index].output = b->y;
    switch (b->layer->kind) {
    case AUXO_LAYER_DENSE:
        add_dense(b);
        break;
    case AUXO_LAYER_CONV2D:
        add_conv2d(b);
        break;
    case AUXO_LAYER_POOL2D:
    case AUXO_LAYER_GLOBAL_AVERAGE_POOL:
        add_pool2d(b);
        break;
    case AUXO_LAYER_BATCH_NORM:
        add_batch_norm(b);
        break;
    case AUXO_LAYER_ACTIVATION:
        add_activation(b);
        break;
    case AUXO_LAYER_DROPOUT:
        add_dropout(b);
        break;
    case AUXO_LAYER_ADD:
        add_add(b);
        break;
    case AUXO_LAYER_CONCAT:
        add_concat(b);
        break;
    default:
        auxo_plan_fail(b->plan, AUXO_INTERNAL, "layer \"%s\": no forward pass for %s", b->layer->name,
                       auxo_layer_noun(b->layer->kind));
    }
}

static bool check_input(const auxo_model *model, auxo_plan *plan, const auxo_forward *forward, int64_t *batch)
{
    if (forward->begin_layer + 1 >= model->desc.layer_count) {
        auxo_plan_fail(plan, AUXO_INVALID_ARGUMENT,
                       "the forward pass cannot begin after layer %u of a model with %u layers", forward->begin_layer,
                       model->desc.layer_count);
        return false;
    }
    if (forward->end_layer > 0 && (forward->end_layer <= forward->begin_layer || forward->need_backward ||
                                   forward->end_layer >= model->desc.layer_count)) {
        auxo_plan_fail(plan, AUXO_INVALID_ARGUMENT,
                       "the forward pass cannot run from layer %u to layer %u of a model with %u layers%s",
                       forward->begin_layer, forward->end_layer, model->desc.layer_count,
                       forward->need_backward ? " if a backward pass follows" : "");
        return false;
    }
    const auxo_layer *layer = &model->desc.layers[forward->begin_layer];
    int64_t size = auxo__layer_size(layer);
    if (forward->input.dtype != AUXO_DTYPE_F32 && forward->input.dtype != model->precision) {
        auxo_plan_fail(plan, AUXO_INVALID_ARGUMENT, "the input of the forward pass is %s, but the model runs in %s",
                       auxo_dtype_text(forward->input.dtype), auxo_dtype_text(model->precision));
        return false;
    }
    *batch = forward->input.rank > 0 ? forward->input.dims[0] : -1;
    if (*batch < 0 || auxo_tensor_element_count(&forward->input) != *batch * size ||
        !auxo_tensor_is_contiguous(&forward->input)) {
        auxo_plan_fail(plan, AUXO_INVALID_ARGUMENT,
                       "the input of the forward pass must be contiguous (batch, ...) with %lld values each, as "
                       "layer \"%s\" has",
                       (long long)size, layer->name);
        return false;
    }
    return true;
}

auxo_tensor auxo__model_narrow_weights(const auxo_model *model, uint64_t offset, uint64_t count)
{
    if (model->precision == AUXO_DTYPE_F32 || !model->narrow_weights)
        return auxo_tensor_none();
    return auxo_tensor_1d(model->narrow_weights, offset * auxo_dtype_size_bytes(model->precision), model->precision,
                          (int64_t)count);
}

static void round_weights(const auxo_model *model, auxo_plan *plan, uint64_t first, uint64_t count)
{
    const auxo_tensor weights = auxo_tensor_1d(model->weights, first * sizeof(float), AUXO_DTYPE_F32, (int64_t)count);
    auxo__add_conversion(plan, weights, auxo__model_narrow_weights(model, first, count), NULL, "weights.narrow");
}

void auxo__model_add_narrow_weights(const auxo_model *model, auxo_plan *plan)
{
    round_weights(model, plan, 0, model->layout.weight_count);
}

/* The weights of all layers that run, rounded once; the copies of others keep their old values. */
static void add_narrow_weights(auxo_model *model, auxo_plan *plan, auxo_activations *activations)
{
    const int64_t count = (int64_t)model->layout.weight_count;
    uint64_t first = 0, layer_count = 0;
    if (activations->dtype == AUXO_DTYPE_F32 || count == 0)
        return;
    auxo_error error = {0};
    const uint64_t size_bytes = (uint64_t)count * auxo_dtype_size_bytes(activations->dtype);
    if (!model->narrow_weights && auxo_buffer_create(model->device, size_bytes, &model->narrow_weights, &error)) {
        auxo_plan_fail(plan, error.status, "weights in %s: %s", auxo_dtype_text(activations->dtype), error.message);
        return;
    }
    activations->narrow_weights = auxo_tensor_1d(model->narrow_weights, 0, activations->dtype, count);
    for (uint32_t l = activations->forward.begin_layer + 1; l < model->desc.layer_count && layer_count == 0; l++)
        auxo_model_layer_range(model, l, &first, &layer_count);
    if (layer_count > 0 && !activations->forward.keeps_narrow_weights)
        round_weights(model, plan, first, (uint64_t)count - first);
}

/* The input in the dtype of activations. */
static auxo_tensor narrow_input(const auxo_model *model, auxo_plan *plan, const auxo_activations *activations)
{
    const auxo_forward *forward = &activations->forward;
    const auxo_layer *layer = &model->desc.layers[forward->begin_layer];
    const auxo_tensor input = auxo__view_image(forward->input, layer, activations->batch);
    if (input.dtype == activations->dtype)
        return input;
    const auxo_tensor narrow = auxo__output_temp(plan, activations, layer);
    if (auxo_plan_status(plan, NULL) == AUXO_OK)
        auxo__add_conversion(plan, input, narrow, NULL, "input.narrow");
    return narrow;
}

static void set_model_output(auxo_plan *plan, auxo_activations *activations)
{
    const auxo_tensor last = activations->records[activations->layer_count - 1].output;
    activations->model_output = last;
    if (last.dtype == AUXO_DTYPE_F32)
        return;
    activations->model_output = auxo_plan_temp(plan, AUXO_DTYPE_F32, 4, last.dims);
    if (auxo_plan_status(plan, NULL) == AUXO_OK)
        auxo__add_conversion(plan, last, activations->model_output, NULL, "output.widen");
}

auxo_activations *auxo_model_add_forward(auxo_model *model, auxo_plan *plan, const auxo_forward *forward)
{
    int64_t batch = 0;
    if (auxo_plan_status(plan, NULL) != AUXO_OK || !check_input(model, plan, forward, &batch))
        return NULL;
    uint32_t layer_count = model->desc.layer_count;
    auxo_activations *created = calloc(1, sizeof *created + layer_count * sizeof created->records[0]);
    if (!created) {
        auxo_plan_fail(plan, AUXO_OUT_OF_MEMORY, "out of memory building a forward pass");
        return NULL;
    }
    created->forward = *forward;
    created->batch = batch;
    created->layer_count = forward->end_layer > 0 ? forward->end_layer + 1 : layer_count;
    created->structure_version = model->structure_version;
    created->dtype = model->precision;
    add_narrow_weights(model, plan, created);
    created->records[forward->begin_layer].output = narrow_input(model, plan, created);
    forward_builder builder = {.model = model, .plan = plan, .activations = created};
    for (builder.index = forward->begin_layer + 1; builder.index < created->layer_count; builder.index++)
        if (auxo_plan_status(plan, NULL) == AUXO_OK)
            add_layer(&builder);
    if (auxo_plan_status(plan, NULL) == AUXO_OK)
        set_model_output(plan, created);
    if (auxo_plan_status(plan, NULL) == AUXO_OK)
        return created;
    free(created);
    return NULL;
}

auxo_status auxo_model_forward_flops(const auxo_model *model, uint64_t *flops, auxo_error *error)
{
    const int64_t *in = model->desc.layers[0].output_dims;
    const int64_t dims[4] = {1, in[0], in[1], in[2]};
    auxo_plan *plan = NULL;
    auxo_status status = auxo_plan_create(model->device, &plan, error);
    if (status != AUXO_OK)
        return status;
    auxo_forward forward = {.input = auxo_plan_temp(plan, AUXO_DTYPE_F32, 4, dims)};
    auxo_activations *activations = auxo_model_add_forward((auxo_model *)model, plan, &forward);
    status = auxo_plan_status(plan, error);
    if (status == AUXO_OK)
        *flops = auxo_plan_flops(plan);
    auxo_activations_destroy(activations);
    auxo_plan_destroy(plan);
    return status;
}

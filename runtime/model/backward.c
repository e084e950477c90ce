/* backward.c: appends a model's backward pass to a plan, from the last layer down to the lowest trained one.
 *
 * Weight gradients go straight into the model's flat gradient buffer. A layer read several times accumulates its
 * readers' gradients. Invariant: a gradient tensor is "owned" if nothing else will read it, and only then overwritten
 * in place.
 */
#include "activations.h"

#include <stdlib.h>

typedef struct layer_gradient {
    auxo_tensor tensor; /* (batch, C, H, W); rank 0: none yet */
    bool owned;
    bool needed; /* a trained layer lies at or below this one */
    bool undone; /* the layer's fused activation has been undone already */
} layer_gradient;

typedef struct backward_builder {
    const auxo_model *model;
    auxo_plan *plan;
    const auxo_activations *activations;
    const bool *train;         /* NULL: all */
    layer_gradient *gradients; /* per layer */
    uint32_t index;            /* of the layer being appended */
    const auxo_layer *layer;
    const auxo_layer *input;
} backward_builder;

static bool is_trained(const backward_builder *b, uint32_t layer)
{
    uint64_t offset, count;
    auxo_model_layer_range(b->model, layer, &offset, &count);
    return count > 0 && (!b->train || b->train[layer]);
}

static auxo_tensor output_of(const backward_builder *b, uint32_t layer)
{
    return b->activations->records[layer].output;
}

static auxo_tensor role_gradient(const backward_builder *b, int role)
{
    const auxo_param *param = auxo__layout_find(&b->model->layout, b->index, role);
    return param ? auxo_model_gradient_tensor(b->model, param) : auxo_tensor_none();
}

/* Adds a gradient to what layer `to` has already received. */
static auxo_status contribute(backward_builder *b, uint32_t to, auxo_tensor tensor, bool owned, auxo_error *error)
{
    layer_gradient *gradient = &b->gradients[to];
    const auxo_layer *layer = &b->model->desc.layers[to];
    tensor = auxo__view_image(tensor, layer, b->activations->batch);
    if (!auxo_tensor_is_present(&gradient->tensor)) {
        gradient->tensor = tensor;
        gradient->owned = owned;
        return AUXO_OK;
    }
    auxo_op op = {.kind = AUXO_OP_ADD, .params.add = {.alpha = 1.0f, .beta = 1.0f}};
    op.tensors[AUXO_ADD_A] = gradient->tensor;
    op.tensors[AUXO_ADD_B] = tensor;
    op.tensors[AUXO_ADD_Y] = gradient->owned ? gradient->tensor
                             : owned         ? tensor
                                             : auxo__output_temp(b->plan, layer, b->activations->batch);
    gradient->tensor = op.tensors[AUXO_ADD_Y];
    gradient->owned = true;
    return auxo__add_labelled(b->plan, &op, layer, "backward_sum", error);
}

/* Multiplies the gradient that the current layer received by the derivative of `activated`'s activation, taken at the
 * current layer's output; in place if the gradient is owned. */
static auxo_status add_activation_backward(backward_builder *b, const auxo_layer *activated, auxo_tensor *gradient,
                                           auxo_error *error)
{
    const layer_gradient *received = &b->gradients[b->index];
    *gradient = received->owned ? received->tensor : auxo__output_temp(b->plan, b->layer, b->activations->batch);
    auxo_op op = {.kind = AUXO_OP_ACTIVATION_BACKWARD,
                  .params.activation = {.activation = activated->activation, .slope = activated->slope}};
    op.tensors[AUXO_ACTIVATION_B_Y] = output_of(b, b->index);
    op.tensors[AUXO_ACTIVATION_B_DY] = received->tensor;
    op.tensors[AUXO_ACTIVATION_B_DX] = *gradient;
    return auxo__add_labelled(b->plan, &op, activated, "backward_activation", error);
}

/* The gradient before the layer's fused activation. */
static auxo_status undo_activation(backward_builder *b, auxo_tensor *gradient, auxo_error *error)
{
    const layer_gradient *received = &b->gradients[b->index];
    *gradient = received->tensor;
    if (b->layer->activation == AUXO_ACTIVATION_IDENTITY || received->undone)
        return AUXO_OK;
    return add_activation_backward(b, b->layer, gradient, error);
}

static auxo_status add_dense_gradients(backward_builder *b, auxo_tensor dy, auxo_error *error)
{
    auxo_op weights = {.kind = AUXO_OP_GEMM, .params.gemm = {.trans_a = true, .alpha = 1.0f}};
    weights.tensors[AUXO_GEMM_A] = dy; /* (batch, units) */
    weights.tensors[AUXO_GEMM_B] =
        auxo__view_features(output_of(b, b->layer->inputs[0]), b->input, b->activations->batch);
    weights.tensors[AUXO_GEMM_C] = role_gradient(b, AUXO_PARAM_WEIGHT);
    auxo_status status = auxo__add_labelled(b->plan, &weights, b->layer, "backward_weights", error);
    if (status != AUXO_OK || !b->layer->bias)
        return status;
    auxo_op bias = {.kind = AUXO_OP_REDUCE, .params.reduce = {.kind = AUXO_REDUCE_SUM}};
    bias.tensors[AUXO_REDUCE_X] = auxo__view_channels(dy, b->layer, b->activations->batch);
    bias.tensors[AUXO_REDUCE_Y] = role_gradient(b, AUXO_PARAM_BIAS);
    return auxo__add_labelled(b->plan, &bias, b->layer, "backward_bias", error);
}

static auxo_status add_dense(backward_builder *b, auxo_error *error)
{
    auxo_tensor dy;
    auxo_status status = undo_activation(b, &dy, error);
    dy = auxo__view_features(dy, b->layer, b->activations->batch);
    if (status == AUXO_OK && is_trained(b, b->index))
        status = add_dense_gradients(b, dy, error);
    uint32_t input = b->layer->inputs[0];
    if (status != AUXO_OK || !b->gradients[input].needed)
        return status;
    auxo_tensor dx = auxo__output_temp(b->plan, b->input, b->activations->batch);
    auxo_op op = {.kind = AUXO_OP_GEMM, .params.gemm = {.alpha = 1.0f}};
    op.tensors[AUXO_GEMM_A] = dy;
    op.tensors[AUXO_GEMM_B] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_WEIGHT);
    op.tensors[AUXO_GEMM_C] = auxo__view_features(dx, b->input, b->activations->batch);
    status = auxo__add_labelled(b->plan, &op, b->layer, "backward_data", error);
    return status == AUXO_OK ? contribute(b, input, dx, true, error) : status;
}

static auxo_status add_conv2d(backward_builder *b, auxo_error *error)
{
    auxo_tensor dy;
    uint32_t input = b->layer->inputs[0];
    auxo_status status = undo_activation(b, &dy, error);
    if (status == AUXO_OK && is_trained(b, b->index)) {
        auxo_op op = {.kind = AUXO_OP_CONV2D_BACKWARD_WEIGHTS, .params.conv2d = auxo__conv2d_params(b->layer)};
        op.tensors[AUXO_CONV2D_BW_X] = output_of(b, input);
        op.tensors[AUXO_CONV2D_BW_DY] = dy;
        op.tensors[AUXO_CONV2D_BW_DW] = role_gradient(b, AUXO_PARAM_WEIGHT);
        op.tensors[AUXO_CONV2D_BW_DBIAS] = role_gradient(b, AUXO_PARAM_BIAS);
        status = auxo__add_labelled(b->plan, &op, b->layer, "backward_weights", error);
    }
    if (status != AUXO_OK || !b->gradients[input].needed)
        return status;
    auxo_tensor dx = auxo__output_temp(b->plan, b->input, b->activations->batch);
    auxo_op op = {.kind = AUXO_OP_CONV2D_BACKWARD_DATA, .params.conv2d = auxo__conv2d_params(b->layer)};
    op.tensors[AUXO_CONV2D_BD_DY] = dy;
    op.tensors[AUXO_CONV2D_BD_W] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_WEIGHT);
    op.tensors[AUXO_CONV2D_BD_DX] = dx;
    status = auxo__add_labelled(b->plan, &op, b->layer, "backward_data", error);
    return status == AUXO_OK ? contribute(b, input, dx, true, error) : status;
}

static uint32_t reader_count(const auxo_model_desc *desc, uint32_t layer)
{
    uint32_t count = 0;
    for (uint32_t l = layer + 1; l < desc->layer_count; l++)
        for (uint32_t i = 0; i < desc->layers[l].input_count; i++)
            count += desc->layers[l].inputs[i] == layer;
    return count;
}

/* Max pooling passes a gradient only to the largest value of each window, and that value is the pooled output: where
 * windows do not overlap, the fused activation of the layer below can be undone on the smaller pooled tensor, with the
 * same bits. */
static bool can_undo_below(const backward_builder *b)
{
    return b->layer->kind == AUXO_LAYER_POOL2D && b->layer->pool == AUXO_POOL_MAX &&
           b->layer->kernel_h <= b->layer->stride_h && b->layer->kernel_w <= b->layer->stride_w &&
           b->input->activation != AUXO_ACTIVATION_IDENTITY && b->input->kind != AUXO_LAYER_ACTIVATION &&
           reader_count(&b->model->desc, b->layer->inputs[0]) == 1;
}

static auxo_status add_pool2d(backward_builder *b, auxo_error *error)
{
    uint32_t input = b->layer->inputs[0];
    auxo_tensor dy = b->gradients[b->index].tensor, dx = auxo__output_temp(b->plan, b->input, b->activations->batch);
    bool undo = can_undo_below(b);
    auxo_status status = undo ? add_activation_backward(b, b->input, &dy, error) : AUXO_OK;
    if (status != AUXO_OK)
        return status;
    auxo_op op = {.kind = AUXO_OP_POOL2D_BACKWARD, .params.pool2d = auxo__pool2d_params(b->layer, b->input)};
    op.tensors[AUXO_POOL2D_B_DY] = dy;
    op.tensors[AUXO_POOL2D_B_DX] = dx;
    op.tensors[AUXO_POOL2D_B_INDEX] = b->activations->records[b->index].pool_index;
    status = auxo__add_labelled(b->plan, &op, b->layer, "backward_data", error);
    if (status == AUXO_OK)
        status = contribute(b, input, dx, true, error);
    b->gradients[input].undone = undo;
    return status;
}

/* By running statistics batch norm is an affine function of its input: dx = gamma invstd dy, which is the inference
 * pass of dy without means. */
static auxo_status add_fixed_batch_norm(backward_builder *b, auxo_tensor dy, auxo_error *error)
{
    int64_t batch = b->activations->batch, channels = b->layer->output_dims[0];
    uint32_t input = b->layer->inputs[0];
    if (is_trained(b, b->index))
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "layer \"%s\": batch norm is trained only by batch statistics; set training",
                              b->layer->name);
    if (!b->gradients[input].needed)
        return AUXO_OK;
    auxo_tensor zeros = auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 2, (int64_t[]){2, channels});
    auxo_op fill = {.kind = AUXO_OP_FILL};
    fill.tensors[AUXO_FILL_Y] = zeros;
    auxo_status status = auxo__add_labelled(b->plan, &fill, b->layer, "backward_zeros", error);
    auxo_tensor dx = auxo__output_temp(b->plan, b->input, batch);
    auxo_op op = {.kind = AUXO_OP_BATCH_NORM_FORWARD,
                  .params.batch_norm = {.epsilon = b->layer->epsilon, .momentum = b->layer->momentum}};
    op.tensors[AUXO_BATCH_NORM_X] = auxo__view_channels(dy, b->layer, batch);
    op.tensors[AUXO_BATCH_NORM_GAMMA] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_GAMMA);
    op.tensors[AUXO_BATCH_NORM_BETA] = auxo_tensor_reshape(auxo_tensor_slice(zeros, 0, 0, 1), 1, &channels);
    op.tensors[AUXO_BATCH_NORM_RUNNING_MEAN] = auxo_tensor_reshape(auxo_tensor_slice(zeros, 0, 1, 1), 1, &channels);
    op.tensors[AUXO_BATCH_NORM_RUNNING_VAR] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_RUNNING_VAR);
    op.tensors[AUXO_BATCH_NORM_Y] = auxo__view_channels(dx, b->input, batch);
    if (status == AUXO_OK)
        status = auxo__add_labelled(b->plan, &op, b->layer, "backward", error);
    return status == AUXO_OK ? contribute(b, input, dx, true, error) : status;
}

static auxo_status add_batch_norm(backward_builder *b, auxo_error *error)
{
    const auxo__layer_record *record = &b->activations->records[b->index];
    int64_t batch = b->activations->batch, channels = b->layer->output_dims[0];
    uint32_t input = b->layer->inputs[0];
    auxo_tensor dy;
    auxo_status status = undo_activation(b, &dy, error);
    if (status != AUXO_OK)
        return status;
    if (!auxo_tensor_is_present(&record->saved_mean))
        return add_fixed_batch_norm(b, dy, error);
    bool trained = is_trained(b, b->index);
    auxo_tensor dx = auxo__output_temp(b->plan, b->input, batch);
    auxo_op op = {
        .kind = AUXO_OP_BATCH_NORM_BACKWARD,
        .params.batch_norm = {.training = true, .epsilon = b->layer->epsilon, .momentum = b->layer->momentum}};
    op.tensors[AUXO_BATCH_NORM_B_X] = auxo__view_channels(output_of(b, input), b->input, batch);
    op.tensors[AUXO_BATCH_NORM_B_GAMMA] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_GAMMA);
    op.tensors[AUXO_BATCH_NORM_B_SAVED_MEAN] = record->saved_mean;
    op.tensors[AUXO_BATCH_NORM_B_SAVED_INVSTD] = record->saved_invstd;
    op.tensors[AUXO_BATCH_NORM_B_DY] = auxo__view_channels(dy, b->layer, batch);
    op.tensors[AUXO_BATCH_NORM_B_DX] = auxo__view_channels(dx, b->input, batch);
    /* A frozen layer's gradients must stay as they are: the operation then writes them aside. */
    op.tensors[AUXO_BATCH_NORM_B_DGAMMA] =
        trained ? role_gradient(b, AUXO_PARAM_GAMMA) : auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 1, &channels);
    op.tensors[AUXO_BATCH_NORM_B_DBETA] =
        trained ? role_gradient(b, AUXO_PARAM_BETA) : auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 1, &channels);
    status = auxo__add_labelled(b->plan, &op, b->layer, "backward", error);
    if (status == AUXO_OK && b->gradients[input].needed)
        status = contribute(b, input, dx, true, error);
    return status;
}

static auxo_status add_dropout(backward_builder *b, auxo_error *error)
{
    const auxo_forward *forward = &b->activations->forward;
    const layer_gradient *received = &b->gradients[b->index];
    if (!forward->training || b->layer->rate == 0.0f)
        return contribute(b, b->layer->inputs[0], received->tensor, received->owned, error);
    auxo_op op = {.kind = AUXO_OP_DROPOUT, .params.dropout = auxo__dropout_params(b->layer, b->index, forward->seed)};
    op.tensors[AUXO_DROPOUT_X] = received->tensor;
    op.tensors[AUXO_DROPOUT_Y] =
        received->owned ? received->tensor : auxo__output_temp(b->plan, b->layer, b->activations->batch);
    op.tensors[AUXO_DROPOUT_COUNTER] = forward->counter;
    auxo_status status = auxo__add_labelled(b->plan, &op, b->layer, "backward_data", error);
    if (status == AUXO_OK)
        status = contribute(b, b->layer->inputs[0], op.tensors[AUXO_DROPOUT_Y], true, error);
    return status;
}

static auxo_status add_activation(backward_builder *b, auxo_error *error)
{
    auxo_tensor dx;
    auxo_status status = undo_activation(b, &dx, error);
    bool owned = b->gradients[b->index].owned || b->layer->activation != AUXO_ACTIVATION_IDENTITY;
    return status == AUXO_OK ? contribute(b, b->layer->inputs[0], dx, owned, error) : status;
}

/* Every input receives the same tensor, so none of them owns it. */
static auxo_status add_add(backward_builder *b, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; status == AUXO_OK && i < b->layer->input_count; i++)
        if (b->gradients[b->layer->inputs[i]].needed)
            status = contribute(b, b->layer->inputs[i], b->gradients[b->index].tensor, false, error);
    return status;
}

static auxo_status add_concat(backward_builder *b, auxo_error *error)
{
    int64_t channel = 0;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; status == AUXO_OK && i < b->layer->input_count; i++) {
        uint32_t input = b->layer->inputs[i];
        const auxo_layer *layer = &b->model->desc.layers[input];
        int64_t start = channel;
        channel += layer->output_dims[0];
        if (!b->gradients[input].needed)
            continue;
        auxo_op op = {.kind = AUXO_OP_COPY, .params.copy = {.scale = 1.0f}};
        op.tensors[AUXO_COPY_X] = auxo_tensor_slice(b->gradients[b->index].tensor, 1, start, layer->output_dims[0]);
        op.tensors[AUXO_COPY_Y] = auxo__output_temp(b->plan, layer, b->activations->batch);
        status = auxo__add_labelled(b->plan, &op, b->layer, "backward_data", error);
        if (status == AUXO_OK)
            status = contribute(b, input, op.tensors[AUXO_COPY_Y], true, error);
    }
    return status;
}

static auxo_status add_layer(backward_builder *b, auxo_error *error)
{
    b->layer = &b->model->desc.layers[b->index];
    b->input = &b->model->desc.layers[b->layer->inputs[0]];
    const layer_gradient *received = &b->gradients[b->index];
    switch (b->layer->kind) {
    case AUXO_LAYER_DENSE:
        return add_dense(b, error);
    case AUXO_LAYER_CONV2D:
        return add_conv2d(b, error);
    case AUXO_LAYER_POOL2D:
    case AUXO_LAYER_GLOBAL_AVERAGE_POOL:
        return add_pool2d(b, error);
    case AUXO_LAYER_BATCH_NORM:
        return add_batch_norm(b, error);
    case AUXO_LAYER_ACTIVATION:
        return add_activation(b, error);
    case AUXO_LAYER_DROPOUT:
        return add_dropout(b, error);
    case AUXO_LAYER_FLATTEN:
        return contribute(b, b->layer->inputs[0], received->tensor, received->owned, error);
    case AUXO_LAYER_ADD:
        return add_add(b, error);
    case AUXO_LAYER_CONCAT:
        return add_concat(b, error);
    default:
        return auxo_error_set(error, AUXO_INTERNAL, "layer \"%s\": no backward pass for %s", b->layer->name,
                              auxo_layer_noun(b->layer->kind));
    }
}

/* Marks the layers through which a gradient must pass. */
static auxo_status mark_needed(backward_builder *b, auxo_error *error)
{
    uint32_t begin = b->activations->forward.begin_layer;
    for (uint32_t l = 0; l < b->model->desc.layer_count; l++) {
        const auxo_layer *layer = &b->model->desc.layers[l];
        if (l <= begin) {
            if (b->train && is_trained(b, l))
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                      "layer \"%s\" cannot be trained: the forward pass begins after it", layer->name);
            continue;
        }
        b->gradients[l].needed = is_trained(b, l);
        for (uint32_t i = 0; i < layer->input_count; i++)
            b->gradients[l].needed = b->gradients[l].needed || b->gradients[layer->inputs[i]].needed;
    }
    return AUXO_OK;
}

auxo_status auxo_model_add_backward(auxo_model *model, auxo_plan *plan, const auxo_activations *activations,
                                    const auxo_tensor *output_gradient, const bool *train, auxo_error *error)
{
    if (!activations->forward.need_backward || activations->structure_version != model->structure_version)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the forward pass was %s",
                              activations->forward.need_backward ? "built before the model was resized"
                                                                 : "not built for a backward pass (need_backward)");
    uint32_t last = model->desc.layer_count - 1;
    const auxo_layer *output = &model->desc.layers[last];
    if (auxo_tensor_element_count(output_gradient) != activations->batch * auxo__layer_size(output))
        return auxo_error_set(
            error, AUXO_INVALID_ARGUMENT, "the gradient of the output must have %lld values for a batch of %lld",
            (long long)(activations->batch * auxo__layer_size(output)), (long long)activations->batch);
    backward_builder builder = {.model = model, .plan = plan, .activations = activations, .train = train};
    builder.gradients = calloc(model->desc.layer_count, sizeof *builder.gradients);
    if (!builder.gradients)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory building a backward pass");
    auxo_status status = mark_needed(&builder, error);
    if (status == AUXO_OK)
        status = contribute(&builder, last, *output_gradient, false, error);
    for (builder.index = last; status == AUXO_OK && builder.index > activations->forward.begin_layer; builder.index--)
        if (builder.gradients[builder.index].needed)
            status = add_layer(&builder, error);
    free(builder.gradients);
    return status;
}

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
static void contribute(backward_builder *b, uint32_t to, auxo_tensor tensor, bool owned)
{
    layer_gradient *gradient = &b->gradients[to];
    const auxo_layer *layer = &b->model->desc.layers[to];
    tensor = auxo__view_image(tensor, layer, b->activations->batch);
    if (!auxo_tensor_is_present(&gradient->tensor)) {
        gradient->tensor = tensor;
        gradient->owned = owned;
        return;
    }
    auxo_op op = {.kind = AUXO_OP_ADD, .params.add = {.alpha = 1.0f, .beta = 1.0f}};
    op.tensors[AUXO_ADD_A] = gradient->tensor;
    op.tensors[AUXO_ADD_B] = tensor;
    op.tensors[AUXO_ADD_Y] = gradient->owned ? gradient->tensor
                             : owned         ? tensor
                                             : auxo__output_temp(b->plan, b->activations, layer);
    gradient->tensor = op.tensors[AUXO_ADD_Y];
    gradient->owned = true;
    auxo__add_labelled(b->plan, &op, layer, "backward_sum");
}

/* Multiplies the gradient that the current layer received by the derivative of `activated`'s activation, taken at the
 * current layer's output; in place if the gradient is owned. */
static void add_activation_backward(backward_builder *b, const auxo_layer *activated, auxo_tensor *gradient)
{
    const layer_gradient *received = &b->gradients[b->index];
    *gradient = received->owned ? received->tensor : auxo__output_temp(b->plan, b->activations, b->layer);
    auxo_op op = {.kind = AUXO_OP_ACTIVATION_BACKWARD,
                  .params.activation = {.activation = activated->activation, .slope = activated->slope}};
    op.tensors[AUXO_ACTIVATION_B_Y] = output_of(b, b->index);
    op.tensors[AUXO_ACTIVATION_B_DY] = received->tensor;
    op.tensors[AUXO_ACTIVATION_B_DX] = *gradient;
    auxo__add_labelled(b->plan, &op, activated, "backward_activation");
}

/* The gradient before the layer's fused activation. */
static void undo_activation(backward_builder *b, auxo_tensor *gradient)
{
    const layer_gradient *received = &b->gradients[b->index];
    *gradient = received->tensor;
    if (b->layer->activation == AUXO_ACTIVATION_IDENTITY || received->undone)
        return;
    add_activation_backward(b, b->layer, gradient);
}

static void add_dense_gradients(backward_builder *b, auxo_tensor dy)
{
    auxo_op weights = {.kind = AUXO_OP_GEMM, .params.gemm = {.trans_a = true, .alpha = 1.0f}};
    weights.tensors[AUXO_GEMM_A] = dy; /* (batch, units) */
    weights.tensors[AUXO_GEMM_B] =
        auxo__view_features(output_of(b, b->layer->inputs[0]), b->input, b->activations->batch);
    weights.tensors[AUXO_GEMM_C] = role_gradient(b, AUXO_PARAM_WEIGHT);
    auxo__add_labelled(b->plan, &weights, b->layer, "backward_weights");
    if (!b->layer->bias)
        return;
    auxo_op bias = {.kind = AUXO_OP_REDUCE, .params.reduce = {.kind = AUXO_REDUCE_SUM}};
    bias.tensors[AUXO_REDUCE_X] = auxo__view_channels(dy, b->layer, b->activations->batch);
    bias.tensors[AUXO_REDUCE_Y] = role_gradient(b, AUXO_PARAM_BIAS);
    auxo__add_labelled(b->plan, &bias, b->layer, "backward_bias");
}

static void add_dense(backward_builder *b)
{
    auxo_tensor dy;
    undo_activation(b, &dy);
    dy = auxo__view_features(dy, b->layer, b->activations->batch);
    if (is_trained(b, b->index))
        add_dense_gradients(b, dy);
    uint32_t input = b->layer->inputs[0];
    if (!b->gradients[input].needed)
        return;
    auxo_tensor dx = auxo__output_temp(b->plan, b->activations, b->input);
    auxo_op op = {.kind = AUXO_OP_GEMM, .params.gemm = {.alpha = 1.0f}};
    op.tensors[AUXO_GEMM_A] = dy;
    op.tensors[AUXO_GEMM_B] = auxo__weight_operand(b->model, b->activations, b->index);
    op.tensors[AUXO_GEMM_C] = auxo__view_features(dx, b->input, b->activations->batch);
    auxo__add_labelled(b->plan, &op, b->layer, "backward_data");
    contribute(b, input, dx, true);
}

static void add_conv2d(backward_builder *b)
{
    auxo_tensor dy;
    uint32_t input = b->layer->inputs[0];
    undo_activation(b, &dy);
    if (is_trained(b, b->index)) {
        auxo_op op = {.kind = AUXO_OP_CONV2D_BACKWARD_WEIGHTS, .params.conv2d = auxo__conv2d_params(b->layer)};
        op.tensors[AUXO_CONV2D_BW_X] = output_of(b, input);
        op.tensors[AUXO_CONV2D_BW_DY] = dy;
        op.tensors[AUXO_CONV2D_BW_DW] = role_gradient(b, AUXO_PARAM_WEIGHT);
        op.tensors[AUXO_CONV2D_BW_DBIAS] = role_gradient(b, AUXO_PARAM_BIAS);
        auxo__add_labelled(b->plan, &op, b->layer, "backward_weights");
    }
    if (!b->gradients[input].needed)
        return;
    auxo_tensor dx = auxo__output_temp(b->plan, b->activations, b->input);
    auxo_op op = {.kind = AUXO_OP_CONV2D_BACKWARD_DATA, .params.conv2d = auxo__conv2d_params(b->layer)};
    op.tensors[AUXO_CONV2D_BD_DY] = dy;
    op.tensors[AUXO_CONV2D_BD_W] = auxo__weight_operand(b->model, b->activations, b->index);
    op.tensors[AUXO_CONV2D_BD_DX] = dx;
    auxo__add_labelled(b->plan, &op, b->layer, "backward_data");
    contribute(b, input, dx, true);
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

static void add_pool2d(backward_builder *b)
{
    uint32_t input = b->layer->inputs[0];
    auxo_tensor dy = b->gradients[b->index].tensor, dx = auxo__output_temp(b->plan, b->activations, b->input);
    bool undo = can_undo_below(b);
    if (undo)
        add_activation_backward(b, b->input, &dy);
    auxo_op op = {.kind = AUXO_OP_POOL2D_BACKWARD, .params.pool2d = auxo__pool2d_params(b->layer, b->input)};
    op.tensors[AUXO_POOL2D_B_DY] = dy;
    op.tensors[AUXO_POOL2D_B_DX] = dx;
    op.tensors[AUXO_POOL2D_B_INDEX] = b->activations->records[b->index].pool_index;
    auxo__add_labelled(b->plan, &op, b->layer, "backward_data");
    contribute(b, input, dx, true);
    b->gradients[input].undone = undo;
}

/* By running statistics batch norm is an affine function of its input: dx = gamma invstd dy, which is the inference
 * pass of dy without means. */
static void add_fixed_batch_norm(backward_builder *b, auxo_tensor dy)
{
    int64_t batch = b->activations->batch, channels = b->layer->output_dims[0];
    uint32_t input = b->layer->inputs[0];
    if (is_trained(b, b->index)) {
        auxo_plan_fail(b->plan, AUXO_UNSUPPORTED,
                       "layer \"%s\": batch norm is trained only by batch statistics; set training", b->layer->name);
        return;
    }
    if (!b->gradients[input].needed)
        return;
    auxo_tensor zeros = auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 2, (int64_t[]){2, channels});
    auxo_op fill = {.kind = AUXO_OP_FILL};
    fill.tensors[AUXO_FILL_Y] = zeros;
    auxo__add_labelled(b->plan, &fill, b->layer, "backward_zeros");
    auxo_tensor dx = auxo__output_temp(b->plan, b->activations, b->input);
    auxo_op op = {.kind = AUXO_OP_BATCH_NORM_FORWARD,
                  .params.batch_norm = {.epsilon = b->layer->epsilon, .momentum = b->layer->momentum}};
    op.tensors[AUXO_BATCH_NORM_X] = auxo__view_channels(dy, b->layer, batch);
    op.tensors[AUXO_BATCH_NORM_GAMMA] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_GAMMA);
    op.tensors[AUXO_BATCH_NORM_BETA] = auxo_tensor_reshape(auxo_tensor_slice(zeros, 0, 0, 1), 1, &channels);
    op.tensors[AUXO_BATCH_NORM_RUNNING_MEAN] = auxo_tensor_reshape(auxo_tensor_slice(zeros, 0, 1, 1), 1, &channels);
    op.tensors[AUXO_BATCH_NORM_RUNNING_VAR] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_RUNNING_VAR);
    op.tensors[AUXO_BATCH_NORM_Y] = auxo__view_channels(dx, b->input, batch);
    auxo__add_labelled(b->plan, &op, b->layer, "backward");
    contribute(b, input, dx, true);
}

/* What DX lacks where other parts of the batch have rows too: an affine function of the input (norm_sync.h). */
static void sync_batch_norm(backward_builder *b, const auxo_op *op, auxo_tensor dx)
{
    const auxo__layer_record *record = &b->activations->records[b->index];
    const int64_t batch = b->activations->batch;
    const auxo__norm_point point = {
        .backward = true,
        .layer = b->index,
        .channels = b->layer->output_dims[0],
        .elements = batch * b->layer->output_dims[1] * b->layer->output_dims[2],
        .epsilon = b->layer->epsilon,
        .block = record->norm_block,
        .gamma = op->tensors[AUXO_BATCH_NORM_B_GAMMA],
        .dgamma = op->tensors[AUXO_BATCH_NORM_B_DGAMMA],
        .dbeta = op->tensors[AUXO_BATCH_NORM_B_DBETA],
    };
    auxo__norm_sync_add(b->activations->forward.norm_sync, b->plan, &point);
    const auxo_tensor rest = auxo__output_temp(b->plan, b->activations, b->input);
    if (auxo_plan_status(b->plan, NULL) != AUXO_OK)
        return;
    auxo_op affine = {.kind = AUXO_OP_BATCH_NORM_FORWARD, .params.batch_norm = op->params.batch_norm};
    affine.params.batch_norm.training = false;
    affine.tensors[AUXO_BATCH_NORM_X] = op->tensors[AUXO_BATCH_NORM_B_X];
    affine.tensors[AUXO_BATCH_NORM_GAMMA] = auxo__norm_row(&record->norm_block, AUXO__NORM_SLOPE);
    affine.tensors[AUXO_BATCH_NORM_BETA] = auxo__norm_row(&record->norm_block, AUXO__NORM_SHIFT);
    affine.tensors[AUXO_BATCH_NORM_RUNNING_MEAN] = record->saved_mean;
    affine.tensors[AUXO_BATCH_NORM_RUNNING_VAR] = auxo__norm_row(&record->norm_block, AUXO__NORM_ALL_VAR);
    affine.tensors[AUXO_BATCH_NORM_Y] = auxo__view_channels(rest, b->input, batch);
    auxo__add_labelled(b->plan, &affine, b->layer, "backward_rest");
    auxo_op add = {.kind = AUXO_OP_ADD, .params.add = {.alpha = 1.0f, .beta = 1.0f}};
    add.tensors[AUXO_ADD_A] = add.tensors[AUXO_ADD_Y] = dx;
    add.tensors[AUXO_ADD_B] = rest;
    auxo__add_labelled(b->plan, &add, b->layer, "backward_add");
}

static void add_batch_norm(backward_builder *b)
{
    const auxo__layer_record *record = &b->activations->records[b->index];
    int64_t batch = b->activations->batch, channels = b->layer->output_dims[0];
    uint32_t input = b->layer->inputs[0];
    auxo_tensor dy;
    undo_activation(b, &dy);
    if (!auxo_tensor_is_present(&record->saved_mean)) {
        add_fixed_batch_norm(b, dy);
        return;
    }
    bool trained = is_trained(b, b->index);
    auxo_tensor dx = auxo__output_temp(b->plan, b->activations, b->input);
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
    auxo__add_labelled(b->plan, &op, b->layer, "backward");
    if (b->activations->forward.norm_sync)
        sync_batch_norm(b, &op, dx);
    if (b->gradients[input].needed)
        contribute(b, input, dx, true);
}

static void add_dropout(backward_builder *b)
{
    const auxo_forward *forward = &b->activations->forward;
    const layer_gradient *received = &b->gradients[b->index];
    if (!forward->training || b->layer->rate == 0.0f) {
        contribute(b, b->layer->inputs[0], received->tensor, received->owned);
        return;
    }
    auxo_op op = {.kind = AUXO_OP_DROPOUT, .params.dropout = auxo__dropout_params(b->layer, b->index, forward->seed)};
    op.tensors[AUXO_DROPOUT_X] = received->tensor;
    op.tensors[AUXO_DROPOUT_Y] =
        received->owned ? received->tensor : auxo__output_temp(b->plan, b->activations, b->layer);
    op.tensors[AUXO_DROPOUT_COUNTER] = forward->counter;
    auxo__add_labelled(b->plan, &op, b->layer, "backward_data");
    contribute(b, b->layer->inputs[0], op.tensors[AUXO_DROPOUT_Y], true);
}

static void add_activation(backward_builder *b)
{
    auxo_tensor dx;
    undo_activation(b, &dx);
    bool owned = b->gradients[b->index].owned || b->layer->activation != AUXO_ACTIVATION_IDENTITY;
    contribute(b, b->layer->inputs[0], dx, owned);
}

/* Every input receives the same tensor, so none of them owns it. */
static void add_add(backward_builder *b)
{
    for (uint32_t i = 0; i < b->layer->input_count; i++)
        if (b->gradients[b->layer->inputs[i]].needed)
            contribute(b, b->layer->inputs[i], b->gradients[b->index].tensor, false);
}

static void add_concat(backward_builder *b)
{
    int64_t channel = 0;
    for (uint32_t i = 0; i < b->layer->input_count; i++) {
        uint32_t input = b->layer->inputs[i];
        const auxo_layer *layer = &b->model->desc.layers[input];
        int64_t start = channel;
        channel += layer->output_dims[0];
        if (!b->gradients[input].needed)
            continue;
        auxo_op op = {.kind = AUXO_OP_COPY, .params.copy = {.scale = 1.0f}};
        op.tensors[AUXO_COPY_X] = auxo_tensor_slice(b->gradients[b->index].tensor, 1, start, layer->output_dims[0]);
        op.tensors[AUXO_COPY_Y] = auxo__output_temp(b->plan, b->activations, layer);
        auxo__add_labelled(b->plan, &op, b->layer, "backward_data");
        contribute(b, input, op.tensors[AUXO_COPY_Y], true);
    }
}

static void add_layer(backward_builder *b)
{
    b->layer = &b->model->desc.layers[b->index];
    b->input = &b->model->desc.layers[b->layer->inputs[0]];
    const layer_gradient *received = &b->gradients[b->index];
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
    case AUXO_LAYER_FLATTEN:
        contribute(b, b->layer->inputs[0], received->tensor, received->owned);
        break;
    case AUXO_LAYER_ADD:
        add_add(b);
        break;
    case AUXO_LAYER_CONCAT:
        add_concat(b);
        break;
    default:
        auxo_plan_fail(b->plan, AUXO_INTERNAL, "layer \"%s\": no backward pass for %s", b->layer->name,
                       auxo_layer_noun(b->layer->kind));
    }
}

/* Marks the layers through which a gradient must pass. */
static void mark_needed(backward_builder *b)
{
    uint32_t begin = b->activations->forward.begin_layer;
    for (uint32_t l = 0; l < b->model->desc.layer_count; l++) {
        const auxo_layer *layer = &b->model->desc.layers[l];
        if (l <= begin) {
            if (b->train && is_trained(b, l))
                auxo_plan_fail(b->plan, AUXO_INVALID_ARGUMENT,
                               "layer \"%s\" cannot be trained: the forward pass begins after it", layer->name);
            continue;
        }
        b->gradients[l].needed = is_trained(b, l);
        for (uint32_t i = 0; i < layer->input_count; i++)
            b->gradients[l].needed = b->gradients[l].needed || b->gradients[layer->inputs[i]].needed;
    }
}

/* In 16 bits: what comes from the loss, which is f32, past a fused activation (whose output is f32 too) and rounded,
 * times the loss scale. */
static void start(backward_builder *b, const auxo_tensor *output_gradient)
{
    const auxo_activations *activations = b->activations;
    contribute(b, b->index, *output_gradient, false);
    if (activations->dtype == AUXO_DTYPE_F32)
        return;
    layer_gradient *received = &b->gradients[b->index];
    b->layer = &b->model->desc.layers[b->index];
    if (output_of(b, b->index).dtype == AUXO_DTYPE_F32 && b->layer->activation != AUXO_ACTIVATION_IDENTITY) {
        received->tensor = auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 4, received->tensor.dims);
        auxo_op op = {.kind = AUXO_OP_ACTIVATION_BACKWARD,
                      .params.activation = {.activation = b->layer->activation, .slope = b->layer->slope}};
        op.tensors[AUXO_ACTIVATION_B_Y] = output_of(b, b->index);
        op.tensors[AUXO_ACTIVATION_B_DY] = auxo__view_image(*output_gradient, b->layer, activations->batch);
        op.tensors[AUXO_ACTIVATION_B_DX] = received->tensor;
        auxo__add_labelled(b->plan, &op, b->layer, "backward_activation");
        received->undone = true;
    }
    const auxo_tensor narrow = auxo__output_temp(b->plan, activations, b->layer);
    if (auxo_plan_status(b->plan, NULL) != AUXO_OK)
        return;
    auxo__add_conversion(b->plan, received->tensor, narrow, &activations->forward.loss_scale, "gradient.narrow");
    received->tensor = narrow;
    received->owned = true;
}

void auxo_model_add_backward(auxo_model *model, auxo_plan *plan, const auxo_activations *activations,
                             const auxo_tensor *output_gradient, const bool *train)
{
    if (auxo_plan_status(plan, NULL) != AUXO_OK)
        return;
    if (!activations->forward.need_backward || activations->structure_version != model->structure_version) {
        auxo_plan_fail(plan, AUXO_INVALID_ARGUMENT, "the forward pass was %s",
                       activations->forward.need_backward ? "built before the model was resized"
                                                          : "not built for a backward pass (need_backward)");
        return;
    }
    uint32_t last = model->desc.layer_count - 1;
    const auxo_layer *output = &model->desc.layers[last];
    if (auxo_tensor_element_count(output_gradient) != activations->batch * auxo__layer_size(output)) {
        auxo_plan_fail(plan, AUXO_INVALID_ARGUMENT,
                       "the gradient of the output must have %lld values for a batch of %lld",
                       (long long)(activations->batch * auxo__layer_size(output)), (long long)activations->batch);
        return;
    }
    backward_builder builder = {.model = model, .plan = plan, .activations = activations, .train = train};
    builder.gradients = calloc(model->desc.layer_count, sizeof *builder.gradients);
    if (!builder.gradients) {
        auxo_plan_fail(plan, AUXO_OUT_OF_MEMORY, "out of memory building a backward pass");
        return;
    }
    mark_needed(&builder);
    builder.index = last;
    start(&builder, output_gradient);
    for (; builder.index > activations->forward.begin_layer; builder.index--)
        if (builder.gradients[builder.index].needed && auxo_plan_status(plan, NULL) == AUXO_OK)
            add_layer(&builder);
    free(builder.gradients);
}

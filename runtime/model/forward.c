/* forward.c: appends a model's forward pass to a plan, layer by layer.
 *
 * Activations are fused into the operation that makes them; flatten, and dropout in inference, are views. Batch norm
 * uses batch statistics in training, except below the lowest trained layer, where the model is frozen.
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
    op.tensors[AUXO_GEMM_B] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_WEIGHT);
    op.tensors[AUXO_GEMM_C] = auxo__view_features(b->y, b->layer, batch);
    op.tensors[AUXO_GEMM_BIAS] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_BIAS);
    auxo__add_labelled(b->plan, &op, b->layer, "forward");
}

static void add_conv2d(forward_builder *b)
{
    auxo_op op = {.kind = AUXO_OP_CONV2D_FORWARD, .params.conv2d = auxo__conv2d_params(b->layer)};
    op.tensors[AUXO_CONV2D_X] = b->x;
    op.tensors[AUXO_CONV2D_W] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_WEIGHT);
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
        op.tensors[AUXO_POOL2D_INDEX] = auxo_plan_temp(b->plan, AUXO_DTYPE_U32, 4, b->y.dims);
    b->activations->records[b->index].pool_index = op.tensors[AUXO_POOL2D_INDEX];
    auxo__add_labelled(b->plan, &op, b->layer, "forward");
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
    if (training) {
        record->saved_mean = auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 1, &channels);
        record->saved_invstd = auxo_plan_temp(b->plan, AUXO_DTYPE_F32, 1, &channels);
    }
    op.tensors[AUXO_BATCH_NORM_X] = auxo__view_channels(b->x, b->input, batch);
    op.tensors[AUXO_BATCH_NORM_GAMMA] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_GAMMA);
    op.tensors[AUXO_BATCH_NORM_BETA] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_BETA);
    op.tensors[AUXO_BATCH_NORM_RUNNING_MEAN] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_RUNNING_MEAN);
    op.tensors[AUXO_BATCH_NORM_RUNNING_VAR] = auxo__role_tensor(b->model, b->index, AUXO_PARAM_RUNNING_VAR);
    op.tensors[AUXO_BATCH_NORM_Y] = auxo__view_channels(b->y, b->layer, batch);
    op.tensors[AUXO_BATCH_NORM_SAVED_MEAN] = record->saved_mean;
    op.tensors[AUXO_BATCH_NORM_SAVED_INVSTD] = record->saved_invstd;
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
    b->y = auxo__output_temp(b->plan, b->layer, activations->batch);
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
    const auxo_layer *layer = &model->desc.layers[forward->begin_layer];
    int64_t size = auxo__layer_size(layer);
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
    created->layer_count = layer_count;
    created->structure_version = model->structure_version;
    created->records[forward->begin_layer].output =
        auxo__view_image(forward->input, &model->desc.layers[forward->begin_layer], batch);
    forward_builder builder = {.model = model, .plan = plan, .activations = created};
    for (builder.index = forward->begin_layer + 1; builder.index < layer_count; builder.index++)
        if (auxo_plan_status(plan, NULL) == AUXO_OK)
            add_layer(&builder);
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

/* activations.c: views of layer outputs and operation parameters of layers, for the forward and the backward pass.
 */
#include "activations.h"

#include <stdio.h>
#include <stdlib.h>

auxo_tensor auxo__view_image(auxo_tensor tensor, const auxo_layer *layer, int64_t batch)
{
    const int64_t dims[4] = {batch, layer->output_dims[0], layer->output_dims[1], layer->output_dims[2]};
    return auxo_tensor_reshape(tensor, 4, dims);
}

auxo_tensor auxo__view_channels(auxo_tensor tensor, const auxo_layer *layer, int64_t batch)
{
    const int64_t dims[3] = {batch, layer->output_dims[0], layer->output_dims[1] * layer->output_dims[2]};
    return auxo_tensor_reshape(tensor, 3, dims);
}

auxo_tensor auxo__view_features(auxo_tensor tensor, const auxo_layer *layer, int64_t batch)
{
    const int64_t dims[2] = {batch, auxo__layer_size(layer)};
    return auxo_tensor_reshape(tensor, 2, dims);
}

auxo_tensor auxo__output_temp(auxo_plan *plan, const auxo_activations *activations, const auxo_layer *layer)
{
    const int64_t dims[4] = {activations->batch, layer->output_dims[0], layer->output_dims[1], layer->output_dims[2]};
    return auxo_plan_temp(plan, activations->dtype, 4, dims);
}

auxo_tensor auxo__weight_operand(const auxo_model *model, const auxo_activations *activations, uint32_t layer)
{
    const auxo_param *param = auxo__layout_find(&model->layout, layer, AUXO_PARAM_WEIGHT);
    if (!param || !auxo_tensor_is_present(&activations->narrow_weights))
        return auxo__role_tensor(model, layer, AUXO_PARAM_WEIGHT);
    auxo_tensor weight = activations->narrow_weights;
    const uint64_t offset_bytes = weight.offset_bytes + param->offset * auxo_dtype_size_bytes(weight.dtype);
    return auxo_tensor_make(weight.buffer, offset_bytes, weight.dtype, param->rank, param->dims);
}

void auxo__add_conversion(auxo_plan *plan, auxo_tensor from, auxo_tensor to, const auxo_tensor *scale,
                          const char *label)
{
    const int64_t flat[3] = {1, 1, auxo_tensor_element_count(&from)};
    auxo_op op = {.kind = AUXO_OP_COPY, .params.copy = {.scale = 1.0f}};
    if (scale && auxo_tensor_is_present(scale)) {
        op = (auxo_op){.kind = AUXO_OP_SCALE};
        op.tensors[AUXO_SCALE_X] = auxo_tensor_reshape(from, 3, flat);
        op.tensors[AUXO_SCALE_SCALE] = *scale;
        op.tensors[AUXO_SCALE_Y] = auxo_tensor_reshape(to, 3, flat);
    } else {
        op.tensors[AUXO_COPY_X] = auxo_tensor_reshape(from, 1, flat + 2);
        op.tensors[AUXO_COPY_Y] = auxo_tensor_reshape(to, 1, flat + 2);
    }
    auxo_plan_add(plan, &op, label);
}

auxo_tensor auxo__role_tensor(const auxo_model *model, uint32_t layer, int role)
{
    const auxo_param *param = auxo__layout_find(&model->layout, layer, role);
    return param ? auxo_model_param_tensor(model, param) : auxo_tensor_none();
}

auxo_conv2d_params auxo__conv2d_params(const auxo_layer *layer)
{
    return (auxo_conv2d_params){.stride_h = layer->stride_h,
                                .stride_w = layer->stride_w,
                                .pad_h = layer->pad_h,
                                .pad_w = layer->pad_w,
                                .dilation_h = layer->dilation_h,
                                .dilation_w = layer->dilation_w,
                                .groups = layer->groups,
                                .activation = layer->activation,
                                .slope = layer->slope};
}

auxo_pool2d_params auxo__pool2d_params(const auxo_layer *layer, const auxo_layer *input)
{
    if (layer->kind == AUXO_LAYER_GLOBAL_AVERAGE_POOL)
        return (auxo_pool2d_params){.kind = AUXO_POOL_AVERAGE,
                                    .window_h = (int32_t)input->output_dims[1],
                                    .window_w = (int32_t)input->output_dims[2],
                                    .stride_h = 1,
                                    .stride_w = 1};
    return (auxo_pool2d_params){.kind = layer->pool,
                                .window_h = layer->kernel_h,
                                .window_w = layer->kernel_w,
                                .stride_h = layer->stride_h,
                                .stride_w = layer->stride_w,
                                .pad_h = layer->pad_h,
                                .pad_w = layer->pad_w};
}

auxo_dropout_params auxo__dropout_params(const auxo_layer *layer, uint32_t index, uint64_t seed)
{
    return (auxo_dropout_params){.rate = layer->rate, .seed = seed, .stream = AUXO__STREAM_DROPOUT + index};
}

void auxo__add_labelled(auxo_plan *plan, const auxo_op *op, const auxo_layer *layer, const char *suffix)
{
    char label[AUXO_LAYER_NAME_BYTES + 32];
    snprintf(label, sizeof label, "%s.%s", layer->name, suffix);
    auxo_plan_add(plan, op, label);
}

auxo_tensor auxo_activations_output(const auxo_activations *activations, uint32_t layer)
{
    if (!activations)
        return auxo_tensor_none();
    auxo_tensor output =
        layer + 1 == activations->layer_count ? activations->model_output : activations->records[layer].output;
    if (auxo_tensor_is_present(&output) && output.dims[2] == 1 && output.dims[3] == 1) {
        const int64_t dims[2] = {output.dims[0], output.dims[1]};
        return auxo_tensor_reshape(output, 2, dims);
    }
    return output;
}

void auxo_activations_destroy(auxo_activations *activations)
{
    free(activations);
}

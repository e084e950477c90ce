/* builtin_resnet.c: ResNet-18 and ResNet-34 (He et al. 2016), with the stem for CIFAR (one 3x3 convolution) or the one
 * for ImageNet (7x7 with stride 2, then 3x3 max pooling with stride 2). Four stages of basic blocks (two each; 3, 4, 6,
 * 3) with 64, 128, 256, 512 filters.
 */
#include "model_internal.h"

#include <stdio.h>

typedef struct resnet_builder {
    auxo_model_desc *desc;
    auxo_error *error;
    auxo_status status;
} resnet_builder;

/* Appends a layer that reads `input` and returns its index; does nothing after a failure. */
static uint32_t append(resnet_builder *builder, auxo_layer layer, const char *stem, const char *suffix, uint32_t input)
{
    uint32_t index = 0;
    snprintf(layer.name, sizeof layer.name, "%s%s", stem, suffix);
    if (layer.input_count == 0) {
        layer.input_count = 1;
        layer.inputs[0] = input;
    }
    if (builder->status == AUXO_OK)
        builder->status = auxo_model_desc_add(builder->desc, &layer, &index, builder->error);
    return index;
}

static uint32_t append_conv_norm(resnet_builder *builder, const char *stem, const char *number, uint32_t input,
                                 uint32_t filters, int32_t kernel, int32_t stride, auxo_activation activation)
{
    auxo_layer conv = {.kind = AUXO_LAYER_CONV2D,
                       .units = filters,
                       .kernel_h = kernel,
                       .kernel_w = kernel,
                       .stride_h = stride,
                       .stride_w = stride,
                       .pad_h = kernel / 2,
                       .pad_w = kernel / 2,
                       .initializer = AUXO_INITIALIZER_HE_NORMAL};
    auxo_layer norm = {.kind = AUXO_LAYER_BATCH_NORM, .activation = activation};
    char suffix[16];
    snprintf(suffix, sizeof suffix, "conv%s", number);
    uint32_t index = append(builder, conv, stem, suffix, input);
    snprintf(suffix, sizeof suffix, "norm%s", number);
    return append(builder, norm, stem, suffix, index);
}

/* relu(x + norm(conv(relu(norm(conv(x)))))), the first convolution with the stride; x is projected by a 1x1 convolution
 * where shapes change. */
static uint32_t append_block(resnet_builder *builder, const char *stem, uint32_t input, uint32_t filters,
                             int32_t stride, bool project)
{
    uint32_t shortcut = input;
    uint32_t index = append_conv_norm(builder, stem, "1", input, filters, 3, stride, AUXO_ACTIVATION_RELU);
    index = append_conv_norm(builder, stem, "2", index, filters, 3, 1, AUXO_ACTIVATION_IDENTITY);
    if (project)
        shortcut = append_conv_norm(builder, stem, "_shortcut", input, filters, 1, stride, AUXO_ACTIVATION_IDENTITY);
    auxo_layer add = {.kind = AUXO_LAYER_ADD, .input_count = 2, .inputs = {index, shortcut}};
    auxo_layer relu = {.kind = AUXO_LAYER_ACTIVATION, .activation = AUXO_ACTIVATION_RELU};
    index = append(builder, add, stem, "add", 0);
    return append(builder, relu, stem, "relu", index);
}

static const uint32_t blocks_of_18[4] = {2, 2, 2, 2}, blocks_of_34[4] = {3, 4, 6, 3};

static auxo_status build(const auxo__builtin_request *request, const uint32_t blocks[4], bool imagenet_stem,
                         auxo_model_desc *desc, auxo_error *error)
{
    if (request->options)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "it takes no options");
    resnet_builder builder = {desc, error, auxo__builtin_input(request, desc, error)};
    uint32_t index = append_conv_norm(&builder, "stem_", "", 0, 64, imagenet_stem ? 7 : 3, imagenet_stem ? 2 : 1,
                                      AUXO_ACTIVATION_RELU);
    if (imagenet_stem) {
        auxo_layer pool = {.kind = AUXO_LAYER_POOL2D,
                           .kernel_h = 3,
                           .kernel_w = 3,
                           .stride_h = 2,
                           .stride_w = 2,
                           .pad_h = 1,
                           .pad_w = 1};
        index = append(&builder, pool, "stem_", "pool", index);
    }
    for (uint32_t stage = 1; stage <= 4; stage++)
        for (uint32_t block = 1; block <= blocks[stage - 1]; block++) {
            char stem[32];
            snprintf(stem, sizeof stem, "stage%u_block%u_", stage, block);
            bool first = stage > 1 && block == 1;
            index = append_block(&builder, stem, index, 32u << stage, first ? 2 : 1, first);
        }
    auxo_layer pool = {.kind = AUXO_LAYER_GLOBAL_AVERAGE_POOL};
    auxo_layer dense = {.kind = AUXO_LAYER_DENSE,
                        .units = request->outputs,
                        .bias = true,
                        .initializer = AUXO_INITIALIZER_GLOROT_UNIFORM};
    index = append(&builder, pool, "pool", "", index);
    append(&builder, dense, "dense", "", index);
    return builder.status;
}

auxo_status auxo__builtin_resnet18(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    return build(request, blocks_of_18, false, desc, error);
}

auxo_status auxo__builtin_resnet18_imagenet(const auxo__builtin_request *request, auxo_model_desc *desc,
                                            auxo_error *error)
{
    return build(request, blocks_of_18, true, desc, error);
}

auxo_status auxo__builtin_resnet34(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    return build(request, blocks_of_34, false, desc, error);
}

auxo_status auxo__builtin_resnet34_imagenet(const auxo__builtin_request *request, auxo_model_desc *desc,
                                            auxo_error *error)
{
    return build(request, blocks_of_34, true, desc, error);
}

/* builtin_conv.c: convolutional built-in networks without residual connections: lenet5 (after LeCun et al. 1998, with
 * relu and max pooling), autosize-cnn (dynamic auto-sizing), vgg-small and vgg16 (Simonyan and Zisserman 2015), conv
 * (the smallest start for residual growth).
 */
#include "model_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static auxo_layer conv_layer(const char *name, uint32_t filters, int32_t kernel, int32_t stride, int32_t pad)
{
    auxo_layer layer = {.kind = AUXO_LAYER_CONV2D,
                        .units = filters,
                        .kernel_h = kernel,
                        .kernel_w = kernel,
                        .stride_h = stride,
                        .stride_w = stride,
                        .pad_h = pad,
                        .pad_w = pad};
    snprintf(layer.name, sizeof layer.name, "%s", name);
    return layer;
}

static auxo_layer pool_layer(const char *name)
{
    auxo_layer layer = {
        .kind = AUXO_LAYER_POOL2D, .kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2, .pool = AUXO_POOL_MAX};
    snprintf(layer.name, sizeof layer.name, "%s", name);
    return layer;
}

static auxo_status add_layers(const auxo__builtin_request *request, const auxo_layer *layers, size_t count,
                              auxo_model_desc *desc, auxo_error *error)
{
    auxo_status status = auxo__builtin_input(request, desc, error);
    for (size_t i = 0; status == AUXO_OK && i < count; i++)
        status = auxo__builtin_chain(desc, &layers[i], error);
    return status;
}

auxo_status auxo__builtin_lenet5(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    auxo_activation activation = AUXO_ACTIVATION_RELU;
    if (request->options) {
        auxo_status status = auxo_activation_find(request->options, &activation, error);
        if (status != AUXO_OK)
            return status;
    }
    auxo_layer layers[] = {
        conv_layer("conv1", 6, 5, 1, 0),
        pool_layer("pool1"),
        conv_layer("conv2", 16, 5, 1, 0),
        pool_layer("pool2"),
        {.name = "flatten", .kind = AUXO_LAYER_FLATTEN},
        {.name = "dense1", .kind = AUXO_LAYER_DENSE, .units = 120},
        {.name = "dense2", .kind = AUXO_LAYER_DENSE, .units = 84},
        {.name = "dense3", .kind = AUXO_LAYER_DENSE, .units = request->outputs},
    };
    enum { COUNT = sizeof layers / sizeof *layers };
    for (size_t i = 0; i < COUNT; i++)
        if (layers[i].units > 0) {
            layers[i].bias = true;
            layers[i].activation = i + 1 < COUNT ? activation : AUXO_ACTIVATION_IDENTITY;
            layers[i].initializer = AUXO_INITIALIZER_GLOROT_UNIFORM;
        }
    return add_layers(request, layers, COUNT, desc, error);
}

/* Adds one layer with a name and number; does nothing after a failure. */
static void chain(auxo_model_desc *desc, auxo_layer layer, auxo_status *status, auxo_error *error)
{
    if (*status == AUXO_OK)
        *status = auxo__builtin_chain(desc, &layer, error);
}

/* Configuration D: convolutions with bias and relu, pooling after each group, three dense layers with dropout. */
auxo_status auxo__builtin_vgg16(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    static const uint32_t filters[5] = {64, 128, 256, 512, 512}, counts[5] = {2, 2, 3, 3, 3};
    const uint32_t sizes[3] = {4096, 4096, request->outputs};
    char name[32];
    if (request->options)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "it takes no options");
    auxo_status status = auxo__builtin_input(request, desc, error);
    for (uint32_t group = 0; group < 5; group++) {
        for (uint32_t i = 0; i < counts[group]; i++) {
            snprintf(name, sizeof name, "conv%u_%u", group + 1, i + 1);
            auxo_layer conv = conv_layer(name, filters[group], 3, 1, 1);
            conv.bias = true;
            conv.activation = AUXO_ACTIVATION_RELU;
            conv.initializer = AUXO_INITIALIZER_HE_NORMAL;
            chain(desc, conv, &status, error);
        }
        snprintf(name, sizeof name, "pool%u", group + 1);
        chain(desc, pool_layer(name), &status, error);
    }
    chain(desc, (auxo_layer){.name = "flatten", .kind = AUXO_LAYER_FLATTEN}, &status, error);
    for (uint32_t i = 0; i < 3; i++) {
        auxo_layer dense = {.kind = AUXO_LAYER_DENSE,
                            .units = sizes[i],
                            .bias = true,
                            .activation = i < 2 ? AUXO_ACTIVATION_RELU : AUXO_ACTIVATION_IDENTITY,
                            .initializer = AUXO_INITIALIZER_GLOROT_UNIFORM};
        auxo_layer dropout = {.kind = AUXO_LAYER_DROPOUT, .rate = 0.5f};
        snprintf(dense.name, sizeof dense.name, "dense%u", i + 1);
        snprintf(dropout.name, sizeof dropout.name, "dropout%u", i + 1);
        chain(desc, dense, &status, error);
        if (i < 2)
            chain(desc, dropout, &status, error);
    }
    return status;
}

auxo_status auxo__builtin_autosize_cnn(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    enum { HIDDEN_COUNT = 5 };
    uint32_t sizes[HIDDEN_COUNT] = {100, 100, 100, 100, 100}, count = HIDDEN_COUNT;
    const char *rest = "";
    if (request->options) {
        auxo_status status = auxo__parse_sizes(request->options, sizes, HIDDEN_COUNT, &count, &rest, error);
        if (status != AUXO_OK)
            return status;
    }
    if (count != HIDDEN_COUNT || *rest)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "give %d sizes, as in 100-100-100-100-100",
                              (int)HIDDEN_COUNT);
    auxo_layer layers[] = {
        conv_layer("conv1", sizes[0], 3, 1, 1),
        conv_layer("conv2", sizes[1], 3, 2, 1),
        {.name = "dropout1", .kind = AUXO_LAYER_DROPOUT, .rate = 0.2f},
        conv_layer("conv3", sizes[2], 3, 1, 1),
        conv_layer("conv4", sizes[3], 3, 2, 1),
        {.name = "dropout2", .kind = AUXO_LAYER_DROPOUT, .rate = 0.5f},
        {.name = "flatten", .kind = AUXO_LAYER_FLATTEN},
        {.name = "dense1", .kind = AUXO_LAYER_DENSE, .units = sizes[4]},
        {.name = "dense2", .kind = AUXO_LAYER_DENSE, .units = request->outputs},
    };
    enum { COUNT = sizeof layers / sizeof *layers };
    for (size_t i = 0; i < COUNT; i++)
        if (layers[i].units > 0) {
            layers[i].bias = true;
            layers[i].activation = i + 1 < COUNT ? AUXO_ACTIVATION_SELU : AUXO_ACTIVATION_IDENTITY;
            layers[i].initializer = AUXO_INITIALIZER_LECUN_NORMAL;
        }
    return add_layers(request, layers, COUNT, desc, error);
}

/* Convolution without bias, then batch norm with relu. */
static auxo_status add_conv_block(auxo_model_desc *desc, uint32_t number, uint32_t filters, int32_t kernel,
                                  auxo_error *error)
{
    char name[32];
    snprintf(name, sizeof name, "conv%u", number);
    auxo_layer conv = conv_layer(name, filters, kernel, 1, kernel / 2);
    conv.initializer = AUXO_INITIALIZER_HE_NORMAL;
    auxo_layer norm = {.kind = AUXO_LAYER_BATCH_NORM, .activation = AUXO_ACTIVATION_RELU};
    snprintf(norm.name, sizeof norm.name, "norm%u", number);
    auxo_status status = auxo__builtin_chain(desc, &conv, error);
    if (status == AUXO_OK)
        status = auxo__builtin_chain(desc, &norm, error);
    return status;
}

static auxo_status add_dense(auxo_model_desc *desc, const char *name, uint32_t units, auxo_activation activation,
                             auxo_error *error)
{
    auxo_layer dense = {.kind = AUXO_LAYER_DENSE,
                        .units = units,
                        .bias = true,
                        .activation = activation,
                        .initializer = AUXO_INITIALIZER_GLOROT_UNIFORM};
    snprintf(dense.name, sizeof dense.name, "%s", name);
    return auxo__builtin_chain(desc, &dense, error);
}

auxo_status auxo__builtin_vgg_small(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    static const uint32_t filters[] = {32, 64, 128};
    if (request->options)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "it takes no options");
    auxo_status status = auxo__builtin_input(request, desc, error);
    for (uint32_t stage = 0; status == AUXO_OK && stage < 3; stage++) {
        status = add_conv_block(desc, 2 * stage + 1, filters[stage], 3, error);
        if (status == AUXO_OK)
            status = add_conv_block(desc, 2 * stage + 2, filters[stage], 3, error);
        char name[32];
        snprintf(name, sizeof name, "pool%u", stage + 1);
        auxo_layer pool = pool_layer(name);
        if (status == AUXO_OK)
            status = auxo__builtin_chain(desc, &pool, error);
    }
    auxo_layer flatten = {.name = "flatten", .kind = AUXO_LAYER_FLATTEN};
    if (status == AUXO_OK)
        status = auxo__builtin_chain(desc, &flatten, error);
    if (status == AUXO_OK)
        status = add_dense(desc, "dense1", 128, AUXO_ACTIVATION_RELU, error);
    if (status == AUXO_OK)
        status = add_dense(desc, "dense2", request->outputs, AUXO_ACTIVATION_IDENTITY, error);
    return status;
}

/* "64", "64:5", "32-64:3", "64:3:3": filters, kernel size, pooling stages. */
enum { CONV_MAX = 8, STAGES_MAX = 8 };
typedef struct conv_options {
    uint32_t filters[CONV_MAX], count, kernel, stages;
} conv_options;

static auxo_status parse_conv(const char *text, conv_options *options, auxo_error *error)
{
    const char *rest = "";
    uint32_t one = 1;
    *options = (conv_options){.filters = {64}, .count = 1, .kernel = 3};
    auxo_status status = AUXO_OK;
    if (text)
        status = auxo__parse_sizes(text, options->filters, CONV_MAX, &options->count, &rest, error);
    if (status == AUXO_OK && *rest == ':')
        status = auxo__parse_sizes(rest + 1, &options->kernel, 1, &one, &rest, error);
    if (status == AUXO_OK && *rest == ':')
        status = auxo__parse_sizes(rest + 1, &options->stages, 1, &one, &rest, error);
    if (status != AUXO_OK)
        return status;
    if (options->stages == 0)
        options->stages = options->count;
    if (*rest || options->kernel % 2 == 0 || options->kernel > 15 || options->stages < options->count ||
        options->stages > STAGES_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "give filters, an odd kernel size up to 15 and at least as many stages as convolutions, "
                              "as in conv:64, conv:32-64 or conv:64:3:3");
    return AUXO_OK;
}

auxo_status auxo__builtin_conv(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    conv_options options;
    auxo_status status = parse_conv(request->options, &options, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__builtin_input(request, desc, error);
    for (uint32_t i = 0; i < options.stages && status == AUXO_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "pool%u", i);
        auxo_layer halve = pool_layer(name);
        if (i > 0)
            status = auxo__builtin_chain(desc, &halve, error);
        if (status == AUXO_OK && i < options.count)
            status = add_conv_block(desc, i + 1, options.filters[i], (int32_t)options.kernel, error);
    }
    auxo_layer pool = {.name = "pool", .kind = AUXO_LAYER_GLOBAL_AVERAGE_POOL};
    if (status == AUXO_OK)
        status = auxo__builtin_chain(desc, &pool, error);
    if (status == AUXO_OK)
        status = add_dense(desc, "dense", request->outputs, AUXO_ACTIVATION_IDENTITY, error);
    return status;
}

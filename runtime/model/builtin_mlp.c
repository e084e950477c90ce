/* builtin_mlp.c: fully connected built-in networks: "mlp:4-5-5-2[:option...]", or with hidden sizes only, and
 * "autosize-mlp[:sizes]".
 */
#include "model_internal.h"

#include <stdio.h>
#include <string.h>

enum { SIZES_MAX = 4096 };

typedef struct mlp_style {
    auxo_activation activation;
    auxo_initializer initializer;
    bool bias;
} mlp_style;

/* Reads ":relu:he_normal:nobias". */
static auxo_status parse_style(const char *text, mlp_style *style, auxo_error *error)
{
    while (*text == ':') {
        char option[32];
        size_t length = strcspn(++text, ":");
        snprintf(option, sizeof option, "%.*s", (int)length, text);
        text += length;
        if (strcmp(option, "nobias") == 0)
            style->bias = false;
        else if (auxo_activation_find(option, &style->activation, NULL) != AUXO_OK &&
                 auxo_initializer_find(option, &style->initializer, NULL) != AUXO_OK)
            return auxo_error_set(
                error, AUXO_INVALID_ARGUMENT,
                "the option \"%s\" is no activation (such as relu), no initialiser (such as he_normal) "
                "and not \"nobias\"",
                option);
    }
    return AUXO_OK;
}

/* Dense layers of the given sizes after the last layer of desc; the last one is linear. */
static auxo_status add_dense_layers(const uint32_t *sizes, uint32_t count, const mlp_style *style,
                                    auxo_model_desc *desc, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; status == AUXO_OK && i < count; i++) {
        auxo_layer dense = {.kind = AUXO_LAYER_DENSE,
                            .units = sizes[i],
                            .bias = style->bias,
                            .activation = i + 1 < count ? style->activation : AUXO_ACTIVATION_IDENTITY,
                            .initializer = style->initializer};
        snprintf(dense.name, sizeof dense.name, "dense%u", i + 1);
        status = auxo__builtin_chain(desc, &dense, error);
    }
    return status;
}

static auxo_status add_input(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    auxo_status status = auxo__builtin_input(request, desc, error);
    auxo_layer flatten = {.name = "flatten", .kind = AUXO_LAYER_FLATTEN};
    if (status == AUXO_OK && request->h * request->w > 1)
        status = auxo__builtin_chain(desc, &flatten, error);
    return status;
}

auxo_status auxo__builtin_mlp(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    uint32_t sizes[SIZES_MAX + 1], count = 0;
    const char *rest = "";
    if (!request->options)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "give the sizes, as in mlp:%lld-100-%u",
                              (long long)(request->c * request->h * request->w), request->outputs);
    auxo_status status = auxo__parse_sizes(request->options, sizes, SIZES_MAX, &count, &rest, error);
    mlp_style style = {AUXO_ACTIVATION_TANH, AUXO_INITIALIZER_GLOROT_UNIFORM, true};
    if (status == AUXO_OK)
        status = parse_style(rest, &style, error);
    if (status != AUXO_OK)
        return status;
    int64_t features = request->c * request->h * request->w;
    bool begins = sizes[0] == features, ends = count > 1 && sizes[count - 1] == request->outputs;
    if (count > 1 && begins != ends)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s: give hidden sizes only, or begin with %lld (the data's inputs) and end with %u (its "
                              "outputs)",
                              request->options, (long long)features, request->outputs);
    status = add_input(request, desc, error);
    if (begins && ends)
        return status == AUXO_OK ? add_dense_layers(sizes + 1, count - 1, &style, desc, error) : status;
    sizes[count] = request->outputs;
    return status == AUXO_OK ? add_dense_layers(sizes, count + 1, &style, desc, error) : status;
}

/* Linear regression, or logistic regression where the outputs are classes. */
auxo_status auxo__builtin_linear(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    const mlp_style style = {AUXO_ACTIVATION_IDENTITY, AUXO_INITIALIZER_GLOROT_UNIFORM, true};
    const uint32_t outputs = request->outputs;
    if (request->options)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "linear takes no options");
    auxo_status status = add_input(request, desc, error);
    return status == AUXO_OK ? add_dense_layers(&outputs, 1, &style, desc, error) : status;
}

auxo_status auxo__builtin_autosize_mlp(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    enum { HIDDEN_COUNT = 5 };
    uint32_t sizes[HIDDEN_COUNT + 1] = {100, 100, 100, 100, 100}, count = HIDDEN_COUNT;
    const char *rest = "";
    auxo_status status = AUXO_OK;
    if (request->options)
        status = auxo__parse_sizes(request->options, sizes, HIDDEN_COUNT, &count, &rest, error);
    if (status == AUXO_OK && (count != HIDDEN_COUNT || *rest))
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "give %d hidden sizes, as in 100-100-100-100-100",
                                (int)HIDDEN_COUNT);
    sizes[HIDDEN_COUNT] = request->outputs;
    mlp_style style = {AUXO_ACTIVATION_SELU, AUXO_INITIALIZER_LECUN_NORMAL, true};
    if (status == AUXO_OK)
        status = add_input(request, desc, error);
    if (status == AUXO_OK)
        status = add_dense_layers(sizes, HIDDEN_COUNT + 1, &style, desc, error);
    return status;
}

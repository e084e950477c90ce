/* runtime/cli/cli_model.c: opens models by name and checks that they fit a data set. */
#include "cli_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const cli_option cli_model_options[] = {
    {.name = "model",
     .type = CLI_TEXT,
     .argument = "NAME|FILE",
     .initial = "auto",
     .help = "Network: auto (two hidden layers of 32 for tables, lenet5 for pictures), mlp:SIZE-SIZE-... (sizes of the "
             "hidden layers, or of all layers), linear, lenet5, autosize-cnn, resnet18, vgg-small, a JSON description, "
             "or a "
             ".safetensors file with weights to start from"},
    CLI_OPTIONS_END,
};

auxo_status cli_model_parse_input(const char *text, int64_t dims[3], auxo_error *error)
{
    const char *rest = text;
    for (int i = 0; i < 3; i++) {
        char *end = NULL;
        dims[i] = strtoll(rest, &end, 10);
        if (end == rest || dims[i] < 1 || *end != (i < 2 ? 'x' : '\0'))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--input: \"%s\" is not CxHxW, for example 1x28x28",
                                  text);
        rest = end + 1;
    }
    return AUXO_OK;
}

bool cli_model_is_file(const char *name)
{
    static const char suffix[] = ".safetensors";
    size_t length = strlen(name);
    return length >= sizeof suffix && strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

const char *cli_model_resolve(const char *name, const auxo_dataset *dataset)
{
    if (strcmp(name, "auto") != 0)
        return name;
    return dataset->height * dataset->width > 1 ? "lenet5" : "mlp:32-32:relu:he_uniform";
}

auxo_status cli_model_check_data(const auxo_model *model, const auxo_dataset *dataset, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const int64_t *input = desc->layers[0].output_dims;
    const int64_t *output = desc->layers[desc->layer_count - 1].output_dims;
    int64_t needed_inputs = input[0] * input[1] * input[2];
    int64_t row_features = dataset->channels * dataset->height * dataset->width;
    if (needed_inputs != row_features)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "model %s reads %" PRId64 "x%" PRId64 "x%" PRId64 " inputs, but %s has %" PRId64
                              "x%" PRId64 "x%" PRId64,
                              desc->name, input[0], input[1], input[2], dataset->name, dataset->channels,
                              dataset->height, dataset->width);
    int64_t outputs = output[0] * output[1] * output[2];
    if (outputs != cli_data_output_count(dataset))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "model %s has %" PRId64 " outputs, but %s needs %" PRIu32,
                              desc->name, outputs, dataset->name, cli_data_output_count(dataset));
    return AUXO_OK;
}

auxo_status cli_model_open(auxo_device *device, const char *name, const auxo_dataset *dataset, uint64_t seed,
                           auxo_model **model, auxo_error *error)
{
    *model = NULL;
    auxo_status status = AUXO_OK;
    name = cli_model_resolve(name, dataset);
    if (cli_model_is_file(name)) {
        status = auxo_model_load(device, name, model, error);
    } else {
        auxo_model_desc desc;
        auxo_model_desc_init(&desc);
        status = auxo_model_desc_load(name, dataset->channels, dataset->height, dataset->width,
                                      cli_data_output_count(dataset), &desc, error);
        if (status == AUXO_OK)
            status = auxo_model_create(device, &desc, seed, model, error);
        auxo_model_desc_deinit(&desc);
    }
    if (status == AUXO_OK)
        status = cli_model_check_data(*model, dataset, error);
    if (status != AUXO_OK) {
        auxo_model_destroy(*model);
        *model = NULL;
    }
    return status;
}

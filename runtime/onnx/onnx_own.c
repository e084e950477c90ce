/* onnx_own.c: a file that this library wrote, read back as the model it was: description and data from the metadata,
 * numbers from the constants.
 */
#include "onnx_import.h"

#include "auxo/train.h"

#include <stdlib.h>
#include <string.h>

/* `count` numbers of the constant of that name into `values`. */
static auxo_status copy_constant(const onnx_file *file, const char *name, int64_t count, float *values,
                                 auxo_error *error)
{
    const Onnx__TensorProto *tensor = onnx_file_constant(file, name);
    if (!tensor || onnx_tensor_count(tensor) != count)
        return auxo_error_set(error, AUXO_FORMAT,
                              "\"%s\" says it was written by this library, but \"%.80s\" is not in it as it was; what "
                              "other tools have changed can be read without the metadata \"auxo.model\"",
                              file->path, name);
    float *numbers = NULL;
    const auxo_status status = onnx_tensor_floats(tensor, &numbers, error);
    if (status == AUXO_OK && count > 0)
        memcpy(values, numbers, (size_t)count * sizeof *values);
    free(numbers);
    return status;
}

/* The constant of the parameter's name. */
static auxo_status take_param(const void *user, const auxo_param *param, int64_t count, float *values,
                              auxo_error *error)
{
    return copy_constant(user, param->name, count, values, error);
}

static auxo_status take_preprocessing(const onnx_file *file, auxo_model *model, auxo_error *error)
{
    static const char *const names[] = {"input.mean", "input.inverse_std", "output.mean", "output.inverse_std"};
    const Onnx__TensorProto *means = onnx_file_constant(file, names[0]), *targets = onnx_file_constant(file, names[2]);
    const int64_t counts[2] = {means ? onnx_tensor_count(means) : 0, targets ? onnx_tensor_count(targets) : 0};
    const int64_t channels = auxo_model_get_desc(model)->layers[0].output_dims[0], most = 1 << 30;
    if ((counts[0] != 0 && counts[0] != channels) || counts[1] < 0 || counts[1] > most)
        return auxo_error_set(error, AUXO_FORMAT, "\"%s\": its standardisation does not fit the model", file->path);
    float *values = calloc((size_t)(2 * (counts[0] + counts[1])) + 1, sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "onnx: out of memory");
    float *parts[4] = {values, values + counts[0], values + 2 * counts[0], values + 2 * counts[0] + counts[1]};
    auxo_status status = AUXO_OK;
    for (int i = 0; status == AUXO_OK && i < 4; i++)
        if (counts[i / 2] > 0)
            status = copy_constant(file, names[i], counts[i / 2], parts[i], error);
    if (status == AUXO_OK)
        status = auxo_model_set_preprocessing(model,
                                              &(auxo_preprocessing){.channel_count = (uint32_t)counts[0],
                                                                    .target_count = (uint32_t)counts[1],
                                                                    .means = parts[0],
                                                                    .inverse_stds = parts[1],
                                                                    .target_means = parts[2],
                                                                    .target_inverse_stds = parts[3]},
                                              error);
    free(values);
    return status;
}

static auxo_status take_schema(const onnx_file *file, auxo_model *model, auxo_error *error)
{
    const char *text = onnx_file_metadata(file, "auxo.data");
    auxo_data_schema *schema = NULL;
    auxo_status status = text ? auxo_data_schema_parse(text, &schema, error) : AUXO_OK;
    if (status == AUXO_OK && schema)
        status = auxo_model_set_data_schema(model, schema, error);
    auxo_data_schema_destroy(schema);
    return status;
}

auxo_status onnx_read_own(const onnx_file *file, auxo_device *device, auxo_model **model, auxo_error *error)
{
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_status status = auxo_model_desc_from_json(onnx_file_metadata(file, "auxo.model"), &desc, error);
    if (status == AUXO_OK)
        status = auxo_model_create(device, &desc, 1, model, error);
    if (status == AUXO_OK)
        status = onnx_fill(*model, take_param, file, error);
    if (status == AUXO_OK)
        status = take_preprocessing(file, *model, error);
    if (status == AUXO_OK)
        status = take_schema(file, *model, error);
    auxo_model_desc_deinit(&desc);
    if (status != AUXO_OK) {
        auxo_model_destroy(*model);
        *model = NULL;
    }
    return status;
}

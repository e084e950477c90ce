/* onnx_import.c: a network read node by node, then made with its weights.
 */
#include "onnx_import.h"

#include "auxo/onnx.h"
#include "auxo/train.h"
#include "model_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

auxo_status onnx_refuse(const onnx_import *import, const char *reason, auxo_error *error)
{
    const Onnx__NodeProto *node = import->node;
    const char *name = node->name && node->name[0] ? node->name : node->n_output > 0 ? node->output[0] : "?";
    return auxo_error_set(error, AUXO_UNSUPPORTED, "\"%s\": node \"%.80s\" (%.40s): %s", import->file.path, name,
                          node->op_type, reason);
}

auxo_status onnx_layer_of(const onnx_import *import, size_t input, uint32_t *layer, auxo_error *error)
{
    *layer = 0;
    if (input >= import->node->n_input)
        return onnx_refuse(import, "an input is missing", error);
    for (size_t i = import->known_count; i > 0; i--)
        if (strcmp(import->known[i - 1].name, import->node->input[input]) == 0) {
            *layer = import->known[i - 1].layer;
            return AUXO_OK;
        }
    return onnx_refuse(import, "it reads a value that no layer before it gives", error);
}

const Onnx__TensorProto *onnx_constant_input(const onnx_import *import, size_t input)
{
    return input < import->node->n_input ? onnx_file_constant(&import->file, import->node->input[input]) : NULL;
}

static auxo_status know(onnx_import *import, const char *name, uint32_t layer, auxo_error *error)
{
    onnx_known *grown = realloc(import->known, sizeof *grown * (import->known_count + 1));
    if (!grown)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "onnx: out of memory");
    import->known = grown;
    grown[import->known_count++] = (onnx_known){name, layer};
    return AUXO_OK;
}

auxo_status onnx_alias(onnx_import *import, uint32_t layer, auxo_error *error)
{
    return know(import, import->node->output[0], layer, error);
}

/* The value's name as the name of a layer: letters, digits, _ and points, the last of them where it is long, without
 * the "net/" of this library and the "_output_0" of PyTorch. */
static void name_layer(const onnx_import *import, auxo_layer *layer)
{
    enum { ROOM = sizeof layer->name - 12 };
    static const char suffix[] = "_output_0";
    const char *from = import->node->output[0];
    size_t length = strlen(from);
    if (strncmp(from, "net/", 4) == 0) {
        from += 4;
        length -= 4;
    }
    if (length > sizeof suffix && strcmp(from + length - (sizeof suffix - 1), suffix) == 0)
        length -= sizeof suffix - 1;
    if (length > ROOM) {
        from += length - ROOM;
        length = ROOM;
    }
    char text[ROOM + 1] = "";
    for (size_t i = 0, used = 0; i < length; i++) {
        const bool stays = isalnum((unsigned char)from[i]) || from[i] == '.';
        if (stays || used > 0) /* no _ at the beginning */
            text[used++] = stays ? from[i] : '_';
    }
    snprintf(layer->name, sizeof layer->name, "%s", text[0] ? text : "layer");
    if (auxo_model_desc_find(&import->desc, layer->name) != UINT32_MAX)
        snprintf(layer->name, sizeof layer->name, "%s_%u", text[0] ? text : "layer", import->desc.layer_count);
}

auxo_status onnx_add_layer(onnx_import *import, auxo_layer *layer, auxo_error *error)
{
    uint32_t index = 0;
    name_layer(import, layer);
    const auxo_status status = auxo_model_desc_add(&import->desc, layer, &index, error);
    return status == AUXO_OK ? onnx_alias(import, index, error) : status;
}

/* (rows, columns) as (columns, rows). */
static bool turn(float **values, int64_t rows, int64_t columns)
{
    float *turned = malloc(sizeof *turned * (size_t)(rows * columns + 1));
    if (!turned)
        return false;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            turned[j * rows + i] = (*values)[i * columns + j];
    free(*values);
    *values = turned;
    return true;
}

auxo_status onnx_take_weight(onnx_import *import, uint32_t layer, int role, const Onnx__TensorProto *tensor,
                             int64_t rows, int64_t columns, auxo_error *error)
{
    float *values = NULL;
    auxo_status status = onnx_tensor_floats(tensor, &values, error);
    if (status != AUXO_OK)
        return status;
    onnx_weight *grown = realloc(import->weights, sizeof *grown * (import->weight_count + 1));
    if (grown)
        import->weights = grown;
    if (!grown || (rows > 0 && !turn(&values, rows, columns))) {
        free(values);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "onnx: out of memory");
    }
    grown[import->weight_count++] = (onnx_weight){layer, role, values, onnx_tensor_count(tensor)};
    return AUXO_OK;
}

/* ---- the input --------------------------------------------------------------------------------------------------- */

/* The one input that is no constant. */
static const Onnx__ValueInfoProto *find_input(const onnx_file *file, auxo_error *error)
{
    const Onnx__ValueInfoProto *found = NULL;
    for (size_t i = 0; i < file->graph->n_input; i++) {
        const Onnx__ValueInfoProto *input = file->graph->input[i];
        if (!input->name || onnx_file_constant(file, input->name))
            continue;
        if (found) {
            auxo_error_set(error, AUXO_UNSUPPORTED,
                           "\"%s\" has the inputs \"%.60s\" and \"%.60s\"; networks here have one", file->path,
                           found->name, input->name);
            return NULL;
        }
        found = input;
    }
    if (!found)
        auxo_error_set(error, AUXO_FORMAT, "\"%s\" has no input", file->path);
    return found;
}

static auxo_status add_input(onnx_import *import, auxo_error *error)
{
    const Onnx__ValueInfoProto *input = find_input(&import->file, error);
    if (!input)
        return error ? error->status : AUXO_UNSUPPORTED;
    const Onnx__TypeProto__Tensor *tensor = input->type ? input->type->tensor_type : NULL;
    const Onnx__TensorShapeProto *shape = tensor ? tensor->shape : NULL;
    auxo_layer layer = {.name = "input", .kind = AUXO_LAYER_INPUT, .output_dims = {1, 1, 1}};
    bool good = shape && (shape->n_dim == 2 || shape->n_dim == 4);
    for (size_t i = 1; good && i < shape->n_dim; i++) {
        const int64_t most = 1 << 30;
        good = shape->dim[i]->has_dim_value && shape->dim[i]->dim_value >= 1 && shape->dim[i]->dim_value <= most;
        layer.output_dims[i - 1] = good ? shape->dim[i]->dim_value : 1;
    }
    if (!good)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "\"%s\": input \"%.80s\" must be (batch, features) or (batch, channels, height, width), "
                              "all but the batch given as numbers",
                              import->file.path, input->name);
    const size_t channels = (size_t)layer.output_dims[0];
    import->scale = malloc(sizeof *import->scale * channels);
    import->shift = calloc(channels, sizeof *import->shift);
    if (!import->scale || !import->shift)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "onnx: out of memory");
    for (size_t c = 0; c < channels; c++)
        import->scale[c] = 1;
    const char *name = import->file.graph->name;
    snprintf(import->desc.name, sizeof import->desc.name, "%s", name && name[0] ? name : "imported");
    auxo_status status = auxo_model_desc_add(&import->desc, &layer, NULL, error);
    return status == AUXO_OK ? know(import, input->name, 0, error) : status;
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

auxo_status onnx_fill(auxo_model *model, onnx_param_source *source, const void *user, auxo_error *error)
{
    const uint64_t weight_count = auxo_model_weight_count(model);
    float *weights = calloc(weight_count + auxo_model_statistic_count(model) + 1, sizeof *weights);
    if (!weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "onnx: out of memory");
    const auxo_param *params = auxo_model_params(model);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; status == AUXO_OK && i < auxo_model_param_count(model); i++)
        status = source(user, &params[i], (int64_t)auxo__param_element_count(&params[i]),
                        (params[i].trainable ? weights : weights + weight_count) + params[i].offset, error);
    if (status == AUXO_OK)
        status = auxo_model_write_weights(model, weights, weights + weight_count, error);
    free(weights);
    return status;
}

/* What a node said of its layer. */
static auxo_status take_param(const void *user, const auxo_param *param, int64_t count, float *values,
                              auxo_error *error)
{
    const onnx_import *import = user;
    const onnx_weight *found = NULL;
    for (size_t j = 0; j < import->weight_count; j++)
        if (import->weights[j].layer == param->layer && import->weights[j].role == (int)param->role)
            found = &import->weights[j];
    if (!found || found->count != count)
        return auxo_error_set(error, AUXO_FORMAT, "\"%s\": \"%s\" has %lld numbers, and its layer needs %lld",
                              import->file.path, param->name, (long long)(found ? found->count : 0), (long long)count);
    memcpy(values, found->values, (size_t)count * sizeof *values);
    return AUXO_OK;
}

/* value scale + shift as (value - mean) inverse_std. */
static auxo_status set_standardisation(onnx_import *import, auxo_model *model, auxo_error *error)
{
    const uint32_t channels = (uint32_t)import->desc.layers[0].output_dims[0];
    for (uint32_t c = 0; c < channels; c++) {
        if (import->scale[c] == 0)
            return auxo_error_set(error, AUXO_UNSUPPORTED, "\"%s\" multiplies channel %u of its input by 0",
                                  import->file.path, c);
        import->shift[c] /= -import->scale[c];
    }
    return auxo_model_set_preprocessing(
        model, &(auxo_preprocessing){.channel_count = channels, .means = import->shift, .inverse_stds = import->scale},
        error);
}

static auxo_status make_model(onnx_import *import, auxo_device *device, auxo_model **model, auxo_error *error)
{
    auxo_status status = auxo_model_desc_finish(&import->desc, error);
    if (status == AUXO_OK)
        status = auxo_model_create(device, &import->desc, 1, model, error);
    if (status == AUXO_OK)
        status = onnx_fill(*model, take_param, import, error);
    if (status == AUXO_OK && import->is_affine)
        status = set_standardisation(import, *model, error);
    if (status != AUXO_OK) {
        auxo_model_destroy(*model);
        *model = NULL;
    }
    return status;
}

/* The graph has one output, the last layer's. */
static auxo_status check_output(onnx_import *import, auxo_error *error)
{
    const Onnx__GraphProto *graph = import->file.graph;
    if (graph->n_output != 1 || !graph->output[0]->name)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "\"%s\" has %zu outputs; networks here have one",
                              import->file.path, graph->n_output);
    for (size_t i = 0; i < import->known_count; i++)
        if (strcmp(import->known[i].name, graph->output[0]->name) == 0 &&
            import->known[i].layer + 1 == import->desc.layer_count)
            return AUXO_OK;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "\"%s\": output \"%.80s\" is not its last layer's",
                          import->file.path, graph->output[0]->name);
}

static auxo_status read_nodes(onnx_import *import, auxo_device *device, auxo_model **model, auxo_error *error)
{
    auxo_status status = add_input(import, error);
    for (size_t i = 0; status == AUXO_OK && i < import->file.graph->n_node; i++) {
        import->node = import->file.graph->node[i];
        status = onnx_read_node(import, error);
    }
    if (status == AUXO_OK)
        status = check_output(import, error);
    return status == AUXO_OK ? make_model(import, device, model, error) : status;
}

auxo_status auxo_onnx_import(auxo_device *device, const char *path, auxo_model **model, auxo_error *error)
{
    onnx_import import = {0};
    *model = NULL;
    auxo_model_desc_init(&import.desc);
    auxo_status status = onnx_file_open(path, &import.file, error);
    if (status == AUXO_OK && onnx_file_metadata(&import.file, "auxo.model"))
        status = onnx_read_own(&import.file, device, model, error);
    else if (status == AUXO_OK)
        status = read_nodes(&import, device, model, error);
    for (size_t i = 0; i < import.weight_count; i++)
        free(import.weights[i].values);
    free(import.weights);
    free(import.known);
    free(import.scale);
    free(import.shift);
    auxo_model_desc_deinit(&import.desc);
    onnx_file_close(&import.file);
    return status;
}

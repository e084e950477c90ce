/* onnx_read.c: a file unpacked by protobuf-c, and lookups in it. */
#include "onnx_read.h"

#include "file.h"
#include "safetensors.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const int64_t elements_max = (int64_t)1 << 36;

auxo_status onnx_file_open(const char *path, onnx_file *file, auxo_error *error)
{
    char *bytes = NULL;
    size_t size = 0;
    *file = (onnx_file){.path = path};
    auxo_status status = auxo__file_read(path, &bytes, &size, error);
    if (status != AUXO_OK)
        return status;
    file->model = onnx__model_proto__unpack(NULL, size, (const uint8_t *)bytes);
    free(bytes);
    if (!file->model || !file->model->graph)
        return auxo_error_set(error, AUXO_FORMAT, "\"%s\" is no ONNX file: it holds no model of the format", path);
    file->graph = file->model->graph;
    for (size_t i = 0; i < file->graph->n_node; i++)
        if (!file->graph->node[i]->op_type)
            return auxo_error_set(error, AUXO_FORMAT, "\"%s\": node %zu has no operator", path, i);
    return onnx_file_read_external(file, error);
}

void onnx_file_close(onnx_file *file)
{
    if (file->model)
        onnx__model_proto__free_unpacked(file->model, NULL);
    *file = (onnx_file){0};
}

const char *onnx_file_metadata(const onnx_file *file, const char *key)
{
    for (size_t i = 0; i < file->model->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *entry = file->model->metadata_props[i];
        if (entry->key && entry->value && strcmp(entry->key, key) == 0)
            return entry->value;
    }
    return NULL;
}

const Onnx__TensorProto *onnx_file_constant(const onnx_file *file, const char *name)
{
    for (size_t i = 0; i < file->graph->n_initializer; i++)
        if (file->graph->initializer[i]->name && strcmp(file->graph->initializer[i]->name, name) == 0)
            return file->graph->initializer[i];
    for (size_t i = 0; i < file->graph->n_node; i++) {
        const Onnx__NodeProto *node = file->graph->node[i];
        if (strcmp(node->op_type, "Constant") == 0 && node->n_output == 1 && strcmp(node->output[0], name) == 0) {
            const Onnx__AttributeProto *value = onnx_attribute(node, "value");
            return value ? value->t : NULL;
        }
    }
    return NULL;
}

size_t onnx_file_readers(const onnx_file *file, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < file->graph->n_node; i++)
        for (size_t j = 0; j < file->graph->node[i]->n_input; j++)
            count += strcmp(file->graph->node[i]->input[j], name) == 0;
    for (size_t i = 0; i < file->graph->n_output; i++)
        count += file->graph->output[i]->name && strcmp(file->graph->output[i]->name, name) == 0;
    return count;
}

int64_t onnx_tensor_count(const Onnx__TensorProto *tensor)
{
    int64_t count = 1;
    for (size_t i = 0; i < tensor->n_dims; i++) {
        if (tensor->dims[i] < 0 || (tensor->dims[i] > 0 && count > elements_max / tensor->dims[i]))
            return -1;
        count *= tensor->dims[i];
    }
    return count;
}

/* How the library's own files name the type, and the bytes of an element; 0: not a number here. */
static size_t element_of(const Onnx__TensorProto *tensor, auxo__dtype *type)
{
    switch (tensor->data_type) {
    case ONNX_FLOAT:
        *type = AUXO__F32;
        return sizeof(float);
    case ONNX_DOUBLE:
        *type = AUXO__F64;
        return sizeof(double);
    case ONNX_FLOAT16:
        *type = AUXO__F16;
        return sizeof(uint16_t);
    case ONNX_BFLOAT16:
        *type = AUXO__BF16;
        return sizeof(uint16_t);
    default:
        return 0;
    }
}

/* Where the elements lie, with `bytes` each; NULL: not there, or not as many as the dimensions say. */
static const void *elements_of(const Onnx__TensorProto *tensor, size_t bytes, int64_t count)
{
    if (tensor->has_raw_data)
        return tensor->raw_data.len == (size_t)count * bytes ? tensor->raw_data.data : NULL;
    if (tensor->data_type == ONNX_FLOAT && tensor->n_float_data == (size_t)count)
        return tensor->float_data;
    if (tensor->data_type == ONNX_DOUBLE && tensor->n_double_data == (size_t)count)
        return tensor->double_data;
    return NULL;
}

auxo_status onnx_tensor_floats(const Onnx__TensorProto *tensor, float **values, auxo_error *error)
{
    const char *name = tensor->name ? tensor->name : "a constant";
    const int64_t count = onnx_tensor_count(tensor);
    auxo__dtype type;
    const size_t bytes = element_of(tensor, &type);
    *values = NULL;
    if (tensor->data_location == 1)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "onnx: tensor \"%.80s\" is a constant in another file; save the model with it inside",
                              name);
    if (bytes == 0)
        return auxo_error_set(
            error, AUXO_UNSUPPORTED,
            "onnx: tensor \"%.80s\" has element type %d; float, double, float16 and bfloat16 can be read", name,
            (int)tensor->data_type);
    const void *elements = count < 0 ? NULL : elements_of(tensor, bytes, count);
    if (count != 0 && !elements)
        return auxo_error_set(error, AUXO_FORMAT, "onnx: tensor \"%.80s\" does not hold what its dimensions say", name);
    *values = malloc(((size_t)count + 1) * sizeof **values);
    if (!*values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "onnx: out of memory for tensor \"%.80s\"", name);
    auxo__tensor_to_floats(type, elements, (uint64_t)count, *values);
    return AUXO_OK;
}

size_t onnx_tensor_ints(const Onnx__TensorProto *tensor, int64_t *values, size_t count)
{
    const int64_t total = onnx_tensor_count(tensor);
    if (tensor->data_type != ONNX_INT64 || total < 0)
        return SIZE_MAX;
    const bool is_raw = tensor->has_raw_data && tensor->raw_data.len == (size_t)total * sizeof *values;
    if (!is_raw && tensor->n_int64_data != (size_t)total)
        return SIZE_MAX;
    const size_t taken = (size_t)total < count ? (size_t)total : count;
    if (taken > 0)
        memcpy(values, is_raw ? (const void *)tensor->raw_data.data : tensor->int64_data, taken * sizeof *values);
    return (size_t)total;
}

const Onnx__AttributeProto *onnx_attribute(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i];
    return NULL;
}

int64_t onnx_int_of(const Onnx__NodeProto *node, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
    return attribute && attribute->has_i ? attribute->i : otherwise;
}

float onnx_float_of(const Onnx__NodeProto *node, const char *name, float otherwise)
{
    const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
    return attribute && attribute->has_f ? attribute->f : otherwise;
}

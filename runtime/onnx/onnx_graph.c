/* onnx_graph.c: nodes, attributes and tensors in an arena, and the file that they become. */
#include "onnx_graph.h"

#include "auxo/version.h"
#include "file.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct onnx_block {
    struct onnx_block *next;
    max_align_t memory[];
};

void *onnx_alloc(onnx_graph *graph, size_t size_bytes)
{
    struct onnx_block *block = graph->failed ? NULL : calloc(1, sizeof *block + size_bytes);
    if (!block) {
        graph->failed = true;
        return NULL;
    }
    block->next = graph->blocks;
    graph->blocks = block;
    return block->memory;
}

const char *onnx_text(onnx_graph *graph, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : onnx_alloc(graph, (size_t)length + 1);
    if (!text) {
        graph->failed = true;
        return "";
    }
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

/* Strings of messages are not written to. */
static char *borrowed(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* Puts `item` at the end of a list of pointers, whose room doubles at powers of two. */
static bool append(onnx_graph *graph, void *list, size_t *count, void *item)
{
    void ***items = list;
    if ((*count & (*count - 1)) == 0) {
        void **grown = onnx_alloc(graph, sizeof *grown * (*count ? 2 * *count : 1));
        if (!grown)
            return false;
        if (*count)
            memcpy(grown, *items, sizeof *grown * *count);
        *items = grown;
    }
    (*items)[(*count)++] = item;
    return true;
}

void onnx_graph_init(onnx_graph *graph, const char *name)
{
    enum { IR_VERSION = 8 };
    memset(graph, 0, sizeof *graph);
    onnx__model_proto__init(&graph->model);
    onnx__graph_proto__init(&graph->graph);
    graph->model.has_ir_version = true;
    graph->model.ir_version = IR_VERSION;
    graph->model.producer_name = borrowed("auxo");
    graph->model.producer_version = borrowed(AUXO_VERSION);
    graph->model.graph = &graph->graph;
    graph->graph.name = borrowed(onnx_text(graph, "%s", name && name[0] ? name : "network"));
}

void onnx_graph_deinit(onnx_graph *graph)
{
    while (graph->blocks) {
        struct onnx_block *next = graph->blocks->next;
        free(graph->blocks);
        graph->blocks = next;
    }
}

static Onnx__NodeProto *add_node(onnx_graph *graph, const char *op, const char *output)
{
    Onnx__NodeProto *node = onnx_alloc(graph, sizeof *node);
    if (!node)
        return NULL;
    onnx__node_proto__init(node);
    node->op_type = borrowed(op);
    node->name = borrowed(output);
    append(graph, &node->output, &node->n_output, borrowed(output));
    append(graph, &graph->graph.node, &graph->graph.n_node, node);
    return node;
}

const char *onnx_node(onnx_graph *graph, const char *op, const char *output, const char *first, ...)
{
    Onnx__NodeProto *node = add_node(graph, op, output);
    va_list inputs;
    va_start(inputs, first);
    for (const char *input = first; node && input; input = va_arg(inputs, const char *))
        append(graph, &node->input, &node->n_input, borrowed(input));
    va_end(inputs);
    return output;
}

const char *onnx_node_of(onnx_graph *graph, const char *domain, const char *op, const char *output, const char *input)
{
    Onnx__NodeProto *node = add_node(graph, op, output);
    if (node) {
        node->domain = borrowed(domain);
        append(graph, &node->input, &node->n_input, borrowed(input));
    }
    return output;
}

static Onnx__AttributeProto *add_attribute(onnx_graph *graph, const char *name, int type)
{
    Onnx__AttributeProto *attribute = onnx_alloc(graph, sizeof *attribute);
    if (!attribute || graph->graph.n_node == 0)
        return NULL;
    onnx__attribute_proto__init(attribute);
    attribute->name = borrowed(name);
    attribute->has_type = true;
    attribute->type = type;
    Onnx__NodeProto *node = graph->graph.node[graph->graph.n_node - 1];
    return append(graph, &node->attribute, &node->n_attribute, attribute) ? attribute : NULL;
}

enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_INTS = 7, TYPE_STRINGS = 8 };

void onnx_set_int(onnx_graph *graph, const char *name, int64_t value)
{
    Onnx__AttributeProto *attribute = add_attribute(graph, name, TYPE_INT);
    if (attribute) {
        attribute->has_i = true;
        attribute->i = value;
    }
}

void onnx_set_float(onnx_graph *graph, const char *name, float value)
{
    Onnx__AttributeProto *attribute = add_attribute(graph, name, TYPE_FLOAT);
    if (attribute) {
        attribute->has_f = true;
        attribute->f = value;
    }
}

void onnx_set_ints(onnx_graph *graph, const char *name, const int64_t *values, size_t count)
{
    Onnx__AttributeProto *attribute = add_attribute(graph, name, TYPE_INTS);
    int64_t *copy = onnx_alloc(graph, sizeof *copy * (count + 1));
    if (!attribute || !copy)
        return;
    memcpy(copy, values, sizeof *copy * count);
    attribute->ints = copy;
    attribute->n_ints = count;
}

void onnx_set_texts(onnx_graph *graph, const char *name, const char *const *texts, size_t count)
{
    Onnx__AttributeProto *attribute = add_attribute(graph, name, TYPE_STRINGS);
    ProtobufCBinaryData *list = onnx_alloc(graph, sizeof *list * (count + 1));
    if (!attribute || !list)
        return;
    for (size_t i = 0; i < count; i++)
        list[i] = (ProtobufCBinaryData){strlen(texts[i]), (uint8_t *)(uintptr_t)texts[i]};
    attribute->strings = list;
    attribute->n_strings = count;
}

const char *onnx_constant(onnx_graph *graph, const char *name, int type, size_t rank, const int64_t *dims,
                          const void *values)
{
    const size_t element_bytes = type == ONNX_FLOAT ? sizeof(float) : sizeof(double);
    size_t count = 1;
    for (size_t i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    Onnx__TensorProto *tensor = onnx_alloc(graph, sizeof *tensor);
    int64_t *shape = onnx_alloc(graph, sizeof *shape * (rank + 1));
    uint8_t *data = onnx_alloc(graph, count * element_bytes + 1);
    if (!tensor || !shape || !data)
        return name;
    onnx__tensor_proto__init(tensor);
    memcpy(shape, dims, sizeof *shape * rank);
    memcpy(data, values, count * element_bytes);
    tensor->name = borrowed(name);
    tensor->dims = shape;
    tensor->n_dims = rank;
    tensor->has_data_type = true;
    tensor->data_type = type;
    tensor->has_raw_data = true;
    tensor->raw_data = (ProtobufCBinaryData){count * element_bytes, data};
    graph->tensor_bytes += count * element_bytes;
    append(graph, &graph->graph.initializer, &graph->graph.n_initializer, tensor);
    return name;
}

static void add_dimension(onnx_graph *graph, Onnx__TensorShapeProto *shape, int64_t value)
{
    Onnx__TensorShapeProto__Dimension *dimension = onnx_alloc(graph, sizeof *dimension);
    if (!dimension)
        return;
    onnx__tensor_shape_proto__dimension__init(dimension);
    if (value < 0) {
        dimension->dim_param = borrowed("batch");
    } else {
        dimension->has_dim_value = true;
        dimension->dim_value = value;
    }
    append(graph, &shape->dim, &shape->n_dim, dimension);
}

void onnx_value(onnx_graph *graph, bool is_input, const char *name, int type, size_t rank, const int64_t *dims)
{
    Onnx__ValueInfoProto *value = onnx_alloc(graph, sizeof *value);
    Onnx__TypeProto *value_type = onnx_alloc(graph, sizeof *value_type);
    Onnx__TypeProto__Tensor *tensor = onnx_alloc(graph, sizeof *tensor);
    Onnx__TensorShapeProto *shape = onnx_alloc(graph, sizeof *shape);
    if (!value || !value_type || !tensor || !shape)
        return;
    onnx__value_info_proto__init(value);
    onnx__type_proto__init(value_type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    for (size_t i = 0; i < rank; i++)
        add_dimension(graph, shape, dims[i]);
    tensor->has_elem_type = true;
    tensor->elem_type = type;
    tensor->shape = shape;
    value_type->tensor_type = tensor;
    value->name = borrowed(name);
    value->type = value_type;
    if (is_input)
        append(graph, &graph->graph.input, &graph->graph.n_input, value);
    else
        append(graph, &graph->graph.output, &graph->graph.n_output, value);
}

void onnx_metadata(onnx_graph *graph, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *entry = onnx_alloc(graph, sizeof *entry);
    if (!entry)
        return;
    onnx__string_string_entry_proto__init(entry);
    entry->key = borrowed(key);
    entry->value = borrowed(onnx_text(graph, "%s", value));
    append(graph, &graph->model.metadata_props, &graph->model.n_metadata_props, entry);
}

void onnx_opset(onnx_graph *graph, const char *domain, int64_t version)
{
    Onnx__OperatorSetIdProto *set = onnx_alloc(graph, sizeof *set);
    if (!set)
        return;
    onnx__operator_set_id_proto__init(set);
    set->domain = borrowed(domain);
    set->has_version = true;
    set->version = version;
    append(graph, &graph->model.opset_import, &graph->model.n_opset_import, set);
}

auxo_status onnx_graph_write(onnx_graph *graph, const char *path, auxo_error *error)
{
    if (graph->tensor_bytes > INT_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "onnx: %.1f GiB of weights, and a file of the format holds 2 GiB at most",
                              (double)graph->tensor_bytes / (1 << 30));
    const size_t size = graph->failed ? 0 : onnx__model_proto__get_packed_size(&graph->model);
    uint8_t *bytes = graph->failed ? NULL : malloc(size + 1);
    if (!bytes)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "onnx: out of memory");
    onnx__model_proto__pack(&graph->model, bytes);
    const auxo_status status = auxo__file_write_atomic(path, bytes, size, error);
    free(bytes);
    return status;
}

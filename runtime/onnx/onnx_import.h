/* onnx_import.h: the state of reading a network: which value of the graph is which layer's output, and the weights.
 */
#ifndef AUXO_ONNX_IMPORT_H
#define AUXO_ONNX_IMPORT_H

#include "auxo/model.h"
#include "onnx_read.h"

/* What a value of the graph is. */
typedef struct onnx_known {
    const char *name;
    uint32_t layer;
} onnx_known;

/* A parameter of a layer, as the file has it. */
typedef struct onnx_weight {
    uint32_t layer;
    int role; /* of auxo_param */
    float *values;
    int64_t count;
} onnx_weight;

typedef struct onnx_import {
    onnx_file file;
    auxo_model_desc desc;
    onnx_known *known;
    size_t known_count;
    onnx_weight *weights;
    size_t weight_count;
    float *scale, *shift; /* of each input channel, from Mul, Div, Sub and Add before the first layer */
    bool is_shaped, is_affine;
    const Onnx__NodeProto *node; /* the one being read, for messages */
} onnx_import;

/* UNSUPPORTED, with the node, its operator and the reason. */
auxo_status onnx_refuse(const onnx_import *import, const char *reason, auxo_error *error);
/* The layer whose output the node's input is. Errors: UNSUPPORTED. */
auxo_status onnx_layer_of(const onnx_import *import, size_t input, uint32_t *layer, auxo_error *error);
/* The constant that the node's input is; NULL: there is none. */
const Onnx__TensorProto *onnx_constant_input(const onnx_import *import, size_t input);
/* Adds the layer, whose name is made from the node's output, and makes it what the output is. */
auxo_status onnx_add_layer(onnx_import *import, auxo_layer *layer, auxo_error *error);
/* The node's first output is the same as the layer's. */
auxo_status onnx_alias(onnx_import *import, uint32_t layer, auxo_error *error);
/* Takes `count` numbers of the constant as the layer's parameter; rows, columns: turned from (rows, columns) first
 * where rows is not 0. */
auxo_status onnx_take_weight(onnx_import *import, uint32_t layer, int role, const Onnx__TensorProto *tensor,
                             int64_t rows, int64_t columns, auxo_error *error);

/* `count` numbers of one parameter. */
typedef auxo_status onnx_param_source(const void *user, const auxo_param *param, int64_t count, float *values,
                                      auxo_error *error);
/* Takes every parameter of the model from `source`; after a failure the model is as it was. */
auxo_status onnx_fill(auxo_model *model, onnx_param_source *source, const void *user, auxo_error *error);

/* A file that this library wrote: its metadata describes the model, its constants have the names of parameters. */
auxo_status onnx_read_own(const onnx_file *file, auxo_device *device, auxo_model **model, auxo_error *error);

/* Reads import->node. Errors: UNSUPPORTED, FORMAT, OUT_OF_MEMORY. */
auxo_status onnx_read_node(onnx_import *import, auxo_error *error);

#endif

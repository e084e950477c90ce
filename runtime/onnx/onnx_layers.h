/* onnx_layers.h: the layers of a network as nodes of a graph. */
#ifndef AUXO_ONNX_LAYERS_H
#define AUXO_ONNX_LAYERS_H

#include "auxo/model.h"
#include "onnx_graph.h"

/* A value of the graph: its name, and whether it is (batch, C, H, W) rather than (batch, features). */
typedef struct onnx_flow {
    const char *name;
    bool is_image;
} onnx_flow;

/* Adds all layers after `input`, which is the output of layer 0, and returns the last one's output. weights,
 * statistics: the model's flat buffers on the host. */
onnx_flow onnx_add_layers(onnx_graph *graph, const auxo_model *model, const float *weights, const float *statistics,
                          onnx_flow input);
/* The value as (batch, features). */
onnx_flow onnx_flat(onnx_graph *graph, onnx_flow value);

#endif

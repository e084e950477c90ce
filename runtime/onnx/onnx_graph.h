/* onnx_graph.h: a graph under construction, all of it in one arena.
 *
 * What fails for want of memory is remembered: the calls after it do nothing, and onnx_graph_write tells.
 */
#ifndef AUXO_ONNX_GRAPH_H
#define AUXO_ONNX_GRAPH_H

#include "auxo/status.h"
#include "onnx_types.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct onnx_graph {
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    struct onnx_block *blocks; /* the arena */
    uint64_t tensor_bytes;
    bool failed;
} onnx_graph;

void onnx_graph_init(onnx_graph *graph, const char *name);
void onnx_graph_deinit(onnx_graph *graph);

/* Zeroed memory of the arena; NULL once it has failed. */
void *onnx_alloc(onnx_graph *graph, size_t size_bytes);
/* Text of the arena; "" once it has failed. */
const char *onnx_text(onnx_graph *graph, const char *format, ...) AUXO_PRINTF(2, 3);

/* A node with one output of that name, which is returned; inputs end at NULL. The node is the graph's last. */
const char *onnx_node(onnx_graph *graph, const char *op, const char *output, const char *first, ...);
/* The same in a domain of its own ("ai.onnx.ml"). */
const char *onnx_node_of(onnx_graph *graph, const char *domain, const char *op, const char *output, const char *input);
/* Attributes of the last node; lists are copied, texts borrowed. */
void onnx_set_int(onnx_graph *graph, const char *name, int64_t value);
void onnx_set_float(onnx_graph *graph, const char *name, float value);
void onnx_set_ints(onnx_graph *graph, const char *name, const int64_t *values, size_t count);
void onnx_set_texts(onnx_graph *graph, const char *name, const char *const *texts, size_t count);

/* A constant of that name, which is returned; values are copied. */
const char *onnx_constant(onnx_graph *graph, const char *name, int type, size_t rank, const int64_t *dims,
                          const void *values);
/* An input or output of the graph; a dimension of -1 is the batch. */
void onnx_value(onnx_graph *graph, bool is_input, const char *name, int type, size_t rank, const int64_t *dims);
void onnx_metadata(onnx_graph *graph, const char *key, const char *value);
void onnx_opset(onnx_graph *graph, const char *domain, int64_t version);

/* Errors: OUT_OF_MEMORY, also of a call before; INVALID_ARGUMENT: larger than the format allows; IO. */
auxo_status onnx_graph_write(onnx_graph *graph, const char *path, auxo_error *error);

#endif

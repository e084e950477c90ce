/* onnx_read.h: what a file of the format says, looked up by name: constants, attributes, readers of values.
 */
#ifndef AUXO_ONNX_READ_H
#define AUXO_ONNX_READ_H

#include "auxo/status.h"
#include "onnx_types.h"

#include <stdbool.h>
#include <stddef.h>

/* A whole file. */
typedef struct onnx_file {
    Onnx__ModelProto *model; /* with a graph */
    const Onnx__GraphProto *graph;
    const char *path;
} onnx_file;

/* Errors: NOT_FOUND, IO, FORMAT, OUT_OF_MEMORY. Ownership: close, also after a failure. */
auxo_status onnx_file_open(const char *path, onnx_file *file, auxo_error *error);
void onnx_file_close(onnx_file *file);
/* Reads in what lies in other files of the folder. Errors: those of opening them, FORMAT. */
auxo_status onnx_file_read_external(onnx_file *file, auxo_error *error);
/* Value of the file's metadata, or NULL. */
const char *onnx_file_metadata(const onnx_file *file, const char *key);

/* The constant of that name, of the graph or of a Constant node before it is used; NULL: it is none. */
const Onnx__TensorProto *onnx_file_constant(const onnx_file *file, const char *name);
/* How many nodes read the value; the graph's output counts as one. */
size_t onnx_file_readers(const onnx_file *file, const char *name);

/* Elements; -1: dimensions that are negative or more than memory could hold. */
int64_t onnx_tensor_count(const Onnx__TensorProto *tensor);
/* As f32. Ownership: free(*values). Errors: FORMAT, UNSUPPORTED, OUT_OF_MEMORY. */
auxo_status onnx_tensor_floats(const Onnx__TensorProto *tensor, float **values, auxo_error *error);
/* The first `count` at most of a list of int64; returns how many it has, SIZE_MAX if it is no such list. */
size_t onnx_tensor_ints(const Onnx__TensorProto *tensor, int64_t *values, size_t count);

/* NULL: the node has none of that name. */
const Onnx__AttributeProto *onnx_attribute(const Onnx__NodeProto *node, const char *name);
int64_t onnx_int_of(const Onnx__NodeProto *node, const char *name, int64_t otherwise);
float onnx_float_of(const Onnx__NodeProto *node, const char *name, float otherwise);

#endif

/* auxo/onnx.h: networks as files of the Open Neural Network Exchange format, out and in.
 */
#ifndef AUXO_ONNX_H
#define AUXO_ONNX_H

#include "auxo/model.h"
#include "auxo/survival.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the model as operator set 17, any number of rows at a time, with what it does to its data:
 *
 *   pictures and generated sets: input "input" f32 (batch, C, H, W) or (batch, features), pictures of bytes as 0 .. 255
 *   tables: one input (batch, 1) per column, under its name: f64 for numbers, text for categories, whose unknown levels
 *     are an error; missing numbers (NaN) are filled where the model fills them
 *   classes: outputs "logits", "probabilities" (batch, classes) and "label" (batch): names as text, else numbers
 *   real targets: output "output" (batch, targets) in their own units (f64 where they carry an offset)
 *   survival: output "risk" (batch, 1), the log relative risk, and with a hazard "survival" (batch, times) at the times
 *     that the output "times" (f64) lists
 *
 * Class names, the model's description and what it knows of its data stand in the file's metadata. The file is replaced
 * as a whole. hazard: the cumulative baseline hazard of a survival model, else NULL. Errors: INVALID_ARGUMENT for more
 * than the format's 2 GiB; IO; UNSUPPORTED in a library built without protobuf-c. */
AUXO_API auxo_status auxo_onnx_export(auxo_model *model, const auxo_step_function *hazard, const char *path,
                                      auxo_error *error);

/* Reads a network of the operators that layers here are made of: Conv (2 dimensions), Gemm, MatMul with a constant and
 * Add of a bias, BatchNormalization, MaxPool, AveragePool, GlobalAveragePool, ReduceMean over height and width, Relu,
 * LeakyRelu, Elu, Selu, Sigmoid, Tanh, Add and Concat of values, Flatten, Reshape to rows, Dropout, Identity, and a
 * last Softmax, which training here adds itself. One input, one output. Weights become f32. Ownership:
 * auxo_model_destroy. Errors: UNSUPPORTED names the node and the operator, or what of it is not covered; FORMAT,
 * NOT_FOUND, IO. */
AUXO_API auxo_status auxo_onnx_import(auxo_device *device, const char *path, auxo_model **model, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif

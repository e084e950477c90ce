/* onnx_types.h: messages of the format, and what its numbers mean.
 */
#ifndef AUXO_ONNX_TYPES_H
#define AUXO_ONNX_TYPES_H

#include "onnx.pb-c.h"

/* Element types of tensors. */
enum { ONNX_FLOAT = 1, ONNX_INT64 = 7, ONNX_STRING = 8, ONNX_FLOAT16 = 10, ONNX_DOUBLE = 11, ONNX_BFLOAT16 = 16 };

#endif

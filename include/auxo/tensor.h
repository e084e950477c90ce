/* auxo/tensor.h: a typed, shaped view of device memory.
 *
 * A tensor is a small value; copying it copies the view, never the data. Its memory is either a buffer, or a
 * temporary of a plan (buffer NULL, temp_id > 0) that the plan places in its arena.
 */
#ifndef AUXO_TENSOR_H
#define AUXO_TENSOR_H

#include "auxo/device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { AUXO_RANK_MAX = 4 };

/* X(NAME, size_bytes, text) */
#define AUXO_DTYPE_TABLE(X)                                                                                            \
    X(F32, 4, "f32")                                                                                                   \
    X(F16, 2, "f16")                                                                                                   \
    X(U32, 4, "u32")                                                                                                   \
    X(U8, 1, "u8")                                                                                                     \
    X(BF16, 2, "bf16")

typedef enum auxo_dtype {
#define AUXO_DTYPE_ENUM(name, size, text) AUXO_DTYPE_##name,
    AUXO_DTYPE_TABLE(AUXO_DTYPE_ENUM)
#undef AUXO_DTYPE_ENUM
        AUXO_DTYPE_COUNT
} auxo_dtype;

typedef struct auxo_tensor {
    auxo_buffer *buffer; /* NULL: absent (temp_id 0) or a plan's temporary */
    uint32_t temp_id;    /* > 0: the plan's temporary of that number */
    auxo_dtype dtype;
    uint32_t rank;                  /* 0: absent */
    uint64_t offset_bytes;          /* of element 0; a multiple of the element size */
    int64_t dims[AUXO_RANK_MAX];    /* outermost first; 0 is allowed (empty) */
    int64_t strides[AUXO_RANK_MAX]; /* in elements */
} auxo_tensor;

/* F16: IEEE 754 binary16. BF16: the upper half of binary32. Both are written rounded to nearest, ties to even. */
static inline bool auxo_dtype_is_half(auxo_dtype dtype)
{
    return dtype == AUXO_DTYPE_F16 || dtype == AUXO_DTYPE_BF16;
}
static inline bool auxo_dtype_is_float(auxo_dtype dtype)
{
    return dtype == AUXO_DTYPE_F32 || auxo_dtype_is_half(dtype);
}

AUXO_API uint64_t auxo_dtype_size_bytes(auxo_dtype dtype);
AUXO_API const char *auxo_dtype_text(auxo_dtype dtype);

/* Contiguous (row-major) view of `buffer` from offset_bytes on. */
AUXO_API auxo_tensor auxo_tensor_make(auxo_buffer *buffer, uint64_t offset_bytes, auxo_dtype dtype, uint32_t rank,
                                      const int64_t *dims);
AUXO_API auxo_tensor auxo_tensor_1d(auxo_buffer *buffer, uint64_t offset_bytes, auxo_dtype dtype, int64_t d0);
AUXO_API auxo_tensor auxo_tensor_2d(auxo_buffer *buffer, uint64_t offset_bytes, auxo_dtype dtype, int64_t d0,
                                    int64_t d1);
/* The absent tensor, for optional slots. */
AUXO_API auxo_tensor auxo_tensor_none(void);
AUXO_API bool auxo_tensor_is_present(const auxo_tensor *tensor);
AUXO_API int64_t auxo_tensor_element_count(const auxo_tensor *tensor); /* product of dims; 1 for rank 0 */
AUXO_API bool auxo_tensor_is_contiguous(const auxo_tensor *tensor);
/* The same elements under other dims; the tensor must be contiguous and the counts equal (checked by assert). Of the
 * absent tensor, as of a slice: the absent tensor. */
AUXO_API auxo_tensor auxo_tensor_reshape(auxo_tensor tensor, uint32_t rank, const int64_t *dims);
/* Elements [start, start + count) along `axis`. */
AUXO_API auxo_tensor auxo_tensor_slice(auxo_tensor tensor, uint32_t axis, int64_t start, int64_t count);

#ifdef __cplusplus
}
#endif
#endif

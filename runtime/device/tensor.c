/* tensor.c: tensor values: shapes, strides and views. No memory is touched here.
 */
#include "auxo/tensor.h"

#include <assert.h>
#include <string.h>

uint64_t auxo_dtype_size_bytes(auxo_dtype dtype)
{
    switch (dtype) {
#define DTYPE_CASE(name, size, text)                                                                                   \
    case AUXO_DTYPE_##name:                                                                                            \
        return size;
        AUXO_DTYPE_TABLE(DTYPE_CASE)
#undef DTYPE_CASE
    case AUXO_DTYPE_COUNT:
        break;
    }
    return 0;
}

const char *auxo_dtype_text(auxo_dtype dtype)
{
    switch (dtype) {
#define DTYPE_CASE(name, size, text)                                                                                   \
    case AUXO_DTYPE_##name:                                                                                            \
        return text;
        AUXO_DTYPE_TABLE(DTYPE_CASE)
#undef DTYPE_CASE
    case AUXO_DTYPE_COUNT:
        break;
    }
    return "unknown type";
}

static void set_contiguous(auxo_tensor *tensor, uint32_t rank, const int64_t *dims)
{
    int64_t stride = 1;
    tensor->rank = rank;
    for (uint32_t i = 0; i < AUXO_RANK_MAX; i++) {
        tensor->dims[i] = 0;
        tensor->strides[i] = 0;
    }
    for (uint32_t i = rank; i-- > 0;) {
        tensor->dims[i] = dims[i];
        tensor->strides[i] = stride;
        stride *= dims[i];
    }
}

auxo_tensor auxo_tensor_make(auxo_buffer *buffer, uint64_t offset_bytes, auxo_dtype dtype, uint32_t rank,
                             const int64_t *dims)
{
    assert(rank <= AUXO_RANK_MAX);
    auxo_tensor tensor = {.buffer = buffer, .dtype = dtype, .offset_bytes = offset_bytes};
    set_contiguous(&tensor, rank, dims);
    return tensor;
}

auxo_tensor auxo_tensor_1d(auxo_buffer *buffer, uint64_t offset_bytes, auxo_dtype dtype, int64_t d0)
{
    return auxo_tensor_make(buffer, offset_bytes, dtype, 1, &d0);
}

auxo_tensor auxo_tensor_2d(auxo_buffer *buffer, uint64_t offset_bytes, auxo_dtype dtype, int64_t d0, int64_t d1)
{
    int64_t dims[2] = {d0, d1};
    return auxo_tensor_make(buffer, offset_bytes, dtype, 2, dims);
}

auxo_tensor auxo_tensor_none(void)
{
    auxo_tensor tensor;
    memset(&tensor, 0, sizeof tensor);
    return tensor;
}

bool auxo_tensor_is_present(const auxo_tensor *tensor)
{
    return tensor->rank > 0;
}

int64_t auxo_tensor_element_count(const auxo_tensor *tensor)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        count *= tensor->dims[i];
    return count;
}

bool auxo_tensor_is_contiguous(const auxo_tensor *tensor)
{
    if (auxo_tensor_element_count(tensor) == 0)
        return true;
    int64_t stride = 1;
    for (uint32_t i = tensor->rank; i-- > 0;) {
        if (tensor->dims[i] != 1 && tensor->strides[i] != stride)
            return false;
        stride *= tensor->dims[i];
    }
    return true;
}

auxo_tensor auxo_tensor_reshape(auxo_tensor tensor, uint32_t rank, const int64_t *dims)
{
    if (tensor.rank == 0)
        return tensor;
    assert(rank <= AUXO_RANK_MAX && auxo_tensor_is_contiguous(&tensor));
    auxo_tensor reshaped = tensor;
    set_contiguous(&reshaped, rank, dims);
    assert(auxo_tensor_element_count(&reshaped) == auxo_tensor_element_count(&tensor));
    return reshaped;
}

auxo_tensor auxo_tensor_slice(auxo_tensor tensor, uint32_t axis, int64_t start, int64_t count)
{
    if (tensor.rank == 0)
        return tensor;
    assert(axis < tensor.rank && start >= 0 && count >= 0 && start + count <= tensor.dims[axis]);
    if (count > 0)
        tensor.offset_bytes += (uint64_t)(start * tensor.strides[axis]) * auxo_dtype_size_bytes(tensor.dtype);
    tensor.dims[axis] = count;
    return tensor;
}

/* half.h: f32 tensors as they are, 16-bit ones through f32 buffers that stay in the nearest cache.
 *
 * A kernel works on f32 rows. It asks half_read for a piece of a tensor and gets the tensor's own memory or a widened
 * copy; it writes to what half_target gives, and half_write rounds that into the tensor. Pieces are half_step long, so
 * that an f32 tensor is one piece.
 */
#ifndef AUXO_CPU_SIMD_HALF_H
#define AUXO_CPU_SIMD_HALF_H

#include "cpu_kernel.h"
#include "vec.h"

enum { HALF_BLOCK = 1024 };

typedef struct half_view {
    void *data;
    auxo_dtype dtype; /* F32, F16 or BF16 */
} half_view;

#define half_widen_row CPU_NAME(cpu_half_widen_row)
#define half_narrow_row CPU_NAME(cpu_half_narrow_row)
void half_widen_row(auxo_dtype format, const uint16_t *from, float *to, int64_t count);
void half_narrow_row(auxo_dtype format, const float *from, uint16_t *to, int64_t count);

CPU_INLINE half_view half_view_of(const auxo_op *op, size_t slot)
{
    return (half_view){cpu_data(&op->tensors[slot]), op->tensors[slot].dtype};
}

/* How many of `count` elements to take at a time where any of two tensors may have 16 bits. */
CPU_INLINE int64_t half_step(half_view a, half_view b, int64_t count)
{
    const bool wide = a.dtype == AUXO_DTYPE_F32 && b.dtype == AUXO_DTYPE_F32;
    return wide ? cpu_max(count, 1) : HALF_BLOCK;
}

/* Elements first .. first + count - 1; `buffer` has room for count where the view has 16 bits. */
CPU_INLINE const float *half_read(half_view view, int64_t first, int64_t count, float *buffer)
{
    if (view.dtype == AUXO_DTYPE_F32)
        return (const float *)view.data + first;
    half_widen_row(view.dtype, (const uint16_t *)view.data + first, buffer, count);
    return buffer;
}

CPU_INLINE float *half_target(half_view view, int64_t first, float *buffer)
{
    return view.dtype == AUXO_DTYPE_F32 ? (float *)view.data + first : buffer;
}

/* After what half_target gave has been filled. */
CPU_INLINE void half_write(half_view view, int64_t first, int64_t count, const float *buffer)
{
    if (view.dtype != AUXO_DTYPE_F32)
        half_narrow_row(view.dtype, buffer, (uint16_t *)view.data + first, count);
}

#define half_convert_run CPU_NAME(cpu_half_convert_run)
/* to[i] = from[i] by all threads, between f32 and a 16-bit format. */
void half_convert_run(const cpu_work *work, half_view from, half_view to, int64_t count);

#endif

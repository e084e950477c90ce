/* half.c: rows of f16 and bf16 widened to f32 and rounded back. */
#include "half.h"

#include "vec_half.h"

CPU_INLINE void widen_row(const auxo_dtype format, const uint16_t *from, float *to, int64_t count)
{
    int64_t i = 0;
    for (; i + VEC_LANES <= count; i += VEC_LANES)
        vf_store(to + i, vf_load_as(format, from, i));
    for (; i < count; ++i)
        to[i] = cpu_half_widen(format, from[i]);
}

CPU_INLINE void narrow_row(const auxo_dtype format, const float *from, uint16_t *to, int64_t count)
{
    int64_t i = 0;
    for (; i + VEC_LANES <= count; i += VEC_LANES) {
        const vh bits = vh_from_vf(format, vf_load(from + i));
        memcpy(to + i, &bits, sizeof bits);
    }
    for (; i < count; ++i)
        to[i] = cpu_half_narrow(format, from[i]);
}

void half_widen_row(auxo_dtype format, const uint16_t *from, float *to, int64_t count)
{
    if (format == AUXO_DTYPE_BF16)
        widen_row(AUXO_DTYPE_BF16, from, to, count);
    else
        widen_row(AUXO_DTYPE_F16, from, to, count);
}

void half_narrow_row(auxo_dtype format, const float *from, uint16_t *to, int64_t count)
{
    if (format == AUXO_DTYPE_BF16)
        narrow_row(AUXO_DTYPE_BF16, from, to, count);
    else
        narrow_row(AUXO_DTYPE_F16, from, to, count);
}

typedef struct convert_context {
    half_view from, to;
} convert_context;

static void convert_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const convert_context *convert = context;
    if (convert->to.dtype == AUXO_DTYPE_F32)
        half_widen_row(convert->from.dtype, (const uint16_t *)convert->from.data + begin,
                       (float *)convert->to.data + begin, end - begin);
    else
        half_narrow_row(convert->to.dtype, (const float *)convert->from.data + begin,
                        (uint16_t *)convert->to.data + begin, end - begin);
}

void half_convert_run(const cpu_work *work, half_view from, half_view to, int64_t count)
{
    cpu_parallel(work, count, 1, convert_part, &(convert_context){from, to});
}

/* scale.cl: Y[o,c,i] = X[o,c,i] SCALE[c]; Y may be X.
 *
 *     row (o,c): [ chunk | chunk | .. ]   work-item = one chunk of VEC elements along i
 *     CHANNEL_LAST (inner = 1): row o, chunks along c, one factor per element
 * Parameters: VEC, CHANNEL_LAST (0 or 1), DATA; FROM and TO, where X and Y have different dtypes
 * (auxo_dtype): elements are then handled one by one.
 */
#include "datum.clh"
#include "dtype.clh"

#ifdef FROM
typedef void source;
typedef void target;
#else
typedef datum source;
typedef datum target;
#endif

kernel void scale(global const source *x, ulong x_offset, global const float *factor, ulong factor_offset,
                  global target *y, ulong y_offset, ulong row_count, ulong row_length, ulong channels)
{
    ulong chunks = (row_length + VEC - 1) / VEC;
    ulong row = get_global_id(0) / chunks;
    ulong start = (get_global_id(0) - row * chunks) * VEC;
    if (row >= row_count)
        return;
    ulong at = row * row_length + start;
    ulong left = row_length - start;
#ifdef FROM
    for (ulong i = 0; i < left && i < VEC; ++i)
        store_float(TO, y, y_offset + at + i,
                    load_float(FROM, x, x_offset + at + i) *
                        factor[factor_offset + (CHANNEL_LAST ? start + i : row % channels)]);
#else
    x += x_offset + at;
    y += y_offset + at;
#if CHANNEL_LAST
    factor += factor_offset + start;
    floatv f = left >= VEC ? loadv(factor) : loadv_part(factor, left);
#else
    floatv f = (floatv)(factor[factor_offset + row % channels]);
#endif
    put_chunk(get_chunk(x, 0, left) * f, y, 0, left);
#endif
}

/* scale.cl: Y[o,c,i] = X[o,c,i] SCALE[c]; Y may be X.
 *
 *     row (o,c): [ chunk | chunk | .. ]   work-item = one chunk of VEC elements along i
 *     CHANNEL_LAST (inner = 1): row o, chunks along c, one factor per element
 * Parameters: VEC, CHANNEL_LAST (0 or 1).
 */
#include "vector.clh"

kernel void scale(global const float *x, ulong x_offset, global const float *factor, ulong factor_offset,
                  global float *y, ulong y_offset, ulong row_count, ulong row_length, ulong channels)
{
    ulong chunks = (row_length + VEC - 1) / VEC;
    ulong row = get_global_id(0) / chunks;
    ulong start = (get_global_id(0) - row * chunks) * VEC;
    if (row >= row_count)
        return;
    ulong at = row * row_length + start;
    x += x_offset + at;
    y += y_offset + at;
    ulong left = row_length - start;
#if CHANNEL_LAST
    factor += factor_offset + start;
    floatv f = left >= VEC ? loadv(factor) : loadv_part(factor, left);
#else
    floatv f = (floatv)(factor[factor_offset + row % channels]);
#endif
    if (left >= VEC)
        storev(loadv(x) * f, y);
    else
        storev_part(loadv_part(x, left) * f, y, left);
}

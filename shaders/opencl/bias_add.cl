/* bias_add.cl: Y[o,c,i] = act(X[o,c,i] + BIAS[c]); Y may be X.
 *
 *     row (o,c): [ chunk | chunk | .. ]   work-item = one chunk of VEC elements along i
 *     CHANNEL_LAST (inner = 1): row o, chunks along c, one bias per element
 * Parameters: VEC, CHANNEL_LAST (0 or 1), DATA.
 */
#include "activation.clh"
#include "datum.clh"

kernel void bias_add(global const datum *x, ulong x_offset, global const float *bias, ulong bias_offset,
                     global datum *y, ulong y_offset, ulong row_count, ulong row_length, ulong channels,
                     int activation, float slope)
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
    bias += bias_offset + start;
    floatv b = left >= VEC ? loadv(bias) : loadv_part(bias, left);
#else
    floatv b = (floatv)(bias[bias_offset + row % channels]);
#endif
    put_chunk(activate_as(activation, get_chunk(x, 0, left) + b, slope), y, 0, left);
}

/* gather_batch.cl: Y[b,:] = (scale DATA[row(b),:] - MEAN[c]) INVSTD[c], row(b) = ORDER[(COUNTER[1] B + b) mod n].
 *
 *     work-item: PER_ITEM neighbours of one row; labels (Y u32) are copied
 * Parameters: PER_ITEM, X_DTYPE, Y_DTYPE (auxo_dtype).
 */
#include "compensated.clh"
#include "dtype.clh"

#if X_DTYPE == DTYPE_U8
typedef uchar data_type;
#elif X_DTYPE == DTYPE_U32
typedef uint data_type;
#else
typedef float data_type;
#endif

kernel void gather_batch(global const data_type *data, ulong data_offset, global const uint *order, ulong order_offset,
                         global const uint *counter, ulong counter_offset, global const float *mean,
                         ulong mean_offset, global const float *invstd, ulong invstd_offset, global void *y,
                         ulong y_offset, ulong batch_rows, ulong n, ulong channels, ulong inner, float scale)
{
    ulong row_length = channels * inner;
    ulong chunks = (row_length + PER_ITEM - 1) / PER_ITEM;
    ulong b = get_global_id(0) / chunks;
    ulong begin = (get_global_id(0) - b * chunks) * PER_ITEM;
    if (b >= batch_rows)
        return;
    ulong batch = counter ? counter[counter_offset + 1] : 0;
    ulong position = (batch * batch_rows + b) % n;
    ulong row = order ? order[order_offset + position] : position;
    ulong end = min(begin + PER_ITEM, row_length);
    data += data_offset + row * row_length;
#if Y_DTYPE == DTYPE_U32
    global uint *target = (global uint *)y + y_offset + b * row_length;
    for (ulong e = begin; e < end; ++e)
        target[e] = (uint)data[e];
#else
    global float *target = (global float *)y + y_offset + b * row_length;
    if (!mean && !invstd) {
        for (ulong e = begin; e < end; ++e)
            target[e] = scale * (float)data[e];
        return;
    }
    while (begin < end) { /* one channel at a time */
        ulong c = begin / inner;
        ulong stop = min(end, (c + 1) * inner);
        float shift = mean ? -mean[mean_offset + c] : 0.0f;
        float factor = invstd ? invstd[invstd_offset + c] : 1.0f;
        for (; begin < stop; ++begin) {
            float2 scaled = two_product(scale, (float)data[begin]);
            float2 value = two_sum(scaled.x, shift);
            target[begin] = fma(value.x, factor, (value.y + scaled.y) * factor);
        }
    }
#endif
}

/* gather_batch.cl: Y[b,:] = (scale DATA[row(b),:] - MEAN[c]) INVSTD[c], row(b) = ORDER[(COUNTER[1] B + b) mod n].
 *
 *     work-item: PER_ITEM neighbours of one row; labels (Y u32) are copied
 * Parameters: PER_ITEM; DATA, of Y where it is no label.
 */
#include "compensated.clh"
#include "datum.clh"

/* One kernel per pair of types, all in one program. */
#define GATHER_ARGUMENTS(data_type, target_type)                                                                       \
    global const data_type *data, ulong data_offset, global const uint *order, ulong order_offset,                     \
        global const uint *counter, ulong counter_offset, global const float *mean, ulong mean_offset,                 \
        global const float *invstd, ulong invstd_offset, global target_type *y, ulong y_offset, ulong batch_rows,      \
        ulong n, ulong channels, ulong inner, float scale

/* Where this work-item's neighbours start in DATA and in Y, and in their row; none: an empty range. */
typedef struct gather_place {
    ulong from, to, begin, end;
} gather_place;

static inline gather_place find_place(global const uint *order, global const uint *counter, ulong batch_rows, ulong n,
                                      ulong row_length)
{
    gather_place place = {0, 0, 0, 0};
    ulong chunks = (row_length + PER_ITEM - 1) / PER_ITEM;
    ulong b = get_global_id(0) / chunks;
    if (b < batch_rows) {
        ulong position = ((counter ? (ulong)counter[1] : 0ul) * batch_rows + b) % n;
        place.from = (order ? order[position] : position) * row_length;
        place.to = b * row_length;
        place.begin = (get_global_id(0) - b * chunks) * PER_ITEM;
        place.end = min(place.begin + PER_ITEM, row_length);
    }
    return place;
}

#define GATHER_PLACE                                                                                                   \
    find_place(order ? order + order_offset : order, counter ? counter + counter_offset : counter, batch_rows, n,      \
               (channels) * (inner))

#define GATHER_FLOATS(name, data_type)                                                                                 \
    kernel void name(GATHER_ARGUMENTS(data_type, datum))                                                               \
    {                                                                                                                  \
        gather_place p = GATHER_PLACE;                                                                                 \
        data += data_offset + p.from;                                                                                  \
        y += y_offset + p.to;                                                                                          \
        if (!mean && !invstd) {                                                                                        \
            for (; p.begin < p.end; ++p.begin)                                                                         \
                put_datum(scale * (float)data[p.begin], y, p.begin);                                                   \
            return;                                                                                                    \
        }                                                                                                              \
        while (p.begin < p.end) { /* one channel at a time */                                                          \
            ulong c = p.begin / inner;                                                                                 \
            ulong stop = min(p.end, (c + 1) * inner);                                                                  \
            float shift = mean ? -mean[mean_offset + c] : 0.0f;                                                        \
            float factor = invstd ? invstd[invstd_offset + c] : 1.0f;                                                  \
            for (; p.begin < stop; ++p.begin) {                                                                        \
                float2 scaled = two_product(scale, (float)data[p.begin]);                                              \
                float2 value = two_sum(scaled.x, shift);                                                               \
                put_datum(fma(value.x, factor, (value.y + scaled.y) * factor), y, p.begin);                            \
            }                                                                                                          \
        }                                                                                                              \
    }

#define GATHER_LABELS(name, data_type)                                                                                 \
    kernel void name(GATHER_ARGUMENTS(data_type, uint))                                                                \
    {                                                                                                                  \
        gather_place p = GATHER_PLACE;                                                                                 \
        data += data_offset + p.from;                                                                                  \
        y += y_offset + p.to;                                                                                          \
        for (; p.begin < p.end; ++p.begin)                                                                             \
            y[p.begin] = (uint)data[p.begin];                                                                          \
    }

GATHER_FLOATS(gather_u8_f32, uchar)
GATHER_FLOATS(gather_u32_f32, uint)
GATHER_FLOATS(gather_f32_f32, float)
GATHER_LABELS(gather_u8_u32, uchar)
GATHER_LABELS(gather_u32_u32, uint)

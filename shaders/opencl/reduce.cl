/* reduce.cl: Y[c] = reduction of X[o,c,i] over o and i, compensated.
 *
 *     reduce_rows:    group (c, split): its share of the chunks of VEC elements of channel c, WG items side by side
 *     reduce_columns: inner = 1; item (VEC channels, split) walks down its share of the rows
 *     reduce_finish:  item c adds the splits in order
 * One split needs no finish. Parameters: VEC, WG, KIND (auxo_reduce_kind).
 */
#include "group.clh"
#include "lanes.clh"

#define REDUCE_SUM 0
#define REDUCE_MEAN 1
#define REDUCE_MAX 2
#define REDUCE_MIN 3
#define REDUCE_SUM_ABS 4
#define REDUCE_SUM_SQUARES 5
#define REDUCE_MAX_ABS 6
#define IS_SUM (KIND != REDUCE_MAX && KIND != REDUCE_MIN && KIND != REDUCE_MAX_ABS)

#if KIND == REDUCE_MIN
#define NEUTRAL INFINITY
#elif KIND == REDUCE_MAX
#define NEUTRAL (-INFINITY)
#else
#define NEUTRAL 0.0f
#endif

/* One more element into a pair (sums), or into .x (extremes; a NaN stays). */
static inline float2 accumulate(float2 total, float x)
{
#if KIND == REDUCE_MAX
    return x > total.x || isnan(x) ? (float2)(x, 0.0f) : total;
#elif KIND == REDUCE_MIN
    return x < total.x || isnan(x) ? (float2)(x, 0.0f) : total;
#elif KIND == REDUCE_MAX_ABS
    return fabs(x) > total.x || isnan(x) ? (float2)(fabs(x), 0.0f) : total;
#elif KIND == REDUCE_SUM_ABS
    return pair_add_float(total, fabs(x));
#elif KIND == REDUCE_SUM_SQUARES
    return pair_add_square(total, x);
#else
    return pair_add_float(total, x);
#endif
}

static inline float2 combine(float2 a, float2 b)
{
#if IS_SUM
    return pair_add(a, b);
#elif KIND == REDUCE_MIN
    return b.x < a.x || isnan(b.x) ? b : a;
#else
    return b.x > a.x || isnan(b.x) ? b : a;
#endif
}

static inline float finish(float2 total, float count)
{
#if KIND == REDUCE_MEAN
    return count > 0.0f ? pair_divide(total, count).x : 0.0f;
#else
    return IS_SUM ? total.x + total.y : total.x;
#endif
}

/* The same in VEC lanes at once, and the lanes together. */
#if IS_SUM
static inline void accumulate_lanes(floatv x, floatv *high, floatv *low)
{
#if KIND == REDUCE_SUM_ABS
    add_lanes(fabs(x), high, low);
#elif KIND == REDUCE_SUM_SQUARES
    add_square_lanes(x, high, low);
#else
    add_lanes(x, high, low);
#endif
}

#define combine_lanes fold_lanes
#else
static inline void accumulate_lanes(floatv x, floatv *high, floatv *low)
{
#if KIND == REDUCE_MAX
    *high = x > *high || isnan(x) ? x : *high;
#elif KIND == REDUCE_MIN
    *high = x < *high || isnan(x) ? x : *high;
#else
    x = fabs(x);
    *high = x > *high || isnan(x) ? x : *high;
#endif
}

static inline float2 combine_lanes(floatv high, floatv low)
{
#if VEC == 1
    return (float2)(high, 0.0f);
#else
    float highs[VEC];
    float2 total = (float2)(NEUTRAL, 0.0f);
    storev(high, highs);
    for (uint i = 0; i < VEC; ++i)
        total = combine(total, (float2)(highs[i], 0.0f));
    return total;
#endif
}
#endif

kernel WG_ATTRIBUTE void reduce_rows(global const float *x, ulong x_offset, global float *y, ulong y_offset,
                                     global float2 *partial, ulong outer, ulong channels, ulong inner,
                                     ulong chunks_per_split, uint splits)
{
    local float2 scratch[WG];
    ulong channel = get_group_id(0) / splits;
    ulong split = get_group_id(0) - channel * splits;
    ulong row_chunks = (inner + VEC - 1) / VEC;
    ulong stop = min((split + 1) * chunks_per_split, outer * row_chunks);
    floatv high = (floatv)(NEUTRAL);
    floatv low = (floatv)(0.0f);
    float2 tail = (float2)(NEUTRAL, 0.0f);
    for (ulong chunk = split * chunks_per_split + get_local_id(0); chunk < stop; chunk += WG) {
        ulong o = chunk / row_chunks;
        ulong i = (chunk - o * row_chunks) * VEC;
        global const float *p = x + x_offset + (o * channels + channel) * inner + i;
        if (i + VEC <= inner)
            accumulate_lanes(loadv(p), &high, &low);
        else
            for (; i < inner; ++i, ++p)
                tail = accumulate(tail, *p);
    }
    float2 total = combine(combine_lanes(high, low), tail);
#if WG > 1
    uint item = (uint)get_local_id(0);
    scratch[item] = total;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_size = WG / 2; half_size > 0; half_size /= 2) {
        if (item < half_size)
            scratch[item] = combine(scratch[item], scratch[item + half_size]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    total = scratch[0];
#endif
    if (get_local_id(0) != 0)
        return;
    if (splits == 1)
        y[y_offset + channel] = finish(total, (float)(outer * inner));
    else
        partial[split * channels + channel] = total;
}

kernel void reduce_columns(global const float *x, ulong x_offset, global float *y, ulong y_offset,
                           global float2 *partial, ulong outer, ulong channels, ulong rows_per_split, uint splits)
{
    ulong chunks = (channels + VEC - 1) / VEC;
    ulong split = get_global_id(0) / chunks;
    ulong channel = (get_global_id(0) - split * chunks) * VEC;
    if (split >= splits)
        return;
    ulong stop = min((split + 1) * rows_per_split, outer);
    ulong left = channels - channel;
    floatv high = (floatv)(NEUTRAL);
    floatv low = (floatv)(0.0f);
    for (ulong o = split * rows_per_split; o < stop; ++o) {
        global const float *p = x + x_offset + o * channels + channel;
        accumulate_lanes(left >= VEC ? loadv(p) : loadv_part(p, left), &high, &low);
    }
#if VEC == 1
    float highs[1] = {high}, lows[1] = {low};
#else
    float highs[VEC], lows[VEC];
    storev(high, highs);
    storev(low, lows);
#endif
    for (uint i = 0; i < VEC && i < left; ++i) {
        float2 total = (float2)(highs[i], isfinite(highs[i]) ? lows[i] : 0.0f);
        if (splits == 1)
            y[y_offset + channel + i] = finish(total, (float)outer);
        else
            partial[split * channels + channel + i] = total;
    }
}

kernel void reduce_finish(global const float2 *partial, global float *y, ulong y_offset, ulong channels, float count,
                          uint splits)
{
    ulong channel = get_global_id(0);
    if (channel >= channels)
        return;
    float2 total = partial[channel];
    for (uint split = 1; split < splits; ++split)
        total = combine(total, partial[split * channels + channel]);
    y[y_offset + channel] = finish(total, count);
}

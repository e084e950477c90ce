/* reduce.cl: Y[c] = reduction of X[o,c,i] over o and i, compensated.
 *
 *     reduce_rows:    group (c, split): its share of the chunks of VEC elements of channel c, WG items side by side
 *     reduce_columns: inner = 1; item (VEC channels, split) walks down its share of the rows
 *     reduce_finish:  item c adds the splits in order
 * One split needs no finish. The kind (auxo_reduce_kind) is an argument.
 * Parameters: VEC, WG, DATA, SUMS (1: sum, mean, sum_abs, sum_squares; 0: max, min, max_abs).
 */
#include "contract.clh"
#include "datum.clh"
#include "group.clh"
#include "lanes.clh"


#if SUMS
static inline float neutral(int kind)
{
    return 0.0f;
}

static inline float2 combine(int kind, float2 a, float2 b)
{
    return pair_add(a, b);
}

/* VEC more elements into the lanes; zeros add nothing. */
static inline void accumulate_lanes(int kind, floatv x, floatv *high, floatv *low)
{
    if (kind == REDUCE_SUM_SQUARES)
        add_square_lanes(x, high, low);
    else
        add_lanes(kind == REDUCE_SUM_ABS ? fabs(x) : x, high, low);
}

static inline float2 combine_lanes(int kind, floatv high, floatv low)
{
    return fold_lanes(high, low);
}

static inline float finish(int kind, float2 total, float count)
{
    if (kind == REDUCE_MEAN)
        return count > 0.0f ? pair_divide(total, count).x : 0.0f;
    return total.x + total.y;
}
#else /* extremes: .x alone; a NaN stays. A minimum is the maximum of the negated numbers. */
static inline float neutral(int kind)
{
    return kind == REDUCE_MAX_ABS ? 0.0f : -INFINITY;
}

static inline float2 combine(int kind, float2 a, float2 b)
{
    return b.x > a.x || isnan(b.x) ? b : a;
}

static inline void accumulate_lanes(int kind, floatv x, floatv *high, floatv *low)
{
    x = kind == REDUCE_MIN ? -x : kind == REDUCE_MAX_ABS ? fabs(x) : x;
    *high = x > *high || isnan(x) ? x : *high;
}

static inline float2 combine_lanes(int kind, floatv high, floatv low)
{
    return (float2)(largest_lane(high), 0.0f);
}

static inline float finish(int kind, float2 total, float count)
{
    return kind == REDUCE_MIN ? -total.x : total.x;
}
#endif

/* Elements i .. of a row of `length`; the lanes past its end repeat the first element of an extreme, or are 0. */
static inline floatv load_lanes(global const datum *row, ulong i, ulong length)
{
#if !SUMS && VEC > 1
    if (i + VEC > length) {
        float lanes[VEC];
        for (uint lane = 0; lane < VEC; ++lane)
            lanes[lane] = get_datum(row, i + lane < length ? i + lane : i);
        return loadv(lanes);
    }
#endif
    return get_chunk(row, i, length);
}

kernel WG_ATTRIBUTE void reduce_rows(global const datum *x, ulong x_offset, global float *y, ulong y_offset,
                                     global float2 *partial, ulong outer, ulong channels, ulong inner,
                                     ulong chunks_per_split, uint splits, int kind)
{
    local float2 scratch[WG];
    ulong channel = get_group_id(0) / splits;
    ulong split = get_group_id(0) - channel * splits;
    ulong row_chunks = (inner + VEC - 1) / VEC;
    ulong stop = min((split + 1) * chunks_per_split, outer * row_chunks);
    floatv high = (floatv)(neutral(kind));
    floatv low = (floatv)(0.0f);
    for (ulong chunk = split * chunks_per_split + get_local_id(0); chunk < stop; chunk += WG) {
        ulong o = chunk / row_chunks;
        ulong i = (chunk - o * row_chunks) * VEC;
        accumulate_lanes(kind, load_lanes(x + x_offset + (o * channels + channel) * inner, i, inner), &high, &low);
    }
    float2 total = combine_lanes(kind, high, low);
#if WG > 1
    uint item = (uint)get_local_id(0);
    scratch[item] = total;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_size = WG / 2; half_size > 0; half_size /= 2) {
        if (item < half_size)
            scratch[item] = combine(kind, scratch[item], scratch[item + half_size]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    total = scratch[0];
#endif
    if (get_local_id(0) != 0)
        return;
    if (splits == 1)
        y[y_offset + channel] = finish(kind, total, (float)(outer * inner));
    else
        partial[split * channels + channel] = total;
}

kernel void reduce_columns(global const datum *x, ulong x_offset, global float *y, ulong y_offset,
                           global float2 *partial, ulong outer, ulong channels, ulong rows_per_split, uint splits, int kind)
{
    ulong chunks = (channels + VEC - 1) / VEC;
    ulong split = get_global_id(0) / chunks;
    ulong channel = (get_global_id(0) - split * chunks) * VEC;
    if (split >= splits)
        return;
    ulong stop = min((split + 1) * rows_per_split, outer);
    ulong left = channels - channel;
    floatv high = (floatv)(neutral(kind));
    floatv low = (floatv)(0.0f);
    for (ulong o = split * rows_per_split; o < stop; ++o) {
        accumulate_lanes(kind, load_lanes(x + x_offset + o * channels, channel, channels), &high, &low);
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
            y[y_offset + channel + i] = finish(kind, total, (float)outer);
        else
            partial[split * channels + channel + i] = total;
    }
}

kernel void reduce_finish(global const float2 *partial, global float *y, ulong y_offset, ulong channels, float count,
                          uint splits, int kind)
{
    ulong channel = get_global_id(0);
    if (channel >= channels)
        return;
    float2 total = partial[channel];
    for (uint split = 1; split < splits; ++split)
        total = combine(kind, total, partial[split * channels + channel]);
    y[y_offset + channel] = finish(kind, total, count);
}

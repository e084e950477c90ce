/* segment_reduce.cl: Y[s] = reduction of A[e] (or A[e] B[e]) over e in [OFFSETS[s], OFFSETS[s+1]), compensated.
 *
 *     group s: [ WG items stride over the segment ] -> Y[s]
 * Parameters: VEC, WG, KIND (auxo_reduce_kind), DOT (0 or 1).
 */
#include "group.clh"
#include "lanes.clh"

#define REDUCE_MEAN 1
#define REDUCE_MAX 2
#define REDUCE_MIN 3
#define REDUCE_SUM_ABS 4
#define REDUCE_SUM_SQUARES 5
#define REDUCE_MAX_ABS 6

#define IS_SUM (DOT || (KIND != REDUCE_MAX && KIND != REDUCE_MIN && KIND != REDUCE_MAX_ABS))
#if KIND == REDUCE_MAX
#define NEUTRAL (-INFINITY)
#elif KIND == REDUCE_MIN
#define NEUTRAL INFINITY
#else
#define NEUTRAL 0.0f
#endif

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

/* Adds the terms of VEC neighbours. */
static inline void add_terms(global const float *a, global const float *b, ulong e, ulong end, floatv *sum, floatv *low)
{
    floatv x = load_chunk(a, e, end);
#if DOT
    floatv y = load_chunk(b, e, end);
    floatv product = x * y;
    *low += fma(x, y, -product);
    add_lanes(product, sum, low);
#elif KIND == REDUCE_SUM_SQUARES
    add_square_lanes(x, sum, low);
#elif KIND == REDUCE_SUM_ABS
    add_lanes(fabs(x), sum, low);
#else
    add_lanes(x, sum, low);
#endif
}

kernel WG_ATTRIBUTE void segment_reduce(global const float *a, ulong a_offset, global const float *b, ulong b_offset,
                                        global const uint *offsets, ulong offsets_offset, global float *y,
                                        ulong y_offset)
{
    local float2 scratch[WG];
    ulong s = get_group_id(0);
    uint begin = offsets[offsets_offset + s];
    uint end = offsets[offsets_offset + s + 1];
#if IS_SUM
    floatv sum = (floatv)(0.0f), low = (floatv)(0.0f);
    for (ulong e = begin + get_local_id(0) * VEC; e < end; e += WG * VEC)
        add_terms(a + a_offset, b + b_offset, e, end, &sum, &low);
    float2 total = fold_lanes(sum, low);
#else
    float2 total = (float2)(NEUTRAL, 0.0f);
    for (ulong e = begin + get_local_id(0); e < end; e += WG)
        total = combine(total, (float2)(KIND == REDUCE_MAX_ABS ? fabs(a[a_offset + e]) : a[a_offset + e], 0.0f));
#endif
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
#if !DOT && KIND == REDUCE_MEAN
    y[y_offset + s] = end > begin ? pair_divide(total, (float)(end - begin)).x : 0.0f;
#else
    y[y_offset + s] = total.x;
#endif
}

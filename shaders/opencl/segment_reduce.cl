/* segment_reduce.cl: Y[s] = reduction of A[e] (or A[e] B[e]) over e in [OFFSETS[s], OFFSETS[s+1]), compensated.
 *
 *     group s: [ WG items stride over the segment ] -> Y[s]
 * Parameters: WG, KIND (auxo_reduce_kind), DOT (0 or 1).
 */
#include "group.clh"

#define REDUCE_MEAN 1
#define REDUCE_MAX 2
#define REDUCE_MIN 3
#define REDUCE_SUM_ABS 4
#define REDUCE_SUM_SQUARES 5
#define REDUCE_MAX_ABS 6

inline float2 combine(float2 a, float2 b)
{
#if DOT
    return pair_add(a, b);
#elif KIND == REDUCE_MAX || KIND == REDUCE_MAX_ABS
    return b.x > a.x || isnan(b.x) ? b : a;
#elif KIND == REDUCE_MIN
    return b.x < a.x || isnan(b.x) ? b : a;
#else
    return pair_add(a, b);
#endif
}

inline float2 term(float a, float b)
{
#if DOT
    return two_product(a, b);
#elif KIND == REDUCE_SUM_SQUARES
    return two_product(a, a);
#elif KIND == REDUCE_SUM_ABS || KIND == REDUCE_MAX_ABS
    return (float2)(fabs(a), 0.0f);
#else
    return (float2)(a, 0.0f);
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
#if !DOT && KIND == REDUCE_MAX
    float2 total = (float2)(-INFINITY, 0.0f);
#elif !DOT && KIND == REDUCE_MIN
    float2 total = (float2)(INFINITY, 0.0f);
#else
    float2 total = (float2)(0.0f, 0.0f);
#endif
    for (ulong e = begin + get_local_id(0); e < end; e += WG)
        total = combine(total, term(a[a_offset + e], DOT ? b[b_offset + e] : 0.0f));
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

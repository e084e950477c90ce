/* segment_reduce.cl: Y[s] = reduction of A[e] (or A[e] B[e]) over e in [OFFSETS[s], OFFSETS[s+1]), compensated.
 *
 *     group s: [ WG items stride over the segment ] -> Y[s]
 * The kind (auxo_reduce_kind, or dot) is an argument.
 * Parameters: VEC, WG, SUMS (1: sum, mean, sum_abs, sum_squares, dot; 0: max, min, max_abs).
 */
#include "contract.clh"
#include "group.clh"
#include "lanes.clh"


#define REDUCE_DOT REDUCE_COUNT /* sum of A B: a number of this file only */

#if SUMS
/* Adds the terms of VEC neighbours. */
static inline void add_terms(int kind, global const float *a, global const float *b, ulong e, ulong end, floatv *sum,
                             floatv *low)
{
    floatv x = load_chunk(a, e, end);
    if (kind == REDUCE_DOT) {
        floatv y = load_chunk(b, e, end);
        floatv product = x * y;
        *low += fma(x, y, -product);
        add_lanes(product, sum, low);
    } else if (kind == REDUCE_SUM_SQUARES) {
        add_square_lanes(x, sum, low);
    } else {
        add_lanes(kind == REDUCE_SUM_ABS ? fabs(x) : x, sum, low);
    }
}
#endif

kernel WG_ATTRIBUTE void segment_reduce(global const float *a, ulong a_offset, global const float *b, ulong b_offset,
                                        global const uint *offsets, ulong offsets_offset, global float *y,
                                        ulong y_offset, int kind)
{
    local float2 scratch[WG];
    ulong s = get_group_id(0);
    uint begin = offsets[offsets_offset + s];
    uint end = offsets[offsets_offset + s + 1];
#if SUMS
    floatv sum = (floatv)(0.0f), low = (floatv)(0.0f);
    for (ulong e = begin + get_local_id(0) * VEC; e < end; e += WG * VEC)
        add_terms(kind, a + a_offset, b + b_offset, e, end, &sum, &low);
    float2 total = group_sum(fold_lanes(sum, low), scratch);
#else /* a minimum is the maximum of the negated numbers; a NaN stays */
    float largest = kind == REDUCE_MAX_ABS ? 0.0f : -INFINITY;
    for (ulong e = begin + get_local_id(0); e < end; e += WG) {
        float x = a[a_offset + e];
        largest = nan_max(largest, kind == REDUCE_MIN ? -x : kind == REDUCE_MAX_ABS ? fabs(x) : x);
    }
    largest = group_max(largest, scratch);
    float2 total = (float2)(kind == REDUCE_MIN ? -largest : largest, 0.0f);
#endif
    if (get_local_id(0) != 0)
        return;
    if (kind == REDUCE_MEAN)
        total = end > begin ? pair_divide(total, (float)(end - begin)) : (float2)(0.0f, 0.0f);
    y[y_offset + s] = total.x;
}

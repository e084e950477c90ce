/* group_norm.cl: NORM[g] over row g of W and BIAS[g].
 *
 *     group g: [ WG items, VEC lanes each, stride over the row ] -> NORM[g]
 * Parameters: VEC, WG, KIND (auxo_norm_kind).
 */
#include "group.clh"
#include "lanes.clh"

#define NORM_L1 0
#define NORM_L2 1
#define NORM_LINF 2
#define NORM_MEAN 3
#define NORM_RMS 4
#define NORM_WEIGHTED_L1 5

/* VEC more elements into the lanes; zeros add nothing to any norm. */
static inline void accumulate(floatv w, floatv *sum, floatv *low)
{
#if KIND == NORM_LINF
    w = fabs(w);
    *sum = w > *sum || isnan(w) ? w : *sum;
#elif KIND == NORM_L2 || KIND == NORM_RMS
    add_square_lanes(w, sum, low);
#else
    add_lanes(fabs(w), sum, low);
#endif
}

kernel WG_ATTRIBUTE void group_norm(global const float *w, ulong w_offset, global const float *bias, ulong bias_offset,
                                    global float *norm, ulong norm_offset, ulong size)
{
    local float2 scratch[WG];
    ulong g = get_group_id(0);
    ulong item = get_local_id(0);
    floatv sum = (floatv)(0.0f), low = (floatv)(0.0f);
    w += w_offset + g * size;
    for (ulong e = item * VEC; e < size; e += WG * VEC)
        accumulate(load_chunk(w, e, size), &sum, &low);
    float b = bias && item == 0 ? bias[bias_offset + g] : 0.0f;
#if KIND == NORM_LINF
    float2 total = (float2)(group_max(nan_max(largest_lane(sum), fabs(b)), scratch), 0.0f);
#elif KIND == NORM_L2 || KIND == NORM_RMS
    float2 total = group_sum(pair_add_square(fold_lanes(sum, low), b), scratch);
#else
    float2 total = group_sum(pair_add_float(fold_lanes(sum, low), fabs(b)), scratch);
#endif
    if (item != 0)
        return;
    float count = (float)(size + (bias ? 1 : 0));
    float value = total.x;
#if KIND == NORM_L2
    value = sqrt(total.x);
#elif KIND == NORM_MEAN
    value = count > 0.0f ? pair_divide(total, count).x : 0.0f;
#elif KIND == NORM_RMS
    value = count > 0.0f ? sqrt(pair_divide(total, count).x) : 0.0f;
#elif KIND == NORM_WEIGHTED_L1
    value = pair_scale(total, (float)(g + 1)).x;
#endif
    norm[norm_offset + g] = value;
}

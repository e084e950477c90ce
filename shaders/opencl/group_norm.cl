/* group_norm.cl: NORM[g] over row g of W and BIAS[g].
 *
 *     group g: [ WG items stride over the row ] -> NORM[g]
 * Parameters: WG, KIND (auxo_norm_kind).
 */
#include "group.clh"

#define NORM_L1 0
#define NORM_L2 1
#define NORM_LINF 2
#define NORM_MEAN 3
#define NORM_RMS 4
#define NORM_WEIGHTED_L1 5

inline float2 accumulate(float2 total, float w)
{
#if KIND == NORM_LINF
    return fabs(w) > total.x || isnan(w) ? (float2)(fabs(w), 0.0f) : total;
#elif KIND == NORM_L2 || KIND == NORM_RMS
    return pair_add_square(total, w);
#else
    return pair_add_float(total, fabs(w));
#endif
}

kernel WG_ATTRIBUTE void group_norm(global const float *w, ulong w_offset, global const float *bias, ulong bias_offset,
                                    global float *norm, ulong norm_offset, ulong size)
{
    local float2 scratch[WG];
    ulong g = get_group_id(0);
    ulong item = get_local_id(0);
    float2 total = (float2)(0.0f, 0.0f);
    w += w_offset + g * size;
    for (ulong e = item; e < size; e += WG)
        total = accumulate(total, w[e]);
    if (bias && item == 0)
        total = accumulate(total, bias[bias_offset + g]);
#if KIND == NORM_LINF
    total.x = group_max(total.x, scratch);
#else
    total = group_sum(total, scratch);
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

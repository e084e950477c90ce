/* group_norm.cl: NORM[g] over row g of W and BIAS[g].
 *
 *     group g: [ WG items, VEC lanes each, stride over the row ] -> NORM[g]
 * The kind (auxo_norm_kind) is an argument. Parameters: VEC, WG.
 */
#include "contract.clh"
#include "group.clh"
#include "lanes.clh"


/* VEC more elements into the lanes; zeros add nothing to any norm. */
static inline void accumulate(int kind, floatv w, floatv *sum, floatv *low)
{
    floatv size = fabs(w);
    if (kind == NORM_LINF)
        *sum = size > *sum || isnan(size) ? size : *sum;
    else if (kind == NORM_L2 || kind == NORM_RMS)
        add_square_lanes(w, sum, low);
    else
        add_lanes(size, sum, low);
}

/* Sum of squares of the row and its bias, all scaled first. */
static inline float2 sum_squares(global const float *w, ulong size, float bias, float scale, local float2 *scratch)
{
    floatv sum = (floatv)(0.0f), low = (floatv)(0.0f);
    for (ulong e = get_local_id(0) * VEC; e < size; e += WG * VEC)
        add_square_lanes(scale * load_chunk(w, e, size), &sum, &low);
    return group_sum(pair_add_square(fold_lanes(sum, low), scale * bias), scratch);
}

kernel WG_ATTRIBUTE void group_norm(global const float *w, ulong w_offset, global const float *bias, ulong bias_offset,
                                    global float *norm, ulong norm_offset, ulong size, int kind)
{
    local float2 scratch[WG];
    ulong g = get_group_id(0);
    ulong item = get_local_id(0);
    floatv sum = (floatv)(0.0f), low = (floatv)(0.0f);
    w += w_offset + g * size;
    for (ulong e = item * VEC; e < size; e += WG * VEC)
        accumulate(kind, load_chunk(w, e, size), &sum, &low);
    float b = bias && item == 0 ? bias[bias_offset + g] : 0.0f;
    float2 total;
    float scale = 1.0f;
    if (kind == NORM_LINF)
        total = (float2)(group_max(nan_max(largest_lane(sum), fabs(b)), scratch), 0.0f);
    else if (kind == NORM_L2 || kind == NORM_RMS) {
        total = group_sum(pair_add_square(fold_lanes(sum, low), b), scratch);
        if (isinf(total.x) || total.x < 0x1p-90f) { /* squares that left the range of floats: once more, scaled */
            scale = total.x < 1.0f ? 0x1p100f : 0x1p-80f;
            total = sum_squares(w, size, b, scale, scratch);
        }
    } else
        total = group_sum(pair_add_float(fold_lanes(sum, low), fabs(b)), scratch);
    if (item != 0)
        return;
    float count = (float)(size + (bias ? 1 : 0));
    if (kind == NORM_MEAN || kind == NORM_RMS)
        total = count > 0.0f ? pair_divide(total, count) : (float2)(0.0f, 0.0f);
    else if (kind == NORM_WEIGHTED_L1)
        total = pair_scale(total, (float)(g + 1));
    float value = kind == NORM_L2 || kind == NORM_RMS ? sqrt(total.x) / scale : total.x;
    norm[norm_offset + g] = value;
}

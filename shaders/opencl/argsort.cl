/* argsort.cl: stable merge sort of (key, index) pairs.
 *
 *     argsort_runs:  item t sorts elements [t RUN, t RUN + RUN) by insertion
 *     argsort_merge: runs of `width` become runs of 2 width; item t writes outputs [t RUN, t RUN + RUN): it finds by
 *                    bisection how many of them come from the left run (merge path, Green et al. 2012), then merges
 *     argsort_write: indices to ORDER
 * Parameters: RUN = elements per work-item.
 */
#include "sort_key.clh"

kernel void argsort_runs(global const float *keys, ulong keys_offset, global uint2 *out, uint n, int descending)
{
    uint begin = (uint)get_global_id(0) * RUN;
    for (uint i = begin; i < n && i < begin + RUN; ++i) {
        uint2 entry = (uint2)(sort_key(keys[keys_offset + i], descending), i);
        uint at = i;
        for (; at > begin && out[at - 1].x > entry.x; --at)
            out[at] = out[at - 1];
        out[at] = entry;
    }
}

kernel void argsort_merge(global const uint2 *in, global uint2 *out, uint n, uint width)
{
    ulong start = (ulong)get_global_id(0) * RUN;
    if (start >= n)
        return;
    uint pair = (uint)(start / (2ul * width)) * 2u * width;
    uint left_count = min(width, n - pair);
    global const uint2 *left = in + pair;
    global const uint2 *right = left + left_count;
    uint right_count = min(width, n - pair - left_count);
    uint diagonal = (uint)start - pair;

    uint low = (uint)max((int)diagonal - (int)right_count, 0);
    uint high = min(diagonal, left_count);
    while (low < high) { /* the number of left elements among the first `diagonal` outputs */
        uint middle = (low + high) / 2;
        if (left[middle].x <= right[diagonal - 1 - middle].x)
            low = middle + 1;
        else
            high = middle;
    }
    uint i = low;
    uint j = diagonal - low;
    uint stop = min(diagonal + RUN, left_count + right_count);
    for (uint k = diagonal; k < stop; ++k) {
        bool take_left = j >= right_count || (i < left_count && left[i].x <= right[j].x);
        out[pair + k] = take_left ? left[i] : right[j];
        i += take_left ? 1 : 0;
        j += take_left ? 0 : 1;
    }
}

kernel void argsort_write(global const uint2 *in, global uint *order, ulong order_offset, uint n)
{
    uint i = (uint)get_global_id(0);
    if (i < n)
        order[order_offset + i] = in[i].y;
}

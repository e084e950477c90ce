/* kept_scan.cl: the ascending list of the g with NORM[g] >= threshold, or of the min_keep largest.
 *
 *     one group; item t owns the contiguous share t of the norms: count, scan, write
 * Too few passing: the key of the min_keep-th largest norm is found bit by bit (32 counting passes), then ties at that
 * key are taken from the lowest index on. Parameters: WG.
 */
#include "scan.clh"
#include "sort_key.clh"

/* How many of the n norms have a descending key below `limit`. */
static inline uint count_below(global const float *norm, uint n, uint limit, local uint *scratch)
{
    uint count = 0;
    uint total;
    for (uint g = get_local_id(0); g < n; g += WG)
        count += sort_key(norm[g], 1) < limit ? 1 : 0;
    group_scan(count, &total, scratch);
    return total;
}

/* The largest key K such that fewer than `keep` norms have a key below K: the key of the keep-th entry. */
static inline uint select_key(global const float *norm, uint n, uint keep, local uint *scratch)
{
    uint key = 0;
    for (int bit = 31; bit >= 0; --bit) {
        uint candidate = key | (1u << bit);
        if (count_below(norm, n, candidate, scratch) < keep)
            key = candidate;
    }
    return key;
}

kernel WG_ATTRIBUTE void kept_scan(global const float *norm, ulong norm_offset, global uint *kept, ulong kept_offset,
                                   global uint *count, ulong count_offset, uint n, float threshold, uint min_keep)
{
    local uint scratch[WG];
    uint item = (uint)get_local_id(0);
    uint share = (n + WG - 1) / WG;
    uint begin = min(item * share, n);
    uint end = min(begin + share, n);
    norm += norm_offset;
    kept += kept_offset;

    uint mine = 0;
    uint total;
    for (uint g = begin; g < end; ++g)
        mine += norm[g] >= threshold ? 1 : 0;
    uint at = group_scan(mine, &total, scratch);

    bool by_rank = total < min_keep;
    uint keep = min(min_keep, n);
    uint key = 0;
    uint ties_left = 0; /* entries equal to key that may still be kept, before this item's share */
    if (by_rank) {
        key = select_key(norm, n, keep, scratch);
        uint ties_allowed = keep - count_below(norm, n, key, scratch);
        uint ties = 0;
        uint below = 0;
        uint all;
        for (uint g = begin; g < end; ++g) {
            below += sort_key(norm[g], 1) < key ? 1 : 0;
            ties += sort_key(norm[g], 1) == key ? 1 : 0;
        }
        uint ties_before = group_scan(ties, &all, scratch);
        ties_left = (uint)max((int)ties_allowed - (int)ties_before, 0);
        at = group_scan(below + min(ties, ties_left), &total, scratch);
    }
    for (uint g = begin; g < end; ++g) {
        bool take = norm[g] >= threshold;
        if (by_rank) {
            uint k = sort_key(norm[g], 1);
            take = k < key || (k == key && ties_left > 0);
            ties_left -= k == key && ties_left > 0 ? 1 : 0;
        }
        if (take)
            kept[at++] = g;
    }
    for (uint i = total + item; i < n; i += WG)
        kept[i] = 0xffffffffu;
    if (item == 0)
        count[count_offset] = total;
}

// kept_scan.comp: the indices g with NORM[g] >= threshold, ascending, by one workgroup.
//
// Each invocation owns a run of neighbouring groups: count, prefix over invocations, write. If too few pass, the
// min_keep-th largest key is found bit by bit (32 counts), and of those equal to it the first ones are kept.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"

BUFFER(0, readonly, float, norm);
BUFFER(1, writeonly, uint, kept);
BUFFER(2, writeonly, uint, total);
layout(push_constant) uniform parameters
{
    uint at[3];
    KEPT_SCAN_PUSH
} p;

shared uint counts[GROUP_SIZE];

// Larger norms have larger keys; NaN has the least.
uint key_of(uint g)
{
    const uint bits = floatBitsToUint(norm[p.at[0] + g]);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return 0u;
    if ((bits & 0x7fffffffu) == 0u)
        return 0x80000000u;
    return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}

// Exclusive prefix sum over the invocations, and the sum of all.
uvec2 prefix(uint value)
{
    const uint lane = lane_index();
    counts[lane] = value;
    barrier();
    for (uint s = 1u; s < GROUP_SIZE; s <<= 1) {
        const uint add = lane >= s ? counts[lane - s] : 0u;
        barrier();
        counts[lane] += add;
        barrier();
    }
    const uvec2 result = uvec2(counts[lane] - value, counts[GROUP_SIZE - 1u]);
    barrier();
    return result;
}

uint count_keys(uint begin, uint end, uint least)
{
    uint count = 0u;
    for (uint g = begin; g < end; g++)
        count += key_of(g) >= least ? 1u : 0u;
    return prefix(count).y;
}

void main()
{
    const uint run = (p.n + GROUP_SIZE - 1u) / GROUP_SIZE;
    const uint begin = min(lane_index() * run, p.n), end = min(begin + run, p.n);
    uint passing = 0u;
    for (uint g = begin; g < end; g++)
        passing += norm[p.at[0] + g] >= p.threshold ? 1u : 0u;
    const uvec2 offset = prefix(passing);
    const uint want = min(p.min_keep, p.n);
    const bool by_rank = offset.y < want;
    uint pivot = 0u;
    uint ties = 0u; // how many groups with the pivot's key are kept
    uint place = offset.x;
    uint equal_before = 0u;
    if (by_rank) {
        for (uint bit = 0x80000000u; bit != 0u; bit >>= 1)
            if (count_keys(begin, end, pivot | bit) >= want)
                pivot |= bit;
        const uint above = pivot == 0xffffffffu ? 0u : count_keys(begin, end, pivot + 1u);
        ties = want - above;
        uint equal = 0u, larger = 0u;
        for (uint g = begin; g < end; g++) {
            equal += key_of(g) == pivot ? 1u : 0u;
            larger += key_of(g) > pivot ? 1u : 0u;
        }
        equal_before = prefix(equal).x;
        place = prefix(larger).x + min(equal_before, ties);
    }
    for (uint g = begin; g < end; g++) {
        bool keep = norm[p.at[0] + g] >= p.threshold;
        if (by_rank) {
            const uint key = key_of(g);
            keep = key > pivot || (key == pivot && equal_before < ties);
            equal_before += key == pivot ? 1u : 0u;
        }
        if (keep)
            kept[p.at[1] + place++] = g;
    }
    const uint count = by_rank ? want : offset.y;
    for (uint g = count + lane_index(); g < p.n; g += GROUP_SIZE)
        kept[p.at[1] + g] = 0xffffffffu;
    if (lane_index() == 0u)
        total[p.at[2]] = count;
}

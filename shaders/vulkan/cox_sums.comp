// cox_sums.comp: the first of the four shaders of cox: samples by position, and sums of exponentials.
//
// Leaves rows (h and marks by position), what each lane has beside it within its block, each block's own stretches and
// its sums of h, h^2 and events. Read last to first, a stretch has in x the events (Efron only), in y all others.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"
#include "reduction.glsl"
#define COX_SCAN
#include "cox.glsl"

layout(constant_id = 1) const bool EFRON = false;

BUFFER(0, readonly, float, risk);
BUFFER(1, readonly, float, time);
BUFFER(2, readonly, uint, event);
BUFFER(3, readonly, uint, order);
BUFFER(4, writeonly, row, rows);
BUFFER(5, writeonly, sides, lanes);
BUFFER(6, writeonly, sides, blocks);
BUFFER(7, writeonly, vec2, sums); // (blocks, 3)
layout(push_constant) uniform parameters
{
    uint at[8];
    COX_PUSH
} p;

// Stretches of positions [first, last); adds to the sums of h, h^2 and events.
sides read_rows(uint first, uint last, inout vec2 sum[3])
{
    stretch after = NO_STRETCH, before = NO_STRETCH;
    uint s = first < last ? order[p.at[3] + last - 1u] : 0u;
    float t = first < last ? time[p.at[1] + s] : 0.0;
    for (uint k = last; k > first; k--) {
        const uint i = k - 1u;
        const uint s_before = i > 0u ? order[p.at[3] + i - 1u] : s;
        const float t_before = time[p.at[1] + s_before];
        const float h = risk[p.at[0] + s];
        const bool is_event = event[p.at[2] + s] != 0u;
        const bool is_first = i == 0u || !(t == t_before);
        rows[i] = row(h, (is_event ? MARK_EVENT : 0u) | (is_first ? MARK_FIRST : 0u));
        sum[0] = ff_add(sum[0], h);
        sum[1] = ff_add(sum[1], two_product(h, h));
        sum[2] = ff_add(sum[2], is_event ? 1.0 : 0.0);
        after.count += is_event ? 1u : 0u;
        if (EFRON && is_event)
            after.x = plus(after.x, vec2(h, 1.0));
        else
            after.y = plus(after.y, vec2(h, 1.0));
        if (is_first) {
            if (after.borders == 0u)
                before = stretch(after.x, after.y, NOTHING, after.count, 1u);
            after = close_group(after, CLOSE_BOTH);
        }
        s = s_before;
        t = t_before;
    }
    if (after.borders == 0u)
        before = after;
    return sides(before, after);
}

void main()
{
    const uint block = group_index();
    if (block >= p.block_count)
        return;
    const uint lane = block * GROUP_SIZE + lane_index();
    const uint first = min(lane * p.run, p.n), last = min(first + p.run, p.n);
    vec2 sum[3] = {vec2(0.0), vec2(0.0), vec2(0.0)};
    const sides own = read_rows(first, last, sum);
    sides all;
    lanes[lane] = scan_sides(own, EXPONENTIALS_CLOSE, all);
    for (uint k = 0u; k < 3u; k++)
        sum[k] = group_sum(sum[k]);
    if (lane_index() != 0u)
        return;
    blocks[block] = all;
    for (uint k = 0u; k < 3u; k++)
        sums[3u * block + k] = sum[k];
}

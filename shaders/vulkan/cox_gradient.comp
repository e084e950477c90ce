// cox_gradient.comp: the gradient of cox: e^h times the inverse denominators in which h stands, minus one for an event.
//
// h stands in the denominators of all earlier groups, and of its own: all of W for one who had no event, V for one who
// had. A lane walks its groups first to last; what others hold of its outermost groups is beside it.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"
#include "cox.glsl"


layout(constant_id = 1) const bool EFRON = false;
layout(constant_id = 2) const uint DOMAIN = 0;

BUFFER(0, readonly, row, rows);
BUFFER(1, readonly, uint, order);
BUFFER(2, readonly, sides, blocks);
BUFFER(3, readonly, sides, lanes);
BUFFER(4, readonly, vec4, inverses);
BUFFER(5, readonly, vec2, totals);
BUFFER(6, writeonly, float, drisk);
layout(push_constant) uniform parameters
{
    uint at[7];
    COX_PUSH
} p;

float domain_gradient(float h, float mean)
{
    if (DOMAIN == COX_DOMAIN_AS_PRINTED)
        return 2.0 * mean;
    if (DOMAIN == COX_DOMAIN_MEAN2)
        return 2.0 * mean / float(p.n);
    return DOMAIN == COX_DOMAIN_MEAN_SQ ? 2.0 * h / float(p.n) : 0.0;
}

// The sum that e^h is to be multiplied by: of those with an event, and of the others.
void write_gradient(uint first, uint last, vec2 of_events, vec2 of_others)
{
    const float divisor = totals[3].x, mean = totals[0].x / float(p.n);
    for (uint i = first; i < last; i++) {
        const row own = rows[i];
        const bool is_event = (own.marks & MARK_EVENT) != 0u;
        const vec2 sum = is_event ? of_events : of_others;
        const float stands = sum.y == 0.0 ? 0.0 : exp_accurate(own.h + sum.x) * sum.y;
        const float likelihood = divisor > 0.0 ? (stands - (is_event ? 1.0 : 0.0)) / divisor : 0.0;
        drisk[p.at[6] + order[p.at[1] + i]] =
            is_nan(mean) ? mean : likelihood + p.domain_strength * domain_gradient(own.h, mean);
    }
}

void main()
{
    const uint block = group_index();
    if (block >= p.block_count)
        return;
    const uint lane = block * GROUP_SIZE + lane_index();
    const uint first = min(lane * p.run, p.n), last = min(first + p.run, p.n);
    const sides beside = follow_sides(blocks[block], lanes[lane], INVERSES_CLOSE);
    stretch group = beside.before;
    if (first < last && (rows[first].marks & MARK_FIRST) != 0u)
        group = close_group(group, CLOSE_X);
    for (uint begin = first, end = first; begin < last; begin = end) {
        do {
            if ((rows[end].marks & MARK_EVENT) != 0u) {
                const vec4 inverse = inverses[end];
                group.x = plus(group.x, inverse.xy);
                if (EFRON)
                    group.y = plus(group.y, inverse.xz);
            }
            end++;
        } while (end < last && (rows[end].marks & MARK_FIRST) == 0u);
        vec2 w = group.x, v = group.y;
        if (end == last) {
            w = plus(w, beside.after.x);
            v = plus(v, beside.after.y);
        }
        const vec2 of_others = plus(group.closed, w);
        write_gradient(begin, end, EFRON ? plus(group.closed, v) : of_others, of_others);
        group = stretch(NOTHING, NOTHING, of_others, 0u, 0u);
    }
}

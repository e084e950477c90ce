// cox_terms.comp: the terms of cox, event by event, and sums of the inverse denominators.
//
// For event l of the d of a group, with E the sum over its events, U over its others and later groups beyond it:
// log(R + share E) - h, R = later + U, share = 1 (Breslow) or (d - l) / d (Efron): nothing is subtracted. A lane walks
// its groups last to first; what other lanes and blocks hold of its outermost groups is beside it. Leaves for the
// gradient the inverse denominators, and stretches of them: x = W, their sum, y = V, the same times share (Efron only).
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"
#include "reduction.glsl"
#define COX_SCAN
#include "cox.glsl"

layout(constant_id = 1) const bool EFRON = false;
layout(constant_id = 2) const bool GRADIENT = false;

BUFFER(0, readonly, row, rows);
BUFFER(1, readonly, sides, blocks); // of exponentials: beside each
BUFFER(2, , sides, lanes);          // of exponentials, then of inverse denominators
BUFFER(3, writeonly, vec4, inverses); // by position: 1 / denominator, the same times share, 0
BUFFER(4, writeonly, sides, inverse_blocks);
BUFFER(5, writeonly, vec2, sums); // (blocks)
layout(push_constant) uniform parameters
{
    uint at[6];
    COX_PUSH
} p;

// The events at [first, last) of a whole group, the first of them event `rank` of it. Adds up their terms, W and V.
void add_terms(uint first, uint last, stretch group, vec2 r, uint rank, inout vec2 terms, out vec2 w, out vec2 v)
{
    w = NOTHING;
    v = NOTHING;
    for (uint i = first; i < last; i++) {
        const row own = rows[i];
        if ((own.marks & MARK_EVENT) == 0u)
            continue;
        const float share = EFRON ? float(group.count - rank) / float(group.count) : 1.0;
        const vec2 denominator = EFRON ? plus(r, vec2(group.x.x, group.x.y * share)) : r;
        const float inverse = 1.0 / denominator.y;
        terms = ff_add(terms, ff_add(two_sum(denominator.x, -own.h), log_accurate(denominator.y)));
        rank++;
        if (!GRADIENT)
            continue;
        inverses[i] = vec4(-denominator.x, inverse, share * inverse, 0.0);
        w = plus(w, vec2(-denominator.x, inverse));
        if (EFRON)
            v = plus(v, vec2(-denominator.x, share * inverse));
    }
}

// The terms of positions [first, last), which have `beside` around them; returns their stretches of W and V.
sides walk(uint first, uint last, sides beside, inout vec2 terms)
{
    sides held = sides(NO_STRETCH, NO_STRETCH);
    stretch group = beside.after;
    bool found = false;
    for (uint begin = last, end = last; begin > first; end = begin) {
        bool is_first = false;
        while (begin > first && !is_first) {
            const row own = rows[--begin];
            const bool is_event = (own.marks & MARK_EVENT) != 0u;
            is_first = (own.marks & MARK_FIRST) != 0u;
            group.count += is_event ? 1u : 0u;
            if (EFRON && is_event)
                group.x = plus(group.x, vec2(own.h, 1.0));
            else
                group.y = plus(group.y, vec2(own.h, 1.0));
        }
        uint rank = 0u;
        if (!is_first) {
            rank = beside.before.count;
            group = stretch(plus(group.x, beside.before.x), plus(group.y, beside.before.y), group.closed,
                            group.count + rank, 0u);
        }
        vec2 w, v;
        const vec2 r = plus(group.closed, group.y);
        add_terms(begin, end, group, r, rank, terms, w, v);
        if (!found) {
            held.before.x = w;
            held.before.y = v;
        } else {
            held.before.closed = plus(w, held.before.closed);
        }
        if (!is_first) {
            held.after.x = w;
            held.after.y = v;
            break;
        }
        found = true;
        group = stretch(NOTHING, NOTHING, plus(r, group.x), 0u, 0u);
    }
    held.before.borders = held.after.borders = found ? 1u : 0u;
    return held;
}

void main()
{
    const uint block = group_index();
    if (block >= p.block_count)
        return;
    const uint lane = block * GROUP_SIZE + lane_index();
    const uint first = min(lane * p.run, p.n), last = min(first + p.run, p.n);
    vec2 terms = vec2(0.0);
    const sides held = walk(first, last, follow_sides(blocks[block], lanes[lane], EXPONENTIALS_CLOSE), terms);
    terms = group_sum(terms);
    sides all;
    if (GRADIENT)
        lanes[lane] = scan_sides(held, INVERSES_CLOSE, all);
    if (lane_index() != 0u)
        return;
    sums[block] = terms;
    if (GRADIENT)
        inverse_blocks[block] = all;
}

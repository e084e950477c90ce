// cox_carry.comp: from the stretches that blocks hold to those that they have beside them, by one workgroup; and sums.
//
// Runs after cox_sums (exponentials; the sums of h, h^2 and events become totals) and after cox_terms (inverse
// denominators; the sum of the terms becomes the loss, with the domain term and the reduction).
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"
#include "reduction.glsl"
#define LOSS_SLOT 3
#include "loss.glsl"
#define COX_SCAN
#include "cox.glsl"


layout(constant_id = 1) const bool INVERSES = false; // after cox_terms
layout(constant_id = 2) const bool CARRIES = true;   // whether anything follows that asks for the blocks
layout(constant_id = 3) const uint REDUCTION = 0;
layout(constant_id = 4) const uint DOMAIN = 0;

BUFFER(0, , sides, blocks);
BUFFER(1, readonly, vec2, sums); // (blocks, 3 or 1)
BUFFER(2, , vec2, totals);       // of h, h^2, events; then the divisor of the likelihood, 0 without events
layout(push_constant) uniform parameters
{
    uint at[7];
    COX_CARRY_PUSH
    LOSS_ENDING_PUSH
} p;

void carry_blocks(uint first, uint last, uvec2 closing)
{
    sides own = sides(NO_STRETCH, NO_STRETCH), all;
    for (uint b = first; b < last; b++)
        own.before = follow(own.before, blocks[b].before, closing.x);
    for (uint b = last; b > first; b--)
        own.after = follow(own.after, blocks[b - 1u].after, closing.y);
    sides beside = scan_sides(own, closing, all);
    for (uint b = first; b < last; b++) {
        const stretch held = blocks[b].before;
        blocks[b].before = beside.before;
        beside.before = follow(beside.before, held, closing.x);
    }
    for (uint b = last; b > first; b--) {
        const stretch held = blocks[b - 1u].after;
        blocks[b - 1u].after = beside.after;
        beside.after = follow(beside.after, held, closing.y);
    }
}

vec2 block_sum(uint first, uint last, uint stride, uint k)
{
    vec2 sum = vec2(0.0);
    for (uint b = first; b < last; b++)
        sum = ff_add(sum, sums[stride * b + k]);
    return group_sum(sum);
}

vec2 domain_value(vec2 mean, vec2 mean_square)
{
    if (DOMAIN == COX_DOMAIN_AS_PRINTED)
        return ff_multiply(vec2(float(p.n), 0.0), ff_multiply(mean, mean));
    if (DOMAIN == COX_DOMAIN_MEAN2)
        return ff_multiply(mean, mean);
    return DOMAIN == COX_DOMAIN_MEAN_SQ ? mean_square : vec2(0.0);
}

void finish(vec2 terms)
{
    const vec2 n = vec2(max(float(p.n), 1.0), 0.0);
    const vec2 mean = ff_divide(totals[0], n), mean_square = ff_divide(totals[1], n);
    const float divisor = totals[3].x;
    const vec2 likelihood = divisor > 0.0 ? ff_divide(terms, vec2(divisor, 0.0)) : vec2(0.0);
    const vec2 domain = ff_multiply(vec2(p.domain_strength, 0.0), domain_value(mean, mean_square));
    // some risk is NaN, whether or not a term reads it
    const vec2 value = is_nan(totals[0].x) ? vec2(totals[0].x, 0.0) : ff_add(likelihood, domain);
    write_loss(uvec4(p.at[3], p.at[4], p.at[5], p.at[6]),
               loss_output(p.has_stats, p.history_length, p.has_counter, p.rows), value, 0.0);
}

void main()
{
    const uint share = (p.block_count + GROUP_SIZE - 1u) / GROUP_SIZE;
    const uint first = min(lane_index() * share, p.block_count), last = min(first + share, p.block_count);
    if (CARRIES)
        carry_blocks(first, last, INVERSES ? INVERSES_CLOSE : EXPONENTIALS_CLOSE);
    if (INVERSES) {
        const vec2 terms = block_sum(first, last, 1u, 0u);
        if (lane_index() == 0u)
            finish(terms);
        return;
    }
    vec2 total[3];
    for (uint k = 0u; k < 3u; k++)
        total[k] = block_sum(first, last, 3u, k);
    if (lane_index() != 0u)
        return;
    for (uint k = 0u; k < 3u; k++)
        totals[k] = total[k];
    const float events = total[2].x;
    const float divisor = REDUCTION == COX_REDUCTION_MEAN ? float(p.n) : REDUCTION == COX_REDUCTION_PER_EVENT ? events : 1.0;
    totals[3] = vec2(events > 0.0 ? divisor : 0.0, 0.0);
}

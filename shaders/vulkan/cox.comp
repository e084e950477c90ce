// cox.comp: the negative log partial likelihood (Cox 1972) with the ties of Breslow or Efron, by one workgroup.
//
// Positions are those of ORDER (ascending time). Each invocation owns the tie groups that begin in its run of
// positions. Sums of exponentials are pairs (m, s) meaning s e^m, so that m - h stays exact for large |h|.
//   1. per group: E over its events, U over the others; suffix sums over later groups -> R = later + U.
//   2. per event number l of d: log(R + share E) - h, share = 1 (Breslow) or 1 - l/d (Efron); W = sum 1/denominator,
//      V = sum share/denominator.
//   3. prefix sums of W over groups -> gradient e^h (I for others, I - W + V for events) - event.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"
#include "reduction.glsl"
#define LOSS_SLOT 5
#include "loss.glsl"

#define DOMAIN_AS_PRINTED 1u
#define DOMAIN_MEAN2 2u
#define DOMAIN_MEAN_SQ 3u
#define REDUCTION_MEAN 1u
#define REDUCTION_PER_EVENT 2u

layout(constant_id = 1) const bool EFRON = false;
layout(constant_id = 2) const uint REDUCTION = 0;
layout(constant_id = 3) const uint DOMAIN = 0;
layout(constant_id = 4) const bool GRADIENT = false;

BUFFER(0, readonly, float, risk);
BUFFER(1, readonly, float, time);
BUFFER(2, readonly, uint, event);
BUFFER(3, readonly, uint, order);
BUFFER(4, writeonly, float, drisk);
BUFFER(9, , vec4, state); // by first position of a group: W and V
layout(push_constant) uniform parameters
{
    uint at[10];
    uint n;
    uint has_stats, history_length, has_counter;
    float rows;
    float domain_strength;
} p;

shared vec2 carry[GROUP_SIZE];

#define NOTHING vec2(uintBitsToFloat(0xff800000u), 0.0)

// s1 e^m1 + s2 e^m2
vec2 plus(vec2 a, vec2 b)
{
    if (b.y == 0.0)
        return a;
    if (a.y == 0.0)
        return b;
    const float m = max(a.x, b.x);
    return vec2(m, a.y * exp_accurate(a.x - m) + b.y * exp_accurate(b.x - m));
}

uint sample_at(uint i)
{
    return order[p.at[3] + i];
}

bool begins(uint i)
{
    return i == 0u || !(time[p.at[1] + sample_at(i)] == time[p.at[1] + sample_at(i - 1u)]);
}

uint end_of(uint i)
{
    uint end = i + 1u;
    while (end < p.n && !begins(end))
        end++;
    return end;
}

// The sums over the events (E) and the others (U) of the group [begin, end), and the number of events.
void sum_group(uint begin, uint end, out vec2 e, out vec2 u, out uint d)
{
    e = NOTHING;
    u = NOTHING;
    d = 0u;
    for (uint i = begin; i < end; i++) {
        const uint s = sample_at(i);
        const vec2 one = vec2(risk[p.at[0] + s], 1.0);
        if (event[p.at[2] + s] != 0u) {
            e = plus(e, one);
            d++;
        } else {
            u = plus(u, one);
        }
    }
}

// The exclusive sum over the invocations before (or after) this one.
vec2 exclusive(vec2 value, bool from_end)
{
    const uint lane = lane_index();
    carry[lane] = value;
    barrier();
    if (lane == 0u) {
        vec2 sum = NOTHING;
        for (uint k = 0u; k < GROUP_SIZE; k++) {
            const uint i = from_end ? GROUP_SIZE - 1u - k : k;
            const vec2 own = carry[i];
            carry[i] = sum;
            sum = plus(sum, own);
        }
    }
    barrier();
    const vec2 result = carry[lane];
    barrier();
    return result;
}

// The terms of one group; later: the sum over later groups. Leaves W and V in state; returns the loss.
vec2 group_terms(uint begin, uint end, inout vec2 later)
{
    vec2 e, u;
    uint d;
    sum_group(begin, end, e, u, d);
    const vec2 r = plus(later, u);
    vec2 terms = vec2(0.0);
    vec2 w = NOTHING, v = NOTHING;
    uint l = 0u;
    for (uint i = begin; i < end && d > 0u; i++) {
        const uint s = sample_at(i);
        if (event[p.at[2] + s] == 0u)
            continue;
        const float share = EFRON ? 1.0 - float(l) / float(d) : 1.0;
        const vec2 denominator = plus(r, vec2(e.x, e.y * share));
        terms = ff_add(terms, ff_add(two_sum(denominator.x, -risk[p.at[0] + s]), log_accurate(denominator.y)));
        w = plus(w, vec2(-denominator.x, 1.0 / denominator.y));
        v = plus(v, vec2(-denominator.x, share / denominator.y));
        l++;
    }
    later = plus(r, e);
    state[begin] = vec4(w, v);
    return terms;
}

vec2 domain_value(vec2 mean, vec2 mean_square)
{
    if (DOMAIN == DOMAIN_AS_PRINTED)
        return ff_multiply(vec2(float(p.n), 0.0), ff_multiply(mean, mean));
    if (DOMAIN == DOMAIN_MEAN2)
        return ff_multiply(mean, mean);
    return DOMAIN == DOMAIN_MEAN_SQ ? mean_square : vec2(0.0);
}

float domain_gradient(float h, float mean)
{
    if (DOMAIN == DOMAIN_AS_PRINTED)
        return 2.0 * mean;
    if (DOMAIN == DOMAIN_MEAN2)
        return 2.0 * mean / float(p.n);
    return DOMAIN == DOMAIN_MEAN_SQ ? 2.0 * h / float(p.n) : 0.0;
}

void write_gradient(uint begin, uint end, inout vec2 inverse, float scale, float mean)
{
    const vec4 wv = state[begin];
    const vec2 own = plus(inverse, wv.zw);
    inverse = plus(inverse, wv.xy);
    for (uint i = begin; i < end; i++) {
        const uint s = sample_at(i);
        const float h = risk[p.at[0] + s];
        const bool is_event = event[p.at[2] + s] != 0u;
        const vec2 sum = is_event ? own : inverse;
        const float likelihood = (sum.y == 0.0 ? 0.0 : exp_accurate(h + sum.x) * sum.y) - (is_event ? 1.0 : 0.0);
        drisk[p.at[4] + s] = scale * likelihood + p.domain_strength * domain_gradient(h, mean);
    }
}

void main()
{
    const uint run = (p.n + GROUP_SIZE - 1u) / GROUP_SIZE;
    const uint first = min(lane_index() * run, p.n), last = min(first + run, p.n);
    vec2 total = NOTHING, h_sum = vec2(0.0), square_sum = vec2(0.0), events = vec2(0.0);
    for (uint i = first; i < last; i++) {
        const float h = risk[p.at[0] + i];
        h_sum = ff_add(h_sum, h);
        square_sum = ff_add(square_sum, two_product(h, h));
        events.x += event[p.at[2] + i] != 0u ? 1.0 : 0.0;
        if (begins(i)) {
            vec2 e, u;
            uint d;
            sum_group(i, end_of(i), e, u, d);
            total = plus(total, plus(e, u));
        }
    }
    events = group_sum(events);
    const vec2 n = vec2(max(float(p.n), 1.0), 0.0);
    const vec2 mean = ff_divide(group_sum(h_sum), n);
    const vec2 mean_square = ff_divide(group_sum(square_sum), n);

    vec2 later = exclusive(total, true);
    vec2 terms = vec2(0.0);
    vec2 inverse = NOTHING;
    for (uint k = last; k > first; k--) {
        const uint i = k - 1u;
        if (begins(i)) {
            terms = ff_add(terms, group_terms(i, end_of(i), later));
            inverse = plus(inverse, state[i].xy);
        }
    }
    terms = group_sum(terms);
    const float divisor = REDUCTION == REDUCTION_MEAN ? n.x : REDUCTION == REDUCTION_PER_EVENT ? events.x : 1.0;
    if (GRADIENT) {
        const float scale = events.x > 0.0 ? 1.0 / divisor : 0.0;
        inverse = exclusive(inverse, false);
        for (uint i = first; i < last; i++)
            if (begins(i))
                write_gradient(i, end_of(i), inverse, scale, mean.x);
    }
    if (lane_index() != 0u)
        return;
    const vec2 likelihood = events.x > 0.0 ? ff_divide(terms, vec2(divisor, 0.0)) : vec2(0.0);
    const vec2 domain = ff_multiply(vec2(p.domain_strength, 0.0), domain_value(mean, mean_square));
    write_loss(uvec4(p.at[5], p.at[6], p.at[7], p.at[8]),
               loss_output(p.has_stats, p.history_length, p.has_counter, p.rows), ff_add(likelihood, domain), 0.0);
}

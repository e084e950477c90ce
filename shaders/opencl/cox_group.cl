/* cox_group.cl: negative log partial likelihood of Cox (1972) with the ties of Breslow or Efron, and its gradient, by
 * one work-group: slow, but it asks little of a compiler. cox.cl spreads the same over the device.
 *
 *     order:  [ t0 | t1 t1 | t2 | t3 t3 t3 ]     ascending times; equal times form a group; d events in it
 *     Item t owns the contiguous share t of the positions, and the groups that begin in it.
 *     1 later[i]   = sum of exp h over all positions >= i                             (suffix scan)
 *     2 per group:   denominators R + (1 - l/d) E, l < d; loss += their logarithms    (R: later groups and unobserved
 *                    ties, E: tied events: nothing is subtracted); sums of 1/denominator, plain and by share
 *     3 inverse[i] = sum of 1/denominator over all groups up to position i            (prefix scan)
 *     4 gradient   = exp(h) (event ? own : inverse) - event
 * Sums of exponentials are exp(x) (y + z) as float4 (x, y, z, unused), x the largest exponent, y + z compensated: |h|
 * of 1e4 does no harm. Parameters: WG.
 */
#include "contract.clh"
#include "cox_domain.clh"
#include "group.clh"
#include "loss.clh"

#define EMPTY ((float4)(-INFINITY, 0.0f, 0.0f, 0.0f))

static inline float4 exp_sum(float h)
{
    return (float4)(h, 1.0f, 0.0f, 0.0f);
}

static inline float4 exp_sum_add(float4 a, float4 b)
{
    if (a.x < b.x) {
        float4 swap = a;
        a = b;
        b = swap;
    }
    if (b.x == -INFINITY)
        return a;
    float2 sum = pair_add(a.yz, pair_scale(b.yz, exp(b.x - a.x)));
    return (float4)(a.x, sum, 0.0f);
}

static inline float4 exp_sum_scale(float4 a, float factor)
{
    return factor > 0.0f ? (float4)(a.x, pair_scale(a.yz, factor), 0.0f) : EMPTY;
}

/* factor / a, for a sum that is not empty. */
static inline float4 exp_sum_invert(float4 a, float factor)
{
    return factor > 0.0f ? (float4)(-a.x, factor / (a.y + a.z), 0.0f, 0.0f) : EMPTY;
}

/* exp(h) a */
static inline float exp_sum_value(float h, float4 a)
{
    return a.x == -INFINITY ? 0.0f : exp(h + a.x) * (a.y + a.z);
}

static inline float2 exp_sum_log(float4 a)
{
    return two_sum(a.x, log(a.y + a.z));
}

typedef struct cox_data {
    global const float *risk, *time;
    global const uint *event, *order;
    uint n;
} cox_data;

/* One past the last position of the group that begins at `head`. */
static inline uint group_end(const cox_data *d, uint head)
{
    float time = d->time[d->order[head]];
    uint end = head + 1;
    while (end < d->n && d->time[d->order[end]] == time)
        ++end;
    return end;
}

static inline bool is_head(const cox_data *d, uint i)
{
    return i == 0 || d->time[d->order[i - 1]] != d->time[d->order[i]];
}

/* The sum over the items before (after, if reversed) this one. */
static inline float4 exclusive_scan(float4 value, bool reversed, local float4 *scratch)
{
#if WG > 1
    uint item = (uint)get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    scratch[item] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0) {
        float4 sum = EMPTY;
        for (uint k = 0; k < WG; ++k) {
            uint at = reversed ? WG - 1 - k : k;
            float4 own = scratch[at];
            scratch[at] = sum;
            sum = exp_sum_add(sum, own);
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return scratch[item];
#else
    return EMPTY;
#endif
}

/* Step 2 for one group. inverse[head] and own[head] receive the sums of 1/denominator. */
static inline float2 group_terms(const cox_data *d, uint head, global const float4 *later, global float4 *inverse,
                          global float4 *own, int efron, float *events)
{
    uint end = group_end(d, head);
    float4 rest = end < d->n ? later[end] : EMPTY;
    float4 tied = EMPTY;
    float2 loss = (float2)(0.0f, 0.0f);
    uint count = 0;
    for (uint i = head; i < end; ++i) {
        uint sample = d->order[i];
        float4 one = exp_sum(d->risk[sample]);
        if (d->event[sample]) {
            tied = exp_sum_add(tied, one);
            loss = pair_add_float(loss, -d->risk[sample]);
            ++count;
        } else {
            rest = exp_sum_add(rest, one);
        }
    }
    float4 sum = EMPTY;
    float4 shared = EMPTY;
    for (uint l = 0; l < count; ++l) {
        float share = efron ? 1.0f - (float)l / (float)count : 1.0f;
        float4 denominator = exp_sum_add(rest, exp_sum_scale(tied, share));
        loss = pair_add(loss, exp_sum_log(denominator));
        sum = exp_sum_add(sum, exp_sum_invert(denominator, 1.0f));
        shared = exp_sum_add(shared, exp_sum_invert(denominator, share));
    }
    inverse[head] = sum;
    own[head] = shared;
    *events += (float)count;
    return loss;
}

kernel WG_ATTRIBUTE void cox_group(global const float *risk, ulong risk_offset, global const float *time,
                                   ulong time_offset, global const uint *event, ulong event_offset,
                                   global const uint *order, ulong order_offset, global float *drisk,
                                   ulong drisk_offset, global float4 *later, global float4 *inverse, global float4 *own,
                                   uint n, int efron, int reduction, int domain, float domain_strength,
                                   global float *loss, ulong loss_offset, global float *stats, ulong stats_offset,
                                   global float *history, ulong history_offset, ulong history_length,
                                   global const uint *counter, ulong counter_offset)
{
    local float4 wide[WG];
    local float2 scratch[WG];
    cox_data d = {risk + risk_offset, time + time_offset, event + event_offset, order + order_offset, n};
    uint item = (uint)get_local_id(0);
    uint share = (n + WG - 1) / WG;
    uint begin = min(item * share, n);
    uint end = min(begin + share, n);

    float2 sum = (float2)(0.0f, 0.0f);
    float2 squares = (float2)(0.0f, 0.0f);
    float4 running = EMPTY;
    for (uint i = end; i-- > begin;) {
        float h = d.risk[d.order[i]];
        running = exp_sum_add(running, exp_sum(h));
        sum = pair_add_float(sum, h);
        squares = pair_add_square(squares, h);
    }
    running = exclusive_scan(running, true, wide);
    for (uint i = end; i-- > begin;) {
        running = exp_sum_add(running, exp_sum(d.risk[d.order[i]]));
        later[i] = running;
        inverse[i] = EMPTY;
    }
    barrier(CLK_GLOBAL_MEM_FENCE);

    float2 total = (float2)(0.0f, 0.0f);
    float events = 0.0f;
    for (uint i = begin; i < end; ++i)
        if (is_head(&d, i))
            total = pair_add(total, group_terms(&d, i, later, inverse, own, efron, &events));
    total = group_sum(total, scratch);
    events = group_sum((float2)(events, 0.0f), scratch).x;
    sum = group_sum(sum, scratch);
    squares = group_sum(squares, scratch);
    float divisor = reduction == COX_REDUCTION_SUM || events == 0.0f ? 1.0f : reduction == COX_REDUCTION_MEAN ? (float)n : events;
    float2 mean = n > 0 ? pair_divide(sum, (float)n) : (float2)(0.0f, 0.0f);

    if (item == 0) {
        float2 value = events > 0.0f ? pair_divide(total, divisor) : (float2)(0.0f, 0.0f);
        if (n > 0 && domain != 0)
            value = pair_add(value, pair_scale(domain_value(domain, mean, squares, (float)n), domain_strength));
        if (isnan(sum.x)) /* some risk is NaN, whether or not a term reads it */
            value = (float2)(NAN, 0.0f);
        write_loss(value, pair_scale(value, (float)n), 0.0f, (float)n, loss, loss_offset, stats, stats_offset, history,
                   history_offset, history_length, counter, counter_offset);
    }
    if (!drisk)
        return;

    running = EMPTY;
    for (uint i = begin; i < end; ++i)
        running = exp_sum_add(running, inverse[i]);
    running = exclusive_scan(running, false, wide);
    for (uint i = begin; i < end; ++i) {
        if (!is_head(&d, i))
            continue;
        float4 tied = exp_sum_add(running, own[i]);
        running = exp_sum_add(running, inverse[i]);
        uint last = group_end(&d, i);
        for (uint k = i; k < last; ++k) {
            uint sample = d.order[k];
            float h = d.risk[sample];
            float g = d.event[sample] ? exp_sum_value(h, tied) - 1.0f : exp_sum_value(h, running);
            drisk[drisk_offset + sample] = isnan(sum.x) ? NAN
                                                        : (events > 0.0f ? g / divisor : 0.0f) +
                                                              domain_strength *
                                                                  domain_gradient(domain, h, mean.x, (float)n);
        }
    }
}

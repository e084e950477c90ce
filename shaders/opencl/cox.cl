/* cox.cl: negative log partial likelihood of Cox (1972) with the ties of Breslow or Efron, and its gradient.
 *
 *     order:  [ t0 | t1 t1 | t2 | t3 t3 t3 ]     ascending times; equal times form a group; d events in it
 *     Work-group b owns a block of positions, item t of it a run of them; cox.clh says what is scanned.
 *     cox_sums      rows by position; scans exp h within blocks: x of the events (Efron only), y of all others
 *     cox_carry     one group scans the blocks; sums h, h^2 and events
 *     cox_terms     per event: log(R + share E) - h, share = 1 or (d - l) / d for event l of d; R: later groups and
 *                   others of this one, E: tied events (nothing is subtracted); scans 1/denominator within blocks:
 *                   x = W plainly, y = V times share (Efron only)
 *     cox_finish    one group scans the blocks; the loss
 *     cox_gradient  exp(h) (earlier groups, and of this one V for an event, W for others) - event
 * Parameters: WG, EFRON.
 */
#include "contract.clh"
#include "cox.clh"
#include "cox_domain.clh"
#include "loss.clh"

typedef struct inverse {
    float2 plain; /* 1 / denominator */
    float shared; /* the same times share, with the exponent of `plain` */
    float unused;
} inverse;

#define TOTALS 3 /* sums of h, h^2 and events */

static inline void add_row(stretch *s, row own)
{
    bool event = own.marks & MARK_EVENT;
    float2 one = (float2)(own.h, 1.0f);
    s->count += event ? 1u : 0u;
    if (EFRON && event)
        s->x = exp_sum_add(s->x, one);
    else
        s->y = exp_sum_add(s->y, one);
}

/* *held receives the stretches of positions [begin, end). Adds to the sums of h, h^2 and events. */
static inline void read_rows(global const float *risk, global const float *time, global const uint *event,
                             global const uint *order, global row *rows, uint begin, uint end, float2 *sum, sides *held)
{
    clear_sides(held);
    uint sample = begin < end ? order[end - 1] : 0;
    float now = begin < end ? time[sample] : 0.0f;
    for (uint i = end; i-- > begin;) {
        uint sample_before = i > 0 ? order[i - 1] : sample;
        float before = time[sample_before];
        bool first = i == 0 || !(now == before);
        row own = {risk[sample], (event[sample] ? MARK_EVENT : 0u) | (first ? MARK_FIRST : 0u)};
        rows[i] = own;
        sum[0] = pair_add_float(sum[0], own.h);
        sum[1] = pair_add_square(sum[1], own.h);
        sum[2].x += own.marks & MARK_EVENT ? 1.0f : 0.0f;
        add_row(&held->after, own);
        if (first) {
            if (!held->after.borders) {
                held->before = held->after;
                held->before.borders = 1;
            }
            open_group(&held->after, closed_sum(&held->after, CLOSE_BOTH));
        }
        sample = sample_before;
        now = before;
    }
    if (!held->after.borders)
        held->before = held->after;
}

kernel WG_ATTRIBUTE void cox_sums(global const float *risk, ulong risk_offset, global const float *time,
                                  ulong time_offset, global const uint *event, ulong event_offset,
                                  global const uint *order, ulong order_offset, uint n, uint run, global row *rows,
                                  global sides *items, global sides *blocks, global float2 *sums)
{
    local meeting at;
    local float2 scratch[WG];
    uint block = (uint)get_group_id(0);
    uint item = (uint)get_global_id(0);
    uint begin = min(item * run, n);
    float2 sum[TOTALS] = {(float2)(0.0f, 0.0f), (float2)(0.0f, 0.0f), (float2)(0.0f, 0.0f)};
    sides held, all;
    read_rows(risk + risk_offset, time + time_offset, event + event_offset, order + order_offset, rows, begin,
              min(begin + run, n), sum, &held);
    scan_sides(&held, EXPONENTIALS_CLOSE, &all, &at);
    items[item] = held;
    for (uint k = 0; k < TOTALS; ++k)
        sum[k] = group_sum(sum[k], scratch);
    if (get_local_id(0) != 0)
        return;
    blocks[block] = all;
    for (uint k = 0; k < TOTALS; ++k)
        sums[TOTALS * block + k] = sum[k];
}

/* One group: from what blocks hold to what they have beside them. */
static inline void carry_blocks(global sides *blocks, uint begin, uint end, closings how, local meeting *at)
{
    sides beside, all;
    clear_sides(&beside);
    for (uint b = begin; b < end; ++b) {
        stretch own = blocks[b].before;
        follow(&beside.before, &own, how.before);
    }
    for (uint b = end; b-- > begin;) {
        stretch own = blocks[b].after;
        follow(&beside.after, &own, how.after);
    }
    scan_sides(&beside, how, &all, at);
    for (uint b = begin; b < end; ++b) {
        stretch own = blocks[b].before;
        blocks[b].before = beside.before;
        follow(&beside.before, &own, how.before);
    }
    for (uint b = end; b-- > begin;) {
        stretch own = blocks[b].after;
        blocks[b].after = beside.after;
        follow(&beside.after, &own, how.after);
    }
}

/* The sum over all blocks of sums[stride b], this item's share of them being [begin, end). */
static inline float2 sum_blocks(global const float2 *sums, uint stride, uint begin, uint end, local float2 *scratch)
{
    float2 sum = (float2)(0.0f, 0.0f);
    for (uint b = begin; b < end; ++b)
        sum = pair_add(sum, sums[stride * b]);
    return group_sum(sum, scratch);
}

kernel WG_ATTRIBUTE void cox_carry(global sides *blocks, global const float2 *sums, uint block_count,
                                   global float2 *totals)
{
    local meeting at;
    local float2 scratch[WG];
    uint share = (block_count + WG - 1) / WG;
    uint begin = min((uint)get_local_id(0) * share, block_count);
    uint end = min(begin + share, block_count);
    for (uint k = 0; k < TOTALS; ++k) {
        float2 total = sum_blocks(sums + k, TOTALS, begin, end, scratch);
        if (get_local_id(0) == 0)
            totals[k] = total;
    }
    carry_blocks(blocks, begin, end, EXPONENTIALS_CLOSE, &at);
}

/* The events at [begin, end) of a whole group, the first of them event `rank` of it; rest: R; inverses may be NULL.
 * Adds up their terms; *w and *v receive W and V. */
static inline float2 group_terms(global const row *rows, global inverse *inverses, uint begin, uint end,
                                 const stretch *group, float2 rest, uint rank, float2 *w, float2 *v)
{
    float2 terms = (float2)(0.0f, 0.0f);
    *w = EMPTY;
    *v = EMPTY;
    for (uint i = begin; i < end; ++i) {
        row own = rows[i];
        if (!(own.marks & MARK_EVENT))
            continue;
        float share = EFRON ? (float)(group->count - rank) / (float)group->count : 1.0f;
        float2 denominator = EFRON ? exp_sum_add(rest, (float2)(group->x.x, group->x.y * share)) : rest;
        terms = pair_add(terms, pair_add_float(two_sum(denominator.x, -own.h), log(denominator.y)));
        ++rank;
        if (!inverses)
            continue;
        inverse by = {(float2)(-denominator.x, 1.0f / denominator.y), share / denominator.y, 0.0f};
        inverses[i] = by;
        *w = exp_sum_add(*w, by.plain);
        if (EFRON)
            *v = exp_sum_add(*v, (float2)(by.plain.x, by.shared));
    }
    return terms;
}

/* The terms of positions [begin, end), which have `beside` around them, last group to first; *held receives their
 * stretches of W and V. */
static inline float2 run_terms(global const row *rows, global inverse *inverses, uint begin, uint end,
                               const sides *beside, sides *held)
{
    float2 terms = (float2)(0.0f, 0.0f);
    stretch group = beside->after;
    bool found = false;
    clear_sides(held);
    for (uint from = end, to = end; from > begin; to = from) {
        bool first = false;
        while (from > begin && !first) {
            row own = rows[--from];
            add_row(&group, own);
            first = own.marks & MARK_FIRST;
        }
        uint rank = 0;
        if (!first) {
            rank = beside->before.count;
            group.x = exp_sum_add(group.x, beside->before.x);
            group.y = exp_sum_add(group.y, beside->before.y);
            group.count += rank;
        }
        float2 w, v;
        float2 rest = exp_sum_add(group.closed, group.y);
        terms = pair_add(terms, group_terms(rows, inverses, from, to, &group, rest, rank, &w, &v));
        if (!found) {
            held->before.x = w;
            held->before.y = v;
        } else {
            held->before.closed = exp_sum_add(w, held->before.closed);
        }
        if (!first) {
            held->after.x = w;
            held->after.y = v;
            break;
        }
        found = true;
        open_group(&group, exp_sum_add(rest, group.x));
    }
    held->before.borders = held->after.borders = found ? 1 : 0;
    return terms;
}

kernel WG_ATTRIBUTE void cox_terms(global const row *rows, global const sides *blocks, uint n, uint run,
                                   global sides *items, global inverse *inverses, global sides *inverse_blocks,
                                   global float2 *sums)
{
    local meeting at;
    local float2 scratch[WG];
    uint block = (uint)get_group_id(0);
    uint item = (uint)get_global_id(0);
    uint begin = min(item * run, n);
    sides beside = blocks[block];
    sides within = items[item];
    sides held;
    follow_sides(&beside, &within, EXPONENTIALS_CLOSE);
    float2 terms = run_terms(rows, inverses, begin, min(begin + run, n), &beside, &held);
    terms = group_sum(terms, scratch);
    if (get_local_id(0) == 0)
        sums[block] = terms;
    if (!inverses)
        return;
    sides all;
    scan_sides(&held, INVERSES_CLOSE, &all, &at);
    items[item] = held;
    if (get_local_id(0) == 0)
        inverse_blocks[block] = all;
}

/* What the likelihood is divided by; 0 without events. */
static inline float divisor_of(int reduction, uint n, float events)
{
    return events == 0.0f ? 0.0f : reduction == COX_REDUCTION_SUM ? 1.0f : reduction == COX_REDUCTION_MEAN ? (float)n : events;
}

/* blocks is NULL if no gradient is wanted. */
kernel WG_ATTRIBUTE void cox_finish(global sides *blocks, global const float2 *terms, uint block_count,
                                    global const float2 *totals, uint n, int reduction, int domain,
                                    float domain_strength, global float *loss, ulong loss_offset, global float *stats,
                                    ulong stats_offset, global float *history, ulong history_offset,
                                    ulong history_length, global const uint *counter, ulong counter_offset)
{
    local meeting at;
    local float2 scratch[WG];
    uint share = (block_count + WG - 1) / WG;
    uint begin = min((uint)get_local_id(0) * share, block_count);
    uint end = min(begin + share, block_count);
    float2 total = sum_blocks(terms, 1, begin, end, scratch);
    if (blocks)
        carry_blocks(blocks, begin, end, INVERSES_CLOSE, &at);
    if (get_local_id(0) != 0)
        return;
    float divisor = divisor_of(reduction, n, totals[2].x);
    float2 value = divisor > 0.0f ? pair_divide(total, divisor) : (float2)(0.0f, 0.0f);
    if (n > 0 && domain != 0)
        value = pair_add(value, pair_scale(domain_value(domain, pair_divide(totals[0], (float)n), totals[1], (float)n),
                                           domain_strength));
    if (isnan(totals[0].x)) /* some risk is NaN, whether or not a term reads it */
        value = (float2)(NAN, 0.0f);
    write_loss(value, pair_scale(value, (float)n), 0.0f, (float)n, loss, loss_offset, stats, stats_offset, history,
               history_offset, history_length, counter, counter_offset);
}

/* exp(h) a */
static inline float exp_sum_value(float h, float2 a)
{
    return a.x == -INFINITY ? 0.0f : exp(h + a.x) * a.y;
}

/* Adds the inverse denominators from position `at` to the end of its group, or to `end`, which is returned. */
static inline uint add_inverses(global const row *rows, global const inverse *inverses, uint at, uint end,
                                stretch *group)
{
    do {
        if (rows[at].marks & MARK_EVENT) {
            inverse by = inverses[at];
            group->x = exp_sum_add(group->x, by.plain);
            if (EFRON)
                group->y = exp_sum_add(group->y, (float2)(by.plain.x, by.shared));
        }
        ++at;
    } while (at < end && !(rows[at].marks & MARK_FIRST));
    return at;
}

kernel WG_ATTRIBUTE void cox_gradient(global const row *rows, global const uint *order, ulong order_offset,
                                      global const sides *blocks, global const sides *items,
                                      global const inverse *inverses, global const float2 *totals, uint n, uint run,
                                      int reduction, int domain, float domain_strength, global float *drisk,
                                      ulong drisk_offset)
{
    uint item = (uint)get_global_id(0);
    uint begin = min(item * run, n);
    uint end = min(begin + run, n);
    float divisor = divisor_of(reduction, n, totals[2].x);
    float mean = totals[0].x / (float)n;
    sides beside = blocks[get_group_id(0)];
    sides within = items[item];
    follow_sides(&beside, &within, INVERSES_CLOSE);
    stretch group = beside.before;
    if (begin < end && (rows[begin].marks & MARK_FIRST))
        open_group(&group, closed_sum(&group, CLOSE_X));
    for (uint from = begin, to = begin; from < end; from = to) {
        to = add_inverses(rows, inverses, from, end, &group);
        float2 w = to == end ? exp_sum_add(group.x, beside.after.x) : group.x;
        float2 v = to == end ? exp_sum_add(group.y, beside.after.y) : group.y;
        float2 of_others = exp_sum_add(group.closed, w);
        float2 of_events = EFRON ? exp_sum_add(group.closed, v) : of_others;
        for (uint i = from; i < to; ++i) {
            row own = rows[i];
            float likelihood =
                own.marks & MARK_EVENT ? exp_sum_value(own.h, of_events) - 1.0f : exp_sum_value(own.h, of_others);
            drisk[drisk_offset + order[order_offset + i]] =
                isnan(mean) ? NAN
                            : (divisor > 0.0f ? likelihood / divisor : 0.0f) +
                                  domain_strength * domain_gradient(domain, own.h, mean, (float)n);
        }
        open_group(&group, of_others);
    }
}

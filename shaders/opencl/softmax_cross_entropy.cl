/* softmax_cross_entropy.cl: loss, gradient and hits of a classifier.
 *
 *     xent_rows:   row r -> partial[r] = (loss hi, loss lo, right, 0), DLOGITS[r,:]
 *                  WG = 1: one row per work-item; WG > 1: one row per group
 *     xent_finish: one group adds partial[] in a fixed order
 * Parameters: WG, DATA.
 */
#include "datum.clh"
#include "group.clh"
#include "loss.clh"

kernel void xent_rows(global const datum *logits, ulong logits_offset, global const uint *labels,
                      ulong labels_offset, global datum *dlogits, ulong dlogits_offset, global float4 *partial,
                      ulong rows, ulong classes)
{
    local float2 scratch[WG];
    ulong row = get_global_id(0) / WG;
    if (row >= rows)
        return;
    uint first = get_global_id(0) % WG;
    uint label = labels[labels_offset + row];
    global const datum *z = logits + logits_offset + row * classes;
    float largest = -INFINITY;
    uint where = 0xffffffffu;
    for (uint c = first; c < classes; c += WG) {
        const float value = get_datum(z, c);
        if (value > largest || isnan(value)) {
            largest = isnan(value) ? NAN : value;
            where = c;
        }
    }
    uint2 best = group_first_max((uint2)(as_uint(largest), where), (local uint2 *)scratch);
    largest = as_float(best.x);
    float sum = 0.0f;
    for (uint c = first; c < classes; c += WG)
        sum += exp(get_datum(z, c) - largest);
    sum = group_sum((float2)(sum, 0.0f), scratch).x;
    if (dlogits) {
        global datum *d = dlogits + dlogits_offset + row * classes;
        for (uint c = first; c < classes; c += WG)
            put_datum((exp(get_datum(z, c) - largest) / sum - (c == label ? 1.0f : 0.0f)) / (float)rows, d, c);
    }
    if (first == 0) {
        float2 loss = label < classes ? two_sum(log(sum), largest - get_datum(z, label)) : (float2)(NAN, 0.0f);
        partial[row] = (float4)(isfinite(loss.x) ? loss : (float2)(loss.x, 0.0f),
                                label < classes && label == best.y && !isnan(largest) ? 1.0f : 0.0f, 0.0f);
    }
}

kernel WG_ATTRIBUTE void xent_finish(global const float4 *partial, ulong rows, global float *loss, ulong loss_offset,
                                     global float *stats, ulong stats_offset, global float *history,
                                     ulong history_offset, ulong history_length, global const uint *counter,
                                     ulong counter_offset)
{
    local float2 scratch[WG];
    float2 total = (float2)(0.0f, 0.0f);
    float2 right = (float2)(0.0f, 0.0f);
    for (ulong row = get_local_id(0); row < rows; row += WG) {
        total = pair_add(total, partial[row].xy);
        right = pair_add_float(right, partial[row].z);
    }
    total = group_sum(total, scratch);
    right = group_sum(right, scratch);
    if (get_local_id(0) == 0)
        write_loss(rows > 0 ? pair_divide(total, (float)rows) : (float2)(0.0f, 0.0f), total, right.x, (float)rows,
                   loss, loss_offset, stats, stats_offset, history, history_offset, history_length, counter,
                   counter_offset);
}

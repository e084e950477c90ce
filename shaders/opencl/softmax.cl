/* softmax.cl: Y[r,:] = softmax(X[r,:]); Y may be X.
 *
 *     WG = 1: one row per work-item; WG > 1: one row per group, items stride over the classes
 * Parameters: WG.
 */
#include "group.clh"

kernel void softmax(global const float *x, ulong x_offset, global float *y, ulong y_offset, ulong rows, ulong classes)
{
    local float2 scratch[WG];
    ulong row = get_global_id(0) / WG;
    if (row >= rows)
        return;
    x += x_offset + row * classes;
    y += y_offset + row * classes;
    ulong first = get_global_id(0) % WG;
    float largest = -INFINITY;
    for (ulong c = first; c < classes; c += WG)
        largest = fmax(largest, x[c]);
    largest = group_max(largest, scratch);
    float sum = 0.0f;
    for (ulong c = first; c < classes; c += WG)
        sum += exp(x[c] - largest);
    sum = group_sum((float2)(sum, 0.0f), scratch).x;
    for (ulong c = first; c < classes; c += WG)
        y[c] = exp(x[c] - largest) / sum;
}

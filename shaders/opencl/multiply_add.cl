/* multiply_add.cl: Y = X, then rounds times Y = a Y + b; Y may be X.
 *
 *     work-item i: the CHAINS elements i, i + item_count, ..., kept in registers for all rounds
 * Parameters: CHAINS, as many as hide the latency of a multiply-add.
 */
#pragma OPENCL FP_CONTRACT ON

kernel void multiply_add(global const float *x, ulong x_offset, global float *y, ulong y_offset, ulong count,
                         ulong item_count, float a, float b, uint rounds)
{
    const ulong item = get_global_id(0);
    float chain[CHAINS];
    if (item >= item_count)
        return;
    for (int k = 0; k < CHAINS; ++k) {
        const ulong i = item + k * item_count;
        chain[k] = i < count ? x[x_offset + i] : 0.0f;
    }
    for (uint round = 0; round < rounds; ++round) {
        for (int k = 0; k < CHAINS; ++k)
            chain[k] = a * chain[k] + b;
    }
    for (int k = 0; k < CHAINS; ++k) {
        const ulong i = item + k * item_count;
        if (i < count)
            y[y_offset + i] = chain[k];
    }
}

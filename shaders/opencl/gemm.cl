/* gemm.cl: C = act(alpha op(A) op(B) + beta C + bias) for any strides and f16 operands; the plain variant.
 *
 *     work-item: one element C(i, j) of one batch, a dot product over K
 * It is what every device can run and what odd cases (f16 output, tiny sizes) use.
 * Parameters: INPUT_DTYPE, OUTPUT_DTYPE (auxo_dtype F32 or F16).
 */
#include "activation.clh"
#include "dtype.clh"

kernel void gemm_direct(global const void *a, ulong a_offset, global const void *b, ulong b_offset, global void *c,
                        ulong c_offset, global const float *bias, ulong bias_offset, ulong m, ulong n, ulong k,
                        ulong batches, long a_batch, long a_row, long a_column, long b_batch, long b_row,
                        long b_column, long c_batch, long c_row, float alpha, float beta, int bias_per_row,
                        int activation, float slope)
{
    ulong id = get_global_id(0);
    ulong j = id % n;
    ulong rest = id / n;
    ulong i = rest % m;
    ulong batch = rest / m;
    if (batch >= batches)
        return;
    ulong pa = a_offset + (ulong)((long)batch * a_batch + (long)i * a_row);
    ulong pb = b_offset + (ulong)((long)batch * b_batch + (long)j * b_column);
    ulong pc = c_offset + (ulong)((long)batch * c_batch + (long)i * c_row) + j;
    float sum = 0.0f;
    if (alpha != 0.0f)
        for (ulong l = 0; l < k; ++l)
            sum = fma(load_float(INPUT_DTYPE, a, pa + l * (ulong)a_column),
                      load_float(INPUT_DTYPE, b, pb + l * (ulong)b_row), sum);
    float value = alpha * sum;
    if (beta != 0.0f)
        value += beta * load_float(OUTPUT_DTYPE, c, pc);
    if (bias)
        value += bias[bias_offset + (bias_per_row ? i : j)];
    store_float(OUTPUT_DTYPE, c, pc, activate_as(activation, value, slope));
}

/* C = act(C + bias) where the product itself came from a library; work-item: one element. */
kernel void gemm_epilogue(global float *c, ulong c_offset, global const float *bias, ulong bias_offset, ulong m,
                          ulong n, ulong batches, long c_batch, long c_row, int bias_per_row, int activation,
                          float slope)
{
    ulong id = get_global_id(0);
    ulong j = id % n;
    ulong rest = id / n;
    ulong i = rest % m;
    ulong batch = rest / m;
    if (batch >= batches)
        return;
    ulong at = c_offset + (ulong)((long)batch * c_batch + (long)i * c_row) + j;
    float value = c[at] + (bias ? bias[bias_offset + (bias_per_row ? i : j)] : 0.0f);
    c[at] = activate_as(activation, value, slope);
}

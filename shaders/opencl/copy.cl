/* copy.cl: Y = scale X (+ Y), any strides, any two dtypes.
 *
 *     dims (d0, d1, d2, d3), outermost first; work-item e walks Y in row-major order
 * exact: scale is 1 and both dtypes are the same integer type. The dtypes (auxo_dtype) are arguments.
 */
#include "contract.clh"
#include "dtype.clh"

kernel void copy(global const void *x, ulong x_offset, global void *y, ulong y_offset, ulong d1, ulong d2, ulong d3,
                 long xs0, long xs1, long xs2, long xs3, long ys0, long ys1, long ys2, long ys3, ulong count,
                 float scale, int accumulate, int x_dtype, int y_dtype, int exact)
{
    ulong e = get_global_id(0);
    if (e >= count)
        return;
    long i3 = e % d3;
    ulong rest = e / d3;
    long i2 = rest % d2;
    rest /= d2;
    long i1 = rest % d1;
    long i0 = rest / d1;
    ulong from = x_offset + (ulong)(i0 * xs0 + i1 * xs1 + i2 * xs2 + i3 * xs3);
    ulong to = y_offset + (ulong)(i0 * ys0 + i1 * ys1 + i2 * ys2 + i3 * ys3);
    if (exact && y_dtype == DTYPE_U32) {
        ((global uint *)y)[to] = ((global const uint *)x)[from];
    } else if (exact) {
        ((global uchar *)y)[to] = ((global const uchar *)x)[from];
    } else {
        float value = scale * load_float(x_dtype, x, from);
        if (accumulate)
            value += load_float(y_dtype, y, to);
        store_float(y_dtype, y, to, value);
    }
}

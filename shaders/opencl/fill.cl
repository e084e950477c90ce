/* fill.cl: Y[e] = value, cast to Y's dtype.
 *
 *     work-item e: element e of a contiguous tensor
 * The dtype (auxo_dtype) is an argument.
 */
#include "dtype.clh"

kernel void fill(global void *y, ulong y_offset, ulong count, float value, int dtype)
{
    ulong i = get_global_id(0);
    if (i < count)
        store_float(dtype, y, y_offset + i, value);
}

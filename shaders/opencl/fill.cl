/* fill.cl: Y[e] = value, cast to Y's dtype; and the sixteen bytes of a counter.
 *
 *     work-item e: element e of a contiguous tensor
 * Parameters: DTYPE (auxo_dtype).
 */
#include "dtype.clh"

kernel void fill(global void *y, ulong y_offset, ulong count, float value)
{
    ulong i = get_global_id(0);
    if (i < count)
        store_float(DTYPE, y, y_offset + i, value);
}

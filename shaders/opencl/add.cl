/* add.cl: Y = alpha A + beta B, element by element; Y may be A or B.
 *
 *     work-item i: [ i VEC .. i VEC + VEC )
 * Parameters: VEC, DATA.
 */
#include "datum.clh"

kernel void add(global const datum *a, ulong a_offset, global const datum *b, ulong b_offset, global datum *y,
                ulong y_offset, ulong count, float alpha, float beta)
{
    ulong i = get_global_id(0) * VEC;
    if (i < count)
        put_chunk(alpha * get_chunk(a + a_offset, i, count) + beta * get_chunk(b + b_offset, i, count), y + y_offset, i,
                  count);
}

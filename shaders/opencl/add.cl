/* add.cl: Y = alpha A + beta B, element by element; Y may be A or B.
 *
 *     work-item i: [ i VEC .. i VEC + VEC )
 * Parameters: VEC.
 */
#include "vector.clh"

kernel void add(global const float *a, ulong a_offset, global const float *b, ulong b_offset, global float *y,
                ulong y_offset, ulong count, float alpha, float beta)
{
    ulong i = get_global_id(0) * VEC;
    a += a_offset + i;
    b += b_offset + i;
    y += y_offset + i;
    if (i + VEC <= count)
        storev(alpha * loadv(a) + beta * loadv(b), y);
    else if (i < count)
        storev_part(alpha * loadv_part(a, count - i) + beta * loadv_part(b, count - i), y, count - i);
}

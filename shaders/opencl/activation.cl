/* activation.cl: Y = f(X) and DX = DY f'(Y), element by element.
 *
 *     work-item i: [ i VEC .. i VEC + VEC )      in place allowed
 * The activation is an argument, so that one program serves all of them. Parameters: VEC.
 */
#include "activation.clh"

kernel void activation_forward(global const float *x, ulong x_offset, global float *y, ulong y_offset, ulong count,
                               int activation, float slope)
{
    ulong i = get_global_id(0) * VEC;
    x += x_offset + i;
    y += y_offset + i;
    if (i + VEC <= count)
        storev(activate_as(activation, loadv(x), slope), y);
    else if (i < count)
        storev_part(activate_as(activation, loadv_part(x, count - i), slope), y, count - i);
}

kernel void activation_backward(global const float *y, ulong y_offset, global const float *dy, ulong dy_offset,
                                global float *dx, ulong dx_offset, ulong count, int activation, float slope)
{
    ulong i = get_global_id(0) * VEC;
    y += y_offset + i;
    dy += dy_offset + i;
    dx += dx_offset + i;
    if (i + VEC <= count)
        storev(loadv(dy) * gradient_as(activation, loadv(y), slope), dx);
    else if (i < count)
        storev_part(loadv_part(dy, count - i) * gradient_as(activation, loadv_part(y, count - i), slope), dx,
                    count - i);
}

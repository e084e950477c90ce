/* activation.cl: Y = f(X) and DX = DY f'(Y), element by element.
 *
 *     work-item i: [ i VEC .. i VEC + VEC )      in place allowed
 * The activation is an argument, so that one program serves all of them. Parameters: VEC, DATA.
 */
#include "activation.clh"
#include "datum.clh"

kernel void activation_forward(global const datum *x, ulong x_offset, global datum *y, ulong y_offset, ulong count,
                               int activation, float slope)
{
    ulong i = get_global_id(0) * VEC;
    if (i < count)
        put_chunk(activate_as(activation, get_chunk(x + x_offset, i, count), slope), y + y_offset, i, count);
}

kernel void activation_backward(global const datum *y, ulong y_offset, global const datum *dy, ulong dy_offset,
                                global datum *dx, ulong dx_offset, ulong count, int activation, float slope)
{
    ulong i = get_global_id(0) * VEC;
    if (i < count)
        put_chunk(get_chunk(dy + dy_offset, i, count) * gradient_as(activation, get_chunk(y + y_offset, i, count), slope),
                  dx + dx_offset, i, count);
}

/* index_select.cl: Y[o,j,i] = X[o,INDEX[j],i], or fill where the index is past the axis.
 *
 *     work-item: PER_ITEM neighbours along i of one (o,j)
 * Elements are 32 bits wide whatever their type. Parameters: PER_ITEM.
 */
kernel void index_select(global const uint *x, ulong x_offset, global const uint *index, ulong index_offset,
                         global uint *y, ulong y_offset, ulong rows, ulong selected, ulong axis, ulong inner,
                         uint fill_bits)
{
    ulong chunks = (inner + PER_ITEM - 1) / PER_ITEM;
    ulong row = get_global_id(0) / chunks; /* o * selected + j */
    ulong begin = (get_global_id(0) - row * chunks) * PER_ITEM;
    if (row >= rows)
        return;
    ulong o = row / selected;
    uint from = index[index_offset + row - o * selected];
    ulong end = min(begin + PER_ITEM, inner);
    global const uint *source = x + x_offset + (o * axis + from) * inner;
    y += y_offset + row * inner;
    for (ulong i = begin; i < end; ++i)
        y[i] = from < axis ? source[i] : fill_bits;
}

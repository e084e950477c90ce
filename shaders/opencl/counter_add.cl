/* counter_add.cl: COUNTER[i] += increments[i], modulo 2^32. One work-item per word. */
kernel void counter_add(global uint *counter, ulong counter_offset, uint increment0, uint increment1, uint increment2,
                        uint increment3)
{
    uint i = (uint)get_global_id(0);
    uint increment = i == 0 ? increment0 : i == 1 ? increment1 : i == 2 ? increment2 : increment3;
    if (i < 4)
        counter[counter_offset + i] += increment;
}

// divide.glsl: division of 32-bit integers by a number that the host knows, as a multiplication (Granlund and
// Montgomery 1994, figure 4.1), because few devices divide integers in hardware. vk_divider_of makes the struct.

struct divider {
    uint divisor, multiplier, shift;
};

uint quotient(uint n, divider d)
{
    uint high, low;
    umulExtended(d.multiplier, n, high, low);
    return (high + ((n - high) >> min(d.shift, 1u))) >> (max(d.shift, 1u) - 1u);
}

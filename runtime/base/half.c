/* runtime/base/half.c: the bits of binary16 and bfloat16. */
#include "half.h"

#include <math.h>
#include <string.h>

double auxo__half_to_double(uint16_t half)
{
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    double magnitude = exponent == 0    ? ldexp(mantissa, -24)
                       : exponent == 31 ? (mantissa ? (double)NAN : (double)INFINITY)
                                        : ldexp(1024 + mantissa, exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

uint16_t auxo__half_from_double(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double magnitude = fabs(value);
    if (isnan(value))
        return sign | 0x7e00;
    if (magnitude >= 65520)
        return sign | 0x7c00;
    int exponent = 0;
    frexp(magnitude, &exponent);
    int step = magnitude == 0 || exponent < -13 ? -24 : exponent - 11; /* the last place is worth 2^step */
    uint32_t units = (uint32_t)nearbyint(ldexp(magnitude, -step));
    /* units counts from the start of this binade's subnormal-like grid: adding the exponent field carries correctly */
    uint32_t field = step == -24 ? 0 : (uint32_t)(step + 24);
    return (uint16_t)(sign | (field * 1024 + units));
}

double auxo__bf16_to_double(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return (double)value;
}

uint16_t auxo__bf16_from_double(double value)
{
    /* to odd first, so that rounding twice is rounding once */
    float narrowed = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrowed, sizeof bits);
    if (isnan(value))
        return (uint16_t)(bits >> 16 | 0x40);
    if ((double)narrowed != value && isfinite(narrowed)) {
        if (fabs((double)narrowed) > fabs(value))
            bits--;
        bits |= 1;
    }
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* cpu_half.h: IEEE 754 binary16 and bfloat16 to and from binary32, by bits, so that every compiler and processor can do
 * it.
 *
 * Rounds to nearest, ties to even; keeps infinities, NaN and subnormal numbers.
 */
#ifndef AUXO_CPU_HALF_H
#define AUXO_CPU_HALF_H

#include "auxo/tensor.h"

#include <stdint.h>
#include <string.h>

static inline float cpu_half_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t mantissa = half & 0x3ffu;
    float value;
    if (exponent == 0) { /* zero or subnormal: mantissa 2^-24 */
        value = (float)mantissa * 5.9604644775390625e-8f;
        return sign ? -value : value;
    }
    uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t cpu_half_from_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x33000001u) /* at most half of the least subnormal */
        return sign;
    uint32_t exponent = magnitude >> 23;
    uint32_t shift = exponent >= 113 ? 13 : 126 - exponent;
    uint32_t mantissa = exponent >= 113 ? magnitude - (112u << 23) : ((magnitude & 0x7fffffu) | 0x800000u);
    uint32_t half = mantissa >> shift;
    uint32_t rest = mantissa & ((1u << shift) - 1);
    uint32_t middle = 1u << (shift - 1);
    half += rest > middle || (rest == middle && (half & 1u));
    return (uint16_t)(sign | half);
}

static inline float cpu_bf16_to_f32(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static inline uint16_t cpu_bf16_from_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* Of either 16-bit format. */
static inline float cpu_half_widen(auxo_dtype format, uint16_t bits)
{
    return format == AUXO_DTYPE_BF16 ? cpu_bf16_to_f32(bits) : cpu_half_to_f32(bits);
}

static inline uint16_t cpu_half_narrow(auxo_dtype format, float value)
{
    return format == AUXO_DTYPE_BF16 ? cpu_bf16_from_f32(value) : cpu_half_from_f32(value);
}

#endif

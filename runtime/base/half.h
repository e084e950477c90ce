/* runtime/base/half.h: the bits of IEEE 754 binary16 and of bfloat16 to and from double.
 *
 * Widening is exact; narrowing rounds to nearest, ties to even, and keeps infinities, NaN and subnormal numbers.
 */
#ifndef AUXO_BASE_HALF_H
#define AUXO_BASE_HALF_H

#include <stdint.h>

double auxo__half_to_double(uint16_t half);
uint16_t auxo__half_from_double(double value);
double auxo__bf16_to_double(uint16_t bits);
uint16_t auxo__bf16_from_double(double value);

#endif

/* element.c: numbers as files hold them (mapped.h).
 */
#include "mapped.h"

#include <math.h>
#include <string.h>

size_t auxo__element_bytes(auxo_element element)
{
    static const size_t bytes[] = {
#define AUXO_ELEMENT_BYTES(name, bytes, text) bytes,
        AUXO_ELEMENT_TABLE(AUXO_ELEMENT_BYTES)
#undef AUXO_ELEMENT_BYTES
    };
    return bytes[element];
}

bool auxo__element_is_integer(auxo_element element)
{
    return element < AUXO_ELEMENT_F16;
}

/* IEEE 754 binary16. */
static double half(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double sign = bits >> 15 ? -1.0 : 1.0;
    if (exponent == 31)
        return fraction ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

bool auxo__element_integer(const uint8_t *at, auxo_element element, int64_t *value)
{
    union {
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
    } read;
    memcpy(&read, at, auxo__element_bytes(element));
    switch (element) {
    case AUXO_ELEMENT_BOOL:
    case AUXO_ELEMENT_U8:
        *value = *at;
        return true;
    case AUXO_ELEMENT_I8:
        *value = (int64_t)(*at ^ 0x80u) - 0x80; /* the sign bit, extended */
        return true;
    case AUXO_ELEMENT_U16:
        *value = read.u16;
        return true;
    case AUXO_ELEMENT_I16:
        *value = read.i16;
        return true;
    case AUXO_ELEMENT_U32:
        *value = read.u32;
        return true;
    case AUXO_ELEMENT_I32:
        *value = read.i32;
        return true;
    case AUXO_ELEMENT_I64:
        *value = read.i64;
        return true;
    case AUXO_ELEMENT_U64:
        *value = (int64_t)read.u64;
        return read.u64 <= INT64_MAX;
    default:
        return false;
    }
}

double auxo__element_real(const uint8_t *at, auxo_element element)
{
    int64_t integer = 0;
    float single;
    double number;
    uint16_t bits;
    switch (element) {
    case AUXO_ELEMENT_F16:
        memcpy(&bits, at, sizeof bits);
        return half(bits);
    case AUXO_ELEMENT_F32:
        memcpy(&single, at, sizeof single);
        return (double)single;
    case AUXO_ELEMENT_F64:
        memcpy(&number, at, sizeof number);
        return number;
    default:
        return auxo__element_integer(at, element, &integer) ? (double)integer : 18446744073709551615.0;
    }
}

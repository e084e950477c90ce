// words.glsl: f32, u32, f16, bf16 and u8 elements in buffers of 32-bit words, so that no storage feature is needed.
//
// `e` counts elements of the type. A halfword or byte is stored with one atomic exclusive-or of its own bits: several
// invocations may write different parts of a word, and nobody else changes the bits that were read.

bool is_half(uint dtype)
{
    return dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

uint part_shift(uint dtype, uint e)
{
    return is_half(dtype) ? (e & 1u) * 16u : (e & 3u) * 8u;
}

uint word_of(uint dtype, uint e)
{
    return is_half(dtype) ? e >> 1 : dtype == DTYPE_U8 ? e >> 2 : e;
}

// The element's bits from the word that holds it.
uint part_of_word(uint dtype, uint word, uint e)
{
    if (is_half(dtype))
        return (word >> part_shift(dtype, e)) & 0xffffu;
    if (dtype == DTYPE_U8)
        return (word >> part_shift(dtype, e)) & 0xffu;
    return word;
}

// f32 to f16 with rounding to nearest even, whatever packHalf2x16 does on this driver.
uint half_from_float(float x)
{
    const uint bits = floatBitsToUint(x);
    const uint sign = (bits >> 16) & 0x8000u;
    const uint a = bits & 0x7fffffffu;
    if (a >= 0x7f800000u)
        return sign | (a > 0x7f800000u ? 0x7e00u : 0x7c00u);
    if (a >= 0x477ff000u) // rounds to 65536 or more
        return sign | 0x7c00u;
    if (a < 0x38800000u) { // subnormal half: multiples of 2^-24
        const float scaled = uintBitsToFloat(a) * 16777216.0;
        float whole = floor(scaled);
        const float rest = scaled - whole;
        if (rest > 0.5 || (rest == 0.5 && (uint(whole) & 1u) == 1u))
            whole += 1.0;
        return sign | uint(whole);
    }
    const uint rounded = a + 0x0fffu + ((a >> 13) & 1u);
    return sign | ((rounded - 0x38000000u) >> 13);
}

float float_from_half(uint h)
{
    const uint e = (h >> 10) & 31u;
    const uint m = h & 1023u;
    float x;
    if (e == 0u)
        x = float(m) * 5.9604644775390625e-8;
    else
        x = uintBitsToFloat(e == 31u ? 0x7f800000u | (m << 13) : ((e + 112u) << 23) | (m << 13));
    return (h & 0x8000u) != 0u ? -x : x;
}

// f32 to bf16 with rounding to nearest even; a NaN keeps its sign and stays one.
uint bf16_from_float(float x)
{
    const uint bits = floatBitsToUint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (bits >> 16) | 0x40u;
    return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

// The same for either format of 16 bits.
uint narrowed(uint dtype, float x)
{
    return dtype == DTYPE_BF16 ? bf16_from_float(x) : half_from_float(x);
}

float widened(uint dtype, uint bits)
{
    return dtype == DTYPE_BF16 ? uintBitsToFloat(bits << 16) : float_from_half(bits);
}

// matrix.glsl: elements of the f32, f16 or bf16 matrices of gemm, in buffers of 32-bit words.
#include "words.glsl"

float matrix_value(uint dtype, uint word, uint e)
{
    if (dtype == DTYPE_F16)
        return unpackHalf2x16(word)[e & 1u];
    if (dtype == DTYPE_BF16)
        return uintBitsToFloat((e & 1u) != 0u ? word & 0xffff0000u : word << 16);
    return uintBitsToFloat(word);
}

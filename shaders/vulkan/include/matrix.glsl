// matrix.glsl: elements of the f32 or f16 matrices of gemm, in buffers of 32-bit words.
#include "words.glsl"

float matrix_value(uint dtype, uint word, uint e)
{
    if (dtype == DTYPE_F16)
        return unpackHalf2x16(word)[e & 1u];
    return uintBitsToFloat(word);
}

// datum.glsl: the activations of a shader, stored as `datum`: f32, or with HALF one of the two formats of 16 bits.
//
// get_datum(buffer[e]) is the value of an element, `buffer[e] = put_datum(value)` rounds to nearest even and stores it.
// Constant 31 says which format, in the shaders that vk_program_set_format chooses (backends/vulkan/program.c); in others
// BF16 does.
#ifdef HALF
#include "words.glsl"

#ifdef BF16
const uint FORMAT = DTYPE_BF16;
#else
layout(constant_id = 31) const uint FORMAT = DTYPE_F16;
#endif
#define datum uint16_t
#define get_datum(d) widened(FORMAT, uint(d))
#define put_datum(value) uint16_t(narrowed(FORMAT, value))
#else
#define datum float
#define get_datum(d) (d)
#define put_datum(value) (value)
#endif

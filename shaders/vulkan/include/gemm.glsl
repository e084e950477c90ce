// gemm.glsl: what every body of gemm has in common: constants, buffers, what becomes of a sum, and the order of tiles.
//
// Constants 1..5 and from 13 on are a body's own; it defines multiply(tile_m, tile_n) for the matrix `batch` and calls
// run_tiles(). Rows of C are stored in vectors of four where they start and end at multiples of four (C_VECTORS).
#include "math.glsl"
#include "matrix.glsl"

layout(constant_id = 6) const bool TRANS_A = false;
layout(constant_id = 7) const bool TRANS_B = false;
layout(constant_id = 8) const uint FROM = DTYPE_F32; // of A and B
layout(constant_id = 9) const uint TO = DTYPE_F32;   // of C
layout(constant_id = 10) const uint BIAS = 0u;       // 0 none, 1 per column, 2 per row
layout(constant_id = 11) const uint ACTIVATION = 0;
layout(constant_id = 12) const bool BETA = false;
layout(constant_id = 14) const bool C_VECTORS = false;

BUFFER(0, readonly, uint, matrix_a);
BUFFER(1, readonly, uint, matrix_b);
BUFFER(2, , uint, matrix_c);
BUFFER(3, readonly, float, bias);
layout(push_constant) uniform parameters
{
    uint at[4];
    GEMM_PUSH
} p;

layout(std430, set = 0, binding = 2) buffer vectors_c_block
{
    vec4 vectors_c[];
};
layout(std430, set = 0, binding = 2) buffer halves_c_block
{
    uvec2 halves_c[];
};

uint batch;

vec4 from_halves(uint dtype, uvec2 four)
{
    if (dtype == DTYPE_BF16)
        return uintBitsToFloat(uvec4(four.x << 16, four.x & 0xffff0000u, four.y << 16, four.y & 0xffff0000u));
    return vec4(unpackHalf2x16(four.x), unpackHalf2x16(four.y));
}

float bias_of(uint m, uint n)
{
    return BIAS == 1u ? bias[p.at[3] + n] : BIAS == 2u ? bias[p.at[3] + m] : 0.0;
}

// What becomes of a sum whose element of C was `before`.
float finish(float value, float before, float bias_value)
{
    value *= p.alpha;
    if (BETA)
        value += p.beta * before;
    if (BIAS != 0u)
        value += bias_value;
    return activate(ACTIVATION, value, p.slope);
}

uint c_element(uint m, uint n)
{
    return p.at[2] + batch * p.c_batch_stride + m * p.c_stride + n;
}

void store(uint m, uint n, float value, float bias_value)
{
    const uint e = c_element(m, n);
    const uint word = word_of(TO, e);
    value = finish(value, BETA ? matrix_value(TO, matrix_c[word], e) : 0.0, bias_value);
    if (TO == DTYPE_F32) {
        matrix_c[word] = floatBitsToUint(value);
    } else {
        const uint shift = part_shift(TO, e);
        const uint old = (matrix_c[word] >> shift) & 0xffffu;
        atomicXor(matrix_c[word], (old ^ narrowed(TO, value)) << shift);
    }
}

// Four neighbours of row m.
void store_quad(uint m, uint n, uint n_end, vec4 values, vec4 biases)
{
    if (!C_VECTORS) {
        [[unroll]] for (uint c = 0u; c < 4u; c++)
            if (n + c < n_end)
                store(m, n + c, values[c], biases[c]);
        return;
    }
    const uint v = c_element(m, n) / 4u;
    vec4 before = vec4(0.0);
    if (BETA)
        before = is_half(TO) ? from_halves(TO, halves_c[v]) : vectors_c[v];
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        values[c] = finish(values[c], before[c], biases[c]);
    if (is_half(TO))
        halves_c[v] = uvec2(narrowed(TO, values.x) | narrowed(TO, values.y) << 16,
                            narrowed(TO, values.z) | narrowed(TO, values.w) << 16);
    else
        vectors_c[v] = values;
}

void multiply(uint tile_m, uint tile_n);

// Tiles in bands of BAND rows, column after column: those in flight together share rows of A and columns of B in caches.
const uint BAND = 8u;

void run_tiles()
{
    const uint group = group_index(), tiles = p.tiles_m * p.tiles_n;
    batch = group / tiles;
    const uint tile = group - batch * tiles, band = tile / (BAND * p.tiles_n);
    const uint in_band = tile - band * BAND * p.tiles_n, height = min(BAND, p.tiles_m - band * BAND);
    if (batch < p.batches)
        multiply(band * BAND + in_band % height, in_band / height);
}

// mlp.glsl: fully connected networks with one invocation per sample.
//
// Activations live in shared memory as a private file of registers: region r holds MLP_WIDTH units of every
// invocation, unit-major, so that neighbours never share a bank and, within a sample, no barrier is needed.
// The including shader defines MLP_REGIONS and binds `params` and `layers` (width in, width out, offset of W in PARAMS,
// activation of each layer), and declares has_bias() and slope().

layout(constant_id = 1) const uint MLP_WIDTH = 64; // the widest layer

shared float units[MLP_REGIONS * MLP_WIDTH * GROUP_SIZE];

uint unit_at(uint region, uint unit)
{
    return (region * MLP_WIDTH + unit) * GROUP_SIZE + gl_LocalInvocationIndex;
}

uvec4 row_of_four(uint first, uint count)
{
    return min(uvec4(first, first + 1u, first + 2u, first + 3u), uvec4(count - 1u));
}

// Elements first.. first + 3 of W a (+ b) for the matrix at `offset` of params; a is a region.
vec4 affine(uvec4 layer, uint offset, uint first, uint region, bool bias)
{
    const uvec4 row = row_of_four(first, layer.y);
    const uvec4 w = offset + row * layer.x;
    vec4 z = vec4(0.0);
    if (bias) {
        const uint b = offset + layer.x * layer.y;
        z = vec4(PARAM(b + row.x), PARAM(b + row.y), PARAM(b + row.z), PARAM(b + row.w));
    }
    for (uint i = 0u; i < layer.x; i++)
        z += units[unit_at(region, i)] * vec4(PARAM(w.x + i), PARAM(w.y + i), PARAM(w.z + i), PARAM(w.w + i));
    return z;
}

// reduction.glsl: the reductions of auxo_reduce_kind, first within an invocation, then across a workgroup.
//
// An accumulator is a pair: hi, lo of a compensated sum, or a maximum or minimum and 0. NaN wins every comparison.
// group_reduce combines `lanes` (a power of two) invocations that are `stride` apart; every invocation of the
// workgroup must call it. The order of combination is fixed, so results are the same on every run.
//
// With SUBGROUPS, invocations less than a subgroup apart exchange values by shuffles, whatever its size; the others
// meet in shared memory as without. It takes invocations to be numbered subgroup by subgroup, which drivers do and the
// self-test proves.
#include "float_float.glsl"


shared vec2 reduce_shared[GROUP_SIZE];

bool wins(float candidate, float best, bool largest)
{
    const bool nan = (floatBitsToUint(candidate) & 0x7fffffffu) > 0x7f800000u;
    return nan || (largest ? candidate > best : candidate < best);
}

vec2 reduce_neutral(uint kind)
{
    if (kind == REDUCE_MAX)
        return vec2(uintBitsToFloat(0xff800000u), 0.0);
    if (kind == REDUCE_MIN)
        return vec2(uintBitsToFloat(0x7f800000u), 0.0);
    return vec2(0.0);
}

vec2 reduce_merge(uint kind, vec2 a, vec2 b)
{
    if (kind == REDUCE_MAX || kind == REDUCE_MAX_ABS)
        return wins(b.x, a.x, true) ? b : a;
    if (kind == REDUCE_MIN)
        return wins(b.x, a.x, false) ? b : a;
    return ff_add(a, b);
}

vec2 reduce_include(uint kind, vec2 sum, float x)
{
    switch (kind) {
    case REDUCE_MAX:
    case REDUCE_MIN:
        return reduce_merge(kind, sum, vec2(x, 0.0));
    case REDUCE_MAX_ABS:
        return reduce_merge(kind, sum, vec2(abs(x), 0.0));
    case REDUCE_SUM_ABS:
        return ff_add(sum, abs(x));
    case REDUCE_SUM_SQUARES:
        return ff_add(sum, two_product(x, x));
    default:
        return ff_add(sum, x);
    }
}

#ifdef SUBGROUPS

vec2 group_reduce(uint kind, vec2 value, uint lanes, uint stride)
{
    const uint lane = gl_LocalInvocationIndex;
    const uint position = (lane / stride) % lanes;
    if (lanes == 1u)
        return value;
    const bool wide = lanes * stride > gl_SubgroupSize;
    uint s = lanes / 2u;
    if (s * stride >= gl_SubgroupSize) {
        reduce_shared[lane] = value;
        barrier();
        for (; s * stride >= gl_SubgroupSize && s > 0u; s >>= 1) {
            if (position < s)
                reduce_shared[lane] = reduce_merge(kind, reduce_shared[lane], reduce_shared[lane + s * stride]);
            barrier();
        }
        value = reduce_shared[lane];
    }
    for (; s > 0u; s >>= 1)
        value = reduce_merge(kind, value, subgroupShuffleXor(value, s * stride));
    if (!wide)
        return subgroupShuffle(value, gl_SubgroupInvocationID - position * stride);
    barrier(); // all have taken theirs
    if (position == 0u)
        reduce_shared[lane] = value;
    barrier();
    const vec2 result = reduce_shared[lane - position * stride];
    barrier();
    return result;
}

#else

vec2 group_reduce(uint kind, vec2 value, uint lanes, uint stride)
{
    const uint lane = gl_LocalInvocationIndex;
    const uint position = (lane / stride) % lanes;
    if (lanes == 1u)
        return value;
    reduce_shared[lane] = value;
    barrier();
    for (uint s = lanes / 2u; s > 0u; s >>= 1) {
        if (position < s)
            reduce_shared[lane] = reduce_merge(kind, reduce_shared[lane], reduce_shared[lane + s * stride]);
        barrier();
    }
    const vec2 result = reduce_shared[lane - position * stride];
    barrier();
    return result;
}

#endif

// Over the whole workgroup.
vec2 group_sum(vec2 value)
{
    return group_reduce(REDUCE_SUM, value, GROUP_SIZE, 1u);
}

float group_max(float value)
{
    return group_reduce(REDUCE_MAX, vec2(value, 0.0), GROUP_SIZE, 1u).x;
}

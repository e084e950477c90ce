// argsort.comp: bitonic sort (Batcher 1968) of (key, index) pairs. The index breaks ties, which makes it stable.
//
// LOCAL_SORT: reads the keys of a block of 2 GROUP_SIZE and sorts it, alternately up and down. GLOBAL_STEP: one
// compare-exchange of distance `distance` inside runs of `run`. LOCAL_MERGE: all smaller distances of one run length.
// The pass that ends the sort writes ORDER. NaN keys become the largest; padding comes after them.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"

#define LOCAL_SORT 0u
#define GLOBAL_STEP 1u
#define LOCAL_MERGE 2u

layout(constant_id = 1) const uint MODE = 0;

BUFFER(0, readonly, float, keys);
BUFFER(1, writeonly, uint, order);
BUFFER(2, , uvec2, pairs);
layout(push_constant) uniform parameters
{
    uint at[3];
    ARGSORT_PUSH
} p;

shared uvec2 block[2u * GROUP_SIZE];

uint sortable(float key)
{
    uint bits = floatBitsToUint(key);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return 0xffffffffu;
    if (bits == 0x80000000u)
        bits = 0u; // -0 equals +0
    const uint ascending = (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
    return p.descending != 0u ? ~ascending : ascending;
}

bool in_order(uvec2 a, uvec2 b)
{
    return a.x < b.x || (a.x == b.x && a.y <= b.y);
}

void exchange_local(uint first, uint run, uint distance)
{
    const uint lane = lane_index();
    const uint i = 2u * distance * (lane / distance) + lane % distance;
    const bool up = ((first + i) & run) == 0u;
    const uvec2 a = block[i], b = block[i + distance];
    if (in_order(a, b) != up) {
        block[i] = b;
        block[i + distance] = a;
    }
}

void main()
{
    if (MODE == GLOBAL_STEP) {
        const uint t = group_index() * GROUP_SIZE + lane_index();
        const uint i = 2u * p.distance * (t / p.distance) + t % p.distance;
        const bool up = (i & p.run) == 0u;
        const uvec2 a = pairs[i], b = pairs[i + p.distance];
        if (in_order(a, b) != up) {
            pairs[i] = b;
            pairs[i + p.distance] = a;
        }
        return;
    }
    const uint first = group_index() * 2u * GROUP_SIZE;
    for (uint k = lane_index(); k < 2u * GROUP_SIZE; k += GROUP_SIZE) {
        const uint e = first + k;
        if (MODE == LOCAL_SORT)
            block[k] = uvec2(e < p.n ? sortable(keys[p.at[0] + e]) : 0xffffffffu, e);
        else
            block[k] = pairs[e];
    }
    barrier();
    for (uint run = MODE == LOCAL_SORT ? 2u : p.run; run <= (MODE == LOCAL_SORT ? 2u * GROUP_SIZE : p.run); run <<= 1) {
        for (uint distance = min(run / 2u, GROUP_SIZE); distance > 0u; distance >>= 1) {
            exchange_local(first, run, distance);
            barrier();
        }
    }
    for (uint k = lane_index(); k < 2u * GROUP_SIZE; k += GROUP_SIZE) {
        if (p.last == 0u)
            pairs[first + k] = block[k];
        else if (first + k < p.n)
            order[p.at[1] + first + k] = block[k].y;
    }
}

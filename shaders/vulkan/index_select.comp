// index_select.comp: Y[o,j,i] = X[o,INDEX[j],i] for the indices inside one window of X's axis.
//
// The host splits what exceeds a binding: a window [axis_begin, axis_end) of the axis per dispatch; the first one
// also writes `fill` where INDEX lies outside the whole axis. Words are copied whatever their type.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "divide.glsl"

BUFFER(0, readonly, uint, x);
BUFFER(1, readonly, uint, index);
BUFFER(2, writeonly, uint, y);
layout(push_constant) uniform parameters
{
    uint at[3];
    INDEX_SELECT_PUSH
} p;

void main()
{
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.count)
            continue;
        const uint row = quotient(p.first + e, p.inner), o = quotient(row, p.selected);
        const uint i = p.first + e - row * p.inner.divisor;
        const uint from = index[p.at[1] + row - o * p.selected.divisor];
        if (from >= p.axis_begin && from < p.axis_end)
            y[p.at[2] + e] = x[p.at[0] + (o * (p.axis_end - p.axis_begin) + from - p.axis_begin) * p.inner.divisor + i];
        else if (from >= p.axis && p.writes_fill != 0u)
            y[p.at[2] + e] = p.fill;
    }
}

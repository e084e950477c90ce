// pool2d_forward.comp: maximum (first of equals; NaN wins) or average over the part of a window inside the image.
//
// Places of 8 bits: an invocation takes the outputs whose places share a word, and stores it at once; at the ends of
// INDEX, whose words other tensors may share, it exchanges its own bytes.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#include "math.glsl"

layout(constant_id = 1) const bool AVERAGE = false;
layout(constant_id = 2) const uint PLACE_BYTES = 0; // 0: no INDEX; 1, 4

BUFFER(0, readonly, datum, x);
BUFFER(1, writeonly, datum, y);
BUFFER(2, , uint, index);
layout(push_constant) uniform parameters
{
    uint at[3];
    POOL2D_PUSH
} p;

// Output e of Y; returns the place of its maximum in the window.
uint pool(uint e)
{
    const int height = int(p.height.divisor), width = int(p.width.divisor);
    const uint rest = quotient(e, p.out_width), plane = quotient(rest, p.out_height);
    const int row = int((rest - plane * p.out_height.divisor) * p.stride_h.divisor) - p.pad_h;
    const int column = int((e - rest * p.out_width.divisor) * p.stride_w.divisor) - p.pad_w;
    const uint image = p.at[0] + plane * uint(height * width);
    const int row_begin = max(row, 0), row_end = min(row + p.window_h, height);
    const int column_begin = max(column, 0), column_end = min(column + p.window_w, width);
    float best = 0.0, sum = 0.0;
    uint place = uint(row_begin - row) * uint(p.window_w) + uint(column_begin - column);
    if (!AVERAGE)
        best = get_datum(x[image + uint(row_begin * width + column_begin)]);
    for (int h = row_begin; h < row_end; h++) {
        for (int w = column_begin; w < column_end; w++) {
            const float v = get_datum(x[image + uint(h * width + w)]);
            sum += v;
            if (v > best || (is_nan(v) && !is_nan(best))) {
                best = v;
                place = uint(h - row) * uint(p.window_w) + uint(w - column);
            }
        }
    }
    const int area = max(row_end - row_begin, 0) * max(column_end - column_begin, 0);
    if (AVERAGE)
        best = area > 0 ? sum / float(area) : 0.0;
    y[p.at[1] + e] = put_datum(best);
    return place;
}

void pool_word(uint word)
{
    uint bits = 0u, mask = 0u;
    for (uint byte = 0u; byte < 4u; byte++) {
        const uint e = 4u * word + byte - p.at[2]; // before the first: past the last
        if (e >= p.count)
            continue;
        bits |= pool(e) << (8u * byte);
        mask |= 0xffu << (8u * byte);
    }
    if (mask == 0xffffffffu)
        index[word] = bits;
    else if (mask != 0u)
        atomicXor(index[word], (index[word] & mask) ^ bits);
}

void main()
{
    if (PLACE_BYTES == 1u) {
        pool_word((p.at[2] >> 2) + group_index() * GROUP_SIZE + lane_index());
        return;
    }
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.count)
            continue;
        const uint place = pool(e);
        if (PLACE_BYTES == 4u)
            index[p.at[2] + e] = place;
    }
}

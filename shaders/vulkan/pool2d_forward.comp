// pool2d_forward.comp: maximum (first of equals; NaN wins) or average over the part of a window inside the image.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#include "math.glsl"

layout(constant_id = 1) const bool AVERAGE = false;
layout(constant_id = 2) const bool INDEX = false;

BUFFER(0, readonly, datum, x);
BUFFER(1, writeonly, datum, y);
BUFFER(2, writeonly, uint, index);
layout(push_constant) uniform parameters
{
    uint at[3];
    POOL2D_PUSH
} p;

void main()
{
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.count)
            continue;
        const int height = int(p.height.divisor), width = int(p.width.divisor);
        const uint rest = quotient(e, p.out_width), plane = quotient(rest, p.out_height);
        const int row = int((rest - plane * p.out_height.divisor) * p.stride_h.divisor) - p.pad_h;
        const int column = int((e - rest * p.out_width.divisor) * p.stride_w.divisor) - p.pad_w;
        const uint image = p.at[0] + plane * uint(height * width);
        const int row_begin = max(row, 0), row_end = min(row + p.window_h, height);
        const int column_begin = max(column, 0), column_end = min(column + p.window_w, width);
        float best = 0.0, sum = 0.0;
        uint best_index = uint(row_begin * width + column_begin);
        if (!AVERAGE)
            best = get_datum(x[image + best_index]);
        for (int h = row_begin; h < row_end; h++) {
            for (int w = column_begin; w < column_end; w++) {
                const uint i = uint(h * width + w);
                const float v = get_datum(x[image + i]);
                sum += v;
                if (v > best || (is_nan(v) && !is_nan(best))) {
                    best = v;
                    best_index = i;
                }
            }
        }
        const int area = max(row_end - row_begin, 0) * max(column_end - column_begin, 0);
        if (AVERAGE)
            best = area > 0 ? sum / float(area) : 0.0;
        y[p.at[1] + e] = put_datum(best);
        if (INDEX)
            index[p.at[2] + e] = best_index;
    }
}

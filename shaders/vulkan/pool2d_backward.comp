// pool2d_backward.comp: one invocation per element of DX gathers the windows that contain it, in window order.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#ifndef HALF
#include "words.glsl"
#endif

layout(constant_id = 1) const bool AVERAGE = false;
layout(constant_id = 2) const uint PLACE = DTYPE_U8; // of INDEX, which is read as words: u8 or u32

BUFFER(0, readonly, datum, dy);
BUFFER(1, writeonly, datum, dx);
BUFFER(2, readonly, uint, index);
layout(push_constant) uniform parameters
{
    uint at[3];
    POOL2D_PUSH
} p;

// Windows are numbered from the padded edge; the first that reaches `position`.
int first_window(int position, int window, divider stride)
{
    return position < window ? 0 : int(quotient(uint(position - window), stride)) + 1;
}

uint place_at(uint e)
{
    return part_of_word(PLACE, index[word_of(PLACE, e)], e);
}

int window_area(int row, int column)
{
    return (min(row + p.window_h, int(p.height.divisor)) - max(row, 0)) *
           (min(column + p.window_w, int(p.width.divisor)) - max(column, 0));
}

void main()
{
    const int out_height = int(p.out_height.divisor), out_width = int(p.out_width.divisor);
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.count)
            continue;
        const uint rest = quotient(e, p.width), plane = quotient(rest, p.height);
        const int w = int(e - rest * p.width.divisor), h = int(rest - plane * p.height.divisor);
        const uint base = plane * uint(out_height * out_width);
        const int row_end = min(int(quotient(uint(h + p.pad_h), p.stride_h)), out_height - 1);
        const int column_end = min(int(quotient(uint(w + p.pad_w), p.stride_w)), out_width - 1);
        float sum = 0.0;
        for (int r = first_window(h + p.pad_h, p.window_h, p.stride_h); r <= row_end; r++) {
            for (int q = first_window(w + p.pad_w, p.window_w, p.stride_w); q <= column_end; q++) {
                const uint o = base + uint(r * out_width + q);
                if (AVERAGE)
                    sum += get_datum(dy[p.at[0] + o]) /
                           float(window_area(r * int(p.stride_h.divisor) - p.pad_h,
                                             q * int(p.stride_w.divisor) - p.pad_w));
                else if (place_at(p.at[2] + o) ==
                         uint(h + p.pad_h - r * int(p.stride_h.divisor)) * uint(p.window_w) +
                             uint(w + p.pad_w - q * int(p.stride_w.divisor)))
                    sum += get_datum(dy[p.at[0] + o]);
            }
        }
        dx[p.at[1] + e] = put_datum(sum);
    }
}

// pool2d_backward.comp: one invocation per element of DX gathers the windows that contain it, in window order.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"

layout(constant_id = 1) const bool AVERAGE = false;

BUFFER(0, readonly, float, dy);
BUFFER(1, writeonly, float, dx);
BUFFER(2, readonly, uint, index);
layout(push_constant) uniform parameters
{
    uint at[3];
    uint count;
    int height, width, out_height, out_width;
    int window_h, window_w, stride_h, stride_w, pad_h, pad_w;
} p;

int first_window(int position, int window, int stride) // position counts from the padded edge
{
    return position < window ? 0 : (position - window) / stride + 1;
}

void main()
{
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.count)
            continue;
        const int w = int(e % uint(p.width));
        const uint rest = e / uint(p.width);
        const int h = int(rest % uint(p.height));
        const uint plane = rest / uint(p.height);
        const uint base = plane * uint(p.out_height * p.out_width);
        const int p_end = min((h + p.pad_h) / p.stride_h, p.out_height - 1);
        const int q_end = min((w + p.pad_w) / p.stride_w, p.out_width - 1);
        float sum = 0.0;
        for (int r = first_window(h + p.pad_h, p.window_h, p.stride_h); r <= p_end; r++) {
            for (int q = first_window(w + p.pad_w, p.window_w, p.stride_w); q <= q_end; q++) {
                const uint o = base + uint(r * p.out_width + q);
                if (AVERAGE) {
                    const int row = r * p.stride_h - p.pad_h, column = q * p.stride_w - p.pad_w;
                    const int area = (min(row + p.window_h, p.height) - max(row, 0)) *
                                     (min(column + p.window_w, p.width) - max(column, 0));
                    sum += dy[p.at[0] + o] / float(area);
                } else if (index[p.at[2] + o] == uint(h * p.width + w)) {
                    sum += dy[p.at[0] + o];
                }
            }
        }
        dx[p.at[1] + e] = sum;
    }
}

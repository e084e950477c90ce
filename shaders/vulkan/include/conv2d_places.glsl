// conv2d_places.glsl: where the operands and results of a convolution lie, for windows of up to 32 elements.
//
// An element of B lies at the sum of what its column and its term say. Whether it falls into the padding is one bit: the
// column of forward and backward_data (a place in the result) has a mask with a bit for each element of the window, the
// term has the bit of its element. In backward_weights the term (a place in the image) has the mask, the column the bit.
// Either way an element costs one sum, one AND and a load that is left out where the bits do not meet.
//
// backward_data with strides is a product per phase: the places of DX whose distance is a multiple of the stride meet the
// same elements of the window, and only those become terms.

#ifdef BACKWARD_WEIGHTS
const uint LINES_MAX = 256u;
shared int row_masks[LINES_MAX], column_masks[LINES_MAX]; // bits of the window inside, by place in DY's rows and columns
#endif

#if defined(HALF) && !defined(BACKWARD_WEIGHTS)
layout(std430, set = 0, binding = 2) writeonly buffer vectors_result_block
{
    uvec2 vectors_result[];
};

void put_vector(uint v, vec4 values)
{
    vectors_result[v] = uvec2(narrowed(FORMAT, values.x) | narrowed(FORMAT, values.y) << 16,
                              narrowed(FORMAT, values.z) | narrowed(FORMAT, values.w) << 16);
}
#else
layout(std430, set = 0, binding = 2) writeonly buffer vectors_result_block
{
    vec4 vectors_result[];
};

void put_vector(uint v, vec4 values)
{
    vectors_result[v] = values;
}
#endif

// Bit y * count.y + z: whether place + (y, z) * step lies within a plane of that extent.
int window_mask(ivec2 place, ivec2 step, ivec2 count, ivec2 extent)
{
    uint line = 0u, mask = 0u;
    for (int z = 0; z < count.y; z++) {
        const int w = place.y + z * step.y;
        if (w >= 0 && w < extent.y)
            line |= 1u << z;
    }
    for (int y = 0; y < count.x; y++) {
        const int h = place.x + y * step.x;
        if (h >= 0 && h < extent.x)
            mask |= line << (y * count.y);
    }
    return int(mask);
}

#ifdef BACKWARD_DATA

// Of the phase that this workgroup is in: its first place in DX, and the elements of the window that meet it:
// count of them, window_step apart from window_first, each dy_step further back in DY.
ivec2 phase, phase_extent, window_first, window_step, window_count, dy_step;

// The first element of the window that meets the place, or `window` if none does.
int first_element(int place, int stride, int dilation, int window)
{
    const int positive = place + window * dilation * stride;
    int r = 0;
    while (r < window && (positive - r * dilation) % stride != 0)
        r++;
    return r;
}

// Elements of the window from one that meets a place to the next.
int element_step(int stride, int dilation)
{
    int step = 1;
    while (step * dilation % stride != 0)
        step++;
    return step;
}

void begin_phase(int index)
{
    const ivec2 window = ivec2(p.window_h, p.window_w), stride = ivec2(p.stride_h, p.stride_w);
    phase = ivec2(index / p.stride_w, index % p.stride_w);
    phase_extent = (ivec2(p.height, p.width) - phase + stride - 1) / stride;
    window_first = ivec2(first_element(phase.x + p.pad_h, p.stride_h, p.dilation_h, p.window_h),
                         first_element(phase.y + p.pad_w, p.stride_w, p.dilation_w, p.window_w));
    window_step = ivec2(element_step(p.stride_h, p.dilation_h), element_step(p.stride_w, p.dilation_w));
    window_count = (window - window_first + window_step - 1) / window_step;
    dy_step = window_step * ivec2(p.dilation_h, p.dilation_w) / stride;
}

#endif

// Of a column: elements from the first of B, and its mask or bit.
ivec2 column_place(int n)
{
#if defined(FORWARD)
    const int plane = p.out_height * p.out_width;
    const int image = n / plane, e = n - image * plane, h = e / p.out_width;
    const ivec2 place = ivec2(h * p.stride_h - p.pad_h, (e - h * p.out_width) * p.stride_w - p.pad_w);
    return ivec2((image * p.channels + group * p.group_channels) * p.height * p.width + place.x * p.width + place.y,
                 window_mask(place, ivec2(p.dilation_h, p.dilation_w), ivec2(p.window_h, p.window_w),
                             ivec2(p.height, p.width)));
#elif defined(BACKWARD_DATA)
    const int plane = phase_extent.x * phase_extent.y;
    const int image = n / plane, e = n - image * plane, i = e / phase_extent.y;
    const ivec2 dx = phase + ivec2(i, e - i * phase_extent.y) * ivec2(p.stride_h, p.stride_w);
    const ivec2 met = dx + ivec2(p.pad_h, p.pad_w) - window_first * ivec2(p.dilation_h, p.dilation_w);
    const ivec2 place = met / ivec2(p.stride_h, p.stride_w); // without remainder
    return ivec2((image * p.filters + group * p.group_filters) * p.out_height * p.out_width + place.x * p.out_width +
                     place.y,
                 window_mask(place, -dy_step, window_count, ivec2(p.out_height, p.out_width)));
#else
    const int window = p.window_h * p.window_w;
    const int channel = n / window, e = n - channel * window, r = e / p.window_w;
    const ivec2 place = ivec2(r * p.dilation_h - p.pad_h, (e - r * p.window_w) * p.dilation_w - p.pad_w);
    return ivec2((group * p.group_channels + channel) * p.height * p.width + place.x * p.width + place.y, 1 << e);
#endif
}

#ifdef BACKWARD_WEIGHTS

// The mask of a place in DY; h or w < 0: of all places in a row or a column, regarding the other extent as inside.
int dy_mask(int h, int w)
{
    const ivec2 place = ivec2(h * p.stride_h - p.pad_h, w * p.stride_w - p.pad_w);
    const ivec2 window = ivec2(p.window_h, p.window_w), dilation = ivec2(p.dilation_h, p.dilation_w);
    if (h < 0)
        return window_mask(ivec2(0, place.y), ivec2(0, dilation.y), window, ivec2(1, p.width));
    if (w < 0)
        return window_mask(ivec2(place.x, 0), ivec2(dilation.x, 0), window, ivec2(p.height, 1));
    return window_mask(place, dilation, window, ivec2(p.height, p.width));
}

bool has_masks()
{
    return p.out_height <= int(LINES_MAX) && p.out_width <= int(LINES_MAX);
}

void put_masks()
{
    for (int h = int(lane_index()); h < p.out_height; h += int(GROUP_SIZE))
        row_masks[h] = dy_mask(h, -1);
    for (int w = int(lane_index()); w < p.out_width; w += int(GROUP_SIZE))
        column_masks[w] = dy_mask(-1, w);
}

#endif

ivec4 term_place(int k)
{
#if defined(FORWARD)
    const int window = p.window_h * p.window_w;
    const int x = k / window, e = k - x * window, y = e / p.window_w, z = e - y * p.window_w;
    return ivec4(x * p.height * p.width + y * p.dilation_h * p.width + z * p.dilation_w, 1 << e, k, 0);
#elif defined(BACKWARD_DATA)
    const int plane = window_count.x * window_count.y;
    const int x = k / plane, e = k - x * plane, y = e / window_count.y;
    const ivec2 yz = ivec2(y, e - y * window_count.y), element = window_first + yz * window_step, back = yz * dy_step;
    return ivec4(x * p.out_height * p.out_width - back.x * p.out_width - back.y, 1 << e,
                 (x * p.group_channels * p.window_h + element.x) * p.window_w + element.y, 0);
#else
    const int plane = p.out_height * p.out_width;
    const int image = k / plane, e = k - image * plane, h = e / p.out_width;
    const int w = e - h * p.out_width;
    const int mask = has_masks() ? row_masks[h] & column_masks[w] : dy_mask(h, w);
    return ivec4(image * p.channels * p.height * p.width + h * p.stride_h * p.width + w * p.stride_w, mask,
                 image * p.filters * plane + e, 0);
#endif
}

// Of this workgroup's product: the first term and their end; then its columns.
ivec2 begin_product()
{
    ivec3 end = term_end();
#ifdef BACKWARD_DATA
    begin_phase(split_index);
    end.yz = window_count;
#endif
    return split_terms(end.x * end.y * end.z);
}

int tiled_column_count()
{
#ifdef BACKWARD_DATA
    return p.images * phase_extent.x * phase_extent.y;
#else
    return column_count();
#endif
}

// The element of the result in row 0 that a column stands for, and the elements from a row to the next.
uint first_result_element(uint column)
{
#ifdef BACKWARD_DATA
    const int plane = phase_extent.x * phase_extent.y;
    const int image = int(column) / plane, e = int(column) - image * plane, i = e / phase_extent.y;
    const ivec2 dx = phase + ivec2(i, e - i * phase_extent.y) * ivec2(p.stride_h, p.stride_w);
    return p.at[2] + uint(((image * p.channels + group * p.group_channels) * p.height + dx.x) * p.width + dx.y);
#else
    return result_element(0u, column);
#endif
}

uint result_row()
{
#if defined(FORWARD)
    return uint(p.out_height * p.out_width);
#elif defined(BACKWARD_DATA)
    return uint(p.height * p.width);
#else
    return uint(column_count());
#endif
}

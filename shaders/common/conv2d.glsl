// conv2d.glsl: convolutions as matrix products: which elements of X, W and Y a row, a column and a term stand for.
//
//                     rows m      columns n      terms t = (x, y, z)    A(m,t) B(t,n)   C(m,n)
//   forward           filter      image, p, q    channel, r, s          W      X        Y
//   backward_data     channel     image, h, w    filter, r, s           W      DY       DX
//   backward_weights  filter      channel, r, s  image, p, q            DY     X        DW
//
// The shader defines one of FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS. Each group of channels is a product of its own.
// backward_weights may be split by images: every split leaves its own DW in a scratch buffer.

BUFFER(0, readonly, float, operand_a);
BUFFER(1, readonly, float, operand_b);
BUFFER(2, writeonly, float, result);
BUFFER(3, readonly, float, bias);
layout(push_constant) uniform parameters
{
    uint at[4];
    int images, channels, height, width, filters, out_height, out_width, window_h, window_w;
    int group_channels, group_filters, groups;
    int stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    uint tiles_m, tiles_n, splits;
    int split_images;
    float slope;
} p;

int group;       // of channels
int split_index; // of images

struct place {
    int base, h, w;
};

#if defined(FORWARD)

int row_count() { return p.group_filters; }
int column_count() { return p.images * p.out_height * p.out_width; }
ivec3 term_begin() { return ivec3(0); }
ivec3 term_end() { return ivec3(p.group_channels, p.window_h, p.window_w); }

float value_a(int m, ivec3 t)
{
    const int filter_index = group * p.group_filters + m;
    return operand_a[p.at[0] + ((filter_index * p.group_channels + t.x) * p.window_h + t.y) * p.window_w + t.z];
}

place column_at(int n)
{
    const int plane = p.out_height * p.out_width;
    const int image = n / plane, e = n - image * plane;
    const int row = e / p.out_width;
    return place((image * p.channels + group * p.group_channels) * p.height * p.width, row * p.stride_h - p.pad_h,
                  (e - row * p.out_width) * p.stride_w - p.pad_w);
}

float value_b(place c, ivec3 t)
{
    const int h = c.h + t.y * p.dilation_h, w = c.w + t.z * p.dilation_w;
    const bool inside = h >= 0 && h < p.height && w >= 0 && w < p.width;
    const float x = operand_b[p.at[1] + (inside ? c.base + (t.x * p.height + h) * p.width + w : 0)];
    return inside ? x : 0.0;
}

void store_value(int m, int n, float value)
{
    const int plane = p.out_height * p.out_width;
    const int image = n / plane, filter_index = group * p.group_filters + m;
    if (HAS_BIAS)
        value += bias[p.at[3] + filter_index];
    result[p.at[2] + (image * p.filters + filter_index) * plane + (n - image * plane)] =
        activate(ACTIVATION, value, p.slope);
}

#elif defined(BACKWARD_DATA)

int row_count() { return p.group_channels; }
int column_count() { return p.images * p.height * p.width; }
ivec3 term_begin() { return ivec3(0); }
ivec3 term_end() { return ivec3(p.group_filters, p.window_h, p.window_w); }

float value_a(int m, ivec3 t)
{
    const int filter_index = group * p.group_filters + t.x;
    return operand_a[p.at[0] + ((filter_index * p.group_channels + m) * p.window_h + t.y) * p.window_w + t.z];
}

place column_at(int n)
{
    const int plane = p.height * p.width;
    const int image = n / plane, e = n - image * plane;
    const int row = e / p.width;
    return place((image * p.filters + group * p.group_filters) * p.out_height * p.out_width, row + p.pad_h,
                  (e - row * p.width) + p.pad_w);
}

float value_b(place c, ivec3 t)
{
    const int h = c.h - t.y * p.dilation_h, w = c.w - t.z * p.dilation_w;
    int row = h, col = w;
    bool inside = h >= 0 && w >= 0;
    if (!UNIT_STRIDE) {
        row = h / p.stride_h;
        col = w / p.stride_w;
        inside = inside && row * p.stride_h == h && col * p.stride_w == w;
    }
    inside = inside && row < p.out_height && col < p.out_width;
    const float dy = operand_b[p.at[1] + (inside ? c.base + (t.x * p.out_height + row) * p.out_width + col : 0)];
    return inside ? dy : 0.0;
}

void store_value(int m, int n, float value)
{
    const int plane = p.height * p.width;
    const int image = n / plane;
    result[p.at[2] + (image * p.channels + group * p.group_channels + m) * plane + (n - image * plane)] = value;
}

#else // BACKWARD_WEIGHTS

int row_count() { return p.group_filters; }
int column_count() { return p.group_channels * p.window_h * p.window_w; }
ivec3 term_begin() { return ivec3(split_index * p.split_images, 0, 0); }
ivec3 term_end() { return ivec3(min((split_index + 1) * p.split_images, p.images), p.out_height, p.out_width); }

float value_a(int m, ivec3 t)
{
    const int filter_index = group * p.group_filters + m;
    return operand_a[p.at[0] + ((t.x * p.filters + filter_index) * p.out_height + t.y) * p.out_width + t.z];
}

place column_at(int n)
{
    const int window = p.window_h * p.window_w;
    const int channel = n / window, e = n - channel * window;
    const int row = e / p.window_w;
    return place((group * p.group_channels + channel) * p.height * p.width, row * p.dilation_h - p.pad_h,
                  (e - row * p.window_w) * p.dilation_w - p.pad_w);
}

float value_b(place c, ivec3 t)
{
    const int h = c.h + t.y * p.stride_h, w = c.w + t.z * p.stride_w;
    const bool inside = h >= 0 && h < p.height && w >= 0 && w < p.width;
    const int image = t.x * p.channels * p.height * p.width;
    const float x = operand_b[p.at[1] + (inside ? image + c.base + h * p.width + w : 0)];
    return inside ? x : 0.0;
}

void store_value(int m, int n, float value)
{
    const int filter_index = split_index * p.filters + group * p.group_filters + m;
    result[p.at[2] + filter_index * column_count() + n] = value;
}

#endif

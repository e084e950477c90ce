// conv2d.glsl: convolutions as matrix products: which elements of X, W and Y a row, a column and a term stand for.
//
//                     rows m      columns n      terms (x, y, z)        A(m,t) B(t,n)   C(m,n)
//   forward           filter      image, p, q    channel, r, s          W      X        Y
//   backward_data     channel     image, h, w    filter, r, s           W      DY       DX
//   backward_weights  filter      channel, r, s  image, p, q            DY     X        DW
//
// An element of A lies at (row) + term.a; one of B at column.base + term.b, shifted by (column.h + term.h, column.w +
// term.w) within its plane, where it may fall into the padding. The shader defines one of FORWARD, BACKWARD_DATA,
// BACKWARD_WEIGHTS. Each group of channels is a product of its own; backward_weights may be split by its terms, and every
// split leaves its own DW in a scratch buffer.

#ifdef BACKWARD_WEIGHTS // gradients of weights are f32 whatever the activations are
#define result_datum float
#define put_result(value) (value)
#else
#define result_datum datum
#define put_result(value) put_datum(value)
#endif

BUFFER(0, readonly, datum, operand_a);
BUFFER(1, readonly, datum, operand_b);
BUFFER(2, writeonly, result_datum, result);
BUFFER(3, readonly, float, bias);

layout(push_constant) uniform parameters
{
    uint at[4];
    CONV2D_PUSH
} p;

int group;       // of channels
int split_index; // of the terms of backward_weights; the phase of a tiled backward_data

struct column_state {
    int base, h, w;
};
struct term_state {
    int a, b, h, w;
};
#define row_state int

int row_count()
{
#ifdef BACKWARD_DATA
    return p.group_channels;
#else
    return p.group_filters;
#endif
}

int column_count()
{
#if defined(FORWARD)
    return p.images * p.out_height * p.out_width;
#elif defined(BACKWARD_DATA)
    return p.images * p.height * p.width;
#else
    return p.group_channels * p.window_h * p.window_w;
#endif
}

// The terms: x up to term_end().x, y and z.

ivec3 term_end()
{
#if defined(FORWARD)
    return ivec3(p.group_channels, p.window_h, p.window_w);
#elif defined(BACKWARD_DATA)
    return ivec3(p.group_filters, p.window_h, p.window_w);
#else
    return ivec3(p.images, p.out_height, p.out_width);
#endif
}

// The first of this workgroup's terms, and the end, of `count` in all.
ivec2 split_terms(int count)
{
#ifdef BACKWARD_WEIGHTS
    const int first = split_index * p.split_length;
    return ivec2(first, min(first + p.split_length, count));
#else
    return ivec2(0, count);
#endif
}

row_state row_at(uint m)
{
    const int window = p.window_h * p.window_w;
#if defined(FORWARD)
    return (group * p.group_filters + int(m)) * p.group_channels * window;
#elif defined(BACKWARD_DATA)
    return (group * p.group_filters * p.group_channels + int(m)) * window;
#else
    return (group * p.group_filters + int(m)) * p.out_height * p.out_width;
#endif
}

column_state column_at(uint column)
{
    const int n = int(column);
#if defined(FORWARD)
    const int plane = p.out_height * p.out_width, line = p.out_width;
#elif defined(BACKWARD_DATA)
    const int plane = p.height * p.width, line = p.width;
#else
    const int plane = p.window_h * p.window_w, line = p.window_w;
#endif
    const int outer = n / plane, e = n - outer * plane;
    const int h = e / line, w = e - h * line;
#if defined(FORWARD)
    return column_state((outer * p.channels + group * p.group_channels) * p.height * p.width, h * p.stride_h - p.pad_h,
                        w * p.stride_w - p.pad_w);
#elif defined(BACKWARD_DATA)
    return column_state((outer * p.filters + group * p.group_filters) * p.out_height * p.out_width, h + p.pad_h,
                        w + p.pad_w);
#else
    return column_state((group * p.group_channels + outer) * p.height * p.width, h * p.dilation_h - p.pad_h,
                        w * p.dilation_w - p.pad_w);
#endif
}

term_state term_of(int x, int y, int z)
{
    const int window = p.window_h * p.window_w;
#if defined(FORWARD)
    return term_state(x * window + y * p.window_w + z, x * p.height * p.width, y * p.dilation_h, z * p.dilation_w);
#elif defined(BACKWARD_DATA)
    return term_state(x * p.group_channels * window + y * p.window_w + z, x * p.out_height * p.out_width,
                      -y * p.dilation_h, -z * p.dilation_w);
#else
    return term_state(x * p.filters * p.out_height * p.out_width + y * p.out_width + z,
                      x * p.channels * p.height * p.width, y * p.stride_h, z * p.stride_w);
#endif
}

float load_a(row_state row, term_state t)
{
    return get_datum(operand_a[p.at[0] + row + t.a]);
}

float load_b(term_state t, column_state c)
{
    int h = c.h + t.h, w = c.w + t.w;
    bool inside = h >= 0 && w >= 0;
#ifdef BACKWARD_DATA
    const int height = p.out_height, width = p.out_width;
    if (!UNIT_STRIDE) { // only every stride-th element of DX meets an element of DY
        const int row = h / p.stride_h, column = w / p.stride_w;
        inside = inside && row * p.stride_h == h && column * p.stride_w == w;
        h = row;
        w = column;
    }
#else
    const int height = p.height, width = p.width;
#endif
    inside = inside && h < height && w < width;
    const float b = get_datum(operand_b[p.at[1] + (inside ? c.base + t.b + h * width + w : 0)]);
    return inside ? b : 0.0;
}

// The element of the result that a row and a column stand for.
uint result_element(uint m, uint column)
{
    const int n = int(column);
#ifdef BACKWARD_WEIGHTS
    const int filter_index = split_index * p.filters + group * p.group_filters + int(m);
    return p.at[2] + uint(filter_index * column_count() + n);
#else
#ifdef FORWARD
    const int plane = p.out_height * p.out_width;
    const int channel = group * p.group_filters + int(m), channels = p.filters;
#else
    const int plane = p.height * p.width;
    const int channel = group * p.group_channels + int(m), channels = p.channels;
#endif
    const int image = n / plane;
    return p.at[2] + uint((image * channels + channel) * plane + (n - image * plane));
#endif
}

float bias_of(uint m)
{
#ifdef FORWARD
    if (HAS_BIAS)
        return bias[p.at[3] + uint(group * p.group_filters) + m];
#endif
    return 0.0;
}

// What becomes of a sum.
float finish(float value, float bias_value)
{
#ifdef FORWARD
    if (HAS_BIAS)
        value += bias_value;
    value = activate(ACTIVATION, value, p.slope);
#endif
    return value;
}

void store(uint m, uint column, float value)
{
    result[result_element(m, column)] = put_result(finish(value, bias_of(m)));
}

void multiply(uint tile_m, uint tile_n);

void run_tiles()
{
    const uint index = group_index();
    const uint tile_n = index % p.tiles_n, rest = index / p.tiles_n;
    const uint tile_m = rest % p.tiles_m, batch = rest / p.tiles_m;
    split_index = int(batch / uint(p.groups));
    group = int(batch) - split_index * p.groups;
    if (split_index < int(p.splits))
        multiply(tile_m, tile_n);
}

/* mlp_block.c: a block of samples through one layer of a narrow fully connected network. */
#include "mlp_block.h"

#include "vec_math.h"
#include "vec_transpose.h"

/* Tiles of the products (rows x vectors) and of the outer product (rows x columns): what the registers hold. */
#if defined(__AVX512F__) || defined(__aarch64__)
enum { STRIP_VECTORS = 4, OUTER_ROWS = 5, OUTER_COLUMNS = 5 };
#else
enum { STRIP_VECTORS = 2, OUTER_ROWS = 3, OUTER_COLUMNS = 3 };
#endif
enum { STRIP_ROWS = 6 };

size_t mlp_net_bytes(const auxo_mlp *mlp)
{
    return cpu_align(sizeof(int64_t) * (2 * (size_t)mlp->layer_count + 3));
}

mlp_net mlp_net_make(const auxo_mlp *mlp, const float *params, uint32_t begin_layer, char *memory)
{
    int64_t *layer_offsets = (int64_t *)memory;
    int64_t *value_offsets = layer_offsets + mlp->layer_count + 1;
    layer_offsets[0] = 0;
    for (uint32_t l = 0; l < mlp->layer_count; ++l)
        layer_offsets[l + 1] =
            layer_offsets[l] + (int64_t)mlp->widths[l + 1] * ((int64_t)mlp->widths[l] + (mlp->has_bias ? 1 : 0));
    value_offsets[0] = 0;
    for (uint32_t l = 0; l <= mlp->layer_count; ++l)
        value_offsets[l + 1] = value_offsets[l] + (l < begin_layer ? 0 : (int64_t)mlp->widths[l] * MLP_SAMPLES);
    return (mlp_net){mlp, params, layer_offsets, value_offsets};
}

#ifdef VEC_HAS_PICK
/* All rows of a block of few columns: each column from all vectors that VEC_LANES rows fill. */
static void turn_narrow_block(const float *x, int64_t width, float *values)
{
    vi pick;
    for (int s = 0; s < VEC_LANES; ++s)
        pick[s] = s * (int32_t)width;
    for (int64_t i = 0; i < width; ++i, pick += 1) {
        vf column[MLP_VECTORS] = {{0}};
        for (int part = 0; part < width; ++part) {
            const vec_lanes lanes = vi_lanes_of_part(pick, part);
#pragma GCC unroll 8
            for (int v = 0; v < MLP_VECTORS; ++v)
                column[v] = vf_pick_lanes(column[v], lanes, vf_load(x + (v * width + part) * VEC_LANES), pick);
        }
#pragma GCC unroll 8
        for (int v = 0; v < MLP_VECTORS; ++v)
            vf_store(values + i * MLP_SAMPLES + v * VEC_LANES, column[v]);
    }
}
#endif

/* VEC_LANES rows of x: out[i MLP_SAMPLES ..] = column i. */
static void turn_rows(const float *x, int64_t width, float *out)
{
    for (int64_t first = 0; first < width; first += VEC_LANES) {
        const int64_t columns = cpu_min(VEC_LANES, width - first);
        vf square[VEC_LANES];
        for (int s = 0; s < VEC_LANES; ++s)
            square[s] = vf_load_partial(x + s * width + first, columns);
        vf_transpose(square);
        for (int64_t i = 0; i < columns; ++i)
            vf_store(out + (first + i) * MLP_SAMPLES, square[i]);
    }
}

void mlp_load(const float *x, int64_t width, int64_t count, float *values)
{
#ifdef VEC_HAS_PICK
    if (count == MLP_SAMPLES && width <= 8) {
        turn_narrow_block(x, width, values);
        return;
    }
#endif
    int64_t whole = count / VEC_LANES * VEC_LANES;
    for (int64_t s = 0; s < whole; s += VEC_LANES)
        turn_rows(x + s * width, width, values + s);
    for (int64_t i = 0; i < width && whole < MLP_SAMPLES; ++i) {
        float *row = values + i * MLP_SAMPLES;
        for (int64_t s = whole; s < count; ++s)
            row[s] = x[s * width + i];
        for (int64_t s = count; s < MLP_SAMPLES; ++s)
            row[s] = 0;
    }
}

void mlp_store(const float *values, int64_t width, int64_t count, float *y)
{
    for (int64_t s = 0; s < count; ++s)
        for (int64_t i = 0; i < width; ++i)
            y[s * width + i] = values[i * MLP_SAMPLES + s];
}

/* A matrix whose element (i, j) is w[i row_stride + j depth_stride], and what else is done: what it is multiplied with
 * is first multiplied by the slope of tanh where that is y (NULL: not); bias (NULL: 0) is added to the rows of the
 * product, and these are multiplied by their factors (NULL: 1). */
typedef struct strip_matrix {
    const float *w, *bias, *factors, *y;
    int64_t row_stride, depth_stride, depth;
} strip_matrix;

/* Which of them there are, known when compiled. */
typedef enum strip_kind { STRIP_PLAIN, STRIP_FACTORS, STRIP_SLOPES } strip_kind;

/* `rows` rows of out for all samples, through the activation. */
CPU_INLINE void strip_body(const auxo_activation activation, const strip_kind kind, const int rows,
                           const strip_matrix *m, const float *in, float *out, bool accumulate)
{
    for (int64_t strip = 0; strip < MLP_SAMPLES; strip += STRIP_VECTORS * VEC_LANES) {
        vf sum[STRIP_ROWS * STRIP_VECTORS];
#pragma GCC unroll 6
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < STRIP_VECTORS; ++v) {
                const float *old = out + i * MLP_SAMPLES + strip + v * VEC_LANES;
                sum[i * STRIP_VECTORS + v] = accumulate ? vf_load(old) : vf_set1(m->bias ? m->bias[i] : 0);
            }
        for (int64_t j = 0; j < m->depth; ++j) {
            vf value[STRIP_VECTORS];
#pragma GCC unroll 4
            for (int v = 0; v < STRIP_VECTORS; ++v) {
                const int64_t place = j * MLP_SAMPLES + strip + v * VEC_LANES;
                value[v] = vf_load(in + place);
                if (kind == STRIP_SLOPES)
                    value[v] *= vf_activate_slope(AUXO_ACTIVATION_TANH, 0, vf_load(m->y + place));
            }
#pragma GCC unroll 6
            for (int i = 0; i < rows; ++i) {
                vf weight = vf_set1(m->w[i * m->row_stride + j * m->depth_stride]);
#pragma GCC unroll 4
                for (int v = 0; v < STRIP_VECTORS; ++v)
                    sum[i * STRIP_VECTORS + v] += weight * value[v];
            }
        }
#pragma GCC unroll 6
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < STRIP_VECTORS; ++v) {
                vf z = sum[i * STRIP_VECTORS + v];
                z = kind == STRIP_FACTORS ? z * m->factors[i] : z;
                vf_store(out + i * MLP_SAMPLES + strip + v * VEC_LANES, vf_activate(activation, 0, z));
            }
    }
}

#define STRIP_CASE(rows)                                                                                               \
    case rows:                                                                                                         \
        strip_body(activation, kind, rows, &m, in, out, accumulate);                                                   \
        break;

CPU_INLINE void run_strips(const auxo_activation activation, const strip_kind kind, strip_matrix m, int64_t row_count,
                           const float *in, float *out, bool accumulate)
{
    while (row_count > 0) {
        int64_t rows = cpu_min(row_count, STRIP_ROWS);
        switch (rows) {
            STRIP_CASE(1)
            STRIP_CASE(2)
            STRIP_CASE(3)
            STRIP_CASE(4)
            STRIP_CASE(5)
        default:
            strip_body(activation, kind, STRIP_ROWS, &m, in, out, accumulate);
        }
        m.w += rows * m.row_stride;
        m.bias = m.bias ? m.bias + rows : NULL;
        m.factors = kind == STRIP_FACTORS ? m.factors + rows : NULL;
        out += rows * MLP_SAMPLES;
        row_count -= rows;
    }
}

static void run_plain_strips(const strip_matrix *m, int64_t row_count, const float *in, float *out, bool accumulate)
{
    run_strips(AUXO_ACTIVATION_IDENTITY, STRIP_PLAIN, *m, row_count, in, out, accumulate);
}

void mlp_product(const float *w, const float *bias, int64_t rows, int64_t depth, const float *in, float *out,
                 bool accumulate)
{
    const strip_matrix m = {.w = w, .bias = bias, .row_stride = depth, .depth_stride = 1, .depth = depth};
    run_plain_strips(&m, rows, in, out, accumulate);
}

void mlp_product_turned(const float *w, int64_t columns, int64_t depth, const float *in, float *out, bool accumulate)
{
    const strip_matrix m = {.w = w, .row_stride = 1, .depth_stride = columns, .depth = depth};
    run_plain_strips(&m, columns, in, out, accumulate);
}

static strip_matrix layer_matrix(const mlp_net *net, uint32_t layer, const float *factors)
{
    const int64_t depth = net->mlp->widths[layer];
    return (strip_matrix){.w = mlp_weights(net, layer),
                          .bias = mlp_bias(net, layer),
                          .factors = factors,
                          .row_stride = depth,
                          .depth_stride = 1,
                          .depth = depth};
}

void mlp_layer(const mlp_net *net, uint32_t layer, const float *in, float *out)
{
    const auxo_mlp *mlp = net->mlp;
    const int64_t rows = mlp->widths[layer + 1];
    const strip_matrix m = layer_matrix(net, layer, NULL);
    if (mlp->activations[layer] == AUXO_ACTIVATION_TANH) {
        run_strips(AUXO_ACTIVATION_TANH, STRIP_PLAIN, m, rows, in, out, false);
        return;
    }
    run_plain_strips(&m, rows, in, out, false);
    mlp_activate(mlp->activations[layer], mlp->slope, rows, out);
}

void mlp_layer_scaled(const mlp_net *net, uint32_t layer, const float *factors, const float *in, float *out)
{
    const auxo_mlp *mlp = net->mlp;
    const int64_t rows = mlp->widths[layer + 1];
    const strip_matrix m = layer_matrix(net, layer, factors);
    if (mlp->activations[layer] == AUXO_ACTIVATION_TANH) {
        run_strips(AUXO_ACTIVATION_TANH, STRIP_FACTORS, m, rows, in, out, false);
        return;
    }
    run_strips(AUXO_ACTIVATION_IDENTITY, STRIP_FACTORS, m, rows, in, out, false);
    mlp_activate(mlp->activations[layer], mlp->slope, rows, out);
}

CPU_INLINE void activate_body(const auxo_activation activation, float slope, int64_t width, float *values)
{
    for (int64_t i = 0; i < width * MLP_SAMPLES; i += 2 * VEC_LANES) { /* two at a time hide the latency of division */
        vf first = vf_activate(activation, slope, vf_load(values + i));
        vf second = vf_activate(activation, slope, vf_load(values + i + VEC_LANES));
        vf_store(values + i, first);
        vf_store(values + i + VEC_LANES, second);
    }
}

#define ACTIVATE_CASE(kind, noun)                                                                                      \
    case AUXO_ACTIVATION_##kind:                                                                                       \
        activate_body(AUXO_ACTIVATION_##kind, slope, width, values);                                                   \
        break;

void mlp_activate(auxo_activation activation, float slope, int64_t width, float *values)
{
    if (activation == AUXO_ACTIVATION_IDENTITY)
        return;
    switch (activation) {
        AUXO_ACTIVATION_TABLE(ACTIVATE_CASE)
    default:
        break;
    }
}

void mlp_back(const mlp_net *net, uint32_t layer, const float *y, float *d, float *below)
{
    const auxo_mlp *mlp = net->mlp;
    const int64_t columns = mlp->widths[layer];
    const int64_t depth = mlp->widths[layer + 1];
    if (mlp->activations[layer] == AUXO_ACTIVATION_TANH && columns <= STRIP_ROWS) {
        const strip_matrix m = {
            .w = mlp_weights(net, layer), .y = y, .row_stride = 1, .depth_stride = columns, .depth = depth};
        run_strips(AUXO_ACTIVATION_IDENTITY, STRIP_SLOPES, m, columns, d, below, false);
        return;
    }
    mlp_multiply_slope(mlp->activations[layer], mlp->slope, depth, y, d, NULL);
    mlp_product_turned(mlp_weights(net, layer), columns, depth, d, below, false);
}

CPU_INLINE void slope_body(const auxo_activation activation, float slope, int64_t width, const float *y, float *d,
                           float *sums)
{
    for (int64_t i = 0; i < width; ++i, y += MLP_SAMPLES, d += MLP_SAMPLES) {
        vf sum = {0};
#pragma GCC unroll 8
        for (int v = 0; v < MLP_VECTORS; ++v) {
            const vf product =
                vf_load(d + v * VEC_LANES) * vf_activate_slope(activation, slope, vf_load(y + v * VEC_LANES));
            vf_store(d + v * VEC_LANES, product);
            sum += product;
        }
        if (sums)
            vf_store(sums + i * VEC_LANES, vf_load(sums + i * VEC_LANES) + sum);
    }
}

#define SLOPE_CASE(kind, noun)                                                                                         \
    case AUXO_ACTIVATION_##kind:                                                                                       \
        slope_body(AUXO_ACTIVATION_##kind, slope, width, y, d, sums);                                                  \
        break;

void mlp_multiply_slope(auxo_activation activation, float slope, int64_t width, const float *y, float *d, float *sums)
{
    if (activation == AUXO_ACTIVATION_IDENTITY) {
        if (sums)
            mlp_add_rows(d, width, sums);
        return;
    }
    switch (activation) {
        AUXO_ACTIVATION_TABLE(SLOPE_CASE)
    default:
        break;
    }
}

/* One tile of the outer product; sums has sum_stride floats from row to row. */
CPU_INLINE void outer_body(const int rows, const int columns, const float *d, const float *a, float *sums,
                           int64_t sum_stride)
{
    vf sum[OUTER_ROWS * OUTER_COLUMNS];
#pragma GCC unroll 5
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 5
        for (int j = 0; j < columns; ++j)
            sum[i * columns + j] = vf_load(sums + i * sum_stride + j * VEC_LANES);
    for (int64_t s = 0; s < MLP_SAMPLES; s += VEC_LANES) {
        vf left[OUTER_ROWS];
#pragma GCC unroll 5
        for (int i = 0; i < rows; ++i)
            left[i] = vf_load(d + i * MLP_SAMPLES + s);
#pragma GCC unroll 5
        for (int j = 0; j < columns; ++j) {
            vf right = vf_load(a + j * MLP_SAMPLES + s);
#pragma GCC unroll 5
            for (int i = 0; i < rows; ++i)
                sum[i * columns + j] += left[i] * right;
        }
    }
#pragma GCC unroll 5
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 5
        for (int j = 0; j < columns; ++j)
            vf_store(sums + i * sum_stride + j * VEC_LANES, sum[i * columns + j]);
}

typedef void outer_function(const float *d, const float *a, float *sums, int64_t sum_stride);

#define OUTER_FUNCTION(rows, columns)                                                                                  \
    static void outer_##rows##x##columns(const float *d, const float *a, float *sums, int64_t sum_stride)              \
    {                                                                                                                  \
        outer_body(rows, columns, d, a, sums, sum_stride);                                                             \
    }
#define OUTER_NAME(rows, columns) outer_##rows##x##columns,
#if defined(__AVX512F__) || defined(__aarch64__)
#define OUTER_ROW(X, rows) X(rows, 1) X(rows, 2) X(rows, 3) X(rows, 4) X(rows, 5)
OUTER_ROW(OUTER_FUNCTION, 1)
OUTER_ROW(OUTER_FUNCTION, 2)
OUTER_ROW(OUTER_FUNCTION, 3)
OUTER_ROW(OUTER_FUNCTION, 4)
OUTER_ROW(OUTER_FUNCTION, 5)
static outer_function *const outers[OUTER_ROWS][OUTER_COLUMNS] = {
    {OUTER_ROW(OUTER_NAME, 1)}, {OUTER_ROW(OUTER_NAME, 2)}, {OUTER_ROW(OUTER_NAME, 3)},
    {OUTER_ROW(OUTER_NAME, 4)}, {OUTER_ROW(OUTER_NAME, 5)},
};
#else
#define OUTER_ROW(X, rows) X(rows, 1) X(rows, 2) X(rows, 3)
OUTER_ROW(OUTER_FUNCTION, 1)
OUTER_ROW(OUTER_FUNCTION, 2)
OUTER_ROW(OUTER_FUNCTION, 3)
static outer_function *const outers[OUTER_ROWS][OUTER_COLUMNS] = {
    {OUTER_ROW(OUTER_NAME, 1)}, {OUTER_ROW(OUTER_NAME, 2)}, {OUTER_ROW(OUTER_NAME, 3)}};
#endif

void mlp_outer(const float *d, int64_t rows, const float *a, int64_t columns, float *sums)
{
    for (int64_t i = 0; i < rows; i += OUTER_ROWS)
        for (int64_t j = 0; j < columns; j += OUTER_COLUMNS)
            outers[cpu_min(OUTER_ROWS, rows - i) - 1][cpu_min(OUTER_COLUMNS, columns - j) - 1](
                d + i * MLP_SAMPLES, a + j * MLP_SAMPLES, sums + (i * columns + j) * VEC_LANES, columns * VEC_LANES);
}

void mlp_add_rows(const float *d, int64_t rows, float *sums)
{
    for (int64_t i = 0; i < rows; ++i) {
        vf sum = vf_load(sums + i * VEC_LANES);
#pragma GCC unroll 8
        for (int v = 0; v < MLP_VECTORS; ++v)
            sum += vf_load(d + i * MLP_SAMPLES + v * VEC_LANES);
        vf_store(sums + i * VEC_LANES, sum);
    }
}

void mlp_sum_lanes(const float *sums, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i += VEC_LANES) {
        const int64_t rows = cpu_min(VEC_LANES, count - i);
        vf square[VEC_LANES];
#pragma GCC unroll 16
        for (int64_t j = 0; j < VEC_LANES; ++j)
            square[j] = j < rows ? vf_load(sums + (i + j) * VEC_LANES) : (vf){0};
        vf_store_partial(out + i, vf_sum_rows(square), rows);
    }
}

double mlp_error(const float *a, const float *t, int64_t outputs, int64_t count, float scale, float *d)
{
    typedef double vd __attribute__((vector_size(VEC_LANES * 8)));
    vd sum = {0};
    vi lanes;
    for (int lane = 0; lane < VEC_LANES; ++lane)
        lanes[lane] = lane;
    for (int64_t i = 0; i < outputs * MLP_SAMPLES; i += MLP_SAMPLES)
        for (int64_t s = 0; s < MLP_SAMPLES; s += VEC_LANES) {
            vf difference = vf_load(a + i + s) - vf_load(t + i + s);
            if (s + VEC_LANES > count) /* the samples beyond are none */
                difference = (vf)((vi)difference & (lanes < (int32_t)(count - s)));
            vd wide = __builtin_convertvector(difference, vd);
            sum += wide * wide;
            if (d)
                vf_store(d + i + s, difference * scale);
        }
    double total = 0;
    for (int lane = 0; lane < VEC_LANES; ++lane)
        total += sum[lane];
    return total;
}

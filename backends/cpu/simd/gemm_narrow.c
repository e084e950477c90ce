/* gemm_narrow.c: products of a tall matrix with a matrix small enough to stay in registers.
 *
 * For shapes like 10,000 x 5 x 5, where blocks, panels and tiles are all overhead: the whole of B sits in registers,
 * each row of A is read once, each row of C written once. The depth is known at compile time.
 */
#include "gemm_narrow.h"

#include "vec_math.h"

typedef void narrow_function(const gemm_problem *problem, cpu_range rows, const float *packed_b);

CPU_INLINE vf finish(const gemm_problem *problem, int64_t row, int64_t column, int64_t count, vf sum)
{
    const gemm_epilogue *epilogue = &problem->epilogue;
    sum *= epilogue->alpha;
    if (epilogue->beta != 0)
        sum += epilogue->beta * vf_load_partial(problem->c + row * problem->c_row_stride + column, count);
    if (epilogue->bias)
        sum += epilogue->bias_per_row ? vf_set1(epilogue->bias[row]) : vf_load_partial(epilogue->bias + column, count);
    return vf_activate(epilogue->activation, epilogue->slope, sum);
}

CPU_INLINE void narrow_body(const int depth, const int vectors, const bool plain, const gemm_problem *problem,
                            cpu_range rows, const float *packed_b)
{
    vf b[GEMM_NARROW_DEPTH_MAX * GEMM_NARROW_VECTORS_MAX];
#pragma GCC unroll 32
    for (int i = 0; i < depth * vectors; ++i)
        b[i] = vf_load(packed_b + (int64_t)i * VEC_LANES);
    int64_t last_count = problem->columns - (vectors - 1) * VEC_LANES;
    const int64_t depth_stride = problem->a.depth_stride;
    const int64_t a_row_stride = problem->a.row_stride;
    const int64_t c_row_stride = problem->c_row_stride;
    const float *a = problem->a.data + rows.begin * a_row_stride;
    float *c = problem->c + rows.begin * c_row_stride;
    for (int64_t row = rows.begin; row < rows.end; ++row, a += a_row_stride, c += c_row_stride) {
        vf sum[GEMM_NARROW_VECTORS_MAX];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v)
            sum[v] = vf_set1(0); /* as in tiles, where fewer rows go: the same bits */
#pragma GCC unroll 16
        for (int l = 0; l < depth; ++l)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; ++v)
                sum[v] += a[l * depth_stride] * b[l * vectors + v];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) {
            int64_t count = v + 1 < vectors ? VEC_LANES : last_count;
            vf value = plain ? sum[v] : finish(problem, row, v * VEC_LANES, count, sum[v]);
            vf_store_partial(c + v * VEC_LANES, value, count);
        }
    }
}

#define NARROW_FUNCTION(depth)                                                                                         \
    static void narrow_##depth##x1(const gemm_problem *problem, cpu_range rows, const float *packed_b)                 \
    {                                                                                                                  \
        narrow_body(depth, 1, false, problem, rows, packed_b);                                                         \
    }                                                                                                                  \
    static void narrow_##depth##x2(const gemm_problem *problem, cpu_range rows, const float *packed_b)                 \
    {                                                                                                                  \
        narrow_body(depth, 2, false, problem, rows, packed_b);                                                         \
    }                                                                                                                  \
    static void narrow_plain_##depth##x1(const gemm_problem *problem, cpu_range rows, const float *packed_b)           \
    {                                                                                                                  \
        narrow_body(depth, 1, true, problem, rows, packed_b);                                                          \
    }                                                                                                                  \
    static void narrow_plain_##depth##x2(const gemm_problem *problem, cpu_range rows, const float *packed_b)           \
    {                                                                                                                  \
        narrow_body(depth, 2, true, problem, rows, packed_b);                                                          \
    }
#define NARROW_NAMES(depth)                                                                                            \
    {{narrow_##depth##x1, narrow_##depth##x2}, {narrow_plain_##depth##x1, narrow_plain_##depth##x2}},
#define NARROW_DEPTHS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)

NARROW_DEPTHS(NARROW_FUNCTION)

static narrow_function *const functions[GEMM_NARROW_DEPTH_MAX][2][GEMM_NARROW_VECTORS_MAX] = {
    NARROW_DEPTHS(NARROW_NAMES)};

void gemm_narrow_run(const gemm_problem *problem, cpu_range rows, float *packed_b)
{
    if (gemm_few_run(problem, rows))
        return;
    const gemm_epilogue *epilogue = &problem->epilogue;
    bool plain = epilogue->alpha == 1 && epilogue->beta == 0 && !epilogue->bias &&
                 epilogue->activation == AUXO_ACTIVATION_IDENTITY;
    int64_t vectors = cpu_ceil_div(problem->columns, VEC_LANES);
    gemm_pack_b(problem->b, problem->depth, problem->columns, vectors, packed_b);
    functions[problem->depth - 1][plain][vectors - 1](problem, rows, packed_b);
}

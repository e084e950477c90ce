/* gemm_few.c: products so narrow that several rows fit one vector.
 *
 * With n columns and depth k, R rows of C are R n consecutive floats and R rows of A are R k consecutive floats. For
 * each l < k one permutation of A's floats puts a[row][l] where c[row][column] is; B[l][column], repeated for every
 * row, stays in registers:
 *
 *   C[3 rows x 5] += pick_l(A[3 rows x 5]) * repeat(B[l])
 *
 * Needs a permutation of two vectors by one instruction, which AVX-512 has.
 */
#include "gemm_narrow.h"

#include "vec_math.h"

#if defined(VEC_HAS_PICK)

enum { SUMS_MAX = 12 }; /* depth * vectors of C */

typedef struct few_tables {
    vi pick[SUMS_MAX];   /* [l][v] */
    vf repeat[SUMS_MAX]; /* [l][v] */
    vf bias[2];
    int64_t rows; /* R */
} few_tables;

static bool make_tables(const gemm_problem *problem, few_tables *tables, int64_t *vectors)
{
    int64_t k = problem->depth;
    int64_t n = problem->columns;
    *vectors = n * cpu_min(2 * VEC_LANES / k, VEC_LANES / n) >= 12 ? 1 : 2;
    tables->rows = cpu_min(2 * VEC_LANES / k, *vectors * VEC_LANES / n);
    if (tables->rows < 2 || k * *vectors > SUMS_MAX)
        return false;
    const float *bias = problem->epilogue.bias;
    for (int64_t v = 0; v < *vectors; ++v)
        for (int64_t lane = 0; lane < VEC_LANES; ++lane) {
            int64_t element = v * VEC_LANES + lane;
            int64_t row = cpu_min(element / n, tables->rows - 1);
            int64_t column = element % n;
            tables->bias[v][lane] = bias ? bias[column] : 0;
            for (int64_t l = 0; l < k; ++l) {
                const float *b = problem->b.data + l * problem->b.depth_stride;
                tables->pick[l * *vectors + v][lane] = (int32_t)(row * k + l);
                tables->repeat[l * *vectors + v][lane] = b[column * problem->b.column_stride];
            }
        }
    return true;
}

/* What one step reads and writes, in elements. */
typedef struct few_counts {
    int64_t low, high, c[2];
} few_counts;

static few_counts counts_of(const gemm_problem *problem, int64_t rows)
{
    int64_t a_count = rows * problem->depth;
    int64_t c_count = rows * problem->columns;
    return (few_counts){.low = cpu_min(a_count, VEC_LANES),
                        .high = cpu_max(a_count - VEC_LANES, 0),
                        .c = {cpu_min(c_count, VEC_LANES), cpu_max(c_count - VEC_LANES, 0)}};
}

/* steps times R rows, of which counts says how many elements there are. whole: vectors are read and written whole;
 * what is too much is the next step's, which overwrites it. */
CPU_INLINE void few_steps(const int depth, const int vectors, const bool plain, const bool whole, const bool one_vector,
                          const gemm_problem *problem, const few_tables *tables, int64_t row, int64_t steps,
                          const few_counts counts)
{
    vi pick[SUMS_MAX];
    vf repeat[SUMS_MAX];
#pragma GCC unroll 12
    for (int i = 0; i < depth * vectors; ++i) {
        pick[i] = tables->pick[i];
        repeat[i] = tables->repeat[i];
    }
    const gemm_epilogue epilogue = problem->epilogue;
    const int64_t a_step = tables->rows * depth;
    const int64_t c_step = tables->rows * problem->columns;
    const float *a = problem->a.data + row * depth;
    float *c = problem->c + row * problem->columns;
    for (int64_t step = 0; step < steps; ++step, a += a_step, c += c_step) {
        vf low = whole ? vf_load(a) : vf_load_partial(a, counts.low);
        vf high = one_vector ? low : whole ? vf_load(a + VEC_LANES) : vf_load_partial(a + VEC_LANES, counts.high);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) {
            vf sum = vf_set1(0); /* as in tiles: the same bits */
#pragma GCC unroll 12
            for (int l = 0; l < depth; ++l)
                sum += (one_vector ? vf_pick_near(low, pick[l * vectors + v])
                                   : vf_pick(low, high, pick[l * vectors + v])) *
                       repeat[l * vectors + v];
            if (!plain) {
                sum = sum * epilogue.alpha + tables->bias[v];
                if (epilogue.beta != 0)
                    sum += epilogue.beta * vf_load_partial(c + v * VEC_LANES, counts.c[v]);
                sum = vf_activate(epilogue.activation, epilogue.slope, sum);
            }
            if (whole)
                vf_store(c + v * VEC_LANES, sum);
            else
                vf_store_partial(c + v * VEC_LANES, sum, counts.c[v]);
        }
    }
}

/* Steps whose whole vectors of A and of C end within the rows. */
static int64_t whole_steps(int64_t rows, int64_t depth, int64_t vectors, few_counts counts, int64_t columns,
                           int64_t step_rows)
{
    const int64_t a_spare = rows * depth - (counts.high > 0 ? 2 : 1) * VEC_LANES;
    const int64_t c_spare = rows * columns - vectors * VEC_LANES;
    if (a_spare < 0 || c_spare < 0)
        return 0;
    return cpu_min(cpu_min(a_spare / (step_rows * depth), c_spare / (step_rows * columns)) + 1, rows / step_rows);
}

CPU_INLINE void few_body(const int depth, const int vectors, const gemm_problem *problem, cpu_range rows,
                         const few_tables *tables)
{
    const gemm_epilogue *epilogue = &problem->epilogue;
    const int64_t r = tables->rows;
    const few_counts counts = counts_of(problem, r);
    const bool plain = epilogue->alpha == 1 && epilogue->beta == 0 && !epilogue->bias &&
                       epilogue->activation == AUXO_ACTIVATION_IDENTITY;
    int64_t row = rows.begin;
    if (plain) {
        const int64_t steps = whole_steps(rows.end - rows.begin, depth, vectors, counts, problem->columns, r);
        if (counts.high == 0)
            few_steps(depth, vectors, true, true, true, problem, tables, row, steps, counts);
        else
            few_steps(depth, vectors, true, true, false, problem, tables, row, steps, counts);
        row += steps * r;
    }
    const int64_t steps = (rows.end - row) / r;
    const int64_t rest = (rows.end - row) % r;
    few_steps(depth, vectors, false, false, false, problem, tables, row, steps, counts);
    few_steps(depth, vectors, false, false, false, problem, tables, rows.end - rest, rest > 0,
              counts_of(problem, rest));
}

typedef void few_function(const gemm_problem *problem, cpu_range rows, const few_tables *tables);

#define FEW_FUNCTION(depth, vectors)                                                                                   \
    static void few_##depth##x##vectors(const gemm_problem *problem, cpu_range rows, const few_tables *tables)         \
    {                                                                                                                  \
        few_body(depth, vectors, problem, rows, tables);                                                               \
    }
#define FEW_NAME(depth, vectors) few_##depth##x##vectors,
#define FEW_UP_TO_6(X, vectors) X(1, vectors) X(2, vectors) X(3, vectors) X(4, vectors) X(5, vectors) X(6, vectors)
#define FEW_UP_TO_12(X, vectors)                                                                                       \
    FEW_UP_TO_6(X, vectors) X(7, vectors) X(8, vectors) X(9, vectors) X(10, vectors) X(11, vectors) X(12, vectors)
FEW_UP_TO_12(FEW_FUNCTION, 1)
FEW_UP_TO_6(FEW_FUNCTION, 2)

static few_function *const functions[2][SUMS_MAX] = {{FEW_UP_TO_12(FEW_NAME, 1)}, {FEW_UP_TO_6(FEW_NAME, 2)}};

bool gemm_few_run(const gemm_problem *problem, cpu_range rows)
{
    bool contiguous = problem->a.depth_stride == 1 && problem->a.row_stride == problem->depth &&
                      problem->c_row_stride == problem->columns;
    few_tables tables;
    int64_t vectors;
    if (!contiguous || (problem->epilogue.bias && problem->epilogue.bias_per_row) ||
        !make_tables(problem, &tables, &vectors))
        return false;
    functions[vectors - 1][problem->depth - 1](problem, rows, &tables);
    return true;
}

#else

bool gemm_few_run(const gemm_problem *problem, cpu_range rows)
{
    (void)problem;
    (void)rows;
    return false;
}

#endif

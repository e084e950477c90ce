/* gemm_tile.c: the register-tile product, instantiated for every number of rows and vectors.
 *
 * A tile of r rows and v vectors keeps r v sums in registers, reads v vectors of B and broadcasts r elements of A per
 * step. With 6 x 4 (AVX-512) or 6 x 2 (AVX2) sums, the multiply-add units are the limit, not the loads.
 */
#include "gemm_tile.h"

#include "vec_math.h"

/* How far ahead of the product B is brought nearer, and how many steps before the end the target is. */
enum { FETCH_ROWS = 8, FETCH_STEPS = 24 };

/* What of step l of the depth lies at an offset from a table instead of l strides away. */
typedef enum by_offsets { OFFSETS_NONE, OFFSETS_B, OFFSETS_A } by_offsets;

/* Row l of B is at data + l * row_stride; with OFFSETS_B at data + offsets[l]. With OFFSETS_A the offsets are A's. */
typedef struct operand_b {
    const float *data;
    int64_t row_stride;
    const int32_t *offsets;
} operand_b;

typedef void tile_function(int64_t depth, gemm_operand_a a, operand_b b, const gemm_target *target);

/* Everything but the plain overwriting store. tile: rows of vectors * VEC_LANES sums. */
static void finish_tile(int64_t rows, int64_t vectors, const float *tile, const gemm_target *target)
{
    const gemm_epilogue *epilogue = target->epilogue;
    float keep = target->first ? epilogue->beta : 1.0f;
    bool bias_by_row = epilogue->bias && epilogue->bias_per_row;
    bool bias_by_column = epilogue->bias && !epilogue->bias_per_row;
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t v = 0; v < vectors; ++v) {
            int64_t column = v * VEC_LANES;
            int64_t count = target->columns - column < VEC_LANES ? target->columns - column : VEC_LANES;
            float *c = target->c + i * target->row_stride + column;
            vf value = vf_load(tile + (i * vectors + v) * VEC_LANES) * epilogue->alpha;
            if (keep != 0)
                value += keep * vf_load_partial(c, count);
            if (target->last) {
                if (bias_by_row)
                    value += epilogue->bias[target->row + i];
                if (bias_by_column)
                    value += vf_load_partial(epilogue->bias + target->column + column, count);
                value = vf_activate(epilogue->activation, epilogue->slope, value);
            }
            vf_store_partial(c, value, count);
        }
}

CPU_INLINE bool is_plain(const gemm_target *target)
{
    const gemm_epilogue *epilogue = target->epilogue;
    return target->first && epilogue->alpha == 1 && epilogue->beta == 0 &&
           (!target->last || (!epilogue->bias && epilogue->activation == AUXO_ACTIVATION_IDENTITY));
}

/* C += tile, and nothing else. */
CPU_INLINE bool is_sum(const gemm_target *target)
{
    const gemm_epilogue *epilogue = target->epilogue;
    return !target->first && epilogue->alpha == 1 &&
           (!target->last || (!epilogue->bias && epilogue->activation == AUXO_ACTIVATION_IDENTITY));
}

/* sum += A B over [begin, end) of the depth. */
CPU_INLINE void add_products(const int rows, const int vectors, const by_offsets offsets, vf *sum, gemm_operand_a a,
                             operand_b b, int64_t begin, int64_t end)
{
    const float *a_step = a.data + (offsets == OFFSETS_A ? 0 : begin * a.depth_stride);
    const float *b_step = b.data + (offsets == OFFSETS_B ? 0 : begin * b.row_stride);
    for (int64_t l = begin; l < end; ++l) {
        vf b_row[TILE_VECTORS];
        if (offsets == OFFSETS_A)
            a_step = a.data + b.offsets[l];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            b_row[v] = vf_load((offsets == OFFSETS_B ? b.data + b.offsets[l] : b_step) + v * VEC_LANES);
        if (offsets == OFFSETS_NONE && vectors == TILE_VECTORS)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v)
                __builtin_prefetch(b_step + FETCH_ROWS * b.row_stride + v * VEC_LANES);
#pragma GCC unroll 12
        for (int i = 0; i < rows; ++i) {
            vf element = vf_set1(a_step[i * a.row_stride]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v)
                sum[i * vectors + v] += element * b_row[v];
        }
        a_step += a.depth_stride;
        b_step += b.row_stride;
    }
}

CPU_INLINE void tile_body(const int rows, const int vectors, const by_offsets offsets, int64_t depth, gemm_operand_a a,
                          operand_b b, const gemm_target *target)
{
    vf sum[TILE_ROWS_MAX * TILE_VECTORS];
#pragma GCC unroll 48
    for (int i = 0; i < rows * vectors; ++i)
        sum[i] = vf_set1(0);
    /* C is asked for so late that B, which passes through the nearest cache meanwhile, cannot push it out again. */
    int64_t late = depth > FETCH_STEPS ? depth - FETCH_STEPS : 0;
    add_products(rows, vectors, offsets, sum, a, b, 0, late);
#pragma GCC unroll 12
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            __builtin_prefetch(target->c + i * target->row_stride + v * VEC_LANES, 1);
    add_products(rows, vectors, offsets, sum, a, b, late, depth);
    bool plain = is_plain(target);
    if (!plain && !is_sum(target)) {
        float tile[TILE_ROWS_MAX * TILE_COLUMNS];
#pragma GCC unroll 48
        for (int i = 0; i < rows * vectors; ++i)
            vf_store(tile + i * VEC_LANES, sum[i]);
        finish_tile(rows, vectors, tile, target);
        return;
    }
    int64_t last_count = target->columns - (vectors - 1) * VEC_LANES;
#pragma GCC unroll 12
    for (int i = 0; i < rows; ++i) {
        float *c = target->c + i * target->row_stride;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
            int64_t count = v + 1 < vectors ? VEC_LANES : last_count;
            vf value = sum[i * vectors + v];
            if (!plain)
                value += vf_load_partial(c + v * VEC_LANES, count);
            if (v + 1 < vectors)
                vf_store(c + v * VEC_LANES, value);
            else
                vf_store_partial(c + v * VEC_LANES, value, count);
        }
    }
}

#define TILE_FUNCTION(rows, vectors)                                                                                   \
    static void tile_##rows##x##vectors(int64_t depth, gemm_operand_a a, operand_b b, const gemm_target *target)       \
    {                                                                                                                  \
        tile_body(rows, vectors, OFFSETS_NONE, depth, a, b, target);                                                   \
    }                                                                                                                  \
    static void tile_at_##rows##x##vectors(int64_t depth, gemm_operand_a a, operand_b b, const gemm_target *target)    \
    {                                                                                                                  \
        tile_body(rows, vectors, OFFSETS_B, depth, a, b, target);                                                      \
    }
#define TILE_NAME(rows, vectors) {tile_##rows##x##vectors, tile_at_##rows##x##vectors},
/* Narrow tiles with A by offsets. */
#define TILE_FROM_FUNCTION(rows, vectors)                                                                              \
    static void tile_from_##rows##x##vectors(int64_t depth, gemm_operand_a a, operand_b b, const gemm_target *target)  \
    {                                                                                                                  \
        tile_body(rows, vectors, OFFSETS_A, depth, a, b, target);                                                      \
    }
#define TILE_FROM_NAME(rows, vectors) tile_from_##rows##x##vectors,

#define TILE_UP_TO_6(X, vectors) X(1, vectors) X(2, vectors) X(3, vectors) X(4, vectors) X(5, vectors) X(6, vectors)
#define TILE_UP_TO_8(X, vectors) TILE_UP_TO_6(X, vectors) X(7, vectors) X(8, vectors)
#define TILE_UP_TO_12(X, vectors) TILE_UP_TO_8(X, vectors) X(9, vectors) X(10, vectors) X(11, vectors) X(12, vectors)

TILE_UP_TO_12(TILE_FUNCTION, 1)
#if defined(__AVX512F__) || defined(__aarch64__)
TILE_UP_TO_12(TILE_FUNCTION, 2)
TILE_UP_TO_8(TILE_FUNCTION, 3)
TILE_UP_TO_6(TILE_FUNCTION, 4)
#else
TILE_UP_TO_6(TILE_FUNCTION, 2)
#endif

#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_FROM_ALL(X) TILE_UP_TO_12(X, 1) TILE_UP_TO_12(X, 2)
#else
#define TILE_FROM_ALL(X) TILE_UP_TO_12(X, 1) TILE_UP_TO_6(X, 2)
#endif
TILE_FROM_ALL(TILE_FROM_FUNCTION)

static tile_function *const tiles_from[TILE_FROM_VECTORS * TILE_ROWS_MAX] = {TILE_FROM_ALL(TILE_FROM_NAME)};

static tile_function *const tiles[TILE_VECTORS][TILE_ROWS_MAX][2] = {
    {TILE_UP_TO_12(TILE_NAME, 1)},
#if defined(__AVX512F__) || defined(__aarch64__)
    {TILE_UP_TO_12(TILE_NAME, 2)},
    {TILE_UP_TO_8(TILE_NAME, 3)},
    {TILE_UP_TO_6(TILE_NAME, 4)},
#else
    {TILE_UP_TO_6(TILE_NAME, 2)},
#endif
};

void gemm_tile_run(int64_t rows, int64_t vectors, int64_t depth, gemm_operand_a a, const float *b, int64_t b_row_stride,
                   const gemm_target *target)
{
    tiles[vectors - 1][rows - 1][0](depth, a, (operand_b){b, b_row_stride, NULL}, target);
}

void gemm_tile_run_at(int64_t rows, int64_t vectors, int64_t depth, gemm_operand_a a, const float *b,
                      const int32_t *b_offsets, const gemm_target *target)
{
    tiles[vectors - 1][rows - 1][1](depth, a, (operand_b){b, 0, b_offsets}, target);
}

void gemm_tile_run_from(int64_t rows, int64_t vectors, int64_t depth, const float *a, int64_t a_row_stride,
                        const int32_t *a_offsets, const float *b, const gemm_target *target)
{
    tiles_from[(vectors - 1) * TILE_ROWS_MAX + rows - 1](depth, (gemm_operand_a){a, a_row_stride, 0},
                                                         (operand_b){b, vectors * VEC_LANES, a_offsets}, target);
}

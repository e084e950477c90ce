/* gemm_pack.c: matrices copied into the order in which the tile product reads them. */
#include "gemm_pack.h"

#include "vec_transpose.h"

/* Rows of B are contiguous: copy them. */
static void pack_rows(gemm_operand_b b, int64_t depth, int64_t columns, int64_t vectors, float *out)
{
    for (int64_t l = 0; l < depth; ++l)
        for (int64_t v = 0; v < vectors; ++v) {
            int64_t column = v * VEC_LANES;
            const float *source = b.data + l * b.depth_stride + column;
            vf row = columns - column >= VEC_LANES ? vf_load(source) : vf_load_partial(source, columns - column);
            vf_store(out + (l * vectors + v) * VEC_LANES, row);
        }
}

/* Columns of B are contiguous: turn squares of VEC_LANES columns. out has `stride` elements per row. */
static void pack_columns(gemm_operand_b b, int64_t depth, int64_t columns, int64_t stride, float *out)
{
    for (int64_t l = 0; l < depth; l += VEC_LANES) {
        int64_t count = depth - l < VEC_LANES ? depth - l : VEC_LANES;
        vf square[VEC_LANES];
        for (int64_t j = 0; j < VEC_LANES; ++j) {
            const float *source = b.data + j * b.column_stride + l;
            if (j >= columns)
                square[j] = vf_set1(0);
            else
                square[j] = count == VEC_LANES ? vf_load(source) : vf_load_partial(source, count);
        }
        vf_transpose(square);
        for (int64_t i = 0; i < count; ++i)
            vf_store(out + (l + i) * stride, square[i]);
    }
}

void gemm_pack_b(gemm_operand_b b, int64_t depth, int64_t columns, int64_t vectors, float *out)
{
    if (b.column_stride == 1) {
        pack_rows(b, depth, columns, vectors, out);
        return;
    }
    for (int64_t v = 0; v < vectors; ++v) {
        gemm_operand_b part = b;
        part.data += v * VEC_LANES * b.column_stride;
        pack_columns(part, depth, columns - v * VEC_LANES, vectors * VEC_LANES, out + v * VEC_LANES);
    }
}

/* Rows of A are contiguous: turn squares of VEC_LANES elements of the depth. */
static void pack_tile(gemm_operand_a a, int64_t rows, int64_t depth, float *out)
{
    for (int64_t l = 0; l < depth; l += VEC_LANES) {
        int64_t count = depth - l < VEC_LANES ? depth - l : VEC_LANES;
        vf square[VEC_LANES];
        for (int64_t i = 0; i < VEC_LANES; ++i)
            square[i] = i < rows ? vf_load_partial(a.data + i * a.row_stride + l, count) : vf_set1(0);
        vf_transpose(square);
        for (int64_t i = 0; i < count; ++i)
            vf_store_partial(out + (l + i) * rows, square[i], rows);
    }
}

void gemm_pack_a(gemm_operand_a a, int64_t rows, int64_t depth, float *out)
{
    if (a.depth_stride == 1 && rows <= VEC_LANES) {
        pack_tile(a, rows, depth, out);
        return;
    }
    for (int64_t l = 0; l < depth; ++l)
        for (int64_t i = 0; i < rows; ++i)
            out[l * rows + i] = a.data[i * a.row_stride + l * a.depth_stride];
}

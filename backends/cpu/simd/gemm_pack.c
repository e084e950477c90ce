/* gemm_pack.c: matrices copied into the order in which the tile product reads them, as f32. */
#include "gemm_pack.h"

#include "vec_half.h"
#include "vec_transpose.h"

/* Rows of B are contiguous: copy them. */
CPU_INLINE void pack_rows(const auxo_dtype type, const void *b, int64_t depth_stride, int64_t depth, int64_t columns,
                          int64_t vectors, float *out)
{
    for (int64_t l = 0; l < depth; ++l)
        for (int64_t v = 0; v < vectors; ++v) {
            const int64_t column = v * VEC_LANES, at = l * depth_stride + column;
            vf row = columns - column >= VEC_LANES ? vf_load_as(type, b, at)
                                                   : vf_load_partial_as(type, b, at, columns - column);
            vf_store(out + (l * vectors + v) * VEC_LANES, row);
        }
}

/* Columns of B are contiguous: turn squares of VEC_LANES columns. `first`: of the element at the corner; out has
 * `stride` elements per row. */
CPU_INLINE void pack_columns(const auxo_dtype type, const void *b, int64_t first, int64_t column_stride, int64_t depth,
                             int64_t columns, int64_t stride, float *out)
{
    for (int64_t l = 0; l < depth; l += VEC_LANES) {
        int64_t count = depth - l < VEC_LANES ? depth - l : VEC_LANES;
        vf square[VEC_LANES];
        for (int64_t j = 0; j < VEC_LANES; ++j) {
            const int64_t at = first + j * column_stride + l;
            if (j >= columns)
                square[j] = vf_set1(0);
            else
                square[j] = count == VEC_LANES ? vf_load_as(type, b, at) : vf_load_partial_as(type, b, at, count);
        }
        vf_transpose(square);
        for (int64_t i = 0; i < count; ++i)
            vf_store(out + (l + i) * stride, square[i]);
    }
}

CPU_INLINE void pack_b(const auxo_dtype type, const void *b, int64_t depth_stride, int64_t column_stride, int64_t depth,
                       int64_t columns, int64_t vectors, float *out)
{
    if (column_stride == 1) {
        pack_rows(type, b, depth_stride, depth, columns, vectors, out);
        return;
    }
    for (int64_t v = 0; v < vectors; ++v)
        pack_columns(type, b, v * VEC_LANES * column_stride, column_stride, depth, columns - v * VEC_LANES,
                     vectors * VEC_LANES, out + v * VEC_LANES);
}

void gemm_pack_b(gemm_operand_b b, int64_t depth, int64_t columns, int64_t vectors, float *out)
{
    pack_b(AUXO_DTYPE_F32, b.data, b.depth_stride, b.column_stride, depth, columns, vectors, out);
}

void gemm_pack_half_b(gemm_half b, int64_t depth, int64_t columns, int64_t vectors, float *out)
{
    if (b.format == AUXO_DTYPE_BF16)
        pack_b(AUXO_DTYPE_BF16, b.data, b.row_stride, b.column_stride, depth, columns, vectors, out);
    else
        pack_b(AUXO_DTYPE_F16, b.data, b.row_stride, b.column_stride, depth, columns, vectors, out);
}

/* Rows of A are contiguous: turn squares of VEC_LANES elements of the depth. */
CPU_INLINE void pack_tile(const auxo_dtype type, const void *a, int64_t row_stride, int64_t rows, int64_t depth,
                          float *out)
{
    for (int64_t l = 0; l < depth; l += VEC_LANES) {
        int64_t count = depth - l < VEC_LANES ? depth - l : VEC_LANES;
        vf square[VEC_LANES];
        for (int64_t i = 0; i < VEC_LANES; ++i)
            square[i] = i < rows ? vf_load_partial_as(type, a, i * row_stride + l, count) : vf_set1(0);
        vf_transpose(square);
        for (int64_t i = 0; i < count; ++i)
            vf_store_partial(out + (l + i) * rows, square[i], rows);
    }
}

void gemm_pack_a(gemm_operand_a a, int64_t rows, int64_t depth, float *out)
{
    if (a.depth_stride == 1 && rows <= VEC_LANES) {
        pack_tile(AUXO_DTYPE_F32, a.data, a.row_stride, rows, depth, out);
        return;
    }
    for (int64_t l = 0; l < depth; ++l)
        for (int64_t i = 0; i < rows; ++i)
            out[l * rows + i] = a.data[i * a.row_stride + l * a.depth_stride];
}

void gemm_pack_half_a(gemm_half a, int64_t rows, int64_t depth, float *out)
{
    if (a.column_stride == 1 && rows <= VEC_LANES) {
        if (a.format == AUXO_DTYPE_BF16)
            pack_tile(AUXO_DTYPE_BF16, a.data, a.row_stride, rows, depth, out);
        else
            pack_tile(AUXO_DTYPE_F16, a.data, a.row_stride, rows, depth, out);
        return;
    }
    for (int64_t l = 0; l < depth; ++l)
        for (int64_t i = 0; i < rows; ++i)
            out[l * rows + i] = cpu_half_widen(a.format, a.data[i * a.row_stride + l * a.column_stride]);
}

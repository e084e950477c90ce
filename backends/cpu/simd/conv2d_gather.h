/* conv2d_gather.h: the sum that convolution forward and its gradient by the input both are.
 *
 *   out[m, i, j] = sum over channels c and taps r, s of
 *                  weights[m, c, r, s] * source[c, i step_h + row_r, j step_w + column_s]
 *
 * with zeros outside the source. Owns the walk over images, groups and bands of output rows; the products are those
 * of gemm_tile.h.
 */
#ifndef AUXO_CPU_CONV2D_GATHER_H
#define AUXO_CPU_CONV2D_GATHER_H

#include "cpu_kernels.h"
#include "gemm_tile.h"

/* The taps along one axis: tap i meets source coordinate first + i step for output position 0. */
typedef struct conv_axis {
    int64_t count, first, step; /* step may be negative */
} conv_axis;

/* The least source coordinate that a tap meets for output position 0, and how far the taps reach from there. */
CPU_INLINE int64_t conv_axis_least(const conv_axis *axis)
{
    return axis->first + cpu_min(0, cpu_max(axis->count - 1, 0) * axis->step);
}

CPU_INLINE int64_t conv_axis_extent(const conv_axis *axis)
{
    return cpu_max(axis->count - 1, 0) * (axis->step < 0 ? -axis->step : axis->step) + 1;
}

typedef struct conv_problem {
    int64_t images, groups;
    const float *source; /* (images, groups * channels, source_h, source_w) */
    int64_t channels, source_h, source_w;
    int64_t step_h, step_w;
    conv_axis tap_rows, tap_columns;
    const float *weights; /* (groups * out_channels, channels, tap_rows.count * tap_columns.count) */
    int64_t positions_h, positions_w;
    float *out; /* (images, groups * out_channels, out_h, out_w) */
    int64_t out_channels, out_h, out_w;
    int64_t out_row, out_row_step, out_column, out_column_step; /* where position (i, j) lies in out */
    gemm_epilogue epilogue;                                     /* bias per row: (groups * out_channels) */
} conv_problem;

#define conv_gather_scratch_bytes CPU_NAME(cpu_conv_gather_scratch_bytes)
#define conv_gather_run CPU_NAME(cpu_conv_gather_run)
size_t conv_gather_scratch_bytes(const conv_problem *problem, int thread_count);
void conv_gather_run(const conv_problem *problem, const cpu_work *work, char *scratch);

#endif

/* conv2d_problem.h: the sum that convolution forward and its gradient by the input both are.
 *
 *   out[m, i, j] = sum over channels c and taps r, s of
 *                  weights[m, c, r, s] * source[c, i step_h + row_r, j step_w + column_s]
 *
 * with zeros outside the source.
 */
#ifndef AUXO_CPU_CONV2D_PROBLEM_H
#define AUXO_CPU_CONV2D_PROBLEM_H

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

/* Whether any tap meets the columns or rows that lie `phase` behind those divisible by `stride`, counted from `origin`:
 * a window of 1 x 1 with stride 2 needs a quarter of its source. */
CPU_INLINE bool conv_axis_meets(const conv_axis *axis, int64_t origin, int64_t stride, int64_t phase)
{
    for (int64_t tap = 0; tap < axis->count; ++tap)
        if ((axis->first + tap * axis->step - origin) % stride == phase)
            return true;
    return false;
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

/* Whether it has no output at all. */
CPU_INLINE bool conv_problem_is_empty(const conv_problem *problem)
{
    return problem->images * problem->groups * problem->out_channels * problem->positions_h * problem->positions_w == 0;
}

/* Columns of one phase of a copy of the source, whose corner lies at source column `origin`: element i is source column
 * first + i step, which is inside for begin <= i < end. */
typedef struct conv_columns {
    int64_t first, step, begin, end, count;
} conv_columns;

CPU_INLINE conv_columns conv_columns_of(const conv_problem *problem, int64_t origin, int64_t count, int64_t phase)
{
    const int64_t step = problem->step_w, source_w = problem->source_w;
    conv_columns columns = {.first = origin + phase, .step = step, .count = count};
    columns.begin = columns.first >= 0 ? 0 : cpu_min(cpu_ceil_div(-columns.first, step), count);
    columns.end = columns.first >= source_w ? 0 : cpu_min(cpu_ceil_div(source_w - columns.first, step), count);
    columns.end = cpu_max(columns.begin, columns.end);
    return columns;
}

/* The taps that reach one phase of DX along one axis. */
typedef struct conv_phase_axis {
    int64_t positions;           /* elements of DX in the phase */
    int64_t first_tap, tap_step; /* in W */
    conv_axis taps;              /* in DY */
} conv_phase_axis;

#define conv_problem_forward CPU_NAME(cpu_conv_problem_forward)
#define conv_problem_backward_data CPU_NAME(cpu_conv_problem_backward_data)
/* Of the conv2d_forward op. Neither sets source, weights and out: the caller does, in the type that its kernel has. */
conv_problem conv_problem_forward(const auxo_op *op);
/* One phase of DX of the conv2d_backward_data op, and its taps along both axes.
 *
 * Element h of DX meets DY at p = (h + pad - r dilation) / stride for those r that divide without remainder. The h of
 * equal remainder by the stride have the same such r, in steps of stride / gcd(stride, dilation): one gathered
 * product per remainder (phase) along each axis, over the taps it has.
 */
conv_problem conv_problem_backward_data(const auxo_op *op, int64_t phase_h, int64_t phase_w, conv_phase_axis axes[2]);

#endif

/* conv2d_gather.h: the sum of conv2d_problem.h by the products of gemm_tile.h; owns the walk over images, groups and
 * bands of output rows. */
#ifndef AUXO_CPU_CONV2D_GATHER_H
#define AUXO_CPU_CONV2D_GATHER_H

#include "conv2d_problem.h"

#define conv_gather_scratch_bytes CPU_NAME(cpu_conv_gather_scratch_bytes)
#define conv_gather_run CPU_NAME(cpu_conv_gather_run)
size_t conv_gather_scratch_bytes(const conv_problem *problem, int thread_count);
void conv_gather_run(const conv_problem *problem, const cpu_work *work, char *scratch);

#endif

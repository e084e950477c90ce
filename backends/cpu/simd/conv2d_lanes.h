/* conv2d_lanes.h: gathered products whose output channels fill one or two vectors. */
#ifndef AUXO_CPU_CONV2D_LANES_H
#define AUXO_CPU_CONV2D_LANES_H

#include "conv2d_gather.h"

#define conv_lanes_fits CPU_NAME(cpu_conv_lanes_fits)
#define conv_lanes_scratch_bytes CPU_NAME(cpu_conv_lanes_scratch_bytes)
#define conv_lanes_run CPU_NAME(cpu_conv_lanes_run)
/* Whether it can do the problem, and better than sliding windows, which have too many junk positions. */
bool conv_lanes_fits(const conv_problem *problem);
size_t conv_lanes_scratch_bytes(const conv_problem *problem, int thread_count);
void conv_lanes_run(const conv_problem *problem, const cpu_work *work, char *scratch);

#endif

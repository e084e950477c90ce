/* conv2d_weights_turned.h: the gradient by the weights with the channels of X side by side. */
#ifndef AUXO_CPU_CONV2D_WEIGHTS_TURNED_H
#define AUXO_CPU_CONV2D_WEIGHTS_TURNED_H

#include "cpu_kernels.h"
#include "vec.h"

#define conv_turned_fits CPU_NAME(cpu_conv_turned_fits)
#define conv_turned_scratch_bytes CPU_NAME(cpu_conv_turned_scratch_bytes)
#define conv_turned_run CPU_NAME(cpu_conv_turned_run)
/* Whether the channels fill vectors; conv_turned_run then writes DW, and DBIAS where there is one. */
bool conv_turned_fits(const auxo_op *op);
size_t conv_turned_scratch_bytes(int thread_count, const auxo_op *op);
void conv_turned_run(const cpu_work *work, const auxo_op *op);

#endif

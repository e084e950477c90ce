/* conv2d_half.h: convolutions of 16-bit tensors by the kernels for f32. */
#ifndef AUXO_CPU_CONV2D_HALF_H
#define AUXO_CPU_CONV2D_HALF_H

#include "cpu_kernels.h"
#include "vec.h"

typedef size_t conv_scratch_function(int thread_count, const auxo_op *op);
typedef void conv_run_function(const cpu_work *work, const auxo_op *op);

#define conv_half_scratch_bytes CPU_NAME(cpu_conv_half_scratch_bytes)
#define conv_half_run CPU_NAME(cpu_conv_half_run)
/* Of a convolution of any direction whose f32 kernel has `scratch_bytes` and `run`; f32 tensors go there directly. */
size_t conv_half_scratch_bytes(int thread_count, const auxo_op *op, conv_scratch_function *scratch_bytes);
void conv_half_run(const cpu_work *work, const auxo_op *op, conv_run_function *run);

/* Makes scratch_bytes_<noun> and run_<noun> of both from scratch_bytes_<noun>_f32 and run_<noun>_f32. */
#define CONV_HALF_KERNEL(noun)                                                                                         \
    static size_t scratch_bytes_##noun(int thread_count, const auxo_op *op)                                            \
    {                                                                                                                  \
        return conv_half_scratch_bytes(thread_count, op, scratch_bytes_##noun##_f32);                                  \
    }                                                                                                                  \
    static void run_##noun(const cpu_work *work, const auxo_op *op)                                                    \
    {                                                                                                                  \
        conv_half_run(work, op, run_##noun##_f32);                                                                     \
    }                                                                                                                  \
    CPU_KERNEL(noun)

#endif

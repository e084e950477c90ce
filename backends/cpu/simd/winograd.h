/* winograd.h: convolution with a 3x3 window and step 1 by Winograd's F(4x4, 3x3) (Lavin and Gray 2016).
 *
 *   out tile (4x4) = A^T [ sum over channels of (G w G^T) * (B^T d B) ] A,   d: the 6x6 patch under the tile
 *
 * A quarter of the multiplications of the direct sum. Rounding errors are those of the patch, not of each window:
 * about 30 u of the sums over the patch, so few channels are left to the direct sum.
 */
#ifndef AUXO_CPU_WINOGRAD_H
#define AUXO_CPU_WINOGRAD_H

#include "cpu_kernels.h"
#include "gemm_tile.h"

enum { WINOGRAD_PATCH = 6, WINOGRAD_TILE = 4, WINOGRAD_POINTS = WINOGRAD_PATCH * WINOGRAD_PATCH };

typedef struct winograd_problem {
    int64_t images;
    const float *source; /* (images, channels, source_h, source_w) */
    int64_t channels, source_h, source_w, pad_h, pad_w;
    float *out; /* (images, out_channels, out_h, out_w) */
    int64_t out_channels, out_h, out_w;
    /* Tap (r, s) of output channel k and channel c: weights[k out_step + c channel_step + (turned ? 8 - i : i)] with
     * i = 3 r + s. */
    const float *weights;
    int64_t out_step, channel_step;
    bool turned;
    const float *bias; /* (out_channels) or NULL */
    auxo_activation activation;
    float slope;
} winograd_problem;

#define winograd_scratch_bytes CPU_NAME(cpu_winograd_scratch_bytes)
#define winograd_run CPU_NAME(cpu_winograd_run)
size_t winograd_scratch_bytes(const winograd_problem *problem, int thread_count);
void winograd_run(const winograd_problem *problem, const cpu_work *work);

#endif

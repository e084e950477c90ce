/* bf16_conv_weights.h: the gradient of a convolution's weights as one product per tap:
 *
 *   DW[tap] (out channels, channels) = DY (out channels, positions) X[tap] (positions, channels)
 *
 * with pairs of neighbouring positions of a row as the pairs of the depth. DY becomes packed A. X becomes
 *
 *   copy[group][block of channels][row phase][column phase][parity][pair of columns][channel, 32]
 *
 * with its border, where parity 1 pairs columns (1, 2), (3, 4), ...: a tap at an even column reads the one, a tap at an
 * odd column the other. Positions are those of the copy, where DY has zeros at the junk ones (direct), or the true
 * ones, whose pairs are gathered; the latter needs rows of even length. Some images (a slice) are done at a time; the
 * sums go on over slices in order.
 */
#ifndef AUXO_CPU_BF16_CONV_WEIGHTS_H
#define AUXO_CPU_BF16_CONV_WEIGHTS_H

#include "bf16_block.h"
#include "views.h"

typedef struct bf16_weights_layout {
    common_conv2d_view view;
    int64_t groups, channels, out_channels; /* the latter of one group */
    int64_t taps, channel_blocks, out_blocks;
    int64_t copy_h, pitch; /* of one image in one phase; pitch is even */
    int64_t phase_count;
    int64_t slice_images;
    bool direct;
    int64_t image_positions;        /* of the depth */
    int64_t steps, depth_part;      /* of a whole slice */
    int64_t pairs;                  /* of one parity of one phase, with room behind */
    int64_t chunk_rows, line_count; /* rows of an image that are turned at a time, and elements of one channel's */
    int64_t out_parts, part_blocks; /* of the blocks of output channels */
    size_t dy_bytes, copy_bytes, sums_bytes, lines_bytes, panel_bytes, thread_bytes;
} bf16_weights_layout;

/* Some images of an op, and the memory that they are copied to. */
typedef struct bf16_weights_slice {
    const auxo_op *op;
    const bf16_weights_layout *layout;
    int64_t first_image, images, steps;
    uint16_t *dy;   /* [group][block][step of A] */
    uint32_t *copy; /* of X */
    float *sums;    /* [group][tap][block of out channels][block of channels][32][32] */
    char *threads;  /* thread_bytes each */
} bf16_weights_slice;

#define bf16_weights_copy CPU_NAME(cpu_bf16_weights_copy)
/* Fills dy and copy of the slice by all threads. */
void bf16_weights_copy(const cpu_work *work, const bf16_weights_slice *slice);

/* Pairs of one block of channels in all phases and parities. */
CPU_INLINE int64_t bf16_weights_block_pairs(const bf16_weights_layout *layout)
{
    return layout->phase_count * 2 * layout->pairs;
}

#endif

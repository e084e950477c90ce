/* bf16_conv.h: the sum of conv2d_problem.h in bf16: channels in pairs, blocks of output channels by positions.
 *
 * A work item is some images, one group and one band of output rows. The source rows that it needs are copied with
 * their zero border, two channels interleaved, sorted by their remainders (phases) by the steps:
 *
 *   copy[pair of channels][row phase][column phase][image][row / step_h][column / step_w]
 *
 * so that a tap moves to another place of the planes and 16 pairs of channels at 16 positions are a tile as they lie
 * (direct, junk positions between rows included). Where that would be too much junk, or where there are fewer channels,
 * panels are gathered from the true positions. The depth is (tap, channel), in the same parts whatever the items are.
 */
#ifndef AUXO_CPU_BF16_CONV_H
#define AUXO_CPU_BF16_CONV_H

#include "bf16_block.h"
#include "conv2d_problem.h"

/* How a problem is cut and copied. */
typedef struct bf16_conv_layout {
    int64_t row_origin, column_origin; /* source coordinates of the copy's corner */
    int64_t tap_count;
    int64_t channel_pairs, pairs; /* that there are, and that the depth has per tap */
    int64_t steps, depth_part;
    bool direct;
    int64_t extra_rows;  /* of the copy, beyond the positions */
    int64_t item_images; /* > 1 only if band_rows is positions_h */
    int64_t band_rows, bands;
    int64_t copy_rows, copy_columns; /* of one image in one phase */
    int64_t phase_count, plane;      /* pairs of one phase, of all images of an item */
    int64_t copy_count;
    int64_t row_blocks, item_row_blocks; /* of output channels: of a group and of an item */
    size_t packed_bytes;                 /* of the weights of all groups */
    size_t offsets_bytes, copy_bytes, panel_bytes, sums_bytes, runs_bytes, thread_bytes, scratch_bytes;
} bf16_conv_layout;

/* Weight (group, row of the group, channel, tap r, s) is data[the sum of index times stride]. */
typedef struct bf16_conv_weights {
    const uint16_t *data;
    int64_t group_stride, row_stride, channel_stride, tap_row_stride, tap_column_stride;
} bf16_conv_weights;

typedef struct bf16_conv {
    const conv_problem *problem; /* its own pointers to data are not read */
    const bf16_conv_layout *layout;
    const uint16_t *source;
    const uint16_t *packed;
    uint16_t *out;
} bf16_conv;

/* One work item, and the memory of the thread that runs it. */
typedef struct bf16_conv_item {
    const bf16_conv *conv;
    const int32_t *offsets; /* into the copy: of every step (direct), or of every pair of the depth */
    int64_t first_image, images, group, first_row, rows;
    cpu_range blocks; /* of output channels */
    uint32_t *copy, *panel;
    float *sums;
    struct bf16_conv_runs *runs;
} bf16_conv_item;

#define bf16_conv_layout_of CPU_NAME(cpu_bf16_conv_layout_of)
#define bf16_conv_pack CPU_NAME(cpu_bf16_conv_pack)
#define bf16_conv_copy CPU_NAME(cpu_bf16_conv_copy)
#define bf16_conv_run CPU_NAME(cpu_bf16_conv_run)
/* Of a problem with at least one output. */
bf16_conv_layout bf16_conv_layout_of(const conv_problem *problem, int thread_count);
/* Weights into packed_bytes of `packed`. */
void bf16_conv_pack(const cpu_work *work, const conv_problem *problem, const bf16_conv_layout *layout,
                    const bf16_conv_weights *weights, uint16_t *packed);
/* The source rows of the item. */
void bf16_conv_copy(const bf16_conv_item *item);
/* `scratch`: scratch_bytes of the layout. */
void bf16_conv_run(const cpu_work *work, const bf16_conv *conv, char *scratch);

/* Positions that one pass over the packed weights serves, in blocks. */
enum { BF16_CONV_PASS_BLOCKS = 8 };

/* Consecutive positions of one output row, all in one block of columns. */
typedef struct bf16_conv_span {
    int32_t target, count; /* columns of the block */
    int64_t source;        /* offset in a plane of the copy */
    int64_t out;           /* offset from the output plane of the item's first image and the same channel */
} bf16_conv_span;

typedef struct bf16_conv_runs {
    int64_t count;
    bf16_conv_span spans[BF16_BLOCK];
} bf16_conv_runs;

#endif

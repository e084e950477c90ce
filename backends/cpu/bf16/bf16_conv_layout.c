/* bf16_conv_layout.c: how a convolution is cut into items. */
#include "bf16_conv.h"

enum {
    COPY_BYTES_MAX = 384 << 10,
    ITEM_COLUMNS = BF16_CONV_PASS_BLOCKS * BF16_BLOCK,
    ITEM_COLUMNS_MIN = 2 * BF16_BLOCK,
    ITEMS_PER_THREAD = 2,
    DIRECT_CHANNELS_MIN = 24
};
/* In cycles, about: the product of one step of a block, and moving one vector of a panel. */
static const double block_step_cost = 64, move_cost = 1.5;

/* Planes lie an odd number of cache lines apart, so that a tile's 16 rows fall into different sets of the cache. */
static int64_t plane_of(int64_t count)
{
    const int64_t line = CPU_CACHE_LINE_BYTES / (int64_t)sizeof(uint32_t);
    return (cpu_ceil_div(count, line) | 1) * line;
}

static void set_band(bf16_conv_layout *layout, int64_t band_rows)
{
    layout->band_rows = band_rows;
    layout->copy_rows = band_rows + layout->extra_rows;
    layout->plane = plane_of(layout->item_images * layout->copy_rows * layout->copy_columns);
    layout->copy_count = layout->plane * layout->phase_count * layout->pairs;
}

static int64_t item_count(const bf16_conv_layout *layout, const conv_problem *problem)
{
    return cpu_ceil_div(problem->images, layout->item_images) * problem->groups *
           cpu_ceil_div(problem->positions_h, layout->band_rows);
}

/* Enough positions for the weights to be worth passing over, few enough for the cache and for all threads. */
static void choose_items(bf16_conv_layout *layout, const conv_problem *problem, int thread_count)
{
    const int64_t wanted = (int64_t)thread_count * ITEMS_PER_THREAD;
    const int64_t positions = problem->positions_h * problem->positions_w;
    layout->item_images = cpu_max(cpu_min(problem->images, ITEM_COLUMNS / positions), 1);
    set_band(layout, problem->positions_h);
    while (layout->item_images > 1 &&
           (layout->copy_count * (int64_t)sizeof(uint32_t) > 2 * COPY_BYTES_MAX ||
            (item_count(layout, problem) < wanted && layout->item_images * positions >= 2 * ITEM_COLUMNS_MIN))) {
        layout->item_images = cpu_ceil_div(layout->item_images, 2);
        set_band(layout, problem->positions_h);
    }
    const int64_t least_rows = cpu_ceil_div(ITEM_COLUMNS_MIN, problem->positions_w);
    while (layout->item_images == 1 && layout->band_rows > 1 &&
           (layout->copy_count * (int64_t)sizeof(uint32_t) > COPY_BYTES_MAX ||
            (layout->band_rows >= 2 * least_rows && item_count(layout, problem) < wanted)))
        set_band(layout, cpu_ceil_div(layout->band_rows, 2));
    layout->bands = cpu_ceil_div(problem->positions_h, layout->band_rows);
    const int64_t parts = cpu_min(cpu_ceil_div(wanted, item_count(layout, problem)), layout->row_blocks);
    layout->item_row_blocks = cpu_ceil_div(layout->row_blocks, parts);
}

/* Whether tiles are read from the planes as they lie: a property of the shape alone, since the order of the sums
 * follows from it. */
static bool is_direct(const bf16_conv_layout *layout, const conv_problem *problem)
{
    if (problem->channels < DIRECT_CHANNELS_MIN)
        return false;
    const double positions = (double)(problem->positions_h * problem->positions_w);
    const double rows = (double)(problem->positions_h + (positions < ITEM_COLUMNS ? layout->extra_rows : 0));
    const double junk = rows * (double)layout->copy_columns / positions - 1;
    const double padding = (double)(cpu_ceil_div(problem->channels, BF16_STEP) * BF16_STEP) / (double)problem->channels;
    const double moves = (double)cpu_ceil_div(BF16_BLOCK, cpu_min(problem->positions_w, BF16_TILE));
    return ((1 + junk) * padding - 1) * block_step_cost * (double)layout->row_blocks < moves * BF16_PAIRS * move_cost;
}

static void set_bytes(bf16_conv_layout *layout, const conv_problem *problem, int thread_count)
{
    layout->packed_bytes =
        sizeof(uint16_t) * (size_t)(problem->groups * layout->row_blocks * layout->steps * BF16_A_STEP);
    layout->offsets_bytes =
        cpu_align(sizeof(int32_t) * (size_t)(layout->direct ? layout->steps : layout->tap_count * layout->pairs));
    layout->copy_bytes = cpu_align(sizeof(uint32_t) * (size_t)(layout->copy_count + 2 * BF16_BLOCK));
    const int64_t panel_steps = layout->direct ? 0 : cpu_min(layout->depth_part, layout->steps);
    layout->panel_bytes =
        cpu_align(sizeof(uint32_t) * (size_t)(BF16_CONV_PASS_BLOCKS * panel_steps * BF16_B_STEP + BF16_TILE));
    layout->sums_bytes = sizeof(float) * (size_t)(layout->item_row_blocks * BF16_CONV_PASS_BLOCKS * BF16_SUMS);
    layout->runs_bytes = cpu_align(sizeof(bf16_conv_runs) * BF16_CONV_PASS_BLOCKS);
    layout->thread_bytes = layout->copy_bytes + layout->panel_bytes + layout->sums_bytes + layout->runs_bytes;
    layout->scratch_bytes = layout->offsets_bytes + (size_t)thread_count * layout->thread_bytes;
}

bf16_conv_layout bf16_conv_layout_of(const conv_problem *problem, int thread_count)
{
    bf16_conv_layout layout = {0};
    layout.tap_count = problem->tap_rows.count * problem->tap_columns.count;
    layout.row_origin = conv_axis_least(&problem->tap_rows);
    layout.column_origin = conv_axis_least(&problem->tap_columns);
    layout.phase_count = problem->step_h * problem->step_w;
    layout.extra_rows = cpu_ceil_div(conv_axis_extent(&problem->tap_rows), problem->step_h) - 1;
    layout.copy_columns =
        problem->positions_w + cpu_ceil_div(conv_axis_extent(&problem->tap_columns), problem->step_w) - 1;
    layout.row_blocks = cpu_ceil_div(problem->out_channels, BF16_BLOCK);
    layout.channel_pairs = cpu_ceil_div(problem->channels, 2);
    layout.direct = is_direct(&layout, problem);
    layout.pairs = layout.direct ? cpu_ceil_div(layout.channel_pairs, BF16_PAIRS) * BF16_PAIRS : layout.channel_pairs;
    layout.steps = cpu_ceil_div(layout.tap_count * layout.pairs, BF16_PAIRS);
    layout.depth_part = bf16_depth_part(layout.steps);
    choose_items(&layout, problem, thread_count);
    set_bytes(&layout, problem, thread_count);
    return layout;
}

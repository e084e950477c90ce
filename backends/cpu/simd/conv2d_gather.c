/* conv2d_gather.c: convolution as a matrix product with a right side that is a sliding view of the source.
 *
 * A work item is a few images (one, unless they are small), one group, one band of output rows. The source rows that
 * it needs are copied with their zero border and sorted by their remainders (phases) by the steps, so that under
 * every tap neighbouring positions read neighbouring elements:
 *
 *   copy[c][row phase][column phase][image][row / step_h][column / step_w]
 *
 * Position (image, i, j) then reads element (image copy_rows + i) copy_columns + j of the tap's plane. The product
 * runs over these elements as they lie (sliding), junk positions between rows included, or row by row, straight to the
 * output, where whole vectors nearly fill a row, or, where there would be too much junk either way, over panels
 * gathered from the true positions. Every output element is summed over (channel, tap) in the same order whatever the
 * items are.
 */
#include "conv2d_gather.h"

#include "conv2d_lanes.h"
#include "conv2d_pointwise.h"

#include "vec_math.h"
#include "vec_transpose.h"

enum { PANEL_DEPTH = 64, COPY_BYTES_MAX = 192 * 1024, ITEMS_PER_THREAD = 4 };
/* Multiply-adds that are worth a thread. */
static const double part_products = 2e5;
/* Gathering one row of a panel costs about as much as this many of its rows in the product. */
static const double gather_cost_rows = 10;
/* Moving a vector from a tile to its place in the output costs about as much as this many of its multiply-adds. */
static const double move_cost_products = 12;
/* Rows of whole vectors may be so many times as long as their positions. */
static const double row_waste_max = 1.2;

/* How a problem is cut and copied. */
typedef struct gather_layout {
    int64_t row_origin, column_origin; /* source coordinates of the copy's corner */
    int64_t tap_count, depth;          /* depth: channels * taps */
    int64_t extra_rows;                /* of the copy, beyond the positions */
    int64_t item_images;               /* > 1 only if band_rows is positions_h */
    int64_t band_rows, bands;
    int64_t copy_rows, copy_columns; /* of one image in one phase */
    int64_t phase_count, plane;      /* elements of one phase, of all images of an item */
    int64_t copy_count;
    bool sliding, by_rows;
    size_t offsets_bytes, copy_bytes, panel_bytes, tile_bytes, thread_bytes;
} gather_layout;

static void set_band(gather_layout *layout, const conv_problem *problem, int64_t band_rows)
{
    layout->band_rows = band_rows;
    layout->copy_rows = band_rows + layout->extra_rows;
    layout->plane = layout->item_images * layout->copy_rows * layout->copy_columns;
    layout->copy_count = layout->plane * layout->phase_count * problem->channels;
}

/* Cuts images into bands until a copy fits the cache and there are items enough for all threads. */
static void choose_bands(gather_layout *layout, const conv_problem *problem, int thread_count)
{
    layout->item_images =
        cpu_min(problem->images, cpu_ceil_div(TILE_COLUMNS, problem->positions_h * problem->positions_w));
    set_band(layout, problem, problem->positions_h);
    int64_t wanted = cpu_ceil_div((int64_t)thread_count * ITEMS_PER_THREAD, problem->images * problem->groups);
    int64_t least_rows = cpu_ceil_div(TILE_COLUMNS, problem->positions_w);
    while (layout->item_images == 1 && layout->band_rows > 1 &&
           (layout->copy_count * (int64_t)sizeof(float) > COPY_BYTES_MAX ||
            (layout->band_rows > least_rows && cpu_ceil_div(problem->positions_h, layout->band_rows) < wanted)))
        set_band(layout, problem, cpu_ceil_div(layout->band_rows, 2));
    layout->bands = cpu_ceil_div(problem->positions_h, layout->band_rows);
}

static gather_layout layout_of(const conv_problem *problem, int thread_count)
{
    gather_layout layout = {0};
    layout.tap_count = problem->tap_rows.count * problem->tap_columns.count;
    layout.depth = problem->channels * layout.tap_count;
    layout.row_origin = conv_axis_least(&problem->tap_rows);
    layout.column_origin = conv_axis_least(&problem->tap_columns);
    layout.phase_count = problem->step_h * problem->step_w;
    layout.extra_rows = cpu_ceil_div(conv_axis_extent(&problem->tap_rows), problem->step_h) - 1;
    layout.copy_columns =
        problem->positions_w + cpu_ceil_div(conv_axis_extent(&problem->tap_columns), problem->step_w) - 1;
    choose_bands(&layout, problem, thread_count);
    double waste = (double)(layout.copy_rows * layout.copy_columns) / (double)(layout.band_rows * problem->positions_w);
    const int64_t row_vectors = cpu_ceil_div(problem->positions_w, VEC_LANES);
    const double row_waste = (double)(row_vectors * VEC_LANES) / (double)problem->positions_w;
    layout.by_rows = problem->out_column_step == 1 &&
                     (double)layout.depth * (row_waste - waste) <= move_cost_products && row_waste <= row_waste_max;
    layout.sliding = layout.by_rows || (double)problem->out_channels * (waste - 1) < gather_cost_rows;

    layout.offsets_bytes = cpu_align(sizeof(int32_t) * (size_t)layout.depth);
    layout.copy_bytes = cpu_align(sizeof(float) * (size_t)(layout.copy_count + TILE_COLUMNS));
    int64_t panel_depth = layout.sliding ? 0 : cpu_min(PANEL_DEPTH, layout.depth);
    layout.panel_bytes = cpu_align(sizeof(float) * (size_t)(panel_depth * TILE_COLUMNS + VEC_LANES));
    layout.tile_bytes = cpu_align(sizeof(float) * (size_t)(problem->out_channels * TILE_COLUMNS + VEC_LANES));
    layout.thread_bytes = layout.copy_bytes + layout.panel_bytes + layout.tile_bytes;
    return layout;
}

size_t conv_gather_scratch_bytes(const conv_problem *problem, int thread_count)
{
    if (conv_problem_is_empty(problem))
        return 0;
    if (conv_lanes_fits(problem))
        return conv_lanes_scratch_bytes(problem, thread_count);
    gather_layout layout = layout_of(problem, thread_count);
    return layout.offsets_bytes + (size_t)thread_count * layout.thread_bytes;
}

/* One work item and the memory of the thread that runs it. */
typedef struct gather_item {
    const conv_problem *problem;
    const gather_layout *layout;
    const int32_t *offsets; /* (depth): of channel and tap, into the copy */
    int64_t first_image, images, group, first_row, rows;
    float *copy, *panel, *tile;
} gather_item;

static void copy_row(float *restrict target, const float *restrict source, conv_columns columns)
{
    for (int64_t i = 0; i < columns.begin; ++i)
        target[i] = 0;
    if (columns.step == 1)
        for (int64_t i = columns.begin; i < columns.end; ++i)
            target[i] = source[columns.first + i];
    else if (columns.step == 2)
        for (int64_t i = columns.begin; i < columns.end; i += VEC_LANES) {
            const int64_t count = cpu_min(VEC_LANES, columns.end - i);
            vf even;
            vf odd;
            vf_load_pairs(source + columns.first + 2 * i, 2 * count - 1, &even, &odd);
            vf_store_partial(target + i, even, count);
        }
    else
        for (int64_t i = columns.begin; i < columns.end; ++i)
            target[i] = source[columns.first + i * columns.step];
    for (int64_t i = columns.end; i < columns.count; ++i)
        target[i] = 0;
}

/* One phase of all channels of one image. */
static void copy_phase(const gather_item *item, int64_t image, int64_t phase_row, int64_t phase_column)
{
    const conv_problem *problem = item->problem;
    const gather_layout *layout = item->layout;
    const conv_columns columns = conv_columns_of(problem, layout->column_origin, layout->copy_columns, phase_column);
    const int64_t first_row = layout->row_origin + item->first_row * problem->step_h + phase_row;
    const int64_t phase = phase_row * problem->step_w + phase_column;
    const int64_t first_plane = ((item->first_image + image) * problem->groups + item->group) * problem->channels;
    for (int64_t c = 0; c < problem->channels; ++c) {
        const float *source = problem->source + (first_plane + c) * problem->source_h * problem->source_w;
        float *target = item->copy + (c * layout->phase_count + phase) * layout->plane +
                        image * layout->copy_rows * layout->copy_columns;
        for (int64_t i = 0; i < layout->copy_rows; ++i, target += layout->copy_columns) {
            int64_t row = first_row + i * problem->step_h;
            if (row >= 0 && row < problem->source_h)
                copy_row(target, source + row * problem->source_w, columns);
            else
                memset(target, 0, sizeof(float) * (size_t)layout->copy_columns);
        }
    }
}

static void copy_source(const gather_item *item)
{
    for (int64_t image = 0; image < item->images; ++image)
        for (int64_t row = 0; row < item->problem->step_h; ++row)
            for (int64_t column = 0; column < item->problem->step_w; ++column)
                copy_phase(item, image, row, column);
    memset(item->copy + item->layout->copy_count, 0, sizeof(float) * TILE_COLUMNS);
}

/* Consecutive positions of one output row, all in one panel. */
typedef struct gather_run {
    int64_t target, count; /* columns of the panel */
    int64_t source;        /* offset in a plane of the copy */
    int64_t out;           /* offset from the output plane of the item's first image and the same channel */
} gather_run;

static gather_run run_at(const gather_item *item, int64_t image, int64_t row, int64_t column)
{
    const conv_problem *problem = item->problem;
    const gather_layout *layout = item->layout;
    int64_t out_row = problem->out_row + (item->first_row + row) * problem->out_row_step;
    return (gather_run){.source = (image * layout->copy_rows + row) * layout->copy_columns + column,
                        .out = image * problem->groups * problem->out_channels * problem->out_h * problem->out_w +
                               out_row * problem->out_w + problem->out_column + column * problem->out_column_step};
}

/* The true positions among elements [first, first + count) of the copy's planes (sliding), or the positions
 * [first, first + count) themselves. */
static int64_t make_runs(const gather_item *item, int64_t first, int64_t count, gather_run runs[TILE_COLUMNS])
{
    const gather_layout *layout = item->layout;
    int64_t row_length = layout->sliding ? layout->copy_columns : item->problem->positions_w;
    int64_t image_rows = layout->sliding ? layout->copy_rows : item->rows;
    int64_t image = first / row_length / image_rows;
    int64_t row = first / row_length % image_rows;
    int64_t column = first % row_length;
    int64_t run_count = 0;
    for (int64_t target = 0; target < count;) {
        int64_t length = cpu_min(item->problem->positions_w - column, count - target);
        if (length > 0 && row < item->rows) {
            runs[run_count] = run_at(item, image, row, column);
            runs[run_count].target = target;
            runs[run_count++].count = length;
        }
        target += row_length - column;
        column = 0;
        if (++row == image_rows) {
            row = 0;
            ++image;
        }
    }
    return run_count;
}

/* Where to copy whole vectors from and to, to fill one row of a panel. */
typedef struct gather_move {
    int32_t source, target;
} gather_move;

/* Rows [begin, end) of the depth of a panel. What a vector holds too much is overwritten by the next one, or lies in
 * columns that are never stored. */
static void gather_panel(const gather_item *item, const gather_run *runs, int64_t run_count, int64_t begin, int64_t end,
                         int64_t width)
{
    gather_move moves[TILE_COLUMNS];
    int64_t move_count = 0;
    for (int64_t r = 0; r < run_count; ++r)
        for (int64_t i = 0; i < runs[r].count; i += VEC_LANES)
            moves[move_count++] = (gather_move){(int32_t)(runs[r].source + i), (int32_t)(runs[r].target + i)};
    const float *restrict copy = item->copy;
    float *restrict target = item->panel;
    for (int64_t l = begin; l < end; ++l, target += width) {
        const float *source = copy + item->offsets[l];
        for (int64_t m = 0; m < move_count; ++m)
            vf_store(target + moves[m].target, vf_load(source + moves[m].source));
    }
}

CPU_INLINE void finish_run(auxo_activation activation, float slope, float bias, const float *restrict from,
                           float *restrict to, int64_t step, int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC_LANES) {
        int64_t lanes = cpu_min(VEC_LANES, count - i);
        vf value = vf_activate(activation, slope, vf_load(from + i) + bias);
        if (step == 1)
            vf_store_partial(to + i, value, lanes);
        else
            for (int64_t lane = 0; lane < lanes; ++lane)
                to[(i + lane) * step] = value[lane];
    }
}

/* Adds bias, applies the activation and moves the true positions of a tile to the output. */
static void finish_tile(const gather_item *item, const gather_run *runs, int64_t run_count, int64_t width)
{
    const conv_problem problem = *item->problem;
    const gemm_epilogue epilogue = problem.epilogue;
    for (int64_t m = 0; m < problem.out_channels; ++m) {
        int64_t channel = item->group * problem.out_channels + m;
        int64_t plane = item->first_image * problem.groups * problem.out_channels + channel;
        float *out = problem.out + plane * problem.out_h * problem.out_w;
        const float *tile = item->tile + m * width;
        float bias = epilogue.bias ? epilogue.bias[channel] : 0;
        if (epilogue.activation == AUXO_ACTIVATION_IDENTITY)
            for (int64_t r = 0; r < run_count; ++r)
                finish_run(AUXO_ACTIVATION_IDENTITY, 0, bias, tile + runs[r].target, out + runs[r].out,
                           problem.out_column_step, runs[r].count);
        else
            for (int64_t r = 0; r < run_count; ++r)
                finish_run(epilogue.activation, epilogue.slope, bias, tile + runs[r].target, out + runs[r].out,
                           problem.out_column_step, runs[r].count);
    }
}

/* Adds (first: puts) the product over [begin, end) of the depth to the tile: all output channels of the group. */
static void multiply(const gather_item *item, const float *sliding_b, int64_t begin, int64_t end, int64_t vectors)
{
    static const gemm_epilogue plain = {.alpha = 1};
    const conv_problem *problem = item->problem;
    int64_t row_stride = item->layout->depth;
    int64_t width = vectors * VEC_LANES;
    int64_t tile_rows = gemm_tile_rows(vectors);
    for (int64_t m = 0; m < problem->out_channels; m += tile_rows) {
        int64_t rows = cpu_min(tile_rows, problem->out_channels - m);
        int64_t channel = item->group * problem->out_channels + m;
        gemm_operand_a a = {problem->weights + channel * row_stride + begin, row_stride, 1};
        gemm_target target = {.c = item->tile + m * width,
                              .row_stride = width,
                              .columns = width,
                              .first = begin == 0,
                              .epilogue = &plain};
        if (sliding_b)
            gemm_tile_run_at(rows, vectors, end - begin, a, sliding_b, item->offsets, &target);
        else
            gemm_tile_run(rows, vectors, end - begin, a, item->panel, width, &target);
    }
}

static void run_panel(const gather_item *item, int64_t first, int64_t count)
{
    gather_run runs[TILE_COLUMNS];
    int64_t run_count = make_runs(item, first, count, runs);
    int64_t vectors = cpu_ceil_div(count, VEC_LANES);
    int64_t depth = item->layout->depth;
    if (item->layout->sliding) {
        multiply(item, item->copy + first, 0, depth, vectors);
    } else {
        int64_t begin = 0;
        do { /* once even for depth 0: the output still gets its bias */
            int64_t end = cpu_min(begin + PANEL_DEPTH, depth);
            gather_panel(item, runs, run_count, begin, end, vectors * VEC_LANES);
            multiply(item, NULL, begin, end, vectors);
            begin = end;
        } while (begin < depth);
    }
    finish_tile(item, runs, run_count, vectors * VEC_LANES);
}

/* Panels of equal width, rather than wide ones and a narrow rest. */
static int64_t panel_step(int64_t count)
{
    const int64_t vectors = cpu_ceil_div(count, VEC_LANES);
    return cpu_ceil_div(vectors, cpu_ceil_div(vectors, TILE_VECTORS)) * VEC_LANES;
}

/* Positions [column, column + count) of one output row, all output channels of the group. */
static void run_row_part(const gather_item *item, int64_t image, int64_t row, int64_t column, int64_t count)
{
    const conv_problem *problem = item->problem;
    const int64_t depth = item->layout->depth, vectors = cpu_ceil_div(count, VEC_LANES);
    const int64_t tile_rows = gemm_tile_rows(vectors), plane = problem->out_h * problem->out_w;
    const gather_run run = run_at(item, image, row, column);
    float *out = problem->out + item->first_image * problem->groups * problem->out_channels * plane + run.out;
    for (int64_t m = 0; m < problem->out_channels; m += tile_rows) {
        const int64_t channel = item->group * problem->out_channels + m;
        const gemm_operand_a a = {problem->weights + channel * depth, depth, 1};
        const gemm_target target = {.c = out + channel * plane,
                                    .row_stride = plane,
                                    .row = channel,
                                    .columns = count,
                                    .first = true,
                                    .last = true,
                                    .epilogue = &problem->epilogue};
        gemm_tile_run_at(cpu_min(tile_rows, problem->out_channels - m), vectors, depth, a, item->copy + run.source,
                         item->offsets, &target);
    }
}

static void run_rows(const gather_item *item)
{
    const int64_t width = item->problem->positions_w, step = panel_step(width);
    for (int64_t image = 0; image < item->images; ++image)
        for (int64_t row = 0; row < item->rows; ++row)
            for (int64_t column = 0; column < width; column += step)
                run_row_part(item, image, row, column, cpu_min(step, width - column));
}

static void run_item(gather_item *item, int64_t index)
{
    const conv_problem *problem = item->problem;
    const gather_layout *layout = item->layout;
    item->group = index / layout->bands % problem->groups;
    item->first_image = index / layout->bands / problem->groups * layout->item_images;
    item->images = cpu_min(layout->item_images, problem->images - item->first_image);
    item->first_row = index % layout->bands * layout->band_rows;
    item->rows = cpu_min(layout->band_rows, problem->positions_h - item->first_row);
    copy_source(item);
    if (layout->by_rows) {
        run_rows(item);
        return;
    }
    int64_t count = item->images * item->rows * problem->positions_w;
    if (layout->sliding)
        count = ((item->images - 1) * layout->copy_rows + item->rows - 1) * layout->copy_columns + problem->positions_w;
    const int64_t step = panel_step(count);
    for (int64_t first = 0; first < count; first += step)
        run_panel(item, first, cpu_min(step, count - first));
}

static void fill_offsets(const conv_problem *problem, const gather_layout *layout, int32_t *offsets)
{
    for (int64_t l = 0; l < layout->depth; ++l) {
        int64_t c = l / layout->tap_count;
        int64_t r = l % layout->tap_count / problem->tap_columns.count;
        int64_t s = l % problem->tap_columns.count;
        int64_t row = problem->tap_rows.first + r * problem->tap_rows.step - layout->row_origin;
        int64_t column = problem->tap_columns.first + s * problem->tap_columns.step - layout->column_origin;
        int64_t phase = row % problem->step_h * problem->step_w + column % problem->step_w;
        offsets[l] = (int32_t)((c * layout->phase_count + phase) * layout->plane +
                               row / problem->step_h * layout->copy_columns + column / problem->step_w);
    }
}

typedef struct gather_context {
    const conv_problem *problem;
    const gather_layout *layout;
    char *scratch;
} gather_context;

static void gather_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const gather_context *gather = context;
    const gather_layout *layout = gather->layout;
    char *memory = gather->scratch + layout->offsets_bytes + (size_t)thread * layout->thread_bytes;
    for (int64_t index = begin; index < end; ++index) {
        gather_item item = {.problem = gather->problem,
                            .layout = layout,
                            .offsets = (const int32_t *)gather->scratch,
                            .copy = (float *)memory,
                            .panel = (float *)(memory + layout->copy_bytes),
                            .tile = (float *)(memory + layout->copy_bytes + layout->panel_bytes)};
        run_item(&item, index);
    }
}

void conv_gather_run(const conv_problem *problem, const cpu_work *work, char *scratch)
{
    if (conv_problem_is_empty(problem))
        return;
    if (conv_pointwise_fits(problem)) {
        conv_pointwise_run(problem, work);
        return;
    }
    if (conv_lanes_fits(problem)) {
        conv_lanes_run(problem, work, scratch);
        return;
    }
    const gather_layout layout = layout_of(problem, work->thread_count);
    fill_offsets(problem, &layout, (int32_t *)scratch);
    int64_t items = cpu_ceil_div(problem->images, layout.item_images) * problem->groups * layout.bands;
    double products = (double)(layout.item_images * problem->out_channels) *
                      (double)(layout.band_rows * problem->positions_w) * (double)layout.depth;
    int64_t grain = products >= part_products ? 1 : (int64_t)(part_products / (products + 1)) + 1;
    cpu_pool_run(work->pool, items, grain, gather_part, &(gather_context){problem, &layout, scratch});
}

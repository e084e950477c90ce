/* conv2d_gather.c: convolution as a matrix product whose right side is gathered panel by panel.
 *
 * A work item is a few images (one, unless its positions are fewer than a panel has columns), one group, one band of
 * output rows. For each item:
 *   the source rows that it needs are copied with their zero border, columns of equal remainder by step_w together,
 *   so that neighbouring positions read neighbouring elements under every tap;
 *   for each panel of TILE_COLUMNS positions and each block of channels: the panel (channels * taps, positions) is
 *   gathered by whole vectors, and multiplied from the left by the weights.
 * Every output element is summed over (channel, tap) in the same order whatever the items are.
 */
#include "conv2d_gather.h"

enum { DEPTH_BLOCK = 256, COPY_BYTES_MAX = 192 * 1024, ITEMS_PER_THREAD = 4 };
static const double parallel_min_products = 2e5;

/* How a problem is cut and copied. */
typedef struct gather_layout {
    int64_t row_origin, column_origin; /* source coordinates of the copy's corner */
    int64_t tap_rows, tap_columns;     /* extent of the taps */
    int64_t tap_count;
    int64_t item_images; /* > 1 only if band_rows is positions_h */
    int64_t band_rows, bands;
    int64_t copy_rows, phase_columns, row_stride, plane, copy_count; /* of one image: phase_columns * step_w a row */
    int64_t block_channels;
    size_t offsets_bytes, copy_bytes, panel_bytes, tile_bytes, thread_bytes;
} gather_layout;

static void set_band(gather_layout *layout, const conv_problem *problem, int64_t band_rows)
{
    layout->band_rows = band_rows;
    layout->copy_rows = (band_rows - 1) * problem->step_h + layout->tap_rows;
    layout->plane = layout->copy_rows * layout->row_stride;
    layout->copy_count = layout->plane * problem->channels;
}

static int64_t axis_least(const conv_axis *axis)
{
    return axis->first + cpu_min(0, cpu_max(axis->count - 1, 0) * axis->step);
}

static int64_t axis_extent(const conv_axis *axis)
{
    return cpu_max(axis->count - 1, 0) * (axis->step < 0 ? -axis->step : axis->step) + 1;
}

static gather_layout layout_of(const conv_problem *problem, int thread_count)
{
    gather_layout layout = {0};
    layout.tap_count = problem->tap_rows.count * problem->tap_columns.count;
    layout.row_origin = axis_least(&problem->tap_rows);
    layout.column_origin = axis_least(&problem->tap_columns);
    layout.tap_rows = axis_extent(&problem->tap_rows);
    layout.tap_columns = axis_extent(&problem->tap_columns);
    int64_t columns = (problem->positions_w - 1) * problem->step_w + layout.tap_columns;
    layout.phase_columns = cpu_ceil_div(columns, problem->step_w);
    layout.row_stride = layout.phase_columns * problem->step_w;

    int64_t position_count = problem->positions_h * problem->positions_w;
    set_band(&layout, problem, problem->positions_h);
    layout.item_images = cpu_min(problem->images, cpu_ceil_div(TILE_COLUMNS, position_count));
    int64_t wanted = cpu_ceil_div((int64_t)thread_count * ITEMS_PER_THREAD, problem->images * problem->groups);
    int64_t least_rows = cpu_ceil_div(TILE_COLUMNS, problem->positions_w);
    while (layout.item_images == 1 && layout.band_rows > 1 &&
           (layout.copy_count * (int64_t)sizeof(float) > COPY_BYTES_MAX ||
            (layout.band_rows > least_rows && cpu_ceil_div(problem->positions_h, layout.band_rows) < wanted)))
        set_band(&layout, problem, cpu_ceil_div(layout.band_rows, 2));
    layout.bands = cpu_ceil_div(problem->positions_h, layout.band_rows);
    layout.block_channels = cpu_max(1, DEPTH_BLOCK / cpu_max(layout.tap_count, 1));

    layout.offsets_bytes = cpu_align(sizeof(int64_t) * (size_t)layout.tap_count);
    layout.copy_bytes = cpu_align(sizeof(float) * (size_t)(layout.item_images * layout.copy_count + VEC_LANES));
    layout.panel_bytes = cpu_align(
        sizeof(float) *
        (size_t)(cpu_min(layout.block_channels, problem->channels) * layout.tap_count * TILE_COLUMNS + VEC_LANES));
    layout.tile_bytes = cpu_align(sizeof(float) * (size_t)(problem->out_channels * TILE_COLUMNS));
    layout.thread_bytes = layout.copy_bytes + layout.panel_bytes + layout.tile_bytes;
    return layout;
}

static bool is_empty(const conv_problem *problem)
{
    return problem->images * problem->groups * problem->out_channels * problem->positions_h * problem->positions_w == 0;
}

size_t conv_gather_scratch_bytes(const conv_problem *problem, int thread_count)
{
    if (is_empty(problem))
        return 0;
    gather_layout layout = layout_of(problem, thread_count);
    return layout.offsets_bytes + (size_t)thread_count * layout.thread_bytes;
}

/* One work item and the memory of the thread that runs it. */
typedef struct gather_item {
    const conv_problem *problem;
    const gather_layout *layout;
    const int64_t *tap_offsets; /* into the copy */
    int64_t first_image, images, group, first_row, rows;
    float *copy, *panel, *tile;
} gather_item;

/* Copies one source row, `row` counted from the top of the source, with its border. */
static void copy_row(const gather_item *item, const float *plane, int64_t row, float *target)
{
    const conv_problem *problem = item->problem;
    const gather_layout *layout = item->layout;
    if (row < 0 || row >= problem->source_h) {
        memset(target, 0, sizeof(float) * (size_t)layout->row_stride);
        return;
    }
    const float *source = plane + row * problem->source_w;
    int64_t step = problem->step_w;
    for (int64_t phase = 0; phase < step; ++phase) {
        float *part = target + phase * layout->phase_columns;
        /* Element i of the part is source column origin + phase + i step. */
        int64_t origin = layout->column_origin + phase;
        int64_t begin = origin >= 0 ? 0 : cpu_min(cpu_ceil_div(-origin, step), layout->phase_columns);
        int64_t end = origin >= problem->source_w ? begin : cpu_ceil_div(problem->source_w - origin, step);
        end = cpu_max(begin, cpu_min(end, layout->phase_columns));
        for (int64_t i = 0; i < begin; ++i)
            part[i] = 0;
        if (step == 1)
            memcpy(part + begin, source + origin + begin, sizeof(float) * (size_t)(end - begin));
        else
            for (int64_t i = begin; i < end; ++i)
                part[i] = source[origin + i * step];
        for (int64_t i = end; i < layout->phase_columns; ++i)
            part[i] = 0;
    }
}

static void copy_source(const gather_item *item)
{
    const conv_problem *problem = item->problem;
    const gather_layout *layout = item->layout;
    int64_t rows = (item->rows - 1) * problem->step_h + layout->tap_rows;
    int64_t first_row = item->first_row * problem->step_h + layout->row_origin;
    for (int64_t image = 0; image < item->images; ++image)
        for (int64_t c = 0; c < problem->channels; ++c) {
            int64_t plane = ((item->first_image + image) * problem->groups + item->group) * problem->channels + c;
            float *target = item->copy + image * layout->copy_count + c * layout->plane;
            for (int64_t row = 0; row < rows; ++row)
                copy_row(item, problem->source + plane * problem->source_h * problem->source_w, first_row + row,
                         target + row * layout->row_stride);
        }
    memset(item->copy + item->images * layout->copy_count, 0, sizeof(float) * VEC_LANES);
}

/* Consecutive positions of one output row, all in one panel. */
typedef struct gather_run {
    int64_t image, row, column; /* of the item */
    int64_t source;             /* offset into the copy under a tap of offset 0 */
    int64_t target, count;      /* columns of the panel */
} gather_run;

static int64_t make_runs(const gather_item *item, int64_t first, int64_t count, gather_run runs[TILE_COLUMNS])
{
    const conv_problem *problem = item->problem;
    int64_t image_positions = item->rows * problem->positions_w;
    int64_t run_count = 0;
    for (int64_t done = 0; done < count;) {
        int64_t position = first + done;
        gather_run run = {.image = position / image_positions,
                          .row = position % image_positions / problem->positions_w,
                          .column = position % problem->positions_w,
                          .target = done};
        run.count = cpu_min(problem->positions_w - run.column, count - done);
        run.source =
            run.image * item->layout->copy_count + run.row * problem->step_h * item->layout->row_stride + run.column;
        done += run.count;
        runs[run_count++] = run;
    }
    return run_count;
}

/* Rows (channel, tap) of the panel for channels [c_begin, c_end). Whole vectors are copied: what is too much is
 * overwritten by the next run, or lies in columns that are never stored. */
static void gather_panel(const gather_item *item, const gather_run *runs, int64_t run_count, int64_t c_begin,
                         int64_t c_end, int64_t width)
{
    int64_t tap_count = item->layout->tap_count;
    float *row = item->panel;
    for (int64_t c = c_begin; c < c_end; ++c)
        for (int64_t t = 0; t < tap_count; ++t, row += width) {
            const float *source = item->copy + c * item->layout->plane + item->tap_offsets[t];
            for (int64_t r = 0; r < run_count; ++r)
                for (int64_t i = 0; i < runs[r].count; i += VEC_LANES)
                    vf_store(row + runs[r].target + i, vf_load(source + runs[r].source + i));
        }
}

/* Where a position of the item lies in the plane of one output channel. */
static int64_t out_offset(const gather_item *item, const gather_run *run)
{
    const conv_problem *problem = item->problem;
    int64_t row = problem->out_row + (item->first_row + run->row) * problem->out_row_step;
    return row * problem->out_w + problem->out_column + run->column * problem->out_column_step;
}

static float *out_channel(const gather_item *item, int64_t image, int64_t channel)
{
    const conv_problem *problem = item->problem;
    int64_t plane = ((item->first_image + image) * problem->groups + item->group) * problem->out_channels + channel;
    return problem->out + plane * problem->out_h * problem->out_w;
}

/* Moves a finished tile whose positions are not consecutive in the output. */
static void scatter_tile(const gather_item *item, const gather_run *runs, int64_t run_count, int64_t width)
{
    const conv_problem *problem = item->problem;
    for (int64_t m = 0; m < problem->out_channels; ++m)
        for (int64_t r = 0; r < run_count; ++r) {
            const float *from = item->tile + m * width + runs[r].target;
            float *to = out_channel(item, runs[r].image, m) + out_offset(item, &runs[r]);
            if (problem->out_column_step == 1)
                memcpy(to, from, sizeof(float) * (size_t)runs[r].count);
            else
                for (int64_t i = 0; i < runs[r].count; ++i)
                    to[i * problem->out_column_step] = from[i];
        }
}

static void multiply_panel(const gather_item *item, int64_t c_begin, int64_t c_end, int64_t vectors,
                           const gemm_target *base)
{
    const conv_problem *problem = item->problem;
    int64_t depth = (c_end - c_begin) * item->layout->tap_count;
    int64_t row_stride = problem->channels * item->layout->tap_count;
    int64_t tile_rows = gemm_tile_rows(vectors);
    int64_t first_channel = item->group * problem->out_channels;
    gemm_target target = *base;
    target.first = c_begin == 0;
    target.last = c_end == problem->channels;
    for (int64_t m = 0; m < problem->out_channels; m += tile_rows) {
        gemm_operand_a a = {problem->weights + (first_channel + m) * row_stride + c_begin * item->layout->tap_count,
                            row_stride, 1};
        target.row = first_channel + m;
        target.c = base->c + m * base->row_stride;
        gemm_tile_run(cpu_min(tile_rows, problem->out_channels - m), vectors, depth, a, item->panel,
                      vectors * VEC_LANES, &target);
    }
}

static void run_panel(const gather_item *item, int64_t first, int64_t count)
{
    const conv_problem *problem = item->problem;
    gather_run runs[TILE_COLUMNS];
    int64_t run_count = make_runs(item, first, count, runs);
    int64_t vectors = cpu_ceil_div(count, VEC_LANES);
    bool direct = problem->out_row_step == 1 && problem->out_column_step == 1 &&
                  problem->out_w == problem->positions_w && runs[0].image == runs[run_count - 1].image;
    gemm_target target = {
        .c = item->tile, .row_stride = vectors * VEC_LANES, .columns = count, .epilogue = &problem->epilogue};
    if (direct) {
        target.c = out_channel(item, runs[0].image, 0) + out_offset(item, &runs[0]);
        target.row_stride = problem->out_h * problem->out_w;
    }
    int64_t c = 0;
    do { /* once even without channels: the output still gets its epilogue */
        int64_t c_end = cpu_min(c + item->layout->block_channels, problem->channels);
        gather_panel(item, runs, run_count, c, c_end, vectors * VEC_LANES);
        multiply_panel(item, c, c_end, vectors, &target);
        c = c_end;
    } while (c < problem->channels);
    if (!direct)
        scatter_tile(item, runs, run_count, vectors * VEC_LANES);
}

static void run_item(gather_item *item, int64_t index)
{
    const conv_problem *problem = item->problem;
    const gather_layout *layout = item->layout;
    int64_t band = index % layout->bands;
    item->group = index / layout->bands % problem->groups;
    item->first_image = index / layout->bands / problem->groups * layout->item_images;
    item->images = cpu_min(layout->item_images, problem->images - item->first_image);
    item->first_row = band * layout->band_rows;
    item->rows = cpu_min(layout->band_rows, problem->positions_h - item->first_row);
    copy_source(item);
    int64_t position_count = item->images * item->rows * problem->positions_w;
    for (int64_t first = 0; first < position_count; first += TILE_COLUMNS)
        run_panel(item, first, cpu_min(TILE_COLUMNS, position_count - first));
}

void conv_gather_run(const conv_problem *problem, int thread_count, char *scratch)
{
    if (is_empty(problem))
        return;
    const gather_layout layout = layout_of(problem, thread_count);
    int64_t *tap_offsets = (int64_t *)scratch;
    for (int64_t t = 0; t < layout.tap_count; ++t) {
        int64_t r = t / problem->tap_columns.count;
        int64_t s = t % problem->tap_columns.count;
        int64_t row = problem->tap_rows.first + r * problem->tap_rows.step - layout.row_origin;
        int64_t column = problem->tap_columns.first + s * problem->tap_columns.step - layout.column_origin;
        tap_offsets[t] =
            row * layout.row_stride + column % problem->step_w * layout.phase_columns + column / problem->step_w;
    }
    int64_t item_count = cpu_ceil_div(problem->images, layout.item_images) * problem->groups * layout.bands;
    double products = (double)(problem->images * problem->groups * problem->out_channels) *
                      (double)(problem->positions_h * problem->positions_w) *
                      (double)(problem->channels * layout.tap_count);
#pragma omp parallel for schedule(static) num_threads(thread_count) if (products >= parallel_min_products)
    for (int64_t index = 0; index < item_count; ++index) {
        char *memory = scratch + layout.offsets_bytes + (size_t)cpu_thread_index() * layout.thread_bytes;
        gather_item item = {.problem = problem,
                            .layout = &layout,
                            .tap_offsets = tap_offsets,
                            .copy = (float *)memory,
                            .panel = (float *)(memory + layout.copy_bytes),
                            .tile = (float *)(memory + layout.copy_bytes + layout.panel_bytes)};
        run_item(&item, index);
    }
}

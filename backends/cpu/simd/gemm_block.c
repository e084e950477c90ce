/* gemm_block.c: one matrix product by packed blocks (Goto and van de Geijn 2008).
 *
 *   for the columns by COLUMN_BLOCK, for the depth by at most DEPTH_BLOCK, for the rows by ROW_BLOCK:
 *     pack that block of B into panels (of f32, whatever B is) and that block of A into tiles of rows; all threads
 * together multiply: items of some rows by some panels, whose operands stay in a thread's own cache
 *
 * Every element of C is summed over the depth in the same order whatever the number of threads.
 */
#include "gemm_block.h"

#include "gemm_narrow.h"

enum {
    DEPTH_BLOCK = 768,
    COLUMN_BLOCK = 2048,
    ROW_BLOCK = 2048,
    ITEM_ROWS = 96,
    ITEM_PANELS = 8,
    ITEMS_PER_THREAD = 8,
    /* Fewer panels: A is read where it lies. */
    PACK_A_PANELS = 24,
    PACK_TURNED_A_PANELS = 3,
    NEAR_B_COUNT = 150 * 1024, /* elements of B that the nearer caches hold: read where they lie */
    PACK_PANELS = 4,
    PACK_TILES = 8,
    PACK_ROWS = 16
};
/* Below this many multiply-adds, waking threads costs more than it saves. */
static const double parallel_min_products = 2e5;

static int64_t panel_vectors(int64_t columns)
{
    return cpu_min(cpu_ceil_div(columns, VEC_LANES), TILE_VECTORS);
}

/* Parts of about equal depth. */
static int64_t depth_block(int64_t depth)
{
    int64_t parts = cpu_max(cpu_ceil_div(depth, DEPTH_BLOCK), 1);
    return cpu_ceil_div(cpu_ceil_div(depth, parts), 8) * 8;
}

static size_t packed_b_bytes(int64_t columns, int64_t depth)
{
    int64_t wide = cpu_ceil_div(cpu_min(columns, COLUMN_BLOCK), VEC_LANES) * VEC_LANES;
    return cpu_align(sizeof(float) * (size_t)(wide * depth_block(depth)));
}

static size_t packed_a_bytes(int64_t rows, int64_t depth)
{
    return cpu_align(sizeof(float) * (size_t)(cpu_min(rows, ROW_BLOCK) * depth_block(depth)));
}

size_t gemm_block_scratch_bytes(int64_t rows, int64_t columns, int64_t depth)
{
    return packed_b_bytes(columns, depth) + packed_a_bytes(rows, depth);
}

/* The blocks at hand, and how their product is cut into items. */
typedef struct gemm_part {
    const gemm_problem *problem;
    float *packed_a, *packed_b;
    int64_t depth_begin, depth, column_begin, columns, row_begin, rows;
    int64_t tile_rows;
    bool pack_a, near_b;
    int64_t panels, item_panels, items_down;
} gemm_part;

static int64_t panel_width(const gemm_part *part, int64_t panel)
{
    return cpu_min(part->columns - panel * TILE_COLUMNS, TILE_COLUMNS);
}

/* Panels [first, last). A few rows of all of them at a time where B's rows are contiguous: the more of a row is read at
 * once, the fewer pages are touched in turn. */
static void pack_panels(const gemm_part *part, int64_t first, int64_t last)
{
    const gemm_operand_b *b = &part->problem->b;
    const gemm_half *half = &part->problem->half_b;
    const int64_t step = (half->data ? half->column_stride : b->column_stride) == 1 ? PACK_ROWS : part->depth;
    for (int64_t l = 0; l < part->depth; l += step)
        for (int64_t panel = first; panel < last; ++panel) {
            const int64_t width = panel_width(part, panel), vectors = panel_vectors(width);
            const int64_t row = part->depth_begin + l, column = part->column_begin + panel * TILE_COLUMNS;
            const int64_t depth = cpu_min(step, part->depth - l);
            float *out = part->packed_b + panel * TILE_COLUMNS * part->depth + l * vectors * VEC_LANES;
            if (half->data) {
                gemm_half from = *half;
                from.data += row * half->row_stride + column * half->column_stride;
                gemm_pack_half_b(from, depth, width, vectors, out);
            } else {
                gemm_operand_b from = *b;
                from.data += row * b->depth_stride + column * b->column_stride;
                gemm_pack_b(from, depth, width, vectors, out);
            }
        }
}

/* row: within the block */
static gemm_operand_a tile_of_a(const gemm_part *part, int64_t row)
{
    gemm_operand_a a = part->problem->a;
    a.data += (part->row_begin + row) * a.row_stride + part->depth_begin * a.depth_stride;
    return a;
}

static void pack_tile_of_a(const gemm_part *part, int64_t row, int64_t rows)
{
    float *out = part->packed_a + row * part->depth;
    gemm_half half = part->problem->half_a;
    if (!half.data) {
        gemm_pack_a(tile_of_a(part, row), rows, part->depth, out);
        return;
    }
    half.data += (part->row_begin + row) * half.row_stride + part->depth_begin * half.column_stride;
    gemm_pack_half_a(half, rows, part->depth, out);
}

static int64_t pack_b_items(const gemm_part *part)
{
    return part->row_begin == 0 && !part->near_b ? cpu_ceil_div(part->panels, PACK_PANELS) : 0;
}

static int64_t pack_a_items(const gemm_part *part)
{
    return part->pack_a ? cpu_ceil_div(part->rows, PACK_TILES * part->tile_rows) : 0;
}

/* Items are groups of PACK_PANELS panels of B, then groups of PACK_TILES tiles of A. */
static void pack_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const gemm_part *part = context;
    int64_t groups = pack_b_items(part);
    for (int64_t item = begin; item < end; ++item) {
        if (item < groups) {
            pack_panels(part, item * PACK_PANELS, cpu_min((item + 1) * PACK_PANELS, part->panels));
            continue;
        }
        int64_t rows = PACK_TILES * part->tile_rows;
        int64_t first = (item - groups) * rows;
        for (int64_t row = first; row < cpu_min(first + rows, part->rows); row += part->tile_rows)
            pack_tile_of_a(part, row, cpu_min(part->tile_rows, part->rows - row));
    }
}

static void multiply_panel(const gemm_part *part, int64_t panel, cpu_range rows)
{
    const gemm_problem *problem = part->problem;
    int64_t width = panel_width(part, panel);
    int64_t vectors = panel_vectors(width);
    int64_t column = part->column_begin + panel * TILE_COLUMNS;
    for (int64_t row = rows.begin; row < rows.end; row += part->tile_rows) {
        int64_t count = cpu_min(part->tile_rows, rows.end - row);
        const gemm_operand_a a =
            part->pack_a ? (gemm_operand_a){part->packed_a + row * part->depth, 1, count} : tile_of_a(part, row);
        gemm_target target = {.c = problem->c + (part->row_begin + row) * problem->c_row_stride + column,
                              .row_stride = problem->c_row_stride,
                              .row = part->row_begin + row,
                              .column = column,
                              .columns = width,
                              .first = part->depth_begin == 0,
                              .last = part->depth_begin + part->depth == problem->depth,
                              .epilogue = &problem->epilogue};
        if (part->near_b)
            gemm_tile_run(count, vectors, part->depth, a,
                          problem->b.data + part->depth_begin * problem->b.depth_stride + column,
                          problem->b.depth_stride, &target);
        else
            gemm_tile_run(count, vectors, part->depth, a, part->packed_b + panel * TILE_COLUMNS * part->depth,
                          vectors * VEC_LANES, &target);
    }
}

/* Items are rows by panels, the rows fastest. */
static void multiply_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const gemm_part *part = context;
    for (int64_t item = begin; item < end; ++item) {
        cpu_range rows = cpu_split(part->rows, part->tile_rows, item % part->items_down, part->items_down);
        int64_t first = item / part->items_down * part->item_panels;
        int64_t last = cpu_min(first + part->item_panels, part->panels);
        for (int64_t panel = first; panel < last; ++panel)
            multiply_panel(part, panel, rows);
    }
}

static void run_loop(cpu_pool *pool, int64_t count, cpu_part_function *function, const gemm_part *part)
{
    bool parallel = pool && (double)part->rows * (double)part->columns * (double)part->depth >= parallel_min_products;
    if (parallel)
        cpu_pool_run(pool, count, 1, function, part);
    else
        function(part, 0, count, 0);
}

/* Items of equal size, and small enough that the last ones do not keep the other threads waiting. */
static void cut_items(gemm_part *part, cpu_pool *pool)
{
    int64_t tiles = cpu_ceil_div(part->rows, part->tile_rows);
    int64_t threads = pool ? cpu_pool_thread_count(pool) : 1;
    int64_t wanted = pool ? threads * ITEMS_PER_THREAD : 1;
    /* Threads differ by panels first: what each has packed of B then stays in its own caches. */
    part->item_panels = cpu_min(ITEM_PANELS, cpu_ceil_div(part->panels, threads));
    int64_t across = cpu_ceil_div(part->panels, part->item_panels);
    int64_t item_tiles = cpu_min(ITEM_ROWS / part->tile_rows, cpu_ceil_div(tiles * across, wanted));
    item_tiles = cpu_max(item_tiles, cpu_min(tiles, 2));
    part->items_down = cpu_ceil_div(tiles, item_tiles);
    while (part->item_panels > 1 && part->items_down * across < wanted)
        across = cpu_ceil_div(part->panels, --part->item_panels);
}

/* Whole vectors of B's rows can be read without packing. */
static bool is_near(const gemm_problem *problem)
{
    return !problem->half_b.data && problem->b.column_stride == 1 && problem->columns % VEC_LANES == 0 &&
           problem->depth * problem->columns <= NEAR_B_COUNT;
}

static void run_part(gemm_part *part, cpu_pool *pool)
{
    part->panels = cpu_ceil_div(part->columns, TILE_COLUMNS);
    part->pack_a = part->problem->half_a.data ||
                   part->panels >= (part->problem->a.depth_stride == 1 ? PACK_A_PANELS : PACK_TURNED_A_PANELS);
    part->near_b = is_near(part->problem);
    cut_items(part, pool);
    run_loop(pool, pack_b_items(part) + pack_a_items(part), pack_part, part);
    run_loop(pool, part->items_down * cpu_ceil_div(part->panels, part->item_panels), multiply_part, part);
}

static void narrow_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const gemm_problem *problem = context;
    float packed_b[GEMM_NARROW_DEPTH_MAX * GEMM_NARROW_VECTORS_MAX * VEC_LANES];
    gemm_narrow_run(problem, (cpu_range){begin, end}, packed_b);
}

/* Parts of some 20 microseconds: a thread that wakes up late still finds work. */
static void run_narrow(const gemm_problem *problem, cpu_pool *pool)
{
    const int64_t part_products = 1 << 17;
    int64_t grain = cpu_max(part_products / (problem->depth * problem->columns), 1);
    if (pool)
        cpu_pool_run(pool, problem->rows, grain, narrow_part, problem);
    else
        narrow_part(problem, 0, problem->rows, 0);
}

void gemm_block_run(const gemm_problem *problem, cpu_pool *pool, char *scratch)
{
    if (problem->rows == 0 || problem->columns == 0)
        return;
    if (!problem->half_a.data && gemm_narrow_fits(problem)) {
        run_narrow(problem, pool);
        return;
    }
    gemm_part part = {.problem = problem,
                      .packed_b = (float *)scratch,
                      .packed_a = (float *)(scratch + packed_b_bytes(problem->columns, problem->depth)),
                      .tile_rows = gemm_tile_rows(panel_vectors(problem->columns))};
    for (part.column_begin = 0; part.column_begin < problem->columns; part.column_begin += COLUMN_BLOCK) {
        part.columns = cpu_min(problem->columns - part.column_begin, COLUMN_BLOCK);
        part.depth_begin = 0;
        do { /* once even for depth 0: C still gets its epilogue */
            part.depth = cpu_min(problem->depth - part.depth_begin, depth_block(problem->depth));
            for (part.row_begin = 0; part.row_begin < problem->rows; part.row_begin += ROW_BLOCK) {
                part.rows = cpu_min(problem->rows - part.row_begin, ROW_BLOCK);
                run_part(&part, pool);
            }
            part.depth_begin += part.depth;
        } while (part.depth_begin < problem->depth);
    }
}

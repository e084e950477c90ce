/* gemm_block.c: one matrix product by packed blocks (Goto and van de Geijn 2008).
 *
 * Each thread has a rectangle of C and shares nothing:
 *   for its columns by COLUMN_BLOCK, for the depth by DEPTH_BLOCK: pack that block of B
 *     for its rows by ROW_BLOCK: pack A; for the panels of B: for the tiles of A
 *
 * Every element of C is summed over the depth in the same order whatever the number of threads.
 */
#include "gemm_block.h"

#include "gemm_narrow.h"

enum { DEPTH_BLOCK = 256, COLUMN_BLOCK = 512, ROW_BLOCK = 96, PACK_A_PANELS = 3 };

static int64_t panel_vectors(int64_t columns)
{
    return cpu_min(cpu_ceil_div(columns, VEC_LANES), TILE_VECTORS);
}

static size_t packed_b_bytes(int64_t columns, int64_t depth)
{
    int64_t wide = cpu_ceil_div(cpu_min(columns, COLUMN_BLOCK), VEC_LANES) * VEC_LANES;
    return cpu_align(sizeof(float) * (size_t)(wide * cpu_min(depth, DEPTH_BLOCK)));
}

static size_t packed_a_bytes(int64_t rows, int64_t depth)
{
    return cpu_align(sizeof(float) * (size_t)(cpu_min(rows, ROW_BLOCK) * cpu_min(depth, DEPTH_BLOCK)));
}

size_t gemm_block_scratch_bytes(int64_t rows, int64_t columns, int64_t depth)
{
    return packed_b_bytes(columns, depth) + packed_a_bytes(rows, depth);
}

/* One packed depth x columns block of B, and the rows of C to which it is applied. */
typedef struct gemm_part {
    const gemm_problem *problem;
    float *packed_a, *packed_b;
    int64_t depth_begin, depth, column_begin, columns;
    int64_t tile_rows;
    cpu_range rows;
} gemm_part;

static int64_t panel_width(const gemm_part *part, int64_t panel)
{
    return cpu_min(part->columns - panel * TILE_COLUMNS, TILE_COLUMNS);
}

static void pack_columns(const gemm_part *part)
{
    for (int64_t panel = 0; panel * TILE_COLUMNS < part->columns; ++panel) {
        gemm_operand_b b = part->problem->b;
        int64_t column = part->column_begin + panel * TILE_COLUMNS;
        b.data += part->depth_begin * b.depth_stride + column * b.column_stride;
        int64_t width = panel_width(part, panel);
        gemm_pack_b(b, part->depth, width, panel_vectors(width), part->packed_b + panel * TILE_COLUMNS * part->depth);
    }
}

static gemm_operand_a tile_of_a(const gemm_part *part, int64_t row)
{
    gemm_operand_a a = part->problem->a;
    a.data += row * a.row_stride + part->depth_begin * a.depth_stride;
    return a;
}

static void run_panel(const gemm_part *part, int64_t panel, int64_t row_begin, int64_t row_end, bool packed)
{
    const gemm_problem *problem = part->problem;
    int64_t width = panel_width(part, panel);
    int64_t vectors = panel_vectors(width);
    int64_t column = part->column_begin + panel * TILE_COLUMNS;
    for (int64_t row = row_begin; row < row_end; row += part->tile_rows) {
        int64_t rows = cpu_min(part->tile_rows, row_end - row);
        gemm_operand_a a = tile_of_a(part, row);
        if (packed)
            a = (gemm_operand_a){part->packed_a + (row - row_begin) * part->depth, 1, rows};
        gemm_target target = {.c = problem->c + row * problem->c_row_stride + column,
                              .row_stride = problem->c_row_stride,
                              .row = row,
                              .column = column,
                              .columns = width,
                              .first = part->depth_begin == 0,
                              .last = part->depth_begin + part->depth == problem->depth,
                              .epilogue = &problem->epilogue};
        gemm_tile_run(rows, vectors, part->depth, a, part->packed_b + panel * TILE_COLUMNS * part->depth,
                      vectors * VEC_LANES, &target);
    }
}

static void run_rows(const gemm_part *part)
{
    bool pack = part->columns > (PACK_A_PANELS - 1) * TILE_COLUMNS;
    for (int64_t row = part->rows.begin; row < part->rows.end; row += ROW_BLOCK) {
        int64_t row_end = cpu_min(row + ROW_BLOCK, part->rows.end);
        for (int64_t tile = row; pack && tile < row_end; tile += part->tile_rows)
            gemm_pack_a(tile_of_a(part, tile), cpu_min(part->tile_rows, row_end - tile), part->depth,
                        part->packed_a + (tile - row) * part->depth);
        for (int64_t panel = 0; panel * TILE_COLUMNS < part->columns; ++panel)
            run_panel(part, panel, row, row_end, pack);
    }
}

/* The rectangle of one thread, on the grid of threads that leaves the fullest one the least to do. */
static void take_share(const gemm_problem *problem, int64_t tile_rows, int thread, int thread_count, cpu_range *rows,
                       cpu_range *columns)
{
    int64_t tiles = cpu_ceil_div(problem->rows, tile_rows);
    int64_t panels = cpu_ceil_div(problem->columns, TILE_COLUMNS);
    int64_t down = 1;
    int64_t least = INT64_MAX;
    for (int64_t candidate = 1; candidate <= thread_count; ++candidate) {
        if (thread_count % candidate != 0)
            continue;
        int64_t most = cpu_ceil_div(tiles, candidate) * cpu_ceil_div(panels, thread_count / candidate);
        if (most <= least) {
            least = most;
            down = candidate;
        }
    }
    *rows = cpu_split(problem->rows, tile_rows, thread % down, down);
    *columns = cpu_split(problem->columns, TILE_COLUMNS, thread / down, thread_count / down);
}

void gemm_block_run(const gemm_problem *problem, int thread, int thread_count, char *scratch)
{
    if (problem->rows == 0 || problem->columns == 0)
        return;
    if (gemm_narrow_fits(problem)) {
        gemm_narrow_run(problem, cpu_split(problem->rows, 1, thread, thread_count), (float *)scratch);
        return;
    }
    gemm_part part = {.problem = problem,
                      .packed_b = (float *)scratch,
                      .packed_a = (float *)(scratch + packed_b_bytes(problem->columns, problem->depth)),
                      .tile_rows = gemm_tile_rows(panel_vectors(problem->columns))};
    cpu_range columns;
    take_share(problem, part.tile_rows, thread, thread_count, &part.rows, &columns);
    for (int64_t column = columns.begin; column < columns.end; column += COLUMN_BLOCK) {
        part.column_begin = column;
        part.columns = cpu_min(columns.end - column, COLUMN_BLOCK);
        part.depth_begin = 0;
        do { /* once even for depth 0: C still gets its epilogue */
            part.depth = cpu_min(problem->depth - part.depth_begin, DEPTH_BLOCK);
            pack_columns(&part);
            run_rows(&part);
            part.depth_begin += DEPTH_BLOCK;
        } while (part.depth_begin < problem->depth);
    }
}

/* conv2d_tiled.cl: convolutions forward and backward to the data as implicit matrix products, for GPUs (tile.clh).
 *
 *     forward:        Y (k; n,p,q)  = W (k; c,r,s)   x window of X (c,r,s; n,p,q)
 *     backward data:  DX (c; n,h,w) = W'(c; k,r,s)   x window of DY (k,r,s; n,h,w), one product per phase
 *     group (tile of the result, convolution group, phase); windows are gathered while a tile is fetched, never stored
 * A phase is the outputs that meet the same taps: all of them forward; backward those with the same h mod stride_h and
 * w mod stride_w, so that no tap is a zero between the strides. Its outputs lie on a grid (grid_h, grid_w); the window of
 * grid point (y, x) starts at source row y step_h - pad_h; tap l adds taps[l] = (offset, rows, columns, _). W' is W
 * with rows and sums as the product wants them, phase after phase (conv2d_tiled_pack).
 * Parameters: those of tile.clh; A_VEC, TARGET_VEC = 4 where rows of the weights, or whole images of the target, are
 * aligned quads, else 1 (TARGET_VEC = 4: f32 only); BOUNDED = 1 where windows can leave the source; INPUT_DTYPE: of source,
 * weights and target.
 */
#include "contract.clh"
#include "activation.clh"
#include "tile.clh"

/* phases[]: inner, first tap, grid_h, grid_w, first place of the target */
#define PHASE_INTS 5

/* A group gathers GATHER_LINES rows of the window matrix at once; each work-item GATHER_COLUMNS columns of them. */
#if THREADS >= TILE_N
#define GATHER_COLUMNS 1
#define GATHER_LINES (THREADS / TILE_N)
#else
#define GATHER_COLUMNS (TILE_N / THREADS)
#define GATHER_LINES 1
#endif
#define GATHER_COLUMN(c) ((uint)get_local_id(0) % TILE_N + (c) * THREADS)
#define GATHER_LINE(step) ((uint)get_local_id(0) / TILE_N + (step) * GATHER_LINES)

/* The window column of one grid point. */
typedef struct window_column {
    long base; /* of the window's first element, in the source */
    int y, x;
} window_column;

TILE_INLINE void gather(float *fetched, global const stored *source, const window_column *columns,
                          global const int4 *taps, uint left, int source_h, int source_w)
{
#pragma unroll
    for (uint step = 0; step < TILE_K / GATHER_LINES; ++step) {
        const uint l = GATHER_LINE(step);
        const int4 tap = taps[l];
#pragma unroll
        for (uint c = 0; c < GATHER_COLUMNS; ++c) {
            bool inside = l < left;
            if (BOUNDED)
                inside = inside && (uint)(columns[c].y + tap.y) < (uint)source_h &&
                         (uint)(columns[c].x + tap.z) < (uint)source_w;
            fetched[step * GATHER_COLUMNS + c] = inside ? fetch1(source + columns[c].base + tap.x) : 0.0f;
        }
    }
}

TILE_INLINE void put_gathered(local float4 *tile, const float *fetched)
{
#pragma unroll
    for (uint step = 0; step < TILE_K / GATHER_LINES; ++step)
#pragma unroll
        for (uint c = 0; c < GATHER_COLUMNS; ++c)
            ((local float *)tile)[GATHER_LINE(step) * B_PITCH + GATHER_COLUMN(c)] = fetched[step * GATHER_COLUMNS + c];
}

/* Images are source_image elements apart, groups source_group; likewise for the target, whose grid points are step_h and
 * step_w elements apart. rows: channels of the target per group. */
kernel TILE_ATTRIBUTE void conv2d_tiled(global const stored *restrict source, ulong source_offset,
                                        global const stored *restrict weights, ulong weights_offset,
                                        global stored *restrict target, ulong target_offset,
                                        global const float *restrict bias, ulong bias_offset, int images, int rows,
                                        int source_image, int source_group, int source_h, int source_w, int stride_h,
                                        int stride_w, int pad_h, int pad_w, int weights_group, int target_image,
                                        int target_area, int step_h, int step_w, int activation, float slope,
                                        global const int4 *restrict taps, global const int *restrict phases,
                                        uint row_tiles, uint column_tiles)
{
    local float4 a_tile[2][TILE_K * A_PITCH / 4];
    local float4 b_tile[2][TILE_K * B_PITCH / 4];
    float4 sums[4 * WORK_M][WORK_N];
    float a_next[A_FETCHED], b_next[B_FETCHED];
    uint a_at[A_FETCHED / A_VEC];
    window_column windows[GATHER_COLUMNS];
    const uint2 tile = tile_of_group((uint)get_group_id(0), row_tiles, column_tiles);
    const uint group = (uint)get_group_id(1);
    phases += get_group_id(2) * PHASE_INTS;
    const uint i0 = tile.x * TILE_M, j0 = tile.y * TILE_N;
    const uint grid_w = (uint)phases[3], grid_area = (uint)phases[2] * grid_w;
    const uint positions = (uint)images * grid_area;
    if (j0 >= positions)
        return;
    uint left = (uint)phases[0];
    taps += phases[1];
    source += source_offset + (ulong)group * (ulong)source_group;
    weights += weights_offset + (ulong)group * (ulong)weights_group + (ulong)phases[1] * (ulong)rows + (ulong)i0 * left;
    place_pieces(a_at, TILE_M, true, A_VEC, A_FETCHED, (uint)rows - i0, left);
#pragma unroll
    for (uint c = 0; c < GATHER_COLUMNS; ++c) {
        const uint j = min(j0 + GATHER_COLUMN(c), positions - 1);
        const uint n = j / grid_area, place = j - n * grid_area;
        const uint y = place / grid_w;
        windows[c].y = (int)y * stride_h - pad_h;
        windows[c].x = (int)(place - y * grid_w) * stride_w - pad_w;
        windows[c].base = (long)n * source_image + windows[c].y * source_w + windows[c].x;
    }
    clear_sums(sums);

    uint half_in_use = 0;
    fetch_pieces(a_next, TILE_M, true, A_VEC, A_FETCHED, weights, a_at, left);
    gather(b_next, source, windows, taps, left, source_h, source_w);
    put_pieces(a_tile[0], TILE_M, true, A_VEC, A_FETCHED, a_next);
    put_gathered(b_tile[0], b_next);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (;; half_in_use ^= 1) {
        const bool more = left > TILE_K;
        if (more) {
            left -= TILE_K;
            weights += TILE_K;
            taps += TILE_K;
            fetch_pieces(a_next, TILE_M, true, A_VEC, A_FETCHED, weights, a_at, left);
            gather(b_next, source, windows, taps, left, source_h, source_w);
        }
        multiply_tiles(a_tile[half_in_use], b_tile[half_in_use], sums);
        if (!more)
            break;
        put_pieces(a_tile[half_in_use ^ 1], TILE_M, true, A_VEC, A_FETCHED, a_next);
        put_gathered(b_tile[half_in_use ^ 1], b_next);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    target += target_offset + (ulong)phases[4] + (ulong)(group * (uint)rows + i0) * (ulong)target_area;
    bias_offset += group * (uint)rows + i0;
    const uint rows_left = (uint)rows - i0;
#pragma unroll
    for (uint v = 0; v < WORK_N; ++v) {
        const uint j = j0 + TILE_COLUMN(v);
        ulong at[4];
#pragma unroll
        for (uint x = 0; x < 4; x += TARGET_VEC) {
            const uint n = (j + x) / grid_area, place = (j + x) - n * grid_area;
            const uint y = place / grid_w;
            at[x] = (ulong)n * (ulong)target_image + y * (uint)step_h + (place - y * grid_w) * (uint)step_w;
        }
#pragma unroll
        for (uint r = 0; r < 4 * WORK_M; ++r) {
            const uint i = TILE_ROW(r);
            float4 value = sums[r][v] + (bias ? bias[bias_offset + min(i, rows_left - 1)] : 0.0f);
            if (activation == ACTIVATION_RELU)
                value = select(value, (float4)(0.0f), value < 0.0f);
            global stored *line = target + (ulong)i * (ulong)target_area;
#if TARGET_VEC == 4
            if (i < rows_left && j < positions)
                *(global float4 *)(line + at[0]) = value;
#else
            float values[4];
            vstore4(value, 0, values);
#pragma unroll
            for (uint x = 0; x < 4; ++x)
                if (i < rows_left && j + x < positions) {
#ifndef STORED_F32 /* no second look at what is rounded */
                    if (activation > ACTIVATION_RELU)
                        values[x] = activate_as(activation, values[x], slope);
#endif
                    put1(line + at[x], values[x]);
                }
#endif
        }
    }
#ifdef STORED_F32
    /* The long activations go over the stored values in a loop, rather than once per register. */
    if (activation > ACTIVATION_RELU)
        for (uint e = 0; e < 4 * WORK_N; ++e) {
            const uint j = j0 + TILE_COLUMN(e / 4) + e % 4;
            const uint n = j / grid_area, place = j - n * grid_area;
            const uint y = place / grid_w;
            const ulong at = (ulong)n * (ulong)target_image + y * (uint)step_h + (place - y * grid_w) * (uint)step_w;
            if (j < positions)
                for (uint r = 0; r < 4 * WORK_M; ++r)
                    if (TILE_ROW(r) < rows_left) {
                        global float *value = target + (ulong)TILE_ROW(r) * (ulong)target_area + at;
                        *value = activate_as(activation, *value, slope);
                    }
        }
#endif
}

/* packed[group][phase][row][l] = weights[group][row window + taps[l].w]; work-item: one weight of W'. taps: those of all
 * phases, weights_group / rows of them. */
kernel void conv2d_tiled_pack(global const stored *restrict weights, ulong weights_offset, global stored *restrict packed,
                              uint groups, uint rows, uint weights_group, uint window, global const int4 *restrict taps,
                              global const int *restrict phases)
{
    const uint per_row = weights_group / rows;
    const ulong id = get_global_id(0);
    const uint l = (uint)(id % per_row);
    const uint row = (uint)(id / per_row % rows);
    const ulong group = id / weights_group;
    if (group >= groups)
        return;
    while (l >= (uint)(phases[0] + phases[1]))
        phases += PHASE_INTS;
    packed[group * weights_group + (ulong)phases[1] * rows + (ulong)row * (ulong)phases[0] + (l - (uint)phases[1])] =
        weights[weights_offset + group * weights_group + row * window + (ulong)taps[l].w];
}

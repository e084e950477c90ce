/* conv2d_tiled_weights.cl: convolution backward to the weights as an implicit matrix product, for GPUs (tile.clh).
 *
 *     DW (k; c,r,s) = DY (k; n,p,q) x window of X (n,p,q; c,r,s)
 *     group (tile of DW, convolution group, split of the sum over positions)
 * A column of ones after the last tap gives DBIAS. The splits go to partial[split], which conv2d_tiled_finish adds up in
 * an order of its own, always the same. taps[l] = (offset in X, rows, columns, _) of one group.
 * Parameters: those of tile.clh; A_VEC = 4 where rows of DY are aligned quads, else 1; BOUNDED = 1 where windows can leave
 * X; LANES: work-items that share an element in conv2d_tiled_finish; INPUT_DTYPE: of X and DY.
 */
#include "compensated.clh"
#include "tile.clh"

/* Neighbouring work-items gather neighbouring positions of one column; each has one position, and every
 * COLUMN_STEP-th column. */
#define COLUMN_STEP (THREADS / TILE_K)
#define COLUMN(step) ((uint)get_local_id(0) / TILE_K + (step) * COLUMN_STEP)

/* (place within the image, number of the image) of a position */
TILE_INLINE uint2 place_of(uint position, uint area)
{
    const uint n = position / area;
    return (uint2)(position - n * area, n);
}

TILE_INLINE uint2 advanced(uint2 at, uint area)
{
    at.x += TILE_K;
    while (at.x >= area) {
        at.x -= area;
        ++at.y;
    }
    return at;
}

TILE_INLINE void gather(float *fetched, global const stored *x, uint2 at, global const int4 *taps, uint j0, uint inner, bool inside_sum,
                          uint x_image, uint q_count, int2 stride, int2 pad, int h, int w)
{
    const uint p = at.x / q_count;
    const int top = (int)p * stride.y - pad.y;
    const int side = (int)(at.x - p * q_count) * stride.x - pad.x;
    const long base = (long)((ulong)at.y * x_image) + top * w + side;
#pragma unroll
    for (uint step = 0; step < B_FETCHED; ++step) {
        const uint j = j0 + COLUMN(step);
        const int4 tap = taps[min(j, inner)]; /* there is room for one more */
        bool inside = inside_sum && j < inner;
        if (BOUNDED)
            inside = inside && (uint)(top + tap.y) < (uint)h && (uint)(side + tap.z) < (uint)w;
        fetched[step] = inside ? fetch1(x + base + tap.x) : inside_sum && j == inner ? 1.0f : 0.0f;
    }
}

TILE_INLINE void put_gathered(local float4 *tile, const float *fetched)
{
#pragma unroll
    for (uint step = 0; step < B_FETCHED; ++step)
        ((local float *)tile)[(uint)get_local_id(0) % TILE_K * B_PITCH + COLUMN(step)] = fetched[step];
}

/* partial (splits, K, inner + with_bias), rows of all groups together. rows: K per group. */
kernel TILE_ATTRIBUTE void conv2d_tiled_weights(global const stored *restrict x, ulong x_offset,
                                                global const stored *restrict dy, ulong dy_offset,
                                                global float *restrict partial, int rows, int k_count, uint x_image,
                                                uint x_group, int h, int w, uint area, uint q_count, int stride_h,
                                                int stride_w, int pad_h, int pad_w, global const int4 *restrict taps,
                                                uint inner, uint with_bias, uint positions, uint positions_per_split,
                                                uint row_tiles, uint column_tiles)
{
    local float4 a_tile[2][TILE_K * A_PITCH / 4];
    local float4 b_tile[2][TILE_K * B_PITCH / 4];
    float4 sums[4 * WORK_M][WORK_N];
    float a_next[A_FETCHED], b_next[B_FETCHED];
    uint a_at[A_FETCHED / A_VEC];
    const uint2 tile = tile_of_group((uint)get_group_id(0), row_tiles, column_tiles);
    const uint group = (uint)get_group_id(1);
    const uint split = (uint)get_group_id(2);
    const uint i0 = tile.x * TILE_M, j0 = tile.y * TILE_N;
    const uint columns = inner + with_bias;
    const uint begin = split * positions_per_split;
    uint left = min(positions - begin, positions_per_split);
    const int2 stride = (int2)(stride_w, stride_h), pad = (int2)(pad_w, pad_h);
    x += x_offset + (ulong)group * x_group;
    dy += dy_offset + ((ulong)group * (ulong)rows + i0) * area;
    /* Rows of DY as in a matrix of `area` columns; the image and place move along by themselves. */
    const uint a_line = piece_of(TILE_M, true, A_VEC, 0).y, b_line = (uint)get_local_id(0) % TILE_K;
#pragma unroll
    for (uint step = 0; step < A_FETCHED / A_VEC; ++step)
        a_at[step] = min(piece_of(TILE_M, true, A_VEC, step).x, (uint)rows - 1 - i0) * area;
    const ulong dy_image = (ulong)k_count * area;
    uint2 a_place = place_of(begin + a_line, area), b_place = place_of(begin + b_line, area);
    clear_sums(sums);

    uint half_in_use = 0;
    fetch_pieces(a_next, TILE_M, true, A_VEC, A_FETCHED, dy + a_place.y * dy_image + a_place.x, a_at, left);
    gather(b_next, x, b_place, taps, j0, inner, b_line < left, x_image, q_count, stride, pad, h, w);
    put_pieces(a_tile[0], TILE_M, true, A_VEC, A_FETCHED, a_next);
    put_gathered(b_tile[0], b_next);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (;; half_in_use ^= 1) {
        const bool more = left > TILE_K;
        if (more) {
            left -= TILE_K;
            a_place = advanced(a_place, area);
            b_place = advanced(b_place, area);
            fetch_pieces(a_next, TILE_M, true, A_VEC, A_FETCHED, dy + a_place.y * dy_image + a_place.x, a_at, left);
            gather(b_next, x, b_place, taps, j0, inner, b_line < left, x_image, q_count, stride, pad, h, w);
        }
        multiply_tiles(a_tile[half_in_use], b_tile[half_in_use], sums);
        if (!more)
            break;
        put_pieces(a_tile[half_in_use ^ 1], TILE_M, true, A_VEC, A_FETCHED, a_next);
        put_gathered(b_tile[half_in_use ^ 1], b_next);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    partial += ((ulong)split * (ulong)k_count + group * (uint)rows + i0) * columns + j0;
#pragma unroll
    for (uint r = 0; r < 4 * WORK_M; ++r) {
        const uint i = TILE_ROW(r);
#pragma unroll
        for (uint v = 0; v < WORK_N; ++v) {
            float values[4];
            vstore4(sums[r][v], 0, values);
#pragma unroll
            for (uint y = 0; y < 4; ++y)
                if (i0 + i < (uint)rows && j0 + TILE_COLUMN(v) + y < columns)
                    partial[(ulong)i * columns + TILE_COLUMN(v) + y] = values[y];
        }
    }
}

/* Group: ELEMENTS elements (k, j), each summed by LANES work-items over every LANES-th split, these then in order. Column
 * `inner` is DBIAS. */
#define ELEMENTS 32
kernel __attribute__((reqd_work_group_size(ELEMENTS * LANES, 1, 1))) void
conv2d_tiled_finish(global const float *restrict partial, global float *restrict dw, ulong dw_offset,
                    global float *restrict dbias, ulong dbias_offset, ulong k_count, ulong inner, ulong with_bias,
                    uint splits)
{
    local float2 lane_totals[LANES][ELEMENTS];
    const uint element = (uint)get_local_id(0) % ELEMENTS, lane = (uint)get_local_id(0) / ELEMENTS;
    const ulong i = get_group_id(0) * ELEMENTS + element;
    const ulong columns = inner + with_bias;
    float2 total = (float2)(0.0f, 0.0f);
    if (i < k_count * columns)
        for (uint split = lane; split < splits; split += LANES)
            total = pair_add_float(total, partial[split * k_count * columns + i]);
    lane_totals[lane][element] = total;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane > 0 || i >= k_count * columns)
        return;
    for (uint other = 1; other < LANES; ++other)
        total = pair_add(total, lane_totals[other][element]);
    const ulong k = i / columns;
    const ulong j = i - k * columns;
    if (j < inner)
        dw[dw_offset + k * inner + j] = total.x;
    else
        dbias[dbias_offset + k] = total.x;
}

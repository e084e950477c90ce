/* conv2d_tiled.cl: convolutions as implicit matrix products through local memory, for GPUs (tile.clh).
 *
 *     MODE 0, forward:          Y (k; n,p,q)  = W (k; c,r,s)         x window of X (c,r,s; n,p,q)
 *     MODE 1, backward data:    DX (c; n,h,w) = W (c; k,r,s)         x window of DY (k,r,s; n,h,w)
 *     MODE 2, backward weights: DW (k; c,r,s) = DY (k; n,p,q)        x window of X (n,p,q; c,r,s)
 *     group (column tile, row tile, convolution group [x split of the sum in MODE 2])
 * taps[l] = (position of the tap's channel, row and column shift of the tap, place of its weight) of one group; the
 * windows are gathered while a tile is loaded, never stored. In MODE 2 a last column of ones gives DBIAS, and splits of
 * the long sum go to partial[split], added in order by conv2d_tiled_finish. Parameters: those of tile.clh; MODE.
 */
#include "activation.clh"
#include "compensated.clh"
#include "conv2d.clh"
#include "tile.clh"

typedef struct conv_shape {
    int n, c, h, w, k, p, q, stride_h, stride_w, pad_h, pad_w;
} conv_shape;

/* One element of X under output position (n, p, q) and tap, 0 in the padding; x points at the group's channels. */
static inline float window_of_x(global const float *x, const conv_shape *s, int n, int p, int q, int4 tap)
{
    int row = p * s->stride_h - s->pad_h + tap.y;
    int column = q * s->stride_w - s->pad_w + tap.z;
    bool inside = row >= 0 && row < s->h && column >= 0 && column < s->w;
    return inside ? x[(ulong)n * (ulong)s->c * (ulong)(s->h * s->w) + (ulong)(tap.x + row * s->w + column)] : 0.0f;
}

/* One element of DY that input position (n, h, w) receives through a tap, or 0. */
static inline float window_of_dy(global const float *dy, const conv_shape *s, int n, int h, int w, int4 tap)
{
    int p = h + s->pad_h - tap.y;
    int q = w + s->pad_w - tap.z;
    bool inside = p >= 0 && q >= 0 && p % s->stride_h == 0 && q % s->stride_w == 0;
    p /= s->stride_h;
    q /= s->stride_w;
    inside = inside && p < s->p && q < s->q;
    return inside ? dy[(ulong)n * (ulong)s->k * (ulong)(s->p * s->q) + (ulong)(tap.x + p * s->q + q)] : 0.0f;
}

#if MODE != 2
/* source: X or DY; target: Y or DX; rows: channels per group of the target; inner: length of taps[]. */
kernel TILE_ATTRIBUTE void conv2d_tiled(global const float *source, ulong source_offset, global const float *weights,
                                        ulong weights_offset, global float *target, ulong target_offset,
                                        global const float *bias, ulong bias_offset, CONV2D_SHAPE, int activation,
                                        float slope, global const int4 *taps, int inner, int row_step)
{
    local float4 a_tile[TILE_K * A_PITCH / 4];
    local float4 b_tile[TILE_K * B_PITCH / 4];
    float4 sums[4 * WORK_M][WORK_N];
    const conv_shape shape = {n_count, c_count,  h,        w,     k_count, p_count,
                              q_count, stride_h, stride_w, pad_h, pad_w};
    int group = (int)get_group_id(2);
    int c_group = c_count / groups;
    int k_group = k_count / groups;
    int rows = MODE == 0 ? k_group : c_group;
    int out_h = MODE == 0 ? p_count : h;
    int out_w = MODE == 0 ? q_count : w;
    int i0 = (int)get_group_id(1) * TILE_M;
    ulong j0 = get_group_id(0) * TILE_N;
    ulong positions = (ulong)n_count * (ulong)(out_h * out_w);
    source += source_offset + (MODE == 0 ? (ulong)group * c_group * (h * w) : (ulong)group * k_group * (p_count * q_count));
    weights += weights_offset + (ulong)group * k_group * c_group * (r_count * s_count);
    clear_sums(sums);
    for (int l0 = 0; l0 < inner; l0 += TILE_K) {
        FOR_TILE(e, TILE_M)
        {
            int i = i0 + (int)(e / TILE_K);
            int l = l0 + (int)(e % TILE_K);
            ((local float *)a_tile)[e % TILE_K * A_PITCH + e / TILE_K] =
                i < rows && l < inner ? weights[(ulong)(i * row_step + taps[l].w)] : 0.0f;
        }
        FOR_TILE(e, TILE_N)
        {
            ulong j = j0 + e % TILE_N;
            int l = l0 + (int)(e / TILE_N);
            float value = 0.0f;
            if (j < positions && l < inner) {
                int n = (int)(j / (ulong)(out_h * out_w));
                int place = (int)(j - (ulong)n * (ulong)(out_h * out_w));
                int y = place / out_w;
                value = MODE == 0 ? window_of_x(source, &shape, n, y, place - y * out_w, taps[l])
                                  : window_of_dy(source, &shape, n, y, place - y * out_w, taps[l]);
            }
            ((local float *)b_tile)[e / TILE_N * B_PITCH + e % TILE_N] = value;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_tiles(a_tile, b_tile, sums);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (uint r = 0; r < 4 * WORK_M; ++r) {
        int channel = i0 + (int)TILE_ROW(r);
        if (channel >= rows)
            continue;
        channel += group * rows;
        float shift = bias ? bias[bias_offset + channel] : 0.0f;
        for (uint v = 0; v < WORK_N; ++v) {
            float values[4];
            vstore4(sums[r][v], 0, values);
            for (uint x = 0; x < 4; ++x) {
                ulong j = j0 + TILE_COLUMN(v) + x;
                if (j >= positions)
                    break;
                ulong n = j / (ulong)(out_h * out_w);
                target[target_offset + (n * (ulong)(rows * groups) + channel) * (ulong)(out_h * out_w) +
                       (j - n * (ulong)(out_h * out_w))] = activate_as(activation, values[x] + shift, slope);
            }
        }
    }
}
#else
/* partial (splits, K, inner + with_bias), rows and columns of all groups together. */
kernel TILE_ATTRIBUTE void conv2d_tiled_weights(global const float *x, ulong x_offset, global const float *dy,
                                                ulong dy_offset, global float *partial, CONV2D_SHAPE,
                                                global const int4 *taps, int inner, int with_bias,
                                                ulong positions_per_split)
{
    local float4 a_tile[TILE_K * A_PITCH / 4];
    local float4 b_tile[TILE_K * B_PITCH / 4];
    float4 sums[4 * WORK_M][WORK_N];
    const conv_shape shape = {n_count, c_count,  h,        w,     k_count, p_count,
                              q_count, stride_h, stride_w, pad_h, pad_w};
    int group = (int)get_group_id(2) % groups;
    ulong split = get_group_id(2) / (ulong)groups;
    int k_group = k_count / groups;
    int columns = inner + with_bias;
    int i0 = (int)get_group_id(1) * TILE_M;
    int j0 = (int)get_group_id(0) * TILE_N;
    int area = p_count * q_count;
    ulong begin = split * positions_per_split;
    ulong end = min(begin + positions_per_split, (ulong)n_count * (ulong)area);
    x += x_offset + (ulong)group * (c_count / groups) * (h * w);
    dy += dy_offset + (ulong)group * k_group * area;
    clear_sums(sums);
    for (ulong l0 = begin; l0 < end; l0 += TILE_K) {
        FOR_TILE(e, TILE_M)
        {
            int i = i0 + (int)(e / TILE_K);
            ulong l = l0 + e % TILE_K;
            ulong n = l / (ulong)area;
            ((local float *)a_tile)[e % TILE_K * A_PITCH + e / TILE_K] =
                i < k_group && l < end ? dy[(n * (ulong)k_count + i) * area + (l - n * (ulong)area)] : 0.0f;
        }
        FOR_TILE(e, TILE_N)
        {
            int j = j0 + (int)(e % TILE_N);
            ulong l = l0 + e / TILE_N;
            float value = j == inner ? 1.0f : 0.0f;
            if (j < inner && l < end) {
                int n = (int)(l / (ulong)area);
                int place = (int)(l - (ulong)n * (ulong)area);
                int p = place / q_count;
                value = window_of_x(x, &shape, n, p, place - p * q_count, taps[j]);
            }
            ((local float *)b_tile)[e / TILE_N * B_PITCH + e % TILE_N] = value;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_tiles(a_tile, b_tile, sums);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (uint r = 0; r < 4 * WORK_M; ++r) {
        int i = i0 + (int)TILE_ROW(r);
        if (i >= k_group)
            continue;
        for (uint v = 0; v < WORK_N; ++v) {
            float values[4];
            vstore4(sums[r][v], 0, values);
            for (uint y = 0; y < 4; ++y) {
                int j = j0 + (int)TILE_COLUMN(v) + (int)y;
                if (j < columns)
                    partial[(split * (ulong)k_count + (ulong)(group * k_group + i)) * (ulong)columns + (ulong)j] =
                        values[y];
            }
        }
    }
}

/* Item (k, j): adds the splits in order; column `inner` is DBIAS. */
kernel void conv2d_tiled_finish(global const float *partial, global float *dw, ulong dw_offset, global float *dbias,
                                ulong dbias_offset, ulong k_count, ulong inner, ulong with_bias, ulong splits)
{
    ulong i = get_global_id(0);
    ulong columns = inner + with_bias;
    if (i >= k_count * columns)
        return;
    float2 total = (float2)(0.0f, 0.0f);
    for (ulong split = 0; split < splits; ++split)
        total = pair_add_float(total, partial[split * k_count * columns + i]);
    ulong k = i / columns;
    ulong j = i - k * columns;
    if (j < inner)
        dw[dw_offset + k * inner + j] = total.x;
    else
        dbias[dbias_offset + k] = total.x;
}
#endif

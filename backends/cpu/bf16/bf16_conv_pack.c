/* bf16_conv_pack.c: the weights of a convolution as packed A, whose depth is (tap, channel).
 *
 * In W all taps of a window lie together. Windows follow each other along the channels (forward) or along the rows
 * (gradient by the input): 32 of them are taken apart into one vector per tap, which is 32 elements of the depth of one
 * row, or 32 rows of one element of the depth.
 */
#include "bf16_conv.h"
#include "bf16_pack.h"

enum { WINDOWS = 32 };

typedef struct pack_context {
    const conv_problem *problem;
    const bf16_conv_layout *layout;
    const bf16_conv_weights *weights;
    uint16_t *packed;
} pack_context;

/* Element i is taps[i stride], 0 from i = count on; windows follow each other without gaps. */
static __m512i take_tap(const uint16_t *taps, int64_t stride, int64_t count)
{
    if (stride == 1)
        return _mm512_maskz_loadu_epi16((__mmask32)(count >= WINDOWS ? ~0u : (1u << count) - 1), taps);
    static const uint16_t numbers[WINDOWS] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                              16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    const __m512i places = _mm512_mullo_epi16(_mm512_loadu_si512(numbers), _mm512_set1_epi16((short)stride));
    const __m512i vectors = _mm512_srli_epi16(places, 5);
    const int64_t elements = (count - 1) * stride + 1;
    __m512i taken = _mm512_setzero_si512();
    for (int64_t v = 0; v * WINDOWS < elements; ++v) {
        const int64_t rest = elements - v * WINDOWS;
        const __m512i part =
            _mm512_maskz_loadu_epi16((__mmask32)(rest >= WINDOWS ? ~0u : (1u << rest) - 1), taps + v * WINDOWS);
        const __mmask32 lanes = _mm512_cmpeq_epi16_mask(vectors, _mm512_set1_epi16((short)v));
        taken = _mm512_mask_permutexvar_epi16(taken, lanes, places, part);
    }
    return taken;
}

/* Windows follow along the channels: each tap of 32 channels is a piece of one row. */
static void pack_rows(const pack_context *pack, const uint16_t *data, int64_t rows, uint16_t *block)
{
    const bf16_conv_weights *weights = pack->weights;
    const int64_t channels = pack->problem->channels, tap_depth = 2 * pack->layout->pairs;
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < channels; c += WINDOWS) {
            const uint16_t *windows = data + row * weights->row_stride + c * weights->channel_stride;
            const int64_t count = cpu_min(channels - c, WINDOWS);
            int64_t depth = c;
            for (int64_t r = 0; r < pack->problem->tap_rows.count; ++r)
                for (int64_t s = 0; s < pack->problem->tap_columns.count; ++s, depth += tap_depth) {
                    uint16_t piece[WINDOWS];
                    _mm512_storeu_si512(piece,
                                        take_tap(windows + r * weights->tap_row_stride + s * weights->tap_column_stride,
                                                 weights->channel_stride, count));
                    bf16_put_row(block, row, depth, piece, count);
                }
        }
}

/* Windows follow along the rows: each tap of 32 rows is a column, and 32 of those are turned. */
static void pack_columns(const pack_context *pack, const uint16_t *data, int64_t rows, uint16_t *block)
{
    const bf16_conv_weights *weights = pack->weights;
    const int64_t channels = pack->problem->channels, tap_depth = 2 * pack->layout->pairs;
    for (int64_t c = 0; c < channels; c += WINDOWS) {
        const int64_t count = cpu_min(channels - c, WINDOWS);
        int64_t depth = c;
        for (int64_t r = 0; r < pack->problem->tap_rows.count; ++r)
            for (int64_t s = 0; s < pack->problem->tap_columns.count; ++s, depth += tap_depth) {
                const uint16_t *taps =
                    data + c * weights->channel_stride + r * weights->tap_row_stride + s * weights->tap_column_stride;
                uint16_t columns[WINDOWS * WINDOWS], turned[BF16_A_STEP];
                for (int64_t i = 0; i < count; ++i)
                    _mm512_storeu_si512(columns + i * WINDOWS,
                                        take_tap(taps + i * weights->channel_stride, weights->row_stride, rows));
                bf16_pack_a((bf16_matrix){columns, 1, WINDOWS}, rows, count, turned);
                for (int64_t row = 0; row < rows; ++row)
                    bf16_put_row(block, row, depth, turned + row * BF16_STEP, count);
            }
    }
}

/* Items are blocks of rows of all groups. */
static void pack_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const pack_context *pack = context;
    const bf16_conv_layout *layout = pack->layout;
    const bf16_conv_weights *weights = pack->weights;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t first_row = item % layout->row_blocks * BF16_BLOCK;
        const int64_t rows = cpu_min(pack->problem->out_channels - first_row, BF16_BLOCK);
        const uint16_t *data =
            weights->data + item / layout->row_blocks * weights->group_stride + first_row * weights->row_stride;
        uint16_t *block = pack->packed + item * layout->steps * BF16_A_STEP;
        if (rows < BF16_BLOCK || pack->problem->channels < 2 * layout->pairs ||
            layout->tap_count * layout->pairs < layout->steps * BF16_PAIRS)
            memset(block, 0, sizeof(uint16_t) * (size_t)(layout->steps * BF16_A_STEP));
        if (weights->channel_stride < weights->row_stride)
            pack_rows(pack, data, rows, block);
        else
            pack_columns(pack, data, rows, block);
    }
}

void bf16_conv_pack(const cpu_work *work, const conv_problem *problem, const bf16_conv_layout *layout,
                    const bf16_conv_weights *weights, uint16_t *packed)
{
    cpu_parallel(work, problem->groups * layout->row_blocks, layout->steps * BF16_A_STEP, pack_part,
                 &(pack_context){problem, layout, weights, packed});
}

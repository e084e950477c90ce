/* bf16_conv_copy.c: the source rows of an item, two channels interleaved, with their border. */
#include "bf16_conv.h"

/* 16 lanes of every second element, the first `count` of them. */
CPU_INLINE __m512i every_second(const uint16_t *from, int64_t count)
{
    const int64_t elements = 2 * count - 1;
    const __mmask32 lanes = (__mmask32)(elements >= 31 ? 0x7fffffffu : (1u << elements) - 1);
    return _mm512_and_si512(_mm512_maskz_loadu_epi16(lanes, from), _mm512_set1_epi32(0xffff));
}

CPU_INLINE void store_pairs(uint32_t *to, __m512i pairs, int64_t count)
{
    _mm512_mask_storeu_epi32(to, bf16_lanes(count), pairs);
}

static void zero_pairs(uint32_t *to, int64_t count)
{
    for (int64_t i = 0; i < count; i += BF16_TILE)
        store_pairs(to + i, _mm512_setzero_si512(), count - i);
}

/* `second` NULL: the number of channels is odd. */
static void copy_row(uint32_t *to, const uint16_t *first, const uint16_t *second, conv_columns columns)
{
    zero_pairs(to, columns.begin);
    for (int64_t i = columns.begin; i < columns.end; i += BF16_TILE) {
        const int64_t at = columns.first + i * columns.step, count = cpu_min(BF16_TILE, columns.end - i);
        __m512i pairs;
        if (columns.step == 1) {
            pairs = bf16_interleave(first + at, second ? second + at : NULL, bf16_lanes(count));
        } else if (columns.step == 2) {
            pairs = every_second(first + at, count);
            if (second)
                pairs = _mm512_or_si512(pairs, _mm512_slli_epi32(every_second(second + at, count), 16));
        } else {
            uint32_t lanes[BF16_TILE] = {0};
            for (int64_t lane = 0; lane < count; ++lane)
                lanes[lane] =
                    first[at + lane * columns.step] | (second ? (uint32_t)second[at + lane * columns.step] << 16 : 0);
            pairs = _mm512_loadu_si512(lanes);
        }
        store_pairs(to + i, pairs, count);
    }
    zero_pairs(to + columns.end, columns.count - columns.end);
}

/* One phase of all pairs of channels of one image. */
static void copy_phase(const bf16_conv_item *item, int64_t image, int64_t phase_row, int64_t phase_column)
{
    const conv_problem *problem = item->conv->problem;
    const bf16_conv_layout *layout = item->conv->layout;
    const conv_columns columns = conv_columns_of(problem, layout->column_origin, layout->copy_columns, phase_column);
    const int64_t first_row = layout->row_origin + item->first_row * problem->step_h + phase_row;
    const int64_t phase = phase_row * problem->step_w + phase_column;
    const int64_t source_count = problem->source_h * problem->source_w;
    const int64_t first_plane = ((item->first_image + image) * problem->groups + item->group) * problem->channels;
    for (int64_t pair = 0; pair < layout->channel_pairs; ++pair) {
        const uint16_t *source = item->conv->source + (first_plane + 2 * pair) * source_count;
        const bool is_odd = 2 * pair + 1 == problem->channels;
        uint32_t *to = item->copy + (pair * layout->phase_count + phase) * layout->plane +
                       image * layout->copy_rows * layout->copy_columns;
        for (int64_t i = 0; i < layout->copy_rows; ++i, to += layout->copy_columns) {
            const int64_t row = first_row + i * problem->step_h;
            const uint16_t *from = source + row * problem->source_w;
            if (row >= 0 && row < problem->source_h)
                copy_row(to, from, is_odd ? NULL : from + source_count, columns);
            else
                zero_pairs(to, layout->copy_columns);
        }
    }
}

void bf16_conv_copy(const bf16_conv_item *item)
{
    const conv_problem *problem = item->conv->problem;
    const bf16_conv_layout *layout = item->conv->layout;
    for (int64_t row = 0; row < problem->step_h; ++row)
        for (int64_t column = 0; column < problem->step_w; ++column)
            if (conv_axis_meets(&problem->tap_rows, layout->row_origin, problem->step_h, row) &&
                conv_axis_meets(&problem->tap_columns, layout->column_origin, problem->step_w, column))
                for (int64_t image = 0; image < item->images; ++image)
                    copy_phase(item, image, row, column);
    const int64_t padding = layout->pairs - layout->channel_pairs;
    if (padding > 0)
        memset(item->copy + layout->channel_pairs * layout->phase_count * layout->plane, 0,
               sizeof(uint32_t) * (size_t)(padding * layout->phase_count * layout->plane));
}

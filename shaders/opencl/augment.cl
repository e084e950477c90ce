/* augment.cl: a random shift with zero fill, then a random horizontal flip, per image.
 *
 *     work-item: one row of one plane (n, c)
 * Parameters: DATA.
 */
#include "datum.clh"
#include "philox.clh"

static inline long shift_of(uint word, int max_shift)
{
    return (long)(((ulong)word * (2ul * (ulong)max_shift + 1ul)) >> 32) - max_shift;
}

kernel void augment(global const datum *x, ulong x_offset, global datum *y, ulong y_offset, global const uint *counter,
                    ulong counter_offset, ulong row_count, ulong channels, long height, long width, int max_shift_h,
                    int max_shift_w, int may_flip, uint seed_low, uint seed_high, uint stream)
{
    ulong id = get_global_id(0);
    if (id >= row_count)
        return;
    ulong plane = id / height;
    long row = id - plane * height;
    uint step = counter ? counter[counter_offset] : 0;
    uint4 words = philox_words(seed_low, seed_high, stream, step, plane / channels);
    long from_row = row - shift_of(words.x, max_shift_h);
    long dx = shift_of(words.y, max_shift_w);
    bool flip = may_flip && (words.z >> 31);
    bool row_inside = from_row >= 0 && from_row < height;
    x += x_offset + (plane * height + (row_inside ? from_row : 0)) * width;
    y += y_offset + id * width;
    for (long column = 0; column < width; ++column) {
        long from = (flip ? width - 1 - column : column) - dx;
        bool inside = row_inside && from >= 0 && from < width;
        put_datum(inside ? get_datum(x, from) : 0.0f, y, column);
    }
}

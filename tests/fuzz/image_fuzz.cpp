// tests/fuzz/image_fuzz.cpp: PNG, JPEG, WebP, PGM and PPM files, as they are and brought to a small size. The checksums
// of PNG's chunks are made right, so that what they hold is read; pictures that declare more pixels than a few thousand
// are left out, since it is their memory alone that would take the time.
#include "auxo/schema.h"

#include <cstdint>
#include <cstring>
#include <vector>
#include <zlib.h>

extern "C" {
#include "image.h"
}

namespace
{

const uint64_t pixels_most = 1 << 14;

uint32_t big_endian(const uint8_t *at)
{
    return uint32_t(at[0]) << 24 | uint32_t(at[1]) << 16 | uint32_t(at[2]) << 8 | at[3];
}

// Whether the bytes are a PNG of few pixels; its chunks' checksums are right afterwards.
bool mend_png(std::vector<uint8_t> &bytes)
{
    for (size_t at = 8; at + 12 <= bytes.size();) {
        const uint64_t length = big_endian(&bytes[at]);
        if (length > bytes.size() - at - 12)
            break;
        const uLong sum = crc32(0, &bytes[at + 4], uInt(length + 4));
        for (int i = 0; i < 4; i++)
            bytes[at + 8 + length + size_t(i)] = uint8_t(sum >> (24 - 8 * i));
        at += 12 + length;
    }
    return bytes.size() >= 24 && uint64_t(big_endian(&bytes[16])) * big_endian(&bytes[20]) <= pixels_most;
}

// The canvas of a WebP by its first chunk: VP8X, VP8L or VP8.
bool is_small_webp(const std::vector<uint8_t> &bytes)
{
    if (bytes.size() < 30)
        return true; // refused by its length
    const uint8_t *chunk = &bytes[12];
    uint64_t width = 0, height = 0;
    if (std::memcmp(chunk, "VP8X", 4) == 0) {
        width = 1 + (chunk[12] | chunk[13] << 8 | chunk[14] << 16);
        height = 1 + (chunk[15] | chunk[16] << 8 | chunk[17] << 16);
    } else if (std::memcmp(chunk, "VP8L", 4) == 0) {
        width = 1 + ((chunk[9] | chunk[10] << 8) & 0x3fff);
        height = 1 + ((chunk[10] >> 6 | chunk[11] << 2 | chunk[12] << 10) & 0x3fff);
    } else {
        width = (chunk[14] | chunk[15] << 8) & 0x3fff;
        height = (chunk[16] | chunk[17] << 8) & 0x3fff;
    }
    return width * height <= pixels_most;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    std::vector<uint8_t> bytes(data, data + size);
    auxo__readers readers = {};
    auxo__image image;
    auxo_error error = {};
    if (size >= 8 && std::memcmp(data, "\x89PNG", 4) == 0 && !mend_png(bytes))
        return 0;
    if (size >= 12 && std::memcmp(data, "RIFF", 4) == 0 && !is_small_webp(bytes))
        return 0;
    if (auxo__image_decode(&readers, "fuzz", bytes.data(), size, &image, &error) != AUXO_OK)
        return 0;
    auxo_picture_rule rule = {};
    rule.height = 5;
    rule.width = 9;
    rule.fit = auxo_picture_fit(size % 3);
    rule.colour = auxo_picture_colour(size / 3 % 3);
    if (uint64_t(image.height) * image.width <= pixels_most)
        auxo__image_apply("fuzz", &rule, &image, &error);
    auxo__image_deinit(&image);
    return 0;
}

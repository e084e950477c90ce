/* image_orientation.c: which way up a JPEG is shown, by the orientation in its EXIF block, and turning it so. */
#include "image.h"

#include <stdlib.h>
#include <string.h>

static uint32_t read_number(const uint8_t *at, size_t count, bool little)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | at[little ? count - 1 - i : i];
    return value;
}

/* Tag 0x0112 of the first directory of an EXIF block's TIFF part; 1 (upright) where it is not there. */
static uint32_t tiff_orientation(const uint8_t *tiff, size_t size)
{
    if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    bool little = tiff[0] == 'I';
    size_t at = read_number(tiff + 4, 4, little);
    if (at > size || size - at < 2)
        return 1;
    size_t count = read_number(tiff + at, 2, little);
    for (at += 2; count > 0 && size - at >= 12; count--, at += 12)
        if (read_number(tiff + at, 2, little) == 0x0112) {
            uint32_t value = read_number(tiff + at + 8, 2, little);
            return value >= 1 && value <= 8 ? value : 1;
        }
    return 1;
}

/* Walks the segments before the image data to the EXIF block. */
static uint32_t exif_orientation(const uint8_t *bytes, size_t size)
{
    size_t at = 2;
    while (size - at >= 4 && bytes[at] == 0xff && bytes[at + 1] != 0xda) {
        size_t length = read_number(bytes + at + 2, 2, false);
        if (length < 2 || length > size - at - 2)
            return 1;
        const uint8_t *body = bytes + at + 4;
        if (bytes[at + 1] == 0xe1 && length >= 10 && memcmp(body, "Exif\0\0", 6) == 0)
            return tiff_orientation(body + 6, length - 8);
        at += 2 + length;
    }
    return 1;
}

/* Turns and mirrors each plane: orientation 1..8 as in EXIF; 5 to 8 swap height and width. */
static auxo_status turn(const char *path, uint32_t orientation, auxo__image *image, auxo_error *error)
{
    if (orientation == 1)
        return AUXO_OK;
    size_t height = image->height, width = image->width, plane = height * width;
    bool swapped = orientation >= 5;
    bool flip_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    bool flip_columns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    size_t new_height = swapped ? width : height, new_width = swapped ? height : width;
    uint8_t *turned = malloc(plane * image->channels);
    if (!turned)
        return auxo__image_no_memory(path, error);
    for (size_t c = 0; c < image->channels; c++)
        for (size_t y = 0; y < new_height; y++)
            for (size_t x = 0; x < new_width; x++) {
                size_t row = swapped ? x : y, column = swapped ? y : x;
                row = flip_rows ? height - 1 - row : row;
                column = flip_columns ? width - 1 - column : column;
                turned[c * plane + y * new_width + x] = image->pixels[c * plane + row * width + column];
            }
    free(image->pixels);
    image->pixels = turned;
    image->height = (uint32_t)new_height;
    image->width = (uint32_t)new_width;
    return AUXO_OK;
}

auxo_status auxo__image_turn_upright(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                                     auxo_error *error)
{
    return turn(path, exif_orientation(bytes, size), image, error);
}

/* image_jpeg.c: JPEG through libjpeg-turbo, turned upright as its EXIF orientation says. */
#include "image.h"

#ifdef AUXO_HAVE_JPEG
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

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

static auxo_status decode(tjhandle handle, const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                          auxo_error *error)
{
    int width = 0, height = 0, sampling = 0, colours = 0;
    if (tjDecompressHeader3(handle, bytes, size, &width, &height, &sampling, &colours) != 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a readable JPEG: %s", path, tjGetErrorStr2(handle));
    if (colours == TJCS_CMYK || colours == TJCS_YCCK)
        return auxo_error_set(error, AUXO_FORMAT, "%s: a JPEG of four printing colours; save it as RGB", path);
    image->width = (uint32_t)width;
    image->height = (uint32_t)height;
    image->channels = colours == TJCS_GRAY ? 1 : 3;
    /* A block of 64 equal values takes a few bits for each component: 1 to 2000 is out of reach. */
    auxo_status status = auxo__image_allocate(path, false, size, 2000, image, error);
    if (status != AUXO_OK)
        return status;
    uint8_t *interleaved = malloc((size_t)width * (size_t)height * image->channels);
    if (!interleaved)
        return auxo__image_no_memory(path, error);
    if (tjDecompress2(handle, bytes, size, interleaved, width, 0, height, image->channels == 1 ? TJPF_GRAY : TJPF_RGB,
                      TJFLAG_ACCURATEDCT) != 0)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: not a whole JPEG: %s", path, tjGetErrorStr2(handle));
    else
        auxo__image_make_planar(interleaved, false, image);
    free(interleaved);
    return status == AUXO_OK ? turn(path, exif_orientation(bytes, size), image, error) : status;
}

auxo_status auxo__jpeg_decode(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                              auxo_error *error)
{
    tjhandle handle = tjInitDecompress();
    if (!handle)
        return auxo__image_no_memory(path, error);
    auxo_status status = decode(handle, path, bytes, size, image, error);
    tjDestroy(handle);
    return status;
}

#else

auxo_status auxo__jpeg_decode(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                              auxo_error *error)
{
    (void)bytes;
    (void)size;
    (void)image;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: this build has no libjpeg-turbo (Debian: libturbojpeg0-dev)",
                          path);
}

#endif

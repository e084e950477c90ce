/* image.c: PNG through libpng's simplified interface, and binary PGM and PPM (Netpbm P5, P6).
 *
 * Implements image.h. Both decoders produce interleaved bytes; planar order is made in one place.
 */
#include "image.h"

#include "dataset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#ifdef AUXO_HAVE_PNG
#include <png.h>
#endif

enum { MAX_SIDE = 1 << 16, MAX_IMAGE_BYTES = 1 << 28 };

static auxo_status allocate_pixels(const char *path, auxo__image *image, auxo_error *error)
{
    uint64_t byte_count = (uint64_t)image->width * image->height * image->channels;
    if (byte_count == 0 || image->width > MAX_SIDE || image->height > MAX_SIDE || byte_count > MAX_IMAGE_BYTES)
        return auxo_error_set(error, AUXO_FORMAT, "%s: an image of %u x %u pixels", path, image->width, image->height);
    image->pixels = malloc((size_t)byte_count);
    if (!image->pixels)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for %u x %u pixels", path, image->width,
                              image->height);
    return AUXO_OK;
}

/* (height, width, channels) -> (channels, height, width) */
static void make_planar(const uint8_t *interleaved, auxo__image *image)
{
    size_t plane = (size_t)image->height * image->width;
    for (size_t i = 0; i < plane; i++)
        for (uint32_t channel = 0; channel < image->channels; channel++)
            image->pixels[channel * plane + i] = interleaved[i * image->channels + channel];
}

/* Reads a number of a Netpbm header after blanks and comments; false at anything else or beyond MAX_SIDE. */
static bool read_header_number(const uint8_t **at, const uint8_t *end, uint32_t *number)
{
    while (*at < end && (isspace(**at) || **at == '#')) {
        if (**at == '#')
            while (*at < end && **at != '\n')
                (*at)++;
        else
            (*at)++;
    }
    const uint8_t *first = *at;
    *number = 0;
    while (*at < end && isdigit(**at) && *number <= MAX_SIDE)
        *number = *number * 10 + (uint32_t)(*(*at)++ - '0');
    return *at > first && *number <= MAX_SIDE;
}

static auxo_status decode_netpbm(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                                 auxo_error *error)
{
    const uint8_t *at = bytes + 2, *end = bytes + size;
    uint32_t maximum = 0;
    image->channels = bytes[1] == '6' ? 3 : 1;
    if (!read_header_number(&at, end, &image->width) || !read_header_number(&at, end, &image->height) ||
        !read_header_number(&at, end, &maximum) || at == end || !isspace(*at))
        return auxo_error_set(error, AUXO_FORMAT, "%s: the Netpbm header is not width, height and maximum", path);
    at++; /* exactly one blank, then the pixels */
    if (maximum != 255)
        return auxo_error_set(error, AUXO_FORMAT, "%s: a maximum of %u; only 255 (8 bits) is read", path, maximum);
    size_t expected = (size_t)image->width * image->height * image->channels, found = (size_t)(end - at);
    if (expected != found)
        return auxo_error_set(error, AUXO_FORMAT, "%s: the header promises %zu bytes of pixels, the file holds %zu",
                              path, expected, found);
    auxo_status status = allocate_pixels(path, image, error);
    if (status == AUXO_OK)
        make_planar(at, image);
    return status;
}

#ifdef AUXO_HAVE_PNG

static auxo_status read_png(const char *path, png_image *png, auxo__image *image, auxo_error *error)
{
    image->width = png->width;
    image->height = png->height;
    image->channels = png->format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
    png->format = image->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    auxo_status status = allocate_pixels(path, image, error);
    if (status != AUXO_OK)
        return status;
    uint8_t *interleaved = malloc(PNG_IMAGE_SIZE(*png));
    png_color black = {0, 0, 0}; /* what shows through where the image is transparent */
    if (!interleaved)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the image", path);
    else if (!png_image_finish_read(png, &black, interleaved, 0, NULL))
        status = auxo_error_set(error, AUXO_FORMAT, "%s: not a readable PNG: %s", path, png->message);
    else
        make_planar(interleaved, image);
    free(interleaved);
    return status;
}

static auxo_status decode_png(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                              auxo_error *error)
{
    png_image png;
    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&png, bytes, size))
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a readable PNG: %s", path, png.message);
    auxo_status status = read_png(path, &png, image, error);
    png_image_free(&png);
    return status;
}

#else

static auxo_status decode_png(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                              auxo_error *error)
{
    (void)bytes;
    (void)size;
    (void)image;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: this build has no libpng (Debian: libpng-dev)", path);
}

#endif

auxo_status auxo__image_decode(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                               auxo_error *error)
{
    static const uint8_t png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    memset(image, 0, sizeof *image);
    auxo_status status;
    if (size >= sizeof png_magic && memcmp(bytes, png_magic, sizeof png_magic) == 0)
        status = decode_png(path, bytes, size, image, error);
    else if (size >= 3 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6'))
        status = decode_netpbm(path, bytes, size, image, error);
    else
        status = auxo_error_set(error, AUXO_FORMAT, "%s: neither PNG nor binary PGM or PPM", path);
    if (status != AUXO_OK) {
        free(image->pixels);
        image->pixels = NULL;
    }
    return status;
}

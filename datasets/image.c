/* image.c: which reader an image file needs, binary PGM and PPM (Netpbm P5, P6), and what all have in common.
 *
 * Implements image.h. All produce interleaved values; planar order is made in one place, and so are the limits.
 */
#include "image.h"

#include "dataset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void auxo__image_deinit(auxo__image *image)
{
    free(image->pixels);
    free(image->deep);
    *image = (auxo__image){0};
}

auxo_status auxo__image_no_memory(const char *path, auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the image", path);
}

auxo_status auxo__image_allocate(const char *path, bool deep, size_t data_bytes, uint64_t ratio, auxo__image *image,
                                 auxo_error *error)
{
    uint64_t values = (uint64_t)image->width * image->height * image->channels, byte_count = values << deep;
    if (byte_count == 0 || image->width > AUXO__IMAGE_SIDE_MAX || image->height > AUXO__IMAGE_SIDE_MAX ||
        byte_count > AUXO__IMAGE_BYTES_MAX)
        return auxo_error_set(error, AUXO_FORMAT, "%s: an image of %u x %u pixels", path, image->width, image->height);
    if (byte_count / ratio > data_bytes)
        return auxo_error_set(error, AUXO_FORMAT, "%s: it declares %u x %u pixels, more than its %zu bytes can hold",
                              path, image->width, image->height, data_bytes);
    void *memory = calloc((size_t)byte_count, 1);
    *(deep ? (void **)&image->deep : (void **)&image->pixels) = memory;
    return memory ? AUXO_OK : auxo__image_no_memory(path, error);
}

/* (height, width, channels + alpha) -> (channels, height, width); alpha shades towards black. Either image->pixels from
 * 8-bit values or image->deep from 16-bit ones. */
static void make_planar(const void *interleaved, bool alpha, auxo__image *image)
{
    const uint8_t *bytes = interleaved;
    const uint16_t *words = interleaved;
    size_t plane = (size_t)image->height * image->width, step = image->channels + alpha;
    for (size_t i = 0; i < plane; i++)
        for (uint32_t channel = 0; channel < image->channels; channel++) {
            size_t from = i * step + channel, shade = i * step + image->channels, to = channel * plane + i;
            if (image->deep)
                image->deep[to] =
                    alpha ? (uint16_t)(((uint64_t)words[from] * words[shade] + 32767) / 65535) : words[from];
            else
                image->pixels[to] = alpha ? (uint8_t)((bytes[from] * bytes[shade] + 127) / 255) : bytes[from];
        }
}

/* Reads a number of a Netpbm header after blanks and comments; false at anything else or beyond the largest side. */
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
    while (*at < end && isdigit(**at) && *number <= AUXO__IMAGE_SIDE_MAX)
        *number = *number * 10 + (uint32_t)(*(*at)++ - '0');
    return *at > first && *number <= AUXO__IMAGE_SIDE_MAX;
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
    auxo_status status = auxo__image_allocate(path, false, size, 1, image, error);
    if (status == AUXO_OK)
        make_planar(at, false, image);
    return status;
}

static auxo_status read_values(const char *path, const auxo_picture_reader *reader, void *picture,
                               const auxo_picture_head *head, size_t size, auxo__image *image, auxo_error *error)
{
    image->channels = head->channels;
    image->height = head->height;
    image->width = head->width;
    auxo_status status = auxo__image_allocate(path, head->deep, size, head->ratio, image, error);
    if (status != AUXO_OK)
        return status;
    void *interleaved = malloc(((size_t)head->height * head->width * (head->channels + head->alpha)) << head->deep);
    if (!interleaved)
        return auxo__image_no_memory(path, error);
    status = reader->read(picture, interleaved, error);
    if (status == AUXO_OK)
        make_planar(interleaved, head->alpha, image);
    free(interleaved);
    return status;
}

static auxo_status decode_by_reader(auxo__readers *readers, auxo__format format, const char *path, const uint8_t *bytes,
                                    size_t size, auxo__image *image, auxo_error *error)
{
    const auxo_reader *reader = NULL;
    auxo_picture_head head = {0};
    void *picture = NULL;
    auxo_status status = auxo__reader_find(readers, format, path, &reader, error);
    if (status == AUXO_OK)
        status = reader->pictures->open(path, bytes, size, &picture, &head, error);
    if (status != AUXO_OK)
        return status;
    status = read_values(path, reader->pictures, picture, &head, size, image, error);
    reader->pictures->close(picture);
    return status;
}

auxo_status auxo__image_decode(auxo__readers *readers, const char *path, const uint8_t *bytes, size_t size,
                               auxo__image *image, auxo_error *error)
{
    static const uint8_t png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    memset(image, 0, sizeof *image);
    auxo_status status;
    if (size >= sizeof png_magic && memcmp(bytes, png_magic, sizeof png_magic) == 0) {
        status = decode_by_reader(readers, AUXO__FORMAT_PNG, path, bytes, size, image, error);
    } else if (size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff) {
        status = decode_by_reader(readers, AUXO__FORMAT_JPEG, path, bytes, size, image, error);
        if (status == AUXO_OK)
            status = auxo__image_turn_upright(path, bytes, size, image, error);
    } else if (size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) {
        status = decode_by_reader(readers, AUXO__FORMAT_WEBP, path, bytes, size, image, error);
    } else if (size >= 3 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6')) {
        status = decode_netpbm(path, bytes, size, image, error);
    } else {
        status = auxo_error_set(error, AUXO_FORMAT, "%s: neither PNG, JPEG, WebP nor binary PGM or PPM", path);
    }
    if (status != AUXO_OK)
        auxo__image_deinit(image);
    return status;
}

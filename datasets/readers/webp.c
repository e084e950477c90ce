/* webp.c: WebP pictures through libwebp; films are refused. */
#include "reader_entry.h"

#include <stdlib.h>
#include <webp/decode.h>

typedef struct webp_picture {
    const char *path;
    const uint8_t *bytes;
    size_t size, row_bytes, byte_count;
    bool alpha;
} webp_picture;

static auxo_status open_picture(const char *path, const uint8_t *bytes, size_t size, void **opened,
                                auxo_picture_head *head, auxo_error *error)
{
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(bytes, size, &features) != VP8_STATUS_OK)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a readable WebP", path);
    if (features.has_animation)
        return auxo_error_set(error, AUXO_FORMAT, "%s: a WebP film; only still pictures are read", path);
    webp_picture *picture = malloc(sizeof *picture);
    if (!picture)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the image", path);
    /* A lossless picture of one colour takes next to nothing, so only the limits of any picture hold. */
    *head = (auxo_picture_head){.channels = 3,
                                .height = (uint32_t)features.height,
                                .width = (uint32_t)features.width,
                                .alpha = features.has_alpha,
                                .ratio = UINT64_MAX};
    const size_t row_bytes = head->width * (features.has_alpha ? 4u : 3u);
    *picture = (webp_picture){path, bytes, size, row_bytes, row_bytes * head->height, features.has_alpha};
    *opened = picture;
    return AUXO_OK;
}

static auxo_status read_picture(void *opened, void *values, auxo_error *error)
{
    const webp_picture *picture = opened;
    uint8_t *(*decode)(const uint8_t *, size_t, uint8_t *, size_t, int) =
        picture->alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
    return decode(picture->bytes, picture->size, values, picture->byte_count, (int)picture->row_bytes)
               ? AUXO_OK
               : auxo_error_set(error, AUXO_FORMAT, "%s: not a whole WebP", picture->path);
}

static const auxo_picture_reader pictures = {open_picture, read_picture, free};
AUXO_READER(webp, &pictures, NULL)

/* image_webp.c: WebP pictures through libwebp; films are refused. */
#include "image.h"

#ifdef AUXO_HAVE_WEBP
#include <stdlib.h>
#include <webp/decode.h>

auxo_status auxo__webp_decode(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                              auxo_error *error)
{
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(bytes, size, &features) != VP8_STATUS_OK)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a readable WebP", path);
    if (features.has_animation)
        return auxo_error_set(error, AUXO_FORMAT, "%s: a WebP film; only still pictures are read", path);
    image->width = (uint32_t)features.width;
    image->height = (uint32_t)features.height;
    image->channels = 3;
    /* A lossless picture of one colour takes next to nothing, so only the limits of any image hold. */
    auxo_status status = auxo__image_allocate(path, false, size, AUXO__IMAGE_BYTES_MAX, image, error);
    if (status != AUXO_OK)
        return status;
    const size_t step = features.has_alpha ? 4 : 3, row_bytes = image->width * step;
    uint8_t *interleaved = malloc(row_bytes * image->height);
    if (!interleaved)
        return auxo__image_no_memory(path, error);
    const uint8_t *decoded =
        features.has_alpha ? WebPDecodeRGBAInto(bytes, size, interleaved, row_bytes * image->height, (int)row_bytes)
                           : WebPDecodeRGBInto(bytes, size, interleaved, row_bytes * image->height, (int)row_bytes);
    if (decoded)
        auxo__image_make_planar(interleaved, features.has_alpha, image);
    else
        status = auxo_error_set(error, AUXO_FORMAT, "%s: not a whole WebP", path);
    free(interleaved);
    return status;
}

#else

auxo_status auxo__webp_decode(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                              auxo_error *error)
{
    (void)bytes;
    (void)size;
    (void)image;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: this build has no libwebp (Debian: libwebp-dev)", path);
}

#endif

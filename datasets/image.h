/* image.h: decodes one image file (internal to this folder). */
#ifndef AUXO_DATASETS_IMAGE_H
#define AUXO_DATASETS_IMAGE_H

#include "auxo/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct auxo__image {
    uint32_t channels, height, width; /* 1 grey, 3 red green blue */
    uint8_t *pixels;                  /* (channels, height, width); the caller frees it */
} auxo__image;

/* Decodes PNG (any kind; alpha is dropped, 16 bits become 8), binary PGM or binary PPM with 8 bits. `path` is only
 * named in messages. Errors: FORMAT; UNSUPPORTED for PNG in a build without libpng. */
auxo_status auxo__image_decode(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                               auxo_error *error);

#endif

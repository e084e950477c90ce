/* image.h: decodes one image file, and brings it to a size and kind (internal to this folder). */
#ifndef AUXO_DATASETS_IMAGE_H
#define AUXO_DATASETS_IMAGE_H

#include "readers.h"

#include "auxo/schema.h"

enum { AUXO__IMAGE_SIDE_MAX = 1 << 16, AUXO__IMAGE_BYTES_MAX = 1 << 28 };

/* Values as they stand in the file: no colour management, no gamma. */
typedef struct auxo__image {
    uint32_t channels, height, width; /* 1 grey, 3 red green blue */
    uint8_t *pixels;                  /* (channels, height, width), 0 to 255; NULL: deep */
    uint16_t *deep;                   /* the same with 16 bits, 0 to 65535; NULL: 8 bits */
} auxo__image;

void auxo__image_deinit(auxo__image *image);
/* Decodes PNG (any kind), JPEG (turned upright by its EXIF orientation), WebP, binary PGM or binary PPM with 8 bits.
 * What is transparent shows black. `path` is only named in messages. Errors: FORMAT, also for a declared size beyond
 * limits or beyond what the file's data can hold, before memory is taken; UNSUPPORTED where no reader for the format is
 * found. Ownership: deinit it. */
auxo_status auxo__image_decode(auxo__readers *readers, const char *path, const uint8_t *bytes, size_t size,
                               auxo__image *image, auxo_error *error);
/* Brings an image to the rule's colour and size, by averaging areas where it shrinks and bilinear where it grows. */
auxo_status auxo__image_apply(const char *path, const auxo_picture_rule *rule, auxo__image *image, auxo_error *error);

/* Turns and mirrors a JPEG's 8-bit values as the file's EXIF block says; leaves it where there is none. */
auxo_status auxo__image_turn_upright(const char *path, const uint8_t *bytes, size_t size, auxo__image *image,
                                     auxo_error *error);
/* Refuses a declared size of no pixels, beyond the limits, or of more bytes than `data_bytes` can unpack to at `ratio`
 * to 1; takes the memory of the pixels otherwise. image: channels, height and width are set. */
auxo_status auxo__image_allocate(const char *path, bool deep, size_t data_bytes, uint64_t ratio, auxo__image *image,
                                 auxo_error *error);
auxo_status auxo__image_no_memory(const char *path, auxo_error *error);

#endif

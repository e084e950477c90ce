/* jpeg.c: JPEG through libjpeg-turbo, as it lies in the file: turning it upright is image_orientation.c's. */
#include "reader_entry.h"

#include <stdlib.h>
#include <turbojpeg.h>

typedef struct jpeg_picture {
    tjhandle handle;
    const char *path;
    const uint8_t *bytes;
    size_t size;
    int width, height, format;
} jpeg_picture;

static void close_picture(void *opened)
{
    jpeg_picture *picture = opened;
    tjDestroy(picture->handle);
    free(picture);
}

static auxo_status read_head(jpeg_picture *picture, auxo_picture_head *head, auxo_error *error)
{
    int sampling = 0, colours = 0;
    if (tjDecompressHeader3(picture->handle, picture->bytes, picture->size, &picture->width, &picture->height,
                            &sampling, &colours) != 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a readable JPEG: %s", picture->path,
                              tjGetErrorStr2(picture->handle));
    if (colours == TJCS_CMYK || colours == TJCS_YCCK)
        return auxo_error_set(error, AUXO_FORMAT, "%s: a JPEG of four printing colours; save it as RGB", picture->path);
    picture->format = colours == TJCS_GRAY ? TJPF_GRAY : TJPF_RGB;
    /* A block of 64 equal values takes a few bits for each component: 1 to 2000 is out of reach. */
    *head = (auxo_picture_head){.channels = colours == TJCS_GRAY ? 1 : 3,
                                .height = (uint32_t)picture->height,
                                .width = (uint32_t)picture->width,
                                .ratio = 2000};
    return AUXO_OK;
}

static auxo_status open_picture(const char *path, const uint8_t *bytes, size_t size, void **opened,
                                auxo_picture_head *head, auxo_error *error)
{
    jpeg_picture *picture = calloc(1, sizeof *picture);
    tjhandle handle = picture ? tjInitDecompress() : NULL;
    if (!handle) {
        free(picture);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the image", path);
    }
    *picture = (jpeg_picture){.handle = handle, .path = path, .bytes = bytes, .size = size};
    auxo_status status = read_head(picture, head, error);
    if (status == AUXO_OK)
        *opened = picture;
    else
        close_picture(picture);
    return status;
}

static auxo_status read_picture(void *opened, void *values, auxo_error *error)
{
    const jpeg_picture *picture = opened;
    return tjDecompress2(picture->handle, picture->bytes, picture->size, values, picture->width, 0, picture->height,
                         picture->format, TJFLAG_ACCURATEDCT) == 0
               ? AUXO_OK
               : auxo_error_set(error, AUXO_FORMAT, "%s: not a whole JPEG: %s", picture->path,
                                tjGetErrorStr2(picture->handle));
}

static const auxo_picture_reader pictures = {open_picture, read_picture, close_picture};
AUXO_READER(jpeg, &pictures, NULL)

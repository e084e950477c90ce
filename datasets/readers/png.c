/* png.c: PNG through libpng, values as they are: gamma, chromaticities and profiles are not applied. */
#include "reader_entry.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_MAX = 1 << 16 };

/* What libpng reads from and says. Nothing of it is a local of a function that longjmp returns to. */
typedef struct png_picture {
    const char *path;
    const uint8_t *bytes;
    size_t size, position;
    char message[128];
    png_structp png;
    png_infop info;
    uint32_t height;
    size_t row_bytes;
    png_bytep *rows; /* (height) */
} png_picture;

static void read_bytes(png_structp png, png_bytep out, size_t count)
{
    png_picture *picture = png_get_io_ptr(png);
    if (count > picture->size - picture->position)
        png_error(png, "it is cut off");
    memcpy(out, picture->bytes + picture->position, count);
    picture->position += count;
}

static void keep_message(png_structp png, png_const_charp message)
{
    png_picture *picture = png_get_error_ptr(png);
    strncpy(picture->message, message, sizeof picture->message - 1);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void close_picture(void *opened)
{
    png_picture *picture = opened;
    png_destroy_read_struct(&picture->png, &picture->info, NULL);
    free(picture->rows);
    free(picture);
}

static auxo_status no_memory(const char *path, auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the image", path);
}

static auxo_status unreadable(const png_picture *picture, auxo_error *error)
{
    return auxo_error_set(error, AUXO_FORMAT, "%s: not a readable PNG: %s", picture->path, picture->message);
}

/* Palettes and fewer bits become 8-bit values, transparency an alpha channel. */
static void choose_transforms(png_picture *picture)
{
    png_set_expand(picture->png);
    const uint16_t probe = 1;
    if (*(const uint8_t *)&probe == 1)
        png_set_swap(picture->png); /* 16 bits: most significant byte first in the file */
    png_set_interlace_handling(picture->png);
    png_read_update_info(picture->png, picture->info);
    picture->row_bytes = png_get_rowbytes(picture->png, picture->info);
}

static void read_head(png_picture *picture, auxo_picture_head *head)
{
    png_read_info(picture->png, picture->info);
    const unsigned depth = png_get_bit_depth(picture->png, picture->info);
    head->width = png_get_image_width(picture->png, picture->info);
    head->height = picture->height = png_get_image_height(picture->png, picture->info);
    head->channels = png_get_color_type(picture->png, picture->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
    head->deep = depth == 16;
    /* Deflate packs at most 1032 to 1; what a byte of fewer than 8 bits or a palette widens to comes on top. */
    head->ratio = (uint64_t)1032 * (depth < 8 ? 8 / depth : 1) * head->channels;
    choose_transforms(picture);
    head->alpha = png_get_channels(picture->png, picture->info) > head->channels;
}

static auxo_status open_picture(const char *path, const uint8_t *bytes, size_t size, void **opened,
                                auxo_picture_head *head, auxo_error *error)
{
    png_picture *picture = calloc(1, sizeof *picture);
    if (!picture)
        return no_memory(path, error);
    *opened = picture;
    picture->path = path;
    picture->bytes = bytes;
    picture->size = size;
    picture->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, picture, keep_message, ignore_warning);
    picture->info = picture->png ? png_create_info_struct(picture->png) : NULL;
    if (!picture->info) {
        close_picture(picture);
        return no_memory(path, error);
    }
    png_set_read_fn(picture->png, picture, read_bytes);
    png_set_user_limits(picture->png, SIDE_MAX, SIDE_MAX);
    png_set_chunk_malloc_max(picture->png, 8 << 20);
    if (setjmp(png_jmpbuf(picture->png)) == 0) {
        read_head(picture, head);
        return AUXO_OK;
    }
    auxo_status status = unreadable(*opened, error);
    close_picture(*opened);
    return status;
}

static auxo_status read_picture(void *opened, void *values, auxo_error *error)
{
    png_picture *picture = opened;
    picture->rows = malloc(picture->height * sizeof *picture->rows);
    if (!picture->rows)
        return no_memory(picture->path, error);
    for (uint32_t row = 0; row < picture->height; row++)
        picture->rows[row] = (png_bytep)values + row * picture->row_bytes;
    if (setjmp(png_jmpbuf(picture->png)) != 0)
        return unreadable(opened, error);
    png_read_image(picture->png, picture->rows);
    png_read_end(picture->png, NULL);
    return AUXO_OK;
}

static const auxo_picture_reader pictures = {open_picture, read_picture, close_picture};
AUXO_READER(png, &pictures, NULL)

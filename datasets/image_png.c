/* image_png.c: PNG through libpng, values as they are: gamma, chromaticities and profiles are not applied. */
#include "image.h"

#ifdef AUXO_HAVE_PNG
#include <png.h>
#include <stdlib.h>
#include <string.h>

/* What libpng reads from, and where the image goes. Nothing of it is a local of the function that longjmp returns to.
 */
typedef struct png_job {
    const char *path;
    const uint8_t *bytes;
    size_t size, position;
    char message[128];
    png_structp png;
    png_infop info;
    uint8_t *interleaved;
    png_bytep *rows;
    auxo__image *image;
    auxo_error *error;
    auxo_status status;
} png_job;

static void read_bytes(png_structp png, png_bytep out, size_t count)
{
    png_job *job = png_get_io_ptr(png);
    if (count > job->size - job->position)
        png_error(png, "it is cut off");
    memcpy(out, job->bytes + job->position, count);
    job->position += count;
}

static void keep_message(png_structp png, png_const_charp message)
{
    png_job *job = png_get_error_ptr(png);
    strncpy(job->message, message, sizeof job->message - 1);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

/* Palettes and fewer bits become 8-bit values, transparency an alpha channel. */
static void choose_transforms(png_job *job)
{
    png_set_expand(job->png);
    const uint16_t probe = 1;
    if (*(const uint8_t *)&probe == 1)
        png_set_swap(job->png); /* 16 bits: most significant byte first in the file */
    png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
}

static void read_pixels(png_job *job)
{
    png_read_info(job->png, job->info);
    auxo__image *image = job->image;
    image->width = png_get_image_width(job->png, job->info);
    image->height = png_get_image_height(job->png, job->info);
    image->channels = png_get_color_type(job->png, job->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
    const bool deep = png_get_bit_depth(job->png, job->info) == 16;
    const unsigned depth = png_get_bit_depth(job->png, job->info);
    /* Deflate packs at most 1032 to 1; what a byte of fewer than 8 bits or a palette widens to comes on top. */
    const uint64_t widened = depth < 8 ? 8 / depth : 1;
    job->status = auxo__image_allocate(job->path, deep, job->size, 1032 * widened * image->channels, image, job->error);
    if (job->status != AUXO_OK)
        return;
    choose_transforms(job);
    const size_t row_bytes = png_get_rowbytes(job->png, job->info);
    job->interleaved = malloc(row_bytes * image->height);
    job->rows = malloc(image->height * sizeof *job->rows);
    if (!job->interleaved || !job->rows) {
        job->status = auxo__image_no_memory(job->path, job->error);
        return;
    }
    for (uint32_t row = 0; row < image->height; row++)
        job->rows[row] = job->interleaved + row * row_bytes;
    png_read_image(job->png, job->rows);
    png_read_end(job->png, NULL);
    auxo__image_make_planar(job->interleaved, png_get_channels(job->png, job->info) > image->channels, image);
}

auxo_status auxo__png_decode(const char *path, const uint8_t *bytes, size_t size, auxo__image *image, auxo_error *error)
{
    png_job job = {.path = path, .bytes = bytes, .size = size, .image = image, .error = error};
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, keep_message, ignore_warning);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    if (!job.info) {
        png_destroy_read_struct(&job.png, NULL, NULL);
        return auxo__image_no_memory(path, error);
    }
    png_set_read_fn(job.png, &job, read_bytes);
    png_set_user_limits(job.png, AUXO__IMAGE_SIDE_MAX, AUXO__IMAGE_SIDE_MAX);
    png_set_chunk_malloc_max(job.png, 8 << 20);
    if (setjmp(png_jmpbuf(job.png)) == 0)
        read_pixels(&job);
    else
        job.status = auxo_error_set(error, AUXO_FORMAT, "%s: not a readable PNG: %s", path, job.message);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    free(job.interleaved);
    free(job.rows);
    return job.status;
}

#else

auxo_status auxo__png_decode(const char *path, const uint8_t *bytes, size_t size, auxo__image *image, auxo_error *error)
{
    (void)bytes;
    (void)size;
    (void)image;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: this build has no libpng (Debian: libpng-dev)", path);
}

#endif

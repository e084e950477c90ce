/* pictures.c: reads a list of picture files into the rows of one data set. Implements pictures.h. */
#include "pictures.h"

#include "bytes.h"
#include "dataset.h"
#include "image.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static auxo_status read_picture(auxo__readers *readers, const auxo__picture_list *list, size_t index,
                                auxo__image *image, char path[AUXO__PATH_SIZE], auxo_error *error)
{
    const char *name = list->paths[index];
    int length = name[0] == '/' || !list->folder[0] ? snprintf(path, AUXO__PATH_SIZE, "%s", name)
                                                    : snprintf(path, AUXO__PATH_SIZE, "%s/%s", list->folder, name);
    if (length < 0 || length >= AUXO__PATH_SIZE)
        return auxo_error_set(error, AUXO_IO, "%.300s: the path of a picture is too long", name);
    uint8_t *bytes = NULL;
    size_t size = 0;
    auxo_status status = auxo__bytes_read_limited(path, AUXO__IMAGE_BYTES_MAX, &bytes, &size, error);
    if (status == AUXO_OK)
        status = auxo__image_decode(readers, path, bytes, size, image, error);
    free(bytes);
    if (status == AUXO_OK)
        status = auxo__image_apply(path, list->rule, image, error);
    if (status != AUXO_OK)
        auxo__image_deinit(image);
    return status;
}

static auxo_status make_dataset(const char *name, const auxo__picture_list *list, const auxo__image *first,
                                auxo_dataset **dataset, auxo_error *error)
{
    auxo__dataset_shape shape = {.row_count = list->count,
                                 .channels = first->channels,
                                 .height = first->height,
                                 .width = first->width,
                                 .feature_type = first->deep ? AUXO_FEATURES_F32 : AUXO_FEATURES_U8,
                                 .target_type = list->target_type,
                                 .target_count = list->target_count};
    return auxo__dataset_create(name, &shape, dataset, error);
}

auxo_status auxo__pictures_widen(auxo_dataset *dataset, size_t row, auxo_error *error)
{
    if (dataset->feature_type == AUXO_FEATURES_F32)
        return AUXO_OK;
    size_t values = (size_t)(dataset->channels * dataset->height * dataset->width);
    float *floats = auxo__array(dataset->row_count, values * sizeof *floats);
    if (!floats)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for pictures as numbers", dataset->name);
    for (size_t i = 0; i < row * values; i++)
        floats[i] = (float)(((const uint8_t *)dataset->features)[i] / 255.0);
    free(dataset->features);
    dataset->features = floats;
    dataset->feature_type = AUXO_FEATURES_F32;
    return AUXO_OK;
}

static void fill_row(auxo_dataset *dataset, size_t row, const auxo__image *image)
{
    size_t values = (size_t)(dataset->channels * dataset->height * dataset->width);
    if (dataset->feature_type == AUXO_FEATURES_U8) {
        memcpy((uint8_t *)dataset->features + row * values, image->pixels, values);
        return;
    }
    float *to = (float *)dataset->features + row * values;
    for (size_t i = 0; i < values; i++)
        to[i] = (float)(image->deep ? image->deep[i] / 65535.0 : image->pixels[i] / 255.0);
}

static auxo_status add_picture(auxo__readers *readers, const char *name, const auxo__picture_list *list, size_t row,
                               auxo_dataset **dataset, auxo_error *error)
{
    char path[AUXO__PATH_SIZE];
    auxo__image image = {0};
    auxo_status status = read_picture(readers, list, row, &image, path, error);
    if (status != AUXO_OK)
        return status;
    if (!*dataset)
        status = make_dataset(name, list, &image, dataset, error);
    auxo_dataset *made = *dataset;
    if (status == AUXO_OK &&
        (made->channels != image.channels || made->height != image.height || made->width != image.width))
        status = auxo_error_set(error, AUXO_FORMAT,
                                "%s: %u x %u x %u (channels, height, width), but the first is %d x %d x %d; set resize "
                                "or colour to bring pictures to one size and kind",
                                path, image.channels, image.height, image.width, (int)made->channels, (int)made->height,
                                (int)made->width);
    if (status == AUXO_OK && image.deep)
        status = auxo__pictures_widen(made, row, error);
    if (status == AUXO_OK)
        fill_row(made, row, &image);
    auxo__image_deinit(&image);
    return status;
}

/* Paths as row names. */
static auxo_status name_rows(const auxo__picture_list *list, auxo_dataset *dataset, auxo_error *error)
{
    dataset->row_names = auxo__names_copy((const char *const *)list->paths, list->count);
    return dataset->row_names ? AUXO_OK
                              : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the names of its pictures",
                                               dataset->name);
}

auxo_status auxo__pictures_read(const char *name, const auxo__picture_list *list, auxo_dataset **dataset,
                                auxo_error *error)
{
    auxo__readers readers = {{NULL}};
    auxo_status status = AUXO_OK;
    for (size_t row = 0; row < list->count && status == AUXO_OK; row++)
        status = add_picture(&readers, name, list, row, dataset, error);
    return status == AUXO_OK ? name_rows(list, *dataset, error) : status;
}

/* svhn.c: the cropped street view house numbers (Netzer et al. 2011), MATLAB files.
 *
 * train_32x32.mat and test_32x32.mat hold X, uint8 (32, 32, 3, N) in column-major order (row fastest), and y, (N, 1),
 * where the digit 0 is written as 10.
 */
#include "dataset.h"
#include "loaders.h"
#include "mat_head.h"
#include "readers.h"
#include "source.h"

#include <sys/stat.h>

enum { SIDE = 32, CHANNELS = 3, CLASSES = 10 };

/* An array of the file: what it says of itself, then its values. */
typedef struct mat_array {
    void *opened;
    auxo_array_head head;
    const void *values;
} mat_array;

/* Whether a file of that size can hold so many values: zlib packs at most 1,032 to one. */
static bool can_hold(uint64_t file_bytes, uint64_t count, size_t bytes_each)
{
    return count <= file_bytes * 1032 / bytes_each;
}

/* The description of an array, before its data are read: what it says must fit the file. */
static auxo_status check_images(const char *path, uint64_t file_bytes, const auxo_array_head *images, auxo_error *error)
{
    if (images->element != AUXO_ELEMENT_U8 || images->rank != 4 || images->dims[0] != SIDE || images->dims[1] != SIDE ||
        images->dims[2] != CHANNELS || !can_hold(file_bytes, images->dims[3], (size_t)SIDE * SIDE * CHANNELS))
        return auxo_error_set(error, AUXO_FORMAT, "%s: variable X is not uint8 of 32 x 32 x 3 x N", path);
    return AUXO_OK;
}

static auxo_status check_labels(const char *path, uint64_t file_bytes, const auxo_array_head *labels, uint64_t count,
                                auxo_error *error)
{
    if ((labels->element != AUXO_ELEMENT_U8 && labels->element != AUXO_ELEMENT_F64) || labels->rank != 2 ||
        !can_hold(file_bytes, count, 1) ||
        !((labels->dims[0] == 1 && labels->dims[1] == count) || (labels->dims[1] == 1 && labels->dims[0] == count)))
        return auxo_error_set(error, AUXO_FORMAT, "%s: variable y is not %llu numbers, one per image", path,
                              (unsigned long long)count);
    return AUXO_OK;
}

/* (row, column, channel) with row fastest -> (channel, row, column). */
static void transpose_image(const uint8_t *from, uint8_t *to)
{
    for (size_t channel = 0; channel < CHANNELS; channel++)
        for (size_t column = 0; column < SIDE; column++)
            for (size_t row = 0; row < SIDE; row++)
                to[(channel * SIDE + row) * SIDE + column] = from[(channel * SIDE + column) * SIDE + row];
}

static auxo_status convert(const char *path, const mat_array *images, const mat_array *labels, size_t limit,
                           auxo_dataset **dataset, auxo_error *error)
{
    auxo__dataset_shape shape = {.row_count = auxo__limited((size_t)images->head.dims[3], limit),
                                 .channels = CHANNELS,
                                 .height = SIDE,
                                 .width = SIDE,
                                 .feature_type = AUXO_FEATURES_U8,
                                 .target_type = AUXO_TARGET_CLASS,
                                 .target_count = CLASSES};
    auxo_status status = auxo__dataset_create("svhn", &shape, dataset, error);
    for (size_t i = 0; status == AUXO_OK && i < shape.row_count; i++) {
        double label = labels->head.element == AUXO_ELEMENT_U8 ? (double)((const uint8_t *)labels->values)[i]
                                                               : ((const double *)labels->values)[i];
        if (!(label >= 0 && label <= 10) || label != (double)(int)label)
            return auxo_error_set(error, AUXO_FORMAT, "%s: label %zu is %g, out of range 1 to 10", path, i, label);
        (*dataset)->labels[i] = (uint32_t)label % CLASSES;
        size_t image_bytes = (size_t)CHANNELS * SIDE * SIDE;
        transpose_image((const uint8_t *)images->values + i * image_bytes,
                        (uint8_t *)(*dataset)->features + i * image_bytes);
    }
    return status;
}

static auxo_status read_file(const char *path, const auxo_array_reader *reader, void *file, size_t limit,
                             auxo_dataset **dataset, auxo_error *error)
{
    struct stat found;
    const uint64_t file_bytes = stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
    mat_array images = {0}, labels = {0};
    images.opened = reader->find(file, "X", &images.head);
    labels.opened = reader->find(file, "y", &labels.head);
    auxo_status status = check_images(path, file_bytes, &images.head, error);
    if (status == AUXO_OK)
        status = check_labels(path, file_bytes, &labels.head, images.head.dims[3], error);
    if (status == AUXO_OK) {
        images.values = reader->read(file, images.opened);
        labels.values = reader->read(file, labels.opened);
        if (!images.values || !labels.values)
            status = auxo_error_set(error, AUXO_FORMAT, "%s: its variables cannot be read; it may be cut off", path);
    }
    if (status == AUXO_OK)
        status = convert(path, &images, &labels, limit, dataset, error);
    reader->release(images.opened);
    reader->release(labels.opened);
    return status;
}

auxo_status auxo__svhn_read(const char *path, size_t limit, auxo_dataset **dataset, auxo_error *error)
{
    auxo__readers readers = {{NULL}};
    const auxo_reader *reader = NULL;
    void *file = NULL;
    auxo_status status = auxo__reader_find(&readers, AUXO__FORMAT_MATLAB, path, &reader, error);
    if (status == AUXO_OK)
        status = auxo__mat_check(path, error);
    if (status == AUXO_OK)
        status = reader->arrays->open(path, &file, error);
    if (status != AUXO_OK)
        return status;
    status = read_file(path, reader->arrays, file, limit, dataset, error);
    reader->arrays->close(file);
    return status;
}

auxo_status auxo__load_svhn(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                            auxo_error *error)
{
    char folder[AUXO__PATH_SIZE], path[AUXO__PATH_SIZE];
    auxo_status status = auxo__source_folder(options, "svhn", folder, sizeof folder, error);
    if (status == AUXO_OK)
        status = auxo__source_file(folder, "train_32x32.mat", path, sizeof path, error);
    if (status == AUXO_OK)
        status = auxo__svhn_read(path, options->limit, train, error);
    if (status == AUXO_OK)
        status = auxo__source_file(folder, "test_32x32.mat", path, sizeof path, error);
    if (status == AUXO_OK)
        status = auxo__svhn_read(path, options->limit, test, error);
    return status;
}

/* svhn.c: the cropped street view house numbers (Netzer et al. 2011), MATLAB files read with matio.
 *
 * train_32x32.mat and test_32x32.mat hold X, uint8 (32, 32, 3, N) in column-major order (row fastest), and y, (N, 1),
 * where the digit 0 is written as 10. Without matio the set is refused.
 */
#include "dataset.h"
#include "loaders.h"
#include "mat_head.h"
#include "source.h"

#ifdef AUXO_HAVE_MATIO

#include <matio.h>
#include <sys/stat.h>

enum { SIDE = 32, CHANNELS = 3, CLASSES = 10 };

/* Whether a file of that size can hold so many bytes: zlib packs at most 1,032 to one. */
static bool can_hold(uint64_t file_bytes, size_t count, size_t bytes_each)
{
    return count <= file_bytes * 1032 / bytes_each;
}

/* The description of a variable, before its data are read: what it says must fit the file. */
static auxo_status check_images(const char *path, uint64_t file_bytes, const matvar_t *images, auxo_error *error)
{
    if (!images || images->class_type != MAT_C_UINT8 || images->rank != 4 || images->isComplex ||
        images->dims[0] != SIDE || images->dims[1] != SIDE || images->dims[2] != CHANNELS ||
        !can_hold(file_bytes, images->dims[3], (size_t)SIDE * SIDE * CHANNELS))
        return auxo_error_set(error, AUXO_FORMAT, "%s: variable X is not uint8 of 32 x 32 x 3 x N", path);
    return AUXO_OK;
}

static auxo_status check_labels(const char *path, uint64_t file_bytes, const matvar_t *labels, size_t count,
                                auxo_error *error)
{
    if (!labels || labels->rank != 2 || labels->isComplex || !can_hold(file_bytes, count, 1) ||
        !((labels->dims[0] == 1 && labels->dims[1] == count) || (labels->dims[1] == 1 && labels->dims[0] == count)) ||
        (labels->class_type != MAT_C_UINT8 && labels->class_type != MAT_C_DOUBLE))
        return auxo_error_set(error, AUXO_FORMAT, "%s: variable y is not %zu numbers, one per image", path, count);
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

static auxo_status convert(const char *path, const matvar_t *images, const matvar_t *labels, size_t limit,
                           auxo_dataset **dataset, auxo_error *error)
{
    auxo__dataset_shape shape = {.row_count = auxo__limited(images->dims[3], limit),
                                 .channels = CHANNELS,
                                 .height = SIDE,
                                 .width = SIDE,
                                 .feature_type = AUXO_FEATURES_U8,
                                 .target_type = AUXO_TARGET_CLASS,
                                 .target_count = CLASSES};
    auxo_status status = auxo__dataset_create("svhn", &shape, dataset, error);
    for (size_t i = 0; status == AUXO_OK && i < shape.row_count; i++) {
        double label = labels->class_type == MAT_C_UINT8 ? (double)((const uint8_t *)labels->data)[i]
                                                         : ((const double *)labels->data)[i];
        if (!(label >= 0 && label <= 10) || label != (double)(int)label)
            return auxo_error_set(error, AUXO_FORMAT, "%s: label %zu is %g, out of range 1 to 10", path, i, label);
        (*dataset)->labels[i] = (uint32_t)label % CLASSES;
        size_t image_bytes = (size_t)CHANNELS * SIDE * SIDE;
        transpose_image((const uint8_t *)images->data + i * image_bytes,
                        (uint8_t *)(*dataset)->features + i * image_bytes);
    }
    return status;
}

auxo_status auxo__svhn_read(const char *path, size_t limit, auxo_dataset **dataset, auxo_error *error)
{
    auxo_status status = auxo__mat_check(path, error);
    if (status != AUXO_OK)
        return status;
    mat_t *file = Mat_Open(path, MAT_ACC_RDONLY);
    if (!file)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a MATLAB file that matio can open", path);
    struct stat found;
    const uint64_t file_bytes = stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
    matvar_t *images = Mat_VarReadInfo(file, "X"), *labels = Mat_VarReadInfo(file, "y");
    status = check_images(path, file_bytes, images, error);
    if (status == AUXO_OK)
        status = check_labels(path, file_bytes, labels, images->dims[3], error);
    if (status == AUXO_OK && (Mat_VarReadDataAll(file, images) != 0 || Mat_VarReadDataAll(file, labels) != 0 ||
                              !images->data || !labels->data))
        status = auxo_error_set(error, AUXO_FORMAT, "%s: its variables cannot be read; it may be cut off", path);
    if (status == AUXO_OK)
        status = convert(path, images, labels, limit, dataset, error);
    Mat_VarFree(images);
    Mat_VarFree(labels);
    Mat_Close(file);
    return status;
}

#else

auxo_status auxo__svhn_read(const char *path, size_t limit, auxo_dataset **dataset, auxo_error *error)
{
    (void)limit;
    (void)dataset;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: this build has no matio (Debian: libmatio-dev)", path);
}

#endif

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

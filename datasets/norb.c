/* norb.c: small NORB (LeCun, Huang, Bottou 2004): stereo pairs of 96x96 grey images of 5 kinds of toys.
 *
 * A matrix file is little-endian: magic (0x1E3D4C55 bytes, 0x1E3D4C54 32-bit integers), rank, max(rank, 3) sizes,
 * values. Images are (24300, 2, 96, 96) bytes; categories (24300) integers.
 */
#include "norb.h"

#include "dataset.h"
#include "loaders.h"
#include "source.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES = 5, MAGIC_BYTES = 0x1E3D4C55, MAGIC_INTEGERS = 0x1E3D4C54 };

static uint32_t little_endian_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

auxo_status auxo__norb_parse(const char *path, const uint8_t *bytes, size_t size, auxo__norb_matrix *matrix,
                             auxo_error *error)
{
    if (size < 8)
        return auxo_error_set(error, AUXO_FORMAT, "%s: %zu bytes, too short for a NORB matrix", path, size);
    uint32_t magic = little_endian_u32(bytes), rank = little_endian_u32(bytes + 4);
    if (magic != MAGIC_BYTES && magic != MAGIC_INTEGERS)
        return auxo_error_set(error, AUXO_FORMAT, "%s: NORB magic is 0x%08X, expected 0x1E3D4C55 or 0x1E3D4C54", path,
                              magic);
    if (rank == 0 || rank > AUXO__NORB_MAX_RANK)
        return auxo_error_set(error, AUXO_FORMAT, "%s: a NORB matrix of %u dimensions; 1 to 8 exist", path, rank);
    size_t header_size = 8 + 4 * (size_t)(rank < 3 ? 3 : rank);
    if (size < header_size)
        return auxo_error_set(error, AUXO_FORMAT, "%s: %zu bytes, shorter than the NORB header", path, size);
    matrix->is_bytes = magic == MAGIC_BYTES;
    uint64_t byte_count = matrix->is_bytes ? 1 : 4;
    for (uint32_t i = 0; i < rank; i++) {
        matrix->sizes[i] = little_endian_u32(bytes + 8 + 4 * (size_t)i);
        if (matrix->sizes[i] != 0 && byte_count > UINT64_MAX / matrix->sizes[i])
            return auxo_error_set(error, AUXO_FORMAT, "%s: the sizes in the NORB header overflow", path);
        byte_count *= matrix->sizes[i];
    }
    if (byte_count != size - header_size)
        return auxo_error_set(error, AUXO_FORMAT, "%s: the NORB header promises %llu bytes of data, the file holds %zu",
                              path, (unsigned long long)byte_count, size - header_size);
    matrix->rank = rank;
    matrix->values = bytes + header_size;
    return AUXO_OK;
}

auxo_status auxo__norb_dataset(const char *images_path, const uint8_t *images, size_t images_size,
                               const char *labels_path, const uint8_t *labels, size_t labels_size, size_t limit,
                               auxo_dataset **dataset, auxo_error *error)
{
    auxo__norb_matrix pixels, categories;
    auxo_status status = auxo__norb_parse(images_path, images, images_size, &pixels, error);
    if (status == AUXO_OK)
        status = auxo__norb_parse(labels_path, labels, labels_size, &categories, error);
    if (status != AUXO_OK)
        return status;
    if (!pixels.is_bytes || pixels.rank != 4 || pixels.sizes[0] == 0 || pixels.sizes[1] == 0 || pixels.sizes[2] == 0 ||
        pixels.sizes[3] == 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a matrix of byte images (count, cameras, height, width)",
                              images_path);
    if (categories.is_bytes || categories.rank != 1 || categories.sizes[0] != pixels.sizes[0])
        return auxo_error_set(error, AUXO_FORMAT, "%s: not %u integer categories, one per image pair", labels_path,
                              pixels.sizes[0]);
    for (size_t i = 0; i < categories.sizes[0]; i++) {
        uint32_t label = little_endian_u32(categories.values + 4 * i);
        if (label >= CLASSES)
            return auxo_error_set(error, AUXO_FORMAT, "%s: label %zu is %u, out of range 0 to 4", labels_path, i,
                                  label);
    }
    auxo__dataset_shape shape = {.row_count = auxo__limited(pixels.sizes[0], limit),
                                 .channels = pixels.sizes[1],
                                 .height = pixels.sizes[2],
                                 .width = pixels.sizes[3],
                                 .feature_type = AUXO_FEATURES_U8,
                                 .target_type = AUXO_TARGET_CLASS,
                                 .target_count = CLASSES};
    status = auxo__dataset_create("small-norb", &shape, dataset, error);
    if (status != AUXO_OK)
        return status;
    memcpy((*dataset)->features, pixels.values, shape.row_count * auxo__dataset_row_bytes(*dataset));
    for (size_t i = 0; i < shape.row_count; i++)
        (*dataset)->labels[i] = little_endian_u32(categories.values + 4 * i);
    return AUXO_OK;
}

static auxo_status load_pair(const auxo_data_options *options, const char *images_name, const char *labels_name,
                             auxo_dataset **dataset, auxo_error *error)
{
    static const char *const classes[CLASSES] = {"animal", "human", "airplane", "truck", "car"};
    char images_path[AUXO__PATH_SIZE], labels_path[AUXO__PATH_SIZE];
    uint8_t *images = NULL, *labels = NULL;
    size_t images_size = 0, labels_size = 0;
    auxo_status status = auxo__source_read(options, "small-norb", labels_name, labels_path, sizeof labels_path,
                                           (size_t)1 << 20, &labels, &labels_size, error);
    if (status == AUXO_OK)
        status = auxo__source_read(options, "small-norb", images_name, images_path, sizeof images_path,
                                   (size_t)512 << 20, &images, &images_size, error);
    if (status == AUXO_OK)
        status = auxo__norb_dataset(images_path, images, images_size, labels_path, labels, labels_size, options->limit,
                                    dataset, error);
    free(images);
    free(labels);
    if (status != AUXO_OK)
        return status;
    (*dataset)->target_names = auxo__names_copy(classes, CLASSES);
    if (!(*dataset)->target_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "small-norb: no memory for class names");
    return AUXO_OK;
}

auxo_status auxo__load_small_norb(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                  auxo_error *error)
{
    auxo_status status = load_pair(options, "smallnorb-5x46789x9x18x6x2x96x96-training-dat.mat",
                                   "smallnorb-5x46789x9x18x6x2x96x96-training-cat.mat", train, error);
    if (status == AUXO_OK)
        status = load_pair(options, "smallnorb-5x01235x9x18x6x2x96x96-testing-dat.mat",
                           "smallnorb-5x01235x9x18x6x2x96x96-testing-cat.mat", test, error);
    return status;
}

/* idx.c: reads IDX files (big-endian: 0, 0, type, rank, sizes, values) of unsigned bytes, and the sets made of them.
 *
 * Layout as on yann.lecun.com/exdb/mnist: magic 2051 = images (count, height, width), 2049 = labels (count).
 */
#include "idx.h"

#include "dataset.h"
#include "loaders.h"
#include "source.h"

#include <stdlib.h>
#include <string.h>

static uint32_t big_endian_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

auxo_status auxo__idx_parse(const char *path, const uint8_t *bytes, size_t size, uint32_t rank, auxo__idx *idx,
                            auxo_error *error)
{
    uint32_t expected_magic = 0x0800u + rank;
    size_t header_size = 4 + 4 * (size_t)rank;
    if (rank == 0 || rank > AUXO__IDX_MAX_RANK)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: IDX rank %u asked for; 1 to 4 exist", path, rank);
    if (size < 4)
        return auxo_error_set(error, AUXO_FORMAT, "%s: %zu bytes, too short for an IDX file", path, size);
    uint32_t magic = big_endian_u32(bytes);
    if (magic != expected_magic)
        return auxo_error_set(error, AUXO_FORMAT, "%s: IDX magic is %u, expected %u (%u-dimensional bytes)", path,
                              magic, expected_magic, rank);
    if (size < header_size)
        return auxo_error_set(error, AUXO_FORMAT, "%s: %zu bytes, but an IDX header of rank %u has %zu", path, size,
                              rank, header_size);
    uint64_t value_count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        idx->sizes[i] = big_endian_u32(bytes + 4 + 4 * i);
        if (idx->sizes[i] != 0 && value_count > UINT64_MAX / idx->sizes[i])
            return auxo_error_set(error, AUXO_FORMAT, "%s: the sizes in the IDX header overflow", path);
        value_count *= idx->sizes[i];
    }
    if (value_count != size - header_size)
        return auxo_error_set(error, AUXO_FORMAT, "%s: the IDX header promises %llu bytes of data, the file holds %zu",
                              path, (unsigned long long)value_count, size - header_size);
    idx->rank = rank;
    idx->values = bytes + header_size;
    return AUXO_OK;
}

static auxo_status check_labels(const char *path, const auxo__idx *labels, uint32_t class_count, auxo_error *error)
{
    for (size_t i = 0; i < labels->sizes[0]; i++)
        if (labels->values[i] >= class_count)
            return auxo_error_set(error, AUXO_FORMAT, "%s: label %zu is %u, out of range 0 to %u", path, i,
                                  labels->values[i], class_count - 1);
    return AUXO_OK;
}

auxo_status auxo__idx_dataset(const char *name, const char *images_path, const uint8_t *images, size_t images_size,
                              const char *labels_path, const uint8_t *labels, size_t labels_size, uint32_t class_count,
                              size_t limit, auxo_dataset **dataset, auxo_error *error)
{
    auxo__idx image_idx = {0}, label_idx = {0};
    auxo_status status = auxo__idx_parse(images_path, images, images_size, 3, &image_idx, error);
    if (status == AUXO_OK)
        status = auxo__idx_parse(labels_path, labels, labels_size, 1, &label_idx, error);
    if (status != AUXO_OK)
        return status;
    if (image_idx.sizes[0] == 0 || image_idx.sizes[1] == 0 || image_idx.sizes[2] == 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: %u images of %u x %u pixels", images_path, image_idx.sizes[0],
                              image_idx.sizes[1], image_idx.sizes[2]);
    if (image_idx.sizes[0] != label_idx.sizes[0])
        return auxo_error_set(error, AUXO_FORMAT, "%s has %u images, but %s has %u labels", images_path,
                              image_idx.sizes[0], labels_path, label_idx.sizes[0]);
    status = check_labels(labels_path, &label_idx, class_count, error);
    if (status != AUXO_OK)
        return status;
    auxo__dataset_shape shape = {.row_count = auxo__limited(image_idx.sizes[0], limit),
                                 .channels = 1,
                                 .height = image_idx.sizes[1],
                                 .width = image_idx.sizes[2],
                                 .feature_type = AUXO_FEATURES_U8,
                                 .target_type = AUXO_TARGET_CLASS,
                                 .target_count = class_count};
    status = auxo__dataset_create(name, &shape, dataset, error);
    if (status != AUXO_OK)
        return status;
    memcpy((*dataset)->features, image_idx.values, shape.row_count * auxo__dataset_row_bytes(*dataset));
    for (size_t i = 0; i < shape.row_count; i++)
        (*dataset)->labels[i] = label_idx.values[i];
    return AUXO_OK;
}

/* What the named sets can have: 60,000 pictures of 28 x 28 take 45 MiB. A packed file that grows beyond is none. */
enum { IMAGES_LIMIT = 64 << 20, LABELS_LIMIT = 1 << 20 };

static auxo_status load_pair(const char *name, const auxo_data_options *options, const char *images_name,
                             const char *labels_name, auxo_dataset **dataset, auxo_error *error)
{
    char images_path[AUXO__PATH_SIZE], labels_path[AUXO__PATH_SIZE];
    uint8_t *images = NULL, *labels = NULL;
    size_t images_size = 0, labels_size = 0;
    auxo_status status = auxo__source_read(options, name, labels_name, labels_path, sizeof labels_path, LABELS_LIMIT,
                                           &labels, &labels_size, error);
    if (status == AUXO_OK)
        status = auxo__source_read(options, name, images_name, images_path, sizeof images_path, IMAGES_LIMIT, &images,
                                   &images_size, error);
    if (status == AUXO_OK)
        status = auxo__idx_dataset(name, images_path, images, images_size, labels_path, labels, labels_size, 10,
                                   options->limit, dataset, error);
    free(images);
    free(labels);
    return status;
}

static auxo_status load_mnist_like(const char *name, const char *const class_names[10],
                                   const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                   auxo_error *error)
{
    auxo_status status = load_pair(name, options, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", train, error);
    if (status == AUXO_OK)
        status = load_pair(name, options, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", test, error);
    if (status != AUXO_OK)
        return status;
    (*train)->target_names = auxo__names_copy(class_names, 10);
    (*test)->target_names = auxo__names_copy(class_names, 10);
    if (!(*train)->target_names || !(*test)->target_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for class names", name);
    return AUXO_OK;
}

auxo_status auxo__load_mnist(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                             auxo_error *error)
{
    static const char *const digits[10] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    return load_mnist_like("mnist", digits, options, train, test, error);
}

auxo_status auxo__load_fashion_mnist(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                     auxo_error *error)
{
    static const char *const clothes[10] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                            "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    return load_mnist_like("fashion-mnist", clothes, options, train, test, error);
}

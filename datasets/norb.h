/* norb.h: the matrix format of small NORB (internal to this folder). */
#ifndef AUXO_DATASETS_NORB_H
#define AUXO_DATASETS_NORB_H

#include "auxo/data.h"

enum { AUXO__NORB_MAX_RANK = 8 };

/* A view into a matrix file: magic, rank, at least three sizes, values; all little-endian. */
typedef struct auxo__norb_matrix {
    uint32_t rank;
    uint32_t sizes[AUXO__NORB_MAX_RANK];
    bool is_bytes;         /* unsigned bytes; otherwise 32-bit integers */
    const uint8_t *values; /* product(sizes) values, unaligned */
} auxo__norb_matrix;

/* Checks magic, rank and that the sizes say exactly how many bytes there are. */
auxo_status auxo__norb_parse(const char *path, const uint8_t *bytes, size_t size, auxo__norb_matrix *matrix,
                             auxo_error *error);
/* A class data set (5 classes, 2 channels: left and right camera) from image and category matrices. */
auxo_status auxo__norb_dataset(const char *images_path, const uint8_t *images, size_t images_size,
                               const char *labels_path, const uint8_t *labels, size_t labels_size, size_t limit,
                               auxo_dataset **dataset, auxo_error *error);

#endif

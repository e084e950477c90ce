/* idx.h: the IDX format of MNIST and its descendants (internal to this folder). */
#ifndef AUXO_DATASETS_IDX_H
#define AUXO_DATASETS_IDX_H

#include "auxo/data.h"

enum { AUXO__IDX_MAX_RANK = 4 };

/* A view into the bytes of an IDX file of unsigned bytes. */
typedef struct auxo__idx {
    uint32_t rank;
    uint32_t sizes[AUXO__IDX_MAX_RANK];
    const uint8_t *values; /* product(sizes) bytes */
} auxo__idx;

/* Checks magic, rank and that the sizes say exactly how many bytes there are. `path` is only named in messages. */
auxo_status auxo__idx_parse(const char *path, const uint8_t *bytes, size_t size, uint32_t rank, auxo__idx *idx,
                            auxo_error *error);
/* A class data set from an image file and its label file. Errors also: counts that differ, labels out of range. */
auxo_status auxo__idx_dataset(const char *name, const char *images_path, const uint8_t *images, size_t images_size,
                              const char *labels_path, const uint8_t *labels, size_t labels_size, uint32_t class_count,
                              size_t limit, auxo_dataset **dataset, auxo_error *error);

#endif

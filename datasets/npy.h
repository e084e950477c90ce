/* npy.h: arrays of NumPy's .npy format, alone in a file or as members of a .npz archive (internal to this folder). */
#ifndef AUXO_DATASETS_NPY_H
#define AUXO_DATASETS_NPY_H

#include "mapped.h"

typedef struct auxo__npy {
    auxo__mapping *file; /* one user; NULL: there is no such array */
    char path[512];      /* for messages: the file, and the member */
    const uint8_t *values;
    auxo_element element;
    uint32_t rank;
    uint64_t dims[AUXO_ARRAY_RANK_MAX];
    uint64_t strides[AUXO_ARRAY_RANK_MAX]; /* bytes */
} auxo__npy;

void auxo__npy_deinit(auxo__npy *array);
/* Strides of an array without gaps: the last axis is the fastest, or the first (Fortran's order). */
void auxo__npy_lay_out(auxo__npy *array, bool columns_first);
/* Errors: NOT_FOUND, IO; FORMAT for what is no array of numbers of this machine's byte order, or cut off. */
auxo_status auxo__npy_open(const char *path, auxo__npy *array, auxo_error *error);
/* An array in bytes [offset, offset + size) of `file`, which gets another user. */
auxo_status auxo__npy_parse(const char *path, auxo__mapping *file, uint64_t offset, uint64_t size, auxo__npy *array,
                            auxo_error *error);
/* Opens the member of the .npz archive that has the first of `names` that there is ("x_train" is x_train.npy), at
 * most `count`; *array stays empty where there is none. Compressed members are read into memory. `names` NULL: any
 * member, number `count`. */
auxo_status auxo__npz_open(auxo__mapping *archive, const char *const *names, size_t count, auxo__npy *array,
                           auxo_error *error);

#endif

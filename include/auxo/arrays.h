/* auxo/arrays.h: arrays of numbers in the caller's memory, as rows to train, evaluate or predict on.
 *
 * An array says where its numbers lie and how far apart they are, so that what another program holds (NumPy, a buffer
 * of one's own) becomes a data set without being written to a file. What their axes and types mean is the same as for
 * .npy files: inputs of (rows, columns) are a table, (rows, H, W) grey pictures, (rows, H, W, C) or (rows, C, H, W)
 * pictures of 1, 3 or 4 channels; uint8 is bytes, scaled to 0..1 as pictures are, every other type numbers.
 */
#ifndef AUXO_ARRAYS_H
#define AUXO_ARRAYS_H

#include "auxo/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, bytes, type as in .npy): types of the elements of arrays, in this machine's byte order. */
#define AUXO_ELEMENT_TABLE(X)                                                                                          \
    X(BOOL, 1, "|b1")                                                                                                  \
    X(U8, 1, "|u1")                                                                                                    \
    X(I8, 1, "|i1")                                                                                                    \
    X(U16, 2, "<u2")                                                                                                   \
    X(I16, 2, "<i2")                                                                                                   \
    X(U32, 4, "<u4")                                                                                                   \
    X(I32, 4, "<i4")                                                                                                   \
    X(U64, 8, "<u8")                                                                                                   \
    X(I64, 8, "<i8")                                                                                                   \
    X(F16, 2, "<f2")                                                                                                   \
    X(F32, 4, "<f4")                                                                                                   \
    X(F64, 8, "<f8")
typedef enum auxo_element {
#define AUXO_ELEMENT_ENUM(name, bytes, text) AUXO_ELEMENT_##name,
    AUXO_ELEMENT_TABLE(AUXO_ELEMENT_ENUM)
#undef AUXO_ELEMENT_ENUM
        AUXO_ELEMENT_COUNT
} auxo_element;

enum { AUXO_ARRAY_RANK_MAX = 8 };

/* Borrowed numbers. Axis 0 counts rows. */
typedef struct auxo_array {
    const void *values; /* of element 0 of every axis; NULL: there is no such array */
    auxo_element element;
    uint32_t rank;
    uint64_t dims[AUXO_ARRAY_RANK_MAX];
    uint64_t strides[AUXO_ARRAY_RANK_MAX]; /* bytes from one element to the next along each axis; all 0: the last axis
                                            * is the fastest, without gaps */
} auxo_array;

/* Rows in memory. Zero-initialise it. Ownership: all of it is borrowed, until the data set made of it is destroyed;
 * where a run is opened on it, until that run is closed. */
typedef struct auxo_arrays {
    const char *name; /* in messages and reports; NULL: "arrays" */
    auxo_array inputs;
    auxo_array labels;        /* integers and booleans: classes; floats: real targets; (rows) or (rows, targets) */
    auxo_array times, events; /* (rows) each, instead of labels: survival; events are 0 and 1 */
    const char *const *input_names; /* (columns) of a table, by which a model knows its inputs; NULL: x1, x2, ... */
    const char *const *class_names; /* (class_count) labels are 0 .. class_count - 1 and mean these; NULL: classes are
                                     * the distinct labels, named by their numbers */
    uint32_t class_count;
    auxo_array
        groups; /* (rows) whole numbers: rows of one number, for example a patient's, stay together in any split */
    auxo_array sites;              /* (rows) whole numbers: where rows come from, for example a hospital */
    const char *const *site_names; /* (site_count) sites are 0 .. site_count - 1 and mean these; NULL: the distinct
                                    * numbers are the names. With groups or sites, rows are copied. */
    uint32_t site_count;
} auxo_arrays;

/* Writes arrays as NumPy's files: one alone (.npy), or `count` of them by their names (.npz, not packed). The file
 * appears complete or not at all. Errors: IO; INVALID_ARGUMENT for another ending, arrays with gaps, a name of more
 * than 59 bytes. */
AUXO_API auxo_status auxo_arrays_write(const char *path, const char *const *names, const auxo_array *arrays,
                                       size_t count, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif

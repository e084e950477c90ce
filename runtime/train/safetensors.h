/* safetensors.h: named tensors and text metadata in one file of the safetensors format.
 *
 * Format: u64 little-endian header length, JSON header {"__metadata__": {...}, name: {dtype, shape, data_offsets}},
 * data. Knows nothing of models. Files are replaced as a whole (file.h). A file written with a checksum carries it in
 * its metadata, "auxo.checksum": XXH3 (64 bits) over all bytes of the file with sixteen zeros in the checksum's place.
 */
#ifndef AUXO_TRAIN_SAFETENSORS_H
#define AUXO_TRAIN_SAFETENSORS_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUXO__DIMS_MAX = 8 };
/* X(NAME, bytes): the types of the format that are written and read. */
#define AUXO__DTYPE_TABLE(X)                                                                                           \
    X(F32, 4)                                                                                                          \
    X(F64, 8)                                                                                                          \
    X(F16, 2)                                                                                                          \
    X(BF16, 2)                                                                                                         \
    X(I64, 8)
typedef enum auxo__dtype {
#define AUXO__DTYPE_ENUM(name, bytes) AUXO__##name,
    AUXO__DTYPE_TABLE(AUXO__DTYPE_ENUM)
#undef AUXO__DTYPE_ENUM
        AUXO__DTYPE_COUNT
} auxo__dtype;

typedef struct auxo__tensor_entry {
    const char *name;
    auxo__dtype type;
    uint32_t rank;
    const int64_t *dims;
    const void *values; /* little-endian hosts only */
} auxo__tensor_entry;
uint64_t auxo__tensor_bytes(const auxo__tensor_entry *tensor);

typedef struct auxo__metadata_entry {
    const char *key, *value;
} auxo__metadata_entry;

/* Errors: IO, OUT_OF_MEMORY; the old file then stays. */
auxo_status auxo__safetensors_write(const char *path, const auxo__tensor_entry *tensors, size_t tensor_count,
                                    const auxo__metadata_entry *metadata, size_t metadata_count, bool checksum,
                                    auxo_error *error);

typedef struct auxo__safetensors auxo__safetensors; /* a file read into memory */

/* Errors: IO, or FORMAT with what is wrong in the file. */
auxo_status auxo__safetensors_read(const char *path, auxo__safetensors **file, auxo_error *error);
/* The same of bytes that were read from `path`; they are the file's from here on, also after a failure. */
auxo_status auxo__safetensors_parse(const char *path, char *bytes, uint64_t size_bytes, auxo__safetensors **file,
                                    auxo_error *error);
/* The header alone: metadata and shapes, no values. */
auxo_status auxo__safetensors_read_header(const char *path, auxo__safetensors **file, auxo_error *error);
void auxo__safetensors_free(auxo__safetensors *file);
/* The text under prefix + key; NULL if absent; borrowed from the file. */
const char *auxo__safetensors_metadata(const auxo__safetensors *file, const char *prefix, const char *key);
/* Copies the values of a tensor of exactly that shape and type; where F32 is asked for, F16 and BF16 are widened, which
 * is exact. Errors: FORMAT names the tensor. */
auxo_status auxo__safetensors_copy(const auxo__safetensors *file, const char *prefix, const char *name,
                                   auxo__dtype type, uint32_t rank, const int64_t *dims, void *values,
                                   auxo_error *error);
/* The length of a tensor of rank 1; false if there is no such tensor. */
bool auxo__safetensors_length(const auxo__safetensors *file, const char *prefix, const char *name, int64_t *length);
/* A tensor as it lies in the file, borrowed; false if there is none of that name. tensor->dims points to `dims`.
 * Unaligned: copy its values out. */
bool auxo__safetensors_find(const auxo__safetensors *file, const char *prefix, const char *name,
                            int64_t dims[AUXO__DIMS_MAX], auxo__tensor_entry *tensor);
/* Values as they lie in a file, rounded where they are wider; false if they are integers. */
bool auxo__tensor_to_floats(auxo__dtype type, const void *values, uint64_t count, float *floats);
/* Calls `visit` with the name of every tensor. */
void auxo__safetensors_visit(const auxo__safetensors *file, void (*visit)(void *user, const char *name), void *user);

#endif

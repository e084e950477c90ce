/* safetensors.h: named f32 tensors and text metadata in one file of the safetensors format.
 *
 * Format: u64 little-endian header length, JSON header {"__metadata__": {...}, name: {dtype, shape, data_offsets}},
 * data. Knows nothing of models. Only F32 tensors are written or accepted.
 */
#ifndef AUXO_TRAIN_SAFETENSORS_H
#define AUXO_TRAIN_SAFETENSORS_H

#include "auxo/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct auxo__tensor_entry {
    const char *name;
    uint32_t rank;
    const int64_t *dims;
    const float *values; /* little-endian hosts only */
} auxo__tensor_entry;

typedef struct auxo__metadata_entry {
    const char *key, *value;
} auxo__metadata_entry;

/* Writes and syncs the file; removes it again on failure. *hash (may be NULL): of all its bytes. */
auxo_status auxo__safetensors_write(const char *path, const auxo__tensor_entry *tensors, size_t tensor_count,
                                    const auxo__metadata_entry *metadata, size_t metadata_count, uint64_t *hash,
                                    auxo_error *error);

typedef struct auxo__safetensors auxo__safetensors; /* a file read into memory */

/* Errors: IO, or FORMAT with what is wrong in the file. */
auxo_status auxo__safetensors_read(const char *path, auxo__safetensors **file, auxo_error *error);
/* The header alone: metadata and shapes, no values. */
auxo_status auxo__safetensors_read_header(const char *path, auxo__safetensors **file, auxo_error *error);
void auxo__safetensors_free(auxo__safetensors *file);
uint64_t auxo__safetensors_hash(const auxo__safetensors *file);
/* NULL if absent; borrowed from the file. */
const char *auxo__safetensors_metadata(const auxo__safetensors *file, const char *key);
/* Copies the values of a tensor of exactly that shape. Errors: FORMAT names the tensor. */
auxo_status auxo__safetensors_copy(const auxo__safetensors *file, const char *name, uint32_t rank, const int64_t *dims,
                                   float *values, auxo_error *error);
size_t auxo__safetensors_tensor_count(const auxo__safetensors *file);

#endif

/* dataset.h: how readers and generators make an auxo_dataset (internal to this folder).
 *
 * Owns allocation of the struct and its parts. Every part is its own malloc block, so that auxo_dataset_destroy can
 * free whatever is there, complete or not.
 */
#ifndef AUXO_DATASETS_DATASET_H
#define AUXO_DATASETS_DATASET_H

#include "auxo/data.h"

typedef struct auxo__dataset_shape {
    size_t row_count;
    int64_t channels, height, width;
    auxo_feature_type feature_type;
    auxo_target_type target_type;
    uint32_t target_count; /* classes (TARGET_CLASS) or columns (TARGET_REAL); ignored for survival */
} auxo__dataset_shape;

/* A zero-filled data set of that shape with its labels, targets, or times and events. Ownership: the caller's. */
auxo_status auxo__dataset_create(const char *name, const auxo__dataset_shape *shape, auxo_dataset **dataset,
                                 auxo_error *error);
/* malloc(count * size), at least one byte; NULL also when the product overflows. */
void *auxo__array(size_t count, size_t size);
/* Copies of `count` strings, or NULL when memory is short. Ownership: the caller's (auxo__names_destroy). */
char **auxo__names_copy(const char *const *names, size_t count);
void auxo__names_destroy(char **names, size_t count);
/* Names of features, targets and sites. False: no memory. */
bool auxo__dataset_copy_names(const auxo_dataset *from, auxo_dataset *to);
/* Replaces *dataset by its first `limit` rows; 0: no limit. */
auxo_status auxo__limit_rows(auxo_dataset **dataset, size_t limit, auxo_error *error);
size_t auxo__dataset_row_bytes(const auxo_dataset *dataset);
/* min(available, limit), where limit 0 means no limit. */
size_t auxo__limited(size_t available, size_t limit);

#endif

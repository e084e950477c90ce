/* cifar.h: the binary record format of CIFAR-10 and CIFAR-100 (internal to this folder). */
#ifndef AUXO_DATASETS_CIFAR_H
#define AUXO_DATASETS_CIFAR_H

#include "auxo/data.h"

enum { AUXO__CIFAR_PIXEL_BYTES = 3 * 32 * 32 };

/* Counts the records of a file: label_bytes labels (the last is used), then 3 planes of 32x32. Checks that the file is
 * a whole number of records and that every label is below class_count. */
auxo_status auxo__cifar_check(const char *path, const uint8_t *bytes, size_t size, size_t label_bytes,
                              uint32_t class_count, size_t *record_count, auxo_error *error);

#endif

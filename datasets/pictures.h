/* pictures.h: a list of picture files as the rows of a data set (internal to this folder). */
#ifndef AUXO_DATASETS_PICTURES_H
#define AUXO_DATASETS_PICTURES_H

#include "auxo/data.h"

typedef struct auxo__picture_list {
    const char *folder; /* that paths are relative to */
    char *const *paths; /* (count) */
    size_t count;
    const auxo_picture_rule *rule;
    auxo_target_type target_type; /* of the data set that is made; its labels and targets are zero */
    uint32_t target_count;
} auxo__picture_list;

/* Reads all pictures. Bytes; f32 from 0 to 1 where a picture has 16 bits. All must have one size and kind after the
 * rule. The paths become row names. Errors: of decoding, and FORMAT for a size that differs. */
auxo_status auxo__pictures_read(const char *name, const auxo__picture_list *list, auxo_dataset **dataset,
                                auxo_error *error);

/* Makes numbers from 0 to 1 of the bytes of the first `row_count` rows, which is what bytes mean to a model anyway; of
 * numbers nothing. */
auxo_status auxo__pictures_widen(auxo_dataset *dataset, size_t row_count, auxo_error *error);

#endif

/* array_set.h: arrays, of files or of the caller's memory, as a data set (internal to this folder). */
#ifndef AUXO_DATASETS_ARRAY_SET_H
#define AUXO_DATASETS_ARRAY_SET_H

#include "npy.h"

typedef struct auxo__array_source {
    const char *name;
    const auxo__npy *inputs, *labels; /* labels->file NULL: there are none */
    const char *const *input_names;   /* (columns) of a table; NULL: x1, x2, ... */
    const char *const *class_names;   /* (class_count) what labels 0 .. class_count - 1 mean; NULL: by their numbers */
    uint32_t class_count;
} auxo__array_source;

/* *made may be incomplete after a failure; destroy it. Errors: FORMAT names the array, the row and the value. */
auxo_status auxo__array_set(const auxo__array_source *source, const auxo_data_options *options, auxo_dataset **made,
                            auxo_error *error);
/* Options by which test rows get the classes and offsets of the training rows. */
auxo_data_options auxo__array_form(const auxo_dataset *train, const auxo_data_options *options);

#endif

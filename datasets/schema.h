/* schema.h: how readers make and carry a data schema (internal to this folder). */
#ifndef AUXO_DATASETS_SCHEMA_H
#define AUXO_DATASETS_SCHEMA_H

#include "auxo/data.h"

/* A schema of what a data set's own fields say: shape, targets, class names; no inputs. NULL without memory. */
auxo_data_schema *auxo__schema_of_fields(const auxo_dataset *dataset);
/* Frees the inputs of a schema and leaves it without any. */
/* Features of the columns, without the channels of pictures beside them. */
size_t auxo__schema_width(const auxo_data_schema *schema);
void auxo__schema_clear_inputs(auxo_data_schema *schema);
/* Whether a set of pictures or of a generator fits a model's schema. Errors: FORMAT with both shapes or classes. */
auxo_status auxo__schema_check_fields(const auxo_data_schema *schema, const auxo_dataset *dataset, auxo_error *error);
/* Appends to a note of `size` bytes, "; " between the parts; what does not fit ends in "..". */
void auxo__note_add(char *note, size_t size, const char *format, ...) AUXO_PRINTF(3, 4);

#endif

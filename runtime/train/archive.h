/* archive.h: several models, optimiser states, arrays and texts in one safetensors file with a checksum over all of it.
 *
 * What belongs to one thing has one prefix. The main model has none, so that the archive is a model file as well and
 * other tools find its tensors under their own names; everything else has a prefix that ends in '/'.
 */
#ifndef AUXO_TRAIN_ARCHIVE_H
#define AUXO_TRAIN_ARCHIVE_H

#include "safetensors.h"

#include "auxo/train.h"

#include <stdbool.h>

typedef struct auxo__archive auxo__archive;

/* ---- writing: collected in memory, written at once ---- */
auxo_status auxo__archive_create(auxo__archive **archive, auxo_error *error);
void auxo__archive_destroy(auxo__archive *archive);
/* Names and texts are copied; prefix and name are joined. Errors: OUT_OF_MEMORY. */
auxo_status auxo__archive_put_text(auxo__archive *archive, const char *prefix, const char *key, const char *text,
                                   auxo_error *error);
/* Room for a tensor, to be filled by the caller; NULL when out of memory. */
void *auxo__archive_put(auxo__archive *archive, const char *prefix, const char *name, auxo__dtype type, uint32_t rank,
                        const int64_t *dims, auxo_error *error);
auxo_status auxo__archive_put_floats(auxo__archive *archive, const char *prefix, const char *name, const float *values,
                                     size_t count, auxo_error *error);
auxo_status auxo__archive_put_doubles(auxo__archive *archive, const char *prefix, const char *name,
                                      const double *values, size_t count, auxo_error *error);
auxo_status auxo__archive_put_model(auxo__archive *archive, const char *prefix, auxo_model *model, auxo_error *error);
/* The floats of a device buffer. */
auxo_status auxo__archive_put_buffer(auxo__archive *archive, const char *prefix, const char *name, auxo_queue *queue,
                                     auxo_buffer *buffer, size_t count, auxo_error *error);
auxo_status auxo__archive_put_trainer(auxo__archive *archive, const char *prefix, auxo_trainer *trainer,
                                      auxo_error *error);
auxo_status auxo__archive_write(const auxo__archive *archive, const char *path, auxo_error *error);

/* ---- reading ---- */
/* Errors: NOT_FOUND, IO; FORMAT also if any byte has changed since it was written. Ownership: destroy. */
auxo_status auxo__archive_read(const char *path, auxo__archive **archive, auxo_error *error);
/* The same of bytes that were read from `path`; they are the archive's from here on, also after a failure. */
auxo_status auxo__archive_parse(const char *path, char *bytes, size_t size_bytes, auxo__archive **archive,
                                auxo_error *error);
const char *auxo__archive_text(const auxo__archive *archive, const char *prefix, const char *key); /* NULL: none */
bool auxo__archive_has(const auxo__archive *archive, const char *prefix, const char *name);        /* a tensor */
/* A list of any length. Ownership: free(*values). Errors: FORMAT names the tensor. */
auxo_status auxo__archive_get_doubles(const auxo__archive *archive, const char *prefix, const char *name,
                                      double **values, size_t *count, auxo_error *error);
auxo_status auxo__archive_get_floats(const auxo__archive *archive, const char *prefix, const char *name, float *values,
                                     size_t count, auxo_error *error);
auxo_status auxo__archive_get_buffer(const auxo__archive *archive, const char *prefix, const char *name,
                                     auxo_queue *queue, auxo_buffer *buffer, size_t count, auxo_error *error);
bool auxo__archive_has_model(const auxo__archive *archive, const char *prefix);
auxo_status auxo__archive_get_model(const auxo__archive *archive, const char *prefix, auxo_device *device,
                                    auxo_model **model, auxo_error *error);
/* Into a trainer created with the same options and data on a model of the same structure: weights, statistics,
 * optimiser, counters. The model's tensors are those of `model_prefix`. */
auxo_status auxo__archive_get_trainer(const auxo__archive *archive, const char *prefix, const char *model_prefix,
                                      auxo_trainer *trainer, auxo_error *error);

/* ---- model_file.c, for archives ---- */
/* What the archive's model standardises by, into a model that has nothing yet; does nothing where there is none. */
auxo_status auxo__archive_get_preprocessing(const auxo__archive *archive, const char *prefix, auxo_model *model,
                                            auxo_error *error);
auxo_status auxo__model_fill(auxo_model *model, const auxo__safetensors *file, const char *prefix, auxo_error *error);
auxo_status auxo__model_build(auxo_device *device, const auxo__safetensors *file, const char *prefix,
                              auxo_model **model, auxo_error *error);
const auxo__safetensors *auxo__archive_file(const auxo__archive *archive);

#endif

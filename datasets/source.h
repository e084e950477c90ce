/* source.h: where the files of a data set are (internal to this folder).
 *
 * The search path is options->data_dir alone when given; otherwise AUXO_DATA_DIR, then ~/.cache/auxo.
 */
#ifndef AUXO_DATASETS_SOURCE_H
#define AUXO_DATASETS_SOURCE_H

#include "auxo/data.h"

enum { AUXO__PATH_SIZE = 4096 };

/* Writes the path of the first existing `folder` on the search path. Errors: NOT_FOUND lists what was searched. */
auxo_status auxo__source_folder(const auxo_data_options *options, const char *folder, char *path, size_t path_size,
                                auxo_error *error);
/* Writes the path of `name`, `name`.gz or `name`.xz in `folder_path`, the first that exists. Errors: NOT_FOUND. */
auxo_status auxo__source_file(const char *folder_path, const char *name, char *path, size_t path_size,
                              auxo_error *error);
/* Finds and reads a file of a named set, unpacked, which is known to have at most `limit` bytes; `path` receives where
 * it was found. Ownership: free(*bytes). */
auxo_status auxo__source_read(const auxo_data_options *options, const char *folder, const char *name, char *path,
                              size_t path_size, size_t limit, uint8_t **bytes, size_t *size, auxo_error *error);

#endif

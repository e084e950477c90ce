/* file.h: whole-file reading and all-or-nothing writing, for caches, tuning data and whatever must survive a kill.
 */
#ifndef AUXO_DEVICE_FILE_H
#define AUXO_DEVICE_FILE_H

#include "auxo/status.h"

#include <stddef.h>

/* Reads a file and adds a terminating 0. Ownership: free(*data). Errors: NOT_FOUND, IO, OUT_OF_MEMORY. */
auxo_status auxo__file_read(const char *path, char **data, size_t *size_bytes, auxo_error *error);

/* Replaces a file: temporary file beside it, sync, rename, sync of the folder. The old content stays until the new one
 * is safe. Errors: IO. */
auxo_status auxo__file_write_atomic(const char *path, const void *data, size_t size_bytes, auxo_error *error);

/* Creates `path` and its parents if they do not exist. Errors: IO. */
auxo_status auxo__make_folder(const char *path, auxo_error *error);

#endif

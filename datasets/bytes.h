/* bytes.h: a whole file in memory, unpacked (internal to this folder).
 *
 * gzip and xz are recognised by their first bytes, not by the file's name.
 */
#ifndef AUXO_DATASETS_BYTES_H
#define AUXO_DATASETS_BYTES_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Reads `path` and unpacks it when it is gzip (any number of members) or xz. A zero byte follows the data (not
 * counted in *size), so that text can be scanned. Ownership: the caller's, free(). Errors: NOT_FOUND; IO; FORMAT for a
 * cut-off or corrupt stream, for stray bytes after it, and for more than 4 GiB unpacked. */
auxo_status auxo__bytes_read(const char *path, uint8_t **bytes, size_t *size, auxo_error *error);
/* The same for a file that is known to have at most `limit` bytes; FORMAT for more, before memory is taken for them. */
auxo_status auxo__bytes_read_limited(const char *path, size_t limit, uint8_t **bytes, size_t *size, auxo_error *error);

/* Opens a regular file for reading; *packed: whether it is gzip or xz. Errors: NOT_FOUND, IO. */
auxo_status auxo__bytes_open(const char *path, FILE **file, bool *packed, auxo_error *error);

/* The same on a packed file already in memory; `path` is only named in messages. */
auxo_status auxo__bytes_unpack(const char *path, const uint8_t *packed, size_t packed_size, uint8_t **bytes,
                               size_t *size, auxo_error *error);

#endif

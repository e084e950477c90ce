/* backends/common/cache_file.h: what a driver compiled, kept in a file of the cache folder.
 *
 * Layout: magic, the lengths of key and data, a checksum of both (xxh3), the key (what it was compiled from and for),
 * the data. A file is written under a name of its own, synced and renamed, so that a reader never sees half of one.
 */
#ifndef COMMON_CACHE_FILE_H
#define COMMON_CACHE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 64 bits of `size` bytes, mixed into `seed`. */
uint64_t common_hash(uint64_t seed, const void *data, size_t size);

typedef enum common_cache_result { COMMON_CACHE_GOOD, COMMON_CACHE_ABSENT, COMMON_CACHE_DAMAGED } common_cache_result;

/* The data, to be freed by the caller, if the file is whole and has this key. DAMAGED: it is there and is not, or there
 * is no memory to read it. */
common_cache_result common_cache_read(const char *path, const char *key, void **data, size_t *size);
/* Replaces the file; false with errno set, and nothing left behind, where that fails. */
bool common_cache_write(const char *path, const char *key, const void *data, size_t size);

#endif

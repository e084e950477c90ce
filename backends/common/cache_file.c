/* backends/common/cache_file.c: the layout of cache_file.h, written and read. */
#include "cache_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

typedef struct cache_header {
    char magic[8];
    uint64_t key_size, data_size;
    uint64_t checksum; /* of key and data */
} cache_header;

static const char cache_magic[8] = "AUXOC01";
static const uint64_t data_max_bytes = UINT64_C(1) << 30;

uint64_t common_hash(uint64_t seed, const void *data, size_t size)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

static uint64_t checksum_of(const char *key, size_t key_size, const void *data, size_t size)
{
    return common_hash(common_hash(0, key, key_size), data, size);
}

static bool read_open(FILE *file, const char *key, void **data, size_t *size)
{
    cache_header header;
    const size_t key_size = strlen(key);
    if (fread(&header, sizeof header, 1, file) != 1 || memcmp(header.magic, cache_magic, sizeof header.magic) != 0 ||
        header.key_size != key_size || header.data_size == 0 || header.data_size > data_max_bytes)
        return false;
    const size_t total = key_size + (size_t)header.data_size;
    char *bytes = malloc(total);
    if (!bytes)
        return false;
    if (fread(bytes, 1, total, file) != total || memcmp(bytes, key, key_size) != 0 ||
        checksum_of(bytes, key_size, bytes + key_size, (size_t)header.data_size) != header.checksum) {
        free(bytes);
        return false;
    }
    memmove(bytes, bytes + key_size, (size_t)header.data_size);
    *data = bytes;
    *size = (size_t)header.data_size;
    return true;
}

common_cache_result common_cache_read(const char *path, const char *key, void **data, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return COMMON_CACHE_ABSENT;
    const bool good = read_open(file, key, data, size);
    fclose(file);
    return good ? COMMON_CACHE_GOOD : COMMON_CACHE_DAMAGED;
}

static bool write_open(FILE *file, const char *key, const void *data, size_t size)
{
    const size_t key_size = strlen(key);
    cache_header header = {.key_size = key_size, .data_size = size, .checksum = checksum_of(key, key_size, data, size)};
    memcpy(header.magic, cache_magic, sizeof header.magic);
    return fwrite(&header, sizeof header, 1, file) == 1 && fwrite(key, 1, key_size, file) == key_size &&
           fwrite(data, 1, size, file) == size && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

bool common_cache_write(const char *path, const char *key, const void *data, size_t size)
{
    char temporary[4096];
    const int length = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return false;
    }
    const int descriptor = mkstemp(temporary);
    if (descriptor < 0)
        return false;
    FILE *file = fdopen(descriptor, "wb");
    bool good = file && write_open(file, key, data, size);
    int failure = errno;
    if ((file ? fclose(file) : close(descriptor)) != 0 && good) {
        good = false;
        failure = errno;
    }
    if (good && rename(temporary, path) == 0)
        return true;
    failure = good ? errno : failure;
    remove(temporary);
    errno = failure;
    return false;
}

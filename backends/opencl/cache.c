/* backends/opencl/cache.c: compiled programs as files of the cache folder.
 *
 * Layout of "opencl-<hash>.bin": cache_header, the key text, the binary. The hash covers source, options and the
 * identity of device and driver; key and checksum are compared on reading, and a file that does not match is removed.
 * Files are written under a temporary name and renamed, so that a reader never sees half of one.
 */
#include "ocl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct cache_header {
    char magic[8];
    uint64_t hash;
    uint64_t key_size;
    uint64_t binary_size;
    uint64_t checksum; /* of key and binary */
} cache_header;

static const char cache_magic[8] = "AUXOCL1";
static const uint64_t cache_binary_max_bytes = 1u << 30;

/* FNV-1a, 64 bits; start with hash 0. */
uint64_t ocl_hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    if (hash == 0)
        hash = 14695981039346656037u;
    for (size_t i = 0; i < size; ++i)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static bool cache_path(const ocl_device *device, uint64_t hash, char *path, size_t size)
{
    if (!device->host.cache_dir)
        return false;
    int length = snprintf(path, size, "%s/opencl-%016llx.bin", device->host.cache_dir, (unsigned long long)hash);
    return length > 0 && (size_t)length < size;
}

void ocl_cache_discard(const ocl_device *device, uint64_t hash)
{
    char path[4096];
    if (cache_path(device, hash, path, sizeof path) && remove(path) == 0)
        ocl_log(&device->host, AUXO_LOG_WARNING, "OpenCL: removed damaged cache file %s", path);
}

static bool read_file(FILE *file, uint64_t hash, const char *key, unsigned char **binary, size_t *size)
{
    cache_header header;
    const size_t key_size = strlen(key);
    if (fread(&header, sizeof header, 1, file) != 1 || memcmp(header.magic, cache_magic, sizeof header.magic) != 0 ||
        header.hash != hash || header.key_size != key_size || header.binary_size == 0 ||
        header.binary_size > cache_binary_max_bytes)
        return false;
    const size_t total = key_size + (size_t)header.binary_size;
    unsigned char *data = malloc(total);
    if (!data)
        return false;
    if (fread(data, 1, total, file) != total || memcmp(data, key, key_size) != 0 ||
        ocl_hash(0, data, total) != header.checksum) {
        free(data);
        return false;
    }
    memmove(data, data + key_size, (size_t)header.binary_size);
    *binary = data;
    *size = (size_t)header.binary_size;
    return true;
}

bool ocl_cache_read(const ocl_device *device, uint64_t hash, const char *key, unsigned char **binary, size_t *size)
{
    char path[4096];
    if (!cache_path(device, hash, path, sizeof path))
        return false;
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    bool good = read_file(file, hash, key, binary, size);
    fclose(file);
    if (!good)
        ocl_cache_discard(device, hash);
    return good;
}

static bool write_file(int descriptor, uint64_t hash, const char *key, const unsigned char *binary, size_t size)
{
    const size_t key_size = strlen(key);
    cache_header header = {{0}, hash, key_size, size, ocl_hash(ocl_hash(0, key, key_size), binary, size)};
    memcpy(header.magic, cache_magic, sizeof header.magic);
    FILE *file = fdopen(descriptor, "wb");
    if (!file) {
        close(descriptor);
        return false;
    }
    bool good = fwrite(&header, sizeof header, 1, file) == 1 && fwrite(key, 1, key_size, file) == key_size &&
                fwrite(binary, 1, size, file) == size && fflush(file) == 0;
    return fclose(file) == 0 && good;
}

void ocl_cache_write(const ocl_device *device, uint64_t hash, const char *key, const unsigned char *binary, size_t size)
{
    char path[4096];
    char temporary[4096 + 16];
    if (!cache_path(device, hash, path, sizeof path))
        return;
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int descriptor = mkstemp(temporary);
    if (descriptor >= 0 && write_file(descriptor, hash, key, binary, size) && rename(temporary, path) == 0)
        return;
    ocl_log(&device->host, AUXO_LOG_WARNING, "OpenCL: cannot write cache file %s: %s", path, strerror(errno));
    if (descriptor >= 0)
        remove(temporary);
}

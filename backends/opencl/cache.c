/* backends/opencl/cache.c: compiled programs as files of the cache folder, one each (cache_file.h).
 *
 * "opencl-<hash>.bin": the hash covers source, options and the identity of device and driver. What does not match is
 * removed.
 */
#include "cache_file.h"
#include "ocl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

bool ocl_cache_read(const ocl_device *device, uint64_t hash, const char *key, unsigned char **binary, size_t *size)
{
    char path[4096];
    void *data = NULL;
    if (!cache_path(device, hash, path, sizeof path))
        return false;
    const common_cache_result result = common_cache_read(path, key, &data, size);
    if (result == COMMON_CACHE_DAMAGED)
        ocl_cache_discard(device, hash);
    *binary = data;
    return result == COMMON_CACHE_GOOD;
}

void ocl_cache_write(const ocl_device *device, uint64_t hash, const char *key, const unsigned char *binary, size_t size)
{
    char path[4096];
    if (cache_path(device, hash, path, sizeof path) && !common_cache_write(path, key, binary, size))
        ocl_log(&device->host, AUXO_LOG_WARNING, "OpenCL: cannot write cache file %s: %s", path, strerror(errno));
}

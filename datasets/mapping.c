/* mapping.c: see mapping.h.
 */
#include "mapping.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static auxo_status map_file(auxo__mapping *mapping, const char *path, auxo_error *error)
{
    struct stat info;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return auxo_error_set(error, errno == ENOENT ? AUXO_NOT_FOUND : AUXO_IO, "%s: %s", path, strerror(errno));
    auxo_status status = AUXO_OK;
    void *bytes = MAP_FAILED;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        status = auxo_error_set(error, AUXO_IO, "%s: not a regular file", path);
    else if (info.st_size == 0)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: the file is empty", path);
    else
        bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (status == AUXO_OK && bytes == MAP_FAILED)
        status = auxo_error_set(error, AUXO_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    if (status != AUXO_OK) {
        close(file);
        return status;
    }
    mapping->file = file;
    mapping->bytes = bytes;
    mapping->size = (uint64_t)info.st_size;
    mapping->path = auxo__text_duplicate(path);
    return mapping->path ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
}

auxo_status auxo__mapping_open(const char *path, auxo__mapping **mapping, auxo_error *error)
{
    *mapping = NULL;
    auxo__mapping *made = calloc(1, sizeof *made);
    if (!made)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
    atomic_init(&made->users, 1);
    const auxo_status status = map_file(made, path, error);
    if (status == AUXO_OK)
        *mapping = made;
    else
        auxo__mapping_release(made);
    return status;
}

auxo_status auxo__mapping_of_memory(const char *path, uint8_t *bytes, uint64_t size, auxo__mapping **mapping,
                                    auxo_error *error)
{
    auxo__mapping *made = *mapping = calloc(1, sizeof *made);
    if (!made) {
        free(bytes);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
    }
    atomic_init(&made->users, 1);
    made->in_memory = true;
    made->bytes = bytes;
    made->size = size;
    made->path = auxo__text_duplicate(path);
    return made->path ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
}

auxo_status auxo__mapping_borrow(const char *path, const uint8_t *bytes, auxo__mapping **mapping, auxo_error *error)
{
    auxo__mapping *made = *mapping = calloc(1, sizeof *made);
    if (!made || !(made->path = auxo__text_duplicate(path)))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
    atomic_init(&made->users, 1);
    made->borrowed = true;
    made->bytes = bytes;
    return AUXO_OK;
}

auxo__mapping *auxo__mapping_share(auxo__mapping *mapping)
{
    if (mapping)
        atomic_fetch_add(&mapping->users, 1);
    return mapping;
}

void auxo__mapping_release(auxo__mapping *mapping)
{
    if (!mapping || atomic_fetch_sub(&mapping->users, 1) > 1)
        return;
    if (mapping->in_memory)
        free((void *)(uintptr_t)mapping->bytes);
    else if (mapping->bytes && !mapping->borrowed)
        munmap((void *)(uintptr_t)mapping->bytes, (size_t)mapping->size);
    if (mapping->file)
        close(mapping->file);
    free((void *)mapping->verified);
    free(mapping->hashes);
    free(mapping->path);
    free(mapping);
}

auxo_status auxo__mapping_expect(auxo__mapping *mapping, uint64_t first_shard, uint64_t shard_bytes, uint64_t *hashes,
                                 uint64_t shard_count, auxo_error *error)
{
    mapping->hashes = hashes;
    mapping->first_shard = first_shard;
    mapping->shard_bytes = shard_bytes;
    mapping->verified = calloc((size_t)shard_count + 1, sizeof *mapping->verified);
    if (!mapping->verified)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", mapping->path);
    mapping->shard_count = shard_count;
    return AUXO_OK;
}

auxo_status auxo__mapping_check(const auxo__mapping *mapping, auxo_error *error)
{
    struct stat info;
    if (!mapping->file)
        return AUXO_OK;
    if (fstat(mapping->file, &info) != 0)
        return auxo_error_set(error, AUXO_IO, "%s: %s", mapping->path, strerror(errno));
    if ((uint64_t)info.st_size >= mapping->size)
        return AUXO_OK;
    return auxo_error_set(error, AUXO_IO,
                          "%s: it became shorter while it was read: %" PRIu64 " of %" PRIu64
                          " bytes are left; write it anew beside it and rename it, as data pack does",
                          mapping->path, (uint64_t)info.st_size, mapping->size);
}

auxo_status auxo__mapping_verify(auxo__mapping *mapping, uint64_t shard, auxo_error *error)
{
    if (shard >= mapping->shard_count || atomic_load_explicit(&mapping->verified[shard], memory_order_relaxed))
        return AUXO_OK;
    const uint8_t *at = mapping->bytes + mapping->first_shard + shard * mapping->shard_bytes;
    if (XXH3_64bits(at, (size_t)mapping->shard_bytes) != mapping->hashes[shard])
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s: shard %" PRIu64 " of %" PRIu64
                              " is not what was packed: its hash differs; pack the data again",
                              mapping->path, shard + 1, mapping->shard_count);
    atomic_store_explicit(&mapping->verified[shard], 1, memory_order_relaxed);
    return AUXO_OK;
}

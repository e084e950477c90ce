/* mapping.h: a file in the address space, shared by the data sets that lie in it (internal to this folder).
 *
 * The pages are the file's own: they cost no private memory, and the system takes them back when it needs them. Where
 * the file says the hash of each shard of it, a shard is compared with it before its first use.
 */
#ifndef AUXO_DATASETS_MAPPING_H
#define AUXO_DATASETS_MAPPING_H

#include "auxo/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct auxo__mapping {
    char *path;
    const uint8_t *bytes;
    uint64_t size;
    int file;                                       /* open; 0 for bytes that are no file */
    uint64_t first_shard, shard_bytes, shard_count; /* shard_count 0: no hashes */
    uint64_t *hashes;                               /* (shard_count) XXH3 of each shard; owned */
    _Atomic uint8_t *verified;                      /* (shard_count) 1: compared already; owned */
    bool in_memory;                                 /* bytes are malloc's */
    bool borrowed;                                  /* bytes are the caller's */
    _Atomic uint32_t users;
} auxo__mapping;

/* One user. Errors: NOT_FOUND, IO; FORMAT for an empty file. */
auxo_status auxo__mapping_open(const char *path, auxo__mapping **mapping, auxo_error *error);
/* Bytes that are no file, taken over also after a failure. */
auxo_status auxo__mapping_of_memory(const char *path, uint8_t *bytes, uint64_t size, auxo__mapping **mapping,
                                    auxo_error *error);
/* Bytes of the caller's, which stay where they are until the last user is gone. */
auxo_status auxo__mapping_borrow(const char *path, const uint8_t *bytes, auxo__mapping **mapping, auxo_error *error);
auxo__mapping *auxo__mapping_share(auxo__mapping *mapping); /* NULL gives NULL */
void auxo__mapping_release(auxo__mapping *mapping);         /* NULL is allowed */
/* Takes `hashes`, which must lie inside the file. Errors: OUT_OF_MEMORY; then they are freed. */
auxo_status auxo__mapping_expect(auxo__mapping *mapping, uint64_t first_shard, uint64_t shard_bytes, uint64_t *hashes,
                                 uint64_t shard_count, auxo_error *error);
/* Whether the file is still as long as it was: its pages beyond the end would end the process (a file that is cut in
 * the moment between this and the reading still does). Before every block that is read. Errors: IO names the file and
 * its lengths. */
auxo_status auxo__mapping_check(const auxo__mapping *mapping, auxo_error *error);
/* Compares a shard with its hash, once. From any thread. Errors: FORMAT names the file and the shard. */
auxo_status auxo__mapping_verify(auxo__mapping *mapping, uint64_t shard, auxo_error *error);

#endif

/* pack.h: the format of packed sets, which pack.c writes and pack_read.c maps (internal to this folder).
 *
 * A header of 64 bytes; shards; a footer. Header, little-endian: 8 bytes "AUXODATA", u32 version, u32 0, u64 offset and
 * u64 size of the footer, u64 XXH3 of the footer, zeros. A shard holds the values of a power of two of rows, one array
 * after the other, padded with zeros to its full size also where it is the last. The footer is JSON: "splits", for each
 * its name, "rows", "shard_rows", "first_shard" (offset), "shard_bytes", "hashes" (16 hexadecimal digits for the XXH3
 * of each shard), "content_hash", "arrays" (name, "offset" in a shard, "row_bytes"), names, and the schema as text.
 * 64-bit numbers are texts.
 */
#ifndef AUXO_DATASETS_PACK_H
#define AUXO_DATASETS_PACK_H

#include "dataset.h"

#define AUXO__PACK_MAGIC "AUXODATA"
enum { AUXO__PACK_VERSION = 1, AUXO__PACK_HEADER_BYTES = 64, AUXO__PACK_SHARD_BYTES = 1 << 20 };

/* X(NAME, noun, bytes of a row, where it lies in a data set): arrays of a packed set. Those of a set that has them not
 * are left out. */
#define AUXO__PACK_ARRAYS(X)                                                                                           \
    X(FEATURES, "features", auxo__dataset_row_bytes(set), set->features)                                               \
    X(LABELS, "labels", sizeof *set->labels, set->labels)                                                              \
    X(TARGETS, "targets", set->target_count * sizeof *set->targets, set->targets)                                      \
    X(TIMES, "times", sizeof *set->times, set->times)                                                                  \
    X(EVENTS, "events", sizeof *set->events, set->events)                                                              \
    X(GROUPS, "groups", sizeof *set->groups, set->groups)                                                              \
    X(SITES, "sites", sizeof *set->sites, set->sites)                                                                  \
    X(ROW_NUMBERS, "row_numbers", sizeof *set->row_numbers, set->row_numbers)
enum {
#define AUXO__PACK_ENUM(name, noun, bytes, at) AUXO__PACK_##name,
    AUXO__PACK_ARRAYS(AUXO__PACK_ENUM)
#undef AUXO__PACK_ENUM
        AUXO__PACK_ARRAY_COUNT
};

typedef struct auxo__pack_array {
    bool present;
    uint64_t offset, row_bytes; /* in a shard */
} auxo__pack_array;

typedef struct auxo__pack_layout {
    uint64_t shard_rows, shard_bytes;
    auxo__pack_array arrays[AUXO__PACK_ARRAY_COUNT];
} auxo__pack_layout;

extern const char *const auxo__pack_nouns[AUXO__PACK_ARRAY_COUNT];
/* Places of arrays in a shard of `shard_rows`, whose presence and row_bytes are known. */
void auxo__pack_lay_out(auxo__pack_layout *layout, uint64_t shard_rows);

#endif

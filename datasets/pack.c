/* pack.c: writes packed sets (pack.h) shard by shard, so that they may be larger than memory.
 */
#include "pack.h"
#include "json_tree.h"

#include "file.h"
#include "number.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

const char *const auxo__pack_nouns[AUXO__PACK_ARRAY_COUNT] = {
#define AUXO__PACK_NOUN(name, noun, bytes, at) noun,
    AUXO__PACK_ARRAYS(AUXO__PACK_NOUN)
#undef AUXO__PACK_NOUN
};

enum { SPLITS = 2 };

/* Train or test. */
typedef struct packed_split {
    bool begun;
    char *schema; /* text of the first part */
    cJSON *names; /* what names there are, as an object */
    auxo__pack_layout layout;
    uint64_t rows, first_shard, shard_count, hash_capacity;
    uint64_t *hashes;
    uint64_t content_hash, gaps;
    uint8_t *shard; /* being filled */
} packed_split;

struct auxo_packer {
    auxo__file_writer writer;
    uint64_t written;
    packed_split splits[SPLITS];
    size_t current;
};

void auxo__pack_lay_out(auxo__pack_layout *layout, uint64_t shard_rows)
{
    uint64_t offset = 0;
    layout->shard_rows = shard_rows;
    for (size_t a = 0; a < AUXO__PACK_ARRAY_COUNT; a++) {
        auxo__pack_array *array = &layout->arrays[a];
        array->offset = offset;
        if (array->present)
            offset += (array->row_bytes * shard_rows + 63) / 64 * 64;
    }
    layout->shard_bytes = offset;
}

static const void *array_of(const auxo_dataset *set, size_t which, uint64_t *row_bytes)
{
    switch (which) {
#define ARRAY_CASE(name, noun, bytes, at)                                                                              \
    case AUXO__PACK_##name:                                                                                            \
        *row_bytes = (bytes);                                                                                          \
        return (at);
        AUXO__PACK_ARRAYS(ARRAY_CASE)
#undef ARRAY_CASE
    default:
        *row_bytes = 0;
        return NULL;
    }
}

/* ---- shards ------------------------------------------------------------------------------------------------------ */

static auxo_status no_memory(auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "packing: out of memory");
}

static auxo_status write_shard(auxo_packer *packer, packed_split *split, auxo_error *error)
{
    if (split->shard_count == split->hash_capacity) {
        const uint64_t capacity = split->hash_capacity ? 2 * split->hash_capacity : 64;
        uint64_t *hashes = realloc(split->hashes, capacity * sizeof *hashes);
        if (!hashes)
            return no_memory(error);
        split->hashes = hashes;
        split->hash_capacity = capacity;
    }
    split->hashes[split->shard_count++] = XXH3_64bits(split->shard, split->layout.shard_bytes);
    const auxo_status status = auxo__file_writer_write(&packer->writer, split->shard, split->layout.shard_bytes, error);
    packer->written += split->layout.shard_bytes;
    memset(split->shard, 0, split->layout.shard_bytes);
    return status;
}

static auxo_status end_split(auxo_packer *packer, packed_split *split, auxo_error *error)
{
    const bool part_filled = split->begun && split->rows % split->layout.shard_rows != 0;
    const auxo_status status = part_filled ? write_shard(packer, split, error) : AUXO_OK;
    free(split->shard);
    split->shard = NULL;
    return status;
}

static auxo_status add_rows(auxo_packer *packer, packed_split *split, const auxo_dataset *set, auxo_error *error)
{
    const auxo__pack_layout *layout = &split->layout;
    for (size_t row = 0; row < set->row_count;) {
        const uint64_t within = split->rows % layout->shard_rows, room = layout->shard_rows - within;
        const size_t left = set->row_count - row, count = left < room ? left : (size_t)room;
        for (size_t a = 0; a < AUXO__PACK_ARRAY_COUNT; a++) {
            uint64_t row_bytes = 0;
            const uint8_t *from = array_of(set, a, &row_bytes);
            if (from)
                memcpy(split->shard + layout->arrays[a].offset + within * row_bytes, from + row * row_bytes,
                       count * row_bytes);
        }
        row += count;
        split->rows += count;
        if (within + count == layout->shard_rows) {
            const auxo_status status = write_shard(packer, split, error);
            if (status != AUXO_OK)
                return status;
        }
    }
    return AUXO_OK;
}

/* ---- the footer -------------------------------------------------------------------------------------------------- */

static void add_u64(cJSON *object, const char *key, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    auxo__tree_text(object, key, text);
}

static cJSON *names_of(const auxo_dataset *set)
{
    cJSON *names = cJSON_CreateObject();
    const size_t targets = set->target_type == AUXO_TARGET_CLASS ? set->class_count : set->target_count;
    auxo__tree_texts(names, "feature_names", set->feature_names, (size_t)set->channels);
    auxo__tree_texts(names, "target_names", set->target_names, targets);
    auxo__tree_texts(names, "site_names", set->site_names, set->site_count);
    return names;
}

static void add_hashes(cJSON *object, const packed_split *split)
{
    char *text = calloc(16 * split->shard_count + 1, 1);
    for (uint64_t i = 0; text && i < split->shard_count; i++)
        snprintf(text + 16 * i, 17, "%016" PRIx64, split->hashes[i]);
    auxo__tree_add(object, "hashes", text ? cJSON_CreateString(text) : NULL);
    free(text);
}

static void add_split(cJSON *list, const packed_split *split, const char *name)
{
    cJSON *object = auxo__tree_add(list, NULL, cJSON_CreateObject());
    auxo__tree_text(object, "name", name);
    add_u64(object, "rows", split->rows);
    add_u64(object, "shard_rows", split->layout.shard_rows);
    add_u64(object, "first_shard", split->first_shard);
    add_u64(object, "shard_bytes", split->layout.shard_bytes);
    add_u64(object, "content_hash", split->content_hash);
    add_u64(object, "gaps", split->gaps);
    cJSON *arrays = auxo__tree_add(object, "arrays", cJSON_CreateArray());
    for (size_t a = 0; a < AUXO__PACK_ARRAY_COUNT; a++) {
        if (!split->layout.arrays[a].present)
            continue;
        cJSON *array = auxo__tree_add(arrays, NULL, cJSON_CreateObject());
        auxo__tree_text(array, "name", auxo__pack_nouns[a]);
        add_u64(array, "offset", split->layout.arrays[a].offset);
        add_u64(array, "row_bytes", split->layout.arrays[a].row_bytes);
    }
    auxo__tree_add(object, "names", cJSON_Duplicate(split->names, true));
    auxo__tree_text(object, "schema", split->schema);
    add_hashes(object, split);
}

static auxo_status print_footer(const auxo_packer *packer, char **text, auxo_error *error)
{
    static const char *const nouns[SPLITS] = {"train", "test"};
    cJSON *root = cJSON_CreateObject(), *list = auxo__tree_add(root, "splits", cJSON_CreateArray());
    for (size_t s = 0; s < SPLITS; s++)
        if (packer->splits[s].begun)
            add_split(list, &packer->splits[s], nouns[s]);
    return auxo__tree_print(root, false, text, error);
}

static void put_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static auxo_status write_footer(auxo_packer *packer, auxo_error *error)
{
    uint8_t header[AUXO__PACK_HEADER_BYTES] = AUXO__PACK_MAGIC;
    char *footer = NULL;
    auxo_status status = print_footer(packer, &footer, error);
    if (status != AUXO_OK)
        return status;
    const size_t size = strlen(footer);
    header[8] = AUXO__PACK_VERSION;
    put_u64(header + 16, packer->written);
    put_u64(header + 24, size);
    put_u64(header + 32, XXH3_64bits(footer, size));
    status = auxo__file_writer_write(&packer->writer, footer, size, error);
    free(footer);
    if (status == AUXO_OK && fseek(packer->writer.stream, 0, SEEK_SET) != 0)
        status = auxo_error_set(error, AUXO_IO, "packing: %s", strerror(errno));
    return status == AUXO_OK ? auxo__file_writer_write(&packer->writer, header, sizeof header, error) : status;
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

auxo_status auxo_packer_create(const char *path, auxo_packer **packer, auxo_error *error)
{
    static const uint8_t header[AUXO__PACK_HEADER_BYTES] = {0};
    *packer = NULL;
    auxo_packer *made = calloc(1, sizeof *made);
    if (!made)
        return no_memory(error);
    auxo_status status = auxo__file_writer_open(&made->writer, path, error);
    if (status != AUXO_OK) {
        free(made);
        return status;
    }
    status = auxo__file_writer_write(&made->writer, header, sizeof header, error);
    made->written = sizeof header;
    if (status == AUXO_OK)
        *packer = made;
    else
        auxo_packer_destroy(made);
    return status;
}

static void drop_splits(auxo_packer *packer)
{
    for (size_t s = 0; s < SPLITS; s++) {
        packed_split *split = &packer->splits[s];
        free(split->schema);
        cJSON_Delete(split->names);
        free(split->hashes);
        free(split->shard);
    }
}

void auxo_packer_destroy(auxo_packer *packer)
{
    if (!packer)
        return;
    auxo__file_writer_abort(&packer->writer);
    drop_splits(packer);
    free(packer);
}

static auxo_status begin_split(auxo_packer *packer, packed_split *split, const auxo_dataset *set, auxo_error *error)
{
    uint64_t total = 0, shard_rows = 1;
    for (size_t a = 0; a < AUXO__PACK_ARRAY_COUNT; a++) {
        auxo__pack_array *array = &split->layout.arrays[a];
        array->present = array_of(set, a, &array->row_bytes) != NULL;
        total += array->present ? array->row_bytes : 0;
    }
    while (2 * shard_rows * total <= AUXO__PACK_SHARD_BYTES)
        shard_rows *= 2;
    auxo__pack_lay_out(&split->layout, shard_rows);
    split->first_shard = packer->written;
    split->shard = calloc(1, split->layout.shard_bytes);
    split->names = names_of(set);
    split->begun = true;
    const bool good = split->shard && split->names;
    return good ? auxo_data_schema_describe(set->schema, &split->schema, error) : no_memory(error);
}

/* What a later part must share with the first: everything but its own rows. */
static auxo_status check_part(const packed_split *split, const auxo_dataset *set, auxo_error *error)
{
    auxo_data_schema *first = NULL;
    char *text = NULL;
    auxo_status status = auxo_data_schema_parse(split->schema, &first, error);
    if (status != AUXO_OK)
        return status;
    first->row_count = set->schema->row_count;
    first->content_hash = set->schema->content_hash;
    char *again = NULL;
    status = auxo_data_schema_describe(first, &again, error);
    if (status == AUXO_OK)
        status = auxo_data_schema_describe(set->schema, &text, error);
    bool same = status == AUXO_OK && strcmp(again, text) == 0;
    for (size_t a = 0; a < AUXO__PACK_ARRAY_COUNT; a++) {
        uint64_t row_bytes = 0;
        same = same && split->layout.arrays[a].present == (array_of(set, a, &row_bytes) != NULL) &&
               split->layout.arrays[a].row_bytes == row_bytes;
    }
    if (status == AUXO_OK && !same)
        status = auxo_error_set(error, AUXO_FORMAT,
                                "%s has other columns, classes or labels than the part that was packed before it",
                                set->name);
    free(text);
    free(again);
    auxo_data_schema_destroy(first);
    return status;
}

auxo_status auxo_packer_add(auxo_packer *packer, const auxo_dataset *part, bool test, auxo_error *error)
{
    if (part->mapped || !part->schema || part->row_count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: only rows in memory, of a loaded set, can be packed",
                              part->name);
    if (packer->current > (size_t)test)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "packing: training rows come before test rows");
    auxo_status status = AUXO_OK;
    if (packer->current < (size_t)test)
        status = end_split(packer, &packer->splits[0], error);
    packer->current = test;
    packed_split *split = &packer->splits[packer->current];
    if (status == AUXO_OK)
        status = split->begun ? check_part(split, part, error) : begin_split(packer, split, part, error);
    if (status != AUXO_OK)
        return status;
    /* One part is known by the hash that the same rows have in memory; several by one of their hashes. */
    const float *values = part->features;
    const size_t value_count = auxo__dataset_row_bytes(part) / sizeof *values * part->row_count;
    for (size_t i = 0; part->feature_type == AUXO_FEATURES_F32 && i < value_count; i++)
        split->gaps += isnan(values[i]) != 0;
    uint64_t hash = 0;
    status = auxo_dataset_content_hash(part, part->row_count, &hash, error);
    if (status != AUXO_OK)
        return status;
    const uint64_t both[2] = {split->content_hash, hash};
    split->content_hash = split->rows ? XXH3_64bits(both, sizeof both) : hash;
    return add_rows(packer, split, part, error);
}

auxo_status auxo_packer_finish(auxo_packer *packer, uint64_t *size_bytes, auxo_error *error)
{
    auxo_status status = end_split(packer, &packer->splits[packer->current], error);
    if (status == AUXO_OK && !packer->splits[0].begun)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "packing: there are no training rows");
    if (status == AUXO_OK)
        status = write_footer(packer, error);
    if (size_bytes)
        *size_bytes = packer->written;
    if (status != AUXO_OK) {
        auxo_packer_destroy(packer);
        return status;
    }
    status = auxo__file_writer_commit(&packer->writer, error);
    drop_splits(packer);
    free(packer);
    return status;
}

/* pack_read.c: packed sets (pack.h) mapped, or read into memory. A file is not trusted: every offset and count is
 * checked before it is used.
 */
#include "json.h"
#include "loaders.h"
#include "mapped.h"
#include "number.h"
#include "pack.h"
#include "schema.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

enum { NAMES_MAX = 1 << 24 };

bool auxo__is_packed_path(const char *name)
{
    const size_t length = strlen(name);
    return length > 5 && strcasecmp(name + length - 5, ".auxo") == 0;
}

/* ---- the footer -------------------------------------------------------------------------------------------------- */

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static auxo_status read_footer(const auxo__mapping *file, cJSON **footer, auxo_error *error)
{
    if (file->size < AUXO__PACK_HEADER_BYTES || memcmp(file->bytes, AUXO__PACK_MAGIC, 8) != 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a packed set; auxo data pack makes them", file->path);
    if (file->bytes[8] != AUXO__PACK_VERSION)
        return auxo_error_set(error, AUXO_FORMAT, "%s: packed by another version (format %u); pack the data again",
                              file->path, file->bytes[8]);
    const uint64_t offset = get_u64(file->bytes + 16), size = get_u64(file->bytes + 24);
    if (offset < AUXO__PACK_HEADER_BYTES || offset > file->size || size != file->size - offset)
        return auxo_error_set(error, AUXO_FORMAT, "%s: cut off or longer than it was written; pack the data again",
                              file->path);
    if (XXH3_64bits(file->bytes + offset, (size_t)size) != get_u64(file->bytes + 32))
        return auxo_error_set(error, AUXO_FORMAT, "%s: its description has changed since it was written", file->path);
    auxo__number_scope scope = auxo__number_scope_enter();
    auxo_status status = auxo__json_parse((const char *)file->bytes + offset, (size_t)size, footer, error);
    auxo__number_scope_leave(scope);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "%s: its description", file->path);
}

static bool read_u64(const cJSON *object, const char *key, uint64_t most, uint64_t *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    char *end = NULL;
    *value = cJSON_IsString(item) && *item->valuestring != '-' ? strtoull(item->valuestring, &end, 10) : 0;
    return end && end != item->valuestring && *end == 0 && *value <= most;
}

/* What the footer says of one split. */
typedef struct split_reader {
    const cJSON *json;
    uint64_t rows, first_shard, shard_count, content_hash, gaps;
    auxo__pack_layout layout;
    const char *problem; /* NULL: none so far */
} split_reader;

static void read_arrays(split_reader *reader)
{
    const cJSON *array;
    auxo__pack_layout computed = {0};
    cJSON_ArrayForEach(array, cJSON_GetObjectItemCaseSensitive(reader->json, "arrays"))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(array, "name"));
        size_t which = 0;
        while (name && which < AUXO__PACK_ARRAY_COUNT && strcmp(name, auxo__pack_nouns[which]) != 0)
            which++;
        if (!name || which == AUXO__PACK_ARRAY_COUNT ||
            !read_u64(array, "row_bytes", UINT32_MAX, &computed.arrays[which].row_bytes)) {
            reader->problem = "arrays";
            return;
        }
        computed.arrays[which].present = true;
    }
    auxo__pack_lay_out(&computed, reader->layout.shard_rows);
    if (computed.shard_bytes != reader->layout.shard_bytes || computed.shard_bytes == 0)
        reader->problem = "shard_bytes";
    reader->layout = computed;
}

static void read_split(split_reader *reader, const auxo__mapping *file)
{
    const uint64_t end = get_u64(file->bytes + 16);
    const bool good = read_u64(reader->json, "rows", INT32_MAX, &reader->rows) && reader->rows > 0 &&
                      read_u64(reader->json, "shard_rows", 1 << 30, &reader->layout.shard_rows) &&
                      read_u64(reader->json, "first_shard", end, &reader->first_shard) &&
                      read_u64(reader->json, "shard_bytes", end, &reader->layout.shard_bytes) &&
                      read_u64(reader->json, "content_hash", UINT64_MAX, &reader->content_hash) &&
                      read_u64(reader->json, "gaps", UINT64_MAX, &reader->gaps);
    const uint64_t shard_rows = reader->layout.shard_rows;
    if (!good || shard_rows == 0 || (shard_rows & (shard_rows - 1)) != 0) {
        reader->problem = "rows";
        return;
    }
    reader->shard_count = (reader->rows + shard_rows - 1) / shard_rows;
    read_arrays(reader);
    if (!reader->problem && reader->layout.shard_bytes * reader->shard_count > end - reader->first_shard)
        reader->problem = "shards";
}

static uint64_t *read_hashes(const split_reader *reader)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(reader->json, "hashes"));
    if (!text || strlen(text) != 16 * reader->shard_count || strspn(text, "0123456789abcdef") != strlen(text))
        return NULL;
    uint64_t *hashes = auxo__array((size_t)reader->shard_count, sizeof *hashes);
    for (uint64_t i = 0; hashes && i < reader->shard_count; i++) {
        char digits[17] = "";
        memcpy(digits, text + 16 * i, 16);
        hashes[i] = strtoull(digits, NULL, 16);
    }
    return hashes;
}

/* Names in `list`; NULL where there are none. *good: false where they are not `expected` texts (0: any number). */
static char **read_names(const split_reader *reader, const char *key, size_t expected, size_t *count, bool *good)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(reader->json, "names"), *item;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(names, key);
    const size_t length = (size_t)cJSON_GetArraySize(list);
    size_t read = 0;
    if (!list)
        return NULL;
    char **made = length < NAMES_MAX && (expected == 0 || length == expected) ? calloc(length + 1, sizeof *made) : NULL;
    *good = *good && made;
    cJSON_ArrayForEach(item, list)
    {
        if (!made)
            break;
        made[read] = auxo__text_duplicate(cJSON_IsString(item) ? item->valuestring : "");
        *good = *good && made[read];
        read += made[read] != NULL;
    }
    if (count)
        *count = read;
    return made;
}

/* ---- the data set ------------------------------------------------------------------------------------------------ */

static auxo__file_array array_at(const auxo__mapping *file, const split_reader *reader, int which, auxo_element element,
                                 bool dense)
{
    const auxo__pack_array *array = &reader->layout.arrays[which];
    const uint64_t shard_rows = reader->layout.shard_rows;
    if (!array->present)
        return (auxo__file_array){0};
    return (auxo__file_array){.base = file->bytes + reader->first_shard + array->offset,
                              .element = element,
                              .dense = dense,
                              .shard_shift = (unsigned)__builtin_ctzll(shard_rows),
                              .shard_bytes = reader->layout.shard_bytes,
                              .row_bytes = array->row_bytes,
                              .dims = {1, 1, 1}};
}

static bool has_width(const split_reader *reader, int which, bool wanted, uint64_t row_bytes)
{
    const auxo__pack_array *array = &reader->layout.arrays[which];
    return array->present == wanted && (!wanted || array->row_bytes == row_bytes);
}

/* Whether the arrays are those of such a data set. */
static bool arrays_fit(const split_reader *reader, const auxo_dataset *set)
{
    const bool survival = set->target_type == AUXO_TARGET_SURVIVAL;
    const auxo__pack_array *arrays = reader->layout.arrays;
    return has_width(reader, AUXO__PACK_FEATURES, true, auxo__dataset_row_bytes(set)) &&
           has_width(reader, AUXO__PACK_LABELS, set->target_type == AUXO_TARGET_CLASS, 4) &&
           has_width(reader, AUXO__PACK_TARGETS, set->target_type == AUXO_TARGET_REAL, 4 * set->target_count) &&
           has_width(reader, AUXO__PACK_TIMES, survival, 8) && has_width(reader, AUXO__PACK_EVENTS, survival, 4) &&
           has_width(reader, AUXO__PACK_GROUPS, arrays[AUXO__PACK_GROUPS].present, 4) &&
           has_width(reader, AUXO__PACK_SITES, arrays[AUXO__PACK_SITES].present, 4) &&
           has_width(reader, AUXO__PACK_ROW_NUMBERS, arrays[AUXO__PACK_ROW_NUMBERS].present, 4);
}

static bool describe_set(const split_reader *reader, auxo_dataset *set)
{
    bool good = true;
    size_t sites = 0;
    const auxo_data_schema *schema = set->schema;
    set->row_count = (size_t)reader->rows;
    set->channels = schema->channels;
    set->height = schema->height;
    set->width = schema->width;
    set->feature_type = schema->feature_type;
    set->target_type = schema->target_type;
    if (schema->channels > ((int64_t)1 << 32) / (schema->height * schema->width))
        return false;
    if (schema->target_type == AUXO_TARGET_CLASS)
        set->class_count = schema->class_count;
    if (schema->target_type == AUXO_TARGET_REAL)
        set->target_count = (uint32_t)schema->target_count;
    const size_t targets = set->class_count + set->target_count;
    set->feature_names = read_names(reader, "feature_names", (size_t)set->channels, NULL, &good);
    set->target_names = read_names(reader, "target_names", targets, NULL, &good);
    set->site_names = read_names(reader, "site_names", 0, &sites, &good);
    set->site_count = (uint32_t)sites;
    return good && arrays_fit(reader, set);
}

static auxo_status map_rows(auxo_dataset *set, auxo__mapping *file, const split_reader *reader, auxo_error *error)
{
    uint64_t *hashes = read_hashes(reader);
    auxo_mapped_rows *mapped = set->mapped = calloc(1, sizeof *mapped);
    if (!hashes || !mapped) {
        free(hashes);
        return auxo_error_set(error, AUXO_FORMAT, "%s: the hashes of its shards are wrong", file->path);
    }
    mapped->features_file = auxo__mapping_share(file);
    const auxo_element element = set->feature_type == AUXO_FEATURES_U8 ? AUXO_ELEMENT_U8 : AUXO_ELEMENT_F32;
    mapped->features = array_at(file, reader, AUXO__PACK_FEATURES, element, true);
    mapped->labels = array_at(file, reader, AUXO__PACK_LABELS, AUXO_ELEMENT_U32, true);
    mapped->targets = array_at(file, reader, AUXO__PACK_TARGETS, AUXO_ELEMENT_F32, true);
    mapped->row_numbers = array_at(file, reader, AUXO__PACK_ROW_NUMBERS, AUXO_ELEMENT_U32, true);
    mapped->class_count = set->class_count;
    mapped->total_rows = set->row_count;
    mapped->content_hash = reader->content_hash;
    mapped->block_rows = (size_t)reader->layout.shard_rows;
    return auxo__mapping_expect(file, reader->first_shard, reader->layout.shard_bytes, hashes, reader->shard_count,
                                error);
}

static auxo_status open_split(const char *path, const cJSON *footer, int index, auxo_dataset **set, auxo_error *error)
{
    auxo__mapping *file = NULL; /* each split has its own hashes */
    split_reader reader = {.json = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(footer, "splits"), index)};
    auxo_status status = auxo__mapping_open(path, &file, error);
    auxo_dataset *made = *set = calloc(1, sizeof *made);
    if (status == AUXO_OK && !made)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
    if (status == AUXO_OK)
        read_split(&reader, file);
    const char *schema = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(reader.json, "schema"));
    if (status == AUXO_OK && !reader.problem && schema)
        status = auxo_data_schema_parse(schema, &made->schema, error);
    if (status == AUXO_OK && (reader.problem || !schema || !describe_set(&reader, made)))
        status = auxo_error_set(error, AUXO_FORMAT, "%s: its description is wrong: \"%s\"", path,
                                reader.problem ? reader.problem : "schema");
    if (status == AUXO_OK)
        status = map_rows(made, file, &reader, error);
    auxo__mapping_release(file);
    if (status == AUXO_OK) {
        const char *slash = strrchr(path, '/');
        snprintf(made->name, sizeof made->name, "%s", slash ? slash + 1 : path);
    }
    return status;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* The arrays that mapped rows have no place for. */
static auxo_status copy_array(const auxo_mapped_rows *mapped, const split_reader *reader, int which, size_t row_count,
                              void **to, auxo_error *error)
{
    const auxo__pack_array *array = &reader->layout.arrays[which];
    if (!array->present)
        return AUXO_OK;
    const size_t row_bytes = (size_t)array->row_bytes, shard_rows = (size_t)reader->layout.shard_rows;
    *to = auxo__array(row_count, row_bytes);
    if (!*to)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", mapped->features_file->path);
    for (size_t row = 0; row < row_count; row += shard_rows) {
        const size_t count = row_count - row < shard_rows ? row_count - row : shard_rows;
        const uint8_t *from = mapped->features_file->bytes + reader->first_shard +
                              row / shard_rows * reader->layout.shard_bytes + array->offset;
        memcpy((uint8_t *)*to + row * row_bytes, from, count * row_bytes);
    }
    return AUXO_OK;
}

static auxo_status check_copied(const auxo_dataset *set, auxo_error *error)
{
    for (size_t i = 0; set->times && i < set->row_count; i++)
        if (!isfinite(set->times[i]) || set->times[i] < 0 || set->events[i] > 1)
            return auxo_error_set(error, AUXO_FORMAT, "%s: time or event of row %zu is none", set->name, i + 1);
    for (size_t i = 0; set->sites && i < set->row_count; i++)
        if (set->site_names && set->sites[i] >= set->site_count)
            return auxo_error_set(error, AUXO_FORMAT, "%s: the site of row %zu is none", set->name, i + 1);
    return AUXO_OK;
}

static auxo_status load_into_memory(const cJSON *footer, int index, auxo_dataset **set, auxo_error *error)
{
    split_reader reader = {.json = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(footer, "splits"), index)};
    const auxo_mapped_rows *mapped = (*set)->mapped;
    auxo_dataset kept = {0};
    read_split(&reader, mapped->features_file);
    auxo_status status = AUXO_OK;
    const struct {
        int which;
        void **to;
    } arrays[] = {{AUXO__PACK_TIMES, (void **)&kept.times},
                  {AUXO__PACK_EVENTS, (void **)&kept.events},
                  {AUXO__PACK_GROUPS, (void **)&kept.groups},
                  {AUXO__PACK_SITES, (void **)&kept.sites}};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays && status == AUXO_OK; i++)
        status = copy_array(mapped, &reader, arrays[i].which, (*set)->row_count, arrays[i].to, error);
    if (status == AUXO_OK)
        status = auxo__mapped_load(set, error);
    if (status != AUXO_OK) {
        free(kept.times);
        free(kept.events);
        free(kept.groups);
        free(kept.sites);
        return status;
    }
    free((*set)->times);
    free((*set)->events);
    (*set)->times = kept.times;
    (*set)->events = kept.events;
    (*set)->groups = kept.groups;
    (*set)->sites = kept.sites;
    return check_copied(*set, error);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* A packed set has its columns already: they are the model's, or not. */
static auxo_status check_model(const auxo_data_schema *model, const auxo_dataset *set, auxo_error *error)
{
    const auxo_data_schema *own = set->schema;
    bool same = model->input_count == own->input_count && !model->inputs == !own->inputs;
    for (size_t i = 0; same && own->inputs && i < own->input_count; i++) {
        const auxo_schema_input *a = &model->inputs[i], *b = &own->inputs[i];
        same = strcmp(a->name, b->name) == 0 && a->kind == b->kind && a->offset == b->offset &&
               a->level_count == b->level_count;
        for (size_t k = 0; same && k < a->level_count; k++)
            same = strcmp(a->levels[k], b->levels[k]) == 0;
    }
    if (same && set->target_type == AUXO_TARGET_CLASS && model->target_type == AUXO_TARGET_CLASS) {
        same = model->class_count == own->class_count && !model->classes == !own->classes;
        for (uint32_t i = 0; same && own->classes && i < own->class_count; i++)
            same = strcmp(model->classes[i], own->classes[i]) == 0;
    }
    return same ? AUXO_OK
                : auxo_error_set(error, AUXO_FORMAT,
                                 "%s was packed with other columns, levels or classes than the model's; pack its "
                                 "source in the model's form: auxo data pack SOURCE --like MODEL.safetensors",
                                 set->name);
}

static auxo_status check_options(const char *path, const auxo_data_options *options, auxo_error *error)
{
    const char *setting = options->picture_column                                ? "images"
                          : options->pictures.height || options->pictures.colour ? "resize and colour"
                          : options->target_kind != AUXO_TARGET_KIND_AUTO        ? "target-kind"
                          : options->drop_missing                                ? "missing drop"
                          : !options->schema && options->input_columns           ? "inputs"
                          : !options->schema && options->target_columns          ? "targets"
                                                                                 : NULL;
    return setting ? auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                    "%s is packed: %s was decided when it was made; pack the data again", path, setting)
                   : AUXO_OK;
}

static auxo_status finish_split(const cJSON *footer, int index, const auxo_data_options *options, auxo_dataset **set,
                                auxo_error *error)
{
    auxo_status status = options->schema ? check_model(options->schema, *set, error) : AUXO_OK;
    const bool survival = (*set)->target_type == AUXO_TARGET_SURVIVAL;
    split_reader reader = {.json = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(footer, "splits"), index)};
    read_split(&reader, (*set)->mapped->features_file);
    const bool grouped =
        reader.layout.arrays[AUXO__PACK_GROUPS].present || reader.layout.arrays[AUXO__PACK_SITES].present;
    if (status == AUXO_OK && reader.gaps > 0 && !options->keep_missing &&
        !(options->schema && options->schema->missing_values))
        status =
            auxo_error_set(error, AUXO_FORMAT,
                           "%s has %" PRIu64 " missing values; missing mean fills in the means of the training rows",
                           (*set)->name, reader.gaps);
    if (status == AUXO_OK && options->ignore_labels) {
        auxo__names_destroy((*set)->target_names, (*set)->class_count + (*set)->target_count);
        (*set)->target_names = NULL;
        (*set)->target_type = AUXO_TARGET_NONE;
        (*set)->class_count = (*set)->target_count = 0;
    }
    if (status == AUXO_OK && (!options->map || survival || grouped))
        status = load_into_memory(footer, index, set, error);
    return status == AUXO_OK ? auxo__limit_rows(set, options->limit, error) : status;
}

auxo_status auxo__load_packed(const char *path, const auxo_data_options *options, auxo_dataset **train,
                              auxo_dataset **test, auxo_error *error)
{
    auxo__mapping *file = NULL;
    cJSON *footer = NULL;
    auxo_status status = check_options(path, options, error);
    if (status == AUXO_OK)
        status = auxo__mapping_open(path, &file, error);
    if (status == AUXO_OK)
        status = read_footer(file, &footer, error);
    const int splits = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(footer, "splits"));
    if (status == AUXO_OK && (splits < 1 || splits > 2))
        status = auxo_error_set(error, AUXO_FORMAT, "%s: it has %d splits", path, splits);
    if (status == AUXO_OK)
        status = open_split(path, footer, 0, train, error);
    if (status == AUXO_OK && splits > 1)
        status = open_split(path, footer, 1, test, error);
    if (status == AUXO_OK)
        status = finish_split(footer, 0, options, train, error);
    if (status == AUXO_OK && splits > 1)
        status = finish_split(footer, 1, options, test, error);
    cJSON_Delete(footer);
    auxo__mapping_release(file);
    return status;
}

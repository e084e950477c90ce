/* safetensors.c: reading and writing safetensors files (see the header for the format).
 *
 * The reader trusts nothing: the header length, every offset and every shape are checked against the size of the file.
 */
#include "safetensors.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_LENGTH_BYTES = 8, HEADER_MAX_BYTES = 100 << 20 };
static const uint64_t HASH_START = 0xcbf29ce484222325u; /* FNV-1a, 64 bits */

struct auxo__safetensors {
    char *path;
    unsigned char *bytes;
    uint64_t size_bytes, data_start;
    uint64_t hash;
    cJSON *header;
};

static uint64_t hash_more(uint64_t hash, const void *bytes, uint64_t size_bytes)
{
    const unsigned char *at = bytes;
    for (uint64_t i = 0; i < size_bytes; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t element_count(uint32_t rank, const int64_t *dims)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= (uint64_t)dims[i];
    return count;
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

static bool add_tensor_header(cJSON *root, const auxo__tensor_entry *tensor, uint64_t *offset)
{
    cJSON *object = cJSON_AddObjectToObject(root, tensor->name);
    cJSON *shape =
        object && cJSON_AddStringToObject(object, "dtype", "F32") ? cJSON_AddArrayToObject(object, "shape") : NULL;
    cJSON *offsets = shape ? cJSON_AddArrayToObject(object, "data_offsets") : NULL;
    bool good = offsets != NULL;
    for (uint32_t i = 0; good && i < tensor->rank; i++)
        good = cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)tensor->dims[i]));
    uint64_t end = *offset + element_count(tensor->rank, tensor->dims) * sizeof(float);
    good = good && cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)*offset)) &&
           cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)end));
    *offset = end;
    return good;
}

/* The JSON header; NULL when out of memory. Ownership: cJSON_free. */
static char *print_header(const auxo__tensor_entry *tensors, size_t tensor_count, const auxo__metadata_entry *metadata,
                          size_t metadata_count)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *map = cJSON_AddObjectToObject(root, "__metadata__");
    bool good = map != NULL;
    uint64_t offset = 0;
    for (size_t i = 0; good && i < metadata_count; i++)
        good = cJSON_AddStringToObject(map, metadata[i].key, metadata[i].value);
    for (size_t i = 0; good && i < tensor_count; i++)
        good = add_tensor_header(root, &tensors[i], &offset);
    char *text = good ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}

static bool write_bytes(FILE *file, const void *bytes, uint64_t size_bytes, uint64_t *hash)
{
    *hash = hash_more(*hash, bytes, size_bytes);
    return size_bytes == 0 || fwrite(bytes, 1, size_bytes, file) == size_bytes;
}

static bool write_file(FILE *file, const char *header, const auxo__tensor_entry *tensors, size_t tensor_count,
                       uint64_t *hash)
{
    unsigned char length_bytes[HEADER_LENGTH_BYTES];
    uint64_t length = strlen(header), padding = (8 - length % 8) % 8;
    for (int i = 0; i < HEADER_LENGTH_BYTES; i++)
        length_bytes[i] = (unsigned char)((length + padding) >> 8 * i);
    bool good = write_bytes(file, length_bytes, sizeof length_bytes, hash) && write_bytes(file, header, length, hash) &&
                write_bytes(file, "        ", padding, hash);
    for (size_t i = 0; good && i < tensor_count; i++)
        good =
            write_bytes(file, tensors[i].values, element_count(tensors[i].rank, tensors[i].dims) * sizeof(float), hash);
    return good && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

auxo_status auxo__safetensors_write(const char *path, const auxo__tensor_entry *tensors, size_t tensor_count,
                                    const auxo__metadata_entry *metadata, size_t metadata_count, uint64_t *hash,
                                    auxo_error *error)
{
    uint64_t computed = HASH_START;
    char *header = print_header(tensors, tensor_count, metadata, metadata_count);
    if (!header)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing \"%s\"", path);
    FILE *file = fopen(path, "wb");
    if (!file) {
        cJSON_free(header);
        return auxo_error_set(error, AUXO_IO, "cannot create \"%s\": %s", path, strerror(errno));
    }
    bool good = write_file(file, header, tensors, tensor_count, &computed);
    int reason = errno;
    cJSON_free(header);
    if (fclose(file) != 0 && good) {
        good = false;
        reason = errno;
    }
    if (!good) {
        remove(path);
        return auxo_error_set(error, AUXO_IO, "cannot write \"%s\": %s", path, strerror(reason));
    }
    if (hash)
        *hash = computed;
    return AUXO_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

static uint64_t header_length(const unsigned char bytes[HEADER_LENGTH_BYTES])
{
    uint64_t length = 0;
    for (int i = 0; i < HEADER_LENGTH_BYTES; i++)
        length |= (uint64_t)bytes[i] << 8 * i;
    return length;
}

/* The whole file, or its header alone; size_bytes is that of the file in both cases. */
static auxo_status read_bytes(auxo__safetensors *file, bool header_only, auxo_error *error)
{
    FILE *stream = fopen(file->path, "rb");
    if (!stream)
        return auxo_error_set(error, AUXO_IO, "cannot open \"%s\": %s", file->path, strerror(errno));
    long size = fseek(stream, 0, SEEK_END) == 0 ? ftell(stream) : -1;
    bool good = size >= 0 && fseek(stream, 0, SEEK_SET) == 0;
    file->size_bytes = good ? (uint64_t)size : 0;
    uint64_t wanted = file->size_bytes;
    unsigned char first[HEADER_LENGTH_BYTES];
    if (good && header_only && file->size_bytes >= sizeof first) {
        good = fread(first, 1, sizeof first, stream) == sizeof first && fseek(stream, 0, SEEK_SET) == 0;
        uint64_t length = header_length(first);
        wanted = length < wanted - HEADER_LENGTH_BYTES ? HEADER_LENGTH_BYTES + length : HEADER_LENGTH_BYTES;
    }
    file->bytes = good ? malloc(wanted + 1) : NULL;
    good = file->bytes && fread(file->bytes, 1, wanted, stream) == wanted;
    fclose(stream);
    return good ? AUXO_OK : auxo_error_set(error, AUXO_IO, "cannot read \"%s\"", file->path);
}

static auxo_status fail_format(const auxo__safetensors *file, const char *what, auxo_error *error)
{
    return auxo_error_set(error, AUXO_FORMAT, "\"%s\" is not a usable safetensors file: %s", file->path, what);
}

/* A whole number that fits the file; UINT64_MAX otherwise. */
static uint64_t read_offset(const cJSON *item, uint64_t most)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0 && item->valuedouble <= (double)most))
        return UINT64_MAX;
    uint64_t value = (uint64_t)item->valuedouble;
    return (double)value == item->valuedouble && value <= most ? value : UINT64_MAX;
}

static auxo_status check_tensor(const auxo__safetensors *file, const cJSON *tensor, auxo_error *error)
{
    uint64_t data_bytes = file->size_bytes - file->data_start;
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(tensor, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(tensor, "shape"), *dim;
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(tensor, "data_offsets");
    if (!cJSON_IsString(dtype) || strcmp(dtype->valuestring, "F32") != 0)
        return auxo_error_set(error, AUXO_FORMAT, "\"%s\": tensor \"%s\" is not of type F32", file->path,
                              tensor->string);
    uint64_t start = read_offset(cJSON_GetArrayItem(offsets, 0), data_bytes);
    uint64_t end = read_offset(cJSON_GetArrayItem(offsets, 1), data_bytes);
    uint64_t count = cJSON_IsArray(shape) ? 1 : UINT64_MAX;
    cJSON_ArrayForEach(dim, shape)
    {
        uint64_t extent = read_offset(dim, data_bytes);
        bool fits = extent != UINT64_MAX && count != UINT64_MAX && (extent == 0 || count <= data_bytes / extent);
        count = fits ? count * extent : UINT64_MAX;
    }
    if (start == UINT64_MAX || end == UINT64_MAX || end < start || count == UINT64_MAX ||
        count > data_bytes / sizeof(float) || count * sizeof(float) != end - start)
        return auxo_error_set(
            error, AUXO_FORMAT,
            "\"%s\": tensor \"%s\" has a shape or place that does not fit the file; it may be cut off", file->path,
            tensor->string);
    return AUXO_OK;
}

typedef struct tensor_place {
    uint64_t start, end;
    const char *name;
} tensor_place;

static int compare_places(const void *left, const void *right)
{
    const tensor_place *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const tensor_place *)left)->name, ((const tensor_place *)right)->name);
}

/* Whether every byte of the data belongs to exactly one tensor. */
static auxo_status check_places(const auxo__safetensors *file, const tensor_place *places, size_t count,
                                auxo_error *error)
{
    uint64_t data_bytes = file->size_bytes - file->data_start, end = 0;
    const char *before = "the beginning";
    for (size_t i = 0; i < count; i++) {
        if (places[i].start < end)
            return auxo_error_set(error, AUXO_FORMAT, "\"%s\": tensors \"%.80s\" and \"%.80s\" share bytes", file->path,
                                  before, places[i].name);
        if (places[i].start > end)
            return auxo_error_set(error, AUXO_FORMAT,
                                  "\"%s\": %llu bytes between \"%.80s\" and \"%.80s\" belong to no tensor", file->path,
                                  (unsigned long long)(places[i].start - end), before, places[i].name);
        end = places[i].end;
        before = places[i].name;
    }
    if (end != data_bytes)
        return auxo_error_set(error, AUXO_FORMAT, "\"%s\": %llu bytes after \"%.80s\" belong to no tensor", file->path,
                              (unsigned long long)(data_bytes - end), before);
    return AUXO_OK;
}

/* The format asks for tensors that cover the data without overlap or hole, and for distinct names. */
static auxo_status check_coverage(const auxo__safetensors *file, auxo_error *error)
{
    size_t count = 0;
    tensor_place *places = malloc(((size_t)cJSON_GetArraySize(file->header) + 1) * sizeof *places);
    if (!places)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading \"%s\"", file->path);
    const cJSON *item;
    cJSON_ArrayForEach(item, file->header)
    {
        const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
        if (strcmp(item->string, "__metadata__") != 0)
            places[count++] = (tensor_place){(uint64_t)cJSON_GetArrayItem(offsets, 0)->valuedouble,
                                             (uint64_t)cJSON_GetArrayItem(offsets, 1)->valuedouble, item->string};
    }
    auxo_status status = AUXO_OK;
    qsort(places, count, sizeof *places, compare_names);
    for (size_t i = 1; i < count && status == AUXO_OK; i++)
        if (strcmp(places[i].name, places[i - 1].name) == 0)
            status = auxo_error_set(error, AUXO_FORMAT, "\"%s\": two tensors are called \"%.80s\"", file->path,
                                    places[i].name);
    qsort(places, count, sizeof *places, compare_places);
    if (status == AUXO_OK)
        status = check_places(file, places, count, error);
    free(places);
    return status;
}

static auxo_status parse_header(auxo__safetensors *file, auxo_error *error)
{
    if (file->size_bytes < HEADER_LENGTH_BYTES)
        return fail_format(file, "it is shorter than 8 bytes", error);
    uint64_t length = header_length(file->bytes);
    if (length > HEADER_MAX_BYTES || length > file->size_bytes - HEADER_LENGTH_BYTES)
        return fail_format(file, "its header is longer than the file; it may be cut off or of another format", error);
    file->data_start = HEADER_LENGTH_BYTES + length;
    file->header = cJSON_ParseWithLength((const char *)file->bytes + HEADER_LENGTH_BYTES, length);
    if (!cJSON_IsObject(file->header))
        return fail_format(file, "its header is not a JSON object", error);
    const cJSON *item;
    cJSON_ArrayForEach(item, file->header)
    {
        auxo_status status = strcmp(item->string, "__metadata__") == 0 ? AUXO_OK : check_tensor(file, item, error);
        if (status != AUXO_OK)
            return status;
    }
    return check_coverage(file, error);
}

static auxo_status read_file(const char *path, bool header_only, auxo__safetensors **file, auxo_error *error)
{
    *file = NULL;
    auxo__safetensors *opened = calloc(1, sizeof *opened);
    if (opened)
        opened->path = strdup(path);
    if (!opened || !opened->path) {
        auxo__safetensors_free(opened);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading \"%s\"", path);
    }
    auxo_status status = read_bytes(opened, header_only, error);
    if (status == AUXO_OK)
        status = parse_header(opened, error);
    if (status != AUXO_OK) {
        auxo__safetensors_free(opened);
        return status;
    }
    if (!header_only)
        opened->hash = hash_more(HASH_START, opened->bytes, opened->size_bytes);
    *file = opened;
    return AUXO_OK;
}

auxo_status auxo__safetensors_read(const char *path, auxo__safetensors **file, auxo_error *error)
{
    return read_file(path, false, file, error);
}

auxo_status auxo__safetensors_read_header(const char *path, auxo__safetensors **file, auxo_error *error)
{
    return read_file(path, true, file, error);
}

void auxo__safetensors_free(auxo__safetensors *file)
{
    if (!file)
        return;
    cJSON_Delete(file->header);
    free(file->bytes);
    free(file->path);
    free(file);
}

uint64_t auxo__safetensors_hash(const auxo__safetensors *file)
{
    return file->hash;
}

const char *auxo__safetensors_metadata(const auxo__safetensors *file, const char *key)
{
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(map, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

size_t auxo__safetensors_tensor_count(const auxo__safetensors *file)
{
    size_t count = (size_t)cJSON_GetArraySize(file->header);
    return count - cJSON_HasObjectItem(file->header, "__metadata__");
}

auxo_status auxo__safetensors_copy(const auxo__safetensors *file, const char *name, uint32_t rank, const int64_t *dims,
                                   float *values, auxo_error *error)
{
    const cJSON *tensor = cJSON_GetObjectItemCaseSensitive(file->header, name);
    if (!tensor)
        return auxo_error_set(error, AUXO_FORMAT, "\"%s\": tensor \"%s\" is missing", file->path, name);
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(tensor, "shape");
    bool same = (uint32_t)cJSON_GetArraySize(shape) == rank;
    for (uint32_t i = 0; same && i < rank; i++)
        same = cJSON_GetArrayItem(shape, (int)i)->valuedouble == (double)dims[i];
    if (!same) {
        char *text = cJSON_PrintUnformatted(shape);
        auxo_error_set(error, AUXO_FORMAT, "\"%s\": tensor \"%s\" has shape %s, which the model does not expect",
                       file->path, name, text ? text : "?");
        cJSON_free(text);
        return AUXO_FORMAT;
    }
    const cJSON *start = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(tensor, "data_offsets"), 0);
    uint64_t size_bytes = element_count(rank, dims) * sizeof(float);
    if (size_bytes > 0)
        memcpy(values, file->bytes + file->data_start + (uint64_t)start->valuedouble, size_bytes);
    return AUXO_OK;
}

/* safetensors.c: reading and writing safetensors files (see the header for the format).
 *
 * The reader trusts nothing: the header length, every offset and every shape are checked against the size of the file.
 */
#include "safetensors.h"
#include "half.h"
#include "json.h"

#include "file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { HEADER_LENGTH_BYTES = 8, HEADER_MAX_BYTES = 100 << 20 };
enum { CHECKSUM_DIGITS = 16 };
static const char CHECKSUM_KEY[] = "auxo.checksum", CHECKSUM_ZERO[] = "0000000000000000";
static const char CHECKSUM_MARK[] = "\"auxo.checksum\":\"";

static const char *const type_names[AUXO__DTYPE_COUNT] = {
#define TYPE_NAME(name, bytes) #name,
    AUXO__DTYPE_TABLE(TYPE_NAME)
#undef TYPE_NAME
};
static const uint64_t type_bytes[AUXO__DTYPE_COUNT] = {
#define TYPE_BYTES(name, bytes) bytes,
    AUXO__DTYPE_TABLE(TYPE_BYTES)
#undef TYPE_BYTES
};

struct auxo__safetensors {
    char *path;
    unsigned char *bytes;
    uint64_t size_bytes, data_start;
    cJSON *header;
};

static uint64_t element_count(uint32_t rank, const int64_t *dims)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= (uint64_t)dims[i];
    return count;
}

uint64_t auxo__tensor_bytes(const auxo__tensor_entry *tensor)
{
    return element_count(tensor->rank, tensor->dims) * type_bytes[tensor->type];
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

static bool add_tensor_header(cJSON *root, const auxo__tensor_entry *tensor, uint64_t *offset)
{
    cJSON *object = cJSON_AddObjectToObject(root, tensor->name);
    cJSON *shape = object && cJSON_AddStringToObject(object, "dtype", type_names[tensor->type])
                       ? cJSON_AddArrayToObject(object, "shape")
                       : NULL;
    cJSON *offsets = shape ? cJSON_AddArrayToObject(object, "data_offsets") : NULL;
    bool good = offsets != NULL;
    for (uint32_t i = 0; good && i < tensor->rank; i++)
        good = cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)tensor->dims[i]));
    uint64_t end = *offset + auxo__tensor_bytes(tensor);
    good = good && cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)*offset)) &&
           cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)end));
    *offset = end;
    return good;
}

/* The JSON header; NULL when out of memory. Ownership: cJSON_free. */
static char *print_header(const auxo__tensor_entry *tensors, size_t tensor_count, const auxo__metadata_entry *metadata,
                          size_t metadata_count, bool checksum)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *map = cJSON_AddObjectToObject(root, "__metadata__");
    bool good = map != NULL && (!checksum || cJSON_AddStringToObject(map, CHECKSUM_KEY, CHECKSUM_ZERO));
    uint64_t offset = 0;
    for (size_t i = 0; good && i < metadata_count; i++)
        good = cJSON_AddStringToObject(map, metadata[i].key, metadata[i].value);
    for (size_t i = 0; good && i < tensor_count; i++)
        good = add_tensor_header(root, &tensors[i], &offset);
    char *text = good ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}

/* The checksum over the file that is to be written; the header still has zeros in its place. */
static void fill_in_checksum(char *header, const unsigned char *length_bytes, uint64_t padding,
                             const auxo__tensor_entry *tensors, size_t tensor_count)
{
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, length_bytes, HEADER_LENGTH_BYTES);
    XXH3_64bits_update(&state, header, strlen(header));
    XXH3_64bits_update(&state, "        ", padding);
    for (size_t i = 0; i < tensor_count; i++)
        XXH3_64bits_update(&state, tensors[i].values, auxo__tensor_bytes(&tensors[i]));
    char digits[CHECKSUM_DIGITS + 1];
    snprintf(digits, sizeof digits, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(&state));
    memcpy(strstr(header, CHECKSUM_MARK) + sizeof CHECKSUM_MARK - 1, digits, CHECKSUM_DIGITS);
}

static auxo_status write_all(auxo__file_writer *writer, char *header, const auxo__tensor_entry *tensors,
                             size_t tensor_count, bool checksum, auxo_error *error)
{
    unsigned char length_bytes[HEADER_LENGTH_BYTES];
    uint64_t length = strlen(header), padding = (8 - length % 8) % 8;
    for (int i = 0; i < HEADER_LENGTH_BYTES; i++)
        length_bytes[i] = (unsigned char)((length + padding) >> 8 * i);
    if (checksum)
        fill_in_checksum(header, length_bytes, padding, tensors, tensor_count);
    auxo_status status = auxo__file_writer_write(writer, length_bytes, sizeof length_bytes, error);
    if (status == AUXO_OK)
        status = auxo__file_writer_write(writer, header, length, error);
    if (status == AUXO_OK)
        status = auxo__file_writer_write(writer, "        ", padding, error);
    for (size_t i = 0; status == AUXO_OK && i < tensor_count; i++)
        status = auxo__file_writer_write(writer, tensors[i].values, auxo__tensor_bytes(&tensors[i]), error);
    return status;
}

auxo_status auxo__safetensors_write(const char *path, const auxo__tensor_entry *tensors, size_t tensor_count,
                                    const auxo__metadata_entry *metadata, size_t metadata_count, bool checksum,
                                    auxo_error *error)
{
    auxo__file_writer writer;
    char *header = print_header(tensors, tensor_count, metadata, metadata_count, checksum);
    if (!header)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing \"%s\"", path);
    auxo_status status = auxo__file_writer_open(&writer, path, error);
    if (status == AUXO_OK) {
        status = write_all(&writer, header, tensors, tensor_count, checksum, error);
        if (status == AUXO_OK)
            status = auxo__file_writer_commit(&writer, error);
        else
            auxo__file_writer_abort(&writer);
    }
    cJSON_free(header);
    return status;
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
        return auxo_error_set(error, auxo__file_status(errno), "cannot open \"%s\": %s", file->path, strerror(errno));
    long size = fseek(stream, 0, SEEK_END) == 0 ? ftell(stream) : -1;
    bool good = size >= 0 && fseek(stream, 0, SEEK_SET) == 0;
    file->size_bytes = good ? (uint64_t)size : 0;
    uint64_t wanted = file->size_bytes;
    unsigned char first[HEADER_LENGTH_BYTES];
    if (good && header_only && file->size_bytes >= sizeof first) {
        good = fread(first, 1, sizeof first, stream) == sizeof first && fseek(stream, 0, SEEK_SET) == 0;
        uint64_t length = header_length(first);
        wanted = length <= wanted - HEADER_LENGTH_BYTES ? HEADER_LENGTH_BYTES + length : HEADER_LENGTH_BYTES;
    }
    file->bytes = good ? malloc(wanted + 1) : NULL;
    if (good && !file->bytes) {
        fclose(stream);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading \"%s\"", file->path);
    }
    good = good && fread(file->bytes, 1, wanted, stream) == wanted;
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

static int find_type(const char *name)
{
    for (int i = 0; i < AUXO__DTYPE_COUNT; i++)
        if (strcmp(type_names[i], name) == 0)
            return i;
    return -1;
}

static auxo_status check_tensor(const auxo__safetensors *file, const cJSON *tensor, auxo_error *error)
{
    uint64_t data_bytes = file->size_bytes - file->data_start;
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(tensor, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(tensor, "shape"), *dim;
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(tensor, "data_offsets");
    int type = cJSON_IsString(dtype) ? find_type(dtype->valuestring) : -1;
    if (type < 0)
        return auxo_error_set(error, AUXO_FORMAT,
                              "\"%s\": tensor \"%s\" is of none of the types F32, F64, F16 and BF16", file->path,
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
        count > data_bytes / type_bytes[type] || count * type_bytes[type] != end - start)
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
    auxo_status status =
        auxo__json_parse((const char *)file->bytes + HEADER_LENGTH_BYTES, length, &file->header, error);
    if (status == AUXO_OUT_OF_MEMORY)
        return auxo_error_set(error, status, "out of memory reading \"%s\"", file->path);
    if (!cJSON_IsObject(file->header))
        return fail_format(file, "its header is not a JSON object", error);
    const cJSON *item, *metadata = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    if (metadata && !cJSON_IsObject(metadata))
        return fail_format(file, "its \"__metadata__\" is not an object of texts", error);
    cJSON_ArrayForEach(item, file->header)
    {
        status = strcmp(item->string, "__metadata__") == 0 ? AUXO_OK : check_tensor(file, item, error);
        if (status != AUXO_OK)
            return status;
    }
    return check_coverage(file, error);
}

/* Whether the bytes are those that the checksum was taken over; a file without one passes. */
static auxo_status check_sum(auxo__safetensors *file, auxo_error *error)
{
    const char *saved = auxo__safetensors_metadata(file, "", CHECKSUM_KEY);
    if (!saved)
        return AUXO_OK;
    char *header = (char *)file->bytes + HEADER_LENGTH_BYTES;
    size_t mark_length = sizeof CHECKSUM_MARK - 1, header_bytes = file->data_start - HEADER_LENGTH_BYTES;
    char *place = NULL;
    for (size_t i = 0; !place && i + mark_length + CHECKSUM_DIGITS <= header_bytes; i++)
        if (memcmp(header + i, CHECKSUM_MARK, mark_length) == 0)
            place = header + i + mark_length;
    if (!place || strlen(saved) != CHECKSUM_DIGITS)
        return fail_format(file, "its checksum has another form than Auxo's", error);
    memcpy(place, CHECKSUM_ZERO, CHECKSUM_DIGITS);
    char digits[CHECKSUM_DIGITS + 1];
    snprintf(digits, sizeof digits, "%016" PRIx64, (uint64_t)XXH3_64bits(file->bytes, file->size_bytes));
    if (strcmp(digits, saved) == 0)
        return AUXO_OK;
    return fail_format(
        file, "its bytes are not those that were written (the checksum differs): take a copy that is whole", error);
}

/* `bytes` NULL: reads the file. */
static auxo_status open_file(const char *path, char *bytes, uint64_t size_bytes, bool header_only,
                             auxo__safetensors **file, auxo_error *error)
{
    *file = NULL;
    auxo__safetensors *opened = calloc(1, sizeof *opened);
    if (opened) {
        opened->path = strdup(path);
        opened->bytes = (unsigned char *)bytes;
        opened->size_bytes = size_bytes;
    }
    if (!opened || !opened->path) {
        if (!opened)
            free(bytes);
        auxo__safetensors_free(opened);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading \"%s\"", path);
    }
    auxo_status status = bytes ? AUXO_OK : read_bytes(opened, header_only, error);
    if (status == AUXO_OK)
        status = parse_header(opened, error);
    if (status == AUXO_OK && !header_only)
        status = check_sum(opened, error);
    if (status != AUXO_OK) {
        auxo__safetensors_free(opened);
        return status;
    }
    *file = opened;
    return AUXO_OK;
}

auxo_status auxo__safetensors_read(const char *path, auxo__safetensors **file, auxo_error *error)
{
    return open_file(path, NULL, 0, false, file, error);
}

auxo_status auxo__safetensors_parse(const char *path, char *bytes, uint64_t size_bytes, auxo__safetensors **file,
                                    auxo_error *error)
{
    return open_file(path, bytes, size_bytes, false, file, error);
}

auxo_status auxo__safetensors_read_header(const char *path, auxo__safetensors **file, auxo_error *error)
{
    return open_file(path, NULL, 0, true, file, error);
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

/* The member of an object under prefix + name. */
static const cJSON *find_member(const cJSON *object, const char *prefix, const char *name)
{
    size_t prefix_length = strlen(prefix);
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        if (strncmp(item->string, prefix, prefix_length) == 0 && strcmp(item->string + prefix_length, name) == 0)
            return item;
    }
    return NULL;
}

const char *auxo__safetensors_metadata(const auxo__safetensors *file, const char *prefix, const char *key)
{
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    const cJSON *item = find_member(map, prefix, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

bool auxo__safetensors_length(const auxo__safetensors *file, const char *prefix, const char *name, int64_t *length)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(find_member(file->header, prefix, name), "shape");
    if (cJSON_GetArraySize(shape) != 1)
        return false;
    *length = (int64_t)cJSON_GetArrayItem(shape, 0)->valuedouble;
    return true;
}

void auxo__safetensors_visit(const auxo__safetensors *file, void (*visit)(void *user, const char *name), void *user)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, file->header)
    {
        if (strcmp(item->string, "__metadata__") != 0)
            visit(user, item->string);
    }
}

bool auxo__safetensors_find(const auxo__safetensors *file, const char *prefix, const char *name,
                            int64_t dims[AUXO__DIMS_MAX], auxo__tensor_entry *tensor)
{
    const cJSON *found = find_member(file->header, prefix, name);
    if (!found)
        return false;
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(found, "shape");
    const cJSON *start = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(found, "data_offsets"), 0);
    *tensor = (auxo__tensor_entry){
        .name = found->string,
        .type = (auxo__dtype)find_type(cJSON_GetObjectItemCaseSensitive(found, "dtype")->valuestring),
        .rank = (uint32_t)cJSON_GetArraySize(shape),
        .values = file->bytes + file->data_start + (uint64_t)start->valuedouble};
    for (uint32_t i = 0; i < tensor->rank && i < AUXO__DIMS_MAX; i++)
        dims[i] = (int64_t)cJSON_GetArrayItem(shape, (int)i)->valuedouble;
    tensor->dims = dims;
    return true;
}

bool auxo__tensor_to_floats(auxo__dtype type, const void *values, uint64_t count, float *floats)
{
    const unsigned char *bytes = values;
    for (uint64_t i = 0; i < count; i++) {
        uint16_t half;
        double wide;
        switch (type) {
        case AUXO__F32:
            memcpy(&floats[i], bytes + 4 * i, sizeof floats[i]);
            break;
        case AUXO__F64:
            memcpy(&wide, bytes + 8 * i, sizeof wide);
            floats[i] = (float)wide;
            break;
        case AUXO__F16:
        case AUXO__BF16:
            memcpy(&half, bytes + 2 * i, sizeof half);
            floats[i] = (float)(type == AUXO__F16 ? auxo__half_to_double(half) : auxo__bf16_to_double(half));
            break;
        default:
            return false;
        }
    }
    return true;
}

auxo_status auxo__safetensors_copy(const auxo__safetensors *file, const char *prefix, const char *name,
                                   auxo__dtype type, uint32_t rank, const int64_t *dims, void *values,
                                   auxo_error *error)
{
    auxo__tensor_entry tensor;
    int64_t found_dims[AUXO__DIMS_MAX];
    if (!auxo__safetensors_find(file, prefix, name, found_dims, &tensor))
        return auxo_error_set(error, AUXO_FORMAT, "\"%s\": tensor \"%s%s\" is missing", file->path, prefix, name);
    const bool widens = type == AUXO__F32 && (tensor.type == AUXO__F16 || tensor.type == AUXO__BF16);
    if (tensor.type != type && !widens)
        return auxo_error_set(error, AUXO_FORMAT, "\"%s\": tensor \"%s%s\" is of type %s, not %s", file->path, prefix,
                              name, type_names[tensor.type], type_names[type]);
    if (tensor.rank != rank || memcmp(found_dims, dims, rank * sizeof *dims) != 0) {
        const cJSON *shape = cJSON_GetObjectItemCaseSensitive(find_member(file->header, prefix, name), "shape");
        char *text = cJSON_PrintUnformatted(shape);
        auxo_error_set(error, AUXO_FORMAT, "\"%s\": tensor \"%s%s\" has shape %s, which the model does not expect",
                       file->path, prefix, name, text ? text : "?");
        cJSON_free(text);
        return AUXO_FORMAT;
    }
    if (widens)
        auxo__tensor_to_floats(tensor.type, tensor.values, element_count(rank, dims), values);
    else if (element_count(rank, dims) > 0)
        memcpy(values, tensor.values, element_count(rank, dims) * type_bytes[type]);
    return AUXO_OK;
}

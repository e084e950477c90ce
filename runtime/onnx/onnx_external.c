/* onnx_external.c: tensors whose bytes lie in another file beside the model ("external data"), as PyTorch writes them
 * by default: read in, so that they are as if they had been inside.
 *
 * A file may name files of its own folder only, and no byte of them twice, so that a small model cannot ask for more
 * memory than there are bytes.
 */
#include "onnx_read.h"

#include "file.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* Where a tensor lies. */
typedef struct external_place {
    const char *location;
    uint64_t offset, length;
} external_place;

static const char *entry_of(const Onnx__TensorProto *tensor, const char *key)
{
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const Onnx__StringStringEntryProto *entry = tensor->external_data[i];
        if (entry->key && entry->value && strcmp(entry->key, key) == 0)
            return entry->value;
    }
    return NULL;
}

/* Without an entry `otherwise`; false: there is one that is no number. */
static bool number_of(const Onnx__TensorProto *tensor, const char *key, uint64_t otherwise, uint64_t *number)
{
    const char *text = entry_of(tensor, key);
    char *end = NULL;
    *number = otherwise;
    if (!text)
        return true;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

static bool is_in_folder(const char *location)
{
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
            return false;
    }
    return *location && *location != '/';
}

static auxo_status place_of(const Onnx__TensorProto *tensor, external_place *place, auxo_error *error)
{
    const char *name = tensor->name ? tensor->name : "a constant";
    place->location = entry_of(tensor, "location");
    if (!place->location || !is_in_folder(place->location))
        return auxo_error_set(
            error, AUXO_FORMAT,
            "onnx: tensor \"%.80s\" lies in another file, \"%.200s\"; it must be one in the folder of the "
            "model",
            name, place->location ? place->location : "");
    if (!number_of(tensor, "offset", 0, &place->offset) || !number_of(tensor, "length", UINT64_MAX, &place->length))
        return auxo_error_set(error, AUXO_FORMAT, "onnx: tensor \"%.80s\": its place in \"%.200s\" is no number", name,
                              place->location);
    return AUXO_OK;
}

/* Reads the bytes at `place` into the tensor; *left: how many bytes of the file may still be asked for. */
static auxo_status read_tensor(Onnx__TensorProto *tensor, FILE *stream, const char *path, external_place *place,
                               uint64_t size, uint64_t *left, auxo_error *error)
{
    const char *name = tensor->name ? tensor->name : "a constant";
    if (place->length == UINT64_MAX && place->offset <= size)
        place->length = size - place->offset;
    if (place->offset > size || place->length > size - place->offset || place->length > *left)
        return auxo_error_set(
            error, AUXO_FORMAT,
            "onnx: tensor \"%.80s\": %llu bytes from byte %llu on are not in %.300s, which has %llu, or "
            "another tensor has them",
            name, (unsigned long long)place->length, (unsigned long long)place->offset, path, (unsigned long long)size);
    uint8_t *bytes = malloc((size_t)place->length + 1);
    if (!bytes)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "onnx: out of memory for tensor \"%.80s\"", name);
    if (fseeko(stream, (off_t)place->offset, SEEK_SET) != 0 ||
        fread(bytes, 1, (size_t)place->length, stream) != place->length) {
        free(bytes);
        return auxo_error_set(error, AUXO_IO, "%.300s: %s", path, strerror(errno));
    }
    *left -= place->length;
    free(tensor->raw_data.data); /* as protobuf-c does */
    tensor->raw_data = (ProtobufCBinaryData){(size_t)place->length, bytes};
    tensor->has_raw_data = 1;
    tensor->data_location = 0;
    return AUXO_OK;
}

/* All tensors from `first` on that lie in the same file as it does. */
static auxo_status read_file(Onnx__GraphProto *graph, size_t first, const char *folder, auxo_error *error)
{
    char path[PATH_BYTES];
    external_place place;
    auxo_status status = place_of(graph->initializer[first], &place, error);
    if (status != AUXO_OK)
        return status;
    const char *location = place.location;
    if (snprintf(path, sizeof path, "%s%s", folder, location) >= (int)sizeof path)
        return auxo_error_set(error, AUXO_IO, "%.300s: the path is too long", location);
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return auxo_error_set(error, auxo__file_status(errno),
                              "%.300s: %s; weights of the model lie there, keep the two files together", path,
                              strerror(errno));
    const off_t end = fseeko(stream, 0, SEEK_END) == 0 ? ftello(stream) : -1;
    const uint64_t size = end > 0 ? (uint64_t)end : 0;
    uint64_t left = size;
    for (size_t i = first; status == AUXO_OK && i < graph->n_initializer; i++) {
        Onnx__TensorProto *tensor = graph->initializer[i];
        if (tensor->data_location != 1)
            continue;
        status = place_of(tensor, &place, error);
        if (status == AUXO_OK && strcmp(place.location, location) == 0)
            status = read_tensor(tensor, stream, path, &place, size, &left, error);
    }
    fclose(stream);
    return status;
}

auxo_status onnx_file_read_external(onnx_file *file, auxo_error *error)
{
    char folder[PATH_BYTES];
    Onnx__GraphProto *graph = file->model->graph;
    const char *slash = strrchr(file->path, '/');
    auxo__field_copy(folder, sizeof folder, slash ? file->path : "");
    if (slash && (size_t)(slash - file->path) + 1 < sizeof folder)
        folder[slash - file->path + 1] = '\0';
    auxo_status status = AUXO_OK;
    for (size_t i = 0; status == AUXO_OK && i < graph->n_initializer; i++)
        if (graph->initializer[i]->data_location == 1)
            status = read_file(graph, i, folder, error);
    return status;
}

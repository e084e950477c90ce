/* archive.c: see archive.h. Trainers are checkpoint.c's, models model_file.c's.
 */
#include "archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct part {
    struct part *next;
    char *name;
    int64_t dims[AUXO__DIMS_MAX];
    auxo__tensor_entry tensor; /* name, dims and values are this part's */
    char *text;                /* a text, and no tensor */
} part;

struct auxo__archive {
    part *first, *last; /* in writing order */
    size_t tensor_count, text_count;
    auxo__safetensors *file; /* one that was read */
};

auxo_status auxo__archive_create(auxo__archive **archive, auxo_error *error)
{
    *archive = calloc(1, sizeof **archive);
    return *archive ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for a checkpoint");
}

void auxo__archive_destroy(auxo__archive *archive)
{
    if (!archive)
        return;
    for (part *p = archive->first; p;) {
        part *next = p->next;
        free(p->name);
        free(p->text);
        free((void *)p->tensor.values);
        free(p);
        p = next;
    }
    auxo__safetensors_free(archive->file);
    free(archive);
}

static char *join(const char *prefix, const char *name)
{
    size_t size = strlen(prefix) + strlen(name) + 1;
    char *joined = malloc(size);
    if (joined)
        snprintf(joined, size, "%s%s", prefix, name);
    return joined;
}

static part *add_part(auxo__archive *archive, const char *prefix, const char *name, auxo_error *error)
{
    part *added = calloc(1, sizeof *added);
    if (added)
        added->name = join(prefix, name);
    if (!added || !added->name) {
        free(added);
        auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the checkpoint's \"%s%s\"", prefix, name);
        return NULL;
    }
    if (archive->last)
        archive->last->next = added;
    else
        archive->first = added;
    archive->last = added;
    return added;
}

auxo_status auxo__archive_put_text(auxo__archive *archive, const char *prefix, const char *key, const char *text,
                                   auxo_error *error)
{
    part *added = add_part(archive, prefix, key, error);
    if (added)
        added->text = strdup(text);
    archive->text_count++;
    if (!added || !added->text)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the checkpoint's \"%s%s\"", prefix, key);
    return AUXO_OK;
}

void *auxo__archive_put(auxo__archive *archive, const char *prefix, const char *name, auxo__dtype type, uint32_t rank,
                        const int64_t *dims, auxo_error *error)
{
    part *added = add_part(archive, prefix, name, error);
    if (!added)
        return NULL;
    memcpy(added->dims, dims, rank * sizeof *dims);
    added->tensor = (auxo__tensor_entry){.name = added->name, .type = type, .rank = rank, .dims = added->dims};
    void *values = malloc(auxo__tensor_bytes(&added->tensor) + 1);
    added->tensor.values = values;
    archive->tensor_count++;
    if (!values)
        auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the checkpoint's \"%s\"", added->name);
    return values;
}

auxo_status auxo__archive_put_floats(auxo__archive *archive, const char *prefix, const char *name, const float *values,
                                     size_t count, auxo_error *error)
{
    float *room = auxo__archive_put(archive, prefix, name, AUXO__F32, 1, &(int64_t){(int64_t)count}, error);
    if (room && count > 0)
        memcpy(room, values, count * sizeof *values);
    return room ? AUXO_OK : AUXO_OUT_OF_MEMORY;
}

auxo_status auxo__archive_put_doubles(auxo__archive *archive, const char *prefix, const char *name,
                                      const double *values, size_t count, auxo_error *error)
{
    double *room = auxo__archive_put(archive, prefix, name, AUXO__F64, 1, &(int64_t){(int64_t)count}, error);
    if (room && count > 0)
        memcpy(room, values, count * sizeof *values);
    return room ? AUXO_OK : AUXO_OUT_OF_MEMORY;
}

auxo_status auxo__archive_put_buffer(auxo__archive *archive, const char *prefix, const char *name, auxo_queue *queue,
                                     auxo_buffer *buffer, size_t count, auxo_error *error)
{
    float *room = auxo__archive_put(archive, prefix, name, AUXO__F32, 1, &(int64_t){(int64_t)count}, error);
    if (!room)
        return AUXO_OUT_OF_MEMORY;
    return count > 0 ? auxo_buffer_read(queue, buffer, 0, room, count * sizeof *room, error) : AUXO_OK;
}

auxo_status auxo__archive_write(const auxo__archive *archive, const char *path, auxo_error *error)
{
    auxo__tensor_entry *tensors = malloc((archive->tensor_count + 1) * sizeof *tensors);
    auxo__metadata_entry *texts = malloc((archive->text_count + 1) * sizeof *texts);
    auxo_status status =
        tensors && texts ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing %s", path);
    size_t tensor_count = 0, text_count = 0;
    for (const part *p = archive->first; status == AUXO_OK && p; p = p->next) {
        if (p->text)
            texts[text_count++] = (auxo__metadata_entry){p->name, p->text};
        else
            tensors[tensor_count++] = p->tensor;
    }
    if (status == AUXO_OK)
        status = auxo__safetensors_write(path, tensors, tensor_count, texts, text_count, true, error);
    free(tensors);
    free(texts);
    return status;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

auxo_status auxo__archive_read(const char *path, auxo__archive **archive, auxo_error *error)
{
    auxo_status status = auxo__archive_create(archive, error);
    if (status == AUXO_OK)
        status = auxo__safetensors_read(path, &(*archive)->file, error);
    if (status != AUXO_OK) {
        auxo__archive_destroy(*archive);
        *archive = NULL;
    }
    return status;
}

auxo_status auxo__archive_parse(const char *path, char *bytes, size_t size_bytes, auxo__archive **archive,
                                auxo_error *error)
{
    auxo_status status = auxo__archive_create(archive, error);
    if (status == AUXO_OK)
        status = auxo__safetensors_parse(path, bytes, size_bytes, &(*archive)->file, error);
    else
        free(bytes);
    if (status != AUXO_OK) {
        auxo__archive_destroy(*archive);
        *archive = NULL;
    }
    return status;
}

const auxo__safetensors *auxo__archive_file(const auxo__archive *archive)
{
    return archive->file;
}

const char *auxo__archive_text(const auxo__archive *archive, const char *prefix, const char *key)
{
    return auxo__safetensors_metadata(archive->file, prefix, key);
}

bool auxo__archive_has(const auxo__archive *archive, const char *prefix, const char *name)
{
    int64_t count = 0;
    return auxo__safetensors_length(archive->file, prefix, name, &count);
}

auxo_status auxo__archive_get_doubles(const auxo__archive *archive, const char *prefix, const char *name,
                                      double **values, size_t *count, auxo_error *error)
{
    int64_t length = 0;
    *values = NULL;
    *count = 0;
    if (!auxo__safetensors_length(archive->file, prefix, name, &length))
        return auxo_error_set(error, AUXO_FORMAT, "the checkpoint lacks \"%s%s\"", prefix, name);
    *values = malloc(((size_t)length + 1) * sizeof **values);
    if (!*values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the checkpoint's \"%s%s\"", prefix, name);
    auxo_status status = auxo__safetensors_copy(archive->file, prefix, name, AUXO__F64, 1, &length, *values, error);
    if (status == AUXO_OK) {
        *count = (size_t)length;
    } else {
        free(*values);
        *values = NULL;
    }
    return status;
}

auxo_status auxo__archive_get_floats(const auxo__archive *archive, const char *prefix, const char *name, float *values,
                                     size_t count, auxo_error *error)
{
    return auxo__safetensors_copy(archive->file, prefix, name, AUXO__F32, 1, &(int64_t){(int64_t)count}, values, error);
}

auxo_status auxo__archive_get_buffer(const auxo__archive *archive, const char *prefix, const char *name,
                                     auxo_queue *queue, auxo_buffer *buffer, size_t count, auxo_error *error)
{
    float *values = malloc((count + 1) * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the checkpoint's \"%s%s\"", prefix, name);
    auxo_status status = auxo__archive_get_floats(archive, prefix, name, values, count, error);
    if (status == AUXO_OK && count > 0)
        status = auxo_buffer_write(queue, buffer, 0, values, count * sizeof *values, error);
    free(values);
    return status;
}

auxo_status auxo__archive_get_model(const auxo__archive *archive, const char *prefix, auxo_device *device,
                                    auxo_model **model, auxo_error *error)
{
    *model = NULL;
    auxo_status status = auxo__model_build(device, archive->file, prefix, model, error);
    if (status == AUXO_OK)
        return status;
    auxo_model_destroy(*model);
    *model = NULL;
    return auxo_error_wrap(error, status, "the checkpoint's model \"%s\"", prefix);
}

/* npy.c: the header of NumPy's .npy files: \x93NUMPY, version, length, a Python dictionary of type, order and shape.
 *
 * Written from the format's description (NEP 1). Pickled objects, records, text and the other byte order are refused.
 */
#include "npy.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 1 << 16 };

void auxo__npy_deinit(auxo__npy *array)
{
    auxo__mapping_release(array->file);
    *array = (auxo__npy){0};
}

void auxo__npy_lay_out(auxo__npy *array, bool columns_first)
{
    uint64_t step = auxo__element_bytes(array->element);
    for (uint32_t i = 0; i < array->rank; i++) {
        const uint32_t axis = columns_first ? i : array->rank - 1 - i;
        array->strides[axis] = step;
        step *= array->dims[axis];
    }
}

/* What follows 'key': in the dictionary; NULL if it is not there. */
static const char *value_of(const char *header, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s':", key);
    const char *at = strstr(header, quoted);
    if (!at)
        return NULL;
    at += strlen(quoted);
    return at + strspn(at, " ");
}

static bool read_element(const char *text, auxo_element *element)
{
    static const char *const texts[] = {
#define AUXO_ELEMENT_TEXT(name, bytes, text) text,
        AUXO_ELEMENT_TABLE(AUXO_ELEMENT_TEXT)
#undef AUXO_ELEMENT_TEXT
    };
    if (text[0] != '\'' || (text[1] != '<' && text[1] != '|' && text[1] != '='))
        return false;
    for (int e = 0; e < AUXO_ELEMENT_COUNT; e++) {
        const size_t length = strlen(texts[e]);
        if (strncmp(text + 2, texts[e] + 1, length - 1) == 0 && text[length + 1] == '\'') {
            *element = (auxo_element)e;
            return auxo__element_bytes(*element) == 1 || text[1] != '|';
        }
    }
    return false;
}

static bool read_shape(const char *text, auxo__npy *array)
{
    if (*text++ != '(')
        return false;
    for (array->rank = 0;; array->rank++) {
        text += strspn(text, " ,");
        if (*text == ')')
            return true;
        char *end = NULL;
        if (!isdigit((unsigned char)*text) || array->rank == AUXO_ARRAY_RANK_MAX)
            return false;
        array->dims[array->rank] = strtoull(text, &end, 10);
        text = end;
    }
}

static auxo_status read_dictionary(const char *header, auxo__npy *array, auxo_error *error)
{
    const char *type = value_of(header, "descr"), *order = value_of(header, "fortran_order");
    const char *shape = value_of(header, "shape");
    if (!type || !order || !shape)
        return auxo_error_set(error, AUXO_FORMAT, "%s: the header of the array is incomplete", array->path);
    if (!read_element(type, &array->element))
        return auxo_error_set(
            error, AUXO_FORMAT,
            "%s holds %.*s, which is no plain number of this machine; save it with .astype('float32')", array->path,
            (int)strcspn(type, ",}"), type);
    const bool columns_first = strncmp(order, "True", 4) == 0;
    if (!columns_first && strncmp(order, "False", 5) != 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: the header of the array has no order", array->path);
    if (!read_shape(shape, array))
        return auxo_error_set(error, AUXO_FORMAT, "%s: the header of the array has the shape %.40s", array->path,
                              shape);
    auxo__npy_lay_out(array, columns_first);
    return AUXO_OK;
}

static auxo_status check_size(const auxo__npy *array, uint64_t size, auxo_error *error)
{
    uint64_t bytes = auxo__element_bytes(array->element);
    for (uint32_t i = 0; i < array->rank; i++) {
        if (array->dims[i] != 0 && bytes > ((uint64_t)1 << 62) / array->dims[i])
            return auxo_error_set(error, AUXO_FORMAT, "%s: the sizes of the array overflow", array->path);
        bytes *= array->dims[i];
    }
    if (bytes == size)
        return AUXO_OK;
    return auxo_error_set(error, AUXO_FORMAT, "%s: the array should have %llu bytes, but %llu are there", array->path,
                          (unsigned long long)bytes, (unsigned long long)size);
}

auxo_status auxo__npy_parse(const char *path, auxo__mapping *file, uint64_t offset, uint64_t size, auxo__npy *array,
                            auxo_error *error)
{
    *array = (auxo__npy){0};
    snprintf(array->path, sizeof array->path, "%s", path);
    const uint8_t *bytes = file->bytes + offset;
    if (size < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not an array of NumPy (.npy)", path);
    const bool long_header = bytes[6] > 1;
    const uint64_t start = long_header ? 12 : 10;
    uint64_t length = bytes[8] | (uint64_t)bytes[9] << 8;
    if (long_header)
        length |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
    if (bytes[6] < 1 || bytes[6] > 3 || length > HEADER_MAX || start + length > size)
        return auxo_error_set(error, AUXO_FORMAT, "%s: the header of the array is wrong or cut off", path);
    char *header = malloc(length + 1);
    if (!header)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
    memcpy(header, bytes + start, length);
    header[length] = '\0';
    auxo_status status = read_dictionary(header, array, error);
    free(header);
    if (status == AUXO_OK)
        status = check_size(array, size - start - length, error);
    if (status != AUXO_OK)
        return status;
    array->values = bytes + start + length;
    array->file = auxo__mapping_share(file);
    return AUXO_OK;
}

auxo_status auxo__npy_open(const char *path, auxo__npy *array, auxo_error *error)
{
    auxo__mapping *file = NULL;
    *array = (auxo__npy){0};
    auxo_status status = auxo__mapping_open(path, &file, error);
    if (status == AUXO_OK)
        status = auxo__npy_parse(path, file, 0, file->size, array, error);
    auxo__mapping_release(file);
    return status;
}

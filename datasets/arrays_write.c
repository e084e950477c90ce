/* arrays_write.c: arrays as files of NumPy's: one alone (.npy), or several by their names (.npz, a ZIP archive of
 * stored .npy members, with the 64-bit extensions where a member or the archive is larger than 4 GiB).
 *
 * The file appears complete or not at all.
 */
#include "file.h"
#include "npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum { HEADER_BYTES = 256, LOCAL_BYTES = 30, ENTRY_BYTES = 46, EXTRA_BYTES = 20, NAME_BYTES = 64, ALIGNMENT = 64 };
static const uint64_t LIMIT32 = UINT32_MAX;

/* ---- one array --------------------------------------------------------------------------------------------------- */

/* The header of a .npy file: a whole number of 64 bytes, so that the values behind it are aligned. */
static size_t write_header(const auxo_array *array, char header[HEADER_BYTES])
{
    static const char *const texts[] = {
#define AUXO_ELEMENT_TEXT(name, bytes, text) text,
        AUXO_ELEMENT_TABLE(AUXO_ELEMENT_TEXT)
#undef AUXO_ELEMENT_TEXT
    };
    enum { PREFIX = 10 };
    char *at = header + PREFIX;
    at += sprintf(at, "{'descr': '%s', 'fortran_order': False, 'shape': (", texts[array->element]);
    for (uint32_t i = 0; i < array->rank; i++)
        at += sprintf(at, "%" PRIu64 ",%s", array->dims[i], i + 1 < array->rank ? " " : "");
    at += sprintf(at, "), }");
    while ((at - header + 1) % ALIGNMENT != 0)
        *at++ = ' ';
    *at++ = '\n';
    const size_t length = (size_t)(at - header);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)((length - PREFIX) & 255);
    header[9] = (char)((length - PREFIX) >> 8);
    return length;
}

/* Bytes of its values. Errors: INVALID_ARGUMENT for what has gaps, or is none. */
static auxo_status measure(const char *path, const auxo_array *array, uint64_t *size, auxo_error *error)
{
    if (array->rank > AUXO_ARRAY_RANK_MAX || array->element >= AUXO_ELEMENT_COUNT)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: an array of %u axes and element type %d is none", path,
                              array->rank, (int)array->element);
    *size = auxo__element_bytes(array->element);
    for (uint32_t i = array->rank; i-- > 0;) {
        if (array->strides[i] != 0 && array->strides[i] != *size)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: an array with gaps between its numbers", path);
        if (array->dims[i] != 0 && *size > ((uint64_t)1 << 62) / array->dims[i])
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: the sizes of an array overflow", path);
        *size *= array->dims[i];
    }
    return AUXO_OK;
}

static auxo_status write_alone(auxo__file_writer *writer, const char *path, const auxo_array *array, auxo_error *error)
{
    char header[HEADER_BYTES];
    uint64_t size = 0;
    auxo_status status = measure(path, array, &size, error);
    if (status == AUXO_OK)
        status = auxo__file_writer_write(writer, header, write_header(array, header), error);
    return status == AUXO_OK ? auxo__file_writer_write(writer, array->values, (size_t)size, error) : status;
}

/* ---- archives ---------------------------------------------------------------------------------------------------- */

typedef struct member {
    char name[NAME_BYTES], header[HEADER_BYTES];
    size_t header_size;
    uint64_t size, at; /* with the header */
    uint32_t crc;
} member;

static uint8_t *put(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = i < (int)sizeof value ? (uint8_t)(value >> 8 * i) : 0;
    return at;
}

static uint64_t within32(uint64_t value)
{
    return value < LIMIT32 ? value : LIMIT32;
}

/* What both records of a member hold from the needed version on, up to the length of its name. */
static uint8_t *put_common(uint8_t *at, const member *m, bool large, size_t extra)
{
    at = put(at, large ? 45 : 20, 2);
    at = put(at, 0, 4);          /* no flags; stored */
    at = put(at, 0x00210000, 4); /* 1 January 1980: the same numbers make the same file */
    at = put(at, m->crc, 4);
    at = put(at, large ? LIMIT32 : m->size, 4);
    at = put(at, large ? LIMIT32 : m->size, 4);
    at = put(at, strlen(m->name), 2);
    return put(at, extra, 2);
}

static uint8_t *put_extra(uint8_t *at, const member *m, bool with_place)
{
    at = put(at, 1, 2);
    at = put(at, with_place ? 24 : 16, 2);
    at = put(at, m->size, 8);
    at = put(at, m->size, 8);
    return with_place ? put(at, m->at, 8) : at;
}

/* The CRC-32 of as many bytes as there may be. */
static uint32_t checksum(uint32_t crc, const uint8_t *bytes, uint64_t size)
{
    while (size > 0) {
        const uInt part = (uInt)(size < (1u << 30) ? size : 1u << 30);
        crc = (uint32_t)crc32(crc, bytes, part);
        bytes += part;
        size -= part;
    }
    return crc;
}

static auxo_status write_member(auxo__file_writer *writer, const char *path, const char *name, const auxo_array *array,
                                member *m, uint64_t *at, auxo_error *error)
{
    uint8_t record[LOCAL_BYTES + NAME_BYTES + EXTRA_BYTES];
    uint64_t size = 0;
    auxo_status status = measure(path, array, &size, error);
    if (status != AUXO_OK)
        return status;
    if (snprintf(m->name, sizeof m->name, "%s.npy", name) >= (int)sizeof m->name)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: the name of an array is too long: %.40s..", path,
                              name);
    m->header_size = write_header(array, m->header);
    m->size = m->header_size + size;
    m->at = *at;
    m->crc = checksum(checksum(0, (const uint8_t *)m->header, m->header_size), array->values, size);
    const bool large = m->size >= LIMIT32;
    uint8_t *end = put(record, 0x04034b50, 4);
    end = put_common(end, m, large, large ? EXTRA_BYTES : 0);
    memcpy(end, m->name, strlen(m->name));
    end += strlen(m->name);
    end = large ? put_extra(end, m, false) : end;
    status = auxo__file_writer_write(writer, record, (size_t)(end - record), error);
    if (status == AUXO_OK)
        status = auxo__file_writer_write(writer, m->header, m->header_size, error);
    if (status == AUXO_OK)
        status = auxo__file_writer_write(writer, array->values, (size_t)size, error);
    *at += (uint64_t)(end - record) + m->size;
    return status;
}

/* One entry of the directory; *at grows. */
static auxo_status write_entry(auxo__file_writer *writer, const member *m, uint64_t *at, auxo_error *error)
{
    uint8_t record[ENTRY_BYTES + NAME_BYTES + EXTRA_BYTES + 8];
    const bool large = m->size >= LIMIT32 || m->at >= LIMIT32;
    uint8_t *end = put(record, 0x02014b50, 4);
    end = put(end, large ? 45 : 20, 2);
    end = put_common(end, m, large, large ? EXTRA_BYTES + 8 : 0);
    end = put(end, 0, 10); /* no comment, first disk, no attributes */
    end = put(end, large ? LIMIT32 : m->at, 4);
    memcpy(end, m->name, strlen(m->name));
    end += strlen(m->name);
    end = large ? put_extra(end, m, true) : end;
    *at += (uint64_t)(end - record);
    return auxo__file_writer_write(writer, record, (size_t)(end - record), error);
}

static auxo_status write_directory(auxo__file_writer *writer, const member *members, size_t count, uint64_t begin,
                                   auxo_error *error)
{
    uint8_t record[56 + 20 + 22], *end = record;
    uint64_t at = begin;
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        status = write_entry(writer, &members[i], &at, error);
    if (begin >= LIMIT32 || at - begin >= LIMIT32) {
        end = put(end, 0x06064b50, 4);
        end = put(end, 44, 8);
        end = put(put(end, 45, 2), 45, 2);
        end = put(end, 0, 8);
        end = put(put(end, count, 8), count, 8);
        end = put(put(end, at - begin, 8), begin, 8);
        end = put(put(end, 0x07064b50, 4), 0, 4);
        end = put(put(end, at, 8), 1, 4);
    }
    end = put(put(end, 0x06054b50, 4), 0, 4);
    end = put(put(end, count, 2), count, 2);
    end = put(put(end, within32(at - begin), 4), within32(begin), 4);
    end = put(end, 0, 2);
    return status == AUXO_OK ? auxo__file_writer_write(writer, record, (size_t)(end - record), error) : status;
}

static auxo_status write_archive(auxo__file_writer *writer, const char *path, const char *const *names,
                                 const auxo_array *arrays, size_t count, auxo_error *error)
{
    uint64_t at = 0;
    member *members = calloc(count + 1, sizeof *members);
    auxo_status status =
        members ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for %zu arrays", path, count);
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        status = write_member(writer, path, names[i], &arrays[i], &members[i], &at, error);
    if (status == AUXO_OK)
        status = write_directory(writer, members, count, at, error);
    free(members);
    return status;
}

auxo_status auxo_arrays_write(const char *path, const char *const *names, const auxo_array *arrays, size_t count,
                              auxo_error *error)
{
    const char *dot = strrchr(path, '.');
    const bool alone = dot && strcasecmp(dot, ".npy") == 0;
    auxo__file_writer writer = {0};
    if (!alone && !(dot && strcasecmp(dot, ".npz") == 0))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s ends neither in .npy nor in .npz", path);
    if (alone && count != 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: a .npy file holds one array, not %zu; use .npz", path,
                              count);
    auxo_status status = auxo__file_writer_open(&writer, path, error);
    if (status != AUXO_OK)
        return status;
    status =
        alone ? write_alone(&writer, path, arrays, error) : write_archive(&writer, path, names, arrays, count, error);
    if (status == AUXO_OK)
        return auxo__file_writer_commit(&writer, error);
    auxo__file_writer_abort(&writer);
    return status;
}

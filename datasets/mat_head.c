/* mat_head.c: the heads of a MATLAB 5 file's variables, checked one by one.
 *
 * matio takes the sizes in a head on trust: 206 bytes made it take 2 GB, and cells and structures nest as deeply as
 * they say. Here a head must be written as MATLAB writes it ("MAT-File Format", The MathWorks, level 5): flags,
 * dimensions, name, at their places; and its values must fit the bytes that are there, packed ones at most 1,032 to one
 * by zlib.
 */
#include "mat_head.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum {
    FILE_HEAD = 128,
    TAG = 8,
    VARIABLE_HEAD = 512, /* of a variable, what is looked at */
    PACKED_HEAD = 4096,  /* of its packed bytes */
    RANK_MAX = 8,
    NAME_MAX_BYTES = 64,
    INFLATE_MOST = 1032
};
enum { TYPE_INT8 = 1, TYPE_INT32 = 5, TYPE_UINT32 = 6, TYPE_MATRIX = 14, TYPE_COMPRESSED = 15 };
enum { CLASS_CELL = 1, CLASS_OBJECT = 3, CLASS_CHAR = 4, CLASS_DOUBLE = 6, CLASS_UINT64 = 15 };

typedef struct mat_file {
    const char *path;
    FILE *stream;
    uint64_t size, at; /* of the file; where the element at hand begins */
    bool swaps;        /* written with the other byte order */
} mat_file;

static uint32_t number_at(const mat_file *file, const uint8_t *bytes)
{
    const uint32_t little =
        (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    const uint32_t big =
        (uint32_t)bytes[3] | (uint32_t)bytes[2] << 8 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[0] << 24;
    return file->swaps ? big : little;
}

static auxo_status refuse(const mat_file *file, const char *what, auxo_error *error)
{
    return auxo_error_set(error, AUXO_FORMAT, "%s: the variable at byte %llu %s", file->path,
                          (unsigned long long)file->at, what);
}

/* What is unpacked of a variable, at most VARIABLE_HEAD bytes; how many. */
static size_t unpack_head(const uint8_t *packed, size_t packed_size, uint8_t head[VARIABLE_HEAD])
{
    z_stream stream = {0};
    if (inflateInit(&stream) != Z_OK)
        return 0;
    stream.next_in = (Bytef *)packed;
    stream.avail_in = (uInt)packed_size;
    stream.next_out = head;
    stream.avail_out = VARIABLE_HEAD;
    const int code = inflate(&stream, Z_SYNC_FLUSH);
    const size_t unpacked = VARIABLE_HEAD - stream.avail_out;
    inflateEnd(&stream);
    return code == Z_OK || code == Z_STREAM_END ? unpacked : 0;
}

/* `head`: a variable from its tag on, of which `room` bytes follow the tag in the file, or can follow it. */
static auxo_status check_variable(const mat_file *file, const uint8_t *head, size_t size, uint64_t room,
                                  auxo_error *error)
{
    enum { FLAGS = TAG, DIMS = FLAGS + TAG + 8, LEAST = DIMS + TAG + 8 + TAG };
    if (size < LEAST || number_at(file, head) != TYPE_MATRIX || number_at(file, head + FLAGS) != TYPE_UINT32 ||
        number_at(file, head + FLAGS + 4) != 8 || number_at(file, head + DIMS) != TYPE_INT32)
        return refuse(file, "does not begin as a variable does", error);
    if (number_at(file, head + 4) > room)
        return refuse(file, "promises more bytes than the file holds", error);
    const uint32_t class = number_at(file, head + FLAGS + TAG) & 0xff;
    if (class != CLASS_CHAR && (class < CLASS_DOUBLE || class > CLASS_UINT64))
        return refuse(file,
                      class >= CLASS_CELL && class <= CLASS_OBJECT
                          ? "is a cell, a structure or an object; only arrays of numbers are read"
                          : "is of a kind that is not read; only arrays of numbers are",
                      error);
    const uint32_t dims_bytes = number_at(file, head + DIMS + 4);
    if (dims_bytes < 8 || dims_bytes > 4 * RANK_MAX || dims_bytes % 4 != 0)
        return refuse(file, "has a strange number of dimensions", error);
    uint64_t count = 1;
    for (uint32_t i = 0; i < dims_bytes / 4; i++) {
        const uint32_t dim = number_at(file, head + DIMS + TAG + 4 * (size_t)i);
        if (dim > INT32_MAX || (dim > 0 && count > room / dim))
            return refuse(file, "has dimensions of more values than the file holds", error);
        count *= dim;
    }
    const size_t name = DIMS + TAG + (dims_bytes + 7) / 8 * 8;
    const uint32_t tag = size >= name + TAG ? number_at(file, head + name) : 0;
    const uint32_t name_bytes = tag >> 16 ? tag >> 16 : size >= name + TAG ? number_at(file, head + name + 4) : 0;
    if ((tag & 0xffff) != TYPE_INT8 || name_bytes == 0 || name_bytes > (tag >> 16 ? 4 : NAME_MAX_BYTES))
        return refuse(file, "has no name of a variable", error);
    return AUXO_OK;
}

/* The element at file->at, and on to the next. */
static auxo_status check_element(mat_file *file, auxo_error *error)
{
    uint8_t bytes[TAG + PACKED_HEAD] = {0}, head[VARIABLE_HEAD] = {0};
    const size_t wanted = file->size - file->at < sizeof bytes ? (size_t)(file->size - file->at) : sizeof bytes;
    if (fseeko(file->stream, (off_t)file->at, SEEK_SET) != 0 || fread(bytes, 1, wanted, file->stream) != wanted)
        return auxo_error_set(error, AUXO_IO, "%s: %s", file->path, strerror(errno));
    const uint32_t type = number_at(file, bytes), size = number_at(file, bytes + 4);
    if (wanted < TAG || (type != TYPE_MATRIX && type != TYPE_COMPRESSED))
        return refuse(file, "is none", error);
    if (size > file->size - file->at - TAG)
        return refuse(file, "promises more bytes than the file holds", error);
    auxo_status status;
    if (type == TYPE_MATRIX) {
        status = check_variable(file, bytes, wanted < size + TAG ? wanted : size + TAG, size, error);
    } else {
        const size_t packed = wanted - TAG < size ? wanted - TAG : size;
        status =
            check_variable(file, head, unpack_head(bytes + TAG, packed, head), (uint64_t)size * INFLATE_MOST, error);
    }
    file->at += TAG + (uint64_t)size;
    return status;
}

static auxo_status check_file(mat_file *file, auxo_error *error)
{
    static const uint8_t hdf5_magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    uint8_t head[FILE_HEAD] = {0}, magic[8] = {0};
    const bool read = fread(head, 1, sizeof head, file->stream) == sizeof head;
    const uint8_t *version = head + FILE_HEAD - 4;
    if (read && memcmp(version, "\0\2IM", 4) == 0 && fseeko(file->stream, 512, SEEK_SET) == 0 &&
        fread(magic, 1, sizeof magic, file->stream) == sizeof magic && memcmp(magic, hdf5_magic, sizeof magic) == 0)
        return AUXO_OK;
    file->swaps = memcmp(version, "\1\0MI", 4) == 0;
    if (!read || (!file->swaps && memcmp(version, "\0\1IM", 4) != 0))
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a file of MATLAB 5 or 7.3", file->path);
    if (fseeko(file->stream, 0, SEEK_END) != 0)
        return auxo_error_set(error, AUXO_IO, "%s: %s", file->path, strerror(errno));
    file->size = (uint64_t)ftello(file->stream);
    auxo_status status = AUXO_OK;
    for (file->at = FILE_HEAD; status == AUXO_OK && file->at < file->size;)
        status = check_element(file, error);
    return status;
}

auxo_status auxo__mat_check(const char *path, auxo_error *error)
{
    mat_file file = {.path = path, .stream = fopen(path, "rb")};
    if (!file.stream)
        return auxo_error_set(error, errno == ENOENT ? AUXO_NOT_FOUND : AUXO_IO, "%s: %s", path, strerror(errno));
    auxo_status status = check_file(&file, error);
    fclose(file.stream);
    return status;
}

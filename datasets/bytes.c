/* bytes.c: reads a file whole and unpacks gzip (zlib) and xz (liblzma).
 *
 * Implements bytes.h. Unpacking grows one buffer by doubling; the end of the packed data before the end of the stream
 * is an error, as are bytes after it: half a data set is never returned.
 */
#include "bytes.h"

#include <errno.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define MAX_UNPACKED_BYTES ((size_t)4 << 30)
#define MAX_LZMA_MEMORY_BYTES ((uint64_t)1 << 30)
#define CHUNK_BYTES ((size_t)1 << 30) /* zlib counts in unsigned int */

/* Invariant: capacity >= size + 1, so the closing zero byte always fits. */
typedef struct growing {
    uint8_t *bytes;
    size_t size, capacity;
    size_t limit; /* of size */
} growing;

static auxo_status grow(growing *out, const char *path, auxo_error *error)
{
    if (out->size >= out->limit)
        return auxo_error_set(error, AUXO_FORMAT, "%s: unpacks to more than %zu bytes, which such a file can have",
                              path, out->limit);
    /* One byte more than the limit may come, which shows that there are more, and the closing zero. */
    size_t capacity = out->capacity ? out->capacity * 2 : 65536;
    capacity = capacity > out->limit + 2 ? out->limit + 2 : capacity;
    uint8_t *bytes = realloc(out->bytes, capacity);
    if (!bytes)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for %zu bytes", path, capacity);
    out->bytes = bytes;
    out->capacity = capacity;
    return AUXO_OK;
}

static bool is_gzip(const uint8_t *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static bool is_xz(const uint8_t *bytes, size_t size)
{
    static const uint8_t magic[6] = {0xfd, '7', 'z', 'X', 'Z', 0};
    return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static auxo_status inflate_members(z_stream *stream, const char *path, const uint8_t *packed, size_t packed_size,
                                   growing *out, auxo_error *error)
{
    size_t position = 0;
    for (;;) {
        if (out->capacity - out->size < 2) {
            auxo_status status = grow(out, path, error);
            if (status != AUXO_OK)
                return status;
        }
        size_t given = smaller(packed_size - position, CHUNK_BYTES);
        size_t room = smaller(out->capacity - out->size - 1, CHUNK_BYTES);
        stream->next_in = (Bytef *)(packed + position);
        stream->avail_in = (uInt)given;
        stream->next_out = out->bytes + out->size;
        stream->avail_out = (uInt)room;
        int code = inflate(stream, Z_NO_FLUSH);
        position += given - stream->avail_in;
        out->size += room - stream->avail_out;
        if (code == Z_STREAM_END) {
            if (position == packed_size)
                return AUXO_OK;
            if (!is_gzip(packed + position, packed_size - position))
                return auxo_error_set(error, AUXO_FORMAT, "%s: %zu stray bytes after the gzip stream", path,
                                      packed_size - position);
            inflateReset(stream);
        } else if (code == Z_MEM_ERROR) {
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to unpack gzip", path);
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            return auxo_error_set(error, AUXO_FORMAT, "%s: corrupt gzip data at packed byte %zu (%s); fetch it again",
                                  path, position, stream->msg ? stream->msg : "no detail");
        } else if (position == packed_size && stream->avail_out > 0) {
            return auxo_error_set(error, AUXO_FORMAT,
                                  "%s: truncated gzip file: ends after %zu unpacked bytes; fetch it again", path,
                                  out->size);
        }
    }
}

static auxo_status unpack_gzip(const char *path, const uint8_t *packed, size_t packed_size, growing *out,
                               auxo_error *error)
{
    z_stream stream = {0};
    if (inflateInit2(&stream, 15 + 16) != Z_OK)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to unpack gzip", path);
    auxo_status status = inflate_members(&stream, path, packed, packed_size, out, error);
    inflateEnd(&stream);
    return status;
}

static auxo_status lzma_failure(const char *path, lzma_ret code, const growing *out, auxo_error *error)
{
    switch (code) {
    case LZMA_BUF_ERROR:
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s: truncated xz file: ends after %zu unpacked bytes; fetch it again", path, out->size);
    case LZMA_MEM_ERROR:
    case LZMA_MEMLIMIT_ERROR:
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to unpack xz", path);
    default:
        return auxo_error_set(error, AUXO_FORMAT, "%s: corrupt xz data (liblzma error %d); fetch it again", path,
                              (int)code);
    }
}

static auxo_status unpack_xz(const char *path, const uint8_t *packed, size_t packed_size, growing *out,
                             auxo_error *error)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&stream, MAX_LZMA_MEMORY_BYTES, LZMA_CONCATENATED) != LZMA_OK)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to unpack xz", path);
    stream.next_in = packed;
    stream.avail_in = packed_size;
    auxo_status status = AUXO_OK;
    lzma_ret code = LZMA_OK;
    while (code == LZMA_OK) {
        if (out->capacity - out->size < 2 && (status = grow(out, path, error)) != AUXO_OK)
            break;
        size_t room = out->capacity - out->size - 1;
        stream.next_out = out->bytes + out->size;
        stream.avail_out = room;
        code = lzma_code(&stream, LZMA_FINISH);
        out->size += room - stream.avail_out;
    }
    lzma_end(&stream);
    if (status != AUXO_OK)
        return status;
    return code == LZMA_STREAM_END ? AUXO_OK : lzma_failure(path, code, out, error);
}

static auxo_status unpack(const char *path, const uint8_t *packed, size_t packed_size, size_t limit, uint8_t **bytes,
                          size_t *size, auxo_error *error)
{
    growing out = {.limit = limit};
    auxo_status status = grow(&out, path, error);
    if (status != AUXO_OK)
        return status;
    if (is_gzip(packed, packed_size)) {
        status = unpack_gzip(path, packed, packed_size, &out, error);
    } else if (is_xz(packed, packed_size)) {
        status = unpack_xz(path, packed, packed_size, &out, error);
    } else {
        if (packed_size > limit)
            status = auxo_error_set(error, AUXO_FORMAT, "%s: more than %zu bytes", path, limit);
        while (status == AUXO_OK && out.capacity < packed_size + 1)
            status = grow(&out, path, error);
        if (status == AUXO_OK && packed_size > 0)
            memcpy(out.bytes, packed, packed_size);
        out.size = packed_size;
    }
    if (status == AUXO_OK && out.size > limit)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: unpacks to more than %zu bytes, which such a file can have",
                                path, limit);
    if (status != AUXO_OK) {
        free(out.bytes);
        return status;
    }
    out.bytes[out.size] = 0;
    *bytes = out.bytes;
    *size = out.size;
    return AUXO_OK;
}

auxo_status auxo__bytes_unpack(const char *path, const uint8_t *packed, size_t packed_size, uint8_t **bytes,
                               size_t *size, auxo_error *error)
{
    return unpack(path, packed, packed_size, MAX_UNPACKED_BYTES, bytes, size, error);
}

static auxo_status read_file(const char *path, FILE *file, uint8_t **bytes, size_t *size, auxo_error *error)
{
    struct stat info;
    if (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < 0)
        return auxo_error_set(error, AUXO_IO, "%s: not a regular file", path);
    size_t expected = (size_t)info.st_size;
    uint8_t *read = expected < SIZE_MAX ? malloc(expected + 1) : NULL;
    if (!read)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for %zu bytes", path, expected);
    if (fread(read, 1, expected, file) != expected) {
        free(read);
        return auxo_error_set(error, AUXO_IO, "%s: cannot read all of its %zu bytes: %s", path, expected,
                              ferror(file) ? strerror(errno) : "it became shorter");
    }
    read[expected] = 0;
    *bytes = read;
    *size = expected;
    return AUXO_OK;
}

auxo_status auxo__bytes_open(const char *path, FILE **file, bool *packed, auxo_error *error)
{
    struct stat info;
    uint8_t first[6];
    *file = fopen(path, "rb");
    if (!*file)
        return auxo_error_set(error, errno == ENOENT ? AUXO_NOT_FOUND : AUXO_IO, "%s: %s", path, strerror(errno));
    if (fstat(fileno(*file), &info) != 0 || !S_ISREG(info.st_mode)) {
        fclose(*file);
        *file = NULL;
        return auxo_error_set(error, AUXO_IO, "%s: not a regular file", path);
    }
    size_t count = fread(first, 1, sizeof first, *file);
    *packed = is_gzip(first, count) || is_xz(first, count);
    rewind(*file);
    return AUXO_OK;
}

auxo_status auxo__bytes_read_limited(const char *path, size_t limit, uint8_t **bytes, size_t *size, auxo_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return auxo_error_set(error, errno == ENOENT ? AUXO_NOT_FOUND : AUXO_IO, "%s: %s", path, strerror(errno));
    uint8_t *read = NULL;
    size_t read_size = 0;
    auxo_status status = read_file(path, file, &read, &read_size, error);
    fclose(file);
    if (status != AUXO_OK)
        return status;
    if (!is_gzip(read, read_size) && !is_xz(read, read_size)) {
        *bytes = read;
        *size = read_size;
        return AUXO_OK;
    }
    status = unpack(path, read, read_size, limit, bytes, size, error);
    free(read);
    return status;
}

auxo_status auxo__bytes_read(const char *path, uint8_t **bytes, size_t *size, auxo_error *error)
{
    return auxo__bytes_read_limited(path, MAX_UNPACKED_BYTES, bytes, size, error);
}

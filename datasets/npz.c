/* npz.c: members of .npz archives, which are ZIP files of .npy arrays: stored ones stay where they are, deflated ones
 * are unpacked with zlib.
 *
 * Read from the central directory, with the 64-bit extensions. Encrypted, split and otherwise packed archives are
 * refused; so is a member that says it unpacks to more than deflate can.
 */
#include "npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { END_BYTES = 22, END64_BYTES = 56, LOCATOR_BYTES = 20, ENTRY_BYTES = 46, LOCAL_BYTES = 30 };
enum { STORED = 0, DEFLATED = 8, DEFLATE_MOST = 1040 };

typedef struct zip_member {
    const uint8_t *name;
    size_t name_length;
    uint16_t flags, method;
    uint32_t crc;
    uint64_t packed, size, local;
} zip_member;

typedef struct zip_directory {
    const auxo__mapping *file;
    uint64_t at, end, count;
} zip_directory;

static uint64_t get(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static bool has_mark(const uint8_t *at, uint8_t third, uint8_t fourth)
{
    return at[0] == 'P' && at[1] == 'K' && at[2] == third && at[3] == fourth;
}

static auxo_status broken(const auxo__mapping *file, auxo_error *error)
{
    return auxo_error_set(error, AUXO_FORMAT, "%s: not a .npz archive, or cut off", file->path);
}

static auxo_status find_directory(const auxo__mapping *file, zip_directory *directory, auxo_error *error)
{
    *directory = (zip_directory){.file = file};
    if (file->size < END_BYTES)
        return broken(file, error);
    uint64_t end = file->size - END_BYTES;
    const uint64_t lowest = end > 65535 ? end - 65535 : 0;
    while (end > lowest && !has_mark(file->bytes + end, 5, 6))
        end--;
    const uint8_t *record = file->bytes + end;
    if (!has_mark(record, 5, 6))
        return broken(file, error);
    directory->count = get(record + 10, 2);
    uint64_t size = get(record + 12, 4);
    directory->at = get(record + 16, 4);
    if (end >= LOCATOR_BYTES && has_mark(record - LOCATOR_BYTES, 6, 7)) {
        const uint64_t at = get(record - LOCATOR_BYTES + 8, 8);
        if (at > end || end - at < END64_BYTES || !has_mark(file->bytes + at, 6, 6))
            return broken(file, error);
        directory->count = get(file->bytes + at + 32, 8);
        size = get(file->bytes + at + 40, 8);
        directory->at = get(file->bytes + at + 48, 8);
    }
    if (directory->at > end || size > end - directory->at)
        return broken(file, error);
    directory->end = directory->at + size;
    return AUXO_OK;
}

/* The 64-bit sizes of an entry whose 32-bit ones are full. */
static void read_extra(const uint8_t *extra, size_t length, zip_member *member)
{
    uint64_t *const wanted[] = {&member->size, &member->packed, &member->local};
    while (length >= 4) {
        const size_t size = get(extra + 2, 2);
        if (size > length - 4)
            return;
        const uint8_t *at = extra + 4;
        size_t left = get(extra, 2) == 1 ? size : 0;
        for (size_t i = 0; i < 3 && left >= 8; i++)
            if (*wanted[i] == UINT32_MAX) {
                *wanted[i] = get(at, 8);
                at += 8;
                left -= 8;
            }
        extra += 4 + size;
        length -= 4 + size;
    }
}

/* The next entry of the directory; *found false at the end. */
static auxo_status next_member(zip_directory *directory, zip_member *member, bool *found, auxo_error *error)
{
    const uint8_t *at = directory->file->bytes + directory->at;
    const uint64_t left = directory->end - directory->at;
    *found = directory->count > 0;
    if (!*found)
        return AUXO_OK;
    if (left < ENTRY_BYTES || !has_mark(at, 1, 2))
        return broken(directory->file, error);
    const size_t name = get(at + 28, 2), extra = get(at + 30, 2), comment = get(at + 32, 2);
    if (left < ENTRY_BYTES + name + extra + comment)
        return broken(directory->file, error);
    *member = (zip_member){.name = at + ENTRY_BYTES,
                           .name_length = name,
                           .flags = (uint16_t)get(at + 8, 2),
                           .method = (uint16_t)get(at + 10, 2),
                           .crc = (uint32_t)get(at + 16, 4),
                           .packed = get(at + 20, 4),
                           .size = get(at + 24, 4),
                           .local = get(at + 42, 4)};
    read_extra(at + ENTRY_BYTES + name, extra, member);
    directory->at += ENTRY_BYTES + name + extra + comment;
    directory->count--;
    return AUXO_OK;
}

/* ---- contents ---------------------------------------------------------------------------------------------------- */

static auxo_status unpack(const char *path, const uint8_t *packed, const zip_member *member, auxo__mapping **unpacked,
                          auxo_error *error)
{
    if (member->size > member->packed * DEFLATE_MOST + 64)
        return auxo_error_set(error, AUXO_FORMAT, "%s says it unpacks to %llu bytes, which it cannot", path,
                              (unsigned long long)member->size);
    uint8_t *bytes = malloc(member->size + 1);
    z_stream stream = {0};
    if (!bytes || inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
        free(bytes);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for %llu bytes", path,
                              (unsigned long long)member->size);
    }
    uint64_t in = 0, out = 0;
    int code = Z_OK;
    while (code == Z_OK) {
        const uint64_t given = member->packed - in < (1u << 30) ? member->packed - in : 1u << 30;
        const uint64_t room = member->size + 1 - out < (1u << 30) ? member->size + 1 - out : 1u << 30;
        stream.next_in = (Bytef *)(uintptr_t)(packed + in);
        stream.avail_in = (uInt)given;
        stream.next_out = bytes + out;
        stream.avail_out = (uInt)room;
        code = inflate(&stream, Z_NO_FLUSH);
        in += given - stream.avail_in;
        out += room - stream.avail_out;
    }
    inflateEnd(&stream);
    uLong crc = crc32(0, NULL, 0);
    for (uint64_t at = 0; at < out; at += 1u << 30)
        crc = crc32(crc, bytes + at, (uInt)(out - at < (1u << 30) ? out - at : 1u << 30));
    if (code != Z_STREAM_END || out != member->size || crc != member->crc) {
        free(bytes);
        return auxo_error_set(error, AUXO_FORMAT, "%s: cut off or damaged", path);
    }
    return auxo__mapping_of_memory(path, bytes, out, unpacked, error);
}

static auxo_status open_member(auxo__mapping *archive, const zip_member *member, auxo__npy *array, auxo_error *error)
{
    char path[512];
    snprintf(path, sizeof path, "%.300s: %.*s", archive->path,
             (int)(member->name_length < 100 ? member->name_length : 100), (const char *)member->name);
    if (member->local > archive->size || archive->size - member->local < LOCAL_BYTES ||
        !has_mark(archive->bytes + member->local, 3, 4))
        return broken(archive, error);
    const uint8_t *local = archive->bytes + member->local;
    const uint64_t offset = member->local + LOCAL_BYTES + get(local + 26, 2) + get(local + 28, 2);
    if (offset > archive->size || member->packed > archive->size - offset)
        return broken(archive, error);
    if ((member->flags & 1) || (member->method != STORED && member->method != DEFLATED))
        return auxo_error_set(error, AUXO_UNSUPPORTED, "%s is encrypted or packed by another way than NumPy's", path);
    if (member->method == STORED)
        return member->size == member->packed ? auxo__npy_parse(path, archive, offset, member->size, array, error)
                                              : broken(archive, error);
    auxo__mapping *unpacked = NULL;
    auxo_status status = unpack(path, archive->bytes + offset, member, &unpacked, error);
    if (status == AUXO_OK)
        status = auxo__npy_parse(path, unpacked, 0, unpacked->size, array, error);
    auxo__mapping_release(unpacked);
    return status;
}

static bool is_named(const zip_member *member, const char *name)
{
    const size_t length = strlen(name);
    return member->name_length == length + 4 && memcmp(member->name, name, length) == 0 &&
           memcmp(member->name + length, ".npy", 4) == 0;
}

auxo_status auxo__npz_open(auxo__mapping *archive, const char *const *names, size_t count, auxo__npy *array,
                           auxo_error *error)
{
    *array = (auxo__npy){0};
    for (size_t i = 0; i < (names ? count : 1); i++) {
        zip_directory directory;
        zip_member member;
        bool found = true;
        auxo_status status = find_directory(archive, &directory, error);
        for (size_t number = 0; status == AUXO_OK && found; number++) {
            status = next_member(&directory, &member, &found, error);
            if (status == AUXO_OK && found && (names ? is_named(&member, names[i]) : number == count))
                return open_member(archive, &member, array, error);
        }
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

// tests/fuzz/archive_fuzz.hpp: bytes as an archive in memory. Of inputs whose size is no multiple of 8, the header's
// length and the checksum are made right first: what a changed file says is else believed by nobody and goes untried.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <xxhash.h>

extern "C" {
#include "archive.h"
}

namespace fuzz
{

// Where the JSON that begins at `text` ends, behind its last brace; 0: it does not.
inline size_t json_length(const char *text, size_t size)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && text[i] == '{')
            depth++;
        else if (!quoted && text[i] == '}' && --depth == 0)
            return i + 1;
    }
    return 0;
}

inline void mend_archive(char *bytes, size_t size)
{
    const uint64_t length = json_length(bytes + 8, size - 8);
    if (length == 0)
        return;
    std::memcpy(bytes, &length, sizeof length);
    static const char mark[] = "\"auxo.checksum\":\"";
    char *place = static_cast<char *>(memmem(bytes + 8, length, mark, sizeof mark - 1));
    if (!place || static_cast<size_t>(bytes + 8 + length - place) < sizeof mark - 1 + 16)
        return;
    place += sizeof mark - 1;
    std::memset(place, '0', 16);
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016" PRIx64, static_cast<uint64_t>(XXH3_64bits(bytes, size)));
    std::memcpy(place, digits, 16);
}

// A copy that parsers may keep. Ownership: free().
inline char *copy_archive(const uint8_t *data, size_t size)
{
    char *bytes = static_cast<char *>(std::malloc(size + 1));
    if (!bytes)
        std::abort();
    std::memcpy(bytes, data, size);
    bytes[size] = '\0';
    if (size > 8 && size % 8 != 0)
        mend_archive(bytes, size);
    return bytes;
}

struct ArchiveEnd {
    void operator()(auxo__archive *archive) const
    {
        auxo__archive_destroy(archive);
    }
};
using Archive = std::unique_ptr<auxo__archive, ArchiveEnd>;

// Empty if the bytes are no archive.
inline Archive read_archive(const uint8_t *data, size_t size)
{
    auxo__archive *archive = nullptr;
    auxo_error error = {};
    if (auxo__archive_parse("fuzz", copy_archive(data, size), size, &archive, &error) != AUXO_OK)
        return nullptr;
    return Archive(archive);
}

} // namespace fuzz

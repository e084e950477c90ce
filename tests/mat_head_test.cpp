// tests/mat_head_test.cpp: MATLAB files whose variables claim more than the file can hold, or nest: refused by their
// heads, before a library takes memory for them.
#include "support/data_files.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <zlib.h>

extern "C" {
#include "mat_head.h"
}

using namespace auxo_test;

namespace
{

// A variable of a MATLAB 5 file as its head says it is, right but for what a test changes.
struct Variable {
    uint32_t kind = 9; // uint8
    std::vector<uint32_t> dims{3, 1};
    std::string name = "y";
    Bytes values{1, 2, 3};
    int64_t promised_bytes = -1; // -1: what follows
    int64_t dims_bytes = -1, name_bytes = -1;
};

void append_padded(Bytes &body, uint32_t type, const Bytes &data, int64_t promised = -1)
{
    append_u32_little_endian(body, type);
    append_u32_little_endian(body, promised < 0 ? uint32_t(data.size()) : uint32_t(promised));
    body.insert(body.end(), data.begin(), data.end());
    while (body.size() % 8 != 0)
        body.push_back(0);
}

Bytes element_of(const Variable &variable)
{
    Bytes flags, dims, body, element;
    append_u32_little_endian(flags, variable.kind);
    append_u32_little_endian(flags, 0);
    for (uint32_t dim : variable.dims)
        append_u32_little_endian(dims, dim);
    append_padded(body, 6, flags);
    append_padded(body, 5, dims, variable.dims_bytes);
    append_padded(body, 1, bytes_of(variable.name), variable.name_bytes);
    append_padded(body, 2, variable.values);
    append_padded(element, 14, body, variable.promised_bytes);
    return element;
}

Bytes packed_element(const Bytes &element)
{
    uLongf size = compressBound(element.size());
    Bytes packed(size), whole;
    REQUIRE(compress2(packed.data(), &size, element.data(), element.size(), 9) == Z_OK);
    packed.resize(size);
    append_u32_little_endian(whole, 15);
    append_u32_little_endian(whole, uint32_t(size));
    whole.insert(whole.end(), packed.begin(), packed.end());
    return whole;
}

Bytes file_of(std::initializer_list<Bytes> elements)
{
    Bytes file(128, ' ');
    std::memcpy(file.data(), "MATLAB 5.0 MAT-file", 19);
    std::memcpy(file.data() + 124, "\0\1IM", 4);
    for (const Bytes &element : elements)
        file.insert(file.end(), element.begin(), element.end());
    return file;
}

// What the head's check says of the file, as the data set does: "" if it is right.
std::string told(const Bytes &file)
{
    TempFolder folder;
    write_file(folder.file("svhn/train_32x32.mat"), file);
    Error error;
    const auxo_status status = auxo__mat_check(folder.file("svhn/train_32x32.mat").c_str(), error);
    CHECK((status == AUXO_OK || status == AUXO_FORMAT));
    auxo_data_options options = {};
    options.data_dir = folder.path.c_str();
    LoadedData data;
    const auxo_status loaded = data.load("svhn", options);
    if (status != AUXO_OK && loaded != AUXO_UNSUPPORTED)
        CHECK(std::string(data.error.message).find(error.message) != std::string::npos);
    return status == AUXO_OK ? "" : error.message;
}

void check_refused(const Variable &variable, const std::string &why)
{
    for (bool packed : {false, true}) {
        INFO(why << (packed ? ", packed" : ""));
        const Bytes element = element_of(variable), right = element_of({});
        const Bytes file = file_of({right, packed ? packed_element(element) : element});
        const std::string message = told(file);
        CHECK(message.find("at byte " + std::to_string(128 + right.size()) + " ") != std::string::npos);
        CHECK(message.find(why) != std::string::npos);
    }
}

} // namespace

TEST_CASE("heads of MATLAB variables that hold what they say are right, plain and packed, small names and long")
{
    Variable pictures, named;
    pictures.dims = {32, 32, 3, 2};
    pictures.values = Bytes(32 * 32 * 3 * 2);
    named.name = std::string(60, 'n');
    CHECK(told(file_of({element_of({}), element_of(pictures), element_of(named)})).empty());
    CHECK(told(file_of({packed_element(element_of(pictures)), packed_element(element_of({}))})).empty());
}

TEST_CASE("cells, structures, objects and functions are refused by their heads")
{
    for (uint32_t kind : {1u, 2u, 3u}) {
        Variable nested;
        nested.kind = kind;
        nested.dims = {1u << 30, 1};
        nested.values = element_of({});
        check_refused(nested, "is a cell, a structure or an object");
    }
    for (uint32_t kind : {0u, 5u, 16u, 17u, 255u}) {
        Variable other;
        other.kind = kind;
        check_refused(other, "of a kind that is not read");
    }
}

TEST_CASE("dimensions that the file cannot hold, that overflow or are negative are refused")
{
    for (std::vector<uint32_t> dims : {std::vector<uint32_t>{1u << 30, 2},
                                       {1u << 16, 1u << 16, 1u << 16, 1u << 16},
                                       {0xffffffffu, 1},
                                       {0, 0x80000000u},
                                       {32, 32, 3, 1u << 28}}) {
        Variable huge;
        huge.dims = dims;
        check_refused(huge, "dimensions of more values than the file holds");
    }
    Variable odd;
    odd.dims_bytes = 0x7ffffff8;
    check_refused(odd, "strange number of dimensions");
    odd.dims_bytes = 4;
    check_refused(odd, "strange number of dimensions");
}

TEST_CASE("variables longer than their file, names without end and what is no variable are refused")
{
    Variable cut, nameless;
    cut.promised_bytes = 0x7fffffff;
    check_refused(cut, "promises more bytes than the file holds");
    nameless.name_bytes = 0x7fffffff;
    check_refused(nameless, "has no name");
    nameless.name_bytes = 0;
    check_refused(nameless, "has no name");
    Bytes element = element_of({});
    element[0] = 13;
    CHECK(told(file_of({element})).find("at byte 128 is none") != std::string::npos);
    CHECK(told(file_of({packed_element(element)})).find("does not begin as a variable") != std::string::npos);
    Bytes packed = packed_element(element_of({}));
    packed[9] ^= 0xff;
    CHECK(told(file_of({packed})).find("does not begin as a variable") != std::string::npos);
    packed.resize(12);
    CHECK_FALSE(told(file_of({packed})).empty());
    CHECK(told(Bytes(40, 'x')).find("not a file of MATLAB") != std::string::npos);
    Bytes without_hdf5 = file_of({Bytes(600, 0)});
    without_hdf5[125] = 2;
    CHECK(told(without_hdf5).find("not a file of MATLAB") != std::string::npos);
}

TEST_CASE("a file of the other byte order is read as what it says")
{
    Bytes file = file_of({element_of({})});
    std::memcpy(file.data() + 124, "\1\0MI", 4);
    CHECK_FALSE(told(file).empty()); // its numbers are little-endian
    for (size_t at = 128; at + 4 <= file.size(); at += 4) {
        if (at == 128 + 48 || at >= 128 + 64) // the name and the values are bytes
            continue;
        std::swap(file[at], file[at + 3]);
        std::swap(file[at + 1], file[at + 2]);
    }
    CHECK(told(file).empty());
}

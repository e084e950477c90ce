// tests/support/packed.hpp: rows that stay in files: packing a data set, arrays of the .npy format, reading rows back.
#ifndef AUXO_TEST_PACKED_HPP
#define AUXO_TEST_PACKED_HPP

#include "support/data_files.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <sstream>

namespace auxo_test
{

struct Packer {
    explicit Packer(const std::string &path)
    {
        INFO(error.message);
        REQUIRE(auxo_packer_create(path.c_str(), &packer, error) == AUXO_OK);
    }
    ~Packer()
    {
        auxo_packer_destroy(packer);
    }
    void add(const auxo_dataset *part, bool test = false)
    {
        INFO(error.message);
        REQUIRE(auxo_packer_add(packer, part, test, error) == AUXO_OK);
    }
    uint64_t finish()
    {
        uint64_t size = 0;
        auxo_packer *ended = packer;
        packer = nullptr;
        REQUIRE(auxo_packer_finish(ended, &size, error) == AUXO_OK);
        return size;
    }
    auxo_packer *packer = nullptr;
    Error error;
};

inline uint64_t hash_of(const auxo_dataset *set, size_t rows)
{
    uint64_t hash = 0;
    REQUIRE(auxo_dataset_content_hash(set, rows, &hash, nullptr) == AUXO_OK);
    return hash;
}

inline auxo_data_options mapped()
{
    auxo_data_options options = {};
    options.map = true;
    return options;
}

inline std::string table_text(int rows)
{
    std::ostringstream text;
    text << "age,kind,y\n";
    for (int i = 0; i < rows; i++)
        text << 20 + i * 7 % 60 << ','
             << (i % 3 == 0   ? "amber"
                 : i % 3 == 1 ? "blue"
                              : "\"red, or so\"")
             << ',' << (i % 2 ? "yes" : "no") << '\n';
    return text.str();
}

inline std::vector<float> features_of(const auxo_dataset *set)
{
    std::vector<float> values(set->row_count * size_t(set->channels * set->height * set->width));
    auxo_row_block block = {};
    block.features = values.data();
    REQUIRE(set->feature_type == AUXO_FEATURES_F32);
    REQUIRE(auxo_dataset_read(set, nullptr, 0, set->row_count, &block, nullptr) == AUXO_OK);
    return values;
}

inline std::vector<uint32_t> labels_of(const auxo_dataset *set)
{
    std::vector<uint32_t> labels(set->row_count);
    auxo_row_block block = {};
    block.labels = labels.data();
    REQUIRE(auxo_dataset_read(set, nullptr, 0, set->row_count, &block, nullptr) == AUXO_OK);
    return labels;
}

// An array of the .npy format; `values` little-endian.
inline Bytes npy(const std::string &type, const std::string &shape, const Bytes &values, bool fortran = false)
{
    std::string header =
        "{'descr': '" + type + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
    while ((10 + header.size() + 1) % 64 != 0)
        header += ' ';
    header += '\n';
    Bytes bytes = bytes_of("\x93NUMPY");
    bytes.push_back(1);
    bytes.push_back(0);
    bytes.push_back(uint8_t(header.size() & 255));
    bytes.push_back(uint8_t(header.size() >> 8));
    bytes.insert(bytes.end(), header.begin(), header.end());
    bytes.insert(bytes.end(), values.begin(), values.end());
    return bytes;
}

template <class T> Bytes raw(const std::vector<T> &values)
{
    Bytes bytes(values.size() * sizeof(T));
    if (!bytes.empty())
        memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

} // namespace auxo_test

#endif

// tests/support/data_files.cpp: see data_files.hpp.
#include "support/data_files.hpp"

#include <lzma.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace auxo_test
{

Bytes bytes_of(const std::string &text)
{
    return Bytes(text.begin(), text.end());
}

void append_u32_big_endian(Bytes &bytes, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes.push_back(uint8_t(value >> shift));
}

void append_u32_little_endian(Bytes &bytes, uint32_t value)
{
    for (int shift = 0; shift <= 24; shift += 8)
        bytes.push_back(uint8_t(value >> shift));
}

Bytes gzip(const Bytes &plain)
{
    z_stream stream = {};
    REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    Bytes packed(deflateBound(&stream, uLong(plain.size())) + 64);
    stream.next_in = const_cast<Bytef *>(plain.data());
    stream.avail_in = uInt(plain.size());
    stream.next_out = packed.data();
    stream.avail_out = uInt(packed.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

Bytes xz(const Bytes &plain)
{
    Bytes packed(lzma_stream_buffer_bound(plain.size()));
    size_t size = 0;
    REQUIRE(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, nullptr, plain.data(), plain.size(), packed.data(), &size,
                                    packed.size()) == LZMA_OK);
    packed.resize(size);
    return packed;
}

Bytes idx_images(uint32_t count, uint32_t height, uint32_t width, uint8_t first_value)
{
    Bytes bytes;
    append_u32_big_endian(bytes, 2051);
    append_u32_big_endian(bytes, count);
    append_u32_big_endian(bytes, height);
    append_u32_big_endian(bytes, width);
    for (size_t i = 0; i < size_t(count) * height * width; i++)
        bytes.push_back(uint8_t(first_value + i));
    return bytes;
}

Bytes idx_labels(const std::vector<uint8_t> &labels)
{
    Bytes bytes;
    append_u32_big_endian(bytes, 2049);
    append_u32_big_endian(bytes, uint32_t(labels.size()));
    bytes.insert(bytes.end(), labels.begin(), labels.end());
    return bytes;
}

void write_file(const std::string &path, const Bytes &bytes)
{
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
    REQUIRE(file.good());
}

void write_file(const std::string &path, const std::string &text)
{
    write_file(path, bytes_of(text));
}

LoadedData::~LoadedData()
{
    auxo_dataset_destroy(train);
    auxo_dataset_destroy(test);
}

auxo_status LoadedData::load(const std::string &name, const auxo_data_options &options)
{
    auxo_dataset_destroy(train);
    auxo_dataset_destroy(test);
    train = test = nullptr;
    return auxo_dataset_load(name.c_str(), &options, &train, &test, error);
}

void LoadedData::require(const std::string &name, const auxo_data_options &options)
{
    REQUIRE_OK(load(name, options));
}

Glyphs::Glyphs(size_t count)
{
    auxo_data_options options{};
    options.generated_count = count;
    require("glyphs", options);
}

std::vector<float> Glyphs::outputs(auxo_model *model) const
{
    Error failure;
    std::vector<float> values(test->row_count * 10);
    REQUIRE_OK(auxo_model_predict(model, test, 64, false, values.data(), failure));
    return values;
}

LoadedTable::~LoadedTable()
{
    auxo_table_destroy(table);
    auxo_dataset_destroy(dataset);
}

auxo_status LoadedTable::read(const std::string &file_name, const std::string &text, const auxo_table_format *options)
{
    write_file(folder.file(file_name), text);
    auxo_table_destroy(table);
    table = nullptr;
    return auxo_table_read(folder.file(file_name).c_str(), options, &table, error);
}

auxo_status LoadedTable::make(const auxo_table_roles &roles)
{
    auxo_dataset_destroy(dataset);
    dataset = nullptr;
    return auxo_table_dataset(table, "table", &roles, &dataset, error);
}

void check_message(const Error &error, const std::string &part)
{
    CHECK_THAT(error.text(), Catch::Matchers::Contains(part));
}

std::string real_data_dir()
{
    const char *folder = std::getenv("AUXO_DATA_DIR");
    if (!folder || !*folder)
        WARN("skipped: AUXO_DATA_DIR is not set");
    return folder ? folder : "";
}

} // namespace auxo_test

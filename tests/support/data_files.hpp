// tests/support/data_files.hpp: files of data sets made in a test: bytes, packed bytes, the formats' headers; and owned
// data sets and tables. Real data: real_data_dir() is AUXO_DATA_DIR, or empty with a warning that the test is skipped.
#ifndef AUXO_TEST_DATA_FILES_HPP
#define AUXO_TEST_DATA_FILES_HPP

#include "auxo/table.h"
#include "auxo/train.h"
#include "support/support.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace auxo_test
{

using Bytes = std::vector<uint8_t>;

Bytes bytes_of(const std::string &text);
void append_u32_big_endian(Bytes &bytes, uint32_t value);
void append_u32_little_endian(Bytes &bytes, uint32_t value);
Bytes gzip(const Bytes &plain);
Bytes xz(const Bytes &plain);
// IDX files of the MNIST kind.
Bytes idx_images(uint32_t count, uint32_t height, uint32_t width, uint8_t first_value = 0);
Bytes idx_labels(const std::vector<uint8_t> &labels);

// Makes the folders of `path` and writes the file.
void write_file(const std::string &path, const Bytes &bytes);
void write_file(const std::string &path, const std::string &text);

// A loaded data set; either half may be absent.
class LoadedData
{
  public:
    LoadedData() = default;
    ~LoadedData();
    LoadedData(const LoadedData &) = delete;
    LoadedData &operator=(const LoadedData &) = delete;
    // As auxo_dataset_load; frees what was loaded before.
    auxo_status load(const std::string &name, const auxo_data_options &options);
    // Loads or fails the test.
    void require(const std::string &name, const auxo_data_options &options);
    auxo_dataset *train = nullptr, *test = nullptr;
    Error error;
};

// Generated digits: `count` to train with, and the test split that comes with them.
class Glyphs : public LoadedData
{
  public:
    explicit Glyphs(size_t count);
    // Outputs (rows of the test split, 10) of a model that tells ten classes apart.
    std::vector<float> outputs(auxo_model *model) const;
};

// A table read from text, and the data set made of it.
class LoadedTable
{
  public:
    LoadedTable() = default;
    ~LoadedTable();
    LoadedTable(const LoadedTable &) = delete;
    LoadedTable &operator=(const LoadedTable &) = delete;
    // Writes `text` to a file of that name and reads it.
    auxo_status read(const std::string &file_name, const std::string &text, const auxo_table_format *options = nullptr);
    auxo_status make(const auxo_table_roles &roles);
    auxo_table *table = nullptr;
    auxo_dataset *dataset = nullptr;
    Error error;

  private:
    TempFolder folder;
};

// Whether the message of `error` contains `part`; prints the message when not.
void check_message(const Error &error, const std::string &part);
std::string real_data_dir();

} // namespace auxo_test

#endif

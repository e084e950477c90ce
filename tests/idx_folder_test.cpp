// IDX files of the user's own, EMNIST's ways, and SVHN in MATLAB's newer format.
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <catch2/catch.hpp>
#ifdef TEST_HAVE_MATIO
#include <matio.h>
#endif

using namespace auxo_test;

namespace
{

std::string emnist(const TempFolder &folder, const std::string &split, const std::string &kind)
{
    return folder.file("emnist-letters-" + split + "-" + kind + "-ubyte");
}

void write_emnist(const TempFolder &folder)
{
    write_file(emnist(folder, "train", "images-idx3") + ".gz", gzip(idx_images(3, 2, 3)));
    write_file(emnist(folder, "train", "labels-idx1") + ".gz", gzip(idx_labels({1, 26, 2})));
    write_file(emnist(folder, "test", "images-idx3"), idx_images(1, 2, 3));
    write_file(emnist(folder, "test", "labels-idx1"), idx_labels({26}));
    write_file(folder.file("emnist-letters-mapping.txt"), "1 65 97\n2 66 98\n26 90 122\n");
}

} // namespace

TEST_CASE("EMNIST: found by name, turned back, letters for labels, a test split")
{
    TempFolder folder;
    write_emnist(folder);
    for (const std::string &name : {folder.path, emnist(folder, "train", "images-idx3") + ".gz"}) {
        LoadedData data;
        data.require(name, auxo_data_options{});
        REQUIRE(data.train->row_count == 3);
        REQUIRE(data.train->height == 3);
        REQUIRE(data.train->width == 2);
        const auto *pixels = static_cast<const uint8_t *>(data.train->features);
        // The file's 0 1 2 / 3 4 5 has columns for rows.
        CHECK(std::vector<uint8_t>(pixels, pixels + 6) == std::vector<uint8_t>{0, 3, 1, 4, 2, 5});
        CHECK(std::vector<uint32_t>(data.train->labels, data.train->labels + 3) == std::vector<uint32_t>{0, 2, 1});
        CHECK(std::string(data.train->target_names[2]) == "Zz");
        REQUIRE(data.test != nullptr);
        CHECK(data.test->labels[0] == 2);
        CHECK(std::string(data.train->note).find("turned back") != std::string::npos);
    }
}

TEST_CASE("IDX folders: MNIST's names are not turned, several sets, lost labels and strange labels are refused")
{
    TempFolder folder;
    const auxo_data_options options = {};
    write_file(folder.file("a/train-images-idx3-ubyte"), idx_images(2, 2, 3));
    write_file(folder.file("a/train-labels-idx1-ubyte"), idx_labels({7, 200}));
    LoadedData data;
    data.require(folder.file("a"), options);
    CHECK(data.train->width == 3);
    CHECK(std::string(data.train->target_names[1]) == "200");
    CHECK(data.test == nullptr);
    SECTION("a label that no training row has")
    {
        write_file(folder.file("a/t10k-images-idx3-ubyte"), idx_images(1, 2, 3));
        write_file(folder.file("a/t10k-labels-idx1-ubyte"), idx_labels({8}));
        CHECK(data.load(folder.file("a"), options) == AUXO_FORMAT);
        CHECK_THAT(data.error.message, Catch::Contains("label 8"));
    }
    SECTION("two sets in one folder")
    {
        write_file(folder.file("a/emnist-digits-train-images-idx3-ubyte"), idx_images(2, 2, 3));
        CHECK(data.load(folder.file("a"), options) == AUXO_INVALID_ARGUMENT);
        CHECK_THAT(data.error.message, Catch::Contains("give the path of one"));
    }
    SECTION("no labels, fewer labels, another format")
    {
        write_file(folder.file("b/train-images-idx3-ubyte"), idx_images(2, 2, 3));
        CHECK(data.load(folder.file("b"), options) == AUXO_NOT_FOUND);
        write_file(folder.file("b/train-labels-idx1-ubyte"), idx_labels({1}));
        CHECK(data.load(folder.file("b"), options) == AUXO_FORMAT);
        CHECK_THAT(data.error.message, Catch::Contains("2 pictures"));
        write_file(folder.file("b/train-images-idx3-ubyte"), "not IDX");
        CHECK(data.load(folder.file("b"), options) == AUXO_FORMAT);
    }
}

TEST_CASE("program: a model of an IDX folder evaluates and predicts others by the names of classes")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    write_emnist(folder);
    const std::string model = folder.file("m.safetensors"), other = folder.file("other/x-images-idx3-ubyte");
    REQUIRE(program
                .run({"train", "--device", "cpu", "--data", folder.path, "--model", "mlp:4", "--epochs", "1", "--save",
                      model})
                .exit_code == 0);
    write_file(other, idx_images(2, 3, 2));
    const ProgramResult predicted = program.run({"predict", model, "--device", "cpu", "--data", other});
    INFO(predicted.errors);
    CHECK(predicted.exit_code == 0);
    check_fails(program, {"eval", model, "--device", "cpu", "--data", other}, "no file of labels");
}

#ifdef TEST_HAVE_MATIO
namespace
{

void add_variable(mat_t *file, const char *name, std::vector<size_t> dims, std::vector<uint8_t> values)
{
    matvar_t *variable = Mat_VarCreate(name, MAT_C_UINT8, MAT_T_UINT8, int(dims.size()), dims.data(), values.data(), 0);
    REQUIRE(variable != nullptr);
    REQUIRE(Mat_VarWrite(file, variable, MAT_COMPRESSION_NONE) == 0);
    Mat_VarFree(variable);
}

bool write_svhn_73(const std::string &path, size_t count)
{
    mat_t *file = Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT73);
    if (!file)
        return false;
    std::vector<uint8_t> pixels(32 * 32 * 3 * count), labels(count);
    for (size_t i = 0; i < pixels.size(); i++)
        pixels[i] = uint8_t(i % 251);
    for (size_t i = 0; i < count; i++)
        labels[i] = uint8_t(i % 10 + 1);
    add_variable(file, "X", {32, 32, 3, count}, pixels);
    add_variable(file, "y", {count, 1}, labels);
    Mat_Close(file);
    return true;
}

} // namespace

TEST_CASE("SVHN in MATLAB 7.3 files is read as in version 5")
{
    TempFolder folder;
    write_file(folder.file("svhn/readme"), "");
    if (!write_svhn_73(folder.file("svhn/train_32x32.mat"), 11)) {
        WARN("skipped: matio is built without HDF5");
        return;
    }
    REQUIRE(write_svhn_73(folder.file("svhn/test_32x32.mat"), 2));
    auxo_data_options options = {};
    options.data_dir = folder.path.c_str();
    LoadedData data;
    data.require("svhn", options);
    REQUIRE(data.train->row_count == 11);
    CHECK(data.train->labels[9] == 0);
    CHECK(data.train->labels[10] == 1);
    const auto *pixels = static_cast<const uint8_t *>(data.train->features);
    CHECK(pixels[((1 * 3 + 2) * 32 + 5) * 32 + 7] == (5 + 32 * (7 + 32 * (2 + 3))) % 251);
}
#endif

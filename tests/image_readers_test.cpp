// tests/image_readers_test.cpp: IDX, CIFAR, SVHN and NORB files: what is read from good ones, and what is said of bad.
#include "support/data_files.hpp"

#include <cstring>

using namespace auxo_test;

namespace
{

// A small Fashion-MNIST folder whose files a test may replace.
class IdxFolder
{
  public:
    IdxFolder()
    {
        write("train-images-idx3-ubyte", idx_images(3, 28, 28));
        write("train-labels-idx1-ubyte", idx_labels({4, 0, 9}));
        write("t10k-images-idx3-ubyte", idx_images(1, 28, 28));
        write("t10k-labels-idx1-ubyte", idx_labels({1}));
    }
    void write(const std::string &name, const Bytes &bytes) const
    {
        write_file(folder.file("fashion-mnist/" + name), bytes);
    }
    void replace(const std::string &name, const std::string &new_name, const Bytes &bytes) const
    {
        REQUIRE(std::remove(folder.file("fashion-mnist/" + name).c_str()) == 0);
        write(new_name, bytes);
    }
    auxo_status load(LoadedData &data, size_t limit = 0) const
    {
        auxo_data_options options = {};
        options.data_dir = folder.path.c_str();
        options.limit = limit;
        return data.load("fashion-mnist", options);
    }
    void check_refused(const std::string &message) const
    {
        LoadedData data;
        CHECK(load(data) == AUXO_FORMAT);
        CHECK(data.train == nullptr);
        CHECK(data.test == nullptr);
        check_message(data.error, message);
    }
    TempFolder folder;
};

} // namespace

TEST_CASE("IDX: pixels and labels come out as written, also packed")
{
    IdxFolder files;
    auto pack = GENERATE(as<int>{}, 0, 1, 2);
    if (pack == 1)
        files.replace("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", gzip(idx_images(3, 28, 28)));
    if (pack == 2)
        files.replace("train-images-idx3-ubyte", "train-images-idx3-ubyte.xz", xz(idx_images(3, 28, 28)));
    LoadedData data;
    REQUIRE(files.load(data) == AUXO_OK);
    CHECK(data.train->row_count == 3);
    CHECK(data.test->row_count == 1);
    CHECK(data.train->class_count == 10);
    const auto *pixels = static_cast<const uint8_t *>(data.train->features);
    for (size_t i = 0; i < 3 * 784; i++)
        REQUIRE(pixels[i] == uint8_t(i));
    CHECK(data.train->labels[0] == 4);
    CHECK(data.train->labels[2] == 9);
    CHECK(std::string(data.train->target_names[9]) == "Ankle boot");
    REQUIRE(files.load(data, 2) == AUXO_OK);
    CHECK(data.train->row_count == 2);
}

TEST_CASE("IDX: several gzip members are one file")
{
    IdxFolder files;
    Bytes plain = idx_images(3, 28, 28);
    Bytes packed = gzip(Bytes(plain.begin(), plain.begin() + 100)),
          more = gzip(Bytes(plain.begin() + 100, plain.end()));
    packed.insert(packed.end(), more.begin(), more.end());
    files.write("train-images-idx3-ubyte", packed);
    LoadedData data;
    CHECK(files.load(data) == AUXO_OK);
}

TEST_CASE("IDX: a wrong magic number is named")
{
    IdxFolder files;
    files.write("train-labels-idx1-ubyte", idx_images(3, 28, 28));
    files.check_refused("train-labels-idx1-ubyte: IDX magic is 2051, expected 2049");
}

TEST_CASE("IDX: sizes that lie are refused")
{
    IdxFolder files;
    Bytes images = idx_images(3, 28, 28);
    SECTION("too many promised")
    {
        images[7] = 4;
        files.write("train-images-idx3-ubyte", images);
        files.check_refused("promises 3136 bytes of data, the file holds 2352");
    }
    SECTION("too few promised")
    {
        images[7] = 2;
        files.write("train-images-idx3-ubyte", images);
        files.check_refused("promises 1568 bytes");
    }
    SECTION("a product that overflows")
    {
        for (size_t i = 4; i < 16; i++)
            images[i] = 0xff;
        files.write("train-images-idx3-ubyte", images);
        files.check_refused("overflow");
    }
    SECTION("counts that differ")
    {
        files.write("train-labels-idx1-ubyte", idx_labels({1, 2}));
        files.check_refused("has 2 labels");
    }
    SECTION("a header that is cut off")
    {
        files.write("train-images-idx3-ubyte", Bytes(images.begin(), images.begin() + 10));
        files.check_refused("10 bytes");
        files.write("train-images-idx3-ubyte", Bytes());
        files.check_refused("too short");
    }
    SECTION("images without pixels")
    {
        files.write("train-images-idx3-ubyte", idx_images(3, 0, 28));
        files.check_refused("3 images of 0 x 28 pixels");
        files.write("train-images-idx3-ubyte", idx_images(0, 60000, 60000));
        files.write("train-labels-idx1-ubyte", idx_labels({}));
        files.check_refused("0 images of 60000 x 60000 pixels");
    }
}

TEST_CASE("IDX: a label out of range is named with its place")
{
    IdxFolder files;
    files.write("train-labels-idx1-ubyte", idx_labels({1, 10, 2}));
    files.check_refused("label 1 is 10, out of range 0 to 9");
}

TEST_CASE("packed files that are cut off or corrupt are refused")
{
    IdxFolder files;
    Bytes plain = idx_images(3, 28, 28);
    auto use_xz = GENERATE(false, true);
    Bytes packed = use_xz ? xz(plain) : gzip(plain);
    const std::string kind = use_xz ? "xz" : "gzip";
    SECTION("truncated")
    {
        for (size_t size : {packed.size() - 1, packed.size() / 2, size_t(12)}) {
            files.write("train-images-idx3-ubyte", Bytes(packed.begin(), packed.begin() + long(size)));
            files.check_refused("truncated " + kind);
        }
    }
    SECTION("a flipped bit")
    {
        packed[packed.size() / 2] ^= 0x10;
        files.write("train-images-idx3-ubyte", packed);
        files.check_refused("corrupt " + kind);
    }
    SECTION("bytes after the end")
    {
        packed.insert(packed.end(), {1, 2, 3, 4});
        files.write("train-images-idx3-ubyte", packed);
        files.check_refused(use_xz ? " xz " : "4 stray bytes after the gzip stream");
    }
}

TEST_CASE("IDX: a missing file is named, and a folder in its place is not read")
{
    IdxFolder files;
    REQUIRE(std::remove(files.folder.file("fashion-mnist/t10k-labels-idx1-ubyte").c_str()) == 0);
    LoadedData data;
    CHECK(files.load(data) == AUXO_NOT_FOUND);
    check_message(data.error, "t10k-labels-idx1-ubyte");
    write_file(files.folder.file("fashion-mnist/t10k-labels-idx1-ubyte/x"), "");
    CHECK(files.load(data) == AUXO_NOT_FOUND);
}

namespace
{

Bytes cifar_batch(size_t records, uint8_t label, size_t label_bytes = 1)
{
    Bytes bytes(records * (label_bytes + 3072));
    for (size_t i = 0; i < records; i++) {
        uint8_t *record = &bytes[i * (label_bytes + 3072)];
        record[label_bytes - 1] = label;
        record[label_bytes] = uint8_t(i);
        record[label_bytes + 3071] = 77;
    }
    return bytes;
}

// A CIFAR-10 folder with the given training batches (each of 10,000 records of one class) and a test batch.
void write_cifar(const TempFolder &folder, const std::vector<int> &batches)
{
    for (int batch : batches)
        write_file(folder.file("cifar-10/data_batch_" + std::to_string(batch) + ".bin.gz"),
                   gzip(cifar_batch(10000, uint8_t(batch))));
    write_file(folder.file("cifar-10/test_batch.bin"), cifar_batch(10000, 9));
}

} // namespace

TEST_CASE("CIFAR-10: batches in order, packed or plain, a missing one only by an explicit option")
{
    TempFolder folder;
    write_cifar(folder, {1, 3});
    auxo_data_options options = {};
    options.data_dir = folder.path.c_str();
    LoadedData data;
    CHECK(data.load("cifar-10", options) == AUXO_NOT_FOUND);
    check_message(data.error, "data_batch_2.bin");
    options.allow_missing_files = true;
    data.require("cifar-10", options);
    CHECK(data.train->row_count == 20000);
    CHECK(data.train->labels[9999] == 1);
    CHECK(data.train->labels[10000] == 3);
    CHECK(static_cast<uint8_t *>(data.train->features)[10001 * 3072] == 1);
    CHECK(static_cast<uint8_t *>(data.train->features)[10002 * 3072 - 1] == 77);
    CHECK(std::string(data.train->note) ==
          "cifar-10: 2 of 5 training files; missing: data_batch_2.bin, data_batch_4.bin, data_batch_5.bin");
    CHECK(std::string(data.test->note).empty());
    options.limit = 10;
    data.require("cifar-10", options);
    CHECK(data.train->row_count == 10);
    CHECK(data.test->row_count == 10);
}

TEST_CASE("CIFAR: wrong sizes and labels out of range are refused")
{
    TempFolder folder;
    auxo_data_options options = {};
    options.data_dir = folder.path.c_str();
    options.allow_missing_files = true;
    LoadedData data;
    write_cifar(folder, {});
    Bytes batch = cifar_batch(10000, 2);
    SECTION("a record cut off")
    {
        batch.pop_back();
        write_file(folder.file("cifar-10/data_batch_1.bin"), batch);
        CHECK(data.load("cifar-10", options) == AUXO_FORMAT);
        check_message(data.error, "30729999 bytes are not a whole number of 3073-byte records");
    }
    SECTION("whole records missing")
    {
        batch.resize(batch.size() - 3073);
        write_file(folder.file("cifar-10/data_batch_1.bin"), batch);
        CHECK(data.load("cifar-10", options) == AUXO_FORMAT);
        check_message(data.error, "9999 records, expected 10000");
    }
    SECTION("a label")
    {
        batch[3073 * 41] = 10;
        write_file(folder.file("cifar-10/data_batch_1.bin"), batch);
        CHECK(data.load("cifar-10", options) == AUXO_FORMAT);
        check_message(data.error, "label of record 41 is 10, out of range 0 to 9");
    }
}

TEST_CASE("CIFAR-100 uses the fine label")
{
    TempFolder folder;
    Bytes train = cifar_batch(50000, 99, 2);
    train[0] = 19; // the coarse label of the first record
    write_file(folder.file("cifar-100/train.bin"), train);
    write_file(folder.file("cifar-100/test.bin"), cifar_batch(10000, 50, 2));
    auxo_data_options options = {};
    options.data_dir = folder.path.c_str();
    LoadedData data;
    data.require("cifar-100", options);
    CHECK(data.train->class_count == 100);
    CHECK(data.train->labels[0] == 99);
    CHECK(data.test->labels[1] == 50);
}

namespace
{

// Small NORB files: `count` pairs of 96x96, or `count` categories.
Bytes norb_images(uint32_t count)
{
    Bytes bytes;
    for (uint32_t value : {0x1E3D4C55u, 4u, count, 2u, 96u, 96u})
        append_u32_little_endian(bytes, value);
    for (size_t i = 0; i < size_t(count) * 2 * 96 * 96; i++)
        bytes.push_back(uint8_t(i * 7));
    return bytes;
}

Bytes norb_labels(const std::vector<uint32_t> &labels)
{
    Bytes bytes;
    for (uint32_t value : {0x1E3D4C54u, 1u, uint32_t(labels.size()), 1u, 1u})
        append_u32_little_endian(bytes, value);
    for (uint32_t label : labels)
        append_u32_little_endian(bytes, label);
    return bytes;
}

void write_norb(const TempFolder &folder, const Bytes &images, const Bytes &labels)
{
    const std::string train = "small-norb/smallnorb-5x46789x9x18x6x2x96x96-training-";
    const std::string test = "small-norb/smallnorb-5x01235x9x18x6x2x96x96-testing-";
    write_file(folder.file(train + "dat.mat"), images);
    write_file(folder.file(train + "cat.mat"), labels);
    write_file(folder.file(test + "dat.mat.gz"), gzip(norb_images(1)));
    write_file(folder.file(test + "cat.mat"), norb_labels({4}));
}

} // namespace

TEST_CASE("small NORB: images, categories, and what is refused")
{
    TempFolder folder;
    auxo_data_options options = {};
    options.data_dir = folder.path.c_str();
    LoadedData data;
    write_norb(folder, norb_images(2), norb_labels({3, 1}));
    data.require("small-norb", options);
    CHECK(data.train->channels == 2);
    CHECK(data.train->height == 96);
    CHECK(data.train->labels[0] == 3);
    CHECK(static_cast<uint8_t *>(data.train->features)[9216 + 5] == uint8_t((9216 + 5) * 7));
    CHECK(std::string(data.test->target_names[4]) == "car");

    write_norb(folder, norb_images(2), norb_labels({3, 5}));
    CHECK(data.load("small-norb", options) == AUXO_FORMAT);
    check_message(data.error, "label 1 is 5");
    write_norb(folder, norb_images(2), norb_labels({3}));
    CHECK(data.load("small-norb", options) == AUXO_FORMAT);
    check_message(data.error, "not 2 integer categories");
    Bytes cut = norb_images(2);
    cut.pop_back();
    write_norb(folder, cut, norb_labels({3, 1}));
    CHECK(data.load("small-norb", options) == AUXO_FORMAT);
    check_message(data.error, "promises 36864 bytes of data, the file holds 36863");
    write_norb(folder, norb_labels({1, 2}), norb_labels({3, 1}));
    CHECK(data.load("small-norb", options) == AUXO_FORMAT);
    check_message(data.error, "not a matrix of byte images");
    write_norb(folder, idx_images(2, 2, 2), norb_labels({3, 1}));
    CHECK(data.load("small-norb", options) == AUXO_FORMAT);
    check_message(data.error, "NORB magic");
}

namespace
{

// One uncompressed variable of a MATLAB 5 file: mxUINT8_CLASS (9), values stored as miUINT8 (2).
void append_mat_variable(Bytes &file, const std::string &name, const std::vector<uint32_t> &dims, const Bytes &values)
{
    Bytes body;
    auto append_element = [&body](uint32_t type, const Bytes &data) {
        append_u32_little_endian(body, type);
        append_u32_little_endian(body, uint32_t(data.size()));
        body.insert(body.end(), data.begin(), data.end());
        while (body.size() % 8 != 0)
            body.push_back(0);
    };
    Bytes flags, sizes;
    append_u32_little_endian(flags, 9);
    append_u32_little_endian(flags, 0);
    for (uint32_t dim : dims)
        append_u32_little_endian(sizes, dim);
    append_element(6, flags);
    append_element(5, sizes);
    append_element(1, bytes_of(name));
    append_element(2, values);
    append_u32_little_endian(file, 14);
    append_u32_little_endian(file, uint32_t(body.size()));
    file.insert(file.end(), body.begin(), body.end());
}

Bytes svhn_file(uint32_t count, const Bytes &labels, uint32_t side = 32)
{
    Bytes file(128, ' ');
    std::memcpy(file.data(), "MATLAB 5.0 MAT-file", 19);
    file[124] = 0;
    file[125] = 1;
    file[126] = 'I';
    file[127] = 'M';
    Bytes pixels(size_t(side) * side * 3 * count);
    for (size_t i = 0; i < pixels.size(); i++)
        pixels[i] = uint8_t(i % 251);
    append_mat_variable(file, "X", {side, side, 3, count}, pixels);
    append_mat_variable(file, "y", {uint32_t(labels.size()), 1}, labels);
    return file;
}

} // namespace

TEST_CASE("SVHN: column-major images are turned, digit 10 is 0, bad files are refused")
{
    TempFolder folder;
    auxo_data_options options = {};
    options.data_dir = folder.path.c_str();
    LoadedData data;
    write_file(folder.file("svhn/test_32x32.mat"), svhn_file(2, {1, 9}));
    write_file(folder.file("svhn/train_32x32.mat"), svhn_file(3, {10, 1, 9}));
    auxo_status status = data.load("svhn", options);
    if (status == AUXO_UNSUPPORTED) {
        WARN("skipped: built without matio");
        return;
    }
    REQUIRE(status == AUXO_OK);
    CHECK(data.train->row_count == 3);
    CHECK(data.train->labels[0] == 0);
    CHECK(data.train->labels[2] == 9);
    const auto *pixels = static_cast<const uint8_t *>(data.train->features);
    // Image 1, channel 2, row 5, column 7 lies at 5 + 32 (7 + 32 (2 + 3)) in the file.
    CHECK(pixels[((1 * 3 + 2) * 32 + 5) * 32 + 7] == (5 + 32 * (7 + 32 * (2 + 3))) % 251);

    write_file(folder.file("svhn/train_32x32.mat"), svhn_file(3, {10, 1, 11}));
    CHECK(data.load("svhn", options) == AUXO_FORMAT);
    check_message(data.error, "label 2 is 11");
    write_file(folder.file("svhn/train_32x32.mat"), svhn_file(3, {10, 1}));
    CHECK(data.load("svhn", options) == AUXO_FORMAT);
    check_message(data.error, "y is not 3 numbers");
    write_file(folder.file("svhn/train_32x32.mat"), svhn_file(3, {10, 1, 2}, 16));
    CHECK(data.load("svhn", options) == AUXO_FORMAT);
    check_message(data.error, "X is not uint8 of 32 x 32 x 3 x N");
    write_file(folder.file("svhn/train_32x32.mat"), "not a mat file");
    CHECK(data.load("svhn", options) == AUXO_FORMAT);
}

// tests/image_folder_test.cpp: folders of PNG, PGM and PPM images as data sets.
#include "support/data_files.hpp"

#include <zlib.h>

using namespace auxo_test;

namespace
{

Bytes netpbm(const std::string &header, const Bytes &pixels)
{
    Bytes bytes = bytes_of(header);
    bytes.insert(bytes.end(), pixels.begin(), pixels.end());
    return bytes;
}

void append_chunk(Bytes &png, const std::string &type, const Bytes &data)
{
    append_u32_big_endian(png, uint32_t(data.size()));
    Bytes body = bytes_of(type);
    body.insert(body.end(), data.begin(), data.end());
    png.insert(png.end(), body.begin(), body.end());
    append_u32_big_endian(png, uint32_t(crc32(0, body.data(), uInt(body.size()))));
}

// An 8-bit PNG; colour type 0 grey, 2 RGB, 6 RGBA. `rows` are the interleaved pixels.
Bytes png(uint32_t width, uint32_t height, uint8_t colour_type, const Bytes &rows)
{
    Bytes bytes = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, header, raw;
    append_u32_big_endian(header, width);
    append_u32_big_endian(header, height);
    header.insert(header.end(), {8, colour_type, 0, 0, 0});
    for (size_t row = 0, bytes_per_row = rows.size() / height; row < height; row++) {
        raw.push_back(0);
        raw.insert(raw.end(), rows.begin() + long(row * bytes_per_row), rows.begin() + long((row + 1) * bytes_per_row));
    }
    Bytes packed(compressBound(uLong(raw.size())));
    uLongf size = uLongf(packed.size());
    REQUIRE(compress(packed.data(), &size, raw.data(), uLong(raw.size())) == Z_OK);
    packed.resize(size);
    append_chunk(bytes, "IHDR", header);
    append_chunk(bytes, "IDAT", packed);
    append_chunk(bytes, "IEND", {});
    return bytes;
}

Bytes pixels_of(const auxo_dataset &set)
{
    const auto *pixels = static_cast<const uint8_t *>(set.features);
    return Bytes(pixels, pixels + set.row_count * size_t(set.channels * set.height * set.width));
}

void check_refused(const TempFolder &folder, const std::string &message)
{
    LoadedData data;
    CHECK(data.load(folder.path, {}) == AUXO_FORMAT);
    check_message(data.error, message);
}

} // namespace

TEST_CASE("a folder of grey images: classes by name, rows in turn, limits across classes")
{
    TempFolder folder;
    write_file(folder.file("dog/b.pgm"), netpbm("P5\n# made here\n2 1\n255\n", {5, 6}));
    write_file(folder.file("dog/a.pgm"), netpbm("P5 2 1 255\n", {3, 4}));
    write_file(folder.file("cat/x.pgm"), netpbm("P5 2 1 255\n", {1, 2}));
    write_file(folder.file("cat/.hidden"), "not an image");
    LoadedData data;
    data.require(folder.path + "/", {});
    CHECK(data.train->row_count == 3);
    CHECK(data.train->class_count == 2);
    CHECK(std::string(data.train->target_names[0]) == "cat");
    CHECK(pixels_of(*data.train) == Bytes{1, 2, 3, 4, 5, 6});
    CHECK(data.train->labels[0] == 0);
    CHECK(data.train->labels[1] == 1);
    CHECK(data.train->labels[2] == 1);
    CHECK(data.test == nullptr);
    auxo_data_options options = {};
    options.limit = 2;
    data.require(folder.path, options);
    CHECK(data.train->labels[1] == 1);
}

TEST_CASE("train and test folders of colour images, PNG and PPM alike, become planes")
{
    TempFolder folder;
    Bytes rows = {1, 2, 3, 11, 12, 13}, with_alpha = {1, 2, 3, 255, 11, 12, 13, 255};
    write_file(folder.file("train/a/1.ppm"), netpbm("P6 2 1 255\n", rows));
    write_file(folder.file("train/b/1.png"), png(2, 1, 2, rows));
    write_file(folder.file("test/a/1.png"), png(2, 1, 6, with_alpha));
    write_file(folder.file("test/b/1.ppm"), netpbm("P6 2 1 255\n", rows));
    LoadedData data;
    auxo_status status = data.load(folder.path, {});
    if (status == AUXO_UNSUPPORTED) {
        WARN("skipped: built without libpng");
        return;
    }
    REQUIRE(status == AUXO_OK);
    Bytes planes = {1, 11, 2, 12, 3, 13}, both = planes;
    both.insert(both.end(), planes.begin(), planes.end());
    CHECK(data.train->channels == 3);
    CHECK(pixels_of(*data.train) == both);
    REQUIRE(data.test != nullptr);
    CHECK(pixels_of(*data.test) == both);
    write_file(folder.file("test/c/1.ppm"), netpbm("P6 2 1 255\n", rows));
    check_refused(folder, "train and test differ");
}

TEST_CASE("image folders that do not hold together are refused by file")
{
    TempFolder folder;
    write_file(folder.file("a/1.pgm"), netpbm("P5 2 1 255\n", {1, 2}));
    check_refused(folder, "1 class folders; at least two are needed");
    write_file(folder.file("b/1.pgm"), netpbm("P5 1 2 255\n", {1, 2}));
    check_refused(folder, "b/1.pgm: 1 x 2 x 1 (channels, height, width), but the first is 1 x 1 x 2");
    write_file(folder.file("b/1.pgm"), netpbm("P5 2 1 255\n", {1}));
    check_refused(folder, "b/1.pgm: the header promises 2 bytes of pixels, the file holds 1");
    write_file(folder.file("b/1.pgm"), netpbm("P5 2 1 65535\n", {1, 2, 3, 4}));
    check_refused(folder, "only 255");
    write_file(folder.file("b/1.pgm"), netpbm("P5 2 x\n", {}));
    check_refused(folder, "header is not width, height and maximum");
    write_file(folder.file("b/1.pgm"), netpbm("P5 0 0 255\n", {}));
    check_refused(folder, "0 x 0 pixels");
    write_file(folder.file("b/1.pgm"), "notes");
    check_refused(folder, "b/1.pgm: neither PNG, JPEG, WebP nor binary PGM or PPM");
    LoadedData data;
    CHECK(data.load(folder.file("nowhere"), {}) == AUXO_IO);
    check_message(data.error, "nowhere");
}

TEST_CASE("a damaged PNG is refused")
{
    TempFolder folder;
    Bytes whole = png(2, 1, 0, {1, 2});
    write_file(folder.file("a/1.pgm"), netpbm("P5 2 1 255\n", {1, 2}));
    write_file(folder.file("b/1.png"), Bytes(whole.begin(), whole.end() - 20));
    LoadedData data;
    auxo_status status = data.load(folder.path, {});
    if (status == AUXO_UNSUPPORTED) {
        WARN("skipped: built without libpng");
        return;
    }
    CHECK(status == AUXO_FORMAT);
    check_message(data.error, "b/1.png: not a readable PNG");
}

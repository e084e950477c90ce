// tests/pictures_test.cpp: pictures as people have them: 16 bits, gamma marks, JPEG lying on its side, WebP, many
// sizes, tables that name pictures, folders without classes, and files that promise more than they hold.
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <cmath>
#include <zlib.h>
#ifdef TEST_HAVE_JPEG
#include <turbojpeg.h>
#endif
#ifdef TEST_HAVE_WEBP
#include <webp/encode.h>
#endif

using namespace auxo_test;

namespace
{

void append_chunk(Bytes &png, const std::string &type, const Bytes &data)
{
    append_u32_big_endian(png, uint32_t(data.size()));
    Bytes body = bytes_of(type);
    body.insert(body.end(), data.begin(), data.end());
    png.insert(png.end(), body.begin(), body.end());
    append_u32_big_endian(png, uint32_t(crc32(0, body.data(), uInt(body.size()))));
}

// `rows`: the bytes of all rows as the file holds them, without filters. more: chunks before the data.
Bytes png(uint32_t width, uint32_t height, uint8_t depth, uint8_t colour, const Bytes &rows,
          const std::vector<std::pair<std::string, Bytes>> &more = {})
{
    Bytes bytes = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, header, raw;
    append_u32_big_endian(header, width);
    append_u32_big_endian(header, height);
    header.insert(header.end(), {depth, colour, 0, 0, 0});
    const size_t row_bytes = rows.size() / height;
    for (size_t row = 0; row < height && !rows.empty(); row++) {
        raw.push_back(0);
        raw.insert(raw.end(), rows.begin() + long(row * row_bytes), rows.begin() + long((row + 1) * row_bytes));
    }
    Bytes packed(compressBound(uLong(raw.size())));
    uLongf size = uLongf(packed.size());
    REQUIRE(compress(packed.data(), &size, raw.data(), uLong(raw.size())) == Z_OK);
    packed.resize(size);
    append_chunk(bytes, "IHDR", header);
    for (const auto &chunk : more)
        append_chunk(bytes, chunk.first, chunk.second);
    append_chunk(bytes, "IDAT", packed);
    append_chunk(bytes, "IEND", {});
    return bytes;
}

Bytes ppm(int width, int height, const Bytes &pixels, bool colour)
{
    Bytes bytes = bytes_of((colour ? "P6 " : "P5 ") + std::to_string(width) + " " + std::to_string(height) + " 255\n");
    bytes.insert(bytes.end(), pixels.begin(), pixels.end());
    return bytes;
}

double mean_of(const auxo_dataset &set)
{
    std::vector<double> means(size_t(set.channels)), stds(size_t(set.channels));
    REQUIRE(auxo_dataset_column_summary(&set, means.data(), stds.data(), nullptr) == AUXO_OK);
    double sum = 0;
    for (double mean : means)
        sum += mean / double(set.channels);
    return sum;
}

Bytes pixels_of(const auxo_dataset &set, size_t row = 0)
{
    const size_t size = size_t(set.channels * set.height * set.width);
    const auto *pixels = static_cast<const uint8_t *>(set.features) + row * size;
    return Bytes(pixels, pixels + size);
}

// One picture twice, in two class folders.
auxo_status load_twice(LoadedData &data, TempFolder &folder, const std::string &ending, const Bytes &file,
                       const auxo_data_options &options = {})
{
    write_file(folder.file("set/a/1." + ending), file);
    write_file(folder.file("set/b/1." + ending), file);
    return data.load(folder.file("set"), options);
}

bool unsupported(auxo_status status, const char *library)
{
    if (status == AUXO_UNSUPPORTED)
        WARN("skipped: built without " << library);
    return status == AUXO_UNSUPPORTED;
}

} // namespace

TEST_CASE("PNG values are those of the file: 16 bits, gamma and chromaticity marks, palettes, few bits")
{
    Bytes wide, narrow;
    double wide_sum = 0, narrow_sum = 0;
    for (uint32_t i = 0; i < 64; i++) {
        const uint32_t value = i * 1040 % 65536;
        wide.push_back(uint8_t(value >> 8));
        wide.push_back(uint8_t(value));
        narrow.push_back(uint8_t(i * 4));
        wide_sum += value / 65535.0 / 64;
        narrow_sum += (i * 4) / 255.0 / 64;
    }
    const Bytes linear = {0, 1, 0x86, 0xa0}, old_mac = {0, 0, 0xd9, 0x03}, srgb = {0};
    const struct {
        Bytes file;
        double mean;
        auxo_feature_type type;
    } cases[] = {
        {png(8, 8, 16, 0, wide), wide_sum, AUXO_FEATURES_F32},
        {png(8, 8, 16, 0, wide, {{"gAMA", linear}}), wide_sum, AUXO_FEATURES_F32},
        {png(8, 8, 8, 0, narrow), narrow_sum, AUXO_FEATURES_U8},
        {png(8, 8, 8, 0, narrow, {{"gAMA", linear}}), narrow_sum, AUXO_FEATURES_U8},
        {png(8, 8, 8, 0, narrow, {{"gAMA", old_mac}}), narrow_sum, AUXO_FEATURES_U8},
        {png(8, 8, 8, 0, narrow, {{"sRGB", srgb}}), narrow_sum, AUXO_FEATURES_U8},
        {png(4, 2, 2, 0, {0x1b, 0xe4}), 0.5, AUXO_FEATURES_U8},
        {png(2, 1, 8, 3, {1, 0}, {{"PLTE", {51, 51, 51, 102, 102, 102}}}), 0.3, AUXO_FEATURES_U8},
        {png(2, 1, 8, 4, {200, 255, 200, 0}), 100 / 255.0, AUXO_FEATURES_U8},
        {png(1, 1, 16, 2, {0x80, 0, 0x40, 0, 0x20, 0}), (0x8000 + 0x4000 + 0x2000) / 3.0 / 65535, AUXO_FEATURES_F32}};
    for (const auto &one : cases) {
        TempFolder folder;
        LoadedData data;
        auxo_status status = load_twice(data, folder, "png", one.file);
        if (unsupported(status, "libpng"))
            return;
        require_ok(status, data.error, "load");
        CHECK(data.train->feature_type == one.type);
        CHECK(mean_of(*data.train) == Approx(one.mean).epsilon(1e-7));
    }
    TempFolder folder; // one of 8 bits first, then one of 16: both become numbers from 0 to 1
    LoadedData data;
    write_file(folder.file("s/a/1.png"), png(8, 8, 8, 0, narrow));
    write_file(folder.file("s/b/1.png"), png(8, 8, 16, 0, wide));
    require_ok(data.load(folder.file("s"), {}), data.error, "load");
    CHECK(data.train->feature_type == AUXO_FEATURES_F32);
    CHECK(mean_of(*data.train) == Approx((wide_sum + narrow_sum) / 2).epsilon(1e-7));
}

TEST_CASE("files that promise more than they hold are refused by what they promise")
{
    for (uint32_t side : {60000u, 16000u, 12000u, 65537u, 0u}) {
        TempFolder folder;
        LoadedData data;
        Bytes bomb = png(1, 1, 8, 0, {});
        Bytes header;
        append_u32_big_endian(header, side);
        append_u32_big_endian(header, side);
        header.insert(header.end(), {8, 0, 0, 0, 0});
        Bytes whole = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
        append_chunk(whole, "IHDR", header);
        whole.insert(whole.end(), bomb.begin() + 33, bomb.end());
        auxo_status status = load_twice(data, folder, "png", whole);
        if (unsupported(status, "libpng"))
            return;
        CHECK(status == AUXO_FORMAT);
        if (side == 60000 || side == 12000)
            check_message(data.error, std::to_string(side) + " x " + std::to_string(side) + " pixels");
    }
    TempFolder folder;
    LoadedData data;
    Bytes huge(200u << 20, 0);
    write_file(folder.file("mnist/train-labels-idx1-ubyte.gz"), gzip(huge));
    auxo_data_options options = {};
    options.data_dir = folder.path.c_str();
    CHECK(data.load("mnist", options) == AUXO_FORMAT);
    check_message(data.error, "unpacks to more than 1048576 bytes");
}

#ifdef TEST_HAVE_JPEG
TEST_CASE("JPEG is read upright, whatever its EXIF orientation, in either byte order")
{
    // Quadrants of 16 x 8: red-ish grey levels 30 (top left), 90 (top right), 150 (bottom left), 210 (bottom right).
    const int width = 32, height = 16;
    Bytes pixels;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            pixels.push_back(uint8_t(30 + 60 * (x >= width / 2) + 120 * (y >= height / 2)));
    tjhandle handle = tjInitCompress();
    unsigned char *packed = nullptr;
    unsigned long size = 0;
    REQUIRE(tjCompress2(handle, pixels.data(), width, 0, height, TJPF_GRAY, &packed, &size, TJSAMP_GRAY, 95, 0) == 0);
    const Bytes plain(packed, packed + size);
    tjFree(packed);
    tjDestroy(handle);
    // Corners of the upright picture, clockwise from the top left, for each orientation.
    const int corners[9][4] = {{},
                               {30, 90, 210, 150},
                               {90, 30, 150, 210},
                               {210, 150, 30, 90},
                               {150, 210, 90, 30},
                               {30, 150, 210, 90},
                               {150, 30, 90, 210},
                               {210, 90, 30, 150},
                               {90, 210, 150, 30}};
    for (int orientation = 1; orientation <= 8; orientation++)
        for (bool little : {true, false}) {
            INFO("orientation " << orientation);
            Bytes exif = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0};
            const Bytes tiff =
                little ? Bytes{'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, uint8_t(orientation),
                               0,   0,   0,  0, 0, 0, 0}
                       : Bytes{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, uint8_t(orientation),
                               0,   0,   0, 0,  0, 0};
            exif.insert(exif.end(), tiff.begin(), tiff.end());
            Bytes file(plain.begin(), plain.begin() + 2);
            file.insert(file.end(), exif.begin(), exif.end());
            file.insert(file.end(), plain.begin() + 2, plain.end());
            TempFolder folder;
            LoadedData data;
            auxo_status status = load_twice(data, folder, "jpg", file);
            if (unsupported(status, "libjpeg-turbo"))
                return;
            require_ok(status, data.error, "load");
            const int64_t w = data.train->width, h = data.train->height;
            CHECK(w == (orientation >= 5 ? height : width));
            const Bytes read = pixels_of(*data.train);
            const int64_t places[4] = {0, w - 1, w * h - 1, w * (h - 1)};
            for (int corner = 0; corner < 4; corner++)
                CHECK(std::abs(int(read[size_t(places[corner])]) - corners[orientation][corner]) <= 6);
        }
    TempFolder folder;
    LoadedData data;
    CHECK(load_twice(data, folder, "jpg", Bytes(plain.begin(), plain.end() - 8)) == AUXO_FORMAT);
    check_message(data.error, "1.jpg: not a whole JPEG");
}
#endif

#ifdef TEST_HAVE_WEBP
TEST_CASE("WebP is read, what is transparent shows black")
{
    Bytes rgba;
    for (int i = 0; i < 16 * 16; i++)
        rgba.insert(rgba.end(), {200, 100, 50, uint8_t(i < 128 ? 255 : 0)});
    uint8_t *packed = nullptr;
    const size_t size = WebPEncodeLosslessRGBA(rgba.data(), 16, 16, 64, &packed);
    REQUIRE(size > 0);
    const Bytes file(packed, packed + size);
    WebPFree(packed);
    TempFolder folder;
    LoadedData data;
    auxo_status status = load_twice(data, folder, "webp", file);
    if (unsupported(status, "libwebp"))
        return;
    require_ok(status, data.error, "load");
    const Bytes read = pixels_of(*data.train);
    CHECK(read[0] == 200);
    CHECK(read[256 + 127] == 100);
    CHECK(read[255] == 0);
    CHECK(load_twice(data, folder, "webp", Bytes(file.begin(), file.end() - 12)) == AUXO_FORMAT);
}
#endif

TEST_CASE("pictures of many sizes and kinds are brought to one")
{
    TempFolder folder;
    Bytes flat(40 * 20, 120), halves;
    for (int i = 0; i < 40 * 20; i++)
        halves.push_back(uint8_t(i % 40 < 20 ? 0 : 200));
    Bytes colour;
    for (int i = 0; i < 10 * 30; i++)
        colour.insert(colour.end(), {255, 0, 0});
    write_file(folder.file("s/a/1.pgm"), ppm(40, 20, flat, false));
    write_file(folder.file("s/b/1.pgm"), ppm(40, 20, halves, false));
    write_file(folder.file("s/c/1.ppm"), ppm(10, 30, colour, true));
    LoadedData data;
    CHECK(data.load(folder.file("s"), {}) == AUXO_FORMAT);
    check_message(data.error, "set resize or colour");
    auxo_data_options options = {};
    options.pictures.height = 10;
    options.pictures.width = 10;
    options.pictures.colour = AUXO_COLOUR_GREY;
    require_ok(data.load(folder.file("s"), options), data.error, "load");
    CHECK(data.train->channels == 1);
    CHECK(pixels_of(*data.train, 0) == Bytes(100, 120));
    CHECK(pixels_of(*data.train, 1)[0] == 0);
    CHECK(pixels_of(*data.train, 1)[9] == 200);
    CHECK(pixels_of(*data.train, 2) == Bytes(100, 76)); // 0.299 * 255
    CHECK(mean_of(*data.train) == Approx((120 + 100 + 76) / 3.0 / 255).epsilon(0.01));

    options.pictures.fit = AUXO_FIT_PAD;
    options.pictures.padding[0] = options.pictures.padding[1] = options.pictures.padding[2] = 255;
    require_ok(data.load(folder.file("s"), options), data.error, "load");
    const Bytes padded = pixels_of(*data.train, 0); // 40 x 20 becomes 10 x 5, with 2.5 rows of white above and below
    CHECK(padded[0] == 255);
    CHECK(padded[99] == 255);
    CHECK(padded[5 * 10 + 5] == 120);

    options.pictures.fit = AUXO_FIT_CROP;
    options.pictures.colour = AUXO_COLOUR_RGB;
    require_ok(data.load(folder.file("s"), options), data.error, "load");
    CHECK(data.train->channels == 3);
    const Bytes cropped = pixels_of(*data.train, 1); // the middle 20 of 40 columns
    CHECK(cropped[0] == 0);
    CHECK(cropped[9] == 200);
    CHECK(pixels_of(*data.train, 2)[0] == 255);
    CHECK(pixels_of(*data.train, 2)[100] == 0);
    options.pictures.height = options.pictures.width = 64; // growth: no new values, no gaps
    require_ok(data.load(folder.file("s"), options), data.error, "load");
    CHECK(pixels_of(*data.train, 0) == Bytes(3 * 64 * 64, 120));
}

TEST_CASE("a table that names pictures is a data set, with classes or numbers")
{
    TempFolder folder;
    std::string text = "id,file,kind,size\n";
    for (int i = 0; i < 6; i++) {
        write_file(folder.file("p/" + std::to_string(i) + ".pgm"), ppm(2, 2, Bytes(4, uint8_t(10 * i)), false));
        text += std::to_string(i) + ",p/" + std::to_string(5 - i) + ".pgm," + (i % 2 ? "cat" : "dog") + "," +
                std::to_string(i * 0.5) + "\n";
    }
    write_file(folder.file("t.csv"), text);
    LoadedData data;
    auxo_data_options options = {};
    const char *kind[] = {"kind"}, *size[] = {"size"};
    options.picture_column = "file";
    options.target_columns = kind;
    options.target_column_count = 1;
    require_ok(data.load(folder.file("t.csv"), options), data.error, "load");
    REQUIRE(data.train->target_type == AUXO_TARGET_CLASS);
    CHECK(data.train->class_count == 2);
    CHECK(data.train->labels[0] == 1);
    CHECK(pixels_of(*data.train, 0)[0] == 50);
    CHECK(pixels_of(*data.train, 5)[0] == 0);
    CHECK(std::string(data.train->row_names[0]) == "p/5.pgm");
    options.target_columns = size;
    require_ok(data.load(folder.file("t.csv"), options), data.error, "load");
    CHECK(data.train->targets[3] == 1.5f);
    CHECK(data.train->channels == 1);
    write_file(folder.file("t.csv"), "file,kind\np/0.pgm,cat\np/9.pgm,dog\n");
    options.target_columns = kind;
    CHECK(data.load(folder.file("t.csv"), options) == AUXO_NOT_FOUND);
    check_message(data.error, "p/9.pgm");
}

TEST_CASE("columns beside pictures are channels behind the pictures' own, by name and level")
{
    TempFolder folder;
    std::string text = "file,kind,size,colour\n", other = "colour,id,size,file\n";
    const char *colours[] = {"red", "blue", "red", "green"};
    for (int i = 0; i < 4; i++) {
        const std::string file = "p/" + std::to_string(i) + ".pgm", size = std::to_string(i * 0.5 - 1);
        write_file(folder.file(file), ppm(2, 2, Bytes{uint8_t(51 * i), 0, 255, 51}, false));
        text += file + "," + (i % 2 ? "cat" : "dog") + "," + size + "," + colours[i] + "\n";
        other += std::string(colours[i]) + ",7," + size + "," + file + "\n";
    }
    write_file(folder.file("t.csv"), text);
    write_file(folder.file("other.csv"), other);
    LoadedData data, again;
    auxo_data_options options = {};
    const char *kind[] = {"kind"}, *inputs[] = {"size", "colour"};
    options.picture_column = "file";
    options.target_columns = kind;
    options.target_column_count = 1;
    options.input_columns = inputs;
    options.input_column_count = 2;
    require_ok(data.load(folder.file("t.csv"), options), data.error, "load");
    const auto check = [&](const auxo_dataset &set) {
        REQUIRE(set.channels == 5); // grey, size, blue, green, red
        REQUIRE(set.feature_type == AUXO_FEATURES_F32);
        const char *names[] = {"channel 1", "size", "colour=blue", "colour=green", "colour=red"};
        for (int c = 0; c < 5; c++)
            CHECK(std::string(set.feature_names[c]) == names[c]);
        const float *values = static_cast<const float *>(set.features);
        for (int row = 0; row < 4; row++) {
            const float *at = values + row * 20;
            const float grey[] = {0.2f * float(row), 0, 1, 0.2f};
            for (int pixel = 0; pixel < 4; pixel++) {
                CHECK(at[pixel] == Approx(grey[pixel]));
                CHECK(at[4 + pixel] == float(row) * 0.5f - 1);
                CHECK(at[8 + pixel] == float(std::string(colours[row]) == "blue"));
                CHECK(at[12 + pixel] == float(std::string(colours[row]) == "green"));
                CHECK(at[16 + pixel] == float(std::string(colours[row]) == "red"));
            }
        }
    };
    check(*data.train);
    // What a model knows of it, through its text: other columns, another order, no target.
    char *described = nullptr;
    auxo_data_schema *schema = nullptr;
    REQUIRE(auxo_data_schema_describe(data.train->schema, &described, data.error) == AUXO_OK);
    require_ok(auxo_data_schema_parse(described, &schema, data.error), data.error, described);
    size_t level = 9;
    CHECK(auxo_data_schema_input(schema, 0, &level) == nullptr);
    CHECK(std::string(auxo_data_schema_input(schema, 1, &level)->name) == "size");
    CHECK(std::string(auxo_data_schema_input(schema, 4, &level)->name) == "colour");
    CHECK(level == 2);
    auxo_data_options like = {};
    like.schema = schema;
    like.ignore_labels = true;
    require_ok(again.load(folder.file("other.csv"), like), again.error, "load");
    check(*again.train);
    write_file(folder.file("other.csv"), "colour,size,file\nmauve,1,p/0.pgm\n");
    CHECK(again.load(folder.file("other.csv"), like) == AUXO_FORMAT);
    check_message(again.error, "'mauve' is no level the model knows");
    write_file(folder.file("other.csv"), "colour,file\nred,p/0.pgm\n");
    CHECK(again.load(folder.file("other.csv"), like) == AUXO_NOT_FOUND);
    check_message(again.error, "the model's input 'size' is missing");
    auxo_data_schema_destroy(schema);
    free(described);
}

TEST_CASE("classes and survival are learnt from what stands beside pictures, and told for tables in another order")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string text = "file,age,ward,kind,days,died\n", other = "ward,file,age\n";
    for (int i = 0; i < 80; i++) { // the pictures say nothing
        const std::string file = "p/" + std::to_string(i) + ".pgm", ward = i % 4 < 2 ? "a" : "b";
        const double age = 30 + i * 7 % 40;
        write_file(folder.file(file), ppm(8, 8, Bytes(64, uint8_t(i * 37 % 256)), false));
        text += file + "," + std::to_string(age) + "," + ward + "," + (i % 4 < 2 ? "x" : "y") + "," +
                std::to_string(200 - 2 * age + i % 3) + "," + (i % 5 ? "1" : "0") + "\n";
        other += ward + "," + file + "," + std::to_string(age) + "\n";
    }
    write_file(folder.file("t.csv"), text);
    write_file(folder.file("other.csv"), other);
    const std::string net = folder.file("n.safetensors");
    const Words table = {"--data", folder.file("t.csv"), "--device", "cpu", "--json"};
    const Words beside = {"--images", "file", "--inputs", "age,ward"};
    const auto result = [&](const Words &words) {
        const ProgramResult run = program.run(words);
        INFO(run.errors);
        REQUIRE(run.exit_code == 0);
        return run;
    };
    const Words train = with(with(table, beside), {"--targets", "kind", "--model", "conv:4", "--batch", "8", "--epochs",
                                                   "30", "--save", net});
    CHECK(result(with({"train"}, train)).events("result")[0].number("test_accuracy") == 1);
    CHECK(result(with({"eval", net}, table)).events("result")[0].number("accuracy") == 1);
    const ProgramResult told =
        result({"predict", net, "--data", folder.file("other.csv"), "--device", "cpu", "--json"});
    REQUIRE(told.events("prediction").size() == 80);
    for (size_t i = 0; i < 80; i++)
        CHECK(told.events("prediction")[i].text("name") == (i % 4 < 2 ? "x" : "y"));
    check_fails(program, with(with({"train"}, train), {"--missing", "mean"}), "columns beside pictures");
    check_fails(program, {"predict", net, "--data", folder.file("p") + "/", "--device", "cpu"}, "pictures and columns");

    const Words cox = with(with(table, beside), {"--time", "days", "--event", "died", "--model", "conv:4", "--epochs",
                                                 "60", "--optimizer", "adam:lr=0.01", "--save", net});
    const ProgramResult survival = result(with({"survival", "train"}, cox));
    CHECK(survival.errors.find("unknown") == std::string::npos);
    const ProgramResult risks =
        result({"survival", "predict", net, "--data", folder.file("other.csv"), "--device", "cpu", "--json"});
    REQUIRE(risks.events("row").size() == 80);
    // The old die early: risks rise with age.
    double concordant = 0, pairs = 0;
    for (size_t i = 0; i < 80; i++)
        for (size_t j = 0; j < 80; j++)
            if (i * 7 % 40 > j * 7 % 40) {
                pairs++;
                concordant += risks.events("row")[i].number("risk") > risks.events("row")[j].number("risk");
            }
    CHECK(concordant / pairs > 0.8);
    check_fails(program, with(with({"survival", "train"}, cox), {"--missing", "mean"}), "columns beside pictures");
}

TEST_CASE("a model of pictures predicts a flat folder, and keeps its classes in a folder with one of them")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    auto picture = [](int kind, int i) {
        Bytes pixels(64, uint8_t(20 + i % 5));
        for (size_t p = 0; p < 64; p++)
            if (kind == 0 ? p % 8 < 4 : kind == 1 ? p < 32 : p % 2 == 0)
                pixels[p] = uint8_t(220 - i % 7);
        return pixels;
    };
    const char *names[] = {"left", "rows", "top"};
    for (int i = 0; i < 90; i++)
        write_file(folder.file(std::string("train/") + names[i % 3] + "/" + std::to_string(i) + ".pgm"),
                   ppm(8, 8, picture(i % 3, i), false));
    for (int i = 0; i < 4; i++) {
        write_file(folder.file("flat/" + std::to_string(i) + ".pgm"), ppm(16, 16, Bytes(256, 9), false));
        write_file(folder.file("flat8/" + std::to_string(i) + ".pgm"), ppm(8, 8, picture(i % 2 ? 2 : 0, i), false));
        write_file(folder.file("one/top/" + std::to_string(i) + ".pgm"), ppm(8, 8, picture(2, i), false));
        write_file(folder.file("new/star/" + std::to_string(i) + ".pgm"), ppm(8, 8, picture(2, i), false));
    }
    const std::string model = folder.file("m.safetensors"), train = folder.file("train");
    ProgramResult trained = program.run({"train", "--data", train + "/", "--model", "mlp:16", "--epochs", "30",
                                         "--batch", "8", "--device", "cpu", "--save", model});
    INFO(trained.errors);
    REQUIRE(trained.exit_code == 0);
    ProgramResult predicted =
        program.run({"predict", model, "--data", folder.file("flat8"), "--device", "cpu", "--json"});
    INFO(predicted.errors);
    REQUIRE(predicted.exit_code == 0);
    std::vector<Event> rows = predicted.events("prediction");
    REQUIRE(rows.size() == 4);
    for (size_t i = 0; i < 4; i++) {
        CHECK(rows[i].text("file") == std::to_string(i) + ".pgm");
        CHECK(rows[i].text("name") == (i % 2 ? "top" : "left"));
        CHECK(rows[i].number("class") == (i % 2 ? 2 : 0));
    }
    ProgramResult one = program.run({"eval", model, "--data", folder.file("one"), "--device", "cpu", "--json"});
    REQUIRE(one.exit_code == 0);
    CHECK(one.events("class").size() == 3);
    CHECK(one.events("class")[2].number("correct") == 4);
    check_fails(program, {"eval", model, "--data", folder.file("new"), "--device", "cpu"},
                "'star' is no class that the model knows");
    check_fails(program, {"predict", model, "--data", folder.file("flat"), "--device", "cpu"}, "1x16x16");
}

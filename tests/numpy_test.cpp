// NumPy arrays as data sets: axes, types, labels, archives, and what is refused.
#include "support/packed.hpp"

#include <cmath>

using namespace auxo_test;

namespace
{

// A ZIP archive of stored members.
Bytes zip(const std::vector<std::pair<std::string, Bytes>> &members)
{
    Bytes out, directory;
    const auto u16 = [](Bytes &to, size_t value) {
        to.push_back(uint8_t(value));
        to.push_back(uint8_t(value >> 8));
    };
    const auto u32 = [&](Bytes &to, size_t value) {
        u16(to, value & 65535);
        u16(to, value >> 16);
    };
    for (const auto &member : members) {
        const size_t at = out.size();
        for (int central = 0; central < 2; central++) {
            Bytes &to = central ? directory : out;
            u32(to, central ? 0x02014b50 : 0x04034b50);
            if (central)
                u16(to, 20);
            for (int i = 0; i < 5; i++)
                u16(to, i == 0 ? 20 : 0);
            u32(to, 0);
            u32(to, member.second.size());
            u32(to, member.second.size());
            u16(to, member.first.size());
            u16(to, 0);
            for (int i = 0; central && i < 5; i++)
                u16(to, 0);
            if (central)
                u32(to, at);
            to.insert(to.end(), member.first.begin(), member.first.end());
        }
        out.insert(out.end(), member.second.begin(), member.second.end());
    }
    const size_t at = out.size();
    out.insert(out.end(), directory.begin(), directory.end());
    u32(out, 0x06054b50);
    u32(out, 0);
    u16(out, members.size());
    u16(out, members.size());
    u32(out, directory.size());
    u32(out, at);
    u16(out, 0);
    return out;
}

} // namespace

TEST_CASE("NumPy arrays: axes, types, labels, archives")
{
    TempFolder folder;
    const auxo_data_options options = {};
    SECTION("channels last and first are the same pictures")
    {
        std::vector<uint8_t> last, first(2 * 3 * 5 * 6);
        for (size_t i = 0; i < first.size(); i++)
            first[i] = uint8_t(i);
        for (size_t n = 0; n < 2; n++)
            for (size_t y = 0; y < 5; y++)
                for (size_t x = 0; x < 6; x++)
                    for (size_t c = 0; c < 3; c++)
                        last.push_back(first[((n * 3 + c) * 5 + y) * 6 + x]);
        write_file(folder.file("a_images.npy"), npy("|u1", "(2, 5, 6, 3)", last));
        write_file(folder.file("b_images.npy"), npy("|u1", "(2, 3, 5, 6)", first));
        for (const char *name : {"a_labels.npy", "b_labels.npy"})
            write_file(folder.file(name), npy("<i8", "(2,)", raw(std::vector<int64_t>{7, -1})));
        for (const char *name : {"a_images.npy", "b_images.npy"}) {
            LoadedData data;
            data.require(folder.file(name), options);
            CHECK(data.train->channels == 3);
            CHECK(data.train->height == 5);
            CHECK(data.train->feature_type == AUXO_FEATURES_U8);
            CHECK(memcmp(data.train->features, first.data(), first.size()) == 0);
            CHECK(labels_of(data.train) == std::vector<uint32_t>{1, 0});
            CHECK(std::string(data.train->target_names[1]) == "7");
        }
    }
    SECTION("Fortran's order, doubles, halves and targets of two columns")
    {
        write_file(folder.file("x.npy"), npy("<f8", "(2, 3)", raw(std::vector<double>{1, 4, 2, 5, 3, 6}), true));
        write_file(folder.file("y.npy"), npy("<f2", "(2, 2)", raw(std::vector<uint16_t>{0x3c00, 0xc000, 0x3800, 0})));
        LoadedData data;
        data.require(folder.file("x.npy"), options);
        CHECK(features_of(data.train) == std::vector<float>{1, 2, 3, 4, 5, 6});
        REQUIRE(data.train->target_count == 2);
        CHECK(std::vector<float>(data.train->targets, data.train->targets + 4) == std::vector<float>{1, -2, 0.5f, 0});
    }
    SECTION("a column of large values and small spread keeps its differences")
    {
        write_file(folder.file("X.npy"),
                   npy("<f8", "(4, 1)", raw(std::vector<double>{1.6e9, 1.6e9 + 1, 1.6e9 + 2, 1.6e9 + 3})));
        write_file(folder.file("y.npy"), npy("|b1", "(4,)", Bytes{0, 1, 0, 1}));
        LoadedData data;
        data.require(folder.file("X.npy"), options);
        CHECK(features_of(data.train) == std::vector<float>{-1.5f, -0.5f, 0.5f, 1.5f});
        CHECK(data.train->schema->inputs[0].offset == 1.6e9 + 1.5);
        CHECK(data.train->class_count == 2);
    }
    SECTION("an archive with train and test, as Keras saves it")
    {
        const Bytes pictures(3 * 4 * 4, 9);
        write_file(folder.file("d.npz"), zip({{"x_train.npy", npy("|u1", "(3, 4, 4)", pictures)},
                                              {"y_train.npy", npy("|u1", "(3,)", Bytes{0, 1, 1})},
                                              {"x_test.npy", npy("|u1", "(1, 4, 4)", Bytes(16, 3))},
                                              {"y_test.npy", npy("|u1", "(1,)", Bytes{1})}}));
        LoadedData data, kept;
        data.require(folder.file("d.npz"), options);
        REQUIRE(data.test != nullptr);
        CHECK(data.train->row_count == 3);
        kept.require(folder.file("d.npz"), mapped());
        CHECK(kept.train->mapped != nullptr);
        CHECK(hash_of(kept.train, 3) == hash_of(data.train, 3));
    }
    SECTION("what is no such array is refused in one line")
    {
        const std::string ending = "{'fortran_order': False, 'shape': (1,), 'descr':"; // and nothing after it
        const std::string cut = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(ending.size()) + '\0' + ending;
        const std::vector<std::pair<Bytes, const char *>> wrong = {
            {Bytes(cut.begin(), cut.end()), "no plain number"},
            {npy("|O", "(2,)", Bytes(16)), "no plain number"},
            {npy(">f4", "(2, 2)", Bytes(16)), "no plain number"},
            {npy("<U3", "(2,)", Bytes(24)), "no plain number"},
            {npy("<f4", "(2, 3)", Bytes(16)), "should have 24 bytes"},
            {npy("<f4", "(4611686018427387904, 4)", Bytes(16)), "overflow"},
            {npy("<f4", "(2, 2, 2, 2, 1)", Bytes(64)), "5 axes"},
            {npy("<f4", "()", Bytes(4)), "0 axes"},
            {npy("<f4", "(0, 3)", Bytes()), "no data set"},
            {npy("<f4", "(1, 1)", raw(std::vector<float>{NAN})), "missing (nan)"},
            {npy("<f8", "(1, 1)", raw(std::vector<double>{1e300})), "f32 cannot hold"},
            {bytes_of("\x93NUMPY"), "not an array"},
            {bytes_of("hello world, hello"), "not an array"},
            {Bytes(), "empty"},
        };
        for (const auto &one : wrong) {
            write_file(folder.file("X.npy"), one.first);
            LoadedData data;
            CHECK(data.load(folder.file("X.npy"), options) != AUXO_OK);
            CHECK_THAT(data.error.message, Catch::Contains(one.second));
            CHECK(std::string(data.error.message).find('\n') == std::string::npos);
        }
    }
    SECTION("labels that do not fit are refused")
    {
        write_file(folder.file("X.npy"), npy("<f4", "(2, 1)", Bytes(8)));
        for (const auto &one :
             std::vector<std::pair<Bytes, const char *>>{{npy("<i4", "(3,)", Bytes(12)), "but the inputs have 2 rows"},
                                                         {npy("<i4", "(2, 2)", Bytes(16)), "one-hot"},
                                                         {npy("<i4", "(2,)", Bytes(8)), "one class only"}}) {
            write_file(folder.file("y.npy"), one.first);
            LoadedData data;
            CHECK(data.load(folder.file("X.npy"), options) != AUXO_OK);
            CHECK_THAT(data.error.message, Catch::Contains(one.second));
        }
    }
    SECTION("broken archives are refused")
    {
        const Bytes good = zip({{"X.npy", npy("<f4", "(2, 1)", Bytes(8))}});
        for (size_t size = 0; size < good.size(); size += 7) {
            write_file(folder.file("d.npz"), Bytes(good.begin(), good.begin() + long(size)));
            LoadedData data;
            CHECK(data.load(folder.file("d.npz"), options) != AUXO_OK);
        }
    }
}

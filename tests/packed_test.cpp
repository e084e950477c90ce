// Packed sets: what they remember, views of their rows, and files that are not what they say.
#include "support/models.hpp"
#include "support/packed.hpp"
#include "support/program.hpp"

#include <algorithm>
#include <cmath>
#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace auxo_test;

namespace
{

Bytes read_bytes(const std::string &path)
{
    return bytes_of(read_whole_file(path));
}

} // namespace

TEST_CASE("a packed table is the table: names, levels, classes, values, hash")
{
    TempFolder folder;
    write_file(folder.file("t.csv"), table_text(100));
    LoadedData plain, packed, kept;
    auxo_data_options options = {};
    plain.require(folder.file("t.csv"), options);
    Packer packer(folder.file("t.auxo"));
    packer.add(plain.train);
    packer.finish();
    packed.require(folder.file("t.auxo"), options);
    kept.require(folder.file("t.auxo"), mapped());
    CHECK(packed.train->mapped == nullptr);
    REQUIRE(kept.train->mapped != nullptr);
    for (const auxo_dataset *set : {packed.train, kept.train}) {
        REQUIRE(set->row_count == 100);
        REQUIRE(set->channels == plain.train->channels);
        for (int64_t c = 0; c < set->channels; c++)
            CHECK(std::string(set->feature_names[c]) == plain.train->feature_names[c]);
        CHECK(std::string(set->target_names[0]) == "no");
        CHECK(features_of(set) == features_of(plain.train));
        CHECK(labels_of(set) == labels_of(plain.train));
        CHECK(hash_of(set, 100) == hash_of(plain.train, 100));
        REQUIRE(set->schema->input_count == 2);
        CHECK(std::string(set->schema->inputs[1].levels[2]) == "red, or so");
        CHECK(std::string(set->schema->targets[0]) == "y");
    }
    // Part of the rows has to be hashed anew.
    CHECK(hash_of(kept.train, 37) == hash_of(plain.train, 37));
    std::vector<double> a(4), b(4), c(4), d(4);
    REQUIRE(auxo_dataset_column_summary(plain.train, a.data(), b.data(), nullptr) == AUXO_OK);
    REQUIRE(auxo_dataset_column_summary(kept.train, c.data(), d.data(), nullptr) == AUXO_OK);
    CHECK(a == c);
    CHECK(b == d);
}

TEST_CASE("views of a mapped set are the rows that a split of the same set in memory has")
{
    TempFolder folder;
    write_file(folder.file("t.csv"), table_text(300));
    LoadedData plain, kept;
    plain.require(folder.file("t.csv"), auxo_data_options{});
    Packer packer(folder.file("t.auxo"));
    packer.add(plain.train);
    packer.finish();
    kept.require(folder.file("t.auxo"), mapped());
    auxo_dataset *parts[2][4] = {};
    const auxo_dataset *sets[2] = {plain.train, kept.train};
    for (int i = 0; i < 2; i++) {
        REQUIRE(auxo_dataset_split(sets[i], 0.3, 9, true, &parts[i][0], &parts[i][1], nullptr) == AUXO_OK);
        REQUIRE(auxo_dataset_fold(parts[i][1], 4, 2, 5, &parts[i][2], &parts[i][3], nullptr) == AUXO_OK);
    }
    for (int p = 0; p < 4; p++) {
        const auxo_dataset *memory = parts[0][p], *view = parts[1][p];
        REQUIRE(view->mapped != nullptr);
        REQUIRE(view->row_count == memory->row_count);
        CHECK(features_of(view) == features_of(memory));
        CHECK(labels_of(view) == labels_of(memory));
        for (size_t row = 0; row < view->row_count; row++)
            REQUIRE(auxo_dataset_row_number(view, row) == auxo_dataset_row_number(memory, row));
    }
    for (auto &side : parts)
        for (auxo_dataset *part : side)
            auxo_dataset_destroy(part);
}

TEST_CASE("very many rows are drawn in exact proportions, every row in one fold")
{
    const size_t rows = (1 << 20) + 1000;
    TempFolder folder;
    std::vector<uint8_t> labels(rows), values(rows);
    for (size_t i = 0; i < rows; i++) {
        labels[i] = i % 10 < 3;
        values[i] = uint8_t(i);
    }
    write_file(folder.file("X.npy"), npy("|u1", "(" + std::to_string(rows) + ", 1)", values));
    write_file(folder.file("y.npy"), npy("|u1", "(" + std::to_string(rows) + ",)", labels));
    LoadedData kept, memory;
    kept.require(folder.file("X.npy"), mapped());
    memory.require(folder.file("X.npy"), auxo_data_options{});
    std::vector<uint8_t> seen(rows);
    for (uint32_t fold = 0; fold < 3; fold++) {
        auxo_dataset *part = nullptr, *rest = nullptr, *same = nullptr, *same_rest = nullptr;
        REQUIRE(auxo_dataset_fold(kept.train, 3, fold, 11, &part, &rest, nullptr) == AUXO_OK);
        REQUIRE(auxo_dataset_fold(memory.train, 3, fold, 11, &same, &same_rest, nullptr) == AUXO_OK);
        REQUIRE(part->row_count + rest->row_count == rows);
        CHECK(labels_of(part) == labels_of(same));
        CHECK(std::abs(double(part->row_count) - double(rows) / 3) <= 2);
        for (size_t i = 0; i < part->row_count; i++)
            seen[auxo_dataset_row_number(part, i) - 1]++;
        for (auxo_dataset *set : {part, rest, same, same_rest})
            auxo_dataset_destroy(set);
    }
    CHECK(std::count(seen.begin(), seen.end(), 1) == long(rows));
    auxo_dataset *part = nullptr, *rest = nullptr;
    REQUIRE(auxo_dataset_split(kept.train, 0.2, 3, true, &part, &rest, nullptr) == AUXO_OK);
    const std::vector<uint32_t> drawn = labels_of(part);
    const double ones = double(std::count(labels.begin(), labels.end(), 1));
    CHECK(double(std::count(drawn.begin(), drawn.end(), 1u)) == std::floor(0.2 * ones + 0.5));
    CHECK(double(std::count(drawn.begin(), drawn.end(), 0u)) == std::floor(0.2 * (double(rows) - ones) + 0.5));
    auxo_dataset_destroy(part);
    auxo_dataset_destroy(rest);
}

TEST_CASE("packed files that are cut, changed or not what they say are refused")
{
    TempFolder folder;
    Glyphs glyphs(2500); // some shards
    const std::string path = folder.file("g.auxo");
    Packer packer(path);
    packer.add(glyphs.train);
    packer.add(glyphs.test, true);
    packer.finish();
    const Bytes good = read_bytes(path);
    const auto load = [&](const Bytes &bytes, bool map) {
        write_file(path, bytes);
        LoadedData data;
        auxo_data_options options = {};
        options.map = map;
        auxo_status status = data.load(path, options);
        std::string message = status == AUXO_OK ? "" : data.error.message;
        if (status == AUXO_OK) { // a mapped shard is looked at when it is used
            std::vector<uint8_t> rows(data.train->row_count * 784);
            auxo_row_block block = {};
            block.features = rows.data();
            Error error;
            status = auxo_dataset_read(data.train, nullptr, 0, data.train->row_count, &block, error);
            message = status == AUXO_OK ? "" : error.message;
        }
        return message;
    };
    for (bool map : {false, true}) {
        CHECK(load(good, map).empty());
        for (size_t size : {size_t(1), size_t(63), size_t(64), good.size() / 2, good.size() - 1})
            CHECK(!load(Bytes(good.begin(), good.begin() + long(size)), map).empty());
        Bytes longer = good;
        longer.push_back(0);
        CHECK_THAT(load(longer, map), Catch::Contains("cut off or longer"));
        Bytes flipped = good;
        flipped[64 + 784 * 1500] ^= 1;
        CHECK_THAT(load(flipped, map), Catch::Contains("shard 2"));
        Bytes version = good;
        version[8] = 9;
        CHECK_THAT(load(version, map), Catch::Contains("format 9"));
        Bytes footer = good;
        footer[good.size() - 20] ^= 1;
        CHECK_THAT(load(footer, map), Catch::Contains("description has changed"));
    }
}

TEST_CASE("a packed file whose description lies, with a right hash, is refused")
{
    TempFolder folder;
    const std::string path = folder.file("t.auxo");
    write_file(folder.file("t.csv"), table_text(60));
    LoadedData plain;
    plain.require(folder.file("t.csv"), auxo_data_options{});
    Packer packer(path);
    packer.add(plain.train);
    packer.finish();
    const std::string good = read_whole_file(path);
    uint64_t offset = 0;
    memcpy(&offset, &good[16], sizeof offset);
    const std::vector<std::pair<std::string, std::string>> lies = {
        {"\"rows\":\"60\"", "\"rows\":\"60000000\""},
        {"\"rows\":\"60\"", "\"rows\":\"0\""},
        {"\"rows\":\"60\"", "\"rows\":\"-1\""},
        {"\"rows\":\"60\"", "\"rows\":60"},
        {"\"shard_rows\":\"", "\"shard_rows\":\"3"},
        {"\"shard_bytes\":\"", "\"shard_bytes\":\"9"},
        {"\"first_shard\":\"64\"", "\"first_shard\":\"99999999\""},
        {"\"first_shard\":\"64\"", "\"first_shard\":\"18446744073709551615\""},
        {"\"hashes\":\"", "\"hashes\":\"0"},
        {"\"name\":\"labels\"", "\"name\":\"lapels\""},
        {"\"name\":\"labels\"", "\"name\":\"targets\""},
        {"\"row_bytes\":\"16\"", "\"row_bytes\":\"4\""},
        {"\"feature_names\":[", "\"feature_names\":[\"more\","},
        {"\"target_names\":[", "\"target_names\":[\"more\","},
        {"\\\"shape\\\":[4,1,1]", "\\\"shape\\\":[1000000000,65536,65536]"},
        {"\\\"class_count\\\":2", "\\\"class_count\\\":3"},
        {"\\\"target\\\":\\\"class", "\\\"target\\\":\\\"real"},
        {"\"schema\":", "\"scheme\":"},
        {"\"splits\":[", "\"splits\":[{},{},"},
        {"{\"splits\"", "[\"splits\""},
    };
    for (const auto &lie : lies) {
        std::string footer = good.substr(offset);
        const size_t at = footer.find(lie.first);
        INFO(lie.first << " becomes " << lie.second);
        REQUIRE(at != std::string::npos);
        footer.replace(at, lie.first.size(), lie.second);
        std::string bytes = good.substr(0, offset) + footer;
        const uint64_t size = footer.size(), hash = XXH3_64bits(footer.data(), footer.size());
        memcpy(&bytes[24], &size, sizeof size);
        memcpy(&bytes[32], &hash, sizeof hash);
        write_file(path, bytes);
        for (bool map : {false, true}) {
            LoadedData data;
            auxo_data_options options = {};
            options.map = map;
            CHECK(data.load(path, options) != AUXO_OK);
            CHECK(std::string(data.error.message).find('\n') == std::string::npos);
        }
    }
}

TEST_CASE("packed survival data, sites and test rows come back as they were")
{
    TempFolder folder;
    write_file(folder.file("s.csv"), "who,where,age,days,died\na,x,50,1.5,1\na,x,51,2,0\nb,y,60,0.1,1\nc,y,70,9,1\n");
    auxo_data_options options = {};
    options.time_column = "days";
    options.event_column = "died";
    options.group_column = "who";
    options.site_column = "where";
    const char *inputs[] = {"age"};
    options.input_columns = inputs;
    options.input_column_count = 1;
    LoadedData plain, packed;
    plain.require(folder.file("s.csv"), options);
    Packer packer(folder.file("s.auxo"));
    packer.add(plain.train);
    packer.add(plain.train, true);
    packer.finish();
    packed.require(folder.file("s.auxo"), mapped()); // such rows are read into memory
    REQUIRE(packed.test != nullptr);
    for (const auxo_dataset *set : {packed.train, packed.test}) {
        REQUIRE(set->mapped == nullptr);
        REQUIRE(set->row_count == 4);
        for (size_t i = 0; i < 4; i++) {
            CHECK(set->times[i] == plain.train->times[i]);
            CHECK(set->events[i] == plain.train->events[i]);
            CHECK(set->groups[i] == plain.train->groups[i]);
            CHECK(std::string(set->site_names[set->sites[i]]) == (i < 2 ? "x" : "y"));
        }
        CHECK(std::string(set->schema->group_column) == "who");
    }
}

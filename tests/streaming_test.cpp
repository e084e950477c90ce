// Rows that stay in a file: packed sets and NumPy arrays, mapped, split, streamed to the device, and refused when they
// are not what they say.
#include "support/data_files.hpp"
#include "support/models.hpp"
#include "support/program.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace auxo_test;

namespace
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

auxo_data_options mapped()
{
    auxo_data_options options = {};
    options.map = true;
    return options;
}

std::string table_text(int rows)
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

std::vector<float> features_of(const auxo_dataset *set)
{
    std::vector<float> values(set->row_count * size_t(set->channels * set->height * set->width));
    auxo_row_block block = {};
    block.features = values.data();
    REQUIRE(set->feature_type == AUXO_FEATURES_F32);
    REQUIRE(auxo_dataset_read(set, nullptr, 0, set->row_count, &block, nullptr) == AUXO_OK);
    return values;
}

std::vector<uint32_t> labels_of(const auxo_dataset *set)
{
    std::vector<uint32_t> labels(set->row_count);
    auxo_row_block block = {};
    block.labels = labels.data();
    REQUIRE(auxo_dataset_read(set, nullptr, 0, set->row_count, &block, nullptr) == AUXO_OK);
    return labels;
}

// An array of the .npy format; `values` little-endian.
Bytes npy(const std::string &type, const std::string &shape, const Bytes &values, bool fortran = false)
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

Bytes read_bytes(const std::string &path)
{
    return bytes_of(read_whole_file(path));
}

// What training on some rows gives: the loss of each epoch, and the weights.
struct Trained {
    std::vector<double> losses;
    std::vector<float> weights;
};

auxo_train_options training(const auxo_dataset *set)
{
    auxo_train_options options = {};
    options.loss = set->target_type == AUXO_TARGET_CLASS ? AUXO_LOSS_CROSS_ENTROPY : AUXO_LOSS_MSE;
    options.batch = 32;
    options.seed = 5;
    options.standardize = true;
    REQUIRE(auxo_optimizer_config_parse("adam:lr=0.003", &options.optimizer, nullptr) == AUXO_OK);
    return options;
}

Trained train(Device &device, const auxo_dataset *set, const auxo_dataset *validation, const char *network,
              auxo_train_options options, int epochs = 2)
{
    Trained result;
    Error error;
    const Desc desc(network, set->channels, set->height, set->width, auxo_dataset_output_count(set));
    Model model(device, desc.desc, 3);
    auxo_trainer *trainer = nullptr;
    const auxo_status status = auxo_trainer_create(model.model, set, validation, &options, &trainer, error);
    INFO(error.message);
    REQUIRE(status == AUXO_OK);
    for (int epoch = 0; epoch < epochs; epoch++) {
        bool finished = false;
        auxo_epoch_metrics metrics;
        const auxo_status ran = auxo_trainer_run(trainer, 0, &finished, &metrics, error);
        INFO(error.message);
        REQUIRE(ran == AUXO_OK);
        result.losses.push_back(metrics.train_loss);
        if (validation)
            result.losses.push_back(metrics.validation_loss);
    }
    result.weights = model.weights();
    auxo_trainer_destroy(trainer);
    return result;
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
        CHECK(auxo_dataset_content_hash(set, 100) == auxo_dataset_content_hash(plain.train, 100));
        REQUIRE(set->schema->input_count == 2);
        CHECK(std::string(set->schema->inputs[1].levels[2]) == "red, or so");
        CHECK(std::string(set->schema->targets[0]) == "y");
    }
    // Part of the rows has to be hashed anew.
    CHECK(auxo_dataset_content_hash(kept.train, 37) == auxo_dataset_content_hash(plain.train, 37));
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

TEST_CASE("streamed training gives the numbers of training on rows that lie on the device")
{
    TempFolder folder;
    Glyphs glyphs(700);
    LoadedData reactor, pictures, table;
    auxo_data_options options = {};
    options.generated_count = 900;
    reactor.require("reactor", options);
    Packer first(folder.file("p.auxo"));
    first.add(glyphs.train);
    first.finish();
    Packer second(folder.file("r.auxo"));
    second.add(reactor.train);
    second.finish();
    pictures.require(folder.file("p.auxo"), mapped());
    table.require(folder.file("r.auxo"), mapped());
    for_each_device([&](Device &device) {
        INFO(device.selector);
        for (int which = 0; which < 2; which++) {
            const auxo_dataset *memory = which ? reactor.train : glyphs.train;
            const auxo_dataset *file = which ? table.train : pictures.train;
            const auxo_dataset *test = which ? reactor.test : glyphs.test;
            const char *network = which ? "mlp:8" : "mlp:12";
            auxo_train_options train_options = training(memory);
            train_options.balance_classes = which == 0;
            const Trained expected = train(device, memory, test, network, train_options);
            const auxo_shuffle_kind kinds[] = {AUXO_SHUFFLE_ROWS, AUXO_SHUFFLE_SHARDS};
            for (const auxo_shuffle_kind kind : kinds) {
                train_options.shuffle = kind;
                train_options.stream = AUXO_STREAM_NEVER;
                const Trained whole = train(device, file, test, network, train_options);
                train_options.stream = AUXO_STREAM_ALWAYS;
                const Trained streamed = train(device, file, test, network, train_options);
                CHECK(streamed.losses == whole.losses);
                CHECK(streamed.weights == whole.weights);
                if (kind == AUXO_SHUFFLE_ROWS) {
                    CHECK(streamed.losses == expected.losses);
                    CHECK(streamed.weights == expected.weights);
                    CHECK(train(device, memory, test, network, train_options).weights == expected.weights);
                }
            }
        }
    });
}

TEST_CASE("a set of many parts goes through the ring and back, in training, validation and prediction")
{
    // Rows of 64 KiB and 40 rows: every half of the ring holds one batch.
    const size_t rows = 71, width = 16384;
    TempFolder folder;
    std::vector<float> values(rows * width), targets(rows);
    for (size_t i = 0; i < values.size(); i++)
        values[i] = float((i * 2654435761u >> 8) % 1000) / 1000 - 0.5f;
    for (size_t i = 0; i < rows; i++)
        targets[i] = values[i * width] + 2 * values[i * width + 1];
    write_file(folder.file("X.npy"), npy("<f4", "(71, 16384)", raw(values)));
    write_file(folder.file("y.npy"), npy("<f4", "(71,)", raw(targets)));
    LoadedData file;
    file.require(folder.file("X.npy"), mapped());
    REQUIRE(file.train->target_type == AUXO_TARGET_REAL);
    for_each_device([&](Device &device) {
        INFO(device.selector);
        auxo_train_options options = training(file.train);
        options.stream = AUXO_STREAM_NEVER;
        const Trained whole = train(device, file.train, file.train, "mlp:3", options, 3);
        options.stream = AUXO_STREAM_ALWAYS;
        const Trained streamed = train(device, file.train, file.train, "mlp:3", options, 3);
        CHECK(streamed.losses == whole.losses);
        CHECK(streamed.weights == whole.weights);
    });
}

TEST_CASE("by shards every row is visited once, neighbours are parted, and epochs differ")
{
    // The first and only weight of a linear model sees the rows in order: what is wanted is the order itself.
    const size_t rows = 40000;
    TempFolder folder;
    std::vector<float> values(rows * 64), targets(rows);
    for (size_t i = 0; i < rows; i++)
        targets[i] = float(i);
    write_file(folder.file("X.npy"), npy("<f4", "(40000, 64)", raw(values)));
    write_file(folder.file("y.npy"), npy("<f4", "(40000,)", raw(targets)));
    LoadedData file;
    file.require(folder.file("X.npy"), mapped());
    CHECK(auxo_dataset_block_rows(file.train) == 4096);
    Runtime runtime;
    Device device(runtime, "cpu");
    auxo_train_options options = training(file.train);
    options.standardize = false;
    options.batch = 1000;
    options.shuffle = AUXO_SHUFFLE_SHARDS;
    REQUIRE(auxo_optimizer_config_parse("sgd:lr=1e-30", &options.optimizer, nullptr) == AUXO_OK);
    struct Seen {
        std::vector<double> losses;
    } seen;
    options.log_every = 1;
    options.on_step_user = &seen;
    options.on_step = [](void *user, const auxo_step_metrics *metrics) {
        static_cast<Seen *>(user)->losses.push_back(metrics->loss);
    };
    const Trained trained = train(device, file.train, nullptr, "linear", options, 2);
    REQUIRE(seen.losses.size() == 80);
    // Half the mean square of all targets is that of one visit of every row.
    double expected = 0, sum = 0;
    for (size_t i = 0; i < rows; i++)
        expected += double(i) * double(i) / double(rows);
    for (size_t i = 0; i < 40; i++)
        sum += seen.losses[i] / 40;
    const double scale = trained.losses[0] / expected;
    CHECK(sum == Approx(trained.losses[0]).epsilon(1e-5));
    CHECK((scale == Approx(1).epsilon(1e-4) || scale == Approx(0.5).epsilon(1e-4)));
    CHECK(trained.losses[1] == Approx(trained.losses[0]).epsilon(1e-6));
    // Batches of one shard would have losses of its rows alone.
    double lowest = seen.losses[0], highest = seen.losses[0];
    for (double loss : seen.losses) {
        lowest = std::min(lowest, loss);
        highest = std::max(highest, loss);
    }
    CHECK(highest < 1.3 * lowest);
    CHECK(std::vector<double>(seen.losses.begin(), seen.losses.begin() + 40) !=
          std::vector<double>(seen.losses.begin() + 40, seen.losses.end()));
}

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
        CHECK(auxo_dataset_content_hash(kept.train, 3) == auxo_dataset_content_hash(data.train, 3));
    }
    SECTION("what is no such array is refused in one line")
    {
        const std::vector<std::pair<Bytes, const char *>> wrong = {
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

TEST_CASE("program: a packed set trains, resumes, is evaluated and predicted as its source is")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    write_file(folder.file("t.csv"), table_text(400));
    const std::string csv = folder.file("t.csv"), packed = folder.file("t.auxo"), model = folder.file("m.safetensors");
    REQUIRE(program.run({"data", "pack", csv, "--out", packed}).exit_code == 0);
    const Words common = {"train", "--device", "cpu", "--model", "mlp:6", "--epochs", "4"};
    const auto train_with = [&](const Words &more) {
        const ProgramResult result = program.run(with(common, more));
        INFO(result.errors);
        REQUIRE(result.exit_code == 0);
    };
    train_with({"--data", csv, "--save", folder.file("csv.safetensors")});
    train_with({"--data", packed, "--stream", "always", "--save", model});
    CHECK(same_bytes(model, folder.file("csv.safetensors")));
    // Stopped in the middle of an epoch, and gone on with.
    const Words shards = {"--data", packed, "--stream", "always", "--shuffle", "shards", "--batch", "16"};
    const Words checkpoint = {"--checkpoint", folder.file("c.safetensors")};
    train_with(with(shards, {"--save", folder.file("whole.safetensors")}));
    train_with(with(with(shards, checkpoint), {"--steps", "33"}));
    train_with(with(with(shards, checkpoint), {"--resume", "--save", folder.file("two.safetensors")}));
    CHECK(same_bytes(folder.file("whole.safetensors"), folder.file("two.safetensors")));
    // The held-out fifth is found again, in both.
    const ProgramResult of_csv = program.run({"eval", model, "--data", csv, "--device", "cpu", "--json"});
    const ProgramResult of_packed = program.run({"eval", model, "--data", packed, "--device", "cpu", "--json"});
    REQUIRE(of_csv.exit_code == 0);
    REQUIRE(of_packed.exit_code == 0);
    const Event a = of_csv.events("result").at(0), b = of_packed.events("result").at(0);
    CHECK(a.number("rows") == 80);
    CHECK(b.number("rows") == 80);
    CHECK(a.number("loss") == b.number("loss"));
    const ProgramResult one = program.run({"predict", model, "--data", csv, "--device", "cpu"});
    const ProgramResult two = program.run({"predict", model, "--data", packed, "--device", "cpu"});
    CHECK(one.output == two.output);
    CHECK(one.output.size() > 4000);
}

TEST_CASE("program: a resume does not read the whole set")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    const std::string packed = folder.file("g.auxo");
    REQUIRE(program.run({"data", "pack", "glyphs", "--limit", "4000", "--out", packed}).exit_code == 0);
    const Words words = {"train",        "--device",       "cpu",      "--data", packed,  "--model", "mlp:4",
                         "--checkpoint", folder.file("c"), "--stream", "always", "--json"};
    REQUIRE(program.run(with(words, {"--steps", "5"})).exit_code == 0);
    // A shard is only found to have changed when rows of it are read: training has begun by then.
    std::string bytes = read_whole_file(packed);
    bytes[64 + 784 * 10] ^= 1;
    write_file(packed, bytes);
    const ProgramResult resumed = program.run(with(words, {"--steps", "6", "--resume"}));
    CHECK(resumed.exit_code != 0);
    CHECK(resumed.errors.find("shard 1") != std::string::npos);
    CHECK(resumed.events("start").size() == 1);
    const ProgramResult anew = program.run(with(words, {"--steps", "6"})); // statistics need every row
    CHECK(anew.exit_code != 0);
    CHECK(anew.events("start").empty());
}

TEST_CASE("program: packing several files, and what cannot be packed or trained on")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    write_file(folder.file("a.csv"), table_text(50));
    write_file(folder.file("b.csv"), table_text(30));
    write_file(folder.file("c.csv"), "age,kind,y\n30,green,yes\n31,blue,no\n");
    write_file(folder.file("gap.csv"), "a,b\n1,2\n,3\n4,5\n");
    const std::string out = folder.file("o.auxo");
    REQUIRE(program.run({"data", "pack", folder.file("a.csv"), folder.file("b.csv"), "--out", out}).exit_code == 0);
    LoadedData data;
    data.require(out, mapped());
    CHECK(data.train->row_count == 80);
    check_fails(program, {"data", "pack", folder.file("a.csv"), folder.file("c.csv"), "--out", out}, "green");
    check_fails(program, {"data", "pack", folder.file("a.csv")}, "--out FILE.auxo");
    REQUIRE(program.run({"data", "pack", folder.file("gap.csv"), "--missing", "mean", "--out", folder.file("g.auxo")})
                .exit_code == 0);
    check_fails(program, {"train", "--data", folder.file("g.auxo"), "--device", "cpu"}, "1 missing value");
    const ProgramResult filled =
        program.run({"train", "--data", folder.file("g.auxo"), "--device", "cpu", "--missing", "mean"});
    INFO(filled.errors);
    CHECK(filled.exit_code == 0);
    CHECK(filled.errors.find("1 missing values replaced") != std::string::npos);
    check_fails(program, {"train", "--data", out, "--targets", "kind", "--device", "cpu"}, "was decided when");
}

TEST_CASE("program: 200 MB train under 64 MB of private memory")
{
    const size_t rows = 255000;
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    const Bytes header = npy("|u1", "(255000, 28, 28)", {});
    write_file(folder.file("X.npy"), header);
    REQUIRE(truncate(folder.file("X.npy").c_str(), long(header.size() + rows * 28 * 28)) == 0); // a hole: zeros
    std::vector<int64_t> labels(rows);
    for (size_t i = 0; i < rows; i++)
        labels[i] = int64_t(i % 10);
    write_file(folder.file("y.npy"), npy("<i8", "(255000,)", raw(labels)));
    program.start({"train", "--device", "cpu", "--data", folder.file("X.npy"), "--model", "mlp:4", "--epochs", "1"});
    const size_t peak = program.watch_private_memory();
    const ProgramResult result = program.wait();
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    CHECK(peak > size_t(1) << 20);
#ifndef __SANITIZE_ADDRESS__ // whose shadow is private memory, too
    CHECK(peak < size_t(64) << 20);
#endif
}

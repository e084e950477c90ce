// Rows that come to the device while it works: the same numbers as of rows that lie there, little memory, and packed
// sets and arrays in the program.
#include "support/models.hpp"
#include "support/packed.hpp"
#include "support/program.hpp"

#include <algorithm>
#include <cmath>
#include <unistd.h>

using namespace auxo_test;

namespace
{

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

TEST_CASE("a mapped file that became shorter is refused before its rows are touched")
{
    TempFolder folder;
    write_file(folder.file("X.npy"), npy("<f4", "(5000, 8)", raw(std::vector<float>(40000, 1.5f))));
    std::vector<int64_t> classes(5000, 1);
    classes[0] = 0;
    write_file(folder.file("y.npy"), npy("<i8", "(5000,)", raw(classes)));
    LoadedData data;
    data.require(folder.file("X.npy"), mapped());
    Error error;
    std::vector<float> features(8);
    std::vector<uint32_t> labels(1);
    auxo_row_block block = {};
    block.features = features.data();
    const uint32_t last = uint32_t(data.train->row_count - 1);
    REQUIRE(auxo_dataset_read(data.train, &last, 0, 1, &block, error) == AUXO_OK);
    CHECK(features[7] == 1.5f);
    REQUIRE(truncate(folder.file("X.npy").c_str(), 100) == 0);
    CHECK(auxo_dataset_read(data.train, &last, 0, 1, &block, error) == AUXO_IO);
    block = {};
    block.labels = labels.data();
    REQUIRE(truncate(folder.file("y.npy").c_str(), 100) == 0);
    CHECK(auxo_dataset_read(data.train, &last, 0, 1, &block, error) == AUXO_IO);
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

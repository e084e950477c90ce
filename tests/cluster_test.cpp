// tests/cluster_test.cpp: training in the ranks of a job, as mpirun starts them: the numbers of one process, batch norm
// over all rows, resuming with other ranks, and how a failure, a stop or a missing library ends all of them.
#include "support/models.hpp"
#include "support/mpirun.hpp"
#include "support/program.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

const Words lenet = {"train", "--json",    "--data", "glyphs",      "--limit", "1003", "--model", "lenet5",  "--device",
                     "cpu",   "--threads", "1",      "--optimizer", "sgd",     "--lr", "0.01",    "--batch", "50"};

// The same, but for a network of its shape without rectifiers and maxima. Two sums in other orders put some value on
// the other side of a rectifier, or make another element of a window its largest; from there on two runs part by more
// than roundings. In a smooth network they do not.
Words smooth_lenet(const TempFolder &folder)
{
    std::ofstream(folder.file("smooth.json")) << R"({"layers": [
        {"name": "input", "kind": "input", "shape": [1, 28, 28]},
        {"name": "conv1", "kind": "conv2d", "units": 6, "kernel": 5, "activation": "tanh"},
        {"name": "pool1", "kind": "pool2d", "kernel": 2, "stride": 2, "pool": "average"},
        {"name": "conv2", "kind": "conv2d", "units": 16, "kernel": 5, "activation": "tanh"},
        {"name": "pool2", "kind": "pool2d", "kernel": 2, "stride": 2, "pool": "average"},
        {"name": "flatten", "kind": "flatten"},
        {"name": "dense1", "kind": "dense", "units": 120, "activation": "tanh"},
        {"name": "dense2", "kind": "dense", "units": 84, "activation": "tanh"},
        {"name": "dense3", "kind": "dense", "units": 10}]})";
    Words words = lenet;
    std::replace(words.begin(), words.end(), std::string("lenet5"), folder.file("smooth.json"));
    return words;
}

// Weights, or statistics, of a model file.
std::vector<float> weights_of(const std::string &path, bool statistics = false)
{
    Runtime runtime;
    Device device(runtime, "cpu");
    auxo_model *model = nullptr;
    Error error;
    REQUIRE_OK(auxo_model_load(device.device, path.c_str(), &model, error));
    std::vector<float> weights(auxo_model_weight_count(model)), running(auxo_model_statistic_count(model));
    REQUIRE_OK(auxo_model_read_weights(model, weights.data(), running.data(), error));
    auxo_model_destroy(model);
    return statistics ? running : weights;
}

// |one - other| / |one|, Euclidean.
double distance(const std::vector<float> &one, const std::vector<float> &other)
{
    REQUIRE(one.size() == other.size());
    double apart = 0, norm = 0;
    for (size_t i = 0; i < one.size(); i++) {
        apart += std::pow(static_cast<double>(one[i]) - static_cast<double>(other[i]), 2);
        norm += std::pow(static_cast<double>(one[i]), 2);
    }
    return std::sqrt(apart / norm);
}

double end_loss(const ProgramResult &result)
{
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    const std::vector<Event> ends = result.events("result");
    REQUIRE(ends.size() == 1); // rank 0 alone tells
    return ends[0].number("test_loss");
}

} // namespace

TEST_CASE("cluster: ranks train to the numbers of one process, the same twice")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    Program alone(AUXO_PROGRAM);
    // 100 steps: four epochs of 20 full batches and one of 3 rows, and a part.
    const Words train = with(smooth_lenet(folder), {"--steps", "100"});
    const double wanted = end_loss(alone.run(with(train, {"--save", folder.file("one")})));
    const std::vector<float> one = weights_of(folder.file("one"));
    for (int ranks : {2, 3}) {
        MpiRun run(AUXO_PROGRAM, ranks);
        const double loss = end_loss(run.run(with(train, {"--save", folder.file("many")})));
        CHECK(std::fabs(loss - wanted) <= 1e-5 * wanted);
        CHECK(distance(one, weights_of(folder.file("many"))) < 1e-6);
        CHECK(end_loss(run.run(with(train, {"--save", folder.file("again")}))) == loss);
        CHECK(weights_of(folder.file("again")) == weights_of(folder.file("many")));
    }
}

TEST_CASE("cluster: every step's loss is that of one process, on every backend")
{
    if (!have_mpirun())
        return;
    Runtime runtime;
    for (const std::string &device : test_devices(runtime)) {
        INFO(device);
        const Words train = {"train",   "--json", "--data",      "glyphs", "--limit",  "400",
                             "--model", "lenet5", "--optimizer", "sgd",    "--lr",     "0.05",
                             "--batch", "40",     "--steps",     "6",      "--device", device};
        Program alone(AUXO_PROGRAM);
        MpiRun run(AUXO_PROGRAM, 2);
        const ProgramResult one = alone.run(train), two = run.run(train);
        end_loss(one);
        end_loss(two);
        const std::vector<Event> left = one.events("step"), right = two.events("step");
        REQUIRE(left.size() == 6);
        REQUIRE(right.size() == 6);
        for (size_t i = 0; i < left.size(); i++)
            CHECK(std::fabs(left[i].number("loss") - right[i].number("loss")) < 1e-5 * left[i].number("loss"));
    }
}

TEST_CASE("cluster: with sync-batch-norm one step has the gradients of one process, without it others")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    Program alone(AUXO_PROGRAM);
    MpiRun two(AUXO_PROGRAM, 2), three(AUXO_PROGRAM, 3);
    std::ofstream(folder.file("smooth.json")) << R"({"layers": [
        {"name": "input", "kind": "input", "shape": [1, 28, 28]},
        {"name": "conv1", "kind": "conv2d", "units": 8, "kernel": 3, "pad": 1, "bias": false},
        {"name": "norm1", "kind": "batch_norm", "activation": "tanh"},
        {"name": "conv2", "kind": "conv2d", "units": 16, "kernel": 3, "pad": 1, "stride": 2, "bias": false},
        {"name": "norm2", "kind": "batch_norm", "activation": "tanh"},
        {"name": "flatten", "kind": "flatten"},
        {"name": "dense1", "kind": "dense", "units": 20},
        {"name": "norm3", "kind": "batch_norm", "activation": "tanh"},
        {"name": "dense2", "kind": "dense", "units": 10}]})";
    // Two sums in other orders put some value of a deep network on the other side of a rectifier: one process on two
    // backends has gradients of resnet18 that differ by 2e-3. A smooth network has no such places.
    const std::pair<std::string, double> networks[] = {{folder.file("smooth.json"), 1e-5}, {"resnet18", 1e-2}};
    for (const auto &network : networks) {
        INFO(network.first);
        const Words train = {"train",     "--json",  "--data",      "glyphs",   "--limit",
                             "60",        "--model", network.first, "--device", "cpu",
                             "--threads", "1",       "--optimizer", "sgd",      "--warmup",
                             "0",         "--batch", "9",           "--steps",  "1"};
        // One step of plain descent: the weights move by the gradients.
        const auto saved = [&](auto &program, const Words &more) {
            CHECK(program.run(with(with(train, more), {"--save", folder.file("m")})).exit_code == 0);
            return weights_of(folder.file("m"));
        };
        const Words far = {"--lr", "1"}, together = {"--lr", "1", "--sync-batch-norm"};
        const std::vector<float> start = saved(alone, {"--lr", "1e-12"}), one = saved(alone, far);
        const std::vector<float> running = weights_of(folder.file("m"), true);
        const auto gradients = [&](const std::vector<float> &end) {
            std::vector<float> moved(end.size());
            for (size_t i = 0; i < end.size(); i++)
                moved[i] = end[i] - start[i];
            return moved;
        };
        CHECK(distance(gradients(one), gradients(saved(two, together))) < network.second);
        CHECK(distance(running, weights_of(folder.file("m"), true)) < 1e-5);
        CHECK(distance(gradients(one), gradients(saved(three, together))) < network.second);
        CHECK(distance(gradients(one), gradients(saved(two, far))) > 0.05);
    }
}

TEST_CASE("cluster: streamed rows: each rank reads its own, and the numbers stay those of one process")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    Program alone(AUXO_PROGRAM);
    const ProgramResult packed =
        alone.run({"data", "pack", "glyphs", "--limit", "1003", "--out", folder.file("p.auxo")});
    INFO(packed.errors);
    REQUIRE(packed.exit_code == 0);
    for (const char *shuffle : {"rows", "shards"}) {
        Words train = with(smooth_lenet(folder), {"--stream", "always", "--shuffle", shuffle, "--epochs", "2"});
        std::replace(train.begin(), train.end(), std::string("glyphs"), folder.file("p.auxo"));
        const double wanted = end_loss(alone.run(with(train, {"--save", folder.file("one")})));
        for (int ranks : {2, 4}) {
            MpiRun run(AUXO_PROGRAM, ranks);
            const double loss = end_loss(run.run(with(train, {"--save", folder.file("many")})));
            CHECK(std::fabs(loss - wanted) <= 1e-5 * wanted);
            CHECK(distance(weights_of(folder.file("one")), weights_of(folder.file("many"))) < 1e-6);
        }
    }
}

TEST_CASE("cluster: a checkpoint of two ranks goes on with three, and alone")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    Program alone(AUXO_PROGRAM);
    MpiRun two(AUXO_PROGRAM, 2), three(AUXO_PROGRAM, 3);
    const Words smooth = smooth_lenet(folder);
    const Words train = with(smooth, {"--validation", "0.1", "--checkpoint", folder.file("c")});
    // 30 steps end within the second epoch; the rest is done by others.
    end_loss(two.run(with(train, {"--steps", "30"})));
    CHECK(std::filesystem::exists(folder.file("c")));
    end_loss(three.run(with(train, {"--steps", "50", "--resume"})));
    const ProgramResult last = alone.run(with(train, {"--steps", "70", "--resume", "--save", folder.file("m")}));
    const Words whole = with(smooth, {"--validation", "0.1", "--steps", "70", "--save", folder.file("whole")});
    const double wanted = end_loss(alone.run(whole));
    CHECK(std::fabs(end_loss(last) - wanted) <= 1e-5 * wanted);
    CHECK(distance(weights_of(folder.file("whole")), weights_of(folder.file("m"))) < 1e-6);
}

TEST_CASE("cluster: a rank that is asked to stop stops all, and the run goes on from there")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    MpiRun run(AUXO_PROGRAM, 2);
    run.start(with(lenet, {"--epochs", "100000", "--log-every", "0", "--checkpoint", folder.file("c")}));
    REQUIRE(run.wait_for_output("\"epoch\":2,"));
    run.signal_rank(1, SIGTERM);
    const ProgramResult stopped = run.wait();
    CHECK(stopped.exit_code == 3);
    CHECK(run.own_lines(stopped) ==
          std::vector<std::string>{"auxo: interrupted; resume continues from " + folder.file("c")});
    end_loss(run.run(with(lenet, {"--epochs", "1", "--checkpoint", folder.file("c"), "--resume"})));
}

TEST_CASE("cluster: what fails on one rank ends all of them with one line that names it")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    MpiRun run(AUXO_PROGRAM, 3);
    // Rank 1 alone gets a device that there is not.
    run.only_for_rank(1, {"--device", "cpu:7"});
    const ProgramResult failed = run.run(with(lenet, {"--steps", "5"}));
    CHECK(failed.exit_code == 2);
    REQUIRE(run.own_lines(failed).size() == 1);
    CHECK_THAT(run.own_lines(failed)[0], Contains("auxo: rank 1: ") && Contains("cpu:7"));
    // Rows that are not the same.
    run.only_for_rank(2, {"--limit", "900"});
    const ProgramResult other = run.run(with(lenet, {"--steps", "5"}));
    CHECK(other.exit_code == 2);
    REQUIRE(run.own_lines(other).size() == 1);
    CHECK_THAT(run.own_lines(other)[0], Contains("rank 2") && Contains("data: the rows are not those of rank 0"));
    // What all of them would say is said once.
    run.only_for_rank(2, {});
    const ProgramResult wrong = run.run({"train", "--no-such-option"});
    CHECK(wrong.exit_code == 2);
    CHECK(run.own_lines(wrong).size() == 1);
}

TEST_CASE("cluster: what several ranks cannot do is refused in one line")
{
    if (!have_mpirun())
        return;
    MpiRun run(AUXO_PROGRAM, 2);
    const auto refused = [&](const Words &words, const std::string &part) {
        const ProgramResult result = run.run(words);
        CHECK(result.exit_code == 2);
        REQUIRE(run.own_lines(result).size() == 1);
        CHECK_THAT(run.own_lines(result)[0], Contains(part));
    };
    refused({"autosize", "--data", "glyphs", "--limit", "100"}, "autosize runs in one process, not in 2 ranks");
    refused({"search", "--data", "glyphs", "--limit", "100"}, "give study FILE.db");
    refused(with(lenet, {"--folds", "3"}), "train in folds runs in one process");
    refused({"train", "--data", "glyphs", "--limit", "100", "--batch", "1", "--device", "cpu"},
            "a batch of 1 rows is too small to be shared by 2 ranks");
}

TEST_CASE("cluster: without its library, cluster mpi says so in one line and the program works")
{
    TempFolder folder;
    // The library alone, without its plugins beside it.
    std::filesystem::copy(AUXO_PROGRAM, folder.file("auxo"));
    const std::filesystem::path library = AUXO_LIBRARY;
    for (const auto &file : std::filesystem::directory_iterator(library.parent_path()))
        if (file.path().filename().string().rfind("libauxo.so", 0) == 0)
            std::filesystem::copy(file.path(), folder.file(file.path().filename().string()));
    Program program(folder.file("auxo"));
    program.set_environment("LD_LIBRARY_PATH", folder.file(""));
    check_fails(program, {"train", "--cluster", "mpi"}, "libauxo_mpi.so is neither beside the library");
    CHECK(program.run({"train", "--data", "glyphs", "--limit", "100", "--steps", "2", "--device", "cpu"}).exit_code ==
          0);
    // One of several that a launcher started would do everything again beside the others.
    program.set_environment("OMPI_COMM_WORLD_SIZE", "2");
    program.set_environment("OMPI_COMM_WORLD_RANK", "0");
    check_fails(program, {"train", "--data", "glyphs", "--limit", "100"}, "one of several that mpirun started");
    CHECK(program
              .run({"train", "--data", "glyphs", "--limit", "100", "--steps", "2", "--device", "cpu", "--cluster",
                    "none"})
              .exit_code == 0);
}

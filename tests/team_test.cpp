// tests/team_test.cpp: one training run on several devices: the numbers of one device, shares by speed or as given,
// resumed to the same bits, and what is refused.
#include "support/models.hpp"
#include "support/program.hpp"

#include <cmath>
#include <memory>
#include <numeric>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

const char *const network = R"({"layers": [
    {"name": "input", "kind": "input", "shape": [1, 6, 6]},
    {"name": "conv", "kind": "conv2d", "units": 4, "kernel": 3, "activation": "tanh"},
    {"name": "flatten", "kind": "flatten"},
    {"name": "dense", "kind": "dense", "units": 3}]})";

const char *const normalized = R"({"layers": [
    {"name": "input", "kind": "input", "shape": [1, 6, 6]},
    {"name": "conv", "kind": "conv2d", "units": 4, "kernel": 3, "bias": false},
    {"name": "norm", "kind": "batch_norm", "activation": "relu"},
    {"name": "flatten", "kind": "flatten"},
    {"name": "dense", "kind": "dense", "units": 3}]})";

auxo_train_options train_options(const std::vector<auxo_device *> &helpers, const uint32_t *shares = nullptr)
{
    auxo_train_options options = {};
    options.optimizer = optimizer("adam:lr=0.01");
    options.batch = 16;
    options.seed = 9;
    options.standardize = true;
    options.helpers = helpers.data();
    options.helper_count = helpers.size();
    options.shares = shares;
    return options;
}

struct Outcome {
    auxo_epoch_metrics metrics;
    std::vector<float> weights;
};

Outcome train(Device &device, const std::vector<auxo_device *> &helpers, const uint32_t *shares = nullptr,
              const float *class_weights = nullptr)
{
    Desc desc{std::string(network)};
    Model model(device, desc.desc);
    // 75 rows: four full batches and one of 11.
    Data data = Data::classes(75, 1, 6, 6, 3, 5), held_out = Data::classes(20, 1, 6, 6, 3, 6);
    auxo_train_options options = train_options(helpers, shares);
    options.class_weights = class_weights;
    Trainer trainer(model, data.get(), held_out.get(), options);
    Outcome outcome;
    outcome.metrics = trainer.epochs(3);
    outcome.weights = model.weights();
    return outcome;
}

void check_same(const Outcome &got, const Outcome &expected)
{
    CHECK(got.metrics.step == expected.metrics.step);
    CHECK(got.metrics.train_loss == Approx(expected.metrics.train_loss).epsilon(1e-4));
    CHECK(got.metrics.train_accuracy == Approx(expected.metrics.train_accuracy).epsilon(1e-3));
    CHECK(got.metrics.validation_loss == Approx(expected.metrics.validation_loss).epsilon(1e-4));
    check_close(got.weights, expected.weights, 1e-3, 2e-4);
}

// The devices to test on but the first, which is cpu.
template <typename Body> void for_each_pair(Body body)
{
    Runtime runtime;
    for (const std::string &selector : test_devices(runtime)) {
        if (selector.rfind("cpu", 0) == 0)
            continue;
        Device cpu(runtime, "cpu"), other(runtime, selector);
        INFO("cpu and " << selector);
        body(cpu, other);
    }
}

} // namespace

TEST_CASE("two devices give the numbers of one, whichever holds the optimiser")
{
    for_each_pair([](Device &cpu, Device &other) {
        const Outcome alone = train(cpu, {});
        const uint32_t shares[] = {10, 6}, lopsided[] = {1, 15};
        check_same(train(cpu, {other.device}, shares), alone);
        check_same(train(other, {cpu.device}, shares), alone);
        check_same(train(cpu, {other.device}, lopsided), alone);
    });
}

TEST_CASE("class weights: two devices give the numbers of one")
{
    const uint32_t shares[2] = {11, 5};
    const float weights[3] = {1, 4, 0.5f};
    for_each_pair([&](Device &cpu, Device &other) {
        const Outcome alone = train(cpu, {}, nullptr, weights);
        check_same(train(cpu, {other.device}, shares, weights), alone);
        CHECK(train(cpu, {}).weights != alone.weights);
    });
}

TEST_CASE("three devices train together")
{
    Runtime runtime;
    std::vector<std::string> selectors = test_devices(runtime);
    if (selectors.size() < 3) {
        WARN("skipped: needs three devices");
        return;
    }
    Device first(runtime, selectors[0]), second(runtime, selectors[1]), third(runtime, selectors[2]);
    check_same(train(first, {second.device, third.device}), train(first, {}));
}

TEST_CASE("measured shares fill the batch, and measuring leaves the numbers alone")
{
    for_each_pair([](Device &cpu, Device &other) {
        Desc desc{std::string(normalized)};
        Data data = Data::classes(64, 1, 6, 6, 3, 5);
        Model measured(cpu, desc.desc), given(cpu, desc.desc);
        uint32_t rows[2] = {7, 7};
        Trainer first(measured, data.get(), nullptr, train_options({other.device}));
        REQUIRE(auxo_trainer_shares(first, rows, 2) == 2);
        CHECK(rows[0] + rows[1] == 0); // not measured yet
        first.steps(5);
        REQUIRE(auxo_trainer_shares(first, rows, 2) == 2);
        CHECK(rows[0] >= 1);
        CHECK(rows[1] >= 1);
        CHECK(rows[0] + rows[1] == 16);
        Trainer second(given, data.get(), nullptr, train_options({other.device}, rows));
        second.steps(5);
        CHECK(measured.weights() == given.weights()); // bit for bit
        CHECK(measured.statistics() == given.statistics());
    });
}

TEST_CASE("a team follows a resize")
{
    for_each_pair([](Device &cpu, Device &other) {
        Error error;
        std::vector<float> weights[2];
        for (int helped = 0; helped < 2; helped++) {
            Desc desc{std::string(network)};
            Model model(cpu, desc.desc);
            Data data = Data::classes(48, 1, 6, 6, 3, 5);
            std::vector<auxo_device *> helpers;
            if (helped)
                helpers.push_back(other.device);
            Trainer trainer(model, data.get(), nullptr, train_options(helpers));
            trainer.steps(2);
            const uint32_t kept[] = {0, 2, 3};
            auxo_unit_edit edit = {};
            edit.layer = desc.find("conv");
            edit.kept = kept;
            edit.kept_count = 3;
            edit.added_count = 2;
            auxo_carried_state state = auxo_optimizer_carried_state(auxo_trainer_optimizer(trainer));
            REQUIRE_OK(auxo_model_resize(model, &edit, 1, 3, &state, error));
            trainer.steps(2);
            weights[helped] = model.weights();
        }
        check_close(weights[1], weights[0], 1e-3, 2e-4);
    });
}

TEST_CASE("what cannot be shared is refused in one line")
{
    for_each_pair([](Device &cpu, Device &other) {
        Error error;
        Desc desc{std::string(network)};
        Model model(cpu, desc.desc);
        Data data = Data::classes(64, 1, 6, 6, 3, 5);
        auxo_trainer *trainer = nullptr;
        std::vector<auxo_device *> helpers{other.device};
        const uint32_t few[] = {10, 5}, none[] = {16, 0};
        auxo_train_options options = train_options(helpers, few);
        CHECK(auxo_trainer_create(model, data.get(), nullptr, &options, &trainer, error) == AUXO_INVALID_ARGUMENT);
        CHECK_THAT(error.text(), Contains("15 rows together, but a batch has 16"));
        options.shares = none;
        CHECK(auxo_trainer_create(model, data.get(), nullptr, &options, &trainer, error) == AUXO_INVALID_ARGUMENT);
        CHECK_THAT(error.text(), Contains("at least 1"));
        Desc line{std::string(R"({"layers": [{"name": "input", "kind": "input", "shape": [4, 1, 1]},
                                             {"name": "dense", "kind": "dense", "units": 1}]})")};
        Model risk(cpu, line.desc);
        Data survival = Data::survival(64, 4, 5);
        options = train_options(helpers);
        options.loss = AUXO_LOSS_COX;
        CHECK(auxo_trainer_create(risk, survival.get(), nullptr, &options, &trainer, error) == AUXO_UNSUPPORTED);
        CHECK_THAT(error.text(), Contains("Cox"));
        CHECK(trainer == nullptr);
    });
}

TEST_CASE("the program trains on two devices and resumes to the same bits")
{
    Runtime runtime;
    std::string second;
    for (const std::string &selector : test_devices(runtime))
        if (selector.rfind("opencl", 0) == 0)
            second = selector;
    if (second.empty()) {
        WARN("skipped: no opencl device");
        return;
    }
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words common = {"train",   "--device", "cpu," + second, "--model", "mlp:784-12-10", "--limit", "320",
                          "--batch", "64",       "--json",        "--share", "40,24"};
    auto run = [&](const Words &more) {
        Words words = common;
        words.insert(words.end(), more.begin(), more.end());
        ProgramResult result = program.run(words);
        INFO(result.errors);
        REQUIRE(result.exit_code == 0);
        return result;
    };
    const std::string whole = folder.file("whole"), part = folder.file("part");
    ProgramResult through = run({"--epochs", "2", "--save", whole});
    REQUIRE(through.events("shares").size() == 1);
    run({"--epochs", "2", "--steps", "3", "--checkpoint", part});
    ProgramResult rest = run({"--epochs", "2", "--checkpoint", part, "--resume", "--save", folder.file("again")});
    CHECK(rest.events("result").at(0).number("test_loss") == through.events("result").at(0).number("test_loss"));
    CHECK(read_whole_file(folder.file("again")) == read_whole_file(whole));
    for (const auto &bad : {std::vector<std::string>{"--device", "cpu,cpu"},
                            {"--device", "cpu,nowhere:0"},
                            {"--device", "cpu," + second, "--share", "1,2,3"},
                            {"--device", "cpu," + second, "--share", "1,x"}}) {
        Words words = {"train", "--limit", "128"};
        words.insert(words.end(), bad.begin(), bad.end());
        ProgramResult refused = program.run(words);
        CHECK(refused.exit_code == 2);
        CHECK(refused.error_lines().size() == 1);
    }
}

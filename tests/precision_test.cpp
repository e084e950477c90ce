// precision_test.cpp: networks in bf16 and f16: gradients and losses near those of f32 by what the format allows, half
// the memory, the loss scale of f16, checkpoints and resumed runs, refusals, and every method once.
#include "support/fake_backend.hpp"
#include "support/models.hpp"
#include "support/program.hpp"

#include <cmath>
#include <cstring>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

struct Format {
    auxo_precision precision;
    const char *name;
    double unit; // half the distance between neighbours, relative
};
const Format formats[] = {{AUXO_PRECISION_BF16, "bf16", 0x1p-8}, {AUXO_PRECISION_F16, "f16", 0x1p-11}};

// Every kind of layer, with branches, ending in a fused activation; but no maximum, whose gradient jumps where rounding
// makes another element the largest.
const char *const everything = R"({"layers": [
    {"name": "input", "kind": "input", "shape": [2, 9, 9]},
    {"name": "conv", "kind": "conv2d", "units": 6, "kernel": 3, "activation": "tanh"},
    {"name": "norm", "kind": "batch_norm"},
    {"name": "pool", "kind": "pool2d", "pool": "average", "kernel": 2, "stride": 2},
    {"name": "left", "kind": "conv2d", "units": 6, "kernel": 3, "activation": "sigmoid"},
    {"name": "right", "kind": "conv2d", "inputs": ["pool"], "units": 6, "kernel": 3, "bias": false},
    {"name": "sum", "kind": "add", "inputs": ["left", "right"]},
    {"name": "act", "kind": "activation", "activation": "tanh"},
    {"name": "joined", "kind": "concat", "inputs": ["act", "sum"]},
    {"name": "average", "kind": "global_average_pool"},
    {"name": "flatten", "kind": "flatten"},
    {"name": "hidden", "kind": "dense", "units": 12, "activation": "tanh"},
    {"name": "last", "kind": "dense", "units": 4, "activation": "tanh"}]})";

std::vector<float> noise(size_t count, uint32_t seed)
{
    std::vector<float> values(count);
    for (float &value : values) {
        seed = seed * 1664525u + 1013904223u;
        value = static_cast<float>(seed >> 8) * 0x1p-23f - 1;
    }
    return values;
}

double norm(const std::vector<float> &values, size_t begin, size_t end)
{
    double sum = 0;
    for (size_t i = begin; i < end; i++)
        sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    return std::sqrt(sum);
}

auxo_train_options options_of(const std::string &text, auxo_precision precision)
{
    auxo_train_options options = {};
    options.optimizer = optimizer(text);
    options.batch = 32;
    options.seed = 3;
    options.standardize = true;
    options.precision = precision;
    return options;
}

} // namespace

TEST_CASE("gradients of every layer are those of f32 within the rounding of the format")
{
    Runtime runtime;
    std::vector<std::string> selectors = test_devices(runtime);
    selectors.push_back("reference");
    for (const std::string &selector : selectors)
        for (const Format &format : formats) {
            INFO(selector << ", " << format.name);
            Device device(runtime, selector.c_str());
            Error error;
            Desc desc{std::string(everything)};
            Model model(device, desc.desc, 5);
            const std::vector<float> input = noise(8 * 162, 7);
            const std::vector<uint32_t> labels = {0, 1, 2, 3, 3, 2, 1, 0};
            const std::vector<float> outputs = model.forward(input, 8); // before a training pass moves the statistics
            const auto set = [&](auxo_precision precision) {
                REQUIRE(auxo_model_set_precision(model, precision, error) == AUXO_OK);
            };
            set(format.precision);
            const std::vector<float> narrow_outputs = model.forward(input, 8);
            const Gradients narrow = cross_entropy_gradients(model, input, labels);
            set(AUXO_PRECISION_F32);
            const Gradients exact = cross_entropy_gradients(model, input, labels);
            // A rounding of the weights, of what is stored and of its gradient in each of some eight layers.
            const double bound = 12 * format.unit;
            CHECK(std::fabs(narrow.loss - exact.loss) < bound * exact.loss);
            for (size_t i = 0; i < outputs.size(); i++)
                CHECK(std::fabs(narrow_outputs[i] - outputs[i]) < bound);
            for (size_t p = 0; p < auxo_model_param_count(model); p++) {
                const auxo_param &param = auxo_model_params(model)[p];
                if (!param.trainable)
                    continue;
                size_t count = 1;
                for (uint32_t axis = 0; axis < param.rank; axis++)
                    count *= static_cast<size_t>(param.dims[axis]);
                std::vector<float> difference(narrow.values);
                for (size_t i = 0; i < difference.size(); i++)
                    difference[i] -= exact.values[i];
                INFO(param.name);
                const double size = norm(exact.values, param.offset, param.offset + count);
                const double whole = norm(exact.values, 0, exact.values.size());
                CHECK(norm(difference, param.offset, param.offset + count) < bound * (size + 0.02 * whole));
            }
            CHECK(narrow.op_count > exact.op_count); // the conversions are ops of the plan
        }
}

TEST_CASE("100 steps of lenet5 lose what they lose in f32, within a fiftieth")
{
    Runtime runtime;
    Data data = Data::classes(800, 1, 28, 28, 10, 5, true);
    std::vector<double> losses;
    for (auxo_precision precision : {AUXO_PRECISION_F32, AUXO_PRECISION_BF16, AUXO_PRECISION_F16}) {
        Device device(runtime, "cpu");
        Desc desc("lenet5", 1, 28, 28, 10);
        Model model(device, desc.desc, 2);
        Trainer trainer(model, data.get(), nullptr, options_of("sgd:lr=0.01", precision));
        losses.push_back(trainer.epochs(4).train_loss);
        CHECK(auxo_trainer_step(trainer) == 100);
    }
    CHECK(losses[0] < 2);
    CHECK(std::fabs(losses[1] - losses[0]) < 2e-2 * losses[0]);
    CHECK(std::fabs(losses[2] - losses[0]) < 2e-2 * losses[0]);
}

TEST_CASE("the copies of weights that an update makes are those of the weights, whoever else changes these")
{
    Runtime runtime;
    Data data = Data::classes(96, 1, 16, 16, 4, 5);
    for (const std::string &selector : test_devices(runtime))
        for (const Format &format : formats) {
            INFO(selector << ", " << format.name);
            Device device(runtime, selector.c_str());
            Desc desc("lenet5", 1, 16, 16, 4);
            const auxo_train_options options = options_of("momentum:lr=0.05", format.precision);
            Model together(device, desc.desc, 2), apart(device, desc.desc, 2);
            Trainer steps(together, data.get(), nullptr, options), step(apart, data.get(), nullptr, options);
            steps.epochs(2); // the copies of a step are those of the step before; chunks of several steps
            for (int i = 0; i < 6; i++) {
                step.steps(1); // copies made anew before each
                apart.set_weights(apart.weights());
            }
            CHECK(together.weights() == apart.weights());
            std::vector<float> other = noise(together.weights().size(), 11); // while the trainers hold plans
            for (float &weight : other)
                weight *= 0.1f; // so that no step in f16 overflows
            together.set_weights(other);
            apart.set_weights(other);
            steps.steps(2);
            step.steps(1);
            step.steps(1);
            CHECK(together.weights() == apart.weights());
            CHECK(together.weights() != other);
        }
}

TEST_CASE("temporaries of a step take about half the memory")
{
    Runtime runtime;
    Data data = Data::classes(64, 3, 16, 16, 10, 5);
    for (const char *name : {"lenet5", "resnet18", "autosize-cnn", "vgg-small"}) {
        INFO(name);
        Device device(runtime, "cpu");
        Desc desc(name, 3, 16, 16, 10);
        double bytes[2] = {0, 0};
        for (int i = 0; i < 2; i++) {
            Model model(device, desc.desc, 2);
            Trainer trainer(model, data.get(), nullptr,
                            options_of("sgd:lr=0.01", i ? AUXO_PRECISION_BF16 : AUXO_PRECISION_F32));
            trainer.steps(1);
            bytes[i] = static_cast<double>(auxo_plan_arena_bytes(auxo_trainer_plan(trainer)));
        }
        CHECK(bytes[1] / bytes[0] < 0.55);
    }
}

TEST_CASE("f16: a step whose gradients overflow changes nothing but the loss scale")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Data data = Data::real(64, 5, 2, 9);
    auxo_dataset set = *data.get();
    std::vector<float> large(set.targets, set.targets + set.row_count * set.target_count);
    for (float &target : large)
        target *=
            3e2f; // the gradient of the output, of some 5, times 65536: two or three halvings bring it below 65504
    set.targets = large.data();
    Desc desc("mlp:5-8-2", 5, 1, 1, 2);
    for (const char *text : {"sgd:lr=1e-9", "adam:lr=1e-9"}) {
        Error error;
        Model model(device, desc.desc, 2);
        const std::vector<float> before = model.weights();
        auxo_train_options options = options_of(text, AUXO_PRECISION_F16);
        options.standardize = false;
        options.loss = AUXO_LOSS_MSE;
        options.batch = 64;
        Trainer trainer(model, &set, nullptr, options);
        auxo_epoch_metrics metrics = trainer.epochs(1);
        CHECK(metrics.skipped_steps == 1);
        CHECK(metrics.loss_scale == 32768);
        CHECK(model.weights() == before);
        metrics = trainer.epochs(12);
        CHECK(metrics.skipped_steps > 1);
        CHECK(metrics.skipped_steps < 12);
        CHECK(metrics.loss_scale == std::ldexp(65536.f, -static_cast<int>(metrics.skipped_steps)));
        CHECK(model.weights() != before);
    }
}

TEST_CASE("f16: several devices scale and skip together, and move the weights as one does")
{
    Runtime runtime;
    Device first(runtime, "cpu"), second(runtime, "reference");
    Data data = Data::real(128, 5, 2, 9);
    auxo_dataset set = *data.get();
    std::vector<float> large(set.targets, set.targets + set.row_count * set.target_count);
    for (float &target : large)
        target *= 3e2f;
    set.targets = large.data();
    Desc desc("mlp:5-8-2", 5, 1, 1, 2);
    std::vector<auxo_device *> helpers{second.device};
    std::vector<std::vector<float>> weights;
    std::vector<auxo_epoch_metrics> metrics;
    for (size_t count : {0, 1}) {
        Model model(first, desc.desc, 2);
        auxo_train_options options = options_of("sgd:lr=1e-7", AUXO_PRECISION_F16);
        options.standardize = false;
        options.loss = AUXO_LOSS_MSE;
        options.batch = 64;
        options.helpers = helpers.data();
        options.helper_count = count;
        Trainer trainer(model, &set, nullptr, options);
        metrics.push_back(trainer.epochs(10));
        weights.push_back(model.weights());
    }
    // A device's part of a batch is smaller, and its mean gradient larger: others may skip more steps, but all steps
    // that are made move the weights alike, which they would not if one device kept another scale.
    Model start(first, desc.desc, 2);
    const std::vector<float> before = start.weights();
    for (size_t run = 0; run < 2; run++) {
        CHECK(metrics[run].skipped_steps >= 1);
        CHECK(metrics[run].skipped_steps < 12);
        CHECK(metrics[run].loss_scale == std::ldexp(65536.f, -static_cast<int>(metrics[run].skipped_steps)));
        for (size_t i = 0; i < before.size(); i++)
            weights[run][i] = (weights[run][i] - before[i]) / (20 - static_cast<float>(metrics[run].skipped_steps));
    }
    for (size_t i = 0; i < before.size(); i++)
        weights[1][i] -= weights[0][i];
    CHECK(norm(weights[0], 0, before.size()) > 0);
    CHECK(norm(weights[1], 0, before.size()) < 6e-2 * norm(weights[0], 0, before.size()));
}

TEST_CASE("f16: gradients that overflow at the least loss scale end the run with the step")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Data data = Data::real(64, 5, 2, 9);
    auxo_dataset set = *data.get();
    std::vector<float> large(set.targets, set.targets + set.row_count * set.target_count);
    for (float &target : large)
        target *= 1e10f;
    set.targets = large.data();
    Desc desc("mlp:5-8-2", 5, 1, 1, 2);
    Model model(device, desc.desc, 2);
    auxo_train_options options = options_of("sgd:lr=1e-9", AUXO_PRECISION_F16);
    options.standardize = false;
    options.loss = AUXO_LOSS_MSE;
    options.batch = 64;
    Trainer trainer(model, &set, nullptr, options);
    auxo_error error = {};
    auxo_status status = AUXO_OK;
    bool finished = false;
    for (int epoch = 0; epoch < 40 && status == AUXO_OK; epoch++)
        status = auxo_trainer_run(trainer, 0, &finished, nullptr, &error);
    CHECK(status == AUXO_NOT_FINITE);
    CHECK_THAT(error.message, Contains("step 17") && Contains("loss scale") && Contains("bf16"));
}

TEST_CASE("f16: a restored run goes on with the same bits and its loss scale, in another precision with a fresh one")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Data data = Data::classes(200, 1, 12, 12, 4, 5);
    TempFolder folder;
    Error error;
    const std::string path = folder.file("run.safetensors");
    Desc desc("conv:4-6", 1, 12, 12, 4);
    const auxo_train_options options = options_of("momentum:lr=0.02", AUXO_PRECISION_F16);
    Model whole(device, desc.desc, 2), part(device, desc.desc, 2), changed(device, desc.desc, 2);
    Trainer whole_trainer(whole, data.get(), nullptr, options);
    whole_trainer.steps(20);
    {
        Model first(device, desc.desc, 2);
        Trainer trainer(first, data.get(), nullptr, options);
        trainer.steps(9);
        REQUIRE(auxo_trainer_save(trainer, path.c_str(), nullptr, error) == AUXO_OK);
    }
    Trainer rest(part, data.get(), nullptr, options);
    REQUIRE(auxo_trainer_restore(rest, path.c_str(), nullptr, error) == AUXO_OK);
    rest.steps(11);
    CHECK(part.weights() == whole.weights());
    Trainer other(changed, data.get(), nullptr, options_of("momentum:lr=0.02", AUXO_PRECISION_BF16));
    REQUIRE(auxo_trainer_restore(other, path.c_str(), nullptr, error) == AUXO_OK);
    other.steps(11);
    CHECK(changed.weights() != whole.weights());
}

TEST_CASE("a device without kernels for a format names what it lacks and what it can")
{
    FakeBackend fake;
    fake.variants[AUXO_OP_POOL2D_BACKWARD][0].half_formats = AUXO_HALF_FORMAT(F16);
    fake.refresh();
    const auxo_backend *backends[] = {&fake.spi, find_builtin("reference")};
    auxo_runtime_options options = {};
    options.backends = backends;
    options.backend_count = 2;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_runtime_create(&options, &runtime, &error) == AUXO_OK);
    REQUIRE(auxo_device_open(runtime, "fake", &device, &error) == AUXO_OK);
    CHECK(auxo_device_set_precision(device, AUXO_PRECISION_BF16, &error) == AUXO_UNSUPPORTED);
    CHECK_THAT(error.message, Contains("bf16") && Contains("pool2d_backward") && Contains("fake") &&
                                  Contains("f32 and f16") && !Contains("\n"));
    CHECK(auxo_device_precision(device) == AUXO_DTYPE_F32);
    CHECK(auxo_device_set_precision(device, AUXO_PRECISION_F16, &error) == AUXO_OK);
    CHECK(auxo_device_precision(device) == AUXO_DTYPE_F16);
    CHECK(auxo_device_set_precision(device, AUXO_PRECISION_AUTO, &error) == AUXO_OK); // it has no matrix units
    CHECK(auxo_device_precision(device) == AUXO_DTYPE_F32);
    auxo_device_close(device);
    auxo_runtime_destroy(runtime);
}

TEST_CASE("precision auto takes the format that a device has matrix units for")
{
    FakeBackend fake;
    fake.devices = {FakeDeviceSpec{}, FakeDeviceSpec{}, FakeDeviceSpec{}};
    fake.devices[1].features = AUXO_FEATURE_COOPERATIVE_MATRIX;
    fake.devices[2].features = AUXO_FEATURE_COOPERATIVE_MATRIX | AUXO_FEATURE_BF16_MATRIX;
    const auxo_backend *backends[] = {&fake.spi, find_builtin("reference")};
    auxo_runtime_options options = {};
    options.backends = backends;
    options.backend_count = 2;
    auxo_runtime *runtime = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_runtime_create(&options, &runtime, &error) == AUXO_OK);
    const auxo_dtype expected[] = {AUXO_DTYPE_F32, AUXO_DTYPE_F16, AUXO_DTYPE_BF16};
    for (int i = 0; i < 3; i++) {
        auxo_device *device = nullptr;
        REQUIRE(auxo_device_open(runtime, ("fake:" + std::to_string(i)).c_str(), &device, &error) == AUXO_OK);
        CHECK(auxo_device_set_precision(device, AUXO_PRECISION_AUTO, &error) == AUXO_OK);
        CHECK(auxo_device_precision(device) == expected[i]);
        auxo_device_close(device);
    }
    auxo_runtime_destroy(runtime);
}

TEST_CASE("bf16: the number of threads changes no digit")
{
    Program program(AUXO_PROGRAM);
    const Words train = {"train", "--data",   "glyphs", "--model",     "vgg-small", "--limit",
                         "96",    "--batch",  "32",     "--epochs",    "1",         "--seed",
                         "4",     "--device", "cpu",    "--precision", "bf16",      "--json"};
    const double one = program.run(with(train, {"--threads", "1"})).events("result").at(0).number("test_loss");
    for (const char *threads : {"2", "5"})
        CHECK(program.run(with(train, {"--threads", threads})).events("result").at(0).number("test_loss") == one);
}

TEST_CASE("precision: a run keeps it on resume, may change it, and says so")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words small = {"train", "--data",   "glyphs", "--model", "lenet5", "--limit",
                         "300",   "--device", "cpu",    "--batch", "64",     "--json"};
    const Words kept = {"--checkpoint", folder.file("run.json"), "--resume"};
    ProgramResult begun = program.run(with(with(small, {"--epochs", "1", "--precision", "bf16"}), kept));
    INFO(begun.errors);
    REQUIRE(begun.exit_code == 0);
    CHECK_THAT(begun.errors, Contains("compute in bf16"));
    ProgramResult same = program.run(with(with(small, {"--epochs", "2"}), kept));
    INFO(same.errors);
    REQUIRE(same.exit_code == 0);
    CHECK_THAT(same.errors, Contains("compute in bf16") && !Contains("from here on"));
    ProgramResult changed = program.run(with(with(small, {"--epochs", "3", "--precision", "f16"}), kept));
    INFO(changed.errors);
    REQUIRE(changed.exit_code == 0);
    CHECK_THAT(changed.errors, Contains("precision was bf16 and is f16 from here on"));
    CHECK(changed.events("epoch")[0].number("loss_scale") == 65536);
    check_fails(program, with(small, {"--precision", "half"}), "f32|bf16|f16|auto");
}

TEST_CASE("every method trains in bf16")
{
    Program program(AUXO_PROGRAM);
    const Words tiny = {"--limit", "160", "--device", "cpu", "--precision", "bf16", "--json"};
    const struct {
        const char *result; // a number of the result that must be finite
        Words words;
    } runs[] = {
        {"edits",
         {"autosize", "--model", "autosize-mlp:12-8-6-5-4", "--growth-minimum", "3", "--dynamic-epochs", "2",
          "--static-epochs", "1"}},
        {"test_loss",
         {"morph", "--model", "conv:4-6", "--lambda", "1e-7", "--epochs", "1", "--final-epochs", "1", "--iterations",
          "1", "--budget-flops", "2e5", "--batch", "32"}},
        {"test_loss",
         {"resbuild", "--preset", "small", "--model", "conv:4:3:2", "--budget-flops", "3e5", "--insertions", "1",
          "--cycles", "1", "--epochs", "1", "--batch", "32"}},
        {"iterations", {"multiscale", "train", "--data", "reactor", "--model", "mlp:4-80-3-2", "--iterations", "3"}},
    };
    for (const auto &run : runs) {
        ProgramResult result = program.run(with(run.words, tiny));
        INFO(run.words[0] << ": " << result.errors);
        REQUIRE(result.exit_code == 0);
        CHECK_THAT(result.errors, Contains("compute in bf16"));
        CHECK(std::isfinite(result.events("result")[0].number(run.result)));
    }
}

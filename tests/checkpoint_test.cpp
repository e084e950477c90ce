// checkpoint_test.cpp: model files and training checkpoints: the same bits back, killed at any moment or not; damaged,
// foreign and mismatched files refused with the reason.
#include "support/models.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

const char *const network = R"({"layers": [
    {"name": "input", "kind": "input", "shape": [1, 6, 6]},
    {"name": "conv", "kind": "conv2d", "units": 4, "kernel": 3, "bias": false},
    {"name": "norm", "kind": "batch_norm", "activation": "relu"},
    {"name": "drop", "kind": "dropout", "rate": 0.3},
    {"name": "flatten", "kind": "flatten"},
    {"name": "dense", "kind": "dense", "units": 3}]})";

auxo_train_options train_options(const std::string &text)
{
    auxo_train_options options = {};
    options.optimizer = optimizer(text);
    options.batch = 16;
    options.seed = 9;
    options.standardize = true;
    options.augmentation = {true, true, 1, 1};
    return options;
}

std::string slurp(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void spit(const std::string &path, const std::string &bytes)
{
    std::ofstream(path, std::ios::binary) << bytes;
}

std::string load_error(Device &device, const std::string &path)
{
    Error error;
    auxo_model *model = nullptr;
    REQUIRE(auxo_model_load(device.device, path.c_str(), &model, error) != AUXO_OK);
    REQUIRE(model == nullptr);
    return error.text();
}

// A model loaded from a file, owned.
struct Loaded {
    Loaded(Device &device, const std::string &path) : model(device, Desc(network).desc)
    {
        Error error;
        auxo_model_destroy(model.model);
        model.model = nullptr;
        REQUIRE_OK(auxo_model_load(device.device, path.c_str(), &model.model, error));
    }
    Model model;
};

} // namespace

TEST_CASE("a model file gives back every bit, with description and preprocessing")
{
    for_each_device([](Device &device) {
        Error error;
        TempFolder folder;
        std::string path = folder.file("net.safetensors");
        Data train = Data::classes(64, 1, 6, 6, 3, 1, true);
        Desc desc(network);
        Model model(device, desc.desc, 3);
        Trainer trainer(model, train.get(), nullptr, train_options("adam"));
        trainer.epochs(1);
        REQUIRE_OK(auxo_model_save(model, path.c_str(), error));
        Loaded loaded(device, path);
        CHECK(loaded.model.weights() == model.weights());
        CHECK(loaded.model.statistics() == model.statistics());
        const auxo_preprocessing *a = auxo_model_preprocessing(model), *b = auxo_model_preprocessing(loaded.model);
        REQUIRE(b->channel_count == 1);
        CHECK(a->means[0] == b->means[0]);
        CHECK(a->inverse_stds[0] == b->inverse_stds[0]);
        CHECK(b->target_count == 0);
        std::string bytes = slurp(path);
        CHECK_THAT(bytes.substr(0, 4000), Contains("\"conv.weight\":{\"dtype\":\"F32\",\"shape\":[4,1,3,3]"));
        CHECK((bytes.find('{') == 8 && static_cast<unsigned char>(bytes[0]) % 8 == 0));
        CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
    });
}

TEST_CASE("damaged or foreign model files are refused with the reason")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    TempFolder folder;
    std::string path = folder.file("net.safetensors"), damaged = folder.file("damaged");
    Desc desc(network);
    Model model(device, desc.desc, 3);
    REQUIRE_OK(auxo_model_save(model, path.c_str(), error));
    const std::string good = slurp(path);
    CHECK_THAT(load_error(device, folder.file("absent")), Contains("absent"));
    for (size_t length = 0; length < good.size(); length += 1 + length / 3) {
        spit(damaged, good.substr(0, length));
        CHECK_THAT(load_error(device, damaged), Contains("damaged"));
    }
    auto with = [&](const std::string &from, const std::string &to) {
        std::string bytes = good;
        size_t at = bytes.find(from);
        REQUIRE(at != std::string::npos);
        REQUIRE(from.size() == to.size());
        bytes.replace(at, from.size(), to);
        spit(damaged, bytes);
        CHECK_THAT(load_error(device, damaged), Contains("checksum") || Contains("damaged"));
        // A foreign writer leaves no checksum behind, and has faults of its own.
        bytes.replace(bytes.find("auxo.checksum"), 13, "else.checksum");
        spit(damaged, bytes);
        return load_error(device, damaged);
    };
    CHECK_THAT(with("\"conv.weight\":{", "\"conv.weighs\":{"), Contains("conv.weight"));
    CHECK_THAT(with("[4,1,3,3]", "[4,1,3,4]"), Contains("conv.weight"));
    CHECK_THAT(with("[4,1,3,3]", "[4,3,3,1]"), Contains("[4,3,3,1]"));
    CHECK_THAT(with("\"F32\"", "\"I32\""), Contains("F32"));
    CHECK_THAT(with("\"F32\"", "\"F16\""), Contains("does not fit the file"));
    CHECK_THAT(with("auxo.model\"", "auxo.nodel\""), Contains("description"));
    CHECK_THAT(with("batch_norm", "batch_nrom"), Contains("batch_norm"));
    spit(damaged, std::string(8, '\xff') + "{}");
    CHECK_THAT(load_error(device, damaged), Contains("header"));
}

TEST_CASE("a restored run goes on with the same bits as an uninterrupted one")
{
    for_each_device([](Device &device) {
        for (const char *text : {"momentum:lr=0.05", "adam:lr=0.01",
                                 "phs:lr=0.2,friction=0.3,goal_kind=remaining,goal=0.7,brake=5,watch=ema,ema_decay=0.5",
                                 "phs:lr=1.9,friction=0.1,stall_epochs=1,reaccelerate=1.5"}) {
            INFO(device.selector << ", " << text);
            Error error;
            TempFolder folder;
            std::string path = folder.file("run.safetensors");
            Data train = Data::classes(120, 1, 6, 6, 3, 1, true), test = Data::classes(40, 1, 6, 6, 3, 2, true);
            Desc desc(network);
            Model whole(device, desc.desc, 3);
            Trainer uninterrupted(whole, train.get(), test.get(), train_options(text));
            auxo_epoch_metrics expected = uninterrupted.epochs(5);
            {
                Model model(device, desc.desc, 3);
                Trainer trainer(model, train.get(), test.get(), train_options(text));
                trainer.steps(19); // in the middle of the third epoch
                REQUIRE_OK(auxo_trainer_save(trainer, path.c_str(), R"({"note": "mine"})", error));
                trainer.steps(3); // lost
            }
            Loaded loaded(device, path);
            Trainer resumed(loaded.model, train.get(), test.get(), train_options(text));
            char *extra = nullptr;
            REQUIRE_OK(auxo_trainer_restore(resumed, path.c_str(), &extra, error));
            CHECK(std::string(extra) == R"({"note": "mine"})");
            free(extra);
            CHECK(auxo_trainer_step(resumed) == 19);
            CHECK(auxo_trainer_epoch(resumed) == 2);
            auxo_epoch_metrics got = resumed.epochs(3);
            CHECK(loaded.model.weights() == whole.weights());
            CHECK(loaded.model.statistics() == whole.statistics());
            CHECK(got.train_loss == expected.train_loss);
            CHECK(got.train_accuracy == expected.train_accuracy);
            CHECK(got.validation_loss == expected.validation_loss);
            CHECK(auxo_optimizer_get_hyper(auxo_trainer_optimizer(resumed), AUXO_HYPER_FRICTION) ==
                  auxo_optimizer_get_hyper(auxo_trainer_optimizer(uninterrupted), AUXO_HYPER_FRICTION));
        }
    });
}

TEST_CASE("a checkpoint made after a resize restores into the resized model")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    TempFolder folder;
    std::string path = folder.file("run");
    Data train = Data::classes(96, 1, 6, 6, 3, 1);
    Desc desc(network);
    Model model(device, desc.desc, 3);
    Trainer trainer(model, train.get(), nullptr, train_options("adam"));
    trainer.epochs(1);
    const uint32_t kept[] = {3, 1};
    auxo_unit_edit edit = {};
    edit.layer = desc.find("conv");
    edit.kept = kept;
    edit.kept_count = 2;
    auxo_carried_state state = auxo_optimizer_carried_state(auxo_trainer_optimizer(trainer));
    REQUIRE_OK(auxo_model_resize(model, &edit, 1, 1, &state, error));
    trainer.steps(2);
    REQUIRE_OK(auxo_trainer_save(trainer, path.c_str(), nullptr, error));
    trainer.epochs(2);
    Loaded loaded(device, path);
    Trainer resumed(loaded.model, train.get(), nullptr, train_options("adam"));
    REQUIRE_OK(auxo_trainer_restore(resumed, path.c_str(), nullptr, error));
    resumed.epochs(2);
    CHECK(loaded.model.weights() == model.weights());
}

TEST_CASE("a state that belongs to other options, data or another model file is refused")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    TempFolder folder;
    std::string path = folder.file("run");
    Data train = Data::classes(96, 1, 6, 6, 3, 1), larger = Data::classes(97, 1, 6, 6, 3, 1);
    Desc desc(network);
    Model model(device, desc.desc, 3);
    Trainer trainer(model, train.get(), nullptr, train_options("adam"));
    trainer.steps(2);
    REQUIRE_OK(auxo_trainer_save(trainer, path.c_str(), nullptr, error));
    auto refusal = [&](const auxo_dataset *data, const auxo_train_options &options) {
        Error why;
        Loaded loaded(device, path);
        Trainer other(loaded.model, data, nullptr, options);
        REQUIRE(auxo_trainer_restore(other, path.c_str(), nullptr, why) == AUXO_FORMAT);
        return why.text();
    };
    CHECK_THAT(refusal(train.get(), train_options("momentum")), Contains("optimizer_kind"));
    CHECK_THAT(refusal(larger.get(), train_options("adam")), Contains("row_count"));
    auxo_train_options options = train_options("adam");
    options.batch = 8;
    CHECK_THAT(refusal(train.get(), options), Contains("batch was 16"));
    options = train_options("adam");
    options.seed = 10;
    CHECK_THAT(refusal(train.get(), options), Contains("seed was 9"));
    // A model without the state of a training.
    REQUIRE_OK(auxo_model_save(model, path.c_str(), error));
    CHECK_THAT(refusal(train.get(), train_options("adam")), Contains("training/auxo.training"));
}

TEST_CASE("a checkpoint that lost or changed a single byte is refused, and what a crash left beside it does not matter")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    TempFolder folder;
    std::string path = folder.file("run");
    Data train = Data::classes(96, 1, 6, 6, 3, 1);
    Desc desc(network);
    Model model(device, desc.desc, 3);
    Trainer trainer(model, train.get(), nullptr, train_options("adam"));
    trainer.steps(2);
    REQUIRE_OK(auxo_trainer_save(trainer, path.c_str(), nullptr, error));
    const std::string good = slurp(path);
    auto restore = [&](Error &why) {
        Model other(device, desc.desc, 4);
        Trainer resumed(other, train.get(), nullptr, train_options("adam"));
        return auxo_trainer_restore(resumed, path.c_str(), nullptr, why);
    };
    for (size_t at = 0; at < good.size(); at += 1 + at / 40) {
        std::string changed = good;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        INFO("byte " << at);
        Error why;
        spit(path, changed);
        const bool in_key = at >= good.find("auxo.checksum") && at < good.find("auxo.checksum") + 13;
        CHECK((in_key || restore(why) == AUXO_FORMAT));
        CHECK(why.text().find('\n') == std::string::npos);
    }
    for (size_t length = 0; length < good.size(); length += 1 + length / 4) {
        INFO("cut to " << length);
        Error why;
        spit(path, good.substr(0, length));
        CHECK(restore(why) == AUXO_FORMAT);
    }
    // What a crash in the middle of the next save leaves: the temporary file of the save, cut short.
    spit(path, good);
    for (const char *rest : {".next", ".new", ".tmp"})
        spit(path + rest, good.substr(0, 100));
    trainer.steps(2);
    REQUIRE_OK(auxo_trainer_save(trainer, path.c_str(), nullptr, error));
    Loaded loaded(device, path);
    Trainer resumed(loaded.model, train.get(), nullptr, train_options("adam"));
    REQUIRE_OK(auxo_trainer_restore(resumed, path.c_str(), nullptr, error));
    CHECK(auxo_trainer_step(resumed) == 4);
    CHECK((loaded.model.weights() == model.weights()));
}

// One process's whole life: resume if there is something, train, save after every second step. Started afresh by the
// test below, because a forked copy of a process with worker threads cannot compute.
const uint64_t last_step = 60;
const char *const life = "one life of a run that is killed";

TEST_CASE(life, "[.]")
{
    const char *path = getenv("AUXO_TEST_CHECKPOINT");
    REQUIRE(path != nullptr);
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    Data train = Data::classes(120, 1, 6, 6, 3, 1);
    Desc desc(network);
    bool resume = std::filesystem::exists(path);
    Model model(device, desc.desc, 3);
    if (resume) {
        auxo_model_destroy(model.model);
        model.model = nullptr;
        REQUIRE_OK(auxo_model_load(device.device, path, &model.model, error));
    }
    Trainer trainer(model, train.get(), nullptr, train_options("adam"));
    if (resume)
        REQUIRE_OK(auxo_trainer_restore(trainer, path, nullptr, error));
    while (auxo_trainer_step(trainer) < last_step) {
        bool finished;
        REQUIRE_OK(auxo_trainer_run(trainer, 2, &finished, nullptr, error));
        REQUIRE_OK(auxo_trainer_save(trainer, path, nullptr, error));
    }
}

TEST_CASE("killed at random moments and resumed, a run ends with the same bits")
{
    TempFolder folder;
    std::string path = folder.file("run");
    REQUIRE(setenv("AUXO_TEST_CHECKPOINT", path.c_str(), 1) == 0);
    bool done = false;
    int lives = 0;
    for (; !done && lives < 100; lives++) {
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            execl("/proc/self/exe", "checkpoint_test", life, static_cast<char *>(nullptr));
            _exit(127);
        }
        int status = 0;
        pid_t ended = 0;
        for (int waited_ms = 0; waited_ms < 10 + 13 * lives && ended == 0; waited_ms += 3) {
            std::this_thread::sleep_for(std::chrono::milliseconds(3));
            ended = waitpid(child, &status, WNOHANG);
        }
        if (ended == 0) {
            kill(child, SIGKILL);
            REQUIRE(waitpid(child, &status, 0) == child);
        }
        if (WIFEXITED(status)) {
            REQUIRE(WEXITSTATUS(status) == 0);
            done = true;
        }
    }
    REQUIRE(done);
    CHECK(lives > 1);
    Runtime runtime;
    Device device(runtime, "cpu");
    Data train = Data::classes(120, 1, 6, 6, 3, 1);
    Desc desc(network);
    Model model(device, desc.desc, 3);
    Trainer uninterrupted(model, train.get(), nullptr, train_options("adam"));
    uninterrupted.steps(last_step);
    Loaded loaded(device, path);
    CHECK(loaded.model.weights() == model.weights());
    CHECK(loaded.model.statistics() == model.statistics());
}

TEST_CASE("a full disk leaves the old checkpoint whole")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    TempFolder folder;
    std::string path = folder.file("run");
    Data train = Data::classes(96, 1, 6, 6, 3, 1);
    Desc desc(network);
    Model model(device, desc.desc, 3);
    Trainer trainer(model, train.get(), nullptr, train_options("adam"));
    trainer.steps(2);
    REQUIRE_OK(auxo_trainer_save(trainer, path.c_str(), nullptr, error));
    trainer.steps(2);
    // A limit on file size stands in for the full disk.
    rlimit before, tight = {600, RLIM_INFINITY};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    tight.rlim_max = before.rlim_max;
    auto handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
    auxo_status status = auxo_trainer_save(trainer, path.c_str(), nullptr, error);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, handler);
    CHECK(status == AUXO_IO);
    CHECK_THAT(error.text(), Contains("cannot write"));
    Loaded loaded(device, path);
    Trainer resumed(loaded.model, train.get(), nullptr, train_options("adam"));
    REQUIRE_OK(auxo_trainer_restore(resumed, path.c_str(), nullptr, error));
    CHECK(auxo_trainer_step(resumed) == 2);
    CHECK_FALSE(std::filesystem::exists(path + ".next"));
}

// tests/cli_failure_test.cpp: runs that are killed, interrupted, or given what cannot work: nothing is lost, nothing
// half written, one clear line.
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <dirent.h>
#include <filesystem>

using auxo_test::check_one_line;
using auxo_test::Program;
using auxo_test::ProgramResult;
using auxo_test::TempFolder;
using auxo_test::with;
using auxo_test::Words;

namespace
{
const Words small_run = {"train", "--device",  "cpu",     "--model", "mlp:784-32-10", "--limit",
                         "1280",  "--augment", "shift=1", "--json",  "--optimizer",   "adam"};

std::vector<std::string> files_in(const std::string &path)
{
    std::vector<std::string> names;
    DIR *folder = opendir(path.c_str());
    REQUIRE(folder);
    while (dirent *entry = readdir(folder))
        if (entry->d_name[0] != '.')
            names.push_back(entry->d_name);
    closedir(folder);
    std::sort(names.begin(), names.end());
    return names;
}

} // namespace

TEST_CASE("a killed run resumes to the numbers of an uninterrupted one")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string whole = folder.file("whole.safetensors"), cut = folder.file("cut.safetensors");
    const Words common = {"--epochs", "40", "--checkpoint-every", "7", "--checkpoint"};
    const std::string whole_model = folder.file("whole-model"), cut_model = folder.file("cut-model");
    ProgramResult uninterrupted = program.run(with(small_run, with(common, {whole, "--save", whole_model})));
    REQUIRE(uninterrupted.exit_code == 0);
    // Killed in the middle of an epoch, and again after the first resume.
    for (const char *moment : {"\"step\":17,", "\"step\":31,"}) {
        program.start(with(small_run, with(common, {cut, "--resume"})));
        CHECK(program.wait_for_output(moment));
        program.send_signal(SIGKILL);
        CHECK(program.wait().exit_code == -1);
        REQUIRE(auxo_test::file_exists(cut));
    }
    ProgramResult resumed = program.run(with(small_run, with(common, {cut, "--resume", "--save", cut_model})));
    INFO(resumed.errors);
    REQUIRE(resumed.exit_code == 0);
    REQUIRE_FALSE(resumed.events("epoch").empty()); // the kills came long before the end
    CHECK(resumed.events("start")[0].number("resumed_step") >= 28);
    CHECK(resumed.events("start")[0].number("resumed_step") < 400);
    CHECK(resumed.events("result")[0].number("test_loss") == uninterrupted.events("result")[0].number("test_loss"));
    CHECK(resumed.events("epoch").back().number("train_loss") ==
          uninterrupted.events("epoch").back().number("train_loss"));
    CHECK(auxo_test::same_bytes(cut_model, whole_model));
}

TEST_CASE("a resumed run refuses other settings than the first one's")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string path = folder.file("c.safetensors");
    REQUIRE(program.run(with(small_run, {"--steps", "3", "--checkpoint", path})).exit_code == 0);
    const std::string before = auxo_test::read_whole_file(path);
    ProgramResult other =
        program.run(with(small_run, {"--steps", "6", "--checkpoint", path, "--resume", "--seed", "9"}));
    check_one_line(other, "seed was 1 and is 9");
    CHECK((auxo_test::read_whole_file(path) == before));
    // A checkpoint that is no checkpoint.
    auxo_test::write_file(path, std::string("not a model"));
    check_one_line(program.run(with(small_run, {"--steps", "6", "--checkpoint", path, "--resume"})), path);
}

TEST_CASE("an interrupt finishes the step, saves the checkpoint and ends with code 3")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string path = folder.file("c.safetensors");
    for (int number : {SIGINT, SIGTERM}) {
        program.start(with(small_run, {"--epochs", "100000", "--checkpoint", path, "--resume"}));
        CHECK(program.wait_for_output("\"event\":\"epoch\""));
        program.send_signal(number);
        ProgramResult result = program.wait();
        INFO(result.errors);
        CHECK(result.exit_code == 3);
        CHECK(result.errors.find("interrupted; resume continues from " + path) != std::string::npos);
        CHECK(result.events().back().name() == "error");
        CHECK(auxo_test::file_exists(path));
    }
    CHECK(files_in(folder.path) == std::vector<std::string>{"c.safetensors", "c.safetensors.lock"});
}

TEST_CASE("a second signal ends the program at once, whatever it does")
{
    Program program(AUXO_PROGRAM);
    program.start(with(small_run, {"--epochs", "1000000", "--threads", "1"}));
    CHECK(program.wait_for_output("\"event\":\"epoch\""));
    program.send_signal(SIGSTOP); // so that both come before the step at hand ends
    program.send_signal(SIGINT);
    program.send_signal(SIGTERM);
    program.send_signal(SIGCONT);
    const ProgramResult result = program.wait();
    INFO(result.errors);
    CHECK((result.exit_code == 128 + SIGINT || result.exit_code == 128 + SIGTERM));
    CHECK(result.errors.find("interrupted") == std::string::npos); // what a first signal leads to
}

TEST_CASE("a checkpoint grows by the numbers that an epoch told, no more")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string path = folder.file("c");
    auto size_after = [&](const char *epochs) {
        ProgramResult result =
            program.run(with(small_run, {"--epochs", epochs, "--checkpoint", path, "--resume", "--validation", "0.1"}));
        INFO(result.errors);
        REQUIRE(result.exit_code == 0);
        return static_cast<double>(std::filesystem::file_size(path));
    };
    const double two = size_after("2"), many = size_after("42");
    CHECK(many - two < 40 * 200);
}

TEST_CASE("a full disk names the file and keeps the last checkpoint")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string path = folder.file("c.safetensors");
    REQUIRE(program.run(with(small_run, {"--steps", "5", "--checkpoint", path})).exit_code == 0);
    const std::string before = auxo_test::read_whole_file(path);
    program.set_file_size_limit(40000); // the model has 101,800 bytes of weights
    ProgramResult full = program.run(with(small_run, {"--steps", "10", "--checkpoint", path, "--resume"}));
    check_one_line(full, folder.path, 1);
    CHECK((auxo_test::read_whole_file(path) == before));
    ProgramResult save = program.run(with(small_run, {"--steps", "1", "--save", folder.file("m.safetensors")}));
    check_one_line(save, "m.safetensors", 1);
    CHECK(files_in(folder.path) == std::vector<std::string>{"c.safetensors", "c.safetensors.lock"});
    program.set_file_size_limit(0);
    CHECK(program.run(with(small_run, {"--steps", "10", "--checkpoint", path, "--resume"})).exit_code == 0);
}

TEST_CASE("standard output that cannot be written is an error")
{
    Program program(AUXO_PROGRAM);
    program.set_output_path("/dev/full");
    for (const Words &words :
         {Words{"data", "list"}, {"--help"}, {"train", "--help"}, {"help", "events"}, {"devices"}}) {
        INFO(words.back());
        check_one_line(program.run(words), "standard output", 1);
    }
}

TEST_CASE("a file that is to lie below another file is refused before anything is done")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    auxo_test::write_file(folder.file("file"), std::string("kept"));
    for (const char *option : {"--save", "--checkpoint", "--report", "--csv"}) {
        INFO(option);
        const ProgramResult refused =
            program.run(with(small_run, {"--steps", "1", option, folder.file("file") + "/x"}));
        check_one_line(refused, "Not a directory");
        CHECK(refused.events("epoch").empty());
    }
    const std::string below = folder.file("file") + "/s.db";
    check_one_line(program.run({"search", "--study", below, "--evaluations", "1"}), "Not a directory");
}

TEST_CASE("a log that cannot be written in full is an error")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    // A checkpoint that is not there yet is a note.
    const Words run = with(small_run, {"--steps", "2", "--checkpoint", folder.file("c"), "--resume", "--log"});
    const ProgramResult full = program.run(with(run, {"/dev/full"}));
    CHECK(full.exit_code == 1);
    CHECK(full.errors.find("the log could not be written in full") != std::string::npos);
}

TEST_CASE("a loss that is not finite stops the run, says at which step, and keeps the checkpoint")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string path = folder.file("c.safetensors");
    ProgramResult result = program.run({"train",
                                        "--device",
                                        "cpu",
                                        "--data",
                                        "reactor",
                                        "--model",
                                        "mlp:4-16-2:relu",
                                        "--limit",
                                        "1280",
                                        "--json",
                                        "--optimizer",
                                        "sgd",
                                        "--lr",
                                        "1e6",
                                        "--epochs",
                                        "5",
                                        "--checkpoint",
                                        path,
                                        "--save",
                                        folder.file("m.safetensors")});
    check_one_line(result, "step");
    CHECK(!auxo_test::file_exists(folder.file("m.safetensors")));
}

TEST_CASE("damaged data files are named in one line, and nothing is written")
{
    using auxo_test::Bytes;
    const Bytes images = auxo_test::idx_images(40, 28, 28), labels = auxo_test::idx_labels(std::vector<uint8_t>(40, 3));
    Bytes truncated = auxo_test::gzip(images), corrupt = auxo_test::gzip(images);
    truncated.resize(truncated.size() / 2);
    corrupt[corrupt.size() / 2] ^= 0x55;
    Bytes wrong_magic = images, lying = images, bad_labels = labels;
    wrong_magic[3] = 7;
    lying[6] = 9; // many more images than there are bytes
    bad_labels.back() = 77;
    struct Case {
        const char *name;
        Bytes images, labels;
        const char *images_suffix, *part;
    };
    const Case cases[] = {
        {"truncated", truncated, labels, ".gz", "train-images-idx3-ubyte.gz"},
        {"corrupt", corrupt, labels, ".gz", "train-images-idx3-ubyte.gz"},
        {"magic", wrong_magic, labels, "", "train-images-idx3-ubyte"},
        {"sizes", lying, labels, "", "train-images-idx3-ubyte"},
        {"labels", images, bad_labels, "", "train-labels-idx1-ubyte"},
        {"empty", Bytes(), labels, "", "train-images-idx3-ubyte"},
    };
    for (const Case &damaged : cases) {
        INFO(damaged.name);
        Program program(AUXO_PROGRAM);
        TempFolder folder;
        const std::string data = folder.file("data/fashion-mnist/");
        auxo_test::write_file(data + "train-images-idx3-ubyte" + damaged.images_suffix, damaged.images);
        auxo_test::write_file(data + "train-labels-idx1-ubyte", damaged.labels);
        auxo_test::write_file(data + "t10k-images-idx3-ubyte", images);
        auxo_test::write_file(data + "t10k-labels-idx1-ubyte", labels);
        check_one_line(program.run({"train", "--data", "fashion-mnist", "--data-dir", folder.file("data"), "--device",
                                    "cpu", "--steps", "1", "--save", folder.file("m.safetensors")}),
                       damaged.part);
        CHECK(files_in(folder.path) == std::vector<std::string>{"data"});
    }
}

TEST_CASE("faulty tables are named by file and line")
{
    const std::pair<const char *, const char *> cases[] = {
        {"a,b,y\n1,2,3\n1,2\n", "table.csv:3"},
        {"a,b,y\n1,2,3\n1,x,3\n", "table.csv:3"},
        {"a,b,y\n1,2,3\n1,,3\n", "b"},
        {"", "table.csv"},
    };
    for (const auto &faulty : cases) {
        Program program(AUXO_PROGRAM);
        TempFolder folder;
        auxo_test::write_file(folder.file("table.csv"), std::string(faulty.first));
        INFO(faulty.first);
        check_one_line(program.run({"train", "--data", folder.file("table.csv"), "--model", "mlp:2-3-1", "--device",
                                    "cpu", "--steps", "1"}),
                       faulty.second);
    }
}

TEST_CASE("a training file that is not there is refused, or left out by option and named")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    auxo_test::Bytes batch(10000 * 3073);
    const std::string data = folder.file("cifar-10/");
    auxo_test::write_file(data + "test_batch.bin", batch);
    auxo_test::write_file(data + "data_batch_2.bin", batch);
    const Words command = {"train", "--data",  "cifar-10",    "--data-dir", folder.path, "--device",
                           "cpu",   "--model", "mlp:3072-10", "--steps",    "1"};
    check_one_line(program.run(command), "data_batch_1.bin");
    ProgramResult result = program.run(with(command, {"--allow-missing-files"}));
    INFO(result.errors);
    CHECK(result.exit_code == 0);
    CHECK(result.errors.find("missing: data_batch_1.bin, data_batch_3.bin") != std::string::npos);
}

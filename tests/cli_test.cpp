// tests/cli_test.cpp: the program as a user meets it: help, names, options, events, exit codes. Interrupted, resumed
// and failing runs are in cli_failure_test.cpp.
#include "support/program.hpp"

#include <cmath>
#include <cstdlib>
#include <sstream>

using auxo_test::Event;
using auxo_test::Program;
using auxo_test::ProgramResult;
using auxo_test::TempFolder;
using auxo_test::with;
using auxo_test::Words;

namespace
{
// "auxo help" lists commands between two blank lines, two columns in, the name before two spaces.
std::vector<std::string> listed_commands(Program &program)
{
    std::vector<std::string> names;
    std::stringstream stream(program.run({"help"}).output);
    bool in_list = false;
    for (std::string line; std::getline(stream, line);) {
        in_list = line == "Commands:" || (in_list && !line.empty());
        if (in_list && line.size() > 3 && line[0] == ' ' && line[2] != ' ')
            names.push_back(line.substr(2, line.find("  ", 2) - 2));
    }
    return names;
}

Words split(const std::string &text)
{
    Words words;
    std::stringstream stream(text);
    for (std::string word; stream >> word;)
        words.push_back(word);
    return words;
}

const Words small_run = {"train", "--device", "cpu", "--model", "mlp:784-16-10", "--limit", "640", "--json"};
} // namespace

TEST_CASE("every command has help, the same in both forms")
{
    Program program(AUXO_PROGRAM);
    std::vector<std::string> names = listed_commands(program);
    REQUIRE(names.size() >= 12);
    for (const std::string &name : names) {
        INFO(name);
        ProgramResult by_option = program.run(with(split(name), {"--help"}));
        ProgramResult by_command = program.run(with({"help"}, split(name)));
        CHECK(by_option.exit_code == 0);
        CHECK(by_option.errors.empty());
        CHECK(by_option.output.find("Usage: auxo " + name) == 0);
        CHECK(by_option.output.find("--json") != std::string::npos);
        CHECK(by_option.output == by_command.output);
        std::stringstream stream(by_option.output);
        for (std::string line; std::getline(stream, line);)
            CHECK(line.find('\t') == std::string::npos);
    }
}

TEST_CASE("the manual page and the completion script come from the same table")
{
    Program program(AUXO_PROGRAM);
    ProgramResult manual = program.run({"help", "--format", "man"});
    CHECK(manual.exit_code == 0);
    CHECK(manual.output.find(".TH AUXO 1") == 0);
    ProgramResult completion = program.run({"help", "--format", "bash"});
    TempFolder folder;
    std::string script = folder.file("completion.bash");
    FILE *file = fopen(script.c_str(), "w");
    REQUIRE(file);
    fputs(completion.output.c_str(), file);
    fclose(file);
    std::string check = "bash -n '" + script + "' && bash -c '. " + script +
                        "; COMP_WORDS=(auxo train --lea); COMP_CWORD=2; _auxo; COMP_WORDS=(auxo data inf); _auxo; "
                        "echo ${COMPREPLY[0]}' | grep -qx info";
    CHECK(std::system(check.c_str()) == 0);
    for (const std::string &name : listed_commands(program)) {
        INFO(name);
        CHECK(manual.output.find(".SS auxo " + name) != std::string::npos);
        CHECK(completion.output.find("'" + name + "'") != std::string::npos);
    }
}

TEST_CASE("wrong usage gives one line that says what would be right, and exit code 2")
{
    struct Case {
        const char *words, *part;
    };
    const Case cases[] = {
        {"trian", "did you mean \"train\"?"},
        {"data lsit", "did you mean \"data list\"?"},
        {"data", "needs one of: list"},
        {"data xyzzy", "needs one of: list"},
        {"xyzzyxyzzy", "auxo help"},
        {"help trian", "did you mean \"train\"?"},
        {"train --devcie cpu", "did you mean --device?"},
        {"train --xyzzyxyzzy", "unknown option --xyzzyxyzzy"},
        {"train -x", "two dashes"},
        {"train --steps", "--steps needs a value"},
        {"train --steps x", "--steps: \"x\" is not a whole number"},
        {"train --steps -1", "--steps"},
        {"train --steps 0", "--steps: 0 is outside 1 to"},
        {"train --steps 99999999999999999999", "--steps"},
        {"train --batch 0", "--batch: 0 is outside"},
        {"train --lr fast", "--lr: \"fast\" is not a number"},
        {"train --lr nan", "--lr: \"nan\" is not a number"},
        {"train --lr -0.1", "--lr"},
        {"train --validation 1.5", "--validation: 1.5 is outside 0 to 0.9"},
        {"train --loss mes", "is not one of auto|cross_entropy|mse"},
        {"train --loss cross_entrpy", "did you mean \"cross_entropy\"?"},
        {"train --profile=yes", "--profile takes no value"},
        {"train --check x", "--check could be --checkpoint-every or --checkpoint"},
        {"train extra", "unexpected \"extra\""},
        {"train --device cup", "no backend 'cup'"},
        {"train --device cpu:7", "cpu:7"},
        {"train --device cpu --optimizer adma", "--optimizer"},
        {"train --device cpu --optimizer adam:rate=1", "--optimizer"},
        {"train --device cpu --augment spin", "--augment: \"spin\""},
        {"train --device cpu --augment shift=x", "--augment: \"x\""},
        {"train --device cpu --model lenet6", "lenet5"},
        {"train --device cpu --model mlp:784-5", "mlp"},
        {"train --device cpu --model /dev/null/none.json", "/dev/null/none.json"},
        {"train --device cpu --model /dev/null/none.safetensors", "/dev/null/none.safetensors"},
        {"train --device cpu --data glyhps", "glyphs"},
        {"train --device cpu --data fashion-mnist --data-dir /dev/null/none", "/dev/null/none"},
        {"train --device cpu --loss mse --data reactor --model lenet5", "lenet5"},
        {"train --device cpu --resume", "--resume needs a checkpoint"},
        {"train --save /dev/null/none/m.safetensors", "--save: cannot write to folder /dev/null/none"},
        {"train --report /dev/null/none/r.html", "--report: cannot write to folder /dev/null/none"},
        {"train --checkpoint /dev/null/none/c.safetensors", "--checkpoint: cannot write to folder /dev/null/none"},
        {"train --log /dev/null/none/log", "--log"},
        {"eval", "needs FILE.safetensors"},
        {"eval /dev/null/none.safetensors --limit 10", "/dev/null/none.safetensors"},
        {"predict /dev/null/none.safetensors --limit 10 --out /dev/null/none/p.csv", "--out"},
        {"model show lenet5 --input 28x28", "--input: \"28x28\""},
        {"model show lenet5 --input 1x4x4", "conv2"},
        {"data info fashion-mnits", "fashion-mnist"},
        {"verify --device cpu --op gmem", "gemm"},
    };
    Program program(AUXO_PROGRAM);
    for (const Case &wrong : cases) {
        ProgramResult result = program.run(split(wrong.words));
        INFO("auxo " << wrong.words << "\n" << result.errors);
        CHECK(result.exit_code == 2);
        CHECK(result.output.empty());
        CHECK(result.error_lines().size() == 1);
        CHECK(result.errors.find("auxo: ") == 0);
        CHECK(result.errors.find(wrong.part) != std::string::npos);
        ProgramResult json = program.run(with(split(wrong.words), {"--json"}));
        if (json.output.empty()) // "--steps" took "--json" for its value
            continue;
        REQUIRE(json.events().size() == 1);
        CHECK(json.events()[0].name() == "error");
        CHECK(json.events()[0].number("exit_code") == 2);
    }
}

TEST_CASE("options take both forms, unique abbreviations, negations and the end mark")
{
    Program program(AUXO_PROGRAM);
    ProgramResult first = program.run(with(small_run, {"--steps=2", "--seed=3", "--no-standardize"}));
    ProgramResult second = program.run(with(small_run, {"--step", "2", "--see", "3", "--no-standardize", "--"}));
    REQUIRE(first.exit_code == 0);
    REQUIRE(second.exit_code == 0);
    CHECK(first.events("step")[1].number("loss") == second.events("step")[1].number("loss"));
    ProgramResult other = program.run(with(small_run, {"--steps=2", "--seed=3"}));
    CHECK(first.events("step")[1].number("loss") != other.events("step")[1].number("loss"));
}

TEST_CASE("train prints the documented events, the result last")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    ProgramResult run = program.run(with(small_run, {"--epochs", "2", "--validation", "0.2", "--checkpoint",
                                                     folder.file("c.safetensors"), "--profile", "--explain", "--report",
                                                     folder.file("r.html"), "--save", folder.file("m.safetensors")}));
    INFO(run.errors);
    REQUIRE(run.exit_code == 0);
    CHECK(run.errors.empty());
    std::vector<Event> events = run.events();
    CHECK(events.front().name() == "start");
    CHECK(events.front().number("weights") == 784 * 16 + 16 + 16 * 10 + 10);
    CHECK(events.front().number("rows") == 512);
    std::vector<Event> steps = run.events("step");
    REQUIRE(steps.size() == 8); // 640 rows less a fifth, 128 at once, twice
    for (size_t i = 0; i < steps.size(); i++) {
        CHECK(steps[i].number("step") == double(i + 1));
        CHECK(steps[i].number("epoch") == double(i / 4 + 1));
        CHECK(std::isfinite(steps[i].number("loss")));
    }
    std::vector<Event> epochs = run.events("epoch");
    REQUIRE(epochs.size() == 2);
    for (const char *field : {"step", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "images_per_second",
                              "seconds", "lr", "kinetic_energy"})
        CHECK(std::isfinite(epochs[1].number(field)));
    CHECK(epochs[1].number("train_loss") < epochs[0].number("train_loss"));
    CHECK(run.events("checkpoint").size() == 2);
    CHECK(!run.events("choice").empty());
    double share = 0;
    for (const Event &op : run.events("op"))
        share += op.number("share");
    CHECK(share == Approx(1));
    const Event &result = events.back();
    CHECK(result.name() == "result");
    for (const char *field : {"test_accuracy", "test_loss", "images_per_second", "seconds", "peak_host_bytes"})
        CHECK(result.number(field) > 0);
    CHECK(result.number("host_fallbacks") == 0);
    CHECK(result.number("steps") == 8);
    CHECK(result.number("epochs") == 2);
    CHECK(auxo_test::read_whole_file(folder.file("r.html")).find("</html>") != std::string::npos);

    ProgramResult eval =
        program.run({"eval", folder.file("m.safetensors"), "--limit", "640", "--device", "cpu", "--json"});
    REQUIRE(eval.exit_code == 0);
    CHECK(eval.events().back().number("accuracy") == Approx(result.number("test_accuracy")));
    CHECK(eval.events().back().number("loss") == Approx(result.number("test_loss")).epsilon(1e-4));
}

TEST_CASE("train reports null where a number does not apply")
{
    Program program(AUXO_PROGRAM);
    ProgramResult run = program.run({"train", "--data", "reactor", "--model", "mlp:4-5-2", "--limit", "256", "--device",
                                     "cpu", "--epochs", "1", "--json"});
    INFO(run.errors);
    REQUIRE(run.exit_code == 0);
    CHECK(run.events("epoch")[0].is_null("val_loss"));
    CHECK(run.events("epoch")[0].is_null("train_accuracy"));
    CHECK(run.events("result")[0].is_null("test_accuracy"));
    CHECK(run.events("result")[0].number("test_loss") > 0);
}

TEST_CASE("the same seed gives the same numbers, another seed others")
{
    Program program(AUXO_PROGRAM);
    double losses[3];
    for (int i = 0; i < 3; i++) {
        ProgramResult run =
            program.run(with(small_run, {"--epochs", "1", "--augment", "shift=2,flip", "--seed", i < 2 ? "5" : "6"}));
        REQUIRE(run.exit_code == 0);
        losses[i] = run.events("result")[0].number("test_loss");
    }
    CHECK(losses[0] == losses[1]);
    CHECK(losses[0] != losses[2]);
}

TEST_CASE("every other command ends in a result object under --json")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string model = folder.file("m.safetensors");
    REQUIRE(program.run(with(small_run, {"--steps", "1", "--save", model})).exit_code == 0);
    const std::vector<Words> commands = {
        {"devices"},
        {"verify", "--device", "cpu", "--op", "add", "--quick"},
        {"data", "list"},
        {"data", "info", "glyphs", "--limit", "50"},
        {"data", "make", "glyphs", "--limit", "20", "--out", folder.file("glyphs")},
        {"data", "make", "reactor", "--limit", "20", "--out", folder.file("reactor")},
        {"model", "show", "lenet5"},
        {"model", "show", model},
        {"model", "show", "resnet18", "--input", "3x32x32", "--format", "json"},
        {"eval", model, "--limit", "20", "--device", "cpu"},
        {"predict", model, "--limit", "20", "--device", "cpu", "--probabilities"},
        {"version"},
        {"--version"},
    };
    for (const Words &command : commands) {
        INFO(command[0] << " " << (command.size() > 1 ? command[1] : ""));
        ProgramResult run = program.run(with(command, {"--json"}));
        INFO(run.errors);
        CHECK(run.exit_code == 0);
        std::vector<Event> events = run.events();
        REQUIRE(!events.empty());
        CHECK(events.back().name() == "result");
        ProgramResult plain = program.run(command[1 % command.size()] == "make" ? Words{"version"} : command);
        CHECK(plain.exit_code == 0);
        CHECK(!plain.output.empty());
    }
}

TEST_CASE("data make writes files that can be read back, and overwrites none")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string data = folder.file("mnist"), table = folder.file("reactor");
    REQUIRE(program.run({"data", "make", "glyphs", "--limit", "300", "--seed", "4", "--out", data}).exit_code == 0);
    ProgramResult made = program.run({"data", "info", "glyphs", "--limit", "300", "--seed", "4", "--json"});
    ProgramResult read = program.run({"data", "info", "mnist", "--data-dir", folder.path, "--json"});
    INFO(read.errors);
    REQUIRE(read.exit_code == 0);
    CHECK(read.events("column")[0].number("mean") == made.events("column")[0].number("mean"));
    CHECK(program.run({"data", "make", "glyphs", "--limit", "300", "--out", data}).exit_code == 2);
    REQUIRE(program.run({"data", "make", "reactor", "--limit", "50", "--out", table}).exit_code == 0);
    ProgramResult csv = program.run({"data", "info", table + "/train.csv", "--json"});
    INFO(csv.errors);
    CHECK(csv.exit_code == 0);
    CHECK(csv.events("result")[0].number("train_rows") == 50);
}

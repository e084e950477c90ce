// tests/run_process_test.cpp: checkpoints between processes: one owner at a time, and nothing lost by a kill at any
// moment at which a checkpoint has just been written.
#include "support/program.hpp"

#include <csignal>
#include <filesystem>
#include <set>

using namespace auxo_test;

namespace
{

const Words small_train = {"train",   "--device", "cpu",     "--model", "mlp:784-8-10",
                           "--limit", "64",       "--batch", "16",      "--json"};

// The steps at which a run wrote its checkpoints.
std::vector<std::string> save_points(const ProgramResult &result)
{
    std::vector<std::string> steps;
    for (const Event &event : result.events("checkpoint"))
        steps.push_back(std::to_string(static_cast<uint64_t>(event.number("step"))));
    return steps;
}

} // namespace

TEST_CASE("a second process on a checkpoint is refused in one line, and the first one goes on")
{
    Program first(AUXO_PROGRAM), second(AUXO_PROGRAM);
    TempFolder folder;
    const Words words = with(small_train, {"--epochs", "1000000", "--checkpoint", folder.file("c")});
    first.start(words);
    REQUIRE(first.wait_for_output("\"event\":\"checkpoint\""));
    for (const Words &more : {Words{}, Words{"--resume"}})
        check_one_line(second.run(with(words, more)), "is in use by process", 1);
    // It still writes: a step beyond those that it had made.
    REQUIRE(first.wait_for_output("\"epoch\":40,"));
    first.send_signal(SIGINT);
    CHECK(first.wait().exit_code == 3);
    // The lock has ended with its owner, a killed one included.
    first.start(with(words, {"--resume"}));
    REQUIRE(first.wait_for_output("\"event\":\"checkpoint\""));
    first.send_signal(SIGKILL);
    CHECK(first.wait().exit_code == -1);
    second.start(with(words, {"--resume"}));
    CHECK(second.wait_for_output("\"event\":\"checkpoint\""));
    second.send_signal(SIGINT);
    CHECK(second.wait().exit_code == 3);
}

TEST_CASE("killed right after each of its checkpoints, a run loses nothing")
{
    Program program(AUXO_PROGRAM);
    const std::vector<Words> runs = {
        with(small_train, {"--epochs", "4", "--checkpoint-every", "3"}),
        {"autosize", "--model", "autosize-mlp:12-8-6-5-4", "--growth-minimum", "3", "--dynamic-epochs", "3",
         "--static-epochs", "2", "--device", "cpu", "--limit", "64", "--batch", "32", "--json"},
        {"multiscale", "train", "--preset", "table5", "--limit", "60", "--epochs", "2", "--iterations", "6",
         "--checkpoint-every", "1", "--inner-tolerance", "0", "--device", "cpu", "--json"},
        {"search", "--limit", "64", "--device", "cpu", "--model", "autosize-mlp", "--max-epochs", "2", "--evaluations",
         "4", "--json"},
    };
    for (const Words &words : runs) {
        INFO(words[0]);
        TempFolder folder;
        const std::string whole_model = folder.file("whole-model"), parts_model = folder.file("parts-model");
        ProgramResult whole = program.run(with(words, {"--checkpoint", folder.file("whole"), "--save", whole_model}));
        INFO(whole.errors);
        REQUIRE(whole.exit_code == 0);
        const std::vector<std::string> points = save_points(whole);
        REQUIRE(points.size() >= 4);
        const Words resumed = with(words, {"--checkpoint", folder.file("parts"), "--resume", "--save", parts_model});
        for (const std::string &point : points) {
            INFO("checkpoint at " << point);
            program.start(resumed);
            // The path is told before the step; a run that is past this point already has ended by itself.
            program.wait_for_output("parts\",\"step\":" + point + "}");
            program.send_signal(SIGKILL);
            const ProgramResult killed = program.wait();
            for (const std::string &made : save_points(killed))
                CHECK(std::stoull(made) >= std::stoull(point)); // none is made twice
        }
        ProgramResult rest = program.run(resumed);
        INFO(rest.errors);
        REQUIRE(rest.exit_code == 0);
        CHECK(same_bytes(whole_model, parts_model));
        // What was killed leaves no models or half-written files behind.
        std::set<std::string> files;
        for (const auto &file : std::filesystem::directory_iterator(folder.path))
            files.insert(file.path().filename());
        CHECK(files ==
              std::set<std::string>{"parts", "parts-model", "parts.lock", "whole", "whole-model", "whole.lock"});
    }
}

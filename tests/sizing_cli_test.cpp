// tests/sizing_cli_test.cpp: auxo autosize, morph and resbuild as a user meets them: events, budgets, reports, presets,
// runs that are resumed, bad input.
#include "support/program.hpp"

#include <csignal>

using namespace auxo_test;

namespace
{

const Words tiny = {"--limit", "160", "--batch", "32", "--device", "cpu", "--seed", "3", "--log-every", "0"};

} // namespace

TEST_CASE("morph: fronts, reports, a model within the budget that is like any other, and a resumed run")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words run = with({"morph", "--model", "conv:4-6", "--lambda", "1e-7,1e-6", "--epochs", "1", "--final-epochs",
                            "1", "--iterations", "1", "--budget-flops", "2e5", "--json"},
                           tiny);
    ProgramResult whole = program.run(with(run, {"--save", folder.file("m.safetensors"), "--report",
                                                 folder.file("r.html"), "--checkpoint", folder.file("c")}));
    INFO(whole.errors);
    REQUIRE(whole.exit_code == 0);
    auto trainings = whole.events("training");
    REQUIRE(trainings.size() == 4);
    CHECK(trainings[1].number("cost") <= 2e5);
    CHECK(trainings[3].number("cost") <= 2e5);
    CHECK(whole.events("refresh").size() >= 4);
    REQUIRE(whole.events("result").size() == 1);
    std::string report = read_whole_file(folder.file("r.html"));
    for (const char *title : {"Validation error and cost", "Widths of the trained networks", "Living channels",
                              "Cost of the living channels", "Best network"})
        CHECK(report.find(title) != std::string::npos);
    ProgramResult again = program.run(with(run, {"--checkpoint", folder.file("c"), "--resume"}));
    REQUIRE(again.exit_code == 0);
    CHECK(again.events("training").empty());
    CHECK(again.events("result")[0].number("test_loss") == whole.events("result")[0].number("test_loss"));
    ProgramResult evaluated =
        program.run({"eval", folder.file("m.safetensors"), "--limit", "160", "--device", "cpu", "--json"});
    INFO(evaluated.errors);
    CHECK(evaluated.exit_code == 0);
    check_fails(program, with(run, {"--checkpoint", folder.file("c"), "--resume", "--epochs", "2"}),
                "epochs was 1 and is 2");
}

TEST_CASE("resbuild: architectures, presets, and a run in two parts equal to a whole one")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words run = with({"resbuild", "--preset", "small", "--model", "conv:4:3:2", "--budget-flops", "3e5",
                            "--insertions", "1", "--cycles", "1", "--epochs", "1", "--json"},
                           tiny);
    ProgramResult whole =
        program.run(with(run, {"--save", folder.file("m.safetensors"), "--report", folder.file("r.html")}));
    INFO(whole.errors);
    REQUIRE(whole.exit_code == 0);
    auto made = whole.events("architecture");
    REQUIRE(made.size() == 3);
    CHECK(made[1].text("what").find("insert after") == 0);
    CHECK(made[2].text("what").find("morph") == 0);
    CHECK(made[2].number("cost") <= 3e5);
    std::string report = read_whole_file(folder.file("r.html"));
    for (const char *title :
         {"Validation accuracy of the architectures", "Depth", "Width", "Best architecture", "Edits", "insert block"})
        CHECK(report.find(title) != std::string::npos);
    const Words kept = with(run, {"--checkpoint", folder.file("c")});
    REQUIRE(program.run(with(kept, {"--architectures", "1"})).exit_code == 0);
    /* The number of architectures bounds a part of a run; it does not shape it. */
    ProgramResult rest = program.run(with(kept, {"--resume"}));
    INFO(rest.errors);
    REQUIRE(rest.exit_code == 0);
    CHECK(rest.events("architecture").size() == 2);
    CHECK(rest.events("result")[0].number("test_loss") == whole.events("result")[0].number("test_loss"));
    CHECK(rest.events("result")[0].number("edits") == whole.events("result")[0].number("edits"));
}

TEST_CASE("autosize: presets set what the command line leaves open, and a resumed run keeps its log")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words run = with({"autosize", "--model", "autosize-mlp:12-8-6-5-4", "--growth-minimum", "3", "--json"}, tiny);
    ProgramResult fixed = program.run(with(run, {"--preset", "static", "--static-epochs", "1"}));
    INFO(fixed.errors);
    REQUIRE(fixed.exit_code == 0);
    CHECK(fixed.events("epoch").size() == 1);
    CHECK(fixed.events("result")[0].text("sizes") == "12,8,6,5,4");
    CHECK(fixed.events("result")[0].number("edits") == 0);
    const Words dynamic = with(run, {"--preset", "quick", "--static-epochs", "0", "--lr-schedule", "constant"});
    ProgramResult whole = program.run(with(dynamic, {"--dynamic-epochs", "3"}));
    REQUIRE(whole.exit_code == 0);
    const Words kept = with(dynamic, {"--checkpoint", folder.file("c")});
    program.start(with(kept, {"--dynamic-epochs", "3"}));
    CHECK(program.wait_for_output("\"event\":\"checkpoint\""));
    program.send_signal(SIGKILL);
    CHECK(program.wait().exit_code == -1);
    check_fails(program, with(kept, {"--resume", "--dynamic-epochs", "4"}), "dynamic-epochs was 3 and is 4");
    ProgramResult rest = program.run(with(kept, {"--resume", "--dynamic-epochs", "3"}));
    INFO(rest.errors);
    REQUIRE(rest.exit_code == 0);
    CHECK(rest.events("result")[0].number("edits") == whole.events("result")[0].number("edits"));
    CHECK(rest.events("result")[0].text("sizes") == whole.events("result")[0].text("sizes"));
    CHECK(rest.events("result")[0].number("test_loss") == whole.events("result")[0].number("test_loss"));
}

TEST_CASE("autosize: a run resumed while fine-tuning goes on without the penalty")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words run = with({"autosize", "--model", "autosize-mlp:12-8-6-5-4", "--growth-minimum", "3", "--alpha",
                            "1e-2", "--dynamic-epochs", "1", "--json"},
                           tiny);
    ProgramResult whole = program.run(with(run, {"--static-epochs", "3"}));
    REQUIRE(whole.exit_code == 0);
    const Words kept = with(run, {"--checkpoint", folder.file("c")});
    REQUIRE(program.run(with(kept, {"--static-epochs", "1"})).exit_code == 0);
    ProgramResult rest = program.run(with(kept, {"--static-epochs", "3", "--resume"}));
    INFO(rest.errors);
    REQUIRE(rest.exit_code == 0);
    CHECK(rest.events("result")[0].number("test_loss") == whole.events("result")[0].number("test_loss"));
}

TEST_CASE("autosize: weights that are shuffled in each epoch are the same after a kill and a resume")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words run = with({"autosize", "--model", "autosize-mlp:12-8-6-5-4", "--growth-minimum", "3", "--alpha",
                            "1e-3", "--dynamic-epochs", "3", "--static-epochs", "0", "--weighting", "square",
                            "--shuffle-weights", "--outgoing", "full", "--json"},
                           tiny);
    ProgramResult whole = program.run(run), plain = program.run(with(run, {"--no-shuffle-weights"}));
    INFO(whole.errors);
    REQUIRE(whole.exit_code == 0);
    REQUIRE(plain.exit_code == 0);
    CHECK(plain.events("result")[0].number("test_loss") != whole.events("result")[0].number("test_loss"));
    const Words kept = with(run, {"--checkpoint", folder.file("c")});
    program.start(kept);
    CHECK(program.wait_for_output("\"event\":\"checkpoint\""));
    program.send_signal(SIGKILL);
    program.wait();
    ProgramResult rest = program.run(with(kept, {"--resume"}));
    INFO(rest.errors);
    REQUIRE(rest.exit_code == 0);
    CHECK(rest.events("result")[0].text("sizes") == whole.events("result")[0].text("sizes"));
    CHECK(rest.events("result")[0].number("test_loss") == whole.events("result")[0].number("test_loss"));
}

TEST_CASE("sizing commands refuse bad input in one line")
{
    Program program(AUXO_PROGRAM);
    check_fails(program, with({"resbuild", "--augment", "shift=1", "--budget-flops", "3"}, tiny),
                "below the cost of one unit");
    check_fails(program, with({"morph", "--model", "conv:4", "--budget-params", "3"}, tiny),
                "below the cost of one unit");
    check_fails(program, with({"morph", "--budget-flops", "1e6", "--budget-latency", "1"}, tiny), "give one budget");
    check_fails(program, with({"morph", "--lambda", "1e-7,x"}, tiny), "\"x\" is not a number");
    check_fails(program, with({"morph", "--model", "lenet5"}, tiny), "use the group lasso");
    check_fails(program, with({"morph", "--validation", "0"}, tiny), "--validation 0");
    check_fails(program, with({"resbuild", "--validation", "0"}, tiny), "needs a validation set");
    check_fails(program, with({"resbuild", "--data", "reactor"}, tiny), "resbuild needs classes");
    check_fails(program, with({"resbuild", "--preset", "smal"}, tiny), "did you mean \"small\"");
    check_fails(program, with({"resbuild", "--resume"}, tiny), "--resume needs a checkpoint");
    ProgramResult broken =
        program.run(with({"morph", "--model", "conv:4-4", "--lambda", "0.001", "--optimizer", "adam:lr=0.05",
                          "--threshold", "0.1", "--epochs", "10", "--iterations", "2", "--json"},
                         tiny));
    INFO(broken.errors);
    CHECK(broken.exit_code == 2);
    CHECK(broken.errors.find("broke down: no channel of conv") != std::string::npos);
    CHECK(broken.errors.find("best network so far was kept") != std::string::npos);
    CHECK(broken.events("result").size() == 1);
}

TEST_CASE("morph and resbuild: the best epoch of the trainings without penalties, and folds")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    // A rate far too high: later epochs are worse than some earlier one.
    const Words morph = {"morph",        "--device", "cpu",      "--data", "glyphs",         "--limit", "300",
                         "--iterations", "1",        "--epochs", "1",      "--final-epochs", "8",       "--optimizer",
                         "adam:lr=0.05", "--model",  "conv:8",   "--json"};
    const ProgramResult last = program.run(morph);
    const ProgramResult best = program.run(with(morph, {"--keep", "best"}));
    const ProgramResult stopped = program.run(with(morph, {"--keep", "best", "--patience", "1"}));
    const auto accuracy = [](const ProgramResult &result) {
        INFO(result.errors);
        REQUIRE(result.exit_code == 0);
        return result.events("training").back().number("val_accuracy");
    };
    CHECK(accuracy(best) >= accuracy(last));
    CHECK(accuracy(best) >= accuracy(stopped));
    CHECK(best.events("result").at(0).number("validation_accuracy") == accuracy(best));
    // The trainings that decide which channels live are the same.
    CHECK(best.events("training").at(0).number("val_loss") == last.events("training").at(0).number("val_loss"));
    CHECK(best.events("training").back().number("val_loss") != last.events("training").back().number("val_loss"));

    const Words resbuild = {"resbuild", "--preset",        "small", "--device", "cpu", "--data", "glyphs",  "--limit",
                            "150",      "--architectures", "1",     "--epochs", "2",   "--json", "--folds", "2"};
    const ProgramResult folds = program.run(with(resbuild, {"--keep", "best", "--patience", "1"}));
    INFO(folds.errors);
    REQUIRE(folds.exit_code == 0);
    CHECK(folds.events("fold").size() == 2);
    CHECK(folds.events("result").at(0).number("folds") == 2);
    check_fails(program, with(resbuild, {"--save", folder.file("m.safetensors")}), "folds make several models");
}

// tests/multiscale_cli_test.cpp: `auxo multiscale` as a user meets it: every picture in the reports, saved
// convolutional models down to their filters, several starts, warnings, bad data and models, and the benchmark.
#include "support/program.hpp"

#include <algorithm>
#include <fstream>

using namespace auxo_test;

namespace
{

const Words quick = {"--preset",     "table5", "--limit",  "300", "--epochs", "3",
                     "--iterations", "4",      "--device", "cpu", "--json"};

void write_file(const std::string &path, const std::string &text)
{
    std::ofstream(path) << text;
}

void check_holds(const std::string &page, const Words &titles)
{
    for (const std::string &title : titles) {
        INFO(title);
        CHECK(page.find(title) != std::string::npos);
    }
    CHECK(page.find("http://") == page.find("http://www.w3.org")); // nothing is read from a network
    CHECK(page.find("<script src") == std::string::npos);
}

} // namespace

TEST_CASE("reports of multiscale hold every picture of the paper")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    for (const char *order : {"first", "second", "none"}) {
        ProgramResult run = program.run(
            with({"multiscale", "train"}, with(quick, {"--order", order, "--report", folder.file("run.html")})));
        INFO(run.errors);
        REQUIRE(run.exit_code == 0);
        check_holds(read_whole_file(folder.file("run.html")),
                    {"Sensitivities, tree level 1", "Sensitivities, tree level 3", "Loss over iterations",
                     "How often each layer was trained", "Distribution of weights", "Largest gradient of the network",
                     "Epochs per iteration", "Time per iteration", "Largest gradient of the last layer",
                     "Largest gradient of each layer", "Coupling of layers at the end", "Sensitivity of inputs"});
    }
    ProgramResult table = program.run(
        with({"multiscale", "compare"}, with(quick, {"--seeds", "2", "--report", folder.file("table.html")})));
    INFO(table.errors);
    REQUIRE(table.exit_code == 0);
    check_holds(read_whole_file(folder.file("table.html")),
                {"backpropagation, equal time", "linear least squares", "Loss", "Largest gradient of the network",
                 "Epochs per iteration", "Seconds per iteration", "How often each layer was trained",
                 "Distribution of the last weights"});
}

TEST_CASE("sensitivity takes a saved convolutional model down to its filters, on weights and on outputs")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words data = {"--data", "glyphs", "--limit", "40", "--device", "cpu", "--json"};
    ProgramResult saved = program.run(with({"multiscale", "train", "--model", "lenet5", "--epochs", "1", "--iterations",
                                            "1", "--save", folder.file("net.safetensors")},
                                           data));
    INFO(saved.errors);
    REQUIRE(saved.exit_code == 0);
    CHECK(saved.events("result")[0].text("engine") == "layers");
    for (const char *placement : {"weights", "outputs"}) {
        ProgramResult values = program.run(with({"multiscale", "sensitivity", folder.file("net.safetensors"), "--units",
                                                 "--epsilon", "0.01", "--theta-on", placement},
                                                data));
        INFO(values.errors);
        REQUIRE(values.exit_code == 0);
        CHECK(values.events("node").size() == 2 * (6 + 16 + 120 + 84 + 10) - 1);
        CHECK(values.events("result")[0].number("largest_deviation") < 2e-2);
    }
}

TEST_CASE("sensitivities of inputs and the coupling of layers are told, steps of theta and pattern searches run")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    write_file(folder.file("t.csv"), "width,height,y\n1,2,3\n2,1,5\n4,4,9\n3,5,8\n5,1,11\n2,2,6\n");
    const Words sensitivity = {"multiscale",      "sensitivity", "--data",   folder.file("t.csv"),
                               "--model",         "mlp:2-4-1",   "--device", "cpu",
                               "--test-fraction", "0",           "--json"};
    const ProgramResult inputs = program.run(with(sensitivity, {"--of", "inputs", "--epsilon", "0.01"}));
    INFO(inputs.errors);
    REQUIRE(inputs.exit_code == 0);
    REQUIRE(inputs.events("input").size() == 2);
    CHECK(inputs.events("input")[0].text("name") == "width");
    CHECK(inputs.events("input")[1].text("name") == "height");
    CHECK(inputs.events("result")[0].number("largest_deviation") < 1e-2);
    const ProgramResult coupling = program.run(with(sensitivity, {"--of", "coupling"}));
    REQUIRE(coupling.exit_code == 0);
    REQUIRE(coupling.events("coupling").size() == 3); // of two layers
    const Words train = with({"multiscale", "train"}, quick);
    const ProgramResult stepped = program.run(with(train, {"--order", "second", "--theta-bound", "0.01"}));
    INFO(stepped.errors);
    REQUIRE(stepped.exit_code == 0);
    for (const Event &iteration : stepped.events("iteration"))
        CHECK(iteration.number("theta_change") <= 0);
    const ProgramResult pattern = program.run(with(train, {"--inner", "pattern"}));
    INFO(pattern.errors);
    REQUIRE(pattern.exit_code == 0);
    for (size_t i = 1; i < pattern.events("iteration").size(); i++)
        CHECK(pattern.events("iteration")[i].number("loss") <= pattern.events("iteration")[i - 1].number("loss"));
    // Resumed in the middle, the numbers are the same.
    const Words kept = with(train, {"--inner", "pattern", "--checkpoint", folder.file("c"), "--checkpoint-every", "1"});
    Words part = kept;
    part[std::find(part.begin(), part.end(), "--iterations") - part.begin() + 1] = "2";
    REQUIRE(program.run(part).exit_code == 0);
    const ProgramResult resumed = program.run(with(kept, {"--resume"}));
    INFO(resumed.errors);
    REQUIRE(resumed.exit_code == 0);
    CHECK(resumed.events("result")[0].number("train_loss") == pattern.events("result")[0].number("train_loss"));
    check_fails(program, with(train, {"--theta-bound", "0.01"}), "second order");
    check_fails(program, with(train, {"--inner", "pattern", "--pattern-step", "0"}), "pattern-step");
    check_fails(program, with(train, {"--inner", "pattern", "--pattern-least", "1"}), "pattern search");
}

TEST_CASE("several starts keep the best, equal sensitivities are said")
{
    Program program(AUXO_PROGRAM);
    double best = 1e9;
    for (const char *seed : {"4", "5", "6"}) {
        ProgramResult one = program.run(with({"multiscale", "train"}, with(quick, {"--seed", seed})));
        REQUIRE(one.exit_code == 0);
        // Every start trains on the first one's data, so only the first is comparable exactly.
        if (std::string(seed) == "4")
            best = one.events("result")[0].number("train_loss");
    }
    ProgramResult starts = program.run(with({"multiscale", "train"}, with(quick, {"--seed", "4", "--starts", "3"})));
    INFO(starts.errors);
    REQUIRE(starts.exit_code == 0);
    CHECK(starts.events("iteration").size() == 12);
    CHECK(starts.events("result")[0].number("train_loss") <= best);
    ProgramResult same =
        program.run(with({"multiscale", "train"}, with(quick, {"--model", "mlp:4-5-5-2:relu:nobias"})));
    INFO(same.errors);
    CHECK(same.exit_code == 0);
    CHECK(same.errors.find("selection is uniform") != std::string::npos);
}

TEST_CASE("multiscale names the cell, the column and the model that it cannot use")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    write_file(folder.file("nan.csv"), "a,b,y\n1,2,3\n2,nan,4\n3,1,2\n4,4,1\n5,2,2\n6,1,1\n");
    check_fails(program,
                with({"multiscale", "train"}, with(quick, {"--data", folder.file("nan.csv"), "--model", "mlp:2-3-1"})),
                "column 2 (b)");
    write_file(folder.file("inf.csv"), "a,b,y\n1,2,3\n2,1e39,4\n3,1,2\n4,4,1\n5,2,2\n6,1,1\n");
    check_fails(program,
                with({"multiscale", "train"}, with(quick, {"--data", folder.file("inf.csv"), "--model", "mlp:2-3-1"})),
                "inf.csv");
    std::string uci = folder.file("uci-ccpp");
    REQUIRE(std::system(("mkdir " + uci).c_str()) == 0);
    write_file(uci + "/ccpp.csv", "AT,V,AP,RH\n1,2,3,4\n2,3,4,5\n");
    check_fails(program, {"multiscale", "train", "--preset", "ccpp", "--device", "cpu", "--data-dir", folder.file("")},
                "PE");
    write_file(folder.file("still.json"), R"({"name":"still","layers":[
        {"name":"x","kind":"input","shape":[4,1,1]},
        {"name":"f","kind":"activation","inputs":["x"],"activation":"tanh"}]})");
    check_fails(program,
                with({"multiscale", "train"}, with(quick, {"--data", "reactor", "--model", folder.file("still.json")})),
                "");
    check_fails(program,
                with({"multiscale", "sensitivity"}, {"--preset", "table5", "--device", "cpu", "--levels", "9"}),
                "9 tree levels");
}

TEST_CASE("bench multiscale sets every cost beside another")
{
    Program program(AUXO_PROGRAM);
    ProgramResult result = program.run({"bench", "multiscale", "--device", "cpu", "--rows", "50", "--min-seconds",
                                        "0.001", "--selection-layers", "16", "--json"});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    size_t sensitivities = 0, selections = 0;
    for (const Event &event : result.events("case")) {
        CHECK(event.number("ms") > 0);
        sensitivities += event.text("case") == "exact sensitivities of the tree" && event.has("ratio");
        selections += event.text("case").rfind("selection", 0) == 0;
    }
    CHECK(sensitivities == 3);
    CHECK(selections == 4);
    CHECK(result.events("result").size() == 1);
}

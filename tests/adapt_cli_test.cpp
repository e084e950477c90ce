// tests/adapt_cli_test.cpp: auxo adapt as a user meets it: presets, edits as events, survival times by the Cox
// likelihood, runs that are resumed, bad input; and searches over its settings.
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <algorithm>
#include <filesystem>

using namespace auxo_test;

namespace
{

const Words tiny = {"--limit", "300", "--device", "cpu", "--seed", "3", "--json"};

ProgramResult succeed(Program &program, const Words &words)
{
    ProgramResult result = program.run(words);
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    return result;
}

} // namespace

TEST_CASE("adapt: each preset runs its work's moves, and edits are told one by one")
{
    Program program(AUXO_PROGRAM);
    ProgramResult sized = succeed(program, with({"adapt", "--preset", "autosize", "--data", "glyphs", "--model",
                                                 "mlp:4-4", "--growth-minimum", "3", "--cycles", "2"},
                                                tiny));
    REQUIRE(sized.events("cycle").size() == 2);
    size_t grown = 0;
    for (const Event &edit : sized.events("edit")) {
        grown += edit.text("what") == "grow";
        CHECK(edit.is_null("expected")); // of the rule, not of an estimate
        if (edit.text("what") == "grow")
            CHECK(edit.number("units_after") == edit.number("units_before") + 3);
    }
    CHECK(grown == 4);
    ProgramResult blocks = succeed(program, with({"adapt", "--preset", "multiscale", "--data", "glyphs", "--model",
                                                  "mlp:6-6-6", "--cycle-epochs", "2", "--cycles", "3"},
                                                 tiny));
    for (const Event &cycle : blocks.events("cycle"))
        CHECK(cycle.text("move") == "block");
    ProgramResult deeper = succeed(program, with({"adapt", "--preset", "resbuild", "--data", "glyphs", "--model",
                                                  "conv:2-2:3:2", "--cycle-epochs", "1", "--cycles", "2"},
                                                 tiny));
    REQUIRE(deeper.events("edit").size() == 2);
    CHECK(deeper.events("edit")[0].text("what") == "insert");
    check_fails(program, {"adapt", "--preset", "autosize", "--moves", "train,block"}, "one of train, block and units");
}

TEST_CASE("adapt: a cycle of more epochs than time-limit has time for is cut short, judged and told of")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    const ProgramResult result =
        program.run({"adapt",   "--json",        "--data",         "glyphs",  "--limit",      "60",
                     "--model", "mlp:4",         "--device",       "cpu",     "--log-every",  "0",
                     "--moves", "train",         "--cycle-epochs", "1000000", "--time-limit", "1",
                     "--save",  folder.file("m")});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    const std::vector<Event> ends = result.events("result");
    CHECK_THAT(result.errors, Catch::Matchers::Contains("time-limit: the training of cycle 1 was cut short"));
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].number("cycles") == 0);
    CHECK(ends[0].number("best_validation") >= 0);
    CHECK(std::filesystem::exists(folder.file("m")));
}

TEST_CASE("adapt: survival times are learned by the Cox likelihood, from a named set and from a table's columns")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words run = with({"adapt", "--data", "survival-sim", "--model", "mlp:6:tanh", "--optimizer", "adam:lr=0.01",
                            "--budget-params", "120"},
                           tiny);
    ProgramResult whole = succeed(program, with(run, {"--cycles", "12", "--report", folder.file("r.html"), "--save",
                                                      folder.file("m.safetensors")}));
    const Event result = whole.events("result")[0];
    CHECK(result.number("test_concordance") > 0.55);
    CHECK(result.number("test_concordance") < 1);
    CHECK(result.is_null("test_accuracy"));
    for (const Event &cycle : whole.events("cycle"))
        CHECK(cycle.number("weights") <= 120);
    CHECK(read_whole_file(folder.file("r.html")).find("oncordance") != std::string::npos);
    // The file is a survival model: with its baseline hazard, of the same ranks.
    ProgramResult judged =
        succeed(program, with({"survival", "eval", folder.file("m.safetensors"), "--data", "survival-sim"}, tiny));
    CHECK(judged.events("result")[0].number("concordance") == result.number("test_concordance"));
    // The same numbers in two parts.
    const Words kept = with(run, {"--checkpoint", folder.file("c")});
    succeed(program, with(kept, {"--cycles", "5"}));
    ProgramResult rest = succeed(program, with(kept, {"--cycles", "12", "--resume"}));
    CHECK(rest.events("result")[0].number("test_concordance") == result.number("test_concordance"));

    std::string table = "age,dose,months,died\n";
    for (int i = 0; i < 120; i++) {
        const int age = (i * 37) % 50, dose = (i * 11) % 7;
        table += std::to_string(age) + "," + std::to_string(dose) + "," + std::to_string(1 + (60 - age) * 2 + i % 5) +
                 "," + (i % 4 ? "yes" : "no") + "\n";
    }
    write_file(folder.file("p.csv"), table);
    const Words of_table = {
        "adapt",      "--data",      folder.file("p.csv"), "--time",  "months", "--event",  "died", "--model",
        "mlp:4:tanh", "--optimizer", "adam:lr=0.02",       "--batch", "32",     "--cycles", "60",   "--device",
        "cpu",        "--json"};
    ProgramResult columns = succeed(program, of_table);
    CHECK(columns.events("result")[0].number("test_concordance") > 0.9); // the older die earlier
    check_fails(program, with({"adapt", "--data", "survival-sim", "--loss", "mse"}, tiny), "leave it at auto");
    check_fails(program, with({"train", "--data", "survival-sim"}, tiny), "auxo survival train");
}

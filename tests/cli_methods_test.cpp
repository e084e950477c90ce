// tests/cli_methods_test.cpp: the commands of the training methods as a user meets them: multiscale, autosize,
// survival: events, reports, resumed runs, bad input.
#include "support/program.hpp"

using namespace auxo_test;

namespace
{

const Words small_multiscale = {"multiscale", "train",    "--preset", "table5", "--limit",           "400", "--epochs",
                                "5",          "--device", "cpu",      "--json", "--inner-tolerance", "0"};

} // namespace

TEST_CASE("multiscale train: iterations, result, report, and a resumed run equal to a whole one")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    ProgramResult whole = program.run(with(small_multiscale, {"--iterations", "6", "--save", folder.file("whole"),
                                                              "--report", folder.file("whole.html")}));
    INFO(whole.errors);
    REQUIRE(whole.exit_code == 0);
    CHECK(whole.events("iteration").size() == 6);
    CHECK(whole.events("result").size() == 1);
    CHECK(whole.events("result")[0].number("iterations") == 6);
    CHECK(read_whole_file(folder.file("whole.html")).find("<svg") != std::string::npos);

    Words checkpoint = {"--checkpoint", folder.file("run.json"), "--checkpoint-every", "1", "--resume"};
    REQUIRE(program.run(with(with(small_multiscale, {"--iterations", "3"}), checkpoint)).exit_code == 0);
    ProgramResult rest = program.run(with(with(small_multiscale, {"--iterations", "6", "--save", folder.file("parts"),
                                                                  "--csv", folder.file("parts.csv")}),
                                          checkpoint));
    INFO(rest.errors);
    REQUIRE(rest.exit_code == 0);
    CHECK(rest.events("iteration").size() == 3);
    // What is told at the end is of the whole run, not of its last part.
    for (const char *field : {"iterations", "epochs"})
        CHECK(rest.events("result")[0].number(field) == whole.events("result")[0].number(field));
    const std::string csv = read_whole_file(folder.file("parts.csv"));
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 1 + 6);
    CHECK(same_bytes(folder.file("whole"), folder.file("parts")));
    check_fails(program, with(with(small_multiscale, {"--iterations", "6", "--seed", "9"}), checkpoint),
                "seed was 1 and is 9");
}

TEST_CASE("multiscale sensitivity and compare print what they say")
{
    Program program(AUXO_PROGRAM);
    ProgramResult values = program.run(
        {"multiscale", "sensitivity", "--preset", "table5", "--limit", "300", "--units", "--device", "cpu", "--json"});
    INFO(values.errors);
    REQUIRE(values.exit_code == 0);
    CHECK(values.events("node").size() == 2 * (7 * 5 + 2) - 1);
    CHECK(values.events("result")[0].number("largest_deviation") < 1e-2);
    ProgramResult table = program.run({"multiscale", "compare", "--preset", "ccpp", "--data", "reactor", "--model",
                                       "mlp:4-3-2-2", "--limit", "200", "--epochs", "2", "--iterations", "3", "--seeds",
                                       "2", "--device", "cpu", "--json"});
    INFO(table.errors);
    REQUIRE(table.exit_code == 0);
    CHECK(table.events("run").size() == 8);
    CHECK(table.events("result")[0].number("linear_loss") < 1);
}

TEST_CASE("autosize: sizes per epoch and a resumed run")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words small = {"autosize",
                         "--model",
                         "autosize-mlp:12-8-6-5-4",
                         "--limit",
                         "256",
                         "--growth-minimum",
                         "3",
                         "--dynamic-epochs",
                         "2",
                         "--static-epochs",
                         "1",
                         "--device",
                         "cpu",
                         "--json"};
    ProgramResult whole = program.run(with(small, {"--save", folder.file("whole"), "--report", folder.file("r.html")}));
    INFO(whole.errors);
    REQUIRE(whole.exit_code == 0);
    CHECK(whole.events("epoch").size() == 3);
    CHECK(whole.events("result")[0].number("edits") >= 10);
    CHECK(read_whole_file(folder.file("r.html")).find("<svg") != std::string::npos);
    check_fails(program, {"autosize", "--model", "mlp:784-10-10:sigmoid", "--limit", "256", "--device", "cpu"},
                "f(0) != 0");
}

TEST_CASE("survival: simulate, train, eval, predict")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string table = folder.file("sim.csv"), model = folder.file("model.safetensors");
    program.set_output_path(table);
    REQUIRE(program.run({"survival", "simulate", "--rows", "300", "--columns", "3"}).exit_code == 0);
    program.set_output_path("");
    const Words data = {"--data", table, "--time", "time", "--event", "event", "--device", "cpu"};
    ProgramResult trained = program.run(with({"survival", "train", "--model", "linear", "--batch", "0", "--epochs",
                                              "40", "--optimizer", "adam:lr=0.05", "--save", model, "--json"},
                                             data));
    INFO(trained.errors);
    REQUIRE(trained.exit_code == 0);
    CHECK(trained.events("result")[0].number("test_concordance") > 0.6);
    ProgramResult evaluated =
        program.run(with({"survival", "eval", model, "--json", "--report", folder.file("e.html")}, data));
    INFO(evaluated.errors);
    REQUIRE(evaluated.exit_code == 0);
    CHECK(evaluated.events("result")[0].number("concordance") ==
          Approx(trained.events("result")[0].number("test_concordance")));
    ProgramResult predicted =
        program.run(with({"survival", "predict", model, "--at", "1,5", "--split", "test", "--json"}, data));
    REQUIRE(predicted.exit_code == 0);
    CHECK(predicted.events("row").size() == 60);
    check_fails(program, {"survival", "train", "--data", table, "--time", "tme", "--event", "event"},
                "did you mean 'time'");
    check_fails(program, {"survival", "train", "--data", table}, "with time and event");
}

TEST_CASE("multiscale refuses bad input in one line")
{
    Program program(AUXO_PROGRAM);
    check_fails(program, with(small_multiscale, {"--levels", "9"}), "tree levels");
    check_fails(program, with(small_multiscale, {"--epsilon", "0"}), "epsilon");
    check_fails(program, with(small_multiscale, {"--resume"}), "--resume needs a checkpoint");
    check_fails(program, with(small_multiscale, {"--data", "no-such-set"}), "no-such-set");
}

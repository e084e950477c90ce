// tests/study_cli_test.cpp: auxo search --study as a user meets it: several workers make what one alone makes, killed
// ones lose nothing, and what does not fit is refused in one line.
#include "support/program.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

using namespace auxo_test;

namespace
{

const Words tiny = {"search", "--json", "--data",  "glyphs",       "--limit",      "100", "--device",   "cpu",
                    "--seed", "3",      "--model", "autosize-mlp", "--max-epochs", "2",   "--patience", "2"};

// What was trained, by number: genome and numbers.
using Trained = std::map<double, std::string>;

void collect(const ProgramResult &result, Trained &trained)
{
    INFO(result.errors);
    CHECK(result.exit_code == 0);
    for (const Event &event : result.events("evaluation")) {
        std::ostringstream text;
        text.precision(17);
        text << event.text("genome") << " " << event.number("quality") << " " << event.number("val_loss") << " "
             << event.number("weights") << " " << event.number("epochs") << " " << event.number("generation");
        CHECK(trained.count(event.number("number")) == 0); // nothing twice
        trained[event.number("number")] = text.str();
    }
}

size_t models_in(const std::string &folder)
{
    size_t count = 0;
    for (const auto &entry : std::filesystem::directory_iterator(folder))
        count += entry.path().extension() == ".safetensors";
    return count;
}

size_t count_state(Program &program, const std::string &study, const std::string &state)
{
    const ProgramResult shown = program.run({"study", "show", study, "--json"});
    size_t count = 0;
    for (const Event &event : shown.events("trial"))
        count += event.text("state") == state;
    return count;
}

} // namespace

TEST_CASE("study: two workers on one study make the trials of a search on its own, whatever the method")
{
    const Words methods[] = {{"--method", "random", "--evaluations", "5"},
                             {"--method", "grid", "--evaluations", "5"},
                             {"--method", "growth", "--evaluations", "3"},
                             {"--method", "evolution", "--evaluations", "14", "--population", "3"},
                             {"--method", "genetic", "--evaluations", "9", "--population", "4", "--keep", "2"}};
    for (const Words &method : methods) {
        INFO(method[1]);
        TempFolder folder;
        Program alone(AUXO_PROGRAM), one(AUXO_PROGRAM), two(AUXO_PROGRAM);
        Trained wanted, found;
        collect(alone.run(with(tiny, method)), wanted);
        const Words shared = with(with(tiny, method), {"--study", folder.file("s.db")});
        one.start(shared);
        two.start(shared);
        const ProgramResult first = one.wait(), second = two.wait();
        collect(first, found);
        collect(second, found);
        CHECK(found == wanted);
        // Both tell the study's best.
        CHECK(first.events("result")[0].number("test_loss") == second.events("result")[0].number("test_loss"));
        if (method[1] != "evolution")
            CHECK(models_in(folder.file("s.db.models")) == 1);
    }
}

TEST_CASE("study: tpe with a pruner finds with one worker what it finds without a study, layers included")
{
    for (const Words &networks : {Words{"--networks", "static"}, Words{"--networks", "layers", "--multivariate"}}) {
        TempFolder folder;
        Program program(AUXO_PROGRAM);
        Trained wanted, found, repeated;
        const Words method = with(tiny, with({"--method", "tpe", "--evaluations", "16", "--startup-trials", "5",
                                              "--pruner", "median", "--pruner-startup", "2", "--max-epochs", "4"},
                                             networks));
        const ProgramResult alone = program.run(method);
        collect(alone, wanted);
        collect(program.run(with(method, {"--study", folder.file("a.db")})), found);
        CHECK(found == wanted);
        CHECK(wanted.size() == 16);
        CHECK(count_state(program, folder.file("a.db"), "pruned") > 0);
        CHECK(count_state(program, folder.file("a.db"), "pruned") +
                  count_state(program, folder.file("a.db"), "complete") ==
              16);
        // Workers share it too; who is first changes what is proposed, but nothing is lost.
        CHECK(program.run(with(method, {"--study", folder.file("b.db"), "--workers", "3"})).exit_code == 0);
        CHECK(count_state(program, folder.file("b.db"), "pruned") +
                  count_state(program, folder.file("b.db"), "complete") ==
              16);
    }
    Program program(AUXO_PROGRAM);
    check_fails(program, with(tiny, {"--networks", "layers"}), "only genetic tuning and tpe");
    check_fails(program, with(tiny, {"--method", "evolution", "--pruner", "median"}), "a pruner has nothing");
}

TEST_CASE("study: the settings of any method are searched, by random draws and by tpe, with conditions and workers")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    auto write = [&](const char *name, const std::string &text) { std::ofstream(folder.file(name)) << text; };
    write("space.json", R"({"lr": {"type": "float", "low": 1e-3, "high": 0.1, "log": true},
        "batch": {"type": "int", "low": 8, "high": 32, "step": 8},
        "lr-schedule": {"choices": ["constant", "cosine"]},
        "warmup": {"type": "int", "low": 1, "high": 2, "when": {"lr-schedule": "cosine"}},
        "standardize": {"choices": [true, false]}})");
    write("epochs.json", R"({"epochs": 3})");
    const Words base = {"search",
                        "--run",
                        "train",
                        "--data",
                        "glyphs",
                        "--limit",
                        "100",
                        "--model",
                        "mlp:784-12-10",
                        "--seed",
                        "2",
                        "--device",
                        "cpu",
                        "--json",
                        "--run-settings",
                        folder.file("epochs.json")};
    const Words spaced = with(base, {"--space", folder.file("space.json")});
    const Words tpe = with(spaced, {"--method", "tpe", "--startup-trials", "3", "--evaluations", "6"});
    Trained first, second;
    const ProgramResult one = program.run(
        with(tpe, {"--study", folder.file("a.db"), "--save", folder.file("m"), "--report", folder.file("r.html")}));
    INFO(one.errors);
    REQUIRE(one.exit_code == 0);
    REQUIRE(one.events("evaluation").size() == 6);
    CHECK(one.events("epoch").size() == 18);
    double best = -1;
    for (const Event &trial : one.events("evaluation")) {
        best = std::max(best, trial.number("quality"));
        const std::string genome = trial.text("genome");
        CHECK((genome.find("warmup=") != std::string::npos) == (genome.find("cosine") != std::string::npos));
    }
    CHECK(one.events("result")[0].number("quality") == best);
    CHECK(program.run({"eval", folder.file("m"), "--limit", "100", "--device", "cpu"}).exit_code == 0);
    CHECK(models_in(folder.file("a.db.models")) == 1);
    CHECK(read_whole_file(folder.file("r.html")).find("Parallel coordinates") != std::string::npos);
    // The same once more; and with random draws by two workers what one makes.
    const ProgramResult again = program.run(with(tpe, {"--study", folder.file("b.db")}));
    REQUIRE(again.events("evaluation").size() == 6);
    for (size_t i = 0; i < 6; i++) {
        CHECK(again.events("evaluation")[i].text("genome") == one.events("evaluation")[i].text("genome"));
        CHECK(again.events("evaluation")[i].number("quality") == one.events("evaluation")[i].number("quality"));
    }
    const ProgramResult divided =
        program.run(with(spaced, {"--study", folder.file("c.db"), "--evaluations", "5", "--workers", "2"}));
    const ProgramResult single = program.run(with(spaced, {"--study", folder.file("d.db"), "--evaluations", "5"}));
    INFO(divided.errors);
    CHECK(divided.events("result")[0].number("quality") == single.events("result")[0].number("quality"));
    // Without the file the study says what is searched.
    CHECK(program.run(with(base, {"--study", folder.file("c.db"), "--evaluations", "6"})).exit_code == 0);
    CHECK(count_state(program, folder.file("c.db"), "complete") == 6);
    // A loss is minimised.
    const ProgramResult loss =
        program.run(with(spaced, {"--study", folder.file("e.db"), "--evaluations", "3", "--metric", "val_loss"}));
    double lowest = 1e9;
    for (const Event &trial : loss.events("evaluation"))
        lowest = std::min(lowest, trial.number("quality"));
    CHECK(loss.events("result")[0].number("quality") == lowest);
    check_fails(program, with(spaced, {"--study", folder.file("e.db")}), "is to be minimised");
    check_fails(program, spaced, "its trials lie in a study");
    write("bad.json", R"({"lrr": {"type": "int", "low": 1, "high": 2}})");
    check_fails(program, with(base, {"--study", folder.file("f.db"), "--space", folder.file("bad.json")}),
                "\"lrr\" is no setting of train");
    check_fails(program, with(spaced, {"--study", folder.file("a.db"), "--metric", "nothing", "--evaluations", "9"}),
                "metric was val_accuracy");
    check_fails(program, with(spaced, {"--study", folder.file("g.db"), "--metric", "nothing", "--evaluations", "1"}),
                "tells no number \"nothing\"");
    check_fails(program, with(spaced, {"--study", folder.file("h.db"), "--method", "grid"}), "random or tpe");
}

TEST_CASE("study: it is gone on with, its models are kept if asked, and its best is a model like any other")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    const std::string study = folder.file("s.db");
    const Words shared = with(tiny, {"--study", study, "--keep-models"});
    Trained first, second, whole;
    collect(program.run(with(tiny, {"--evaluations", "5"})), whole);
    collect(program.run(with(shared, {"--evaluations", "2"})), first);
    CHECK(first.size() == 2);
    const ProgramResult rest =
        program.run(with(shared, {"--evaluations", "5", "--save", folder.file("m"), "--report", folder.file("r")}));
    collect(rest, second);
    CHECK(second.size() == 3);
    first.insert(second.begin(), second.end());
    CHECK(first == whole);
    CHECK(models_in(study + ".models") == 5);
    const ProgramResult best = program.run({"study", "best", study, "--save", folder.file("b"), "--json"});
    CHECK(best.exit_code == 0);
    CHECK(best.events("result")[0].number("value") == rest.events("result")[0].number("quality"));
    CHECK(same_bytes(folder.file("m"), folder.file("b")));
    CHECK(program.run({"eval", folder.file("b"), "--limit", "100", "--device", "cpu", "--json"}).exit_code == 0);
    CHECK(program.run({"study", "export", study, "--out", folder.file("t.csv")}).exit_code == 0);
    const std::string table = read_whole_file(folder.file("t.csv"));
    CHECK(std::count(table.begin(), table.end(), '\n') == 6);
    CHECK(table.find("params_lr") != std::string::npos);
    CHECK(program.run({"study", "report", study, "--report", folder.file("s.html")}).exit_code == 0);
    const std::string report = read_whole_file(folder.file("s.html"));
    for (const char *title : {"History", "Importance", "epsilon squared", "Parallel coordinates", "Slices"})
        CHECK(report.find(title) != std::string::npos);
    // Nothing is left to do: the study says so, and its result is told.
    CHECK(program.run(with(shared, {"--evaluations", "5"})).events("evaluation").empty());
}

TEST_CASE("study: what a killed worker had is done by the next, to the same numbers, and once")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM), victim(AUXO_PROGRAM);
    const std::string study = folder.file("s.db");
    // Long trials, so that the kill falls into one.
    const Words slow = with(tiny, {"--max-epochs", "200", "--patience", "200", "--study", study});
    victim.start(slow);
    REQUIRE(victim.wait_for_output("\"epoch\""));
    victim.send_signal(SIGKILL);
    victim.wait();
    CHECK(count_state(program, study, "running") == 1);
    const ProgramResult next = program.run(with(slow, {"--evaluations", "1"}));
    CHECK(next.exit_code == 0);
    REQUIRE(next.events("evaluation").size() == 1);
    CHECK(next.events("evaluation")[0].number("number") == 1);
    CHECK(count_state(program, study, "failed") == 1);
    CHECK(count_state(program, study, "complete") == 1);
    CHECK(count_state(program, study, "waiting") == 0);
}

TEST_CASE("study: one command starts several workers, tells their trials and the result")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    Trained wanted, found;
    const ProgramResult alone = program.run(with(tiny, {"--evaluations", "6"}));
    collect(alone, wanted);
    const Words shared = with(tiny, {"--study", folder.file("s.db"), "--workers", "3"});
    const ProgramResult result = program.run(
        with(shared, {"--evaluations", "6", "--save", folder.file("m"), "--report", folder.file("r.html")}));
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    CHECK(result.events("trial").size() == 6);
    CHECK(result.events("result")[0].number("test_loss") == alone.events("result")[0].number("test_loss"));
    CHECK(result.events("result")[0].number("epochs") == alone.events("result")[0].number("epochs"));
    CHECK(file_exists(folder.file("m")));
    CHECK(read_whole_file(folder.file("r.html")).find("Parallel coordinates") != std::string::npos);
    check_fails(program, with(tiny, {"--workers", "2"}), "need a study");
    check_fails(program, with(shared, {"--devices", "cpu,cpu,cpu,cpu"}), "3 are too few for 4 devices");
    // One that is asked to stop stops its workers, and what they had waits.
    Program stopped(AUXO_PROGRAM);
    stopped.start(with(tiny, {"--study", folder.file("t.db"), "--workers", "2", "--max-epochs", "20000", "--patience",
                              "20000", "--json"}));
    while (count_state(program, folder.file("t.db"), "running") < 2)
        ;
    stopped.send_signal(SIGTERM);
    const ProgramResult ended = stopped.wait();
    CHECK(ended.exit_code == 3);
    CHECK(count_state(program, folder.file("t.db"), "waiting") == 2);
    CHECK(count_state(program, folder.file("t.db"), "running") == 0);
}

TEST_CASE("study: sweeps and multi-scale comparisons are divided among workers, and tell what one alone tells")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    const Words sweep = {
        "sweep",        "--data",           "glyphs",  "--limit", "150",      "--model", "mlp:784-12-10",
        "--optimizers", "sgd:lr=0.05;adam", "--seeds", "2",       "--epochs", "2",       "--device",
        "cpu"};
    const ProgramResult alone = program.run(sweep);
    const Words shared = with(sweep, {"--study", folder.file("s.db")});
    const ProgramResult divided = program.run(with(shared, {"--workers", "2", "--out", folder.file("o.csv")}));
    INFO(divided.errors);
    REQUIRE(divided.exit_code == 0);
    const std::string rows = alone.output.substr(alone.output.find("row 1  "));
    CHECK(divided.output.find(rows) != std::string::npos);
    CHECK(count_state(program, folder.file("s.db"), "complete") == 4);
    // Nothing is repeated, and more seeds go on.
    CHECK(program.run(shared).output == rows);
    CHECK(program.run(with(shared, {"--seeds", "3"})).exit_code == 0);
    CHECK(count_state(program, folder.file("s.db"), "complete") == 6);
    check_fails(program, with(tiny, {"--study", folder.file("s.db")}), "belongs to \"sweep\"");
    const Words compare = {
        "multiscale", "compare",           "--data", "reactor",        "--limit", "200",      "--seeds",
        "2",          "--iterations",      "4",      "--epochs",       "2",       "--device", "cpu",
        "--json",     "--backprop-epochs", "3",      "--no-equal-time"};
    const ProgramResult single = program.run(compare);
    const ProgramResult both = program.run(with(compare, {"--study", folder.file("c.db"), "--workers", "2"}));
    INFO(both.errors);
    REQUIRE(both.exit_code == 0);
    for (const char *field : {"constant_loss", "linear_loss"})
        CHECK(both.events("result")[0].number(field) == single.events("result")[0].number(field));
    CHECK(count_state(program, folder.file("c.db"), "complete") == 6);
    std::map<std::string, double> losses;
    for (const Event &run : single.events("run"))
        losses[run.text("method") + " " + std::to_string(run.number("seed"))] = run.number("test_loss");
    size_t found = 0;
    for (const Event &trial : program.run({"study", "show", folder.file("c.db"), "--json"}).events("trial"))
        for (const auto &loss : losses)
            found += std::fabs(loss.second - trial.number("value")) < 1e-14; // shown with 15 digits
    CHECK(found >= 6);
}

TEST_CASE("study: merging brings the models along, once")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    const Words search = with(tiny, {"--evaluations", "3", "--keep-models"});
    REQUIRE(program.run(with(search, {"--study", folder.file("a.db")})).exit_code == 0);
    Words other = search;
    std::replace(other.begin(), other.end(), std::string("3"), std::string("4")); // seed and evaluations
    REQUIRE(program.run(with(other, {"--study", folder.file("b.db")})).exit_code == 0);
    for (int time = 0; time < 2; time++) {
        REQUIRE(program.run({"study", "merge", folder.file("a.db"), folder.file("b.db")}).exit_code == 0);
        CHECK(count_state(program, folder.file("a.db"), "complete") == 7);
        CHECK(models_in(folder.file("a.db.models")) == 7);
    }
    for (int i = 0; i < 4; i++)
        CHECK(same_bytes(folder.file("a.db.models/trial-" + std::to_string(3 + i) + ".safetensors"),
                         folder.file("b.db.models/trial-" + std::to_string(i) + ".safetensors")));
}

TEST_CASE("study: an interrupted worker gives back what it had, at once")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM), worker(AUXO_PROGRAM);
    const std::string study = folder.file("s.db");
    worker.start(with(tiny, {"--max-epochs", "20000", "--patience", "20000", "--study", study}));
    REQUIRE(worker.wait_for_output("\"epoch\""));
    worker.send_signal(SIGINT);
    const ProgramResult stopped = worker.wait();
    CHECK(stopped.exit_code == 3);
    CHECK(stopped.errors.find("waits in the study") != std::string::npos);
    CHECK(count_state(program, study, "waiting") == 1);
    CHECK(count_state(program, study, "running") == 0);
}

TEST_CASE("study: another space, other rows, another method's study and a checkpoint beside it are refused")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    const std::string study = folder.file("s.db");
    const Words shared = with(tiny, {"--study", study, "--evaluations", "2"});
    REQUIRE(program.run(shared).exit_code == 0);
    check_fails(program, with(shared, {"--units", "5,9"}), "units was not given and is 5,9");
    check_fails(program, with(shared, {"--limit", "101"}), "rows are not those it was begun with");
    check_fails(program, with(shared, {"--method", "genetic"}), "is of another space");
    check_fails(program, with(shared, {"--checkpoint", folder.file("c")}), "the study");
    check_fails(program, with(tiny, {"--keep-models"}), "need a study");
    check_fails(program, {"study", "show", folder.file("none.db")}, "there is no file");
    // Nothing of this has changed it.
    CHECK(count_state(program, study, "complete") == 2);
    // Methods of the same space may take turns.
    CHECK(program.run(with(tiny, {"--study", study, "--evaluations", "4", "--method", "grid"})).exit_code == 0);
    CHECK(count_state(program, study, "complete") == 4);
}

TEST_CASE("study: a full disk ends a worker in one line and loses nothing")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    const std::string study = folder.file("s.db");
    const Words shared = with(tiny, {"--study", study});
    REQUIRE(program.run(with(shared, {"--evaluations", "2"})).exit_code == 0);
    program.set_file_size_limit(64 * 1024);
    const ProgramResult full = program.run(with(shared, {"--evaluations", "60"}));
    CHECK(full.exit_code != 0);
    CHECK(full.error_lines().size() == 1);
    program.set_file_size_limit(0);
    CHECK(count_state(program, study, "complete") >= 2);
    CHECK(program.run(with(shared, {"--evaluations", "4"})).exit_code == 0);
    CHECK(count_state(program, study, "complete") >= 4);
}

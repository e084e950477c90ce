// tests/cluster_study_test.cpp: a study that the ranks of a job work on: rank 0 owns the file, the trials are those of
// one process, a job that dies loses nothing that was complete, and a rerun redoes what was lost and no more.
#include "support/mpirun.hpp"
#include "support/program.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

const Words tiny = {"search",   "--json",       "--data",       "glyphs", "--limit",    "100",
                    "--device", "cpu",          "--threads",    "1",      "--seed",     "3",
                    "--model",  "autosize-mlp", "--max-epochs", "2",      "--patience", "2"};

// The trials of a study that are in a state, by number.
std::map<int, Event> trials(const std::string &study, const std::string &state)
{
    Program program(AUXO_PROGRAM);
    const ProgramResult shown = program.run({"study", "show", study, "--json"});
    INFO(shown.errors);
    REQUIRE(shown.exit_code == 0);
    std::map<int, Event> found;
    for (const Event &event : shown.events("trial"))
        if (event.text("state") == state)
            found.emplace(static_cast<int>(event.number("number")), event);
    return found;
}

// Whether so many trials are once under way together.
bool wait_for_running(const std::string &study, size_t count)
{
    Program program(AUXO_PROGRAM);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (std::chrono::steady_clock::now() < deadline) {
        const ProgramResult shown = program.run({"study", "show", study, "--json"}); // fails until there is one
        size_t running = 0;
        for (const Event &event : shown.events("trial"))
            running += event.text("state") == "running";
        if (running == count)
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
}

// What was found, by genome: the value, to its last digit.
std::multimap<std::string, double> values(const std::string &study)
{
    std::multimap<std::string, double> found;
    for (const auto &trial : trials(study, "complete"))
        found.emplace(trial.second.text("genome"), trial.second.number("value"));
    return found;
}

size_t models_in(const std::string &folder)
{
    size_t count = 0;
    for (const auto &entry : std::filesystem::directory_iterator(folder))
        count += entry.path().extension() == ".safetensors";
    return count;
}

} // namespace

TEST_CASE("cluster study: the ranks of a job make the trials of one process, whatever the method")
{
    if (!have_mpirun())
        return;
    const Words methods[] = {{"--method", "random", "--evaluations", "8"},
                             {"--method", "grid", "--evaluations", "6"},
                             {"--method", "growth", "--evaluations", "3"},
                             {"--method", "evolution", "--evaluations", "14", "--population", "3"},
                             {"--method", "genetic", "--evaluations", "9", "--population", "4", "--keep", "2"},
                             {"--method", "random", "--evaluations", "4", "--keep-models"}};
    for (const Words &method : methods) {
        INFO(method[1]);
        TempFolder folder;
        Program alone(AUXO_PROGRAM);
        MpiRun run(AUXO_PROGRAM, 3);
        // The other ranks work in folders of their own: rank 0 alone opens the file.
        const ProgramResult one = alone.run(with(with(tiny, method), {"--study", folder.file("one.db")}));
        REQUIRE(one.exit_code == 0);
        const ProgramResult many = run.run(with(with(tiny, method), {"--study", folder.file("many.db")}));
        INFO(many.errors);
        REQUIRE(many.exit_code == 0);
        CHECK(values(folder.file("many.db")) == values(folder.file("one.db")));
        REQUIRE(many.events("result").size() == 1);
        CHECK(many.events("result")[0].number("test_loss") == one.events("result")[0].number("test_loss"));
        CHECK(models_in(folder.file("many.db.models")) == models_in(folder.file("one.db.models")));
        CHECK(trials(folder.file("many.db"), "running").empty());
        CHECK(trials(folder.file("many.db"), "waiting").empty());
    }
}

TEST_CASE("cluster study: sweeps, comparisons and searches over another method's settings are shared by ranks")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    Program alone(AUXO_PROGRAM);
    MpiRun run(AUXO_PROGRAM, 3);
    const Words sweep = {
        "sweep",        "--data",           "glyphs",  "--limit", "150",      "--model", "mlp:784-12-10",
        "--optimizers", "sgd:lr=0.05;adam", "--seeds", "2",       "--epochs", "2",       "--device",
        "cpu"};
    const std::string told = alone.run(sweep).output;
    const std::string rows = told.substr(told.find("row 1  "));
    const ProgramResult shared = run.run(with(sweep, {"--study", folder.file("s.db")}));
    INFO(shared.errors);
    REQUIRE(shared.exit_code == 0);
    CHECK_THAT(shared.output, Contains(rows));
    CHECK(trials(folder.file("s.db"), "complete").size() == 4);
    std::ofstream(folder.file("space.json")) << R"({"lr": {"type": "float", "low": 0.001, "high": 0.1, "log": true},
        "batch": {"type": "int", "low": 16, "high": 64, "step": 16}})";
    std::ofstream(folder.file("more.json")) << R"({"epochs": 2, "validation": 0.2})";
    const Words space = {"search",
                         "--space",
                         folder.file("space.json"),
                         "--run",
                         "train",
                         "--run-settings",
                         folder.file("more.json"),
                         "--data",
                         "glyphs",
                         "--limit",
                         "200",
                         "--model",
                         "mlp:784-8-10",
                         "--device",
                         "cpu",
                         "--evaluations",
                         "6"};
    REQUIRE(alone.run(with(space, {"--study", folder.file("one.db")})).exit_code == 0);
    const ProgramResult found =
        run.run(with(space, {"--study", folder.file("many.db"), "--save", folder.file("best")}));
    INFO(found.errors);
    REQUIRE(found.exit_code == 0);
    CHECK(values(folder.file("many.db")) == values(folder.file("one.db")));
    CHECK(file_exists(folder.file("best")));
    CHECK(models_in(folder.file("many.db.models")) == 1);
}

TEST_CASE("cluster study: comparisons of multi-scale training are shared by ranks")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    Program alone(AUXO_PROGRAM);
    MpiRun run(AUXO_PROGRAM, 3);
    const Words compare = {
        "multiscale", "compare",      "--data", "reactor",        "--limit", "200",    "--seeds",
        "2",          "--device",     "cpu",    "--epochs",       "2",       "--json", "--backprop-epochs",
        "3",          "--iterations", "4",      "--no-equal-time"};
    const ProgramResult one = alone.run(with(compare, {"--study", folder.file("one.db")}));
    const ProgramResult many = run.run(with(compare, {"--study", folder.file("many.db")}));
    INFO(many.errors);
    REQUIRE(one.exit_code == 0);
    REQUIRE(many.exit_code == 0);
    std::multiset<double> expected, found;
    for (const auto &trial : trials(folder.file("one.db"), "complete"))
        expected.insert(trial.second.number("value"));
    for (const auto &trial : trials(folder.file("many.db"), "complete"))
        found.insert(trial.second.number("value"));
    CHECK(expected.size() == 6);
    CHECK(found == expected);
    REQUIRE(many.events("result").size() == 1);
    for (const char *field : {"constant_loss", "linear_loss"})
        CHECK(many.events("result")[0].number(field) == one.events("result")[0].number(field));
}

TEST_CASE("cluster study: a rank that is killed ends the job, and a rerun redoes what the job had begun and no more")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    const std::string study = folder.file("s.db");
    MpiRun run(AUXO_PROGRAM, 3);
    const Words search = {"search",        "--json",       "--data",       "glyphs", "--limit",    "600",
                          "--device",      "cpu",          "--threads",    "1",      "--seed",     "3",
                          "--model",       "autosize-mlp", "--max-epochs", "30",     "--patience", "30",
                          "--evaluations", "12",           "--study",      study};
    run.start(search);
    REQUIRE(run.wait_for_output("\"event\":\"evaluation\""));
    run.signal_rank(2, SIGKILL);
    const ProgramResult killed = run.wait();
    CHECK(killed.exit_code != 0);
    const auto before = trials(study, "complete");
    // What the killed rank had runs on in the file; the others may have had the time to give theirs back.
    const size_t begun = trials(study, "running").size() + trials(study, "waiting").size();
    CHECK(begun >= 1);
    CHECK(begun <= 3);
    const ProgramResult again = run.run(search);
    INFO(again.errors);
    REQUIRE(again.exit_code == 0);
    const auto after = trials(study, "complete");
    CHECK(after.size() == 12);
    // Each rank's trial was given back once at most; a rank may still have given its own back while they were counted.
    CHECK(trials(study, "failed").size() >= begun);
    CHECK(trials(study, "failed").size() <= 3);
    CHECK(trials(study, "running").empty());
    CHECK(trials(study, "waiting").empty());
    for (const auto &trial : before)
        CHECK(after.at(trial.first).number("value") == trial.second.number("value"));
    std::set<std::string> genomes;
    for (const auto &trial : after)
        CHECK(genomes.insert(trial.second.text("genome")).second);
    // The same as one process finds.
    Program alone(AUXO_PROGRAM);
    Words single = search;
    single.back() = folder.file("one.db");
    REQUIRE(alone.run(single).exit_code == 0);
    CHECK(values(study) == values(folder.file("one.db")));
}

TEST_CASE("cluster study: a rank that is asked to stop, or fails, ends the others, and nothing stays begun")
{
    if (!have_mpirun())
        return;
    TempFolder folder;
    MpiRun run(AUXO_PROGRAM, 3);
    const Words endless = {"search",       "--json",  "--data",     "glyphs",  "--limit",       "600",
                           "--device",     "cpu",     "--threads",  "1",       "--model",       "autosize-mlp",
                           "--max-epochs", "1000000", "--patience", "1000000", "--evaluations", "5000"};
    for (int rank : {0, 1}) {
        const std::string study = folder.file("s" + std::to_string(rank) + ".db");
        run.start(with(endless, {"--study", study}));
        REQUIRE(wait_for_running(study, 3));
        run.signal_rank(rank, SIGTERM);
        const ProgramResult stopped = run.wait();
        CHECK(stopped.exit_code == 3);
        REQUIRE(run.own_lines(stopped).size() == 1);
        CHECK_THAT(run.own_lines(stopped)[0], Contains("waits in the study"));
        CHECK(trials(study, "running").empty());
        CHECK(trials(study, "waiting").size() == 3);
    }
    run.only_for_rank(1, {"--device", "cpu:7"});
    const ProgramResult failed = run.run(with(endless, {"--study", folder.file("f.db")}));
    CHECK(failed.exit_code == 2);
    REQUIRE(run.own_lines(failed).size() == 1);
    CHECK_THAT(run.own_lines(failed)[0], Contains("auxo: rank 1: ") && Contains("cpu:7"));
    run.only_for_rank(1, {});
    const ProgramResult refused = run.run(with(tiny, {"--study", "/dev/null/s.db"}));
    CHECK(refused.exit_code == 2);
    CHECK(run.own_lines(refused).size() == 1);
    const ProgramResult workers = run.run(with(tiny, {"--study", folder.file("w.db"), "--workers", "2"}));
    CHECK(workers.exit_code == 2);
    REQUIRE(run.own_lines(workers).size() == 1);
    CHECK_THAT(run.own_lines(workers)[0], Contains("each of the 3 ranks is a worker"));
}

// tests/search_cli_test.cpp: auxo search and auxo search profile as a user meets them: events, saved models, traces,
// runs that are resumed or interrupted, bad input.
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <csignal>

using namespace auxo_test;

namespace
{

const Words tiny = {"--limit", "120",          "--device",     "cpu", "--seed",     "3",
                    "--model", "autosize-mlp", "--max-epochs", "2",   "--patience", "2"};

double quality(const ProgramResult &result)
{
    REQUIRE(result.events("result").size() == 1);
    return result.events("result")[0].number("quality");
}

} // namespace

TEST_CASE("search: models, a saved one that is like any other, a trace, a report, and a resumed run")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words run = with({"search", "--json"}, tiny);
    ProgramResult whole = program.run(with(run, {"--evaluations", "4", "--save", folder.file("m.safetensors"),
                                                 "--report", folder.file("r.html"), "--trace", folder.file("t.csv")}));
    INFO(whole.errors);
    REQUIRE(whole.exit_code == 0);
    CHECK(whole.events("evaluation").size() == 4);
    CHECK(whole.events("epoch").size() == 8);
    double best = -1;
    for (const Event &event : whole.events("epoch")) {
        best = std::max(best, event.number("quality"));
        CHECK(event.number("best") == best);
    }
    CHECK(quality(whole) == best);
    std::string report = read_whole_file(folder.file("r.html"));
    for (const char *title : {"Best so far", "Learning rate", "Best models", "The best network"})
        CHECK(report.find(title) != std::string::npos);
    CHECK(read_whole_file(folder.file("t.csv")).find("method,seed,seconds,epoch,evaluation,quality,best\n") == 0);
    ProgramResult evaluated =
        program.run({"eval", folder.file("m.safetensors"), "--limit", "120", "--device", "cpu", "--json"});
    INFO(evaluated.errors);
    CHECK(evaluated.exit_code == 0);
    const Words kept = with(run, {"--checkpoint", folder.file("c")});
    REQUIRE(program.run(with(kept, {"--evaluations", "2"})).exit_code == 0);
    ProgramResult rest = program.run(with(kept, {"--evaluations", "4", "--resume"}));
    INFO(rest.errors);
    REQUIRE(rest.exit_code == 0);
    CHECK(rest.events("evaluation").size() == 2);
    CHECK(quality(rest) == quality(whole));
    CHECK(rest.events("result")[0].number("test_loss") == whole.events("result")[0].number("test_loss"));
    check_fails(program, with(kept, {"--evaluations", "5", "--resume", "--units", "5,9"}),
                "units was not given and is 5,9");
}

TEST_CASE("search: every method resumes to the numbers of a whole run")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::vector<Words> methods = {
        {"--method", "grid", "--networks", "dynamic"},
        {"--method", "growth"},
        {"--method", "random", "--networks", "adapt", "--units", "4,9", "--budget-params", "30000"},
        {"--method", "tpe", "--networks", "adapt", "--units", "4,9", "--startup-trials", "1"},
        {"--method", "evolution", "--population", "2", "--newcomers", "1"},
        {"--method", "genetic", "--population", "3", "--keep", "2", "--units", "4,9"},
    };
    for (const Words &method : methods) {
        INFO(method[1]);
        const bool generations = method[1] == "evolution" || method[1] == "genetic";
        const std::string limit = generations ? "--generations" : "--evaluations";
        const Words run = with(with({"search", "--json"}, tiny), method);
        ProgramResult whole = program.run(with(run, {limit, "3", "--report", folder.file("r.html")}));
        INFO(whole.errors);
        REQUIRE(whole.exit_code == 0);
        if (generations)
            CHECK(read_whole_file(folder.file("r.html")).find("Population over generations") != std::string::npos);
        const Words kept = with(run, {"--checkpoint", folder.file(method[1])});
        ProgramResult first = program.run(with(kept, {limit, "2"}));
        REQUIRE(first.exit_code == 0);
        ProgramResult rest = program.run(with(kept, {limit, "3", "--resume"}));
        INFO(rest.errors);
        REQUIRE(rest.exit_code == 0);
        CHECK(first.events("evaluation").size() + rest.events("evaluation").size() ==
              whole.events("evaluation").size());
        CHECK(quality(rest) == quality(whole));
        CHECK(rest.events("result")[0].number("test_loss") == whole.events("result")[0].number("test_loss"));
        CHECK(rest.events("result")[0].number("epochs") == whole.events("result")[0].number("epochs"));
    }
}

TEST_CASE("search: an interrupt ends it with the best model so far, and it can go on")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words run = with({"search", "--json", "--checkpoint", folder.file("c"), "--save", folder.file("m")}, tiny);
    program.start(run);
    REQUIRE(program.wait_for_output("\"number\":2"));
    program.send_signal(SIGINT);
    ProgramResult stopped = program.wait();
    CHECK(stopped.exit_code == 3);
    CHECK(stopped.errors.find("interrupted") != std::string::npos);
    CHECK(stopped.events("result").size() == 1);
    CHECK(file_exists(folder.file("m")));
    const double done = stopped.events("result")[0].number("evaluations");
    ProgramResult rest = program.run(with(run, {"--resume", "--evaluations", std::to_string((int)done + 1)}));
    INFO(rest.errors);
    CHECK(rest.exit_code == 0);
    CHECK(quality(rest) >= quality(stopped) - 1e-9);
}

TEST_CASE("search: a killed run goes on to the numbers of one that was not")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words run = with({"search", "--json", "--networks", "dynamic"}, tiny);
    ProgramResult whole = program.run(with(run, {"--evaluations", "40"}));
    REQUIRE(whole.exit_code == 0);
    const Words kept = with(run, {"--evaluations", "40", "--checkpoint", folder.file("c")});
    program.start(kept);
    REQUIRE(program.wait_for_output("\"number\":3"));
    program.send_signal(SIGKILL);
    CHECK(program.wait().exit_code == -1);
    ProgramResult rest = program.run(with(kept, {"--resume"}));
    INFO(rest.errors);
    REQUIRE(rest.exit_code == 0);
    CHECK(rest.events("start")[0].number("resumed_evaluations") >= 2);
    CHECK(quality(rest) == quality(whole));
    CHECK(rest.events("result")[0].text("genome") == whole.events("result")[0].text("genome"));
    CHECK(rest.events("result")[0].number("test_loss") == whole.events("result")[0].number("test_loss"));
}

TEST_CASE("search: a time limit ends a run that has no other end")
{
    Program program(AUXO_PROGRAM);
    ProgramResult result = program.run(with({"search", "--json", "--time-limit", "0.5s"}, tiny));
    INFO(result.errors);
    CHECK(result.exit_code == 0);
    CHECK(result.events("result").size() == 1);
}

TEST_CASE("search profile: means and shares of several runs")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    Words files;
    for (const char *seed : {"1", "2"})
        for (const char *networks : {"static", "dynamic"}) {
            files.push_back(folder.file(std::string(networks) + seed + ".csv"));
            Words run = {"search",  "--limit",       "120",        "--device", "cpu",
                         "--model", "autosize-mlp",  "--networks", networks,   "--max-epochs",
                         "2",       "--evaluations", "2",          "--seed",   seed,
                         "--trace", files.back()};
            REQUIRE(program.run(run).exit_code == 0);
        }
    ProgramResult profile = program.run(
        with({"search", "profile", "--json", "--report", folder.file("p.html"), "--out", folder.file("p.csv")}, files));
    INFO(profile.errors);
    REQUIRE(profile.exit_code == 0);
    REQUIRE(profile.events("method").size() == 2);
    CHECK(profile.events("method")[0].number("runs") == 2);
    CHECK(profile.events("method")[0].text("method") == "random static");
    CHECK(read_whole_file(folder.file("p.html")).find("Performance profile: random dynamic") != std::string::npos);
    CHECK(read_whole_file(folder.file("p.csv")).find("method,seconds,quality,share\n") == 0);
    // Without a second model in any run there is no pool of complete ones.
    write_file(folder.file("r1.csv"), "method,seed,seconds,epoch,evaluation,quality,best\n"
                                      "random static,1,1,1,1,0.2,0.2\nrandom static,1,3,2,2,0.4,0.4\n");
    write_file(folder.file("r2.csv"), "method,seed,seconds,epoch,evaluation,quality,best\n"
                                      "random static,2,2,1,1,0.3,0.3\n");
    ProgramResult pooled = program.run(
        {"search", "profile", folder.file("r1.csv"), folder.file("r2.csv"), "--pool", "50", "--until", "10s"});
    INFO(pooled.errors);
    REQUIRE(pooled.exit_code == 0);
    CHECK(pooled.output.find("best so far over 10.0 s") !=
          std::string::npos); // ten times the one complete model of 1 s
    check_fails(program, {"search", "profile", folder.file("r2.csv"), "--pool", "5"}, "followed by another");
    check_fails(program, {"search", "profile", folder.file("p.csv")}, "p.csv: not a trace of a search");
}

TEST_CASE("search refuses bad input in one line")
{
    Program program(AUXO_PROGRAM);
    check_fails(program, with({"search", "--validation", "0"}, tiny), "--validation 0");
    check_fails(program, with({"search", "--units", "9,x"}, tiny), "\"9,x\" is neither");
    check_fails(program, with({"search", "--units", "9,3"}, tiny), "the lower end first");
    check_fails(program, with({"search", "--method", "evolution", "--networks", "static"}, tiny), "size themselves");
    check_fails(program, with({"search", "--method", "genetic", "--keep", "30"}, tiny), "keeps at least 2");
    check_fails(program, with({"search", "--resume"}, tiny), "--resume needs a checkpoint");
    check_fails(program, with({"search", "--method", "evolution", "--mutation-spread", "lr=0.1,depth=2"}, tiny),
                "neither a number from 0 to 1 nor lr=F");
    check_fails(program, with({"search", "--method", "evolution", "--mutation-spread", "1.5"}, tiny), "\"1.5\"");
    check_fails(program, with({"search", "--method", "evolution", "--sample", "0.5", "--sample-for", "model"}, tiny),
                "one sample is drawn for all");
    check_fails(program, with({"search", "--sample", "1.5"}, tiny), "--sample");
    check_fails(program, with({"search", "--method", "evolution", "--networks", "adapt"}, tiny),
                "searched by random, grid or tpe");
    check_fails(program, with({"search", "--networks", "adapt", "--drive", "1,0.1"}, tiny), "the range of drive");
    check_fails(program, with({"search", "--budget-params", "100"}, tiny), "--budget-params needs networks adapt");
    check_fails(program, with({"search", "--method", "genetik"}, tiny), "did you mean \"genetic\"");
}

// tests/tune_test.cpp: auxo tune on a device with faults: what goes wrong is named, what was found is kept.
#include "support/program.hpp"

#include <catch2/catch.hpp>
#include <map>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

// Tunes operations (the products) of a network whose layers have 16 and 10 columns; 48 rows.
ProgramResult tune(Program &program, const std::string &variants,
                   const Words &what = {"--op", "gemm", "--model", "mlp:784-16-10"})
{
    program.set_environment("AUXO_BACKEND_PATH", AUXO_FAULTY_DEVICE_FOLDER);
    program.set_environment("FAULTY_VARIANTS", variants);
    return program.run(with({"tune", "--device", "fake", "--batch", "48", "--budget", "60", "--json"}, what));
}

} // namespace

TEST_CASE("a candidate that takes too long is named and left out, and the other choices are saved")
{
    Program program(AUXO_PROGRAM);
    ProgramResult result = tune(program, "same endless");
    INFO(result.errors << result.output);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.errors, Contains("variant endless: left out: one run took 1.2") && Contains("over the limit of"));
    bool refused = false;
    for (const Event &tuned : result.events("tuned")) {
        refused = refused || tuned.number("refused") == 1;
        CHECK(tuned.number("candidates") == 3);
    }
    CHECK(refused);
    const Event ended = result.events("result").at(0);
    CHECK(ended.number("saved") == static_cast<double>(result.events("tuned").size()));
    CHECK_THAT(read_whole_file(ended.text("file")), Contains("variant=") && !Contains("n16k1024:nt variant=endless"));
}

TEST_CASE("a device that is lost during tuning is told in one line, and what was found before is saved")
{
    Program program(AUXO_PROGRAM);
    ProgramResult result = tune(program, "same lost");
    INFO(result.errors << result.output);
    CHECK(result.exit_code == 1);
    REQUIRE_FALSE(result.error_lines().empty());
    const std::string line = result.error_lines().back();
    CHECK_THAT(line, Contains("lost while trying gemm, variant lost: ") && Contains("the driver ended the device") &&
                         Contains("saved in "));
    const std::string kept = read_whole_file(line.substr(line.rfind("saved in ") + 9));
    CHECK_THAT(kept, Contains("device \"Fake One\"\ngemm ") && Contains("gemm m64n16k1024:nt variant="));
    CHECK_FALSE(result.events("tuned").empty());

    // The next run takes what was saved.
    program.set_environment("FAULTY_VARIANTS", "same");
    ProgramResult next = program.run({"train", "--device", "fake", "--model", "mlp:784-16-10", "--batch", "48",
                                      "--epochs", "1", "--limit", "96", "--explain", "--json"});
    INFO(next.errors);
    CHECK(next.exit_code == 0);
    size_t taken = 0;
    for (const Event &choice : next.events("choice"))
        taken += choice.text("reason").find("tuned for this device") == 0;
    CHECK(taken > 0);
}

TEST_CASE("a variant of any operation that is slow, or wrong only on real shapes, is named and never taken")
{
    Program program(AUXO_PROGRAM);
    ProgramResult result = tune(program, "slow wrong", {"--model", "conv:2"});
    INFO(result.errors << result.output);
    REQUIRE(result.exit_code == 0);
    std::map<std::string, size_t> slow, wrong; // by operation
    for (const std::string &line : result.error_lines()) {
        const std::string op = line.substr(12, line.find(',') - 12); // after "auxo: note: "
        slow[op] += line.find("variant slow: left out: one run took") != std::string::npos;
        wrong[op] += line.find("variant wrong: left out: outputs differ") != std::string::npos;
    }
    for (const char *op : {"gemm", "conv2d_forward"}) {
        INFO(op);
        CHECK(slow[op] > 0);
        CHECK(wrong[op] == slow[op]);
    }
    CHECK_THAT(read_whole_file(result.events("result").at(0).text("file")), Contains("conv2d_forward"));
}

// tests/bench_test.cpp: measuring and tuning as a user does it: what is reported, what files hold, what is refused.
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <fstream>

using auxo_test::Event;
using auxo_test::file_exists;
using auxo_test::Program;
using auxo_test::ProgramResult;
using auxo_test::read_whole_file;
using auxo_test::TempFolder;
using auxo_test::Words;

namespace
{
// A result file with one case of the given quartiles, in milliseconds.
void write_result(const std::string &path, double low, double median, double high, int version = 1)
{
    std::ofstream file(path);
    file << "{\"format\":\"auxo-bench\",\"version\":" << version
         << ",\"results\":[{\"backend\":\"cpu\",\"device\":\"cpu\",\"device_name\":\"x\",\"group\":\"ops\","
            "\"case\":\"gemm\",\"seconds\":"
         << median / 1000 << ",\"low_seconds\":" << low / 1000 << ",\"high_seconds\":" << high / 1000 << "}]}";
}
} // namespace

TEST_CASE("bench reports each case with its spread and saves it in three formats")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string save = folder.file("a.json"), csv = folder.file("a.csv"), report = folder.file("a.html");
    ProgramResult result = program.run({"bench", "ops", "--device", "cpu", "--op", "group_norm", "--min-seconds",
                                        "0.001", "--save", save, "--csv", csv, "--report", report, "--json"});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    REQUIRE(result.events("case").size() == 1);
    Event event = result.events("case").at(0);
    CHECK(event.text("device") == "cpu");
    CHECK(event.text("op") == "group_norm");
    CHECK_FALSE(event.text("variant").empty());
    CHECK(event.number("seconds") > 0);
    CHECK(event.number("low_seconds") <= event.number("seconds"));
    CHECK(event.number("high_seconds") >= event.number("seconds"));
    CHECK(event.number("samples") >= 5);
    CHECK(event.number("gbytes") > 0);
    CHECK(event.number("percent_of_peak") > 0);
    CHECK(event.number("host_fallbacks") == 0);
    CHECK(result.events("result").size() == 1);
    CHECK(read_whole_file(save).find("\"auxo-bench\"") != std::string::npos);
    CHECK(read_whole_file(csv).find("group_norm 4096x4096") != std::string::npos);
    CHECK(read_whole_file(report).find("<svg") != std::string::npos);
    ProgramResult same = program.run({"bench", "compare", save, save, "--fail", "--json"});
    CHECK(same.exit_code == 0);
    CHECK(same.events("case").at(0).number("speed_ratio") == Approx(1));
}

TEST_CASE("bench measures transfers, launches and training")
{
    Program program(AUXO_PROGRAM);
    for (const char *group : {"memory", "latency", "train"}) {
        INFO(group);
        ProgramResult result = program.run({"bench", group, "--device", "cpu", "--min-seconds", "0.001", "--model",
                                            "mlp:784-8-10", "--batch", "16", "--json"});
        INFO(result.errors);
        REQUIRE(result.exit_code == 0);
        REQUIRE_FALSE(result.events("case").empty());
        CHECK(result.events("skipped").empty());
        for (const Event &event : result.events("case"))
            CHECK(event.number("rate") > 0);
    }
}

TEST_CASE("bench sets no nominal rate against a peak, and keeps the set-up apart")
{
    Program program(AUXO_PROGRAM);
    ProgramResult result =
        program.run({"bench", "ops", "--device", "cpu", "--op", "conv2d_forward", "--min-seconds", "0.001", "--json"});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    size_t nominal = 0;
    for (const Event &event : result.events("case")) {
        const bool winograd = event.text("variant").find("winograd") != std::string::npos;
        INFO(event.text("case") << " " << event.text("variant"));
        CHECK((event.number("nominal") != 0) == winograd);
        CHECK((event.number("percent_of_peak") == 0) == winograd);
        CHECK(event.number("setup_seconds") > 0);
        nominal += winograd;
    }
    CHECK(nominal > 0);
}

TEST_CASE("a result file that cannot be written leaves the one that is there")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string save = folder.file("a.json");
    std::ofstream(save) << "before";
    program.set_file_size_limit(64);
    ProgramResult result =
        program.run({"bench", "latency", "--device", "cpu", "--min-seconds", "0.001", "--save", save});
    CHECK(result.exit_code == 1);
    CHECK(read_whole_file(save) == "before");
}

TEST_CASE("bench train takes a network from a file, with the input that stands there")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string path = folder.file("net.json");
    auxo_test::write_file(path, std::string(R"({"layers":[{"name":"in","kind":"input","shape":[2,5,5]},
        {"name":"flat","kind":"flatten"},{"name":"out","kind":"dense","units":10}]})"));
    ProgramResult result = program.run(
        {"bench", "train", "--device", "cpu", "--min-seconds", "0.001", "--model", path, "--batch", "16", "--json"});
    INFO(result.errors);
    CHECK(result.exit_code == 0);
    CHECK(result.events("result").size() == 1);
}

TEST_CASE("bench train tells what a step is made of")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string save = folder.file("a.json"), report = folder.file("a.html");
    ProgramResult result = program.run({"bench", "train", "--device", "cpu", "--min-seconds", "0.001", "--model",
                                        "mlp:784-8-10", "--batch", "16", "--save", save, "--report", report, "--json"});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    double total = 0, before = 1;
    for (const Event &event : result.events("op_share")) {
        CHECK(event.number("fraction") <= before);
        CHECK(event.number("seconds") > 0);
        before = event.number("fraction");
        total += before;
    }
    CHECK(total == Approx(1));
    CHECK(read_whole_file(save).find("\"op_shares\"") != std::string::npos);
    CHECK(read_whole_file(report).find("What a training step is made of") != std::string::npos);
}

TEST_CASE("bench refuses groups, ops, devices and folders that do not exist")
{
    Program program(AUXO_PROGRAM);
    CHECK(program.run({"bench", "operations", "--device", "cpu"}).exit_code == 2);
    CHECK(program.run({"bench", "--device", "cpu", "--op", "gemmm"}).exit_code == 2);
    CHECK(program.run({"bench", "--device", "nowhere:0"}).exit_code == 2);
    CHECK(program.run({"bench", "--device", "cpu", "--save", "/dev/null/none/a.json"}).exit_code == 2);
    CHECK(program.run({"tune", "--device", "cpu", "--op", "gemmm"}).exit_code == 2);
}

TEST_CASE("bench audit tells what a compiler makes of kernels, for a GPU that need not be there")
{
    const std::string driver = "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json";
    if (!file_exists(driver)) {
        WARN("skipped: Mesa's RADV is not installed");
        return;
    }
    Program program(AUXO_PROGRAM);
    if (program.run({"version"}).output.find("vulkan") == std::string::npos) {
        WARN("skipped: built without the vulkan backend");
        return;
    }
    program.set_environment("VK_ICD_FILENAMES", driver);
    program.set_environment("VK_DRIVER_FILES", driver);
    program.set_environment("VK_INSTANCE_LAYERS", "");
    program.set_environment("RADV_FORCE_FAMILY", "navi21");
    ProgramResult result = program.run({"bench", "audit", "--device", "vulkan:navi21", "--op", "reduce", "--model",
                                        "mlp:784-8-10", "--batch", "16", "--json"});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    CHECK(result.events("failure").empty());
    REQUIRE_FALSE(result.events("program").empty());
    size_t twins = 0;
    for (const Event &event : result.events("program")) {
        CHECK(event.number("registers") > 0);
        CHECK(event.number("code_bytes") > 0);
        CHECK(event.number("spills") == 0);
        twins += event.text("name") == "reduce_subgroup";
    }
    CHECK(twins > 0);
    // It compiles and no more: whatever runs is refused.
    ProgramResult refused = program.run({"train", "--device", "vulkan:navi21", "--limit", "128"});
    CHECK(refused.exit_code == 2);
    REQUIRE(refused.error_lines().size() == 1);
    CHECK(refused.errors.find("only compiles") != std::string::npos);
    CHECK(program.run({"bench", "audit", "--device", "cpu", "--op", "nothing"}).exit_code == 2);
}

TEST_CASE("bench compare counts a regression only beyond the spread")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string before = folder.file("before.json"), noisy = folder.file("noisy.json"), slow = folder.file("slow.json");
    write_result(before, 9, 10, 11);
    write_result(noisy, 10, 12, 13);
    write_result(slow, 18, 20, 22);
    ProgramResult same = program.run({"bench", "compare", before, noisy, "--fail", "--json"});
    CHECK(same.exit_code == 0);
    CHECK(same.events("case").at(0).text("verdict") == "same");
    ProgramResult slower = program.run({"bench", "compare", before, slow, "--json"});
    CHECK(slower.exit_code == 0);
    CHECK(slower.events("case").at(0).number("speed_ratio") == Approx(0.5));
    CHECK(slower.events("case").at(0).text("verdict") == "REGRESSION");
    CHECK(program.run({"bench", "compare", before, slow, "--fail"}).exit_code == 1);
    CHECK(program.run({"bench", "compare", slow, before, "--json"}).events("case").at(0).text("verdict") == "faster");
}

TEST_CASE("bench compare refuses what it cannot read in one line")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string good = folder.file("good.json"), newer = folder.file("newer.json"), other = folder.file("other.json");
    write_result(good, 9, 10, 11);
    write_result(newer, 9, 10, 11, 2);
    std::ofstream(other) << "{\"a\":1}";
    for (const std::string &bad : {newer, other, folder.file("missing.json")}) {
        ProgramResult result = program.run({"bench", "compare", good, bad});
        CHECK(result.exit_code == 2);
        CHECK(result.error_lines().size() == 1);
        CHECK(result.errors.find(bad) != std::string::npos);
    }
}

TEST_CASE("a result file says when and on what it was made, and whether it has been changed")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string path = folder.file("r.json");
    REQUIRE(program.run({"bench", "--device", "cpu", "--op", "group_norm", "--min-seconds", "0.001", "--save", path})
                .exit_code == 0);
    std::string text = read_whole_file(path);
    CHECK(text.find("\"date\"") != std::string::npos);
    CHECK(text.find("\"hash\"") != std::string::npos);
    CHECK(program.run({"bench", "compare", path, path}).exit_code == 0);
    const size_t units = text.find("\"compute_units\"");
    REQUIRE(units != std::string::npos);
    text.insert(text.find(',', units), "0");
    std::ofstream(path) << text;
    const ProgramResult changed = program.run({"bench", "compare", path, path});
    CHECK(changed.exit_code == 2);
    CHECK(changed.errors.find("has been changed") != std::string::npos);
}

TEST_CASE("the next run takes what tune has found")
{
    Program program(AUXO_PROGRAM);
    const Words model = {"--device", "cpu", "--model", "mlp:784-16-10", "--batch", "64", "--json"};
    Words tune = {"tune", "--budget", "1"}, train = {"train", "--epochs", "1", "--limit", "128", "--explain"};
    tune.insert(tune.end(), model.begin(), model.end());
    train.insert(train.end(), model.begin(), model.end());
    ProgramResult tuned = program.run(tune);
    INFO(tuned.errors);
    REQUIRE(tuned.exit_code == 0);
    REQUIRE_FALSE(tuned.events("tuned").empty());
    CHECK(file_exists(tuned.events("result").at(0).text("file")));
    size_t taken = 0;
    for (const Event &choice : program.run(train).events("choice"))
        taken += choice.text("reason").find("tuned for this device") == 0;
    CHECK(taken > 0);
}

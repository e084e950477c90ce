// tests/threads_test.cpp: how many threads the cpu backend takes: what was asked for, else what the system gives the
// process; and that it lives within a small address space.
#include "support/program.hpp"

#include <filesystem>
#include <fstream>
#include <sched.h>
#include <unistd.h>

extern "C" {
#include "cpu_threads.h"
}

using namespace auxo_test;

namespace
{

double threads_of(Program &program)
{
    ProgramResult result = program.run({"devices", "--json"});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    for (const Event &event : result.events("device"))
        if (event.text("selector") == "cpu")
            return event.number("compute_units");
    FAIL("no device cpu");
    return 0;
}

// A folder in the place of /sys/fs/cgroup, with limits of groups.
struct Groups {
    TempFolder folder;
    std::string membership = folder.file("membership");

    void limit(const std::string &group, const std::string &text)
    {
        std::filesystem::create_directories(folder.path + "/mount/" + group);
        std::ofstream(folder.path + "/mount/" + group + "/cpu.max") << text << "\n";
    }
    int quota(const std::string &text)
    {
        std::ofstream(membership) << text;
        return cpu_threads_quota(membership.c_str(), (folder.path + "/mount").c_str());
    }
};

} // namespace

TEST_CASE("the cpu device takes the threads that the runtime or the environment asks for")
{
    auxo_runtime_options options = {};
    options.backends = auxo_builtin_backends(&options.backend_count);
    options.thread_count = 3;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    Error error;
    REQUIRE_OK(auxo_runtime_create(&options, &runtime, error));
    REQUIRE_OK(auxo_device_open(runtime, "cpu", &device, error));
    CHECK(auxo_device_get_info(device)->compute_units == 3);
    auxo_device_close(device);
    auxo_runtime_destroy(runtime);

    Program program(AUXO_PROGRAM);
    program.set_environment("OMP_NUM_THREADS", "4");
    CHECK(threads_of(program) == 4);
    program.set_environment("AUXO_THREADS", "5");
    CHECK(threads_of(program) == 5);
    program.set_environment("AUXO_THREADS", "many");
    CHECK(threads_of(program) == 4);
    CHECK(program.run({"devices", "--log", "warning"}).errors.find("AUXO_THREADS is \"many\"") != std::string::npos);
}

TEST_CASE("the cpu device takes no more threads than its affinity has processors")
{
    cpu_set_t all, one;
    REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
    int processor = 0;
    while (!CPU_ISSET(processor, &all))
        processor++;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    Program program(AUXO_PROGRAM);
    program.set_environment("AUXO_THREADS", "");
    program.set_environment("OMP_NUM_THREADS", "");
    const double threads = threads_of(program);
    REQUIRE(sched_setaffinity(0, sizeof all, &all) == 0);
    CHECK(threads == 1);
}

TEST_CASE("the quota of a control group and of those above it limits the threads")
{
    Groups groups;
    groups.limit("", "800000 100000");
    groups.limit("a", "250000 100000");
    groups.limit("a/b", "max 100000");
    CHECK(groups.quota("0::/a/b\n") == 3);
    CHECK(groups.quota("12:cpu:/x\n0::/a\n") == 3);
    CHECK(groups.quota("0::/\n") == 8);
    CHECK(groups.quota("0::/elsewhere\n") == 8);
    CHECK(groups.quota("4:cpu:/a\n") == 0);
    CHECK(groups.quota("") == 0);
    groups.limit("", "garbage");
    CHECK(groups.quota("0::/\n") == 0);
}

TEST_CASE("the option --threads gives the same numbers and is checked")
{
    Program program(AUXO_PROGRAM);
    const Words train = {"train",    "--device", "cpu",     "--model", "mlp:784-16-10",
                         "--epochs", "1",        "--limit", "256",     "--json"};
    const double one = program.run(with(train, {"--threads", "1"})).events("result").at(0).number("test_loss");
    CHECK(program.run(with(train, {"--threads", "3"})).events("result").at(0).number("test_loss") == one);
    CHECK(program.run(with(train, {"--threads", "-1"})).exit_code == 2);
}

TEST_CASE("a small address space is enough, and the program ends")
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    WARN("skipped: sanitizers need a large address space");
    return;
#endif
    Program program(AUXO_PROGRAM);
    program.set_address_space_limit(400u << 20);
    program.set_environment("AUXO_THREADS", "2");
    CHECK(program.run({"version"}).exit_code == 0);
    ProgramResult result = program.run(
        {"train", "--device", "cpu", "--model", "mlp:784-16-10", "--epochs", "1", "--limit", "256", "--batch", "64"});
    INFO(result.errors);
    CHECK(result.exit_code == 0);
}
